package classify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
)

// ForestOptions says how a random forest is grown. The zero value grows one of regression.
type ForestOptions struct {
	// Classes is how many classes there are, whose numbers, from 0 on, are told; 0: numbers are.
	Classes int
	Trees   int // default 100
	Seed    uint64
}

// Forest is a random forest (Breiman 2001) of classes or of numbers.
type Forest struct {
	dim, classes int
	trees        [][]node
	mean         float64 // of the numbers, which trees learn without it; 0 of classes
}

// node is one of a tree: a leaf, or a question whose answers are other nodes.
type node struct {
	feature     int // -1: a leaf
	threshold   float64
	left, right int
	value       []float64 // of a leaf: the share of each class, or the mean
}

// NewForest grows a forest on points x [N, D] whose classes or numbers are y [N]. A coordinate that is
// NaN is missing, and goes with the smallest.
//
// Each tree has N rows drawn with replacement, and each of its questions is the best of ⌊√D⌋ coordinates
// (of numbers ⌈D/3⌉) drawn at random, by Gini's impurity or the variance, until a leaf has one class (of
// numbers 5 rows at most). The forest is a function of its arguments. The error is [ErrSample] for what
// cannot be learnt from, and that of ctx when it ends.
func NewForest(ctx context.Context, x flow.Batch, y []float64, o ForestOptions) (*Forest, error) {
	o.Trees = cmp.Or(o.Trees, 100)
	if err := o.check(x, y); err != nil {
		return nil, err
	}
	f := &Forest{dim: x.D, classes: o.Classes, trees: make([][]node, o.Trees)}
	if o.Classes == 0 {
		f.mean = stat.Mean(y)
		y = slices.Clone(y)
		for i := range y {
			y[i] -= f.mean
		}
	}
	var group sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), o.Trees) {
		group.Go(func() {
			for k := range next {
				f.trees[k] = newGrower(ctx, x, y, o, k).tree()
			}
		})
	}
	var err error
	for k := 0; k < o.Trees && err == nil; k++ {
		if err = ctx.Err(); err == nil {
			next <- k
		}
	}
	close(next)
	group.Wait()
	return f, cmp.Or(err, ctx.Err()) // of trees that were left as they are
}

func (o ForestOptions) check(x flow.Batch, y []float64) error {
	switch {
	case o.Trees < 1 || o.Classes < 0:
		return fmt.Errorf("classify: a forest of %d trees and %d classes; it needs at least 1 tree", o.Trees, o.Classes)
	case x.N < 1 || x.D < 1 || len(x.X) != x.N*x.D || len(y) != x.N:
		return fmt.Errorf("classify: a forest of points [%d, %d] and %d answers: %w: it needs one of each point", x.N,
			x.D, len(y), ErrSample)
	case slices.ContainsFunc(x.X, func(v float64) bool { return math.IsInf(v, 0) }):
		return fmt.Errorf("classify: a forest of points that are infinite: %w", ErrSample)
	}
	for i, v := range y {
		if v-v != 0 || o.Classes > 0 && (v != math.Trunc(v) || v < 0 || v >= float64(o.Classes)) {
			return fmt.Errorf("classify: a forest: the answer of point %d is %g, of %d classes: %w", i, v, o.Classes,
				ErrSample)
		}
	}
	return nil
}

// ErrDim is returned for points of another dimension than a classifier was made for.
var ErrDim = errors.New("classify: points of another dimension")

// Predict returns for each of points x [N, D] the class that is likeliest, or the number. When ctx ends, its
// error is returned.
func (f *Forest) Predict(ctx context.Context, x flow.Batch) ([]float64, error) {
	if x.D != f.dim {
		return nil, fmt.Errorf("%w: %d, and the forest is of %d", ErrDim, x.D, f.dim)
	}
	out := make([]float64, x.N)
	sum := make([]float64, max(1, f.classes))
	for i := range out {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		clear(sum)
		for _, t := range f.trees {
			for k, v := range leaf(t, x.Row(i)) {
				sum[k] += v
			}
		}
		if out[i] = f.mean + sum[0]/float64(len(f.trees)); f.classes > 0 {
			out[i] = float64(slices.Index(sum, slices.Max(sum)))
		}
	}
	return out, nil
}

// leaf returns the value of the leaf of a tree that a point comes to.
func leaf(t []node, x []float64) []float64 {
	at := &t[0]
	for at.feature >= 0 {
		if v := x[at.feature]; v > at.threshold { // never so of what is missing
			at = &t[at.right]
		} else {
			at = &t[at.left]
		}
	}
	return at.value
}

// grower grows one tree.
type grower struct {
	ctx     context.Context // no question is asked after its end
	x       flow.Batch
	y       []float64
	o       ForestOptions
	rng     *rand.Rand
	nodes   []node
	order   []int // of the coordinates
	tried   int   // coordinates of a question
	least   int   // rows of a leaf of numbers that is not divided
	sorted  []value
	totals  []float64 // of all rows of a node
	leftSum []float64
}

// value is a coordinate of a row.
type value struct {
	v   float64
	row int
}

func newGrower(ctx context.Context, x flow.Batch, y []float64, o ForestOptions, k int) *grower {
	g := &grower{ctx: ctx, x: x, y: y, o: o, rng: seed.Rand(o.Seed, "classify/forest", uint64(k)), order: indices(x.D),
		tried: max(1, int(math.Sqrt(float64(x.D)))), least: 1, sorted: make([]value, x.N),
		totals: make([]float64, max(1, o.Classes)), leftSum: make([]float64, max(1, o.Classes))}
	if o.Classes == 0 {
		g.tried, g.least = (x.D+2)/3, 5
	}
	return g
}

// tree grows a tree.
func (g *grower) tree() []node {
	rows := make([]int, g.x.N)
	for i := range rows {
		rows[i] = g.rng.IntN(g.x.N)
	}
	g.grow(rows)
	return g.nodes
}

// grow adds the node of some rows, and those below it, and returns its place.
func (g *grower) grow(rows []int) int {
	at := len(g.nodes)
	g.nodes = append(g.nodes, node{feature: -1})
	clear(g.totals)
	same := true
	for _, i := range rows {
		k, w := g.answer(i)
		g.totals[k] += w
		same = same && g.y[i] == g.y[rows[0]]
	}
	feature, threshold := -1, 0.0
	if !same && len(rows) > g.least && g.ctx.Err() == nil {
		feature, threshold = g.question(rows)
	}
	if feature < 0 {
		v := slices.Clone(g.totals)
		for k := range v {
			v[k] /= float64(len(rows))
		}
		g.nodes[at].value = v
		return at
	}
	left := 0 // so many rows come to the front
	for i, r := range rows {
		if !(g.x.Row(r)[feature] > threshold) {
			rows[left], rows[i] = r, rows[left]
			left++
		}
	}
	l := g.grow(rows[:left])
	r := g.grow(rows[left:])
	g.nodes[at] = node{feature: feature, threshold: threshold, left: l, right: r}
	return at
}

// answer returns to which sum a row adds what: 1 to that of its class, or its number to the only one.
func (g *grower) answer(row int) (sum int, w float64) {
	if g.o.Classes > 0 {
		return int(g.y[row]), 1
	}
	return 0, g.y[row]
}

// question returns the coordinate and the threshold that divide rows best; -1: none does.
func (g *grower) question(rows []int) (feature int, threshold float64) {
	feature, best := -1, math.Inf(-1)
	for k := range g.order {
		if k >= g.tried && feature >= 0 { // of constant coordinates more are tried
			break
		}
		other := k + g.rng.IntN(len(g.order)-k)
		g.order[k], g.order[other] = g.order[other], g.order[k]
		if score, at := g.split(rows, g.order[k]); score > best {
			feature, threshold, best = g.order[k], at, score
		}
	}
	return feature, threshold
}

// split returns the best threshold of a coordinate, and its score Σ_sides |sum|²/n: the larger it is, the
// less is the impurity or the variance of both sides. -Inf: all rows have one value.
func (g *grower) split(rows []int, feature int) (best, threshold float64) {
	best = math.Inf(-1)
	values := g.sorted[:len(rows)]
	for i, r := range rows {
		v := g.x.Row(r)[feature]
		if v != v {
			v = math.Inf(-1)
		}
		values[i] = value{v, r}
	}
	slices.SortFunc(values, func(a, b value) int { return cmp.Compare(a.v, b.v) })
	clear(g.leftSum)
	left, right := 0.0, 0.0
	for _, s := range g.totals {
		right += s * s
	}
	for i := range len(values) - 1 {
		k, w := g.answer(values[i].row)
		s := g.leftSum[k]
		left, right = left+w*(2*s+w), right-w*(2*(g.totals[k]-s)-w)
		g.leftSum[k] += w
		lo, hi := values[i].v, values[i+1].v
		if lo == hi {
			continue
		}
		score := left/float64(i+1) + right/float64(len(values)-i-1)
		if score <= best {
			continue
		}
		best, threshold = score, lo
		if mid := lo + (hi-lo)/2; mid < hi { // else they are neighbours
			threshold = mid
		}
		if math.IsInf(lo, -1) { // only what is missing
			threshold = lo
		}
	}
	return best, threshold
}
