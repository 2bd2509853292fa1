package model

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/path"
)

func TestContextsComeToModelUnits(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{4}, Context: 2})
	spec := Spec{
		Path: path.Config{Name: "condot"}, ContextColumns: []string{"x", "y"},
		ContextStandardizer: &data.Standardizer{Mean: []float64{10, -1}, Std: []float64{2, 0.5}},
	}
	m, err := New(spec, net)
	if err != nil {
		t.Fatal(err)
	}
	c := flow.Batch{N: 2, D: 2, X: []float64{14, -1, 8, 0}}
	z, err := m.Contexts(c)
	if err != nil || !slices.Equal(z.X, []float64{2, 0, -1, 2}) || c.X[0] != 14 {
		t.Errorf("got %v, %v; %v", z.X, err, c.X)
	}
	if why := m.FarContext(z); why != "" {
		t.Errorf("near contexts: %s", why)
	}
	far := flow.Batch{N: 3, D: 2, X: []float64{0, 0, 0, 7, -6, 0}}
	want := `2 of 3 contexts are far from those of the training, and the model knows nothing of them: ` +
		`in context 2 "y" is 2.5, 7 standard deviations from the mean -1`
	if why := m.FarContext(far); why != want {
		t.Errorf("got %q, want %q", why, want)
	}
	// What the training has seen is not far, however many deviations it is from the mean.
	for _, squash := range []bool{false, true} {
		spec.ContextStandardizer = &data.Standardizer{Mean: []float64{10, -1}, Std: []float64{2, 0.5}, Squash: squash,
			Lo: []float64{-2, -3}, Hi: []float64{13, 2.5}}
		seen, err := New(spec, net)
		if err != nil {
			t.Fatal(err)
		}
		for want, x := range map[string][]float64{
			"": {-2, 2.5, -2, -1},
			`1 of 2 contexts are far from those of the training, and the model knows nothing of them: in ` +
				`context 2 "x" is -2.1, 6.05 standard deviations from the mean 10 (they have -2 to 13)`: {
				-2, 2.5, -2.1, -1},
		} {
			z, err := seen.Contexts(flow.Batch{N: 2, D: 2, X: x})
			if why := seen.FarContext(z); why != want || err != nil {
				t.Errorf("squashed %t: got %q, want %q (%v)", squash, why, want, err)
			}
		}
	}
	spec.ContextStandardizer = &data.Standardizer{Mean: []float64{10, -1}, Std: []float64{2, 0.5}, Squash: true}
	squashing, err := New(spec, net)
	if err != nil {
		t.Fatal(err)
	}
	squashed := far.Clone()
	for i, v := range far.X {
		squashed.X[i] = 2 * math.Asinh(v/2)
	}
	if why := squashing.FarContext(squashed); why != want {
		t.Errorf("squashed: got %q, want %q", why, want)
	}
	for want, c := range map[string]flow.Batch{
		"takes 2 for each point":    {N: 1, D: 3, X: make([]float64, 3)},
		`context 2: "y" is NaN`:     {N: 2, D: 2, X: []float64{1, 2, 3, math.NaN()}},
		"shape [2, 2] with 3 numbe": {N: 2, D: 2, X: make([]float64, 3)},
	} {
		if _, err := m.Contexts(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", c, err, want)
		}
	}
	none := untrained(t, planar.Net)
	if _, err := none.Contexts(c); !errors.Is(err, ErrNoContext) || none.FarContext(c) != "" {
		t.Errorf("a model without contexts: %v", err)
	}
	for _, bad := range []Spec{
		{ContextColumns: []string{"x"}},
		{ContextStandardizer: &data.Standardizer{Mean: []float64{1}, Std: []float64{1}}},
		{ContextStandardizer: &data.Standardizer{Mean: []float64{1, 1}, Std: []float64{1, 0}}},
		{ContextStandardizer: &data.Standardizer{Mean: []float64{1, 1}, Std: []float64{1, 1}, Lo: []float64{0}}},
		{ContextShape: []int{2, 2}},
		{ContextShape: []int{-1, -2}},
	} {
		bad.Path = spec.Path
		if _, err := New(bad, net); !errors.Is(err, ErrSpec) {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
}
