package field

import (
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/path"
)

// Velocity writes u_t(x) into v, both [N, D].
func (m *Mixture) Velocity(v []float64, t float64, x []float64) error {
	b, err := points("Velocity", m.d, x, v)
	if err != nil {
		return err
	}
	return m.each(t, b, func(i int, l *local) { copy(v[i*m.d:], l.u) })
}

// Score writes ∇ log p_t(x) into score, both [N, D].
func (m *Mixture) Score(score []float64, t float64, x []float64) error {
	b, err := points("Score", m.d, x, score)
	if err != nil {
		return err
	}
	return m.each(t, b, func(i int, l *local) { copy(score[i*m.d:], l.s) })
}

// LogProb writes log p_t(x), in nats, into logp, [N].
func (m *Mixture) LogProb(logp []float64, t float64, x []float64) error {
	b, err := scalars("LogProb", m.d, x, logp)
	if err != nil {
		return err
	}
	return m.each(t, b, func(i int, l *local) { logp[i] = l.logp })
}

// VJP writes u_t(x) into v and eᵀ ∂u/∂x into g, all [N, D]. With s_k the score of
// component k and s that of the mixture, and A_k = ½Ċ_k C_k⁻¹,
//
//	∂u/∂x = Σ_k r_k (A_k + (u_k − u)(s_k − s)ᵀ)
func (m *Mixture) VJP(v, g []float64, t float64, x, e []float64) error {
	b, err := points("VJP", m.d, x, v, g, e)
	if err != nil {
		return err
	}
	d := m.d
	return m.each(t, b, func(i int, l *local) {
		copy(v[i*d:], l.u)
		ei, gi := e[i*d:(i+1)*d], g[i*d:(i+1)*d]
		clear(gi)
		for k := range m.comp {
			c, p := &m.comp[k], &l.parts[k]
			along := 0.0
			for j, ej := range ei {
				along += ej * (p.u[j] - l.u[j])
			}
			for j := range gi {
				gi[j] += p.r * along * (p.s[j] - l.s[j])
			}
			c.rotate(l.z, ei)
			for j := range l.z {
				l.z[j] *= c.rate(l.c, j)
			}
			c.rotateAdd(gi, l.z, p.r)
		}
	})
}

// VelocityDiv writes u_t(x) into v, [N, D], and its divergence into div, [N]:
//
//	∇·u = Σ_k r_k (tr A_k + (u_k − u)·(s_k − s))
func (m *Mixture) VelocityDiv(v, div []float64, t float64, x []float64) error {
	b, err := scalars("VelocityDiv", m.d, x, div, v)
	if err != nil {
		return err
	}
	return m.each(t, b, func(i int, l *local) {
		copy(v[i*m.d:], l.u)
		div[i] = 0
		for k := range m.comp {
			p, sum := &l.parts[k], 0.0
			for j := range l.u {
				sum += m.comp[k].rate(l.c, j) + (p.u[j]-l.u[j])*(p.s[j]-l.s[j])
			}
			div[i] += p.r * sum
		}
	})
}

// variance is the j-th eigenvalue of C = α² S + σ² I.
func (g *gaussian) variance(c path.Coef, j int) float64 {
	return c.Alpha*c.Alpha*g.lambda[j] + c.Sigma*c.Sigma
}

// rate is the j-th eigenvalue of A = ½Ċ C⁻¹.
func (g *gaussian) rate(c path.Coef, j int) float64 {
	return (c.Alpha*c.DAlpha*g.lambda[j] + c.Sigma*c.DSigma) / g.variance(c, j)
}

// local is everything about the mixture at one x and t; scratch of one worker.
type local struct {
	c     path.Coef
	u, s  []float64 // velocity and score, [D]
	logp  float64
	parts []part
	z, y  []float64
}

// part is component k at x: its posterior probability, velocity and score.
type part struct {
	r, logp float64
	u, s    []float64
}

const mixtureChunk = 256 // points a task; a number of its own, not of the machine

func (m *Mixture) each(t float64, x flow.Batch, visit func(i int, l *local)) error {
	c := m.s.At(t)
	for _, v := range []float64{c.Alpha, c.Sigma, c.DAlpha, c.DSigma} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			lo, hi := m.s.Domain()
			return fmt.Errorf("field: the schedule is not finite at t = %g: keep t in its domain, [%g, %g]", t, lo, hi)
		}
	}
	parallel((x.N+mixtureChunk-1)/mixtureChunk, func(task int) {
		l := m.scratch(c)
		for i := task * mixtureChunk; i < min(x.N, (task+1)*mixtureChunk); i++ {
			m.at(l, x.Row(i))
			visit(i, l)
		}
	})
	return nil
}

func (m *Mixture) scratch(c path.Coef) *local {
	l := &local{c: c, parts: make([]part, len(m.comp))}
	l.u, l.s, l.z, l.y = make([]float64, m.d), make([]float64, m.d), make([]float64, m.d), make([]float64, m.d)
	for k := range l.parts {
		l.parts[k].u, l.parts[k].s = make([]float64, m.d), make([]float64, m.d)
	}
	return l
}

// at fills l for the point x.
func (m *Mixture) at(l *local, x []float64) {
	top := math.Inf(-1)
	for k := range m.comp {
		m.comp[k].at(l, &l.parts[k], x)
		top = max(top, l.parts[k].logp)
	}
	total := 0.0
	for k := range l.parts {
		l.parts[k].r = math.Exp(l.parts[k].logp - top)
		total += l.parts[k].r
	}
	l.logp = top + math.Log(total)
	clear(l.u)
	clear(l.s)
	for k := range l.parts {
		p := &l.parts[k]
		p.r /= total
		axpy(p.r, p.u, l.u)
		axpy(p.r, p.s, l.s)
	}
}

// at fills p, except r, for the point x.
func (g *gaussian) at(l *local, p *part, x []float64) {
	c := l.c
	for j, v := range x {
		l.y[j] = v - c.Alpha*g.mean[j]
		p.u[j], p.s[j] = c.DAlpha*g.mean[j], 0
	}
	g.rotate(l.z, l.y)
	p.logp = g.logw
	for j, z := range l.z {
		v := g.variance(c, j)
		p.logp -= 0.5 * (z*z/v + math.Log(2*math.Pi*v))
		l.y[j] = g.rate(c, j) * z
		l.z[j] = -z / v
	}
	g.rotateAdd(p.u, l.y, 1)
	g.rotateAdd(p.s, l.z, 1)
}
