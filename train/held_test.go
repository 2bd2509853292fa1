package train

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// dithered is points with noise of their own whenever they are read, as images have.
type dithered struct{ data.Points }

func (d dithered) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	err := d.Points.Read(x, given, index, rng)
	for i := range x.X {
		x.X[i] += rng.Float64()
	}
	return err
}

// A validation whose examples are made some at a time is the one whose examples are kept, bit for bit.
func TestValidationSomeAtATimeIsThatOfAllAtOnce(t *testing.T) {
	set := points(9001, 2)
	set.Given = flow.NewGiven(set.X.N, true, 0)
	for i := range set.Given.Label {
		set.Given.Label[i] = int32(i % 3)
	}
	within, err := coupling.Config{Name: "ot", LabelAware: new(true)}.New()
	if err != nil {
		t.Fatal(err)
	}
	plain := newModel(t, model.Spec{Path: path.Config{Name: "vp"}}, nn.Config{Dim: 2, Hidden: []int{16}})
	wide := newModel(t, model.Spec{}, nn.Config{Dim: 30_000, Hidden: []int{2}}) // of which few are made at a time
	classes := newModel(t, model.Spec{}, nn.Config{Dim: 2, Hidden: []int{16}, Classes: 3})
	for name, c := range map[string]struct {
		m    *model.Model
		o    CFM
		held data.Finite
	}{
		"points": {plain, CFM{Seed: 3}, set}, "noise of their own": {plain, CFM{Seed: 4}, dithered{set}},
		"classes": {classes, CFM{Seed: 5}, set}, "classes, coupled": {classes, CFM{Seed: 6, Coupling: within}, set},
		"wide":                         {wide, CFM{Seed: 8}, dithered{points(139, 30_000)}},
		"coupled within classes alone": {plain, CFM{Seed: 7, Coupling: within}, dithered{set}},
	} {
		c.o.Data = data.Shuffle(c.held, 1)
		var loss [2][2]float64
		for i, most := range []int{heldAtOnce, 0} {
			v, err := c.o.validation(c.m, c.held, 96, most)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for again := range 2 {
				if loss[i][again], err = v(t.Context(), c.m.Net()); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
		if loss[0] != loss[1] || loss[0][0] != loss[0][1] || !(loss[0][0] > 0) {
			t.Errorf("%s: %v at once, and %v some at a time", name, loss[0], loss[1])
		}
	}
	v, err := CFM{Data: data.Shuffle(set, 1)}.validation(plain, set, 96, 0)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v(ended, plain.Net()); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
	if _, err := (CFM{Data: data.Shuffle(set, 1)}).validation(plain, set, 0, 0); err == nil {
		t.Error("batches of no points are taken")
	}
}
