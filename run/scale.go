package run

import (
	"fmt"
	"math"
	"slices"

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
	warnings = outlying(set, x)
	remedy := "; data.standardize: columns (or scalar) scales them to 1"
	if spec.Precondition == nil && spec.Prediction != path.Velocity {
		remedy += ", and precondition: true trains a prediction of any scale"
	}
	name, narrow := narrowest(set, x)
	limit := float64(widestPlain)
	if spec.Precondition != nil {
		limit = widest
	}
	switch {
	case narrow > 0 && scale/narrow > mostBeside:
		warnings = append(warnings, fmt.Sprintf("%s varies by %.3g about its mean, but other numbers are of the size "+
			"of %.3g: small numbers are hard to learn next to large ones%s", name, narrow, scale, remedy))
	case scale > limit || scale < 1/limit:
		warnings = append(warnings, fmt.Sprintf("the numbers of the data are of the size of %.3g, but training and "+
			"tolerances expect a size of about 1%s", scale, remedy))
	}
	if s, err := spec.Path.New(); err == nil {
		lo, _ := path.SpanOf(s, spec.Prediction, scale)
		if c := s.At(lo); c.Alpha*scale > mostMixed*c.Sigma {
			warnings = append(warnings, fmt.Sprintf("path %s begins with %.2g of the data and %.3g of noise, but "+
				"samples begin with only the noise: with data of the size of %.3g they will differ%s", spec.Path.Name,
				c.Alpha, c.Sigma, scale, remedy))
		}
	}
	return warnings
}

// outlying warns of columns whose scale a few rows far out decide: to the network all others
// are then one point.
func outlying(set *data.Set, x flow.Batch) (warnings []string) {
	const far, close = 1e4, 0.05 // in widths of nine tenths of the rows, and of deviations
	const vast = 1e12            // in the units of the file
	std := set.Standardizer
	apart := std != nil && len(slices.Compact(slices.Sorted(slices.Values(std.Std)))) > 1 // each column its own
	v := make([]float64, x.N)
	for d := range x.D {
		for i := range v {
			v[i] = x.Row(i)[d]
		}
		slices.Sort(v)
		low, high := v[len(v)/20], v[len(v)-1-len(v)/20]
		width, most := high-low, max(low-v[0], v[len(v)-1]-high)
		switch {
		case width > 0 && (most >= far*width || apart && width < close):
		case width == 0 && std != nil && std.Std[d] > vast: // all others became one number
		default:
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s has a few rows that are very far out: nine tenths of it lie "+
			"within %.2g deviations, which a network cannot distinguish; leave those rows out",
			coordinate(set, d), width))
	}
	return warnings
}

// coordinate names a coordinate of the points.
func coordinate(set *data.Set, d int) string {
	if d < len(set.Columns) {
		return fmt.Sprintf("column %q", set.Columns[d])
	}
	return fmt.Sprintf("coordinate %d", d)
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
			name, std = coordinate(set, d), v
		}
	}
	return name, std
}

// specOf returns the Spec of settings and data, without what an objective and the scale of the data say.
func specOf(cfg Config, set *data.Set) model.Spec {
	spec := model.Spec{
		Net: cfg.Net, Path: cfg.Path, Prediction: cfg.Train.Prediction,
		Shape: set.Shape, Standardizer: set.Standardizer, Columns: set.Columns,
		ContextColumns: set.ContextColumns, ContextStandardizer: set.ContextStandardizer,
		ContextShape: set.ContextShape, Fingerprint: set.Fingerprint, Bounds: set.Bounds, Space: set.Space,
	}
	if spec.Schema = set.Schema; set.Schema != nil {
		_, spec.Kinds = set.Schema.Coordinates()
	} else if set.Columns != nil {
		spec.Kinds = slices.Repeat([]string{"real"}, len(set.Columns))
	}
	if cfg.Conditional {
		spec.LabelName, spec.ClassNames = set.LabelName, set.ClassNames
	}
	if cfg.Source.Name != "" {
		spec.Source = &cfg.Source
	}
	if cfg.Condition.Kind != "" {
		spec.Condition = &cfg.Condition
	}
	if set.Levels > 0 {
		spec.BinWidth = 2 / float64(set.Levels) // images span [-1, 1]
	}
	return spec
}
