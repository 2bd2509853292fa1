package data

import (
	"errors"
	"fmt"
	"math"

	"flowmatch/data/internal/moments"
	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/choice"
)

// ErrConstantColumn is returned when a column has no spread: its density would
// be a spike, and no finite likelihood exists.
var ErrConstantColumn = errors.New("constant column")

// Standardizer is the affine map z = (x - Mean) / Std, coordinate by coordinate,
// from original units x to model units z. Mean and Std have length D, or length
// 1: then one pair serves every coordinate (the choice for images).
type Standardizer struct {
	Mean []float64 `json:"mean" yaml:"mean"`
	Std  []float64 `json:"std" yaml:"std"`
	// Lo and Hi are the least and the largest of the numbers that each pair was fitted to; nil: not known.
	Lo []float64 `json:"lo,omitempty" yaml:"lo,omitempty"`
	Hi []float64 `json:"hi,omitempty" yaml:"hi,omitempty"`
	// Squash, of contexts alone, makes the map z = 2 asinh((x - Mean) / (2 Std)): numbers
	// within a deviation of the mean stay nearly as they are, and outliers come near. It is
	// no affine map, so that densities of what is squashed are not those of LogDet.
	Squash bool `json:"squash,omitempty" yaml:"squash,omitempty"`
}

// Fit returns the per-column standardizer of x: mean and standard deviation of
// each column (the population one, divisor N), in two passes. columns names the
// columns in errors and may be nil. A column whose values are all equal is
// refused with ErrConstantColumn: drop it, for it carries nothing to model.
func Fit(x flow.Batch, columns []string) (*Standardizer, error) {
	if err := fittable(x); err != nil {
		return nil, err
	}
	return fitColumns(x.N, x.D, columns, whole(x.X))
}

// FitFinite is [Fit] of the points of f, or with contexts of these, which are read some at a time, twice or three
// times: the same numbers, bit for bit.
func FitFinite(f Finite, contexts bool, columns []string) (*Standardizer, error) {
	if absent.Is(f) {
		return nil, errNoSet
	}
	d := f.Dim()
	if contexts {
		d = f.Context()
	}
	if f.Len() < 1 || d < 1 {
		return nil, errNothing
	}
	return fitColumns(f.Len(), d, columns, passOf(f, contexts))
}

// FitFiniteScalar is [FitScalar] of the points of f, which are read some at a time: the same numbers, bit for bit.
func FitFiniteScalar(f Finite) (*Standardizer, error) {
	if absent.Is(f) {
		return nil, errNoSet
	}
	return fitScalar(f.Len()*f.Dim(), passOf(f, false))
}

// errNothing is that of no points to fit a standardizer to.
var errNothing = errors.New("data: cannot standardize: no points")

// fittable reports points that are none.
func fittable(x flow.Batch) error {
	if x.N < 1 || x.D < 1 {
		return errNothing
	}
	if len(x.X) != x.N*x.D {
		return fmt.Errorf("data: cannot standardize: points [%d, %d] of %d numbers; want %d", x.N, x.D, len(x.X),
			x.N*x.D)
	}
	return nil
}

// whole passes over numbers that are in memory.
func whole(x []float64) moments.Pass {
	return func(use func([]float64)) error {
		use(x)
		return nil
	}
}

// readRows is how many points are read at a time where all of them are gone through.
const readRows = 4096

// passOf passes over the points of f, or over their contexts.
func passOf(f Finite, contexts bool) moments.Pass {
	return func(use func([]float64)) error {
		index := make([]int, 0, readRows)
		x := flow.NewBatch(readRows, f.Dim())
		given := flow.NewGiven(readRows, false, f.Context())
		for from := 0; from < f.Len(); from += readRows {
			index = index[:0]
			for i := from; i < min(from+readRows, f.Len()); i++ {
				index = append(index, i)
			}
			x, of := x.Slice(0, len(index)), flow.Given{}
			if contexts {
				of = given.Slice(0, len(index))
			}
			if err := f.Read(x, of, index, nil); err != nil {
				return err
			}
			if contexts {
				use(of.Context.X)
			} else {
				use(x.X)
			}
		}
		return nil
	}
}

// fitColumns is Fit of n rows of d numbers.
func fitColumns(n, d int, columns []string, pass moments.Pass) (*Standardizer, error) {
	all, err := moments.Columns(d, n, pass)
	if err != nil {
		return nil, err
	}
	s := &Standardizer{Mean: make([]float64, d), Std: make([]float64, d), Lo: make([]float64, d),
		Hi: make([]float64, d)}
	for k, c := range all {
		if c.Constant() && n == 1 {
			return nil, errors.New("data: there is one row to train on, which has no deviation; give more rows, or " +
				"hold out fewer of them")
		}
		if c.Constant() {
			return nil, fmt.Errorf(
				"data: column %s is %g in all %d training rows: %w; leave it out with the columns option",
				columnName(columns, k), c.Mean, n, ErrConstantColumn)
		}
		if err := checkSpread("column "+columnName(columns, k), c); err != nil {
			return nil, err
		}
		s.Mean[k], s.Std[k], s.Lo[k], s.Hi[k] = c.Mean, c.Std, c.Lo, c.Hi
	}
	return s, s.Validate()
}

// checkSpread reports a deviation that a float64 does not hold, with the values that it comes of.
func checkSpread(what string, c moments.Column) error {
	if c.Std > 0 && !math.IsInf(c.Std, 0) && !math.IsNaN(c.Std) {
		return nil
	}
	return fmt.Errorf("data: %s has values from %g to %g, whose standard deviation (%g) a float64 does not hold; "+
		"leave out the rows with such values, or give the column in another unit", what, c.Lo, c.Hi, c.Std)
}

// FitScalar returns the standardizer with one mean and one standard deviation
// over all N*D numbers of x, which keeps the proportions between coordinates.
func FitScalar(x flow.Batch) (*Standardizer, error) { return fitScalar(len(x.X), whole(x.X)) }

// fitScalar is FitScalar of so many numbers.
func fitScalar(n int, pass moments.Pass) (*Standardizer, error) {
	if n == 0 {
		return nil, errNothing
	}
	all, err := moments.Columns(1, n, pass)
	if err != nil {
		return nil, err
	}
	c := all[0]
	if c.Constant() {
		return nil, fmt.Errorf("data: every number is %g: %w; there is nothing to model", c.Mean, ErrConstantColumn)
	}
	if err := checkSpread("the table", c); err != nil {
		return nil, err
	}
	s := &Standardizer{Mean: []float64{c.Mean}, Std: []float64{c.Std}, Lo: []float64{c.Lo}, Hi: []float64{c.Hi}}
	return s, s.Validate()
}

func columnName(columns []string, d int) string {
	if d < len(columns) {
		return choice.Quote(columns[d])
	}
	return fmt.Sprint(d)
}

// Validate reports a standardizer that cannot be applied: lengths that differ,
// a mean that is not finite, a deviation that is not positive and finite.
func (s *Standardizer) Validate() error {
	if s == nil {
		return errors.New("data: the standardizer is nil")
	}
	if len(s.Mean) != len(s.Std) || len(s.Mean) == 0 {
		return fmt.Errorf("data: standardizer has %d means and %d deviations; want as many, and at least one",
			len(s.Mean), len(s.Std))
	}
	if len(s.Lo) != len(s.Hi) || s.Lo != nil && len(s.Lo) != len(s.Mean) {
		return fmt.Errorf("data: standardizer has %d means, %d least and %d largest numbers; want as many of all, or "+
			"no range", len(s.Mean), len(s.Lo), len(s.Hi))
	}
	for d := range s.Mean {
		if m := s.Mean[d]; math.IsNaN(m) || math.IsInf(m, 0) {
			return fmt.Errorf("data: standardizer mean %d is %g; want a finite number", d, m)
		}
		if v := s.Std[d]; !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("data: standardizer deviation %d is %g; want a positive finite number", d, v)
		}
	}
	return nil
}

// Apply maps x to model units in place: z = (x - Mean) / Std, or that squashed.
// It panics when the standardizer has neither 1 nor x.D coordinates.
func (s *Standardizer) Apply(x flow.Batch) {
	if s.Squash {
		s.each(x, func(v, mean, std float64) float64 { return squash((v - mean) / std) })
		return
	}
	s.each(x, func(v, mean, std float64) float64 { return (v - mean) / std })
}

// Invert maps z back to original units in place: x = Mean + Std * z, or that of what was
// squashed.
// It panics when the standardizer has neither 1 nor z.D coordinates.
func (s *Standardizer) Invert(z flow.Batch) {
	if s.Squash {
		s.each(z, func(v, mean, std float64) float64 { return mean + std*Stretch(v) })
		return
	}
	s.each(z, func(v, mean, std float64) float64 { return mean + std*v })
}

// squashed is from where on, in standard deviations, Standardizer.Squash brings numbers near.
const squashed = 2

func squash(z float64) float64 { return squashed * math.Asinh(z/squashed) }

// Stretch returns how many standard deviations from the mean a number is that a
// [Standardizer] with Squash has made z of.
func Stretch(z float64) float64 { return squashed * math.Sinh(z/squashed) }

// Slope returns dx/dz of coordinate d: its Std, whatever the value is.
func (s *Standardizer) Slope(d int, _ float64) float64 { return s.Std[min(d, len(s.Std)-1)] }

func (s *Standardizer) each(x flow.Batch, f func(v, mean, std float64) float64) {
	s.check(x.D)
	if len(s.Mean) == 1 {
		for i, v := range x.X {
			x.X[i] = f(v, s.Mean[0], s.Std[0])
		}
		return
	}
	for i := range x.N {
		row := x.Row(i)
		for d, v := range row {
			row[d] = f(v, s.Mean[d], s.Std[d])
		}
	}
}

// LogDet returns log |det dx/dz| = sum over the dim coordinates of log Std, in
// nats, so that log p_x(x) = log p_z(z) - LogDet and
//
//	NLL in original units = NLL in model units + LogDet.
func (s *Standardizer) LogDet(dim int) float64 {
	s.check(dim)
	sum := 0.0
	for _, v := range s.Std {
		sum += math.Log(v)
	}
	if len(s.Std) == 1 {
		sum *= float64(dim)
	}
	return sum
}

func (s *Standardizer) check(dim int) {
	if err := s.fits(dim); err != nil {
		panic(err.Error())
	}
}

// fits reports a standardizer that is not one of points of so many coordinates.
func (s *Standardizer) fits(dim int) error {
	if n := len(s.Mean); (n != 1 && n != dim) || n != len(s.Std) {
		return fmt.Errorf("data: standardizer of %d coordinates for points of dimension %d", n, dim)
	}
	return nil
}
