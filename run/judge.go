package run

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/classify"
	"flowmatch/flow"
	"flowmatch/metrics"
	"flowmatch/nn"
)

// Judgement is what a classifier says of samples beside as many held-out images.
// Distances are over its features: they compare with those of the same classifier
// only, and not with published ones, whose features are Inception's.
type Judgement struct {
	Samples  int     `json:"samples"`
	Guidance float64 `json:"guidance"` // 1: none
	NFE      int     `json:"nfe"`
	// Accuracy is the classifier's on the held-out images; Agreement the share of
	// samples that it takes for the class asked for, of a conditional model, or for that
	// of the image that the condition is of.
	Accuracy       float64  `json:"accuracy"`
	Agreement      *float64 `json:"agreement,omitempty"`
	FID            float64  `json:"fid"`
	FIDData        float64  `json:"fid_data"` // between the held-out images and as many training images
	KID            float64  `json:"kid"`
	KIDStd         float64  `json:"kid_std"` // over subsets
	InceptionScore float64  `json:"inception_score"`
	Precision      float64  `json:"precision"`
	Recall         float64  `json:"recall"`
}

// neighbours is k of precision and recall (Kynkäänniemi et al. 2019).
const neighbours = 3

// Judge draws samples, of every class in turn or, of a run with a condition, of the
// held-out images, and has a classifier judge them; the class asked for is then that of
// the image.
func (r *Run) Judge(ctx context.Context, c *nn.Classifier, guidance float64) (*Judgement, error) {
	how, err := r.Config.Eval.Sampling()
	if err != nil {
		return nil, err
	}
	test, want := r.rows(r.Data.Test, r.Config.Eval.Samples, "run/test", 0)
	if r.Data.Image() == nil || r.Data.Classes == 0 || test.N == 0 {
		return nil, errors.New("run: a classifier judges on labelled held-out images; set data.labels_path and data.test")
	}
	told, err := r.Told(test.N)
	if err != nil {
		return nil, err
	}
	asked := told.Label
	if told.Cond.N > 0 {
		asked = want
	}
	how.N, how.Seed, how.Label, how.Cond, how.Guidance = test.N, r.Config.Seed, told.Label, told.Cond, guidance
	how.Progress = r.watch("samples", how.N)
	s, err := r.Model.Sample(ctx, how)
	if err != nil {
		return nil, err
	}
	r.Keep(s.X, told)
	s.X = clipped(s.X)
	j := &Judgement{Samples: s.X.N, Guidance: guidance, NFE: s.Stats.NFE}
	train, _ := r.rows(r.Data.TrainSet, test.N, "run/judge", 1)
	var features, probs [3]flow.Batch
	for k, x := range []flow.Batch{test, s.X, train} {
		if features[k], probs[k], err = c.Classify(x); err != nil {
			return nil, err
		}
	}
	if j.Accuracy, err = classify.Accuracy(probs[0], want); err != nil {
		return nil, err
	}
	if asked != nil {
		agreement, err := classify.Accuracy(probs[1], asked)
		if err != nil {
			return nil, err
		}
		j.Agreement = &agreement
	}
	if j.InceptionScore, _, err = metrics.InceptionScore(probs[1], 1); err != nil {
		return nil, err
	}
	return j, j.distances(features[0], features[1], features[2], r.Config.Seed)
}

// distances compares the features of samples and of training images with those of
// held-out ones.
func (j *Judgement) distances(test, samples, train flow.Batch, seedValue uint64) error {
	var stats [3]metrics.FeatureStats
	var err error
	for k, f := range []flow.Batch{test, samples, train} {
		if stats[k], err = metrics.NewFeatureStats("classifier", fmt.Sprint("set ", k), f); err != nil {
			return err
		}
	}
	if j.FID, err = metrics.FID(stats[0], stats[1]); err != nil {
		return err
	}
	if j.FIDData, err = metrics.FID(stats[0], stats[2]); err != nil {
		return err
	}
	subsets := metrics.KIDOptions{Size: min(1000, samples.N/2), Subsets: 20, Seed: seedValue}
	if j.KID, j.KIDStd, err = metrics.KID(test, samples, subsets); err != nil {
		return err
	}
	j.Precision, j.Recall, err = metrics.PrecisionRecall(test, samples, neighbours)
	return err
}
