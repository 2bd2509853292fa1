package plot_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/plot"
)

// draw runs a picture and decodes its PNG.
func draw(t *testing.T, f func(w io.Writer) error) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// points makes a batch of D=2 from coordinates.
func points(xy ...float64) flow.Batch { return flow.Batch{N: len(xy) / 2, D: 2, X: xy} }

func normal(n, d int, r *rand.Rand) flow.Batch {
	b := flow.NewBatch(n, d)
	flow.Gaussian{}.Sample(b, r)
	return b
}

// blob is n points around (x, y) with standard deviation sd.
func blob(n int, x, y, sd float64, r *rand.Rand) flow.Batch {
	b := normal(n, 2, r)
	for i := range n {
		b.X[2*i], b.X[2*i+1] = x+sd*b.X[2*i], y+sd*b.X[2*i+1]
	}
	return b
}

// hue says which colour dominates a pixel clearly, "" for greys.
func hue(c color.Color) string {
	r, g, b, _ := c.RGBA()
	const margin = 0x3000
	switch {
	case b > r+margin && b > g:
		return "blue"
	case r > b+margin && r > g:
		return "red"
	}
	return ""
}

// centre returns the mean position and the number of pixels for which keep holds.
func centre(img image.Image, keep func(color.Color) bool) (x, y float64, n int) {
	b := img.Bounds()
	for j := b.Min.Y; j < b.Max.Y; j++ {
		for i := b.Min.X; i < b.Max.X; i++ {
			if keep(img.At(i, j)) {
				x, y, n = x+float64(i), y+float64(j), n+1
			}
		}
	}
	return x / float64(n), y / float64(n), n
}

func isBlue(c color.Color) bool { return hue(c) == "blue" }
func isRed(c color.Color) bool  { return hue(c) == "red" }

// luma is the brightness of a pixel in [0,1].
func luma(c color.Color) float64 {
	return float64(color.Gray16Model.Convert(c).(color.Gray16).Y) / 0xffff
}

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: got %v, want %v within %v", what, got, want, tol)
	}
}

func TestDotsLieWhereTheirPointsAre(t *testing.T) {
	// 2 inches at 100 dpi for two units of data: one unit is 100 pixels.
	o := plot.Options{Size: 2, DPI: 100, Limits: plot.Limits{XMin: -1, XMax: 1, YMin: -1, YMax: 1}}
	at := func(x, y float64) (float64, float64) {
		img := draw(t, func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{Points: points(x, y)}}, o) })
		px, py, n := centre(img, isBlue)
		if n == 0 {
			t.Fatalf("no ink for a point at (%v, %v)", x, y)
		}
		return px, py
	}
	x0, y0 := at(0, 0)
	for _, p := range [][2]float64{{0.5, 0.5}, {-0.5, 0.5}, {-0.5, -0.25}, {0.8, -0.9}} {
		x, y := at(p[0], p[1])
		near(t, "pixels to the right of the origin", x-x0, 100*p[0], 0.5)
		near(t, "pixels above the origin", y0-y, 100*p[1], 0.5)
	}
}

func TestUnequalLimitsAreWidenedToEqualAspect(t *testing.T) {
	o := plot.Options{Size: 2, DPI: 100, Limits: plot.Limits{XMin: -2, XMax: 2, YMin: -1, YMax: 1}}
	shift := func(o plot.Options) (dx, dy float64) {
		var c [3][2]float64
		for k, p := range [][2]float64{{0, 0}, {0.5, 0}, {0, 0.5}} {
			img := draw(t,
				func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{Points: points(p[0], p[1])}}, o) })
			c[k][0], c[k][1], _ = centre(img, isBlue)
		}
		return c[1][0] - c[0][0], c[0][1] - c[2][1]
	}
	dx, dy := shift(o)
	near(t, "half a unit across, equal aspect", dx, 25, 0.5)
	near(t, "half a unit up, equal aspect", dy, 25, 0.5)
	o.Stretch = true
	dx, dy = shift(o)
	near(t, "half a unit across, stretched", dx, 25, 0.5)
	near(t, "half a unit up, stretched", dy, 50, 0.5)
}

func TestPanelsStandSideBySideInTheirColours(t *testing.T) {
	r := seed.Rand(1, "plot", 0)
	img := draw(t, func(w io.Writer) error {
		return plot.Samples(w,
			[]plot.Panel{{"data", blob(200, 0, 0, 1, r), nil}, {"samples", blob(200, 0, 0, 1, r), nil}}, plot.Options{})
	})
	xb, yb, nb := centre(img, isBlue)
	xr, yr, nr := centre(img, isRed)
	mid := float64(img.Bounds().Dx()) / 2
	if nb == 0 || nr == 0 || !(xb < mid && mid < xr) {
		t.Errorf("got %d blue pixels around x=%.0f and %d red around x=%.0f, want blue left and red right of %v", nb,
			xb, nr, xr, mid)
	}
	near(t, "height of the two clouds", yb, yr, 40)
	if img.Bounds().Dx() <= img.Bounds().Dy() {
		t.Errorf("two panels: got a picture of %v, want it wider than high", img.Bounds())
	}
}

func TestAGalleryHasARowOfItsColourForEachName(t *testing.T) {
	r := seed.Rand(1, "plot", 0)
	row := func(name string) plot.Row {
		return plot.Row{Name: name,
			Panels: []plot.Panel{{"left", blob(200, 0, 0, 1, r), nil}, {"right", blob(200, 0, 0, 1, r), nil}}}
	}
	img := draw(t, func(w io.Writer) error {
		return plot.Gallery(w, []plot.Row{row("FM-OT"), row("FM-diffusion")}, plot.Options{})
	})
	xb, yb, nb := centre(img, isBlue)
	xr, yr, nr := centre(img, isRed)
	if nb == 0 || nr == 0 || yb >= yr {
		t.Errorf("got %d blue pixels around y=%.0f and %d red around y=%.0f, want blue above red", nb, yb, nr, yr)
	}
	near(t, "middle of the two rows", xb, xr, 20)
	odd := []plot.Row{row("one"), {Name: "two", Panels: row("two").Panels[:1]}}
	if err := plot.Gallery(io.Discard, odd, plot.Options{}); !errors.Is(err, plot.ErrShape) {
		t.Errorf("rows of two lengths: got %v", err)
	}
}

func TestLabelsColourTheClasses(t *testing.T) {
	img := draw(t, func(w io.Writer) error {
		return plot.Samples(w, []plot.Panel{{Points: points(-1, 1, 1, -1), Labels: []int32{1, 0}}}, plot.Options{})
	})
	xr, yr, _ := centre(img, isRed)
	xb, yb, _ := centre(img, isBlue)
	if !(xr < xb && yr < yb) {
		t.Errorf("class 1 (red) at (%.0f, %.0f), class 0 (blue) at (%.0f, %.0f); want red to the upper left",
			xr, yr, xb, yb)
	}
}

func TestHeatIsBrighterWhereThereAreMorePoints(t *testing.T) {
	r := seed.Rand(2, "plot", 0)
	few, many := blob(500, -2, 0, 0.3, r), blob(4500, 2, 0, 0.3, r)
	all := flow.Batch{N: 5000, D: 2, X: append(few.X, many.X...)}
	o := plot.Options{Style: plot.Heat, Size: 2, DPI: 100, Limits: plot.Limits{XMin: -4, XMax: 4, YMin: -4, YMax: 4}}
	img := draw(t, func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{Points: all}}, o) })
	// The dots of the same limits say where the blobs are in the picture.
	o.Style = plot.Dots
	at := func(x float64) float64 {
		dot := draw(t, func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{Points: points(x, 0)}}, o) })
		px, py, _ := centre(dot, isBlue)
		return luma(img.At(int(px+0.5), int(py+0.5)))
	}
	hi, lo, none := at(2), at(-2), at(0)
	if !(hi > lo+0.2 && lo > none+0.02) {
		t.Errorf("brightness: got %.3f for 4500 points, %.3f for 500, %.3f for none; want them clearly falling", hi, lo,
			none)
	}
}

func TestAStrayPointDoesNotShrinkThePicture(t *testing.T) {
	// 900 columns hold the cloud's ±4 standard deviations, or 8 columns if the stray were shown.
	cloud := blob(2000, 0, 0, 1, seed.Rand(3, "plot", 0))
	cloud.X[0] = 1000
	img := draw(t, func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{Points: cloud}}, plot.Options{}) })
	columns := map[int]bool{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if isBlue(img.At(x, y)) {
				columns[x] = true
			}
		}
	}
	if want := img.Bounds().Dx() / 3; len(columns) < want {
		t.Errorf("the cloud covers %d columns of %d, want more than %d", len(columns), img.Bounds().Dx(), want)
	}
}

func TestOneDimensionGetsAHistogram(t *testing.T) {
	low, high := flow.NewBatch(400, 1), flow.NewBatch(400, 1)
	for i := range 400 {
		low.X[i], high.X[i] = -2+float64(i)/400, 1+float64(i)/400
	}
	img := draw(t, func(w io.Writer) error {
		return plot.Samples(w, []plot.Panel{{Points: low}, {Points: high}}, plot.Options{})
	})
	xb, _, nb := centre(img, isBlue)
	xr, _, nr := centre(img, isRed)
	if nb == 0 || nr == 0 || xb > xr {
		t.Errorf("values -2..-1 are around pixel %.0f (%d of them), 1..2 around %.0f (%d); want the first to the left",
			xb, nb, xr, nr)
	}
}

func TestManyDimensionsGetAllPairs(t *testing.T) {
	r := seed.Rand(4, "plot", 0)
	size := func(d int) image.Rectangle {
		return draw(t, func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{Points: normal(50, d, r)}}, plot.Options{Size: 0.6, DPI: 100})
		}).Bounds()
	}
	three, five := size(3), size(5)
	// Two more rows and columns of 60 pixels with gaps of 6 points (8 pixels).
	near(t, "two more columns", float64(five.Dx()-three.Dx()), 2*68, 12) // labels may differ in width
	near(t, "two more rows", float64(five.Dy()-three.Dy()), 2*68, 0)
}

func TestChosenColumnsAreDrawn(t *testing.T) {
	b := flow.Batch{N: 1, D: 5, X: []float64{math.Pi, 7, 0.5, 7, -0.5}}
	o := plot.Options{Size: 2, DPI: 100, Columns: [2]int{4, 2},
		Limits: plot.Limits{XMin: -1, XMax: 1, YMin: -1, YMax: 1}}
	got := draw(t, func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{Points: b}}, o) })
	o.Columns, o.Names = [2]int{}, []string{"x5", "x3"}
	want := draw(t, func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{Points: points(-0.5, 0.5)}}, o) })
	if !bytes.Equal(got.(*image.RGBA).Pix, want.(*image.RGBA).Pix) {
		t.Error("columns 4 and 2 give another picture than the same numbers as a batch of D=2")
	}
}

func TestDensityIsBrighterWhereItIsHigher(t *testing.T) {
	g := plot.Grid{Limits: plot.Limits{XMin: -3, XMax: 3, YMin: -3, YMax: 3}, NX: 60, NY: 60}
	x := mustPoints(g)
	logp := make([]float64, x.N)
	for i := range x.N { // a normal around (1.5, 1.5), and nothing at all in the lower left
		dx, dy := x.X[2*i]-1.5, x.X[2*i+1]-1.5
		if logp[i] = -dx*dx - dy*dy; x.X[2*i] < 0 && x.X[2*i+1] < 0 {
			logp[i] = math.Inf(-1)
		}
	}
	for _, log := range []bool{false, true} {
		img := draw(t, func(w io.Writer) error {
			return plot.Density(w, g, []plot.Map{{LogP: logp}},
				plot.DensityOptions{Log: log, Options: plot.Options{Size: 3, DPI: 60}})
		})
		// The data area is 180 x 180; its left upper corner is at the first dark purple pixel.
		left, top := corner(img)
		at := func(x, y float64) float64 {
			return luma(img.At(left+int((x+3)*30), top+int((3-y)*30)))
		}
		peak, flank, zero := at(1.5, 1.5), at(0.5, 1), at(-2, -2)
		if !(peak > flank+0.05 && flank > zero+0.05) {
			t.Errorf("log %v: brightness: got %.2f at the peak, %.2f on the flank, %.2f where p=0; want them to fall",
				log, peak, flank, zero)
		}
		if zero > 0.12 {
			t.Errorf("log %v: p=0 has brightness %.2f, want the darkest colour (0.08)", log, zero)
		}
	}
}

// corner finds the left upper pixel of the darkest colour of viridis: as the
// density vanishes in a corner, that is the lower left one; go up from there.
func corner(img image.Image) (left, top int) {
	b := img.Bounds()
	for y := b.Max.Y - 1; y > b.Min.Y; y-- {
		for x := b.Min.X; x < b.Max.X; x++ {
			if img.At(x, y) == (color.RGBA{0x44, 0x01, 0x54, 0xff}) {
				return x, y - 179
			}
		}
	}
	return 0, 0
}

func TestGridPointsIntegrateByTheMidpointRule(t *testing.T) {
	g := plot.Grid{Limits: plot.Limits{XMin: -8, XMax: 8, YMin: -6, YMax: 6}, NX: 64, NY: 48}
	x := mustPoints(g)
	logp := make([]float64, x.N)
	flow.Gaussian{}.LogProb(logp, x)
	mass := 0.0
	area, err := g.CellArea()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range logp {
		mass += math.Exp(v) * area
	}
	// The midpoint rule converges faster than any power for a normal density; what
	// lies beyond 6 standard deviations is 2e-9.
	near(t, "mass of a normal density on the grid", mass, 1, 1e-8)
	near(t, "first point", x.X[0], -7.875, 1e-12)
	near(t, "second point lies to the right", x.X[2]-x.X[0], 0.25, 1e-12)
	near(t, "next row lies above", x.X[2*64+1]-x.X[1], 0.25, 1e-12)
	if n := mustPoints(plot.Grid{}).N; n != 128*128 {
		t.Errorf("points of the zero grid: got %d, want 128·128", n)
	}
}

func TestLossDrawsEachSeriesInItsColour(t *testing.T) {
	var falling, rising []float64
	for i := range 400 {
		falling, rising = append(falling, 2-float64(i)/400), append(rising, 3+float64(i)/400)
	}
	for _, log := range []bool{false, true} {
		img := draw(t, func(w io.Writer) error {
			return plot.Loss(w, []plot.Series{{Y: falling}, {Y: rising}}, plot.LossOptions{Log: log})
		})
		_, yb, nb := centre(img, isBlue)
		_, yr, nr := centre(img, isRed)
		if nb == 0 || nr == 0 || !(yr < yb) {
			t.Errorf("log %v: values 1..2 at height %.0f (%d pixels), 3..4 at %.0f (%d); want the higher ones above",
				log, yb, nb, yr, nr)
		}
	}
}

func TestImageGridMapsValuesExactly(t *testing.T) {
	grey := flow.Batch{N: 3, D: 2, X: []float64{-1, 1, 0, 5, -5, 0.5}} // images of 1 x 2
	img := draw(t, func(w io.Writer) error {
		return plot.ImageGrid(w, grey, []int{1, 2}, plot.ImageOptions{Cols: 2, Gap: 1, Scale: 3})
	})
	if got, want := img.Bounds().Size(), image.Pt(3*(1+2*3), 3*(1+2*2)); got != want {
		t.Fatalf("size: got %v, want %v", got, want)
	}
	for _, c := range []struct {
		name string
		x, y int // in pixels before the scale
		want uint8
	}{
		{"gap is white", 0, 0, 255}, {"-1 is black", 1, 1, 0}, {"1 is white", 2, 1, 255},
		{"0 is the middle", 4, 1, 128},
		{"above 1 is white", 5, 1, 255}, {"below -1 is black", 1, 3, 0}, {"0.5 is 192", 2, 3, 192},
		{"no image is white", 4, 3, 255},
	} {
		for _, d := range []int{0, 2} {
			r, g, b, _ := img.At(3*c.x+d, 3*c.y+d).RGBA()
			got := color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 255}
			if got != (color.RGBA{c.want, c.want, c.want, 255}) {
				t.Errorf("%s: got %v, want %d", c.name, got, c.want)
			}
		}
	}
	named := draw(t, func(w io.Writer) error {
		return plot.ImageGrid(w, grey, []int{1, 2},
			plot.ImageOptions{Cols: 2, Gap: 1, Scale: 3, ColNames: []string{"7"}, RowNames: []string{"x", "y"}})
	})
	shift := named.Bounds().Size().Sub(img.Bounds().Size())
	if shift.X < 5 || shift.Y < 10 {
		t.Errorf("names take a room of %v", shift)
	}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if named.At(shift.X+x, shift.Y+y) != img.At(x, y) {
				t.Fatalf("names change the pixel (%d, %d) of the grid", x, y)
			}
		}
	}
	ink := func(r image.Rectangle) (n int) {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				if v, _, _, _ := named.At(x, y).RGBA(); v < 0x8000 {
					n++
				}
			}
		}
		return n
	}
	size := named.Bounds().Size()
	above, before := ink(image.Rect(shift.X, 0, size.X, shift.Y)), ink(image.Rect(0, shift.Y, shift.X, size.Y))
	if above == 0 || before == 0 {
		t.Errorf("%d dark pixels above the grid and %d before it; want names", above, before)
	}
	if err := plot.ImageGrid(io.Discard, grey, []int{1, 2},
		plot.ImageOptions{Cols: 2, RowNames: make([]string, 3)}); !errors.Is(err, plot.ErrShape) {
		t.Errorf("three names for two rows: %v", err)
	}
	rgb := flow.Batch{N: 1, D: 6, X: []float64{1, 0, 0, 0, 0.2, 1}} // one image of 2 x 1 pixels of three channels
	img = draw(t, func(w io.Writer) error {
		return plot.ImageGrid(w, rgb, []int{2, 1, 3}, plot.ImageOptions{Gap: -1, Scale: 1, Lo: 0, Hi: 1})
	})
	if img.At(0, 0) != (color.RGBA{255, 0, 0, 255}) || img.At(0, 1) != (color.RGBA{0, 51, 255, 255}) {
		t.Errorf("colours: got %v and %v, want red, and blue with a fifth of green", img.At(0, 0), img.At(0, 1))
	}
}
