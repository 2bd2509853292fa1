package plot_test

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"testing"
	"time"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/plot"
)

// decodeGIF returns the animation and each frame as it stands on the screen.
func decodeGIF(t *testing.T, b []byte) (*gif.GIF, []*image.Paletted) {
	t.Helper()
	g, err := gif.DecodeAll(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var frames []*image.Paletted
	screen := image.NewPaletted(image.Rect(0, 0, g.Config.Width, g.Config.Height), g.Image[0].Palette)
	for _, img := range g.Image {
		for y := img.Rect.Min.Y; y < img.Rect.Max.Y; y++ {
			for x := img.Rect.Min.X; x < img.Rect.Max.X; x++ {
				screen.SetColorIndex(x, y, img.ColorIndexAt(x, y))
			}
		}
		frames = append(frames,
			&image.Paletted{Pix: bytes.Clone(screen.Pix), Stride: screen.Stride, Rect: screen.Rect,
				Palette: screen.Palette})
	}
	return g, frames
}

// single is a GIF of one flow.
func single(frames []flow.Batch) []plot.Flow { return []plot.Flow{{Frames: frames}} }

// moving returns k frames of n points that travel from a normal cloud to four
// tight ones.
func moving(k, n int) []flow.Batch {
	r := seed.Rand(6, "plot", 0)
	x0, x1 := normal(n, 2, r), normal(n, 2, r)
	for i := range n {
		x1.X[2*i] = 0.15*x1.X[2*i] + float64(i%2*4-2)
		x1.X[2*i+1] = 0.15*x1.X[2*i+1] + float64(i/2%2*4-2)
	}
	var frames []flow.Batch
	for j := range k {
		t := float64(j) / float64(k-1)
		x := flow.NewBatch(n, 2)
		for i := range x.X {
			x.X[i] = (1-t)*x0.X[i] + t*x1.X[i]
		}
		frames = append(frames, x)
	}
	return frames
}

func TestGIFOfTheUsualSizeIsSmall(t *testing.T) {
	for _, style := range []plot.Style{plot.Dots, plot.Heat} {
		var b bytes.Buffer
		if err := plot.FlowGIF(&b, single(moving(40, 4000)), nil,
			plot.GIFOptions{Options: plot.Options{Style: style}}); err != nil {
			t.Fatal(err)
		}
		if limit := 3 << 20; b.Len() > limit {
			t.Errorf("%s: 40 frames of 4000 points take %d bytes, want at most %d", style, b.Len(), limit)
		}
		g, frames := decodeGIF(t, b.Bytes())
		if len(frames) != 40 {
			t.Errorf("%s: got %d frames, want 40", style, len(frames))
		}
		if g.Config.Width < 600 || g.Config.Width > 680 || g.Config.Height < 600 || g.Config.Height > 680 {
			t.Errorf("%s: got %dx%d pixels, want 600 or a little more on both sides", style,
				g.Config.Width, g.Config.Height)
		}
		if n := len(frames[0].Palette); n > 128 {
			t.Errorf("%s: got a palette of %d colours, want at most 128", style, n)
		}
	}
}

func TestGIFShowsThePointsWhereTheyAre(t *testing.T) {
	var b bytes.Buffer
	if err := plot.FlowGIF(&b, single(moving(5, 800)), nil, plot.GIFOptions{}); err != nil {
		t.Fatal(err)
	}
	_, frames := decodeGIF(t, b.Bytes())
	ink := func(img image.Image, x0, y0, x1, y1 float64) int { // shares of the picture
		w, h := float64(img.Bounds().Dx()), float64(img.Bounds().Dy())
		n := 0
		for y := int(y0 * h); y < int(y1*h); y++ {
			for x := int(x0 * w); x < int(x1*w); x++ {
				if isBlue(img.At(x, y)) {
					n++
				}
			}
		}
		return n
	}
	// At t=0 the middle is full, at t=1 it is empty and the four corners are full.
	first, last := frames[0], frames[len(frames)-1]
	if got, want := ink(first, 0.4, 0.4, 0.6, 0.6), 100; got < want {
		t.Errorf("t=0: %d pixels of ink in the middle, want more than %d", got, want)
	}
	if got := ink(last, 0.45, 0.4, 0.6, 0.6); got != 0 {
		t.Errorf("t=1: %d pixels of ink in the middle, want none", got)
	}
	for _, c := range [][2]float64{{0.1, 0.1}, {0.55, 0.1}, {0.1, 0.5}, {0.55, 0.5}} {
		if got := ink(last, c[0], c[1], c[0]+0.4, c[1]+0.4); got < 100 {
			t.Errorf("t=1: %d pixels of ink in the quarter from %v, want more than 100", got, c)
		}
	}
}

func TestGIFAxesStandStill(t *testing.T) {
	var b bytes.Buffer
	if err := plot.FlowGIF(&b, single(moving(6, 300)), nil, plot.GIFOptions{}); err != nil {
		t.Fatal(err)
	}
	g, frames := decodeGIF(t, b.Bytes())
	// What changes after the first frame lies in the data area and in the strip
	// above it; the marks and numbers to the left and below never change.
	left, below := g.Config.Width, 0
	for _, img := range g.Image[1:] {
		left, below = min(left, img.Rect.Min.X), max(below, img.Rect.Max.Y)
	}
	if left < 15 || below > g.Config.Height-15 {
		t.Errorf("frames change from column %d and down to row %d of %d; want the axes left alone", left, below,
			g.Config.Height)
	}
	dark := func(img image.Image) int {
		_, _, n := centre(img, func(c color.Color) bool { return luma(c) < 0.5 && !isBlue(c) })
		return n
	}
	if n := dark(frames[0]); n < 4*200 {
		t.Errorf("first frame: %d dark pixels, want the box of axes (more than 800)", n)
	}
}

func TestGIFTimes(t *testing.T) {
	for _, c := range []struct {
		name string
		o    plot.GIFOptions
		want []int // hundredths of a second
	}{
		{"defaults", plot.GIFOptions{}, []int{50, 6, 150}},
		{"chosen", plot.GIFOptions{Delay: 100 * time.Millisecond, Pause: 3 * time.Second}, []int{100, 10, 300}},
		{"a short delay becomes 20 ms", plot.GIFOptions{Delay: time.Millisecond, Pause: 90 * time.Millisecond},
			[]int{3, 2, 9}},
		{"a pause is never shorter than a delay", plot.GIFOptions{Delay: time.Second, Pause: time.Millisecond},
			[]int{100, 100, 100}},
	} {
		var b bytes.Buffer
		if err := plot.FlowGIF(&b, single(moving(3, 10)), nil, c.o); err != nil {
			t.Fatal(err)
		}
		g, _ := decodeGIF(t, b.Bytes())
		for k, want := range c.want {
			if g.Delay[k] != want {
				t.Errorf("%s: frame %d stands %d/100 s, want %d", c.name, k, g.Delay[k], want)
			}
		}
		if g.LoopCount != 0 {
			t.Errorf("%s: loop count %d, want 0 (for ever)", c.name, g.LoopCount)
		}
	}
}

func TestGIFOfPointsThatDoNotMoveHasAllItsFrames(t *testing.T) {
	x := points(0, 0, 1, 1)
	var b bytes.Buffer
	times := []float64{0, 0.0001, 0.0002}
	if err := plot.FlowGIF(&b, single([]flow.Batch{x, x, x}), times, plot.GIFOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, frames := decodeGIF(t, b.Bytes()); len(frames) != 3 {
		t.Errorf("got %d frames, want 3", len(frames))
	}
}
