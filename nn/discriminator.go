package nn

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// DiscriminatorConfig describes a perceptron that tells points of two kinds apart: layers
// of ReLU and one number, the logit of the second kind.
type DiscriminatorConfig struct {
	Dim    int   `json:"dim"`    // D, of a point
	Hidden []int `json:"hidden"` // widths of the hidden layers
	// L2 is λ of the penalty λ/(2B) Σ w² that the loss of a batch of B points has, over all
	// weights but the biases; 0: none.
	L2 float64 `json:"l2"`
}

// Validate reports whether such a network can be made.
func (c DiscriminatorConfig) Validate() error {
	if c.Dim < 1 || len(c.Hidden) == 0 || slices.Min(c.Hidden) < 1 || !(c.L2 >= 0) || math.IsInf(c.L2, 0) {
		return fmt.Errorf("nn: a discriminator of %+v; it needs a dimension and hidden layers of at least 1, and a "+
			"penalty of at least 0", c)
	}
	return nil
}

// Discriminator is the network of a [DiscriminatorConfig] with its weights. It is read-only
// and safe for concurrent use.
type Discriminator struct {
	Module
	cfg    DiscriminatorConfig
	relu   activation
	logits *program
}

// NewDiscriminator returns a network whose weights and biases are drawn from seed, uniform in
// ±√(6/(in+out)) (Glorot and Bengio 2010).
func NewDiscriminator(eng *Engine, cfg DiscriminatorConfig, seedValue uint64) (*Discriminator, error) {
	if err := errors.Join(eng.check(), cfg.Validate()); err != nil {
		return nil, err
	}
	cfg.Hidden = slices.Clone(cfg.Hidden)
	l, in := &layout{}, cfg.Dim
	for k, out := range append(slices.Clone(cfg.Hidden), 1) {
		bound := math.Sqrt(6 / float64(in+out))
		l.mapping(fmt.Sprintf("net.%d", 2*k), in, out, bound, bound)
		in = out
	}
	if err := l.check(fmt.Sprintf("hidden layers %v", cfg.Hidden)); err != nil {
		return nil, err
	}
	m, err := fillModule(eng, l, l.initial(seed.Rand(seedValue, "nn/discriminator", 0)))
	if err != nil {
		return nil, err
	}
	relu, err := activationByName("relu")
	if err != nil {
		return nil, err
	}
	d := &Discriminator{Module: m, cfg: cfg, relu: relu}
	d.logits = &program{eng: eng, name: "telling points apart",
		inputs: func(n, _ int) []shapes.Shape { return []shapes.Shape{floats(l.size), floats(n, cfg.Dim)} },
		build:  func(in []*Node) []*Node { return []*Node{d.forward(l.params(in[0]), in[1])} }}
	return d, nil
}

// Config returns the description; the zero one of an empty Discriminator.
func (d *Discriminator) Config() DiscriminatorConfig {
	if d == nil {
		return DiscriminatorConfig{}
	}
	return d.cfg
}

// made reports a network that NewDiscriminator did not make.
func (d *Discriminator) made() error {
	if d == nil || d.logits == nil {
		return errors.New("nn: the discriminator is nil or empty; make one by NewDiscriminator")
	}
	return nil
}

// WithWeights returns a network like d with the weights of the slab given, of length P.
func (d *Discriminator) WithWeights(theta []float32) (*Discriminator, error) {
	if err := d.made(); err != nil {
		return nil, err
	}
	m, err := newModule(d.eng, d.layout, theta)
	if err != nil {
		return nil, err
	}
	other := *d
	other.Module = m
	return &other, nil
}

// fits reports points that are not the network's.
func (d *Discriminator) fits(x flow.Batch) error {
	if err := d.made(); err != nil {
		return err
	}
	if x.D != d.cfg.Dim || len(x.X) != x.N*x.D {
		return fmt.Errorf("nn: points [%d, %d] of %d numbers given to a discriminator of dimension %d", x.N, x.D,
			len(x.X), d.cfg.Dim)
	}
	return nil
}

// discriminatorRows is how many points are told apart at once.
const discriminatorRows = 1024

// Logits returns log p/(1-p) of each of points x [N, D], p the probability that it is of the
// second kind.
func (d *Discriminator) Logits(x flow.Batch) (logits []float64, err error) {
	defer rescue(&err, "telling points apart")
	if err := d.fits(x); err != nil {
		return nil, err
	}
	logits = make([]float64, x.N)
	err = blocks{rows: discriminatorRows}.run(d.logits, x.N, 0, func(f *frame, i, j int) {
		f.give(0, d.theta)
		f.set(1, x.Slice(i, j).X)
	}, func(f *frame, i, j int) { f.read(logits[i:j], 0) })
	return logits, err
}

// forward returns the logits [N] of points x [N, D].
func (d *Discriminator) forward(p []*Node, x *Node) *Node {
	last := len(d.cfg.Hidden)
	for k := range last {
		x, _ = d.relu.apply(affine(x, p, 2*k))
	}
	return Reshape(affine(x, p, 2*last), x.Shape().Dimensions[0])
}

// loss is the mean cross-entropy of points x [N, D], second [N] being 1 for those of the
// second kind and 0 for others, with the penalty of the weights.
func (d *Discriminator) loss(p []*Node, x, second *Node) *Node {
	z := d.forward(p, x)
	// log(1 + exp z) - second·z, whatever the size of z.
	soft := Add(Max(z, ZerosLike(z)), Log1P(Exp(Neg(Abs(z)))))
	loss := ReduceAllMean(Sub(soft, Mul(second, z)))
	if d.cfg.L2 > 0 {
		scale := d.cfg.L2 / 2 / float64(x.Shape().Dimensions[0])
		for k := 0; k < len(p); k += 2 {
			loss = Add(loss, MulScalar(ReduceAllSum(Square(p[k])), scale))
		}
	}
	return loss
}

// DiscriminatorTrainer is the [Trainer] of a [Discriminator], whose step, from the points to
// the weights, is one compiled graph. Not safe for concurrent use.
type DiscriminatorTrainer struct {
	*Trainer
	net  *Discriminator // its weights are the start only
	step *program
}

// NewTrainer starts training from the weights of d.
func (d *Discriminator) NewTrainer(o Optimizer) (*DiscriminatorTrainer, error) {
	if err := d.made(); err != nil {
		return nil, err
	}
	base, err := d.Module.NewTrainer(o)
	if err != nil {
		return nil, err
	}
	tr := &DiscriminatorTrainer{Trainer: base, net: d}
	tr.step = &program{eng: d.eng, name: "training step of a discriminator", update: []int{0, 1, 2, 3},
		inputs: func(n, _ int) []shapes.Shape { return append(tr.stateShapes(), floats(n, d.cfg.Dim), floats(n)) },
		build: func(in []*Node) []*Node {
			p := d.layout.params(in[0])
			loss := d.loss(p, in[stateSlabs+1], in[stateSlabs+2])
			state, norm := tr.opt.update(d.layout, in, join(Gradient(loss, p...)), nil)
			return append(settled(state), loss, norm)
		}}
	return tr, nil
}

// settled are weights, EMA and moments of which those are 0 that are too small to matter. The penalty
// makes weights of units that are 0 for all points shrink without end, and on many CPUs sums
// of products with denormal numbers take a hundred times as long. A weight below 1e-15 is no part of a float32
// sum with others, nor is the root of a second moment below 1e-34 of a sum with ε.
func settled(state []*Node) []*Node {
	least := []float64{1e-15, 1e-15, 1e-22, 1e-34} // of weights, EMA, moments 1 and 2
	out := make([]*Node, len(state))
	for i, x := range state {
		out[i] = Where(LessThan(Abs(x), ConstAs(x, least[i])), ZerosLike(x), x)
	}
	return out
}

// Step takes one optimizer step at learning rate lr on points x [N, D], of which second
// [N] says by 1 that it is of the second kind and by 0 that it is not. The loss is the mean
// cross-entropy in nats, with the penalty. One that is not finite is [ErrDiverged].
func (tr *DiscriminatorTrainer) Step(x flow.Batch, second []float64, lr float64) (r StepResult, err error) {
	defer rescue(&err, "training step of a discriminator")
	if tr == nil || tr.net == nil {
		return r, errNoTrainer
	}
	if err := tr.net.fits(x); err != nil {
		return r, err
	}
	if len(second) != x.N || x.N < 1 {
		return r, fmt.Errorf("nn: %d points of %d kinds given to a discriminator; want a kind for each, and one point "+
			"at least", x.N, len(second))
	}
	f, err := tr.step.frame(x.N, 0)
	if err != nil {
		return r, err
	}
	f.set(stateSlabs+1, x.X)
	f.set(stateSlabs+2, second)
	if err := tr.advance(f, lr); err != nil {
		return r, fmt.Errorf("nn: training step of a discriminator: %w", err)
	}
	r.Loss, r.GradNorm = float64(f.result(stateSlabs)[0]), float64(f.result(stateSlabs + 1)[0])
	tr.step.back(f)
	return r, tr.diverged(r)
}

// Tensors returns the layout of the weights, as [Module.Tensors] does.
func (tr *DiscriminatorTrainer) Tensors() []Tensor {
	if tr == nil || tr.net == nil {
		return nil
	}
	return tr.net.Tensors()
}

// Raw returns a copy of the network with the weights as they stand.
func (tr *DiscriminatorTrainer) Raw() (*Discriminator, error) {
	if tr == nil || tr.net == nil {
		return nil, errNoTrainer
	}
	theta, err := tr.RawWeights()
	if err != nil {
		return nil, err
	}
	return tr.net.WithWeights(theta)
}
