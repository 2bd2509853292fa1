package likelihood

import (
	"context"
	"fmt"

	"flowmatch/flow"
	"flowmatch/internal/memory"
	"flowmatch/ode"
)

// Scorer is the optional upgrade of a flow.Source that Gradient needs;
// [flow.Gaussian] is known without it.
type Scorer interface {
	// Score writes ∇ log p_0(x) of each point into s, [N, D].
	Score(s []float64, x flow.Batch)
}

// Gradient is what [Problem.Gradient] returns.
type Gradient struct {
	Theta []float64 // [NumParams]
	LogP  []float64 // [N], nats, as LogProb gives it
	// Kinetic is ∫ |v|² dt and Jacobian ∫ |∂v/∂x|² dt along the trajectory of each point,
	// [N]; nil where the Regularizer has no use for it.
	Kinetic, Jacobian []float64
	// Solve is the cost of the solve, Back that of the backward pass through it; of several
	// parts of BatchSize each is that of the most expensive one.
	Solve, Back ode.Stats
}

// Gradient returns the gradient, with respect to the parameters, of
//
//	Σ_i w_i [ log p_Hi(x1_i) − Kinetic · ∫ |v|² dt − Jacobian · ∫ |∂v/∂x|² dt ]
//
// with the coefficients of Regularizer. w holds N weights; nil: 1/N each, the mean.
// The gradient is exactly that of the discrete solution (see ode.Tape.Backprop) with
// the probes held fixed. The field must be [flow.Parametric], the source
// [flow.Gaussian] or a [Scorer]. Memory grows with the number of steps times BatchSize.
func (p Problem) Gradient(ctx context.Context, x1 flow.Batch, w []float64) (g Gradient, err error) {
	field, ok := p.Field.(flow.Parametric)
	if !ok {
		return g, fmt.Errorf("likelihood: %w: Gradient needs a field that is flow.Parametric, %T is not",
			ErrInvalid, p.Field)
	}
	score, err := scoreOf(p.Source)
	if err != nil {
		return g, err
	}
	if a, ok := p.Solver.Control.(ode.Adaptive); ok && a.Each {
		return g, fmt.Errorf("likelihood: %w: Gradient goes back through the steps that all points share: leave "+
			"out Adaptive.Each", ErrInvalid)
	}
	if w == nil {
		w = make([]float64, x1.N)
		for i := range w {
			w[i] = 1 / float64(x1.N)
		}
	}
	if len(w) != x1.N {
		return g, fmt.Errorf("likelihood: %w: %d weights for %d points", ErrInvalid, len(w), x1.N)
	}
	g.Theta = make([]float64, field.NumParams())
	done := 0
	each := func(c *chunk, logp []float64) (ode.Stats, error) {
		solver := c.solver
		if left, ok := memory.Available(); ok && solver.MaxTape == 0 {
			solver.MaxTape = left // adaptive steps may become many, where the system is stiff
		}
		tape, st, err := solver.Record(ctx, c.f, c.z, c.hi, c.lo)
		if err != nil {
			return st, err
		}
		c.logProb(p.Source, logp)
		g.Kinetic, g.Jacobian = c.appendIntegrals(g.Kinetic, g.Jacobian)
		a := c.adjoint(score, w[done:done+c.n])
		done += c.n
		back, err := tape.Backprop(ctx, c.velocity(field), c.vjp(field, g.Theta), a)
		g.Back = g.Back.Max(back)
		return st, err
	}
	g.LogP, _, g.Solve, err = p.solve(ctx, x1, p.Regularizer, each)
	return g, err
}

// adjoint is the gradient of the objective at time Lo: all that is integrated from Hi
// down to Lo is minus its integral, so each column ends with Σ w (log p_Lo + Δ + K·E + J·F).
func (c *chunk) adjoint(score func(s []float64, x flow.Batch), w []float64) []float64 {
	a := make([]float64, len(c.z))
	score(a[:c.n*c.d], c.points())
	for i, wi := range w {
		for j := i * c.d; j < (i+1)*c.d; j++ {
			a[j] *= wi
		}
	}
	scale := func(dst []float64, by float64) {
		for i := range dst {
			dst[i] = by * w[i]
		}
	}
	scale(c.delta(a), 1)
	scale(c.kinetic(a), c.reg.Kinetic)
	scale(c.jacobian(a), c.reg.Jacobian)
	return a
}

// velocity is the right-hand side of the backward pass: of the recorded stages only the
// points matter, for no derivative depends on the integrals.
func (c *chunk) velocity(f flow.Field) ode.Func {
	return func(dz []float64, t float64, z []float64) error {
		nd := c.n * c.d
		clear(dz[nd:])
		return f.Velocity(dz[:nd], t, z[:nd])
	}
}

// vjp is the transposed Jacobian of the augmented system, which gathers ∂L/∂θ in
// gtheta.
func (c *chunk) vjp(field flow.Parametric, gtheta []float64) ode.VJP {
	nd := c.n * c.d
	es := c.es
	if len(es) == 0 {
		es = [][]float64{nil}
	}
	scaled := make([]float64, len(c.z))
	return func(gz []float64, t float64, z, a []float64) error {
		clear(gz)
		// the mean over the probes, and for the parts of v a mean over equal terms
		for i, v := range a {
			scaled[i] = v / float64(len(es))
		}
		for _, e := range es {
			adj := flow.Adjoint{Velocity: scaled[:nd], Div: c.delta(scaled), Probe: e,
				Kinetic: c.kinetic(scaled), Jacobian: c.jacobian(scaled)}
			if err := field.VJPAug(gz[:nd], gtheta, t, z[:nd], adj); err != nil {
				return err
			}
		}
		return nil
	}
}

// scoreOf returns ∇ log p of a source.
func scoreOf(s flow.Source) (func(s []float64, x flow.Batch), error) {
	switch s := s.(type) {
	case Scorer:
		return s.Score, nil
	case flow.Gaussian:
		std := s.Std
		if std == 0 {
			std = 1
		}
		return func(g []float64, x flow.Batch) {
			for i, v := range x.X {
				g[i] = -v / (std * std)
			}
		}, nil
	}
	return nil, fmt.Errorf("likelihood: %w: Gradient needs the score of the source; %T is neither a flow.Gaussian nor "+
		"a likelihood.Scorer", ErrInvalid, s)
}
