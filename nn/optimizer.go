package nn

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/choice"
)

// The names of the optimizers.
const (
	// AdamW is Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and
	// Hutter 2019).
	AdamW = "adamw"
	// Muon turns the mean gradient of each matrix between the first layer and the last of a
	// perceptron into the nearest orthogonal one (Jordan 2024): all directions learn alike.
	// Other weights take AdamW.
	Muon = "muon"
)

// OptimizerNames returns the names of the optimizers.
func OptimizerNames() []string { return []string{AdamW, Muon} }

// Optimizer is how a gradient becomes a step: AdamW, or Muon, with gradient clipping and
// an average of the weights (EMA).
// Where 0 is a value of its own, nil is the default: new(0.9) sets such a field.
type Optimizer struct {
	// Name is adamw (default), or muon, for perceptrons of two hidden layers and more.
	Name        string   `yaml:"name" json:"name"`
	Beta1       *float64 `yaml:"beta1" json:"beta1"`               // in [0, 1); default 0.9, 0: no momentum
	Beta2       *float64 `yaml:"beta2" json:"beta2"`               // in [0, 1); default 0.999
	Eps         *float64 `yaml:"eps" json:"eps"`                   // positive; default 1e-8
	WeightDecay float64  `yaml:"weight_decay" json:"weight_decay"` // times lr, on every weight; default 0
	ClipNorm    float64  `yaml:"clip_norm" json:"clip_norm"`       // largest global norm of a gradient; 0: no clipping
	// EMADecay is the decay of the average of the weights, in [0, 1); default 0.999. It
	// is eased in as min(decay, (1+k)/(10+k)) at step k, so that the random start
	// is soon forgotten. 0: no average; the averaged weights are the raw ones.
	EMADecay *float64 `yaml:"ema_decay" json:"ema_decay"`
	// Seed is what dropout is drawn from, new for each step.
	Seed uint64 `yaml:"-" json:"-"`
}

// Defaults returns o with every nil field filled in.
func (o Optimizer) Defaults() Optimizer {
	if o.Name == "" {
		o.Name = AdamW
	}
	for _, f := range []struct {
		v   **float64
		def float64
	}{{&o.Beta1, 0.9}, {&o.Beta2, 0.999}, {&o.Eps, 1e-8}, {&o.EMADecay, 0.999}} {
		if *f.v == nil {
			*f.v = new(f.def)
		}
	}
	return o
}

// Validate reports the first field that cannot be used.
func (o Optimizer) Validate() error {
	o = o.Defaults()
	if err := choice.Check("optimizer", o.Name, OptimizerNames()); err != nil {
		return fmt.Errorf("nn: %w", err)
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"beta1", *o.Beta1}, {"beta2", *o.Beta2}, {"ema_decay", *o.EMADecay}} {
		if !(f.v >= 0 && f.v < 1) {
			return fmt.Errorf("nn: optimizer %s is %g; it must be in [0, 1)", f.name, f.v)
		}
	}
	if !(*o.Eps > 0) {
		return fmt.Errorf("nn: optimizer eps is %g; it must be positive, or a weight without a gradient becomes 0/0",
			*o.Eps)
	}
	if !(o.WeightDecay >= 0) || !(o.ClipNorm >= 0) {
		return fmt.Errorf("nn: optimizer weight_decay %g and clip_norm %g must not be negative",
			o.WeightDecay, o.ClipNorm)
	}
	return nil
}

// update is a step with clipping, and the EMA, in a graph; in begins with weights, EMA,
// moments 1 and 2 and hyper [4]. It returns the new four, and the norm of grad. Muon's step of the k-th
// inner matrix is turned(k), flat; nil: it is computed here.
func (o Optimizer) update(l *layout, in []*Node, grad *Node, turned func(k int) *Node) (state []*Node, norm *Node) {
	theta, ema, m1, m2, hyper := in[0], in[1], in[2], in[3], in[4]
	h := func(i int) *Node { return Reshape(Slice(hyper, AxisRange(i, i+1))) }
	grad, norm = o.clipped(grad)
	m1 = o.mean(m1, grad)
	m2 = Add(MulScalar(m2, *o.Beta2), MulScalar(Square(grad), 1-*o.Beta2))
	step := Div(Mul(m1, h(1)), AddScalar(Sqrt(Mul(m2, h(2))), *o.Eps))
	if o.Name == Muon {
		if turned == nil {
			ahead := o.mean(m1, grad)
			turned = func(k int) *Node { return l.orthogonalOf(ahead, k) }
		}
		step = l.replaceInner(step, turned)
	}
	if o.WeightDecay > 0 {
		step = Add(step, MulScalar(theta, o.WeightDecay))
	}
	theta = Sub(theta, Mul(step, h(0)))
	if *o.EMADecay == 0 {
		// θ itself, which the formula below would round. An engine writes it over ema, and so
		// must read it; put sees to it that ema is what θ was before, as finite as θ is.
		ema = Add(MulScalar(ema, 0), theta)
	} else {
		ema = Add(ema, Mul(Sub(theta, ema), OneMinus(h(3)))) // ema + (1-decay)(θ - ema)
	}
	return []*Node{theta, ema, m1, m2}, norm
}

// clipped returns a gradient with at most the norm that is allowed, and its norm before.
func (o Optimizer) clipped(grad *Node) (clipped, norm *Node) {
	norm = Sqrt(ReduceAllSum(Square(grad)))
	if o.ClipNorm > 0 {
		grad = Mul(grad, MinScalar(Div(ConstAs(norm, o.ClipNorm), AddScalar(norm, 1e-12)), 1))
	}
	return grad, norm
}

// mean returns the mean gradient m1 after one more gradient. Once more with the same one it is Nesterov's
// momentum, from which Muon makes its step.
func (o Optimizer) mean(m1, grad *Node) *Node {
	return Add(MulScalar(m1, *o.Beta1), MulScalar(grad, 1-*o.Beta1))
}
