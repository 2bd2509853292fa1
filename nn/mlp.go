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

// mlp is the architecture: the layout of the slab and the graph over it.
type mlp struct {
	cfg     Config
	act     activation
	tensors []Tensor // weight and bias of each layer, in turn
	size    int      // length of the slab
	shards  int      // parts that the loss of a batch is cut into; see Engine.shards
}

func newMLP(cfg Config, shards int) (*mlp, error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	act, err := activationByName(cfg.Activation)
	if err != nil {
		return nil, err
	}
	m := &mlp{cfg: cfg, act: act, shards: shards}
	in := cfg.inputs()
	// nn.Sequential numbers activations too, so linear layers are 0, 2, 4, ...
	for l, out := range append(append([]int(nil), cfg.Hidden...), cfg.Dim) {
		m.add(fmt.Sprintf("net.%d.weight", 2*l), out, in)
		m.add(fmt.Sprintf("net.%d.bias", 2*l), out)
		in = out
	}
	return m, nil
}

func (m *mlp) add(name string, shape ...int) {
	t := Tensor{Name: name, Shape: shape, Offset: m.size}
	m.tensors = append(m.tensors, t)
	m.size += t.Size()
}

// initial draws weights and biases from U(-1/√in, 1/√in), as PyTorch's Linear does.
func (m *mlp) initial(rng *rand.Rand) []float32 {
	theta := make([]float32, m.size)
	for i, t := range m.tensors {
		fanIn := m.tensors[i&^1].Shape[1] // a bias shares its weight's fan-in
		bound := 1 / math.Sqrt(float64(fanIn))
		for k := range t.Size() {
			theta[t.Offset+k] = float32((2*rng.Float64() - 1) * bound)
		}
	}
	return theta
}

// params cuts the slab into the tensors of the layout.
func (m *mlp) params(theta *Node) []*Node {
	out := make([]*Node, len(m.tensors))
	for i, t := range m.tensors {
		out[i] = Reshape(Slice(theta, AxisRange(t.Offset, t.Offset+t.Size())), t.Shape...)
	}
	return out
}

// forward returns f(x, t, label), shape [N, D]; x is [N, D], t is [N], label
// is [N] or nil for an unconditional net.
func (m *mlp) forward(p []*Node, x, t, label *Node) *Node {
	h, _ := m.run(p, x, t, label, nil)
	return h
}

// tangents returns f and its directional derivatives J·e_k, shape [N, K, D],
// along the K directions e [K, D], carried forward through the layers.
func (m *mlp) tangents(p []*Node, x, t, label, e *Node) (f, je *Node) {
	return m.run(p, x, t, label, e)
}

func (m *mlp) run(p []*Node, x, t, label, e *Node) (h, dh *Node) {
	h, dh = m.features(x, t, label, e)
	last := len(p)/2 - 1
	for l := 0; l <= last; l++ {
		w, b := p[2*l], p[2*l+1]
		z := Add(linear(h, w), InsertAxes(b, 0))
		if dh != nil {
			dh = linear(dh, w)
		}
		if l == last {
			return z, dh
		}
		a, da := m.act.apply(z)
		h = a
		if dh != nil {
			dh = Mul(dh, InsertAxes(da, 1))
		}
	}
	return h, dh
}

// linear is h Wᵀ over the last axis of h; W is [out, in].
func linear(h, w *Node) *Node {
	return DotGeneral(h, []int{-1}, nil, w, []int{1}, nil)
}

// features returns h_0 and, when e is given, its tangents.
func (m *mlp) features(x, t, label, e *Node) (h, dh *Node) {
	g, n, k := x.Graph(), x.Shape().Dimensions[0], 0
	parts := []*Node{x}
	var tangents []*Node
	if e != nil {
		k = e.Shape().Dimensions[0]
		tangents = append(tangents, BroadcastToDims(InsertAxes(e, 0), n, k, m.cfg.Dim))
	}
	if k := m.cfg.SpaceFrequencies; k > 0 {
		// Every coordinate has its own harmonics: phase [N, n, D] = x [N, 1, D] · ω [n, 1].
		omega := Const(g, harmonics(k, 2*math.Pi*m.cfg.SpaceScale))
		wide := func(z *Node) *Node { return Reshape(z, z.Shape().Dimensions[0], k*m.cfg.Dim) }
		outer := func(z *Node) *Node { return wide(Mul(InsertAxes(z, 1), Reshape(omega, 1, k, 1))) }
		phase := outer(x)
		s, c := Sin(phase), Cos(phase)
		parts = append(parts, s, c)
		if e != nil {
			dphase := InsertAxes(outer(e), 0)
			tangents = append(tangents, Mul(InsertAxes(c, 1), dphase), Neg(Mul(InsertAxes(s, 1), dphase)))
		}
	}
	tcol := InsertAxes(t, 1)
	parts = append(parts, tcol)
	if f := m.cfg.TimeFrequencies; f > 0 {
		phase := Mul(tcol, InsertAxes(Const(g, harmonics(f, math.Pi)), 0))
		parts = append(parts, Sin(phase), Cos(phase))
	}
	if m.cfg.Classes > 0 {
		parts = append(parts, OneHot(label, m.cfg.Classes, x.DType()))
	}
	if e != nil {
		rest := 1 + 2*m.cfg.TimeFrequencies + m.cfg.Classes // neither t nor the label moves
		tangents = append(tangents, Zeros(g, shapeOf(x.DType(), n, k, rest)))
		dh = Concatenate(tangents, -1)
	}
	return Concatenate(parts, -1), dh
}

// harmonics returns k·base for k = 1..n.
func harmonics(n int, base float64) []float32 {
	omega := make([]float32, n)
	for i := range omega {
		omega[i] = float32(base * float64(i+1))
	}
	return omega
}
