package nn

import (
	"errors"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// Levels are neighbouring coordinates that say which of its levels a value has: coordinate k is On[k]
// if it has level k, else Off[k], with Gaussian noise of deviation Noise. A single coordinate is for
// two levels, of which it is On for the second.
//
// A network of a preconditioned model need not learn what such coordinates say of themselves. With
// z = c y + s e, of y in the units of these numbers, e standard normal noise, c² + s² = 1 and
// v = c² Noise² + s², Bayes' rule gives the probability of level k in closed form but for what the rest
// of the point says of it,
//
//	log π_k = c (On_k − Off_k) (2 z_k − c (On_k + Off_k))/(2 v_k) + log Shares_k + a_k + const.
//
// The network learns the a_k alone. From π follow the means μ of y without its noise, and the
// direction that the network is asked for, w = s y − c e (see path.Precondition):
//
//	μ_k = Off_k + (On_k − Off_k) π_k,   w_k = s (μ_k − c (1 − Noise²) (z_k − c μ_k)/v).
//
// So a network that knows nothing, a = 0, has the flow of independent columns with the right shares,
// and what is left to learn is smooth up to the data. The form of π is that of variational flow matching
// (Eijkelboom et al., arXiv:2406.04843).
type Levels struct {
	At     int       `json:"at"`     // the first of the coordinates
	Off    []float64 `json:"off"`    // one for each coordinate, as is On
	On     []float64 `json:"on"`     //
	Noise  float64   `json:"noise"`  // positive
	Shares []float64 `json:"shares"` // how often each level comes: two for a single coordinate
	// Missing says of a single coordinate that it is On where the number at the coordinate before it
	// is missing. Such a number has no meaning. Where this is shown, it has no loss, which would be
	// of noise alone: the network need not learn to tell it from a number that is there.
	Missing bool `json:"missing,omitempty"`
}

// levels is the head of [Levels] as constants, a number for each coordinate of a point; those that are
// of no level are masked.
type levels struct {
	mask, off, step, noise, prior []float32
	alone                         []float32 // 1 where exp(0), of the level that has no coordinate, counts as well
	part                          []float32 // of the mean of a value's odds; 0 where there is one alone
	same                          [][]float32
	absent                        [][]float32 // from whether a number is missing to the number; nil: none may be
}

// mostOdds bounds the logarithms of odds, whose exponentials must be finite in float32.
const mostOdds = 60

// newLevels returns the head for points of so many coordinates; nil: there are no levels.
func newLevels(groups []Levels, dim int) *levels {
	if len(groups) == 0 {
		return nil
	}
	vector := func() []float32 { return make([]float32, dim) }
	h := &levels{mask: vector(), off: vector(), step: vector(), noise: vector(), prior: vector(), alone: vector(),
		part: vector()}
	for range dim {
		h.same = append(h.same, vector())
	}
	for i := range h.alone {
		h.alone[i], h.noise[i] = 1, 1 // where masked: nothing is divided by zero
	}
	for _, g := range groups {
		w := len(g.On)
		for k := range w {
			i := g.At + k
			h.mask[i], h.off[i], h.step[i] = 1, float32(g.Off[k]), float32(g.On[k]-g.Off[k])
			h.noise[i] = float32(g.Noise)
			h.same[i][i] = 1
			if g.Missing {
				if h.absent == nil {
					h.absent = slices.Repeat([][]float32{vector()}, dim)
				}
				h.absent[i-1] = vector()
				h.absent[i-1][i] = 1
			}
			if w == 1 {
				h.prior[i] = float32(math.Log(g.Shares[1] / g.Shares[0]))
				continue
			}
			h.alone[i], h.part[i], h.prior[i] = 0, 1/float32(w), float32(math.Log(g.Shares[k]))
			for l := range w {
				h.same[i][g.At+l] = 1
			}
		}
	}
	return h
}

// row is a constant, the same for every point.
func row(g *Graph, v []float32) *Node { return InsertAxes(Const(g, v), 0) }

// angles returns the weights c of y and s of the noise, [N, 1], at the time t = 4c/(c + s) − 2, [N].
func angles(t *Node) (c, s *Node) {
	share := InsertAxes(MulScalar(AddScalar(t, 2), 0.25), 1)
	norm := Rsqrt(Add(Square(share), Square(OneMinus(share))))
	return Mul(share, norm), Mul(OneMinus(share), norm)
}

// apply turns what a body returns, f with its derivatives, into what the network returns, and the
// chances of levels. x is its input z [N, D] with its derivatives, t [N] its time.
func (h *levels) apply(f, x dual, t *Node) (dual, chances) {
	if h == nil {
		return f, chances{}
	}
	g := t.Graph()
	off, step, noise, mask := row(g, h.off), row(g, h.step), Square(row(g, h.noise)), row(g, h.mask)
	c, s := angles(t)
	v := Add(Mul(Square(c), noise), Square(s))

	// log π, but for a constant: the odds of each level.
	lean := Div(Mul(c, step), v) // d log π/dz
	odds := dual{v: Add(Add(f.v, row(g, h.prior)), Mul(lean, Sub(x.v, Mul(c, Add(off, MulScalar(step, 0.5))))))}
	if f.d != nil {
		odds.d = Add(f.d, Mul(InsertAxes(lean, 1), x.d))
	}
	of := h.softmax(odds)

	mu := Add(off, Mul(step, of.pi.v))
	pull := Div(Mul(c, OneMinus(noise)), v)
	w := Mul(s, Sub(mu, Mul(pull, Sub(x.v, Mul(c, mu)))))
	out := dual{v: Add(Mul(mask, w), Mul(OneMinus(mask), f.v))}
	if f.d != nil {
		wide := func(y *Node) *Node { return InsertAxes(y, 1) }
		dmu := Mul(wide(step), of.pi.d)
		dw := Mul(wide(s), Sub(dmu, Mul(wide(pull), Sub(x.d, Mul(wide(c), dmu)))))
		out.d = Add(Mul(wide(mask), dw), Mul(wide(OneMinus(mask)), f.d))
	}
	of.c, of.s = c, s
	return out, of
}

// chances are the probabilities π of levels, zero at other coordinates, with the odds and the sums that
// they are made of, π = exp(odds)/total, and the weights c and s of the time that they are at.
type chances struct {
	pi          dual
	odds, total *Node
	c, s        *Node
}

func (h *levels) softmax(odds dual) chances {
	g := odds.v.Graph()
	part, mask, same := row(g, h.part), row(g, h.mask), Const(g, h.same)
	odds.v = Sub(odds.v, linear(Mul(odds.v, part), same))
	if odds.d != nil {
		odds.d = Sub(odds.d, linear(Mul(odds.d, InsertAxes(part, 1)), same))
	}
	l := ClipScalar(odds.v, -mostOdds, mostOdds)
	e := Mul(Exp(l), mask)
	total := Add(linear(e, same), row(g, h.alone))
	pi := dual{v: Div(e, total)}
	if odds.d != nil {
		within := Mul(ConvertDType(Equal(l, odds.v), l.DType()), pi.v)
		d := Mul(InsertAxes(within, 1), odds.d)
		pi.d = Sub(d, Mul(InsertAxes(pi.v, 1), linear(d, same)))
	}
	return chances{pi: pi, odds: l, total: total}
}

// errors puts the cross-entropy of levels in the places of their squared errors, [N, D]: −log π of the
// level that a value has, at its coordinate, or at that of the other of two levels. What it has is
// what the input z and the target w say: y = c z + s w. A number that is shown to be missing has none;
// known are the coordinates that are shown, nil without.
func (h *levels) errors(squared *Node, of chances, z, w, known *Node) *Node {
	// Of one-hot numbers with little noise the softmax of so many times them is one-hot.
	const sharp = mostOdds
	g := squared.Graph()
	mask, alone := row(g, h.mask), row(g, h.alone)
	y := Div(Sub(Add(Mul(of.c, z), Mul(of.s, w)), row(g, h.off)), Add(row(g, h.step), OneMinus(mask)))
	is := StopGradient(h.softmax(dual{v: MulScalar(Sub(y, MulScalar(alone, 0.5)), sharp)}).pi.v)
	log := Log(of.total)
	entropy := Add(Mul(is, Sub(log, of.odds)), Mul(Mul(alone, OneMinus(is)), log))
	if known != nil && h.absent != nil {
		squared = Mul(squared, OneMinus(linear(Mul(is, known), Const(g, h.absent))))
	}
	return Add(Mul(mask, entropy), Mul(OneMinus(mask), squared))
}

// validateLevels reports levels that are none of the points of the network, or that it cannot have.
func (c Config) validateLevels() error {
	switch {
	case len(c.Levels) == 0:
		return nil
	case c.OfImages():
		return errors.New("nn: levels are for perceptrons, and the net is one of images")
	case c.Average:
		return errors.New("nn: levels are for networks of one time; interval, for average velocities, is set")
	}
	end := 0
	for i, g := range c.Levels {
		if err := g.validate(end, c.Dim); err != nil {
			return fmt.Errorf("nn: levels[%d]: %w", i, err)
		}
		end = g.At + len(g.On)
	}
	return nil
}

// validate reports what is wrong with levels behind coordinate from, of dim.
func (g Levels) validate(from, dim int) error {
	w, levels := len(g.On), len(g.On)
	if w == 1 {
		levels = 2
	}
	if w < 1 || len(g.Off) != w || len(g.Shares) != levels {
		return fmt.Errorf("%d on, %d off and %d shares; a single coordinate has two shares, and others have as many "+
			"as coordinates", w, len(g.Off), len(g.Shares))
	}
	if g.Missing && (w != 1 || g.At <= from) {
		return fmt.Errorf("%d coordinates at %d say that a number is missing; it must be one, behind the number", w,
			g.At)
	}
	if g.At < from || g.At > dim-w {
		return fmt.Errorf("coordinates %d to %d; they must follow those of the levels before, and lie within %d", g.At,
			g.At+w-1, dim)
	}
	total := 0.
	for _, p := range g.Shares {
		if total += p; !(p > 0) {
			return fmt.Errorf("a share of %g; it must be positive", p)
		}
	}
	if !(math.Abs(total-1) < 1e-6) {
		return fmt.Errorf("shares with the sum %g; it must be 1", total)
	}
	if !(g.Noise > 0) || math.IsInf(g.Noise, 0) {
		return fmt.Errorf("noise of %g; it must be positive", g.Noise)
	}
	for k := range w {
		if d := g.On[k] - g.Off[k]; !(d > 0) || math.IsInf(d, 0) {
			return fmt.Errorf("on %g and off %g; on must be above off, and both finite", g.On[k], g.Off[k])
		}
	}
	return nil
}
