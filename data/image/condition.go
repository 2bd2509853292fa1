package image

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// The kinds of [ConditionConfig].
const (
	SuperRes = "superres"
	Inpaint  = "inpaint"
)

// ConditionConfig names the context that a flow of images is given of each image that it
// makes.
type ConditionConfig struct {
	// Kind is superres, the image at low resolution, brought back to full size, as in
	// arXiv 2210.02747, section 6.3; or inpaint, the pixels outside of a mask, and the
	// mask. Empty means no context.
	Kind string `json:"kind,omitempty" yaml:"kind,omitempty"`
	// Factor, of superres, is how many times smaller either side is at low resolution.
	Factor int `json:"factor,omitempty" yaml:"factor,omitempty"`
	// Mask, of inpaint, is one of [Masks].
	Mask string `json:"mask,omitempty" yaml:"mask,omitempty"`
}

// Masks returns the names of the masks, which are what is missing of an image: the
// middle of half its sides (center), one half of it (left, right, top, bottom), a
// rectangle of half its sides wherever it comes to lie (random), or each pixel with
// probability 3/4 (pixels).
func Masks() []string {
	return []string{"center", "left", "right", "top", "bottom", "random", "pixels"}
}

// String returns c as a report writes it: "superres, factor 2".
func (c ConditionConfig) String() string {
	switch c.Kind {
	case SuperRes:
		return fmt.Sprintf("%s, factor %d", c.Kind, c.Factor)
	case Inpaint:
		return fmt.Sprintf("%s, mask %s", c.Kind, c.Mask)
	}
	return c.Kind
}

// Validate reports the first field that cannot be used, and what would be right.
func (c ConditionConfig) Validate() error {
	switch c.Kind {
	case "":
		if c != (ConditionConfig{}) {
			return fmt.Errorf(
				"data: condition.factor and condition.mask are set without condition.kind; it must be %s or %s",
				SuperRes, Inpaint)
		}
	case SuperRes:
		if c.Factor < 2 {
			return fmt.Errorf("data: condition.factor is %d; superres makes images at least 2 times larger", c.Factor)
		}
		if c.Mask != "" {
			return fmt.Errorf("data: condition.mask is for %s, not for %s", Inpaint, SuperRes)
		}
	case Inpaint:
		if err := choice.Check("mask", c.Mask, Masks()); err != nil {
			return fmt.Errorf("data: condition.mask: %w", err)
		}
		if c.Factor != 0 {
			return fmt.Errorf("data: condition.factor is for %s, not for %s", SuperRes, Inpaint)
		}
	default:
		if err := choice.Check("kind", c.Kind, []string{SuperRes, Inpaint}); err != nil {
			return fmt.Errorf("data: condition.kind: %w", err)
		}
	}
	return nil
}

// Condition makes the contexts of images: it is a [data.Contexter].
//
// A context is a function of the 256 levels of the pixels alone, and is in whole levels
// too, as a file would hold it. So it does not know the noise of dequantisation, and the
// density of an image given its context is that of so many levels: finite, and a bound
// of bits per dimension.
type Condition struct {
	cfg     ConditionConfig
	h, w, c int
	std     *data.Standardizer
}

var _ data.Contexter = (*Condition)(nil)

// New makes the Condition of images of a shape, [height, width] or [height, width,
// channels], in the model units of a standardizer (nil: those of a [Collection]). It is
// nil without a Kind.
func (c ConditionConfig) New(shape []int, std *data.Standardizer) (*Condition, error) {
	if err := c.Validate(); err != nil || c.Kind == "" {
		return nil, err
	}
	if len(shape) == 2 {
		shape = []int{shape[0], shape[1], 1}
	}
	if len(shape) != 3 || slices.Min(shape) < 1 {
		return nil, fmt.Errorf("data: condition.kind %s is for images; points of shape %v are none", c.Kind, shape)
	}
	if f := c.Factor; f > 0 && (shape[0]%f != 0 || shape[1]%f != 0) {
		return nil, fmt.Errorf("data: condition.factor is %d, which does not divide images of %d by %d pixels",
			f, shape[0], shape[1])
	}
	if c.Kind == Inpaint && min(shape[0], shape[1]) < 2 {
		return nil, fmt.Errorf("data: no part of an image of %d by %d pixels can be missing", shape[0], shape[1])
	}
	return &Condition{cfg: c, h: shape[0], w: shape[1], c: shape[2], std: std}, nil
}

// Config returns what made c.
func (c *Condition) Config() ConditionConfig {
	if c == nil {
		return ConditionConfig{}
	}
	return c.cfg
}

// Dim returns the number of values of a context: an image, and a mask of one channel
// where there is one; 0 of a nil Condition, which makes none.
func (c *Condition) Dim() int {
	if c == nil {
		return 0
	}
	if c.cfg.Kind == Inpaint {
		return c.h * c.w * (c.c + 1)
	}
	return c.h * c.w * c.c
}

// Fill writes the contexts of images x [N, D] into context [N, Dim], both in model
// units. Masks are drawn from rng, which may be nil for those that are not random: as
// many draws for each image, so that the mask of image i is a function of rng and i. A
// shape that does not fit is an error.
func (c *Condition) Fill(context, x flow.Batch, rng *rand.Rand) error {
	if err := c.usable(); err != nil {
		return err
	}
	if err := cmp.Or(shaped("images", x, x.N, c.pixels()), shaped("contexts", context, x.N, c.Dim()),
		c.standardizes(x.D)); err != nil {
		return err
	}
	if rng == nil && c.draws() {
		return fmt.Errorf("data: mask %s is drawn, and there is no generator to draw from: rng is nil", c.cfg.Mask)
	}
	levels := x.Clone()
	if c.std != nil {
		c.std.Invert(levels)
	}
	level(levels.X)
	if c.cfg.Kind == SuperRes {
		low, err := c.Shrink(levels)
		if err != nil {
			return err
		}
		return c.Enlarge(context, low)
	}
	if c.std != nil {
		c.std.Apply(levels)
	}
	for i := range x.N {
		c.hide(context.Row(i), levels.Row(i), rng)
	}
	return nil
}

// pixels returns the number of values of an image.
func (c *Condition) pixels() int { return c.h * c.w * c.c }

// usable reports a Condition that New did not make.
func (c *Condition) usable() error {
	if c == nil || c.cfg.Kind == "" {
		return errors.New("data: there is no condition that makes contexts: it is nil or empty; make one by " +
			"ConditionConfig.New")
	}
	return nil
}

// enlarges reports a Condition whose images have no low resolution.
func (c *Condition) enlarges() error {
	if err := c.usable(); err != nil {
		return err
	}
	if c.cfg.Kind != SuperRes {
		return fmt.Errorf("data: condition.kind is %s, which knows of no low resolution; it must be %s", c.cfg.Kind,
			SuperRes)
	}
	return nil
}

// standardizes reports a standardizer that is not one of so many values.
func (c *Condition) standardizes(values int) error {
	if c.std == nil || len(c.std.Mean) == 1 || len(c.std.Mean) == values {
		return nil
	}
	return fmt.Errorf("data: a standardizer of %d coordinates for %d values", len(c.std.Mean), values)
}

// shaped reports a batch that is not [n, d].
func shaped(what string, b flow.Batch, n, d int) error {
	if b.N != n || b.D != d || len(b.X) != n*d {
		return fmt.Errorf("data: %s are [%d, %d] with %d numbers; want [%d, %d]", what, b.N, b.D, len(b.X), n, d)
	}
	return nil
}

// level brings numbers in [-1, 1] to the middles of their levels.
func level(y []float64) {
	pix := make([]byte, len(y))
	Pixels(pix, y)
	for i, v := range pix {
		y[i] = middle(v)
	}
}

// LowShape returns the shape of images at low resolution, [height, width, channels];
// nil unless the kind is superres.
func (c *Condition) LowShape() []int {
	if c == nil || c.cfg.Kind != SuperRes {
		return nil
	}
	return []int{c.h / c.cfg.Factor, c.w / c.cfg.Factor, c.c}
}

// Shrink returns images x [N, D] in [-1, 1] at low resolution, of LowShape, in whole
// levels. Another shape, or a kind that is not superres, is an error.
func (c *Condition) Shrink(x flow.Batch) (flow.Batch, error) {
	if err := c.enlarges(); err != nil {
		return flow.Batch{}, err
	}
	if err := shaped("images", x, x.N, c.pixels()); err != nil {
		return flow.Batch{}, err
	}
	low := flow.NewBatch(x.N, x.D/(c.cfg.Factor*c.cfg.Factor))
	for i := range x.N {
		Downscale(low.Row(i), x.Row(i), c.h, c.w, c.c, c.cfg.Factor)
	}
	level(low.X)
	return low, nil
}

// Enlarge writes the contexts that images at low resolution, of LowShape and in
// [-1, 1], are: context [N, Dim], in model units. Another shape, or a kind that is not
// superres, is an error.
func (c *Condition) Enlarge(context, low flow.Batch) error {
	if err := c.enlarges(); err != nil {
		return err
	}
	shape := c.LowShape()
	if err := cmp.Or(shaped("images at low resolution", low, low.N, shape[0]*shape[1]*shape[2]),
		shaped("contexts", context, low.N, c.Dim()), c.standardizes(context.D)); err != nil {
		return err
	}
	for i := range low.N {
		Upscale(context.Row(i), low.Row(i), shape[0], shape[1], c.c, c.cfg.Factor)
	}
	if c.std != nil {
		c.std.Apply(context)
	}
	return nil
}

// Shown returns the images that contexts show, in [-1, 1] (or, of superres, a little
// beyond): [N, D]. Missing pixels have the value 0 of model units. A shape that does not
// fit is an error.
func (c *Condition) Shown(context flow.Batch) (flow.Batch, error) {
	if err := c.usable(); err != nil {
		return flow.Batch{}, err
	}
	if err := cmp.Or(shaped("contexts", context, context.N, c.Dim()), c.standardizes(c.pixels())); err != nil {
		return flow.Batch{}, err
	}
	x := flow.NewBatch(context.N, c.pixels())
	for i := range x.N {
		row := context.Row(i)
		if c.cfg.Kind == SuperRes {
			copy(x.Row(i), row)
			continue
		}
		for p := range c.h * c.w {
			copy(x.Row(i)[p*c.c:(p+1)*c.c], row[p*(c.c+1):])
		}
	}
	if c.std != nil {
		c.std.Invert(x)
	}
	return x, nil
}
