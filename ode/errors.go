package ode

import "errors"

// Errors of a solve that began. They come wrapped with the time, the step, the
// number of evaluations and the remedy; the state then is that at Stats.LastT.
var (
	// ErrMaxNFE is returned when the solve would need more than Solver.MaxNFE
	// evaluations of f.
	ErrMaxNFE = errors.New("evaluation budget spent (MaxNFE, in settings max_nfe)")
	// ErrStepTooSmall is returned when the step that the error asks for is below
	// Adaptive.MinStep, or too small to change t in float64.
	ErrStepTooSmall = errors.New("step too small")
	// ErrTape is returned when the states of the steps would take more than Solver.MaxTape.
	ErrTape = errors.New("the recorded steps take more memory than there is")
	// ErrNonFinite is returned when the state or f is NaN or infinite, for an
	// adaptive solve only if smaller steps do not help.
	ErrNonFinite = errors.New("value not finite")
)

// ErrInvalid is returned, wrapped with the reason, before any evaluation of f, when
// the solver or its arguments make no sense: no method, no tolerance, n <= 0, a grid
// that does not run from t0 to t1.
var ErrInvalid = errors.New("invalid solver")
