package native

import (
	"fmt"
	"slices"

	"flowmatch/engine/native/kernel"
	"flowmatch/engine/native/machine"
)

// combine is the element-wise operation of a reduction.
var combine = [...]kernel.BinaryOp{reduceSum: kernel.Add, reduceMax: kernel.Max, reduceMin: kernel.Min,
	reduceProd: kernel.Mul}

// emitter writes the instructions of one region.
type emitter struct {
	p       *Program
	r       *region
	at      map[*tensor]int // place in a tile, in elements of a unit
	scratch int             // floats used so far
	packed  ref             // where convolutions that pack their weights themselves do so
}

// emit writes the code of a region.
func (p *Program) emit(r *region) error {
	if r.shadow != nil {
		return nil
	}
	e := &emitter{p: p, r: r}
	e.at, r.unit = r.tiles(r.order)
	r.tile = r.tileUnits(p.backend.sizes)
	e.scratch = align(r.tile * r.unit)
	if room := r.packing(); room > 0 {
		e.packed = e.room(room)
	}
	for _, s := range r.order {
		if s.group {
			e.walk(s)
			continue
		}
		t := s.made[0]
		i, err := e.single(t)
		if err != nil {
			return err
		}
		r.body = append(r.body, i)
	}
	p.scratch = max(p.scratch, e.scratch)
	return nil
}

// packing is the most floats that a convolution of the region packs itself.
func (r *region) packing() (room int) {
	for _, t := range r.tensors {
		if t.packs != nil {
			room = max(room, t.packs.size())
		}
	}
	return room
}

// packedFor is the number of images that are worth packing weights for, where nothing is summed over
// the images of a tile.
const packedFor = 8

// tileUnits chooses how many units go through the loop at a time.
func (r *region) tileUnits(sizes machine.Sizes) int {
	rows, walk, grain := 0, 0, 1
	for _, t := range r.tensors {
		grain = max(grain, r.grain(t))
		walk = max(walk, t.chunk())
		if t.kind == kindDot {
			if t.accumulates() {
				rows = max(rows, t.dot.k/r.units)
			} else if t.dot.b == 1 {
				rows = max(rows, t.dot.m/r.units)
			}
		}
	}
	tile := sizes.Tile / 4 / max(r.unit, 1)
	if r.unit == 0 {
		tile = 16 * sizes.Strip / max(walk, 1)
	}
	if rows > 0 {
		tile = max(tile, (sizes.Rows+rows-1)/rows)
	}
	if tile > 16 {
		tile &^= 15
	}
	if r.packing() > 0 && !slices.ContainsFunc(r.tensors, (*tensor).accumulates) {
		tile = max(tile, packedFor)
	}
	tile = max(1, tile/grain) * grain
	return max(1, min(tile, (r.units+r.parts-1)/r.parts))
}

// sumRows is the number of rows over which a gradient is summed before the sum is added to that of
// the rows before. It decides where sums are rounded, and so is no size of a machine: tiles are
// whole multiples, and a gradient has the same bits whatever their size.
const sumRows = 256

// mostGrain is how many floats of tiles a grain may have, unless it is one unit: without it a large net on images,
// in which a few sums have one row of an image, would hold the tiles of 256 images for them. It is no size of a
// machine, as sumRows is none.
const mostGrain = 1 << 27

// grain is the number of units that what accumulates in t takes at a time.
func (r *region) grain(t *tensor) int {
	rows := 0
	switch {
	case !t.accumulates():
		return 1
	case t.kind == kindConvGrad:
		if t.conv.half {
			return t.conv.together
		}
		return 1
	case t.kind == kindDot:
		rows = t.dot.k / r.units
	default:
		rows = t.in[0].dims[0] / r.units
	}
	grain := 1
	for 2*grain*rows <= sumRows && 2*grain*r.unit <= mostGrain {
		grain *= 2
	}
	return grain
}

// room takes floats of scratch.
func (e *emitter) room(n int) ref {
	r := ref{slot: -1, off: e.scratch}
	e.scratch += align(n)
	return r
}

// whole returns where a tensor is that is read as a whole.
func (e *emitter) whole(u *tensor) ref {
	base, offset := u.root()
	return ref{slot: base.slot, off: offset, as: base.storage()}
}

// rowsOf returns where the rows of a tensor are.
func (e *emitter) rowsOf(u *tensor) ref {
	base, offset := u.root()
	if !base.global {
		return ref{slot: -1, off: e.at[base] * e.r.tile} // truth values too are floats here
	}
	return ref{slot: base.slot, off: offset, unit: u.size() / e.r.units, as: base.storage()}
}

// input returns where the i-th input of t is, read as t reads it.
func (e *emitter) input(t *tensor, i int) ref {
	u := t.sources()[i]
	if t.rows[i] {
		return e.rowsOf(u)
	}
	return e.whole(u)
}

// result returns where t goes, and the floats between parts if it accumulates.
func (e *emitter) result(t *tensor) (r ref, part int) {
	if t.accumulates() {
		r, part = ref{slot: t.slot, off: t.at}, align(t.slab.size())
		if all := t.slab.parts(); all > e.r.parts { // others in the slab have more parts, and the total adds all
			e.r.once = append(e.r.once, &clearing{out: r, part: part, from: e.r.parts, to: all, n: t.size()})
		}
		return r, part
	}
	return e.rowsOf(t), 0
}

// single returns the instruction of a tensor that is not element-wise.
func (e *emitter) single(t *tensor) (instr, error) {
	out, part := e.result(t)
	n := e.r.units
	switch t.kind {
	case kindDot:
		return e.dot(t, out, part), nil
	case kindPack:
		if t.conv != nil {
			return &convPacking{out: out, in: e.whole(t.in[0]), c: t.conv}, nil
		}
		return &packing{out: out, in: e.whole(t.in[0]), d: t.dot, rounds: t.half}, nil
	case kindReduce:
		in := t.in[0].dims
		op, inner := reduceOp(t.op), size(in[t.axis+1:])
		if t.accumulates() {
			return &accumulation{out: out, part: part, in: e.input(t, 0), rows: in[0] / n, inner: inner, op: op,
				temp: e.room(inner), grain: e.r.grain(t)}, nil
		}
		return &reduction{out: out, in: e.input(t, 0), outer: size(in[:t.axis]) / n, red: in[t.axis],
				inner: inner, op: op},
			nil
	case kindMove:
		dims, strides := t.dims, t.move.strides
		if len(dims) == 0 {
			dims, strides = []int{1}, []int{0}
		}
		return &moving{out: out, in: e.input(t, 0), whole: !t.rows[0], rows: dims[0] / n, dims: dims, strides: strides,
			ds: contiguous(dims), offset: t.move.offset}, nil
	case kindPad, kindConcat:
		return e.frame(t, out), nil
	case kindAttend:
		i := &attending{out: out, images: t.dims[0] / n, d: t.attend}
		for k := range t.in {
			i.in = append(i.in, e.input(t, k))
		}
		i.room = e.room(e.p.backend.mat.Room(&t.attend.Attention, len(t.in) > 3))
		return i, nil
	case kindConv, kindConvGrad:
		return e.convolution(t, out, part), nil
	}
	return nil, fmt.Errorf("native: no instruction for %v", t)
}

func (e *emitter) dot(t *tensor, out ref, part int) instr {
	d, n := t.dot, e.r.units
	lhs, rhs := e.input(t, 0), e.input(t, 1)
	panels := (d.n + e.p.backend.mat.Panel() - 1) / e.p.backend.mat.Panel()
	if t.accumulates() {
		i := &outer{out: out, part: part, lhs: lhs, rhs: rhs, rows: d.k / n, d: d, grain: e.r.grain(t)}
		if d.rn != 1 && d.n != 1 && !d.half {
			i.pack = e.room(panels * e.p.backend.mat.PackedLen(d.k/n*min(i.grain, e.r.tile), d.n))
		}
		return i
	}
	if d.b > 1 {
		i := &matmuls{out: out, lhs: lhs, rhs: rhs, batch: d.b / n, d: d}
		if !t.rows[0] {
			i.lStep = d.lb
		}
		if !t.rows[1] {
			i.rStep = d.rb
		}
		if d.rn != 1 && d.n != 1 && !d.half {
			i.pack = e.room(e.p.backend.mat.PackedLen(d.k, d.n))
		}
		return i
	}
	i := &matmul{out: out, lhs: lhs, rhs: rhs, packed: t.in[1].kind == kindPack, rows: d.m / n, d: d}
	if !t.rows[0] {
		i.lhsStep = d.lm
	}
	if len(t.in) > 2 {
		i.bias, i.biased = e.whole(t.in[2]), true
	}
	return i
}

// frame is the instruction of padding and concatenation.
func (e *emitter) frame(t *tensor, out ref) instr {
	i := &framing{out: out, rows: t.dims[0] / e.r.units, row: size(t.dims[1:]), fill: t.kind == kindPad, value: t.value}
	ds := contiguous(t.dims)
	begin := 0
	for k, u := range t.in {
		b := box{in: e.input(t, k), dims: u.dims, ss: contiguous(u.dims), ds: ds, rows: u.dims[0], whole: !t.rows[k]}
		if t.kind == kindPad {
			b.row0 = t.pads[0]
			for a := 1; a < len(t.dims); a++ {
				b.offset += t.pads[a] * ds[a]
			}
		} else if t.axis == 0 {
			b.row0 = begin
			begin += u.dims[0]
		} else {
			b.offset = begin * ds[t.axis]
			begin += u.dims[t.axis]
		}
		i.boxes = append(i.boxes, b)
	}
	return i
}
