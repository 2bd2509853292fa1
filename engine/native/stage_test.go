package native

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// A backward pass that waits for all rows of a gradient has the gradients of the layers behind it before
// those of the layers before, and the same bits.
func TestResultsAreToldBeforeWhatWaits(t *testing.T) {
	const n, d = 640, 24
	in := []shapes.Shape{shapes.Make(dtypes.Float32, n, d), shapes.Make(dtypes.Float32, d, d),
		shapes.Make(dtypes.Float32, d, d+8)}
	run := func(threads int, waits bool) (outs [][]float32, early []int) {
		b, err := New(Options{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Finalize()
		g := NewGraph(b, "two layers")
		x, w1, w2 := Parameter(g, "x", in[0]), Parameter(g, "w1", in[1]), Parameter(g, "w2", in[2])
		h := Tanh(Dot(x, w1).Product())
		if waits {
			h = IdentityWithCustomGradient(h, func(_, v *Node) *Node { return SchedulingBarrier(v, v) })
		}
		loss := ReduceAllMean(Square(Tanh(Dot(h, w2).Product())))
		grads := Gradient(loss, w1, w2)
		if err := g.Compile(MulScalar(grads[0], 3), loss, MulScalar(grads[1], 3)); err != nil {
			t.Fatal(err)
		}
		p := g.Executable().(*Program)
		rng := rand.New(rand.NewPCG(1, 2))
		var args, results []compute.Buffer
		for _, s := range in {
			flat := make([]float32, s.Size())
			for i := range flat {
				flat[i] = rng.Float32() - 0.5
			}
			args = append(args, newBuffer(t, b, flat, s.Dimensions...))
		}
		flats := make([][]float32, 3)
		for i, s := range p.Outputs() {
			buf, flat, err := b.NewSharedBuffer(0, s)
			if err != nil {
				t.Fatal(err)
			}
			results, flats[i] = append(results, buf), flat.([]float32)
			for k := range flats[i] {
				flats[i][k] = float32(math.NaN())
			}
		}
		var then []float32
		err = p.ExecuteAndTell(results, args, func(result int) {
			if result == 2 && math.IsNaN(float64(flats[0][0])) {
				then = slices.Clone(flats[2])
			}
			early = append(early, result)
		})
		if err != nil || waits && !slices.Equal(then, flats[2]) {
			t.Errorf("%d threads: the second gradient was not complete before the first began (%v)", threads, err)
		}
		return flats, early
	}
	for _, threads := range []int{1, 3} {
		want, _ := run(threads, false)
		got, told := run(threads, true)
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%d threads: result %d of a program that waits has other bits", threads, i)
			}
		}
		if slices.Index(told, 2) < 0 || slices.Index(told, 2) > slices.Index(told, 0) {
			t.Errorf("%d threads: told of %v in this order, want 2 before 0", threads, told)
		}
	}
}
