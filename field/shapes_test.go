package field_test

import (
	"strings"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/path"
)

// exact is what Marginal and Mixture have in common.
type exact interface {
	flow.Differentiable
	flow.Diverger
	LogProb(logp []float64, t float64, x []float64) error
}

func TestSlicesThatDoNotFitAreErrors(t *testing.T) {
	marginal, err := field.NewMarginal(path.CondOT{}, flow.NewBatch(3, 2), nil)
	if err != nil {
		t.Fatal(err)
	}
	mixture := flowtest.TwoModes(path.CondOT{})
	two, three, four := make([]float64, 2), make([]float64, 3), make([]float64, 4)
	const at = 0.5
	for name, f := range map[string]exact{"marginal": marginal, "mixture": mixture} {
		for _, c := range []struct {
			what string
			err  error
			want string
		}{
			{"half a point", f.Velocity(three, at, three), "Velocity: 3 values are not points of dimension 2"},
			{"a short velocity", f.Velocity(two, at, four), "Velocity: slices of 2 and 4 values"},
			{"a short g", f.VJP(four, two, at, four, four), "VJP: slices of 2 and 4 values"},
			{"a short e", f.VJP(four, four, at, four, two), "VJP: slices of 2 and 4 values"},
			{"half a point for a divergence", f.VelocityDiv(three, two, at, three), "VelocityDiv: 3 values"},
			{"a short velocity with a divergence", f.VelocityDiv(two, two, at, four), "VelocityDiv: slices of 2 and 4"},
			{"a long divergence", f.VelocityDiv(four, three, at, four), "VelocityDiv: 3 values for 2 points"},
			{"a long log p", f.LogProb(three, at, four), "LogProb: 3 values for 2 points"},
		} {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("%s, %s: got error %v, want %q", name, c.what, c.err, c.want)
			}
		}
	}
	if err := marginal.PosteriorMean(two, at, four); err == nil {
		t.Error("PosteriorMean: no error for a short mean")
	}
	if err := mixture.Score(two, at, four); err == nil {
		t.Error("Score: no error for a short score")
	}
}
