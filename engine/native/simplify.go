package native

import (
	"slices"

	"flowmatch/engine/native/kernel"
)

// simplify drops what no output needs and fuses neighbours; it adds the tensors
// that regions need: totals of accumulated sums, and packed weights.
func (g *graph) simplify() {
	g.prune()
	g.factor()
	g.prune()
	g.fuse()
	g.prune()
	g.halve()
	g.prune()
	g.total()
	g.prune()
	g.pack()
	g.prune()
	g.packLate()
	g.prune()
}

// packedAhead is how many floats of convolutions' weights are packed ahead of a program's loops, at
// most: 256 MiB. All of these are there at once, beside the weights themselves.
const packedAhead = 64 << 20

// packLate has the convolutions of a program with more weights than that pack their own, for each
// tile of images and in the memory of the largest: the weights of a large network are then there once,
// not twice, or in a training step three times. The numbers are the same.
func (g *graph) packLate() {
	total, seen := 0, map[*tensor]bool{}
	for _, t := range g.tensors {
		if t.kind == kindPack && t.conv != nil && !seen[t] {
			seen[t] = true
			total += t.size()
		}
	}
	if total <= g.backend.packedAhead {
		return
	}
	for _, t := range g.tensors {
		if t.kind == kindConv && t.in[1].kind == kindPack {
			t.packs = t.in[1]
			t.in = slices.Clone(t.in)
			t.in[1] = t.packs.in[0]
		}
	}
}

// prune keeps parameters and what outputs need, inputs before users.
func (g *graph) prune() {
	var order []*tensor
	seen := map[*tensor]bool{}
	var visit func(t *tensor)
	visit = func(t *tensor) {
		if seen[t] {
			return
		}
		seen[t] = true
		for _, u := range t.in {
			visit(u)
		}
		order = append(order, t)
	}
	for _, t := range g.params {
		visit(t)
	}
	for _, t := range g.outputs {
		visit(t)
	}
	g.tensors = order
}

// uses counts the users of each tensor; an output has one more.
func (g *graph) uses() map[*tensor]int {
	n := map[*tensor]int{}
	for _, t := range g.tensors {
		for _, u := range t.in {
			n[u]++
		}
	}
	for _, t := range g.outputs {
		n[t]++
	}
	return n
}

// rewrite replaces tensors by those that f returns, in order of dependence.
func (g *graph) rewrite(f func(t *tensor) *tensor) {
	became := map[*tensor]*tensor{}
	for _, t := range g.tensors {
		for i, u := range t.in {
			if v := became[u]; v != nil {
				t.in[i] = v
			}
		}
		if v := f(t); v != t {
			became[t] = v
			if v.id == 0 { // a new kind of tensor, which is none that add knows
				g.name(v)
			}
		}
	}
	for i, t := range g.outputs {
		if v := became[t]; v != nil {
			g.outputs[i] = v
		}
	}
}

// factor takes common factors out of sums: x·p + x·q·r is x·(p + q·r). One product
// less; and where x is a gradient that flows backwards and the rest is known
// already, as in the derivative of an activation, the rest is worked out on the
// way forwards, and less has to be kept.
func (g *graph) factor() {
	uses := g.uses()
	g.rewrite(func(t *tensor) *tensor {
		if t.kind != kindBinary || t.op != int(kernel.Add) {
			return t
		}
		left, right := factorsOf(t.in[0], uses), factorsOf(t.in[1], uses)
		if len(left) < 2 || len(right) < 2 {
			return t
		}
		for i, x := range left {
			if k := slices.Index(right, x); k >= 0 {
				p := g.productOf(slices.Delete(slices.Clone(left), i, i+1))
				q := g.productOf(slices.Delete(slices.Clone(right), k, k+1))
				return g.binary(kernel.Mul, x, g.binary(kernel.Add, p, q, t.dims), t.dims)
			}
		}
		return t
	})
}

// factorsOf takes products apart that nobody else needs.
func factorsOf(t *tensor, uses map[*tensor]int) []*tensor {
	if t.kind != kindBinary || t.op != int(kernel.Mul) || uses[t] != 1 {
		return []*tensor{t}
	}
	return append(factorsOf(t.in[0], uses), factorsOf(t.in[1], uses)...)
}

func (g *graph) productOf(xs []*tensor) *tensor {
	p := xs[0]
	for _, x := range xs[1:] {
		p = g.binary(kernel.Mul, p, x, p.dims)
	}
	return p
}

// The forms of kindMulAdd.
const (
	mulAdd    = iota // a·b + c
	mulSub           // a·b - c
	negMulAdd        // c - a·b
)

// fuse joins products with the sums that take them, and vectors added to every
// row with the product of matrices that starts from them.
func (g *graph) fuse() {
	uses := g.uses()
	g.rewrite(func(t *tensor) *tensor {
		if x := siluOf(t, uses); x != nil {
			return &tensor{kind: kindUnary, op: int(kernel.SiLU), in: []*tensor{x}, dims: t.dims, typ: t.typ}
		}
		if t.kind != kindBinary || t.op != int(kernel.Add) && t.op != int(kernel.Sub) {
			return t
		}
		a, b := t.in[0], t.in[1]
		if t.op == int(kernel.Add) {
			for range 2 {
				if bias := biasOf(a, b); bias != nil && uses[a] == 1 {
					return &tensor{kind: kindDot,
						in: []*tensor{a.in[0], a.in[1],
							g.moved(bias.in[0], []int{a.dot.n}, bias.move.offset, []int{1})},
						dims: t.dims, dot: a.dot, typ: t.typ}
				}
				a, b = b, a
			}
		}
		product := func(x, y *tensor) bool {
			_, scalar := y.scalar()
			return x.kind == kindBinary && x.op == int(kernel.Mul) && uses[x] == 1 && !scalar
		}
		switch {
		case product(a, b) && t.op == int(kernel.Add):
			return &tensor{kind: kindMulAdd, op: mulAdd, in: []*tensor{a.in[0], a.in[1], b}, dims: t.dims, typ: t.typ}
		case product(a, b):
			return &tensor{kind: kindMulAdd, op: mulSub, in: []*tensor{a.in[0], a.in[1], b}, dims: t.dims, typ: t.typ}
		case product(b, a) && t.op == int(kernel.Add):
			return &tensor{kind: kindMulAdd, op: mulAdd, in: []*tensor{b.in[0], b.in[1], a}, dims: t.dims, typ: t.typ}
		case product(b, a):
			return &tensor{kind: kindMulAdd, op: negMulAdd, in: []*tensor{b.in[0], b.in[1], a},
				dims: t.dims, typ: t.typ}
		}
		return t
	})
}

// siluOf returns x if t is x·sigmoid(x), and the sigmoid serves nothing else.
func siluOf(t *tensor, uses map[*tensor]int) *tensor {
	if t.kind != kindBinary || t.op != int(kernel.Mul) {
		return nil
	}
	for i, s := range t.in {
		if x := t.in[1-i]; s.kind == kindUnary && s.op == int(kernel.Sigmoid) && s.in[0] == x && uses[s] == 1 {
			return x
		}
	}
	return nil
}

// biasOf returns b if it is a vector repeated for every row of the product a.
func biasOf(a, b *tensor) *tensor {
	if a.kind != kindDot || a.accumulates() || a.dot.b != 1 || len(a.in) > 2 || b.kind != kindMove || a.dot.n == 1 {
		return nil
	}
	if p, ok := b.period(); !ok || p != a.dot.n {
		return nil
	}
	return b
}

// period says whether a kindMove repeats a dense stretch of its input, and the
// length of that.
func (t *tensor) period() (n int, ok bool) {
	n = 1
	i := len(t.dims) - 1
	for ; i >= 0; i-- {
		if t.dims[i] == 1 {
			continue
		}
		if t.move.strides[i] != n {
			break
		}
		n *= t.dims[i]
	}
	for ; i >= 0; i-- {
		if t.move.strides[i] != 0 {
			return 0, false
		}
	}
	return n, true
}

// repeat says whether a kindMove repeats each element of its dense input n times.
func (t *tensor) repeat() (n int, ok bool) {
	n = 1
	i := len(t.dims) - 1
	for ; i >= 0 && t.move.strides[i] == 0; i-- {
		n *= t.dims[i]
	}
	step := 1
	for ; i >= 0; i-- {
		if t.dims[i] == 1 {
			continue
		}
		if t.move.strides[i] != step {
			return 0, false
		}
		step *= t.dims[i]
	}
	return n, t.move.offset == 0 && step == t.in[0].size()
}

// computed says whether a tensor is the result of something that runs.
func (t *tensor) computed() bool {
	base, _ := t.root()
	return base.kind != kindParam && base.kind != kindConst
}

// root returns the tensor that t is a dense stretch of, and where that begins.
func (t *tensor) root() (base *tensor, offset int) {
	for {
		switch {
		case t.kind == kindReshape, t.kind == kindAfter:
		case t.kind == kindMove && t.isView():
			offset += t.move.offset
		default:
			return t, offset
		}
		t = t.in[0]
	}
}

// isAlias says whether a tensor is but another name for a stretch of its input.
func (t *tensor) isAlias() bool {
	return t.kind == kindReshape || t.kind == kindAfter || t.kind == kindMove && t.isView()
}

// accumulates says whether t sums over the rows that a region loops over.
func (t *tensor) accumulates() bool {
	switch t.kind {
	case kindReduce:
		return t.axis == 0
	case kindDot:
		d := t.dot
		return t.in[1].kind != kindPack && d.b == 1 && d.k > 1 && d.lk*d.k == t.in[0].size() &&
			d.rk*d.k == t.in[1].size() &&
			(d.m*d.n == 1 || d.lk > 1 || d.rk > 1) && (t.in[0].computed() || t.in[1].computed())
	case kindConvGrad:
		return true
	}
	return false
}

// total puts the sum of the parts behind everything that accumulates. Sums that
// are laid side by side, the gradients of a slab of weights, get one total.
func (g *graph) total() {
	uses := g.uses()
	g.rewrite(func(t *tensor) *tensor {
		if t.kind == kindConcat && t.axis == 0 {
			if sums := sumsOf(t, uses); sums != nil {
				return &tensor{kind: kindTotal, in: sums, dims: t.dims, typ: t.typ}
			}
		}
		if t.accumulates() {
			return &tensor{kind: kindTotal, op: t.reduction(), in: []*tensor{t}, dims: t.dims, typ: t.typ}
		}
		return t
	})
}

// reduction is how the parts of an accumulated tensor are put together.
func (t *tensor) reduction() int {
	if t.kind == kindReduce {
		return t.op
	}
	return int(reduceSum)
}

// sumsOf returns what was accumulated for each operand of a concatenation, if
// that is all that the operands are.
func sumsOf(t *tensor, uses map[*tensor]int) (sums []*tensor) {
	for _, u := range t.in {
		for u.kind == kindReshape && uses[u] == 1 {
			u = u.in[0]
		}
		if u.kind != kindTotal || u.op != int(reduceSum) || uses[u.in[0]] != 1 || slices.Contains(sums, u.in[0]) {
			return nil
		}
		sums = append(sums, u.in[0])
	}
	return sums
}

// directMax is the size up to which the right side of a product is read as it lies.
const directMax = 32 * 32

// pack brings the right sides of products that all rows share into the order in
// which the kernels read them.
func (g *graph) pack() {
	packed := map[packKey]*tensor{}
	g.rewrite(func(t *tensor) *tensor {
		if t.kind != kindDot || t.accumulates() || t.dot.b != 1 {
			return t
		}
		d := t.dot
		in, rounds := unpacked(t.in[1])
		thin := g.backend.mat.Thin(d.n, d.k) && d.lk == 1 && !d.half && !rounds
		if !thin && d.rn == 1 && d.k*d.n <= directMax {
			return t
		}
		if thin {
			of := *d
			of.thin = true
			d, t.dot = &of, &of
		}
		length := d.packedLen(g.backend.mat)
		key := packKey{in, d.k, d.n, d.rk, d.rn, d.half, rounds, thin}
		p := packed[key]
		if p == nil {
			panels := d.panels(g.backend.mat)
			p = &tensor{kind: kindPack, in: []*tensor{in}, dims: []int{panels, length / panels}, dot: d, typ: t.typ,
				half: rounds}
			packed[key] = p
		}
		t.in[1] = p
		return t
	})
}

type packKey struct {
	x            *tensor
	k, n, rk, rn int
	half, rounds bool
	thin         bool
}
