package plot_test

import (
	"image"
	"image/color"
	"io"
	"testing"

	"flowmatch/flow"
	"flowmatch/plot"
)

// linear is the field v(x) = a·x + b on R^2.
type linear struct {
	a    [2]float64
	b    [2]float64
	fail error
	dim  int
}

func (f linear) Dim() int { return max(f.dim, 2) }
func (f linear) Velocity(v []float64, _ float64, x []float64) error {
	for i := range v {
		v[i] = f.a[i%2]*x[i] + f.b[i%2]
	}
	return f.fail
}

func TestFieldColoursBySpeed(t *testing.T) {
	// v = (x, 0): fast at the left and right edge, slow in the middle. The speed
	// decides the colour: blue is slow, red is fast.
	img := draw(t, func(w io.Writer) error {
		return plot.Field(w, linear{a: [2]float64{1, 0}}, []float64{0.5}, plot.FieldOptions{})
	})
	b := img.Bounds()
	right := b.Max.X * 80 / 100 // leaves out the colour bar
	count := func(x0, x1 int) (slow, fast int) {
		for y := b.Max.Y / 10; y < b.Max.Y*85/100; y++ {
			for x := x0; x < x1; x++ {
				r, _, bl, _ := img.At(x, y).RGBA()
				switch {
				case r > bl+0x3000:
					fast++
				case bl > r+0x3000:
					slow++
				}
			}
		}
		return slow, fast
	}
	third := right / 3
	slowL, fastL := count(b.Max.X/10, third)
	slowM, fastM := count(third, 2*third)
	if !(fastL > slowL && slowM > fastM) {
		t.Errorf("pixels slow/fast: got %d/%d at the left, %d/%d in the middle; want more fast ones left "+
			"and more slow ones in the middle", slowL, fastL, slowM, fastM)
	}
}

func TestTrajectoriesGoFromBlueToRed(t *testing.T) {
	var path []flow.Batch
	for k := range 21 {
		path = append(path, points(-1+float64(k)/10, 0))
	}
	o := plot.TrajectoryOptions{
		Options: plot.Options{Size: 2, DPI: 100, Limits: plot.Limits{XMin: -2, XMax: 2, YMin: -2, YMax: 2}}}
	img := draw(t, func(w io.Writer) error { return plot.Trajectories(w, path, nil, o) })
	blue := func(c color.Color) bool { r, _, b, _ := c.RGBA(); return r < 0x3000 && b > 0x7000 }
	red := func(c color.Color) bool { r, _, b, _ := c.RGBA(); return r > 0xd000 && b < 0x8000 }
	area := img.(*image.RGBA).SubImage(image.Rect(0, 0, 225, img.Bounds().Dy())) // without the colour bar
	x0, y0, n0 := centre(area, blue)
	x1, y1, n1 := centre(area, red)
	if n0 == 0 || n1 == 0 {
		t.Fatalf("got %d pixels of the start's colour and %d of the end's", n0, n1)
	}
	near(t, "pixels from start to end", x1-x0, 100, 12)
	near(t, "height of start and end", y0, y1, 1.5)
}

func TestOneDimensionalTrajectoriesRunOverTime(t *testing.T) {
	path := []flow.Batch{{N: 2, D: 1, X: []float64{-1, 1}}, {N: 2, D: 1, X: []float64{-2, 2}}}
	img := draw(t,
		func(w io.Writer) error { return plot.Trajectories(w, path, []float64{0, 1}, plot.TrajectoryOptions{}) })
	if img.Bounds().Dx() < 100 {
		t.Errorf("got a picture of %v", img.Bounds())
	}
}
