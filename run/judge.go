package run

import (
	"cmp"
	"context"
	"errors"

	"flowmatch/classify"
	"flowmatch/flow"
	"flowmatch/metrics"
	"flowmatch/nn"
)

// Judgement is what an extractor of features says of samples beside as many held-out
// images. Distances are over its features: they compare with those of the same
// extractor only. Published ones are Inception's.
type Judgement struct {
	Extractor string  `json:"extractor"`
	Samples   int     `json:"samples"`
	Guidance  float64 `json:"guidance"` // 1: none
	NFE       int     `json:"nfe"`
	// Accuracy is a classifier's on the held-out images; Agreement the share of
	// samples that it takes for the class asked for, of a conditional model, or for that
	// of the image that the condition is of.
	Accuracy  *float64 `json:"accuracy,omitempty"`
	Agreement *float64 `json:"agreement,omitempty"`
	FID       float64  `json:"fid"`
	FIDData   float64  `json:"fid_data"` // between the held-out images and as many training images
	// Reference is the split of the statistics given, and FIDReference the distance
	// of the samples to them.
	Reference    string   `json:"reference,omitempty"`
	FIDReference *float64 `json:"fid_reference,omitempty"`
	KID          float64  `json:"kid"`
	KIDStd       float64  `json:"kid_std"` // over subsets
	// InceptionScore is nil where the extractor knows no classes.
	InceptionScore *float64 `json:"inception_score,omitempty"`
	Precision      float64  `json:"precision"`
	Recall         float64  `json:"recall"`
}

// neighbours is k of precision and recall (Kynkäänniemi et al. 2019).
const neighbours = 3

// JudgeOptions says how samples are judged. The zero value is usable.
type JudgeOptions struct {
	Guidance  float64               // scale; 0 and 1: none
	Reference *metrics.FeatureStats // of the same extractor, to compare with as well
}

// Judge draws samples, of every class in turn or, of a run with a condition, of the
// held-out images, and has a classifier judge them; the class asked for is then that of
// the image.
func (r *Run) Judge(ctx context.Context, c *nn.Classifier, o JudgeOptions) (*Judgement, error) {
	if r.Data.Image() == nil || r.Data.Classes == 0 || r.Data.Test.Len() == 0 {
		return nil, errors.New("run: a classifier judges on labelled held-out images; set data.labels_path and data.test")
	}
	e, err := newByClassifier(c)
	if err != nil {
		return nil, err
	}
	j, seen, err := r.judge(ctx, e, o)
	if err != nil {
		return nil, err
	}
	if j.Accuracy, err = accuracy(seen.testProbs, seen.testLabel); err != nil || seen.label == nil {
		return j, err
	}
	j.Agreement, err = accuracy(seen.probs, seen.label)
	return j, err
}

func accuracy(probs flow.Batch, label []int32) (*float64, error) {
	a, err := classify.Accuracy(probs, label)
	return &a, err
}

// Compare draws samples as Judge does, and compares their features with those of
// held-out images, by any extractor.
func (r *Run) Compare(ctx context.Context, e Extractor, o JudgeOptions) (*Judgement, error) {
	if r.Data.Image() == nil || r.Data.Test.Len() == 0 {
		return nil, errors.New("run: features are compared with those of held-out images; set data.test")
	}
	j, _, err := r.judge(ctx, e, o)
	return j, err
}

// seen is what an extractor was shown, and what it said of it.
type seen struct {
	testLabel, label        []int32
	test, samples           flow.Batch // features
	testProbs, probs        flow.Batch
	testImages, trainImages flow.Batch
}

func (r *Run) judge(ctx context.Context, e Extractor, o JudgeOptions) (*Judgement, *seen, error) {
	how, err := r.Config.Eval.Sampling()
	if err != nil {
		return nil, nil, err
	}
	w := &seen{}
	w.testImages, w.testLabel = r.rows(r.Data.Test, r.Config.Eval.Samples, "run/test", 0)
	w.trainImages, _ = r.rows(r.Data.TrainSet, w.testImages.N, "run/judge", 1)
	told, err := r.Told(w.testImages.N)
	if err != nil {
		return nil, nil, err
	}
	if w.label = told.Label; told.Cond.N > 0 {
		w.label = w.testLabel
	}
	how.N, how.Seed, how.Label, how.Cond, how.Guidance = w.testImages.N, r.Config.Seed, told.Label, told.Cond, o.Guidance
	how.Progress = r.watch("samples", how.N)
	s, err := r.Model.Sample(ctx, how)
	if err != nil {
		return nil, nil, err
	}
	r.Keep(s.X, told)
	s.X = clipped(s.X)
	j := &Judgement{Extractor: e.Name(), Samples: s.X.N, Guidance: cmp.Or(o.Guidance, 1), NFE: s.Stats.NFE}
	if w.test, w.testProbs, err = e.Features(w.testImages); err != nil {
		return nil, nil, err
	}
	if w.samples, w.probs, err = e.Features(s.X); err != nil {
		return nil, nil, err
	}
	if w.probs.D > 0 {
		score, _, err := metrics.InceptionScore(w.probs, 1)
		if err != nil {
			return nil, nil, err
		}
		j.InceptionScore = &score
	}
	return j, w, r.distances(j, e, w, o.Reference)
}

// distances compares the features of samples and of training images with those of
// held-out ones.
func (r *Run) distances(j *Judgement, e Extractor, w *seen, reference *metrics.FeatureStats) error {
	samples, err := metrics.NewFeatureStats(e.Name(), "samples of "+r.Dir, w.samples)
	if err != nil {
		return err
	}
	test, err := r.statistics(e, "heldout", w.testImages, func() (flow.Batch, error) { return w.test, nil })
	if err != nil {
		return err
	}
	train, err := r.statistics(e, "training", w.trainImages, func() (flow.Batch, error) {
		f, _, err := e.Features(w.trainImages)
		return f, err
	})
	if err != nil {
		return err
	}
	if j.FID, err = metrics.FID(test, samples); err != nil {
		return err
	}
	if j.FIDData, err = metrics.FID(test, train); err != nil {
		return err
	}
	if reference != nil {
		d, err := metrics.FID(*reference, samples)
		if err != nil {
			return err
		}
		j.Reference, j.FIDReference = reference.Split, &d
	}
	subsets := metrics.KIDOptions{Size: min(1000, w.samples.N/2), Subsets: 20, Seed: r.Config.Seed}
	if j.KID, j.KIDStd, err = metrics.KID(w.test, w.samples, subsets); err != nil {
		return err
	}
	j.Precision, j.Recall, err = metrics.PrecisionRecall(w.test, w.samples, neighbours)
	return err
}
