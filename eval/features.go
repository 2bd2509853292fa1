package eval

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/classify"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/nn"
)

// FeatureReport compares samples with as many held-out images by what a network makes of
// them. Distances are over its features: they compare with those of the same extractor
// only. Published ones are Inception's. What could not be measured is nil; without an error
// everything is there.
type FeatureReport struct {
	Extractor string  `json:"extractor"`
	Samples   int     `json:"samples"`
	Guidance  float64 `json:"guidance"` // 1: none
	NFE       int     `json:"nfe,omitempty"`
	// Accuracy is a classifier's on the held-out images; Agreement the share of
	// samples that it takes for the class asked for, of a model with classes, or for that
	// of the image that the context is of.
	Accuracy  *float64 `json:"accuracy,omitempty"`
	Agreement *float64 `json:"agreement,omitempty"`
	FID       *float64 `json:"fid,omitempty"`
	// FIDData is between the held-out images and as many training images, drawn at random.
	FIDData *float64 `json:"fid_data,omitempty"`
	// Reference is the split of the statistics given, and FIDReference the distance
	// of the samples to them.
	Reference    string   `json:"reference,omitempty"`
	FIDReference *float64 `json:"fid_reference,omitempty"`
	// KID is the mean over 20 random subsets of half of the samples, but at most 1000, as
	// published figures are of subsets; for that of all points see metrics.KIDOptions.Full.
	KID    *float64 `json:"kid,omitempty"`
	KIDStd *float64 `json:"kid_std,omitempty"` // over subsets
	// InceptionScore is nil where the extractor knows no classes.
	InceptionScore *float64 `json:"inception_score,omitempty"`
	Precision      *float64 `json:"precision,omitempty"`
	Recall         *float64 `json:"recall,omitempty"`
}

// neighbours is k of precision and recall (Kynkäänniemi et al. 2019).
const neighbours = 3

// FeatureOptions says how samples are drawn and what else they are compared with. The
// zero value is usable.
type FeatureOptions struct {
	// Guidance is the scale of classifier-free guidance of the samples; nil and 1: none.
	Guidance  *float64
	Reference *metrics.FeatureStats // of the same extractor, to compare with as well
}

// Classify draws Settings.Samples samples, of the classes of as many held-out images (of
// every class in turn, where these have none) or, of a model with contexts, of these images,
// and compares what a classifier says of them with the
// class asked for, which is then that of the image, and their features as Compare does.
// The held-out images must have labels.
func (s Subject) Classify(ctx context.Context, c *nn.Classifier, o FeatureOptions) (*FeatureReport, error) {
	s, test, err := s.ofImages()
	if err != nil {
		return nil, err
	}
	if test.Classes() == 0 {
		return nil, fmt.Errorf("eval: a classifier needs held-out images with labels; %s has none", s.Set.Name)
	}
	e, err := newByClassifier(c)
	if err != nil {
		return nil, err
	}
	r, seen, err := s.compare(ctx, e, o)
	if r == nil {
		return whole(r, err)
	}
	accuracy := func(into **float64, what string, probs flow.Batch, label []int32) {
		a, failed := classify.Accuracy(probs, label)
		err = errors.Join(err, figure(what, failed, map[**float64]float64{into: a}))
	}
	accuracy(&r.Accuracy, "accuracy", seen.testProbs, seen.testLabel)
	if seen.label != nil && seen.probs.N > 0 {
		accuracy(&r.Agreement, "agreement", seen.probs, seen.label)
	}
	return whole(r, err)
}

// figure takes figures into a report, or says what could not be measured; what is empty where
// the error names it.
func figure(what string, err error, figures map[**float64]float64) error {
	switch {
	case err != nil && what != "":
		return fmt.Errorf("%s: %w", what, err)
	case err != nil:
		return err
	}
	for into, v := range figures {
		*into = &v
	}
	return nil
}

// until returns what f returns, or the error of ctx when that ends first: f, which holds what it needs and
// changes nothing else, then goes on by itself. It is for what cannot be stopped on its way, as an exact
// assignment.
func until[T any](ctx context.Context, f func() (T, error)) (v T, err error) {
	if err := ctx.Err(); err != nil {
		return v, err
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case got := <-done:
		return got.v, got.err
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// whole returns a report, of which nothing was measured where it is nil, with the error as that
// of the part.
func whole(r *FeatureReport, err error) (*FeatureReport, error) {
	if err != nil {
		err = &PartError{PartFeatures, err}
	}
	return r, err
}

// Compare draws samples as Classify does, and compares their features with those of
// held-out and of training images, by any extractor. Beside an error, which names what failed,
// there is what was measured all the same; nothing, where there is no report.
func (s Subject) Compare(ctx context.Context, e Extractor, o FeatureOptions) (*FeatureReport, error) {
	s, _, err := s.ofImages()
	if err != nil {
		return nil, err
	}
	r, _, err := s.compare(ctx, e, o)
	return whole(r, err)
}

// ofImages is checked, also that there are images to compare with; it returns those held
// out.
func (s Subject) ofImages() (Subject, data.Finite, error) {
	s, err := s.checked()
	if err != nil {
		return s, nil, err
	}
	if shape := s.Model.Spec().Shape; s.Model.Spec().Image() == nil {
		return s, nil, fmt.Errorf("eval: features are of images; the model's points are of shape %v", shape)
	}
	if s.Set != nil && s.Set.Encoded != nil {
		return s, nil, errors.New("eval: features are of images, and the points are latents of images")
	}
	test, err := s.held()
	if err == nil && (s.Set.TrainSet == nil || s.Set.TrainSet.Len() == 0) {
		err = errors.New("eval: features are compared with those of training images, too; set Set.TrainSet")
	}
	return s, test, err
}

// seen is what an extractor was shown, and what it made of it.
type seen struct {
	testLabel, label        []int32
	test, samples           flow.Batch // features
	testProbs, probs        flow.Batch
	testImages, trainImages flow.Batch
}

// leaving is an extractor that is not waited for once ctx has ended.
type leaving struct {
	Extractor
	ctx context.Context
}

// Features implements [Extractor].
func (l leaving) Features(x flow.Batch) (features, probs flow.Batch, err error) {
	both, err := until(l.ctx, func() (both [2]flow.Batch, err error) {
		both[0], both[1], err = l.Extractor.Features(x)
		return both, err
	})
	return both[0], both[1], err
}

func (s Subject) compare(ctx context.Context, e Extractor, o FeatureOptions) (*FeatureReport, *seen, error) {
	sampler, err := s.guided(o.Guidance)
	if err != nil {
		return nil, nil, err
	}
	e = leaving{e, ctx}
	w := &seen{}
	var given flow.Given
	if w.testImages, given, err = s.rows(s.Set.Test, s.Settings.Samples, "run/test", 0); err != nil {
		return nil, nil, err
	}
	w.testLabel = given.Label
	if w.trainImages, _, err = s.rows(s.Set.TrainSet, w.testImages.N, "run/judge", 1); err != nil {
		return nil, nil, err
	}
	prompt, err := s.HeldOutPrompt(w.testImages.N)
	if err != nil {
		return nil, nil, err
	}
	if w.label = prompt.Given.Label; prompt.Given.Context.N > 0 {
		w.label = w.testLabel
	}
	r := &FeatureReport{Extractor: e.Name(), Samples: w.testImages.N, Guidance: 1}
	if o.Guidance != nil {
		r.Guidance = *o.Guidance
	}
	if w.test, w.testProbs, err = e.Features(w.testImages); err != nil {
		return nil, nil, err
	}
	images, nfe, failed := s.drawImages(ctx, sampler, prompt, w.testImages.N)
	if ctx.Err() != nil {
		return nil, nil, failed
	}
	if r.NFE = nfe; failed == nil {
		w.samples, w.probs, failed = e.Features(images)
	}
	if failed != nil {
		failed = fmt.Errorf("samples: %w", failed)
	}
	return r, w, errors.Join(failed, s.featureDistances(r, e, w, o.Reference))
}

// drawImages draws n samples as images of bytes have them, and returns what each took.
func (s Subject) drawImages(ctx context.Context, sampler model.Sampler, p Prompt, n int) (x flow.Batch, nfe int,
	err error) {
	drawn, err := s.draw(ctx, sampler, n, p.Given)
	if err != nil {
		return x, 0, err
	}
	if err := p.Keep(drawn.X); err != nil {
		return x, 0, err
	}
	return clipped(drawn.X), drawn.Stats.NFE, nil
}

// guided returns the sampler of the settings with guidance.
func (s Subject) guided(scale *float64) (model.Sampler, error) {
	sampler, err := s.Settings.Sampler()
	if err != nil || scale == nil || *scale == 1 {
		return sampler, err
	}
	by, ok := sampler.(model.ODE)
	if !ok {
		return nil, fmt.Errorf("eval: guidance needs the solver of an ODE, and samples are drawn by %v", sampler)
	}
	by.Guidance = scale
	return by, nil
}

// featureDistances compares the features of samples, where there are some, and of training
// images with those of held-out ones.
func (s Subject) featureDistances(r *FeatureReport, e Extractor, w *seen, reference *metrics.FeatureStats) error {
	test, err := s.statistics(e, "heldout", w.testImages, func() (flow.Batch, error) { return w.test, nil })
	if err != nil {
		err = fmt.Errorf("statistics of held-out images: %w", err)
	}
	errs := []error{err}
	if err == nil {
		d, err := s.fidOfData(e, w, test)
		errs = append(errs, figure("FID of training images", err, map[**float64]float64{&r.FIDData: d}))
	}
	if w.samples.N == 0 {
		return errors.Join(errs...)
	}
	samples, failed := metrics.NewFeatureStats(e.Name(), "samples of "+s.Name, w.samples)
	fid := func(what string, to metrics.FeatureStats, into **float64) {
		d, err := 0.0, failed
		if err == nil {
			d, err = metrics.FID(to, samples)
		}
		errs = append(errs, figure(what, err, map[**float64]float64{into: d}))
	}
	if err == nil {
		fid("FID", test, &r.FID)
	}
	if reference != nil {
		r.Reference = reference.Split
		fid("FID to the reference", *reference, &r.FIDReference)
	}
	return errors.Join(append(errs, s.pointwise(r, w))...)
}

// fidOfData compares the features of training images with those of held-out ones.
func (s Subject) fidOfData(e Extractor, w *seen, test metrics.FeatureStats) (float64, error) {
	train, err := s.statistics(e, "training", w.trainImages, func() (flow.Batch, error) {
		f, _, err := e.Features(w.trainImages)
		return f, err
	})
	if err != nil {
		return 0, err
	}
	return metrics.FID(test, train)
}

// pointwise compares samples with held-out images by what takes no statistics.
func (s Subject) pointwise(r *FeatureReport, w *seen) error {
	var errs []error
	if w.probs.D > 0 {
		score, _, err := metrics.InceptionScore(w.probs, 1)
		errs = append(errs, figure("", err, map[**float64]float64{&r.InceptionScore: score}))
	}
	subsets := metrics.KIDOptions{Size: min(1000, w.samples.N/2), Subsets: 20, Seed: s.Seed}
	kid, std, err := metrics.KID(w.test, w.samples, subsets)
	errs = append(errs, figure("", err, map[**float64]float64{&r.KID: kid, &r.KIDStd: std}))
	precision, recall, err := metrics.PrecisionRecall(w.test, w.samples, neighbours)
	return errors.Join(append(errs, figure("", err,
		map[**float64]float64{&r.Precision: precision, &r.Recall: recall}))...)
}
