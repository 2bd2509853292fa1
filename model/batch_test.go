package model

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/likelihood"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/sde"
)

// calls records those of a Progress, and checks that it only rises.
type calls struct {
	t    *testing.T
	done []float64
	nfe  int
}

func (p *calls) add(done float64, nfe int) {
	if k := len(p.done); k > 0 && done < p.done[k-1]-1e-12 || nfe < p.nfe || done < 0 || done > 1 {
		p.t.Errorf("progress falls to %g and %d evaluations, after %v and %d", done, nfe, p.done, p.nfe)
	}
	p.done, p.nfe = append(p.done, done), nfe
}

// Every sampler reports the end, and what all batches cost, and makes the same points in
// batches as at once where the steps are equal.
func TestBatchesChangeNothingAndProgressIsReported(t *testing.T) {
	m := untrained(t, nn.Config{Dim: 2, Hidden: []int{8}, Classes: 3, Average: true})
	const n = 10
	given := flow.Given{Label: []int32{0, 1, 2, 0, 1, 2, 0, 1, 2, 0}}
	ctx, fixed := t.Context(), ode.Solver{Method: ode.RK4, Control: ode.Fixed(5)}
	points := flow.NewBatch(n, 2)
	for i := range points.X {
		points.X[i] = math.Sin(float64(i))
	}
	hutchinson := likelihood.Hutchinson{Seed: 4}
	type run func(batch int, p Progress) ([]float64, ode.Stats, error)
	sample := func(sampler Sampler) run {
		return func(batch int, p Progress) ([]float64, ode.Stats, error) {
			s, err := m.Sample(ctx, SampleOptions{N: n, Seed: 1, Given: given, Sampler: sampler, Batch: batch,
				Progress: p})
			return slices.Concat(s.X.X, s.LogP), s.Stats, err
		}
	}
	heun := sde.Sampler{Method: sde.Heun, Steps: 5, Denoise: true}
	for _, c := range []struct {
		name string
		nfe  int // of a point
		run  run
	}{
		{"ODE", 20, sample(ODE{Solver: fixed})},
		{"guided", 40, sample(ODE{Solver: fixed, Guidance: new(2.0)})},
		{"average velocity", 3, sample(Average{Steps: 3})},
		{"SDE", 9, sample(SDE{Sampler: heun})},
		{"guided SDE", 18, sample(SDE{Sampler: heun, Guidance: new(2.0)})},
		{"samples with log-densities", 20, sample(Density{Solver: fixed, Divergence: hutchinson})},
		{"log-densities", 20, func(batch int, p Progress) ([]float64, ode.Stats, error) {
			o := LikelihoodOptions{Given: given, Solver: fixed, Divergence: hutchinson, Batch: batch, Progress: p}
			return m.LogProb(ctx, points, o)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := &calls{t: t}
			want, st, err := c.run(0, all.add)
			last := len(all.done) - 1
			if err != nil || st.NFE != c.nfe || all.nfe != c.nfe || all.done[0] != 0 || all.done[last] != 1 {
				t.Fatalf("at once: %v, NFE %d, progress %v and %d evaluations; want %d", err, st.NFE, all.done,
					all.nfe, c.nfe)
			}
			parts := &calls{t: t}
			got, st, err := c.run(4, parts.add) // 4, 4 and 2
			last = len(parts.done) - 1
			if err != nil || st.NFE != c.nfe || parts.nfe != 3*c.nfe || parts.done[last] != 1 ||
				last+1 != 3*len(all.done) {
				t.Fatalf("in batches: %v, NFE %d, progress %v and %d evaluations; want %d", err, st.NFE, parts.done,
					parts.nfe, 3*c.nfe)
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
	m := untrained(t, nn.Config{Dim: 2, Hidden: []int{8}, Average: true})
	points := flow.NewBatch(10, 2)
	fixed := ode.Solver{Method: ode.RK4, Control: ode.Fixed(5)}
	type run func(context.Context, Progress) (Samples, error)
	sample := func(sampler Sampler) run {
		return func(ctx context.Context, p Progress) (Samples, error) {
			return m.Sample(ctx, SampleOptions{N: 10, Sampler: sampler, Batch: 4, Progress: p})
		}
	}
	for name, run := range map[string]run{
		"ODE":              sample(ODE{Solver: fixed}),
		"with densities":   sample(Density{Solver: fixed}),
		"average velocity": sample(Average{Steps: 20}),
		"SDE":              sample(SDE{Sampler: sde.Sampler{Steps: 20}}),
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
	for want, o := range map[string]SampleOptions{
		"batches of -1 points":   {Given: flow.Given{Label: []int32{1}}, Batch: -1},
		"2 labels for 4 points":  {Given: flow.Given{Label: []int32{1, 2}}, Batch: 1},
		"5 labels for 4 points ": {Given: flow.Given{Label: make([]int32, 5)}},
	} {
		o.N, o.Sampler = 4, ODE{Solver: euler(5)}
		if _, err := m.Sample(t.Context(), o); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
