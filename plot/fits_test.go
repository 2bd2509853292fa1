package plot_test

import (
	"errors"
	"io"
	"testing"

	"flowmatch/internal/seed"
	"flowmatch/plot"
)

func TestFitsAreDrawnInTheColourOfTheirMethod(t *testing.T) {
	data, near := points(0, 0, 1, 1, 2, 0), points(0, 0, 1, 1.1, 2, 0.2)
	img := draw(t, func(w io.Writer) error {
		return plot.Fits(w, []plot.Fit{{"adjoint", nil, data, near}, {"backprop", []float64{0, 1, 3}, data, near}},
			plot.Options{})
	})
	xb, _, nb := centre(img, isBlue)
	xr, _, nr := centre(img, isRed)
	if nb == 0 || nr == 0 || xb > xr {
		t.Errorf("%d blue pixels around %.0f and %d red around %.0f; want adjoint left of backprop", nb, xb, nr, xr)
	}
	for name, c := range map[string]struct {
		fit  plot.Fit
		want error
	}{
		"lengths":    {plot.Fit{Data: data, Solved: points(0, 0)}, plot.ErrShape},
		"times":      {plot.Fit{T: []float64{0}, Data: data, Solved: near}, plot.ErrShape},
		"going back": {plot.Fit{T: []float64{0, 2, 1}, Data: data, Solved: near}, plot.ErrOptions},
	} {
		if err := plot.Fits(io.Discard, []plot.Fit{c.fit}, plot.Options{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := plot.Fits(io.Discard, nil, plot.Options{}); !errors.Is(err, plot.ErrEmpty) {
		t.Errorf("nothing: %v", err)
	}
}

// A panel of a gallery whose points would lie outside shows them all the same.
func TestAGalleryLosesNoPoints(t *testing.T) {
	r := seed.Rand(1, "plot", 0)
	ink := func(sd float64) int {
		img := draw(t, func(w io.Writer) error {
			return plot.Gallery(w, []plot.Row{{"FM-OT", []plot.Panel{{Points: blob(200, 0, 0, sd, r)}}}},
				plot.Options{Limits: plot.Limits{XMin: -4, XMax: 4, YMin: -4, YMax: 4}})
		})
		_, _, n := centre(img, isBlue)
		return n
	}
	if near, far := ink(1), ink(40); far < near/2 {
		t.Errorf("%d pixels of a cloud ten times as wide as the axes, %d of one within; want as many", far, near)
	}
}
