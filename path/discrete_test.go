package path_test

import (
	"math"
	"strings"
	"testing"

	"flowmatch/path"
)

// The products of 1 - β are taken here as DDPM does, step by step, and the figures are those of
// its paper and of diffusers' schedulers.
func TestADiscretePathHasTheProductsOfItsSteps(t *testing.T) {
	const steps = 1000
	for _, c := range []struct {
		betas    string
		min, max float64
		last     float64 // ᾱ of the last step
		first    int     // the largest step of the path
	}{
		{"linear", 1e-4, 0.02, 4.0358e-5, 999},
		{"scaled_linear", 0.00085, 0.012, 4.6601e-3, 999},
		{"cosine", 0, 0, 2.4289e-6, 998},
	} {
		s, err := path.NewDiscreteVP(c.betas, steps, c.min, c.max)
		if err != nil {
			t.Fatal(err)
		}
		bar := 1.0
		for k := range c.first + 1 {
			beta := 0.0
			switch at := float64(k) / (steps - 1); c.betas {
			case "linear":
				beta = c.min + (c.max-c.min)*at
			case "scaled_linear":
				beta = math.Pow(math.Sqrt(c.min)+(math.Sqrt(c.max)-math.Sqrt(c.min))*at, 2)
			default:
				f := func(u float64) float64 { return math.Pow(math.Cos((u+0.008)/1.008*math.Pi/2), 2) }
				beta = 1 - f(float64(k+1)/steps)/f(float64(k)/steps)
			}
			bar *= 1 - beta
			at := s.At(1 - float64(k+1)/steps)
			if diff := math.Abs(at.Alpha*at.Alpha - bar); diff > 1e-12 {
				t.Fatalf("%s: α² of step %d is %g, want %g", c.betas, k, at.Alpha*at.Alpha, bar)
			}
			if diff := math.Abs(at.Alpha*at.Alpha + at.Sigma*at.Sigma - 1); diff > 1e-15 {
				t.Fatalf("%s: α² + σ² of step %d is off 1 by %g", c.betas, k, diff)
			}
		}
		if math.Abs(bar-c.last) > 1e-4*c.last {
			t.Errorf("%s: ᾱ of the last step is %.5g, want %.5g", c.betas, bar, c.last)
		}
		if lo, hi := s.Domain(); math.Abs(lo-(1-float64(c.first+1)/steps)) > 1e-15 || hi != 0.999 {
			t.Errorf("%s: the domain is [%g, %g]", c.betas, lo, hi)
		}
	}
}

func TestADiscretePathIsNamedInAFile(t *testing.T) {
	for _, c := range []path.Config{
		{Name: "discrete_vp"},
		{Name: "discrete_vp", Steps: new(100.0), BetaMin: new(0.001), BetaMax: new(0.2)},
		{Name: "discrete_vp", Betas: "scaled_linear"},
		{Name: "discrete_vp", Betas: "cosine", Steps: new(4000.0)},
	} {
		s, err := c.New()
		if err != nil {
			t.Fatal(err)
		}
		again, ok := path.ConfigOf(s)
		if !ok {
			t.Fatalf("%+v has no Config", c)
		}
		same, err := again.New()
		if err != nil || same.At(0.5) != s.At(0.5) {
			t.Errorf("%+v came back as %+v (%v)", c, again, err)
		}
	}
	for _, c := range []struct {
		c    path.Config
		want string
	}{
		{path.Config{Name: "discrete_vp", Betas: "square"}, "unknown betas"},
		{path.Config{Name: "discrete_vp", Steps: new(2.5)}, "a whole number"},
		{path.Config{Name: "discrete_vp", Betas: "cosine", BetaMin: new(0.1)}, "does not use it"},
		{path.Config{Name: "discrete_vp", BetaMin: new(0.1)}, "beta_min the less"},
		{path.Config{Name: "discrete_vp", SigmaMin: new(0.1)}, "does not use it"},
		{path.Config{Name: "vp", Betas: "linear"}, "does not use it"},
		{path.Config{Name: "condot", Steps: new(10.0)}, "does not use it"},
	} {
		if _, err := c.c.New(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.c, err, c.want)
		}
	}
	if c := (&path.DiscreteVP{}).At(0.5); !math.IsNaN(c.Alpha) {
		t.Errorf("a path that was not made has α %g", c.Alpha)
	}
}
