package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"flowmatch/engine/native/kernel/gen/formula"
)

// randomLoops writes the generator of random numbers and what becomes of its bits.
func randomLoops(g *gen) {
	philox(g)
	g.loops(formula.Random())
}

// philox writes blocks of 64 words: 16 counters of Philox4x32-10 in a row, the
// first words of all, then the second words, and so on.
func philox(g *gen) {
	g.function("philox", "func(blocks int, dst *uint32, key uint64, stream uint64, counter uint64)")
	blocks := g.Load(g.Param("blocks"), g.GP64())
	dst := g.Load(g.Param("dst"), g.GP64())
	counter := g.Load(g.Param("counter"), g.GP64())
	lanes := make([]uint32, 16)
	for i := range lanes {
		lanes[i] = uint32(i)
	}
	var iota []vec
	if g.wide {
		iota = []vec{g.vec(g.table("iota", lanes))}
	} else {
		iota = []vec{g.vec(g.table("iotaLow", lanes[:8])), g.vec(g.table("iotaHigh", lanes[8:]))}
	}
	g.Label("loop")
	for part := range iota {
		for w, v := range philoxBlock(g, counter, iota[part]) {
			g.store(v, operand.Mem{Base: dst, Disp: 64*w + 32*part}, nil)
		}
	}
	g.ADDQ(operand.Imm(16), counter)
	g.ADDQ(operand.I32(256), dst)
	g.DECQ(blocks)
	g.JNZ(operand.LabelRef("loop"))
	g.VZEROUPPER()
	g.RET()
}

// spread returns a 32-bit half of a 64-bit value in all lanes.
func spread(g *gen, r reg.Register, high bool) vec {
	t := g.GP64()
	g.MOVQ(r, t)
	if high {
		g.SHRQ(operand.Imm(32), t)
	}
	x, d := g.XMM(), g.newReg()
	g.VMOVD(t.As32(), x)
	g.VPBROADCASTD(x, d)
	return g.vec(d)
}

// philoxBlock returns the four words for the counters that start at a multiple
// of 16, so that their lower half does not overflow within a vector.
func philoxBlock(g *gen, counter reg.Register, iota vec) [4]vec {
	load := func(name string) reg.Register { return g.Load(g.Param(name), g.GP64()) }
	key, stream := load("key"), load("stream")
	c := [4]vec{spread(g, counter, false).addInt(iota), spread(g, counter, true), spread(g, stream, false),
		spread(g, stream, true)}
	k0, k1 := spread(g, key, false), spread(g, key, true)
	for round := range 10 {
		if round > 0 {
			k0, k1 = k0.addInt(g.bits(0x9e3779b9)), k1.addInt(g.bits(0xbb67ae85))
		}
		h0, l0 := mulWide(g, c[0], g.bits(0xd2511f53))
		h1, l1 := mulWide(g, c[2], g.bits(0xcd9e8d57))
		c = [4]vec{xor3(g, h1, c[1], k0), l1, xor3(g, h0, c[3], k1), l0}
	}
	return c
}

// xor3 destroys a.
func xor3(g *gen, a, b, c vec) vec {
	if g.wide {
		g.VPTERNLOGD(operand.Imm(0x96), b.op, c.op, a.op)
		return a
	}
	return a.xor(b).xor(c)
}

// mulWide returns the upper and the lower halves of the products.
func mulWide(g *gen, a, m vec) (hi, lo vec) {
	even := a.mulEven(m)
	odd := a.one(g.VMOVSHDUP).mulEven(m)
	if g.wide {
		// The upper halves of the even products go into the even lanes, where the
		// odd products have their lower halves.
		r, k := g.GP32(), g.K()
		g.MOVL(operand.U32(0x5555), r)
		g.KMOVW(r, k)
		g.VMOVSHDUP(even.op, k, odd.op)
		return odd, a.mulInt(m)
	}
	d := g.newReg()
	g.VBLENDPS(operand.Imm(0xaa), odd.op, even.one(g.VMOVSHDUP).op, d)
	return g.vec(d), a.mulInt(m)
}
