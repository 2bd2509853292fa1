package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// Pairs are what a teacher makes of its source: row i of X is a draw z, of N(0, I) or
// the teacher's own source, and, beside it, the point x_1 that the teacher's ODE carries
// it to, both of dimension D; X is [N, 2D].
type Pairs struct {
	X     flow.Batch
	Label []int32 // [N], or nil for an unconditional teacher
}

// pairsChunk is how many pairs are solved for at once. The chunks share no
// randomness and no step control, so it is a part of the definition of the pairs.
const pairsChunk = 5000

// ErrTeacher is returned for a teacher that cannot make pairs.
var ErrTeacher = errors.New("train: this model cannot be a teacher")

// MakePairs carries n draws of the teacher's source to points by a sampler without
// noise. Those of a conditional teacher take every class in turn. z is the draw (of the
// path's Gaussian in units of its deviation), x_1 is in the model units of the student,
// whose standardisation is std (nil: none). The pairs are a function of the teacher, the
// sampler and seed.
func MakePairs(
	ctx context.Context, teacher *model.Model, how model.Sampler, std *data.Standardizer, n int, seedValue uint64,
) (Pairs, error) {
	if n < 0 {
		return Pairs{}, fmt.Errorf("train: %d pairs asked for; it must not be negative", n)
	}
	if _, noisy := how.(model.SDE); noisy {
		return Pairs{}, fmt.Errorf("%w: pairs are made by an ODE or by average velocities, not with noise", ErrTeacher)
	}
	// z is x_0 before σ scales it: a source that is not the path's Gaussian is not scaled.
	source, scale := teacher.Source(), 1.0
	if g, ok := source.(flow.Gaussian); ok {
		source, scale = flow.Gaussian{}, g.Std
	}
	d := teacher.Dim()
	switch {
	case teacher.Net().Config().Context > 0:
		return Pairs{}, fmt.Errorf("%w: it takes a context", ErrTeacher)
	case std != nil && len(std.Mean) != 1 && len(std.Mean) != d:
		return Pairs{}, fmt.Errorf("%w: it is of dimension %d, and the student's standardizer of %d",
			ErrTeacher, d, len(std.Mean))
	}
	p := LabelPairs(flow.NewBatch(n, 2*d), teacher.Net().Config().Classes)
	for from := 0; from < n; from += pairsChunk {
		to := min(from+pairsChunk, n)
		z := flow.NewBatch(to-from, d)
		source.Sample(z, seed.Rand(seedValue, "train/pairs", uint64(from)))
		x0 := z.Clone()
		for i := range x0.X {
			x0.X[i] *= scale
		}
		o := model.SampleOptions{Sampler: how, Batch: pairsChunk, Given: flow.Given{Label: p.Slice(from, to).Label}}
		s, err := teacher.SampleFrom(ctx, x0, o)
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
	return Pairs{X: x, Label: LabelsInTurn(x.N, classes)}
}

// LabelsInTurn returns n labels, every class in turn; nil where there are none.
func LabelsInTurn(n, classes int) []int32 {
	if classes == 0 {
		return nil
	}
	label := make([]int32, n)
	for i := range label {
		label[i] = int32(i % classes)
	}
	return label
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
	Pairs     Pairs
	Held      Pairs // that validate
	Distill   int   // K of distillation; 0: times as CFM draws them
	Times     Times // not of distillation
	Weighting Weighting
	Seed      uint64
}

// Limits implements [Limited].
func (o Reflow) Limits() (noDensity, noScore string) {
	if o.Distill > 0 {
		return distillKind().Limits("")
	}
	return reflowKind().Limits("")
}

// check reports what cannot be used, or would have no effect, with the model.
func (o Reflow) check(m *model.Model) error {
	net := m.Net().Config()
	for _, p := range []Pairs{o.Pairs, o.Held} {
		if p.X.N > 0 && p.X.D != 2*net.Dim {
			return fmt.Errorf("train: pairs are [%d, %d]; they must be [N, %d]", p.X.N, p.X.D, 2*net.Dim)
		}
		if want := net.Classes > 0; p.X.N > 0 && (want != (p.Label != nil) || want && len(p.Label) != p.X.N) {
			return fmt.Errorf("train: %w: %d labels of %d pairs for a network of %d classes",
				flow.ErrLabels, len(p.Label), p.X.N, net.Classes)
		}
	}
	switch {
	case o.Distill < 0:
		return fmt.Errorf("train: Reflow.Distill is %d; it must not be negative", o.Distill)
	case o.Distill > 0 && m.Spec().Prediction != path.Velocity:
		return fmt.Errorf("%w, and distill makes steps of them; this one is %v", ErrAverages, m.Spec().Prediction)
	case o.Distill > 0 && o.Times.Defaults() != (Times{}).Defaults():
		return errors.New("train: Reflow.Times is set, but the times of a distillation are those of the Euler steps: " +
			"remove it")
	case net.Context > 0:
		return fmt.Errorf("train: %w: pairs have none, and the network takes %d numbers", flow.ErrContext, net.Context)
	case isNoisy(m):
		return errNoisy("reflow")
	}
	return cmp.Or(o.Times.Validate(), o.Weighting.Validate())
}

// Steps implements [Objective].
func (o Reflow) Steps(ctx context.Context, t Training) (StepFunc, error) {
	if err := o.check(t.Model); err != nil {
		return nil, err
	}
	if o.Pairs.X.N == 0 {
		return nil, fmt.Errorf("train: there are no pairs; they must be [N, %d] with N at least 1", 2*t.Model.Dim())
	}
	return Regress(ctx, t, o.pairing())
}

// Examples implements [Regression]. Steps makes them faster, for it shuffles the pairs
// once an epoch.
func (o Reflow) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	return o.pairing().Examples(m, ex, step)
}

func (o Reflow) pairing() pairing {
	points := data.Points{X: o.Pairs.X, Given: flow.Given{Label: o.Pairs.Label}}
	return pairing{o, data.Shuffle(points, seed.Key(o.Seed, "train/pairs"))}
}

// Validation implements [Validator] by examples of the pairs held out, each once; the
// held-out points of the data are not used.
func (o Reflow) Validation(m *model.Model, _ data.Finite, _ int) (Validate, error) {
	if o.Held.X.N == 0 {
		return nil, nil
	}
	if err := o.check(m); err != nil {
		return nil, err
	}
	return MeanLoss(o.heldOut(m)), nil
}

// heldOut returns the examples of Validation.
func (o Reflow) heldOut(m *model.Model) *nn.Examples {
	ex := nn.NewExamples(o.Held.X.N, m.Dim())
	ex.Given.Label = o.Held.Label
	o.Seed = seed.Key(o.Seed, "train/validation") // apart from every training step
	o.fill(m, ex, o.Held.X, 0)
	return ex
}

// pairing makes the examples of Reflow.
type pairing struct {
	Reflow
	stream data.Stream
}

// Examples implements [Regression].
func (o pairing) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	rows := flow.NewBatch(ex.X1.N, 2*ex.X1.D)
	if err := o.stream.Fill(rows, ex.Given, step); err != nil {
		return fmt.Errorf("train: pairs of step %d: %w", step, err)
	}
	o.fill(m, ex, rows, step)
	return nil
}

// fill makes examples of rows of pairs.
func (o Reflow) fill(m *model.Model, ex *nn.Examples, rows flow.Batch, step uint64) {
	for i := range rows.N {
		row := rows.Row(i)
		copy(ex.X0.Row(i), row[:ex.X0.D])
		copy(ex.X1.Row(i), row[ex.X0.D:])
	}
	rng := seed.Rand(o.Seed, "train/time", step)
	lo, hi := m.Span()
	if o.Distill == 0 {
		o.Times.Sample(ex.T, lo, hi, rng)
	}
	for i := 0; o.Distill > 0 && i < len(ex.T); i++ {
		ex.T[i] = lo + (hi-lo)*float64(rng.IntN(o.Distill))/float64(o.Distill)
	}
	CFM{Weighting: o.Weighting}.coefficients(m, ex)
}
