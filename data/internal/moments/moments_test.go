package moments

import (
	"math"
	"testing"
)

// Numbers far from 0 that hardly differ have the mean and the deviation that they have.
func TestOfNumbersFarFromZero(t *testing.T) {
	for _, c := range []struct{ base, step float64 }{{0, 2}, {1 << 60, 512}, {-(1 << 60), 512}, {1.7e12, 2}} {
		x := make([]float64, 3000)
		for i := range x {
			x[i] = c.base + c.step*float64(i%2)
		}
		mean, std, constant := Of(x, 1, len(x))
		if math.Abs(mean-c.base-c.step/2) > 1e-3*std || math.Abs(std/(c.step/2)-1) > 1e-5 || constant {
			t.Errorf("%g and %g more: mean %g more, deviation %g", c.base, c.step, mean-c.base, std)
		}
	}
}
