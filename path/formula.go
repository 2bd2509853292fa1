package path

import (
	"errors"
	"fmt"
	"math"
)

// Number is what a formula is computed with: a V that has the arithmetic which the
// schedules of this package need. It may be a node of a graph, in float32: the formulas are
// written so that they keep their digits up to the ends of [Span].
type Number[V any] interface {
	Plus(V) V
	Minus(V) V
	Times(V) V
	Over(V) V                      // v/w
	Affine(scale, shift float64) V // scale v + shift; the constant shift for a scale of 0
	Power(n float64) V             // v^n for v, n >= 0; 1 for n = 0
	Exp() V
	Expm1() V // e^v − 1 for v <= 0, to relative precision; −1 at −∞
	Log() V   // −∞ at 0
	Sqrt() V
	Sin() V
}

// ErrNoFormula is wrapped by the error of [ToVelocity] for a schedule that is none of the
// formulas of this package: one of your own, or a [Noisy] one.
var ErrNoFormula = errors.New("path: the schedule is not a formula of this package")

// ToVelocity returns the formula by which a network's output becomes the velocity, for
// programs that do not have this package, such as a graph in a file:
//
//	v = skip x + out F(in x, time)
//
// Its four numbers at time t are those of [Precondition.At] for a preconditioned network.
// For one that outputs y, whose p is nil, skip and out are those of [Coef.Convert], and in
// and time are the zero V: x and t go in as they are. s is a schedule that a [Config] names;
// of another the error is [ErrNoFormula].
func ToVelocity[V Number[V]](s Scheduler, y Prediction, p *Precondition) (func(t V) (in, time, skip, out V), error) {
	formula := formulaOf[V](s)
	if formula == nil {
		return nil, fmt.Errorf("%w (it is a %T)", ErrNoFormula, s)
	}
	if _, err := ParsePrediction(y.String()); err != nil {
		return nil, err
	}
	if p == nil {
		return func(t V) (in, time, skip, out V) {
			skip, out = formula(t).convert(y)
			return in, time, skip, out
		}, nil
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return func(t V) (in, time, skip, out V) { return formula(t).precondition(*p) }, nil
}

// terms are a [Coef] in numbers V, and its rates α̇/α and σ̇/σ, which some schedules have a
// formula for where α or σ is too small for float32.
type terms[V Number[V]] struct{ alpha, sigma, dAlpha, dSigma, alphaRate, sigmaRate V }

// rated fills in the rates.
func rated[V Number[V]](alpha, sigma, dAlpha, dSigma V) terms[V] {
	return terms[V]{alpha, sigma, dAlpha, dSigma, dAlpha.Over(alpha), dSigma.Over(sigma)}
}

// formulaOf returns the At of a schedule of this package; nil of others. What is different
// here is for float32, in which 1 − t is exact near the end and most else is not.
func formulaOf[V Number[V]](s Scheduler) func(t V) terms[V] {
	if c, ok := ConfigOf(s); ok { // fills in the defaults
		s, _ = c.New()
	}
	switch s := s.(type) {
	case CondOT:
		return func(t V) terms[V] {
			sigma := t.Affine(-1, 1).Plus(t.Affine(s.SigmaMin, 0))
			return rated(t, sigma, t.Affine(0, 1), t.Affine(0, s.SigmaMin-1))
		}
	case VP:
		return vpFormula[V](s.BetaMin, s.BetaMax)
	case VE:
		rate := math.Log(s.SigmaMax / s.SigmaMin)
		return func(t V) terms[V] {
			sigma := t.Affine(-1, 1).Affine(rate, 0).Exp().Affine(s.SigmaMin, 0)
			zero := t.Affine(0, 0)
			return terms[V]{t.Affine(0, 1), sigma, zero, sigma.Affine(-rate, 0), zero, t.Affine(0, -rate)}
		}
	case Cosine:
		const quarter = 0.5 * math.Pi
		return func(t V) terms[V] { // cos(πt/2) = sin(π(1−t)/2)
			alpha, sigma := t.Affine(quarter, 0).Sin(), t.Affine(-1, 1).Affine(quarter, 0).Sin()
			return rated(alpha, sigma, sigma.Affine(quarter, 0), alpha.Affine(-quarter, 0))
		}
	case Poly:
		return func(t V) terms[V] {
			d := t.Power(s.N-1).Affine(s.N, 0)
			c := rated(t.Power(s.N), t.Log().Affine(s.N, 0).Expm1().Affine(-1, 0), d, d.Affine(-1, 0))
			c.alphaRate = t.Affine(0, s.N).Over(t)
			return c
		}
	case LinearVP:
		return func(t V) terms[V] {
			sigma := t.Affine(-1, 1).Times(t.Affine(1, 1)).Sqrt()
			return rated(t, sigma, t.Affine(0, 1), t.Affine(-1, 0).Over(sigma))
		}
	}
	return nil
}

func vpFormula[V Number[V]](b0, b1 float64) func(t V) terms[V] {
	return func(t V) terms[V] {
		s := t.Affine(-1, 1)
		minusT := s.Times(s.Affine(0.5*(b0-b1), -b0))
		rate := s.Affine(0.5*(b1-b0), 0.5*b0) // β/2
		alpha, sigma := minusT.Affine(0.5, 0).Exp(), minusT.Expm1().Affine(-1, 0).Sqrt()
		d := rate.Times(alpha)
		c := rated(alpha, sigma, d, d.Times(alpha).Over(sigma).Affine(-1, 0))
		c.alphaRate = rate
		return c
	}
}

// convert is [Coef.Convert] of y to the velocity, with the factors that cancel left out:
//
//	v = σ̇/σ x + (α̇ − α σ̇/σ) x_1 = α̇/α x + (σ̇ − σ α̇/α) x_0,   x_0 = −σ score
//
// That of y = α x_0 − σ x_1 needs no rates: ((α α̇ + σ σ̇) x + (α σ̇ − σ α̇) y)/(α² + σ²).
func (c terms[V]) convert(y Prediction) (a, b V) {
	noise := c.dSigma.Minus(c.sigma.Times(c.alphaRate))
	switch y {
	case Data:
		return c.sigmaRate, c.dAlpha.Minus(c.alpha.Times(c.sigmaRate))
	case Noise:
		return c.alphaRate, noise
	case Score:
		return c.alphaRate, c.sigma.Times(noise).Affine(-1, 0)
	case VPrediction:
		square := c.alpha.Times(c.alpha).Plus(c.sigma.Times(c.sigma))
		along := c.alpha.Times(c.dAlpha).Plus(c.sigma.Times(c.dSigma))
		across := c.alpha.Times(c.dSigma).Minus(c.sigma.Times(c.dAlpha))
		return along.Over(square), across.Over(square)
	}
	return c.alpha.Affine(0, 0), c.alpha.Affine(0, 1)
}

// precondition is [Precondition.At] of the velocity, with k = s_0/s_1 in the place of the
// scales, whose squares may not fit float32.
func (c terms[V]) precondition(p Precondition) (in, time, skip, out V) {
	s1, s0 := p.scales()
	k := s0 / s1
	noise, dNoise := c.sigma.Affine(k, 0), c.dSigma.Affine(k, 0)
	square := c.alpha.Times(c.alpha).Plus(noise.Times(noise)) // (R/s_1)²
	r := square.Sqrt()
	in = r.Affine(0, 1/s1).Over(r)
	time = c.alpha.Minus(noise).Affine(2, 0).Over(c.alpha.Plus(noise)) // 4τ − 2
	skip = c.dAlpha.Times(c.alpha).Plus(dNoise.Times(noise)).Over(square)
	out = c.dAlpha.Times(c.sigma).Minus(c.dSigma.Times(c.alpha)).Affine(s0, 0).Over(r)
	return in, time, skip, out
}
