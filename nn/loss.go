package nn

import (
	"fmt"
	"sync"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/choice"
)

// Average says where the target of an average velocity comes from. That of a flow on its
// way from x_t to x_s,
//
//	u(x_t, t, s) = 1/(s-t) ∫_t^s v(x_r, r) dr,
//
// is never observed. The equations that it obeys make a target of the network's own
// output, through which no gradient flows. The empty Average takes the target of the
// examples as it is: a regression.
type Average string

// The equations that make the target of an average velocity.
const (
	// ByIdentity is MeanFlow (Geng et al. 2025). With (s-t) u = ∫_t^s v, the derivative
	// along the path, at dx/dt = v with s constant, is (s-t) du/dt - u = -v: hence
	//
	//	target = v + (s-t) du/dt,  du/dt = (v·∂_x + ∂_t) u(x_t, t, s),
	//
	// with the target of the examples for the first v, and the network's own velocity
	// u(x_t, t, t) for the second, as in improved mean flows (Geng et al. 2025,
	// arXiv:2512.02012): the target of an example is far from the mean velocity, and where
	// u is steep the derivative along it is noise that no batch averages out. du/dt is a
	// forward-mode derivative. (The paper's time runs from data to noise, so its sign is
	// the other one.)
	ByIdentity Average = "identity"
	// ByHalves is a shortcut model (Frans et al. 2024): the average over a time span is
	// that over its halves,
	//
	//	target = ½ u(x, t, m) + ½ u(x', m, s),  m = (t+s)/2,  x' = x + (m-t) u(x, t, m),
	//
	// under the averaged weights (EMA) in a training step, else the network's own.
	ByHalves Average = "halves"
)

// Loss is the loss of a batch. It is part of a compiled program.
type Loss struct {
	// Average makes the targets of the first Rows examples; the rest keep their own.
	// It is for networks made with Config.Average.
	Average Average
	Rows    int
	// Power p > 0 weighs the squared error |Δ|² of every example by
	// 1/(|Δ|² + Offset)^p, a constant to the gradient: MeanFlow's adaptive loss. 0: no
	// such weight.
	Power, Offset float64
}

// validate reports the first field that cannot be used with n examples.
func (l Loss) validate(n int) error {
	if l.Average != "" {
		if err := choice.Check("average", string(l.Average),
			[]string{string(ByIdentity), string(ByHalves)}); err != nil {
			return fmt.Errorf("nn: %w", err)
		}
	}
	if l.Rows < 0 || l.Rows > n || l.Average == "" && l.Rows > 0 {
		return fmt.Errorf("nn: targets made for %d of %d examples by average %q", l.Rows, n, l.Average)
	}
	if !(l.Power >= 0) || !(l.Offset >= 0) || l.Power > 0 && l.Offset == 0 {
		return fmt.Errorf("nn: adaptive weight of power %g and offset %g; "+
			"the power must not be negative, and the offset must be positive", l.Power, l.Offset)
	}
	return nil
}

// byLoss is a program for each Loss, declared at first use. Safe for concurrent use.
type byLoss struct {
	declare func(Loss) *program

	mu    sync.Mutex
	known map[Loss]*program
}

func (b *byLoss) of(l Loss) *program {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil {
		b.known = map[Loss]*program{}
	}
	p := b.known[l]
	if p == nil {
		p = b.declare(l)
		b.known[l] = p
	}
	return p
}

// examples are examples in a graph: x0 and x1 [N, D], columns [6 or 7, N], what is given,
// and the states of dropout, [2, N], where numbers are dropped out.
type examples struct {
	x0, x1, columns *Node
	given
	drop      *Node
	recompute bool // see StepOptions
}

func (m *arch) examples(in []*Node) examples {
	b := examples{x0: in[0], x1: in[1], columns: in[2]}
	var rest []*Node
	if b.given, rest = m.cfg.splitGiven(in[3:]); len(rest) > 0 {
		b.drop = rest[0]
	}
	return b
}

// exampleShapes are the shapes of the inputs that make examples.
func (m *arch) exampleShapes(n int) []shapes.Shape {
	columns := 6
	if m.cfg.Average {
		columns++
	}
	in := []shapes.Shape{floats(n, m.cfg.Dim), floats(n, m.cfg.Dim), floats(columns, n)}
	return append(in, m.cfg.givenShapes(n)...)
}

// stepShapes are those of a training step: the states of dropout come last.
func (m *arch) stepShapes(n int) []shapes.Shape {
	in := m.exampleShapes(n)
	if m.cfg.drops() {
		in = append(in, floats(len(dropPrimes), n))
	}
	return in
}

func (b examples) size() int { return b.x0.Shape().Dimensions[0] }

// rows returns examples i (included) to j (excluded).
func (b examples) rows(i, j int) examples {
	if i == 0 && j == b.size() {
		return b
	}
	r := AxisRange(i, j)
	part := b
	part.x0, part.x1, part.columns = Slice(b.x0, r), Slice(b.x1, r), Slice(b.columns, AxisRange(), r)
	part.given = b.given.rows(i, j)
	if b.drop != nil {
		part.drop = Slice(b.drop, AxisRange(), r)
	}
	return part
}

func (m *arch) lossGraph(in []*Node, l Loss) []*Node {
	p, b := m.params(in[0]), m.examples(in[1:])
	parts := m.losses(p, p, b, l)
	if len(parts) == 1 {
		return parts
	}
	return []*Node{Concatenate(parts, 0)}
}

func (m *arch) lossGradGraph(in []*Node, l Loss) []*Node {
	p := m.params(in[0])
	loss := m.batchLoss(p, p, m.examples(in[1:]), l)
	return []*Node{loss, join(Gradient(loss, p...))}
}

// batchLoss is the mean loss of the batch, summed over its shards; ahead are the
// weights of the averages that ByHalves makes its targets of.
func (m *arch) batchLoss(p, ahead []*Node, b examples, l Loss) *Node {
	n, shards := b.size(), m.shards
	if n%shards != 0 || l.Rows%shards != 0 {
		shards = 1
	}
	var sum *Node
	add := func(part *Node, rows int) {
		mean := ReduceAllMean(part)
		if rows < n {
			mean = MulScalar(mean, float64(rows)/float64(n))
		}
		if sum == nil {
			sum = mean
		} else {
			sum = Add(sum, mean)
		}
	}
	for k := range shards {
		made, kept := l.Rows/shards, (n-l.Rows)/shards
		if made > 0 {
			add(m.exampleLoss(p, ahead, b.rows(k*made, (k+1)*made), l), made)
		}
		if kept > 0 {
			add(m.exampleLoss(p, nil, b.rows(l.Rows+k*kept, l.Rows+(k+1)*kept), l.plain()), kept)
		}
	}
	return sum
}

// plain is l for examples that keep their targets.
func (l Loss) plain() Loss { return Loss{Power: l.Power, Offset: l.Offset} }

// losses returns the losses of the examples, in one part or two.
func (m *arch) losses(p, ahead []*Node, b examples, l Loss) (parts []*Node) {
	if l.Rows > 0 {
		parts = append(parts, m.exampleLoss(p, ahead, b.rows(0, l.Rows), l))
	}
	if l.Rows < b.size() {
		parts = append(parts, m.exampleLoss(p, nil, b.rows(l.Rows, b.size()), l.plain()))
	}
	return parts
}

// exampleLoss returns the loss of each example, all of one kind of target.
func (m *arch) exampleLoss(p, ahead []*Node, b examples, l Loss) *Node {
	n := b.size()
	column := func(i int) *Node { return Reshape(Slice(b.columns, AxisRange(i, i+1)), n, 1) }
	t, alpha, sigma, g1, g0, weight := column(0), column(1), column(2), column(3), column(4), column(5)
	at := input{x: Add(Mul(alpha, b.x1), Mul(sigma, b.x0)), t: Reshape(t, n),
		given: b.given, drop: b.drop, recompute: b.recompute}
	if m.cfg.Average {
		at.s = Reshape(column(6), n)
	}
	target := Add(Mul(g1, b.x1), Mul(g0, b.x0))
	var f *Node
	switch l.Average {
	case ByIdentity:
		now := at
		now.s = at.t
		v := StopGradient(m.forward(p, now))
		var df *Node
		f, df = m.tangents(p, at, direction{e: InsertAxes(v, 1), moving: true})
		target = StopGradient(Add(target, Mul(Sub(column(6), t), Reshape(df, n, m.cfg.Dim))))
	case ByHalves:
		f, target = m.forward(p, at), StopGradient(m.halves(ahead, at))
	default:
		f = m.forward(p, at)
	}
	each := ReduceMean(Square(Sub(f, target)), 1)
	if l.Power > 0 {
		d := float64(m.cfg.Dim)
		each = Mul(each, StopGradient(Exp(MulScalar(Log(AddScalar(MulScalar(each, d), l.Offset)), -l.Power))))
	}
	return Mul(Reshape(weight, n), each)
}

// halves returns the average velocity from t to s by way of the middle.
func (m *arch) halves(p []*Node, at input) *Node {
	half := MulScalar(Sub(at.s, at.t), 0.5)
	first, second := at, at
	first.s = Add(at.t, half)
	u := m.forward(p, first)
	second.t = first.s
	second.x = Add(at.x, Mul(InsertAxes(half, 1), u))
	return MulScalar(Add(u, m.forward(p, second)), 0.5)
}
