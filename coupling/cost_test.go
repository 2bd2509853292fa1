package coupling

import (
	"math"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// around is the square of the distance on a circle of circumference 1.
type around struct{}

func (around) Cost(x0, x1 []float64) float64 {
	d := math.Abs(x0[0] - x1[0])
	d = math.Min(d, 1-d)
	return d * d
}

// Points that are a little further on around a circle are paired with those that they come from, also
// across the seam, where straight distances pair others.
func TestACostOfYourOwnDecidesWhoIsPaired(t *testing.T) {
	const n = 40
	x0, x1 := flow.NewBatch(n, 1), flow.NewBatch(n, 1)
	order := seed.Rand(3, "coupling/test", 0).Perm(n)
	for j := range n {
		x1.X[j] = math.Mod(float64(j)/n+0.3/n+0.9, 1)
		x0.X[order[j]] = math.Mod(float64(j)/n+0.9, 1)
	}
	for _, c := range []Coupling{OT{Cost: around{}}, Sinkhorn{Reg: 1e-3, Cost: around{}}} {
		src := make([]int, n)
		if err := c.Match(src, x0, x1, nil, seed.Rand(1, "coupling/test", 0)); err != nil {
			t.Fatal(err)
		}
		same := 0
		for j, i := range order {
			if src[j] == i {
				same++
			}
		}
		// A plan of little entropy is drawn from.
		if _, drawn := c.(Sinkhorn); same < n && !drawn || same < n*3/4 {
			t.Errorf("%T: paired %v, want %v", c, src, order)
		}
	}
	x1.X[3] = math.NaN()
	if err := (OT{Cost: around{}}).Match(make([]int, n), x0, x1, nil, nil); err == nil {
		t.Error("a cost that is not a number went unseen")
	}
}
