package nn

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/cluster"
)

// turned shares the work of Muon among ranks: each computes the steps of some of the inner matrices, which
// are then given to all. The work does not depend on the batch, so that without this every rank would do
// all of it: with five layers of 512 and a batch of 4096 that is a third of a step of one rank.
type turned struct {
	begins []int    // where the step of each inner matrix begins, one after the other, and where the last ends
	ends   []int    // where those of each rank end
	mine   *program // of the first moment [P] and the sums of gradients: the steps of this rank's matrices
}

// newTurned declares the program of a rank; it is nil where there is nothing to share.
func newTurned(tr *NetTrainer, p *parts) *turned {
	l, ranks := tr.layout, tr.ranks
	if tr.opt.Name != Muon || ranks.Size() == 1 || len(l.inner) < 2 {
		return nil
	}
	t := &turned{begins: []int{0}}
	for k, i := range l.inner {
		t.begins = append(t.begins, t.begins[k]+l.tensors[i].Size())
	}
	for rank := range ranks.Size() {
		_, end := ranks.ShareOf(rank, len(l.inner))
		t.ends = append(t.ends, t.begins[end])
	}
	from, to := ranks.Share(len(l.inner))
	if from == to { // there are more ranks than matrices
		return t
	}
	t.mine = &program{eng: tr.eng, name: "steps of matrices", devices: len(tr.state),
		inputs: func(_, _ int) []shapes.Shape { return append([]shapes.Shape{floats(l.size)}, p.shapes(l)...) },
		build: func(in []*Node) []*Node {
			grad, _ := tr.opt.clipped(Concatenate(in[1:], 0))
			ahead := tr.opt.mean(tr.opt.mean(in[0], grad), grad)
			var steps []*Node
			for k := from; k < to; k++ {
				steps = append(steps, l.orthogonalOf(ahead, k))
			}
			return []*Node{Concatenate(steps, 0)}
		}}
	return t
}

// shapes returns those of what the optimizer's step takes.
func (t *turned) shapes() []shapes.Shape {
	if t == nil {
		return nil
	}
	return []shapes.Shape{floats(t.begins[len(t.begins)-1])}
}

// from returns what replaces the k-th matrix in a step that is given the steps of all last; nil: nothing is.
func (t *turned) from(in []*Node) func(k int) *Node {
	if t == nil {
		return nil
	}
	given := in[len(in)-1]
	return func(k int) *Node { return Slice(given, AxisRange(t.begins[k], t.begins[k+1])) }
}

// compute writes the steps of all matrices into all, one after the other.
func (t *turned) compute(tr *NetTrainer, all []float32) error {
	if t.mine != nil {
		f, err := t.mine.frame(0, 0)
		if err != nil {
			return err
		}
		for d, g := range f.each() {
			g.give(0, tr.state[d][2])
			tr.parts.give(g, 1, d)
		}
		if err := f.run(); err != nil {
			return fmt.Errorf("nn: steps of matrices: %w", err)
		}
		copy(all[t.ends[tr.ranks.Rank()]-len(f.result(0)):], f.result(0))
		t.mine.back(f)
	}
	if err := cluster.Spread(tr.ranks, all, t.ends); err != nil {
		return fmt.Errorf("nn: steps of matrices: %w", err)
	}
	return nil
}
