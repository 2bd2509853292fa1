package likelihood

import (
	"flowmatch/flow"
	"flowmatch/ode"
)

// chunk is the augmented system of some points: the state z = [x (N·D), Δ (N)].
type chunk struct {
	n, d   int
	lo, hi float64
	z      []float64
	es     [][]float64 // the fixed probes
	f      ode.Func    // dx/dt = v_t(x), dΔ/dt = ∇·v_t(x)
	solver ode.Solver
}

// chunk builds the system for points from to to-1 of x, at Δ = 0.
func (p Problem) chunk(x flow.Batch, from, to int) (*chunk, error) {
	c := &chunk{n: to - from, d: x.D, lo: p.Lo, hi: p.Hi, solver: p.Solver}
	c.es = p.Divergence.probes(from, c.n, c.d)
	rhs, err := drift(p.Field, c.es, c.n)
	if err != nil {
		return nil, err
	}
	nd := c.n * c.d
	c.f = func(dz []float64, t float64, z []float64) error { return rhs(dz[:nd], dz[nd:], t, z[:nd]) }
	c.z = make([]float64, nd+c.n)
	copy(c.z, x.Slice(from, to).X)
	if a, ok := p.Solver.Control.(ode.Adaptive); ok && a.Norm == nil {
		a.Norm = func(r []float64) float64 { return max(ode.RMS(r[:nd]), ode.RMS(r[nd:])) }
		c.solver.Control = a
	}
	return c, nil
}

func (c *chunk) points() flow.Batch { return flow.Batch{N: c.n, D: c.d, X: c.z[:c.n*c.d]} }
func (c *chunk) delta() []float64   { return c.z[c.n*c.d:] }

// logProb writes log p_Lo(x) + Δ: Δ, integrated from Hi down to Lo, is −∫ ∇·v dt.
func (c *chunk) logProb(source flow.Source, logp []float64) {
	source.LogProb(logp, c.points())
	for i, d := range c.delta() {
		logp[i] += d
	}
}
