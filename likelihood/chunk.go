package likelihood

import (
	"flowmatch/flow"
	"flowmatch/ode"
)

// chunk is the augmented system of some points: the state z = [x (N·D), Δ (N)] and,
// of each regulariser that is on, its integral: E (N), F (N).
type chunk struct {
	n, d   int
	lo, hi float64
	reg    Regularizer
	z      []float64
	es     [][]float64 // the fixed probes
	f      ode.Func    // dx/dt = v_t(x), dΔ/dt = ∇·v_t(x), dE/dt = |v|², dF/dt = |∂v/∂x|²
	solver ode.Solver
}

// chunk builds the system for points from to to-1 of x, at Δ = E = F = 0.
func (p Problem) chunk(x flow.Batch, from, to int, reg Regularizer) (*chunk, error) {
	c := &chunk{n: to - from, d: x.D, lo: p.Lo, hi: p.Hi, reg: reg, solver: p.Solver}
	var err error
	if c.es, err = p.Divergence.probes(p.numbers(from, to), c.d); err != nil {
		return nil, err
	}
	rhs, err := drift(p.Field, c.es, c.n, reg.Jacobian > 0)
	if err != nil {
		return nil, err
	}
	nd := c.n * c.d
	c.f = func(dz []float64, t float64, z []float64) error {
		if err := rhs(dz[:nd], c.delta(dz), c.jacobian(dz), t, z[:nd]); err != nil {
			return err
		}
		for i := range c.kinetic(dz) {
			c.kinetic(dz)[i] = square(dz[i*c.d : (i+1)*c.d])
		}
		return nil
	}
	c.z = make([]float64, nd+c.n*(1+reg.states()))
	copy(c.z, x.Slice(from, to).X)
	if a, ok := p.Solver.Control.(ode.Adaptive); ok && a.Norm == nil {
		a.Norm = func(r []float64) float64 { return max(ode.RMS(r[:nd]), ode.RMS(c.delta(r))) }
		c.solver.Control = a
	}
	return c, nil
}

func (c *chunk) points() flow.Batch { return flow.Batch{N: c.n, D: c.d, X: c.z[:c.n*c.d]} }

// The columns of a state z, or of its derivative or adjoint: Δ, and E and F, which
// are nil where the regulariser is off.
func (c *chunk) delta(z []float64) []float64 { return c.column(z, 0) }

func (c *chunk) kinetic(z []float64) []float64 {
	if c.reg.Kinetic == 0 {
		return nil
	}
	return c.column(z, 1)
}

func (c *chunk) jacobian(z []float64) []float64 {
	if c.reg.Jacobian == 0 {
		return nil
	}
	return c.column(z, c.reg.states())
}

func (c *chunk) column(z []float64, i int) []float64 { return z[c.n*(c.d+i) : c.n*(c.d+i+1)] }

// logProb writes log p_Lo(x) + Δ: Δ, integrated from Hi down to Lo, is −∫ ∇·v dt.
func (c *chunk) logProb(source flow.Source, logp []float64) {
	source.LogProb(logp, c.points())
	for i, d := range c.delta(c.z) {
		logp[i] += d
	}
}

// appendIntegrals appends −E and −F, integrals from Lo to Hi.
func (c *chunk) appendIntegrals(kinetic, jacobian []float64) (k, j []float64) {
	for _, v := range c.kinetic(c.z) {
		kinetic = append(kinetic, -v)
	}
	for _, v := range c.jacobian(c.z) {
		jacobian = append(jacobian, -v)
	}
	return kinetic, jacobian
}

func square(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	return sum
}
