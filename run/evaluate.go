package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/metrics"
	"flowmatch/model"
)

// Report is what evaluation measures, with all that the figures depend on.
type Report struct {
	Run     string `json:"run"`
	Step    int    `json:"step"` // optimizer steps behind the model
	Data    string `json:"data"`
	Backend string `json:"backend"`
	Seed    uint64 `json:"seed"`
	Solver  string `json:"solver"`
	// Condition is what the model was told of each image; absent: nothing.
	Condition  *data.ConditionConfig `json:"condition,omitempty"`
	Likelihood *Likelihood           `json:"likelihood,omitempty"`
	Samples    *Quality              `json:"samples,omitempty"`
	Judgement  *Judgement            `json:"judgement,omitempty"` // by a classifier or over features, when asked for
}

// Likelihood is the negative log-likelihood of held-out points.
type Likelihood struct {
	Points     int     `json:"points"`
	NLL        float64 `json:"nll"`     // mean, nats, in data units
	StdErr     float64 `json:"std_err"` // of that mean
	Divergence string  `json:"divergence"`
	NFE        int     `json:"nfe"`
	// Optimum is the mean of -log p under the data's own density, where that is
	// known, and Gap what the model lacks.
	Optimum *float64 `json:"optimum,omitempty"`
	Gap     *float64 `json:"gap,omitempty"`
	BPD     *float64 `json:"bpd,omitempty"` // bits per dimension, of dequantised images, one sample each
	// Dequantizations are bits per dimension with more samples; see [BPD].
	Dequantizations []BPD `json:"dequantizations,omitempty"`
}

// Quality compares samples with as many held-out points, in data units, and
// measures the paths that the samples took, in model units.
type Quality struct {
	Points       int     `json:"points"`
	NFE          int     `json:"nfe"`
	W2           float64 `json:"w2"`        // exact 2-Wasserstein distance
	SlicedW2     float64 `json:"sliced_w2"` // over 128 directions
	MMD          float64 `json:"mmd"`       // RBF kernel, median bandwidth
	PathEnergy   float64 `json:"path_energy"`
	NPE          float64 `json:"npe"` // |path energy - W2²(source, target)| / W2²
	Straightness float64 `json:"straightness"`
	// Restoration compares the samples with the images that their conditions are of.
	Restoration *Restoration `json:"restoration,omitempty"`
}

// slicedDirections is the number of projections of SlicedW2.
const slicedDirections = 128

// pathSteps is the number of Euler steps along which path energy and
// straightness are measured, as in torchcfm's protocol.
const pathSteps = 100

// The parts of an evaluation that can be asked for by name.
const (
	PartLikelihood = "likelihood"
	PartSamples    = "samples"
)

// Evaluate measures every metric that applies, of the parts named; of none: of all.
func (r *Run) Evaluate(ctx context.Context, parts ...string) (Report, error) {
	wanted := func(part string) bool { return len(parts) == 0 || slices.Contains(parts, part) }
	how, err := r.Config.Eval.Sampling()
	if err != nil {
		return Report{}, err
	}
	rep := Report{
		Run: r.Dir, Step: r.Step, Data: r.Data.Name, Backend: r.Model.Net.Engine().Name(),
		Seed: r.Config.Seed, Solver: SamplingName(how), Condition: r.Model.Spec.Condition,
	}
	if r.Data.Test.Len() == 0 {
		return rep, nil
	}
	if wanted(PartLikelihood) && r.HasDensity() == nil {
		x, label := r.TestPoints(r.Config.Eval.Test)
		l, logp, err := r.Likelihood(ctx, x, label)
		if err != nil {
			return rep, err
		}
		if rep.Likelihood = l; l.BPD != nil {
			if l.Dequantizations, err = r.bitsPerDim(ctx, logp); err != nil {
				return rep, err
			}
		}
	}
	if wanted(PartSamples) {
		rep.Samples, err = r.Quality(ctx)
	}
	return rep, err
}

// Likelihood evaluates points given in data units; it also returns the
// log-density of each, in nats.
func (r *Run) Likelihood(ctx context.Context, x flow.Batch, label []int32) (*Likelihood, []float64, error) {
	logp, l, err := r.LogProb(ctx, x, label)
	if err != nil {
		return nil, nil, err
	}
	l.NLL, l.StdErr = meanStdErr(logp)
	l.NLL = -l.NLL
	if math.IsInf(l.NLL, 0) || math.IsNaN(l.NLL) {
		nowhere := 0
		for _, v := range logp {
			if math.IsInf(v, -1) {
				nowhere++
			}
		}
		return nil, nil, fmt.Errorf("run: the mean log-density of %d points is %g: %d of them flow to where the source has no density", x.N, -l.NLL, nowhere)
	}
	if bpd, err := r.Model.BitsPerDim(-l.NLL); err == nil && r.Data.Dequantized {
		l.BPD = &bpd
	}
	if exact := r.exact(x); exact != nil {
		optimum, _ := meanStdErr(exact)
		optimum = -optimum
		if gap := l.NLL - optimum; !math.IsInf(gap, 0) { // points off the support have no optimum
			l.Optimum, l.Gap = &optimum, &gap
		}
	}
	return l, logp, nil
}

// exact returns the log-density of points under the data's own density, in data
// units and nats; nil where it is not known. It is that of all classes together,
// and so nothing to compare a conditional model with.
func (r *Run) exact(x flow.Batch) []float64 {
	if r.Data.Density == nil || r.Config.Conditional {
		return nil
	}
	z, logp := x.Clone(), make([]float64, x.N)
	if std := r.Data.Standardizer; std != nil {
		std.Apply(z)
	}
	r.Data.Density.LogProb(logp, z)
	for i := range logp {
		logp[i] -= r.Data.LogDet()
	}
	return logp
}

// ErrDistilled is returned when a density is asked of a distilled student.
var ErrDistilled = errors.New("run: a distilled student has no density: between its few times its field is no flow; ask its teacher")

// HasDensity reports why the run's model has no density: [ErrDistilled], or nil.
func (r *Run) HasDensity() error {
	if r.Config.Train.Objective == "distill" {
		return ErrDistilled
	}
	return nil
}

// LogProb returns the log-density of points given in data units, in nats (of a run with
// a condition that of an image given its own condition), and how it was evaluated; NLL and what follows from it are not filled in.
func (r *Run) LogProb(ctx context.Context, x flow.Batch, label []int32) ([]float64, *Likelihood, error) {
	return r.logProb(ctx, x, label, r.watch("log-densities", x.N))
}

func (r *Run) logProb(ctx context.Context, x flow.Batch, label []int32, tell model.Progress) ([]float64, *Likelihood, error) {
	if err := r.HasDensity(); err != nil {
		return nil, nil, err
	}
	e := r.Config.Eval
	solver, err := e.ODESolver()
	if err != nil {
		return nil, nil, err
	}
	div, err := e.DivergenceFor(x.D, r.Config.Seed)
	if err != nil {
		return nil, nil, err
	}
	logp, st, err := r.Model.LogProb(ctx, x, model.LikelihoodOptions{Label: label, Cond: r.ConditionOf(x), Solver: solver, Divergence: div, Progress: tell})
	if err != nil {
		return nil, nil, err
	}
	return logp, &Likelihood{Points: x.N, Divergence: DivergenceName(div), NFE: st.NFE}, nil
}

func meanStdErr(v []float64) (mean, stdErr float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		stdErr += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(stdErr/float64(max(1, len(v)-1))) / math.Sqrt(float64(len(v)))
}

// Quality compares samples with as many held-out points.
func (r *Run) Quality(ctx context.Context) (*Quality, error) {
	how, err := r.Config.Eval.Sampling()
	if err != nil {
		return nil, err
	}
	test, label := r.TestPoints(min(r.Config.Eval.Samples, r.Data.Test.Len()))
	how.N, how.Seed, how.Label, how.Cond, how.Progress = test.N, r.Config.Seed, label, r.ConditionOf(test), r.watch("samples", test.N)
	s, err := r.Model.Sample(ctx, how)
	if err != nil {
		return nil, err
	}
	q := &Quality{Points: test.N, NFE: s.Stats.NFE}
	if how.Cond.N > 0 {
		r.Keep(s.X, Told{Cond: how.Cond})
		if q.Restoration, err = r.restoration(s.X, test, how.Cond); err != nil {
			return nil, err
		}
	}
	if q.W2, err = metrics.W2(s.X, test); err != nil {
		return nil, err
	}
	rng := seed.Rand(r.Config.Seed, "run/quality", 0)
	if q.SlicedW2, err = metrics.SlicedW2(s.X, test, slicedDirections, rng); err != nil {
		return nil, err
	}
	if q.MMD, err = metrics.MMD(s.X, test); err != nil {
		return nil, err
	}
	return q, r.pathQuality(q, s.X0, test, Told{Label: label, Cond: how.Cond})
}

// pathQuality measures how straight and how short the way from the source is.
func (r *Run) pathQuality(q *Quality, x0, test flow.Batch, told Told) error {
	f, err := r.Model.FieldTo(told.Label, told.Cond)
	if err != nil {
		return err
	}
	x1 := test.Clone()
	if std := r.Data.Standardizer; std != nil {
		std.Apply(x1)
	}
	w2, err := metrics.W2(x0, x1)
	if err != nil {
		return err
	}
	steps := pathSteps
	if r.Config.Train.Objective == "distill" {
		steps = r.Config.Train.DistillSteps // all that it was trained for
	}
	q.PathEnergy, q.Straightness, err = metrics.Trajectories(f, x0, steps)
	q.NPE = metrics.NPE(q.PathEnergy, w2)
	return err
}
