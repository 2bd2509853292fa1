package ode

import (
	"context"
	"fmt"
	"math"
)

// Func is the right-hand side: it writes f(t, x) into dx, of the length of x. It
// must not write to x nor keep either slice; they do not alias each other. t lies
// in the closed interval between t0 and t1. An error ends the solve and is wrapped.
type Func func(dx []float64, t float64, x []float64) error

// Solver is a method with a step control.
type Solver struct {
	Method  *Tableau
	Control Control
	// MaxNFE bounds the number of evaluations of f; it is never exceeded. 0: no bound.
	MaxNFE int
	// Cost, if not nil, says how much a call of f at t counts in NFE and MaxNFE: 2 where f is made of
	// two evaluations there. nil: 1.
	Cost func(t float64) int
	// MaxTape bounds the bytes of the states that a [Tape] keeps. 0: no bound.
	MaxTape int64
	// Space is where the states are, if that is not flat; nil: R^n. It is for Solve, SolveAt,
	// SolveVia and SolvePoints; tapes and adjoints refuse it.
	Space Space
	// Projected takes straight steps in a Space, and projects their ends to it, in the place of
	// steps along geodesics.
	Projected bool
	// Observe, if not nil, is called at t0 and after each accepted step. To end a
	// solve from there, cancel its context.
	Observe func(Step)
}

// Space is a curved space of states, as the steps of a solver need it. A step from x is a vector
// xi at x, and any method is one of the coordinates xi there (Munthe-Kaas 1999), so that it
// keeps its order.
type Space interface {
	// Move writes the state that a step xi from x leads to into y; y aliases neither.
	Move(y, x, xi []float64) error
	// Pull turns v, a velocity at the end of the step xi from x, into that of xi, in place. It is
	// not finite where xi is too long to be told apart by its end.
	Pull(v, x, xi []float64)
	// Project moves x to the nearest state of the space, in place. In the space the right-hand
	// side must be the same before and after, as manifold.Field is.
	Project(x []float64) error
}

// Step is what Observe sees.
type Step struct {
	T, H  float64   // time reached, and signed length of the step to it (0 at t0)
	X     []float64 // state at T: read only, valid during the call
	Stats Stats     // cost so far
}

// Stats is what it cost to take a point through a solve, and where the solve stands. All
// points of a batch are solved together, so each has cost what the batch has; where points
// are solved in several batches, Stats is that of the most expensive one ([Stats.Max]).
// The stochastic samplers of room sde count in it, too.
type Stats struct {
	// NFE counts the calls of f, each by Solver.Cost, every one: rejected steps, the choice of the first
	// step and interpolation included. A value that is reused (FSAL) counts once.
	NFE int
	// VJPs counts the vector-Jacobian products: of Tape.Backprop, the calls of vjp; of
	// Adjoint, every evaluation, since each one is both.
	VJPs               int
	Accepted, Rejected int     // steps
	LastT              float64 // the state's time: t1 unless there was an error
	LastH              float64 // signed length of the last accepted step
}

// Add returns the cost of s followed by o, two solves of the same points; LastT and LastH
// are those of o.
func (s Stats) Add(o Stats) Stats {
	o.NFE += s.NFE
	o.VJPs += s.VJPs
	o.Accepted += s.Accepted
	o.Rejected += s.Rejected
	return o
}

// Max returns the more expensive of s and o, two solves of different points: the one with
// more evaluations of f and of its derivatives, s if they are equal.
func (s Stats) Max(o Stats) Stats {
	if o.NFE+o.VJPs > s.NFE+s.VJPs {
		return o
	}
	return s
}

// Solve integrates x' = f(t, x) from t0 to t1, in place: x is the state at t0 and
// becomes that at t1. t1 < t0 goes backward; t1 == t0 does nothing. With an error,
// x is the last accepted state, at Stats.LastT. The context is looked at before every
// evaluation of f. Nothing is allocated per step.
func (s Solver) Solve(ctx context.Context, f Func, x []float64, t0, t1 float64) (Stats, error) {
	return s.solve(ctx, f, x, t0, t1, nil)
}

// solve is Solve with a hook that sees each accepted step before it is taken: the
// state is r.x at r.t, will be r.y at tNext, and r.k holds the stages.
func (s Solver) solve(ctx context.Context, f Func, x []float64, t0, t1 float64,
	hook func(r *run, tNext float64) error) (Stats, error) {
	if err := s.check(f, t0, t1); err != nil {
		return Stats{LastT: t0}, err
	}
	r := newRun(s, f, x, t0, t1)
	if t0 == t1 {
		r.observe(0)
		return r.st, nil
	}
	ctl, err := s.Control.start(r)
	if err != nil {
		return r.st, err
	}
	if !finite(x) {
		return r.st, r.fail(ErrNonFinite, 0, "the initial state holds a NaN or an Inf")
	}
	r.observe(0)
	err = r.finish(ctx, ctl, hook)
	return r.st, err
}

func (s Solver) check(f Func, t0, t1 float64) error {
	switch {
	case s.Method == nil:
		return fmt.Errorf("ode: %w: Solver.Method is nil; set one, such as ode.Dopri5", ErrInvalid)
	case s.Control == nil:
		return fmt.Errorf("ode: %w: Solver.Control is nil; set Fixed(n), Grid(ts) or Adaptive{RTol, ATol}", ErrInvalid)
	case s.MaxNFE < 0:
		return fmt.Errorf("ode: %w: MaxNFE is %d; it must be positive, or 0 for no bound", ErrInvalid, s.MaxNFE)
	case f == nil:
		return fmt.Errorf("ode: %w: the right-hand side f is nil", ErrInvalid)
	case s.Projected && s.Space == nil:
		return fmt.Errorf("ode: %w: Projected is set, and there is no Space to project to", ErrInvalid)
	case math.IsNaN(t0) || math.IsInf(t0, 0) || math.IsNaN(t1) || math.IsInf(t1, 0):
		return fmt.Errorf("ode: %w: the interval from t0=%g to t1=%g must be finite", ErrInvalid, t0, t1)
	}
	return nil
}

// run is one solve under way.
type run struct {
	m      *Tableau
	f      Func
	ctx    context.Context // of finish
	fsal   bool
	maxNFE int
	price  func(t float64) int // nil: 1
	watch  func(Step)

	t0, t1, dir float64
	t           float64     // time of x
	x           []float64   // the caller's: last accepted state
	lead        int         // f depends on x[:lead] only; the rest is a quadrature
	y           []float64   // inputs of the stages, finally the new state
	e           []float64   // scaled error
	k           [][]float64 // stages, and k[s]: f at the end of a step where it is no stage
	haveFirst   bool        // k[0] is f(t, x)
	haveEnd     bool        // k[s] is f at the end of the step
	st          Stats

	space     Space     // nil: flat
	projected bool      // its steps are straight
	xi        []float64 // the step that led to y, in a space
	raw       []float64 // k[s-1] of a method that is FSAL before it was pulled, in a space
}

func newRun(s Solver, f Func, x []float64, t0, t1 float64) *run {
	r := &run{
		m: s.Method, f: f, fsal: s.Method.fsal(), maxNFE: s.MaxNFE, price: s.Cost, watch: s.Observe,
		t0: t0, t1: t1, dir: 1, t: t0, x: x, lead: len(x), st: Stats{LastT: t0},
		space: s.Space, projected: s.Projected,
	}
	if t1 < t0 {
		r.dir = -1
	}
	n, stages := len(x), s.Method.Stages()
	slab := make([]float64, (stages+3)*n)
	cut := func() []float64 {
		v := slab[:n:n]
		slab = slab[n:]
		return v
	}
	r.y, r.e = cut(), cut()
	if r.space != nil {
		r.xi, r.raw = make([]float64, n), make([]float64, n)
	}
	r.k = make([][]float64, stages+1)
	for i := range r.k {
		r.k[i] = cut()
	}
	return r
}

// finish takes steps until the state is that at t1.
func (r *run) finish(ctx context.Context, ctl stepper, hook func(*run, float64) error) error {
	r.ctx = ctx
	for r.t != r.t1 {
		if err := r.step(ctl, hook); err != nil {
			return err
		}
	}
	return nil
}

// step tries one step and, if the control accepts it, takes it.
func (r *run) step(ctl stepper, hook func(*run, float64) error) error {
	if !r.haveFirst {
		if err := r.eval(r.k[0], r.t, r.x); err != nil {
			return err
		}
		r.haveFirst = true
	}
	// Were k[0] not finite, shorter steps from the same x would not help.
	if !finite(r.k[0]) {
		return r.fail(ErrNonFinite, 0, "f itself is NaN or Inf there")
	}
	tNext, err := ctl.next(r)
	if err != nil {
		return err
	}
	if err := r.stages(tNext); err != nil {
		return err
	}
	ok, err := ctl.accept(r, tNext)
	if err != nil {
		return err
	}
	if !ok {
		r.st.Rejected++
		return nil
	}
	if hook != nil {
		if err := hook(r, tNext); err != nil {
			return err
		}
	}
	r.take(tNext)
	return nil
}

// stages computes k and, in y, the new state of a step from t to tNext.
func (r *run) stages(tNext float64) error {
	h, s := tNext-r.t, r.m.Stages()
	for i := 1; i < s; i++ {
		in := r.y[:r.lead]
		if r.fsal && i == s-1 {
			in = r.y // the new state, too
		}
		if err := r.move(in, h, r.m.A[i]); err != nil {
			return err
		}
		if err := r.eval(r.k[i], node(r.m, i, r.t, tNext), r.y); err != nil {
			return err
		}
		r.pull(i, h, r.m.A[i])
	}
	if !r.fsal {
		return r.move(r.y, h, r.m.B)
	}
	return nil
}

// move writes the state that h times the weighted sum of the stages leads to into y.
func (r *run) move(y []float64, h float64, weights []float64) error {
	if r.space == nil {
		combine(y, r.x, h, weights, r.k)
		return nil
	}
	combine(r.xi, nil, h, weights, r.k)
	return r.moveBy(y, r.xi)
}

// moveBy writes the state that the step xi leads to into y, in a space.
func (r *run) moveBy(y, xi []float64) error {
	var err error
	if r.projected {
		for i, x := range r.x {
			y[i] = x + xi[i]
		}
		err = r.space.Project(y)
	} else {
		err = r.space.Move(y, r.x, xi)
	}
	if err != nil {
		return fmt.Errorf("ode: a step from t=%g: %w", r.t, err)
	}
	return nil
}

// pull turns stage i, which is at the end of the step of these weights, into the velocity of the step.
func (r *run) pull(i int, h float64, weights []float64) {
	if r.space == nil {
		return
	}
	if r.fsal && i == r.m.Stages()-1 {
		copy(r.raw, r.k[i])
	}
	if !r.projected {
		combine(r.xi, nil, h, weights, r.k)
		r.space.Pull(r.k[i], r.x, r.xi)
	}
}

// node returns t + c_i·h, exactly tNext for c_i = 1 so that f is never asked
// beyond the end of the interval.
func node(m *Tableau, i int, t, tNext float64) float64 {
	if m.C[i] == 1 {
		return tNext
	}
	return t + m.C[i]*(tNext-t)
}

// take makes y at tNext the state.
func (r *run) take(tNext float64) {
	h, s := tNext-r.t, r.m.Stages()
	copy(r.x, r.y)
	r.t = tNext
	switch {
	case r.fsal && r.space != nil:
		copy(r.k[0], r.raw)
	case r.fsal:
		r.k[0], r.k[s-1] = r.k[s-1], r.k[0]
	case r.haveEnd:
		r.k[0], r.k[s] = r.k[s], r.k[0]
	default:
		r.haveFirst = false
	}
	r.haveEnd = false
	r.st.Accepted++
	r.st.LastT, r.st.LastH = tNext, h
	r.observe(h)
}

func (r *run) observe(h float64) {
	if r.watch != nil {
		r.watch(Step{T: r.t, H: h, X: r.x, Stats: r.st})
	}
}

// eval calls f and counts it, unless the context has ended: f may take seconds, and
// a step many of them.
func (r *run) eval(dx []float64, t float64, x []float64) error {
	if err := r.ctx.Err(); err != nil {
		return fmt.Errorf("ode: stopped at t=%g of [%g, %g] after %d evaluations: %w", r.t, r.t0, r.t1, r.st.NFE, err)
	}
	cost := r.cost(t)
	if r.maxNFE > 0 && r.st.NFE+cost > r.maxNFE {
		return r.spent()
	}
	r.st.NFE += cost
	if err := r.f(dx, t, x); err != nil {
		return fmt.Errorf("ode: f failed at t=%g, evaluation %d: %w", t, r.st.NFE, err)
	}
	return nil
}

// cost is how much an evaluation at t counts.
func (r *run) cost(t float64) int {
	if r.price == nil {
		return 1
	}
	return r.price(t)
}

// spent is the error of a solve that would need more than MaxNFE evaluations.
func (r *run) spent() error {
	return r.fail(ErrMaxNFE, r.st.LastH, "raise the budget, or take fewer steps or a looser tolerance; "+
		"if the steps have become tiny, the system is stiff there")
}

// fail wraps a sentinel with where the run stands and what to do.
func (r *run) fail(sentinel error, h float64, remedy string) error {
	return fmt.Errorf("ode: %w at t=%g of [%g, %g] with h=%.3g after %d evaluations, %d accepted and %d rejected "+
		"steps of %s: %s",
		sentinel, r.t, r.t0, r.t1, h, r.st.NFE, r.st.Accepted, r.st.Rejected, r.m.Name, remedy)
}

// combine writes x + h·Σ_j w_j·k_j into dst (a nil x is zero); dst may alias x, not k.
// It goes through the vectors in pieces that stay in the first cache.
func combine(dst, x []float64, h float64, w []float64, k [][]float64) {
	const piece = 1024
	for lo := 0; lo < len(dst); lo += piece {
		hi := min(lo+piece, len(dst))
		d := dst[lo:hi]
		if x == nil {
			clear(d)
		} else {
			copy(d, x[lo:hi])
		}
		for j, wj := range w {
			if wj == 0 {
				continue
			}
			hw := h * wj
			kj := k[j][lo:hi]
			for i, v := range kj[:len(d)] {
				d[i] += hw * v
			}
		}
	}
}

// finite reports whether no element is NaN or infinite.
func finite(x []float64) bool {
	for _, v := range x {
		if v-v != 0 { // NaN − NaN and Inf − Inf are NaN
			return false
		}
	}
	return true
}
