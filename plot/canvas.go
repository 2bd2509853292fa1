package plot

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"

	stdfont "golang.org/x/image/font"
)

// Font sizes and distances in points (1/72 inch).
const (
	sizeTitle = 11.0
	sizePanel = 10.0
	sizeName  = 9.5
	sizeTick  = 8.5
	sizeNote  = 7.0
	tickLen   = 3.0
	lineWidth = 0.7
)

// canvas is a picture addressed in pixels from its top left corner. gonum's vg
// draws text, lines and polygons on it; everything made of pixels goes into img
// directly, and is then reported by touched.
type canvas struct {
	img   *image.RGBA
	vg    *vgimg.Canvas
	page  *page // of an SVG or a PDF, else nil
	dpi   float64
	fonts *font.Cache
	dark  bool              // the picture is turned dark at its end
	kept  []image.Rectangle // what stays as it is then
}

// newCanvas returns a white picture.
func newCanvas(w, h, dpi int, f Format) *canvas {
	length := func(px int) vg.Length { return vg.Length(px) * vg.Inch / vg.Length(dpi) }
	c := vgimg.NewWith(vgimg.UseWH(length(w), length(h)), vgimg.UseDPI(dpi))
	img, ok := c.Image().(*image.RGBA)
	if !ok {
		panic(fmt.Sprintf("plot: vgimg draws on a %T, not on an *image.RGBA", c.Image()))
	}
	return &canvas{img: img, vg: c, page: newPage(length(w), length(h), f), dpi: float64(dpi),
		fonts: font.NewCache(liberation.Collection())}
}

// px converts points (1/72 inch) to pixels.
func (c *canvas) px(points float64) float64 { return points * c.dpi / 72 }

// run is a part of a text that is set in one size: exponents are smaller, and raised.
type run struct {
	text   string
	raised bool
}

// Exponents are written in the superscripts of Unicode, which few fonts have whole: they are
// set as raised figures.
var figures = strings.NewReplacer("⁰", "0", "¹", "1", "²", "2", "³", "3", "⁴", "4", "⁵", "5", "⁶", "6", "⁷", "7",
	"⁸", "8", "⁹", "9", "⁻", "−")

const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"

// raise and smaller are how high exponents stand, and how large they are, as a share of the
// size of the text.
const raise, smaller = 0.36, 0.7

// runs cuts a text at its exponents.
func runs(s string) (out []run) {
	for _, r := range s {
		up := strings.ContainsRune(superscripts, r)
		if n := len(out); n == 0 || out[n-1].raised != up {
			out = append(out, run{raised: up})
		}
		out[len(out)-1].text += string(r)
	}
	for k := range out {
		if out[k].raised {
			out[k].text = figures.Replace(out[k].text)
		}
	}
	return out
}

// size is that of a run in a text of the given size.
func (r run) size(text float64) float64 {
	if r.raised {
		return smaller * text
	}
	return text
}

// width returns the width of s in pixels.
func (c *canvas) width(s string, size float64) float64 { return c.widthOf(s, size, false) }

func (c *canvas) widthOf(s string, size float64, bold bool) float64 {
	sum := 0.0
	for _, r := range runs(s) {
		face := c.face(r.size(size), bold)
		sum += float64(face.Width(r.text))
	}
	return c.px(sum)
}

func (c *canvas) face(size float64, bold bool) font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if bold {
		f.Weight = stdfont.WeightBold
	}
	return c.fonts.Lookup(f, vg.Length(size))
}

// point converts pixels to the vg coordinates, which start at the lower left.
func (c *canvas) point(x, y float64) vg.Point {
	s := 72 / c.dpi
	return vg.Point{X: vg.Length(x * s), Y: vg.Length((float64(c.img.Rect.Dy()) - y) * s)}
}

// ink draws with vg on the pixels and on the page.
func (c *canvas) ink(draw func(vg.Canvas)) {
	draw(c.vg)
	if c.page != nil {
		c.page.embed(c)
		draw(c.page.vg)
	}
}

// touched says that pixels of r were changed without vg.
func (c *canvas) touched(r image.Rectangle) {
	if c.page != nil {
		c.page.pending = append(c.page.pending, r.Intersect(c.img.Rect))
	}
}

// textStyle says how text is set; align is 0 for left, 0.5 for centre, 1 for right of x.
type textStyle struct {
	size  float64
	align float64
	color color.RGBA
	bold  bool
	up    bool // turned by a quarter to read upwards; align is then along y
}

// text writes s with its baseline at y (at x when it reads upwards).
func (c *canvas) text(x, y float64, s string, st textStyle) {
	along := -st.align * c.widthOf(s, st.size, st.bold) * 72 / c.dpi
	for _, r := range runs(s) {
		face := c.face(r.size(st.size), st.bold)
		rise := 0.0
		if r.raised {
			rise = raise * st.size
		}
		at := vg.Point{X: vg.Length(along), Y: vg.Length(rise)}
		c.ink(func(v vg.Canvas) {
			paint(v, st.color)
			v.Push()
			v.Translate(c.point(x, y))
			if st.up {
				v.Rotate(math.Pi / 2)
			}
			if v == vg.Canvas(c.vg) {
				v.FillString(face, at, r.text)
			} else {
				v.Fill(letters(face, at, r.text))
			}
			v.Pop()
		})
		along += float64(face.Width(r.text))
	}
}

// polygon fills the outline through the given points.
func (c *canvas) polygon(col color.Color, xy ...[2]float64) {
	p := c.path(xy)
	p.Close()
	c.ink(func(v vg.Canvas) {
		paint(v, col)
		v.Fill(p)
	})
}

// path is the line through points in pixels.
func (c *canvas) path(xy [][2]float64) (p vg.Path) {
	for k, v := range xy {
		if k == 0 {
			p.Move(c.point(v[0], v[1]))
		} else {
			p.Line(c.point(v[0], v[1]))
		}
	}
	return p
}

// polyline draws a line of a width in points, dashed by lengths in points.
func (c *canvas) polyline(col color.Color, width float64, dash []float64, xy [][2]float64) {
	if len(xy) < 2 {
		return
	}
	var lengths []vg.Length
	for _, d := range dash {
		lengths = append(lengths, vg.Length(d))
	}
	p := c.path(xy)
	c.ink(func(v vg.Canvas) {
		paint(v, col)
		v.SetLineWidth(vg.Length(width))
		v.SetLineDash(lengths, 0)
		v.Stroke(p)
		v.SetLineDash(nil, 0)
	})
}

// fill paints whole pixels.
func (c *canvas) fill(r image.Rectangle, col color.RGBA) {
	draw.Draw(c.img, r, image.NewUniform(col), image.Point{}, draw.Src)
	if c.page != nil && !r.Empty() {
		c.page.embed(c)
		x0, y0, x1, y1 := float64(r.Min.X), float64(r.Min.Y), float64(r.Max.X), float64(r.Max.Y)
		p := c.path([][2]float64{{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}})
		p.Close()
		paint(c.page.vg, col)
		c.page.vg.Fill(p)
	}
}

// encode writes the picture in its format.
func (c *canvas) encode(w io.Writer) error {
	if c.page != nil {
		return c.page.encode(c, w)
	}
	if c.dark {
		c.darken()
	}
	if err := png.Encode(w, c.img); err != nil {
		return fmt.Errorf("plot: writing the PNG: %w", err)
	}
	return nil
}
