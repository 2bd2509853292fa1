package image

import (
	"cmp"
	"fmt"
	"math/rand/v2"

	"flowmatch/flow"
)

// missing draws which pixels of an image are missing, [h, w].
func (c *Condition) missing(rng *rand.Rand) []bool {
	gone := make([]bool, c.h*c.w)
	rectangle := func(top, left, high, wide int) {
		for y := top; y < top+high; y++ {
			for x := left; x < left+wide; x++ {
				gone[y*c.w+x] = true
			}
		}
	}
	high, wide := c.h/2, c.w/2
	switch c.cfg.Mask {
	case "center":
		rectangle((c.h-high)/2, (c.w-wide)/2, high, wide)
	case "left":
		rectangle(0, 0, c.h, wide)
	case "right":
		rectangle(0, c.w-wide, c.h, wide)
	case "top":
		rectangle(0, 0, high, c.w)
	case "bottom":
		rectangle(c.h-high, 0, high, c.w)
	case "random":
		top, left := int(rng.Float64()*float64(c.h-high+1)), int(rng.Float64()*float64(c.w-wide+1))
		rectangle(top, left, high, wide)
	case "pixels":
		for p := range gone {
			gone[p] = rng.Float64() < 0.75
		}
	}
	return gone
}

// hide writes a context of inpainting, pixel by pixel its channels, 0 where it is
// missing, and 1 where it is known, else 0; x and context are in model units.
func (c *Condition) hide(context, x []float64, rng *rand.Rand) {
	c.cover(context, x, c.missing(rng))
}

// cover is hide of given pixels.
func (c *Condition) cover(context, x []float64, missing []bool) {
	clear(context)
	for p, gone := range missing {
		if gone {
			continue
		}
		at := context[p*(c.c+1) : (p+1)*(c.c+1)]
		copy(at, x[p*c.c:(p+1)*c.c])
		at[c.c] = 1
	}
}

// Reveal writes the contexts [N, Dim] of inpainting that show of images x [N, D], in model units, the pixels
// that are known, [N·D/channels], whatever masks the Condition draws. A kind that is not inpaint or a shape
// that does not fit is an error.
func (c *Condition) Reveal(context, x flow.Batch, known []bool) error {
	if err := c.usable(); err != nil {
		return err
	}
	if c.cfg.Kind != Inpaint {
		return fmt.Errorf("data: condition.kind is %s, which has no pixels that are known; it must be %s", c.cfg.Kind,
			Inpaint)
	}
	if err := cmp.Or(shaped("images", x, x.N, c.pixels()), shaped("contexts", context, x.N, c.Dim()),
		c.standardizes(x.D)); err != nil {
		return err
	}
	if n := x.N * c.h * c.w; len(known) != n {
		return fmt.Errorf("data: %d truth values for %d pixels", len(known), n)
	}
	levels := x.Clone()
	c.toLevels(levels)
	gone := make([]bool, c.h*c.w)
	for i := range x.N {
		for p := range gone {
			gone[p] = !known[i*len(gone)+p]
		}
		c.cover(context.Row(i), levels.Row(i), gone)
	}
	return nil
}

// toLevels brings images in model units to the middles of their levels.
func (c *Condition) toLevels(x flow.Batch) {
	if c.std != nil {
		c.std.Invert(x)
	}
	level(x.X)
	if c.std != nil {
		c.std.Apply(x)
	}
}

// draws reports whether masks are drawn, which takes a generator.
func (c *Condition) draws() bool {
	return c.cfg.Kind == Inpaint && (c.cfg.Mask == "random" || c.cfg.Mask == "pixels")
}

// Known returns which of the D values of an image its context [Dim] shows as they are.
// Of superres, and of a context of another length, there are none.
func (c *Condition) Known(context []float64) []bool {
	if c == nil {
		return nil
	}
	known := make([]bool, c.pixels())
	if c.cfg.Kind != Inpaint || len(context) != c.Dim() {
		return known
	}
	for d := range known {
		known[d] = context[d/c.c*(c.c+1)+c.c] == 1
	}
	return known
}

// Keep puts the values that the contexts show as they are into x [N, D], images in
// [-1, 1]. A shape that does not fit is an error.
func (c *Condition) Keep(x, context flow.Batch) error {
	shown, err := c.Shown(context)
	if err == nil {
		err = shaped("images", x, context.N, c.pixels())
	}
	if err != nil {
		return err
	}
	for i := range x.N {
		for d, known := range c.Known(context.Row(i)) {
			if known {
				x.Row(i)[d] = shown.Row(i)[d]
			}
		}
	}
	return nil
}
