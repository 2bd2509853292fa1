package nn

import (
	"maps"
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
)

// TestAPointHasTheSameBitsBesideOthers: what is evaluated together decides about speed alone. A solve
// whose points have steps of their own then ends in the same bits, whatever else is solved with it.
func TestAPointHasTheSameBitsBesideOthers(t *testing.T) {
	all := maps.Clone(configs)
	maps.Copy(all, perceptrons)
	all["unet"], all["other unet"] = smallUNet, otherUNet
	all["dit"] = Config{Dim: 64, Classes: 3, DiT: &DiT{Image: []int{8, 8, 1}, Patch: 2, Width: 24, Depth: 2, Heads: 3}}
	for name, cfg := range all {
		t.Run(name, func(t *testing.T) { besideOthers(t, filled(t, cfg)) })
	}
}

// besideOthers evaluates points in parts of several sizes, the smallest of which no kernel fills.
func besideOthers(t *testing.T, net *Net) {
	const n = 61
	d, given := net.Config().Dim, givenTo(net.Config(), n)
	x, e := randomPoints(n, d, 3), randomPoints(n, d, 4)
	// evaluate returns all there is of points lo to hi, 4 D + 1 numbers a point.
	evaluate := func(lo, hi int) (all flow.Batch) {
		f := bindGiven(t, net, given.Slice(lo, hi))
		k := hi - lo
		v, vjp, g, w, div := flow.NewBatch(k, d), flow.NewBatch(k, d), flow.NewBatch(k, d), flow.NewBatch(k, d),
			flow.NewBatch(k, 1)
		part, along := x[lo*d:hi*d], e[lo*d:hi*d]
		err := f.Velocity(v.X, 0.3, part)
		if err == nil {
			err = f.VJP(vjp.X, g.X, 0.3, part, along)
		}
		if f, ok := f.(flow.Diverger); ok && err == nil {
			err = f.VelocityDiv(w.X, div.X, 0.3, part)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = flow.Batch{N: k, D: 4*d + 1}
		for i := range k {
			all.X = append(all.X, slices.Concat(v.Row(i), vjp.Row(i), g.Row(i), w.Row(i), div.Row(i))...)
		}
		return all
	}
	want := evaluate(0, n)
	for _, size := range []int{1, 2, 3, 5, 7, 8, 12, 13, 16, 31} {
		for lo := 0; lo < n; lo += size {
			hi := min(n, lo+size)
			got := evaluate(lo, hi)
			for k, v := range got.X {
				if is := want.X[lo*want.D+k]; math.Float64bits(v) != math.Float64bits(is) {
					t.Fatalf("number %d of point %d is %v among %d points, and %v among %d", k%want.D,
						lo+k/want.D, v, size, is, n)
				}
			}
		}
	}
}
