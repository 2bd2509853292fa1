package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"flowmatch/calibration"
	"flowmatch/classify"
	"flowmatch/data/simulator"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
	"flowmatch/model"
	"flowmatch/nn"
)

// posteriorSamples is how many samples are drawn of each posterior at most, and compared with as
// many of the reference: the size that published figures are of, and that of sbibm's references.
const posteriorSamples = 10000

// The number of fresh simulations that calibration looks at, of samples of each posterior, and
// of levels that its curve has.
const (
	calibrated       = 500
	calibratedDraws  = 100
	calibratedLevels = 20
)

// freshSimulations is the number of the first simulation that calibration looks at: far
// beyond those of any training.
const freshSimulations = 1 << 40

var errNoSimulator = errors.New("it is of the posteriors of a simulator; set data.simulator")

// recordedOfPosteriors is what the measure posterior records.
func recordedOfPosteriors() recorded {
	return recorded{values: []string{"c2st", "c2st_se", "c2st_#", "outside", "sample_seconds", "sample_nfe"}}
}

func recordedOfCalibration() recorded {
	return recorded{
		values: []string{"sbc_p", "sbc_bias", "sbc_spread", "tarp_p", "tarp_atc", "tarp_atc_err"},
		curves: []string{"tarp"},
	}
}

// simulatorOf returns the simulator of a cell.
func (c Cell) simulatorOf() (*simulator.Simulator, error) {
	if c.Config.Data.Simulator == "" {
		return nil, errNoSimulator
	}
	return simulator.ByName(c.Config.Data.Simulator)
}

// need says whether something that is measured of a cell has a need.
func (c Cell) need(of func(needs) bool) bool {
	return slices.ContainsFunc(c.measures, func(name string) bool {
		m, err := measureByName(name)
		return err == nil && of(m.needs)
	})
}

// observed says whether a cell is measured at the observations of its simulator.
func (c Cell) observed() bool { return c.need(func(n needs) bool { return n.observed }) }

// observations reads those of a cell, all of them.
func (c Cell) observations() (all []simulator.Observation, err error) {
	for k := range simulator.Observations {
		o, err := simulator.ReadObservation(c.files, c.Config.Data.Simulator, k+1)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// posteriors compares samples of the posteriors of the ten observations with the reference.
func posteriors(ctx context.Context, c Cell, t trained, r *Result) error {
	sim, err := c.simulatorOf()
	if err != nil {
		return err
	}
	observations, err := c.observations()
	if err != nil {
		return err
	}
	var seconds, nfe, outside []float64
	var samples []flow.Batch
	for k, o := range observations {
		start := time.Now()
		z, err := t.Model.Contexts(flow.Batch{N: 1, D: len(o.X), X: o.X})
		if err != nil {
			return err
		}
		d, err := t.within(ctx, c, sim, z, size(o), fmt.Sprintf("experiment/posterior %d", k+1))
		if err != nil {
			return fmt.Errorf("observation %d: %w", k+1, err)
		}
		seconds = append(seconds, time.Since(start).Seconds())
		nfe, samples = append(nfe, float64(d.Stats.NFE)), append(samples, d.X)
		if a := d.Inside; a != nil {
			outside = append(outside, 1-float64(a.Inside)/float64(a.Drawn))
		}
	}
	r.set("sample_seconds", stat.Mean(seconds))
	r.set("sample_nfe", stat.Mean(nfe))
	if len(outside) == 0 {
		outside = []float64{0} // a prior without a box has no outside
	}
	r.set("outside", stat.Mean(outside))
	return r.compare(ctx, t.Model.Net().Engine(), observations, samples)
}

// size is how many samples of the posterior of an observation are compared.
func size(o simulator.Observation) int { return min(o.Posterior.N, posteriorSamples) }

// compare records C2ST of samples of each observation against the reference.
func (r *Result) compare(ctx context.Context, eng *nn.Engine, of []simulator.Observation, samples []flow.Batch) error {
	var all []float64
	for k, o := range of {
		reference := o.Posterior.Slice(0, size(o))
		found, err := classify.TwoSample(ctx, eng, reference, samples[k], classify.C2STOptions{Seed: 1})
		if err != nil {
			return fmt.Errorf("observation %d: %w", k+1, err)
		}
		r.set(fmt.Sprintf("c2st_%d", k+1), found.Accuracy)
		all = append(all, found.Accuracy)
	}
	mean, se := stat.MeanStdErr(all)
	r.set("c2st", mean)
	r.set("c2st_se", se)
	return nil
}

// within draws n samples for each of the contexts, which are in model units, by the run file's
// solver; those outside of the prior's box are drawn again.
func (t trained) within(ctx context.Context, c Cell, sim *simulator.Simulator, contexts flow.Batch, n int,
	purpose string) (model.Samples, error) {
	solver, err := t.Settings.Solver()
	if err != nil {
		return model.Samples{}, err
	}
	rows := make([]int, contexts.N*n)
	for i := range rows {
		rows[i] = i / n
	}
	o := model.SampleOptions{
		N: len(rows), Seed: seed.Rand(c.Seed, purpose, 0).Uint64(), Sampler: model.ODE{Solver: solver},
		Given: flow.Given{Context: contexts}.Rows(rows), Within: &model.Within{},
	}
	if box := sim.Prior.Box(); box != nil {
		o.Within.Inside = box.Contains
	}
	return t.Model.Sample(ctx, o)
}

// calibrates tests whether posteriors of fresh simulations are right on average.
func calibrates(ctx context.Context, c Cell, t trained, r *Result) error {
	sim, err := c.simulatorOf()
	if err != nil {
		return err
	}
	truth, x := flow.NewBatch(calibrated, len(sim.Params)), flow.NewBatch(calibrated, len(sim.Data))
	if err := sim.Draw(truth, x, c.Seed, freshSimulations); err != nil {
		return err
	}
	z, err := t.Model.Contexts(x)
	if err != nil {
		return err
	}
	d, err := t.within(ctx, c, sim, z, calibratedDraws, "experiment/calibration")
	if err != nil {
		return err
	}
	rng := seed.Rand(c.Seed, "experiment/ranks", 0)
	ranks, err := calibration.SBC(truth, d.X, rng)
	if err != nil {
		return err
	}
	var p, bias, spread []float64
	for k := range sim.Params {
		u, err := ranks.Uniformity(k, 0)
		if err != nil {
			return err
		}
		p, spread = append(p, u.KSP), append(spread, u.Spread)
		bias = append(bias, max(u.Bias, -u.Bias))
	}
	r.set("sbc_p", min(1, slices.Min(p)*float64(len(p)))) // of as many tests
	r.set("sbc_bias", slices.Max(bias))
	r.set("sbc_spread", stat.Mean(spread))
	cover, err := calibration.TARP(truth, d.X, calibration.References(truth, rng), rng)
	if err != nil {
		return err
	}
	r.set("tarp_p", cover.Uniformity.KSP)
	r.set("tarp_atc", cover.ATC)
	r.set("tarp_atc_err", cover.ATCErr)
	for k := range calibratedLevels + 1 {
		level := float64(k) / calibratedLevels
		share, _ := cover.At(level)
		r.add("tarp", level, share)
	}
	return nil
}
