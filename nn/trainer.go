package nn

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/seed"
)

// Optimizer is Adam (Kingma and Ba 2015) with decoupled weight decay (AdamW,
// Loshchilov and Hutter 2019), gradient clipping and an average of the weights.
type Optimizer struct {
	Beta1       float64 `yaml:"beta1" json:"beta1"`               // default 0.9
	Beta2       float64 `yaml:"beta2" json:"beta2"`               // default 0.999
	Eps         float64 `yaml:"eps" json:"eps"`                   // default 1e-8
	WeightDecay float64 `yaml:"weight_decay" json:"weight_decay"` // times the learning rate, on every weight; default 0
	ClipNorm    float64 `yaml:"clip_norm" json:"clip_norm"`       // global norm that gradients are scaled down to; 0: no clipping
	// EMADecay is the decay of the average of the weights; 0 means 0.999. It is
	// eased in as min(decay, (1+k)/(10+k)) at step k, so that the random start
	// is soon forgotten.
	EMADecay float64 `yaml:"ema_decay" json:"ema_decay"`
	// Seed is what dropout is drawn from, for each step anew.
	Seed uint64 `yaml:"-" json:"-"`
}

// Defaults returns o with every unset field filled in.
func (o Optimizer) Defaults() Optimizer {
	for _, f := range []struct {
		v   *float64
		def float64
	}{{&o.Beta1, 0.9}, {&o.Beta2, 0.999}, {&o.Eps, 1e-8}, {&o.EMADecay, 0.999}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	return o
}

// Validate reports the first field that cannot be used.
func (o Optimizer) Validate() error {
	for _, f := range []struct {
		name string
		v    float64
	}{{"beta1", o.Beta1}, {"beta2", o.Beta2}, {"ema_decay", o.EMADecay}} {
		if !(f.v >= 0 && f.v < 1) {
			return fmt.Errorf("nn: optimizer %s is %g; it must be in [0, 1)", f.name, f.v)
		}
	}
	if !(o.Eps >= 0) || !(o.WeightDecay >= 0) || !(o.ClipNorm >= 0) {
		return fmt.Errorf("nn: optimizer eps %g, weight_decay %g and clip_norm %g must not be negative", o.Eps, o.WeightDecay, o.ClipNorm)
	}
	return nil
}

// State is all that a Trainer must remember: resuming from it equals not
// having stopped, bit for bit.
type State struct {
	Step                        int64     // steps taken
	Weights, EMA, Moment1, Var2 []float32 // slabs, each of length P
}

// StepResult is what one step tells.
type StepResult struct {
	Loss     float64 // before the update
	GradNorm float64 // global norm before clipping
	// NFE is how often a solve evaluated the network for the gradient that Apply was
	// given; whoever solved sets it.
	NFE float64
}

// ErrDiverged is returned when the loss or the gradient is not finite.
var ErrDiverged = errors.New("nn: training diverged")

// Trainer owns the state of a training run and advances it. One step,
// interpolation to EMA, is one compiled graph. Not safe for concurrent use.
type Trainer struct {
	net   *Net // architecture and programs; its weights are the start only
	opt   Optimizer
	how   Economy
	step  int64
	state []slabs  // on each device, the same
	progs *judged  // Step
	apply *program // Apply
	parts *parts   // Step, where it accumulates or runs on several devices
}

// slabs are weights, EMA, first and second moments.
type slabs [stateSlabs]compute.Buffer

const stateSlabs = 4

// NewTrainer starts training from the weights of n, in the plain way: see
// [Net.NewTrainerWith].
func (n *Net) NewTrainer(o Optimizer) (*Trainer, error) { return n.NewTrainerWith(o, Economy{}) }

// NewTrainerWith starts training from the weights of n. The economy is that of Step.
func (n *Net) NewTrainerWith(o Optimizer, how Economy) (*Trainer, error) {
	o = o.Defaults()
	for _, v := range []interface{ Validate() error }{o, how} {
		if err := v.Validate(); err != nil {
			return nil, err
		}
	}
	w, err := n.Weights()
	if err != nil {
		return nil, err
	}
	tr := &Trainer{net: n, opt: o, how: how}
	slab := shapes.Make(dtypes.Float32, len(w))
	inputs := func(rows, _ int) []shapes.Shape {
		in := []shapes.Shape{slab, slab, slab, slab, shapes.Make(dtypes.Float32, hyperCount)}
		return append(in, n.arch.stepShapes(rows)...)
	}
	tr.progs = &judged{declare: func(l Loss) *program {
		return &program{eng: n.eng, name: "training step", inputs: inputs, update: []int{0, 1, 2, 3},
			build: func(in []*Node) []*Node { return tr.stepGraph(in, l) }}
	}}
	tr.apply = tr.applyProgram()
	if err := n.eng.checkDevices(how.Devices); err != nil {
		return nil, err
	}
	tr.state = make([]slabs, max(1, how.Devices))
	if how.Accumulate > 1 || how.Devices > 1 {
		tr.parts = newParts(tr)
	}
	zeros := make([]float32, len(w))
	return tr, tr.put(State{Weights: w, EMA: w, Moment1: zeros, Var2: zeros})
}

// applyProgram declares the program of applyGraph.
func (tr *Trainer) applyProgram() *program {
	slab := shapes.Make(dtypes.Float32, tr.net.arch.size)
	return &program{eng: tr.net.eng, name: "optimizer step", build: tr.applyGraph, update: []int{0, 1, 2, 3}, devices: tr.how.Devices,
		inputs: func(_, _ int) []shapes.Shape {
			return []shapes.Shape{slab, slab, slab, slab, shapes.Make(dtypes.Float32, hyperCount), slab}
		}}
}

// hyperCount is the number of scalars that change from step to step.
const hyperCount = 4

func (tr *Trainer) put(s State) error {
	tr.step = s.Step
	for i, v := range [][]float32{s.Weights, s.EMA, s.Moment1, s.Var2} {
		for d := range tr.state {
			b, err := tr.net.eng.uploadTo(compute.DeviceNum(d), v)
			if err != nil {
				return err
			}
			tr.state[d][i] = b
		}
	}
	if tr.parts != nil {
		return tr.parts.reset()
	}
	return nil
}

// Restore goes back to a state that State returned.
func (tr *Trainer) Restore(s State) error {
	p := tr.net.NumWeights()
	for _, v := range [][]float32{s.Weights, s.EMA, s.Moment1, s.Var2} {
		if len(v) != p {
			return fmt.Errorf("nn: the state holds %d values in a slab, the network has %d weights", len(v), p)
		}
	}
	return tr.put(s)
}

// State returns a copy of the state.
func (tr *Trainer) State() (s State, err error) {
	s.Step = tr.step
	for i, dst := range []*[]float32{&s.Weights, &s.EMA, &s.Moment1, &s.Var2} {
		if *dst, err = download(tr.state[0][i]); err != nil {
			return State{}, fmt.Errorf("nn: reading training state: %w", err)
		}
	}
	return s, nil
}

// Net returns a copy of the network as it stands: the averaged weights (EMA),
// or the raw ones.
func (tr *Trainer) Net(ema bool) (*Net, error) {
	i := 0
	if ema {
		i = 1
	}
	w, err := download(tr.state[0][i])
	if err != nil {
		return nil, fmt.Errorf("nn: reading weights: %w", err)
	}
	return tr.net.WithWeights(w)
}

// Dim returns the dimension of the points that the network takes.
func (tr *Trainer) Dim() int { return tr.net.arch.cfg.Dim }

// Step takes one optimizer step at learning rate lr.
func (tr *Trainer) Step(ex *Examples, lr float64) (r StepResult, err error) {
	defer rescue(&err, "training step")
	if tr.net.arch.cfg.drops() {
		with := *ex
		with.drop = drawDrops(ex.X1.N, seed.Rand(tr.opt.Seed, "nn/dropout", uint64(tr.step)))
		ex = &with
	}
	if tr.parts != nil {
		return tr.stepInParts(ex, lr)
	}
	prog := tr.progs.by(ex.Loss)
	f, err := tr.net.examplesFrame(prog, ex, stateSlabs+1)
	if err != nil {
		return r, err
	}
	if err := tr.advance(f, lr); err != nil {
		return r, fmt.Errorf("nn: training step: %w", err)
	}
	r.Loss, r.GradNorm = float64(f.result(4)[0]), float64(f.result(5)[0])
	prog.back(f)
	return r, tr.diverged(r)
}

// Apply takes one optimizer step at learning rate lr from a gradient that was
// computed elsewhere, such as through an ODE solve: ∂loss/∂θ, length P, at the
// weights of Net(false). The arithmetic is that of Step, clipping, weight decay
// and EMA included; grad is rounded to float32. loss is only checked and
// returned. A loss or gradient that is not finite is [ErrDiverged]; the state is
// then as unusable as after such a Step.
func (tr *Trainer) Apply(grad []float64, loss, lr float64) (r StepResult, err error) {
	defer rescue(&err, "optimizer step")
	if p := tr.net.NumWeights(); len(grad) != p {
		return r, fmt.Errorf("nn: a gradient of length %d given, the network has %d weights", len(grad), p)
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
	r.Loss, r.GradNorm = loss, float64(f.result(4)[0])
	tr.apply.back(f)
	return r, tr.diverged(r)
}

// advance runs a step whose frame is complete but for the state and the scalars.
func (tr *Trainer) advance(f *frame, lr float64) error {
	k := float64(tr.step)
	for d, g := range f.each() {
		g.set(stateSlabs, []float64{
			lr,
			1 / (1 - math.Pow(tr.opt.Beta1, k+1)),
			1 / (1 - math.Pow(tr.opt.Beta2, k+1)),
			min(tr.opt.EMADecay, (1+k)/(10+k)),
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
		return fmt.Errorf("%w at step %d: loss %g, gradient norm %g; lower the learning rate, clip gradients or check the scale of the data", ErrDiverged, tr.step, r.Loss, r.GradNorm)
	}
	return nil
}

// stepGraph: weights, EMA, moments 1 and 2, hyper [4], then the batch.
func (tr *Trainer) stepGraph(in []*Node, l Loss) []*Node {
	loss, grad := tr.lossGraph(in[0], in[1], in[5:], l)
	state, norm := tr.updateGraph(in, grad)
	return append(state, loss, norm)
}

// lossGraph returns the mean loss of a batch, and its gradient [P].
func (tr *Trainer) lossGraph(theta, ema *Node, in []*Node, l Loss) (loss, grad *Node) {
	m := tr.net.arch
	p := m.params(theta)
	var ahead []*Node
	if l.Average == ByHalves {
		ahead = tr.how.cast(m.params(ema))
	}
	b := m.batch(in)
	b.recompute = tr.how.Recompute
	loss = m.batchLoss(tr.how.cast(p), ahead, b, l)
	return loss, join(Gradient(loss, p...))
}

// applyGraph: weights, EMA, moments 1 and 2, hyper [4], gradient [P].
func (tr *Trainer) applyGraph(in []*Node) []*Node {
	state, norm := tr.updateGraph(in, in[5])
	return append(state, norm)
}

// updateGraph is AdamW with clipping, and the EMA; in begins with weights, EMA,
// moments 1 and 2 and hyper [4]. It returns the new four, and the norm of grad.
func (tr *Trainer) updateGraph(in []*Node, grad *Node) (state []*Node, norm *Node) {
	theta, ema, m1, m2, hyper := in[0], in[1], in[2], in[3], in[4]
	h := func(i int) *Node { return Reshape(Slice(hyper, AxisRange(i, i+1))) }
	o := tr.opt
	norm = Sqrt(ReduceAllSum(Square(grad)))
	if o.ClipNorm > 0 {
		grad = Mul(grad, MinScalar(Div(ConstAs(norm, o.ClipNorm), AddScalar(norm, 1e-12)), 1))
	}
	m1 = Add(MulScalar(m1, o.Beta1), MulScalar(grad, 1-o.Beta1))
	m2 = Add(MulScalar(m2, o.Beta2), MulScalar(Square(grad), 1-o.Beta2))
	update := Div(Mul(m1, h(1)), AddScalar(Sqrt(Mul(m2, h(2))), o.Eps))
	if o.WeightDecay > 0 {
		update = Add(update, MulScalar(theta, o.WeightDecay))
	}
	theta = Sub(theta, Mul(update, h(0)))
	ema = Add(ema, Mul(Sub(theta, ema), OneMinus(h(3)))) // ema + (1-decay)(θ - ema)
	return []*Node{theta, ema, m1, m2}, norm
}
