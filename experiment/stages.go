package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"flowmatch/run"
	"flowmatch/train"
)

// stagePoints is how many points the figures of a snapshot are measured on.
const stagePoints = 1000

// stageGaps are the distances to the optimum, in nats, whose price is measured.
var stageGaps = []float64{0.2, 0.1, 0.05}

var errLacking = errors.New("a run lacks snapshots that it should have, so that its stages are not all there")

var errNoSnapshots = errors.New("the run keeps no snapshots; set train.snapshot_every")

// stages measures every snapshot of a run, by step and by seconds of training.
func stages(ctx context.Context, c Cell, t trained, r *Result) error {
	return t.eachStage(r, func(step int, events []train.Event) error {
		at, err := t.at(step)
		if err != nil {
			return err
		}
		return stage(ctx, c, at, events, r)
	})
}

// eachStage measures every snapshot of a run, of which the figures of a step have an NFE by
// step at least; one that fails does not keep the others from being measured. measure is given
// the log of the training, too.
func (t trained) eachStage(r *Result, measure func(step int, events []train.Event) error) error {
	steps, err := run.Snapshots(t.run.Dir)
	if err != nil {
		return err
	}
	if len(steps) == 0 {
		return errNoSnapshots
	}
	events, err := run.ReadMetrics(metricsFile(t.run.Dir))
	if err != nil {
		return err
	}
	if lacks := t.lacking(steps, events); len(lacks) > 0 {
		return fmt.Errorf("%w: %s has none of the steps %v; remove the folder, and the run is made again",
			errLacking, t.run.Dir, lacks)
	}
	var errs []error
	for _, step := range steps {
		if err := measure(step, events); err != nil {
			errs = append(errs, fmt.Errorf("snapshot of step %d: %w", step, err))
		}
	}
	r.setNFE()
	return errors.Join(errs...)
}

// lacking returns the steps of which the run should have a snapshot, and has none.
func (t trained) lacking(steps []int, events []train.Event) (lacks []int) {
	last, every := 0, t.run.Config.Train.SnapshotEvery
	for _, e := range events {
		last = max(last, e.Step)
	}
	for step := every; every > 0 && step <= last; step += every {
		if !slices.Contains(steps, step) {
			lacks = append(lacks, step)
		}
	}
	return lacks
}

// setNFE records how the NFE of the snapshots ends, and how far it ranges.
func (r *Result) setNFE() {
	nfe := r.Curves["nfe_by_step"].Y
	if len(nfe) == 0 {
		return
	}
	r.set("nfe_last", nfe[len(nfe)-1])
	r.set("nfe_spread", slices.Max(nfe)-slices.Min(nfe))
}

// stage measures one snapshot.
func stage(ctx context.Context, c Cell, t trained, events []train.Event, r *Result) error {
	step := t.Step
	solver, err := t.Settings.Solver()
	if err != nil {
		return err
	}
	x, given, err := t.TestPoints(stagePoints)
	if err != nil {
		return err
	}
	s, err := t.sampleFrom(ctx, source(t, x.N, c.Seed), given, solver)
	if err != nil {
		return err
	}
	l, _, err := t.Likelihood(ctx, x, given)
	if err != nil {
		return err
	}
	seconds, evaluations := spent(events, step)
	r.add("nfe_by_step", float64(step), float64(s.Stats.NFE))
	r.add("nll_by_step", float64(step), l.NLL)
	r.add("nll_by_second", seconds, l.NLL)
	at := fmt.Sprintf("at step %d ", step)
	r.doubt(l.Check, at, "nll_by_step", "nll_by_second")
	if l.Gap == nil {
		return nil
	}
	for _, gap := range stageGaps {
		name := fmt.Sprintf("to_gap_%g", gap)
		if _, reached := r.Values["steps_"+name]; *l.Gap <= gap && !reached {
			r.set("steps_"+name, float64(step))
			r.set("seconds_"+name, seconds)
			r.set("evaluations_"+name, evaluations)
			r.doubt(l.Check, at, "steps_"+name, "seconds_"+name, "evaluations_"+name)
		}
	}
	return nil
}

// spent returns the seconds of training up to a step, and how often the network was
// evaluated forwards: once a step of regression, NFE times a step through a solver.
func spent(events []train.Event, step int) (seconds, evaluations float64) {
	from := 0
	for _, e := range events {
		part := float64(min(e.Step, step) - from)
		evaluations += part * max(1, e.NFE)
		if e.Step >= step {
			return e.Seconds, evaluations
		}
		from = e.Step
	}
	return 0, evaluations
}
