package nn

import (
	"errors"
	"fmt"
	"slices"

	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
)

// Config describes a velocity network f(x, t | label, context). Without Residual, UNet or
// DiT it is a multilayer perceptron,
//
//	h_0 = [x, Fourier(x), waves(x, t), τ(t), onehot(label), context, shown, known],
//	h_l = act(W_l h_{l-1} + b_l),  f = W_L h_{L-1} + b_L
//
// and, with Average, one of average velocities u(x, t, s), whose input has τ(s-t)
// beside τ(t).
//
// The zero value of every field but Dim is usable; Defaults fills it in.
type Config struct {
	// Dim is D, the dimension of the points: input and output. Required.
	Dim int `yaml:"dim,omitempty" json:"dim,omitempty"`
	// Hidden holds the width of each hidden layer. Default [64, 64, 64].
	Hidden []int `yaml:"hidden,flow" json:"hidden"`
	// Activation is gelu (default), silu, relu, tanh, softplus, elu or selu.
	Activation string `yaml:"activation" json:"activation"`
	// TimeFrequencies n > 0 adds sin(πkt) and cos(πkt), k = 1..n, to the plain
	// feature t. Default 0: t alone.
	TimeFrequencies int `yaml:"time_frequencies" json:"time_frequencies"`
	// SpaceFrequencies n > 0 adds sin(2πsk x_d) and cos(2πsk x_d), k = 1..n, of
	// every coordinate to x (Fourier features, Tancik et al. 2020, with axis
	// harmonics): sharp edges are learnt much sooner. Default 0.
	SpaceFrequencies int `yaml:"space_frequencies" json:"space_frequencies"`
	// SpaceScale is s, the lowest of those frequencies in cycles per unit of x.
	// Default 0.25: a period of 4, the range of standardised data.
	SpaceScale float64 `yaml:"space_scale" json:"space_scale"`
	// Waves are further features of x, and of t, for laws with fine details. Default nil: none.
	Waves *Waves `yaml:"waves,omitempty" json:"waves,omitempty"`
	// Classes > 0 makes the net conditional on a label in 0..Classes-1;
	// label -1 is "no label" (a zero one-hot vector). Default 0.
	Classes int `yaml:"classes,omitempty" json:"classes,omitempty"`
	// Context > 0 is how many numbers the net is given for each point beside the label:
	// columns of a table, an observation, an image at low resolution. Any net takes them:
	// a perceptron as further inputs, a UNet or DiT as further channels of its input,
	// which they must fill as images of Image's height and width. Default 0.
	Context int `yaml:"condition,omitempty" json:"condition,omitempty"`
	// Shown makes a net that may be shown some of the coordinates of each point: shown has their
	// values and known is 1 there, both are 0 elsewhere; x is 0 there, and so is f, so that a solve
	// moves the others alone. It is for perceptrons. Default: whether train.shown is set.
	Shown bool `yaml:"shown,omitempty" json:"shown,omitempty"`
	// Levels are coordinates of which the net has the exact posterior as far as they tell it
	// themselves: see [Levels]. It is for perceptrons of preconditioned models. Default: those of
	// the columns of a table, where they are learnt with precondition_levels.
	Levels []Levels `yaml:"-" json:"levels,omitempty"`
	// Average makes the net u(x, t, s), the average velocity of a flow on its way
	// from x at time t to time s. Its second input is the length s-t, with the
	// features of a time, so that s = t, the velocity itself, is the same input at
	// every t. It is for perceptrons. Default false.
	Average bool `yaml:"interval,omitempty" json:"interval,omitempty"`
	// Residual makes the net a perceptron of residual blocks, which see time, label and
	// context in every block; Hidden then does not count. Default nil.
	Residual *Residual `yaml:"residual,omitempty" json:"residual,omitempty"`
	// UNet makes the net one of images, a UNet; of the fields above only Dim, Classes and
	// Context then count. Default nil: a perceptron.
	UNet *UNet `yaml:"unet,omitempty" json:"unet,omitempty"`
	// DiT, in place of UNet, makes it a transformer of images.
	DiT *DiT `yaml:"dit,omitempty" json:"dit,omitempty"`
}

// image returns the shape of the images that the net is for, and the key under which
// a run file describes such a net; "" for a perceptron.
func (c Config) image() (shape []int, key string) {
	switch {
	case c.UNet != nil:
		return c.UNet.Image, "unet"
	case c.DiT != nil:
		return c.DiT.Image, "dit"
	}
	return nil, ""
}

// channels returns the channels of the images that a net of images reads: those of a
// point, and behind them those of the context.
func (c Config) channels() int {
	im, _ := c.image()
	return im[2] + c.Context/(im[0]*im[1])
}

// contextShape is the shape of the context of one point.
func (c Config) contextShape() []int {
	if im, key := c.image(); key != "" {
		return []int{im[0], im[1], c.Context / (im[0] * im[1])}
	}
	return []int{c.Context}
}

// OfImages says whether the net is one of images.
func (c Config) OfImages() bool { return c.UNet != nil || c.DiT != nil }

// OnImages returns c for images of that shape: height, width, channels. A perceptron
// does not change.
func (c Config) OnImages(shape []int) Config {
	if c.UNet != nil {
		u := *c.UNet
		u.Image, c.UNet = shape, &u
	}
	if c.DiT != nil {
		d := *c.DiT
		d.Image, c.DiT = shape, &d
	}
	return c
}

// drops says whether training drops numbers out.
func (c Config) drops() bool {
	return c.UNet != nil && c.UNet.Dropout > 0 || c.Residual != nil && c.Residual.Dropout > 0
}

// Defaults returns c with every unset field filled in.
func (c Config) Defaults() Config {
	if len(c.Hidden) == 0 {
		c.Hidden = []int{64, 64, 64}
	}
	if c.Activation == "" {
		c.Activation = "gelu"
	}
	if c.SpaceScale == 0 {
		c.SpaceScale = 0.25
	}
	if c.Waves != nil {
		w := c.Waves.Defaults()
		c.Waves = &w
	}
	if c.Residual != nil {
		r := c.Residual.Defaults()
		c.Residual = &r
	}
	if c.UNet != nil {
		u := c.UNet.Defaults()
		c.UNet = &u
	}
	if c.DiT != nil {
		d := c.DiT.Defaults()
		c.DiT = &d
	}
	return c
}

// Validate reports the first field that cannot be used, and what would be right.
func (c Config) Validate() error {
	if c.Dim < 1 {
		return fmt.Errorf("nn: dim is %d; it must be at least 1", c.Dim)
	}
	for i, h := range c.Hidden {
		if h < 1 {
			return fmt.Errorf("nn: hidden[%d] is %d; a layer needs at least 1 unit", i, h)
		}
	}
	if err := c.checkLargest(); err != nil {
		return err
	}
	if _, err := activationByName(c.Activation); err != nil {
		return err
	}
	if c.TimeFrequencies < 0 || c.SpaceFrequencies < 0 {
		return fmt.Errorf("nn: time_frequencies %d and space_frequencies %d must not be negative",
			c.TimeFrequencies, c.SpaceFrequencies)
	}
	if c.SpaceScale < 0 {
		return fmt.Errorf("nn: space_scale is %g; it must be positive", c.SpaceScale)
	}
	if c.Classes < 0 {
		return fmt.Errorf("nn: classes is %d; it must not be negative", c.Classes)
	}
	if c.Context < 0 {
		return fmt.Errorf("nn: condition is %d; it must be how many numbers a context has, or 0 for no context",
			c.Context)
	}
	if err := c.Waves.validate(c.Average); err != nil {
		return err
	}
	if err := c.validateLevels(); err != nil {
		return err
	}
	if c.Residual != nil {
		if c.OfImages() {
			return errors.New("nn: residual is set beside unet or dit; a net is one of them, so leave one out")
		}
		return c.Residual.validate(c.Context)
	}
	return c.validateImages()
}

// Widths returns the widths of the hidden layers of a perceptron, plain or residual; nil of
// networks of images.
func (c Config) Widths() []int {
	switch c = c.Defaults(); {
	case c.OfImages():
		return nil
	case c.Residual != nil:
		blocks := min(max(c.Residual.Blocks, 1), mostLayers) // Validate reports others
		return slices.Repeat([]int{c.Residual.Width}, 2*blocks)
	}
	return c.Hidden
}

// Sizes beyond which no network is: their products are still whole numbers, so that an
// estimate of the memory says the rest. mostLayers is that of layers and blocks.
const mostSize, mostLayers = 1 << 30, 1 << 12

// checkLargest reports a size that is no network's.
func (c Config) checkLargest() error {
	type size struct {
		key     string
		v, most int
	}
	all := []size{{"dim", c.Dim, mostSize}, {"layers of hidden", len(c.Hidden), mostLayers},
		{"time_frequencies", c.TimeFrequencies, mostSize}, {"space_frequencies", c.SpaceFrequencies, mostSize},
		{"classes", c.Classes, mostSize}, {"condition", c.Context, mostSize}}
	for i, h := range c.Hidden {
		all = append(all, size{fmt.Sprintf("hidden[%d]", i), h, mostSize})
	}
	if w := c.Waves; w != nil {
		all = append(all, size{"waves.count", w.Count, mostSize})
	}
	if r := c.Residual; r != nil {
		all = append(all, size{"residual.width", r.Width, mostSize}, size{"residual.blocks", r.Blocks, mostLayers},
			size{"residual.embed.width", r.Embed.Width, mostSize},
			size{"layers of residual.embed.hidden", len(r.Embed.Hidden), mostLayers})
		for i, h := range r.Embed.Hidden {
			all = append(all, size{fmt.Sprintf("residual.embed.hidden[%d]", i), h, mostSize})
		}
	}
	if u := c.UNet; u != nil {
		all = append(all, size{"unet.channels", u.Channels, mostSize}, size{"unet.blocks", u.Blocks, mostLayers},
			size{"unet.heads", u.Heads, mostSize}, size{"unet.head_channels", u.HeadChannels, mostSize},
			size{"unet.group_channels", u.GroupChannels, mostSize}, size{"resolutions of unet.mult", len(u.Mult), 64})
		for i, m := range u.Mult {
			all = append(all, size{fmt.Sprintf("unet.mult[%d]", i), m, mostLayers})
		}
	}
	if d := c.DiT; d != nil {
		all = append(all, size{"dit.patch", d.Patch, mostSize}, size{"dit.width", d.Width, mostSize},
			size{"dit.depth", d.Depth, mostLayers}, size{"dit.heads", d.Heads, mostSize})
		if !(d.MLPRatio <= mostLayers) {
			return fmt.Errorf("nn: dit.mlp_ratio is %g; it must be at most %d", d.MLPRatio, mostLayers)
		}
	}
	for _, s := range all {
		if s.v > s.most {
			if err := memory.Check(fmt.Sprintf("%s %d", s.key, s.v), 64*float64(s.v)); err != nil {
				return fmt.Errorf("nn: %w", err)
			}
			return fmt.Errorf("nn: %s is %d; it must be at most %d", s.key, s.v, s.most)
		}
	}
	return nil
}

// validateImages is the part of Validate that is for nets of images.
func (c Config) validateImages() error {
	image, key := c.image()
	switch {
	case key == "":
		return nil
	case c.UNet != nil && c.DiT != nil:
		return errors.New("nn: unet and dit are both set; a net is one of them, so leave one out")
	case c.Average:
		return fmt.Errorf("nn: interval, for average velocities, is for perceptrons; a %s has one time", key)
	case c.Shown:
		return fmt.Errorf("nn: shown is for perceptrons; a %s sees all of an image", key)
	case len(image) > 0 && (len(image) != 3 || image[0]*image[1]*image[2] != c.Dim || slices.Min(image) < 1):
		return fmt.Errorf("nn: %s.image is %v; it must be height, width and channels, with the product %d",
			key, image, c.Dim)
	case len(image) > 0 && c.Context%(image[0]*image[1]) != 0:
		return fmt.Errorf("nn: condition is %d numbers; "+
			"for images of %d by %d it must be a multiple of %d, so many for each channel",
			c.Context, image[0], image[1], image[0]*image[1])
	case c.UNet != nil:
		return c.UNet.validate()
	}
	return c.DiT.validate()
}

// inputs returns the width of h_0.
func (c Config) inputs() int {
	return c.places() + c.clocks() + c.Classes + c.Context + c.showable()
}

// places returns the number of features of x among them, and x itself.
func (c Config) places() int { return c.Dim + 2*c.SpaceFrequencies*c.Dim + c.Waves.inputs() }

// showable returns how many inputs what is shown has: a value and a mark for each coordinate.
func (c Config) showable() int {
	if c.Shown {
		return 2 * c.Dim
	}
	return 0
}

// clocks returns the number of features of times among them.
func (c Config) clocks() int {
	if c.Average {
		return 2 * (1 + 2*c.TimeFrequencies)
	}
	return 1 + 2*c.TimeFrequencies + c.Waves.clocks()
}

// Activations returns the names that Config.Activation takes.
func Activations() []string {
	names := make([]string, len(activations))
	for i, a := range activations {
		names[i] = a.name
	}
	return names
}

func activationByName(name string) (activation, error) {
	if err := choice.Check("activation", name, Activations()); err != nil {
		return activation{}, fmt.Errorf("nn: %w", err)
	}
	return activations[slices.IndexFunc(activations, func(a activation) bool { return a.name == name })], nil
}
