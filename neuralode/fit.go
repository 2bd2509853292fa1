package neuralode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/train"
)

// Loss is a function of a residual x̂-x, with its slope; it is averaged over points,
// coordinates and times.
type Loss func(r float64) (value, slope float64)

// SquaredError is r².
func SquaredError(r float64) (value, slope float64) { return r * r, 2 * r }

// AbsoluteError is |r|, which Chen et al.'s demonstration minimises.
func AbsoluteError(r float64) (value, slope float64) {
	if r == 0 {
		return 0, 0
	}
	return math.Abs(r), math.Copysign(1, r)
}

// Mean returns the loss of got against want, and as[i] = ∂L/∂x(T[i]), as Pass.Gradient
// takes it. The first time, where both start together, is left out: as[0] is nil. Trajectories
// that are not as many, at as many times, are an error; so is a nil loss.
func (l Loss) Mean(got, want Trajectories) (loss float64, as [][]float64, err error) {
	if l == nil {
		return 0, nil, fmt.Errorf("neuralode: %w: the loss is nil; give one, such as SquaredError", ErrInvalid)
	}
	if len(want.X) == 0 {
		return 0, nil, fmt.Errorf("neuralode: %w: a loss of no trajectories", ErrInvalid)
	}
	if err := got.like(want); err != nil {
		return 0, nil, err
	}
	as = make([][]float64, len(got.X))
	n := 0
	for _, x := range want.X[1:] {
		n += len(x.X)
	}
	for i := 1; i < len(got.X); i++ {
		as[i] = make([]float64, len(got.X[i].X))
		for j, v := range got.X[i].X {
			value, slope := l(v - want.X[i].X[j])
			loss += value / float64(n)
			as[i][j] = slope / float64(n)
		}
	}
	return loss, as, nil
}

// Fit trains a network so that its solutions follow trajectories, on short pieces of
// them.
type Fit struct {
	// Block says how to solve and to go back; its Field is set, step by step, to the
	// network as it stands.
	Block Block
	Data  Trajectories
	// Loop is that of the training, a batch being pieces of trajectories. Its defaults
	// here are 20 pieces, a learning rate that falls from 1e-2 to 0 along half a cosine,
	// and one validation, after the last step: a solve for the whole trajectories.
	Loop train.Loop
	// Length is the number of times in a piece, the start included; 0: 10.
	Length int
	Loss   Loss // nil: AbsoluteError
	Seed   uint64
}

// Point is how a fit stands after a step that was validated.
type Point struct {
	Step int
	Loss float64 // of the step's pieces, before the update
	// Error is the RMSE of whole trajectories, solved from their first states with the
	// averaged weights. Where a solve failed, +Inf.
	Error   float64
	Forward ode.Stats // of the step
	Back    ode.Stats
	Seconds float64 // since the beginning, validations left out
}

func (f Fit) defaults() Fit {
	l := &f.Loop
	l.Batch, l.LR = cmp.Or(l.Batch, 20), cmp.Or(l.LR, 1e-2)
	if l.LRMin == nil {
		l.LRMin = new(float64)
	}
	if l.ValEvery == nil {
		l.ValEvery = new(max(1, l.Steps))
	}
	f.Length = cmp.Or(f.Length, 10)
	if f.Loss == nil {
		f.Loss = AbsoluteError
	}
	return f
}

func (f Fit) check() error {
	if err := f.Data.Validate(); err != nil {
		return err
	}
	switch {
	case f.Loop.Steps < 1:
		return fmt.Errorf("neuralode: %w: Fit.Loop.Steps is %d; it must be at least 1", ErrInvalid, f.Loop.Steps)
	case f.Length < 2 || f.Length > len(f.Data.T):
		return fmt.Errorf("neuralode: %w: Fit.Length is %d; it must be from 2 to the %d times of the data",
			ErrInvalid, f.Length, len(f.Data.T))
	case f.Block.Autonomous && !f.Data.uniform():
		return fmt.Errorf("neuralode: %w: pieces of an autonomous fit begin anywhere, so Fit.Data.T must be "+
			"at equal distances; set Block.Autonomous to false for other times", ErrInvalid)
	}
	if err := f.Loop.Validate(); err != nil {
		return fmt.Errorf("neuralode: %w: Fit.Loop: %w", ErrInvalid, err)
	}
	return nil
}

// Run takes the steps from where tr stands up to Loop.Steps. What is learnt is in tr. It
// returns the points of the steps that were validated. The same seed and start give the
// same bits, Seconds apart.
func (f Fit) Run(ctx context.Context, tr *nn.NetTrainer, hooks train.Hooks) ([]Point, error) {
	f = f.defaults()
	if err := f.check(); err != nil {
		return nil, err
	}
	if tr == nil || tr.Trainer == nil {
		return nil, fmt.Errorf("neuralode: %w: the trainer is nil or empty; make one by NewTrainer of a network",
			ErrInvalid)
	}
	var curve []Point
	var last Point
	step := func(k int, lr float64) (nn.StepResult, error) {
		start, seconds := time.Now(), last.Seconds
		p, r, err := f.step(ctx, tr, k, lr)
		if err != nil {
			return r, fmt.Errorf("neuralode: step %d: %w", k+1, err)
		}
		last = p
		last.Seconds = seconds + time.Since(start).Seconds()
		return r, nil
	}
	validate := func(ctx context.Context) (float64, error) {
		var err error
		if last.Error, err = f.trajectoryError(ctx, tr); err != nil {
			return 0, err
		}
		curve = append(curve, last)
		return last.Error, nil
	}
	_, err := f.Loop.Run(ctx, train.Task{Trainer: tr.Trainer, Step: step, Validate: validate, Hooks: hooks})
	return curve, err
}

// step takes step number k, from 0.
func (f Fit) step(ctx context.Context, tr *nn.NetTrainer, k int, lr float64) (p Point, r nn.StepResult, err error) {
	p.Step = k + 1
	net, err := tr.Raw()
	if err != nil {
		return p, r, err
	}
	block, err := f.Block.of(net)
	if err != nil {
		return p, r, err
	}
	want, err := f.pieces(k)
	if err != nil {
		return p, r, err
	}
	grad := make([]float64, net.NumWeights())
	if p.Loss, _, p.Forward, p.Back, err = block.lossGradient(ctx, f.Loss, want, grad, nil); err != nil {
		return p, r, err
	}
	r, err = tr.Apply(grad, p.Loss, lr)
	return p, r, err
}

// pieces are those of step number k.
func (f Fit) pieces(k int) (Trajectories, error) {
	rng := seed.Rand(f.Seed, "neuralode/segments", uint64(k))
	return f.Data.Segments(rng, f.Loop.Batch, f.Length, f.Block.Autonomous)
}

// fitted trains a copy of net, and returns it.
func (f Fit) fitted(ctx context.Context, net *nn.Net) (r Fitted, learnt *nn.Net, err error) {
	r.Gradient = f.Block.Gradient
	tr, err := net.NewTrainer(nn.Optimizer{EMADecay: new(0.99)}, nn.StepOptions{})
	if err != nil {
		return r, nil, err
	}
	if r.Before, err = f.Block.Predict(ctx, net, f.Data.X[0], f.Data.T); err != nil && !failed(err) {
		return r, nil, err
	}
	if r.Curve, err = f.Run(ctx, tr, train.Hooks{}); err != nil {
		return r, nil, err
	}
	if learnt, err = tr.Averaged(); err != nil {
		return r, nil, err
	}
	r.After, err = f.Block.Predict(ctx, learnt, f.Data.X[0], f.Data.T)
	return r, learnt, err
}

// failed reports whether a solve failed for what its field is.
func failed(err error) bool {
	return errors.Is(err, ode.ErrNonFinite) || errors.Is(err, ode.ErrMaxNFE) || errors.Is(err, ode.ErrStepTooSmall)
}

// of returns the block with the field of a network.
func (b Block) of(net *nn.Net) (Block, error) {
	field, err := net.Bind(flow.Given{})
	b.Field = field
	return b, err
}

// lossGradient solves from the first states of want, and adds the gradient of the
// loss to gtheta. look, if not nil, sees the pass.
func (b Block) lossGradient(
	ctx context.Context, l Loss, want Trajectories, gtheta []float64, look func(*Pass),
) (loss float64, a []float64, there, back ode.Stats, err error) {
	p, err := b.Forward(ctx, want.X[0], want.T)
	if err != nil {
		return 0, nil, there, back, err
	}
	if look != nil {
		look(p)
	}
	loss, as, err := l.Mean(p.Trajectories, want)
	if err != nil {
		return 0, nil, p.Stats, back, err
	}
	a, back, err = p.Gradient(ctx, as, gtheta)
	return loss, a, p.Stats, back, err
}

// trajectoryError is Point.Error. A network on its way may send a solution to
// infinity or make it stiff: that is an error of the fit, not of the program.
func (f Fit) trajectoryError(ctx context.Context, tr *nn.NetTrainer) (float64, error) {
	net, err := tr.Averaged()
	if err != nil {
		return 0, err
	}
	got, err := f.Block.Predict(ctx, net, f.Data.X[0], f.Data.T)
	if failed(err) {
		return math.Inf(1), nil
	}
	if err != nil {
		return 0, err
	}
	return got.RMSE(f.Data), nil
}

// Predict solves from x0 at ts[0] through ts with the field of net. Nothing is kept
// for a way back.
func (b Block) Predict(ctx context.Context, net *nn.Net, x0 flow.Batch, ts []float64) (Trajectories, error) {
	b, err := b.of(net)
	if err != nil {
		return Trajectories{}, err
	}
	b.Gradient = Adjoint
	p, err := b.Forward(ctx, x0, ts)
	if err != nil {
		return Trajectories{}, err
	}
	return p.Trajectories, nil
}
