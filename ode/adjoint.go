package ode

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// Sensitivity is a right-hand side with its transposed Jacobians, from one
// evaluation: it writes f(t, x) into dx, aᵀ ∂f/∂x into gx and aᵀ ∂f/∂θ into gtheta.
// The rules of [Func] hold: x and a are read only, nothing is kept, nothing aliases.
type Sensitivity func(dx, gx, gtheta []float64, t float64, x, a []float64) error

// Adjoint is the continuous adjoint method (Pontryagin et al. 1962; Chen et al.
// 2018, arXiv 1806.07366, algorithm 1 and appendix C): the gradient of a loss of
// x(ts[0]), ..., x(ts[n]), where x' = f(t, x, θ), by solving the augmented system
//
//	x' = f,   a' = −aᵀ ∂f/∂x,   g' = −aᵀ ∂f/∂θ
//
// back from ts[n] to ts[0]. as[i] is ∂L/∂x(ts[i]), nil where the loss does not depend
// on it: a jumps by it at ts[i]. xs[i] is x(ts[i]), as SolveVia or SolveAt gave it: the
// state is set to it there. A nil xs[i] leaves the state as it was solved back; xs[n]
// must be given, xs[0] is not used. ∂L/∂θ is added to gtheta, and a is ∂L/∂x(ts[0]).
// With an error a is the gradient at Stats.LastT, and gtheta is as it was.
//
// No step is remembered, so memory does not grow with their number: it is some
// Stages+3 times the state of length 2·len(x)+len(gtheta), whatever the control does
// (what grows with the number of times is xs, and of these only the last must be
// kept). The price is that the
// gradient is that of the continuous problem, solved with an error of its own: it
// differs from that of the discrete solution ([Tape.Backprop]) by the error of the
// solver. And x is solved backward. Where the flow contracts, as a stable system
// does, going back expands: errors grow like e^(λT), and the backward solve can be stiff
// where the forward one was not. Remedies are a tighter tolerance, a tape, or
// checkpoints: times with an xs[i] and no as[i].
//
// g does not act back on x and a: it is a quadrature. It is nevertheless a part of the
// state, as in the paper, because then any method and any control serve it as they
// are: an adaptive control can reject a step for its error, FSAL saves its evaluation
// too, and nothing has to be undone after a rejection. Only the inputs of its stages,
// which nobody reads, are not computed.
//
// The solver is that of the backward solve, and may be that of the forward one: Fixed is a
// number of steps between two neighbouring times, a Grid is walked in reverse. The
// default norm of Adaptive is here [MaxRMS] of the blocks x, a and g: a thousand
// parameters do not drown two coordinates. A Norm that is set sees (x, a, g) in this
// order; MaxRMS(n, n), n = len(x), leaves g out (Kidger, Chen and Lyons 2021, arXiv
// 2009.09457), which takes fewer steps, since errors in g do not spread. The system is
// linear in (a, g), and is solved for a loss scaled by a power of two such that the
// largest RMS of an as[i] is about 1: a mean over many points is solved as exactly as a
// sum, and ATol means the same for both. Norm and Observe see that scaled system.
func (s Solver) Adjoint(ctx context.Context, f Sensitivity, ts []float64, xs, as [][]float64,
	gtheta []float64) (a []float64, st Stats, err error) {
	if err := cmp.Or(s.flat(), checkAdjoint(f, ts, xs, as)); err != nil {
		return nil, st, err
	}
	last := len(ts) - 1
	n := len(xs[last])
	z := make([]float64, 2*n+len(gtheta))
	x, a := z[:n], z[n:2*n]
	if c, ok := s.Control.(Adaptive); ok && c.Norm == nil {
		c.Norm = MaxRMS(n, n, len(gtheta))
		s.Control = c
	}
	scale := lossScale(as)
	copy(x, xs[last])
	addScaled(a, as[last], 1/scale)
	back := slices.Clone(ts)
	slices.Reverse(back)
	st, err = s.via(ctx, f.augmented(n), z, 2*n, back, nil, func(r *run, k int) error {
		i := last - k
		if k == 0 {
			return nil // there from the start
		}
		if i > 0 && xs[i] != nil {
			copy(x, xs[i])
		}
		addScaled(a, as[i], 1/scale)
		r.haveFirst = false // f is another one now
		return nil
	})
	st.VJPs = st.NFE
	if err == nil {
		addScaled(gtheta, z[2*n:], scale)
	}
	out := make([]float64, n)
	addScaled(out, a, scale)
	return out, st, err
}

// lossScale returns the power of two next to the largest RMS of the gradients; 1 if
// they are all zero.
func lossScale(as [][]float64) float64 {
	most := 0.0
	for _, a := range as {
		most = max(most, RMS(a))
	}
	if most == 0 || !finite([]float64{most}) {
		return 1
	}
	return math.Ldexp(1, min(max(math.Ilogb(most), -1000), 1000))
}

// addScaled adds c·v to dst; v may be nil.
func addScaled(dst, v []float64, c float64) {
	for i, vi := range v {
		dst[i] += c * vi
	}
}

// augmented is the system of (x, a, g).
func (f Sensitivity) augmented(n int) Func {
	return func(dz []float64, t float64, z []float64) error {
		if err := f(dz[:n], dz[n:2*n], dz[2*n:], t, z[:n], z[n:2*n]); err != nil {
			return err
		}
		for i, v := range dz[n:] {
			dz[n+i] = -v
		}
		return nil
	}
}

func checkAdjoint(f Sensitivity, ts []float64, xs, as [][]float64) error {
	n := len(ts)
	switch {
	case f == nil:
		return fmt.Errorf("ode: %w: the sensitivity f is nil", ErrInvalid)
	case n == 0 || len(xs) != n || len(as) != n:
		return fmt.Errorf("ode: %w: %d times, %d states xs and %d gradients as; there must be one of each for each "+
			"time, and one time at least", ErrInvalid, n, len(xs), len(as))
	case xs[n-1] == nil:
		return fmt.Errorf("ode: %w: xs[%d], the state at the last time, is nil; the backward solve starts from it",
			ErrInvalid, n-1)
	}
	if err := lengths("xs", xs, len(xs[n-1])); err != nil {
		return err
	}
	return lengths("as", as, len(xs[n-1]))
}

// MaxRMS returns the norm that is the largest [RMS] of consecutive blocks of these
// sizes; what is left over beyond them has no part. It is what torchdiffeq calls a
// mixed norm.
func MaxRMS(sizes ...int) func(r []float64) float64 {
	return func(r []float64) float64 {
		most := 0.0
		for _, n := range sizes {
			most = max(most, RMS(r[:n]))
			r = r[n:]
		}
		return most
	}
}
