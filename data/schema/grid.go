package schema

import (
	"math"
	"slices"
	"sort"
)

// mostValues is how many values a column of real numbers may have for them to be the only ones that
// there are, where each comes twice at least on average.
const mostValues = 1000

// emptyCells is how many cells of a grid there are for each value that comes, from which on the values
// are the grid.
const emptyCells = 50

// valuesOf returns the values of a column that are its grid, sorted, where a step does not say it: those
// of few, which come again and again. nil: there are none such.
func (c Column) valuesOf(distinct []float64, rows int) []float64 {
	values := slices.DeleteFunc(slices.Clone(distinct), math.IsNaN)
	slices.Sort(values)
	values = slices.Compact(values)
	n := len(values)
	if n < 2 || n > mostValues || 2*n > rows || c.Step > 0 && (c.Hi-c.Lo)/c.Step < emptyCells*float64(n) {
		return nil
	}
	return values
}

// onGrid says whether the values of a column of numbers are on a grid, even or not.
func (c Column) onGrid() bool { return c.Step > 0 || c.Values != nil }

// cell returns the ends of the cell of a value on the grid: those of an uneven one lie between it and
// the next ones. A value that is not on it, or of a column on none, is alone in its cell.
func (c Column) cell(v float64) (lo, hi float64) {
	if c.Step > 0 {
		return v - c.Step/2, v + c.Step/2
	}
	at := sort.SearchFloat64s(c.Values, v)
	if at == len(c.Values) || c.Values[at] != v {
		return v, v
	}
	last := len(c.Values) - 1
	down, up := c.Values[max(at, 1)]-c.Values[max(at, 1)-1], c.Values[min(at, last-1)+1]-c.Values[min(at, last-1)]
	return v - down/2, v + up/2
}

// nearest returns the value on the grid that is nearest to y, within the range.
func (c Column) nearest(y float64) float64 {
	if c.Step > 0 {
		return min(c.Lo+c.Step*math.Round((y-c.Lo)/c.Step), c.Hi)
	}
	at := min(sort.SearchFloat64s(c.Values, y), len(c.Values)-1)
	if at > 0 && y-c.Values[at-1] < c.Values[at]-y {
		at--
	}
	return c.Values[at]
}

// least and most are the ends of the values with the noise of their grid.
func (c Column) least() float64 { lo, _ := c.cell(c.Lo); return lo }
func (c Column) most() float64  { _, hi := c.cell(c.Hi); return hi }

// checkValues says whether the values of an uneven grid are one.
func (c Column) checkValues() bool {
	v := c.Values
	return v == nil || c.Step == 0 && len(v) >= 2 && len(v) <= mostValues && finite(v...) && rising(v) &&
		v[0] == c.Lo && v[len(v)-1] == c.Hi
}
