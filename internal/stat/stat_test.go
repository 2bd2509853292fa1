package stat

import (
	"math"
	"testing"
)

func TestMeans(t *testing.T) {
	for _, c := range []struct {
		v            []float64
		mean, stdErr float64
	}{
		{nil, 0, 0},
		{[]float64{3}, 3, 0},
		{[]float64{1, 3}, 2, 1}, // s² = 2, s/√2 = 1
		{[]float64{2, 4, 4, 6}, 4, math.Sqrt(8.0/3) / 2}, // s² = 8/3
	} {
		mean, stdErr := MeanStdErr(c.v)
		if m := Mean(c.v); m != c.mean || mean != c.mean || math.Abs(stdErr-c.stdErr) > 1e-15 {
			t.Errorf("%v: mean %g and %g, want %g; standard error %g, want %g", c.v, m, mean, c.mean, stdErr, c.stdErr)
		}
	}
	if mean, _ := MeanStdErr([]float64{math.MaxFloat64, math.MaxFloat64}); mean != math.MaxFloat64 {
		t.Errorf("the mean of the two largest numbers is %g", mean)
	}
}
