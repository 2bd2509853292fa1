package nn

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// arch is an architecture: the layout of the slab, and the graph that uses it.
type arch struct {
	cfg Config
	layout
	body   body
	levels *levels // nil: no coordinates are of levels
	shards int     // parts that the loss of a batch is cut into; see Engine.shards
	// embeddedInput says that the contexts that come in are embedded already.
	embeddedInput bool
}

// embedding is the optional upgrade of a body whose contexts are embedded before they are
// used: once for all evaluations of a solve.
type embedding interface {
	// embedded returns how many numbers an embedding has; 0: there is none.
	embedded() int
	// embedContext returns the embeddings of contexts [N, Dc].
	embedContext(p []*Node, context *Node) *Node
}

// embedded returns how many numbers an embedding of a context has; 0: it is not embedded.
func (m *arch) embedded() int {
	if e, ok := m.body.(embedding); ok {
		return e.embedded()
	}
	return 0
}

// onEmbeddings returns m for contexts that are embedded.
func (m *arch) onEmbeddings() *arch {
	on := *m
	on.embeddedInput = true
	return &on
}

// body is the graph of a network over its tensors p, in the order of the layout.
type body interface {
	// forward returns f(x, t | label, context), shape [N, D].
	forward(p []*Node, at input) *Node
}

// forwardMode is the optional upgrade of a body that can carry tangents forward.
type forwardMode interface {
	// tangents returns f and its directional derivatives, shape [N, K, D], carried
	// forward through the layers: J·e_k, plus ∂_t f where the time moves.
	tangents(p []*Node, at input, along direction) (f, df *Node)
}

func newArch(cfg Config, shards int) (m *arch, err error) { return newArchHeld(cfg, shards, false) }

// newArchHeld is newArch of a network whose weights may lie in bfloat16.
func newArchHeld(cfg Config, shards int, halves bool) (m *arch, err error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m = &arch{cfg: cfg, shards: shards, levels: newLevels(cfg.Levels, cfg.Dim)}
	m.halves = halves
	if image, key := cfg.image(); key != "" && len(image) == 0 {
		return nil, fmt.Errorf("nn: %s.image is missing: height, width and channels", key)
	}
	switch {
	case cfg.UNet != nil:
		m.body = newUNet(cfg, &m.layout)
	case cfg.DiT != nil:
		m.body = newDiT(cfg, &m.layout)
	case cfg.Residual != nil:
		m.body, err = newResidual(cfg, &m.layout)
	default:
		m.body, err = newMLP(cfg, &m.layout)
	}
	if err == nil {
		err = m.layout.check(cfg.Sizes())
	}
	return m, err
}

// Tensors returns the names and shapes of the tensors of a network of c, which is complete,
// and their places in its slab, as [Module.Tensors] does of one that was made.
func (c Config) Tensors() ([]Tensor, error) {
	m, err := newArch(c, 1)
	if err != nil {
		return nil, err
	}
	return m.tensors, nil
}

// Sizes names the settings that a network's size follows from: "net.hidden [64 64]".
func (c Config) Sizes() string {
	switch {
	case c.UNet != nil:
		return fmt.Sprintf("net.unet of %d channels, mult %v", c.UNet.Channels, c.UNet.Mult)
	case c.DiT != nil:
		return fmt.Sprintf("net.dit of width %d and depth %d", c.DiT.Width, c.DiT.Depth)
	case c.Residual != nil:
		return fmt.Sprintf("net.residual of width %d and %d blocks, a context of %d numbers", c.Residual.Width,
			c.Residual.Blocks, c.Context)
	}
	first := c.Hidden[:min(4, len(c.Hidden))]
	text := fmt.Sprintf("net.hidden %v", first)
	if len(c.Hidden) > len(first) {
		text = fmt.Sprintf("net.hidden of %d layers", len(c.Hidden))
	}
	if inputs := c.inputs(); len(first) > 0 && inputs > slices.Max(c.Hidden) {
		text += fmt.Sprintf(" of %d inputs", inputs)
	}
	return text
}

// StepBytes returns the least memory that a training step on a batch of so many examples
// takes: the examples, those of the next batch, and what the backward pass needs of them.
func (c Config) StepBytes(batch int, o StepOptions) float64 {
	c = c.Defaults()
	host := 2 * 2 * 8 * float64(c.Dim) // x_0 and x_1, in float64
	kept := float64(c.inputs())
	switch image, _ := c.image(); {
	case o.Recompute || c.OfImages() && len(image) != 3:
		kept = 0
	case c.UNet != nil:
		kept = float64(image[0]) * float64(image[1]) * float64(c.UNet.Channels) * float64(2*c.UNet.Blocks)
	case c.DiT != nil:
		rows, columns := c.DiT.grid()
		kept = float64(rows) * float64(columns) * float64(c.DiT.Width) * float64(c.DiT.Depth)
	case c.Residual != nil:
		kept += 5 * float64(c.Residual.Width) * float64(c.Residual.Blocks)
	default:
		for _, h := range c.Hidden {
			kept += float64(h)
		}
	}
	return float64(batch) * (host + 4*kept/float64(max(1, o.Accumulate)))
}

// forward is that of the body, which sees the coordinates that are shown and does not move them: see
// [Config].Shown.
func (m *arch) forward(p []*Node, at input) *Node {
	f, _ := m.judge(p, at)
	return f
}

// judge is forward with the chances of the levels.
func (m *arch) judge(p []*Node, at input) (*Node, chances) {
	at = at.seen()
	f, of := m.levels.apply(dual{v: m.body.forward(p, at)}, dual{v: at.x}, at.t)
	return at.hidden(f.v), of
}

// tangents is that of the body, which must be in forward mode.
func (m *arch) tangents(p []*Node, at input, along direction) (f, df *Node) {
	e := along.e
	if e.Rank() == 2 {
		e = InsertAxes(e, 0)
	}
	if m.cfg.Shown {
		e = at.hidden(e)
		along.e = e
	}
	at = at.seen()
	f, df = m.body.(forwardMode).tangents(p, at, along)
	out, _ := m.levels.apply(dual{f, df}, dual{at.x, e}, at.t)
	return at.hidden(out.v), at.hidden(out.d)
}

// hasTangents says whether the body can carry tangents forward.
func (m *arch) hasTangents() bool {
	_, ok := m.body.(forwardMode)
	return ok
}

// input is what a network is evaluated on, in a graph: points x [N, D] at times t [N],
// with the labels and contexts given. s [N] is the end of the time span of a network of
// average velocities; nil: s = t, the velocity itself. drop is nil, or the states that
// dropout begins with, [2, N]: see dropped.
type input struct {
	x, t, s *Node
	given
	embedded  bool // the contexts are
	drop      *Node
	recompute bool // see StepOptions
	cut       bool // the backward pass is in two: see stage
	twice     bool // the gradient is differentiated again
}

// seen returns the input with zeros in the places of the coordinates that are shown.
func (at input) seen() input {
	at.x = at.hidden(at.x)
	return at
}

// images returns the input of a network of images [H, W, C]: x [N, H, W, C] and behind
// its channels those of the context, as x_t and the upsampled image are joined for
// super-resolution (SR3, Saharia et al. 2021; arXiv 2210.02747, section 6.3).
func (at input) images(im []int) *Node {
	size := at.x.Shape().Dimensions[0]
	x := Reshape(at.x, size, im[0], im[1], im[2])
	if at.context == nil {
		return x
	}
	channels := at.context.Shape().Dimensions[1] / (im[0] * im[1])
	return Concatenate([]*Node{x, Reshape(at.context, size, im[0], im[1], channels)}, -1)
}

// direction is K directions in which an input moves: x along e, [K, D] for all points
// alike or [N, K, D], while t is constant or (moving) moves at unit speed. s is
// constant always.
type direction struct {
	e      *Node
	moving bool
}
