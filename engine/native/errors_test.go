package native

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

func TestErrors(t *testing.T) {
	b, err := New(Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Finalize()
	e := recorded(t, b, []shapes.Shape{floats(4), floats(4)},
		func(g compute.Function, p []compute.Value) []compute.Value {
			return []compute.Value{must(t)(g.Add(p[0], p[1]))}
		})
	whole := recorded(t, b, []shapes.Shape{floats(4)}, func(g compute.Function, p []compute.Value) []compute.Value {
		f, err := g.Builder().NewFunction("f")
		if err != nil {
			t.Fatal(err)
		}
		x := must(t)(f.Parameter("x", floats(4), nil))
		if err := f.Return([]compute.Value{must(t)(f.Neg(x))}, nil); err != nil {
			t.Fatal(err)
		}
		out, err := g.Call(f, p[0])
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
	x, dead := newBuffer(t, b, make([]float32, 4), 4), newBuffer(t, b, make([]float32, 4), 4)
	if err := dead.Finalize(); err != nil {
		t.Fatal(err)
	}
	bad := map[string]compute.Buffer{
		"nil": nil, "dead": dead, "of another backend": newBuffer(t, other, make([]float32, 4), 4),
		"of another kind of backend": newBuffer(t, goBackend(t), make([]float32, 4), 4),
		"of another shape":           newBuffer(t, b, make([]float32, 5), 5),
		"of another rank":            newBuffer(t, b, make([]float32, 4), 2, 2),
	}
	for name, y := range bad {
		if _, err := e.Execute([]compute.Buffer{x, y}, nil, 0); err == nil {
			t.Errorf("a buffer %s was taken", name)
		}
		if _, err := whole.Execute([]compute.Buffer{y}, nil, 0); err == nil {
			t.Errorf("a buffer %s was taken by a program that is not compiled", name)
		}
		if err := e.(*Program).ExecuteInto([]compute.Buffer{y}, []compute.Buffer{x, x}); err == nil {
			t.Errorf("a buffer %s was taken for a result", name)
		}
	}
	for _, args := range [][]compute.Buffer{nil, {x}, {x, x, x}} {
		if _, err := e.Execute(args, nil, 0); err == nil {
			t.Errorf("%d arguments were taken", len(args))
		}
		if err := e.(*Program).ExecuteInto([]compute.Buffer{newBuffer(t, b, make([]float32, 4), 4)}, args); err == nil {
			t.Errorf("%d arguments were taken", len(args))
		}
	}
	for _, outs := range [][]compute.Buffer{nil,
		{newBuffer(t, b, make([]float32, 4), 4), newBuffer(t, b, make([]float32, 4), 4)}} {
		if err := e.(*Program).ExecuteInto(outs, []compute.Buffer{x, x}); err == nil {
			t.Errorf("%d results were taken", len(outs))
		}
	}
	if _, err := b.BufferFromFlatData(0, make([]float32, 3), floats(4)); err == nil {
		t.Error("3 values were taken for 4")
	}
	b.Finalize()
	b.Finalize()
	calls := map[string]func() error{
		"Execute":       func() error { _, err := e.Execute([]compute.Buffer{x, x}, nil, 0); return err },
		"Execute whole": func() error { _, err := whole.Execute([]compute.Buffer{x}, nil, 0); return err },
		"ExecuteInto": func() error {
			return e.(*Program).ExecuteInto([]compute.Buffer{x}, []compute.Buffer{x, x})
		},
		"BufferFromFlatData": func() error {
			_, err := b.BufferFromFlatData(0, make([]float32, 4), floats(4))
			return err
		},
		"NewSharedBuffer": func() error { _, _, err := b.NewSharedBuffer(0, floats(4)); return err },
		"Data":            func() error { _, err := x.Data(); return err },
		"Compile": func() error {
			bd := b.Builder("late")
			y, err := bd.Main().Parameter("x", floats(4), nil)
			if err != nil {
				return err
			}
			if err := bd.Main().Return([]compute.Value{y}, nil); err != nil {
				return err
			}
			_, err = bd.Compile()
			return err
		},
	}
	for name, f := range calls {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s on a backend that is finalized: panic: %v", name, p)
				}
			}()
			if f() == nil {
				t.Errorf("%s succeeded on a backend that is finalized", name)
			}
		}()
	}
	if err := x.Finalize(); err != nil && !strings.Contains(err.Error(), "final") {
		t.Error(err)
	}
}

// TestConcurrent runs programs from several goroutines at once.
func TestConcurrent(t *testing.T) {
	r := newRig(t)
	var ds []*drawing
	for seed := range uint64(6) {
		ds = append(ds, draw(rand.New(rand.NewPCG(seed, 1)), r.reference))
	}
	for _, b := range r.ours[len(r.ours)-2:] {
		programs, want := make([]compute.Executable, len(ds)), make([][]any, len(ds))
		for i, d := range ds {
			var err error
			if programs[i], err = d.program(b, false); err != nil {
				t.Fatal(err)
			}
			if want[i], err = d.execute(b, programs[i], nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for k := range 4 {
			wg.Go(func() {
				for n := range 30 {
					i := (n + k%2*3) % len(ds) // two goroutines are at the same program
					got, err := ds[i].execute(b, programs[i], nil, nil)
					if err != nil {
						t.Error(err)
						return
					}
					for o := range got {
						if !sameBits(got[o], want[i][o]) {
							t.Errorf("program %d, result %d: other bits", i, o)
						}
					}
					if n%10 == k {
						if programs, err := ds[i].program(b, false); err != nil {
							t.Error(err, programs)
						}
					}
				}
			})
		}
		wg.Wait()
	}
}
