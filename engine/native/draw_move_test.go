package native

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// movedOp adds an operation that moves numbers, mostly floats.
func (p *pen) movedOp(apply func(dims []int) (string, unaryFunc)) {
	x := p.pick(func(s shapes.Shape) bool { return s.Rank() > 0 && (isFloat(s) || p.r.IntN(5) == 0) })
	if x < 0 {
		return
	}
	name, f := apply(p.values[x].shape.Dimensions)
	p.add(drawn{name: name, in: []int{x}, exact: true,
		apply: func(g compute.Function, v []compute.Value) (compute.Value, error) { return f(g, v[0]) }})
}

func (p *pen) broadcastOp() {
	x := p.pick(func(s shapes.Shape) bool { return isFloat(s) || p.r.IntN(4) == 0 })
	if x < 0 {
		return
	}
	from := p.values[x].shape
	var dims, axes []int
	for _, d := range from.Dimensions {
		for len(dims) < 4 && p.r.IntN(3) == 0 {
			dims = append(dims, p.axis())
		}
		axes = append(axes, len(dims))
		if d == 1 && p.r.IntN(2) == 0 {
			d = p.axis()
		}
		dims = append(dims, d)
	}
	for len(dims) < 4 && p.r.IntN(2) == 0 {
		dims = append(dims, p.axis())
	}
	if p.r.IntN(3) == 0 && len(dims) < 4 {
		dims = append([]int{p.lead}, dims...)
		for i := range axes {
			axes[i]++
		}
	}
	if size(dims) > sizeMax {
		return
	}
	shape := shapes.Make(from.DType, dims...)
	p.add(drawn{name: fmt.Sprint("BroadcastInDim ", axes), in: []int{x}, exact: true,
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return f.BroadcastInDim(v[0], shape, axes)
		}})
}

// reshapeOp joins or splits neighbouring axes, or adds axes of length 1.
func (p *pen) reshapeOp() {
	p.movedOp(func(dims []int) (string, unaryFunc) {
		d := slices.Clone(dims)
		switch i := p.r.IntN(len(d)); p.r.IntN(4) {
		case 0:
			d = slices.Insert(d, i, 1)
		case 1:
			d = []int{size(d)}
		case 2:
			if i > 0 {
				d[i-1] *= d[i]
				d = slices.Delete(d, i, i+1)
			}
		case 3:
			for _, k := range []int{2, 3, 5, 4, 10} {
				if d[i]%k == 0 && d[i] > 0 {
					d[i] /= k
					d = slices.Insert(d, i+p.r.IntN(2), k)
					break
				}
			}
		}
		return "Reshape", func(f compute.Function, x compute.Value) (compute.Value, error) { return f.Reshape(x, d...) }
	})
}

func (p *pen) sliceOp() {
	p.movedOp(func(dims []int) (string, unaryFunc) {
		starts, limits, steps := make([]int, len(dims)), slices.Clone(dims), make([]int, len(dims))
		for i, d := range dims {
			steps[i] = 1
			if d < 2 || p.r.IntN(2) == 0 {
				continue
			}
			starts[i] = p.r.IntN(d)
			if p.r.IntN(2) == 0 {
				starts[i] = 0
			}
			limits[i] = starts[i] + 1 + p.r.IntN(d-starts[i])
			if p.r.IntN(3) == 0 {
				steps[i] = 1 + p.r.IntN(3)
			}
		}
		cut := func(f compute.Function, x compute.Value) (compute.Value, error) {
			return f.Slice(x, starts, limits, steps)
		}
		return fmt.Sprint("Slice ", starts, limits, steps), cut
	})
}

func (p *pen) transposeOp() {
	p.movedOp(func(dims []int) (string, unaryFunc) {
		perm := p.r.Perm(len(dims))
		return fmt.Sprint("Transpose ", perm), func(f compute.Function, x compute.Value) (compute.Value, error) {
			return f.Transpose(x, perm...)
		}
	})
}

func (p *pen) reverseOp() {
	p.movedOp(func(dims []int) (string, unaryFunc) {
		axes := p.r.Perm(len(dims))[:1+p.r.IntN(len(dims))]
		return fmt.Sprint("Reverse ", axes), func(f compute.Function, x compute.Value) (compute.Value, error) {
			return f.Reverse(x, axes...)
		}
	})
}

func (p *pen) padOp() {
	x := p.pick(isFloat)
	if x < 0 {
		return
	}
	axes := make([]compute.PadAxis, p.values[x].shape.Rank())
	for i := range axes {
		if p.r.IntN(2) == 0 {
			axes[i] = compute.PadAxis{Start: p.r.IntN(3), End: p.r.IntN(3)}
		}
		if p.r.IntN(12) == 0 {
			axes[i].Interior = 1
		}
	}
	frame := p.constant([]float32{0.25}, nil)
	p.add(drawn{name: fmt.Sprint("Pad ", axes), in: []int{x, frame}, exact: true,
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return f.Pad(v[0], v[1], axes...)
		}})
}

func (p *pen) concatOp() {
	x := p.pick(func(s shapes.Shape) bool { return s.Rank() > 0 && (isFloat(s) || p.r.IntN(6) == 0) })
	if x < 0 {
		return
	}
	first := p.values[x].shape
	axis := p.r.IntN(first.Rank())
	in := []int{x}
	for range p.r.IntN(4) {
		in = append(in, p.pick(func(s shapes.Shape) bool {
			if s.DType != first.DType || s.Rank() != first.Rank() {
				return false
			}
			for i, d := range s.Dimensions {
				if i != axis && d != first.Dimensions[i] {
					return false
				}
			}
			return true
		}))
	}
	p.add(drawn{name: fmt.Sprint("Concatenate ", axis), in: in, exact: true,
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return f.Concatenate(axis, v...)
		}})
}

var reductions = []struct {
	name string
	f    func(compute.Function, compute.Value, ...int) (compute.Value, error)
}{{"ReduceSum", compute.Function.ReduceSum}, {"ReduceMax", compute.Function.ReduceMax},
	{"ReduceMin", compute.Function.ReduceMin}, {"ReduceProduct", compute.Function.ReduceProduct}}

func (p *pen) reduceOp() {
	x := p.pick(hasAxes)
	if x < 0 {
		return
	}
	from := p.values[x].shape
	rank := from.Rank()
	axes := p.r.Perm(rank)[:1+p.r.IntN(rank)]
	switch p.r.IntN(4) {
	case 0:
		axes = []int{0}
	case 1:
		axes = []int{rank - 1}
	}
	op := reductions[[]int{0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3}[p.r.IntN(11)]]
	reduced := 1
	for _, a := range axes {
		reduced *= from.Dimensions[a]
	}
	if op.name == "ReduceProduct" { // neither huge nor tiny on the way, or the order would count
		if reduced > 64 {
			return
		}
		x = p.unary("Cos", p.unary("Tanh", x, compute.Function.Tanh), compute.Function.Cos)
	}
	if reduced > 2000 { // the Go backend adds one number after the other, which is far off for equal ones
		axes = axes[:1]
	}
	y := p.add(drawn{name: fmt.Sprint(op.name, " ", axes), in: []int{x},
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return op.f(f, v[0], axes...)
		}})
	if y < 0 || p.r.IntN(2) == 0 {
		return
	}
	// As in softmax and layer norm: back to the shape of x, and joined with it.
	var rest []int
	for i := range rank {
		if !slices.Contains(axes, i) {
			rest = append(rest, i)
		}
	}
	z := p.add(drawn{name: fmt.Sprint("BroadcastInDim ", rest), in: []int{y}, exact: true,
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return f.BroadcastInDim(v[0], from, rest)
		}})
	join := sums[p.r.IntN(3)]
	p.binary(join.name, x, z, join.f)
}

// dotOp adds a product over random axes, with a new operand or one that is there.
func (p *pen) dotOp() {
	x := p.pick(hasAxes)
	if x < 0 {
		return
	}
	dims := p.values[x].shape.Dimensions
	axes := p.r.Perm(len(dims))
	nk := p.r.IntN(min(3, len(dims)+1))
	nb := p.r.IntN(len(dims) - nk + 1)
	if p.r.IntN(2) == 0 {
		nk, nb = max(nk, 1), 0
	}
	lk, lb := axes[:nk], axes[nk:nk+nb]
	switch p.r.IntN(4) {
	case 0:
		lk, lb = []int{len(dims) - 1}, nil // a layer
	case 1:
		if len(dims) > 2 {
			lk, lb = []int{len(dims) - 1}, []int{0} // attention
		}
	}
	var rd []int // the axes of the right side, before they are put into some order
	for _, a := range slices.Concat(lk, lb) {
		rd = append(rd, dims[a])
	}
	for len(rd) < 4 && p.r.IntN(2) == 0 {
		rd = append(rd, p.axis())
	}
	perm := p.r.Perm(len(rd))
	if p.r.IntN(2) == 0 {
		perm = seq(0, len(rd))
	}
	placed := make([]int, len(rd))
	for i, a := range perm {
		placed[a] = rd[i]
	}
	if size(placed) > sizeMax {
		return
	}
	y := -1
	if p.r.IntN(3) > 0 {
		y = p.pick(func(s shapes.Shape) bool { return isFloat(s) && slices.Equal(s.Dimensions, placed) })
	}
	if y < 0 {
		y = p.param(placed, dtypes.Float32)
	}
	p.product(x, lk, lb, y, perm[:len(lk)], perm[len(lk):len(lk)+len(lb)])
}

// gramOp adds a product over the leading axes of two values, as the gradient of
// weights is, or of a value with itself.
func (p *pen) gramOp() {
	x := p.pick(hasAxes)
	if x < 0 {
		return
	}
	dims := p.values[x].shape.Dimensions
	n := 1 + p.r.IntN(min(2, len(dims)))
	y := p.pick(func(s shapes.Shape) bool {
		return isFloat(s) && s.Rank() >= n && slices.Equal(s.Dimensions[:n], dims[:n])
	})
	p.product(x, seq(0, n), nil, y, seq(0, n), nil)
}

func (p *pen) product(x int, lk, lb []int, y int, rk, rb []int) int {
	if x < 0 || y < 0 {
		return -1
	}
	work := p.values[x].shape.Size() * p.values[y].shape.Size()
	for _, a := range slices.Concat(lk, lb) {
		work /= max(1, p.values[x].shape.Dimensions[a])
	}
	if work > workMax {
		return -1
	}
	return p.add(drawn{name: fmt.Sprint("DotGeneral ", lk, lb, rk, rb), in: []int{x, y},
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return f.DotGeneral(v[0], lk, lb, v[1], rk, rb, compute.DotGeneralConfig{})
		}})
}

// factorOp adds x·p + x·q·r, which is simplified, or a difference of products.
func (p *pen) factorOp() {
	x := p.pick(isFloat)
	if x < 0 {
		return
	}
	dims := p.values[x].shape.Dimensions
	a, b := p.like(dims, dtypes.Float32), p.like(dims, dtypes.Float32)
	ax := p.binary("Mul", a, x, compute.Function.Mul)
	bx := p.binary("Mul", x, b, compute.Function.Mul)
	if p.r.IntN(2) == 0 {
		bx = p.binary("Mul", bx, p.like(dims, dtypes.Float32), compute.Function.Mul)
	}
	op := sums[p.r.IntN(2)]
	p.binary(op.name, ax, bx, op.f)
}

// layerOp adds a layer: a product, a vector added to each row, an activation.
func (p *pen) layerOp() {
	x := p.pick(hasAxes)
	if x < 0 {
		return
	}
	dims := p.values[x].shape.Dimensions
	last, n := len(dims)-1, p.axis()
	w := p.param([]int{dims[last], n}, dtypes.Float32)
	y := p.product(x, []int{last}, nil, w, []int{0}, nil)
	if y < 0 {
		return
	}
	shape := p.values[y].shape
	bias := p.add(drawn{name: "BroadcastInDim last", in: []int{p.param([]int{n}, dtypes.Float32)}, exact: true,
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return f.BroadcastInDim(v[0], shape, []int{last})
		}})
	u := tame[p.r.IntN(len(tame))]
	p.unary(u.name, p.binary("Add", y, bias, compute.Function.Add), u.f)
}
