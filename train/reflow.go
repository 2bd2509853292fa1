package train

import (
	"cmp"
	"context"
	"fmt"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/memory"
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

func reflowKind() Kind {
	return teacherKind("reflow", "straight paths between the pairs of a teacher (rectified flow)", "teacher", "pairs")
}

func distillKind() Kind {
	k := teacherKind("distill", "the whole trajectory of a teacher in few Euler steps",
		"teacher", "pairs", "distill_steps")
	k.Velocity = true
	k.unused = append(k.unused, unused{"times", "its times are those of the Euler steps"})
	k.EulerSteps = func(c Config) int { return c.DistillSteps }
	k.NoDensity = "it is a distilled student: its field is learnt at a few times only, and is not a flow; " +
		"use its teacher"
	pairs, valid := k.defaults, k.validate
	k.defaults = func(c *Config) {
		pairs(c)
		setDefault(&c.DistillSteps, 1)
	}
	k.validate = func(c Config) error {
		if c.DistillSteps < 1 {
			return fmt.Errorf("train: distill_steps is %d; it must be at least 1", c.DistillSteps)
		}
		return valid(c)
	}
	return k
}

// heldPairs is the share of a teacher's pairs that validate: one of so many.
const heldPairs = 50

func teacherKind(name, doc string, keys ...string) Kind {
	return Kind{
		Name: name, Doc: doc, Teacher: true, Straight: true, Sourced: true, keys: keys,
		unused:   []unused{{"label_dropout", "the labels are those that the teacher was given"}},
		defaults: func(c *Config) { setDefault(&c.Pairs, 50000) },
		validate: func(c Config) error {
			if c.Teacher == "" {
				return fmt.Errorf("train: the objective %s needs a teacher: the folder of a trained run", c.Objective)
			}
			if c.Pairs < 100 {
				return fmt.Errorf("train: pairs is %d; it must be at least 100", c.Pairs)
			}
			return nil
		},
		build: func(c Config, in Inputs) (Objective, error) {
			if err := in.Pairs.whole(); err != nil {
				return nil, err
			}
			n := in.Pairs.X.N
			kept := n - n/heldPairs
			return Reflow{
				Pairs: in.Pairs.Slice(0, kept), Held: in.Pairs.Slice(kept, n),
				Distill: c.DistillSteps, Times: c.Times, Weighting: c.Weighting, Seed: in.Seed,
			}, nil
		},
	}
}

// MakePairs carries n draws of the teacher's source to points by a sampler without
// noise. Those of a conditional teacher take every class in turn. z is the draw (of the
// path's Gaussian in units of its deviation), x_1 is in the model units of the student,
// whose units are those of units (nil: those of the data). The pairs are a function of the teacher, the
// sampler and seed. The error of a teacher that cannot make them is [ErrObjective].
func MakePairs(
	ctx context.Context, teacher *model.Model, how model.Sampler, units model.Units, n int, seedValue uint64,
) (Pairs, error) {
	if n < 0 {
		return Pairs{}, fmt.Errorf("train: %d pairs asked for; it must not be negative", n)
	}
	if err := checkTeacher(teacher, how, units); err != nil {
		return Pairs{}, err
	}
	// z is x_0 before σ scales it: a source that is not the path's Gaussian is not scaled.
	source, scale := teacher.Source(), 1.0
	if g, ok := source.(flow.Gaussian); ok {
		source, scale = flow.Gaussian{}, g.Std
	}
	d := teacher.Dim()
	if err := memory.Check(fmt.Sprintf("train.pairs %d", n), float64(n)*(8*2*float64(d)+4)); err != nil {
		return Pairs{}, fmt.Errorf("train: %w", err)
	}
	p := Pairs{X: flow.NewBatch(n, 2*d), Label: flow.LabelsInTurn(n, teacher.Net().Config().Classes)}
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
		if !absent.Is(units) {
			units.Apply(s.X)
		}
		for i := range z.N {
			row := p.X.Row(from + i)
			copy(row, z.Row(i))
			copy(row[d:], s.X.Row(i))
		}
	}
	return p, nil
}

// checkTeacher reports a model that cannot make pairs, or not so.
func checkTeacher(teacher *model.Model, how model.Sampler, units model.Units) error {
	if teacher == nil || teacher.Net() == nil {
		return misfit("the teacher is nil or empty; give a model that was trained")
	}
	if absent.Is(how) {
		return misfit("there is no sampler for the teacher: it is nil; give one, such as model.ODE{Solver: ...}")
	}
	switch how.(type) {
	case model.SDE, *model.SDE:
		return misfit("the teacher's pairs are made by an ODE or by average velocities, not with noise")
	}
	if teacher.Net().Config().Context > 0 {
		return misfit("this model cannot be a teacher: it takes a context")
	}
	if absent.Is(units) {
		return nil
	}
	d := teacher.Dim()
	switch u := units.(type) {
	case *data.Standardizer:
		if err := u.Validate(); err != nil {
			return misfit("the student's standardizer: %w", err)
		}
		if len(u.Mean) != 1 && len(u.Mean) != d {
			return misfit("the teacher is of dimension %d, and the student's standardizer of %d", d, len(u.Mean))
		}
	case interface{ Dim() int }: // a schema
		if u.Dim() != d {
			return misfit("the teacher is of dimension %d, and the student's schema of %d", d, u.Dim())
		}
	}
	return nil
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
func (o Reflow) Limits() (noDensity, noScore string) { return o.kind().Limits("") }

// kind returns the row of the table.
func (o Reflow) kind() Kind {
	if o.Distill > 0 {
		return distillKind()
	}
	return reflowKind()
}

// Check implements [Objective]. A setting that would have no effect is an error too.
func (o Reflow) Check(m *model.Model) error {
	if err := usable(m); err != nil {
		return err
	}
	net, kind := m.Net().Config(), o.kind()
	if err := cmp.Or(o.Pairs.check(net), o.Held.check(net)); err != nil {
		return err
	}
	switch {
	case o.Pairs.X.N == 0:
		return misfit("there are no pairs; they must be [N, %d] with N at least 1", 2*net.Dim)
	case o.Distill < 0:
		return misfit("Reflow.Distill is %d; it must not be negative", o.Distill)
	case o.Distill > 0 && m.Spec().Prediction != path.Velocity:
		return misfit("%s makes steps of average velocities, which are for the prediction velocity, not %v", kind.Name,
			m.Spec().Prediction)
	case o.Distill > 0 && o.Times.Defaults() != (Times{}).Defaults():
		return misfit("Reflow.Times is set, but the times of a distillation are those of the Euler steps: remove it")
	case net.Context > 0:
		return misfit("%w: pairs have none, and the network takes %d numbers", flow.ErrContext, net.Context)
	}
	return cmp.Or(kind.takes(m), o.cfm().checkTiming(m))
}

// check reports pairs that are not those of a network; none fit any.
func (p Pairs) check(net nn.Config) error {
	if p.X.N == 0 {
		return nil
	}
	if err := p.whole(); err != nil {
		return err
	}
	switch {
	case p.X.D != 2*net.Dim:
		return misfit("pairs are [%d, %d]; they must be [N, %d]", p.X.N, p.X.D, 2*net.Dim)
	case (net.Classes > 0) != (p.Label != nil):
		return misfit("%w: %d labels of %d pairs for a network of %d classes", flow.ErrLabels, len(p.Label), p.X.N,
			net.Classes)
	}
	return nil
}

// whole reports pairs that lack numbers or labels.
func (p Pairs) whole() error {
	switch {
	case p.X.N < 0 || len(p.X.X) != p.X.N*p.X.D:
		return misfit("pairs are [%d, %d] with %d numbers; there must be %d", p.X.N, p.X.D, len(p.X.X), p.X.N*p.X.D)
	case p.Label != nil && len(p.Label) != p.X.N:
		return misfit("%w: %d labels of %d pairs", flow.ErrLabels, len(p.Label), p.X.N)
	}
	return nil
}

// Examples implements [Regression]. It shuffles the pairs first, which a training does once
// an epoch.
func (o Reflow) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	p, err := o.pairing(m)
	if err != nil {
		return err
	}
	return p.Examples(m, ex, step)
}

// pairing returns what makes the examples.
func (o Reflow) pairing(m *model.Model) (pairing, error) {
	points := data.Points{X: o.Pairs.X, Given: flow.Given{Label: o.Pairs.Label}}
	cfm, err := o.cfm().timed(m)
	return pairing{o, cfm, data.Shuffle(points, seed.Key(o.Seed, "train/pairs"))}, err
}

// cfm has how times and errors count.
func (o Reflow) cfm() CFM { return CFM{Times: o.Times, Weighting: o.Weighting} }

// Validation implements [Validator] by examples of the pairs held out, each once; the
// held-out points of the data are not used.
func (o Reflow) Validation(m *model.Model, _ data.Finite, _ int) (Validate, error) {
	if o.Held.X.N == 0 {
		return nil, nil
	}
	if err := o.Check(m); err != nil {
		return nil, err
	}
	ex, err := o.heldOut(m)
	return meanLoss(ex), err
}

// heldOut returns the examples of Validation.
func (o Reflow) heldOut(m *model.Model) (*nn.Examples, error) {
	cfm, err := o.cfm().timed(m)
	if err != nil {
		return nil, err
	}
	ex := nn.NewExamples(o.Held.X.N, m.Dim())
	ex.Given.Label = o.Held.Label
	o.Seed = seed.Key(o.Seed, "train/validation") // apart from every training step
	o.fill(m, cfm, ex, o.Held.X, 0)
	return ex, nil
}

// pairing makes the examples of Reflow.
type pairing struct {
	Reflow
	cfm    CFM // timed
	stream data.Stream
}

// Examples implements [Regression].
func (o pairing) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	if err := fits(m, ex); err != nil {
		return err
	}
	rows := flow.NewBatch(ex.X1.N, 2*ex.X1.D)
	if err := fillPoints(o.stream, rows, ex.Given, step, ex.Of); err != nil {
		return fmt.Errorf("train: pairs of step %d: %w", step, err)
	}
	o.fill(m, o.cfm, ex, rows, step)
	return nil
}

// fill makes examples of rows of pairs, with times and weights as cfm has them.
func (o Reflow) fill(m *model.Model, cfm CFM, ex *nn.Examples, rows flow.Batch, step uint64) {
	for i := range rows.N {
		row := rows.Row(i)
		copy(ex.X0.Row(i), row[:ex.X0.D])
		copy(ex.X1.Row(i), row[ex.X0.D:])
	}
	rng := seed.Rand(o.Seed, "train/time", step)
	lo, hi := m.Span()
	wholly(ex, func(all *nn.Examples) {
		if o.Distill == 0 {
			cfm.timing.draw(all.T, all.Weight, rng)
			return
		}
		for i := range all.T {
			all.T[i] = lo + (hi-lo)*float64(rng.IntN(o.Distill))/float64(o.Distill)
			all.Weight[i] = 1
		}
	})
	cfm.coefficients(m, ex)
}
