package main

import "flowmatch/engine/native/kernel/gen/arm64"

// philox writes blocks of 64 words: 16 counters of Philox4x32-10 in a row, the first words of
// all, then the second words, and so on. Two vectors of counters go through the rounds together.
func (w *writer) philox() {
	fn := w.function("philox", "func(blocks int, dst *uint32, key uint64, stream uint64, counter uint64)")
	p := &cipher{fn: fn, multiply: vectors(fn, 2), weyl: vectors(fn, 2)}
	blocks, dst, counter, pool := fn.Arg("blocks"), fn.Arg("dst"), fn.Arg("counter"), fn.Pool()
	load := func(d arm64.Reg, words [4]uint32) { fn.Load(arm64.Quad, d, pool, w.file.Constant(words)) }
	load(p.multiply[0], arm64.Bits(0xd2511f53))
	load(p.multiply[1], arm64.Bits(0xcd9e8d57))
	load(p.weyl[0], arm64.Bits(0x9e3779b9))
	load(p.weyl[1], arm64.Bits(0xbb67ae85))
	p.key, p.stream = p.halves(fn.Arg("key")), p.halves(fn.Arg("stream"))
	fn.Label("loop")
	for first := 0; first < 16; first += 2 * lanes {
		at := p.halves(counter)
		var c [2][4]arm64.Reg
		for i := range c {
			// Counters begin at a multiple of 16, so their lower halves do not overflow here.
			var words [4]uint32
			for l := range words {
				words[l] = uint32(first + lanes*i + l)
			}
			low := fn.V()
			load(low, words)
			fn.Vec(arm64.ADD, low, low, at[0])
			c[i] = [4]arm64.Reg{low, at[1], p.stream[0], p.stream[1]}
		}
		p.rounds(&c)
		for i := range c {
			for word, v := range c[i] {
				fn.Store(arm64.Quad, v, dst, 64*word+4*(first+lanes*i))
			}
		}
	}
	fn.Add(counter, counter, 16)
	fn.Add(dst, dst, 256)
	fn.SubFlags(blocks, blocks, 1)
	fn.If("NE", "loop")
	fn.Return()
	w.add(fn)
}

// cipher has what the rounds of Philox need.
type cipher struct {
	fn             *arm64.Func
	multiply, weyl []arm64.Reg
	key, stream    [2]arm64.Reg // lower and upper halves, in all lanes
}

// halves spreads the halves of a 64-bit number.
func (p *cipher) halves(r arm64.Reg) [2]arm64.Reg {
	low, high, t := p.fn.V(), p.fn.V(), p.fn.GP()
	p.fn.Spread(low, r)
	p.fn.ShiftRight(t, r, 32)
	p.fn.Spread(high, t)
	return [2]arm64.Reg{low, high}
}

// rounds encrypts counters.
func (p *cipher) rounds(c *[2][4]arm64.Reg) {
	fn, key := p.fn, p.key
	for round := range 10 {
		if round > 0 {
			next := [2]arm64.Reg{fn.V(), fn.V()}
			for i := range next {
				fn.Vec(arm64.ADD, next[i], key[i], p.weyl[i])
			}
			key = next
		}
		fn.Weave(2, func(u int) {
			x := &c[u]
			h0, l0 := p.wide(x[0], p.multiply[0])
			h1, l1 := p.wide(x[2], p.multiply[1])
			*x = [4]arm64.Reg{p.xor3(h1, x[1], key[0]), l1, p.xor3(h0, x[3], key[1]), l0}
		})
	}
}

// xor3 destroys a.
func (p *cipher) xor3(a, b, c arm64.Reg) arm64.Reg {
	p.fn.Vec(arm64.EOR, a, a, b)
	p.fn.Vec(arm64.EOR, a, a, c)
	return a
}

// wide returns the upper and the lower halves of the products.
func (p *cipher) wide(a, m arm64.Reg) (high, low arm64.Reg) {
	v := vectors(p.fn, 4)
	p.fn.Vec(arm64.UMULL, v[0], a, m)
	p.fn.Vec(arm64.UMULL2, v[1], a, m)
	p.fn.Vec(arm64.UZP1, v[2], v[0], v[1])
	p.fn.Vec(arm64.UZP2, v[3], v[0], v[1])
	return v[3], v[2]
}
