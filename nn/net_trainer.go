package nn

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/cluster"
	"flowmatch/internal/seed"
)

// NetTrainer is the [Trainer] of a velocity network, which learns from [Examples] too.
// One step of these, from the interpolation to the EMA, is one compiled graph.
type NetTrainer struct {
	*Trainer
	net   *Net // architecture and programs; its weights are the start only
	how   StepOptions
	progs *byLoss // Step
	parts *parts  // Step, where it accumulates or runs on several devices or ranks; else nil
	ranks *cluster.Comm
}

// NewTrainer starts training from the weights of n. The options are those of Step; under
// the zero StepOptions a step is one pass over the batch in float32.
func (n *Net) NewTrainer(o Optimizer, how StepOptions) (*NetTrainer, error) {
	return n.newTrainer(o, how, false)
}

// IntoTrainer is NewTrainer that takes the weights of n over, instead of a copy of them: nothing
// else may use n meanwhile, and what would evaluate it afterwards is an error. Its Config and its
// Tensors stay. Weights that [New] did not draw are copied.
func (n *Net) IntoTrainer(o Optimizer, how StepOptions) (*NetTrainer, error) {
	return n.newTrainer(o, how, n != nil && n.draw != nil)
}

func (n *Net) newTrainer(o Optimizer, how StepOptions, take bool) (*NetTrainer, error) {
	if err := n.made(); err != nil {
		return nil, err
	}
	if err := how.Validate(); err != nil {
		return nil, err
	}
	base, err := n.Module.newTrainer(o, max(1, how.Devices), take)
	if err != nil {
		return nil, err
	}
	tr := &NetTrainer{Trainer: base, net: n, how: how}
	inputs := func(rows, _ int) []shapes.Shape { return append(tr.stateShapes(), n.arch.stepShapes(rows)...) }
	tr.progs = &byLoss{declare: func(l Loss) *program {
		return &program{eng: n.eng, name: "training step", inputs: inputs, update: []int{0, 1, 2, 3},
			build: func(in []*Node) []*Node { return tr.stepGraph(in, l) }}
	}}
	if how.Accumulate > 1 || how.Devices > 1 {
		if tr.parts, err = newParts(tr); err != nil {
			return nil, err
		}
	}
	return tr, nil
}

// Raw returns a copy of the network with the raw weights.
func (tr *NetTrainer) Raw() (*Net, error) { return tr.with((*Trainer).RawWeights) }

// Averaged returns a copy of the network with the averaged weights (EMA).
func (tr *NetTrainer) Averaged() (*Net, error) { return tr.with((*Trainer).AveragedWeights) }

// StepMemory returns the bytes that training on batches of so many examples takes, under the zero
// Loss: the state, the gradient and what a step has beside them. It compiles the step, which the
// first one need not do then. known is false on an engine that does not say it.
func (tr *NetTrainer) StepMemory(batch int) (bytes int, known bool, err error) {
	defer rescue(&err, "training step")
	if tr == nil || tr.net == nil {
		return 0, false, errNoTrainer
	}
	slabs, prog := stateSlabs, tr.progs.of(Loss{})
	if tr.parts != nil {
		slabs, prog, batch = slabs+1, tr.parts.progs.of(Loss{}), max(1, batch/max(1, tr.how.Accumulate))
	}
	f, err := prog.frame(batch/max(1, prog.devices), 0)
	if err != nil {
		return 0, false, err
	}
	defer prog.back(f)
	m, known := f.c.exec.(interface{ Memory() int })
	if !known {
		return 0, false, nil
	}
	return 4*slabs*tr.layout.size + m.Memory(), true, nil
}

// Restart goes back to the weights that training began with.
func (tr *NetTrainer) Restart() error {
	if tr == nil || tr.net == nil {
		return errNoTrainer
	}
	begin := tr.net.draw
	if theta, err := tr.net.weights(); err == nil {
		w, err := view(theta)
		if err != nil {
			return err
		}
		begin = func(x []float32) error { copy(x, w); return nil }
	}
	zeros := func(x []float32) error { clear(x); return nil }
	return tr.fill(0, func(i int) func(x []float32) error {
		return [stateSlabs]func(x []float32) error{begin, begin, zeros, zeros}[i]
	})
}

// ViewAveraged is Averaged without a copy, where the memory of the engine is that of this process:
// the network is to be used before the next step only.
func (tr *NetTrainer) ViewAveraged() (*Net, error) {
	if tr == nil || tr.net == nil {
		return nil, errNoTrainer
	}
	if _, ok := tr.state[0][1].(viewer); !ok {
		return tr.Averaged()
	}
	return tr.net.on(tr.state[0][1]), nil
}

// IntoAveraged ends the trainer: it returns the network with the averaged weights, and lets go of
// the rest of the state. What is asked of the trainer afterwards is an error.
func (tr *NetTrainer) IntoAveraged() (*Net, error) {
	if tr == nil || tr.net == nil {
		return nil, errNoTrainer
	}
	n := tr.net.on(tr.state[0][1])
	*tr.Trainer, *tr = Trainer{}, NetTrainer{}
	return n, nil
}

func (tr *NetTrainer) with(weights func(*Trainer) ([]float32, error)) (*Net, error) {
	if tr == nil || tr.net == nil {
		return nil, errNoTrainer
	}
	theta, err := weights(tr.Trainer)
	if err != nil {
		return nil, err
	}
	return tr.net.WithWeights(theta)
}

// Step takes one optimizer step at learning rate lr. A loss or gradient that is not
// finite is [ErrDiverged]; training can then go on after a Restore only.
func (tr *NetTrainer) Step(ex *Examples, lr float64) (r StepResult, err error) {
	defer rescue(&err, "training step")
	if tr == nil || tr.net == nil {
		return r, errNoTrainer
	}
	if err := tr.net.check(ex); err != nil {
		return r, err
	}
	of, whole, err := tr.share(ex)
	if err != nil {
		return r, err
	}
	if tr.net.arch.cfg.drops() {
		with := *ex
		with.drop = drawDrops(of.N, seed.Rand(tr.opt.Seed, "nn/dropout", uint64(tr.step)))
		if !whole {
			with.drop = with.drop.rows(of)
		}
		ex = &with
	}
	if tr.parts != nil {
		return tr.stepInParts(ex, of, whole, lr)
	}
	prog := tr.progs.of(ex.Loss)
	f, err := tr.net.examplesFrame(prog, ex, stateSlabs+1)
	if err != nil {
		return r, err
	}
	if err := tr.advance(f, lr); err != nil {
		return r, fmt.Errorf("nn: training step: %w", err)
	}
	r.Loss, r.GradNorm = float64(f.result(stateSlabs)[0]), float64(f.result(stateSlabs + 1)[0])
	prog.back(f)
	return r, tr.diverged(r)
}

// stepGraph: weights, EMA, moments 1 and 2, hyper [4], then the examples.
func (tr *NetTrainer) stepGraph(in []*Node, l Loss) []*Node {
	loss, grads := tr.lossGraph(in[0], in[1], in[stateSlabs+1:], l, false)
	state, norm := tr.opt.update(tr.layout, in, join(grads), nil)
	return append(state, loss, norm)
}

// lossGraph returns the mean loss of a batch, and its gradients, one for each tensor. cut has the backward
// pass in two.
func (tr *NetTrainer) lossGraph(theta, ema *Node, in []*Node, l Loss, cut bool) (loss *Node, grads []*Node) {
	m := tr.net.arch
	p := m.params(theta)
	var ahead []*Node
	if l.Average == ByIdentity || l.Average == ByParts {
		ahead = tr.how.cast(m.params(ema))
	}
	b := m.examples(in)
	b.recompute, b.cut = tr.how.Recompute, cut
	loss = m.batchLoss(tr.how.cast(p), ahead, b, l)
	return loss, Gradient(loss, p...)
}
