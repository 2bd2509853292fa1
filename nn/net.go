package nn

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/seed"
)

// Net is a network with its weights. It is read-only and safe for concurrent use.
type Net struct {
	eng   *Engine
	arch  *arch
	theta compute.Buffer // the slab, float32 [P], in the engine
	progs *programs      // shared by all nets of one architecture
}

// New returns a network with weights drawn from seed (PyTorch's Linear
// initialisation: U(-1/√in, 1/√in)).
func New(eng *Engine, cfg Config, seedValue uint64) (*Net, error) {
	arch, err := newArch(cfg, eng.shards())
	if err != nil {
		return nil, err
	}
	theta := arch.initial(seed.Rand(seedValue, "nn/init", 0))
	return (&Net{eng: eng, arch: arch, progs: newPrograms(eng, arch)}).WithWeights(theta)
}

// Restore returns a network with the tensors given, by the names of Tensors.
// A tensor that is missing or has the wrong shape is an error.
func Restore(eng *Engine, cfg Config, read func(name string, shape []int) ([]float32, error)) (*Net, error) {
	arch, err := newArch(cfg, eng.shards())
	if err != nil {
		return nil, err
	}
	theta, err := arch.restore(read)
	if err != nil {
		return nil, err
	}
	return (&Net{eng: eng, arch: arch, progs: newPrograms(eng, arch)}).WithWeights(theta)
}

// WithWeights returns a network like n with the weights of the slab given.
func (n *Net) WithWeights(theta []float32) (*Net, error) {
	if len(theta) != n.arch.size {
		return nil, fmt.Errorf("nn: %d weights given, the network has %d", len(theta), n.arch.size)
	}
	b, err := n.eng.upload(theta)
	if err != nil {
		return nil, err
	}
	return &Net{eng: n.eng, arch: n.arch, theta: b, progs: n.progs}, nil
}

// Config returns the complete description of the network.
func (n *Net) Config() Config { return n.arch.cfg }

// Engine returns the engine that the network runs on.
func (n *Net) Engine() *Engine { return n.eng }

// NumWeights returns P, the length of the slab.
func (n *Net) NumWeights() int { return n.arch.size }

// Weights returns a copy of the slab.
func (n *Net) Weights() ([]float32, error) { return download(n.theta) }

// Tensors returns the layout of the slab: PyTorch's names and shapes for an
// nn.Sequential called net, in the order of the slab.
func (n *Net) Tensors() []Tensor { return n.arch.tensors }

// programs are the compiled functions of an architecture; the weights are an
// input, so every Net of the architecture shares them.
type programs struct {
	velocity, average, vjp, div *program
	vjpTheta                    *program
	augProbe, augExact          *program
	regProbe, regExact          *program // the same, with the regularisers
	loss, grad                  *judged
}

// newPrograms declares the programs. Nothing is compiled before its first use.
func newPrograms(eng *Engine, m *arch) *programs {
	floats := func(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }
	d := m.cfg.Dim
	points := func(rest func(n, k int) []shapes.Shape) func(n, k int) []shapes.Shape {
		return func(n, k int) []shapes.Shape {
			in := []shapes.Shape{floats(m.size), floats(n, d), floats(n)}
			if m.cfg.Classes > 0 {
				in = append(in, shapes.Make(dtypes.Int32, n))
			}
			if m.cfg.Condition > 0 {
				in = append(in, floats(n, m.cfg.Condition))
			}
			return append(in, rest(n, k)...)
		}
	}
	examples := func(n, _ int) []shapes.Shape { return append([]shapes.Shape{floats(m.size)}, m.exampleShapes(n)...) }
	judge := func(name string, build func(in []*Node, l Loss) []*Node) *judged {
		return &judged{declare: func(l Loss) *program {
			return &program{eng: eng, name: name, inputs: examples, build: func(in []*Node) []*Node { return build(in, l) }}
		}}
	}
	return &programs{
		velocity: &program{eng: eng, name: "velocity", build: m.velocityGraph,
			inputs: points(func(_, _ int) []shapes.Shape { return nil })},
		average: &program{eng: eng, name: "average velocity", build: m.averageGraph,
			inputs: points(func(n, _ int) []shapes.Shape { return []shapes.Shape{floats(n)} })},
		vjp: &program{eng: eng, name: "vector-Jacobian product", build: m.vjpGraph,
			inputs: points(func(n, _ int) []shapes.Shape { return []shapes.Shape{floats(n, d)} })},
		vjpTheta: &program{eng: eng, name: "vector-Jacobian product, weights", build: m.vjpThetaGraph,
			inputs: points(func(n, _ int) []shapes.Shape { return []shapes.Shape{floats(n, d)} })},
		div: &program{eng: eng, name: "divergence", build: m.divergenceGraph,
			inputs: points(func(_, k int) []shapes.Shape { return []shapes.Shape{floats(k, d)} })},
		augProbe: &program{eng: eng, name: "augmented VJP, probe", build: m.augProbeGraph,
			inputs: points(func(n, _ int) []shapes.Shape { return []shapes.Shape{floats(n, d), floats(n), floats(n, d)} })},
		augExact: &program{eng: eng, name: "augmented VJP, exact", build: m.augExactGraph,
			inputs: points(func(n, k int) []shapes.Shape { return []shapes.Shape{floats(n, d), floats(n), floats(k, d)} })},
		regProbe: &program{eng: eng, name: "regularised VJP, probe", build: m.augProbeGraph,
			inputs: points(func(n, _ int) []shapes.Shape {
				return []shapes.Shape{floats(n, d), floats(n), floats(n, d), floats(n), floats(n)}
			})},
		regExact: &program{eng: eng, name: "regularised VJP, exact", build: m.augExactGraph,
			inputs: points(func(n, k int) []shapes.Shape {
				return []shapes.Shape{floats(n, d), floats(n), floats(k, d), floats(n), floats(n)}
			})},
		loss: judge("loss", m.lossGraph),
		grad: judge("loss gradient", m.lossGradGraph),
	}
}

// The inputs of every program begin with theta [P], x [N, D], t [N] and, for a
// conditional net, label [N] and the condition [N, Dc]; head splits them from the rest.
func (m *arch) head(in []*Node) (p []*Node, at place, rest []*Node) {
	p, at, rest = m.params(in[0]), place{x: in[1], t: in[2]}, in[3:]
	if m.cfg.Classes > 0 {
		at.label, rest = rest[0], rest[1:]
	}
	if m.cfg.Condition > 0 {
		at.cond, rest = rest[0], rest[1:]
	}
	return p, at, rest
}

func (m *arch) velocityGraph(in []*Node) []*Node {
	p, at, _ := m.head(in)
	return []*Node{m.forward(p, at)}
}

// averageGraph: rest is s [N].
func (m *arch) averageGraph(in []*Node) []*Node {
	p, at, rest := m.head(in)
	at.s = rest[0]
	return []*Node{m.forward(p, at)}
}

// vjpGraph: rest is e [N, D]; returns v and eᵀ ∂v/∂x.
func (m *arch) vjpGraph(in []*Node) []*Node {
	p, at, rest := m.head(in)
	v := m.forward(p, at)
	return append([]*Node{v}, Gradient(ReduceAllSum(Mul(v, rest[0])), at.x)...)
}

// vjpThetaGraph: rest is a [N, D]; returns v and the gradients of Σ a·v with respect
// to x and θ.
func (m *arch) vjpThetaGraph(in []*Node) []*Node {
	p, at, rest := m.head(in)
	v := m.forward(p, at)
	return append([]*Node{v}, gradients(p, at.x, ReduceAllSum(Mul(rest[0], v)))...)
}

// divergenceGraph: rest is e [K, D]; returns v [N, D] and Σ_k e_kᵀ J e_k [N].
// With the basis vectors for e that is the exact divergence.
func (m *arch) divergenceGraph(in []*Node) []*Node {
	p, at, rest := m.head(in)
	v, je := m.tangents(p, at, direction{e: rest[0]})
	return []*Node{v, ReduceSum(Mul(je, InsertAxes(rest[0], 0)), 1, 2)}
}

// augProbeGraph: rest is a [N, D], l [N], e [N, D] and, of a regularised program,
// k [N] and j [N]; returns the gradients of Σ a·v + l eᵀJe + k|v|² + j|eᵀJ|² with
// respect to x and θ.
func (m *arch) augProbeGraph(in []*Node) []*Node {
	p, at, rest := m.head(in)
	e := rest[2]
	v := m.forward(p, at)
	ej := Gradient(ReduceAllSum(Mul(v, e)), at.x)[0]
	div := ReduceSum(Mul(ej, e), 1)
	return m.augGradients(p, at.x, rest, v, div, func() *Node { return ReduceSum(Square(ej), 1) })
}

// augExactGraph: rest is a [N, D], l [N], basis [K, D] and, of a regularised
// program, k [N] and j [N]; the divergence is carried forward as in
// divergenceGraph, and |J|² is the sum over the columns J·e_k.
func (m *arch) augExactGraph(in []*Node) []*Node {
	p, at, rest := m.head(in)
	e := rest[2]
	v, je := m.tangents(p, at, direction{e: e})
	div := ReduceSum(Mul(je, InsertAxes(e, 0)), 1, 2)
	return m.augGradients(p, at.x, rest, v, div, func() *Node { return ReduceSum(Square(je), 1, 2) })
}

func (m *arch) augGradients(p []*Node, x *Node, rest []*Node, v, div *Node, jacobian func() *Node) []*Node {
	sum := Add(ReduceAllSum(Mul(rest[0], v)), ReduceAllSum(Mul(rest[1], div)))
	if len(rest) > 3 {
		k, j := rest[3], rest[4]
		sum = Add(sum, ReduceAllSum(Mul(k, ReduceSum(Square(v), 1))))
		sum = Add(sum, ReduceAllSum(Mul(j, jacobian())))
	}
	return gradients(p, x, sum)
}

// gradients returns the gradients of a sum with respect to x and, as a slab, θ.
func gradients(p []*Node, x, sum *Node) []*Node {
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
