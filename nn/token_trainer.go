package nn

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// TokenExamples are N sequences of L tokens on their way, with the level of each at t = 1. Their loss is
//
//	mean over all tokens of  A · -log p(x_1) - B · p(x_t),
//
// the cross-entropy with A = 1 and B = 0, and up to a constant the generalised KL of a mixture path with A = w for
// tokens that are not at x_1 and B = w for all that are no mask, w = κ̇/(1-κ) (see [discrete.GeneralisedKL]).
type TokenExamples struct {
	X    discrete.Tokens // at T, with the tokens that are shown
	X1   []int32         // [N L]
	T    []float64       // [N]
	A, B []float64       // [N L]

	Given flow.Given // labels and contexts
}

// exampleShapes are the inputs of examples: the state, then levels and factors.
func (c TokenConfig) exampleShapes(n int) []shapes.Shape {
	return append(c.stateShapes(n), shapes.Make(dtypes.Int32, n*c.Length), floats(2, n*c.Length))
}

// checkExamples reports examples that are none of the network's.
func (n *TokenNet) checkExamples(ex *TokenExamples) error {
	if ex == nil {
		return errors.New("nn: the examples of tokens are nil")
	}
	if err := n.check(ex.X, ex.T, ex.Given); err != nil {
		return err
	}
	if ex.X.N < 1 || len(ex.X1) != len(ex.X.X) || len(ex.A) != len(ex.X.X) || len(ex.B) != len(ex.X.X) {
		return fmt.Errorf("nn: %d tokens with %d levels at t = 1, and %d and %d factors of the loss; each token has "+
			"one of each", len(ex.X.X), len(ex.X1), len(ex.A), len(ex.B))
	}
	for k, v := range ex.X1 {
		if v < 0 || int(v) >= n.cfg.Levels {
			return fmt.Errorf("nn: the level of token %d of sequence %d is %d; it must be from 0 to %d", k%ex.X.L,
				k/ex.X.L, v, n.cfg.Levels-1)
		}
	}
	return nil
}

// fillExamples makes examples the inputs of a frame from number at on, and returns the number behind them.
func (n *TokenNet) fillExamples(f *frame, at int, ex *TokenExamples) int {
	at = n.fill(f, at, ex.X, ex.T, ex.Given, 0, ex.X.N)
	copy(f.ints(at), ex.X1)
	for k, factors := range [][]float64{ex.A, ex.B} {
		for i, v := range factors {
			f.floats(at + 1)[k*len(factors)+i] = float32(v)
		}
	}
	return at + 2
}

// loss is that of examples in a graph.
func (n *TokenNet) loss(p []*Node, in []*Node) *Node {
	at, rest := n.body.split(in)
	if len(rest) > 2 {
		at.drop = rest[2]
	}
	logits := n.body.logits(p, at)
	factor := func(k int) *Node { return Reshape(Slice(rest[1], AxisRange(k, k+1)), logits.Shape().Dimensions[0]) }
	z := Sub(logits, StopGradient(ReduceAndKeep(logits, ReduceMax, -1)))
	total := ReduceSum(Exp(z), -1)
	hot := func(x *Node) *Node { return hot(x, n.cfg.Levels, z.DType()) }
	logp := Sub(ReduceSum(Mul(z, hot(rest[0])), -1), Log(total))
	stays := Div(ReduceSum(Mul(Exp(z), hot(at.x)), -1), total)
	return Neg(ReduceAllMean(Add(Mul(factor(0), logp), Mul(factor(1), stays))))
}

func (n *TokenNet) gradGraph(in []*Node) []*Node {
	p := n.layout.params(in[0])
	loss := n.loss(p, in[1:])
	return []*Node{loss, join(Gradient(loss, p...))}
}

// LossGradient returns the mean loss of examples, without dropout, and its gradient with respect to the weights,
// length P.
func (n *TokenNet) LossGradient(ex *TokenExamples) (loss float64, grad []float64, err error) {
	defer rescue(&err, "gradient of tokens")
	if err := n.checkExamples(ex); err != nil {
		return 0, nil, err
	}
	f, err := n.grad.frame(ex.X.N, 0)
	if err != nil {
		return 0, nil, err
	}
	f.give(0, n.theta)
	n.fillExamples(f, 1, ex)
	if err := f.run(); err != nil {
		return 0, nil, fmt.Errorf("nn: gradient of tokens: %w", err)
	}
	grad = make([]float64, n.NumWeights())
	f.read(grad, 1)
	loss = float64(f.result(0)[0])
	n.grad.back(f)
	return loss, grad, nil
}

// TokenTrainer is the [Trainer] of a [TokenNet]: one step, from the loss to the EMA, is one compiled graph.
type TokenTrainer struct {
	*Trainer
	net  *TokenNet // architecture and programs; its weights are the start only
	step *program
}

// NewTrainer starts training from the weights of n.
func (n *TokenNet) NewTrainer(o Optimizer) (*TokenTrainer, error) {
	if err := n.made(); err != nil {
		return nil, err
	}
	base, err := n.newTrainer(o, 1, false)
	if err != nil {
		return nil, err
	}
	tr := &TokenTrainer{Trainer: base, net: n}
	tr.step = &program{eng: n.eng, name: "training step of tokens", update: []int{0, 1, 2, 3}, build: tr.stepGraph,
		inputs: func(rows, _ int) []shapes.Shape {
			in := append(tr.stateShapes(), n.cfg.exampleShapes(rows)...)
			if n.cfg.Dropout > 0 {
				in = append(in, floats(len(dropPrimes), rows))
			}
			return in
		}}
	return tr, nil
}

// stepGraph: weights, EMA, moments 1 and 2, hyper [4], then the examples.
func (tr *TokenTrainer) stepGraph(in []*Node) []*Node {
	p := tr.layout.params(in[0])
	loss := tr.net.loss(p, in[stateSlabs+1:])
	state, norm := tr.opt.update(tr.layout, in, join(Gradient(loss, p...)), nil)
	return append(state, loss, norm)
}

// Step takes one optimizer step at learning rate lr. A loss or gradient that is not finite is [ErrDiverged];
// training can then go on after a Restore only.
func (tr *TokenTrainer) Step(ex *TokenExamples, lr float64) (r StepResult, err error) {
	defer rescue(&err, "training step of tokens")
	if tr == nil || tr.net == nil {
		return r, errNoTrainer
	}
	if err := tr.net.checkExamples(ex); err != nil {
		return r, err
	}
	f, err := tr.step.frame(ex.X.N, 0)
	if err != nil {
		return r, err
	}
	if at := tr.net.fillExamples(f, stateSlabs+1, ex); tr.net.cfg.Dropout > 0 {
		for lane, s := range drawDrops(ex.X.N, seed.Rand(tr.opt.Seed, "nn/dropout", uint64(tr.Trainer.step))) {
			copy(f.floats(at)[lane*ex.X.N:], s)
		}
	}
	if err := tr.advance(f, lr); err != nil {
		return r, fmt.Errorf("nn: training step of tokens: %w", err)
	}
	r.Loss, r.GradNorm = float64(f.result(stateSlabs)[0]), float64(f.result(stateSlabs + 1)[0])
	tr.step.back(f)
	return r, tr.diverged(r)
}

// Raw returns a copy of the network with the raw weights.
func (tr *TokenTrainer) Raw() (*TokenNet, error) { return tr.with((*Trainer).RawWeights) }

// Averaged returns a copy of the network with the averaged weights (EMA).
func (tr *TokenTrainer) Averaged() (*TokenNet, error) { return tr.with((*Trainer).AveragedWeights) }

func (tr *TokenTrainer) with(weights func(*Trainer) ([]float32, error)) (*TokenNet, error) {
	if tr == nil || tr.net == nil {
		return nil, errNoTrainer
	}
	theta, err := weights(tr.Trainer)
	if err != nil {
		return nil, err
	}
	return tr.net.WithWeights(theta)
}
