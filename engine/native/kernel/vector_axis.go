package kernel

import (
	"math"
	"unsafe"
)

// reduction names a way to make one number of many.
type reduction int

const (
	sums reduction = iota
	maxima
	minima
	products
	numReductions
)

var neutral = [numReductions]float32{
	sums: 0, maxima: float32(math.Inf(-1)), minima: float32(math.Inf(1)), products: 1,
}

func (k reduction) join(a, b float32) float32 {
	switch k {
	case sums:
		return a + b
	case maxima:
		return max(a, b)
	case minima:
		return min(a, b)
	}
	return a * b
}

// primitives are the loops on which a level builds functions with more cases.
// Counts are positive.
type primitives struct {
	wide  bool // short rows are as cheap as long ones
	lanes int  // rows that transpose takes at once

	row [numReductions]func(rows, cols int, dst, x *float32, acc int) // reduces each row
	col [numReductions]func(rows, cols int, dst, x *float32, acc int) // reduces each column

	copyRows, addRows, expandRows func(rows, cols int, dst *float32, ds int, src *float32, ss int)
	transpose                     func(rows, cols int, dst *float32, ds int, src *float32, ss int)
	expand                        [5]func(n int, dst, x *float32) // by 2, 3 and 4; n is a multiple of 16

	philox    func(blocks int, dst *uint32, key, stream, counter uint64)
	uniform   func(n int, dst *float32, x *uint32)
	boxMuller func(n int, a, b *float32)
}

func slice[T any](p *T, n int) []T { return unsafe.Slice(p, n) }

// at returns the address of element i.
func at[T any](p *T, i int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(p), i*int(unsafe.Sizeof(*p))))
}

// smallInner is below which columns are too few to fill a vector.
const smallInner = 16

// manyRows is from which on it pays to reduce 16 rows at a time to one.
const manyRows = 32

// reduceAxis reduces the middle axis of x [outer, red, inner] into dst [outer, inner].
func (p *primitives) reduceAxis(k reduction, outer, red, inner int, dst, x *float32, acc int) {
	switch {
	case outer == 0 || inner == 0:
	case red == 0:
		if acc == 0 {
			d := slice(dst, outer*inner)
			for i := range d {
				d[i] = neutral[k]
			}
		}
	case inner == 1 && red <= 4 && k == sums:
		sumShort(outer, red, dst, x, acc)
	case inner == 1:
		p.row[k](outer, red, dst, x, acc)
	case inner < smallInner && red >= manyRows:
		for o := range outer {
			p.reduceNarrow(k, red, inner, at(dst, o*inner), at(x, o*red*inner), acc)
		}
	case inner < smallInner && !p.wide || inner < 4:
		for o := range outer {
			reduceScalar(k, red, inner, at(dst, o*inner), at(x, o*red*inner), acc)
		}
	default:
		for o := range outer {
			p.col[k](red, inner, at(dst, o*inner), at(x, o*red*inner), acc)
		}
	}
}

// sumShort sums rows of one to four numbers.
func sumShort(rows, cols int, dst, x *float32, acc int) {
	d, m := slice(dst, rows), slice(x, rows*cols)
	for r := range d {
		var s float32
		switch cols { // the same way each time, so that it costs next to nothing
		case 1:
			s = m[0]
		case 2:
			s = m[0] + m[1]
		case 3:
			s = m[0] + m[1] + m[2]
		case 4:
			s = (m[0] + m[1]) + (m[2] + m[3])
		}
		m = m[cols:]
		if acc != 0 {
			s += d[r]
		}
		d[r] = s
	}
}

// reduceNarrow reduces the rows of a matrix with few columns: it takes 16 rows
// for one long one, and reduces what comes of these.
func (p *primitives) reduceNarrow(k reduction, red, inner int, dst, x *float32, acc int) {
	const group = 16
	var wide [group * smallInner]float32
	groups := red / group
	p.col[k](groups, group*inner, &wide[0], x, 0)
	reduceScalar(k, group, inner, dst, &wide[0], acc)
	if rest := red - groups*group; rest > 0 {
		reduceScalar(k, rest, inner, dst, at(x, groups*group*inner), 1)
	}
}

func reduceScalar(k reduction, red, inner int, dst, x *float32, acc int) {
	d, m := slice(dst, inner), slice(x, red*inner)
	if k != sums {
		for i := range d {
			s := m[i]
			for j := i + inner; j < len(m); j += inner {
				s = k.join(s, m[j])
			}
			if acc != 0 {
				s = k.join(s, d[i])
			}
			d[i] = s
		}
		return
	}
	for i := range d {
		s := m[i]
		for j := i + inner; j < len(m); j += inner {
			s += m[j]
		}
		if acc != 0 {
			s += d[i]
		}
		d[i] = s
	}
}
