package train

import (
	"context"
	"fmt"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// Pairs are what a teacher makes of noise: row i of X is a draw z of N(0, I) and,
// beside it, the point x_1 that the teacher's ODE carries it to, both of dimension
// D; X is [N, 2D].
type Pairs struct {
	X     flow.Batch
	Label []int32 // [N], or nil for an unconditional teacher
}

// pairsChunk is how many pairs are solved for at once. The chunks share no
// randomness and no step control, so it is a part of the definition of the pairs.
const pairsChunk = 5000

// MakePairs carries n draws of the teacher's source to points, as how says: its
// Solver or its Intervals. Those of a conditional teacher take every class in turn. z is the draw in units of the
// source's deviation, x_1 in data units less std, the standardisation of the student
// (nil: none). The pairs are a function of the teacher, how and seed.
func MakePairs(ctx context.Context, teacher *model.Model, how model.SampleOptions, std *data.Standardizer, n int, seedValue uint64) (Pairs, error) {
	d, classes := teacher.Dim(), teacher.Net.Config().Classes
	p := LabelPairs(flow.NewBatch(n, 2*d), classes)
	scale := path.Source(teacher.Scheduler).Std
	for from := 0; from < n; from += pairsChunk {
		to := min(from+pairsChunk, n)
		z := flow.NewBatch(to-from, d)
		flow.Gaussian{}.Sample(z, seed.Rand(seedValue, "train/pairs", uint64(from)))
		x0 := z.Clone()
		for i := range x0.X {
			x0.X[i] *= scale
		}
		how.LogProb, how.Label, how.Batch = false, nil, pairsChunk
		if p.Label != nil {
			how.Label = p.Label[from:to]
		}
		s, err := teacher.SampleFrom(ctx, x0, how)
		if err != nil {
			return Pairs{}, fmt.Errorf("train: pairs %d to %d of the teacher: %w", from, to, err)
		}
		if std != nil {
			std.Apply(s.X)
		}
		for i := range z.N {
			row := p.X.Row(from + i)
			copy(row, z.Row(i))
			copy(row[d:], s.X.Row(i))
		}
	}
	return p, nil
}

// LabelPairs returns pairs with the labels that MakePairs gives them: every class
// in turn; of no classes, none.
func LabelPairs(x flow.Batch, classes int) Pairs {
	p := Pairs{X: x}
	if classes > 0 {
		p.Label = make([]int32, x.N)
		for i := range p.Label {
			p.Label[i] = int32(i % classes)
		}
	}
	return p
}

// Slice returns pairs i (included) to j (excluded), sharing memory with p.
func (p Pairs) Slice(i, j int) Pairs {
	part := Pairs{X: p.X.Slice(i, j)}
	if p.Label != nil {
		part.Label = p.Label[i:j]
	}
	return part
}

// Reflow is CFM along the straight paths between the pairs of a teacher: rectified
// flow (Liu et al. 2022, arXiv:2209.03003). The pairs come in a new order each
// epoch. A flow that is learnt from its teacher's pairs is straighter than it, so
// fewer steps do for the same samples.
//
// At the times 0, 1/K, ... (K-1)/K alone it is distillation: the student learns the
// whole way at once, and K steps of Euler's method are all that it is good for.
type Reflow struct {
	cfm    CFM
	stream data.Stream
	grid   int // distillation: K; 0: times as CFM draws them
	dim    int
}

// NewReflow returns the objective of pairs. Of cfm, the fields Data, Coupling and
// Source are not used: the pairs are all three. distill K > 0 asks for distillation
// into K steps.
func NewReflow(cfm CFM, p Pairs, distill int) (Reflow, error) {
	if p.X.N == 0 || p.X.D%2 != 0 || p.X.D == 0 {
		return Reflow{}, fmt.Errorf("train: pairs are [%d, %d]; they must be [N, 2D] with N at least 1", p.X.N, p.X.D)
	}
	if distill > 0 && cfm.Prediction != path.Velocity {
		return Reflow{}, ErrAverages
	}
	cfm.Data, cfm.Coupling, cfm.Source = nil, nil, nil
	return Reflow{
		cfm: cfm, grid: distill, dim: p.X.D / 2,
		stream: data.Shuffle(data.Points{X: p.X, Label: p.Label}, seed.Key(cfm.Seed, "train/pairs")),
	}, nil
}

// Steps implements [Objective].
func (o Reflow) Steps(ctx context.Context, tr *nn.Trainer, cfg Config, from int) StepFunc {
	return regress(ctx, o, tr, cfg, from)
}

// Examples fills ex with the examples of a step, which is a pure function of o
// and step. Safe for concurrent use.
func (o Reflow) Examples(ex *nn.Examples, step uint64) error {
	if o.cfm.Labels && ex.Label == nil {
		ex.Label = make([]int32, ex.X1.N)
	}
	if ex.X1.D != o.dim {
		return fmt.Errorf("train: pairs of dimension %d for a network of dimension %d", o.dim, ex.X1.D)
	}
	rows := flow.NewBatch(ex.X1.N, 2*o.dim)
	if err := o.stream.Fill(rows, ex.Label, step); err != nil {
		return fmt.Errorf("train: pairs of step %d: %w", step, err)
	}
	o.fill(ex, rows, step)
	return nil
}

// Validation returns fixed examples of held-out pairs, each once.
func (o Reflow) Validation(p Pairs) *nn.Examples {
	if p.X.N == 0 {
		return nil
	}
	ex := nn.NewExamples(p.X.N, o.dim)
	if o.cfm.Labels {
		ex.Label = p.Label
	}
	o.cfm.Seed = seed.Key(o.cfm.Seed, "train/validation") // apart from every training step
	o.fill(ex, p.X, 0)
	return ex
}

// fill makes examples of rows of pairs.
func (o Reflow) fill(ex *nn.Examples, rows flow.Batch, step uint64) {
	for i := range rows.N {
		row := rows.Row(i)
		copy(ex.X0.Row(i), row[:o.dim])
		copy(ex.X1.Row(i), row[o.dim:])
	}
	rng := seed.Rand(o.cfm.Seed, "train/time", step)
	lo, hi := path.Span(o.cfm.Scheduler, o.cfm.Prediction)
	if o.grid == 0 {
		o.cfm.Times.Sample(ex.T, lo, hi, rng)
	}
	for i := 0; o.grid > 0 && i < len(ex.T); i++ {
		ex.T[i] = lo + (hi-lo)*float64(rng.IntN(o.grid))/float64(o.grid)
	}
	o.cfm.place(ex)
}
