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
	//	target = v + (s-t) du/dt,  du/dt = (v·∂_x + ∂_t) u(x_t, t, s).
	//
	// Both v are the network's own velocity u(x_t, t, t), under the averaged weights (EMA)
	// in a training step, else its own: the velocity of an example is far from the mean
	// velocity, and this target has no such noise. The examples that keep their targets
	// teach the velocity. du/dt is a forward-mode derivative, of the network's own weights:
	// under the averaged ones training diverges. (The paper's time runs from data to noise,
	// so its sign is the other one.)
	ByIdentity Average = "identity"
	// ByExample is ByIdentity with the target of the example for the first v, and the
	// velocity under the network's own weights for the second, as in improved mean flows
	// (Geng et al. 2025, arXiv:2512.02012).
	ByExample Average = "example"
	// ByParts is a shortcut model (Frans et al. 2024): the average over a time span is the
	// mean of those over Parts equal parts of it, each from where the one before ends,
	//
	//	target = 1/n Σ_i u(x_i, t_i, t_i+1),  t_i = t + i (s-t)/n,
	//	x_i+1 = x_i + (s-t)/n u(x_i, t_i, t_i+1),
	//
	// under the averaged weights (EMA) in a training step, else the network's own.
	ByParts Average = "parts"
)

// Loss is the loss of a batch. It is part of a compiled program.
type Loss struct {
	// Average makes the targets of the first Rows examples; the rest keep their own.
	// It is for networks made with Config.Average.
	Average Average
	Rows    int
	Parts   int // of ByParts, at least 2 and at most MostParts
	// Power p > 0 weighs the squared error |Δ|² of every example by
	// 1/(|Δ|² + Offset)^p, a constant to the gradient: MeanFlow's adaptive loss. 0: no
	// such weight.
	Power, Offset float64
	// CrossEntropy takes −log of the probability of the level that a value has, in the place of
	// the squared error of its coordinates, of a network with Config.Levels.
	CrossEntropy bool
}

// MostParts is the most parts of ByParts: each is an evaluation of the network in a step.
const MostParts = 64

// validate reports the first field that cannot be used with n examples.
func (l Loss) validate(n int) error {
	if l.Average != "" {
		if err := choice.Check("average", string(l.Average),
			[]string{string(ByIdentity), string(ByExample), string(ByParts)}); err != nil {
			return fmt.Errorf("nn: %w", err)
		}
	}
	if by := l.Average == ByParts; by && (l.Parts < 2 || l.Parts > MostParts) || !by && l.Parts != 0 {
		return fmt.Errorf("nn: average %q of %d parts; %q takes 2 to %d, and no other has any", l.Average, l.Parts,
			ByParts, MostParts)
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
	cut       bool // see stage
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
// weights of the averages that targets are made of.
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
func (l Loss) plain() Loss {
	l.Average, l.Rows, l.Parts = "", 0, 0
	return l
}

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
		given: b.given, drop: b.drop, recompute: b.recompute, cut: b.cut}
	if m.cfg.Average {
		at.s = Reshape(column(6), n)
	}
	target := Add(Mul(g1, b.x1), Mul(g0, b.x0))
	var (
		f  *Node
		of chances
	)
	switch l.Average {
	case ByIdentity, ByExample:
		own := ahead
		if l.Average == ByExample {
			own = p
		}
		now := at
		now.s = at.t
		v := StopGradient(m.forward(own, now))
		if l.Average == ByIdentity {
			target = v
		}
		var df *Node
		f, df = m.tangents(p, at, direction{e: InsertAxes(v, 1), moving: true})
		target = StopGradient(Add(target, Mul(Sub(column(6), t), Reshape(df, n, m.cfg.Dim))))
	case ByParts:
		f, target = m.forward(p, at), StopGradient(m.parted(ahead, at, l.Parts))
	default:
		f, of = m.judge(p, at)
	}
	errors := Square(Sub(f, at.hidden(target)))
	if l.CrossEntropy {
		errors = at.hidden(m.levels.errors(errors, of, at.x, target, at.known))
	}
	each := ReduceMean(errors, 1)
	if l.Power > 0 {
		d := float64(m.cfg.Dim)
		each = Mul(each, StopGradient(Exp(MulScalar(Log(AddScalar(MulScalar(each, d), l.Offset)), -l.Power))))
	}
	return Mul(Reshape(weight, n), each)
}

// parted returns the average velocity from t to s, the mean of those over equal parts.
func (m *arch) parted(p []*Node, at input, parts int) *Node {
	length, end := MulScalar(Sub(at.s, at.t), 1/float64(parts)), at.s
	var sum *Node
	for i := range parts {
		if at.s = end; i < parts-1 {
			at.s = Add(at.t, length)
		}
		u := m.forward(p, at)
		at.x, at.t = Add(at.x, Mul(InsertAxes(length, 1), u)), at.s
		if sum == nil {
			sum = u
		} else {
			sum = Add(sum, u)
		}
	}
	return MulScalar(sum, 1/float64(parts))
}
