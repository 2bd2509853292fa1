package image

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
)

// picture makes [h, w, c] pixels of a function of their centres, in pixels.
func picture(h, w, c int, f func(y, x float64, k int) float64) []float64 {
	pix := make([]float64, 0, h*w*c)
	for y := range h {
		for x := range w {
			for k := range c {
				pix = append(pix, f(float64(y), float64(x), k))
			}
		}
	}
	return pix
}

func worst(a, b []float64) float64 {
	m := 0.0
	for i := range a {
		m = max(m, math.Abs(a[i]-b[i]))
	}
	return m
}

func TestDownscaleIsTheMeanOfTheArea(t *testing.T) {
	src := []float64{ // [2, 4, 2]
		1, 10, 2, 20, 3, 30, 4, 40,
		5, 50, 6, 60, 7, 70, 8, 80,
	}
	dst := make([]float64, 4)
	Downscale(dst, src, 2, 4, 2, 2)
	if d := worst(dst, []float64{3.5, 35, 5.5, 55}); d > 1e-15 {
		t.Errorf("got %v, want [3.5 35 5.5 55]", dst)
	}
	same := make([]float64, len(src))
	Downscale(same, src, 2, 4, 2, 1)
	if d := worst(same, src); d != 0 {
		t.Errorf("by 1: differs by %g from the image itself", d)
	}
}

func TestUpscaleReproducesConstantsEverywhereAndQuadraticsInside(t *testing.T) {
	const h, w, c = 7, 9, 3
	for _, factor := range []int{1, 2, 3, 4} {
		for _, p := range []struct {
			name   string
			border int // pixels of src at the border that are left out
			f      func(y, x float64, k int) float64
		}{
			{"constant", 0, func(_, _ float64, k int) float64 { return float64(k) - 0.3 }},
			{"ramp", 2, func(y, x float64, k int) float64 { return 0.2*y - 0.1*x + float64(k) }},
			{"quadratic", 2, func(y, x float64, k int) float64 { return 0.2*y*y - 0.1*x*x + 0.3*x*y + float64(k) }},
		} {
			dst := make([]float64, h*w*c*factor*factor)
			Upscale(dst, picture(h, w, c, p.f), h, w, c, factor)
			f := float64(factor)
			want := picture(h*factor, w*factor, c, func(y, x float64, k int) float64 {
				return p.f((y+0.5)/f-0.5, (x+0.5)/f-0.5, k)
			})
			for y := p.border * factor; y < (h-p.border)*factor; y++ {
				for i := (y*w*factor + p.border*factor) * c; i < (y*w*factor+(w-p.border)*factor)*c; i++ {
					if math.Abs(dst[i]-want[i]) > 1e-13 {
						t.Fatalf("%s by %d: number %d got %g, want %g, tolerance 1e-13", p.name, factor, i,
							dst[i], want[i])
					}
				}
			}
		}
	}
}

func TestUpscaleByTwoIsTheTableOfCatmullRom(t *testing.T) {
	// At t = 1/4 and 3/4: the kernel of Keys with a = -1/2, times 128.
	src := []float64{0, 0, 0, 1, 0, 0, 0}
	dst := make([]float64, 28) // [2, 14, 1]
	Upscale(dst, src, 1, 7, 1, 2)
	want := []float64{0, 0, 0, -3, -9, 29, 111, 111, 29, -9, -3, 0, 0, 0}
	for i, v := range want {
		if math.Abs(dst[i]*128-v) > 1e-12 || dst[14+i] != dst[i] {
			t.Errorf("number %d: got %g and %g 128ths, want %g", i, dst[i]*128, dst[14+i]*128, v)
		}
	}
}

func TestScalingPanicsOnWhatDoesNotFit(t *testing.T) {
	for i, f := range []func(){
		func() { Downscale(make([]float64, 1), make([]float64, 6), 2, 3, 1, 2) },
		func() { Downscale(make([]float64, 2), make([]float64, 4), 2, 2, 1, 2) },
		func() { Downscale(nil, make([]float64, 5), 2, 2, 1, 2) },
		func() { Upscale(make([]float64, 15), make([]float64, 4), 2, 2, 1, 2) },
		func() { Upscale(nil, nil, 2, 2, 1, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("case %d: no panic", i)
				}
			}()
			f()
		}()
	}
}

func TestFlipMirrorsHalfOfTheImagesAndNothingElse(t *testing.T) {
	const n, h, w, c = 400, 2, 3, 3
	pix := make([]byte, n*h*w*c)
	for i := range pix {
		pix[i] = byte(rand.New(rand.NewPCG(uint64(i), 3)).Uint32())
	}
	m, err := New([]int{h, w, c}, pix, nil, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	mirrored, err := Flip(m, m.Shape)
	if err != nil {
		t.Fatal(err)
	}
	plain, x := rows(t, m, nil), rows(t, mirrored, rand.New(rand.NewPCG(1, 2)))
	turned := 0
	for i := range n {
		want := picture(h, w, c, func(y, x float64, k int) float64 { return plain.Row(i)[(int(y)*w+w-1-int(x))*c+k] })
		switch {
		case worst(x.Row(i), want) == 0:
			turned++
		case worst(x.Row(i), plain.Row(i)) > 0:
			t.Fatalf("image %d is neither itself nor its mirror image", i)
		}
	}
	if math.Abs(float64(turned)-n/2) > 5*math.Sqrt(n)/2 {
		t.Errorf("%d of %d are mirrored, want %d, tolerance 5 deviations", turned, n, n/2)
	}
}

func TestFlipWantsImagesOfTheShape(t *testing.T) {
	points := data.Points{X: flow.NewBatch(3, 12)}
	for _, shape := range [][]int{nil, {12}, {3, 5}, {-3, -4}} {
		if _, err := Flip(points, shape); err == nil ||
			!strings.Contains(err.Error(), "Flip of points of dimension 12") {
			t.Errorf("shape %v: %v", shape, err)
		}
	}
}

func ExampleDownscale() {
	small := make([]float64, 2)
	Downscale(small, []float64{1, 1, 0, 0, 1, 1, 0, 1}, 2, 4, 1, 2)
	fmt.Println(small)
	// Output: [1 0.25]
}
