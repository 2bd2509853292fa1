package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"flowmatch/engine/native/kernel/gen/formula"
)

// conversionLoops writes the conversions between float32 and other types. Those
// to types of other sizes do whole vectors only, and n must be a multiple of 16.
func conversionLoops(g *gen) {
	g.loops(formula.Integers())
	g.convert("fromF64", "dst *float32, x *float64", 4, 8, fromF64)
	g.convert("toF64", "dst *float64, x *float32", 8, 4, toF64)
	g.convert("fromBool", "dst *float32, x *uint8", 4, 1, func(g *gen, dst, x operand.Mem) {
		d := g.newReg()
		g.VPMOVZXBD(x, d)
		g.store(g.vec(d).toFloat(), dst, nil)
	})
	g.convert("toBool", "dst *uint8, x *float32", 1, 4, func(g *gen, dst, x operand.Mem) {
		m := g.load(x, nil).cmp(ne, g.bits(0))
		narrow(g, m.keep(g.bits(1)), dst, 1)
	})
	g.convert("fromBF16", "dst *float32, x *uint16", 4, 2, func(g *gen, dst, x operand.Mem) {
		d := g.newReg()
		g.VPMOVZXWD(x, d)
		g.store(g.vec(d).shiftLeft(16), dst, nil)
	})
	g.convert("toBF16", "dst *uint16, x *float32", 2, 4, func(g *gen, dst, x operand.Mem) {
		narrow(g, formula.RoundBF16(g, g.load(x, nil)).ShiftRight(16).(vec), dst, 2)
	})
}

// convert writes a loop over whole vectors of elements of the sizes.
func (g *gen) convert(name, params string, dstSize, xSize int, step func(g *gen, dst, x operand.Mem)) {
	g.function(name, "func(n int, "+params+")")
	n := g.Load(g.Param("n"), g.GP64())
	dst := g.Load(g.Param("dst"), g.GP64())
	x := g.Load(g.Param("x"), g.GP64())
	g.hoist(g.dry(func(d *gen) {
		p := d.GP64()
		step(d, operand.Mem{Base: p}, operand.Mem{Base: p})
	}), 6)
	g.SUBQ(operand.I32(int32(g.lanes())), n)
	g.JLT(operand.LabelRef("done"))
	g.Label("loop")
	step(g, operand.Mem{Base: dst}, operand.Mem{Base: x})
	g.ADDQ(operand.I32(int32(g.lanes()*dstSize)), dst)
	g.ADDQ(operand.I32(int32(g.lanes()*xSize)), x)
	g.SUBQ(operand.I32(int32(g.lanes())), n)
	g.JGE(operand.LabelRef("loop"))
	g.Label("done")
	g.VZEROUPPER()
	g.RET()
}

func fromF64(g *gen, dst, x operand.Mem) {
	for h := range 2 {
		from, to := x.Offset(h*2*g.bytes()/2), dst.Offset(h*g.bytes()/2)
		if g.wide {
			z, y := g.ZMM(), g.YMM()
			g.VMOVUPD(from, z)
			g.VCVTPD2PS(z, y)
			g.VMOVUPS(y, to)
		} else {
			y, w := g.YMM(), g.XMM()
			g.VMOVUPD(from, y)
			g.VCVTPD2PSY(y, w)
			g.VMOVUPS(w, to)
		}
	}
}

func toF64(g *gen, dst, x operand.Mem) {
	for h := range 2 {
		d := g.newReg()
		g.VCVTPS2PD(x.Offset(h*g.bytes()/2), d)
		g.VMOVUPD(d, dst.Offset(h*g.bytes()))
	}
}

// narrow stores integers, which fit, in size bytes each.
func narrow(g *gen, v vec, dst operand.Mem, size int) {
	r := v.op.(reg.VecVirtual)
	if g.wide {
		if size == 1 {
			x := g.XMM()
			g.VPMOVDB(r, x)
			g.VMOVUPS(x, dst)
			return
		}
		y := g.YMM()
		g.VPMOVDW(r, y)
		g.VMOVUPS(y, dst)
		return
	}
	hi, w := g.XMM(), g.XMM()
	g.VEXTRACTI128(operand.Imm(1), r, hi)
	g.VPACKUSDW(hi, r.AsX(), w)
	if size == 2 {
		g.VMOVUPS(w, dst)
		return
	}
	g.VPACKUSWB(w, w, w)
	g.VMOVQ(w, dst)
}
