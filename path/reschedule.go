package path

import (
	"errors"
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/internal/absent"
)

// Reschedule changes the schedule of a trained velocity field: f moves points
// along from, and the returned field moves them along to, with the same x_0 and
// x_1 at the ends. Two affine Gaussian paths with equal signal to noise ratio
// differ by a scale only, so with t(r) the time at which from has the ratio that
// to has at r,
//
//	x̄_r = s_r x_t(r),   v̄_r(x) = (ṡ_r/s_r) x + s_r ṫ_r v_t(r)(x/s_r)
//
// Instead of the ratio α/σ, which is 0 or infinite at the ends, its angle
// θ = atan2(α, σ) is matched, and with R² = α² + σ² everything stays finite:
//
//	s = R̄/R,   ṫ = θ̄'/θ',   θ' = (α̇σ − ασ̇)/R²,   ṡ/s = (log R̄)' − ṫ (log R)'
//
// Where to asks for more noise or less noise than from ever has (CondOT begins
// at pure noise, VP at α = 0.0066), t(r) stays at that end and the points are only
// scaled, with an error of the size of the gap. The field has the upgrades that
// f has: its Jacobian is (ṡ/s) I + ṫ ∂v/∂x. The error is that of [Check] on
// either schedule.
func Reschedule(f flow.Field, from, to Scheduler) (flow.Field, error) {
	if absent.Is(f) {
		return nil, errors.New("path: Reschedule: the field is nil")
	}
	for _, s := range []Scheduler{from, to} {
		if err := Check(s); err != nil {
			return nil, fmt.Errorf("path: Reschedule: %w", err)
		}
	}
	return wrap(&affine{f: f, at: func(r float64) (affineCoef, error) {
		return rescheduled(from, to, r)
	}}), nil
}

// polar is a Coef in polar coordinates: the angle of (σ, α), its rate, the
// radius and the rate of its logarithm.
func (c Coef) polar() (theta, dTheta, radius, dLogRadius float64) {
	sq := c.Alpha*c.Alpha + c.Sigma*c.Sigma
	return math.Atan2(c.Alpha, c.Sigma), (c.DAlpha*c.Sigma - c.Alpha*c.DSigma) / sq,
		math.Sqrt(sq), (c.Alpha*c.DAlpha + c.Sigma*c.DSigma) / sq
}

func rescheduled(from, to Scheduler, r float64) (affineCoef, error) {
	thetaTo, dTo, radiusTo, dLogTo := to.At(r).polar()
	t, inside := timeOfAngle(from, thetaTo)
	_, dFrom, radius, dLog := from.At(t).polar()
	if !(dFrom > 1e-12) {
		// θ' vanishes at an end (α = t^N at 0), where ṫ would be 0/0; one billionth
		// inside the domain, ṫ v_t has its limit.
		lo, hi := from.Domain()
		nudge := 1e-9 * (hi - lo)
		t = min(max(t, lo+nudge), hi-nudge)
		_, dFrom, radius, dLog = from.At(t).polar()
	}
	rate := 0.0 // ṫ
	if inside {
		rate = dTo / dFrom
	}
	c := affineCoef{t: t, scale: radiusTo / radius}
	c.a = dLogTo - rate*dLog
	c.b = c.scale * rate
	if !finite(c.a) || !finite(c.b) || !finite(c.scale) || c.scale == 0 {
		return c, fmt.Errorf("%w: schedule %T at t = %g from %T at t = %g", ErrSingular, to, r, from, t)
	}
	return c, nil
}

// timeOfAngle returns the time at which s has the angle theta, by bisection to
// the last bit, and whether its domain reaches that far.
func timeOfAngle(s Scheduler, theta float64) (t float64, inside bool) {
	lo, hi := s.Domain()
	angle := func(t float64) float64 { c := s.At(t); return math.Atan2(c.Alpha, c.Sigma) }
	const slack = 1e-12 // the ends of two schedules that both reach 0 or π/2 up to rounding
	first, last := angle(lo), angle(hi)
	inside = theta >= first-slack && theta <= last+slack
	if theta <= first { // also keeps t from falling to a denormal above lo = 0
		return lo, inside
	}
	a, b := lo, hi
	for {
		mid := 0.5 * (a + b)
		if mid <= a || mid >= b {
			break
		}
		if angle(mid) < theta {
			a = mid
		} else {
			b = mid
		}
	}
	return b, inside
}
