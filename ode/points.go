package ode

import (
	"context"
	"fmt"
	"math"
)

// PointsFunc makes the right-hand side of some points of a batch, those of these numbers:
// the function that it returns writes f(ts[k], x_k) into row k of dx, where x_k, row k of
// x, is a state of point rows[k]. dx and x are [len(rows), d] and do not alias. The solver
// overwrites ts before each call, and calls PointsFunc again when some of the points have
// arrived; rows and what it returned before are not used any more then.
type PointsFunc func(rows []int, ts []float64) (func(dx, x []float64) error, error)

// PointsError says which points of [Solver.SolvePoints] did not arrive; the others did.
type PointsError struct {
	Points []int   // their numbers, in the order in which they failed
	Errs   []error // why, one each
}

// Error tells the first of them, and how many there are.
func (e *PointsError) Error() string {
	text := fmt.Sprintf("point %d: %v", e.Points[0], e.Errs[0])
	if n := len(e.Points); n > 1 {
		text += fmt.Sprintf(" (and %d points more)", n-1)
	}
	return text
}

// Unwrap returns the errors of the points.
func (e *PointsError) Unwrap() []error { return e.Errs }

// Append adds those of another batch, whose first point is number first here.
func (e *PointsError) Append(o PointsError, first int) {
	for k, i := range o.Points {
		e.Points, e.Errs = append(e.Points, first+i), append(e.Errs, o.Errs[k])
	}
}

// Err returns e, or nil if no point failed.
func (e *PointsError) Err() error {
	if len(e.Points) == 0 {
		return nil
	}
	return e
}

// SolvePoints integrates points x [N, d] from t0 to t1, in place, each with step control
// of its own: where a point arrives depends on itself alone, as far as that holds of f.
// Solver.Control must be an [Adaptive] with Each. All points that are under way go through
// a stage together, at times of their own, and those that have arrived are left out, so
// that a batch costs what its points need rather than what the hardest of them does.
//
// A point that cannot go on (see the errors of this package) stays at its last accepted
// state; the others go on, and the error is a [*PointsError]. Every other error ends the
// solve. Stats is that of the point that took the most evaluations. Observe sees the time
// of the point that is furthest behind, with its cost, and the states of all.
func (s Solver) SolvePoints(ctx context.Context, f PointsFunc, x []float64, d int, t0, t1 float64) (Stats, error) {
	p, err := s.points(ctx, f, x, d, t0, t1)
	if err != nil {
		return Stats{LastT: t0}, err
	}
	if err := p.solve(); err != nil {
		return p.dearest(), err
	}
	return p.dearest(), p.failed.Err()
}

// points is a solve of points under way.
type points struct {
	ctl    pid // of the point that is loaded
	r      run // the point that is loaded: its slices are rows of x, y and k
	f      PointsFunc
	d      int
	x, y   []float64   // [N, d]: states, and those after the step that is tried
	k      [][]float64 // stages, [N, d] each
	raw    []float64   // [N, d]: those of a run, in a space
	at     []point     // [N]
	failed PointsError

	rows    []int     // the points that go through f together
	on      []bool    // rows[j] is under way
	left    int       // how many are
	ts      []float64 // of rows
	asked   []int     // the rows of this evaluation
	in, out []float64 // [len(rows), d]
	rhs     func(dx, x []float64) error

	seen *frames // states at some times; nil: none are asked for
}

// point is where one point stands.
type point struct {
	pidState
	t, tNext  float64
	trial     float64 // length of the Euler step that the first step is chosen by
	haveFirst bool    // its row of k[0] is f(t, x)
	st        Stats
}

// fewest is the number of points below which it does not pay to leave out those that have
// arrived.
const fewest = 16

func (s Solver) points(ctx context.Context, f PointsFunc, x []float64, d int, t0, t1 float64) (*points, error) {
	never := Func(func([]float64, float64, []float64) error { return nil })
	if f == nil {
		never = nil
	}
	if err := s.check(never, t0, t1); err != nil {
		return nil, err
	}
	a, ok := s.Control.(Adaptive)
	switch {
	case !ok || !a.Each:
		return nil, fmt.Errorf("ode: %w: SolvePoints needs the Control Adaptive with Each", ErrInvalid)
	case d < 1 || len(x)%d != 0:
		return nil, fmt.Errorf("ode: %w: %d numbers are no points of %d", ErrInvalid, len(x), d)
	}
	a, err := a.complete(s.Method)
	if err != nil {
		return nil, err
	}
	n := len(x) / d
	p := &points{ctl: *a.pid(), f: f, d: d, x: x, y: make([]float64, n*d), at: make([]point, n)}
	p.r = *newRun(s, never, x[:0], t0, t1)
	p.r.ctx, p.r.e = ctx, make([]float64, d)
	if p.r.space != nil {
		p.r.xi, p.raw = make([]float64, d), make([]float64, n*d)
	}
	p.k = make([][]float64, len(p.r.k))
	for j := range p.k {
		p.k[j] = make([]float64, n*d)
	}
	for i := range p.at {
		p.at[i] = point{pidState: p.ctl.pidState, t: t0, st: Stats{LastT: t0}}
		p.rows, p.on = append(p.rows, i), append(p.on, true)
	}
	return p, nil
}

// solve takes steps until no point is under way.
func (p *points) solve() error {
	p.left = len(p.rows)
	for j, i := range p.rows {
		switch p.load(i); {
		case p.r.t0 == p.r.t1:
			p.drop(j)
		case !finite(p.r.x):
			p.fail(j, p.r.fail(ErrNonFinite, 0, "the initial state holds a NaN or an Inf"))
		}
	}
	p.observe()
	for p.left > 0 {
		for _, part := range []func() error{p.tell, p.gather, p.first, p.lengths, p.stages, p.ends, p.take} {
			if err := part(); err != nil {
				return err
			}
		}
		p.observe()
	}
	return p.tell()
}

// gather leaves out the points that have arrived, once that halves the number of the rows.
func (p *points) gather() error {
	if p.rhs != nil && (2*p.left > len(p.rows) || len(p.rows) <= fewest) {
		return nil
	}
	rows := make([]int, 0, p.left)
	for j, i := range p.rows {
		if p.on[j] {
			rows = append(rows, i)
		}
	}
	p.rows, p.on = rows, p.on[:len(rows)]
	n := len(rows)
	p.ts, p.in, p.out = make([]float64, n), make([]float64, n*p.d), make([]float64, n*p.d)
	for j, i := range rows {
		p.on[j], p.ts[j] = true, p.at[i].t
		copy(p.row(p.in, j), p.row(p.x, i))
	}
	var err error
	if p.rhs, err = p.f(rows, p.ts); err != nil {
		return fmt.Errorf("ode: f of %d points: %w", n, err)
	}
	return nil
}

// row returns the numbers of point i.
func (p *points) row(v []float64, i int) []float64 { return v[i*p.d : (i+1)*p.d : (i+1)*p.d] }

// load makes p.r and p.ctl those of point i.
func (p *points) load(i int) {
	a := &p.at[i]
	p.r.t, p.r.st, p.r.haveFirst = a.t, a.st, a.haveFirst
	p.r.x, p.r.y = p.row(p.x, i), p.row(p.y, i)
	for j := range p.k {
		p.r.k[j] = p.row(p.k[j], i)
	}
	if p.raw != nil {
		p.r.raw = p.row(p.raw, i)
	}
	p.ctl.pidState = a.pidState
}

// store keeps what p.r and p.ctl have become.
func (p *points) store(i int) {
	a := &p.at[i]
	a.t, a.st, a.haveFirst, a.pidState = p.r.t, p.r.st, p.r.haveFirst, p.ctl.pidState
}

// drop takes row j out: it has arrived, or failed.
func (p *points) drop(j int) {
	p.on[j] = false
	p.left--
}

func (p *points) fail(j int, err error) {
	p.failed.Points, p.failed.Errs = append(p.failed.Points, p.rows[j]), append(p.failed.Errs, err)
	p.drop(j)
}

// each calls fn with the rows that are under way, loaded, and keeps what becomes of them;
// a point whose fn returns an error has failed.
func (p *points) each(fn func(i int) error) {
	for j, i := range p.rows {
		if !p.on[j] {
			continue
		}
		p.load(i)
		err := fn(i)
		p.store(i)
		if err != nil {
			p.fail(j, err)
		}
	}
}

// evaluate writes f at the state and time that at says into k[stage] of those rows for
// which at says so. Rows that are not asked for are evaluated where they were before.
func (p *points) evaluate(stage int, at func(i int) (t float64, x []float64, asked bool)) error {
	if err := p.r.ctx.Err(); err != nil {
		return fmt.Errorf("ode: stopped with %d of %d points under way: %w", p.left, len(p.at), err)
	}
	p.asked = p.asked[:0]
	for j, i := range p.rows {
		if !p.on[j] {
			continue
		}
		p.load(i)
		t, x, ok := at(i)
		if !ok {
			continue
		}
		cost := p.r.cost(t)
		if p.r.maxNFE > 0 && p.r.st.NFE+cost > p.r.maxNFE {
			p.fail(j, p.r.spent())
			continue
		}
		p.at[i].st.NFE += cost
		p.ts[j] = t
		copy(p.row(p.in, j), x)
		p.asked = append(p.asked, j)
	}
	if len(p.asked) == 0 {
		return nil
	}
	if err := p.rhs(p.out, p.in); err != nil {
		return fmt.Errorf("ode: f failed: %w", err)
	}
	for _, j := range p.asked {
		copy(p.row(p.k[stage], p.rows[j]), p.row(p.out, j))
	}
	return nil
}

// first computes f at the states where it is not known yet.
func (p *points) first() error {
	err := p.evaluate(0, func(int) (float64, []float64, bool) { return p.r.t, p.r.x, !p.r.haveFirst })
	if err != nil {
		return err
	}
	p.each(func(int) error {
		p.r.haveFirst = true
		if !finite(p.r.k[0]) {
			return p.r.fail(ErrNonFinite, 0, "f itself is NaN or Inf there")
		}
		return nil
	})
	return nil
}

// lengths chooses the step of each point, the first one by an Euler step.
func (p *points) lengths() error {
	p.each(func(i int) (err error) {
		if p.ctl.h == 0 {
			p.at[i].tNext, p.at[i].trial, err = p.ctl.euler(&p.r)
		}
		return err
	})
	err := p.evaluate(1, func(i int) (t float64, x []float64, asked bool) {
		return p.at[i].tNext, p.r.y, p.ctl.h == 0
	})
	if err != nil {
		return err
	}
	p.each(func(i int) (err error) {
		if p.ctl.h == 0 {
			p.ctl.h = p.ctl.firstStep(&p.r, p.at[i].trial)
		}
		p.at[i].tNext, err = p.ctl.next(&p.r)
		return err
	})
	return nil
}

// stages computes k and, in y, the new states.
func (p *points) stages() error {
	m := p.r.m
	move := func(weights []float64) {
		p.each(func(i int) error { return p.r.move(p.r.y, p.at[i].tNext-p.r.t, weights) })
	}
	for s := 1; s < m.Stages(); s++ {
		move(m.A[s])
		err := p.evaluate(s, func(i int) (float64, []float64, bool) {
			return node(m, s, p.r.t, p.at[i].tNext), p.r.y, true
		})
		if err != nil {
			return err
		}
		if p.r.space != nil {
			p.each(func(i int) error {
				p.r.pull(s, p.at[i].tNext-p.r.t, m.A[s])
				return nil
			})
		}
	}
	if !p.r.fsal {
		move(m.B)
	}
	return nil
}

// take takes the steps that their control accepts, and leaves out who has arrived.
func (p *points) take() error {
	for j, i := range p.rows {
		if !p.on[j] {
			continue
		}
		p.load(i)
		next := p.at[i].tNext
		if ok, _ := p.ctl.accept(&p.r, next); ok { // the error of accept is that of given steps
			h, last := next-p.r.t, p.r.m.Stages()-1
			if err := p.keep(i, next); err != nil {
				return err
			}
			copy(p.r.x, p.r.y)
			p.r.t = next
			if p.r.haveFirst = p.r.fsal; p.r.fsal && p.raw != nil {
				copy(p.r.k[0], p.r.raw)
			} else if p.r.fsal {
				copy(p.r.k[0], p.r.k[last])
			}
			p.r.st.Accepted++
			p.r.st.LastT, p.r.st.LastH = next, h
		} else {
			p.r.st.Rejected++
		}
		p.store(i)
		if p.r.t == p.r.t1 {
			p.drop(j)
		}
	}
	return nil
}

// observe shows the point that is furthest behind, or the end of all.
func (p *points) observe() {
	if p.r.watch == nil {
		return
	}
	step := Step{T: p.r.t1, X: p.x}
	behind := math.Inf(1)
	for j, i := range p.rows {
		if done := math.Abs(p.at[i].t - p.r.t0); p.on[j] && done < behind {
			behind, step = done, Step{T: p.at[i].t, H: p.at[i].st.LastH, X: p.x, Stats: p.at[i].st}
		}
	}
	if p.left == 0 {
		step.Stats = p.dearest()
	}
	p.r.watch(step)
}

// dearest returns the cost of the point that took the most evaluations.
func (p *points) dearest() Stats {
	st := Stats{LastT: p.r.t1}
	for i := range p.at {
		st = st.Max(p.at[i].st)
	}
	return st
}
