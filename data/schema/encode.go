package schema

import (
	"math"
	"math/rand/v2"

	"flowmatch/flow"
)

// levelNoise is the deviation of the noise of levels, each in a coordinate of its own (docs/design/schema.md
// has others beside it), and leastNoise and mostNoise are those that a schema from a file may have. What is drawn
// for a level and is nearer to another is drawn again. A flow does not know that: it takes two levels for
// one another twice in ten thousand times, also where both have one coordinate.
const levelNoise, leastNoise, mostNoise = 0.2, 0.01, 0.25

// fits reports batches that are not of s: rows [N, C], or none, and points [N, Dim()].
func (s *Schema) fits(rows *flow.Batch, points flow.Batch) []int {
	learnt := s.Learnt()
	if points.D != s.Dim() || rows != nil && (rows.D != len(learnt) || rows.N != points.N) {
		panic("schema: batches that do not fit its columns")
	}
	return learnt
}

// Points writes rows [N, C] as points [N, Dim()] in data units: noise of the grid is added to
// numbers, a level is 1 in its coordinate and 0 in the others, with noise, and so is whether a
// number is missing; where it is, its own coordinate is drawn. rng(i) drives what is drawn for row i.
// It panics for shapes that do not fit.
func (s *Schema) Points(points, rows flow.Batch, rng func(row int) *rand.Rand) {
	learnt := s.fits(&rows, points)
	for i := range rows.N {
		r, from, to := rng(i), rows.Row(i), points.Row(i)
		for k, j := range learnt {
			c := &s.Columns[j]
			w := c.width()
			c.point(to[:w], from[k], r)
			to = to[w:]
		}
	}
}

// point writes the coordinates of one value.
func (c *Column) point(x []float64, v float64, rng *rand.Rand) {
	missing := math.IsNaN(v)
	switch {
	case c.Kind.number():
		if len(x) == 2 {
			two(x[1:], missing, c.Code.Noise, rng)
		}
		if missing {
			v = c.Code.inverse(rng.NormFloat64())
		} else if lo, hi := c.cell(v); hi > lo {
			v = lo + (hi-lo)*inside(rng)
		}
		x[0] = v
	case len(x) == 1:
		two(x, v == 1, c.Code.Noise, rng)
	default:
		at := len(c.Levels)
		if !missing {
			at = int(v)
		}
		for again := true; again; again = largest(x) != at {
			for i := range x {
				if x[i] = c.Code.Noise * rng.NormFloat64(); i == at {
					x[i]++
				}
			}
		}
	}
}

// inside is a uniform number between 0 and 1, so far from both that it is within a cell whatever is
// rounded.
func inside(rng *rand.Rand) float64 {
	const air = 1e-10
	return min(max(rng.Float64(), air), 1-air)
}

// two writes 0 or 1 with noise of a deviation.
func two(x []float64, second bool, noise float64, rng *rand.Rand) {
	e := rng.NormFloat64()
	for math.Abs(e)*noise >= 0.5 {
		e = rng.NormFloat64()
	}
	if x[0] = noise * e; second {
		x[0]++
	}
}

func largest(x []float64) int {
	at := 0
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return at
}

// LogNoise returns, for each of the points [N, Dim()] in data units, the log-density of what
// [Schema.Points] draws for levels, for what is missing, and for the numbers in its place. The
// noise of a grid is not counted: see [Schema.LogCells].
func (s *Schema) LogNoise(points flow.Batch) []float64 {
	learnt := s.fits(nil, points)
	sums := make([]float64, points.N)
	for i := range sums {
		x := points.Row(i)
		for _, j := range learnt {
			c := &s.Columns[j]
			w := c.width()
			sums[i] += c.logNoise(x[:w])
			x = x[w:]
		}
	}
	return sums
}

func (c *Column) logNoise(x []float64) float64 {
	gauss := func(v, at float64) float64 {
		e := (v - at) / c.Code.Noise
		return -e*e/2 - math.Log(2*math.Pi)/2 - math.Log(c.Code.Noise)
	}
	flag := func(v float64) float64 { // of what is within half of the distance
		at := 0.0
		if v > 0.5 {
			at = 1
		}
		return gauss(v, at) - math.Log(math.Erf(0.5/(c.Code.Noise*math.Sqrt2)))
	}
	switch {
	case c.Kind.number() && len(x) == 1:
		return 0
	case c.Kind.number():
		sum := flag(x[1])
		if x[1] > 0.5 {
			z, logdet := c.Code.forward(x[0])
			sum += logdet - z*z/2 - math.Log(2*math.Pi)/2
		}
		return sum
	case len(x) == 1:
		return flag(x[0])
	}
	at, sum := largest(x), 0.0 // what is drawn again is counted as nothing: 2e-4 of it for each other level
	for i, v := range x {
		if i == at {
			v--
		}
		sum += gauss(v, 0)
	}
	return sum
}

// Rows writes points [N, Dim()] in data units as rows [N, C]: each value within the range of the
// data, on their grid, or one of the levels, whatever the points are. It panics for shapes that do not
// fit.
func (s *Schema) Rows(rows, points flow.Batch) { s.rows(rows, points, (*Column).row) }

// Complete is Rows without missing values: a value is what it is if it is there.
func (s *Schema) Complete(rows, points flow.Batch) { s.rows(rows, points, (*Column).present) }

// rows writes the values that of makes of coordinates.
func (s *Schema) rows(rows, points flow.Batch, of func(c *Column, x []float64) float64) {
	learnt := s.fits(&rows, points)
	for i := range rows.N {
		from, to := points.Row(i), rows.Row(i)
		for k, j := range learnt {
			c := &s.Columns[j]
			w := c.width()
			to[k] = of(c, from[:w])
			from = from[w:]
		}
	}
}

// row returns the value of coordinates.
func (c *Column) row(x []float64) float64 {
	number := c.Kind.number()
	if number && len(x) == 2 && x[1] > 0.5 || !number && len(x) > 1 && largest(x) == len(c.Levels) {
		return math.NaN()
	}
	return c.present(x)
}

// present returns the value of coordinates, whether it is missing or not.
func (c *Column) present(x []float64) float64 {
	switch {
	case c.Kind.number():
		return c.settle(x[0])
	case len(x) == 1 && x[0] > 0.5:
		return 1
	case len(x) == 1:
		return 0
	}
	return float64(largest(x[:len(c.Levels)]))
}

// settle brings a number into the range of its column and onto its grid.
func (c *Column) settle(y float64) float64 {
	if math.IsNaN(y) {
		y = (c.Lo + c.Hi) / 2
	}
	y = min(max(y, c.Lo), c.Hi)
	switch {
	case c.Values != nil:
		return c.nearest(y)
	case c.Step > 0:
		y = c.nearest(y)
	case c.Kind == Integer:
		return math.Round(y)
	}
	if d := c.Format.Decimals; c.Kind == Real && d >= 0 || c.Kind == Integer {
		if unit := math.Pow(10, float64(d)); math.Abs(y)*unit < 1<<52 {
			y = math.Round(y*unit) / unit
		}
	}
	return y
}

// each calls f with each coordinate of points x, its column and its number in it, and writes what it
// returns.
func (s *Schema) each(x flow.Batch, f func(c *Column, k int, v float64) float64) {
	learnt := s.fits(nil, x)
	for i := range x.N {
		row := x.Row(i)
		for _, j := range learnt {
			c := &s.Columns[j]
			w := c.width()
			for k := range w {
				row[k] = f(c, k, row[k])
			}
			row = row[w:]
		}
	}
}

// Apply maps points [N, Dim()] from data units to model units in place. What a transform does not
// take becomes a number that is not finite. It panics for shapes that do not fit.
func (s *Schema) Apply(x flow.Batch) {
	s.each(x, func(c *Column, k int, v float64) float64 {
		if c.Kind.number() && k == 0 {
			z, _ := c.Code.forward(v)
			return z
		}
		shift, unit := c.affine(k)
		return unit * (v - shift)
	})
}

// Invert maps points from model units to data units in place. It panics for shapes that do not fit.
func (s *Schema) Invert(z flow.Batch) {
	s.each(z, func(c *Column, k int, v float64) float64 {
		if c.Kind.number() && k == 0 {
			return c.Code.inverse(v)
		}
		shift, unit := c.affine(k)
		return shift + v/unit
	})
}

// LogDet returns, for each of the points x [N, Dim()] in data units, log |det dz/dx| of Apply.
func (s *Schema) LogDet(x flow.Batch) []float64 {
	sums, at := make([]float64, x.N), 0
	s.each(x, func(c *Column, k int, v float64) float64 {
		if c.Kind.number() && k == 0 {
			_, logdet := c.Code.forward(v)
			sums[at/x.D] += logdet
		} else {
			_, unit := c.affine(k)
			sums[at/x.D] += math.Log(unit)
		}
		at++
		return v
	})
	return sums
}

// Slope returns dx/dz of coordinate d at the value v, in data units.
func (s *Schema) Slope(d int, v float64) float64 {
	for _, j := range s.Learnt() {
		c := &s.Columns[j]
		w := c.width()
		if d >= w {
			d -= w
			continue
		}
		if c.Kind.number() && d == 0 {
			_, logdet := c.Code.forward(v)
			return math.Exp(-logdet)
		}
		_, unit := c.affine(d)
		return 1 / unit
	}
	return 1
}

// affine returns the map unit (v - shift) of coordinate k of a column, of a level or of what is
// missing.
func (c *Column) affine(k int) (shift, unit float64) {
	switch {
	case c.Kind.number():
		p := c.Code.Missing
		return p, min(mostUnit, 1/math.Sqrt(p*(1-p)))
	case c.width() == 1:
		return c.Code.Shares[1], c.Code.Unit
	}
	return c.Code.Shares[k], c.Code.Unit
}
