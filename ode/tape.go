package ode

import (
	"context"
	"fmt"
	"slices"
)

// VJP is the transposed Jacobian of a right-hand side: it writes aᵀ ∂f/∂x at (t, x)
// into gx. Where f has parameters θ, the callee also adds aᵀ ∂f/∂θ to a gradient of
// its own. gx aliases neither x nor a, which are read only.
type VJP func(gx []float64, t float64, x, a []float64) error

// Tape is a recorded solve: the accepted steps' times and states, (steps+1)·len(x)
// numbers in all.
type Tape struct {
	m   *Tableau
	dim int
	ts  []float64   // t_0 ... t_n
	xs  [][]float64 // x_0 ... x_{n-1}
	at  []int       // steps before each of the times of RecordVia
	max int64       // bytes of xs; 0: no bound
}

// Steps returns the number of recorded steps.
func (tp *Tape) Steps() int { return len(tp.xs) }

// Record is [Solver.Solve] that also returns the tape of the solve. With an error
// the tape holds the steps that were accepted.
func (s Solver) Record(ctx context.Context, f Func, x []float64, t0, t1 float64) (*Tape, Stats, error) {
	if err := s.flat(); err != nil {
		return nil, Stats{LastT: t0}, err
	}
	tp := &Tape{m: s.Method, dim: len(x), ts: []float64{t0}, max: s.MaxTape}
	st, err := s.solve(ctx, f, x, t0, t1, tp.keep)
	tp.at = []int{0, len(tp.xs)}
	return tp, st, err
}

// RecordVia is [Solver.SolveVia] that also returns the tape of the solve.
func (s Solver) RecordVia(ctx context.Context, f Func, x []float64, ts []float64,
	out func(i int, x []float64) error) (*Tape, Stats, error) {
	if err := s.flat(); err != nil {
		return nil, Stats{}, err
	}
	tp := &Tape{m: s.Method, dim: len(x), max: s.MaxTape}
	if len(ts) > 0 {
		tp.ts = append(tp.ts, ts[0])
	}
	st, err := s.via(ctx, f, x, len(x), ts, tp.keep, func(r *run, i int) error {
		tp.at = append(tp.at, len(tp.xs))
		return out(i, r.x)
	})
	return tp, st, err
}

// flat reports a Space, through whose steps no gradient goes back.
func (s Solver) flat() error {
	if s.Space != nil {
		return fmt.Errorf("ode: %w: no gradient goes back through the steps of a Space: leave it out", ErrInvalid)
	}
	return nil
}

func (tp *Tape) keep(r *run, tNext float64) error {
	const float = 8 // bytes
	if tp.max > 0 && int64(len(tp.xs)+1) > tp.max/float/int64(max(tp.dim, 1)) {
		return r.fail(ErrTape, r.st.LastH, "take fewer steps, a looser tolerance or fewer points at once, or go back "+
			"by the adjoint equation, which keeps none")
	}
	tp.ts = append(tp.ts, tNext)
	tp.xs = append(tp.xs, slices.Clone(r.x))
	return nil
}

// Backprop turns a = ∂L/∂x(t1) into ∂L/∂x(t0), in place, and has vjp gather ∂L/∂θ.
// It is reverse-mode differentiation of the steps taken, so the gradient is exactly
// that of the discrete solution; the lengths of the steps count as constants, also
// where they were chosen adaptively. f must be the f of the solve: the stages are
// computed again from the recorded states rather than stored.
//
// With κ_i = ∂L/∂k_i and g_i = κ_iᵀ ∂f/∂x at stage i, a step goes back by
//
//	κ_i = h·(b_i·a + Σ_{j>i} a_ji·g_j),   a ← a + Σ_i g_i.
//
// Stats counts NFE for f, VJPs for vjp and Accepted for steps. With an error, a is
// the gradient at Stats.LastT.
func (tp *Tape) Backprop(ctx context.Context, f Func, vjp VJP, a []float64) (Stats, error) {
	st := Stats{LastT: tp.ts[len(tp.ts)-1]}
	if len(a) != tp.dim {
		return st, fmt.Errorf("ode: %w: Backprop of a gradient of length %d through a state of length %d",
			ErrInvalid, len(a), tp.dim)
	}
	err := tp.backprop(ctx, f, vjp, newBack(tp.m, len(a)), a, len(tp.xs), 0, &st)
	return st, err
}

// BackpropVia is [Tape.Backprop] of a loss of the states at all times of
// [Solver.RecordVia]: as[i] is ∂L/∂x(ts[i]), nil where the loss does not depend on
// it. Going back, the gradient jumps at each time, a ← a + ∂L/∂x(ts[i]). It
// returns ∂L/∂x(ts[0]), by all paths. as is read only.
func (tp *Tape) BackpropVia(ctx context.Context, f Func, vjp VJP, as [][]float64) (a []float64, st Stats, err error) {
	if len(as) != len(tp.at) {
		return nil, st, fmt.Errorf("ode: %w: %d gradients as for a tape of %d times", ErrInvalid, len(as), len(tp.at))
	}
	if err := lengths("as", as, tp.dim); err != nil {
		return nil, st, err
	}
	a, st.LastT = make([]float64, tp.dim), tp.ts[len(tp.ts)-1]
	b := newBack(tp.m, tp.dim)
	for i := len(as) - 1; i >= 0; i-- {
		addScaled(a, as[i], 1)
		if i > 0 {
			if err := tp.backprop(ctx, f, vjp, b, a, tp.at[i], tp.at[i-1], &st); err != nil {
				return a, st, err
			}
		}
	}
	return a, st, nil
}

// backprop takes a back through the steps from number hi, excluded, to lo.
func (tp *Tape) backprop(ctx context.Context, f Func, vjp VJP, b *back, a []float64, hi, lo int, st *Stats) error {
	for n := hi - 1; n >= lo; n-- {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("ode: Backprop stopped at t=%g: %w", st.LastT, err)
		}
		t, tNext := tp.ts[n], tp.ts[n+1]
		if err := b.step(f, vjp, t, tNext, tp.xs[n], a, st); err != nil {
			return fmt.Errorf("ode: Backprop failed in the step from t=%g to %g: %w", t, tNext, err)
		}
		st.Accepted++
		st.LastT, st.LastH = t, t-tNext
	}
	return nil
}

// lengths reports the first of several vectors that is neither nil nor of length n.
func lengths(name string, vs [][]float64, n int) error {
	for i, v := range vs {
		if v != nil && len(v) != n {
			return fmt.Errorf("ode: %w: %s[%d] has %d numbers, the state has %d", ErrInvalid, name, i, len(v), n)
		}
	}
	return nil
}

// back is the memory of Backprop.
type back struct {
	m     *Tableau
	need  []bool      // the stage has a part in the solution
	in    [][]float64 // inputs of the stages
	k, g  [][]float64
	kappa []float64
	col   []float64 // the column a_·i
}

func newBack(m *Tableau, n int) *back {
	s := m.Stages()
	b := &back{m: m, need: make([]bool, s), kappa: make([]float64, n), col: make([]float64, s)}
	for range s {
		b.in = append(b.in, make([]float64, n))
		b.k = append(b.k, make([]float64, n))
		b.g = append(b.g, make([]float64, n))
	}
	for i := s - 1; i >= 0; i-- {
		b.need[i] = m.B[i] != 0
		for j := i + 1; j < s; j++ {
			b.need[i] = b.need[i] || b.need[j] && m.A[j][i] != 0
		}
	}
	return b
}

// step takes a back through the step from (t, x) to tNext.
func (b *back) step(f Func, vjp VJP, t, tNext float64, x, a []float64, st *Stats) error {
	h, s := tNext-t, b.m.Stages()
	last := s - 1 // no other stage is built on this one
	for ; !b.need[last]; last-- {
	}
	for i := 0; i <= last; i++ {
		if !b.need[i] {
			continue
		}
		combine(b.in[i], x, h, b.m.A[i], b.k)
		if i == last {
			break
		}
		st.NFE++
		if err := f(b.k[i], node(b.m, i, t, tNext), b.in[i]); err != nil {
			return err
		}
	}
	for i := last; i >= 0; i-- {
		if !b.need[i] {
			continue
		}
		clear(b.col)
		for j := i + 1; j <= last; j++ {
			b.col[j] = b.m.A[j][i] // g[j] of a stage without a part stays zero
		}
		for n, v := range a {
			b.kappa[n] = h * b.m.B[i] * v
		}
		combine(b.kappa, b.kappa, h, b.col, b.g)
		st.VJPs++
		if err := vjp(b.g[i], node(b.m, i, t, tNext), b.in[i], b.kappa); err != nil {
			return err
		}
	}
	for i, g := range b.g {
		if b.need[i] {
			for n, v := range g {
				a[n] += v
			}
		}
	}
	return nil
}
