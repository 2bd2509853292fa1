package plot

import (
	"hash/fnv"
	"image/color"
	"math"
)

// palette are the colours of things that must be told apart: methods, curves, classes. Each has
// a contrast of at least 3:1 on white, and any two differ by at least 0.1 in OKLab, for
// readers with protanopia and deuteranopia too. The test checks both.
var palette = []color.RGBA{
	rgb(0x016aaf), // blue
	rgb(0xdd6304), // orange
	rgb(0x0a9b77), // green
	rgb(0xa442f8), // violet
	rgb(0x8a4f00), // brown
	rgb(0x279ccb), // sky
	rgb(0x3f2193), // indigo
	rgb(0x1f726b), // teal
	rgb(0x79080b), // dark red
	rgb(0x004c58), // petrol
}

// category returns colour k of the palette, repeating after its end.
func category(k int) color.RGBA {
	n := len(palette)
	return palette[(k%n+n)%n]
}

// shape is that of the marks on a curve, a second sign beside its colour.
type shape int

// The shapes, in the order of the palette.
const (
	circle shape = iota
	square
	triangle
	diamond
	pentagon
	wedge // a triangle that stands on its tip
	cross
	shapes // their number
)

// look is how one curve or row is drawn.
type look struct {
	color color.RGBA
	shape shape
}

// lookOf returns look k; colours and shapes repeat with other periods, so that the pairs
// do not repeat before 70.
func lookOf(k int) look { return look{category(k), shape(k) % shapes} }

// methods are the looks of methods by name, the same in every picture. Names of one method
// have one look; names that never share a picture may share a look.
var methods = map[string]int{
	// Flow matching, with and without a coupling.
	"FM-OT": 0, "FM": 0, "OT, velocity (FM)": 0, "flowmatch": 0, "independent": 0,
	"OT-CFM": 8, "I-CFM": 2, "SB-CFM": 3, "CFM": 1, "ot": 8, "sinkhorn": 3,
	// Diffusion.
	"FM-diffusion": 1, "VP, velocity (FM)": 1,
	"DDPM": 2, "VP, noise (DDPM)": 2,
	"Score matching": 3, "VP, score (SM)": 3,
	"ScoreFlow": 4, "VP, score (ScoreFlow)": 4,
	"VE, noise": 5, "VE, score": 6, "VE, velocity (FM)": 7,
	// Maximum likelihood.
	"CNF": 9, "CNF, exact": 9, "CNF, Hutchinson": 5, "CNF, regularised": 6,
	// Few steps.
	"2-RF": 2, "distilled": 3, "distilled 2-RF": 4, "shortcut": 5, "MeanFlow": 9,
	// Solvers and samplers.
	"euler": 0, "ddim": 1, "ddpm": 2, "euler_maruyama": 3, "heun_sde": 5, "midpoint": 4, "rk4": 6, "dopri5": 8,
	// Libraries, gradients, and the parts of a picture of one run.
	"torch": 1, "jax": 2, "torchdiffeq": 3, "diffrax": 9, "POT": 8, "scipy": 5,
	"torchcfm": 1, "flow-matching": 2, "adjoint": 0, "backprop": 1,
	"training": 0, "validation (EMA)": 1, "data": 9, "samples": 1, "exact": 0, "learnt": 1,
}

// looks returns a look for each name of one picture. Known methods have theirs; any other
// name takes the look that follows from its letters, or the next one that is free in this
// picture, so that it looks alike wherever it stands beside the same names. Nameless things
// take the looks in turn.
func looks(names []string) []look {
	slots, taken := make([]int, len(names)), map[int]bool{}
	take := func(k, slot int) {
		for taken[slot] && len(taken) < len(palette) {
			slot = (slot + 1) % len(palette)
		}
		slots[k], taken[slot] = slot, true
	}
	seen := map[string]int{}
	for pass := range 2 { // the known ones first: nobody takes what is theirs
		for k, name := range names {
			slot, known := methods[name]
			if known != (pass == 0) {
				continue
			}
			if first, again := seen[name]; again && name != "" {
				slots[k] = slots[first]
				continue
			}
			if seen[name] = k; !known {
				slot = k % len(palette)
				if name != "" {
					h := fnv.New32a()
					h.Write([]byte(name)) // which never fails
					slot = int(h.Sum32() % uint32(len(palette)))
				}
			}
			take(k, slot)
		}
	}
	out := make([]look, len(names))
	for k, slot := range slots {
		out[k] = lookOf(slot)
	}
	return out
}

// mark fills the shape of a look, of radius r pixels, around (x, y), with a white rim that
// keeps it apart from what lies below.
func (c *canvas) mark(x, y, r float64, l look) {
	c.polygon(white, l.shape.outline(x, y, r+c.px(0.5))...)
	c.polygon(l.color, l.shape.outline(x, y, r)...)
}

// outline returns the corners of a shape, of about the area of a disc of radius r.
func (s shape) outline(x, y, r float64) [][2]float64 {
	ring := func(n int, r, turn float64) (p [][2]float64) {
		for k := range n {
			a := turn + 2*math.Pi*float64(k)/float64(n)
			p = append(p, [2]float64{x + r*math.Sin(a), y - r*math.Cos(a)})
		}
		return p
	}
	switch s {
	case square:
		return ring(4, 1.25*r, math.Pi/4)
	case triangle:
		return ring(3, 1.5*r, 0)
	case diamond:
		return ring(4, 1.35*r, 0)
	case pentagon:
		return ring(5, 1.15*r, 0)
	case wedge:
		return ring(3, 1.5*r, math.Pi)
	case cross:
		long, thick := 1.35*r, 0.45*r
		return [][2]float64{{x - thick, y - long}, {x + thick, y - long}, {x + thick, y - thick}, {x + long, y - thick},
			{x + long, y + thick}, {x + thick, y + thick}, {x + thick, y + long}, {x - thick, y + long},
			{x - thick, y + thick}, {x - long, y + thick}, {x - long, y - thick}, {x - thick, y - thick}}
	}
	return ring(24, r, 0)
}
