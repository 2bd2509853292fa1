package exchange

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// onImages are the operations on [N, C, H, W].
var onImages = map[string]func(c call) (*operand, error){
	"Conv": call.conv, "BatchNormalization": call.batchNorm, "MaxPool": call.maxPool, "AveragePool": call.averagePool,
	"GlobalAveragePool": func(c call) (*operand, error) { return c.global(ReduceMean) },
	"GlobalMaxPool":     func(c call) (*operand, error) { return c.global(ReduceMax) },
	"Resize":            call.resize,
}

// window is what slides over an image: its size, its steps, the distance between its
// elements, and what is added around the image, for height and width.
type window struct {
	size, step, dilate [2]int
	pads               [2][2]int
	out                [2]int
}

// window reads the attributes that convolutions and pools share.
func (c call) window(size, image []int) (w window, err error) {
	if len(size) != 2 {
		return w, fmt.Errorf("a window of %v; only those of height and width are known", size)
	}
	pads := c.list("pads")
	if err := within("a window, strides, dilations or pads",
		slices.Concat(size, image, pads, c.list("strides"), c.list("dilations"))...); err != nil {
		return w, err
	}
	for i := range 2 {
		at := func(list []int) int {
			if len(list) == 2 {
				return list[i]
			}
			return 1
		}
		w.size[i], w.step[i], w.dilate[i] = size[i], at(c.list("strides")), at(c.list("dilations"))
		if len(pads) == 4 {
			w.pads[i] = [2]int{pads[i], pads[i+2]}
		}
		reach := w.dilate[i]*(size[i]-1) + 1
		switch auto := c.text("auto_pad", "NOTSET"); auto {
		case "NOTSET", "VALID":
		case "SAME_UPPER", "SAME_LOWER":
			need := max(0, (ceilDiv(image[i], w.step[i])-1)*w.step[i]+reach-image[i])
			w.pads[i] = [2]int{need / 2, need - need/2}
			if auto == "SAME_LOWER" {
				w.pads[i] = [2]int{need - need/2, need / 2}
			}
		default:
			return w, fmt.Errorf("auto_pad %q", auto)
		}
		if w.step[i] < 1 || w.dilate[i] < 1 || w.size[i] < 1 || min(w.pads[i][0], w.pads[i][1]) < 0 {
			return w, fmt.Errorf("a window of %v with strides %v, dilations %v and pads %v", size, c.list("strides"),
				c.list("dilations"), pads)
		}
		room := image[i] + w.pads[i][0] + w.pads[i][1] - reach
		if room < 0 {
			return w, fmt.Errorf("a window of %v over an image of %v", size, image)
		}
		w.out[i] = room/w.step[i] + 1
		if c.int("ceil_mode", 0) == 1 {
			w.out[i] = ceilDiv(room, w.step[i]) + 1
			if (w.out[i]-1)*w.step[i] >= image[i]+w.pads[i][0] { // it would begin outside
				w.out[i]--
			}
		}
	}
	// A window is one slice of the image for each of its elements.
	return w, fits(w.out[0], w.out[1], w.size[0], w.size[1])
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func (c call) conv() (*operand, error) {
	kernel := c.arg(1) // [out, in/groups, h, w]
	d := c.dims(c.in[0])
	w, err := c.window(kernel.Shape().Dimensions[2:], d[2:])
	if err != nil {
		return nil, err
	}
	y := Convolve(c.image(c.in[0]), TransposeAllDims(kernel, 2, 3, 1, 0)).StridePerAxis(w.step[:]...).
		DilationPerAxis(w.dilate[:]...).PaddingPerDim(w.pads[:]).ChannelGroupCount(c.int("group", 1)).Done()
	if c.has(2) {
		y = Add(y, InsertAxes(c.arg(2), 0, 0, 0))
	}
	return &operand{node: y, last: true}, nil
}

// batchNorm is scale·(x − mean)/√(var + ε) + bias, by channel.
func (c call) batchNorm() (*operand, error) {
	scale, bias, mean, variance := c.arg(1), c.arg(2), c.arg(3), c.arg(4)
	scale = Div(scale, Sqrt(AddScalar(variance, c.float("epsilon", 1e-5))))
	bias = Sub(bias, Mul(mean, scale))
	wide := func(v *Node) *Node { return InsertAxes(v, 0, 0, 0) }
	return &operand{node: Add(Mul(c.image(c.in[0]), wide(scale)), wide(bias)), last: true}, nil
}

func (c call) global(f func(x *Node, axes ...int) *Node) (*operand, error) {
	return &operand{node: ReduceAndKeep(c.image(c.in[0]), f, 1, 2), last: true}, nil
}

// taps are the images that a window sees at each of its elements, [N, out, out, C].
func (c call) taps(w window, fill float64) (out []*Node) {
	x := c.image(c.in[0])
	d := x.Shape().Dimensions
	pads := make([]compute.PadAxis, 4)
	for i := range 2 {
		end := (w.out[i]-1)*w.step[i] + w.dilate[i]*(w.size[i]-1) + 1 // what is read
		pads[i+1] = compute.PadAxis{Start: w.pads[i][0], End: max(0, end-w.pads[i][0]-d[i+1])}
	}
	if pads[1] != (compute.PadAxis{}) || pads[2] != (compute.PadAxis{}) {
		x = Pad(x, Scalar(x.Graph(), x.DType(), fill), pads...)
	}
	for i := range w.size[0] {
		for j := range w.size[1] {
			part := func(k, at int) SliceAxisSpec {
				from := at * w.dilate[k]
				return AxisRange(from, from+(w.out[k]-1)*w.step[k]+1).Stride(w.step[k])
			}
			out = append(out, Slice(x, AxisRange(), part(0, i), part(1, j), AxisRange()))
		}
	}
	return out
}

func (c call) maxPool() (*operand, error) {
	if len(c.n.Out) > 1 {
		return nil, fmt.Errorf("the indices of its maxima are asked for, which are not known")
	}
	w, err := c.window(c.list("kernel_shape"), c.dims(c.in[0])[2:])
	if err != nil {
		return nil, err
	}
	taps := c.taps(w, math.Inf(-1))
	y := taps[0]
	for _, z := range taps[1:] {
		y = Max(y, z)
	}
	return &operand{node: y, last: true}, nil
}

// averagePool divides by the size of the window or, unless count_include_pad, by the
// number of its elements that are on the image.
func (c call) averagePool() (*operand, error) {
	image := c.dims(c.in[0])[2:]
	w, err := c.window(c.list("kernel_shape"), image)
	if err != nil {
		return nil, err
	}
	if slices.Equal(w.size[:], image) && w.pads == ([2][2]int{}) {
		return c.global(ReduceMean)
	}
	taps := c.taps(w, 0)
	sum := taps[0]
	for _, z := range taps[1:] {
		sum = Add(sum, z)
	}
	share := make([]float32, w.out[0]*w.out[1])
	for i := range w.out[0] {
		for j := range w.out[1] {
			n := c.counted(w, image, 0, i) * c.counted(w, image, 1, j)
			share[i*w.out[1]+j] = 1 / float32(n)
		}
	}
	return &operand{node: Mul(sum, Reshape(Const(c.graph, share), 1, w.out[0], w.out[1], 1)), last: true}, nil
}

// counted is the number of elements along axis k that window number at counts.
func (c call) counted(w window, image []int, k, at int) (n int) {
	from, to := 0, image[k]
	if c.int("count_include_pad", 0) == 1 {
		from, to = -w.pads[k][0], image[k]+w.pads[k][1]
	}
	for i := range w.size[k] {
		if x := at*w.step[k] - w.pads[k][0] + i*w.dilate[k]; x >= from && x < to {
			n++
		}
	}
	return n
}
