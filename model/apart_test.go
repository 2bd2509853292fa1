package model

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/likelihood"
	"flowmatch/ode"
	"flowmatch/path"
)

// Solves whose points have their steps in common name the points that they fail of, too.
func TestAPointThatCannotBeSolvedForDoesNotLoseTheOthers(t *testing.T) {
	m := learntNothing(t, Spec{Path: path.Config{Name: "condot"}, Precondition: &path.Precondition{Data: 3}})
	x := gaussian(50, 2, 3)
	bad := x.Clone()
	bad.X[2*7], bad.X[2*31+1] = 1e300, -1e300
	for _, o := range []LikelihoodOptions{
		dopri5(1e-6), {Solver: euler(20)},
		{Solver: dopri5(1e-6).Solver, Divergence: likelihood.Hutchinson{Probes: 1, Seed: 3}},
	} {
		o.Batch = 20
		want, _, err := m.LogProb(t.Context(), x, o)
		if err != nil {
			t.Fatal(err)
		}
		got, st, err := m.LogProb(t.Context(), bad, o)
		var failed *ode.PointsError
		if !errors.As(err, &failed) || !slices.Equal(failed.Points, []int{7, 31}) || st.NFE == 0 ||
			!errors.Is(err, ode.ErrNonFinite) || strings.Contains(failed.Errs[0].Error(), "points") {
			t.Fatalf("%v: error %v, NFE %d, want one of points 7 and 31", o.Solver, err, st.NFE)
		}
		for i, v := range got {
			// Each half takes steps of its own.
			if math.IsNaN(v) != slices.Contains(failed.Points, i) || math.Abs(v-want[i]) > 1e-4 {
				t.Errorf("%v, point %d: log-density %g, want %g, or NaN of those that failed", o.Solver, i, v, want[i])
			}
		}
		c, err := m.CheckLogProb(t.Context(), bad, got, o)
		if err != nil || c.Points != 48 || c.Difference == nil || math.IsNaN(*c.Difference) {
			t.Errorf("%v: check %+v (error %v), want one of the 48 others", o.Solver, c, err)
		}
	}
	all := x.Rows(append(upTo(0, 50), upTo(0, 50)...))
	for i := range all.X {
		all.X[i] = 1e300
	}
	if logp, _, err := m.LogProb(t.Context(), all, dopri5(1e-6)); logp != nil || err == nil ||
		!strings.Contains(err.Error(), "points 0 to 99") {
		t.Errorf("where all fail: %v", err)
	}
}
