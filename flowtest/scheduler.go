package flowtest

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/path"
)

// Named is a schedule and the name under which a test reports it.
type Named struct {
	Name string
	path.Scheduler
}

// Schedules returns every schedule of room path, with defaults and, where they
// change the mathematics, with other settings.
func Schedules() []Named {
	return []Named{
		{"condot", path.CondOT{}},
		{"condot sigma_min 0.1", path.CondOT{SigmaMin: 0.1}},
		{"vp", path.VP{}},
		{"vp beta 1 to 5", path.VP{BetaMin: 1, BetaMax: 5}},
		{"ve", path.VE{}},
		{"ve sigma 0.1 to 5", path.VE{SigmaMin: 0.1, SigmaMax: 5}},
		{"cosine", path.Cosine{}},
		{"poly", path.Poly{}},
		{"poly 3", path.Poly{N: 3}},
		{"linear_vp", path.LinearVP{}},
		{"discrete_vp", discrete("linear", 1000, 1e-4, 0.02)},
		{"discrete_vp scaled_linear", discrete("scaled_linear", 1000, 0.00085, 0.012)},
		{"discrete_vp cosine", discrete("cosine", 1000, 0, 0)},
	}
}

// discrete is [path.NewDiscreteVP] of settings that are right.
func discrete(betas string, steps int, lo, hi float64) path.Scheduler {
	d, err := path.NewDiscreteVP(betas, steps, lo, hi)
	if err != nil {
		panic("flowtest: " + err.Error())
	}
	return d
}

// TestScheduler fails t unless s passes [path.Check] and, at 200 random times,
//
//   - the conversions between all 25 pairs of predictions are right to 1e-11 of
//     the terms they add up, and return to where they began;
//   - Interpolate and ConditionalVelocity agree (Theorem 3), and the velocity is
//     d/dt ψ_t by a central difference;
//   - the source is N(0, σ(lo)² I), and Span lies within the domain.
func TestScheduler(t *testing.T, s path.Scheduler) {
	t.Helper()
	if err := checkScheduler(s); err != nil {
		t.Error(err)
	}
}

var predictions = path.Predictions()

func checkScheduler(s path.Scheduler) error {
	if err := path.Check(s); err != nil {
		return err
	}
	lo, hi := s.Domain()
	if got, want := path.Source(s).Std, s.At(lo).Sigma; got != want {
		return fmt.Errorf("source has standard deviation %g, want sigma(%g) = %g", got, lo, want)
	}
	for _, p := range predictions {
		a, b := path.Span(s, p)
		if !(lo <= a && a < b && b <= hi) {
			return fmt.Errorf("span of %v is [%g, %g], not an interval within the domain [%g, %g]", p, a, b, lo, hi)
		}
	}
	const seedOf = 1
	rng := seed.Rand(seedOf, "flowtest scheduler", 0)
	var errs []error
	for range 200 {
		// Inside by 1e-3, where all kinds are defined.
		at := lo + (hi-lo)*(1e-3+(1-2e-3)*rng.Float64())
		x0, x1 := rng.NormFloat64(), rng.NormFloat64()
		if err := errors.Join(checkConversions(s.At(at), x0, x1), checkTheorem3(s, at, x0, x1)); err != nil {
			errs = append(errs, fmt.Errorf("t = %g, x0 = %g, x1 = %g (seed %d): %w", at, x0, x1, seedOf, err))
		}
	}
	return errors.Join(errs...)
}

func checkConversions(c path.Coef, x0, x1 float64) error {
	xt := c.Point(x1, x0)
	for _, from := range predictions {
		f1, f0 := c.Weights(from)
		have := f1*x1 + f0*x0
		for _, to := range predictions {
			g1, g0 := c.Weights(to)
			want := g1*x1 + g0*x0
			a, b := c.Convert(from, to)
			got := a*xt + b*have
			tol := 1e-11 * (math.Abs(a*xt) + math.Abs(b*have) + math.Abs(g1*x1) + math.Abs(g0*x0))
			if !(math.Abs(got-want) <= tol) {
				return fmt.Errorf("%v to %v: got %.15g, want %.15g, tolerance %g", from, to, got, want, tol)
			}
			back0, back1 := c.Convert(to, from)
			round := back0*xt + back1*got
			tol = 1e-11*(math.Abs(back0*xt)+math.Abs(back1*got)+math.Abs(have)) + math.Abs(back1)*tol
			if !(math.Abs(round-have) <= tol) {
				return fmt.Errorf("%v to %v and back: got %.15g, want %.15g, tolerance %g", from, to, round, have, tol)
			}
		}
	}
	return nil
}

// one is a batch of a single number.
func one(x float64) flow.Batch { return flow.Batch{N: 1, D: 1, X: []float64{x}} }

func checkTheorem3(s path.Scheduler, at, x0, x1 float64) error {
	psi := func(t float64) (x, u float64) {
		xt, ut := flow.NewBatch(1, 1), flow.NewBatch(1, 1)
		if err := path.Interpolate(xt, ut, s, []float64{t}, one(x0), one(x1)); err != nil {
			return math.NaN(), math.NaN() // which no comparison below lets pass
		}
		return xt.X[0], ut.X[0]
	}
	x, target := psi(at)
	u := flow.NewBatch(1, 1)
	if err := path.ConditionalVelocity(u, s.At(at), one(x), one(x1)); err != nil {
		return err
	}
	c := s.At(at)
	scale := math.Abs(c.DAlpha*x1) + math.Abs(c.DSigma*x0) +
		math.Abs(c.DSigma/c.Sigma)*(math.Abs(x)+math.Abs(c.Alpha*x1))
	if tol := 1e-12 * scale; !(math.Abs(u.X[0]-target) <= tol) {
		return fmt.Errorf("eq. 12 gives %.15g at psi_t(x0), the path moves with %.15g, tolerance %g",
			u.X[0], target, tol)
	}
	// Central difference: its error is h² ψ”'/6, small beside the 1e-5 asked
	// because h is a thousandth of the distance to the nearer end.
	lo, hi := s.Domain()
	h := 1e-3 * min(at-lo, hi-at)
	after, _ := psi(at + h)
	before, _ := psi(at - h)
	numeric := (after - before) / ((at + h) - (at - h))
	tol := 1e-5*scale + 1e-15*(math.Abs(c.Alpha*x1)+math.Abs(c.Sigma*x0))/h
	if !(math.Abs(target-numeric) <= tol) {
		return fmt.Errorf("u_t is %.12g, d/dt psi_t is numerically %.12g, tolerance %g", target, numeric, tol)
	}
	return nil
}
