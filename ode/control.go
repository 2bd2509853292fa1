package ode

import (
	"fmt"
	"math"
)

// Control decides how long the steps are. It is one of [Fixed], [Grid], [Spaced] and
// [Adaptive], so a solve cannot be given a step count and a grid that disagree.
type Control interface {
	// start checks the control against the run and returns its stepper.
	start(r *run) (stepper, error)
}

// stepper proposes the steps of one run and accepts or rejects them.
type stepper interface {
	// next returns the end of the step that starts at r.t; k[0] is f there.
	next(r *run) (tNext float64, err error)
	// accept reports whether the step from r.t to tNext, whose result is in r.y, is taken.
	accept(r *run, tNext float64) (bool, error)
}

// Fixed is n > 0 steps of equal length (t1−t0)/n. The last one ends on t1
// exactly: the times are computed from t0, not by adding up.
type Fixed int

// Grid is the times of the steps' ends, t0 and t1 included: strictly monotone,
// Grid[0] == t0 and Grid[len-1] == t1. The slice is read during the solve.
type Grid []float64

// Adaptive chooses the steps such that the estimated local error of each, e, keeps
//
//	Norm(r) ≤ 1,   r_i = e_i / (ATol + RTol·max(|x_i(t)|, |x_i(t+h)|)).
//
// RTol and ATol must both be set, > 0 (the paper uses 1e-5 for both); every other
// field may stay zero.
type Adaptive struct {
	RTol, ATol float64

	// Each gives every point of a batch steps of its own, so that what becomes of a point
	// does not depend on the others: for [Solver.SolvePoints]. The other solves, which know
	// of no points, refuse it.
	Each bool

	// Norm is the error norm over the whole state, with Each that of a point; it must not
	// keep r. nil: [RMS].
	Norm func(r []float64) float64

	// P, I, D are the gains of the step control (Söderlind, ACM TOMS 29, 2003):
	//
	//	h_{n+1} = h_n · Safety · ε_n^{(P+I+D)} · ε_{n-1}^{−(P+2D)} · ε_{n-2}^{D},  ε = Norm(r)^{−1/(p̂+1)},
	//
	// the factor clipped to [MinFactor, MaxFactor]. All zero: I = 1, the elementary
	// control. P = 0.4, I = 0.3 is smoother where the step is bounded by stability.
	// A rejected step is repeated with the elementary control, and the step after it
	// does not grow.
	P, I, D float64

	// InitialStep is the length of the first step. 0: chosen from f (HNW II.4) at
	// the cost of one evaluation.
	InitialStep float64
	MinStep     float64 // below it the solve ends in ErrStepTooSmall; 0: the resolution of float64
	MaxStep     float64 // no step is longer; 0: no bound
	Safety      float64 // in (0,1); 0: 0.9
	MinFactor   float64 // in (0,1), the least change of h; 0: 0.2
	MaxFactor   float64 // above 1, the largest change of h; 0: 10
}

// RMS returns the root mean square of r, sqrt(Σ r_i²/n); 0 for an empty r.
func RMS(r []float64) float64 {
	if len(r) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range r {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(r)))
}

func (n Fixed) start(r *run) (stepper, error) {
	if n <= 0 {
		return nil, fmt.Errorf("ode: %w: Fixed(%d) steps; the number of steps must be at least 1", ErrInvalid, int(n))
	}
	return &gridStepper{n: int(n), at: func(i int) float64 {
		if i == int(n) {
			return r.t1
		}
		return r.t0 + (r.t1-r.t0)*(float64(i)/float64(n))
	}}, nil
}

func (g Grid) start(r *run) (stepper, error) {
	if len(g) < 2 || g[0] != r.t0 || g[len(g)-1] != r.t1 {
		return nil, fmt.Errorf("ode: %w: the Grid %s must begin at t0=%g and end at t1=%g", ErrInvalid,
			ends(g), r.t0, r.t1)
	}
	if i := notMonotone(g); i > 0 {
		return nil, fmt.Errorf("ode: %w: the Grid must be strictly monotone, but Grid[%d]=%g comes after %g",
			ErrInvalid, i, g[i], g[i-1])
	}
	return &gridStepper{n: len(g) - 1, at: func(i int) float64 { return g[i] }}, nil
}

// ends describes a list of times by its first and last.
func ends(ts []float64) string {
	if len(ts) == 0 {
		return "(empty)"
	}
	return fmt.Sprintf("from %g to %g (%d times)", ts[0], ts[len(ts)-1], len(ts))
}

// notMonotone returns the first index that breaks strict monotony in the direction
// from the first to the last time; 0 if none does.
func notMonotone(ts []float64) int {
	dir := ts[len(ts)-1] - ts[0]
	for i := 1; i < len(ts); i++ {
		if !((ts[i]-ts[i-1])*dir > 0) {
			return i
		}
	}
	return 0
}

// gridStepper walks through given times and accepts whatever is finite.
type gridStepper struct {
	i, n int
	at   func(i int) float64
}

func (g *gridStepper) next(r *run) (float64, error) {
	g.i++
	t := g.at(g.i)
	if t == r.t {
		return 0, r.fail(ErrStepTooSmall, 0, "the step does not change t in float64: take fewer steps")
	}
	return t, nil
}

func (g *gridStepper) accept(r *run, tNext float64) (bool, error) {
	if !finite(r.y) {
		return false, r.fail(ErrNonFinite, tNext-r.t, "take shorter steps, or look for a singularity of f there")
	}
	return true, nil
}
