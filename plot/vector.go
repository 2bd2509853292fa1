package plot

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"io"
	"regexp"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgpdf"
	"gonum.org/v1/plot/vg/vgsvg"

	"flowmatch/internal/choice"
)

// Format is the kind of file that a picture is.
type Format string

// The formats. In an SVG and a PDF axes, texts, lines and arrows are outlines, sharp at any
// size; clouds of points and maps are embedded at the picture's DPI. Letters are outlines
// too: such a file looks the same without our font.
const (
	PNG Format = "" // the default
	SVG Format = "svg"
	PDF Format = "pdf"
)

func (f Format) check() error {
	if f == PNG {
		return nil
	}
	if err := choice.Check("format", string(f), []string{string(SVG), string(PDF)}); err != nil {
		return fmt.Errorf("plot: %w: %w", ErrOptions, err)
	}
	return nil
}

// page is the picture as outlines.
type page struct {
	format  Format
	vg      vg.CanvasWriterTo
	pending []image.Rectangle // pixels that are to be embedded before the next outline
}

// newPage returns a white page, or nil for a picture of pixels.
func newPage(w, h vg.Length, f Format) *page {
	p := &page{format: f}
	switch f {
	case SVG:
		p.vg = vgsvg.New(w, h)
	case PDF:
		p.vg = vgpdf.New(w, h)
	default:
		return nil
	}
	var all vg.Path
	for k, at := range []vg.Point{{}, {X: w}, {X: w, Y: h}, {Y: h}} {
		if k == 0 {
			all.Move(at)
		} else {
			all.Line(at)
		}
	}
	all.Close()
	paint(p.vg, white) // else text is dark on dark where the reader's ground is
	p.vg.Fill(all)
	return p
}

// paint sets the colour of lines and areas.
func paint(v vg.Canvas, c color.Color) {
	if _, pdf := v.(*vgpdf.Canvas); pdf {
		c = straight{c}
	}
	v.SetColor(c)
}

// straight is a colour whose channels are not multiplied by its alpha: vgpdf reads them so.
type straight struct{ color.Color }

// RGBA implements [color.Color].
func (s straight) RGBA() (r, g, b, a uint32) {
	n, ok := color.NRGBA64Model.Convert(s.Color).(color.NRGBA64)
	if !ok {
		return s.Color.RGBA()
	}
	return uint32(n.R), uint32(n.G), uint32(n.B), uint32(n.A)
}

// embed copies the pixels that were drawn since the last outline.
func (p *page) embed(c *canvas) {
	for _, r := range p.pending {
		if r.Empty() {
			continue
		}
		part := image.NewRGBA(image.Rectangle{Max: r.Size()})
		for y := range r.Dy() {
			from := c.img.PixOffset(r.Min.X, r.Min.Y+y)
			copy(part.Pix[y*part.Stride:], c.img.Pix[from:from+4*r.Dx()])
		}
		lo := c.point(float64(r.Min.X), float64(r.Max.Y))
		hi := c.point(float64(r.Max.X), float64(r.Min.Y))
		p.vg.DrawImage(vg.Rectangle{Min: lo, Max: hi}, part)
	}
	p.pending = nil
}

// dates are when a PDF was made. The same picture is the same bytes, whenever it was.
var dates = regexp.MustCompile(`/(Creation|Mod)Date \(D:\d{14}`)

// encode writes the page.
func (p *page) encode(c *canvas, w io.Writer) error {
	p.embed(c)
	var b bytes.Buffer
	if _, err := p.vg.WriteTo(&b); err != nil {
		return fmt.Errorf("plot: making the %s: %w", p.format, err)
	}
	out := b.Bytes()
	if p.format == PDF {
		out = dates.ReplaceAll(out, []byte("/${1}Date (D:20000101000000"))
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("plot: writing the %s: %w", p.format, err)
	}
	return nil
}

// letters returns the outlines of a text that starts at a point.
func letters(face font.Face, at vg.Point, s string) (p vg.Path) {
	var b sfnt.Buffer
	units := fixed.Int26_6(face.Face.UnitsPerEm())
	scale := float64(face.Font.Size) / float64(units)
	point := func(q fixed.Point26_6) vg.Point { // whose y is downwards
		return at.Add(vg.Point{X: vg.Length(scale * float64(q.X)), Y: -vg.Length(scale * float64(q.Y))})
	}
	var before sfnt.GlyphIndex
	for k, r := range s {
		glyph, err := face.Face.GlyphIndex(&b, r)
		if err != nil {
			continue
		}
		if kern, err := face.Face.Kern(&b, before, glyph, units, 0); k > 0 && err == nil {
			at.X += vg.Length(scale * float64(kern))
		}
		outline, err := face.Face.LoadGlyph(&b, glyph, units, nil)
		for i, seg := range outline {
			if err != nil {
				break
			}
			switch seg.Op {
			case sfnt.SegmentOpMoveTo:
				if i > 0 {
					p.Close()
				}
				p.Move(point(seg.Args[0]))
			case sfnt.SegmentOpLineTo:
				p.Line(point(seg.Args[0]))
			case sfnt.SegmentOpQuadTo:
				p.QuadTo(point(seg.Args[0]), point(seg.Args[1]))
			case sfnt.SegmentOpCubeTo:
				p.CubeTo(point(seg.Args[0]), point(seg.Args[1]), point(seg.Args[2]))
			}
		}
		if len(outline) > 0 {
			p.Close()
		}
		if advance, err := face.Face.GlyphAdvance(&b, glyph, units, 0); err == nil {
			at.X += vg.Length(scale * float64(advance))
		}
		before = glyph
	}
	return p
}
