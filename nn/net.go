package nn

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
	"github.com/gomlx/gomlx/core/tensors"

	"flowmatch/internal/seed"
)

// Net is a network with its weights. It is read-only and safe for concurrent use.
type Net struct {
	eng   *Engine
	arch  *mlp
	theta *tensors.Tensor // the slab, float32 [P], on the device
	progs *programs       // shared by all nets of one architecture
}

// New returns a network with weights drawn from seed (PyTorch's Linear
// initialisation: U(-1/√in, 1/√in)).
func New(eng *Engine, cfg Config, seedValue uint64) (*Net, error) {
	arch, err := newMLP(cfg, eng.shards())
	if err != nil {
		return nil, err
	}
	progs, err := newPrograms(eng, arch)
	if err != nil {
		return nil, err
	}
	theta := arch.initial(seed.Rand(seedValue, "nn/init", 0))
	return &Net{eng: eng, arch: arch, theta: slab(theta), progs: progs}, nil
}

// Restore returns a network with the tensors given, by the names of Tensors.
// A tensor that is missing or has the wrong shape is an error.
func Restore(eng *Engine, cfg Config, read func(name string, shape []int) ([]float32, error)) (*Net, error) {
	arch, err := newMLP(cfg, eng.shards())
	if err != nil {
		return nil, err
	}
	theta := make([]float32, 0, arch.size)
	for _, t := range arch.tensors {
		data, err := read(t.Name, t.Shape)
		if err != nil {
			return nil, err
		}
		theta = append(theta, data...)
	}
	progs, err := newPrograms(eng, arch)
	if err != nil {
		return nil, err
	}
	return &Net{eng: eng, arch: arch, theta: slab(theta), progs: progs}, nil
}

// WithWeights returns a network like n with the weights of the slab given.
func (n *Net) WithWeights(theta []float32) (*Net, error) {
	if len(theta) != n.arch.size {
		return nil, fmt.Errorf("nn: %d weights given, the network has %d", len(theta), n.arch.size)
	}
	return &Net{eng: n.eng, arch: n.arch, theta: slab(theta), progs: n.progs}, nil
}

// Config returns the complete description of the network.
func (n *Net) Config() Config { return n.arch.cfg }

// Engine returns the engine that the network runs on.
func (n *Net) Engine() *Engine { return n.eng }

// NumWeights returns P, the length of the slab.
func (n *Net) NumWeights() int { return n.arch.size }

// Weights returns a copy of the slab.
func (n *Net) Weights() ([]float32, error) { return tensors.CopyFlatData[float32](n.theta) }

// Tensors returns the layout of the slab: PyTorch's names and shapes for an
// nn.Sequential called net, in the order of the slab.
func (n *Net) Tensors() []Tensor { return n.arch.tensors }

func slab(theta []float32) *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(theta, len(theta))
}

// programs are the compiled functions of an architecture; the weights are an
// input, so every Net of the architecture shares them.
type programs struct {
	velocity, vjp, div, grad *Exec
	augProbe, augExact       *Exec
	loss                     *Exec
}

// newPrograms declares the programs. Nothing is compiled before its first use.
func newPrograms(eng *Engine, m *mlp) (p *programs, err error) {
	defer rescue(&err, "building programs")
	p = &programs{}
	for _, prog := range []struct {
		dst  **Exec
		name string
		fn   func(in []*Node) []*Node
	}{
		{&p.velocity, "velocity", m.velocityGraph},
		{&p.vjp, "vjp", m.vjpGraph},
		{&p.div, "divergence", m.divergenceGraph},
		{&p.augProbe, "augmented VJP, probe", m.augProbeGraph},
		{&p.augExact, "augmented VJP, exact", m.augExactGraph},
		{&p.loss, "loss", m.lossGraph},
		{&p.grad, "loss gradient", m.lossGradGraph},
	} {
		if *prog.dst, err = eng.compile(prog.name, prog.fn); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// The inputs of every program begin with theta [P], x [N, D], t [N] and, for a
// conditional net, label [N]; head splits them from the rest.
func (m *mlp) head(in []*Node) (p []*Node, x, t, label *Node, rest []*Node) {
	p, x, t, rest = m.params(in[0]), in[1], in[2], in[3:]
	if m.cfg.Classes > 0 {
		label, rest = rest[0], rest[1:]
	}
	return p, x, t, label, rest
}

func (m *mlp) velocityGraph(in []*Node) []*Node {
	p, x, t, label, _ := m.head(in)
	return []*Node{m.forward(p, x, t, label)}
}

// vjpGraph: rest is e [N, D]; returns v and eᵀ ∂v/∂x.
func (m *mlp) vjpGraph(in []*Node) []*Node {
	p, x, t, label, rest := m.head(in)
	v := m.forward(p, x, t, label)
	return append([]*Node{v}, Gradient(ReduceAllSum(Mul(v, rest[0])), x)...)
}

// divergenceGraph: rest is e [K, D]; returns v [N, D] and Σ_k e_kᵀ J e_k [N].
// With the basis vectors for e that is the exact divergence.
func (m *mlp) divergenceGraph(in []*Node) []*Node {
	p, x, t, label, rest := m.head(in)
	v, je := m.tangents(p, x, t, label, rest[0])
	return []*Node{v, ReduceSum(Mul(je, InsertAxes(rest[0], 0)), 1, 2)}
}

// augProbeGraph: rest is a [N, D], l [N], e [N, D]; returns the gradients of
// Σ a·v + l eᵀJe with respect to x and θ.
func (m *mlp) augProbeGraph(in []*Node) []*Node {
	p, x, t, label, rest := m.head(in)
	a, l, e := rest[0], rest[1], rest[2]
	v := m.forward(p, x, t, label)
	ejv := Gradient(ReduceAllSum(Mul(v, e)), x)[0]
	div := ReduceSum(Mul(ejv, e), 1)
	return m.augGradients(p, x, Add(ReduceAllSum(Mul(a, v)), ReduceAllSum(Mul(l, div))))
}

// augExactGraph: rest is a [N, D], l [N], basis [K, D]; the divergence is
// carried forward as in divergenceGraph.
func (m *mlp) augExactGraph(in []*Node) []*Node {
	p, x, t, label, rest := m.head(in)
	a, l, e := rest[0], rest[1], rest[2]
	v, je := m.tangents(p, x, t, label, e)
	div := ReduceSum(Mul(je, InsertAxes(e, 0)), 1, 2)
	return m.augGradients(p, x, Add(ReduceAllSum(Mul(a, v)), ReduceAllSum(Mul(l, div))))
}

func (m *mlp) augGradients(p []*Node, x, sum *Node) []*Node {
	g := Gradient(sum, append([]*Node{x}, p...)...)
	return []*Node{g[0], join(g[1:])}
}

// join lays the gradients of the tensors out as one slab.
func join(gs []*Node) *Node {
	flat := make([]*Node, len(gs))
	for i, g := range gs {
		flat[i] = Reshape(g, g.Shape().Size())
	}
	return Concatenate(flat, 0)
}
