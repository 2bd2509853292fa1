package plot

import (
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"math"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// TokenState is what a token of a picture is at a time.
type TokenState int

const (
	Settled TokenState = iota // at its level of the end
	Masked                    // shown as a block
	Passing                   // at another level than at the end
	Fresh                     // came to its level at this time
)

// Token is a token of a frame of [TokenGIF]: its text, one character, and what it is.
type Token struct {
	Text  string
	State TokenState
}

// Sizes of a picture of tokens: tokens of a line at most, sequences at most, points of the font at most and at least.
const (
	tokenColumns              = 64
	mostSequences             = 64
	largestToken, leastToken  = 13.0, 4.0
	tokenAcross, tokenUpwards = 0.66, 1.4 // a cell, in sizes of the font
)

// TokenGIF writes an animated GIF of sequences of tokens that appear over time, repeated for ever. frames[k][n] are
// the tokens of sequence n at times[k]; all sequences have one length. A sequence is set in lines of up to 64 tokens.
// Masks are blocks, tokens that are not yet at their level of the end are grey, and those that came at a frame are
// orange. The font has the letters of Europe; others are boxes.
func TokenGIF(w io.Writer, frames [][][]Token, times []float64, o GIFOptions) error {
	opt, err := o.resolve(5.6, 100)
	if err != nil {
		return err
	}
	switch {
	case opt.DPI > MostGIFDPI:
		return fmt.Errorf("plot: tokens: %w: DPI is %d; want at most %d", ErrOptions, opt.DPI, MostGIFDPI)
	case o.Format != PNG:
		return fmt.Errorf("plot: tokens: %w: Format is %s; a GIF is made of pixels", ErrOptions, o.Format)
	case o.Delay < 0 || o.Pause < 0:
		return fmt.Errorf("plot: tokens: %w: Delay %v and Pause %v; want 0 or more", ErrOptions, o.Delay, o.Pause)
	}
	if err := checkTokens(frames, times); err != nil {
		return err
	}
	p := newTokenPicture(opt, len(frames[0]), len(frames[0][0]))
	delays := o.delays(len(times))
	anim := gif.GIF{Config: image.Config{ColorModel: p.palette, Width: p.img.Rect.Dx(), Height: p.img.Rect.Dy()}}
	prev := image.NewPaletted(image.Rectangle{}, p.palette)
	for k, t := range times {
		p.draw(frames[k], t, float64(k)/float64(max(1, len(times)-1)))
		img := p.paletted()
		anim.Image = append(anim.Image, changed(prev, img))
		anim.Delay = append(anim.Delay, delays[k])
		anim.Disposal = append(anim.Disposal, gif.DisposalNone)
		prev = img
	}
	if err := gif.EncodeAll(w, &anim); err != nil {
		return fmt.Errorf("plot: writing the GIF: %w", err)
	}
	return nil
}

// checkTokens reports frames that are no picture.
func checkTokens(frames [][][]Token, times []float64) error {
	if len(frames) == 0 || len(frames[0]) == 0 || len(frames[0][0]) == 0 {
		return fmt.Errorf("plot: tokens: %w: no sequences", ErrEmpty)
	}
	if len(frames) != len(times) {
		return fmt.Errorf("plot: tokens: %w: %d frames at %d times", ErrShape, len(frames), len(times))
	}
	n, l := len(frames[0]), len(frames[0][0])
	if n > mostSequences {
		return fmt.Errorf("plot: tokens: %w: %d sequences; a picture has at most %d", ErrOptions, n, mostSequences)
	}
	if lines := n * ((l + tokenColumns - 1) / tokenColumns); lines > 2*mostSequences {
		return fmt.Errorf("plot: tokens: %w: %d sequences of %d tokens are %d lines; a picture has at most %d",
			ErrOptions, n, l, lines, 2*mostSequences)
	}
	for k, frame := range frames {
		for i, row := range frame {
			if len(frame) != n || len(row) != l {
				return fmt.Errorf("plot: tokens: %w: frame %d has %d sequences, and sequence %d of it %d tokens; want "+
					"%d of %d", ErrShape, k, len(frame), i, len(row), n, l)
			}
		}
	}
	return nil
}

// tokenPicture is the ground that frames are drawn on.
type tokenPicture struct {
	*canvas
	light      color.Palette // what is drawn with
	palette    color.Palette // what is written
	index      map[color.RGBA]uint8
	size       float64 // of the font, in points
	columns    int
	lines      int // of a sequence
	cell       image.Point
	head       int // height of what is above the tokens
	margin, by int // around, and between sequences
	title      string
	before     [][]Token
}

func newTokenPicture(o Options, n, l int) *tokenPicture {
	p := &tokenPicture{columns: min(l, tokenColumns), title: o.Title, index: map[color.RGBA]uint8{}}
	p.lines = (l + p.columns - 1) / p.columns
	p.size = min(max(o.Size*72/(float64(p.columns)*tokenAcross), leastToken), largestToken)
	px := func(points float64) int { return int(math.Ceil(points * float64(o.DPI) / 72)) }
	p.cell = image.Pt(px(p.size*tokenAcross), px(p.size*tokenUpwards))
	p.margin, p.by, p.head = px(9), px(p.size*0.7), px(sizePanel+8)
	if p.title != "" {
		p.head += px(sizeTitle + 5)
	}
	wide := max(p.columns*p.cell.X, px(110)) + 2*p.margin
	p.canvas = newCanvas(wide, p.head+n*(p.lines*p.cell.Y+p.by)-p.by+2*p.margin, o.DPI, PNG)
	for _, c := range []color.RGBA{inkText, category(1)} {
		for k := range shadesGrey {
			shade := mix(white, c, float64(k)/(shadesGrey-1))
			p.light, p.palette = append(p.light, shade), append(p.palette, shade)
			if o.Dark {
				p.palette[len(p.palette)-1] = opposite(shade)
			}
		}
	}
	p.fill(p.img.Rect, white)
	if p.title != "" {
		p.text(float64(p.margin), float64(p.margin)+p.px(sizeTitle), p.title,
			textStyle{size: sizeTitle, color: inkText})
	}
	return p
}

// draw brings the picture to a frame.
func (p *tokenPicture) draw(frame [][]Token, t, progress float64) {
	thick := max(2, int(p.px(1.6)))
	base := p.margin + p.head - int(p.px(6))
	p.fill(image.Rect(0, base-int(p.px(sizePanel+1)), p.img.Rect.Max.X, base+thick+int(p.px(3))), white)
	p.text(float64(p.margin), float64(base)-p.px(2), fmt.Sprintf("t = %.2f", t),
		textStyle{size: sizePanel, color: inkText})
	right := p.margin + int(math.Round(progress*float64(p.img.Rect.Dx()-2*p.margin)))
	p.fill(image.Rect(p.margin, base+int(p.px(1)), right, base+int(p.px(1))+thick), mix(white, inkText, 0.6))
	for n, row := range frame {
		for k, token := range row {
			if p.before == nil || p.before[n][k] != token {
				p.token(n, k, token)
			}
		}
	}
	p.before = frame
}

// token draws one.
func (p *tokenPicture) token(n, k int, token Token) {
	x := p.margin + k%p.columns*p.cell.X
	y := p.margin + p.head + n*(p.lines*p.cell.Y+p.by) + k/p.columns*p.cell.Y
	r := image.Rectangle{Min: image.Pt(x, y), Max: image.Pt(x, y).Add(p.cell)}
	p.fill(r, white)
	ink := inkText
	switch token.State {
	case Masked:
		gap := max(1, p.cell.X/10)
		p.fill(image.Rect(r.Min.X+gap, r.Min.Y+p.cell.Y/6, r.Max.X-gap, r.Max.Y-p.cell.Y/8), mix(white, inkText, 0.25))
		return
	case Passing:
		ink = mix(white, inkText, 0.5)
	case Fresh:
		ink = category(1)
		p.fill(r, mix(white, category(1), 2.0/(shadesGrey-1)))
	}
	face := p.fonts.Lookup(font.Font{Typeface: "Liberation", Variant: "Mono"}, vg.Length(p.size))
	at := p.point(float64(x)+(float64(p.cell.X)-p.px(float64(face.Width(token.Text))))/2,
		float64(y)+0.74*float64(p.cell.Y))
	p.ink(func(v vg.Canvas) {
		paint(v, ink)
		v.FillString(face, at, token.Text)
	})
}

// paletted is the picture in the colours of the palette.
func (p *tokenPicture) paletted() *image.Paletted {
	img := image.NewPaletted(p.img.Rect, p.palette)
	for i := 0; i < len(p.img.Pix); i += 4 {
		c := color.RGBA{p.img.Pix[i], p.img.Pix[i+1], p.img.Pix[i+2], 255}
		k, ok := p.index[c]
		if !ok {
			k = uint8(p.light.Index(c))
			p.index[c] = k
		}
		img.Pix[i/4] = k
	}
	return img
}
