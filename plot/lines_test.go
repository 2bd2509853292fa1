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

func ExampleLines() {
	batch := plot.Series{Name: "64x3", X: []float64{64, 512, 4096}, Y: []float64{0.1, 0.3, 2}}
	err := plot.Lines(io.Discard, []plot.Series{batch}, plot.LineOptions{XName: "batch", YName: "ms per step"})
	fmt.Println(err)
	// Output: <nil>
}
