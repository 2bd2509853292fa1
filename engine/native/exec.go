package native

import (
	"math"
	"unsafe"

	"flowmatch/engine/native/kernel"
)

// ref says where a tensor is, as an instruction sees it.
type ref struct {
	slot int // of the program's table; -1: in the tile
	off  int // elements from there
	unit int // elements in a unit, by which a loop advances; 0: the same for all
	as   storage
}

// storage is how the numbers of a tensor lie in memory.
type storage uint8

const (
	inFloats storage = iota
	inBytes          // truth values
	inHalves         // bfloat16
)

// size is the number of bytes of an element.
func (s storage) size() int { return [...]int{inFloats: 4, inBytes: 1, inHalves: 2}[s] }

// exec is what instructions run on: one worker's view of a tile.
type exec struct {
	p       *Program
	vec     *kernel.Vector
	mat     *kernel.Matrix
	work    *kernel.Work
	scratch addr // of the worker
	ptr     []addr
	u0, n   int  // first unit of the tile, and how many
	part    int  // which accumulates for itself
	first   bool // the first tile of a part
}

// addr is where something is in memory that others keep alive: buffers, which are
// held while a program runs, and scratch. The tables of a program are addresses
// and not pointers, because they outlive the run and walk past the ends of
// arrays, which the collector does not allow pointers.
type addr uintptr

func addrOf(p unsafe.Pointer) addr { return addr(uintptr(p)) }

// float makes a pointer of an address; the memory does not move.
func (a *addr) float() *float32 { return *(**float32)(unsafe.Pointer(a)) }

func (a *addr) bytes() *uint8 { return *(**uint8)(unsafe.Pointer(a)) }

func (a *addr) halves() *uint16 { return *(**uint16)(unsafe.Pointer(a)) }

// number reads one element.
func (a *addr) number(as storage) float32 {
	switch as {
	case inBytes:
		return float32(*a.bytes())
	case inHalves:
		return math.Float32frombits(uint32(*a.halves()) << 16)
	}
	return *a.float()
}

// at returns where the tile's first element of a tensor is.
func (x *exec) at(r ref) addr {
	switch {
	case r.slot < 0:
		return x.scratch + addr(4*r.off)
	case r.as == inFloats:
		return x.p.mem[r.slot] + addr(4*(r.off+x.u0*r.unit))
	}
	return x.p.mem[r.slot] + addr(r.as.size()*(r.off+x.u0*r.unit))
}

func (x *exec) float(r ref) *float32 {
	a := x.at(r)
	return a.float()
}

// floatAt returns where the n-th float from a is.
func floatAt(a addr, n int) *float32 {
	a += addr(4 * n)
	return a.float()
}

// plus is p moved by n floats.
func plus(p *float32, n int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*n)) }

// instr is one instruction of a region's loop.
type instr interface{ run(x *exec) }

// code is a region ready to run.
type code struct {
	order []*step
	once  []instr // at the start of a part
	body  []instr // for each tile
	parts int
	tile  int // units
	unit  int // floats of one in a tile
}

// run does one part of a region.
func (r *region) run(x *exec, part int) {
	lo, hi := r.units*part/r.parts, r.units*(part+1)/r.parts
	x.part, x.first = part, true
	x.u0, x.n = lo, min(r.tile, hi-lo)
	for _, i := range r.once {
		i.run(x)
	}
	for x.u0 = lo; x.u0 < hi; x.u0 += r.tile {
		x.n = min(r.tile, hi-x.u0)
		for _, i := range r.body {
			i.run(x)
		}
		x.first = false
	}
}
