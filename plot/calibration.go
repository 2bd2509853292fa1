package plot

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// Levels are numbers in [0, 1] that are uniform if posteriors are right: the ranks of a parameter, or
// the levels of the regions that just hold the truth.
type Levels struct {
	Name string
	U    []float64
}

// calibrationLevels is at how many levels the curves of Calibration are drawn.
const calibrationLevels = 200

// Calibration writes a picture of how far levels are from uniform ones: the share of them up to each
// level, less the level. A curve of a posterior that is right stays between the dashed lines with a
// probability of 99 % (the distance of Kolmogorov and Smirnov). One that rises before 1/2 and falls
// behind it is of posteriors that are too narrow, the other way round of those that are too wide; one
// that stays on one side is of a bias.
func Calibration(w io.Writer, levels []Levels, o Options) error {
	if len(levels) == 0 {
		return fmt.Errorf("plot: calibration: %w: no levels", ErrEmpty)
	}
	var series []Series
	least := math.MaxInt
	for k, l := range levels {
		if len(l.U) == 0 {
			return fmt.Errorf("plot: calibration: %w: no levels of %d %q", ErrEmpty, k, l.Name)
		}
		least = min(least, len(l.U))
		u := slices.Sorted(slices.Values(l.U))
		if !(u[0] >= 0 && u[len(u)-1] <= 1) { // a NaN comes first
			return fmt.Errorf("plot: calibration: %w: levels of %d %q from %v to %v; they must be in [0, 1]",
				ErrNotFinite, k, l.Name, u[0], u[len(u)-1])
		}
		series = append(series, excess(l.Name, u))
	}
	// Of the Kolmogorov law, 1.628 is exceeded in 1 of 100 cases.
	band := 1.628 / math.Sqrt(float64(least))
	return Lines(w, series, LineOptions{
		Options: o, LinearX: true, LinearY: true, XName: "level", YName: "share of truths − level",
		Floors: []Floor{{"99 %", band}, {"99 %", -band}},
	})
}

// excess is the curve of sorted levels u: the share of them up to each level, less the level.
func excess(name string, u []float64) Series {
	s := Series{Name: name, Bare: true}
	for i := range calibrationLevels + 1 {
		level := float64(i) / calibrationLevels
		n, _ := slices.BinarySearch(u, math.Nextafter(level, 2))
		s.X, s.Y = append(s.X, level), append(s.Y, float64(n)/float64(len(u))-level)
	}
	return s
}
