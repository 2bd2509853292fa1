package run

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/classify"
	"flowmatch/flow"
	"flowmatch/internal/seed"
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
	// samples that it takes for the class asked for, of a conditional model.
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

// Judge draws samples, of every class in turn, and has a classifier judge them.
func (r *Run) Judge(ctx context.Context, c *nn.Classifier, guidance float64) (*Judgement, error) {
	how, err := r.Config.Eval.Sampling()
	if err != nil {
		return nil, err
	}
	test, want := r.dequantized(min(r.Config.Eval.Samples, r.Data.Test.Len()), 0)
	if r.Data.Classes == 0 || test.N == 0 {
		return nil, errors.New("run: a classifier judges on labelled held-out images; set data.labels_path and data.test")
	}
	if want == nil {
		want = make([]int32, test.N)
		r.Data.Test.Read(flow.NewBatch(test.N, test.D), want, upTo(test.N), seed.Rand(r.Config.Seed, "run/judge", 0))
	}
	how.N, how.Seed, how.Label, how.Guidance = test.N, r.Config.Seed, r.Labels(test.N), guidance
	s, err := r.Model.Sample(ctx, how)
	if err != nil {
		return nil, err
	}
	for i, v := range s.X.X {
		s.X.X[i] = min(max(v, -1), 1) // a file of images holds no more
	}
	j := &Judgement{Samples: s.X.N, Guidance: guidance, NFE: s.Stats.NFE}
	if j.Accuracy, err = classify.Accuracy(c, test, want); err != nil {
		return nil, err
	}
	if how.Label != nil {
		agreement, err := classify.Accuracy(c, s.X, how.Label)
		if err != nil {
			return nil, err
		}
		j.Agreement = &agreement
	}
	return j, r.distances(j, c, test, s.X)
}

// distances compares the features of samples and held-out images.
func (r *Run) distances(j *Judgement, c *nn.Classifier, test, samples flow.Batch) error {
	train := flow.NewBatch(min(test.N, r.Data.TrainSet.Len()), test.D)
	r.Data.TrainSet.Read(train, nil, upTo(train.N), seed.Rand(r.Config.Seed, "run/judge", 1))
	r.Data.Original(train)
	var features [3]flow.Batch
	var stats [3]metrics.FeatureStats
	for k, x := range []flow.Batch{test, samples, train} {
		f, probs, err := c.Classify(x)
		if err != nil {
			return err
		}
		if k == 1 {
			if j.InceptionScore, _, err = metrics.InceptionScore(probs, 1); err != nil {
				return err
			}
		}
		features[k] = f
		if stats[k], err = metrics.NewFeatureStats("classifier", fmt.Sprint("set ", k), f); err != nil {
			return err
		}
	}
	var err error
	if j.FID, err = metrics.FID(stats[0], stats[1]); err != nil {
		return err
	}
	if j.FIDData, err = metrics.FID(stats[0], stats[2]); err != nil {
		return err
	}
	subsets := metrics.KIDOptions{Size: min(1000, samples.N/2), Subsets: 20, Seed: r.Config.Seed}
	if j.KID, j.KIDStd, err = metrics.KID(features[0], features[1], subsets); err != nil {
		return err
	}
	j.Precision, j.Recall, err = metrics.PrecisionRecall(features[0], features[1], neighbours)
	return err
}

// upTo returns 0, 1, ..., n-1.
func upTo(n int) []int {
	index := make([]int, n)
	for i := range index {
		index[i] = i
	}
	return index
}
