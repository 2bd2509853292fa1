package nn

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// Autoencoder describes the variational autoencoder of images that latent diffusion works in (Rombach et
// al. 2022), with the names and shapes of diffusers' AutoencoderKL: an [Encoder] makes latents of an image,
// and a [Decoder] an image of latents. Package model/layout reads its files.
type Autoencoder struct {
	// Image is the shape of an image: height, width, channels. Each resolution but the last halves it.
	Image []int `json:"image"`
	// Latent is the number of channels of the latents.
	Latent int `json:"latent"`
	// Widths are the channels at each resolution, that of the image first.
	Widths []int `json:"widths"`
	// Blocks is the number of residual blocks at a resolution of the encoder; the decoder has one more.
	Blocks int `json:"blocks"`
	// Groups is the number of groups of a norm, which must divide the widths.
	Groups int `json:"groups"`
	// Attention says whether there is attention between the blocks in the middle.
	Attention bool `json:"attention"`
	// Quant and PostQuant say whether there is a convolution of single pixels behind the encoder, and
	// before the decoder.
	Quant     bool `json:"quant"`
	PostQuant bool `json:"post_quant"`
	// Scale and Shift make latents of what the encoder outputs: (z - Shift) Scale.
	Scale float64 `json:"scale"`
	Shift float64 `json:"shift"`
}

// mostLevels is how many resolutions an autoencoder has at most.
const mostLevels = 16

// Latents returns the shape of the latents of an image: height, width, channels.
func (a Autoencoder) Latents() []int {
	by := 1 << max(0, min(len(a.Widths), mostLevels)-1)
	return []int{a.Image[0] / by, a.Image[1] / by, a.Latent}
}

// Validate reports the first field that cannot be used, and what would be right.
func (a Autoencoder) Validate() error {
	if len(a.Widths) < 1 || len(a.Widths) > mostLevels {
		return fmt.Errorf("nn: an autoencoder of %d resolutions; there must be 1 to %d", len(a.Widths), mostLevels)
	}
	by := 1 << (len(a.Widths) - 1)
	if len(a.Image) != 3 {
		return fmt.Errorf("nn: the image of an autoencoder is %v; it must be height, width and channels", a.Image)
	}
	for _, n := range a.Image {
		if n < 1 || n > mostExtent {
			return fmt.Errorf("nn: the image of an autoencoder is %v; each size must be 1 to %d", a.Image, mostExtent)
		}
	}
	if a.Image[0]%by != 0 || a.Image[1]%by != 0 {
		return fmt.Errorf("nn: images of %d by %d; an autoencoder of %d resolutions needs multiples of %d", a.Image[0],
			a.Image[1], len(a.Widths), by)
	}
	if a.Latent < 1 || a.Latent > mostExtent || a.Blocks < 1 || a.Blocks > mostLayers {
		return fmt.Errorf("nn: an autoencoder of %d channels of latents and %d blocks; each must be at least 1",
			a.Latent, a.Blocks)
	}
	for _, w := range a.Widths {
		if a.Groups < 1 || w < 1 || w > mostExtent || w%a.Groups != 0 {
			return fmt.Errorf("nn: an autoencoder of widths %v with norms of %d groups; "+
				"each width must be a multiple of the groups", a.Widths, a.Groups)
		}
	}
	return checkScale(a.Scale, a.Shift)
}

// mostExtent is an extent of images and a width that no network has.
const mostExtent = 1 << 16

// checkScale reports a scale of latents that is none.
func checkScale(scale, shift float64) error {
	if !(scale > 0) || math.IsInf(scale, 0) || math.IsNaN(shift) || math.IsInf(shift, 0) {
		return fmt.Errorf("nn: latents of scale %g and shift %g; the scale must be above 0, and both finite", scale,
			shift)
	}
	return nil
}

// pixelAttention are the tensors of attention of one head.
type pixelAttention struct {
	norm          norm
	q, k, v, proj int
	width         int
}

// pixelMiddle is what the smallest images go through.
type pixelMiddle struct {
	in, out resBlock
	attend  *pixelAttention // nil: none
}

// pixelLevel are the blocks of a resolution, and the convolution that halves or doubles behind them; -1: none.
type pixelLevel struct {
	blocks []resBlock
	resize int
}

// coder are the tensors of an encoder or a decoder, in the order in which an image goes through them.
type coder struct {
	first, last int
	middle      pixelMiddle
	levels      []pixelLevel
	out         norm
	quant       int // -1: none
}

// autoencoderEps is what is added to the variance in the norms.
const autoencoderEps = 1e-6

// coderBuilder lays out the tensors of a coder.
type coderBuilder struct {
	builder
	a Autoencoder
}

func newCoderBuilder(a Autoencoder) coderBuilder {
	return coderBuilder{builder{&layout{}, UNet{NormGroups: a.Groups, GroupChannels: 1, NormEps: autoencoderEps}}, a}
}

// encoder lays out the encoder.
func (b coderBuilder) encoder() *coder {
	a, c := b.a, &coder{quant: -1}
	width := a.Widths[0]
	c.first = b.conv("encoder.conv_in", 3, a.Image[2], width, false)
	for i, w := range a.Widths {
		name := fmt.Sprintf("encoder.down_blocks.%d", i)
		lv := b.level(name, a.Blocks, width, w)
		width = w
		if i < len(a.Widths)-1 {
			lv.resize = b.conv(name+".downsamplers.0.conv", 3, w, w, false)
		}
		c.levels = append(c.levels, lv)
	}
	c.middle = b.middle("encoder.mid_block", width)
	c.out = b.norm("encoder.conv_norm_out", width)
	c.last = b.conv("encoder.conv_out", 3, width, 2*a.Latent, false)
	if a.Quant {
		c.quant = b.conv("quant_conv", 1, 2*a.Latent, 2*a.Latent, false)
	}
	return c
}

// decoder lays out the decoder.
func (b coderBuilder) decoder() *coder {
	a, c := b.a, &coder{quant: -1}
	if a.PostQuant {
		c.quant = b.conv("post_quant_conv", 1, a.Latent, a.Latent, false)
	}
	width := a.Widths[len(a.Widths)-1]
	c.first = b.conv("decoder.conv_in", 3, a.Latent, width, false)
	c.middle = b.middle("decoder.mid_block", width)
	for i := range a.Widths {
		w := a.Widths[len(a.Widths)-1-i]
		name := fmt.Sprintf("decoder.up_blocks.%d", i)
		lv := b.level(name, a.Blocks+1, width, w)
		width = w
		if i < len(a.Widths)-1 {
			lv.resize = b.conv(name+".upsamplers.0.conv", 3, w, w, false)
		}
		c.levels = append(c.levels, lv)
	}
	c.out = b.norm("decoder.conv_norm_out", width)
	c.last = b.conv("decoder.conv_out", 3, width, a.Image[2], false)
	return c
}

// level adds so many blocks, the first of which goes from one width to the other.
func (b coderBuilder) level(name string, blocks, from, to int) pixelLevel {
	lv := pixelLevel{resize: -1}
	for k := range blocks {
		lv.blocks = append(lv.blocks, b.pixelBlock(fmt.Sprintf("%s.resnets.%d", name, k), from, to))
		from = to
	}
	return lv
}

// apply takes x through the blocks, and leaves its size as it is.
func (lv pixelLevel) apply(p []*Node, x *Node) *Node {
	for _, r := range lv.blocks {
		x = r.apply(p, x, shared{})
	}
	return x
}

// pixelBlock adds a residual block that sees no time.
func (b coderBuilder) pixelBlock(name string, in, out int) resBlock {
	r := resBlock{in: in, out: out, emb: -1, shortcut: -1}
	r.norm1 = b.norm(name+".norm1", in)
	r.conv1 = b.conv(name+".conv1", 3, in, out, false)
	r.norm2 = b.norm(name+".norm2", out)
	r.conv2 = b.conv(name+".conv2", 3, out, out, false)
	if in != out {
		r.shortcut = b.conv(name+".conv_shortcut", 1, in, out, false)
	}
	return r
}

func (b coderBuilder) middle(name string, width int) pixelMiddle {
	m := pixelMiddle{in: b.pixelBlock(name+".resnets.0", width, width)}
	if b.a.Attention {
		at := name + ".attentions.0."
		m.attend = &pixelAttention{norm: b.norm(at+"group_norm", width), width: width,
			q: b.linear(at+"to_q", width, width), k: b.linear(at+"to_k", width, width),
			v: b.linear(at+"to_v", width, width), proj: b.linear(at+"to_out.0", width, width)}
	}
	m.out = b.pixelBlock(name+".resnets.1", width, width)
	return m
}

// apply is x + proj(softmax(q kᵀ/√d) v) over the pixels.
func (a *pixelAttention) apply(p []*Node, x *Node) *Node {
	if a == nil {
		return x
	}
	d := x.Shape().Dimensions
	h := Reshape(a.norm.apply(p, x), d[0], d[1]*d[2], a.width)
	head := func(w int) *Node { return Reshape(tokenwise(h, p, w), d[0], d[1]*d[2], 1, a.width) }
	y := attended(p[a.q], head(a.q), head(a.k), head(a.v), false)
	return Add(x, Reshape(tokenwise(Reshape(y, d[0], d[1]*d[2], a.width), p, a.proj), d...))
}

func (m pixelMiddle) apply(p []*Node, x *Node) *Node {
	return m.out.apply(p, m.attend.apply(p, m.in.apply(p, x, shared{})), shared{})
}

// encode makes of images [N, H, W, C] the mean and the logarithm of the variance of what latents are drawn
// from, [N, h, w, 2·Latent].
func (c *coder) encode(p []*Node, x *Node) *Node {
	h := convolution(x, p, c.first, 1)
	for _, lv := range c.levels {
		h = lv.apply(p, h)
		if lv.resize >= 0 {
			h = padded2(h, p, lv.resize, 2, [][2]int{{0, 1}, {0, 1}})
		}
	}
	h = convolution(silu(c.out.apply(p, c.middle.apply(p, h))), p, c.last, 1)
	if c.quant >= 0 {
		h = convolution(h, p, c.quant, 1)
	}
	return h
}

// decode makes images [N, H, W, C] of what an encoder outputs, [N, h, w, Latent].
func (c *coder) decode(p []*Node, z *Node) *Node {
	if c.quant >= 0 {
		z = convolution(z, p, c.quant, 1)
	}
	h := c.middle.apply(p, convolution(z, p, c.first, 1))
	for _, lv := range c.levels {
		h = lv.apply(p, h)
		if lv.resize >= 0 {
			h = convolution(twice(h), p, lv.resize, 1)
		}
	}
	return convolution(silu(c.out.apply(p, h)), p, c.last, 1)
}
