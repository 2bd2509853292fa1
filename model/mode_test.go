package model

import (
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

func TestTheModeOfAShiftIsItsMean(t *testing.T) {
	solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(2)}
	contexts := flow.Batch{N: 3, D: 2, X: []float64{0.5, -1, 2, 0, -0.25, 3}}
	o := ModeOptions{Given: flow.Given{Context: contexts}, Solver: solver}
	for name, m := range map[string]*Model{"free": shifts(t), "bounded": bounded(t)} {
		got, err := m.Mode(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			c, x := contexts.Row(i), got.X.Row(i)
			want, logp := []float64{1 + 2*c[0], 1 + 2*c[1]}, -math.Log(2*math.Pi)-2*math.Log(2)
			tolerance := 1e-3
			if name == "bounded" { // by 0 and 3, and by -1
				z := (min(max(want[0], 0), 3) - want[0]) / 2
				zz := (max(want[1], -1) - want[1]) / 2
				want = []float64{min(max(want[0], 0), 3), max(want[1], -1)}
				logp -= z*z/2 + zz*zz/2 + math.Log(massOfBox(c))
				tolerance = 4 * got.Mass.StdErr
			}
			far := math.Hypot(x[0]-want[0], x[1]-want[1])
			if far > 0.01 || math.Abs(got.LogP[i]-logp) > tolerance || !got.Settled[i] {
				t.Errorf("%s: the mode of %v is %v with log p %.4f after %d steps, want %v and %.4f", name, c, x,
					got.LogP[i], got.Steps[i], want, logp)
			}
		}
	}
	// A region of Go is kept to as well.
	o.Given.Context = contexts.Slice(2, 3)
	o.Within = &Within{Inside: func(x []float64) bool { return x[1] < 5 }}
	if got, err := shifts(t).Mode(t.Context(), o); err != nil || got.X.X[1] > 5 || got.X.X[1] < 4.5 {
		t.Errorf("the mode below 5 is %v (%v)", got.X.X, err)
	}
}

// A posterior may be much narrower than the data: the mode is found in its deviations, of any number of
// coordinates.
func TestTheModeOfANarrowLawIsItsMean(t *testing.T) {
	solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-6, ATol: 1e-6, Each: true}}
	for _, deviation := range []float64{1, 1e-2, 1e-3, 1e-4} {
		net := newNet(t, nn.Config{Dim: 10, Hidden: []int{8}})
		net, err := net.WithWeights(make([]float32, net.NumWeights()))
		if err != nil {
			t.Fatal(err)
		}
		// That has learnt nothing: N(0, deviation² I).
		m, err := New(Spec{Path: path.Config{Name: "condot"}, Precondition: &path.Precondition{Data: deviation}}, net)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Mode(t.Context(), ModeOptions{Solver: solver})
		if err != nil {
			t.Fatal(err)
		}
		top := -10 * (math.Log(deviation) + math.Log(2*math.Pi)/2)
		if far := norm(got.X.X) / deviation; far > 0.01 || math.Abs(got.LogP[0]-top) > 1e-3 || !got.Settled[0] {
			t.Errorf("of deviation %g: %.3f deviations from the mean, log p %.4f, want %.4f; %d steps, settled %t",
				deviation, far, got.LogP[0], top, got.Steps[0], got.Settled[0])
		}
	}
}

func TestWhatHasNoMode(t *testing.T) {
	m := shifts(t)
	given := flow.Given{Context: flow.NewBatch(1, 2)}
	for want, o := range map[string]ModeOptions{
		"contexts do not fit": {Solver: euler(2)},
		"-1 steps of a mode":  {Solver: euler(2), Given: given, Steps: -1},
		"Method is nil":       {Given: given},
	} {
		if _, err := m.Mode(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	none, err := New(Spec{Path: path.Config{Name: "condot"}, NoDensity: "for a test"}, newNet(t, nn.Config{Dim: 2}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Mode(t.Context(), ModeOptions{Solver: euler(2)}); err == nil {
		t.Error("a mode of a model without a density")
	}
	rows, err := New(Spec{Path: path.Config{Name: "condot"}, Schema: rowsSchema()}, newNet(t, nn.Config{Dim: 4}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Mode(t.Context(), ModeOptions{Solver: euler(2)}); err == nil ||
		!strings.Contains(err.Error(), "between two levels") {
		t.Errorf("a mode of rows: %v", err)
	}
}
