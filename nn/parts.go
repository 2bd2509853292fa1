package nn

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// parts takes the gradient of a batch in parts, one after the other
// (StepOptions.Accumulate), each on several devices (StepOptions.Devices), and those of other
// ranks by these (NetTrainer.Together).
type parts struct {
	sum   []compute.Buffer // of gradients so far, on each device: [P], or those of the second stage alone
	early early            // those of the first stage
	progs *byLoss          // adds the gradient of a part
	turn  *turned          // steps of matrices, which ranks share; nil: apply makes them
	apply *program         // takes the step, with the sums for the gradient, and the steps of matrices last
}

// newParts declares the programs of a trainer.
func newParts(tr *NetTrainer) (*parts, error) {
	p := &parts{sum: make([]compute.Buffer, len(tr.state)), early: early{tensor: tr.stages()}}
	slab := floats(tr.layout.size)
	inputs := func(rows, _ int) []shapes.Shape {
		return append(p.shapes(tr.layout, floats(2), slab, slab), tr.net.arch.stepShapes(rows)...)
	}
	p.progs = &byLoss{declare: func(l Loss) *program {
		return &program{eng: tr.eng, name: "part of a gradient", inputs: inputs, update: p.updates(),
			devices: len(tr.state), build: func(in []*Node) []*Node { return tr.partGraph(in, l) }}
	}}
	p.turn = newTurned(tr, p)
	sums := len(p.shapes(tr.layout))
	p.apply = &program{eng: tr.eng, name: "optimizer step", update: []int{0, 1, 2, 3}, devices: len(tr.state),
		inputs: func(_, _ int) []shapes.Shape {
			return slices.Concat(tr.stateShapes(), p.shapes(tr.layout), p.turn.shapes())
		},
		build: func(in []*Node) []*Node {
			grad := in[stateSlabs+1:][:sums]
			state, norm := tr.opt.update(tr.layout, in, Concatenate(grad, 0), p.turn.from(in))
			return append(state, norm)
		}}
	return p, p.reset(tr.Trainer)
}

// shapes returns those of the sums, with others between: of the second stage first, in the order of the
// slab, and of the first.
func (p *parts) shapes(l *layout, between ...shapes.Shape) []shapes.Shape {
	if p.early.tensor == 0 {
		return append([]shapes.Shape{floats(l.size)}, between...)
	}
	begin := l.tensors[p.early.tensor].Offset
	return append(append([]shapes.Shape{floats(begin)}, between...), floats(l.size-begin))
}

// The results of a part: the sum of gradients, the loss and the sum of those of the first stage.
const partSum, partLoss, partEarly = 0, 1, 2

// updates says which inputs of a part are replaced.
func (p *parts) updates() []int {
	if p.early.tensor == 0 {
		return []int{0}
	}
	return []int{0, -1, partInputs}
}

// partInputs is the number of inputs of a part before the sum of the first stage, if there is one, and the
// examples.
const partInputs = 4

// examplesAt is the number of inputs of a part before the examples.
func (p *parts) examplesAt() int {
	if p.early.tensor == 0 {
		return partInputs
	}
	return partInputs + 1
}

// reset makes the sums zero. A step does so itself, but keeps what is not finite: 0·∞.
func (p *parts) reset(tr *Trainer) (err error) {
	of := p.shapes(tr.layout)
	for d := range p.sum {
		if p.sum[d], err = tr.eng.newSlab(compute.DeviceNum(d), of[0].Size(), nil); err != nil {
			return fmt.Errorf("nn: clearing the gradient: %w", err)
		}
	}
	if p.early.tensor > 0 {
		if p.early.sum, err = tr.eng.newSlab(0, of[1].Size(), nil); err != nil {
			return fmt.Errorf("nn: clearing the gradient: %w", err)
		}
	}
	return nil
}

// partGraph: sum [P], [keep, share], weights, EMA, then the examples of the part.
// It returns keep·sum + share·gradient, and the loss of the part. In two stages the sum is that of the
// second, and that of the first is the input before the examples and the last result.
func (tr *NetTrainer) partGraph(in []*Node, l Loss) []*Node {
	h := func(i int) *Node { return Reshape(Slice(in[1], AxisRange(i, i+1))) }
	first := tr.parts.early.tensor
	loss, grads := tr.lossGraph(in[2], in[3], in[tr.parts.examplesAt():], l, first > 0)
	add := func(sum, grad *Node) *Node { return Add(Mul(sum, h(0)), Mul(grad, h(1))) }
	if first > 0 {
		return []*Node{add(in[0], join(grads[:first])), loss, add(in[partInputs], join(grads[first:]))}
	}
	all := meanOver(len(tr.state), loss, join(grads))
	return []*Node{add(in[0], all[1]), all[0]}
}

// stepInParts is Step, with the gradient of a share of a batch taken in parts.
func (tr *NetTrainer) stepInParts(ex *Examples, of Share, whole bool, lr float64) (r StepResult, err error) {
	defer func() {
		if err != nil { // what is in the sum may not be finite
			err = errors.Join(err, tr.parts.reset(tr.Trainer))
		}
	}()
	ranks := tr.ranks.Size()
	most := max(1, (of.N/max(1, tr.how.Accumulate)+ranks-1)/ranks)
	parts := ex.cut(most, of, whole)
	if len(parts) == 0 { // there are more ranks than examples
		if err := tr.parts.reset(tr.Trainer); err != nil {
			return r, err
		}
	}
	for i, part := range parts {
		share := float64(part.X1.N) / float64(of.N)
		loss, err := tr.addPart(part, i > 0, i == len(parts)-1, share)
		if err != nil {
			return r, err
		}
		r.Loss += share * loss
	}
	if r.Loss, err = tr.sumOverRanks(r.Loss); err != nil {
		return r, fmt.Errorf("nn: training step: %w", err)
	}
	f, err := tr.parts.apply.frame(0, 0)
	if err != nil {
		return r, err
	}
	for d, g := range f.each() {
		tr.parts.give(g, stateSlabs+1, d)
	}
	if turn := tr.parts.turn; turn != nil {
		last := len(f.c.inputs) - 1
		if err := turn.compute(tr, f.floats(last)); err != nil {
			return r, err
		}
		for _, g := range f.each() {
			copy(g.floats(last), f.floats(last))
		}
	}
	if err := tr.advance(f, lr); err != nil {
		return r, fmt.Errorf("nn: training step: %w", err)
	}
	r.GradNorm = float64(f.result(stateSlabs)[0])
	tr.parts.apply.back(f)
	return r, tr.diverged(r)
}

// give makes the sums on a device the inputs of a frame from number at on.
func (p *parts) give(f *frame, at, device int) {
	f.give(at, p.sum[device])
	if p.early.tensor > 0 {
		f.give(at+1, p.early.sum)
	}
}

// addPart adds share times the gradient of a part to the sum, which begins again
// unless it is kept, and returns the part's mean loss. During the last part the sum over ranks of the first
// stage begins.
func (tr *NetTrainer) addPart(part *Examples, keep, last bool, share float64) (loss float64, err error) {
	l := part.Loss
	l.Rows /= len(tr.state) // on each device
	prog := tr.parts.progs.of(l)
	f, err := tr.net.examplesFrame(prog, part, tr.parts.examplesAt())
	if err != nil {
		return 0, err
	}
	kept := 0.0
	if keep {
		kept = 1
	}
	for d, g := range f.each() {
		g.set(1, []float64{kept, share})
		g.give(0, tr.parts.sum[d])
		g.give(2, tr.state[d][0])
		g.give(3, tr.state[d][1])
	}
	if err := tr.runPart(f, last); err != nil {
		return 0, fmt.Errorf("nn: part of a gradient: %w", err)
	}
	for d, g := range f.each() {
		tr.parts.sum[d] = g.outs[partSum]
	}
	loss = float64(f.result(partLoss)[0])
	prog.back(f)
	return loss, nil
}

// runPart runs a part, and has the ranks sum the gradients of the first stage meanwhile if it is the last.
func (tr *NetTrainer) runPart(f *frame, last bool) error {
	e := &tr.parts.early
	if e.tensor == 0 {
		return f.run()
	}
	var begun error
	f.give(partInputs, e.sum)
	if last && !e.late {
		f.told = func(result int) {
			if result == partEarly {
				begun = e.begin(tr.ranks)
			}
		}
		defer func() { f.told = nil }()
	}
	return errors.Join(f.run(), begun)
}
