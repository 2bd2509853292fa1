package field

import (
	"errors"
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/path"
)

// Marginal is the exact marginal field of a finite data set: the q of eq. 6 and 8
// is a sum of point masses, of weight q_i at x_i, i = 1..M. With
//
//	w_i(x) = q_i N(x; α x_i, σ² I) / Σ_j q_j N(x; α x_j, σ² I)
//	x̂_1(x) = Σ_i w_i x_i                      (the posterior mean of x_1)
//
// eq. 8 is u_t(x) = Σ_i w_i u_t(x|x_i), and since eq. 12 is affine in x_1, this is
// u_t(x|x̂_1(x)): one formula for every schedule. Make one with [NewMarginal].
// Safe for concurrent use.
type Marginal struct {
	s    path.Scheduler
	x1   flow.Batch
	logq []float64 // [M]
	sq   []float64 // [M], |x_i|²
	far  float64   // max |x_i|
}

// NewMarginal returns the field of the data x1, [M, D], along s. It keeps x1 and
// does not change it; neither may the caller. The points weigh the same if q is
// nil, or in proportion to q, M positive numbers.
func NewMarginal(s path.Scheduler, x1 flow.Batch, q []float64) (*Marginal, error) {
	if x1.N < 1 || x1.D < 1 || len(x1.X) != x1.N*x1.D {
		return nil, fmt.Errorf("field: data of shape [%d, %d] with %d values: want at least one point and N*D values",
			x1.N, x1.D, len(x1.X))
	}
	if q != nil && len(q) != x1.N {
		return nil, fmt.Errorf("field: %d weights for %d data points", len(q), x1.N)
	}
	m := &Marginal{s: s, x1: x1, logq: make([]float64, x1.N), sq: make([]float64, x1.N)}
	total := 0.0
	for i := range x1.N {
		qi := 1.0
		if q != nil {
			qi = q[i]
		}
		if !(qi > 0) || math.IsInf(qi, 0) {
			return nil, fmt.Errorf("field: weight of data point %d is %g: want a positive number; "+
				"leave out points that weigh nothing", i, qi)
		}
		total += qi
		m.logq[i] = math.Log(qi)
		for d, v := range x1.Row(i) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("field: data point %d has %g at coordinate %d", i, v, d)
			}
			m.sq[i] += v * v
		}
		m.far = max(m.far, math.Sqrt(m.sq[i]))
	}
	if math.IsInf(m.far, 0) || math.IsInf(total, 0) {
		return nil, errors.New("field: data or weights are so large that they overflow: rescale them")
	}
	for i := range m.logq {
		m.logq[i] -= math.Log(total)
	}
	return m, nil
}

// Dim returns D.
func (m *Marginal) Dim() int { return m.x1.D }

// coefs are the coefficients of the path at the time of each query, or one for all.
type coefs []path.Coef

// of returns those of query q.
func (c coefs) of(q int) path.Coef {
	if len(c) == 1 {
		return c[0]
	}
	return c[q]
}

// at returns the coefficients at times, one of each query or one for all.
func (m *Marginal) at(ts ...float64) (coefs, error) {
	all := make(coefs, len(ts))
	for i, t := range ts {
		var err error
		if all[i], err = coefAt(m.s, t); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// PosteriorMean writes x̂_1 = E[x_1 | x_t = x], [N, D]: the best denoiser of this
// data, and what a network trained on path.Data tends to. mean must not alias x.
func (m *Marginal) PosteriorMean(mean []float64, t float64, x []float64) error {
	b, err := points("PosteriorMean", m.Dim(), x, mean)
	if err != nil {
		return err
	}
	c, err := m.at(t)
	if err != nil {
		return err
	}
	m.posterior(c, b, mean)
	return nil
}

// Velocity writes u_t(x) of eq. 8 into v, both [N, D].
func (m *Marginal) Velocity(v []float64, t float64, x []float64) error { return m.velocity(v, x, t) }

// velocity is Velocity at times, one of each point or one for all.
func (m *Marginal) velocity(v, x []float64, ts ...float64) error {
	b, err := points("Velocity", m.Dim(), x, v)
	if err != nil {
		return err
	}
	c, err := m.at(ts...)
	if err != nil {
		return err
	}
	m.posterior(c, b, v)
	return m.toVelocity(c, b, v)
}

// toVelocity turns posterior means into velocities, in place.
func (m *Marginal) toVelocity(c coefs, x flow.Batch, v []float64) error {
	b := flow.Batch{N: x.N, D: x.D, X: v}
	if len(c) == 1 {
		return path.ConditionalVelocity(b, c[0], x, b)
	}
	for q := range x.N {
		row := b.Slice(q, q+1)
		if err := path.ConditionalVelocity(row, c[q], x.Slice(q, q+1), row); err != nil {
			return err
		}
	}
	return nil
}

// LogProb writes log p_t(x) of eq. 6, in nats, into logp, [N]:
//
//	p_t(x) = Σ_i q_i N(x; α x_i, σ² I)
func (m *Marginal) LogProb(logp []float64, t float64, x []float64) error {
	b, err := scalars("LogProb", m.Dim(), x, logp)
	if err != nil {
		return err
	}
	c, err := m.at(t)
	if err != nil {
		return err
	}
	norm := float64(b.D) * (0.5*math.Log(2*math.Pi) + math.Log(c[0].Sigma))
	for i, logz := range m.posterior(c, b, make([]float64, len(x))) {
		logp[i] = logz - norm
	}
	return nil
}

// VJP writes u_t(x) into v and eᵀ ∂u/∂x into g, all [N, D]. With Cov the
// covariance of x_1 under the weights w(x),
//
//	∂u/∂x = (σ̇/σ) I + (α̇ − α σ̇/σ) (α/σ²) Cov(x)
//
// Cov is summed from x_i − x̂_1, in a second pass over the data, and not from
// second moments: near the data it is the small difference of large numbers,
// which 1/σ³ would magnify.
func (m *Marginal) VJP(v, g []float64, t float64, x, e []float64) error { return m.vjp(v, g, x, e, t) }

// vjp is VJP at times, one of each point or one for all.
func (m *Marginal) vjp(v, g, x, e []float64, ts ...float64) error {
	b, err := points("VJP", m.Dim(), x, v, g, e)
	if err != nil {
		return err
	}
	c, err := m.at(ts...)
	if err != nil {
		return err
	}
	logz := m.posterior(c, b, v) // v holds x̂_1 until the end
	d := m.Dim()
	m.secondPass(c, b, logz, d+1, func(q, i int, w float64, out []float64) {
		mean, eq, xi := v[q*d:(q+1)*d], e[q*d:(q+1)*d], m.x1.Row(i)
		along := 0.0
		for k, ek := range eq {
			along += (xi[k] - mean[k]) * ek
		}
		axpy(w*along, xi, out[:d])
		out[d] += w * along
	}, func(q int, out []float64) {
		a, gain := jacobian(c.of(q))
		for k, ek := range e[q*d : (q+1)*d] {
			g[q*d+k] = a*ek + gain*(out[k]-v[q*d+k]*out[d])
		}
	})
	return m.toVelocity(c, b, v)
}

// VelocityDiv writes u_t(x) into v, [N, D], and its divergence into div, [N]:
//
//	∇·u = D σ̇/σ + (α̇ − α σ̇/σ) (α/σ²) Σ_i w_i |x_i − x̂_1|²
func (m *Marginal) VelocityDiv(v, div []float64, t float64, x []float64) error {
	return m.velocityDiv(v, div, x, t)
}

// velocityDiv is VelocityDiv at times, one of each point or one for all.
func (m *Marginal) velocityDiv(v, div, x []float64, ts ...float64) error {
	b, err := scalars("VelocityDiv", m.Dim(), x, div, v)
	if err != nil {
		return err
	}
	c, err := m.at(ts...)
	if err != nil {
		return err
	}
	logz := m.posterior(c, b, v)
	d := m.Dim()
	m.secondPass(c, b, logz, 1, func(q, i int, w float64, out []float64) {
		mean := v[q*d : (q+1)*d]
		r := 0.0
		for k, xk := range m.x1.Row(i) {
			r += (xk - mean[k]) * (xk - mean[k])
		}
		out[0] += w * r
	}, func(q int, out []float64) {
		a, gain := jacobian(c.of(q))
		div[q] = a*float64(d) + gain*out[0]
	})
	return m.toVelocity(c, b, v)
}
