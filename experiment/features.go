package experiment

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/eval"
	"flowmatch/ode"
	"flowmatch/run"
)

// wideTolerance is that of bits per dimension with many samples of noise: each asks for a
// solve, and the error of this one is far below that of the mean over some tens of images.
const wideTolerance = 1e-3

// featureNFE are the evaluations of the network that samples are compared at.
var featureNFE = []int{4, 8, 16, 32, 100}

// bits measures bits per dimension by the paper's protocol, with up to
// eval.dequantizations samples of noise.
func bits(ctx context.Context, _ Cell, t trained, r *Result) error {
	s := &t.Settings.Solve
	s.RTol, s.ATol = max(s.RTol, wideTolerance), max(s.ATol, wideTolerance)
	rep, err := t.Report(ctx, eval.PartLikelihood)
	if err != nil {
		return err
	}
	if len(rep.Likelihood.Dequantizations) == 0 {
		return errors.New("bits per dimension are of dequantised images; these data are none")
	}
	for _, d := range rep.Likelihood.Dequantizations {
		r.set(fmt.Sprintf("bpd_%d", d.K), d.BPD)
		r.set(fmt.Sprintf("bpd_%d_se", d.K), d.StdErr)
	}
	r.set("bpd_nfe", float64(rep.Likelihood.NFE))
	return nil
}

// compare draws samples by a solver and compares their features with those of held-out
// images.
func (t trained) compare(ctx context.Context, s ode.Config) (*eval.FeatureReport, error) {
	t.Settings.Solve = s
	c, err := t.classifier(ctx)
	if err != nil {
		return nil, err
	}
	return t.Classify(ctx, c, eval.FeatureOptions{})
}

// features compares samples of the run file's solver with held-out images.
func features(ctx context.Context, _ Cell, t trained, r *Result) error {
	rep, err := t.compare(ctx, t.Settings.Solve)
	if err != nil {
		return err
	}
	for name, v := range map[string]float64{
		"fid": rep.FID, "fid_data": rep.FIDData, "kid": rep.KID, "precision": rep.Precision, "recall": rep.Recall,
		"nfe": float64(rep.NFE),
	} {
		r.set(name, v)
	}
	for name, v := range map[string]*float64{
		"accuracy": rep.Accuracy, "agreement": rep.Agreement, "inception_score": rep.InceptionScore,
	} {
		if v != nil {
			r.set(name, *v)
		}
	}
	return nil
}

// featureSolvers compares samples of equal steps, few and many, with held-out images.
func featureSolvers(ctx context.Context, _ Cell, t trained, r *Result) error {
	for _, m := range []*ode.Tableau{ode.Euler, ode.Midpoint, ode.Heun2} {
		for _, nfe := range featureNFE {
			rep, err := t.compare(ctx, ode.Config{Solver: m.Name, Steps: nfe / m.Stages()})
			if err != nil {
				return fmt.Errorf("%s with %d evaluations: %w", m.Name, nfe, err)
			}
			r.add("fid/"+m.Name, float64(rep.NFE), rep.FID)
			r.set(fmt.Sprintf("fid_%d/%s", nfe, m.Name), rep.FID)
		}
	}
	return nil
}

// featureStages compares the samples of every snapshot of a run with held-out images.
func featureStages(ctx context.Context, _ Cell, t trained, r *Result) error {
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
	for _, step := range steps {
		fid, nfe, err := t.stageOf(ctx, step, r)
		if err != nil {
			return fmt.Errorf("snapshot of step %d: %w", step, err)
		}
		seconds, _ := spent(events, step)
		r.add("fid_by_step", float64(step), fid)
		r.add("fid_by_second", seconds, fid)
		r.add("nfe_by_step", float64(step), nfe)
	}
	r.setNFE()
	return nil
}

// stageOf compares the samples of a snapshot. The last one is the model, which may be
// measured already.
func (t trained) stageOf(ctx context.Context, step int, r *Result) (fid, nfe float64, err error) {
	if fid, known := r.Values["fid"]; known && step == t.Step {
		return fid, r.Values["nfe"], nil
	}
	at, err := t.at(step)
	if err != nil {
		return 0, 0, err
	}
	rep, err := at.compare(ctx, t.Settings.Solve)
	if err != nil {
		return 0, 0, err
	}
	return rep.FID, float64(rep.NFE), nil
}
