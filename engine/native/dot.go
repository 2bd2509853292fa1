package native

import (
	"slices"

	"flowmatch/engine/native/kernel"
)

// dot describes out[b,m,n] = Σ_k lhs[b,m,k] rhs[b,n,k], each of the four axes
// standing for some neighbouring axes of the operands, by strides in elements.
type dot struct {
	b, m, n, k int
	lb, lm, lk int  // strides of lhs
	rb, rn, rk int  // strides of rhs
	half       bool // done in bfloat16
	thin       bool // with few columns, and rhs packed for them
}

// packedLen is the length of the packed rhs, in floats.
func (d *dot) packedLen(m *kernel.Matrix) int {
	switch {
	case d.thin:
		return d.k * d.n
	case d.half:
		return m.PackedLenBF16(d.k, d.n)
	}
	return m.PackedLen(d.k, d.n)
}

// panels is the number of panels of the packed rhs.
func (d *dot) panels(m *kernel.Matrix) int {
	if d.thin {
		return 1
	}
	return (d.n + m.Panel() - 1) / m.Panel()
}

// group is the length and the stride of some axes taken as one.
type group struct{ size, stride int }

// grouped takes axes of dims as one axis; ok says whether they lie so.
func grouped(dims, axes []int) (gr group, ok bool) {
	strides := contiguous(dims)
	gr = group{1, 1}
	first := true
	for i := len(axes) - 1; i >= 0; i-- {
		a := axes[i]
		switch {
		case dims[a] == 1:
		case first:
			gr, first = group{dims[a], strides[a]}, false
		case strides[a] == gr.size*gr.stride:
			gr.size *= dims[a]
		default:
			return gr, false
		}
	}
	return gr, true
}

// dotOperand returns x, transposed if need be, so that batch, free and
// contracted axes each lie as one.
func (g *graph) dotOperand(x *tensor, batch, contract []int) (y *tensor, b, free, k group) {
	var frees []int
	for i := range x.dims {
		if !slices.Contains(batch, i) && !slices.Contains(contract, i) {
			frees = append(frees, i)
		}
	}
	b, ok1 := grouped(x.dims, batch)
	free, ok2 := grouped(x.dims, frees)
	k, ok3 := grouped(x.dims, contract)
	if ok1 && ok2 && ok3 {
		return x, b, free, k
	}
	y = g.transposed(x, slices.Concat(batch, frees, contract))
	nb, nf := len(batch), len(frees)
	b, _ = grouped(y.dims, seq(0, nb))
	free, _ = grouped(y.dims, seq(nb, nb+nf))
	k, _ = grouped(y.dims, seq(nb+nf, len(y.dims)))
	return y, b, free, k
}

func seq(i, j int) (s []int) {
	for ; i < j; i++ {
		s = append(s, i)
	}
	return s
}

// product multiplies tensors over contracted axes, for each index of the batch axes.
func (g *graph) product(l *tensor, lc, lb []int, r *tensor, rc, rb []int, dims []int) *tensor {
	if l.size() == 0 || r.size() == 0 {
		return g.splat(g.constant(0), dims)
	}
	l, bl, ml, kl := g.dotOperand(l, lb, lc)
	r, br, nr, kr := g.dotOperand(r, rb, rc)
	d := &dot{b: bl.size, m: ml.size, n: nr.size, k: kl.size,
		lb: bl.stride, lm: ml.stride, lk: kl.stride, rb: br.stride, rn: nr.stride, rk: kr.stride}
	return g.add(&tensor{kind: kindDot, in: []*tensor{l, r}, dims: dims, dot: d})
}
