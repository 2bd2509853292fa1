package train

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// configOf returns a configuration of an objective that has all that it needs.
func configOf(k Kind) Config {
	c := Config{Objective: k.Name}
	if k.Teacher {
		c.Teacher = "folder"
	}
	return c
}

// inputs are those that any objective of the plane can be made of.
func inputs(classes int) Inputs {
	set := points(120, 2)
	if classes > 0 {
		set = labelled(120, 2, classes)
	}
	return Inputs{
		Set:   &data.Set{Dim: 2, Train: data.Shuffle(set, 1), TrainSet: set, Val: set, Test: set},
		Pairs: Pairs{X: points(100, 4).X, Label: flow.LabelsInTurn(100, classes)}, Seed: 2,
	}
}

func TestEveryKindIsComplete(t *testing.T) {
	if want := []string{"cfm", "fm", "ml", "reflow", "distill", "meanflow", "shortcut"}; !slices.Equal(Objectives(),
		want) {
		t.Errorf("the objectives are %v, want %v", Objectives(), want)
	}
	seen := map[string]bool{}
	for _, k := range kinds() {
		if k.Name == "" || k.Doc == "" || k.build == nil || seen[k.Name] {
			t.Errorf("%+v lacks a name of its own, a line of documentation or a builder", k)
		}
		seen[k.Name] = true
		if got, err := KindOf(k.Name); err != nil || got.Name != k.Name {
			t.Errorf("KindOf(%q) is %q, %v", k.Name, got.Name, err)
		}
	}
	if k, err := KindOf(""); err != nil || k.Name != "cfm" {
		t.Errorf("no name is %q, %v", k.Name, err)
	}
	if _, err := KindOf("meanflw"); err == nil || !strings.Contains(err.Error(), `did you mean "meanflow"`) {
		t.Errorf("a misspelt name: %v", err)
	}
	if _, err := (Config{}).New(Inputs{}); err == nil {
		t.Error("an objective was made of no data")
	}
	fresh := Inputs{Set: &data.Set{Name: "moons", Train: data.Shuffle(points(5, 2), 1)}}
	if _, err := (Config{Objective: "fm"}).New(fresh); err == nil || !strings.Contains(err.Error(), "moons has none") {
		t.Errorf("the exact objective of no finite set: %v", err)
	}
}

// What a row of the table says holds for the objective that it makes: it trains where it
// says that it goes, and is an error where it does not.
func TestTheTableIsTrue(t *testing.T) {
	for _, k := range kinds() {
		average := nn.Config{Average: k.Averages}
		train := func(spec model.Spec, net nn.Config, in Inputs) error {
			t.Helper()
			o, err := configOf(k).New(in)
			if err != nil {
				t.Fatal(err)
			}
			net.Average = average.Average
			m, err := Fit{Loop: Loop{Steps: 2, Batch: 8}, Held: in.Set.Val}.Train(t.Context(), newModel(t, spec, net),
				o)
			if err == nil && (m.Spec().NoScore == "") != (o.(Limited) == nil || limits(o) == "") {
				t.Errorf("%s: the model has the limits %q", k.Name, m.Spec().NoScore)
			}
			return err
		}
		if err := train(model.Spec{}, nn.Config{}, inputs(0)); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		coupled := inputs(0)
		coupled.Coupling = coupling.OT{}
		withContext := inputs(0)
		var err error
		if withContext.Set, err = withContext.Set.WithContext(halves{}, 3); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			says bool
			err  error
		}{
			"Noisy":   {k.Noisy, train(model.Spec{Path: path.Config{Name: "bridge"}}, nn.Config{}, inputs(0))},
			"Context": {k.Context, train(model.Spec{}, nn.Config{Context: 1}, withContext)},
			"another prediction": {!k.Velocity,
				train(model.Spec{Path: path.Config{Name: "vp"}, Prediction: path.Data}, nn.Config{}, inputs(0))},
		} {
			if c.says != (c.err == nil) {
				t.Errorf("%s: %s is %v, and training ends with %v", k.Name, name, c.says, c.err)
			}
		}
		if k.Coupled {
			if err := train(model.Spec{}, nn.Config{}, coupled); err != nil {
				t.Errorf("%s: Coupled, and training ends with %v", k.Name, err)
			}
		}
	}
}

func limits(o Objective) string {
	l, ok := o.(Limited)
	if !ok {
		return ""
	}
	_, noScore := l.Limits()
	return noScore
}

// halves makes the half of the first coordinate a context.
type halves struct{}

func (halves) Dim() int { return 1 }

func (halves) Fill(context, x flow.Batch, _ *rand.Rand) error {
	for i := range x.N {
		context.X[i] = x.Row(i)[0] / 2
	}
	return nil
}

// Every key that belongs to some objectives is an error for all others, with the names
// of those that it belongs to.
func TestKeysOfOtherObjectivesAreErrors(t *testing.T) {
	keys := map[string]func(c *Config){
		"shown":             func(c *Config) { c.Shown = 0.5 },
		"ml":                func(c *Config) { c.ML.Kinetic = 1 },
		"teacher":           func(c *Config) { c.Teacher = "folder" },
		"pairs":             func(c *Config) { c.Pairs = 200 },
		"distill_steps":     func(c *Config) { c.DistillSteps = 2 },
		"intervals.ratio":   func(c *Config) { c.Averages.Ratio = 0.5 },
		"intervals.power":   func(c *Config) { c.Averages.Power = new(0.5) },
		"intervals.offset":  func(c *Config) { c.Averages.Power, c.Averages.Offset = new(0.5), 0.1 },
		"intervals.finest":  func(c *Config) { c.Averages.Finest = 4 },
		"intervals.target":  func(c *Config) { c.Averages.Target = TargetExample },
		"intervals.parts":   func(c *Config) { c.Averages.Parts = 2 },
		"intervals.falloff": func(c *Config) { c.Averages.Falloff = 1 },
		"intervals.weight":  func(c *Config) { c.Averages.Weight = 2 },
		"intervals.warmup":  func(c *Config) { c.Averages.Warmup = new(0) },
	}
	for _, k := range kinds() {
		for _, key := range k.keys {
			if keys[key] == nil {
				t.Errorf("%s: the key %s is not in this test", k.Name, key)
			}
		}
		for key, set := range keys {
			c := configOf(k)
			set(&c)
			err := c.Defaults().Validate()
			if slices.Contains(k.keys, key) {
				if err != nil {
					t.Errorf("%s: its own key %s: %v", k.Name, key, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s: %s has no effect, and is no error", k.Name, key)
				continue
			}
			for _, owner := range owners(key) {
				if !strings.Contains(err.Error(), owner) {
					t.Errorf("%s: the error of %s does not name %s: %v", k.Name, key, owner, err)
				}
			}
			if len(owners(key)) == 0 {
				t.Errorf("nobody owns %s", key)
			}
		}
	}
}

// Shared keys that an objective has no use for are errors, with the reason.
func TestSharedKeysWithoutAUseAreErrors(t *testing.T) {
	keys := map[string]func(c *Config){
		"prediction":    func(c *Config) { c.Prediction = path.Noise },
		"times":         func(c *Config) { c.Times.IID = true },
		"weighting":     func(c *Config) { c.Weighting = SigmaSquared },
		"label_dropout": func(c *Config) { c.LabelDropout = 0.1 },
		"precision":     func(c *Config) { c.Precision = nn.BFloat16 },
		"accumulate":    func(c *Config) { c.Accumulate = 2 },
		"devices":       func(c *Config) { c.Devices = 2 },
		"recompute":     func(c *Config) { c.Recompute = true },
	}
	for _, k := range kinds() {
		for _, u := range k.unused {
			c := configOf(k)
			if keys[u.key] == nil {
				t.Errorf("%s: the key %s is not in this test", k.Name, u.key)
				continue
			}
			keys[u.key](&c)
			if err := c.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), u.because) {
				t.Errorf("%s: %s is set: got %v, want %q", k.Name, u.key, err, u.because)
			}
		}
	}
}

func TestEulerStepsAreThoseOfTheStudent(t *testing.T) {
	for _, k := range kinds() {
		if (k.EulerSteps != nil) != (k.Name == "distill") {
			t.Errorf("%s: EulerSteps %v", k.Name, k.EulerSteps != nil)
		}
		if k.EulerSteps != nil && k.EulerSteps(Config{DistillSteps: 4}) != 4 {
			t.Errorf("%s: not the steps of its Config", k.Name)
		}
	}
}
