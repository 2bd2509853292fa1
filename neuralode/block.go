package neuralode

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/ode"
)

// ErrInvalid is returned, wrapped with the field and what would be right, when
// arguments make no sense.
var ErrInvalid = errors.New("invalid")

// Field is a velocity field f_θ(t, x) with P parameters, a part of [flow.Parametric]; a
// network's is one.
type Field interface {
	flow.Field
	// NumParams returns P.
	NumParams() int
	// VJPParams writes f into v [N, D], unless v is nil, and adds aᵀ ∂f/∂x to gx
	// [N, D] and aᵀ ∂f/∂θ, summed over the points, to gtheta [P].
	VJPParams(v, gx, gtheta []float64, t float64, x, a []float64) error
}

// Gradient is a way to go back through a solve.
type Gradient int

const (
	// Adjoint solves the adjoint system backward: memory does not grow with the
	// steps, and the gradient is right to the tolerance. See [ode.Solver.Adjoint].
	Adjoint Gradient = iota
	// Backprop differentiates the steps of the solver: exact for the numbers that
	// were computed, one state of memory a step. See [ode.Tape.Backprop].
	Backprop
)

// String returns adjoint or backprop.
func (g Gradient) String() string {
	switch g {
	case Adjoint:
		return "adjoint"
	case Backprop:
		return "backprop"
	}
	return fmt.Sprintf("Gradient(%d)", int(g))
}

// Block is the layer x(t_0) -> x(t_1), ..., x(t_n).
type Block struct {
	Field Field
	// Solver ends a step on every time that is asked for, so its Fixed is a number of
	// steps between neighbours: see [ode.Solver.SolveVia].
	Solver   ode.Solver
	Gradient Gradient
	// Back is the solver of the adjoint. Without a Method: Solver.
	Back ode.Solver
	// Autonomous asks the field at t=0 always: f_θ(x).
	Autonomous bool
	// TimeUnit makes the field see t/TimeUnit: the length of the interval, so that a
	// network sees t in [0, 1]. 0: 1.
	TimeUnit float64
}

// clock returns the time that the field sees.
func (b Block) clock(t float64) float64 {
	switch {
	case b.Autonomous:
		return 0
	case b.TimeUnit == 0:
		return t
	}
	return t / b.TimeUnit
}

func (b Block) check(x0 flow.Batch) error {
	switch {
	case absent.Is(b.Field):
		return fmt.Errorf("neuralode: %w: Block.Field is nil", ErrInvalid)
	case b.Gradient != Adjoint && b.Gradient != Backprop:
		return fmt.Errorf("neuralode: %w: Block.Gradient is %v; it must be Adjoint or Backprop", ErrInvalid, b.Gradient)
	case !(b.TimeUnit >= 0):
		return fmt.Errorf("neuralode: %w: Block.TimeUnit is %g; it must be positive, or 0 for 1", ErrInvalid,
			b.TimeUnit)
	case x0.D != b.Field.Dim() || x0.N*x0.D != len(x0.X):
		return fmt.Errorf("neuralode: %w: x0 is [%d, %d] with %d numbers; the field takes points of dimension %d",
			ErrInvalid, x0.N, x0.D, len(x0.X), b.Field.Dim())
	}
	return nil
}

func (b Block) velocity(dx []float64, t float64, x []float64) error {
	return b.Field.Velocity(dx, b.clock(t), x)
}

// Pass is a solve forward, ready to be gone back through. It holds the states at the
// times, and with Backprop a state for each step.
type Pass struct {
	Trajectories
	Stats ode.Stats

	block Block
	tape  *ode.Tape
}

// Forward solves from x0 at ts[0] through the other times. x0 is only read.
func (b Block) Forward(ctx context.Context, x0 flow.Batch, ts []float64) (*Pass, error) {
	if err := b.check(x0); err != nil {
		return nil, err
	}
	p := &Pass{block: b, Trajectories: Trajectories{T: slices.Clone(ts)}}
	keep := func(_ int, x []float64) error {
		p.X = append(p.X, flow.Batch{N: x0.N, D: x0.D, X: slices.Clone(x)})
		return nil
	}
	x := slices.Clone(x0.X)
	var err error
	if b.Gradient == Backprop {
		p.tape, p.Stats, err = b.Solver.RecordVia(ctx, b.velocity, x, ts, keep)
	} else {
		p.Stats, err = b.Solver.SolveVia(ctx, b.velocity, x, ts, keep)
	}
	if err != nil {
		return nil, fmt.Errorf("neuralode: solving forward: %w", err)
	}
	return p, nil
}

// States returns how many states, each [N, D], are kept for the way back: those at
// the times, and those of the tape.
func (p *Pass) States() int {
	if p == nil {
		return 0
	}
	n := len(p.X)
	if p.tape != nil {
		n += p.tape.Steps()
	}
	return n
}

// Gradient takes a loss of the states back: as[i], of length N·D, is ∂L/∂x(T[i]), nil
// where the loss does not depend on it. It returns ∂L/∂x(T[0]) and adds ∂L/∂θ to
// gtheta, of length P. The adjoint sets x to the states of the pass on its way.
func (p *Pass) Gradient(ctx context.Context, as [][]float64, gtheta []float64) (a []float64, st ode.Stats, err error) {
	if p == nil || p.block.Field == nil {
		return nil, st, fmt.Errorf("neuralode: %w: the pass is nil or empty; make one by Block.Forward", ErrInvalid)
	}
	b := p.block
	if n := b.Field.NumParams(); len(gtheta) != n {
		return nil, st, fmt.Errorf("neuralode: %w: gtheta has %d numbers, the field has %d parameters",
			ErrInvalid, len(gtheta), n)
	}
	if p.tape != nil {
		vjp := func(gx []float64, t float64, x, a []float64) error {
			clear(gx)
			return b.Field.VJPParams(nil, gx, gtheta, b.clock(t), x, a)
		}
		a, st, err = p.tape.BackpropVia(ctx, b.velocity, vjp, as)
	} else {
		sensitivity := func(dx, gx, gtheta []float64, t float64, x, a []float64) error {
			clear(gx)
			clear(gtheta)
			return b.Field.VJPParams(dx, gx, gtheta, b.clock(t), x, a)
		}
		xs := make([][]float64, len(p.X))
		for i, x := range p.X {
			xs[i] = x.X
		}
		solver := b.Back
		if solver.Method == nil {
			solver = b.Solver
		}
		a, st, err = solver.Adjoint(ctx, sensitivity, p.T, xs, as, gtheta)
	}
	if err != nil {
		return nil, st, fmt.Errorf("neuralode: going back: %w", err)
	}
	return a, st, nil
}
