package plot_test

import (
	"errors"
	"io"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/plot"
)

// Points that part are bright in the middle at first, and at both sides in the end.
func TestOverTimeShowsWhereThePointsAre(t *testing.T) {
	x0, x1 := normal(2000, 1, seed.Rand(1, "over time", 0)), flow.NewBatch(2000, 1)
	for i, v := range x0.X {
		if x1.X[i] = v/4 + 3; v < 0 {
			x1.X[i] = v/4 - 3
		}
	}
	img := draw(t, func(w io.Writer) error {
		o := plot.Options{Limits: plot.Limits{XMin: 0, XMax: 1, YMin: -5, YMax: 5}}
		return plot.OverTime(w, []flow.Batch{x0, x1}, nil, o)
	})
	// The area is 713 x 432 pixels; its left edge is where the dark ground of the map begins.
	left := 0
	for luma(img.At(left+4, img.Bounds().Dy()/4)) > 0.3 {
		left++
	}
	left += 4
	bright := func(x int, y0, y1 float64) (most float64) { // heights as shares of the area
		high := 432.0
		top := 0
		for luma(img.At(left+300, top)) > 0.3 {
			top++
		}
		for y := top + int(y0*high); y < top+int(y1*high); y++ {
			most = max(most, luma(img.At(x, y)))
		}
		return most
	}
	if mid, side := bright(left+20, 0.45, 0.55), bright(left+20, 0.15, 0.25); mid < side+0.1 {
		t.Errorf("at t=0: %.2f in the middle, %.2f at the side; want the middle bright", mid, side)
	}
	if mid, side := bright(left+690, 0.45, 0.55), bright(left+690, 0.15, 0.25); side < mid+0.1 {
		t.Errorf("at t=1: %.2f in the middle, %.2f at the side; want the side bright", mid, side)
	}
	two := points(0, 0, 1, 1)
	if err := plot.OverTime(io.Discard, []flow.Batch{two, two}, nil, plot.Options{}); !errors.Is(err, plot.ErrShape) {
		t.Errorf("points of the plane: %v", err)
	}
}

// Data are below the diagonal and samples above, each seen whole.
func TestPairsPartTheSets(t *testing.T) {
	r := seed.Rand(4, "plot", 0)
	img := draw(t, func(w io.Writer) error {
		return plot.Samples(w, []plot.Panel{{Points: normal(300, 3, r)}, {Points: normal(300, 3, r)}}, plot.Options{})
	})
	xb, yb, nb := centre(img, isBlue)
	xr, yr, nr := centre(img, isRed)
	if nb == 0 || nr == 0 || xb > xr-50 || yb < yr+50 {
		t.Errorf("blue around (%.0f, %.0f), red around (%.0f, %.0f); want blue to the lower left", xb, yb, xr, yr)
	}
}

// Panels have the aspect of the data: nothing is padded to a square.
func TestPanelsKeepTheAspectOfTheData(t *testing.T) {
	flat := blob(500, 0, 0, 1, seed.Rand(5, "plot", 0))
	for i := range flat.N {
		flat.X[2*i] *= 2
	}
	size := draw(t, func(w io.Writer) error {
		return plot.Samples(w, []plot.Panel{{Points: flat}},
			plot.Options{Limits: plot.Limits{XMin: -8, XMax: 8, YMin: -4, YMax: 4}})
	}).Bounds().Size()
	if size.Y > size.X*2/3 {
		t.Errorf("a picture of %v for limits of 16 x 8; want it flat", size)
	}
}

// Triples stand apart, each column under its name.
func TestImagesStandInGroups(t *testing.T) {
	x := flow.NewBatch(6, 4)
	width := func(group int) int {
		return draw(t, func(w io.Writer) error {
			return plot.ImageGrid(w, x, []int{2, 2}, plot.ImageOptions{Cols: 6, Group: group, Gap: 1, Scale: 10})
		}).Bounds().Dx()
	}
	if got, want := width(3)-width(0), 20; got != want {
		t.Errorf("two groups take %d pixels more than one, want %d", got, want)
	}
	err := plot.ImageGrid(io.Discard, x, []int{2, 2}, plot.ImageOptions{Cols: 4, Group: 3})
	if !errors.Is(err, plot.ErrOptions) {
		t.Errorf("groups of 3 among 4 columns: %v", err)
	}
}
