package path

import (
	"fmt"
	"math"

	"flowmatch/internal/choice"
)

// Betas lists how the noise β_k of a step is spread over the steps of a [DiscreteVP].
func Betas() []string { return []string{"linear", "scaled_linear", "cosine"} }

// DiscreteVP is the variance preserving path of diffusion models in discrete time, such as
// DDPM (Ho et al., arXiv 2006.11239), ADM and DiT: of steps k = 0 .. K-1, 0 next to the data,
//
//	α² = ᾱ_k = Π_{i<=k} (1 − β_i),  σ² = 1 − ᾱ_k,  k = K (1 − t) − 1
//
// so that networks that were trained on whole steps are asked for them at these times. β
// rises linearly from β_min to β_max (linear), or its root does (scaled_linear), and between two
// steps log ᾱ is a cubic spline. Or ᾱ is a squared cosine (cosine; Nichol and Dhariwal, arXiv
// 2102.09672). The last step of that is left out: its β of 1 is cut off at 0.999, and the α before
// it is 0.0016 already. Make one by [NewDiscreteVP].
type DiscreteVP struct {
	betas    string
	min, max float64
	steps    int
	log      []float64 // log ᾱ at step k
	slope    []float64 // and its derivative with respect to k
}

// NewDiscreteVP returns the path of a number of steps, at least 3. betas is one of [Betas]. min
// and max are those of β, in (0, 1) with min <= max, and of no use to cosine, where they must
// be 0.
func NewDiscreteVP(betas string, steps int, min, max float64) (*DiscreteVP, error) {
	if err := choice.Check("betas", betas, Betas()); err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	switch cosine := betas == "cosine"; {
	case steps < 3 || steps > mostDiscrete:
		return nil, fmt.Errorf("path: a discrete path of %d steps; it must have from 3 to %d", steps, mostDiscrete)
	case cosine && (min != 0 || max != 0):
		return nil, fmt.Errorf("path: betas cosine has no beta_min %g and no beta_max %g: remove them", min, max)
	case !cosine && !(min > 0 && min <= max && max < 1):
		return nil, fmt.Errorf("path: beta_min %g and beta_max %g of a discrete path; they must be in (0, 1), "+
			"beta_min the less", min, max)
	}
	d := &DiscreteVP{betas: betas, min: min, max: max, steps: steps, log: make([]float64, steps)}
	sum := 0.0
	for k := range d.log {
		sum += math.Log1p(-d.beta(k))
		d.log[k] = sum
	}
	d.slope = splineSlopes(d.log)
	return d, nil
}

// mostDiscrete is more steps than any model has.
const mostDiscrete = 1_000_000

// beta is the variance of the noise of step k.
func (d *DiscreteVP) beta(k int) float64 {
	at := float64(k) / float64(d.steps-1)
	switch d.betas {
	case "linear":
		return d.min + (d.max-d.min)*at
	case "scaled_linear":
		root := math.Sqrt(d.min) + (math.Sqrt(d.max)-math.Sqrt(d.min))*at
		return root * root
	}
	before, _ := d.cosine(float64(k - 1))
	after, _ := d.cosine(float64(k))
	return -math.Expm1(after - before)
}

// cosine is log ᾱ of the squared cosine, and its slope, at step k.
func (d *DiscreteVP) cosine(k float64) (log, slope float64) {
	const start, end = 0.008, 1.008
	turn := math.Pi / 2 / end
	angle := func(k float64) float64 { return ((k+1)/float64(d.steps) + start) * turn }
	at := angle(k)
	return 2 * math.Log(math.Cos(at)/math.Cos(angle(-1))), -2 * math.Tan(at) * turn / float64(d.steps)
}

// At returns the coefficients at t in Domain.
func (d *DiscreteVP) At(t float64) Coef {
	if d == nil || d.log == nil {
		nan := math.NaN()
		return Coef{Alpha: nan, Sigma: nan, DAlpha: nan, DSigma: nan}
	}
	at := float64(d.steps)*(1-t) - 1
	if r := math.Round(at); math.Abs(at-r) < 1e-9 { // the step itself, whatever the rounding
		at = r
	}
	k := min(max(int(at), 0), d.steps-2)
	log, slope := hermite(at-float64(k), d.log[k], d.log[k+1], d.slope[k], d.slope[k+1])
	if d.betas == "cosine" {
		log, slope = d.cosine(at)
	}
	alpha, sigma := math.Exp(log/2), math.Sqrt(-math.Expm1(log))
	rate := -float64(d.steps) * slope // of log ᾱ, as t moves
	return Coef{Alpha: alpha, Sigma: sigma, DAlpha: alpha * rate / 2, DSigma: -alpha * alpha * rate / 2 / sigma}
}

// Domain returns 0 (of a cosine 1/K), the last step of the diffusion, and 1-1/K, its first.
func (d *DiscreteVP) Domain() (lo, hi float64) {
	if d == nil || d.steps == 0 {
		return 0, 1
	}
	if d.betas == "cosine" {
		lo = 1 / float64(d.steps)
	}
	return lo, 1 - 1/float64(d.steps)
}

// hermite is the cubic with values a and b and slopes da and db at 0 and 1, and its slope.
func hermite(u, a, b, da, db float64) (v, dv float64) {
	c2, c3 := 3*(b-a)-2*da-db, 2*(a-b)+da+db
	return a + u*(da+u*(c2+u*c3)), da + u*(2*c2+3*u*c3)
}

// splineSlopes are the slopes of the natural cubic spline through y at 0, 1, ...: of the
// tridiagonal system m_{i-1} + 4 m_i + m_{i+1} = 3 (y_{i+1} − y_{i-1}), and at the ends
// 2 m_0 + m_1 = 3 (y_1 − y_0).
func splineSlopes(y []float64) []float64 {
	n := len(y)
	m, upper := make([]float64, n), make([]float64, n)
	for i := range y {
		diagonal, right, below := 4.0, 0.0, 1.0
		switch i {
		case 0:
			diagonal, right, below = 2, 3*(y[1]-y[0]), 0
		case n - 1:
			diagonal, right = 2, 3*(y[n-1]-y[n-2])
		default:
			right = 3 * (y[i+1] - y[i-1])
		}
		if i > 0 {
			diagonal -= below * upper[i-1]
			right -= below * m[i-1]
		}
		upper[i], m[i] = 1/diagonal, right/diagonal
	}
	for i := n - 2; i >= 0; i-- {
		m[i] -= upper[i] * m[i+1]
	}
	return m
}
