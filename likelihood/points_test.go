package likelihood

import (
	"errors"
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
)

// each is a solver that gives every point steps of its own.
func each(tol float64) ode.Solver {
	return ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: tol, ATol: tol, Each: true}, MaxNFE: 100_000}
}

func TestALogDensityDoesNotDependOnWhoElseIsInTheBatch(t *testing.T) {
	modes := flowtest.TwoModes(path.CondOT{})
	x := normals(24, modes.Dim(), 2, 3)
	for _, div := range []Divergence{Exact{}, Hutchinson{Probes: 2, Seed: 5}} {
		p := Problem{Field: modes, Source: flow.Gaussian{}, Divergence: div, Solver: each(1e-6)}
		all, x0, st, err := p.LogProb(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		p.BatchSize = 5
		parts, y0, other, err := p.LogProb(t.Context(), x)
		if err != nil || !slices.Equal(parts, all) || !slices.Equal(y0.X, x0.X) || other != st {
			t.Errorf("%v: in parts of five: %v, %v and %v", div, err, st, other)
		}
		p.BatchSize = 0
		order := seed.Rand(1, "test/order", 0).Perm(x.N)[:10]
		p.Rows = order
		some, _, _, err := p.LogProb(t.Context(), x.Rows(order))
		for k, i := range order {
			if err != nil || some[k] != all[i] {
				t.Fatalf("%v: point %d among ten in another order: %v, %.17g and %.17g", div, i, err, some[k], all[i])
			}
		}
		// And back: the same point, with the same density.
		y, logp, _, err := Problem{Field: modes, Source: flow.Gaussian{}, Divergence: div, Solver: each(1e-9)}.
			Sample(t.Context(), x0)
		if err != nil || largestGap(y.X, x.X) > 1e-4 || largestGap(logp, all) > 1e-4 {
			t.Errorf("%v: there and back: %v, points %.2g apart, densities %.2g", div, err, largestGap(y.X, x.X),
				largestGap(logp, all))
		}
	}
}

func TestLogDensitiesWithStepsOfTheirOwnAreThoseOfTheExactFlow(t *testing.T) {
	l := linear(3, 2)
	x1 := normals(50, 3, 1, 4)
	logp, x0, _, err := Problem{Field: l, Source: flow.Gaussian{}, Solver: each(1e-10)}.LogProb(t.Context(), x1)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, x1.N)
	back := x1.Clone()
	l.Flow(back.X, -1)
	flow.Gaussian{}.LogProb(want, back)
	for i := range want {
		want[i] -= l.Trace()
	}
	if gap := max(largestGap(logp, want), largestGap(x0.X, back.X)); gap > 1e-8 {
		t.Errorf("off by %.2g", gap)
	}
}

func TestOnePointThatFailsLeavesTheOthersTheirDensities(t *testing.T) {
	modes := flowtest.TwoModes(path.CondOT{})
	x := normals(7, modes.Dim(), 1, 3)
	p := Problem{Field: modes, Source: flow.Gaussian{}, Solver: each(1e-5), BatchSize: 3}
	want, _, _, err := p.LogProb(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	x.Row(4)[0] = math.Inf(1)
	logp, _, _, err := p.LogProb(t.Context(), x)
	var failed *ode.PointsError
	if !errors.As(err, &failed) || !slices.Equal(failed.Points, []int{4}) || !math.IsNaN(logp[4]) {
		t.Fatalf("got %v, %v", err, logp)
	}
	logp[4] = want[4]
	if !slices.Equal(logp, want) {
		t.Errorf("the others: %v, without the failure %v", logp, want)
	}
}

func TestStepsOfTheirOwnNeedAFieldThatHasTimes(t *testing.T) {
	p := Problem{Field: onlyDiv{flowtest.TwoModes(path.CondOT{})}, Source: flow.Gaussian{}, Solver: each(1e-5)}
	if _, _, _, err := p.LogProb(t.Context(), normals(2, p.Field.Dim(), 1, 1)); !errors.Is(err, flow.ErrNotTimed) {
		t.Errorf("got %v", err)
	}
}
