package nn

import (
	"fmt"
	"math"
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// Tensor is one named array of a network: its place in the slab.
type Tensor struct {
	Name   string
	Shape  []int
	Offset int
}

// Size returns the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// arch is an architecture: the layout of the slab, and the graph over it.
type arch struct {
	cfg Config
	layout
	body
	shards int // parts that the loss of a batch is cut into; see Engine.shards
}

// body is the graph of a network over its tensors p, in the order of the layout.
type body interface {
	// forward returns f(x, t | label, condition), shape [N, D].
	forward(p []*Node, at place) *Node
}

// pusher is the optional upgrade of a body that can carry tangents forward.
type pusher interface {
	// tangents returns f and its directional derivatives, shape [N, K, D], carried
	// forward through the layers: J·e_k, and ∂_t f more where the time moves.
	tangents(p []*Node, at place, along direction) (f, df *Node)
}

func newArch(cfg Config, shards int) (m *arch, err error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m = &arch{cfg: cfg, shards: shards}
	if image, key := cfg.image(); key != "" && len(image) == 0 {
		return nil, fmt.Errorf("nn: %s.image is missing: height, width and channels", key)
	}
	switch {
	case cfg.UNet != nil:
		m.body = newUNet(cfg, &m.layout)
	case cfg.DiT != nil:
		m.body = newDiT(cfg, &m.layout)
	default:
		m.body, err = newMLP(cfg, &m.layout)
	}
	return m, err
}

// tangents is that of the body, which must be a pusher.
func (m *arch) tangents(p []*Node, at place, along direction) (f, df *Node) {
	return m.body.(pusher).tangents(p, at, along)
}

// pushes says whether the body can carry tangents forward.
func (m *arch) pushes() bool {
	_, ok := m.body.(pusher)
	return ok
}

// layout is the order of the tensors in the slab, and how each begins.
type layout struct {
	tensors []Tensor
	starts  []start
	size    int // length of the slab
}

// start is how a tensor begins: uniform in ±bound about centre.
type start struct{ centre, bound float64 }

// spread is the start about 0 with that standard deviation.
func spread(deviation float64) start { return start{0, math.Sqrt(3) * deviation} }

func (l *layout) add(name string, s start, shape ...int) int {
	t := Tensor{Name: name, Shape: shape, Offset: l.size}
	l.tensors = append(l.tensors, t)
	l.starts = append(l.starts, s)
	l.size += t.Size()
	return len(l.tensors) - 1
}

// linear adds weight and bias of a linear map, which begin as PyTorch's Linear
// does, in U(-1/√in, 1/√in). It returns the number of the weight.
func (l *layout) linear(name string, in, out int) int {
	s := start{0, 1 / math.Sqrt(float64(in))}
	w := l.add(name+".weight", s, out, in)
	l.add(name+".bias", s, out)
	return w
}

// affine adds a weight of that shape, outputs first, and a bias of zeros. It returns
// the number of the weight.
func (l *layout) affine(name string, s start, shape ...int) int {
	w := l.add(name+".weight", s, shape...)
	l.add(name+".bias", start{}, shape[0])
	return w
}

// initial draws the slab.
func (l *layout) initial(rng *rand.Rand) []float32 {
	theta := make([]float32, l.size)
	for i, t := range l.tensors {
		s := l.starts[i]
		for k := range t.Size() {
			theta[t.Offset+k] = float32(s.centre + (2*rng.Float64()-1)*s.bound)
		}
	}
	return theta
}

// restore reads the slab, tensor by tensor.
func (l *layout) restore(read func(name string, shape []int) ([]float32, error)) ([]float32, error) {
	theta := make([]float32, 0, l.size)
	for _, t := range l.tensors {
		data, err := read(t.Name, t.Shape)
		if err != nil {
			return nil, err
		}
		theta = append(theta, data...)
	}
	return theta, nil
}

// params cuts the slab into the tensors of the layout.
func (l *layout) params(theta *Node) []*Node {
	out := make([]*Node, len(l.tensors))
	for i, t := range l.tensors {
		out[i] = Reshape(Slice(theta, AxisRange(t.Offset, t.Offset+t.Size())), t.Shape...)
	}
	return out
}

// place is where a network is evaluated: points x [N, D] at times t [N]. s [N] is
// the end of the interval of a Config.Interval network, nil the interval of no
// length, s = t; label is [N], or nil for an unconditional network; cond [N, Dc] is
// the condition, nil for a network without one; drop is nil, or what dropout begins
// with, [2, N]: see dropped.
type place struct {
	x, t, s, label, cond, drop *Node
	recompute                  bool // see Economy
}

// images returns the input of a network of images [H, W, C]: x [N, H, W, C] and behind
// its channels those of the condition, as x_t and the upsampled image are joined for
// super-resolution (SR3, Saharia et al. 2021; arXiv 2210.02747, section 6.3).
func (at place) images(im []int) *Node {
	size := at.x.Shape().Dimensions[0]
	x := Reshape(at.x, size, im[0], im[1], im[2])
	if at.cond == nil {
		return x
	}
	channels := at.cond.Shape().Dimensions[1] / (im[0] * im[1])
	return Concatenate([]*Node{x, Reshape(at.cond, size, im[0], im[1], channels)}, -1)
}

// direction is K ways to go from a place: in x along e, [K, D] for all points alike
// or [N, K, D], while t stands still or (moving) goes at unit speed towards s, which
// always stands still.
type direction struct {
	e      *Node
	moving bool
}
