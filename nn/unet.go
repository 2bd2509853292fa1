package nn

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/engine/native"
)

// unet is the network of images of diffusion models (Ho et al. 2020; ADM, Dhariwal
// and Nichol 2021, which the paper uses): residual blocks at several resolutions, on
// the way down and, joined with what they were there, on the way up; attention where
// the image is small; an embedding of time and label added in every block.
// Its tensors have the names and shapes of guided-diffusion's UNetModel without
// learn_sigma or, with a context, of its SuperResModel; attention has its legacy order.
// Package model/layout reads its files.
type unet struct {
	cfg  Config
	net  UNet
	time [2]int // time_embed
	emb  int    // label_emb; -1: none
	in   int    // the first convolution
	down []level
	mid  middle
	up   []level
	out  norm // and convolution
	last int
}

// middle is what the smallest images go through: two blocks, and attention between them.
type middle struct {
	in, out resBlock
	attend  attention
}

// level is a step on the way down or up: blocks, and what follows them.
type level struct {
	res    *resBlock // nil: the image is halved only
	attend *attention
	resize *resize // nil: none
}

// resize halves or doubles the image, by the convolution of that number or, where it
// is not nil, by a residual block.
type resize struct {
	conv  int  // -1: none
	end   bool // only the ends of rows and columns are padded
	block *resBlock
}

// norm is a group norm: the number of its weight, its bias is the next; the most groups and
// the least number of channels in one; and what is added to the variance.
type norm struct {
	weight, most, least int
	eps                 float64
}

// resBlock are the tensors of a residual block.
type resBlock struct {
	in, out  int                 // channels
	resized  func(x *Node) *Node // of both branches of the block; nil: not at all
	adds     bool                // the embedding is added to the image
	dropout  float64
	norm1    norm
	conv1    int
	emb      int // -1: none
	norm2    norm
	conv2    int
	shortcut int // 1x1 convolution where channels change; -1: none
}

// attention are the tensors of an attention block.
type attention struct {
	channels, heads int
	norm            norm
	qkv, proj       int
}

// shared is what all residual blocks read beside the image: the embedding of time and
// label, and the states of dropout, nil for none.
type shared struct {
	emb, drop *Node
	twice     bool // as in [input]
}

// builder lays out the tensors of a UNet.
type builder struct {
	*layout
	net UNet
}

func newUNet(cfg Config, l *layout) *unet {
	u := cfg.UNet.Defaults()
	b := builder{l, u}
	hidden := u.hidden()
	n := &unet{cfg: cfg, net: u, emb: -1}
	n.time = [2]int{l.linear("time_embed.0", u.Channels, hidden), l.linear("time_embed.2", hidden, hidden)}
	if cfg.Classes > 0 {
		n.emb = l.add("label_emb.weight", spread(1), cfg.Classes, hidden) // as PyTorch's Embedding
	}
	width := u.Channels * u.Mult[0]
	n.in = b.conv("input_blocks.0.0", 3, cfg.channels(), width, false)
	skips, scale, at := []int{width}, 1, 1
	for i, mult := range u.Mult {
		for range u.Blocks {
			lv := b.level(fmt.Sprintf("input_blocks.%d", at), width, u.Channels*mult, scale)
			width, at = u.Channels*mult, at+1
			n.down, skips = append(n.down, lv), append(skips, width)
		}
		if i < len(u.Mult)-1 {
			n.down = append(n.down, level{resize: b.resize(fmt.Sprintf("input_blocks.%d.0", at), "op", width, pooled)})
			skips, scale, at = append(skips, width), scale*2, at+1
		}
	}
	n.mid.in = b.block("middle_block.0", width, width)
	n.mid.attend = b.attention("middle_block.1", width)
	n.mid.out = b.block("middle_block.2", width, width)
	at = 0
	for i := len(u.Mult) - 1; i >= 0; i-- {
		for k := range u.Blocks + 1 {
			name := fmt.Sprintf("output_blocks.%d", at)
			skip := skips[len(skips)-1]
			skips = skips[:len(skips)-1]
			lv := b.level(name, width+skip, u.Channels*u.Mult[i], scale)
			width = u.Channels * u.Mult[i]
			if i > 0 && k == u.Blocks {
				number := 1
				if lv.attend != nil {
					number = 2
				}
				lv.resize, scale = b.resize(fmt.Sprintf("%s.%d", name, number), "conv", width, twice), scale/2
			}
			n.up, at = append(n.up, lv), at+1
		}
	}
	n.out = b.norm("out.0", width)
	n.last = b.conv("out.2", 3, width, u.Image[2], true)
	return n
}

// conv adds a convolution, [out, in, side, side] and bias; zero: it begins at zero.
func (b builder) conv(name string, side, in, out int, zero bool) int {
	s := start{0, 1 / math.Sqrt(float64(in*side*side))}
	if zero {
		s = start{}
	}
	w := b.add(name+".weight", s, out, in, side, side)
	b.add(name+".bias", s, out)
	return w
}

func (b builder) norm(name string, channels int) norm {
	w := b.add(name+".weight", start{centre: 1}, channels)
	b.add(name+".bias", start{}, channels)
	return norm{w, cmp.Or(b.net.NormGroups, normGroups), b.net.GroupChannels, cmp.Or(b.net.NormEps, normEps)}
}

// level adds a residual block, and attention where the image has a size for it.
func (b builder) level(name string, in, out, scale int) level {
	res := b.block(name+".0", in, out)
	lv := level{res: &res}
	if slices.Contains(b.net.scales(), scale) {
		a := b.attention(name+".1", out)
		lv.attend = &a
	}
	return lv
}

// resize adds what changes the size of the image: a convolution, or a residual block
// with by in it.
func (b builder) resize(name, conv string, channels int, by func(x *Node) *Node) *resize {
	switch {
	case b.net.Resample == resampleMean:
		return &resize{conv: -1}
	case !b.net.ResblockUpdown:
		return &resize{conv: b.conv(name+"."+conv, 3, channels, channels, false), end: b.net.Resample == resampleEnd}
	}
	r := b.block(name, channels, channels)
	r.resized = by
	return &resize{block: &r}
}

func (b builder) block(name string, in, out int) resBlock {
	r := resBlock{in: in, out: out, adds: b.net.Embedding == addEmbedding, dropout: b.net.Dropout, shortcut: -1}
	r.norm1 = b.norm(name+".in_layers.0", in)
	r.conv1 = b.conv(name+".in_layers.2", 3, in, out, false)
	emb := 2 * out // scales and shifts
	if r.adds {
		emb = out
	}
	r.emb = b.linear(name+".emb_layers.1", b.net.hidden(), emb)
	r.norm2 = b.norm(name+".out_layers.0", out)
	r.conv2 = b.conv(name+".out_layers.3", 3, out, out, true)
	if in != out {
		r.shortcut = b.conv(name+".skip_connection", 1, in, out, false)
	}
	return r
}

func (b builder) attention(name string, channels int) attention {
	a := attention{channels: channels, heads: b.net.heads(channels), norm: b.norm(name+".norm", channels)}
	s := start{0, 1 / math.Sqrt(float64(channels))}
	a.qkv = b.add(name+".qkv.weight", s, 3*channels, channels, 1)
	b.add(name+".qkv.bias", s, 3*channels)
	a.proj = b.add(name+".proj_out.weight", start{}, channels, channels, 1)
	b.add(name+".proj_out.bias", start{}, channels)
	return a
}

// forward implements body: x [N, H·W·C], rows of pixels.
func (n *unet) forward(p []*Node, at input) *Node {
	size := at.x.Shape().Dimensions[0]
	c := shared{n.embed(p, at), at.drop, at.twice}
	h := convolution(at.images(n.net.Image), p, n.in, 1)
	skips := []*Node{h}
	for i, lv := range n.down {
		if lv.resize != nil {
			h = lv.resize.halve(p, h, c)
		} else {
			h = at.block(func(in ...*Node) *Node { return lv.apply(p, in[0], c) }, h)
		}
		skips = append(skips, h)
		if i == n.smallest() {
			h = at.stage(h)
		}
	}
	h = at.block(func(in ...*Node) *Node {
		return n.mid.out.apply(p, n.mid.attend.apply(p, n.mid.in.apply(p, in[0], c), c), c)
	}, h)
	for _, lv := range n.up {
		skip := skips[len(skips)-1]
		skips = skips[:len(skips)-1]
		h = at.block(func(in ...*Node) *Node { return lv.apply(p, Concatenate(in, -1), c) }, h, skip)
		if lv.resize != nil {
			next := skips[len(skips)-1].Shape().Dimensions // odd sizes come back to what they were
			h = lv.resize.double(p, h, c, next[1], next[2])
		}
	}
	h = convolution(silu(n.out.apply(p, h)), p, n.last, 1)
	return Reshape(h, size, n.cfg.Dim)
}

// smallest returns the place in down of what makes the images as small as they get; -1: nothing does.
func (n *unet) smallest() int {
	for i := len(n.down) - 1; i >= 0; i-- {
		if n.down[i].resize != nil {
			return i
		}
	}
	return -1
}

// stages implements staged: the first stage of the backward pass is all that follows where images are
// smallest, which is most of the weights. What is left, on large images, takes most of the time that is left.
func (n *unet) stages() (tensor int) {
	if at := n.smallest(); at >= 0 && at+1 < len(n.down) {
		return n.down[at+1].res.norm1.weight
	}
	return 0
}

// embed returns the embedding of time and label, [N, 4·Channels], after its SiLU.
func (n *unet) embed(p []*Node, at input) *Node {
	e := affine(n.net.Time.of(at.t, n.net.Channels), p, n.time[0])
	e = affine(silu(e), p, n.time[1])
	if n.emb >= 0 {
		// Label -1 is a row of zeros: no label.
		e = Add(e, wide(Dot(hot(at.label, n.cfg.Classes, p[n.emb].DType()), p[n.emb]).Product()))
	}
	return silu(e)
}

func (lv level) apply(p []*Node, h *Node, c shared) *Node {
	h = lv.res.apply(p, h, c)
	if lv.attend != nil {
		h = lv.attend.apply(p, h, c)
	}
	return h
}

func (r resize) halve(p []*Node, x *Node, c shared) *Node {
	switch {
	case r.block != nil:
		return r.block.apply(p, x, c)
	case r.conv < 0:
		return pooled(x)
	case r.end:
		return padded2(x, p, r.conv, 2, [][2]int{{0, 1}, {0, 1}})
	}
	return convolution(x, p, r.conv, 2)
}

func (r resize) double(p []*Node, x *Node, c shared, height, width int) *Node {
	if r.block != nil {
		return r.block.apply(p, x, c)
	}
	x = doubled(x, height, width)
	if r.conv < 0 {
		return x
	}
	return convolution(x, p, r.conv, 1)
}

// apply is x + conv(silu(scale·norm(conv(silu(norm(x)))) + shift)), or with an
// embedding that is added x + conv(silu(norm(conv(silu(norm(x))) + embedding))).
func (r resBlock) apply(p []*Node, x *Node, c shared) *Node {
	h := silu(r.norm1.apply(p, x))
	if r.resized != nil {
		h, x = r.resized(h), r.resized(x)
	}
	h = r.embedded(p, convolution(h, p, r.conv1, 1), c)
	h = silu(h)
	if c.drop != nil {
		h = dropped(h, c.drop, r.dropout, r.conv2)
	}
	h = convolution(h, p, r.conv2, 1)
	if r.shortcut >= 0 {
		x = convolution(x, p, r.shortcut, 1)
	}
	return Add(x, h)
}

// embedded is the second norm of h, with the embedding as the block has it.
func (r resBlock) embedded(p []*Node, h *Node, c shared) *Node {
	if r.emb < 0 {
		return r.norm2.apply(p, h)
	}
	e := InsertAxes(affine(c.emb, p, r.emb), 1, 1) // [N, 1, 1, out or 2·out]
	if r.adds {
		return r.norm2.apply(p, Add(h, e))
	}
	part := func(from int) *Node {
		return Slice(e, AxisRange(), AxisRange(), AxisRange(), AxisRange(from, from+r.out))
	}
	scale, shift := part(0), part(r.out)
	return Add(Mul(r.norm2.apply(p, h), AddScalar(scale, 1)), shift)
}

// apply is x + proj(softmax(q kᵀ/√d) v) over the pixels, with the channels of qkv in
// the order of guided-diffusion's QKVAttentionLegacy: head by head q, k, v.
func (a attention) apply(p []*Node, x *Node, c shared) *Node {
	d := x.Shape().Dimensions
	n, pixels, head := d[0], d[1]*d[2], a.channels/a.heads
	h := Reshape(a.norm.apply(p, x), n, pixels, a.channels)
	qkv := Add(linear(h, Reshape(p[a.qkv], 3*a.channels, a.channels)), InsertAxes(p[a.qkv+1], 0, 0))
	parts := Reshape(qkv, n, pixels, a.heads, 3, head)
	part := func(k int) *Node {
		return Reshape(Slice(parts, AxisRange(), AxisRange(), AxisRange(), AxisRange(k, k+1)), n, pixels, a.heads, head)
	}
	y := attended(p[a.qkv], part(0), part(1), part(2), c.twice)
	y = linear(Reshape(y, n, pixels, a.channels), Reshape(p[a.proj], a.channels, a.channels))
	y = Add(y, InsertAxes(p[a.proj+1], 0, 0))
	return Add(x, Reshape(y, d...))
}

// attended is softmax(q kᵀ/√d) v, of queries, keys and values [N, T, heads, d], with
// products in the type of the weights w. In float32 an engine that has it as one operation, with a gradient, never
// holds all scores; of that gradient there is no derivative, for those who differentiate twice.
func attended(w, q, k, v *Node, twice bool) *Node {
	if w.DType() == dtypes.Float32 && !twice && hasAttention(q.Graph().Backend()) {
		y, _ := BackendFusedScaledDotProductAttention(q, k, v, compute.AttentionAxesLayoutBSHD, nil)
		return y
	}
	d := q.Shape().Dimensions[3]
	scores := wide(Einsum("nphd,nqhd->nhpq", as(w, MulScalar(q, 1/math.Sqrt(float64(d)))), as(w, k)))
	return wide(Einsum("nhpq,nqhd->nphd", as(w, Softmax(scores, -1)), as(w, v)))
}

// hasAttention says whether attention of float32 is one operation of an engine.
func hasAttention(b compute.Backend) bool {
	return b.Name() == native.Name && b.Capabilities().Operations[compute.OpTypeFusedScaledDotProductAttentionVJP]
}

// normGroups and normEps are those of GroupNorm32.
const (
	normGroups = 32
	normEps    = 1e-5
)

// groups returns how many groups there are of a number of channels: the most, or half of that
// so often that they divide them and leave each as many as it must have at the least.
func (m norm) groups(channels int) int {
	groups := m.most
	for groups > 1 && (channels%groups != 0 || channels/groups < m.least) {
		groups /= 2
	}
	return groups
}

// apply normalises each group of channels of each image: with mean m and variance v
// of the group, (x − m)/√(v + ε)·weight + bias. Sums are taken by channel first, so
// that nothing as large as x is ever cut into groups.
func (m norm) apply(p []*Node, x *Node) *Node {
	d := x.Shape().Dimensions
	channels := d[3]
	groups := m.groups(channels)
	// byGroup turns a mean of each channel [N, C] into that of its group.
	byGroup := func(z *Node) *Node {
		g := ReduceAndKeep(Reshape(z, d[0], groups, channels/groups), ReduceMean, 2)
		return Reshape(BroadcastToDims(g, d[0], groups, channels/groups), d[0], channels)
	}
	spread := func(z *Node) *Node { return InsertAxes(z, 1, 1) }
	x = Sub(x, spread(byGroup(ReduceMean(x, 1, 2))))
	v := byGroup(ReduceMean(Square(x), 1, 2))
	scale := Div(InsertAxes(p[m.weight], 0), Sqrt(AddScalar(v, m.eps)))
	return Add(Mul(x, spread(scale)), InsertAxes(p[m.weight+1], 0, 0, 0))
}

// convolution of images [N, H, W, in] by tensor number w, [out, in, k, k], and bias;
// as PyTorch's with padding k/2.
func convolution(x *Node, p []*Node, w, stride int) *Node {
	k := p[w].Shape().Dimensions[2:]
	return padded2(x, p, w, stride, [][2]int{{k[0] / 2, k[0] / 2}, {k[1] / 2, k[1] / 2}})
}

// padded2 is convolution with so many zeros before and behind each column, and each row.
func padded2(x *Node, p []*Node, w, stride int, pad [][2]int) *Node {
	kernel := TransposeAllDims(p[w], 2, 3, 1, 0)
	y := Convolve(as(kernel, x), kernel).Strides(stride).PaddingPerDim(pad).Done()
	return Add(wide(y), InsertAxes(p[w+1], 0, 0, 0))
}

// doubled repeats pixels to twice the size, cut to h by w.
func doubled(x *Node, h, w int) *Node {
	d := x.Shape().Dimensions
	y := BroadcastToDims(InsertAxes(x, 2, 3), d[0], d[1], 2, d[2], 2, d[3])
	y = Reshape(y, d[0], 2*d[1], 2*d[2], d[3])
	return Slice(y, AxisRange(), AxisRange(0, h), AxisRange(0, w))
}

// twice repeats pixels to twice the size.
func twice(x *Node) *Node {
	d := x.Shape().Dimensions
	return doubled(x, 2*d[1], 2*d[2])
}

// pooled halves an image of even size, by the means of squares of four pixels.
func pooled(x *Node) *Node {
	d := x.Shape().Dimensions
	return ReduceMean(Reshape(x, d[0], d[1]/2, 2, d[2]/2, 2, d[3]), 2, 4)
}

func affine(h *Node, p []*Node, w int) *Node { return Add(linear(h, p[w]), InsertAxes(p[w+1], 0)) }

func silu(z *Node) *Node { return Mul(z, Sigmoid(z)) }
