package likelihood

import (
	"context"
	"fmt"

	"flowmatch/flow"
	"flowmatch/ode"
)

// Parametric is the optional upgrade of a field with parameters θ, for training by
// maximum likelihood. It must be a [flow.Differentiable] or [flow.Diverger] too.
type Parametric interface {
	flow.Field
	// NumParams returns the number of parameters.
	NumParams() int
	// VJPAug adds to gx, [N, D], and gtheta, [NumParams], the gradient of
	//
	//	Σ_i [ a_i · v_t(x_i) + l_i · div_i ]
	//
	// with respect to x and θ, where div_i is the divergence ∇·v_t(x_i) if e is nil and
	// e_iᵀ (∂v_t/∂x)(x_i) e_i if not. x, a and e are [N, D], l is [N]; all read only.
	VJPAug(gx, gtheta []float64, t float64, x, a, l, e []float64) error
}

// Scorer is the optional upgrade of a flow.Source that Gradient needs;
// [flow.Gaussian] is known without it.
type Scorer interface {
	// Score writes ∇ log p_0(x) of each point into s, [N, D].
	Score(s []float64, x flow.Batch)
}

// Gradient returns ∂/∂θ Σ_i w_i log p_Hi(x1_i), and log p_Hi(x1) as LogProb gives it.
// w holds N weights; nil: 1/N each, the gradient of the mean. The gradient is exactly
// that of the discrete solution (see ode.Tape.Backprop) with the probes held fixed. The
// field must be [Parametric], the source [flow.Gaussian] or a [Scorer]. Memory grows
// with the number of steps times BatchSize. Stats counts both directions.
func (p Problem) Gradient(ctx context.Context, x1 flow.Batch, w []float64) (gtheta, logp []float64, st ode.Stats, err error) {
	field, ok := p.Field.(Parametric)
	if !ok {
		return nil, nil, st, fmt.Errorf("likelihood: %w: Gradient needs a field that is likelihood.Parametric, %T is not", ErrInvalid, p.Field)
	}
	score, err := scoreOf(p.Source)
	if err != nil {
		return nil, nil, st, err
	}
	if w == nil {
		w = make([]float64, x1.N)
		for i := range w {
			w[i] = 1 / float64(x1.N)
		}
	}
	if len(w) != x1.N {
		return nil, nil, st, fmt.Errorf("likelihood: %w: %d weights for %d points", ErrInvalid, len(w), x1.N)
	}
	gtheta = make([]float64, field.NumParams())
	done := 0
	logp, _, st, err = p.solve(ctx, x1, func(c *chunk, logp []float64) (ode.Stats, error) {
		tape, st, err := c.solver.Record(ctx, c.f, c.z, c.hi, c.lo)
		if err != nil {
			return st, err
		}
		c.logProb(p.Source, logp)
		// L = Σ w_i (log p_Lo(x_i) + Δ_i): its gradient at time Lo
		a := make([]float64, len(c.z))
		score(a[:c.n*c.d], c.points())
		for i := range c.n {
			wi := w[done+i]
			for j := i * c.d; j < (i+1)*c.d; j++ {
				a[j] *= wi
			}
			a[c.n*c.d+i] = wi
		}
		done += c.n
		back, err := tape.Backprop(ctx, c.f, c.vjp(field, gtheta), a)
		st.NFE, st.VJPs = st.NFE+back.NFE, st.VJPs+back.VJPs
		return st, err
	})
	return gtheta, logp, st, err
}

// vjp is the transposed Jacobian of the augmented system, which gathers ∂L/∂θ in
// gtheta. Nothing depends on Δ.
func (c *chunk) vjp(field Parametric, gtheta []float64) ode.VJP {
	nd := c.n * c.d
	es := c.es
	if len(es) == 0 {
		es = [][]float64{nil}
	}
	scaled := make([]float64, nd+c.n)
	return func(gz []float64, t float64, z, a []float64) error {
		clear(gz)
		// the mean over the probes, and for the part of v a mean over equal terms
		for i, v := range a {
			scaled[i] = v / float64(len(es))
		}
		for _, e := range es {
			if err := field.VJPAug(gz[:nd], gtheta, t, z[:nd], scaled[:nd], scaled[nd:], e); err != nil {
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
	return nil, fmt.Errorf("likelihood: %w: Gradient needs the score of the source; %T is neither a flow.Gaussian nor a likelihood.Scorer", ErrInvalid, s)
}
