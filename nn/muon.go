package nn

import (
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// muonScale is the root mean square of a number of Muon's step, at a learning rate of 1.
// Adam's are about as large where gradients are noisy, so that both take one learning
// rate (Liu et al. 2025, arXiv:2502.16982, who take 0.2, for language models).
const muonScale = 0.4

// newtonSchulz are the coefficients of Jordan's iteration X ← aX + b(XXᵀ)X + c(XXᵀ)²X. It
// brings singular values in (0, 1] into about [0.7, 1.2] in five steps, which does as well
// as 1.
var newtonSchulz = struct {
	a, b, c float64
	steps   int
}{3.4445, -4.7750, 2.0315, 5}

// orthogonal returns the step of Muon for a matrix of mean gradients: UVᵀ of its singular
// value decomposition, nearly, of root mean square muonScale.
func orthogonal(g *Node) *Node {
	rows, columns := g.Shape().Dimensions[0], g.Shape().Dimensions[1]
	x := g
	if rows > columns { // XXᵀ is then the smaller of the two products
		x = Transpose(x, 0, 1)
	}
	x = Div(x, AddScalar(Sqrt(ReduceAllSum(Square(x))), 1e-12))
	for range newtonSchulz.steps {
		s := DotGeneral(x, []int{1}, nil, x, []int{1}, nil)
		square := DotGeneral(s, []int{1}, nil, s, []int{0}, nil)
		p := Add(MulScalar(s, newtonSchulz.b), MulScalar(square, newtonSchulz.c))
		x = Add(MulScalar(x, newtonSchulz.a), DotGeneral(p, []int{1}, nil, x, []int{0}, nil))
	}
	if rows > columns {
		x = Transpose(x, 0, 1)
	}
	return MulScalar(x, muonScale*math.Sqrt(float64(max(rows, columns))))
}

// replaceInner returns the slab to with matrix(k), flat, in the place of the k-th inner matrix.
func (l *layout) replaceInner(to *Node, matrix func(k int) *Node) *Node {
	var parts []*Node
	at := 0
	keep := func(end int) {
		if end > at {
			parts = append(parts, Slice(to, AxisRange(at, end)))
		}
	}
	for k, i := range l.inner {
		t := l.tensors[i]
		keep(t.Offset)
		parts = append(parts, matrix(k))
		at = t.Offset + t.Size()
	}
	keep(l.size)
	return Concatenate(parts, 0)
}

// orthogonalOf returns the step of Muon, flat, for the k-th inner matrix of a slab of mean gradients.
func (l *layout) orthogonalOf(ahead *Node, k int) *Node {
	t := l.tensors[l.inner[k]]
	g := Slice(ahead, AxisRange(t.Offset, t.Offset+t.Size()))
	return Reshape(orthogonal(Reshape(g, t.Shape...)), t.Size())
}

// OptimizerFor returns the name of the optimizer that was measured to do best for networks
// of that configuration, by steps and by seconds: Muon for perceptrons of two hidden layers
// and more whose widest is at most a quarter of the batch. Its step costs width³ whatever the
// batch; of wider ones it takes most of the time. Of others and of images it is AdamW.
func OptimizerFor(c Config, batch int) string {
	hidden := c.Widths()
	if len(hidden) < 2 || 4*slices.Max(hidden) > batch {
		return AdamW
	}
	return Muon
}

// RateFor returns the learning rate that was measured to do best for networks of that
// configuration with an optimizer: 0.01 for perceptrons; with AdamW less for those wider than
// 64, in proportion to 1/width. For UNets of up to 32 channels and transformers of a width up to 64 it is
// 0.004, and less for larger ones in the same proportion, which was measured of a width of 128 alone.
func RateFor(c Config, optimizer string) float64 {
	const rate, width = 1e-2, 64
	const imageRate, unetChannels, ditWidth = 4e-3, 32, 64
	widths := c.Widths()
	switch {
	case c.UNet != nil:
		channels := c.Defaults().UNet.Channels
		return imageRate * min(1, unetChannels/float64(channels))
	case c.DiT != nil:
		return imageRate * min(1, ditWidth/float64(c.Defaults().DiT.Width))
	}
	if widest := slices.Max(widths); optimizer == AdamW && widest > width {
		return rate * width / float64(widest)
	}
	return rate
}

// checkMuon reports a network without a matrix that Muon is for.
func (l *layout) checkMuon(o Optimizer) error {
	if o.Name == Muon && len(l.inner) == 0 {
		return fmt.Errorf("nn: the optimizer %s is for perceptrons of two hidden layers and more; choose %s", Muon,
			AdamW)
	}
	return nil
}
