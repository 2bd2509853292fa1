package nn

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/engine/native"
)

// Cost is what a network takes, counted on the graphs that it records.
type Cost struct {
	Weights int
	// Forward is the operations in the products of matrices and the convolutions of one evaluation for one
	// example, in which a multiplication and an addition are two; Backward those that its gradient takes
	// beside.
	Forward, Backward float64
	// Early is the weights whose gradients are complete before a last stage of the backward pass, and Late
	// the operations of that, behind which the sums of ranks are hidden; 0: there is one stage.
	Early int
	Late  float64
}

// Cost returns that of a network of c, which is complete. Nothing is computed, and no weights are made.
func (c Config) Cost() (cost Cost, err error) {
	defer rescue(&err, "counting operations")
	m, err := newArch(c, 1)
	if err != nil {
		return cost, err
	}
	cost.Weights = m.size
	forward, err := newPrograms(nil, m).velocity.record(1)
	if err != nil {
		return cost, err
	}
	cost.Forward, _ = operations(forward)
	step := &program{name: "gradient",
		inputs: func(n, _ int) []shapes.Shape { return append([]shapes.Shape{m.slab()}, m.exampleShapes(n)...) },
		build: func(in []*Node) []*Node {
			p, b := m.params(in[0]), m.examples(in[1:])
			b.cut = true
			return []*Node{join(Gradient(m.batchLoss(p, p, b, Loss{}), p...))}
		}}
	both, err := step.record(1)
	if err != nil {
		return cost, err
	}
	all, late := operations(both)
	cost.Backward = all - cost.Forward
	if s, ok := m.body.(staged); ok {
		if tensor := s.stages(); tensor > 0 {
			cost.Early, cost.Late = m.size-m.tensors[tensor].Offset, late
		}
	}
	return cost, nil
}

// needed says of each operation of a recording whether a result is made of it.
func needed(r *native.Recording) []bool {
	values, ops := map[int]bool{}, make([]bool, len(r.Ops))
	for _, v := range r.Results {
		values[v] = true
	}
	for i := len(r.Ops) - 1; i >= 0; i-- {
		op := r.Ops[i]
		if ops[i] = slices.ContainsFunc(op.Out, func(v int) bool { return values[v] }); !ops[i] {
			continue
		}
		for _, v := range op.In {
			values[v] = true
		}
	}
	return ops
}

// operations counts those of a recording that are needed, and those of them behind the first thing that waits.
func operations(r *native.Recording) (all, late float64) {
	shape, needs := map[int]shapes.Shape{}, needed(r)
	waits := false
	for i, op := range r.Ops {
		for i, v := range op.Out {
			shape[v] = op.Shapes[i]
		}
		if !needs[i] {
			continue
		}
		n := 0.0
		switch op.Name {
		case "Dot":
			d := shape[op.In[0]].Dimensions
			n = float64(d[len(d)-1])
		case "DotGeneral":
			n = 1
			for _, axis := range op.Attrs[0].([]int) {
				n *= float64(shape[op.In[0]].Dimensions[axis])
			}
		case "ConvGeneral":
			channels := op.Shapes[0].Dimensions[op.Attrs[0].(compute.ConvolveAxesConfig).OutputChannels]
			n = float64(shape[op.In[1]].Size()) / float64(channels)
		case "SchedulingBarrier":
			waits = true
		}
		if n == 0 {
			continue
		}
		n *= 2 * float64(op.Shapes[0].Size())
		if all += n; waits {
			late += n
		}
	}
	return all, late
}
