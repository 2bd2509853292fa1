package nn

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// parts takes the gradient of a batch in parts, one after the other
// (StepOptions.Accumulate), each on several devices (StepOptions.Devices), and those of other
// ranks by these (NetTrainer.Together).
type parts struct {
	sum   []compute.Buffer // of gradients so far, [P], on each device
	progs *byLoss          // adds the gradient of a part
	apply *program         // takes the step, with sum for the gradient
}

// newParts declares the programs of a trainer.
func newParts(tr *NetTrainer) (*parts, error) {
	slab := floats(tr.layout.size)
	inputs := func(rows, _ int) []shapes.Shape {
		return append([]shapes.Shape{slab, floats(2), slab, slab}, tr.net.arch.stepShapes(rows)...)
	}
	progs := &byLoss{declare: func(l Loss) *program {
		return &program{eng: tr.eng, name: "part of a gradient", inputs: inputs, update: []int{0},
			devices: len(tr.state), build: func(in []*Node) []*Node { return tr.partGraph(in, l) }}
	}}
	p := &parts{sum: make([]compute.Buffer, len(tr.state)), progs: progs, apply: tr.applyProgram()}
	return p, p.reset(tr.Trainer)
}

// reset makes the sum zero. A step does so itself, but keeps what is not finite: 0·∞.
func (p *parts) reset(tr *Trainer) (err error) {
	for d := range p.sum {
		if p.sum[d], err = tr.eng.newSlab(compute.DeviceNum(d), tr.layout.size, nil); err != nil {
			return fmt.Errorf("nn: clearing the gradient: %w", err)
		}
	}
	return nil
}

// partGraph: sum [P], [keep, share], weights, EMA, then the examples of the part.
// It returns keep·sum + share·gradient, and the loss of the part.
func (tr *NetTrainer) partGraph(in []*Node, l Loss) []*Node {
	h := func(i int) *Node { return Reshape(Slice(in[1], AxisRange(i, i+1))) }
	loss, grad := tr.lossGraph(in[2], in[3], in[4:], l)
	all := meanOver(len(tr.state), loss, grad)
	return []*Node{Add(Mul(in[0], h(0)), Mul(all[1], h(1))), all[0]}
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
		loss, err := tr.addPart(part, i > 0, share)
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
		g.give(stateSlabs+1, tr.parts.sum[d])
	}
	if err := tr.advance(f, lr); err != nil {
		return r, fmt.Errorf("nn: training step: %w", err)
	}
	r.GradNorm = float64(f.result(stateSlabs)[0])
	tr.parts.apply.back(f)
	return r, tr.diverged(r)
}

// addPart adds share times the gradient of a part to the sum, which begins again
// unless it is kept, and returns the part's mean loss.
func (tr *NetTrainer) addPart(part *Examples, keep bool, share float64) (loss float64, err error) {
	l := part.Loss
	l.Rows /= len(tr.state) // on each device
	prog := tr.parts.progs.of(l)
	f, err := tr.net.examplesFrame(prog, part, 4)
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
	if err := f.run(); err != nil {
		return 0, fmt.Errorf("nn: part of a gradient: %w", err)
	}
	for d, g := range f.each() {
		tr.parts.sum[d] = g.outs[0]
	}
	loss = float64(f.result(1)[0])
	prog.back(f)
	return loss, nil
}
