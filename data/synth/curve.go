package synth

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/integrate/quad"

	"flowmatch/data"
	"flowmatch/flow"
)

// arc is a piece of curve c(s), s in [lo, hi], drawn with a density over s.
type arc struct {
	lo, hi float64
	at     func(s float64) (x, y float64)
	// density and quantile are the law of s and the inverse of its distribution
	// function; both nil for the uniform law on [lo, hi].
	density, quantile func(s float64) float64
}

func (a arc) weight(s float64) float64 {
	if a.density == nil {
		return 1 / (a.hi - a.lo)
	}
	return a.density(s)
}

func (a arc) draw(u float64) float64 {
	if a.quantile == nil {
		return a.lo + u*(a.hi-a.lo)
	}
	return a.quantile(u)
}

// thin is a set of curves without noise: points of the plane on lines, which
// have no density there. Each arc is equally likely.
type thin struct {
	arcs  []arc
	noise float64
}

// curve is a set of curves of the plane blurred by Gaussian noise:
// x = c_k(s) + Noise z, z ~ N(0, I), the arc k uniform, s from the law of the arc. Its density
//
//	p(x) = 1/K sum_k  integral N(x; c_k(s), Noise^2 I) w_k(s) ds
//
// is computed by Gauss-Legendre quadrature with 8 nodes on each piece of curve no
// longer than Noise. Within a few deviations of the curve log p is right to 1e-12;
// far away it stays finite and close: 30 deviations off, the tests find it within
// 1e-3 nats of a quadrature eight times as fine.
type curve struct {
	thin
	node   flow.Batch // [nodes, 2], points of the curves
	weight []float64  // quadrature weight of each node; they sum to 1
}

// newCurve blurs the arcs; size is the scale of the figure, for the error.
// Without noise it returns a set that has no LogProb.
func newCurve(arcs []arc, noise, size float64) (data.Distribution, error) {
	if !(size > 0) || math.IsInf(size, 0) {
		return nil, fmt.Errorf("scale = %g; want a positive number", size)
	}
	// Finer noise would need more nodes than is worth it.
	if !(noise >= 0) || math.IsInf(noise, 0) || noise > 0 && noise < 1e-3*size {
		return nil, fmt.Errorf("noise = %g; want 0 (points on the curve, no density) or at least scale/1000 = %g",
			noise, size/1000)
	}
	t := thin{arcs: arcs, noise: noise}
	if noise == 0 {
		return t, nil
	}
	return blur(t, noise), nil
}

// blur lays out the quadrature with pieces no longer than piece.
func blur(t thin, piece float64) *curve {
	c := &curve{thin: t}
	for _, a := range t.arcs {
		// Eight pieces to start with: no figure here hides a turn between them.
		step := (a.hi - a.lo) / 8
		for i := range 8 {
			c.lay(a, a.lo+float64(i)*step, a.lo+float64(i+1)*step, piece)
		}
	}
	c.node = flow.Batch{N: len(c.weight), D: 2, X: c.node.X}
	return c
}

// lay adds nodes for s in [lo, hi], halving until the piece is short enough.
func (c *curve) lay(a arc, lo, hi, piece float64) {
	length := 0.0
	px, py := a.at(lo)
	for i := 1; i <= 8; i++ {
		x, y := a.at(lo + (hi-lo)*float64(i)/8)
		length += math.Hypot(x-px, y-py)
		px, py = x, y
	}
	if length > piece {
		mid := 0.5 * (lo + hi)
		c.lay(a, lo, mid, piece)
		c.lay(a, mid, hi, piece)
		return
	}
	var s, w [8]float64
	quad.Legendre{}.FixedLocations(s[:], w[:], lo, hi)
	for i := range s {
		x, y := a.at(s[i])
		c.node.X = append(c.node.X, x, y)
		c.weight = append(c.weight, w[i]*a.weight(s[i])/float64(len(c.arcs)))
	}
}

// Dim returns 2.
func (thin) Dim() int { return 2 }

// Classes returns the number of arcs, 0 when there is one.
func (t thin) Classes() int {
	if len(t.arcs) == 1 {
		return 0
	}
	return len(t.arcs)
}

// Sample fills x with independent draws.
func (t thin) Sample(x flow.Batch, rng *rand.Rand) { t.SampleLabelled(x, nil, rng) }

// SampleLabelled is Sample with the arc of each point in label.
func (t thin) SampleLabelled(x flow.Batch, label []int32, rng *rand.Rand) {
	checkSample(2, x, label)
	for i := range x.N {
		k := rng.IntN(len(t.arcs))
		a, b := t.arcs[k].at(t.arcs[k].draw(rng.Float64()))
		x.X[2*i] = a + t.noise*rng.NormFloat64()
		x.X[2*i+1] = b + t.noise*rng.NormFloat64()
		if label != nil {
			label[i] = int32(k)
		}
	}
}

// LogProb writes log p of each point in nats, by quadrature (see curve).
func (c *curve) LogProb(logp []float64, x flow.Batch) {
	checkLogProb(2, logp, x)
	q := make([]float64, c.node.N)
	scale := 0.5 / (c.noise * c.noise)
	norm := -math.Log(2 * math.Pi * c.noise * c.noise)
	for i := range x.N {
		near := math.Inf(1)
		for k := range q {
			dx, dy := x.X[2*i]-c.node.X[2*k], x.X[2*i+1]-c.node.X[2*k+1]
			q[k] = (dx*dx + dy*dy) * scale
			near = min(near, q[k])
		}
		sum := 0.0
		for k, v := range q {
			if v-near < 45 { // e^-45 of the nearest node: below rounding
				sum += c.weight[k] * math.Exp(near-v)
			}
		}
		logp[i] = norm - near + math.Log(sum)
	}
}
