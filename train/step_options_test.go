package train

import (
	"math"
	"strings"
	"testing"

	"flowmatch/data/dataset"
	"flowmatch/model"
	"flowmatch/nn"
)

// In the plane a training learns the same in bfloat16, in parts and with layers computed
// again, as plainly; the plain losses of the same examples are what it is measured by.
func TestStepsThatSaveLearnTheSame(t *testing.T) {
	set, err := dataset.Config{Name: "moons"}.Open("", 1)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(t, model.Spec{}, nn.Config{Hidden: []int{64, 64}})
	learn := func(o nn.StepOptions) float64 {
		var last Event
		fit := Fit{
			Loop: Loop{Steps: 300, Batch: 256, ValEvery: new(300), LR: 3e-3}, Step: o,
			Optimizer: nn.Optimizer{EMADecay: new(0.99)}, Held: set.Val,
			Hooks: Hooks{Event: func(e Event) error { last = e; return nil }},
		}
		if _, err := fit.Train(t.Context(), m, CFM{Data: set.Train, Seed: 2}); err != nil {
			t.Fatal(err)
		}
		return *last.ValLoss
	}
	want := learn(nn.StepOptions{})
	got := learn(nn.StepOptions{Precision: nn.BFloat16, Accumulate: 4, Recompute: true})
	t.Logf("validation loss %g, plainly %g", got, want)
	if math.Abs(got/want-1) > 0.02 {
		t.Errorf("validation loss %g, plainly %g; want them within 2 in a hundred", got, want)
	}
}

func TestStepOptionsAreOfRegressions(t *testing.T) {
	options := func(objective string, o nn.StepOptions) Config { return Config{Objective: objective, StepOptions: o} }
	for want, c := range map[string]Config{
		"accumulate is 3; it must divide batch, 32": {
			Loop: Loop{Batch: 32}, StepOptions: nn.StepOptions{Accumulate: 3},
		},
		"unknown precision":                    options("", nn.StepOptions{Precision: "fp16"}),
		"precision is set, but means nothing":  options("ml", nn.StepOptions{Precision: nn.BFloat16}),
		"accumulate is set, but means nothing": options("ml", nn.StepOptions{Accumulate: 2}),
		"devices is -1":                        options("", nn.StepOptions{Devices: -1}),
		"devices is set, but means nothing":    options("ml", nn.StepOptions{Devices: 2}),
		"recompute is set, but means nothing":  options("ml", nn.StepOptions{Recompute: true}),
	} {
		if err := c.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q", err, want)
		}
	}
}
