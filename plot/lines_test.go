package plot_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"testing"

	"flowmatch/plot"
)

func TestLinesDrawAPowerLawStraight(t *testing.T) {
	var steep, flat plot.Series
	for x := 1.0; x <= 256; x *= 2 {
		steep.X, steep.Y = append(steep.X, x), append(steep.Y, 1e-3*x*x)
		flat.X, flat.Y = append(flat.X, x), append(flat.Y, 1e-3)
	}
	img := draw(t, func(w io.Writer) error {
		return plot.Lines(w, []plot.Series{steep, flat}, plot.LineOptions{})
	})
	x0, y0, n := centre(img, isBlue)
	if n == 0 {
		t.Fatal("the first series is not there")
	}
	// Half of the line is left of its middle and above or below it by as much.
	height := func(from, to float64) float64 {
		sum, n := 0.0, 0.0
		for y := range img.Bounds().Max.Y {
			for x := int(from); x < int(to); x++ {
				if isBlue(img.At(x, y)) {
					sum, n = sum+float64(y), n+1
				}
			}
		}
		return sum / n
	}
	low, high := height(x0-120, x0-80), height(x0+80, x0+120)
	near(t, "the middle of two places of a straight line", (low+high)/2, y0, 3)
	if low-high < 60 {
		t.Errorf("the line rises by %.0f pixels, want at least 60", low-high)
	}
	if _, y, n := centre(img, isRed); n == 0 || y < y0 {
		t.Errorf("the flat series lies at height %.0f in %d pixels, want it below %.0f", y, n, y0)
	}
}

func TestLinesRefuseWhatALogarithmCannotShow(t *testing.T) {
	for name, c := range map[string]struct {
		series []plot.Series
		want   error
	}{
		"nothing":       {nil, plot.ErrEmpty},
		"no points":     {[]plot.Series{{}}, plot.ErrShape},
		"unequal":       {[]plot.Series{{X: []float64{1, 2}, Y: []float64{1}}}, plot.ErrShape},
		"a zero":        {[]plot.Series{{X: []float64{1, 2}, Y: []float64{1, 0}}}, plot.ErrOptions},
		"not a number":  {[]plot.Series{{X: []float64{1, 2}, Y: []float64{1, math.NaN()}}}, plot.ErrOptions},
		"endless":       {[]plot.Series{{X: []float64{1, math.Inf(1)}, Y: []float64{1, 1}}}, plot.ErrOptions},
		"going back":    {[]plot.Series{{X: []float64{2, 1}, Y: []float64{1, 1}}}, plot.ErrOptions},
		"a single spot": {[]plot.Series{{X: []float64{2}, Y: []float64{1}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if err := plot.Lines(io.Discard, c.series, plot.LineOptions{}); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// A true value is marked where it is, also outside of the curves.
func TestLinesMarkATruth(t *testing.T) {
	curve := []plot.Series{{X: []float64{1, 2}, Y: []float64{1, 2}, Bare: true}}
	draws := func(truth []float64) func(io.Writer) error {
		return func(w io.Writer) error {
			o := plot.LineOptions{Options: plot.Options{Truth: truth}, LinearX: true, LinearY: true}
			return plot.Lines(w, curve, o)
		}
	}
	// dark returns the column with the most grey pixels in some part of the width: the frame is at its ends.
	dark := func(truth []float64, from, to int) (column, most int) {
		img := draw(t, draws(truth))
		for x := from; x < min(to, img.Bounds().Max.X); x++ {
			n := 0
			for y := range img.Bounds().Max.Y * 3 / 4 {
				if r, g, b, _ := img.At(x, y).RGBA(); r == g && g == b && r < 0xa000 {
					n++
				}
			}
			if n > most {
				column, most = x, n
			}
		}
		return column, most
	}
	frame, _ := dark(nil, 400, 1<<20)
	_, none := dark(nil, 200, frame-4)
	left, few := dark([]float64{1.25}, 200, frame-4)
	right, many := dark([]float64{1.75}, 200, frame-4)
	beyond, _ := dark([]float64{3}, 200, frame-4)
	if min(few, many) < none+100 || right-left < 50 || beyond <= right {
		t.Errorf("truths at 1.25, 1.75 and 3 are marked in columns %d, %d and %d, of %d and %d pixels; none: %d", left,
			right, beyond, few, many, none)
	}
	for _, bad := range [][]float64{{1, 2}, {math.NaN()}} {
		if err := draws(bad)(io.Discard); err == nil {
			t.Errorf("a truth of %v on the line is drawn", bad)
		}
	}
	err := plot.Lines(io.Discard, curve, plot.LineOptions{Options: plot.Options{Truth: []float64{-1}}})
	if !errors.Is(err, plot.ErrOptions) {
		t.Errorf("a truth of -1 on a logarithmic axis: %v", err)
	}
}

func ExampleLines() {
	batch := plot.Series{Name: "64x3", X: []float64{64, 512, 4096}, Y: []float64{0.1, 0.3, 2}}
	err := plot.Lines(io.Discard, []plot.Series{batch}, plot.LineOptions{XName: "batch", YName: "ms per step"})
	fmt.Println(err)
	// Output: <nil>
}
