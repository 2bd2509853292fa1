package plot

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
)

// darkest is the lightness of the ground of a dark picture, where that of white is 1, and
// lightest that of what is black in a light one.
const darkest, lightest = 0.18, 1.0

// lift is the power of the lightness that is turned: below 1, so that colours which are bright on
// white are bright on dark, too.
const lift = 0.65

// checkDark reports a dark picture in a format that has none.
func checkDark(dark bool, f Format) error {
	if dark && f != PNG {
		return fmt.Errorf("plot: %w: Dark is for PNG and GIF, not for %s", ErrOptions, f)
	}
	return nil
}

// ownGround says whether the colours are a map with a ground of its own, which is as good in a dark
// picture as in a light one.
func (m colormap) ownGround() bool { return m[0] == viridis[0] || m[0] == magma[0] }

// keep says that the colours in r stay as they are in a dark picture.
func (c *canvas) keep(r image.Rectangle) { c.kept = append(c.kept, r) }

// darken turns a light picture into a dark one: every lightness becomes its opposite, and hues
// stay.
func (c *canvas) darken() {
	known := map[color.RGBA]color.RGBA{}
	for y := range c.img.Rect.Dy() {
		for x := range c.img.Rect.Dx() {
			if p := image.Pt(x, y); slices.ContainsFunc(c.kept, p.In) {
				continue
			}
			was := c.img.RGBAAt(x, y)
			is, ok := known[was]
			if !ok {
				is = opposite(was)
				known[was] = is
			}
			c.img.SetRGBA(x, y, is)
		}
	}
}

// opposite returns a colour of the same hue and of the opposite lightness in OKLab.
func opposite(c color.RGBA) color.RGBA {
	lab := oklab(linear(c))
	lab[0] = darkest + (lightest-darkest)*math.Pow(max(1-lab[0], 0), lift)
	// Colours that light cannot have lose chroma until it can.
	for range 20 {
		out := fromOKLab(lab)
		if slices.Min(out[:]) > -0.004 && slices.Max(out[:]) < 1.004 {
			break
		}
		lab[1], lab[2] = 0.93*lab[1], 0.93*lab[2]
	}
	out := fromOKLab(lab)
	return color.RGBA{R: gamma(out[0]), G: gamma(out[1]), B: gamma(out[2]), A: c.A}
}

// linear returns the light of the three channels of a colour, from 0 to 1.
func linear(c color.RGBA) (v [3]float64) {
	for i, u := range [3]uint8{c.R, c.G, c.B} {
		if s := float64(u) / 255; s <= 0.04045 {
			v[i] = s / 12.92
		} else {
			v[i] = math.Pow((s+0.055)/1.055, 2.4)
		}
	}
	return v
}

// gamma returns the channel of an amount of light.
func gamma(v float64) uint8 {
	v = min(max(v, 0), 1)
	if v <= 0.0031308 {
		return uint8(255*12.92*v + 0.5)
	}
	return uint8(255*(1.055*math.Pow(v, 1/2.4)-0.055) + 0.5)
}

// oklab returns the place of linear light in OKLab (Ottosson 2020), in which equal distances
// look about equal.
func oklab(v [3]float64) [3]float64 {
	l := math.Cbrt(0.4122214708*v[0] + 0.5363325363*v[1] + 0.0514459929*v[2])
	m := math.Cbrt(0.2119034982*v[0] + 0.6806995451*v[1] + 0.1073969566*v[2])
	s := math.Cbrt(0.0883024619*v[0] + 0.2817188376*v[1] + 0.6299787005*v[2])
	return [3]float64{0.2104542553*l + 0.7936177850*m - 0.0040720468*s,
		1.9779984951*l - 2.4285922050*m + 0.4505937099*s, 0.0259040371*l + 0.7827717662*m - 0.8086757660*s}
}

// fromOKLab is the inverse of oklab.
func fromOKLab(lab [3]float64) [3]float64 {
	cube := func(v float64) float64 { return v * v * v }
	l := cube(lab[0] + 0.3963377774*lab[1] + 0.2158037573*lab[2])
	m := cube(lab[0] - 0.1055613458*lab[1] - 0.0638541728*lab[2])
	s := cube(lab[0] - 0.0894841775*lab[1] - 1.2914855480*lab[2])
	return [3]float64{4.0767416621*l - 3.3077115913*m + 0.2309699292*s,
		-1.2684380046*l + 2.6097574011*m - 0.3413193965*s, -0.0041960863*l - 0.7034186147*m + 1.7076147010*s}
}
