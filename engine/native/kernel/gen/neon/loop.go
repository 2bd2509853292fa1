package main

import (
	"errors"
	"fmt"

	"flowmatch/engine/native/kernel/gen/arm64"
	"flowmatch/engine/native/kernel/gen/formula"
)

// hoistMost is how many constants stay in registers, if there is room.
const hoistMost = 12

// loop writes the function of a formula: with as many vectors in a turn as the formula asks for,
// and as many constants in registers as there is room for. Where registers are too few for all
// vectors even without constants, it has fewer vectors.
func (w *writer) loop(l formula.Loop) {
	for unroll := max(l.Unroll, 1); unroll > 0; unroll-- {
		for hoist := hoistMost; hoist >= 0; hoist -= 2 {
			fn := w.build(l, unroll, hoist)
			err := w.file.Add(fn)
			if err == nil {
				return
			}
			if !errors.Is(err, arm64.ErrRegisters) || unroll == 1 && hoist == 0 {
				w.err = errors.Join(w.err, err)
				return
			}
		}
	}
}

// pointer is a parameter of a loop, and where it is.
type pointer struct {
	formula.Param
	r arm64.Reg
}

func (w *writer) build(l formula.Loop, unroll, hoist int) *arm64.Func {
	signature := "func(n int, " + l.Params + ")"
	if l.Flag {
		signature += " uint32"
	}
	asked, any := w.dry(l)
	fn := w.function(l.Name, signature)
	g := &gen{fn: fn, file: w.file, scalars: map[string]formula.Vec{}, hoisted: map[uint32]arm64.Reg{}}
	n := fn.Arg("n")
	var pointers []pointer
	for _, p := range l.Parameters() {
		if p.Scalar {
			g.scalars[p.Name] = g.vec(fn.FloatArg(p.Name))
		} else {
			pointers = append(pointers, pointer{p, fn.Arg(p.Name)})
		}
	}
	if any {
		g.pool = fn.Pool()
	}
	for _, u := range asked[:min(len(asked), hoist)] {
		g.hoisted[u] = g.load(u)
	}
	if l.Flag {
		g.flag = fn.V()
		fn.Zero(g.flag)
	}
	g.turns(l, pointers, n, unroll)
	if l.Flag {
		r := fn.GP()
		fn.MaxAcross(r, g.flag)
		fn.Return(r)
	} else {
		fn.Return()
	}
	return fn
}

// dry returns the constants that the body of a loop has for operands, and whether it has any
// constants at all.
func (w *writer) dry(l formula.Loop) (asked []uint32, any bool) {
	file := arm64.NewFile("", "", "")
	fn := file.Func("dry", "func(n int)")
	g := &gen{fn: fn, file: file, pool: fn.GP(), scalars: map[string]formula.Vec{}, flag: fn.V()}
	in := map[string]formula.Vec{}
	for _, p := range l.Parameters() {
		in[p.Name] = g.vec(fn.V())
		g.scalars[p.Name] = in[p.Name]
	}
	l.Body(g, in)
	return g.asked, file.Constants() > 0
}

// turns writes the loops over several vectors and over one, and the rest of up to three floats.
func (g *gen) turns(l formula.Loop, pointers []pointer, n arm64.Reg, unroll int) {
	fn := g.fn
	widths := []int{unroll, 1}
	if unroll == 1 {
		widths = widths[1:]
	}
	for _, width := range widths {
		counted(fn, fmt.Sprintf("by%d", width), n, width*lanes, func() {
			fn.Weave(width, func(u int) {
				g.step(l, pointers, func(p arm64.Reg) arm64.Reg {
					d := fn.V()
					fn.Load(arm64.Quad, d, p, 16*u)
					return d
				}, func(p, v arm64.Reg) { fn.Store(arm64.Quad, v, p, 16*u) })
			})
			for _, p := range pointers {
				fn.Add(p.r, p.r, 16*width)
			}
		})
	}
	fn.IfZero(n, "done")
	part := &partial{fn: fn, n: n}
	g.step(l, pointers, part.load, part.store)
	fn.Label("done")
}

// counted writes a loop that is done as long as n is at least step, and takes step from n each time.
func counted(fn *arm64.Func, label string, n arm64.Reg, step int, body func()) {
	fn.SubFlags(n, n, step)
	fn.If("LT", label+"end")
	fn.Label(label)
	body()
	fn.SubFlags(n, n, step)
	fn.If("GE", label)
	fn.Label(label + "end")
	fn.Add(n, n, step)
}

// step writes the work on one vector.
func (g *gen) step(l formula.Loop, pointers []pointer, load func(p arm64.Reg) arm64.Reg, store func(p, v arm64.Reg)) {
	in := map[string]formula.Vec{}
	for name, v := range g.scalars {
		in[name] = v
	}
	for _, p := range pointers {
		if p.In {
			in[p.Name] = g.vec(load(p.r))
		}
	}
	out := l.Body(g, in)
	for _, p := range pointers {
		if p.Out {
			store(p.r, out[0].(vec).reg())
			out = out[1:]
		}
	}
	if len(out) > 0 {
		panic(fmt.Sprintf("%s: %d results too many", l.Name, len(out))) // a mistake in a formula
	}
}

// partial loads and stores the first n floats of a vector, n in a register: one to three, or to
// four.
type partial struct {
	fn    *arm64.Func
	n     arm64.Reg
	four  bool
	count int // of uses, for labels
}

func (p *partial) label(name string) string { return fmt.Sprintf("%s%d", name, p.count) }

// each writes a case for each n; they meet again behind.
func (p *partial) each(one, two, third, four func()) {
	fn := p.fn
	p.count++
	if p.four {
		fn.IfBit(2, p.n, p.label("four"))
	}
	fn.IfBit(1, p.n, p.label("two"))
	one()
	fn.Jump(p.label("end"))
	if p.four {
		fn.Label(p.label("four"))
		four()
		fn.Jump(p.label("end"))
	}
	fn.Label(p.label("two"))
	two()
	fn.IfNoBit(0, p.n, p.label("end"))
	third()
	fn.Label(p.label("end"))
}

// third is the address of the third float.
func (p *partial) third(base arm64.Reg) arm64.Reg {
	t := p.fn.GP()
	p.fn.Add(t, base, 8)
	return t
}

// load returns them, with zeros behind.
func (p *partial) load(base arm64.Reg) arm64.Reg {
	d := p.fn.V()
	p.each(
		func() { p.fn.Load(arm64.Single, d, base, 0) },
		func() { p.fn.Load(arm64.Double, d, base, 0) },
		func() { p.fn.LoadLane(d, 2, p.third(base)) },
		func() { p.fn.Load(arm64.Quad, d, base, 0) })
	return d
}

// into puts them into d, and leaves the lanes behind.
func (p *partial) into(d, base arm64.Reg) {
	p.each(
		func() { p.fn.LoadLane(d, 0, base) },
		func() { p.fn.LoadLow(d, base) },
		func() { p.fn.LoadLane(d, 2, p.third(base)) },
		func() { p.fn.Load(arm64.Quad, d, base, 0) })
}

func (p *partial) store(base, v arm64.Reg) {
	p.each(
		func() { p.fn.Store(arm64.Single, v, base, 0) },
		func() { p.fn.Store(arm64.Double, v, base, 0) },
		func() { p.fn.StoreLane(v, 2, p.third(base)) },
		func() { p.fn.Store(arm64.Quad, v, base, 0) })
}
