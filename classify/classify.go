// Package classify has the classifiers that samples are measured with. One of images finds
// out whether a sample is of the class that was asked for, and its features are what distances
// between sets of images are measured in. One of points finds out whether two samples can be
// told apart at all.
//
// There are only a few things: [Train] trains an [nn.Classifier] on the training part
// of a labelled set, [Accuracy] is the share of images that it classifies rightly, and
// [Extractor] is a network that others trained, from an ONNX file. [TwoSample] is the
// classifier two-sample test ([C2ST]) of any points, and [NewLocalC2ST] that of the posterior
// at one observation.
package classify

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/memory"
	"flowmatch/nn"
	"flowmatch/train"
)

// Config says how to train. The zero value is usable.
type Config struct {
	// Loop is that of the training. Its defaults here are 2000 steps on 64 images, and a
	// learning rate that falls from 2e-3 to 0 along half a cosine.
	Loop     train.Loop
	Channels int // see nn.ClassifierConfig
	Features int // likewise
	Seed     uint64
}

func (c Config) defaults() Config {
	l := &c.Loop
	l.Steps, l.Batch, l.LR = cmp.Or(l.Steps, 2000), cmp.Or(l.Batch, 64), cmp.Or(l.LR, 2e-3)
	if l.LRMin == nil {
		l.LRMin = new(float64)
	}
	return c
}

// Train trains on set.Train, which must have labels, and returns the classifier with
// the averaged weights. Everything is a function of Config.Seed and the set. The loss
// that hooks see is the cross-entropy in nats.
func Train(
	ctx context.Context, eng *nn.Engine, set *data.Set, cfg Config, hooks train.Hooks,
) (*nn.Classifier, error) {
	cfg = cfg.defaults()
	if set == nil || absent.Is(set.Train) {
		return nil, errors.New("classify: there is nothing to train on: the set, or its Train, is nil")
	}
	image := set.Image()
	if set.Classes < 2 || image == nil {
		return nil, fmt.Errorf("classify: %s has %d classes and is of kind %s; it needs labelled images",
			set.Name, set.Classes, set.Kind)
	}
	if err := cfg.Loop.Validate(); err != nil {
		return nil, fmt.Errorf("classify: %w", err)
	}
	net := nn.ClassifierConfig{Image: image, Classes: set.Classes, Channels: cfg.Channels, Features: cfg.Features}
	if err := memory.Check(fmt.Sprintf("batch %d", cfg.Loop.Batch), net.StepBytes(cfg.Loop.Batch)); err != nil {
		return nil, fmt.Errorf("classify: %w", err)
	}
	c, err := nn.NewClassifier(eng, net, cfg.Seed)
	if err != nil {
		return nil, err
	}
	tr, err := c.NewTrainer(nn.Optimizer{ClipNorm: 1, EMADecay: new(0.99)})
	if err != nil {
		return nil, err
	}
	x, given := flow.NewBatch(cfg.Loop.Batch, set.Dim), flow.NewGiven(cfg.Loop.Batch, true, 0)
	step := func(step int, lr float64) (r nn.StepResult, err error) {
		if err := set.Train.Fill(x, given, uint64(step)); err != nil {
			return r, fmt.Errorf("classify: data of step %d: %w", step, err)
		}
		now, err := weighted(c, tr.RawWeights)
		if err != nil {
			return r, err
		}
		loss, grad, err := now.Gradient(x, given.Label)
		if err != nil {
			return r, err
		}
		return tr.Apply(grad, loss, lr)
	}
	if _, err := cfg.Loop.Run(ctx, train.Task{Trainer: tr, Step: step, Hooks: hooks}); err != nil {
		return nil, fmt.Errorf("classify: %w", err)
	}
	return weighted(c, tr.AveragedWeights)
}

// weighted returns a classifier like c with other weights.
func weighted(c *nn.Classifier, weights func() ([]float32, error)) (*nn.Classifier, error) {
	w, err := weights()
	if err != nil {
		return nil, err
	}
	return c.WithWeights(w)
}

// ErrNoImages is returned when there is nothing to classify.
var ErrNoImages = errors.New("classify: no images")

// Accuracy returns the share of images whose most likely class, by the probabilities
// [N, Classes] of [nn.Classifier.Classify], is their label.
func Accuracy(probs flow.Batch, label []int32) (float64, error) {
	if probs.N < 1 || probs.D < 1 || len(probs.X) != probs.N*probs.D || len(label) != probs.N {
		return 0, fmt.Errorf("%w: %d images with %d labels", ErrNoImages, probs.N, len(label))
	}
	right := 0
	for i, l := range label {
		best := 0
		for k, p := range probs.Row(i) {
			if p > probs.Row(i)[best] {
				best = k
			}
		}
		if best == int(l) {
			right++
		}
	}
	return float64(right) / float64(probs.N), nil
}
