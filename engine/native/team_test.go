package native

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

func TestTeam(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8} {
		team := newTeam(n)
		for k := range 300 {
			parts := 1 + k*7%40
			done := make([]atomic.Int32, parts)
			var sum atomic.Int64
			team.run(parts, func(part, worker int) {
				if worker < 0 || worker >= n {
					t.Errorf("worker %d of %d", worker, n)
				}
				done[part].Add(1)
				sum.Add(int64(part))
			})
			for p := range done {
				if c := done[p].Load(); c != 1 {
					t.Fatalf("%d workers: part %d of %d was done %d times", n, p, parts, c)
				}
			}
			if got := sum.Load(); got != int64(parts*(parts-1)/2) {
				t.Fatalf("sum %d", got)
			}
			if k%100 == 99 {
				time.Sleep(20 * time.Millisecond) // the workers park
			}
		}
		team.run(0, func(int, int) { t.Error("a part of nothing") })
		team.stop()
	}
}

// TestTeamHelps checks that parked workers come to help: a part waits for another
// that only they can do.
func TestTeamHelps(t *testing.T) {
	team := newTeam(2)
	defer team.stop()
	for range 5 {
		both := make(chan bool)
		team.run(2, func(part, worker int) {
			if part == 0 {
				both <- true
			} else {
				<-both
			}
		})
		for deadline := time.Now().Add(10 * time.Second); team.idle.Load() == 0; {
			if time.Now().After(deadline) {
				t.Fatal("the worker never parks")
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// TestTeamStops checks that no worker outlives its backend.
func TestTeamStops(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		team := newTeam(4)
		team.run(8, func(int, int) {})
		team.stop()
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines; there were %d", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestNoAllocations checks that a program that writes into buffers that are there
// allocates nothing.
func TestNoAllocations(t *testing.T) {
	for _, threads := range []int{1, 2} {
		b, err := New(Options{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Finalize)
		params := []shapes.Shape{floats(300, 16), floats(16, 40), floats(40), floats(300, 5, 8), floats(300, 8, 3)}
		e := recorded(t, b, params, func(g compute.Function, p []compute.Value) []compute.Value {
			m := must(t)
			dot := func(x compute.Value, k, b int, y compute.Value, l, c int) compute.Value {
				batch := func(a int) []int {
					if a < 0 {
						return nil
					}
					return []int{a}
				}
				return m(g.DotGeneral(x, []int{k}, batch(b), y, []int{l}, batch(c), compute.DotGeneralConfig{}))
			}
			bias := m(g.BroadcastInDim(p[2], floats(300, 40), []int{1}))
			h := m(g.Tanh(m(g.Add(dot(p[0], 1, -1, p[1], 0, -1), bias))))
			grad := dot(p[0], 0, -1, h, 0, -1)
			scores := dot(p[3], 2, 0, p[4], 1, 0) // [300, 5, 3]
			turned := m(g.Transpose(m(g.Exp(m(g.Neg(m(g.Abs(scores)))))), 2, 0, 1))
			framed := m(g.Pad(m(g.Reverse(h, 0, 1)), m(g.Constant([]float32{1})), compute.PadAxis{Start: 1},
				compute.PadAxis{End: 2}))
			rows := m(g.Concatenate(0, p[0], m(g.Slice(h, []int{0, 0}, []int{300, 32}, []int{3, 2}))))
			mask := m(g.LessThan(p[0], m(g.Constant([]float32{0}))))
			return []compute.Value{m(g.Sub(p[1], grad)), scores, turned, framed, rows, m(g.Concatenate(1, h, p[0])),
				m(g.ReduceSum(h, 0)), m(g.ReduceMax(h, 0)),
				m(g.ReduceSum(scores, 1)), m(g.Reshape(turned, 4500)), mask, p[2]}
		})
		p := e.(*Program)
		var args, outs []compute.Buffer
		for _, s := range params {
			args = append(args, newBuffer(t, b, make([]float32, s.Size()), s.Dimensions...))
		}
		for _, s := range p.Outputs() {
			out, _, err := b.NewSharedBuffer(0, s)
			if err != nil {
				t.Fatal(err)
			}
			outs = append(outs, out)
		}
		if n := testing.AllocsPerRun(50, func() {
			if err := p.ExecuteInto(outs, args); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%d threads: %v allocations in a run", threads, n)
		}
	}
}
