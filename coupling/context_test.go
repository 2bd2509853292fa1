package coupling

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"flowmatch/flow"
)

// What a row of x_0 has to do with the context that it is paired with, where points lie at
// their contexts: nothing at all with rows as they are, all with a transport that does not
// see the contexts.
func TestContextsInTheDistanceTakeAwayTheDependence(t *testing.T) {
	const n = 1000
	rng := rand.New(rand.NewPCG(1, 2))
	x0, x1, context := flow.NewBatch(n, 1), flow.NewBatch(n, 1), flow.NewBatch(n, 1)
	for i := range n {
		x0.X[i], context.X[i] = rng.NormFloat64(), rng.NormFloat64()
		x1.X[i] = context.X[i] + 0.1*rng.NormFloat64()
	}
	correlation := func(c Coupling) (r, cost float64) {
		t.Helper()
		src := make([]int, n)
		if err := Match(c, src, x0, x1, nil, context, rng); err != nil {
			t.Fatal(err)
		}
		for j, i := range src {
			r += x0.X[i] * context.X[j] / n
			cost += (x0.X[i] - x1.X[j]) * (x0.X[i] - x1.X[j]) / n
		}
		return r, cost
	}
	last, least := 1.1, 0.0
	for _, c := range []struct{ weight, low, high float64 }{
		{0, 0.95, 1.05}, {1, 0.2, 0.9}, {10, 0, 0.35}, {1000, -0.1, 0.1},
	} {
		for _, inner := range []Coupling{OT{}, Sinkhorn{Reg: 0.02}} {
			r, cost := correlation(Contextual{inner, c.weight})
			if r < c.low || r > c.high {
				t.Errorf("%v, weight %g: correlation %.3f of x_0 with the context, want %g to %g", inner, c.weight, r,
					c.low, c.high)
			}
			if _, exact := inner.(OT); exact {
				if r > last || cost < least {
					t.Errorf("weight %g: correlation %.3f after %.3f, cost %.3f after %.3f", c.weight, r, last, cost,
						least)
				}
				last, least = r, cost
			}
		}
	}
	if r, _ := correlation(OT{}); r < 0.95 {
		t.Errorf("a coupling that sees no contexts: correlation %.3f", r)
	}
}

func TestEveryRowIsUsedOnceBesideContexts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x0, x1, context := flow.NewBatch(30, 2), flow.NewBatch(30, 2), flow.NewBatch(30, 3)
	for _, b := range []flow.Batch{x0, x1, context} {
		for i := range b.X {
			b.X[i] = rng.NormFloat64()
		}
	}
	src := make([]int, 30)
	if err := Match(Contextual{Groups{OT{}, 7}, 3}, src, x0, x1, nil, context, rng); err != nil {
		t.Fatal(err)
	}
	slices.Sort(src)
	for i, v := range src {
		if i != v {
			t.Fatalf("rows of x_0: %v", src)
		}
	}
	for _, weight := range []float64{-1, math.NaN(), math.Inf(1)} {
		if err := Match(Contextual{OT{}, weight}, src, x0, x1, nil, context, rng); err == nil {
			t.Errorf("weight %g is taken", weight)
		}
	}
	if err := Match(Contextual{OT{}, 1}, src, x0, x1, nil, context.Slice(0, 9), rng); err == nil {
		t.Error("9 contexts of 30 rows")
	}
}
