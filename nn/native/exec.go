package native

import (
	"unsafe"

	"flowmatch/nn/native/kernel"
)

// ref says where a tensor is, as an instruction sees it.
type ref struct {
	slot int // of the program's table; -1: in the tile
	off  int // elements from there
	unit int // elements in a unit, by which a loop advances; 0: the same for all
	byte bool
}

// exec is what instructions run on: one worker's view of a tile.
type exec struct {
	p       *Program
	vec     *kernel.Vector
	mat     *kernel.Matrix
	work    *kernel.Work
	scratch unsafe.Pointer // of the worker
	ptr     []unsafe.Pointer
	u0, n   int  // first unit of the tile, and how many
	part    int  // which accumulates for itself
	first   bool // the first tile of a part
}

// at returns where the tile's first element of a tensor is.
func (x *exec) at(r ref) unsafe.Pointer {
	if r.slot < 0 {
		return unsafe.Add(x.scratch, 4*r.off)
	}
	if r.byte {
		return unsafe.Add(x.p.mem[r.slot], r.off+x.u0*r.unit)
	}
	return unsafe.Add(x.p.mem[r.slot], 4*(r.off+x.u0*r.unit))
}

func (x *exec) float(r ref) *float32 { return (*float32)(x.at(r)) }

// plus is p moved by n floats.
func plus(p *float32, n int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*n)) }

// instr is one instruction of a region's loop.
type instr interface{ run(x *exec) }

// code is a region ready to run.
type code struct {
	order    []*step
	once     []instr // at the start of a part
	body     []instr // for each tile
	parts    int
	tile     int // units
	prologue int // floats of scratch that outlive a tile, at its start
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
