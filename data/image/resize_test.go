package image

import (
	"errors"
	"math"
	"testing"

	"flowmatch/flow"
)

// level is the middle of an 8-bit level in [-1, 1].
func pixel(k float64) float64 { return (k+0.5)/128 - 1 }

func TestPlanesAreTheBytesChannelByChannel(t *testing.T) {
	x := flow.Batch{X: []float64{pixel(0), pixel(1), pixel(2), pixel(253), pixel(254), pixel(255)}, N: 1, D: 6}
	got, err := Planes(x, []int{1, 2, 3}, 3, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0, 253, 1, 254, 2, 255} {
		if math.Abs(got.X[i]-want/255) > 1e-9 {
			t.Errorf("number %d is %g of 255; want %g", i, 255*got.X[i], want)
		}
	}
}

// A grey image of two pixels, four times as wide: half-pixel centres at -3/8, -1/8,
// 1/8, ... of the old ones, held at the border, as PyTorch's bilinear interpolation.
func TestPlanesAreResizedBetweenTheCentresOfPixels(t *testing.T) {
	x := flow.Batch{X: []float64{-1, pixel(200), 5, -5}, N: 2, D: 2} // beyond the range is its end
	got, err := Planes(x, []int{1, 2, 1}, 3, 1, 8)
	if err != nil {
		t.Fatal(err)
	}
	for k := range 3 {
		for i, share := range []float64{0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1} {
			for n, want := range []float64{200 * share, 255 * (1 - share)} {
				if v := 255 * got.Row(n)[8*k+i]; math.Abs(v-want) > 0.01 {
					t.Errorf("image %d, channel %d, pixel %d is %g; want %g", n, k, i, v, want)
				}
			}
		}
	}
}

func TestPlanesWantImages(t *testing.T) {
	x := flow.NewBatch(1, 12)
	for _, c := range []struct {
		shape    []int
		channels int
	}{{[]int{12}, 3}, {[]int{2, 2, 2}, 3}, {[]int{3, 2, 2}, 3}, {[]int{2, 2, 3}, 1}} {
		if _, err := Planes(x, c.shape, c.channels, 2, 2); !errors.Is(err, ErrImages) {
			t.Errorf("shape %v to %d channels: error %v; want ErrImages", c.shape, c.channels, err)
		}
	}
}
