package nn

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// parts takes the gradient of a batch in parts, one after the other (Economy.Accumulate)
// and each on several devices (Economy.Devices).
type parts struct {
	net   *Net
	sum   []compute.Buffer // of gradients so far, [P], on each device
	progs *judged          // adds the gradient of a part
	apply *program         // takes the step, with sum for the gradient
}

// newParts declares the programs of a trainer.
func newParts(tr *Trainer) *parts {
	n := tr.net
	slab := shapes.Make(dtypes.Float32, n.arch.size)
	inputs := func(rows, _ int) []shapes.Shape {
		return append([]shapes.Shape{slab, shapes.Make(dtypes.Float32, 2), slab, slab}, n.arch.stepShapes(rows)...)
	}
	progs := &judged{declare: func(l Loss) *program {
		return &program{eng: n.eng, name: "part of a gradient", inputs: inputs, update: []int{0}, devices: tr.how.Devices,
			build: func(in []*Node) []*Node { return tr.partGraph(in, l) }}
	}}
	return &parts{net: n, sum: make([]compute.Buffer, len(tr.state)), progs: progs, apply: tr.applyProgram()}
}

// reset makes the sum zero: keep = 0 does not clear what is not finite.
func (p *parts) reset() (err error) {
	zeros := make([]float32, p.net.arch.size)
	for d := range p.sum {
		if p.sum[d], err = p.net.eng.uploadTo(compute.DeviceNum(d), zeros); err != nil {
			return err
		}
	}
	return nil
}

// partGraph: sum [P], [keep, share], weights, EMA, then the examples of the part.
// It returns keep·sum + share·gradient, and the loss of the part.
func (tr *Trainer) partGraph(in []*Node, l Loss) []*Node {
	h := func(i int) *Node { return Reshape(Slice(in[1], AxisRange(i, i+1))) }
	loss, grad := tr.lossGraph(in[2], in[3], in[4:], l)
	all := meanOver(tr.how.Devices, loss, grad)
	return []*Node{Add(Mul(in[0], h(0)), Mul(all[1], h(1))), all[0]}
}

// stepInParts is Step, with the gradient taken in parts.
func (tr *Trainer) stepInParts(ex *Examples, lr float64) (r StepResult, err error) {
	for i, part := range ex.cut(tr.how.Accumulate) {
		share := float64(part.X1.N) / float64(ex.X1.N)
		loss, err := tr.addPart(part, i > 0, share)
		if err != nil {
			return r, err
		}
		r.Loss += share * loss
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
	r.GradNorm = float64(f.result(4)[0])
	tr.parts.apply.back(f)
	return r, tr.diverged(r)
}

// addPart adds share times the gradient of a part to the sum, which begins anew
// unless it is kept, and returns the part's mean loss.
func (tr *Trainer) addPart(part *Examples, keep bool, share float64) (loss float64, err error) {
	l := part.Loss
	l.Rows /= len(tr.state) // on each device
	prog := tr.parts.progs.by(l)
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

// cut cuts a batch into parts of N/k examples; those whose targets are made and those
// whose are given are apart, for each kind is one program.
func (ex *Examples) cut(k int) (parts []*Examples) {
	n := ex.X1.N
	size := max(1, n/max(1, k))
	add := func(from, end int, l func(rows int) Loss) {
		for ; from < end; from += size {
			part := ex.Slice(from, min(from+size, end))
			part.Loss = l(part.X1.N)
			parts = append(parts, part)
		}
	}
	made := ex.Loss.Rows
	add(0, made, func(rows int) Loss { l := ex.Loss; l.Rows = rows; return l })
	add(made, n, func(int) Loss { return ex.Loss.given() })
	return parts
}
