package nn

import (
	"errors"
	"fmt"

	"flowmatch/flow"
)

// Examples is a batch of N regression examples, in the terms of a path:
//
//	x_t = Alpha x_1 + Sigma x_0,  target = G1 x_1 + G0 x_0,  loss = mean Weight |f(t, x_t) - target|² / D
//
// so one compiled step serves every schedule, coupling and prediction. A
// regression on given points x with given targets y is Alpha = 1, Sigma = 0,
// G1 = 0, G0 = 1 with x for x_1 and y for x_0.
type Examples struct {
	X0, X1 flow.Batch // [N, D]
	T      []float64  // [N], in [0, 1]
	// Coefficients, one for each example, length N.
	Alpha, Sigma, G1, G0, Weight []float64
	// Given is what the network is conditioned on: labels and contexts where it has
	// them, one entry for each example or one for all.
	Given flow.Given
	// S is for a network of average velocities (Config.Average): the end of the time
	// span that begins at T, at least T, length N. nil stands for T: the velocity itself.
	S []float64
	// Loss is the loss of the batch; the zero Loss is the one above.
	Loss Loss
	// Of is the batch that these are a rank's share of; the zero Share: they are all of it.
	Of Share

	drop drops // the states of dropout, in a training step
}

// NewExamples returns a batch of n examples in dimension d to be filled.
func NewExamples(n, d int) *Examples {
	return &Examples{
		X0: flow.NewBatch(n, d), X1: flow.NewBatch(n, d), T: make([]float64, n),
		Alpha: make([]float64, n), Sigma: make([]float64, n),
		G1: make([]float64, n), G0: make([]float64, n), Weight: make([]float64, n),
	}
}

// Slice returns examples i (included) to j (excluded), sharing memory with ex,
// under the zero Loss.
func (ex *Examples) Slice(i, j int) *Examples {
	part := &Examples{
		X0: ex.X0.Slice(i, j), X1: ex.X1.Slice(i, j), T: ex.T[i:j],
		Alpha: ex.Alpha[i:j], Sigma: ex.Sigma[i:j], G1: ex.G1[i:j], G0: ex.G0[i:j], Weight: ex.Weight[i:j],
		Given: ex.Given.Slice(i, j),
	}
	if ex.S != nil {
		part.S = ex.S[i:j]
	}
	part.drop = ex.drop.slice(i, j)
	return part
}

// Loss returns the loss of each example, length N, without any update. All examples go
// through the network in one call: in blocks, the last bits of some would change.
func (n *Net) Loss(ex *Examples) (loss []float64, err error) {
	defer rescue(&err, "loss")
	if err := n.check(ex); err != nil {
		return nil, err
	}
	loss = make([]float64, ex.X1.N)
	if err := n.onExamples(n.progs.loss.of(ex.Loss), ex, func(f *frame) { f.read(loss, 0) }); err != nil {
		return nil, err
	}
	return loss, nil
}

// LossGradient returns the mean loss of the batch and its gradient with
// respect to the weights, length P.
func (n *Net) LossGradient(ex *Examples) (loss float64, grad []float64, err error) {
	defer rescue(&err, "loss gradient")
	if err := n.check(ex); err != nil {
		return 0, nil, err
	}
	grad = make([]float64, n.NumWeights())
	err = n.onExamples(n.progs.grad.of(ex.Loss), ex, func(f *frame) {
		f.read(grad, 1)
		loss = float64(f.result(0)[0])
	})
	if err != nil {
		return 0, nil, err
	}
	return loss, grad, nil
}

// onExamples runs a program of weights and examples.
func (n *Net) onExamples(p *program, ex *Examples, take func(f *frame)) error {
	theta, err := n.weights()
	if err != nil {
		return err
	}
	f, err := n.examplesFrame(p, ex, 1)
	if err != nil {
		return err
	}
	f.give(0, theta)
	if err := f.run(); err != nil {
		return fmt.Errorf("nn: %s: %w", p.name, err)
	}
	take(f)
	p.back(f)
	return nil
}

// examplesFrame returns a frame of a program with a batch, which must have been checked,
// as the inputs from number at on.
func (n *Net) examplesFrame(p *program, ex *Examples, at int) (*frame, error) {
	devices := max(1, p.devices)
	rows := ex.X1.N / devices
	if ex.X1.N%devices != 0 {
		return nil, fmt.Errorf("%w: %d examples of a kind for %d; they must be a multiple", ErrDevices,
			ex.X1.N, devices)
	}
	f, err := p.frame(rows, 0)
	if err != nil {
		return nil, err
	}
	for d, g := range f.each() {
		n.fill(g, ex.Slice(d*rows, (d+1)*rows), at)
	}
	return f, nil
}

// check reports whether a batch fits the network.
func (n *Net) check(ex *Examples) error {
	if err := n.made(); err != nil {
		return err
	}
	if ex == nil {
		return errors.New("nn: the examples are nil; make some by NewExamples")
	}
	size, d := ex.X1.N, n.arch.cfg.Dim
	if ex.X1.D != d || ex.X0.D != d || ex.X0.N != size {
		return fmt.Errorf("nn: examples are x0 [%d, %d] and x1 [%d, %d]; the network takes points of dimension %d",
			ex.X0.N, ex.X0.D, size, ex.X1.D, d)
	}
	if len(ex.X0.X) != size*d || len(ex.X1.X) != size*d {
		return fmt.Errorf("nn: examples x0 and x1 are [%d, %d] with %d and %d numbers; want %d", size, d,
			len(ex.X0.X), len(ex.X1.X), size*d)
	}
	if !n.arch.cfg.Average && (ex.S != nil || ex.Loss.Average != "") {
		return fmt.Errorf("%w: examples with the ends of time spans", ErrNoAverage)
	}
	if ex.Loss.CrossEntropy && n.arch.levels == nil {
		return errors.New("nn: the loss has a cross-entropy of levels, and the network has no Levels; leave one out")
	}
	if err := ex.Loss.validate(size); err != nil {
		return err
	}
	for _, c := range n.columns(ex) {
		if len(c) != size {
			return fmt.Errorf("nn: a column of the examples has %d values for %d points", len(c), size)
		}
	}
	return n.arch.cfg.checkGiven(ex.Given, size)
}

// columns returns the numbers of the examples, in the order in which programs take them.
func (n *Net) columns(ex *Examples) [][]float64 {
	columns := [][]float64{ex.T, ex.Alpha, ex.Sigma, ex.G1, ex.G0, ex.Weight}
	switch {
	case !n.arch.cfg.Average:
	case ex.S == nil:
		columns = append(columns, ex.T)
	default:
		columns = append(columns, ex.S)
	}
	return columns
}

// fill makes examples the inputs of a frame from number at on.
func (n *Net) fill(f *frame, ex *Examples, at int) {
	size := ex.X1.N
	f.set(at, ex.X0.X)
	f.set(at+1, ex.X1.X)
	flat := f.floats(at + 2)
	for k, c := range n.columns(ex) {
		for i, v := range c {
			flat[k*size+i] = float32(v)
		}
	}
	next := n.arch.cfg.setGiven(f, at+3, ex.Given)
	if next < len(f.bufs) { // a step with dropout
		for lane, s := range ex.drop {
			copy(f.floats(next)[lane*size:], s)
		}
	}
}
