package eval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"flowmatch/data/image"
	"flowmatch/internal/choice"
)

// Report is what evaluation measures, with all that the figures depend on.
type Report struct {
	Run  string `json:"run"`  // Subject.Name
	Step int    `json:"step"` // optimizer steps behind the model
	Data string `json:"data"`
	// OfLatents says that the points, and all figures, are of latents of images.
	OfLatents bool   `json:"of_latents,omitempty"`
	Backend   string `json:"backend"`
	Seed      uint64 `json:"seed"`
	Solver    string `json:"solver"` // of the samples
	// Warnings say what is to be known beside the figures, one sentence each.
	Warnings []string `json:"warnings,omitempty"`
	// Condition is what the model is given of each image; absent: nothing.
	Condition  *image.ConditionConfig `json:"condition,omitempty"`
	Likelihood *Likelihood            `json:"likelihood,omitempty"`
	Samples    *Quality               `json:"samples,omitempty"`
	C2ST       *C2ST                  `json:"c2st,omitempty"`
	// Of tables: how far columns, and what they have to do with each other, are from those of the data, whether a
	// random forest tells samples from held-out rows, whether they are copies, and what they are worth for learning.
	Marginals    *Marginals    `json:"marginals,omitempty"`
	Correlations *Correlations `json:"correlations,omitempty"`
	Forest       *Forest       `json:"forest,omitempty"`
	Closest      *Closest      `json:"closest,omitempty"`
	Efficacy     *Efficacy     `json:"efficacy,omitempty"`
	// Calibration says whether samples given a context are as wide as they should be.
	Calibration *Calibration `json:"calibration,omitempty"`
	// Features is what [Subject.Compare] or [Subject.Classify] returned: they need a network,
	// so that Report leaves this for the caller to fill in.
	Features *FeatureReport `json:"judgement,omitempty"`
	// Missing says of parts, by their names, why something of them is not there.
	Missing map[string]string `json:"missing,omitempty"`
}

// Lacks records what an error says of the part that it is of, if it is a [PartError], and
// returns the error.
func (r *Report) Lacks(err error) error {
	var of *PartError
	if errors.As(err, &of) {
		if r.Missing == nil {
			r.Missing = map[string]string{}
		}
		r.Missing[of.Part] = choice.Spoken(of.Err)
	}
	return err
}

// The parts of an evaluation that can be asked for by name.
const (
	PartLikelihood = "likelihood"
	PartSamples    = "samples"
	// PartC2ST is a classifier two-sample test, measured unasked where it takes seconds.
	PartC2ST = "c2st"
	// The parts of tables, measured unasked of files of rows.
	PartMarginals    = "marginals"
	PartCorrelations = "correlations"
	PartForest       = "forest" // the two-sample test by a random forest
	PartClosest      = "closest"
	PartEfficacy     = "efficacy"
	// PartCalibration is ranks and coverage, measured unasked of tables with contexts.
	PartCalibration = "calibration"
	// PartFeatures names Report.Features, which [Subject.Report] does not measure itself.
	PartFeatures = "features"
)

// part is one row of the table of what Report measures.
type part struct {
	name string
	// applies says whether the part is measured where none was asked for by name; nil:
	// always.
	applies func(s Subject) bool
	// whole says that it is measured on all of the data, and so without held-out points, too.
	whole   bool
	measure func(Subject, context.Context, *Report) error
}

// parts is the table.
func parts() []part {
	return []part{
		{PartLikelihood, func(s Subject) bool { return s.Model.HasDensity() == nil }, false, Subject.reportLikelihood},
		{PartSamples, nil, false, Subject.reportSamples},
		{PartC2ST, Subject.hasC2ST, false, Subject.reportC2ST},
		{PartMarginals, Subject.hasTable, true, Subject.reportMarginals},
		{PartCorrelations, Subject.hasTable, true, Subject.reportCorrelations},
		{PartForest, Subject.hasForest, false, Subject.reportForest},
		{PartClosest, Subject.hasTable, false, Subject.reportClosest},
		{PartEfficacy, Subject.hasEfficacy, false, Subject.reportEfficacy},
		{PartCalibration, Subject.hasCalibration, false, Subject.reportCalibration},
	}
}

// Parts returns the names of the parts of an evaluation.
func Parts() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return append(names, PartFeatures)
}

// PartError is what kept a part of a Report from being measured, or all of it.
type PartError struct {
	Part string // one of [Parts]
	Err  error
}

// Error names the part.
func (e *PartError) Error() string {
	return fmt.Sprintf("eval: %s not measured: %s", e.Part, strings.TrimPrefix(e.Err.Error(), "eval: "))
}

// Unwrap returns Err.
func (e *PartError) Unwrap() error { return e.Err }

// Report measures the parts named; of no names all that apply to the model, which a
// likelihood does not where it has no density (model.ErrNoDensity, if it is asked for), and a
// two-sample test not of images, of more than 16 numbers a point or of more than 10000 points, and
// calibration of points of up to 16 numbers with contexts alone. The parts of tables apply to those of files.
//
// The Report is worth reading with an error too: a part that fails does not keep others
// from being measured, and what it had measured before is there. The errors are
// [PartError]s, joined; without held-out points, [ErrNoPoints], and what needs none is measured all the
// same. When ctx ends, no further part begins.
func (s Subject) Report(ctx context.Context, names ...string) (Report, error) {
	s, err := s.checked()
	if err != nil {
		return Report{}, err
	}
	for _, name := range names {
		if err := choice.Check("part", name, Parts()); err != nil {
			return Report{}, fmt.Errorf("eval: %w", err)
		}
	}
	sampler, err := s.Settings.Sampler()
	if err != nil {
		return Report{}, err
	}
	rep := Report{
		Run: s.Name, Step: s.Step, Backend: s.Model.Net().Engine().Name(), Seed: s.Seed,
		Solver: sampler.String(), Warnings: s.warnings(), Condition: s.Model.Spec().Condition,
	}
	if why := s.Model.TooFew(sampler); why != "" {
		rep.Warnings = append(rep.Warnings, why)
	}
	if s.Set != nil {
		rep.Data, rep.OfLatents = s.Set.Name, s.Set.Encoded != nil
	}
	_, without := s.held()
	if s.Set == nil {
		return rep, without
	}
	s.drawn = new(tables)
	var errs []error
	for _, p := range parts() {
		if without != nil && !p.whole || len(names) > 0 && !slices.Contains(names, p.name) ||
			len(names) == 0 && p.applies != nil && !p.applies(s) {
			continue
		}
		if err := p.measure(s, ctx, &rep); err != nil {
			errs = append(errs, rep.Lacks(&PartError{p.name, err}))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return rep, errors.Join(append(errs, without)...)
}

// reportLikelihood measures likelihoods, of images with all samples of noise.
func (s Subject) reportLikelihood(ctx context.Context, rep *Report) error {
	n, chosen, err := s.testPoints(ctx)
	if err != nil {
		return err
	}
	x, given, err := s.TestPoints(n)
	if err != nil {
		return err
	}
	l, logp, err := s.Likelihood(ctx, x, given)
	if rep.Likelihood = l; l != nil {
		l.Chosen = chosen
		l.Doubts = few(l.Points, "held-out points")
	}
	if err == nil && l.BPD != nil {
		l.Dequantizations, err = s.bitsPerDim(ctx, logp)
	}
	return err
}

// reportSamples measures samples.
func (s Subject) reportSamples(ctx context.Context, rep *Report) (err error) {
	var chosen *Chosen
	if s.Settings.Samples, chosen, err = s.samples(ctx); err != nil {
		return err
	}
	var astray string
	if rep.Samples, astray, err = s.quality(ctx); astray != "" {
		rep.Warnings = append(rep.Warnings, astray)
	}
	if rep.Samples != nil {
		rep.Samples.Chosen = chosen
	}
	return err
}
