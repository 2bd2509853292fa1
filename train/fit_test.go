package train

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// Fit is the loop over a task, and leaves the model that it is given as it is.
func TestFitTrainsACopy(t *testing.T) {
	s := cfmSession(t)
	if _, err := s.run(t.Context(), short, Progress{}, Hooks{}); err != nil {
		t.Fatal(err)
	}
	before, err := s.m.Net().Weights()
	if err != nil {
		t.Fatal(err)
	}
	before = slices.Clone(before)
	got, err := Fit{Loop: short, Optimizer: nn.Optimizer{ClipNorm: 1}, Held: s.held}.Train(t.Context(), s.m, s.o)
	if err != nil {
		t.Fatal(err)
	}
	weights, err := got.Net().Weights()
	if err != nil || !slices.Equal(weights, s.state(t).EMA) {
		t.Errorf("the model has not the averaged weights of the same steps (%v)", err)
	}
	if after, err := s.m.Net().Weights(); err != nil || !slices.Equal(after, before) {
		t.Errorf("the model given was changed (%v)", err)
	}
	if why := got.Spec().NoScore; !strings.Contains(why, "coupling ot") {
		t.Errorf("the reason why there is no score is %q", why)
	}
}

// Every field of Fit has its effect.
func TestEveryFieldOfFitHasItsEffect(t *testing.T) {
	m, o := along(t, path.CondOT{}), CFM{Data: data.Shuffle(points(100, 2), 1), Seed: 2}
	weights := func(f Fit) []float32 {
		t.Helper()
		f.Loop.Steps, f.Loop.Batch = 4, 32
		got, err := f.Train(t.Context(), m, o)
		if err != nil {
			t.Fatal(err)
		}
		w, err := got.Net().Weights()
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	plain := weights(Fit{})
	if again := weights(Fit{}); !slices.Equal(again, plain) {
		t.Error("the same training twice ends in other weights")
	}
	for name, f := range map[string]Fit{
		"Loop":      {Loop: Loop{LR: 1e-2}},
		"Optimizer": {Optimizer: nn.Optimizer{EMADecay: new(0.0)}},
		"Step":      {Step: nn.StepOptions{Precision: nn.BFloat16}},
	} {
		if slices.Equal(weights(f), plain) {
			t.Errorf("%s has no effect", name)
		}
	}
	var steps []int
	var val []float64
	hooks := Hooks{
		Step: func(step int, _ float64) { steps = append(steps, step) },
		Event: func(e Event) error {
			if e.ValLoss != nil {
				val = append(val, *e.ValLoss)
			}
			return nil
		},
	}
	weights(Fit{Hooks: hooks, Held: points(50, 2)})
	if !slices.Equal(steps, []int{1, 2, 3, 4}) || len(val) != 1 || math.IsNaN(val[0]) {
		t.Errorf("steps %v were reported, and validation losses %v", steps, val)
	}
}

func TestFitsThatCannotBeAreErrors(t *testing.T) {
	m, o := along(t, path.CondOT{}), CFM{Data: data.Shuffle(points(100, 2), 1)}
	for name, err := range map[string]error{
		"no model":     second(Fit{}.Train(t.Context(), nil, o)),
		"no objective": second(Fit{}.Train(t.Context(), m, nil)),
		"a loop":       second(Fit{Loop: Loop{Steps: -1}}.Train(t.Context(), m, o)),
		"an optimizer": second(Fit{Optimizer: nn.Optimizer{Beta1: new(2.0)}}.Train(t.Context(), m, o)),
		"a step":       second(Fit{Step: nn.StepOptions{Precision: "fp8"}}.Train(t.Context(), m, o)),
		"patience":     second(Fit{Loop: Loop{Steps: 1, Patience: 2}}.Train(t.Context(), m, o)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	boom := errors.New("boom")
	o.Data = failing{o.Data, boom}
	if _, err := (Fit{Loop: Loop{Steps: 30, Batch: 8}}).Train(t.Context(), m, o); !errors.Is(err, boom) {
		t.Errorf("data that fail: got %v", err)
	}
}

func second[A any](_ A, err error) error { return err }

// The limits of an objective replace those of an earlier training.
func TestLimitsAreThoseOfTheLastTraining(t *testing.T) {
	spec := model.Spec{NoScore: "coupling ot", NoDensity: "it is distilled"}
	m, err := Fit{Loop: Loop{Steps: 1, Batch: 8}}.Train(t.Context(), newModel(t, spec, nn.Config{}),
		CFM{Data: data.Shuffle(points(100, 2), 1)})
	if err != nil || m.Spec().NoScore != "" || m.Spec().NoDensity != "" {
		t.Errorf("the limits are %q and %q, %v", m.Spec().NoDensity, m.Spec().NoScore, err)
	}
}
