package model

import (
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// byPoint is dopri5 with steps of each point's own.
func byPoint(tolerance float64) ode.Solver {
	return ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: tolerance, ATol: tolerance, Each: true}}
}

// conditional returns models of three classes and two numbers of context, with all that
// stands between a network and its velocity.
func conditional(t *testing.T) map[string]*Model {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{16, 16}, Classes: 3, Context: 2})
	models := map[string]*Model{}
	for name, spec := range map[string]Spec{
		"velocity":       {Path: path.Config{Name: "condot"}},
		"noise":          {Path: path.Config{Name: "vp"}, Prediction: path.Noise},
		"preconditioned": {Path: path.Config{Name: "ve"}, Precondition: &path.Precondition{Data: 1}},
	} {
		m, err := New(spec, net)
		if err != nil {
			t.Fatal(err)
		}
		models[name] = m
	}
	return models
}

// apart returns the largest difference of two arrays.
func apart(a, b []float64) (worst float64) {
	for i := range a {
		worst = max(worst, math.Abs(a[i]-b[i]))
	}
	return worst
}

// given returns labels and contexts of n points.
func given(n int) flow.Given {
	g := flow.NewGiven(n, true, 2)
	for i := range n {
		g.Label[i] = int32(i % 3)
	}
	flow.Gaussian{}.Sample(g.Context, seed.Rand(8, "test/context", 0))
	return g
}

// The bits are the same: on the native backend those of the network are, too.
func TestLogDensitiesDoNotDependOnTheBatch(t *testing.T) {
	const n = 150
	x := gaussian(n, 2, 1.5)
	for name, m := range conditional(t) {
		for _, div := range []likelihood.Divergence{nil, likelihood.Hutchinson{Seed: 3}} {
			o := LikelihoodOptions{Given: given(n), Solver: byPoint(1e-5), Divergence: div}
			all, st, err := m.LogProb(t.Context(), x, o)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			o.Batch = 40
			parts, other, err := m.LogProb(t.Context(), x, o)
			if err != nil || !slices.Equal(parts, all) || st.NFE != other.NFE {
				t.Errorf("%s, %v: in batches of 40: %v; %v and %v; %.2g apart", name, div, err, st, other,
					apart(parts, all))
			}
			if div != nil {
				continue // the probes are of a point's place
			}
			for _, i := range []int{0, 77, 149} {
				o := LikelihoodOptions{Given: given(n).Slice(i, i+1), Solver: byPoint(1e-5)}
				alone, _, err := m.LogProb(t.Context(), x.Slice(i, i+1), o)
				if err != nil || alone[0] != all[i] {
					t.Errorf("%s: point %d alone: %v, %.17g, among others %.17g", name, i, err, alone[0], all[i])
				}
			}
		}
	}
}

func TestSamplesWithStepsOfTheirOwn(t *testing.T) {
	const n, two = 60, 2.0
	for name, m := range conditional(t) {
		known := Hold{X: gaussian(n, 2, 1), Known: make([]bool, 2*n)}
		for i := range n {
			known.Known[2*i+i%2] = i%3 > 0
		}
		for what, how := range map[string]ODE{"plain": {}, "guided": {Guidance: new(two)}, "held": {Hold: &known}} {
			draw := func(s ode.Solver, batch int) []float64 {
				t.Helper()
				how.Solver = s
				o := SampleOptions{N: n, Seed: 5, Given: given(n), Sampler: how, Batch: batch}
				got, err := m.Sample(t.Context(), o)
				if err != nil {
					t.Fatalf("%s, %s: %v", name, what, err)
				}
				return got.X.X
			}
			all := draw(byPoint(1e-6), 0)
			if parts := draw(byPoint(1e-6), 13); !slices.Equal(parts, all) {
				t.Errorf("%s, %s: batches of 13 change the samples", name, what)
			}
			shared := draw(ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-6, ATol: 1e-6}}, 0)
			for i, v := range shared {
				if math.Abs(v-all[i]) > 1e-3*(1+math.Abs(v)) {
					t.Fatalf("%s, %s: number %d is %g, with shared steps %g", name, what, i, all[i], v)
				}
			}
		}
	}
}
