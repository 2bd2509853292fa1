package schema

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"flowmatch/internal/choice"
)

// The transforms of numbers. Each is a rising map from the values of a column, with the noise of
// their grid, to numbers of about a standard normal law.
const (
	Standard = "standard" // z = (y - shift)/scale
	Log      = "log"      // of log y
	Log1p    = "log1p"    // of log(1 + y)
	Logit    = "logit"    // of log((y - lo)/(hi - y))
	Robust   = "robust"   // of asinh((y - center)/spread): the logarithm in both tails
	Quantile = "quantile" // through knots, which lie at normal quantiles
)

// Transforms are the names of all of them, the simplest first.
func Transforms() []string { return []string{Standard, Log, Log1p, Logit, Robust, Quantile} }

// Code is how values of a column become coordinates.
type Code struct {
	// Transform is one of [Transforms], of numbers; empty: of levels.
	Transform string `json:"transform,omitempty"`
	// Shift and Scale bring what the transform makes to mean 0 and deviation 1.
	Shift float64 `json:"shift,omitempty"`
	Scale float64 `json:"scale,omitempty"`
	// A and B are the bounds of logit, or the center and the spread of robust.
	A float64 `json:"a,omitempty"`
	B float64 `json:"b,omitempty"`
	// Y and Z are the knots of quantile, both rising; beyond the ends the line goes on.
	Y []float64 `json:"y,omitempty"`
	Z []float64 `json:"z,omitempty"`
	// Shares are the frequencies of levels, and Unit the coordinate of a level that is there
	// less that of one that is not.
	Shares []float64 `json:"shares,omitempty"`
	Unit   float64   `json:"unit,omitempty"`
	// Noise is the deviation of the noise of levels, where the distance of two is 1; 0 where there
	// are none.
	Noise float64 `json:"noise,omitempty"`
	// Missing is the share of values that are missing: a level of its own; 0: none is.
	Missing float64 `json:"missing,omitempty"`
}

// validate reports a code that is not one of a column.
func (k *Code) validate(c Column) error {
	if k == nil {
		return fmt.Errorf("it has no code")
	}
	if !(k.Missing >= 0 && k.Missing < 1) || k.Missing == 0 != (c.Missing == 0) {
		return fmt.Errorf("a share of %g is missing, of %d values that are", k.Missing, c.Missing)
	}
	if noisy := !c.Kind.number() || k.Missing > 0; noisy != (k.Noise >= leastNoise) || !(k.Noise <= mostNoise) {
		return fmt.Errorf("noise of %g of its levels; want one from %g to %g where there are some", k.Noise, leastNoise,
			mostNoise)
	}
	if !c.Kind.number() {
		return k.validateLevels(len(c.Levels))
	}
	if !finite(k.Shift, k.Scale, k.A, k.B) || !finite(k.Y...) || !finite(k.Z...) {
		return fmt.Errorf("a number of its transform is not finite")
	}
	ok := k.Scale > 0
	switch k.Transform {
	case Standard:
	case Log:
		ok = ok && c.least() >= 0
	case Log1p:
		ok = ok && c.least() >= -1
	case Logit:
		ok = ok && k.A <= c.least() && k.B >= c.most() && k.A < k.B
	case Robust:
		ok = ok && k.B > 0
	case Quantile:
		ok = len(k.Y) == len(k.Z) && len(k.Y) >= 2 && rising(k.Y) && rising(k.Z)
	default:
		return fmt.Errorf("it has the transform %s; want one of %v", choice.Quote(k.Transform), Transforms())
	}
	if !ok {
		return fmt.Errorf("the numbers of its transform, %s, are none of one", k.Transform)
	}
	return nil
}

func (k *Code) validateLevels(n int) error {
	if k.Missing > 0 {
		n++
	}
	if len(k.Shares) != n || k.Transform != "" {
		return fmt.Errorf("%d shares of %d levels", len(k.Shares), n)
	}
	sum := 0.0
	for _, p := range k.Shares {
		if !(p >= 0 && p <= 1+rounding) {
			return fmt.Errorf("a level has a share of %g", p)
		}
		sum += p
	}
	if math.Abs(sum-1) > rounding {
		return fmt.Errorf("the shares of its levels have the sum %g; want 1", sum)
	}
	if !(k.Unit >= leastUnit && k.Unit <= mostUnit) {
		return fmt.Errorf("its levels are %g apart; want %d to %d", k.Unit, leastUnit, mostUnit)
	}
	return nil
}

func rising(v []float64) bool {
	for i := 1; i < len(v); i++ {
		if v[i] <= v[i-1] {
			return false
		}
	}
	return true
}

// forward returns z of y and log dz/dy. Out of what the transform takes it is not finite.
func (k *Code) forward(y float64) (z, logdet float64) {
	switch k.Transform {
	case Log:
		z, logdet = math.Log(y), -math.Log(y)
	case Log1p:
		z, logdet = math.Log1p(y), -math.Log1p(y)
	case Logit:
		z = math.Log((y - k.A) / (k.B - y))
		logdet = math.Log(k.B-k.A) - math.Log(y-k.A) - math.Log(k.B-y) // the product may be no float64
	case Robust:
		u := (y - k.A) / k.B
		z, logdet = math.Asinh(u), -math.Log(k.B)-math.Log(math.Hypot(1, u))
	case Quantile:
		i := k.segment(k.Y, y)
		slope := (k.Z[i+1] - k.Z[i]) / (k.Y[i+1] - k.Y[i])
		return k.Z[i] + slope*(y-k.Y[i]), math.Log(slope)
	default:
		z = y
	}
	return (z - k.Shift) / k.Scale, logdet - math.Log(k.Scale)
}

// inverse returns y of z.
func (k *Code) inverse(z float64) float64 {
	if k.Transform == Quantile {
		i := k.segment(k.Z, z)
		return k.Y[i] + (k.Y[i+1]-k.Y[i])/(k.Z[i+1]-k.Z[i])*(z-k.Z[i])
	}
	z = k.Shift + k.Scale*z
	switch k.Transform {
	case Log:
		return math.Exp(z)
	case Log1p:
		return math.Expm1(z)
	case Logit:
		return k.A + (k.B-k.A)/(1+math.Exp(-z))
	case Robust:
		return k.A + k.B*math.Sinh(z)
	}
	return z
}

// segment returns i where v is between knots i and i+1, or beyond an end.
func (k *Code) segment(knots []float64, v float64) int {
	i := sort.SearchFloat64s(knots, v) - 1
	return min(max(i, 0), len(knots)-2)
}

// spread returns values with, on a grid, the noise of their cells: those of one cell lie evenly
// in it, so that nothing is random. They are sorted, and missing ones are left out. cells are those
// of the grid that values lie in.
func (c Column) spread(values []float64) (y []float64, cells []span) {
	y = slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	slices.Sort(y)
	if !c.onGrid() {
		return y, nil
	}
	for from := 0; from < len(y); {
		to := from
		for to < len(y) && y[to] == y[from] {
			to++
		}
		lo, hi := c.cell(y[from])
		for i := from; i < to; i++ {
			y[i] = lo + (hi-lo)*(float64(i-from)+0.5)/float64(to-from)
		}
		cells = append(cells, span{lo, hi, from, to})
		from = to
	}
	return y, cells
}

// span is a cell with the sorted values from to to.
type span struct {
	lo, hi   float64
	from, to int
}

// fitNumber returns the code of a column of numbers by some of its values: that of a name or,
// for none, the one that makes them most normal. What is compared is the likelihood of the values
// under the normal law of what a transform makes, less half of log n for each of its numbers (the
// Bayesian information criterion of Schwarz 1978), so that a simple one is taken unless the data
// speak for another.
func (c Column) fitNumber(values []float64, name string) (*Code, error) {
	y, cells := c.spread(values)
	if len(y) == 0 || y[0] == y[len(y)-1] {
		// No row to train on tells how the others vary: their range does.
		width := max(c.most()-c.least(), math.Abs(c.Lo)*1e-3, 1e-9)
		return &Code{Transform: Standard, Shift: (c.Lo + c.Hi) / 2, Scale: width / 2}, nil
	}
	var best *Code
	most := math.Inf(-1)
	for _, t := range Transforms() {
		if name != "" && name != t || name == "" && t == Quantile && len(y) < leastQuantile {
			continue
		}
		k, parameters := c.candidate(t, y, cells)
		if c.Code = k; k == nil || c.checkBounds() != nil { // as log1p of 0, 1e300 and 2e300
			continue
		}
		if score := k.normality(y) - 0.5*parameters*math.Log(float64(len(y))); score > most || name != "" {
			best, most = k, score
		}
	}
	if best == nil {
		return nil, fmt.Errorf("its values, from %g to %g, have no transform %s", c.Lo, c.Hi,
			cmp.Or(name, "that keeps them finite"))
	}
	return best, nil
}

// candidate fits a transform to sorted values y in some cells, and returns how many numbers it has;
// nil: the values are none that it takes.
func (c Column) candidate(t string, y []float64, cells []span) (k *Code, parameters float64) {
	k, parameters = &Code{Transform: t, Scale: 1}, 2
	switch t {
	case Log:
		if c.least() < 0 || !c.onGrid() && c.Lo <= 0 {
			return nil, 0
		}
	case Log1p:
		if c.Lo < 0 || c.least() <= -1 {
			return nil, 0
		}
	case Logit:
		k.A, k.B = c.bounds(len(y))
		parameters = 4
	case Robust:
		q := func(p float64) float64 { return y[int(p*float64(len(y)-1)+0.5)] }
		const normal = 1.349 // between the quartiles of N(0, 1)
		k.A, k.B = q(0.5), (q(0.75)-q(0.25))/normal
		if k.B == 0 {
			k.B = (q(0.95) - q(0.05)) / 3.29
		}
		if parameters = 4; !(k.B > 0) {
			return nil, 0
		}
	case Quantile:
		k.Scale = 0
		var free int
		if k.Y, k.Z, free = knots(y, cells); len(k.Y) < 2 {
			return nil, 0
		}
		return k, 2 * float64(free-1)
	}
	n, mean, squares := float64(len(y)), 0.0, 0.0
	for _, v := range y {
		z, _ := k.forward(v)
		mean += z / n
	}
	for _, v := range y {
		z, _ := k.forward(v)
		squares += (z - mean) * (z - mean) / n
	}
	if k.Shift, k.Scale = mean, math.Sqrt(squares); !finite(mean, squares) || !(k.Scale > 0) {
		return nil, 0
	}
	return k, parameters
}

// bounds are those of logit: of shares 0 and 1, else the range, with air around values that are
// not on a grid.
func (c Column) bounds(n int) (lo, hi float64) {
	if lo, hi = c.least(), c.most(); c.onGrid() {
		return lo, hi
	}
	if lo > 0 && hi < 1 && lo < 0.1 && hi > 0.9 {
		return 0, 1
	}
	air := (hi - lo) / float64(n)
	return lo - air, hi + air
}

// normality is the log-likelihood of values under the law by which what k makes of them is
// N(0, 1).
func (k *Code) normality(y []float64) float64 {
	sum := 0.0
	for _, v := range y {
		z, logdet := k.forward(v)
		sum += logdet - z*z/2 - math.Log(2*math.Pi)/2
	}
	return sum
}

// leastQuantile is from how many values on quantile may be chosen: of fewer the knots are the values
// themselves, and two that are near put the next one very far off.
const leastQuantile = 40

// Knots of quantile are so far apart, or as far as rowsOfKnot values are.
const (
	mostKnots  = 128
	rowsOfKnot = 25
)

// knots returns values and the normal quantiles that they stand at: evenly in the quantiles, and
// at both ends of a cell that many values lie in, with knots between them that are even in the
// probability. free is how many are not such.
func knots(y []float64, cells []span) (at, z []float64, free int) {
	n := float64(len(y))
	segments := min(max(len(y)/rowsOfKnot, 8), mostKnots)
	edge := quantile(0.5 / n)
	add := func(v, p float64) {
		q := quantile(min(max(p, 0.5/n), 1-0.5/n))
		last := len(at) - 1
		if last >= 0 && v-at[last] <= 1e-9*(y[len(y)-1]-y[0]) {
			return
		}
		if last >= 0 {
			q = max(q, z[last]+leastRise)
		}
		at, z = append(at, v), append(z, q)
	}
	many := int(n/float64(segments)) + 1
	heavy := slices.DeleteFunc(slices.Clone(cells), func(s span) bool { return s.to-s.from < many })
	next, h := 0, 0
	for s := 0; s <= segments; s++ {
		p := normal(edge - 2*edge*float64(s)/float64(segments))
		row := min(int(p*n), len(y)-1)
		for ; h < len(heavy) && heavy[h].from <= row; h++ {
			e := heavy[h]
			parts := 2 + float64((e.to-e.from)/many)
			for j := 0.0; j <= parts; j++ {
				add(e.lo+(e.hi-e.lo)*j/parts, (float64(e.from)+j/parts*float64(e.to-e.from))/n)
			}
			next, free = max(next, e.to), free+2
		}
		if row >= next {
			add(y[row], (float64(row)+0.5)/n)
			next, free = row+1, free+1
		}
	}
	return at, z, free
}

// leastRise is how far knots are apart at least in the quantiles: a gap in the values has room
// for almost none.
const leastRise = 1e-3

// normal is the distribution function of N(0, 1), and quantile its inverse.
func normal(z float64) float64   { return 0.5 * math.Erfc(-z/math.Sqrt2) }
func quantile(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }
