package native

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/native/machine"
)

// conditioned compiles loss and gradients of a map of tokens that is scaled by what is computed of one row an image.
func conditioned(t *testing.T, b compute.Backend, images int) *loaded {
	t.Helper()
	const tokens, width, cond = 96, 32, 24
	in := []shapes.Shape{
		shapes.Make(dtypes.Float32, images, tokens, width), shapes.Make(dtypes.Float32, images, cond),
		shapes.Make(dtypes.Float32, cond, width), shapes.Make(dtypes.Float32, width, 2*width),
		shapes.Make(dtypes.Float32, 2*width, width),
	}
	g := NewGraph(b, "conditioned")
	p := make([]*Node, len(in))
	for i, s := range in {
		p[i] = Parameter(g, string(rune('a'+i)), s)
	}
	scale := InsertAxes(Tanh(Dot(p[1], p[2]).Product()), 1)
	h := Mul(p[0], scale)
	h = Tanh(DotGeneral(h, []int{2}, nil, p[3], []int{0}, nil))
	h = Mul(DotGeneral(h, []int{2}, nil, p[4], []int{0}, nil), scale)
	loss := ReduceAllMean(Square(h))
	outs := append([]*Node{loss}, Gradient(loss, p...)...)
	if err := g.Compile(outs...); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	var args []compute.Buffer
	for _, s := range in {
		flat := make([]float32, s.Size())
		for i := range flat {
			flat[i] = float32(rng.NormFloat64()) / 4
		}
		args = append(args, newBuffer(t, b, flat, s.Dimensions...))
	}
	return &loaded{g.Executable(), args}
}

// loaded is a program with its arguments.
type loaded struct {
	compute.Executable
	args []compute.Buffer
}

// Work of one row an image and of many rows an image is done in loops of their own: the latter goes image by image. The
// results are those of other engines, and have the same bits whatever the sizes.
func TestThinAndThickWorkHaveTheirLoops(t *testing.T) {
	const images = 12
	sizes := machine.Choose(machine.Model{}, 1)
	sizes.Tile = 64 << 10
	b, err := New(Options{Threads: 1, Sizes: &sizes})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Finalize()
	e := conditioned(t, b, images)
	p := e.Executable.(*Program)
	if !p.graph.sound() {
		t.Fatal("a tensor is read before it is made")
	}
	thin, thick := 0, 0
	for _, l := range p.levels {
		for _, r := range l.regions {
			for _, u := range r.tensors {
				switch rows := u.unitRows(); {
				case r.units != images || rows == 0:
				case rows <= thinRows:
					thin++
					if r.tile != images {
						t.Errorf("%v is made in tiles of %d images", u, r.tile)
					}
				case rows >= thickRows:
					thick++
					if r.tile > 4 {
						t.Errorf("%v is made in tiles of %d images", u, r.tile)
					}
				}
			}
		}
	}
	if thin < 3 || thick < 5 {
		t.Errorf("%d thin and %d thick tensors: the test is of nothing", thin, thick)
	}
	got := execute(t, e, nil, e.args...)
	large := machine.Choose(machine.Model{}, 1)
	large.Tile = 32 << 20
	other, err := New(Options{Threads: 1, Sizes: &large})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Finalize()
	o := conditioned(t, other, images)
	same := execute(t, o, nil, o.args...)
	w := conditioned(t, goBackend(t), images)
	want := execute(t, w, nil, w.args...)
	for i := range got {
		x, y, z := contents(t, got[i]), contents(t, same[i]), contents(t, want[i])
		if !sameBits(x, y) {
			t.Errorf("result %d has other bits in large tiles", i)
		}
		for k := range x {
			if d := math.Abs(float64(x[k] - z[k])); !(d <= 1e-5*(1e-2+math.Abs(float64(z[k])))) {
				t.Fatalf("result %d at %d: got %g, want %g", i, k, x[k], z[k])
			}
		}
	}
}
