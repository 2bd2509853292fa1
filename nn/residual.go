package nn

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// residual is the network of [Residual]:
//
//	c = act(W_c [τ(t), onehot(label), embed(context), shown, known] + b_c)
//	h_0 = W_x [x, Fourier(x), waves(x, t)] + b_x
//	h_l = h_{l-1} + W_2 act(W_1 act(h_{l-1} (1 + scale_l(c)) + shift_l(c)))     (biases left out)
//	f = W act(h_L) + b
//
// scale and shift are linear in c and begin at zero. With [NormLayer] a block scales and shifts the
// layer norm of h_{l-1}, as the blocks of a [DiT] do. Then what a block adds is bounded, however
// large h is. Without it, blocks can amplify each other: in rare directions far velocities are huge.
type residual struct {
	cfg    Config
	points *mlp // features of x and t
	act    activation
	embed  *embedder // nil: the context itself
	given  int       // W_c
	input  int       // W_x
	blocks []residualBlock
	output int
}

// residualBlock are the tensors of a block, by the numbers of their weights.
type residualBlock struct{ adapt, first, second int }

func newResidual(cfg Config, l *layout) (*residual, error) {
	act, err := activationByName(cfg.Activation)
	if err != nil {
		return nil, err
	}
	r := cfg.Residual
	n := &residual{cfg: cfg, act: act, points: &mlp{cfg: cfg, act: act}}
	n.embed = newEmbedder(r.Embed, cfg.Context, act, l)
	n.given = l.hidden("given", cfg.clocks()+cfg.Classes+r.Embed.numbers(cfg.Context)+cfg.showable(), r.Width)
	n.input = l.linear("input", cfg.places(), r.Width)
	for i := range r.Blocks {
		name := fmt.Sprintf("blocks.%d.", i)
		b := residualBlock{
			adapt:  l.affine(name+"adapt", start{}, 2*r.Width, r.Width),
			first:  l.hidden(name+"fc1", r.Width, r.Width),
			second: l.output(name+"fc2", r.Width, r.Width),
		}
		l.inner = append(l.inner, b.first, b.second)
		n.blocks = append(n.blocks, b)
	}
	n.output = l.output("output", r.Width, cfg.Dim)
	return n, nil
}

// forward implements body.
func (n *residual) forward(p []*Node, at input) *Node { return n.run(p, at, nil).v }

// tangents implements forwardMode.
func (n *residual) tangents(p []*Node, at input, along direction) (f, df *Node) {
	out := n.run(p, at, &along)
	return out.v, out.d
}

func (n *residual) run(p []*Node, at input, along *direction) dual {
	parts, dparts := n.points.space(at, along)
	x := dual{v: Concatenate(parts, -1)}
	directions := 0 // in which the time moves
	if along != nil {
		x.d = Concatenate(dparts, -1)
		if along.moving {
			directions = x.d.Shape().Dimensions[1]
		}
	}
	c := n.condition(p, at, directions)
	h := x.affine(p, n.input)
	for _, b := range n.blocks {
		if along != nil {
			h = n.apply(p, b, h, c, at.drop)
			continue
		}
		h.v = at.block(func(in ...*Node) *Node {
			return n.apply(p, b, dual{v: in[0]}, dual{v: in[1]}, at.drop).v
		}, h.v, c.v)
	}
	return h.activate(n.act).affine(p, n.output)
}

// condition returns c, with its derivatives by time in each of so many directions.
func (n *residual) condition(p []*Node, at input, directions int) dual {
	size := at.x.Shape().Dimensions[0]
	clocks, dclocks := n.points.times(at)
	c := dual{v: Concatenate(clocks, -1)}
	if directions > 0 {
		d := Concatenate(dclocks, -1)
		c.d = BroadcastToDims(InsertAxes(d, 1), size, directions, d.Shape().Dimensions[1])
	}
	var given []*Node
	if n.cfg.Classes > 0 {
		given = append(given, hot(at.label, n.cfg.Classes, at.x.DType()))
	}
	if n.cfg.Context > 0 {
		given = append(given, n.embedding(p, at))
	}
	if n.cfg.Shown {
		given = append(given, at.shown, at.known)
	}
	if len(given) > 0 {
		g := Concatenate(given, -1)
		c.v = Concatenate([]*Node{c.v, g}, -1)
		if c.d != nil {
			c.d = Concatenate([]*Node{c.d, Zeros(g.Graph(), floats(size, directions, g.Shape().Dimensions[1]))}, -1)
		}
	}
	return c.affine(p, n.given).activate(n.act)
}

// embedding returns that of the contexts, which may be embedded already.
func (n *residual) embedding(p []*Node, at input) *Node {
	if n.embed == nil || at.embedded {
		return at.context
	}
	return n.embed.apply(p, at.context)
}

// embedded implements embedding.
func (n *residual) embedded() int {
	if n.embed == nil {
		return 0
	}
	return n.embed.Width
}

// embedContext implements embedding.
func (n *residual) embedContext(p []*Node, context *Node) *Node { return n.embed.apply(p, context) }

// apply adds the result of a block to h; drop are the states of dropout, nil for none.
func (n *residual) apply(p []*Node, b residualBlock, h, c dual, drop *Node) dual {
	m := c.affine(p, b.adapt).cut(2)
	z := h
	if n.cfg.Residual.Norm == NormLayer {
		z = z.layerNorm(ditEps)
	}
	z = z.mul(m[0].plus(1)).add(m[1]).activate(n.act).affine(p, b.first).activate(n.act)
	if drop != nil {
		z = z.mul(dual{v: dropped(OnesLike(z.v), drop, n.cfg.Residual.Dropout, b.second)})
	}
	return h.add(z.affine(p, b.second))
}
