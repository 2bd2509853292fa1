package sde

import (
	"errors"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/path"
)

// Steps that are too long throw the points out; those that are not are taken without a word.
func TestTooFewStepsAreToldBeforehand(t *testing.T) {
	for _, c := range []struct {
		s     Sampler
		stiff bool
	}{
		{Sampler{Steps: 1, Denoise: true}, false}, // one prediction of the data
		{Sampler{Steps: 2}, true},
		{Sampler{Steps: 2, Denoise: true}, true},
		{Sampler{Steps: 10, Method: Heun, Denoise: true}, true},
		{Sampler{Steps: 50}, false},
		{Sampler{Steps: 50, Method: Heun}, false},
		{Sampler{Steps: 2, Diffusion: Sigma{}}, false},
		{Sampler{Steps: 2, Method: DDPM}, false},
		{Sampler{Steps: 2, Method: DDIM}, false},
		{Sampler{Steps: 100, Diffusion: Constant{G: 100}}, true},
		{Sampler{Steps: 100, Diffusion: Constant{G: 1}}, false},
	} {
		if why := c.s.Stiff(path.CondOT{}, path.Velocity); (why != "") != c.stiff ||
			c.stiff && !strings.Contains(why, "take more steps, or ddpm") {
			t.Errorf("%v: %q", c.s, why)
		}
	}
	// An error says it too.
	g := gaussian{path: path.CondOT{}, s: 1}
	x := flow.Batch{N: 1, D: 1, X: []float64{1}}
	s := Sampler{Steps: 300, Diffusion: Constant{G: 1e6}}
	_, err := s.Sample(t.Context(), g, g.path, g.pred, x)
	if !errors.Is(err, ErrNonFinite) || !strings.Contains(err.Error(), "are too few") {
		t.Errorf("%v", err)
	}
}

func TestAnSDEHasABudgetOfEvaluations(t *testing.T) {
	for _, s := range []Sampler{
		{Steps: math.MaxInt, MaxNFE: 1000}, {Steps: 501, MaxNFE: 1000, Method: Heun}, {Steps: 1, MaxNFE: -1},
	} {
		if err := s.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v: %v", s, err)
		}
	}
	if err := (Sampler{Steps: 500, MaxNFE: 1000, Method: Heun}).Validate(); err != nil {
		t.Error(err)
	}
}
