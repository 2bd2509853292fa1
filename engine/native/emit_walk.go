package native

import (
	"github.com/gomlx/compute/dtypes"

	"flowmatch/engine/native/kernel"
)

// walker writes the strip operations of a group.
type walker struct {
	*emitter
	s     *step
	w     *walk
	reg   map[*tensor]int32 // where a member's strip is
	last  map[*tensor]int   // index of the last member that reads it
	freed []int32           // strips of scratch that nobody needs any more
	lenAt map[lens]int32    // operands made for a lens, within one strip
	rowAt map[*tensor]int32 // operands of rows that were there before
}

// walk writes the instruction of a group.
func (e *emitter) walk(s *step) {
	strip := s.lcm * max(1, e.p.backend.sizes.Strip/s.lcm)
	w := &walker{emitter: e, s: s, w: &walk{strip: strip, chunk: s.chunk}, reg: map[*tensor]int32{},
		last: map[*tensor]int{}, lenAt: map[lens]int32{}, rowAt: map[*tensor]int32{}}
	for i, t := range s.made {
		for _, l := range t.lenses() {
			base, _ := l.src.root()
			w.last[base] = i
		}
	}
	for i, t := range s.made {
		w.member(t)
		w.release(i)
	}
	e.r.body = append(e.r.body, w.w)
	e.p.operands = max(e.p.operands, len(w.w.regs))
}

// operand adds a place.
func (w *walker) operand(o operand) int32 {
	w.w.regs = append(w.w.regs, o)
	i := int32(len(w.w.regs) - 1)
	if o.rows {
		w.w.moves = append(w.w.moves, i)
	}
	return i
}

// fresh returns a strip of scratch.
func (w *walker) fresh() int32 {
	if n := len(w.freed); n > 0 {
		i := w.freed[n-1]
		w.freed = w.freed[:n-1]
		return i
	}
	return w.operand(operand{ref: w.room(w.w.strip)})
}

// release gives back the strips of members that were read for the last time.
func (w *walker) release(i int) {
	for _, t := range w.s.made {
		if r, ok := w.reg[t]; ok && w.last[t] == i && w.s.strip(t) {
			w.freed = append(w.freed, r)
			delete(w.reg, t)
		}
	}
}

// rowsAt returns the operand for the rows of a tensor.
func (w *walker) rowsAt(u *tensor, div int) int32 {
	if i, ok := w.rowAt[u]; ok && w.w.regs[i].div == div {
		return i
	}
	i := w.operand(operand{ref: w.rowsOf(u), rows: true, div: div})
	w.rowAt[u] = i
	return i
}

// scalarOf returns the operand of one element.
func (w *walker) scalarOf(l lens) int32 {
	if i, ok := w.lenAt[l]; ok {
		return i
	}
	r := w.whole(l.src)
	r.off += l.offset
	i := w.operand(operand{ref: r})
	w.lenAt[l] = i
	return i
}

// vector returns the operand that has an input's elements side by side, and
// whether it is a temporary strip to be freed.
func (w *walker) vector(u *tensor, l lens) (i int32, temporary bool) {
	if v, ok := u.scalar(); ok {
		i = w.fresh()
		w.w.ops = append(w.w.ops, stripOp{code: stripConst, dst: i, value: v})
		return i, true
	}
	base, _ := l.src.root()
	switch l.form {
	case lensSplat:
		i = w.fresh()
		w.w.ops = append(w.w.ops, stripOp{code: stripFill, dst: i, a: w.scalarOf(l), scalar: base.storage()})
		return i, true
	case lensPeriod:
		return w.pattern(l), false
	case lensRepeat:
		i = w.fresh()
		w.w.ops = append(w.w.ops, stripOp{code: stripExpand, dst: i, a: w.rowsAt(l.src, l.n), rep: l.n})
		return i, true
	}
	if r, ok := w.reg[base]; ok {
		return r, false
	}
	i = w.rowsAt(u, 1)
	if base.storage() != inFloats && base.global {
		f := w.fresh()
		op := w.opening(base.storage(), i)
		op.dst = f
		w.w.ops = append(w.w.ops, op)
		return f, true
	}
	return i, false
}

// opening makes floats of what lies otherwise in memory.
func (w *walker) opening(as storage, a int32) stripOp {
	if as == inBytes {
		return stripOp{code: stripFromBool, a: a, fromBool: w.p.backend.vec.FromBool}
	}
	return stripOp{code: stripFromBF16, a: a, fromBF16: w.p.backend.vec.FromBF16}
}

// closing is the opposite of opening.
func (w *walker) closing(as storage, dst, a int32) stripOp {
	if as == inBytes {
		return stripOp{code: stripToBool, dst: dst, a: a, toBool: w.p.backend.vec.ToBool}
	}
	return stripOp{code: stripToBF16, dst: dst, a: a, toBF16: w.p.backend.vec.ToBF16}
}

// copied writes a copy that is but a change of storage: floats are not copied besides.
func (w *walker) copied(t *tensor, vec func(int) int32) (op stripOp, done bool) {
	l := t.lenses()[0]
	base, _ := l.src.root()
	_, here := w.reg[base]
	_, constant := t.in[0].scalar()
	switch {
	case t.typ == dtypes.BFloat16:
		op = w.closing(inHalves, w.rowsAt(t, 1), vec(0))
		w.w.ops = append(w.w.ops, op)
		return op, true
	case l.form == lensWhole && base.storage() != inFloats && base.global && !here && !constant:
		return w.opening(base.storage(), w.rowsAt(t.in[0], 1)), false
	}
	return stripOp{code: stripUnary, a: vec(0), unary: w.p.backend.vec.Unary[kernel.Copy]}, false
}

// pattern returns a strip that holds a repeated stretch, filled once for a part.
func (w *walker) pattern(l lens) int32 {
	if i, ok := w.lenAt[l]; ok {
		return i
	}
	out, in := w.room(w.w.strip), w.whole(l.src)
	in.off += l.offset
	w.r.once = append(w.r.once, &tiling{out: out, in: in, rows: w.w.strip / l.n, n: l.n})
	i := w.operand(operand{ref: out})
	w.lenAt[l] = i
	return i
}

// member writes the operations of one tensor.
func (w *walker) member(t *tensor) {
	if t.kind == kindTotal {
		w.total(t)
		return
	}
	var op stripOp
	var temps []int32
	vec := func(k int) int32 {
		i, temporary := w.vector(t.in[k], t.lenses()[k])
		if temporary {
			temps = append(temps, i)
		}
		return i
	}
	v := w.p.backend.vec
	switch t.kind {
	case kindUnary:
		op = stripOp{}
		if t.op == int(kernel.Copy) {
			var done bool
			if op, done = w.copied(t, vec); done {
				w.freed = append(w.freed, temps...)
				return
			}
		} else {
			op = stripOp{code: stripUnary, a: vec(0), unary: v.Unary[t.op]}
		}
	case kindBinary:
		op = w.binary(t, vec)
	case kindSelect:
		op = stripOp{code: stripTernary, a: vec(0), b: vec(1), c: vec(2), ternary: v.Select}
	case kindMulAdd:
		f := [...]func(int, *float32, *float32, *float32, *float32){mulAdd: v.MulAdd, mulSub: v.MulSub,
			negMulAdd: v.NegMulAdd}[t.op]
		op = stripOp{code: stripTernary, a: vec(0), b: vec(1), c: vec(2), ternary: f}
	}
	w.freed = append(w.freed, temps...)
	w.store(t, op)
}

// binary writes a binary operation; constants and single elements need no strip.
func (w *walker) binary(t *tensor, vec func(int) int32) stripOp {
	v, ls := w.p.backend.vec, t.lenses()
	single := func(k int) bool {
		base, _ := ls[k].src.root()
		return ls[k].form == lensSplat && base.storage() == inFloats
	}
	ca, isA := t.in[0].scalar()
	cb, isB := t.in[1].scalar()
	switch {
	case isB:
		return stripOp{code: stripVC, a: vec(0), value: cb, vs: v.BinaryVS[t.op]}
	case isA:
		return stripOp{code: stripCV, a: vec(1), value: ca, sv: v.BinarySV[t.op]}
	case single(1):
		return stripOp{code: stripVS, a: vec(0), b: w.scalarOf(ls[1]), vs: v.BinaryVS[t.op]}
	case single(0):
		return stripOp{code: stripSV, a: w.scalarOf(ls[0]), b: vec(1), sv: v.BinarySV[t.op]}
	}
	return stripOp{code: stripBinary, a: vec(0), b: vec(1), binary: v.Binary[t.op]}
}

// total adds what the parts have accumulated.
func (w *walker) total(t *tensor) {
	parts := t.parts()
	at := func(k int) int32 {
		r := ref{slot: t.in[0].slot, off: k * align(t.size()), unit: t.size() / w.r.units}
		return w.operand(operand{ref: r, rows: true, div: 1})
	}
	v := w.p.backend.vec
	if parts == 1 {
		w.store(t, stripOp{code: stripUnary, a: at(0), unary: v.Unary[kernel.Copy]})
		return
	}
	sum := v.Binary[combine[t.op]]
	acc := at(0)
	for k := 1; k < parts-1; k++ {
		next := w.fresh()
		w.w.ops = append(w.w.ops, stripOp{code: stripBinary, dst: next, a: acc, b: at(k), binary: sum})
		if k > 1 {
			w.freed = append(w.freed, acc)
		}
		acc = next
	}
	if parts > 2 {
		w.freed = append(w.freed, acc)
	}
	w.store(t, stripOp{code: stripBinary, a: acc, b: at(parts - 1), binary: sum})
}

// store writes an operation into a strip of scratch or where the tensor lies.
func (w *walker) store(t *tensor, op stripOp) {
	switch {
	case t.storage() != inFloats && t.global:
		op.dst = w.fresh()
		w.w.ops = append(w.w.ops, op)
		w.reg[t] = op.dst
		w.w.ops = append(w.w.ops, w.closing(t.storage(), w.rowsAt(t, 1), op.dst))
		return
	case w.s.strip(t):
		op.dst = w.fresh()
	default:
		op.dst = w.rowsAt(t, 1)
	}
	w.reg[t] = op.dst
	w.w.ops = append(w.w.ops, op)
}
