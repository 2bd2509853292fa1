package experiment

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/eval"
	"flowmatch/ode"
	"flowmatch/train"
)

// wideTolerance is that of samples that are compared, and of bits per dimension with many
// samples of noise: the error of a solve is then far below that of a mean over some tens or
// hundreds of images, at a fraction of the evaluations.
const wideTolerance = 1e-3

// featureMethods and featureNFE are the solvers, and the evaluations of the network, that samples
// are compared at, and nfeImages how many samples are drawn to count those that the run file's
// solver takes.
var (
	featureMethods = []*ode.Tableau{ode.Euler, ode.Midpoint, ode.Heun2}
	featureNFE     = []int{4, 8, 16, 32, 100}
)

const nfeImages = 16

// wide returns the solver of the run file with tolerances of at least wideTolerance.
func (t trained) wide() ode.Config {
	s := t.Settings.Solve
	s.RTol, s.ATol = max(s.RTol, wideTolerance), max(s.ATol, wideTolerance)
	return s
}

// bits measures bits per dimension by the paper's protocol, with up to
// eval.dequantizations samples of noise.
func bits(ctx context.Context, _ Cell, t trained, r *Result) error {
	t.Settings.Solve = t.wide()
	rep, err := t.Report(ctx, eval.PartLikelihood)
	if rep.Likelihood == nil {
		return err
	}
	if len(rep.Likelihood.Dequantizations) == 0 && err == nil {
		return errors.New("bits per dimension are of dequantised images; these data are none")
	}
	for _, d := range rep.Likelihood.Dequantizations {
		r.set(fmt.Sprintf("bpd_%d", d.K), d.BPD)
		r.set(fmt.Sprintf("bpd_%d_se", d.K), d.StdErr)
	}
	r.set("bpd_nfe", float64(rep.Likelihood.NFE))
	r.setError()
	return err
}

// setError records by how much bits per dimension are wrong with the wide tolerance, where
// both are measured.
func (r *Result) setError() {
	exact, ok := r.Values["bpd"]
	if wide, both := r.Values["bpd_1"]; ok && both {
		r.set("bpd_error", wide-exact)
	}
}

// nfe counts the evaluations of the network that a sample takes by the run file's solver.
func (t trained) nfe(ctx context.Context, c Cell) (float64, error) {
	solver, err := t.Settings.Solver()
	if err != nil {
		return 0, err
	}
	p, err := t.Prompt(nfeImages)
	if err != nil {
		return 0, err
	}
	s, err := t.sampleFrom(ctx, source(t, nfeImages, c.Seed), p.Given, solver)
	return float64(s.Stats.NFE), err
}

// compare draws samples by a solver and compares their features with those of held-out
// images.
func (t trained) compare(ctx context.Context, s ode.Config) (*eval.FeatureReport, error) {
	t.Settings.Solve = s
	c, err := t.classifier(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoClassifier, err)
	}
	return t.Classify(ctx, c, eval.FeatureOptions{})
}

// features compares samples of the run file's solver with held-out images.
func features(ctx context.Context, c Cell, t trained, r *Result) error {
	rep, err := t.compare(ctx, t.wide())
	if rep == nil {
		return err
	}
	r.setSome(map[string]*float64{
		"fid": rep.FID, "fid_data": rep.FIDData, "kid": rep.KID, "precision": rep.Precision, "recall": rep.Recall,
		"accuracy": rep.Accuracy, "agreement": rep.Agreement, "inception_score": rep.InceptionScore,
	})
	if rep.NFE > 0 {
		r.set("fid_nfe", float64(rep.NFE))
	}
	nfe, failed := t.nfe(ctx, c)
	if failed == nil {
		r.set("nfe", nfe)
	}
	return errors.Join(err, failed)
}

// featureSolvers compares samples of equal steps, few and many, with held-out images.
func featureSolvers(ctx context.Context, _ Cell, t trained, r *Result) error {
	var errs []error
	for _, m := range featureMethods {
		for _, nfe := range featureNFE {
			rep, err := t.compare(ctx, ode.Config{Solver: m.Name, Steps: nfe / m.Stages()})
			if err != nil {
				errs = append(errs, fmt.Errorf("%s with %d evaluations: %w", m.Name, nfe, err))
			}
			if rep != nil && rep.FID != nil {
				r.add("fid/"+m.Name, float64(rep.NFE), *rep.FID)
				r.set(fmt.Sprintf("fid_%d/%s", nfe, m.Name), *rep.FID)
			}
		}
	}
	return errors.Join(errs...)
}

// featureStages compares the samples of every snapshot of a run with held-out images.
func featureStages(ctx context.Context, c Cell, t trained, r *Result) error {
	return t.eachStage(r, func(step int, events []train.Event) error {
		fid, nfe, err := t.stageOf(ctx, c, step, r)
		if err != nil {
			return err
		}
		seconds, _ := spent(events, step)
		r.add("fid_by_step", float64(step), fid)
		r.add("fid_by_second", seconds, fid)
		r.add("nfe_by_step", float64(step), nfe)
		return nil
	})
}

// stageOf compares the samples of a snapshot. The last one is the model, which may be
// measured already.
func (t trained) stageOf(ctx context.Context, c Cell, step int, r *Result) (fid, nfe float64, err error) {
	nfe, counted := r.Values["nfe"]
	if fid, known := r.Values["fid"]; known && counted && step == t.Step {
		return fid, nfe, nil
	}
	at, err := t.at(step)
	if err != nil {
		return 0, 0, err
	}
	rep, err := at.compare(ctx, t.wide())
	if rep == nil || rep.FID == nil {
		return 0, 0, err
	}
	nfe, err = at.nfe(ctx, c)
	return *rep.FID, nfe, err
}
