package model

import (
	"errors"
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/path"
	"flowmatch/sde"
)

// Whatever the sampler, the coordinates that are shown are those of the samples, in the units of the data,
// and the others are those of a solve that sees them.
func TestSamplesHaveWhatIsShown(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 4, Hidden: []int{8}, Shown: true})
	m, err := New(Spec{Path: path.Config{Name: "condot"}, Schema: rowsSchema()}, net)
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	x := flow.Batch{N: 3, D: 2, X: []float64{7.5, nan, nan, 2, nan, nan}} // price, group
	given := flow.Given{Shown: rowsSchema().Shown(x, false)}
	all := SampleOptions{N: 3, Seed: 3}
	for name, how := range map[string]Sampler{"ODE": ODE{Solver: byPoint(1e-6)},
		"DDPM": SDE{Sampler: sde.Sampler{Method: sde.DDPM, Steps: 20}}} {
		o := all
		o.Sampler, o.Given = how, given
		s, err := m.Sample(t.Context(), o)
		if err != nil {
			t.Fatal(name, err)
		}
		rows := flow.NewBatch(3, 2)
		rowsSchema().Rows(rows, s.X)
		if price := rows.Row(0)[0]; math.Abs(price-7.5) > 1e-9 || rows.Row(1)[1] != 2 {
			t.Errorf("%s: a price of %g and group %g; want 7.5 and 2", name, price, rows.Row(1)[1])
		}
		if slices.ContainsFunc(s.X.X, math.IsNaN) {
			t.Errorf("%s: samples %v", name, s.X)
		}
		// One entry holds for all; the last row, of which nothing is known, is that of a sample.
		o.Given.Shown = given.Shown.Slice(0, 1)
		if s, err = m.Sample(t.Context(), o); err != nil {
			t.Fatal(name, err)
		}
		for i := range 3 {
			if math.Abs(s.X.Row(i)[0]-7.5) > 1e-9 {
				t.Errorf("%s: row %d has a price of %g", name, i, s.X.Row(i)[0])
			}
		}
	}
	o := all
	o.Sampler = ODE{Solver: byPoint(1e-6)}
	plain, err := m.Sample(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Given = given
	some, err := m.Sample(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(plain.X.Row(2), some.X.Row(2)) || plain.X.Row(0)[1] == some.X.Row(0)[1] {
		t.Errorf("of %v is shown %v, which makes them %v", plain.X, given.Shown, some.X)
	}
}

func TestLogDensitiesAreOfAllCoordinates(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{8}, Shown: true})
	m, err := New(Spec{Path: path.Config{Name: "condot"}}, net)
	if err != nil {
		t.Fatal(err)
	}
	given := flow.Given{Shown: flow.Batch{N: 1, D: 2, X: []float64{0.5, math.NaN()}}}
	_, err = m.Sample(t.Context(), SampleOptions{N: 2, Given: given, Sampler: Density{Solver: byPoint(1e-4)}})
	if !errors.Is(err, ErrShownDensity) {
		t.Errorf("of samples: got error %v", err)
	}
	_, _, err = m.LogProb(t.Context(), flow.NewBatch(2, 2), LikelihoodOptions{Given: given, Solver: byPoint(1e-4)})
	if !errors.Is(err, ErrShownDensity) {
		t.Errorf("of points: got error %v", err)
	}
	if _, _, err = m.LogProb(t.Context(), flow.NewBatch(2, 2), LikelihoodOptions{Solver: byPoint(1e-4)}); err != nil {
		t.Errorf("of points of which nothing is shown: %v", err)
	}
}
