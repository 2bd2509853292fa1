package schema

import (
	"fmt"
	"math"

	"flowmatch/internal/choice"
)

// This file checks what a schema from a file says beside the form of its fields: that values are ones that can
// be written, read again and mapped to coordinates.

// rounding is what sums of shares may be off by.
const rounding = 1e-6

// checkTexts reports levels that would be read as missing, and what is said of missing values of a table of so
// many rows, 0 where that is not known.
func (c Column) checkTexts(rows int) error {
	for _, l := range c.Levels {
		if IsMissing(l) {
			return fmt.Errorf("its level %s is read as missing", choice.Quote(l))
		}
	}
	switch {
	case c.Missing < 0 || rows > 0 && c.Missing > rows:
		return fmt.Errorf("%d of its values are missing, in %d rows", c.Missing, rows)
	case !IsMissing(c.Marker):
		return fmt.Errorf("it has %s where a value is missing, which is not read as that", choice.Quote(c.Marker))
	}
	return nil
}

// checkBounds reports values of numbers that are not those of their kind, or that no coordinate stands for.
func (c Column) checkBounds() error {
	if !c.Kind.number() {
		return nil
	}
	for _, v := range []float64{c.Lo, c.Hi} {
		z, logdet := c.Code.forward(v)
		switch {
		case c.Kind == Integer && v != math.Trunc(v):
			return fmt.Errorf("it is of whole numbers, and has values from %g to %g", c.Lo, c.Hi)
		case c.Kind == Date && !c.Format.isDate(v):
			return fmt.Errorf("its values from %g to %g are no dates as %s", c.Lo, c.Hi, c.Format.Layout)
		case !(math.Abs(z) <= math.MaxFloat32) || !finite(logdet):
			return fmt.Errorf("its value %g, among those from %g to %g, has the coordinate %g", v, c.Lo, c.Hi, z)
		}
	}
	if width := c.Hi - c.Lo; c.Step > 0 && width > 0 && (c.Step > width*(1+rounding) || width/c.Step > 1<<53) {
		return fmt.Errorf("a grid of %g has no values from %g to %g", c.Step, c.Lo, c.Hi)
	}
	// A deviation from the mean is among the values that the transform is of.
	if !finite(c.Code.inverse(-1), c.Code.inverse(1)) {
		return fmt.Errorf("its transform, %s, makes infinite values of usual coordinates", c.Code.Transform)
	}
	if lo, hi := c.coordinate(c.Lo), c.coordinate(c.Hi); c.Lo < c.Hi && !(hi-lo >= leastRange) {
		return fmt.Errorf("its values from %g to %g are all at one coordinate, %g", c.Lo, c.Hi, lo)
	}
	if c.Kind == Integer && c.Step != math.Trunc(c.Step) {
		return fmt.Errorf("it is of whole numbers on a grid of %g", c.Step)
	}
	return nil
}

// coordinate returns that of a value.
func (c Column) coordinate(v float64) float64 {
	z, _ := c.Code.forward(v)
	return z
}

// leastRange is a part of a deviation that values cover at least.
const leastRange = 1e-9

// isDate says whether a number is a date that the layout can write.
func (f Format) isDate(v float64) bool {
	back, ok := f.parseDate(f.writeDate(v))
	return ok && math.Abs(back-v) <= 1
}
