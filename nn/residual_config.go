package nn

import (
	"fmt"

	"flowmatch/internal/choice"
)

// Residual describes a perceptron of residual blocks, each of which is scaled and shifted
// by what the point is given: its time, its label, and an embedding of its context. It is
// the network for contexts that matter, as those of simulators do (Wildberger et al. 2023,
// arXiv 2305.17161). The zero value of every field is usable.
type Residual struct {
	// Width is the width of a block. Default 128.
	Width int `yaml:"width" json:"width"`
	// Blocks is the number of blocks, of two layers each. Default 4.
	Blocks int `yaml:"blocks" json:"blocks"`
	// Dropout is the probability with which a number is left out before the last layer of a
	// block, in training. Default 0.
	Dropout float64 `yaml:"dropout,omitempty" json:"dropout,omitempty"`
	// Norm is none (default), or layer: a block takes the layer norm of its input. It bounds what a
	// block adds, so that a velocity grows no faster than its point.
	Norm string `yaml:"norm,omitempty" json:"norm,omitempty"`
	// Embed is the network that embeds the context.
	Embed Embed `yaml:"embed,omitempty" json:"embed,omitzero"`
}

// The norms of a [Residual].
const (
	NormNone  = "none"
	NormLayer = "layer"
)

// The kinds of [Embed].
const (
	EmbedIdentity = "identity"
	EmbedMLP      = "mlp"
	EmbedSet      = "set"
	EmbedSeries   = "series"
	EmbedImage    = "image"
)

// EmbedKinds returns them.
func EmbedKinds() []string {
	return []string{EmbedIdentity, EmbedMLP, EmbedSet, EmbedSeries, EmbedImage}
}

// Embed describes the network that turns a context into an embedding. A solve runs it
// once, not in every evaluation of the velocity.
type Embed struct {
	// Kind is identity (default), the context itself; mlp, a perceptron of it; set, the mean
	// of a perceptron of each of many observations, whatever their order and number; series,
	// 1-D convolutions along a series; or image, 2-D convolutions.
	Kind string `yaml:"kind,omitempty" json:"kind,omitempty"`
	// Shape is that of one context, whose product is the number of its numbers: of set,
	// observations and numbers of each, the last of which is 1 where there is an observation
	// and 0 where there is none; of series, times and channels; of image, height, width and
	// channels. Default in a run file: that of the array in data.context_path. Identity and mlp take
	// no shape.
	Shape []int `yaml:"shape,omitempty,flow" json:"shape,omitempty"`
	// Hidden is the width of each hidden layer: channels of convolutions, each of stride 2.
	// Default [64, 64].
	Hidden []int `yaml:"hidden,omitempty,flow" json:"hidden,omitempty"`
	// Width is how many numbers an embedding has. Default 32.
	Width int `yaml:"width,omitempty" json:"width,omitempty"`
}

// Defaults returns r with every unset field filled in.
func (r Residual) Defaults() Residual {
	if r.Width == 0 {
		r.Width = 128
	}
	if r.Blocks == 0 {
		r.Blocks = 4
	}
	if e := &r.Embed; e.learnt() {
		if len(e.Hidden) == 0 {
			e.Hidden = []int{64, 64}
		}
		if e.Width == 0 {
			e.Width = 32
		}
	}
	return r
}

// learnt says whether an embedding has weights.
func (e Embed) learnt() bool { return e.Kind != "" && e.Kind != EmbedIdentity }

// axesOf says what the axes of a context are, of the kinds that have any.
var axesOf = map[string]string{
	EmbedSet:    "how many observations, and how many numbers each of them has with its mark",
	EmbedSeries: "how many times, and how many channels",
	EmbedImage:  "height, width and channels",
}

// Axes returns how many axes a context of the kind has, the last of which are the numbers of one
// observation; 0 of the kinds that take no shape.
func (e Embed) Axes() int { return map[string]int{EmbedSet: 2, EmbedSeries: 2, EmbedImage: 3}[e.Kind] }

// numbers returns how many numbers the embedding of a context of so many has.
func (e Embed) numbers(context int) int {
	if e.learnt() {
		return e.Width
	}
	return context
}

// validate reports the first field that cannot be used for contexts of so many numbers;
// 0: the number is not known yet, or there is no context.
func (r Residual) validate(context int) error {
	r = r.Defaults()
	if r.Width < 1 || r.Blocks < 1 {
		return fmt.Errorf("nn: residual.width %d and residual.blocks %d must be at least 1", r.Width, r.Blocks)
	}
	if !(r.Dropout >= 0 && r.Dropout < 1) {
		return fmt.Errorf("nn: residual.dropout is %g; it must be in [0, 1)", r.Dropout)
	}
	if r.Norm != "" {
		if err := choice.Check("norm", r.Norm, []string{NormNone, NormLayer}); err != nil {
			return fmt.Errorf("nn: residual: %w", err)
		}
	}
	return r.Embed.validate(context)
}

func (e Embed) validate(context int) error {
	if e.Kind != "" {
		if err := choice.Check("kind", e.Kind, EmbedKinds()); err != nil {
			return fmt.Errorf("nn: residual.embed: %w", err)
		}
	}
	axes := e.Axes()
	shaped := axes > 0
	switch {
	case !e.learnt() && (len(e.Hidden) > 0 || e.Width != 0 || len(e.Shape) > 0):
		return fmt.Errorf("nn: residual.embed: hidden, width or shape is set, but the kind is %s, which has none: "+
			"set kind, or leave them out", EmbedIdentity)
	case e.learnt() && e.Width < 1:
		return fmt.Errorf("nn: residual.embed.width is %d; it must be at least 1", e.Width)
	case !shaped && len(e.Shape) > 0:
		return fmt.Errorf("nn: residual.embed.shape is %v, but the kind is %s, which takes none: leave it out", e.Shape,
			e.Kind)
	case shaped && len(e.Shape) == 0 && context == 0:
		return nil // the data will say it
	case shaped && len(e.Shape) != axes:
		return fmt.Errorf("nn: residual.embed.shape is %v; the kind %s takes %d numbers: %s", e.Shape, e.Kind, axes,
			axesOf[e.Kind])
	}
	product := 1
	for _, n := range e.Shape {
		if n < 1 || n > mostSize/max(1, product) {
			return fmt.Errorf("nn: residual.embed.shape is %v; its numbers must be at least 1, and their product at "+
				"most %d", e.Shape, mostSize)
		}
		product *= n
	}
	if e.Kind == EmbedSet && e.Shape[1] < 2 {
		return fmt.Errorf("nn: residual.embed.shape is %v; an observation of a set is 1 number at least, and the mark "+
			"that it is there", e.Shape)
	}
	if shaped && context > 0 && product != context {
		return fmt.Errorf("nn: residual.embed.shape %v is of %d numbers, but a context has %d", e.Shape, product,
			context)
	}
	for i, h := range e.Hidden {
		if h < 1 {
			return fmt.Errorf("nn: residual.embed.hidden[%d] is %d; a layer needs at least 1 unit", i, h)
		}
	}
	return nil
}
