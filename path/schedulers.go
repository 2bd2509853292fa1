package path

import "math"

// diffusionEnd is where the paths with an infinite derivative at t=1 stop
// (arXiv 2210.02747, appendix E.1: t in [0, 1−1e-5]).
const diffusionEnd = 1 - 1e-5

// CondOT is the optimal transport path of the paper (section 4.1, eq. 20):
//
//	α = t,  σ = 1 − (1 − σ_min) t
//
// SigmaMin in [0, 1) is the noise left around a data point at t=1; 0 by default.
type CondOT struct{ SigmaMin float64 }

// At returns the coefficients at t in [0,1].
func (s CondOT) At(t float64) Coef {
	// (1−t) + σ_min t and not 1 − (1−σ_min) t: σ keeps all its digits as t → 1.
	return Coef{Alpha: t, Sigma: (1 - t) + s.SigmaMin*t, DAlpha: 1, DSigma: s.SigmaMin - 1}
}

// Domain returns 0, 1.
func (CondOT) Domain() (lo, hi float64) { return 0, 1 }

// VP is the variance preserving diffusion path (eq. 18, 19 and appendix E.1),
// with s = 1−t the time of the diffusion:
//
//	α = exp(−T(s)/2),  σ² = 1 − α²,  T(s) = β_min s + (β_max − β_min) s²/2
//
// Zero BetaMin means 0.1, zero BetaMax means 20.
type VP struct{ BetaMin, BetaMax float64 }

// At returns the coefficients at t in [0, 1−1e-5]; σ̇ is infinite at t=1.
func (p VP) At(t float64) Coef {
	b0, b1 := orElse(p.BetaMin, 0.1), orElse(p.BetaMax, 20)
	s := 1 - t
	T := s * (b0 + 0.5*s*(b1-b0))
	beta := b0 + s*(b1-b0) // dT/ds = −dT/dt
	alpha := math.Exp(-0.5 * T)
	sigma := math.Sqrt(-math.Expm1(-T))
	return Coef{Alpha: alpha, Sigma: sigma, DAlpha: 0.5 * beta * alpha, DSigma: -0.5 * beta * alpha * alpha / sigma}
}

// Domain returns 0, 1−1e-5.
func (VP) Domain() (lo, hi float64) { return 0, diffusionEnd }

// VE is the variance exploding diffusion path (eq. 16, 17) with a geometric σ:
//
//	α = 1,  σ = σ_min (σ_max/σ_min)^(1−t)
//
// Zero SigmaMin means 0.01, zero SigmaMax means 50. Its source is wide:
// N(0, σ_max² I); see [Source].
type VE struct{ SigmaMin, SigmaMax float64 }

// At returns the coefficients at t in [0,1].
func (p VE) At(t float64) Coef {
	lo, hi := orElse(p.SigmaMin, 0.01), orElse(p.SigmaMax, 50)
	rate := math.Log(hi / lo)
	sigma := lo * math.Exp(rate*(1-t))
	return Coef{Alpha: 1, Sigma: sigma, DSigma: -rate * sigma}
}

// Domain returns 0, 1.
func (VE) Domain() (lo, hi float64) { return 0, 1 }

// Cosine is the trigonometric path, α = sin(πt/2), σ = cos(πt/2): variance
// preserving, with constant angular speed (Albergo and Vanden-Eijnden,
// arXiv 2209.15571).
type Cosine struct{}

// At returns the coefficients at t in [0,1].
func (Cosine) At(t float64) Coef {
	sin, cos := math.Sincos(0.5 * math.Pi * t)
	return Coef{Alpha: sin, Sigma: cos, DAlpha: 0.5 * math.Pi * cos, DSigma: -0.5 * math.Pi * sin}
}

// Domain returns 0, 1.
func (Cosine) Domain() (lo, hi float64) { return 0, 1 }

// Poly is the polynomial path α = t^N, σ = 1 − t^N, with N >= 1. Zero N means
// 2; 1 is CondOT.
type Poly struct{ N float64 }

// At returns the coefficients at t in [0,1].
func (p Poly) At(t float64) Coef {
	n := orElse(p.N, 2)
	d := n * math.Pow(t, n-1)
	a := math.Pow(t, n)
	// −expm1(n log t) is 1 − t^n without the cancellation at t → 1.
	return Coef{Alpha: a, Sigma: -math.Expm1(n * math.Log(t)), DAlpha: d, DSigma: -d}
}

// Domain returns 0, 1.
func (Poly) Domain() (lo, hi float64) { return 0, 1 }

// LinearVP is the variance preserving path with linear α: α = t, σ = √(1 − t²).
type LinearVP struct{}

// At returns the coefficients at t in [0, 1−1e-5]; σ̇ is infinite at t=1.
func (LinearVP) At(t float64) Coef {
	sigma := math.Sqrt((1 - t) * (1 + t))
	return Coef{Alpha: t, Sigma: sigma, DAlpha: 1, DSigma: -t / sigma}
}

// Domain returns 0, 1−1e-5.
func (LinearVP) Domain() (lo, hi float64) { return 0, diffusionEnd }

// Func is a schedule of your own. Fn returns the coefficients, derivatives
// included, at t in [Lo, Hi]; Lo = Hi = 0 means [0,1]. Run [Check] on it once.
type Func struct {
	Fn     func(t float64) Coef
	Lo, Hi float64
}

// At returns Fn(t); without an Fn, which [Check] reports, NaN.
func (f Func) At(t float64) Coef {
	if f.Fn == nil {
		nan := math.NaN()
		return Coef{Alpha: nan, Sigma: nan, DAlpha: nan, DSigma: nan}
	}
	return f.Fn(t)
}

// Domain returns Lo, Hi.
func (f Func) Domain() (lo, hi float64) {
	if f.Lo == 0 && f.Hi == 0 {
		return 0, 1
	}
	return f.Lo, f.Hi
}

func orElse(v, otherwise float64) float64 {
	if v == 0 {
		return otherwise
	}
	return v
}
