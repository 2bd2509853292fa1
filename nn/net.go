package nn

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/seed"
)

// Net is a velocity network f_θ(x, t | given) with its weights. It is read-only and safe
// for concurrent use.
type Net struct {
	Module
	arch  *arch
	progs *programs // shared by all nets of one architecture
	// draw writes the weights that New drew; nil of another.
	draw func(theta []float32) error
}

// New returns a network with weights drawn from seed (PyTorch's Linear
// initialisation: U(-1/√in, 1/√in)).
func New(eng *Engine, cfg Config, seedValue uint64) (*Net, error) {
	if err := eng.check(); err != nil {
		return nil, err
	}
	if eng.halves {
		return nil, errHalves
	}
	m, err := newArch(cfg, eng.shards())
	if err != nil {
		return nil, err
	}
	draw := func(theta []float32) error { return m.initial(seed.Rand(seedValue, "nn/init", 0))(theta) }
	n, err := makeNet(eng, m, draw)
	if err != nil {
		return nil, err
	}
	n.draw = draw
	return n, nil
}

// Restore returns a network with the tensors given, by the names of Tensors.
// A tensor that is missing or has the wrong shape is an error.
func Restore(eng *Engine, cfg Config, read func(name string, shape []int) ([]float32, error)) (*Net, error) {
	if err := eng.check(); err != nil {
		return nil, err
	}
	m, err := newArchHeld(cfg, eng.shards(), eng.halves)
	if err != nil {
		return nil, err
	}
	if eng.halves {
		module, err := readHalves(eng, &m.layout, read)
		if err != nil {
			return nil, err
		}
		return &Net{Module: module, arch: m, progs: newPrograms(eng, m)}, nil
	}
	return makeNet(eng, m, m.restore(read))
}

func makeNet(eng *Engine, m *arch, fill func(theta []float32) error) (*Net, error) {
	module, err := fillModule(eng, &m.layout, fill)
	if err != nil {
		return nil, err
	}
	return &Net{Module: module, arch: m, progs: newPrograms(eng, m)}, nil
}

// WithWeights returns a network like n with the weights of the slab given, of length P.
func (n *Net) WithWeights(theta []float32) (*Net, error) {
	if err := n.made(); err != nil {
		return nil, err
	}
	if n.layout.halves {
		return nil, errHalves
	}
	module, err := newModule(n.eng, n.layout, theta)
	if err != nil {
		return nil, err
	}
	return &Net{Module: module, arch: n.arch, progs: n.progs}, nil
}

// on returns a network like n on a slab in the engine.
func (n *Net) on(theta compute.Buffer) *Net {
	return &Net{Module: Module{eng: n.eng, layout: n.layout, theta: theta}, arch: n.arch, progs: n.progs}
}

// made reports a network that no function of this package made.
func (n *Net) made() error {
	if n == nil || n.arch == nil {
		return errUnmade
	}
	return nil
}

// Config returns the complete description of the network; the zero Config of an empty one.
func (n *Net) Config() Config {
	if n.made() != nil {
		return Config{}
	}
	return n.arch.cfg
}

// programs are the compiled functions of an architecture; the weights are an
// input, so every Net of the architecture shares them.
type programs struct {
	velocity, average, vjp, div *program
	embed                       *program // of contexts; nil where they are not embedded
	solve                       solvePrograms
	vjpTheta                    *program
	augProbe, augExact          *program
	regProbe, regExact          *program // the same, with the regularisers
	loss, grad                  *byLoss
}

// solvePrograms are the functions that a solve calls in every step. Where contexts are
// embedded, these take the embeddings.
type solvePrograms struct{ velocity, vjp, div *program }

// declareSolve declares the programs of a solve and of the embeddings that they take.
func (ps *programs) declareSolve(eng *Engine, m *arch) {
	ps.solve = solvePrograms{ps.velocity, ps.vjp, ps.div}
	width := m.embedded()
	if width == 0 {
		return
	}
	on, cfg := m.onEmbeddings(), m.cfg
	cfg.Context = width
	again := func(p *program, build func(in []*Node) []*Node) *program {
		given, all := len(m.cfg.givenShapes(1)), p.inputs
		return &program{eng: eng, name: p.name + " of embedded contexts", build: build, embedded: true,
			inputs: func(n, k int) []shapes.Shape {
				in := all(n, k)
				return slices.Concat(in[:headInputs], cfg.givenShapes(n), in[headInputs+given:])
			}}
	}
	ps.solve = solvePrograms{
		velocity: again(ps.velocity, on.velocityGraph), vjp: again(ps.vjp, on.vjpGraph),
		div: again(ps.div, on.divergenceGraph),
	}
	ps.embed = &program{eng: eng, name: "embedding", build: m.embedGraph, inputs: func(n, _ int) []shapes.Shape {
		return []shapes.Shape{m.slab(), floats(n, m.cfg.Context)}
	}}
}

// embedGraph: theta [P] and contexts [N, Dc]; returns their embeddings.
func (m *arch) embedGraph(in []*Node) []*Node {
	return []*Node{m.body.(embedding).embedContext(m.params(in[0]), in[1])}
}

// newPrograms declares the programs. Nothing is compiled before its first use.
func newPrograms(eng *Engine, m *arch) *programs {
	d := m.cfg.Dim
	// points declares a program over n points and k tangents; rest gives the shapes of
	// the inputs behind those that all have, in float32.
	points := func(name string, build func(in []*Node) []*Node, rest func(n, k int) [][]int) *program {
		return &program{eng: eng, name: name, build: build, inputs: func(n, k int) []shapes.Shape {
			in := append([]shapes.Shape{m.slab(), floats(n, d), floats(n)}, m.cfg.givenShapes(n)...)
			for _, dims := range rest(n, k) {
				in = append(in, floats(dims...))
			}
			return in
		}}
	}
	examples := func(name string, build func(in []*Node, l Loss) []*Node) *byLoss {
		inputs := func(n, _ int) []shapes.Shape { return append([]shapes.Shape{m.slab()}, m.exampleShapes(n)...) }
		return &byLoss{declare: func(l Loss) *program {
			return &program{eng: eng, name: name, inputs: inputs,
				build: func(in []*Node) []*Node { return build(in, l) }}
		}}
	}
	each := func(n, _ int) [][]int { return [][]int{{n, d}} }
	ps := &programs{
		velocity: points("velocity", m.velocityGraph, func(_, _ int) [][]int { return nil }),
		average:  points("average velocity", m.averageGraph, func(n, _ int) [][]int { return [][]int{{n}} }),
		vjp:      points("vector-Jacobian product", m.vjpGraph, each),
		vjpTheta: points("vector-Jacobian product, weights", m.vjpThetaGraph, each),
		div:      points("divergence", m.divergenceGraph, func(_, k int) [][]int { return [][]int{{k, d}} }),
		augProbe: points("augmented VJP, probe", m.augProbeGraph,
			func(n, _ int) [][]int { return [][]int{{n, d}, {n}, {n, d}} }),
		augExact: points("augmented VJP, exact", m.augExactGraph,
			func(n, k int) [][]int { return [][]int{{n, d}, {n}, {k, d}} }),
		regProbe: points("regularised VJP, probe", m.augProbeGraph,
			func(n, _ int) [][]int { return [][]int{{n, d}, {n}, {n, d}, {n}, {n}} }),
		regExact: points("regularised VJP, exact", m.augExactGraph,
			func(n, k int) [][]int { return [][]int{{n, d}, {n}, {k, d}, {n}, {n}} }),
		loss: examples("loss", m.lossGraph),
		grad: examples("loss gradient", m.lossGradGraph),
	}
	ps.declareSolve(eng, m)
	return ps
}

// floats is a shape in float32.
func floats(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }

// headInputs is the number of inputs before what is given.
const headInputs = 3

// The inputs of every program begin with theta [P], x [N, D], t [N] and what is given;
// head splits them from the rest.
func (m *arch) head(in []*Node) (p []*Node, at input, rest []*Node) {
	p, at = m.params(in[0]), input{x: in[1], t: in[2], embedded: m.embeddedInput}
	at.given, rest = m.cfg.splitGiven(in[headInputs:])
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
	at.twice = true
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
