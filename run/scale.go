package run

import (
	"fmt"
	"math"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/path"
)

// How wide data may be, in model units, for what is made for a scale of 1: the rates and
// tolerances of a training and a solve, and networks that no precondition scales.
const (
	widest, widestPlain = 100, 10
	// mostBeside is how large the data may be beside the deviation of a coordinate, and
	// mostMixed beside the noise that a path begins with.
	mostBeside, mostMixed = 20, 0.1
)

// unscaled says what is wrong with the scale of points x, in model units, of which scale is
// the root mean square, for the model of spec. Nothing fails of it: it trains badly.
func unscaled(spec model.Spec, set *data.Set, x flow.Batch, scale float64) (warnings []string) {
	if set.Kind == data.KindImages || scale == 0 {
		return nil
	}
	const remedy = "; data.standardize: columns (or scalar) brings them to 1"
	name, narrow := narrowest(set, x)
	limit := float64(widestPlain)
	if spec.Precondition != nil {
		limit = widest
	}
	switch {
	case narrow > 0 && scale/narrow > mostBeside:
		warnings = append(warnings, fmt.Sprintf("%s varies by %.3g about its mean, beside numbers of the size of "+
			"%.3g: what is small is hard to learn beside what is large%s", name, narrow, scale, remedy))
	case scale > limit || scale < 1/limit:
		warnings = append(warnings, fmt.Sprintf("the numbers of the data are of the size of %.3g, and training and "+
			"tolerances are for a size of about 1%s", scale, remedy))
	}
	if s, err := spec.Path.New(); err == nil {
		lo, _ := path.SpanOf(s, spec.Prediction, scale)
		if c := s.At(lo); c.Alpha*scale > mostMixed*c.Sigma {
			warnings = append(warnings, fmt.Sprintf("path %s begins with %.2g of the data beside %.3g of noise, and "+
				"samples with the noise alone: with data of the size of %.3g they will differ%s", spec.Path.Name,
				c.Alpha, c.Sigma, scale, remedy))
		}
	}
	return warnings
}

// narrowest returns the coordinate of least standard deviation, and that; constant ones, of
// which there is nothing to learn, are passed over. It is 0 where all are.
func narrowest(set *data.Set, x flow.Batch) (name string, std float64) {
	for d := range x.D {
		mean, square := 0.0, 0.0
		for i := range x.N {
			mean += x.Row(i)[d] / float64(x.N)
		}
		for i := range x.N {
			e := x.Row(i)[d] - mean
			square += e * e / float64(x.N)
		}
		if v := math.Sqrt(square); v > 1e-12*math.Abs(mean) && (std == 0 || v < std) {
			name, std = fmt.Sprintf("coordinate %d", d), v
			if d < len(set.Columns) {
				name = fmt.Sprintf("column %q", set.Columns[d])
			}
		}
	}
	return name, std
}
