package exchange

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// resize brings images to another size. Each axis is a product with a matrix of
// weights, two in a row for bilinear interpolation, one for the nearest pixel.
func (c call) resize() (*operand, error) {
	in := c.dims(c.in[0])
	out, scale, err := c.newSize(in)
	if err != nil {
		return nil, err
	}
	if out[0] != in[0] || out[1] != in[1] {
		return nil, fmt.Errorf("from %v to %v: only height and width may change", in, out)
	}
	for k := range out {
		if err := fits(out[k], in[k]); err != nil {
			return nil, err
		}
	}
	y := c.image(c.in[0])
	for k, equation := range []string{"nhwc,oh->nowc", "nhwc,ow->nhoc"} {
		from, to := in[k+2], out[k+2]
		if from == to && scale[k+2] == 1 {
			continue
		}
		weights := make([]float32, to*from)
		for i := range to {
			if err := c.interpolate(weights[i*from:(i+1)*from], i, to, scale[k+2]); err != nil {
				return nil, err
			}
		}
		y = Einsum(equation, y, Reshape(Const(c.graph, weights), to, from))
	}
	return &operand{node: y, last: true}, nil
}

// newSize returns the new shape and the factors.
func (c call) newSize(in []int) (out []int, scale []float64, err error) {
	if c.int("antialias", 0) == 1 || c.has(3) && c.n.Attrs["axes"] != nil {
		return nil, nil, fmt.Errorf("antialias and axes are not known")
	}
	if c.has(3) { // sizes
		if out, _, err = c.numbers(3, ""); err != nil || len(out) != 4 {
			return nil, nil, fmt.Errorf("its sizes must be known, four numbers")
		}
		for k := range out {
			scale = append(scale, float64(out[k])/float64(in[k]))
		}
		return out, scale, nil
	}
	if !c.has(2) || c.in[2].host == nil || len(c.in[2].host.Floats) != 4 {
		return nil, nil, fmt.Errorf("its scales or sizes must be known, four numbers")
	}
	for k, s := range c.in[2].host.Floats {
		scale = append(scale, float64(s))
		out = append(out, int(math.Floor(float64(in[k])*float64(s))))
	}
	return out, scale, nil
}

// interpolate writes the weights of the pixels of a row of which number i of the new
// ones is made.
func (c call) interpolate(weights []float32, i, to int, scale float64) error {
	from, at := len(weights), float64(i)
	switch mode := c.text("coordinate_transformation_mode", "half_pixel"); {
	case mode == "half_pixel", mode == "pytorch_half_pixel" && to > 1:
		at = (at+0.5)/scale - 0.5
	case mode == "pytorch_half_pixel", mode == "align_corners" && to == 1:
		at = 0
	case mode == "align_corners":
		at *= float64(from-1) / float64(to-1)
	case mode == "asymmetric":
		at /= scale
	default:
		return fmt.Errorf("coordinate_transformation_mode %q is not known", mode)
	}
	within := func(x float64) int { return min(max(int(x), 0), from-1) }
	switch mode := c.text("mode", "nearest"); mode {
	case "linear":
		low := math.Floor(at)
		weights[within(low)] += float32(1 - (at - low))
		weights[within(low+1)] += float32(at - low)
	case "nearest":
		switch round := c.text("nearest_mode", "round_prefer_floor"); round {
		case "round_prefer_floor":
			at = math.Ceil(at - 0.5)
		case "round_prefer_ceil":
			at = math.Floor(at + 0.5)
		case "floor":
			at = math.Floor(at)
		case "ceil":
			at = math.Ceil(at)
		default:
			return fmt.Errorf("nearest_mode %q is not known", round)
		}
		weights[within(at)] = 1
	default:
		return fmt.Errorf("interpolation %q is not known; linear and nearest are", mode)
	}
	return nil
}
