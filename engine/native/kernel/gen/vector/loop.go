package main

import (
	"fmt"
	"slices"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"flowmatch/engine/native/kernel/gen/formula"
)

// loop writes a formula's loop.
type loop struct{ formula.Loop }

// loops writes functions.
func (g *gen) loops(list []formula.Loop) {
	for _, l := range list {
		loop{l}.emit(g)
	}
}

// hoistWide is how many constants stay in the 32 registers of AVX-512.
const hoistWide = 10

// param is a parameter of a loop, and where it is.
type param struct {
	formula.Param
	ptr   reg.Register
	value vec
}

// function starts a function that keeps no pointer.
func (g *gen) function(base, signature string) {
	g.Function(g.name(base))
	g.Attributes(attr.NOSPLIT)
	g.Pragma("noescape")
	g.SignatureExpr(signature)
	g.hoisted = nil
}

// dry returns the constants that body asks for.
func (g *gen) dry(body func(g *gen)) []uint32 {
	d := newGen(build.NewContext(), g.wide)
	d.isDry = true
	d.Function("dry")
	if d.wide {
		d.flag = d.K()
	} else {
		d.flag = d.newReg()
	}
	body(d)
	return d.asked
}

// hoist loads constants into registers, as many as there is room for.
func (g *gen) hoist(constants []uint32, room int) {
	g.hoisted = map[uint32]vec{}
	for i, u := range constants {
		if i >= room {
			break
		}
		g.hoisted[u] = g.vec(g.bits(u).copy())
	}
}

// emit writes the function.
func (l loop) emit(g *gen) {
	var params []*param
	for _, p := range l.Parameters() {
		params = append(params, &param{Param: p})
	}
	sig := "func(n int, " + l.Params + ")"
	if l.Flag {
		sig += " uint32"
	}
	g.function(l.Name, sig)
	n := g.Load(g.Param("n"), g.GP64())
	for _, p := range params {
		if !p.Scalar || !l.Lazy {
			p.load(g)
		}
	}
	l.constants(g, params)
	if l.Flag {
		g.clearFlag()
	}
	i := g.GP64()
	g.XORQ(i, i)
	l.turns(g, params, n, i)
	if l.Flag {
		g.returnFlag()
	}
	g.VZEROUPPER()
	g.RET()
}

// load loads a parameter, a scalar into all lanes.
func (p *param) load(g *gen) {
	if !p.Scalar {
		p.ptr = g.Load(g.Param(p.Name), g.GP64())
		return
	}
	x := g.XMM()
	g.Load(g.Param(p.Name), x)
	d := g.newReg()
	g.VBROADCASTSS(x, d)
	p.value = g.vec(d)
}

// arg returns a scalar argument of the function in all lanes, for bodies with
// more of them than there are registers.
func (g *gen) arg(name string) vec {
	d := g.newReg()
	if g.isDry {
		return g.vec(d)
	}
	at, err := g.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	g.VBROADCASTSS(at.Addr, d)
	return g.vec(d)
}

// constants hoists those that the body asks for.
func (l loop) constants(g *gen, params []*param) {
	asked := g.dry(func(d *gen) {
		in := map[string]formula.Vec{}
		for _, p := range params {
			in[p.Name] = d.vec(d.newReg())
		}
		l.Body(d, in)
	})
	room := l.Hoist
	if g.wide {
		room = hoistWide
	}
	g.hoist(asked, room)
}

// turns writes the loops: over several vectors, over one, and the masked rest.
func (l loop) turns(g *gen, params []*param, n, i reg.Register) {
	lanes := g.lanes()
	if !g.wide && l.Narrow > 0 {
		l.Unroll = l.Narrow
	}
	step := int32(l.Unroll * lanes)
	if l.Unroll > 1 {
		g.SUBQ(operand.I32(step), n)
		g.JLT(operand.LabelRef("few"))
		g.Label("many")
		g.weave(l.Unroll, func(u int) { l.step(g, params, i, u*g.bytes(), nil) })
		g.ADDQ(operand.I32(step), i)
		g.SUBQ(operand.I32(step), n)
		g.JGE(operand.LabelRef("many"))
		g.Label("few")
		g.ADDQ(operand.I32(step), n)
	}
	g.SUBQ(operand.I32(int32(lanes)), n)
	g.JLT(operand.LabelRef("rest"))
	g.Label("single")
	l.step(g, params, i, 0, nil)
	g.ADDQ(operand.I32(int32(lanes)), i)
	g.SUBQ(operand.I32(int32(lanes)), n)
	g.JGE(operand.LabelRef("single"))
	g.Label("rest")
	g.ADDQ(operand.I32(int32(lanes)), n)
	g.JLE(operand.LabelRef("done"))
	m := g.tailMask(n)
	l.step(g, params, i, 0, &m)
	g.Label("done")
}

// weave writes n pieces of code that do not depend on each other, one instruction
// of each in turn: the processor looks ahead far enough for one of the longer
// functions at a time, not for several.
func (g *gen) weave(n int, piece func(u int)) {
	file, err := g.Result()
	if err != nil {
		panic(err)
	}
	functions := file.Functions()
	f := functions[len(functions)-1]
	var pieces [][]ir.Node
	start := len(f.Nodes)
	for u := range n {
		before := len(f.Nodes)
		piece(u)
		pieces = append(pieces, slices.Clone(f.Nodes[before:]))
	}
	f.Nodes = f.Nodes[:start]
	for i := range pieces[0] {
		for _, p := range pieces {
			f.Nodes = append(f.Nodes, p[i])
		}
	}
}

// step writes the work on one vector at index i and a displacement in bytes.
func (l loop) step(g *gen, params []*param, i reg.Register, disp int, m *mask) {
	at := func(p *param) operand.Mem {
		return operand.Mem{Base: p.ptr, Index: i, Scale: 4, Disp: disp}
	}
	in := map[string]formula.Vec{}
	for _, p := range params {
		switch {
		case p.Scalar:
			in[p.Name] = p.value
		case p.In:
			in[p.Name] = g.load(at(p), m)
		}
	}
	out := l.Body(g, in)
	for _, p := range params {
		if p.Out {
			g.store(out[0].(vec), at(p), m)
			out = out[1:]
		}
	}
	if len(out) > 0 {
		panic(fmt.Sprintf("%s: %d results too many", l.Name, len(out)))
	}
}

func (g *gen) clearFlag() {
	if g.wide {
		k := g.K()
		g.KXORW(k, k, k)
		g.flag = k
		return
	}
	y := g.YMM()
	g.VXORPS(y, y, y)
	g.flag = y
}

func (g *gen) returnFlag() {
	r := g.GP32()
	if g.wide {
		g.KMOVW(g.flag, r)
	} else {
		g.VMOVMSKPS(g.flag, r)
	}
	g.Store(r, g.ReturnIndex(0))
}

// tailMask returns the first n lanes, for n from 1 to the number of lanes. It
// may destroy n.
func (g *gen) tailMask(n reg.Register) mask {
	r := g.GP64()
	if g.wide {
		k := g.K()
		g.MOVQ(operand.I32(-1), r)
		g.BZHIQ(n, r, r)
		g.KMOVW(r.As32(), k)
		return mask{g, k}
	}
	words := make([]uint32, 16)
	for i := range 8 {
		words[i] = 0xffffffff
	}
	t := g.GP64()
	g.LEAQ(g.table("tail", words), t)
	g.MOVQ(operand.I32(8), r)
	g.SUBQ(n, r)
	y := g.YMM()
	g.VMOVUPS(operand.Mem{Base: t, Index: r, Scale: 4}, y)
	return mask{g, y}
}

// load loads a vector, zeros in the lanes that the mask leaves out.
func (g *gen) load(at operand.Mem, m *mask) vec {
	d := g.newReg()
	switch {
	case m == nil:
		g.VMOVUPS(at, d)
	case g.wide:
		g.VMOVUPS_Z(at, m.op, d)
	default:
		g.VMASKMOVPS(at, m.op, d)
	}
	return g.vec(d)
}

// store stores the lanes of the mask.
func (g *gen) store(v vec, at operand.Mem, m *mask) {
	switch {
	case m == nil:
		g.VMOVUPS(v.reg(), at)
	case g.wide:
		g.VMOVUPS(v.reg(), m.op, at)
	default:
		g.VMASKMOVPS(v.reg(), m.op, at)
	}
}
