package nn

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// ClassifierConfig describes a small convolutional network that classifies images:
// four 3x3 convolutions, two of which halve the image, a mean over the
// pixels, a layer of features and one of classes; SiLU between them.
type ClassifierConfig struct {
	Image    []int `json:"image"`    // height, width, channels
	Classes  int   `json:"classes"`  // at least 2
	Channels int   `json:"channels"` // of the first convolution; 0: 32. After each halving there are twice as many
	Features int   `json:"features"` // 0: 64
}

// Defaults returns c with every unset field filled in.
func (c ClassifierConfig) Defaults() ClassifierConfig {
	if c.Channels == 0 {
		c.Channels = 32
	}
	if c.Features == 0 {
		c.Features = 64
	}
	return c
}

// Validate reports whether such a classifier can be made.
func (c ClassifierConfig) Validate() error {
	c = c.Defaults()
	if len(c.Image) != 3 || slices.Min(c.Image) < 1 || c.Classes < 2 || c.Channels < 1 || c.Features < 1 {
		return fmt.Errorf("nn: a classifier of %+v; "+
			"it needs image as height, width and channels, at least 2 classes, and positive sizes", c)
	}
	return nil
}

// StepBytes returns the least memory that a training step on a batch of so many images takes:
// the images and labels, and what the first convolution makes of them.
func (c ClassifierConfig) StepBytes(batch int) float64 {
	pixels := float64(c.Image[0]) * float64(c.Image[1])
	return float64(batch) * (pixels*(8*float64(c.Image[2])+4*float64(c.Defaults().Channels)) + 4)
}

// Classifier is the network of a [ClassifierConfig] with its weights. It is read-only and safe for
// concurrent use.
type Classifier struct {
	Module
	cfg            ClassifierConfig
	classify, grad *program
}

// NewClassifier returns a classifier with weights drawn from seed.
func NewClassifier(eng *Engine, cfg ClassifierConfig, seedValue uint64) (*Classifier, error) {
	if err := eng.check(); err != nil {
		return nil, err
	}
	cfg, l, err := planClassifier(cfg)
	if err != nil {
		return nil, err
	}
	return makeClassifier(eng, cfg, l, l.initial(seed.Rand(seedValue, "nn/classifier", 0)))
}

// RestoreClassifier returns a classifier with the tensors given; see [Restore].
func RestoreClassifier(eng *Engine, cfg ClassifierConfig,
	read func(name string, shape []int) ([]float32, error)) (*Classifier, error) {
	if err := eng.check(); err != nil {
		return nil, err
	}
	cfg, l, err := planClassifier(cfg)
	if err != nil {
		return nil, err
	}
	return makeClassifier(eng, cfg, l, l.restore(read))
}

// planClassifier returns cfg with its defaults, checked, and its layout.
func planClassifier(cfg ClassifierConfig) (ClassifierConfig, *layout, error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return cfg, nil, err
	}
	l := classifierLayout(cfg)
	return cfg, l, l.check("the classifier")
}

func classifierLayout(cfg ClassifierConfig) *layout {
	l := &layout{}
	b := builder{layout: l}
	w := cfg.Channels
	b.conv("features.0", 3, cfg.Image[2], w, false)
	b.conv("features.2", 3, w, 2*w, false)
	b.conv("features.4", 3, 2*w, 2*w, false)
	b.conv("features.6", 3, 2*w, 4*w, false)
	b.linear("features.10", 4*w, cfg.Features)
	b.linear("classes", cfg.Features, cfg.Classes)
	return l
}

func makeClassifier(eng *Engine, cfg ClassifierConfig, l *layout,
	fill func(theta []float32) error) (*Classifier, error) {
	m, err := fillModule(eng, l, fill)
	if err != nil {
		return nil, err
	}
	c := &Classifier{Module: m, cfg: cfg}
	c.classify = &program{eng: eng, name: "classifying", build: c.classifyGraph,
		inputs: func(n, _ int) []shapes.Shape { return []shapes.Shape{floats(l.size), floats(n, c.dim())} }}
	c.grad = &program{eng: eng, name: "gradient of a classifier", build: c.gradGraph,
		inputs: func(n, _ int) []shapes.Shape {
			return []shapes.Shape{floats(l.size), floats(n, c.dim()), floats(n, cfg.Classes)}
		}}
	return c, nil
}

// Config returns the description, complete; the zero one of an empty Classifier.
func (c *Classifier) Config() ClassifierConfig {
	if c == nil {
		return ClassifierConfig{}
	}
	return c.cfg
}

// made reports a classifier that no function of this package made.
func (c *Classifier) made() error {
	if c == nil || c.classify == nil {
		return errors.New("nn: the classifier is nil or empty; make one by NewClassifier")
	}
	return nil
}

// fits reports images that are not the classifier's.
func (c *Classifier) fits(x flow.Batch) error {
	if err := c.made(); err != nil {
		return err
	}
	if x.D != c.dim() || len(x.X) != x.N*x.D {
		return fmt.Errorf("nn: images [%d, %d] of %d numbers given to a classifier of %d numbers", x.N, x.D, len(x.X),
			c.dim())
	}
	return nil
}

// dim is the length of an image.
func (c *Classifier) dim() int { return c.cfg.Image[0] * c.cfg.Image[1] * c.cfg.Image[2] }

// WithWeights returns a classifier like c with the weights of the slab given, of length P.
func (c *Classifier) WithWeights(theta []float32) (*Classifier, error) {
	if err := c.made(); err != nil {
		return nil, err
	}
	m, err := newModule(c.eng, c.layout, theta)
	if err != nil {
		return nil, err
	}
	other := *c
	other.Module = m
	return &other, nil
}

// classifierRows is how many images are classified at once: their activations are large.
const classifierRows = 256

// Classify returns the features [N, Features] and the probabilities of the classes
// [N, Classes] of images [N, H·W·C].
func (c *Classifier) Classify(x flow.Batch) (features, probs flow.Batch, err error) {
	defer rescue(&err, "classifying")
	if err := c.fits(x); err != nil {
		return features, probs, err
	}
	features, probs = flow.NewBatch(x.N, c.cfg.Features), flow.NewBatch(x.N, c.cfg.Classes)
	err = blocks{rows: classifierRows}.run(c.classify, x.N, 0, func(f *frame, i, j int) {
		f.give(0, c.theta)
		f.set(1, x.Slice(i, j).X)
	}, func(f *frame, i, j int) {
		f.read(features.Slice(i, j).X, 0)
		f.read(probs.Slice(i, j).X, 1)
	})
	return features, probs, err
}

// Gradient returns the mean cross-entropy of labelled images, in nats, and its
// gradient with respect to the weights, length P.
func (c *Classifier) Gradient(x flow.Batch, label []int32) (loss float64, grad []float64, err error) {
	defer rescue(&err, "gradient of a classifier")
	if err := c.fits(x); err != nil {
		return 0, nil, err
	}
	if len(label) != x.N || x.N < 1 {
		return 0, nil, fmt.Errorf("nn: %d images with %d labels given to a classifier; want a label for each, and one "+
			"image at least", x.N, len(label))
	}
	for i, l := range label {
		if l < 0 || int(l) >= c.cfg.Classes {
			return 0, nil, fmt.Errorf("nn: %w: label %d of image %d; it must be in 0..%d", flow.ErrLabels, l, i,
				c.cfg.Classes-1)
		}
	}
	f, err := c.grad.frame(x.N, 0)
	if err != nil {
		return 0, nil, err
	}
	f.give(0, c.theta)
	f.set(1, x.X)
	hot := f.floats(2)
	clear(hot)
	for i, l := range label {
		hot[i*c.cfg.Classes+int(l)] = 1
	}
	if err := f.run(); err != nil {
		return 0, nil, fmt.Errorf("nn: gradient of a classifier: %w", err)
	}
	grad = make([]float64, c.NumWeights())
	f.read(grad, 1)
	loss = float64(f.result(0)[0])
	c.grad.back(f)
	return loss, grad, nil
}

// forward returns the features and the logits.
func (c *Classifier) forward(p []*Node, x *Node) (features, logits *Node) {
	n := x.Shape().Dimensions[0]
	h := Reshape(x, n, c.cfg.Image[0], c.cfg.Image[1], c.cfg.Image[2])
	for k, stride := range []int{1, 2, 1, 2} {
		h = silu(convolution(h, p, 2*k, stride))
	}
	features = silu(affine(ReduceMean(h, 1, 2), p, 8))
	return features, affine(features, p, 10)
}

func (c *Classifier) classifyGraph(in []*Node) []*Node {
	features, logits := c.forward(c.layout.params(in[0]), in[1])
	return []*Node{features, Softmax(logits, -1)}
}

func (c *Classifier) gradGraph(in []*Node) []*Node {
	p := c.layout.params(in[0])
	_, logits := c.forward(p, in[1])
	top := StopGradient(ReduceAndKeep(logits, ReduceMax, -1))
	z := Sub(logits, top)
	loss := ReduceAllMean(Sub(Log(ReduceSum(Exp(z), -1)), ReduceSum(Mul(z, in[2]), -1)))
	return []*Node{loss, join(Gradient(loss, p...))}
}
