// Package classify trains a classifier of images: what tells whether a sample is of
// the class that was asked for, and whose features distances between sets of images
// are measured in.
//
// There are only a few things: [Train] trains an [nn.Classifier] on the training part
// of a labelled set, [Accuracy] is the share of images that it tells right, and
// [Extractor] is a network that others trained, from an ONNX file.
package classify

import (
	"context"
	"errors"
	"fmt"
	"math"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/nn"
)

// Config says how to train. The zero value is usable.
type Config struct {
	Steps    int     // of the optimizer; 0: 2000
	Batch    int     // images a step; 0: 64
	LR       float64 // falls to 0 along half a cosine; 0: 2e-3
	Channels int     // see nn.ClassifierConfig
	Features int     // likewise
	Seed     uint64
}

func (c Config) defaults() Config {
	if c.Steps == 0 {
		c.Steps = 2000
	}
	if c.Batch == 0 {
		c.Batch = 64
	}
	if c.LR == 0 {
		c.LR = 2e-3
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Steps < 1 || c.Batch < 1:
		return fmt.Errorf("classify: %d steps on batches of %d; both must be at least 1", c.Steps, c.Batch)
	case !(c.LR > 0) || math.IsInf(c.LR, 0):
		return fmt.Errorf("classify: the learning rate is %g; it must be positive", c.LR)
	}
	return nil
}

// Train trains on set.Train, which must have labels, and returns the classifier with
// the averaged weights. Everything is a function of Config.Seed and the set. observe,
// if not nil, is called after each step with its cross-entropy in nats.
func Train(ctx context.Context, eng *nn.Engine, set *data.Set, cfg Config, observe func(step int, loss float64)) (*nn.Classifier, error) {
	cfg = cfg.defaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	image := set.Image()
	if set.Classes < 2 || image == nil {
		return nil, fmt.Errorf("classify: %s has %d classes and is of kind %s; it needs labelled images", set.Name, set.Classes, set.Kind)
	}
	c, err := nn.NewClassifier(eng, nn.ClassifierConfig{Image: image, Classes: set.Classes, Channels: cfg.Channels, Features: cfg.Features}, cfg.Seed)
	if err != nil {
		return nil, err
	}
	tr, err := c.NewTrainer(nn.Optimizer{ClipNorm: 1, EMADecay: 0.99})
	if err != nil {
		return nil, err
	}
	x, label := flow.NewBatch(cfg.Batch, set.Dim), make([]int32, cfg.Batch)
	for step := range cfg.Steps {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("classify: stopped at step %d: %w", step, err)
		}
		if err := set.Train.Fill(x, label, uint64(step)); err != nil {
			return nil, fmt.Errorf("classify: data of step %d: %w", step, err)
		}
		now, err := current(c, tr, false)
		if err != nil {
			return nil, err
		}
		loss, grad, err := now.Gradient(x, label)
		if err != nil {
			return nil, err
		}
		lr := cfg.LR * (1 + math.Cos(math.Pi*float64(step)/float64(cfg.Steps))) / 2
		if _, err := tr.Apply(grad, loss, lr); err != nil {
			return nil, err
		}
		if observe != nil {
			observe(step+1, loss)
		}
	}
	return current(c, tr, true)
}

// current is the classifier with the trainer's weights, averaged or raw.
func current(c *nn.Classifier, tr *nn.Trainer, ema bool) (*nn.Classifier, error) {
	net, err := tr.Net(ema)
	if err != nil {
		return nil, err
	}
	return c.WithNet(net), nil
}

// ErrNoImages is returned when there is nothing to classify.
var ErrNoImages = errors.New("classify: no images")

// Accuracy returns the share of images whose most likely class, by the probabilities
// [N, Classes] of [nn.Classifier.Classify], is their label.
func Accuracy(probs flow.Batch, label []int32) (float64, error) {
	if probs.N == 0 || len(label) != probs.N {
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
