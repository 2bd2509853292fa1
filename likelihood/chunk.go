package likelihood

import (
	"context"

	"flowmatch/flow"
	"flowmatch/ode"
)

// chunk is the augmented system of some points: the state z = [x (N·D), Δ (N)] and,
// of each regulariser that is on, its integral: E (N), F (N).
type chunk struct {
	n, d   int
	lo, hi float64
	reg    Regularizer
	field  flow.Field
	z      []float64
	es     [][]float64 // the fixed probes
	f      ode.Func    // dx/dt = v_t(x), dΔ/dt = ∇·v_t(x), dE/dt = |v|², dF/dt = |∂v/∂x|²
	solver ode.Solver
}

// chunk builds the system for points from to to-1 of x, at Δ = E = F = 0.
func (p Problem) chunk(x flow.Batch, from, to int, reg Regularizer) (*chunk, error) {
	c := &chunk{n: to - from, d: x.D, lo: p.Lo, hi: p.Hi, reg: reg, field: p.Field, solver: p.Solver}
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
	if space := p.Solver.Space; space != nil {
		c.solver.Space = beside{space, nd}
		if a, ok := p.Solver.Control.(ode.Adaptive); ok && a.Each {
			c.solver.Space = beside{space, c.d}
		}
	}
	if a, ok := p.Solver.Control.(ode.Adaptive); ok && a.Norm == nil {
		a.Norm = func(r []float64) float64 { return max(ode.RMS(r[:nd]), ode.RMS(c.delta(r))) }
		if a.Each {
			a.Norm = func(r []float64) float64 { return max(ode.RMS(r[:c.d]), ode.RMS(r[c.d:])) }
		}
		c.solver.Control = a
	}
	return c, nil
}

// beside is a space of points, the first n numbers of a state, beside which the rest is flat.
type beside struct {
	ode.Space
	n int
}

func (b beside) Move(y, x, xi []float64) error {
	for i := b.n; i < len(x); i++ {
		y[i] = x[i] + xi[i]
	}
	return b.Space.Move(y[:b.n], x[:b.n], xi[:b.n])
}

func (b beside) Pull(v, x, xi []float64) { b.Space.Pull(v[:b.n], x[:b.n], xi[:b.n]) }

func (b beside) Project(x []float64) error { return b.Space.Project(x[:b.n]) }

// solve takes z from time t0 to t1.
func (c *chunk) solve(ctx context.Context, t0, t1 float64) (ode.Stats, error) {
	if a, ok := c.solver.Control.(ode.Adaptive); !ok || !a.Each {
		return c.solver.Solve(ctx, c.f, c.z, t0, t1)
	}
	// A point's numbers stand together there: x, Δ.
	z := make([]float64, len(c.z))
	interleave(z, c.points().X, c.delta(c.z), c.d)
	st, err := c.solver.SolvePoints(ctx, c.some, z, c.d+1, t0, t1)
	separate(c.points().X, c.delta(c.z), z, c.d)
	return st, err
}

// some is c.f of the points of these numbers, at times of their own.
func (c *chunk) some(rows []int, ts []float64) (func(dz, z []float64) error, error) {
	f, err := flow.AtTimes(c.field, rows, ts)
	if err != nil {
		return nil, err
	}
	n := len(rows)
	es := make([][]float64, len(c.es))
	for k, e := range c.es {
		es[k] = flow.Batch{N: c.n, D: c.d, X: e}.Rows(rows).X
	}
	rhs, err := drift(f, es, n, false)
	if err != nil {
		return nil, err
	}
	x, v := make([]float64, n*c.d), make([]float64, n*c.d)
	delta, div := make([]float64, n), make([]float64, n)
	return func(dz, z []float64) error {
		separate(x, delta, z, c.d)
		if err := rhs(v, div, nil, 0, x); err != nil {
			return err
		}
		interleave(dz, v, div, c.d)
		return nil
	}, nil
}

// interleave writes x [n, d] and delta [n] into z [n, d+1]; separate does the reverse.
func interleave(z, x, delta []float64, d int) {
	for i, v := range delta {
		copy(z[i*(d+1):], x[i*d:(i+1)*d])
		z[i*(d+1)+d] = v
	}
}

func separate(x, delta, z []float64, d int) {
	for i := range delta {
		copy(x[i*d:(i+1)*d], z[i*(d+1):])
		delta[i] = z[i*(d+1)+d]
	}
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
