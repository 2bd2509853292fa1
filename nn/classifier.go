package nn

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// ClassifierConfig describes a small convolutional network that tells the class of
// an image: four 3x3 convolutions, two of which halve the image, a mean over the
// pixels, a layer of features and one of classes; SiLU between them.
type ClassifierConfig struct {
	Image    []int `json:"image"`    // height, width, channels
	Classes  int   `json:"classes"`  // at least 2
	Channels int   `json:"channels"` // of the first convolution; 0: 32. Those after the halvings have two and four times as many
	Features int   `json:"features"` // 0: 64
}

// Classifier is such a network with its weights. It is read-only and safe for
// concurrent use.
type Classifier struct {
	cfg        ClassifierConfig
	net        *Net // layout and weights
	tell, grad *program
}

// NewClassifier returns a classifier with weights drawn from seed.
func NewClassifier(eng *Engine, cfg ClassifierConfig, seedValue uint64) (*Classifier, error) {
	c, err := declareClassifier(eng, cfg)
	if err != nil {
		return nil, err
	}
	return c.WithWeights(c.net.arch.initial(seed.Rand(seedValue, "nn/classifier", 0)))
}

// RestoreClassifier returns a classifier with the tensors given; see [Restore].
func RestoreClassifier(eng *Engine, cfg ClassifierConfig, read func(name string, shape []int) ([]float32, error)) (*Classifier, error) {
	c, err := declareClassifier(eng, cfg)
	if err != nil {
		return nil, err
	}
	theta, err := c.net.arch.restore(read)
	if err != nil {
		return nil, err
	}
	return c.WithWeights(theta)
}

func declareClassifier(eng *Engine, cfg ClassifierConfig) (*Classifier, error) {
	if cfg.Channels == 0 {
		cfg.Channels = 32
	}
	if cfg.Features == 0 {
		cfg.Features = 64
	}
	if len(cfg.Image) != 3 || min(cfg.Image[0], cfg.Image[1], cfg.Image[2]) < 1 || cfg.Classes < 2 || cfg.Channels < 1 || cfg.Features < 1 {
		return nil, fmt.Errorf("nn: a classifier of %+v; it needs image as height, width and channels, at least 2 classes, and positive sizes", cfg)
	}
	dim := cfg.Image[0] * cfg.Image[1] * cfg.Image[2]
	m := &arch{cfg: Config{Dim: dim}}
	b := builder{layout: &m.layout}
	w := cfg.Channels
	b.conv("features.0", 3, cfg.Image[2], w, false)
	b.conv("features.2", 3, w, 2*w, false)
	b.conv("features.4", 3, 2*w, 2*w, false)
	b.conv("features.6", 3, 2*w, 4*w, false)
	b.linear("features.10", 4*w, cfg.Features)
	b.linear("classes", cfg.Features, cfg.Classes)
	c := &Classifier{cfg: cfg, net: &Net{eng: eng, arch: m, progs: newPrograms(eng, m)}}
	floats := func(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }
	c.tell = &program{eng: eng, name: "classifier", build: c.tellGraph,
		inputs: func(n, _ int) []shapes.Shape { return []shapes.Shape{floats(m.size), floats(n, dim)} }}
	c.grad = &program{eng: eng, name: "gradient of a classifier", build: c.gradGraph,
		inputs: func(n, _ int) []shapes.Shape {
			return []shapes.Shape{floats(m.size), floats(n, dim), floats(n, cfg.Classes)}
		}}
	return c, nil
}

// Config returns the description, complete.
func (c *Classifier) Config() ClassifierConfig { return c.cfg }

// Net returns the weights, with their layout; it is no velocity.
func (c *Classifier) Net() *Net { return c.net }

// NewTrainer starts training from the weights of c: see [Trainer.Apply].
func (c *Classifier) NewTrainer(o Optimizer) (*Trainer, error) { return c.net.NewTrainer(o) }

// WithWeights returns a classifier like c with the weights of the slab given.
func (c *Classifier) WithWeights(theta []float32) (*Classifier, error) {
	net, err := c.net.WithWeights(theta)
	if err != nil {
		return nil, err
	}
	return c.WithNet(net), nil
}

// WithNet is WithWeights with those of a network of the same layout, such as a
// [Trainer] of c has; nothing is copied.
func (c *Classifier) WithNet(net *Net) *Classifier {
	other := *c
	other.net = net
	return &other
}

// Classify returns the features [N, Features] and the probabilities of the classes
// [N, Classes] of images [N, H·W·C].
func (c *Classifier) Classify(x flow.Batch) (features, probs flow.Batch, err error) {
	defer rescue(&err, "classifying")
	if x.D != c.net.arch.cfg.Dim {
		return features, probs, fmt.Errorf("nn: images of %d numbers given to a classifier of %d", x.D, c.net.arch.cfg.Dim)
	}
	features, probs = flow.NewBatch(x.N, c.cfg.Features), flow.NewBatch(x.N, c.cfg.Classes)
	const most = 256 // images at once: what they hold in between is large
	for from := 0; from < x.N; from += most {
		to := min(from+most, x.N)
		f, err := c.tell.frame(padded(to-from), 0)
		if err != nil {
			return features, probs, err
		}
		f.give(0, c.net.theta)
		f.set(1, x.Slice(from, to).X)
		if err := f.run(); err != nil {
			return features, probs, fmt.Errorf("nn: classifying: %w", err)
		}
		f.read(features.Slice(from, to).X, 0)
		f.read(probs.Slice(from, to).X, 1)
		c.tell.back(f)
	}
	return features, probs, nil
}

// Gradient returns the mean cross-entropy of labelled images, in nats, and its
// gradient with respect to the weights.
func (c *Classifier) Gradient(x flow.Batch, label []int32) (loss float64, grad []float64, err error) {
	defer rescue(&err, "gradient of a classifier")
	if x.D != c.net.arch.cfg.Dim || len(label) != x.N {
		return 0, nil, fmt.Errorf("nn: images [%d, %d] with %d labels given to a classifier of %d numbers", x.N, x.D, len(label), c.net.arch.cfg.Dim)
	}
	f, err := c.grad.frame(x.N, 0)
	if err != nil {
		return 0, nil, err
	}
	f.give(0, c.net.theta)
	f.set(1, x.X)
	hot := f.floats(2)
	clear(hot)
	for i, l := range label {
		if l < 0 || int(l) >= c.cfg.Classes {
			return 0, nil, fmt.Errorf("%w: label %d; it must be in 0..%d", ErrLabels, l, c.cfg.Classes-1)
		}
		hot[i*c.cfg.Classes+int(l)] = 1
	}
	if err := f.run(); err != nil {
		return 0, nil, fmt.Errorf("nn: gradient of a classifier: %w", err)
	}
	grad = make([]float64, c.net.NumWeights())
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

func (c *Classifier) tellGraph(in []*Node) []*Node {
	features, logits := c.forward(c.net.arch.params(in[0]), in[1])
	return []*Node{features, Softmax(logits, -1)}
}

func (c *Classifier) gradGraph(in []*Node) []*Node {
	p := c.net.arch.params(in[0])
	_, logits := c.forward(p, in[1])
	top := StopGradient(ReduceAndKeep(logits, ReduceMax, -1))
	z := Sub(logits, top)
	loss := ReduceAllMean(Sub(Log(ReduceSum(Exp(z), -1)), ReduceSum(Mul(z, in[2]), -1)))
	return []*Node{loss, join(Gradient(loss, p...))}
}
