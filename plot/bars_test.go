package plot

import (
	"bytes"
	"errors"
	"image/png"
	"math"
	"testing"

	"flowmatch/flow"
)

// count returns how many pixels of a picture have a colour.
func count(t *testing.T, b []byte, k int) (n int) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r0, g0, b0, _ := category(k).RGBA()
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if r, g, b, _ := img.At(x, y).RGBA(); r == r0 && g == g0 && b == b0 {
				n++
			}
		}
	}
	return n
}

// The area of bars is as their values.
func TestBarsAreAsLongAsTheirValues(t *testing.T) {
	areas := func(a, b float64) (int, int) {
		var out bytes.Buffer
		sets := []Bars{{Values: []float64{a, 0, 1}}, {Values: []float64{b, 0, 0}}}
		if err := BarChart(&out, []string{"x", "y", "z"}, sets, "share", Options{}); err != nil {
			t.Fatal(err)
		}
		return count(t, out.Bytes(), 0), count(t, out.Bytes(), 1)
	}
	_, half := areas(0, 0.5)
	_, whole := areas(0, 1)
	one, _ := areas(0, 1)
	both, _ := areas(1, 1)
	if r := float64(half) / float64(whole); math.Abs(r-0.5) > 0.01 {
		t.Errorf("half of it has %g of the area", r)
	}
	if r := float64(both) / float64(one); math.Abs(r-2) > 0.02 {
		t.Errorf("two bars have %g of the area of one", r)
	}
}

func TestMatricesAreDrawn(t *testing.T) {
	m := flow.Batch{N: 2, D: 2, X: []float64{1, math.NaN(), -0.5, 0}}
	for _, o := range []Options{{}, {Dark: true}, {Format: SVG}} {
		var out bytes.Buffer
		if err := Matrix(&out, []string{"a", "a long name of a column"}, m, 1, o); err != nil || out.Len() < 1000 {
			t.Errorf("%+v: %d bytes, %v", o, out.Len(), err)
		}
	}
}

func TestBarsAndMatricesThatCannotBeDrawn(t *testing.T) {
	var out bytes.Buffer
	for name, c := range map[string]struct{ err, want error }{
		"no bars":       {BarChart(&out, nil, []Bars{{}}, "", Options{}), ErrEmpty},
		"a value short": {BarChart(&out, []string{"x", "y"}, []Bars{{Values: []float64{1}}}, "", Options{}), ErrShape},
		"below 0":       {BarChart(&out, []string{"x"}, []Bars{{Values: []float64{-1}}}, "", Options{}), ErrOptions},
		"no rows":       {Matrix(&out, nil, flow.Batch{}, 1, Options{}), ErrEmpty},
		"not square":    {Matrix(&out, []string{"x"}, flow.NewBatch(1, 2), 1, Options{}), ErrShape},
		"no scale":      {Matrix(&out, []string{"x"}, flow.NewBatch(1, 1), 0, Options{}), ErrOptions},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: got %v, want %v", name, c.err, c.want)
		}
	}
}
