package run

import (
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// An arc between two noises keeps their length and meets both.
func TestSlerpKeepsTheLength(t *testing.T) {
	a, b, c := []float64{3, 0, 0}, []float64{0, 3, 0}, make([]float64, 3)
	for _, u := range []float64{0, 0.25, 0.5, 1} {
		slerp(c, a, b, u)
		want := []float64{3 * math.Cos(u*math.Pi/2), 3 * math.Sin(u*math.Pi/2), 0}
		for i := range c {
			if math.Abs(c[i]-want[i]) > 1e-12 {
				t.Errorf("at %v: %v, want %v", u, c, want)
			}
		}
	}
	slerp(c, a, a, 0.3)
	if math.Abs(c[0]-3) > 1e-12 || c[1] != 0 {
		t.Errorf("between a point and itself: %v", c)
	}
	slerp(c, make([]float64, 3), make([]float64, 3), 0.5)
	if !slices.Equal(c, make([]float64, 3)) {
		t.Errorf("between no noise and none: %v", c)
	}
}

// Shares are uniform where the model is right, of whole numbers too, and leave the band where it
// is not.
func TestThePITLeavesItsBandWhereTheModelIsWrong(t *testing.T) {
	rng := seed.Rand(1, "pit test", 0)
	truth, samples := flow.NewBatch(1000, 3), flow.NewBatch(4000, 3)
	for _, x := range []flow.Batch{truth, samples} {
		for i := range x.N {
			copy(x.Row(i), []float64{rng.NormFloat64(), float64(rng.IntN(3)), rng.NormFloat64()})
		}
	}
	for i := range truth.N {
		truth.Row(i)[2] -= 0.3 // lower than what the model thinks
	}
	band := kolmogorov * math.Sqrt(1./1000+1./4000)
	series, hidden := pitSeries(sharesBelow(truth, samples, rng), band, []string{"a", "b"})
	if hidden != 0 || len(series) != 4 || series[1].Name != "a" || series[3].Name != "x3" || series[0].SD[7] != band {
		t.Fatalf("%d lines and %d hidden", len(series), hidden)
	}
	for k, out := range []bool{false, false, true} {
		y := series[k+1].Y
		if most := slices.Max(y); (most > band) != out || y[len(y)-1] != 0 {
			t.Errorf("line %d reaches %.3f above, ends at %v; the band is %.3f wide", k, most, y[len(y)-1], band)
		}
	}
	if most := slices.Max(series[3].Y); math.Abs(most-0.119) > 0.04 { // 2 Φ(0.15) - 1
		t.Errorf("a shift of 0.3 reaches %.3f, want 0.119", most)
	}
	many := flow.NewBatch(10, pitColumns+2)
	if series, hidden := pitSeries(many, 1, nil); hidden != 2 || len(series) != pitColumns+1 {
		t.Errorf("%d lines of %d columns, %d hidden", len(series), many.D, hidden)
	}
}

func TestTheNearestImagesStandInOrder(t *testing.T) {
	var best []found
	for _, d := range []float64{5, 3, 9, 1, 7, 2, 8} {
		best = nearer(best, found{d, []float64{d}})
	}
	var got []float64
	for _, f := range best {
		got = append(got, f.distance)
	}
	if want := []float64{1, 2, 3, 5}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Pictures of images and of points refuse the other; runs stand beside one in an animation only.
func TestPicturesRefuseOtherPoints(t *testing.T) {
	r := trained(t, tiny)
	for _, kind := range PicturesOfImages() {
		if err := r.Picture(t.Context(), io.Discard, kind, PictureOptions{}); err == nil ||
			!strings.Contains(err.Error(), "for images") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	err := r.Picture(t.Context(), io.Discard, "field", PictureOptions{Beside: []*Run{r}})
	if err == nil || !strings.Contains(err.Error(), "kind flow only") {
		t.Errorf("a field beside another: %v", err)
	}
	var one, two strings.Builder
	if err := r.Picture(t.Context(), &one, "flow", PictureOptions{N: 20}); err != nil {
		t.Fatal(err)
	}
	if err := r.Picture(t.Context(), &two, "flow", PictureOptions{N: 20, Beside: []*Run{r}}); err != nil {
		t.Fatal(err)
	}
	if two.Len() <= one.Len() {
		t.Errorf("two flows take %d bytes, one %d", two.Len(), one.Len())
	}
	if err := r.Picture(t.Context(), io.Discard, "portrait", PictureOptions{}); err == nil {
		t.Error("a portrait was drawn")
	}
}
