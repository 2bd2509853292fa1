package plot

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

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
	tickLen   = 3.0
	lineWidth = 0.7
)

// canvas is a picture addressed in pixels from its top left corner. gonum's vg
// draws text and polygons on it; everything made of pixels goes into img directly.
type canvas struct {
	img   *image.RGBA
	vg    *vgimg.Canvas
	dpi   float64
	fonts *font.Cache
}

// newCanvas returns a white picture.
func newCanvas(w, h, dpi int) *canvas {
	length := func(px int) vg.Length { return vg.Length(px) * vg.Inch / vg.Length(dpi) }
	c := vgimg.NewWith(vgimg.UseWH(length(w), length(h)), vgimg.UseDPI(dpi))
	img, ok := c.Image().(*image.RGBA)
	if !ok {
		panic(fmt.Sprintf("plot: vgimg draws on a %T, not on an *image.RGBA", c.Image()))
	}
	return &canvas{img: img, vg: c, dpi: float64(dpi), fonts: font.NewCache(liberation.Collection())}
}

// px converts points (1/72 inch) to pixels.
func (c *canvas) px(points float64) float64 { return points * c.dpi / 72 }

// width returns the width of s in pixels.
func (c *canvas) width(s string, size float64) float64 {
	face := c.face(size, false)
	return float64(face.Width(s)) * c.dpi / 72
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
	face := c.face(st.size, st.bold)
	shift := -vg.Length(st.align) * face.Width(s)
	c.vg.SetColor(st.color)
	at := c.point(x, y)
	if !st.up {
		c.vg.FillString(face, at.Add(vg.Point{X: shift}), s)
		return
	}
	c.vg.Push()
	c.vg.Translate(at)
	c.vg.Rotate(math.Pi / 2)
	c.vg.FillString(face, vg.Point{X: shift}, s)
	c.vg.Pop()
}

// polygon fills the outline through the given points.
func (c *canvas) polygon(col color.RGBA, xy ...[2]float64) {
	var p vg.Path
	for k, v := range xy {
		if k == 0 {
			p.Move(c.point(v[0], v[1]))
		} else {
			p.Line(c.point(v[0], v[1]))
		}
	}
	p.Close()
	c.vg.SetColor(col)
	c.vg.Fill(p)
}

// fill paints whole pixels.
func (c *canvas) fill(r image.Rectangle, col color.RGBA) {
	draw.Draw(c.img, r, image.NewUniform(col), image.Point{}, draw.Src)
}

// encode writes the picture as PNG.
func (c *canvas) encode(w io.Writer) error {
	if err := png.Encode(w, c.img); err != nil {
		return fmt.Errorf("plot: writing the PNG: %w", err)
	}
	return nil
}
