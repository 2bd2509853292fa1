package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"flowmatch/ode"
	"flowmatch/sde"
)

// Samples that are handed on in parts are those that are drawn at once, of every sampler.
func TestSamplesInPartsAreThoseDrawnAtOnce(t *testing.T) {
	m, err := trained(t, planar).Model()
	if err != nil {
		t.Fatal(err)
	}
	samplers := map[string]Sampler{
		"equal steps":    ODE{Solver: ode.Solver{Method: ode.Heun2, Control: ode.Fixed(3)}},
		"adaptive steps": ODE{Solver: ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-2, ATol: 1e-2}}},
		"noise":          SDE{Sampler: sde.Sampler{Method: sde.DDPM, Steps: 4}},
	}
	for name, how := range samplers {
		o := SampleOptions{N: 23, Seed: 3, Sampler: how, Batch: 10}
		want, err := m.Sample(context.Background(), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []float64
		var last float64
		o.Progress = func(done float64, _ int) { last = done }
		st, err := m.SampleEach(context.Background(), o, func(first int, s Samples) error {
			if first*m.Dim() != len(got) {
				return fmt.Errorf("a part begins at %d behind %d numbers", first, len(got))
			}
			got = append(got, s.X.X...)
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if st != want.Stats || last != 1 {
			t.Errorf("%s: stats %+v and progress %g; want %+v and 1", name, st, last, want.Stats)
		}
		for i, v := range got {
			if len(got) != len(want.X.X) || math.Float64bits(v) != math.Float64bits(want.X.X[i]) {
				t.Fatalf("%s: number %d of %d is %v; want %v of %d", name, i, len(got), v, want.X.X[i], len(want.X.X))
			}
		}
	}
	enough := errors.New("enough")
	_, err = m.SampleEach(context.Background(), SampleOptions{N: 9, Sampler: samplers["noise"], Batch: 3},
		func(int, Samples) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("the error of take is %v; want %v", err, enough)
	}
}
