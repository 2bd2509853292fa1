package image

import (
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
	clear(context)
	for p, gone := range c.missing(rng) {
		if gone {
			continue
		}
		at := context[p*(c.c+1) : (p+1)*(c.c+1)]
		copy(at, x[p*c.c:(p+1)*c.c])
		at[c.c] = 1
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
