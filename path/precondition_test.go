package path

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"flowmatch/flow"
)

func preconditioned() map[string]Precondition {
	return map[string]Precondition{"unit": {}, "wide data": {Data: 3.6}, "both": {Data: 0.2, Source: 2}}
}

// For Gaussian data and source of the scales given, input and target have unit variance
// and are uncorrelated, and every prediction is Skip x_t + Out w, on every path.
func TestPreconditioningIsUnitVarianceAndExact(t *testing.T) {
	for _, name := range Names() {
		s, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := s.Domain()
		for what, p := range preconditioned() {
			s1, s0 := p.scales()
			for i := range 21 {
				at := lo + (hi-lo)*float64(i)/20
				c := s.At(at)
				k := p.At(c, Velocity)
				w1, w0 := p.Target(c)
				// Variances from the weights: x_1 = s1 ξ, x_0 = s0 ζ.
				z := sq(k.In*c.Alpha*s1) + sq(k.In*c.Sigma*s0)
				w := sq(w1*s1) + sq(w0*s0)
				cross := k.In*c.Alpha*s1*w1*s1 + k.In*c.Sigma*s0*w0*s0
				if math.Abs(z-1) > 1e-12 || math.Abs(w-1) > 1e-12 || math.Abs(cross) > 1e-12 {
					t.Errorf("%s, %s, t=%g: variances %g and %g, covariance %g; want 1, 1, 0", name, what, at, z, w,
						cross)
				}
				for _, y := range []Prediction{Velocity, Data, Noise, Score} {
					g1, g0 := c.Weights(y)
					if !finite(g1) || !finite(g0) {
						continue
					}
					k := p.At(c, y)
					for want, got := range map[float64]float64{
						g1: k.Skip*c.Alpha + k.Out*w1, g0: k.Skip*c.Sigma + k.Out*w0,
					} {
						if math.Abs(got-want) > 1e-9*(1+math.Abs(want)) {
							t.Errorf("%s, %s, %v at t=%g: a weight of %g, want %g", name, what, y, at, got, want)
						}
					}
				}
			}
		}
	}
}

func sq(v float64) float64 { return v * v }

// The time input is t itself for CondOT, and rises from near 0 to near 1 for all.
func TestThePreconditionedTimeIsTheShareOfTheData(t *testing.T) {
	for i := range 11 {
		at := float64(i) / 10
		if got := (Precondition{}).At(CondOT{}.At(at), Velocity).Share; math.Abs(got-at) > 1e-15 {
			t.Errorf("condot: time %g at %g", got, at)
		}
	}
	for _, name := range Names() {
		s, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := s.Domain()
		clock := Precondition{}.Clock(s, lo, hi)
		before, most := math.Inf(-1), Precondition{}.At(s.At(hi), Velocity).Share
		least := Precondition{}.At(s.At(lo), Velocity).Share
		for i := range 101 {
			u := float64(i) / 100
			at := clock.At(u)
			tau := Precondition{}.At(s.At(at), Velocity).Share
			if want := least + u*(most-least); math.Abs(tau-want) > 1e-3 || at < before {
				t.Errorf("%s: the share %g is at t=%g, where it is %g", name, want, at, tau)
			}
			before = at
		}
	}
}

// exactF is the network that is right for Gaussian data N(0, Data²): w is independent of
// x_t there, so F is zero.
type exactF struct{}

func (exactF) Dim() int { return 2 }

func (exactF) Velocity(v []float64, _ float64, x []float64) error {
	clear(v[:len(x)])
	return nil
}

// For Gaussian data the best F is 0, and Skip alone is the exact marginal velocity.
func TestSkipIsTheExactFieldOfGaussianData(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []Scheduler{CondOT{}, VP{BetaMin: 0.1, BetaMax: 20}, VE{SigmaMin: 0.01, SigmaMax: 50}, Cosine{}} {
		p := Precondition{Data: 1.7}
		f := p.Field(exactF{}, s, Velocity)
		lo, hi := s.Domain()
		for range 20 {
			at, x, v := lo+(hi-lo)*rng.Float64(), []float64{rng.NormFloat64(), 3}, make([]float64, 2)
			if err := f.Velocity(v, at, x); err != nil {
				t.Fatal(err)
			}
			c := s.At(at)
			// d/dt log R · x, with R² = α² s² + σ².
			r2 := sq(c.Alpha*1.7) + sq(c.Sigma)
			rate := (c.Alpha*c.DAlpha*1.7*1.7 + c.Sigma*c.DSigma) / r2
			for d := range v {
				if want := rate * x[d]; math.Abs(v[d]-want) > 1e-9*(1+math.Abs(want)) {
					t.Errorf("%T at t=%g: velocity %g, want %g", s, at, v[d], want)
				}
			}
		}
	}
	for _, bad := range []float64{-1, 1e-300, 1e300, math.NaN(), math.Inf(1)} {
		err := (Precondition{Data: bad}).Validate()
		if err == nil || !strings.Contains(err.Error(), "it must be between 1e-30 and 1e+30") {
			t.Errorf("a scale of %g: %v", bad, err)
		}
	}
	var _ flow.Field = Precondition{}.Field(exactF{}, CondOT{}, Data)
}
