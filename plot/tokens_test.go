package plot

import (
	"bytes"
	"errors"
	"image/gif"
	"strings"
	"testing"
)

// tokenRows are n sequences of a text.
func tokenRows(n int, text string, state TokenState) (rows [][]Token) {
	for range n {
		var row []Token
		for _, r := range text {
			row = append(row, Token{string(r), state})
		}
		rows = append(rows, row)
	}
	return rows
}

// Frames have what changed alone, and stand in the order of time.
func TestTokensAppearInAGIF(t *testing.T) {
	text := strings.Repeat("abc ", 20) // two lines
	frames := [][][]Token{tokenRows(2, text, Masked), tokenRows(2, text, Masked), tokenRows(2, text, Settled)}
	frames[1][0][3] = Token{"x", Fresh}
	var b bytes.Buffer
	if err := TokenGIF(&b, frames, []float64{0, 0.5, 1}, GIFOptions{Options: Options{Title: "tokens"}}); err != nil {
		t.Fatal(err)
	}
	g, err := gif.DecodeAll(&b)
	if err != nil || len(g.Image) != 3 {
		t.Fatalf("%d frames, %v", len(g.Image), err)
	}
	whole := g.Image[0].Bounds()
	if whole.Dx() != g.Config.Width || whole.Dy() != g.Config.Height {
		t.Errorf("the first frame is %v of %dx%d", whole, g.Config.Width, g.Config.Height)
	}
	if r := g.Image[1].Bounds(); r.Dy() > whole.Dy()*3/4 {
		t.Errorf("a frame with one new token has %v of %v", r, whole)
	}
}

func TestWhatIsNoPictureOfTokensIsAnError(t *testing.T) {
	one := func(n int, text string) [][][]Token { return [][][]Token{tokenRows(n, text, Settled)} }
	ragged := one(2, "ab")
	ragged[0][1] = ragged[0][1][:1]
	for name, c := range map[string]struct {
		frames [][][]Token
		times  []float64
		o      GIFOptions
		want   error
	}{
		"nothing":   {nil, nil, GIFOptions{}, ErrEmpty},
		"empty":     {one(1, ""), []float64{0}, GIFOptions{}, ErrEmpty},
		"times":     {one(1, "a"), []float64{0, 1}, GIFOptions{}, ErrShape},
		"ragged":    {ragged, []float64{0}, GIFOptions{}, ErrShape},
		"many":      {one(65, "a"), []float64{0}, GIFOptions{}, ErrOptions},
		"long":      {one(3, strings.Repeat("a", 64*50)), []float64{0}, GIFOptions{}, ErrOptions},
		"a page":    {one(1, "a"), []float64{0}, GIFOptions{Options: Options{Format: SVG}}, ErrOptions},
		"fine dots": {one(1, "a"), []float64{0}, GIFOptions{Options: Options{DPI: 400}}, ErrOptions},
		"delay":     {one(1, "a"), []float64{0}, GIFOptions{Delay: -1}, ErrOptions},
	} {
		if err := TokenGIF(&bytes.Buffer{}, c.frames, c.times, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
