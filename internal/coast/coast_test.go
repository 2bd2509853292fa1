package coast_test

import (
	"math"
	"testing"

	"flowmatch/internal/coast"
)

func TestCoastsAreOnTheEarth(t *testing.T) {
	lines := coast.Lines()
	if len(lines) < 100 {
		t.Fatalf("%d lines", len(lines))
	}
	// The southern tip of Africa and that of India are on them.
	near := map[[2]float64]float64{{20, -34.8}: 9, {77.5, 8}: 9}
	size := 0
	for _, line := range lines {
		size += 2 + 4*len(line)
		for _, p := range line {
			if math.Abs(p[0]) > 180 || math.Abs(p[1]) > 90 {
				t.Fatalf("a point at %v", p)
			}
			for q, d := range near {
				near[q] = min(d, math.Hypot(p[0]-q[0], p[1]-q[1]))
			}
		}
	}
	for q, d := range near {
		if d > 1 {
			t.Errorf("the coast is %g degrees from %v", d, q)
		}
	}
	if n := len(coast.Bytes()); n != size {
		t.Errorf("the file has %d bytes, and its lines %d", n, size)
	}
}
