package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/run"
)

// trained is a trained run, ready to be measured.
type trained struct {
	eval.Subject
	run        *run.Run
	classifier func(context.Context) (*nn.Classifier, error) // nil: nothing asks for it
}

// ready opens the data of a run.
func ready(r *run.Run) (trained, error) {
	s, err := r.Subject(true)
	return trained{Subject: s, run: r}, err
}

// ready opens the data of a cell's run. A trial is measured on the points that it was
// validated on.
func (c Cell) ready(r *run.Run, g Grid, o RunOptions) (trained, error) {
	t, err := ready(r)
	if err != nil {
		return t, err
	}
	if c.Trial {
		set := *t.Set
		set.Test = set.Val
		t.Set = &set
	}
	if c.needsClassifier() {
		var known *nn.Classifier
		t.classifier = func(ctx context.Context) (_ *nn.Classifier, err error) {
			if known == nil {
				known, err = g.Classifier.of(ctx, g, c, o)
			}
			return known, err
		}
	}
	return t, nil
}

// at returns the run as it was at the snapshot of a step.
func (t trained) at(step int) (trained, error) {
	r, err := run.OpenAt(t.run.Dir, step, run.OpenOptions{Known: &t.run.Config})
	if err != nil {
		return t, err
	}
	t.run, t.Model, t.Step = r, r.Model, r.Step
	return t, nil
}

// sampleFrom draws samples from source points by a solver of the ODE.
func (t trained) sampleFrom(ctx context.Context, x0 flow.Batch, given flow.Given, s ode.Solver) (model.Samples, error) {
	return t.Model.SampleFrom(ctx, x0, model.SampleOptions{Given: given, Sampler: model.ODE{Solver: s}})
}

// measure records figures of a trained run.
type measure struct {
	name string
	do   func(ctx context.Context, c Cell, t trained, r *Result) error
	// needs is what a grid must have for it.
	needs    needs
	recorded recorded
}

// needs are what a measure needs beside a trained run.
type needs struct {
	features  bool // the features of the grid's classifier: it compares images by them
	held      bool // held-out points
	simulator bool // a simulator to draw from
	observed  bool // the observations of the simulator, in the folder of the data
}

// measures is the table of measures.
func measures() []measure {
	heldOut, byFeatures := needs{held: true}, needs{held: true, features: true}
	return []measure{
		{"samples", samples, heldOut, recorded{values: []string{
			"w2", "sliced_w2", "mmd", "nfe", "path_energy", "npe", "straightness", "psnr", "input_psnr", "ssim",
			"input_ssim", "consistency", "w2_data",
		}}},
		{"likelihood", likelihoods, heldOut, recorded{values: []string{
			"nll", "nll_se", "nll_nfe", "bpd", "bpd_se", "bpd_error", "optimum", "gap", "nll_difference",
			"nll_cut_difference",
		}}},
		{"bpd", bits, heldOut, recorded{values: []string{"bpd_#", "bpd_#_se", "bpd_nfe", "bpd_error"}}},
		{"solvers", solvers, heldOut, recordedOfSolvers()},
		{"few_steps", fewSteps, heldOut, recordedOfFewSteps()},
		{"samplers", samplers, heldOut, recordedOfSamplers()},
		{"stages", stages, heldOut, recordedOfStages()},
		{"features", features, byFeatures, recorded{values: []string{
			"fid", "fid_data", "kid", "precision", "recall", "nfe", "fid_nfe", "accuracy", "agreement",
			"inception_score",
		}}},
		{"feature_solvers", featureSolvers, byFeatures, recordedOfFeatureSolvers()},
		{"feature_stages", featureStages, byFeatures, recorded{[]string{"nfe_last", "nfe_spread"},
			[]string{"fid_by_step", "fid_by_second", "nfe_by_step"}}},
		{"posterior", posteriors, needs{simulator: true, observed: true}, recordedOfPosteriors()},
		{"calibration", calibrates, needs{simulator: true}, recordedOfCalibration()},
	}
}

// Measures returns the names that Grid.Measure takes:
//
//	samples     w2, sliced_w2, mmd, nfe of samples by the run file's solver, and of
//	            their paths path_energy, npe, straightness; w2_data, the W2 of data to data;
//	            of images made from images psnr and ssim beside input_psnr and input_ssim,
//	            consistency
//	likelihood  nll, nll_se, nll_nfe, and gap to the optimum where the density is known;
//	            of images bpd and bpd_se, bits per dimension with one sample of noise;
//	            nll_difference and nll_cut_difference, those of [eval.Check]. What that
//	            check does not trust is marked on the page, here and in stages
//	bpd         of images: bits per dimension with more samples of noise, bpd_1 and so on up
//	            to eval.dequantizations, each with bpd_1_se, and bpd_nfe; the tolerances are
//	            1e-3 where those of the run file are less, and bpd_error is what that adds
//	            (bpd_1 - bpd, where the likelihood is measured as well)
//	solvers     curves error/SOLVER and w2/SOLVER over NFE for euler, midpoint, rk4 and
//	            dopri5, and the values nfe_for_0.1/SOLVER and so on
//	few_steps   w2_1, w2_2, w2_4 with so many evaluations, w2_100 with a hundred; of 20,000
//	            samples sw2_1 and so on, sliced W2, and where the density is known off_1 and
//	            so on, the share where the data have one point in 3,000
//	samplers    with and without noise: curves w2/SAMPLER over NFE for euler and heun2
//	            (of the probability-flow ODE), ddim, ddpm, euler_maruyama and heun_sde, and
//	            the values w2_100/SAMPLER and so on
//	stages      of every snapshot: curves nfe_by_step, nll_by_step, nll_by_second and,
//	            where the density is known, the values steps_to_gap_0.1, seconds_to_gap_0.1
//	            and evaluations_to_gap_0.1 (and 0.05, 0.2): what it took until the
//	            negative log-likelihood was first so close to the optimum
//
// These are of runs that learn the posteriors of a simulator. Samples outside of the prior are
// drawn again:
//
//	posterior    c2st, the mean over the ten observations of sbibm of C2ST between 10,000
//	             samples and the reference, c2st_se, its standard error, and c2st_1 to
//	             c2st_10; outside, the share of samples outside of the prior; sample_seconds
//	             and sample_nfe of 10,000 samples
//	calibration  of 500 fresh simulations: sbc_p, the p-value of the ranks' uniformity (the
//	             least of the parameters, corrected for their number), sbc_bias, sbc_spread;
//	             tarp_p, tarp_atc, tarp_atc_err; the curve tarp, coverage over level
//
// These compare eval.samples images with as many that are held out, by the features of the
// grid's classifier, and need one. The tolerances of the run file's solver are those of bpd,
// except where NFE is counted:
//
//	features         fid, kid, precision, recall, fid_nfe; nfe of samples at the run file's
//	                 own tolerances; fid_data, between held-out and training images; accuracy
//	                 of the classifier on held-out images
//	feature_solvers  curves fid/SOLVER over NFE for euler, midpoint and heun2, and the values
//	                 fid_8/SOLVER and so on
//	feature_stages   of every snapshot: curves fid_by_step, fid_by_second, nfe_by_step, and
//	                 the values nfe_last and nfe_spread
func Measures() []string { return namesOf(measures()) }

func namesOf(all []measure) (out []string) {
	for _, m := range all {
		out = append(out, m.name)
	}
	return out
}

func measureByName(name string) (measure, error) {
	for _, m := range measures() {
		if m.name == name {
			return m, nil
		}
	}
	return measure{}, fmt.Errorf("experiment: %w", choice.Check("measure", name, Measures()))
}

func samples(ctx context.Context, _ Cell, t trained, r *Result) error {
	q, err := t.Quality(ctx)
	if q == nil {
		return err
	}
	if q.NFE > 0 {
		r.set("nfe", float64(q.NFE))
	}
	if d := q.Distances; d != nil {
		r.setSome(map[string]*float64{"w2": d.W2, "sliced_w2": d.SlicedW2, "mmd": d.MMD})
	}
	if p := q.Paths; p != nil {
		r.set("path_energy", p.PathEnergy)
		r.setSome(map[string]*float64{"npe": p.NPE})
		r.set("straightness", p.Straightness)
	}
	if p := q.Restoration; p != nil {
		r.set("psnr", p.PSNR)
		r.set("input_psnr", p.InputPSNR)
		if p.SSIM != nil && p.InputSSIM != nil {
			r.set("ssim", *p.SSIM)
			r.set("input_ssim", *p.InputSSIM)
		}
		if p.Consistency != nil {
			r.set("consistency", *p.Consistency)
		}
	}
	return errors.Join(err, floor(t, q.Points, r))
}

// floor records w2_data, the W2 between n test points and the n after them: what a
// perfect model would show. It is not there when there are too few points. Several
// measures want it; the first one pays.
func floor(t trained, n int, r *Result) error {
	if _, known := r.Values["w2_data"]; known {
		return nil
	}
	x, _, err := t.TestPoints(2 * n)
	if err != nil || x.N < 2*n {
		return err
	}
	w2, err := metrics.W2(x.Slice(0, n), x.Slice(n, 2*n))
	r.set("w2_data", w2)
	return err
}

func likelihoods(ctx context.Context, _ Cell, t trained, r *Result) error {
	x, given, err := t.TestPoints(t.Settings.Test)
	if err != nil {
		return err
	}
	l, _, err := t.Likelihood(ctx, x, given)
	if l == nil {
		return err
	}
	r.set("nll", l.NLL)
	r.set("nll_se", l.StdErr)
	r.set("nll_nfe", float64(l.NFE))
	if l.BPD != nil {
		r.set("bpd", *l.BPD)
		r.set("bpd_se", l.StdErr/(float64(x.D)*math.Ln2))
		r.setError()
	}
	if l.Gap != nil {
		r.set("optimum", *l.Optimum)
		r.set("gap", *l.Gap)
	}
	if c := l.Check; c != nil {
		r.setSome(map[string]*float64{"nll_difference": c.Difference, "nll_cut_difference": c.CutDifference})
		r.doubt(c, "", "nll", "nll_se", "gap", "bpd", "bpd_se")
	}
	return err
}

// The places of the curves of solvers: evaluations of the network where steps are
// fixed, tolerances where they are not; and the errors that they are asked for.
var (
	solverNFE        = []int{2, 4, 8, 12, 16, 20, 28, 40, 60, 80, 120, 160, 200}
	solverTolerances = []float64{1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5}
	solverErrors     = []float64{0.1, 0.03, 0.01}
)

// referenceSteps are the steps of rk4 whose solution the errors are measured from.
const referenceSteps = 500

// start returns what samples are compared and drawn from: test points, as many source
// points, and what these are given.
func (t trained) start(c Cell) (test, x0 flow.Batch, given flow.Given, err error) {
	if test, _, err = t.TestPoints(t.Settings.Samples); err != nil {
		return test, x0, given, err
	}
	p, err := t.HeldOutPrompt(test.N)
	return test, source(t, test.N, c.Seed), p.Given, err
}

// solvers measures the error of a solve and the W2 of its samples against NFE. The
// error is the root mean square distance of a point from where a fine solve takes
// it, in data units.
func solvers(ctx context.Context, c Cell, t trained, r *Result) error {
	test, x0, given, err := t.start(c)
	if err != nil {
		return err
	}
	solve := func(m *ode.Tableau, control ode.Control) (model.Samples, error) {
		return t.sampleFrom(ctx, x0, given, ode.Solver{Method: m, Control: control, MaxNFE: t.Settings.Solve.MaxNFE})
	}
	fine, err := solve(ode.RK4, ode.Fixed(referenceSteps))
	if err != nil {
		return err
	}
	record := func(m *ode.Tableau, control ode.Control) error {
		s, err := solve(m, control)
		if err != nil {
			return err
		}
		w2, err := metrics.W2(s.X, test)
		if err != nil {
			return err
		}
		nfe := float64(s.Stats.NFE)
		if got := r.Curves["error/"+m.Name].X; len(got) > 0 && got[len(got)-1] >= nfe {
			return nil // a tighter tolerance that asked for no more steps
		}
		r.add("error/"+m.Name, nfe, distance(s.X, fine.X))
		r.add("w2/"+m.Name, nfe, w2)
		return nil
	}
	var errs []error
	for _, m := range []*ode.Tableau{ode.Euler, ode.Midpoint, ode.RK4} {
		for _, nfe := range solverNFE {
			if nfe%m.Stages() != 0 {
				continue
			}
			if err := record(m, ode.Fixed(nfe/m.Stages())); err != nil {
				errs = append(errs, fmt.Errorf("%s with %d evaluations: %w", m.Name, nfe, err))
			}
		}
	}
	for _, tol := range solverTolerances {
		if err := record(ode.Dopri5, ode.Adaptive{RTol: tol, ATol: tol}); err != nil {
			errs = append(errs, fmt.Errorf("%s with tolerances %g: %w", ode.Dopri5.Name, tol, err))
		}
	}
	r.reached()
	return errors.Join(errs...)
}

// reached records at which NFE the curves of the solvers come down to the errors asked for.
func (r *Result) reached() {
	for name, c := range r.Curves {
		if method, ok := strings.CutPrefix(name, "error/"); ok {
			for _, e := range solverErrors {
				r.set(fmt.Sprintf("nfe_for_%g/%s", e, method), c.reach(e))
			}
		}
	}
}

// reach returns the X at which the curve, linear between its points in the
// logarithms, last comes down to y; NaN if it does not, or only at its first point.
func (c Curve) reach(y float64) float64 {
	for i := len(c.X) - 1; i > 0; i-- {
		if c.Y[i] <= y && c.Y[i-1] > y {
			share := math.Log(c.Y[i-1]/y) / math.Log(c.Y[i-1]/c.Y[i])
			return c.X[i-1] * math.Pow(c.X[i]/c.X[i-1], share)
		}
	}
	return math.NaN()
}

// distance is the root mean square distance of the rows of a and b.
func distance(a, b flow.Batch) float64 {
	sum := 0.0
	for i, v := range a.X {
		sum += (v - b.X[i]) * (v - b.X[i])
	}
	return math.Sqrt(sum / float64(a.N))
}

// source draws n points that a solve starts from.
func source(t trained, n int, seedValue uint64) flow.Batch {
	x0 := flow.NewBatch(n, t.Model.Dim())
	t.Model.Source().Sample(x0, seed.Rand(seedValue, "experiment/source", 0))
	return x0
}
