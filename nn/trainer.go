package nn

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/memory"
)

// State is all that a Trainer must remember: resuming from it equals not
// having stopped, bit for bit.
type State struct {
	Step                        int64     // steps taken
	Weights, EMA, Moment1, Var2 []float32 // slabs, each of length P
}

// StepResult is the result of one step.
type StepResult struct {
	Loss     float64 // before the update
	GradNorm float64 // global norm before clipping
	// NFE is how often a solve evaluated the network for the gradient that Apply was
	// given; whoever solved sets it.
	NFE float64
}

// ErrDiverged is returned when the loss or the gradient is not finite.
var ErrDiverged = errors.New("nn: training diverged")

// Trainer owns the state of a training run of any [Module] (weights, their average and
// the optimizer's moments) and advances it by gradients. Not safe for concurrent use.
type Trainer struct {
	eng   *Engine
	opt   Optimizer // complete
	step  int64
	state []slabs  // on each device, the same
	apply *program // Apply

	layout *layout
}

// slabs are weights, EMA, first and second moments.
type slabs [stateSlabs]compute.Buffer

const stateSlabs = 4

// hyperCount is the number of scalars that change from step to step.
const hyperCount = 4

// NewTrainer starts training from the weights of m.
func (m *Module) NewTrainer(o Optimizer) (*Trainer, error) { return m.newTrainer(o, 1, false) }

// newTrainer is NewTrainer with the state on several devices. take has it take the weights of m
// over, instead of a copy of them.
func (m *Module) newTrainer(o Optimizer, devices int, take bool) (*Trainer, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if m.layout.halves {
		return nil, errHalves
	}
	if err := cmp.Or(o.Validate(), m.layout.checkMuon(o)); err != nil {
		return nil, err
	}
	if err := m.eng.checkDevices(devices); err != nil {
		return nil, err
	}
	// Weights, their average, two moments and a gradient, on each device.
	if err := memory.Check(fmt.Sprintf("training a network of %.3g weights", m.layout.count),
		(stateSlabs+1)*4*m.layout.count*float64(devices)); err != nil {
		return nil, fmt.Errorf("nn: %w", err)
	}
	theta, err := m.weights()
	if err != nil {
		return nil, err
	}
	w, err := view(theta)
	if err != nil {
		return nil, fmt.Errorf("nn: reading weights: %w", err)
	}
	tr := &Trainer{eng: m.eng, opt: o.Defaults(), state: make([]slabs, devices), layout: m.layout}
	tr.apply = tr.applyProgram()
	copied := func(x []float32) error { copy(x, w); return nil }
	for d := range tr.state {
		for i, fill := range [stateSlabs]func(x []float32) error{copied, copied, nil, nil} {
			if take && d == 0 && i == 0 {
				tr.state[d][i] = theta
			} else if tr.state[d][i], err = m.eng.newSlab(compute.DeviceNum(d), m.layout.size, fill); err != nil {
				return nil, fmt.Errorf("nn: writing training state: %w", err)
			}
		}
	}
	if take {
		m.theta = nil
	}
	return tr, nil
}

// applyProgram declares the program that takes a step with a gradient: weights, EMA,
// moments 1 and 2, hyper [4], gradient [P].
func (tr *Trainer) applyProgram() *program {
	return &program{eng: tr.eng, name: "optimizer step", update: []int{0, 1, 2, 3}, devices: len(tr.state),
		inputs: func(_, _ int) []shapes.Shape { return append(tr.stateShapes(), floats(tr.layout.size)) },
		build: func(in []*Node) []*Node {
			state, norm := tr.opt.update(tr.layout, in, in[stateSlabs+1], nil)
			return append(state, norm)
		}}
}

// stateShapes are the shapes of the inputs that every step begins with.
func (tr *Trainer) stateShapes() []shapes.Shape {
	slab := floats(tr.layout.size)
	return []shapes.Shape{slab, slab, slab, slab, floats(hyperCount)}
}

// fill writes the state of a step: slab i of it by what slab(i) returns.
func (tr *Trainer) fill(step int64, slab func(i int) func(x []float32) error) error {
	for i := range stateSlabs {
		fill := slab(i)
		if i == 1 && *tr.opt.EMADecay == 0 {
			fill = slab(0) // which may not be so in the state of another decay
		}
		for d := range tr.state {
			if err := tr.eng.refill(compute.DeviceNum(d), &tr.state[d][i], tr.layout.size, fill); err != nil {
				return fmt.Errorf("nn: writing training state: %w", err)
			}
		}
	}
	tr.step = step
	return nil
}

// errNoTrainer is that of a trainer that NewTrainer did not make.
var errNoTrainer = errors.New("nn: the trainer is nil or empty; make one by NewTrainer of a network")

// check reports a trainer that NewTrainer did not make.
func (tr *Trainer) check() error {
	if tr == nil || len(tr.state) == 0 {
		return errNoTrainer
	}
	return nil
}

// Steps returns the number of steps taken.
func (tr *Trainer) Steps() int64 {
	if tr == nil {
		return 0
	}
	return tr.step
}

// Read takes up a state that was saved, tensor by tensor, straight into its place. slab numbers
// the fields of State: 0 Weights, 1 EMA, 2 Moment1, 3 Var2. After an error the state is that of no
// training.
func (tr *Trainer) Read(step int64, read func(slab int, name string, shape []int) ([]float32, error)) error {
	if err := tr.check(); err != nil {
		return err
	}
	return tr.fill(step, func(i int) func(x []float32) error {
		return tr.layout.restore(func(name string, shape []int) ([]float32, error) { return read(i, name, shape) })
	})
}

// Restore goes back to a state that State returned.
func (tr *Trainer) Restore(s State) error {
	if err := tr.check(); err != nil {
		return err
	}
	for _, v := range [][]float32{s.Weights, s.EMA, s.Moment1, s.Var2} {
		if len(v) != tr.layout.size {
			return fmt.Errorf("nn: the state holds %d values in a slab, the network has %d weights", len(v),
				tr.layout.size)
		}
	}
	all := [stateSlabs][]float32{s.Weights, s.EMA, s.Moment1, s.Var2}
	return tr.fill(s.Step, func(i int) func(x []float32) error {
		return func(x []float32) error {
			copy(x, all[i])
			return nil
		}
	})
}

// View returns the state as it is in the memory of the engine, where that is this process's: to be
// read only, and before the next step. Of another engine it is a copy, as State's always is.
func (tr *Trainer) View() (s State, err error) {
	if err := tr.check(); err != nil {
		return State{}, err
	}
	s.Step = tr.step
	for i, dst := range []*[]float32{&s.Weights, &s.EMA, &s.Moment1, &s.Var2} {
		if *dst, err = view(tr.state[0][i]); err != nil {
			return State{}, fmt.Errorf("nn: reading training state: %w", err)
		}
	}
	return s, nil
}

// State returns a copy of the state.
func (tr *Trainer) State() (s State, err error) {
	if err := tr.check(); err != nil {
		return State{}, err
	}
	s.Step = tr.step
	for i, dst := range []*[]float32{&s.Weights, &s.EMA, &s.Moment1, &s.Var2} {
		if *dst, err = tr.slab(i); err != nil {
			return State{}, err
		}
	}
	return s, nil
}

// RawWeights returns a copy of the weights as they stand, of length P.
func (tr *Trainer) RawWeights() ([]float32, error) { return tr.slab(0) }

// AveragedWeights returns a copy of the average of the weights (EMA), of length P.
func (tr *Trainer) AveragedWeights() ([]float32, error) { return tr.slab(1) }

func (tr *Trainer) slab(i int) ([]float32, error) {
	if err := tr.check(); err != nil {
		return nil, err
	}
	w, err := download(tr.state[0][i])
	if err != nil {
		return nil, fmt.Errorf("nn: reading training state: %w", err)
	}
	return w, nil
}

// Apply takes one optimizer step at learning rate lr from a gradient that was
// computed elsewhere, such as through an ODE solve: ∂loss/∂θ, length P, at the
// raw weights. The arithmetic is that of [NetTrainer.Step], clipping, weight decay
// and EMA included; grad is rounded to float32. loss is only checked and
// returned. A loss or gradient that is not finite is [ErrDiverged]; the state is
// then as unusable as after such a Step.
func (tr *Trainer) Apply(grad []float64, loss, lr float64) (r StepResult, err error) {
	defer rescue(&err, "optimizer step")
	if err := tr.check(); err != nil {
		return r, err
	}
	if len(grad) != tr.layout.size {
		return r, fmt.Errorf("nn: a gradient of length %d given, the network has %d weights", len(grad), tr.layout.size)
	}
	f, err := tr.apply.frame(0, 0)
	if err != nil {
		return r, err
	}
	for _, g := range f.each() {
		g.set(stateSlabs+1, grad)
	}
	if err := tr.advance(f, lr); err != nil {
		return r, fmt.Errorf("nn: optimizer step: %w", err)
	}
	r.Loss, r.GradNorm = loss, float64(f.result(stateSlabs)[0])
	tr.apply.back(f)
	return r, tr.diverged(r)
}

// advance runs a step whose frame is complete but for the state and the scalars.
func (tr *Trainer) advance(f *frame, lr float64) error {
	k := float64(tr.step)
	for d, g := range f.each() {
		g.set(stateSlabs, []float64{
			lr,
			1 / (1 - math.Pow(*tr.opt.Beta1, k+1)),
			1 / (1 - math.Pow(*tr.opt.Beta2, k+1)),
			min(*tr.opt.EMADecay, (1+k)/(10+k)),
		})
		for i, b := range tr.state[d] {
			g.give(i, b)
		}
	}
	if err := f.run(); err != nil {
		return err
	}
	for d, g := range f.each() {
		copy(tr.state[d][:], g.outs)
	}
	tr.step++
	return nil
}

// diverged is the error of a step with that result, nil for a finite one.
func (tr *Trainer) diverged(r StepResult) error {
	if math.IsNaN(r.Loss+r.GradNorm) || math.IsInf(r.Loss+r.GradNorm, 0) {
		return fmt.Errorf("%w at step %d: loss %g, gradient norm %g; "+
			"lower the learning rate, clip gradients or check the scale of the data", ErrDiverged, tr.step,
			r.Loss, r.GradNorm)
	}
	return nil
}
