package nn

import (
	"math"
	"testing"
)

func TestNormalIsAFunctionOfKeyStreamAndPlace(t *testing.T) {
	const n = 20_001
	x, again, other, start := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, 1500)
	for _, c := range []struct {
		dst    []float64
		stream uint64
	}{{x, 1}, {again, 1}, {other, 2}, {start, 1}} {
		if err := Normal(c.dst, 7, c.stream); err != nil {
			t.Fatal(err)
		}
	}
	var mean, square, cross float64
	for i := range x {
		if x[i] != again[i] || i < len(start) && x[i] != start[i] {
			t.Fatalf("number %d: %g, then %g", i, x[i], again[i])
		}
		mean += x[i] / n
		square += x[i] * x[i] / n
		cross += x[i] * other[i] / n
	}
	// Five standard errors of each.
	if se := 5 / math.Sqrt(n); math.Abs(mean) > se || math.Abs(square-1) > se*math.Sqrt2 || math.Abs(cross) > se {
		t.Errorf("mean %g, mean square %g, correlation of two streams %g; want 0, 1 and 0", mean, square, cross)
	}
}
