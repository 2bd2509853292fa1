// Package path holds the probability paths of Flow Matching
// (arXiv 2210.02747): how a data point x_1 and a noise point x_0 are joined.
//
// There are only a few types: [Coef], [Scheduler], [Prediction] and [Config].
// A Coef is the path at one time: four numbers, x_t = α x_1 + σ x_0 and
// u_t = α̇ x_1 + σ̇ x_0. A Scheduler gives the Coef of any t: [CondOT], [VP],
// [VE], [Cosine], [Poly], [LinearVP], or a function of your own, [Func]; a
// [Bridge] adds noise around the line between two points. A
// Prediction says what a network was trained to output; [Coef.Convert] turns
// each kind into any other. A Config names a schedule in a file; [Register] gives a
// schedule of your own a name.
//
// Time runs from t=0 (noise) to t=1 (data), also for VP and VE, which the
// diffusion literature writes the other way round.
//
// # Caveats
//
// A Coef is finite on [Scheduler.Domain] only: VP stops short of t=1. A solve
// starts from [Source], not from N(0, I): VE begins at σ = 50. The conversion
// from Data or Noise is singular where σ or α is zero; [Span] is the interval
// that keeps clear of it. Conversions hold for conditional means under any
// coupling, but Score is ∇ log p_t only for Gaussian x_0 drawn independently
// of x_1.
package path

import (
	"fmt"
	"math"

	"flowmatch/flow"
)

// Coef is an affine Gaussian path at one time t (eq. 10 and 11):
//
//	x_t = ψ_t(x_0) = α x_1 + σ x_0        p_t(x|x_1) = N(x; α x_1, σ² I)
//	u_t = d/dt ψ_t = α̇ x_1 + σ̇ x_0
type Coef struct{ Alpha, Sigma, DAlpha, DSigma float64 }

// Point returns a coordinate of ψ_t(x_0), the point of the path between x_0 and x_1
// (eq. 11): α x_1 + σ x_0.
func (c Coef) Point(x1, x0 float64) float64 { return c.Alpha*x1 + c.Sigma*x0 }

// Velocity returns a coordinate of u_t = d/dt ψ_t(x_0), the velocity of that point (eq.
// 14): α̇ x_1 + σ̇ x_0. It is the regression target of eq. 9.
func (c Coef) Velocity(x1, x0 float64) float64 { return c.DAlpha*x1 + c.DSigma*x0 }

// Scheduler is a path: its coefficients at every time.
type Scheduler interface {
	// At returns the coefficients at time t, for t in Domain.
	At(t float64) Coef
	// Domain returns the closed interval, within [0,1], where At is finite.
	Domain() (lo, hi float64)
}

// Convert returns a and b such that the target of kind to is
//
//	to = a·x_t + b·from
//
// pointwise, and for conditional means given x_t. It is Cramer's rule on
// x_t = α x_1 + σ x_0 and from = f1 x_1 + f0 x_0:
//
//	det = α f0 − σ f1;  a = (g1 f0 − g0 f1)/det;  b = (α g0 − σ g1)/det
//
// where f and g are the [Coef.Weights] of from and to. Both are infinite or NaN
// where det is zero: Data at σ=0, Noise at α=0, Score at either; of VPrediction it is α² + σ².
// See [Span].
// Of a kind to itself the answer is 0, 1 everywhere.
func (c Coef) Convert(from, to Prediction) (a, b float64) {
	if from == to {
		return 0, 1
	}
	f1, f0 := c.Weights(from)
	g1, g0 := c.Weights(to)
	det := c.Alpha*f0 - c.Sigma*f1
	return (g1*f0 - g0*f1) / det, (c.Alpha*g0 - c.Sigma*g1) / det
}

// Diffusion returns g², the square of the noise rate of the diffusion whose
// marginals the path has: the linear SDE dx = (…) x ds + g dW that, run from data
// to noise (s = 1−t), takes x_1 to x_t (Song et al., arXiv 2011.13456, equation
// 5; Kingma et al., arXiv 2107.00630),
//
//	g² = 2 (α̇/α σ² − σ̇ σ) = 2 σ (α̇σ − ασ̇)/α
//
// It is β(1−t) for [VP] and −dσ²/dt for [VE]; never negative, since α/σ does not
// fall; 0 where σ = 0 and infinite where α = 0: no diffusion reaches pure noise in
// finite time with a finite rate. Equally v = α̇/α x + ½ g² ∇ log p_t.
func (c Coef) Diffusion() float64 {
	return 2 * c.Sigma * (c.DAlpha*c.Sigma - c.Alpha*c.DSigma) / c.Alpha
}

// Interpolate writes the points of the path and their velocities (eq. 11, 14),
//
//	xt = α x_1 + σ x_0,    ut = α̇ x_1 + σ̇ x_0,
//
// row i at its own time t[i], a time of s.Domain: [Coef.Point] and [Coef.Velocity] of
// every coordinate. All batches are [N, D] and len(t) is N; other shapes are an error. ut
// is the regression target of eq. 9. It is computed from x_0 and never from x_t:
// (x_1 − x_t)/(1 − t) is the same number in exact arithmetic and loses every digit
// as t → 1.
//
// xt and ut may each be the same memory as x0 or x1, but not as one another.
func Interpolate(xt, ut flow.Batch, s Scheduler, t []float64, x0, x1 flow.Batch) error {
	if err := sameShape("Interpolate", x1, xt, ut, x0); err != nil {
		return err
	}
	if err := usable(s); err != nil {
		return fmt.Errorf("path: Interpolate: %w", err)
	}
	if len(t) != x1.N {
		return fmt.Errorf("path: Interpolate: %d times for %d points", len(t), x1.N)
	}
	for i, ti := range t {
		c := s.At(ti)
		p, u, a, b := xt.Row(i), ut.Row(i), x0.Row(i), x1.Row(i)
		for d, bd := range b {
			ad := a[d]
			p[d], u[d] = c.Point(bd, ad), c.Velocity(bd, ad)
		}
	}
	return nil
}

// ConditionalVelocity writes the field that carries p_t(x|x_1) (Theorem 3, eq. 12),
//
//	u_t(x|x_1) = σ̇/σ (x − α x_1) + α̇ x_1,
//
// all rows at the time of c. All batches are [N, D]; u may be the memory of x or
// x1. It needs σ > 0: at σ = 0 the conditional path is one point, and the answer
// is NaN or infinite. To make training targets use [Interpolate], which needs
// no division. Batches of different shapes are an error.
func ConditionalVelocity(u flow.Batch, c Coef, x, x1 flow.Batch) error {
	if err := sameShape("ConditionalVelocity", x1, u, x); err != nil {
		return err
	}
	rate := c.DSigma / c.Sigma
	for i, b := range x1.X[:x1.N*x1.D] {
		u.X[i] = rate*(x.X[i]-c.Alpha*b) + c.DAlpha*b
	}
	return nil
}

// Source returns the distribution from which a solve along s starts,
// N(0, σ(lo)² I) with lo the start of the domain: standard deviation 1 for
// CondOT, 50 for VE with its defaults. For VP and VE it is p_lo only up to the
// data still mixed in, α(lo) x_1.
func Source(s Scheduler) flow.Gaussian {
	lo, _ := s.Domain()
	return flow.Gaussian{Std: s.At(lo).Sigma}
}

// Trim is the share of the domain that [Span] cuts off at a singular end.
const Trim = 1e-3

// maxGain is the factor beyond which Span calls a conversion singular. It lies
// well above every deliberate end (VP's 5e4 at 1−1e-5) and well below the 1e16
// that a σ of "zero up to rounding", cos(π/2), produces.
const maxGain = 1e6

// Span is [SpanOf] of data of scale 1, as standardised data are.
func Span(s Scheduler, p Prediction) (lo, hi float64) { return SpanOf(s, p, 1) }

// SpanOf returns the part of s.Domain where a network of kind p can be turned into
// a velocity: the domain itself, less a share of 1e-3 ([Trim]) at an end where
// the conversion has determinant zero, that is t near 1 for Data with σ(1)=0, t
// near 0 for Noise and Score with α(0)=0. There the conversion multiplies the
// network's error by about 1/(1−t) or 1/t. A trim of 1e-3 bounds that factor by
// a thousand and leaves noise of 1e-3 on the data, an eighth of one grey level
// of an image in [-1,1] and what VP leaves at the end of its own domain.
//
// scale is the root mean square of the coordinates of the data. A solve begins with a
// draw of [Source], as if α were 0 at lo: what is cut off there is less where the scale is
// more than 1, so that the data mixed in, α·scale beside σ, are the same thousandth. Data of
// scale 1000 would else have the size of the noise at t = 1e-3, and come out too small. The
// factor grows by as much as the velocities do.
func SpanOf(s Scheduler, p Prediction, scale float64) (lo, hi float64) {
	lo, hi = s.Domain()
	cut := Trim * (hi - lo)
	if singular(s.At(lo), p) {
		lo = Start(s, scale)
	}
	if singular(s.At(hi), p) {
		hi -= cut
	}
	return lo, hi
}

// Start returns the time at which a solve begins whose field is singular where the domain
// of s does, with α = 0: a share of [Trim] later, or for data of a scale above 1 earlier
// than that; see [SpanOf].
func Start(s Scheduler, scale float64) float64 {
	first, last := s.Domain()
	return AtScale(s, first+Trim*(last-first), scale)
}

// AtScale returns the time at which data of a scale above 1 are to the noise, α·scale/σ, as
// data of scale 1 are at time t: no later than t, and t itself where the scale is not more
// than 1, or where s has no such time.
func AtScale(s Scheduler, t, scale float64) float64 {
	if !(scale > 1) {
		return t
	}
	share := func(t float64) float64 { c := s.At(t); return math.Abs(c.Alpha / c.Sigma) }
	lo, _ := s.Domain()
	most, hi := share(t)/scale, t
	if !(share(lo) <= most && most < share(t)) { // also at an end without noise
		return t
	}
	for range 60 {
		if mid := lo + (hi-lo)/2; share(mid) > most {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

func singular(c Coef, p Prediction) bool {
	a, b := c.Convert(p, Velocity)
	return !(math.Abs(a) <= maxGain && math.Abs(b) <= maxGain) // also true of NaN
}

// steep is the rate from which on [Inner] calls a conversion nearly singular. Where it is
// not, the rates are well below: 8.5 for every kind on VE, 10 for Noise at the start of
// VP.
const steep = 100

// Inner returns the part of [SpanOf] that stops twice as far from where the velocity is
// singular. At an end where SpanOf cuts something off, or where [Scheduler.Domain] stops
// short of 0 or 1 by no more than [Trim], that is twice as far from the end. At any other
// end where a network of kind p, wrong by its own size, moves a point by the point's own
// size within a time τ of less than 1/100, it is τ: a σ of 1e-4 at t=1 makes a network that
// predicts the data as bad as a σ of 0. Where nothing is singular, Inner is SpanOf.
//
// What a solve over SpanOf and one over Inner do not agree on depends on where the path was
// cut, and says little of what was learnt. scale is that of the data, as in [SpanOf].
func Inner(s Scheduler, p Prediction, scale float64) (lo, hi float64) {
	first, last := s.Domain()
	lo, hi = SpanOf(s, p, scale)
	most := (hi - lo) / 4
	left, right := further(lo-first, first, s.At(lo), p), further(last-hi, 1-last, s.At(hi), p)
	return lo + min(left, most), hi - min(right, most)
}

// further is how much farther from an end Inner stops: cut is what Span cuts off there,
// out what the domain leaves out, and c the path where Span ends.
func further(cut, out float64, c Coef, p Prediction) float64 {
	if out <= Trim {
		cut += out
	}
	if cut > 0 {
		return cut
	}
	_, b := c.Convert(p, Velocity)
	size := math.Hypot(c.Weights(p))
	if rate := math.Abs(b) * size / math.Hypot(c.Alpha, c.Sigma); rate >= steep {
		return 1 / rate
	}
	return 0
}

// sameShape reports the first batch that has not the shape of the first one, or not the
// memory for it.
func sameShape(who string, want flow.Batch, others ...flow.Batch) error {
	if len(want.X) < want.N*want.D {
		return fmt.Errorf("path: %s: a batch of shape [%d, %d] has %d values", who, want.N, want.D, len(want.X))
	}
	for _, b := range others {
		if b.N != want.N || b.D != want.D || len(b.X) < want.N*want.D {
			return fmt.Errorf("path: %s: batches differ: [%d, %d] of %d values beside [%d, %d]",
				who, b.N, b.D, len(b.X), want.N, want.D)
		}
	}
	return nil
}
