package nn

import (
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
	Label                        []int32 // [N], or nil for an unconditional network
	// Cond is what a Config.Condition network is told of each point, [N, Dc]; the zero
	// Batch for others.
	Cond flow.Batch
	// S, of a Config.Interval network, is where the interval from T ends, [N], at
	// least T; nil stands for T: the velocity itself.
	S []float64
	// Loss is how the batch is judged; the zero Loss is the one above.
	Loss Loss

	drop drops // what dropout begins with, of a step
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
	}
	if ex.S != nil {
		part.S = ex.S[i:j]
	}
	if ex.Label != nil {
		part.Label = ex.Label[i:j]
	}
	if ex.Cond.N > 0 {
		part.Cond = ex.Cond.Slice(i, j)
	}
	part.drop = ex.drop.slice(i, j)
	return part
}

// Loss returns the loss of each example, length N, without any update.
func (n *Net) Loss(ex *Examples) (loss []float64, err error) {
	defer rescue(&err, "loss")
	prog := n.progs.loss.by(ex.Loss)
	f, err := n.examplesFrame(prog, ex, 1)
	if err != nil {
		return nil, err
	}
	f.give(0, n.theta)
	if err := f.run(); err != nil {
		return nil, fmt.Errorf("nn: loss: %w", err)
	}
	loss = make([]float64, ex.X1.N)
	f.read(loss, 0)
	prog.back(f)
	return loss, nil
}

// LossGradient returns the mean loss of the batch and its gradient with
// respect to the weights, length P.
func (n *Net) LossGradient(ex *Examples) (loss float64, grad []float64, err error) {
	defer rescue(&err, "loss gradient")
	prog := n.progs.grad.by(ex.Loss)
	f, err := n.examplesFrame(prog, ex, 1)
	if err != nil {
		return 0, nil, err
	}
	f.give(0, n.theta)
	if err := f.run(); err != nil {
		return 0, nil, fmt.Errorf("nn: loss gradient: %w", err)
	}
	grad = make([]float64, n.NumWeights())
	f.read(grad, 1)
	loss = float64(f.result(0)[0])
	prog.back(f)
	return loss, grad, nil
}

// examplesFrame checks a batch and returns a frame of a program with it as the
// inputs from number at on.
func (n *Net) examplesFrame(p *program, ex *Examples, at int) (*frame, error) {
	columns, err := n.columns(ex)
	if err != nil {
		return nil, err
	}
	devices := max(1, p.devices)
	rows := ex.X1.N / devices
	if ex.X1.N%devices != 0 {
		return nil, fmt.Errorf("%w: %d examples of a kind for %d; they must be a multiple", ErrDevices, ex.X1.N, devices)
	}
	f, err := p.frame(rows, 0)
	if err != nil {
		return nil, err
	}
	for d, g := range f.each() {
		if err := n.fill(g, ex.Slice(d*rows, (d+1)*rows), columns, d*rows, at); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// columns checks a batch and returns its columns.
func (n *Net) columns(ex *Examples) ([][]float64, error) {
	size, d := ex.X1.N, n.arch.cfg.Dim
	if ex.X1.D != d || ex.X0.D != d || ex.X0.N != size {
		return nil, fmt.Errorf("nn: examples are x0 [%d, %d] and x1 [%d, %d]; the network takes points of dimension %d", ex.X0.N, ex.X0.D, size, ex.X1.D, d)
	}
	columns := [][]float64{ex.T, ex.Alpha, ex.Sigma, ex.G1, ex.G0, ex.Weight}
	switch end := ex.S; {
	case n.arch.cfg.Interval && end == nil:
		columns = append(columns, ex.T)
	case n.arch.cfg.Interval:
		columns = append(columns, end)
	case end != nil || ex.Loss.Average != Given:
		return nil, fmt.Errorf("%w: examples with the ends of intervals", ErrNoInterval)
	}
	if err := ex.Loss.validate(size); err != nil {
		return nil, err
	}
	for _, c := range columns {
		if len(c) != size {
			return nil, fmt.Errorf("nn: a column of the examples has %d values for %d points", len(c), size)
		}
	}
	if n.arch.cfg.Classes == 0 && len(ex.Label) > 0 {
		return nil, fmt.Errorf("%w: labels given, but the network has no classes", ErrLabels)
	}
	if c := n.arch.cfg.Condition; ex.Cond.D != c || c > 0 && ex.Cond.N != size {
		return nil, fmt.Errorf("%w: [%d, %d] of %d examples; it takes %d values of each", ErrCondition, ex.Cond.N, ex.Cond.D, size, c)
	}
	return columns, nil
}

// fill makes examples, which are those of the columns from number from on, the inputs
// of a frame from number at on.
func (n *Net) fill(f *frame, ex *Examples, columns [][]float64, from, at int) error {
	size := ex.X1.N
	f.set(at, ex.X0.X)
	f.set(at+1, ex.X1.X)
	flat := f.floats(at + 2)
	for k, c := range columns {
		for i, v := range c[from : from+size] {
			flat[k*size+i] = float32(v)
		}
	}
	next := at + 3
	if n.arch.cfg.Classes > 0 {
		if err := n.setLabels(f.ints(next), ex.Label, 0); err != nil {
			return err
		}
		next++
	}
	if n.arch.cfg.Condition > 0 {
		f.set(next, ex.Cond.X)
		next++
	}
	if next < len(f.bufs) { // a step with dropout
		for lane, s := range ex.drop {
			copy(f.floats(next)[lane*size:], s)
		}
	}
	return nil
}
