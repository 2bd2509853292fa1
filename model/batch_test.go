package model

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/likelihood"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

func untrained(t testing.TB, cfg nn.Config) *Model {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, cfg, 3)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Spec{Path: path.Config{Name: "condot"}, Shape: []int{2}, Standardizer: &data.Standardizer{Mean: []float64{1, -2}, Std: []float64{2, 0.5}}}, net)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// told records what a Progress is told, and checks that it only rises.
type told struct {
	t    *testing.T
	done []float64
	nfe  int
}

func (p *told) tell(done float64, nfe int) {
	if k := len(p.done); k > 0 && done < p.done[k-1]-1e-12 || nfe < p.nfe || done < 0 || done > 1 {
		p.t.Errorf("progress falls to %g and %d evaluations, after %v and %d", done, nfe, p.done, p.nfe)
	}
	p.done, p.nfe = append(p.done, done), nfe
}

// Every way to solve tells the end, and what all batches cost, and makes the same
// points in batches as at once where the steps are equal.
func TestBatchesChangeNothingAndProgressIsTold(t *testing.T) {
	m := untrained(t, nn.Config{Dim: 2, Hidden: []int{8}, Classes: 3, Interval: true})
	const n = 10
	label := make([]int32, n)
	for i := range label {
		label[i] = int32(i % 3)
	}
	ctx, fixed := t.Context(), ode.Solver{Method: ode.RK4, Control: ode.Fixed(5)}
	points := flow.NewBatch(n, 2)
	for i := range points.X {
		points.X[i] = math.Sin(float64(i))
	}
	hutchinson := likelihood.Hutchinson{Seed: 4}
	for _, c := range []struct {
		name string
		nfe  int // of a point
		run  func(batch int, p Progress) ([]float64, ode.Stats, error)
	}{
		{"ODE", 20, func(batch int, p Progress) ([]float64, ode.Stats, error) {
			s, err := m.Sample(ctx, SampleOptions{N: n, Seed: 1, Label: label, Solver: fixed, Batch: batch, Progress: p})
			return s.X.X, s.Stats, err
		}},
		{"guided", 40, func(batch int, p Progress) ([]float64, ode.Stats, error) {
			s, err := m.Sample(ctx, SampleOptions{N: n, Seed: 1, Label: label, Guidance: 2, Solver: fixed, Batch: batch, Progress: p})
			return s.X.X, s.Stats, err
		}},
		{"intervals", 3, func(batch int, p Progress) ([]float64, ode.Stats, error) {
			s, err := m.Sample(ctx, SampleOptions{N: n, Seed: 1, Label: label, Intervals: 3, Batch: batch, Progress: p})
			return s.X.X, s.Stats, err
		}},
		{"SDE", 9, func(batch int, p Progress) ([]float64, ode.Stats, error) {
			s, err := m.SampleSDE(ctx, SDEOptions{N: n, Label: label, Batch: batch, Progress: p, Sampler: sde.Sampler{Method: sde.Heun, Steps: 5, Seed: 7, Denoise: true}})
			return s.X.X, s.Stats, err
		}},
		{"samples with log-densities", 20, func(batch int, p Progress) ([]float64, ode.Stats, error) {
			s, err := m.Sample(ctx, SampleOptions{N: n, Seed: 1, Label: label, Solver: fixed, LogProb: true, Divergence: hutchinson, Batch: batch, Progress: p})
			return slices.Concat(s.X.X, s.LogP), s.Stats, err
		}},
		{"log-densities", 20, func(batch int, p Progress) ([]float64, ode.Stats, error) {
			return m.LogProb(ctx, points, LikelihoodOptions{Label: label, Solver: fixed, Divergence: hutchinson, Batch: batch, Progress: p})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := &told{t: t}
			want, st, err := c.run(0, all.tell)
			if err != nil || st.NFE != c.nfe || all.nfe != c.nfe || all.done[0] != 0 || all.done[len(all.done)-1] != 1 {
				t.Fatalf("at once: %v, NFE %d, told %v and %d evaluations; want %d", err, st.NFE, all.done, all.nfe, c.nfe)
			}
			parts := &told{t: t}
			got, st, err := c.run(4, parts.tell) // 4, 4 and 2
			if err != nil || st.NFE != c.nfe || parts.nfe != 3*c.nfe || parts.done[len(parts.done)-1] != 1 || len(parts.done) != 3*len(all.done) {
				t.Fatalf("in batches: %v, NFE %d, told %v and %d evaluations; want %d", err, st.NFE, parts.done, parts.nfe, 3*c.nfe)
			}
			for i := range want {
				if math.Abs(got[i]-want[i]) > 1e-5 {
					t.Fatalf("number %d is %g in batches and %g at once", i, got[i], want[i])
				}
			}
		})
	}
}

// A cancelled context lets no further evaluation begin: not in this step, and not in
// the batches that are left.
func TestCancellingStopsWithinAnEvaluation(t *testing.T) {
	m := untrained(t, nn.Config{Dim: 2, Hidden: []int{8}, Interval: true})
	points := flow.NewBatch(10, 2)
	fixed := ode.Solver{Method: ode.RK4, Control: ode.Fixed(5)}
	for name, run := range map[string]func(context.Context, Progress) (Samples, error){
		"ODE": func(ctx context.Context, p Progress) (Samples, error) {
			return m.Sample(ctx, SampleOptions{N: 10, Solver: fixed, Batch: 4, Progress: p})
		},
		"intervals": func(ctx context.Context, p Progress) (Samples, error) {
			return m.Sample(ctx, SampleOptions{N: 10, Intervals: 20, Batch: 4, Progress: p})
		},
		"SDE": func(ctx context.Context, p Progress) (Samples, error) {
			return m.SampleSDE(ctx, SDEOptions{N: 10, Sampler: sde.Sampler{Steps: 20}, Batch: 4, Progress: p})
		},
		"log-densities": func(ctx context.Context, p Progress) (s Samples, err error) {
			s.LogP, s.Stats, err = m.LogProb(ctx, points, LikelihoodOptions{Solver: fixed, Batch: 4, Progress: p})
			return s, err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		last := 0
		s, err := run(ctx, func(done float64, nfe int) {
			if last = nfe; done > 0.5 { // within the second batch of three
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || s.X.X != nil || s.LogP != nil || last == 0 || last >= 40 {
			t.Errorf("%s: error %v after %d evaluations, with points %v", name, err, last, s.X.X)
		}
		cancel()
	}
}

func TestBadBatchesAreNamed(t *testing.T) {
	m := untrained(t, nn.Config{Dim: 2, Hidden: []int{8}, Classes: 3})
	fixed := ode.Solver{Method: ode.RK4, Control: ode.Fixed(5)}
	for want, o := range map[string]SampleOptions{
		"batches of -1 points":   {N: 4, Label: []int32{1}, Solver: fixed, Batch: -1},
		"2 labels for 4 points":  {N: 4, Label: []int32{1, 2}, Solver: fixed, Batch: 1},
		"5 labels for 4 points ": {N: 4, Label: make([]int32, 5), Solver: fixed},
	} {
		if _, err := m.Sample(t.Context(), o); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
