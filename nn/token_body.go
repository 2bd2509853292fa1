package nn

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// tokenBody is the transformer of a [TokenConfig]: numbers of its tensors; -1 for none.
type tokenBody struct {
	cfg                 TokenConfig
	embed, place, shown int
	time                [2]int
	label, context      int
	blocks              []ditBlock
	last, adapt         int
}

// tokenInput is a state of n sequences in a graph, which tokens of it are told, and what is given beside it.
type tokenInput struct {
	given
	x, t, told, drop *Node
}

// split takes the state from the inputs of a program, and returns the rest.
func (b *tokenBody) split(in []*Node) (at tokenInput, rest []*Node) {
	at.x, at.t = in[0], in[1]
	at.given, rest = b.cfg.beside().splitGiven(in[2:])
	if b.shown >= 0 {
		at.told, rest = rest[0], rest[1:]
	}
	return at, rest
}

// logits are those of the level of each token, [N L, K].
func (b *tokenBody) logits(p []*Node, at tokenInput) *Node {
	c, n := b.cfg, at.t.Shape().Dimensions[0]
	table := p[b.embed]
	x := wide(Dot(hot(at.x, c.states(), table.DType()), table).Product())
	if b.shown >= 0 {
		x = Add(x, Mul(InsertAxes(at.told, 1), InsertAxes(p[b.shown], 0)))
	}
	x = Add(Reshape(x, n, c.Length, c.Width), InsertAxes(p[b.place], 0))
	given := silu(b.given(p, at))
	how := blockHow{heads: c.Heads, turn: b.turn, again: input{}.again(table)}
	for k, block := range b.blocks {
		if at.drop != nil {
			how.drop = func(y *Node, part int) *Node {
				y = dropped(Reshape(y, n, c.Length, 1, c.Width), at.drop, c.Dropout, 2*k+part)
				return Reshape(y, n, c.Length, c.Width)
			}
		}
		x = block.apply(p, x, given, how)
	}
	m := cut(affine(given, p, b.adapt), 2)
	x = Reshape(modulated(x, m[0], m[1], ditEps), n*c.Length, c.Width)
	if b.last < 0 {
		return linear(x, Slice(table, AxisRange(0, c.Levels)))
	}
	return affine(x, p, b.last)
}

// given is the embedding of time, label and context, [N, Width]. A label -1 is none, for which there is a last row
// of the table.
func (b *tokenBody) given(p []*Node, at tokenInput) *Node {
	c := affine(silu(affine((*TimeFeatures)(nil).of(at.t, ditFrequencies), p, b.time[0])), p, b.time[1])
	if b.label >= 0 {
		c = Add(c, embedded(p[b.label], at.label, b.cfg.Classes))
	}
	if b.context >= 0 {
		c = Add(c, affine(silu(affine(at.context, p, b.context)), p, b.context+2))
	}
	return c
}

// turn turns pairs of the numbers of each token [N, L, heads, d] by angles in proportion to its position, so that
// products of two depend on how far apart they are.
func (b *tokenBody) turn(x *Node) *Node {
	d := x.Shape().Dimensions[3]
	half := d / 2
	cos, sin := make([][]float32, b.cfg.Length), make([][]float32, b.cfg.Length)
	for i := range cos {
		cos[i], sin[i] = make([]float32, half), make([]float32, half)
		for k := range half {
			s, c := math.Sincos(float64(i) * math.Pow(maxPeriod, -float64(k)/float64(half)))
			cos[i][k], sin[i][k] = float32(c), float32(s)
		}
	}
	across := func(v [][]float32) *Node { return InsertAxes(InsertAxes(Const(x.Graph(), v), 0), 2) }
	part := func(from int) *Node {
		return Slice(x, AxisRange(), AxisRange(), AxisRange(), AxisRange(from, from+half))
	}
	a, z, c, s := part(0), part(half), across(cos), across(sin)
	return Concatenate([]*Node{Sub(Mul(a, c), Mul(z, s)), Add(Mul(z, c), Mul(a, s))}, -1)
}
