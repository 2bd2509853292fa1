package path

import "math"

// Noisy is a Scheduler with noise of its own around the line from x_0 to x_1:
//
//	x_t = α x_1 + σ x_0 + γ z        u_t = α̇ x_1 + σ̇ x_0 + γ̇ z        z ~ N(0, I)
//
// Such a path is one of pairs of points, whatever the source: x_0 need not be
// Gaussian. Its networks predict the velocity; the other predictions, and the
// exact marginal field, are of paths without that noise.
type Noisy interface {
	Scheduler
	// Noise returns γ and its derivative at t.
	Noise(t float64) (gamma, dgamma float64)
}

// Bridge is a straight line with Gaussian noise around it (Tong et al., arXiv
// 2302.00482):
//
//	x_t = t x_1 + (1−t) x_0 + γ z,    γ = Sigma            (section 3.2.2: I-CFM, OT-CFM)
//	                                  γ = Sigma √(t(1−t))  (section 3.2.4: SB-CFM), if Brownian
//
// With Sigma = 0 it is the path of rectified flow. The Brownian bridge between
// pairs of the entropic plan of regularisation 2 Sigma² is the Schrödinger bridge
// of a Brownian motion of that Sigma.
type Bridge struct {
	Sigma    float64
	Brownian bool
}

// bridgeGuard keeps γ̇ of a Brownian bridge finite at the ends, as the reference
// implementation does.
const bridgeGuard = 1e-8

// At returns the coefficients of the mean, those of [CondOT].
func (Bridge) At(t float64) Coef { return CondOT{}.At(t) }

// Domain returns 0, 1.
func (Bridge) Domain() (lo, hi float64) { return 0, 1 }

// Noise returns γ and γ̇ at t in [0,1]. γ̇ of a Brownian bridge is infinite at both
// ends; what is returned grows to at most Sigma/(2·10⁻⁴), within 10⁻⁸ of them.
func (b Bridge) Noise(t float64) (gamma, dgamma float64) {
	if !b.Brownian {
		return b.Sigma, 0
	}
	v := t * (1 - t)
	gamma = b.Sigma * math.Sqrt(v)
	return gamma, gamma * (1 - 2*t) / (2*v + bridgeGuard)
}
