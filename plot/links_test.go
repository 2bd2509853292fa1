package plot_test

import (
	"errors"
	"io"
	"testing"

	"flowmatch/flow"
	"flowmatch/plot"
)

// A pair is a line between its ends; noise and data have their colours.
func TestPairsAreLines(t *testing.T) {
	picture := func(y float64) (grey int) {
		img := draw(t, func(w io.Writer) error {
			return plot.Couplings(w, []plot.Coupled{{From: points(-1, -1, -1, 1), To: points(1, -y, 1, y)}},
				plot.Options{Limits: plot.Limits{XMin: -2, XMax: 2, YMin: -2, YMax: 2}})
		})
		b := img.Bounds()
		x := b.Min.X + 270 // near the middle of the area of 416 pixels
		for y := 60; y < b.Max.Y-120; y++ {
			if l := luma(img.At(x, y)); l < 0.8 {
				grey++
			}
		}
		return grey
	}
	if apart, crossed := picture(1), picture(-1); apart == 0 || crossed == 0 {
		t.Errorf("%d dark pixels of parallel pairs, %d of crossed ones", apart, crossed)
	}
	for name, p := range map[string][]plot.Coupled{
		"other numbers": {{From: points(0, 0), To: points(0, 0, 1, 1)}},
		"other dimensions": {{From: points(0, 0), To: points(0, 0)},
			{From: flow.NewBatch(1, 3), To: flow.NewBatch(1, 3)}},
	} {
		if err := plot.Couplings(io.Discard, p, plot.Options{}); !errors.Is(err, plot.ErrShape) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := plot.Couplings(io.Discard, nil, plot.Options{}); !errors.Is(err, plot.ErrEmpty) {
		t.Errorf("no panels: %v", err)
	}
}
