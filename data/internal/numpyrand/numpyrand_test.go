package numpyrand

import (
	"math"
	"slices"
	"testing"
)

// The numbers wanted are NumPy's.
func TestRandIsRandomState(t *testing.T) {
	x := make([]int, 1000)
	for i := range x {
		x[i] = i
	}
	rng := New(42)
	rng.Shuffle(len(x), func(i, j int) { x[i], x[j] = x[j], x[i] })
	if want := []int{521, 737, 740, 660, 411, 678, 626, 513}; !slices.Equal(x[:8], want) {
		t.Errorf("shuffled to %v, want %v", x[:8], want)
	}
	for k, want := range []float64{0x1.fadc114ce926ep-1, 0x1.4a172057a00a4p-2, 0x1.9ea7dd059fa19p-1} {
		if got := rng.Uniform(); got != want {
			t.Errorf("draw %d: got %x, want %x", k, got, want)
		}
	}
}

func TestNormalIsRandn(t *testing.T) {
	rng := New(42)
	for k, want := range []float64{0x1.fca2a28a9307cp-2, -0x1.1b2a505de052ap-3, 0x1.4b9dd50245e68p-1,
		0x1.85e548e01aa2bp+0, -0x1.df8bcdf57a640p-3} {
		if got := rng.Normal(); math.Abs(got-want) > 1e-15*math.Abs(want) {
			t.Errorf("draw %d: got %x, want %x", k, got, want)
		}
	}
	// The sixth number is waiting, and other draws leave it alone.
	if got, want := rng.Uniform(), 0x1.dbd229d645570p-5; got != want {
		t.Errorf("got %x, want %x", got, want)
	}
	if got, want := rng.Normal(), -0x1.df8332670db3bp-3; math.Abs(got-want) > 1e-16 {
		t.Errorf("after a uniform number: got %x, want %x", got, want)
	}
}
