package train

import (
	"math"
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

// firstShown shows the first coordinate of every second point.
func firstShown(shown, x1 flow.Batch, _ *rand.Rand) {
	for i := range shown.X {
		shown.X[i] = math.NaN()
	}
	for i := 0; i < x1.N; i += 2 {
		shown.Row(i)[0] = x1.Row(i)[0]
	}
}

// What is shown belongs to the points of its step, in training and in validation, and changes nothing else
// of the examples.
func TestExamplesHaveWhatIsShown(t *testing.T) {
	set := points(40, 2)
	m := newModel(t, model.Spec{Path: path.Config{Name: "condot"}}, nn.Config{Shown: true})
	plain := newModel(t, model.Spec{Path: path.Config{Name: "condot"}}, nn.Config{})
	o := CFM{Data: data.Shuffle(set, 1), Seed: 5, Show: firstShown}
	check := func(what string, ex *nn.Examples) {
		t.Helper()
		if ex.Given.Shown.N != ex.X1.N {
			t.Fatalf("%s: something is shown of %d of %d points", what, ex.Given.Shown.N, ex.X1.N)
		}
		for i := range ex.X1.N {
			row := ex.Given.Shown.Row(i)
			if i%2 == 0 && row[0] != ex.X1.Row(i)[0] || i%2 == 1 && !math.IsNaN(row[0]) || !math.IsNaN(row[1]) {
				t.Errorf("%s: of point %d, %v, is shown %v", what, i, ex.X1.Row(i), row)
			}
		}
	}
	ex, same := newExamples(m, 8), newExamples(plain, 8)
	for step := range uint64(3) {
		if err := o.Examples(m, ex, step); err != nil {
			t.Fatal(err)
		}
		check("training", ex)
		without := o
		without.Show = nil
		if err := without.Examples(plain, same, step); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ex.X0.X, same.X0.X) || !slices.Equal(ex.X1.X, same.X1.X) || !slices.Equal(ex.T, same.T) {
			t.Error("other points, noise or times, for something is shown")
		}
	}
	held, err := o.heldOut(m, set, 10)
	if err != nil {
		t.Fatal(err)
	}
	check("validation", held)
}

func TestWhatIsShownInVain(t *testing.T) {
	set := points(40, 2)
	looks := newModel(t, model.Spec{Path: path.Config{Name: "condot"}}, nn.Config{Shown: true})
	plain := newModel(t, model.Spec{Path: path.Config{Name: "condot"}}, nn.Config{})
	cfm := CFM{Data: data.Shuffle(set, 1), Show: firstShown}
	blind, coupled := cfm, cfm
	blind.Show, coupled.Coupling = nil, coupling.OT{}
	for _, c := range []struct {
		o    Objective
		m    *model.Model
		want string
	}{
		{cfm, looks, ""},
		{cfm, plain, "does not look at them"},
		{blind, looks, "none are"},
		{coupled, looks, "the independent coupling, not"},
		{FM{CFM: cfm, X1: set.X}, looks, "leave Show out"},
	} {
		err := c.o.Check(c.m)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
	in := Inputs{Set: &data.Set{Name: "moons", Train: data.Shuffle(set, 1), TrainSet: set}}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Shown: 0.5}, "moons is none"},
		{Config{Shown: 1.5}, "it must be in [0, 1]"},
		{Config{Objective: "ml", Shown: 0.5}, "set objective to cfm"},
	} {
		if _, err := c.cfg.New(in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got error %v, want %q", c.cfg, err, c.want)
		}
	}
}
