package path

import (
	"errors"
	"fmt"
	"math"

	"flowmatch/internal/absent"
)

// ErrSchedule is wrapped by every error of [Check].
var ErrSchedule = errors.New("path: not a schedule")

// Check reports whether s is a schedule in the sense of this room. At 65 times
// of its domain it asks that
//
//   - the domain is an interval within [0,1];
//   - the four coefficients are finite, σ >= 0 and α >= 0, not both zero;
//   - DAlpha and DSigma are the derivatives of Alpha and Sigma, to 1e-6 of the
//     coefficient's size and slope, against a Richardson extrapolated numeric
//     derivative (not at the very ends, which have one side only);
//   - α/σ does not fall, that is α̇σ − ασ̇ >= 0: t=0 is noise and t=1 data. It
//     catches a schedule written in diffusion time.
//
// The error wraps [ErrSchedule] and names the time, the value and what was
// expected. A nil schedule and a [Func] without Fn are errors too.
func Check(s Scheduler) error {
	if err := usable(s); err != nil {
		return err
	}
	lo, hi := s.Domain()
	if !(0 <= lo && lo < hi && hi <= 1) {
		return fmt.Errorf("%w: domain [%g, %g] should be an interval within [0,1]", ErrSchedule, lo, hi)
	}
	const n = 64
	for i := range n + 1 {
		t := lo + (hi-lo)*float64(i)/n
		if i == n {
			t = hi // exactly, whatever the rounding
		}
		if err := checkValues(s.At(t), t); err != nil {
			return err
		}
		if i == 0 || i == n {
			continue
		}
		if err := checkSlope("Alpha", t, lo, hi, s.At(t).DAlpha,
			func(t float64) float64 { return s.At(t).Alpha }); err != nil {
			return err
		}
		if err := checkSlope("Sigma", t, lo, hi, s.At(t).DSigma,
			func(t float64) float64 { return s.At(t).Sigma }); err != nil {
			return err
		}
	}
	return nil
}

// usable reports a schedule that cannot be asked for anything.
func usable(s Scheduler) error {
	if absent.Is(s) {
		return fmt.Errorf("%w: it is nil; give one, such as CondOT{}", ErrSchedule)
	}
	f, ok := s.(Func)
	if p, isPointer := s.(*Func); isPointer {
		f, ok = *p, true
	}
	if ok && f.Fn == nil {
		return fmt.Errorf("%w: Func.Fn is nil; set it to the function of t that returns the coefficients", ErrSchedule)
	}
	return nil
}

func checkValues(c Coef, t float64) error {
	for _, f := range []struct {
		name string
		v    float64
	}{{"Alpha", c.Alpha}, {"Sigma", c.Sigma}, {"DAlpha", c.DAlpha}, {"DSigma", c.DSigma}} {
		if math.IsNaN(f.v) || math.IsInf(f.v, 0) {
			return fmt.Errorf("%w: %s(%g) is %g: shorten the domain to where it is finite", ErrSchedule, f.name, t, f.v)
		}
	}
	if c.Sigma < 0 || c.Alpha < 0 {
		return fmt.Errorf("%w: Alpha(%g) = %g, Sigma(%g) = %g: neither may be negative", ErrSchedule, t,
			c.Alpha, t, c.Sigma)
	}
	if c.Sigma == 0 && c.Alpha == 0 {
		return fmt.Errorf("%w: Alpha and Sigma are both zero at t = %g: x_t would be 0 for all data", ErrSchedule, t)
	}
	rise := c.DAlpha*c.Sigma - c.Alpha*c.DSigma
	if slack := 1e-12 * (math.Abs(c.DAlpha*c.Sigma) + math.Abs(c.Alpha*c.DSigma)); rise < -slack {
		return fmt.Errorf("%w: Alpha/Sigma falls at t = %g (slope sign %g): "+
			"t=0 must be noise and t=1 data; was it written in diffusion time?",
			ErrSchedule, t, rise)
	}
	return nil
}

func checkSlope(name string, t, lo, hi, got float64, f func(float64) float64) error {
	want, miss := slope(f, t, 0.5*min(t-lo, hi-t, 0.05))
	scale := math.Abs(want) + math.Abs(f(t))/(hi-lo)
	if !(miss <= 1e-6*scale+1e-12) {
		return fmt.Errorf("%w: %s is not smooth at t = %g: numeric derivative %g ± %g", ErrSchedule, name,
			t, want, miss)
	}
	if diff := math.Abs(got - want); !(diff <= 1e-6*scale+1e-12) {
		return fmt.Errorf("%w: D%s(%g) = %g, but the numeric derivative of %s there is %g",
			ErrSchedule, name, t, got, name, want)
	}
	return nil
}

// slope is Ridders' derivative: central differences at h, h/2, h/4 ... and
// Richardson extrapolation in h², the entry with the least estimated error.
// (Ridders, Accurate computation of F'(x) and F'(x)F”(x), 1982.)
func slope(f func(float64) float64, t, h float64) (d, miss float64) {
	const rows = 8
	var a [rows][rows]float64
	miss = math.Inf(1)
	for i := range rows {
		a[i][0] = (f(t+h) - f(t-h)) / ((t + h) - (t - h)) // the step as it was taken
		for j, pow := 1, 4.0; j <= i; j, pow = j+1, pow*4 {
			a[i][j] = a[i][j-1] + (a[i][j-1]-a[i-1][j-1])/(pow-1)
			if e := max(math.Abs(a[i][j]-a[i][j-1]), math.Abs(a[i][j]-a[i-1][j-1])); e < miss {
				d, miss = a[i][j], e
			}
		}
		h /= 2
	}
	return d, miss
}
