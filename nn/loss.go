package nn

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// ErrNoInterval is returned when an average velocity is asked of a network that
// knows velocities only.
var ErrNoInterval = errors.New("nn: the network has no second time (interval); it knows velocities, not their averages")

// Average says where the target of an interval that has a length comes from. The
// average velocity of a flow on its way from x_t to x_s,
//
//	u(x_t, t, s) = 1/(s-t) ∫_t^s v(x_r, r) dr,
//
// is never observed. What it obeys is, and makes a target of the network's own
// output, through which no gradient flows.
type Average string

// The ways to the target of an average velocity.
const (
	// Given takes the target of the examples as it is: a regression.
	Given Average = ""
	// ByIdentity is MeanFlow (Geng et al. 2025). With (s-t) u = ∫_t^s v, the derivative
	// along the path, at dx/dt = v with s held fast, is (s-t) du/dt - u = -v: hence
	//
	//	target = v + (s-t) du/dt,  du/dt = (v·∂_x + ∂_t) u(x_t, t, s),
	//
	// with the target of the examples for v, and du/dt a forward-mode derivative.
	// (The paper's time runs from data to noise, so its sign is the other one.)
	ByIdentity Average = "identity"
	// ByHalves is a shortcut model (Frans et al. 2024): the average over an interval
	// is that over its halves,
	//
	//	target = ½ u(x, t, m) + ½ u(x', m, s),  m = (t+s)/2,  x' = x + (m-t) u(x, t, m),
	//
	// under the averaged weights (EMA) in a training step, else the network's own.
	ByHalves Average = "halves"
)

// Loss says how a batch is judged. It is part of a compiled program.
type Loss struct {
	// Average makes the targets of the first Rows examples; those of the rest are
	// given. Only a Config.Interval network knows averages.
	Average Average
	Rows    int
	// Power p > 0 weighs the squared error |Δ|² of every example by
	// 1/(|Δ|² + Offset)^p, held fast: MeanFlow's adaptive loss. 0: no such weight.
	Power, Offset float64
}

// validate reports the first field that cannot be used with n examples.
func (l Loss) validate(n int) error {
	if !slices.Contains([]Average{Given, ByIdentity, ByHalves}, l.Average) {
		return fmt.Errorf("nn: unknown average %q; it must be %q, %q or empty", l.Average, ByIdentity, ByHalves)
	}
	if l.Rows < 0 || l.Rows > n || l.Average == Given && l.Rows > 0 {
		return fmt.Errorf("nn: targets made for %d of %d examples by average %q", l.Rows, n, l.Average)
	}
	if !(l.Power >= 0) || !(l.Offset >= 0) || l.Power > 0 && l.Offset == 0 {
		return fmt.Errorf("nn: adaptive weight of power %g and offset %g; the power must not be negative, and the offset be positive", l.Power, l.Offset)
	}
	return nil
}

// judged is a program for each Loss, declared at first use. Safe for concurrent use.
type judged struct {
	declare func(Loss) *program

	mu    sync.Mutex
	known map[Loss]*program
}

func (j *judged) by(l Loss) *program {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.known == nil {
		j.known = map[Loss]*program{}
	}
	p := j.known[l]
	if p == nil {
		p = j.declare(l)
		j.known[l] = p
	}
	return p
}

// batch is a batch of examples in a graph: x0 and x1 [N, D], columns [6 or 7, N],
// label [N] and the condition [N, Dc] if conditional, drop [2, N] where numbers are
// dropped out.
type batch struct {
	x0, x1, columns, label, cond, drop *Node
	recompute                          bool // see Economy
}

func (m *arch) batch(in []*Node) batch {
	b, rest := batch{x0: in[0], x1: in[1], columns: in[2]}, in[3:]
	if m.cfg.Classes > 0 {
		b.label, rest = rest[0], rest[1:]
	}
	if m.cfg.Condition > 0 {
		b.cond, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		b.drop = rest[0]
	}
	return b
}

// exampleShapes are the shapes of the inputs that make a batch.
func (m *arch) exampleShapes(n int) []shapes.Shape {
	points, columns := shapes.Make(dtypes.Float32, n, m.cfg.Dim), 6
	if m.cfg.Interval {
		columns++
	}
	in := []shapes.Shape{points, points, shapes.Make(dtypes.Float32, columns, n)}
	if m.cfg.Classes > 0 {
		in = append(in, shapes.Make(dtypes.Int32, n))
	}
	if m.cfg.Condition > 0 {
		in = append(in, shapes.Make(dtypes.Float32, n, m.cfg.Condition))
	}
	return in
}

// stepShapes are those of a training step's batch: what dropout begins with comes last.
func (m *arch) stepShapes(n int) []shapes.Shape {
	in := m.exampleShapes(n)
	if m.cfg.drops() {
		in = append(in, shapes.Make(dtypes.Float32, len(dropPrimes), n))
	}
	return in
}

func (b batch) size() int { return b.x0.Shape().Dimensions[0] }

// rows returns examples i (included) to j (excluded).
func (b batch) rows(i, j int) batch {
	if i == 0 && j == b.size() {
		return b
	}
	r := AxisRange(i, j)
	part := batch{x0: Slice(b.x0, r), x1: Slice(b.x1, r), columns: Slice(b.columns, AxisRange(), r), recompute: b.recompute}
	if b.label != nil {
		part.label = Slice(b.label, r)
	}
	if b.cond != nil {
		part.cond = Slice(b.cond, r)
	}
	if b.drop != nil {
		part.drop = Slice(b.drop, AxisRange(), r)
	}
	return part
}

func (m *arch) lossGraph(in []*Node, l Loss) []*Node {
	p, b := m.params(in[0]), m.batch(in[1:])
	parts := m.losses(p, p, b, l)
	if len(parts) == 1 {
		return parts
	}
	return []*Node{Concatenate(parts, 0)}
}

func (m *arch) lossGradGraph(in []*Node, l Loss) []*Node {
	p := m.params(in[0])
	loss := m.batchLoss(p, p, m.batch(in[1:]), l)
	return []*Node{loss, join(Gradient(loss, p...))}
}

// batchLoss is the mean loss of the batch, summed over its shards; ahead are the
// weights that ByHalves looks ahead with.
func (m *arch) batchLoss(p, ahead []*Node, b batch, l Loss) *Node {
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
		made, given := l.Rows/shards, (n-l.Rows)/shards
		if made > 0 {
			add(m.exampleLoss(p, ahead, b.rows(k*made, (k+1)*made), l), made)
		}
		if given > 0 {
			add(m.exampleLoss(p, nil, b.rows(l.Rows+k*given, l.Rows+(k+1)*given), l.given()), given)
		}
	}
	return sum
}

// given is l for examples whose targets are given.
func (l Loss) given() Loss { return Loss{Power: l.Power, Offset: l.Offset} }

// losses returns the losses of the examples, in one part or two.
func (m *arch) losses(p, ahead []*Node, b batch, l Loss) (parts []*Node) {
	if l.Rows > 0 {
		parts = append(parts, m.exampleLoss(p, ahead, b.rows(0, l.Rows), l))
	}
	if l.Rows < b.size() {
		parts = append(parts, m.exampleLoss(p, nil, b.rows(l.Rows, b.size()), l.given()))
	}
	return parts
}

// exampleLoss returns the loss of each example, all of one kind of target.
func (m *arch) exampleLoss(p, ahead []*Node, b batch, l Loss) *Node {
	n := b.size()
	column := func(i int) *Node { return Reshape(Slice(b.columns, AxisRange(i, i+1)), n, 1) }
	t, alpha, sigma, g1, g0, weight := column(0), column(1), column(2), column(3), column(4), column(5)
	at := place{x: Add(Mul(alpha, b.x1), Mul(sigma, b.x0)), t: Reshape(t, n), label: b.label, cond: b.cond, drop: b.drop, recompute: b.recompute}
	if m.cfg.Interval {
		at.s = Reshape(column(6), n)
	}
	target := Add(Mul(g1, b.x1), Mul(g0, b.x0))
	var f *Node
	switch l.Average {
	case ByIdentity:
		var df *Node
		f, df = m.tangents(p, at, direction{e: InsertAxes(target, 1), moving: true})
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
func (m *arch) halves(p []*Node, at place) *Node {
	half := MulScalar(Sub(at.s, at.t), 0.5)
	first, second := at, at
	first.s = Add(at.t, half)
	u := m.forward(p, first)
	second.t = first.s
	second.x = Add(at.x, Mul(InsertAxes(half, 1), u))
	return MulScalar(Add(u, m.forward(p, second)), 0.5)
}

// Average writes the average velocity u(x, t, s) of the flow from x [N, D] at time
// t to time s into u: x + (s-t) u is where it is then. The network must have been
// made with Config.Interval; else the error is [ErrNoInterval].
func (f *Field) Average(u []float64, t, s float64, x []float64) error {
	if !f.net.arch.cfg.Interval {
		return ErrNoInterval
	}
	d := f.Dim()
	fill := func(_, _, at int, in *frame) {
		end := in.floats(at)
		for k := range end {
			end[k] = float32(s)
		}
	}
	return f.blocks(f.net.progs.average, 0, t, x, fill, func(i, j int, out *frame) {
		out.read(u[i*d:j*d], 0)
	})
}
