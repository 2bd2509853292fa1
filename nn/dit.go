package nn

import (
	"cmp"
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// dit is a transformer over the patches of an image (DiT, Peebles and Xie 2022). Time
// and label say how each block shifts and scales its input, and how much of its result
// is added: nothing at first (adaLN-zero).
// Its tensors have the names and shapes of the public DiT and SiT without learn_sigma, and
// without pos_embed, which is not learnt but a function of the configuration. Package
// model/layout reads their files.
type dit struct {
	cfg    Config
	net    DiT
	patch  int    // x_embedder
	time   [2]int // t_embedder
	label  int    // y_embedder; -1: none
	blocks []ditBlock
	last   int // final_layer.linear
	adapt  int // final_layer.adaLN_modulation
}

// ditBlock are the tensors of a block, by the numbers of their weights.
type ditBlock struct{ qkv, proj, fc1, fc2, adapt int }

// newDiTBlock adds the tensors of a block of some width. Its linear maps begin as Xavier's uniform ones, with no
// bias.
func newDiTBlock(l *layout, name string, width, hidden int) ditBlock {
	glorot := func(name string, in, out int) int {
		return l.affine(name, start{0, math.Sqrt(6 / float64(in+out))}, out, in)
	}
	return ditBlock{
		qkv:   glorot(name+"attn.qkv", width, 3*width),
		proj:  glorot(name+"attn.proj", width, width),
		fc1:   glorot(name+"mlp.fc1", width, hidden),
		fc2:   glorot(name+"mlp.fc2", hidden, width),
		adapt: l.affine(name+"adaLN_modulation.1", start{}, 6*width, width),
	}
}

// blockHow is how blocks are applied: turn is done to queries and keys, and drop to what is added, first by the
// attention and then by the perceptron, if they are there.
type blockHow struct {
	heads int
	eps   float64 // of the norm before the perceptron; 0: ditEps
	twice bool    // as in [input]
	again bool    // the backward pass works out GELU again
	turn  func(x *Node) *Node
	drop  func(x *Node, part int) *Node
}

func newDiT(cfg Config, l *layout) *dit {
	d := cfg.DiT.Defaults()
	n := &dit{cfg: cfg, net: d, label: -1}
	w, in, out := d.Width, cfg.channels()*d.Patch*d.Patch, d.Image[2]*d.Patch*d.Patch
	n.patch = l.affine("x_embedder.proj", start{0, math.Sqrt(6 / float64(in+w))}, w, cfg.channels(), d.Patch, d.Patch)
	n.time[0] = l.affine("t_embedder.mlp.0", spread(0.02), w, ditFrequencies)
	n.time[1] = l.affine("t_embedder.mlp.2", spread(0.02), w, w)
	if cfg.Classes > 0 {
		n.label = l.add("y_embedder.embedding_table.weight", spread(0.02), cfg.Classes+1, w)
	}
	for i := range d.Depth {
		n.blocks = append(n.blocks, newDiTBlock(l, fmt.Sprintf("blocks.%d.", i), w, d.hidden()))
	}
	n.last = l.affine("final_layer.linear", start{}, out, w)
	n.adapt = l.affine("final_layer.adaLN_modulation.1", start{}, 2*w, w)
	return n
}

// ditFrequencies is the number of features of t, cosines and sines.
const ditFrequencies = 256

// forward implements body: x [N, H·W·C], rows of pixels.
func (n *dit) forward(p []*Node, at input) *Node {
	size := at.x.Shape().Dimensions[0]
	side, channels := n.net.Patch, n.cfg.channels()
	rows, columns := n.net.grid()
	tokens := rows * columns

	c := silu(n.embed(p, at))
	x := Reshape(at.images(n.net.Image), size, rows, side, columns, side, channels)
	x = Reshape(TransposeAllDims(x, 0, 1, 3, 5, 2, 4), size, tokens, channels*side*side) // a patch as the kernel has it
	x = Add(linear(x, Reshape(p[n.patch], n.net.Width, channels*side*side)), InsertAxes(p[n.patch+1], 0, 0))
	x = Add(x, InsertAxes(Const(x.Graph(), n.net.Positions()), 0))
	how := blockHow{heads: n.net.Heads, eps: n.net.MLPNormEps, twice: at.twice,
		again: at.again(p[n.last])}
	for _, b := range n.blocks {
		x = at.block(func(in ...*Node) *Node { return b.apply(p, in[0], c, how) }, x)
	}
	m := cut(affine(c, p, n.adapt), 2)
	x = tokenwise(modulated(x, m[0], m[1], ditEps), p, n.last)
	x = TransposeAllDims(Reshape(x, size, rows, columns, side, side, n.net.Image[2]), 0, 1, 3, 2, 4, 5)
	return Reshape(x, size, n.cfg.Dim)
}

// embed returns the embedding of time and label, [N, Width].
func (n *dit) embed(p []*Node, at input) *Node {
	c := affine(silu(affine(n.net.Time.of(at.t, ditFrequencies), p, n.time[0])), p, n.time[1])
	if n.label < 0 {
		return c
	}
	return Add(c, embedded(p[n.label], at.label, n.cfg.Classes))
}

// embedded is the row of a table for each label. Label -1, for which hot is zero, is the last.
func embedded(table, label *Node, classes int) *Node {
	one := hot(label, classes, table.DType())
	one = Concatenate([]*Node{one, OneMinus(ReduceAndKeep(one, ReduceSum, -1))}, -1)
	return wide(Dot(one, table).Product())
}

// Positions are the fixed embeddings of the positions of the patches, [T, Width]: sines
// and cosines of the column, then of the row. d is complete.
func (d DiT) Positions() [][]float32 {
	rows, columns := d.grid()
	quarter := d.Width / 4
	out := make([][]float32, 0, rows*columns)
	for i := range rows {
		for j := range columns {
			e := make([]float32, d.Width)
			for k := range quarter {
				omega := math.Pow(maxPeriod, -float64(k)/float64(quarter))
				for axis, at := range []int{j, i} {
					sin, cos := math.Sincos(float64(at) * omega)
					e[2*axis*quarter+k], e[(2*axis+1)*quarter+k] = float32(sin), float32(cos)
				}
			}
			out = append(out, e)
		}
	}
	return out
}

// cut cuts [N, parts·C] into parts of [N, 1, C].
func cut(z *Node, parts int) []*Node {
	width := z.Shape().Dimensions[1] / parts
	out := make([]*Node, parts)
	for k := range out {
		out[k] = InsertAxes(Slice(z, AxisRange(), AxisRange(k*width, (k+1)*width)), 1)
	}
	return out
}

// ditEps is what is added to the variance in the layer norms.
const ditEps = 1e-6

// modulated is norm(x)·(1 + scale) + shift, with the layer norm of each token.
func modulated(x, shift, scale *Node, eps float64) *Node {
	x, _ = layerNorm(x, eps)
	return Add(Mul(x, AddScalar(scale, 1)), shift)
}

// apply adds the results of attention and perceptron to x, each shifted, scaled and
// weighed by the embedding c.
func (b ditBlock) apply(p []*Node, x, c *Node, how blockHow) *Node {
	drop := how.drop
	if drop == nil {
		drop = func(x *Node, _ int) *Node { return x }
	}
	m := cut(affine(c, p, b.adapt), 6)
	x = Add(x, Mul(m[2], drop(b.attention(p, modulated(x, m[0], m[1], ditEps), how), 0)))
	return Add(x, Mul(m[5], drop(b.perceptron(p, modulated(x, m[3], m[4], cmp.Or(how.eps, ditEps)), how.again), 1)))
}

// attention of tokens to each other; qkv has q for all heads first, then k, then v.
func (b ditBlock) attention(p []*Node, x *Node, how blockHow) *Node {
	d := x.Shape().Dimensions
	head := d[2] / how.heads
	qkv := Reshape(tokenwise(x, p, b.qkv), d[0], d[1], 3, how.heads, head)
	part := func(k int) *Node {
		return Reshape(Slice(qkv, AxisRange(), AxisRange(), AxisRange(k, k+1)), d[0], d[1], how.heads, head)
	}
	q, k := part(0), part(1)
	if how.turn != nil {
		q, k = how.turn(q), how.turn(k)
	}
	return tokenwise(Reshape(attended(p[b.qkv], q, k, part(2), how.twice), d...), p, b.proj)
}

// perceptron keeps only what GELU is computed of, where the backward pass computes it again: that is quicker than to
// write what is between to memory, and to read it.
func (b ditBlock) perceptron(p []*Node, x *Node, again bool) *Node {
	z := tokenwise(x, p, b.fc1)
	if again {
		return tokenwise(gelu(z.Checkpoint()).StopCheckpoint(), p, b.fc2)
	}
	return tokenwise(gelu(z), p, b.fc2)
}

// tokenwise is the linear map number w, on each token of [N, T, in].
func tokenwise(x *Node, p []*Node, w int) *Node {
	return Add(linear(x, p[w]), InsertAxes(p[w+1], 0, 0))
}

// gelu is the approximation ½z(1 + tanh u), u = √(2/π)(z + 0.044715 z³), written with
// ½(1 + tanh u) = sigmoid(2u).
func gelu(z *Node) *Node {
	u := Mul(z, AddScalar(MulScalar(Square(z), 0.044715), 1))
	return Mul(z, Sigmoid(MulScalar(u, 2*math.Sqrt(2/math.Pi))))
}
