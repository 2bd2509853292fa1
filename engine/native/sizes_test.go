package native

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/native/kernel"
	"flowmatch/engine/native/machine"
)

// manySizes are choices far apart.
func manySizes() []machine.Sizes {
	return []machine.Sizes{
		{Tile: 64 << 10, Rows: 16, Strip: 256, Block: 28, Columns: 64, Pixels: 1 << 10},
		{Tile: 300 << 10, Rows: 48, Strip: 1040, Block: 45, Columns: 128, Pixels: 5000},
		{Tile: 64 << 20, Rows: 1024, Strip: 8192, Block: 1000, Columns: 4096, Pixels: 1 << 22},
	}
}

// sized returns backends that differ in sizes alone, for each set of instructions.
func sized(t *testing.T, each func(t *testing.T, first *Backend, others []*Backend)) {
	t.Helper()
	for _, l := range kernel.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			var all []*Backend
			for _, s := range append([]machine.Sizes{machine.Choose(machine.Model{}, 2)}, manySizes()...) {
				b, err := newAt(l, Options{Threads: 2, Sizes: &s})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(b.Finalize)
				all = append(all, b)
			}
			each(t, all[0], all[1:])
		})
	}
}

// Losses, gradients and weights of training have the same bits whatever the sizes: a run may be resumed
// where others suit.
func TestNoResultDependsOnSizes(t *testing.T) {
	sized(t, func(t *testing.T, first *Backend, others []*Backend) {
		for _, m := range models {
			for _, batch := range []int{7, 1337} {
				want := m.run(t, first, batch, 1)[0]
				for _, b := range others {
					for k, x := range m.run(t, b, batch, 1)[0] {
						if !sameBits(x, want[k]) {
							t.Errorf("%s, batch %d: result %d has other bits with %v", m.name, batch, k, b.sizes)
						}
					}
				}
			}
		}
	})
}

func TestNoResultInBFloat16DependsOnSizes(t *testing.T) {
	fn, inputs := mixedStep(dtypes.BFloat16, 1337, 40, 64, 33)
	sameWithAllSizes(t, fn, inputs)
}

// images is a step of training of two convolutions with an average over pixels, in a type.
func images(dt dtypes.DType, n int) (fn func(p []*gx.Node) []*gx.Node, inputs []shapes.Shape) {
	cast := func(x *gx.Node) *gx.Node { return gx.ConvertDType(x, dt) }
	return func(p []*gx.Node) []*gx.Node {
		h := gx.Convolve(cast(p[0]), cast(p[1])).PadSame().Done()
		h = gx.ConvertDType(h, dtypes.Float32)
		h = gx.Mul(h, gx.Sigmoid(h))
		h = gx.Convolve(cast(h), cast(p[2])).PadSame().Strides(2).Done()
		h = gx.ConvertDType(h, dtypes.Float32)
		pooled := gx.ReduceMean(h, 1, 2)
		out := gx.Dot(pooled, p[3]).Product()
		loss := gx.Add(gx.ReduceAllMean(gx.Square(out)), gx.ReduceAllMean(gx.Abs(h)))
		return append([]*gx.Node{loss}, gx.Gradient(loss, p[1:]...)...)
	}, []shapes.Shape{floats(n, 14, 14, 16), floats(3, 3, 16, 32), floats(3, 3, 32, 48), floats(48, 3)}
}

func TestNoResultOfImagesDependsOnSizes(t *testing.T) {
	for _, dt := range []dtypes.DType{dtypes.Float32, dtypes.BFloat16} {
		t.Run(dt.String(), func(t *testing.T) {
			fn, inputs := images(dt, 21)
			sameWithAllSizes(t, fn, inputs)
		})
	}
}

func sameWithAllSizes(t *testing.T, fn func(p []*gx.Node) []*gx.Node, inputs []shapes.Shape) {
	t.Helper()
	args := mixedArguments(inputs)
	sized(t, func(t *testing.T, first *Backend, others []*Backend) {
		want, _ := evaluate(t, first, fn, inputs, args, nil)
		for _, b := range others {
			got, _ := evaluate(t, b, fn, inputs, args, nil)
			for k := range got {
				if !sameBits(got[k], want[k]) {
					t.Errorf("result %d has other bits with %v", k, b.sizes)
				}
			}
		}
	})
}

// Tiles are whole grains, so that gradients are summed alike, unless a part is shorter.
func TestTilesAreWholeGrains(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		rows := 1 + r.IntN(700)
		in := &tensor{kind: kindParam, dims: []int{64 * rows, 8}}
		n := &tensor{kind: kindReduce, axis: 0, in: []*tensor{in}, dims: []int{8}, placement: placement{units: 64}}
		reg := &region{loop: loop{units: 64}, tensors: []*tensor{n}}
		reg.parts, reg.unit = 1+r.IntN(4), 1<<r.IntN(30)
		for _, s := range manySizes() {
			tile, grain := reg.tileUnits(s), reg.grain(n)
			part := (64 + reg.parts - 1) / reg.parts
			if tile != part && tile%grain != 0 || grain*rows > max(sumRows, rows) ||
				grain > 1 && grain*reg.unit > mostGrain {
				t.Fatalf("%d rows and %d floats in a unit: tiles of %d units, grain %d", rows, reg.unit, tile, grain)
			}
		}
	}
}

func TestSizesThatAreNoneAreAnError(t *testing.T) {
	if _, err := New(Options{Sizes: &machine.Sizes{}}); err == nil {
		t.Error("sizes of zero: no error")
	}
	t.Setenv(machine.EnvVar, "tile=3")
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "from 64K to 1048576K") {
		t.Errorf("error %v, want what tile may be", err)
	}
}

func TestThePeakOfAllThreads(t *testing.T) {
	for _, threads := range []int{1, 2} {
		b, err := New(Options{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Finalize)
		one, all := b.PeakFLOPS()
		if !(one > 0) || !(all > 0) || threads == 1 && all != one {
			t.Errorf("%d threads: peak of one %g, of all %g", threads, one, all)
		}
	}
}
