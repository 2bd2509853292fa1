package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/train"
)

// fewCounts are the numbers of evaluations that samples are compared at.
var fewCounts = []int{1, 2, 4, 100}

const (
	// manyTimes is how many times as many samples as elsewhere show what few steps leave between the
	// parts of the data, which W2 of some thousand points does not see.
	manyTimes  = 10
	directions = 256 // of sliced W2
	// A point is off where the density is below that of all but one in offOne of the data:
	// in the plane about four standard deviations from the centre of a Gaussian.
	offOne     = 3000
	offDraws   = 100 * offOne
	fewPurpose = "experiment/few"
)

// fewSteps measures the samples that few evaluations of the network make: steps of
// the average velocity where it was learnt, of Euler's method elsewhere.
func fewSteps(ctx context.Context, c Cell, t trained, r *Result) error {
	test, x0, given, err := t.start(c)
	if err != nil {
		return err
	}
	all, err := t.crowd(c, r)
	if err != nil {
		return err
	}
	var errs []error
	for _, steps := range fewCounts {
		if err := t.few(ctx, c, steps, test, x0, given, all, r); err != nil {
			errs = append(errs, fmt.Errorf("%d evaluations: %w", steps, err))
		}
	}
	return errors.Join(append(errs, floor(t, test.N, r))...)
}

// few measures the samples that so many evaluations make of x0, beside the test points and,
// where there is one, the crowd.
func (t trained) few(ctx context.Context, c Cell, steps int, test, x0 flow.Batch, given flow.Given, all *crowd,
	r *Result) error {
	how, err := t.fewSampler(steps)
	if how == nil {
		return err
	}
	s, err := t.Model.SampleFrom(ctx, x0, model.SampleOptions{Given: given, Sampler: how})
	if err != nil {
		return err
	}
	w2, err := metrics.W2(s.X, test)
	if err != nil {
		return err
	}
	r.set(fmt.Sprintf("w2_%d", steps), w2)
	if all == nil {
		return nil
	}
	from := source(t, all.x.N, c.Seed)
	if s, err = t.Model.SampleFrom(ctx, from, model.SampleOptions{Sampler: how}); err != nil {
		return err
	}
	return all.compare(t, c, s.X, fmt.Sprint(steps), r)
}

// fewSampler returns what samples with so many evaluations; nil: nothing does.
func (t trained) fewSampler(steps int) (model.Sampler, error) {
	kind, err := train.KindOf(t.run.Config.Train.Objective)
	switch {
	case err != nil:
		return nil, err
	case kind.Averages:
		return model.Average{Steps: steps}, nil
	case t.EulerSteps > 0 && t.EulerSteps != steps:
		return nil, nil // a distilled student is made for one number of steps
	}
	return model.ODE{Solver: ode.Solver{Method: ode.Euler, Control: ode.Fixed(steps)}}, nil
}

// crowd are many points of an endless set that no training has seen.
type crowd struct {
	x     flow.Batch
	least *float64 // log-density of the point that one in offOne is rarer than; nil: not known
}

// crowd draws the points that many samples are compared with, and records what such points
// come to themselves; nil where the set has an end.
func (t trained) crowd(c Cell, r *Result) (*crowd, error) {
	if t.Set.TrainSet != nil || t.run.Conditional() || t.Set.Context > 0 {
		return nil, nil
	}
	var points [3]flow.Batch
	many := manyTimes * t.run.Config.Eval.Samples
	for k, n := range []int{many, many, offDraws} {
		const beyond = 1 << 40 // all steps of training
		points[k] = flow.NewBatch(n, t.Model.Dim())
		if err := t.Set.Train.Fill(points[k], flow.Given{}, beyond+uint64(k)); err != nil {
			return nil, err
		}
	}
	all := &crowd{x: points[0]}
	if t.Set.Density != nil {
		logp := make([]float64, offDraws)
		t.Set.Density.LogProb(logp, points[2])
		slices.Sort(logp)
		all.least = &logp[offDraws/offOne]
	}
	return all, all.compare(t, c, points[1], "data", r)
}

// compare records how far points are from the crowd, and the share of them that is off.
func (all *crowd) compare(t trained, c Cell, x flow.Batch, name string, r *Result) error {
	sw2, err := metrics.SlicedW2(x, all.x, directions, seed.Rand(c.Seed, fewPurpose, 0))
	if err != nil {
		return err
	}
	r.set("sw2_"+name, sw2)
	if all.least == nil {
		return nil
	}
	logp, off := make([]float64, x.N), 0
	t.Set.Density.LogProb(logp, x)
	for _, v := range logp {
		if v < *all.least {
			off++
		}
	}
	r.set("off_"+name, float64(off)/float64(x.N))
	return nil
}
