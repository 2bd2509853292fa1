package nn

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// mlp is the multilayer perceptron of [Config].
type mlp struct {
	cfg Config
	act activation
}

func newMLP(cfg Config, l *layout) (*mlp, error) {
	act, err := activationByName(cfg.Activation)
	if err != nil {
		return nil, err
	}
	in := cfg.inputs()
	// nn.Sequential numbers activations too, so linear layers are 0, 2, 4, ...
	for k, out := range cfg.Hidden {
		w := l.hidden(fmt.Sprintf("net.%d", 2*k), in, out)
		if k > 0 {
			l.inner = append(l.inner, w)
		}
		in = out
	}
	l.output(fmt.Sprintf("net.%d", 2*len(cfg.Hidden)), in, cfg.Dim)
	return &mlp{cfg: cfg, act: act}, nil
}

// forward implements body.
func (m *mlp) forward(p []*Node, at input) *Node {
	h, _ := m.run(p, at, nil)
	return h
}

// tangents implements forwardMode.
func (m *mlp) tangents(p []*Node, at input, along direction) (f, df *Node) {
	return m.run(p, at, &along)
}

func (m *mlp) run(p []*Node, at input, along *direction) (h, dh *Node) {
	h, dh = m.features(at, along)
	last := len(p)/2 - 1
	for l := range last {
		if dh == nil {
			h = at.block(func(in ...*Node) *Node {
				a, _ := m.act.apply(affine(in[0], p, 2*l))
				return a
			}, h)
			continue
		}
		a, da := m.act.apply(affine(h, p, 2*l))
		h, dh = a, Mul(linear(dh, p[2*l]), InsertAxes(da, 1))
	}
	if dh != nil {
		dh = linear(dh, p[2*last])
	}
	return affine(h, p, 2*last), dh
}

// linear is h Wᵀ over the last axis of h; W is [out, in].
func linear(h, w *Node) *Node {
	return wide(DotGeneral(as(w, h), []int{-1}, nil, w, []int{1}, nil))
}

// features returns h_0 and, when a direction is given, its tangents.
func (m *mlp) features(at input, along *direction) (h, dh *Node) {
	x, g, n := at.x, at.x.Graph(), at.x.Shape().Dimensions[0]
	parts, dparts := m.space(at, along)
	clocks, dclocks := m.times(at)
	parts = append(parts, clocks...)
	if m.cfg.Classes > 0 {
		parts = append(parts, hot(at.label, m.cfg.Classes, x.DType()))
	}
	if m.cfg.Context > 0 {
		parts = append(parts, at.context)
	}
	if m.cfg.Shown {
		parts = append(parts, at.shown, at.known)
	}
	h = Concatenate(parts, -1)
	if along == nil {
		return h, nil
	}
	k := dparts[0].Shape().Dimensions[1]
	rest := m.cfg.Classes + m.cfg.Context + m.cfg.showable() // which are constant
	if along.moving {
		for _, d := range dclocks {
			dparts = append(dparts, BroadcastToDims(InsertAxes(d, 1), n, k, d.Shape().Dimensions[1]))
		}
	} else {
		rest += m.cfg.clocks()
	}
	if rest > 0 {
		dparts = append(dparts, Zeros(g, shapes.Make(x.DType(), n, k, rest)))
	}
	return h, Concatenate(dparts, -1)
}

// space returns the features of x, and their tangents [N, K, ·] along a direction.
func (m *mlp) space(at input, along *direction) (parts, dparts []*Node) {
	x := at.x
	n, d := x.Shape().Dimensions[0], m.cfg.Dim
	parts = []*Node{x}
	if along != nil {
		e := along.e
		if e.Rank() == 2 {
			e = BroadcastToDims(InsertAxes(e, 0), n, e.Shape().Dimensions[0], d)
		}
		dparts = []*Node{e}
	}
	if w := m.cfg.Waves; w != nil {
		var e *Node
		if along != nil {
			e = dparts[0]
		}
		waves, dwaves := w.of(x, at.t, e)
		parts, dparts = append(parts, waves...), append(dparts, dwaves...)
	}
	k := m.cfg.SpaceFrequencies
	if k == 0 {
		return parts, dparts
	}
	// Every coordinate has its own harmonics: phase [N, n, D] = x [N, 1, D] · ω [n, 1].
	omega := Reshape(Const(x.Graph(), harmonics(k, 2*math.Pi*m.cfg.SpaceScale)), 1, k, 1)
	outer := func(z *Node) *Node {
		lead := z.Shape().Dimensions[:z.Rank()-1]
		wide := Mul(Reshape(z, z.Shape().Size()/d, 1, d), omega)
		return Reshape(wide, append(slices.Clone(lead), k*d)...)
	}
	phase := outer(x)
	s, c := Sin(phase), Cos(phase)
	parts = append(parts, s, c)
	if along != nil {
		dphase := outer(along.e)
		if dphase.Rank() == 2 {
			dphase = InsertAxes(dphase, 0)
		}
		dparts = append(dparts, Mul(InsertAxes(c, 1), dphase), Neg(Mul(InsertAxes(s, 1), dphase)))
	}
	return parts, dparts
}

// times returns the features of all times of an input, and their derivatives as t moves,
// each [N, ·].
func (m *mlp) times(at input) (clocks, dclocks []*Node) {
	clocks, dclocks = m.clock(at.t)
	if !m.cfg.Average {
		return clocks, dclocks
	}
	length := ZerosLike(at.t)
	if at.s != nil {
		length = Sub(at.s, at.t)
	}
	c, dc := m.clock(length)
	clocks = append(clocks, c...)
	for _, d := range dc {
		dclocks = append(dclocks, Neg(d)) // the end is constant
	}
	return clocks, dclocks
}

// clock returns the features of a time [N], and their derivatives, each [N, ·].
func (m *mlp) clock(t *Node) (tau, dtau []*Node) {
	t = InsertAxes(t, 1)
	tau, dtau = []*Node{t}, []*Node{OnesLike(t)}
	if f := m.cfg.TimeFrequencies; f > 0 {
		omega := InsertAxes(Const(t.Graph(), harmonics(f, math.Pi)), 0)
		phase := Mul(t, omega)
		s, c := Sin(phase), Cos(phase)
		tau, dtau = append(tau, s, c), append(dtau, Mul(c, omega), Neg(Mul(s, omega)))
	}
	if w := m.cfg.Waves; w != nil {
		tau = append(tau, w.clock(Squeeze(t, 1))) // not beside average velocities, which alone need dtau
	}
	return tau, dtau
}

// harmonics returns k·base for k = 1..n.
func harmonics(n int, base float64) []float32 {
	omega := make([]float32, n)
	for i := range omega {
		omega[i] = float32(base * float64(i+1))
	}
	return omega
}
