package data

import (
	"errors"
	"fmt"
	"math"

	"flowmatch/data/internal/moments"
	"flowmatch/flow"
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
	if x.N < 1 || x.D < 1 {
		return nil, errors.New("data: cannot standardize: no points")
	}
	if len(x.X) != x.N*x.D {
		return nil, fmt.Errorf("data: cannot standardize: points [%d, %d] of %d numbers; want %d", x.N, x.D, len(x.X),
			x.N*x.D)
	}
	s := &Standardizer{Mean: make([]float64, x.D), Std: make([]float64, x.D)}
	for d := range x.D {
		mean, std, constant := moments.Of(x.X[d:], x.D, x.N)
		if constant && x.N == 1 {
			return nil, errors.New("data: there is one row to train on, which has no deviation; give more rows, or " +
				"hold out fewer of them")
		}
		if constant {
			return nil, fmt.Errorf(
				"data: column %s is %g in all %d training rows: %w; leave it out with the columns option",
				columnName(columns, d), mean, x.N, ErrConstantColumn)
		}
		if err := checkSpread("column "+columnName(columns, d), x.X[d:], x.D, x.N, std); err != nil {
			return nil, err
		}
		s.Mean[d], s.Std[d] = mean, std
	}
	return s, s.Validate()
}

// checkSpread reports a deviation of n numbers of x, stride apart, that a float64 does not
// hold, with the values that it comes of.
func checkSpread(what string, x []float64, stride, n int, std float64) error {
	if std > 0 && !math.IsInf(std, 0) && !math.IsNaN(std) {
		return nil
	}
	lo, hi := x[0], x[0]
	for i := range n {
		lo, hi = min(lo, x[i*stride]), max(hi, x[i*stride])
	}
	return fmt.Errorf("data: %s has values from %g to %g, whose standard deviation (%g) a float64 does not hold; "+
		"leave out the rows with such values, or give the column in another unit", what, lo, hi, std)
}

// FitScalar returns the standardizer with one mean and one standard deviation
// over all N*D numbers of x, which keeps the proportions between coordinates.
func FitScalar(x flow.Batch) (*Standardizer, error) {
	if len(x.X) == 0 {
		return nil, errors.New("data: cannot standardize: no points")
	}
	mean, std, constant := moments.Of(x.X, 1, len(x.X))
	if constant {
		return nil, fmt.Errorf("data: every number is %g: %w; there is nothing to model", mean, ErrConstantColumn)
	}
	if err := checkSpread("the table", x.X, 1, len(x.X), std); err != nil {
		return nil, err
	}
	s := &Standardizer{Mean: []float64{mean}, Std: []float64{std}}
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
