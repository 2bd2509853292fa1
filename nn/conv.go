package nn

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
	"github.com/gomlx/gomlx/core/tensors"
)

// convKernel is the side of a Conv's kernel.
const convKernel = 3

// ConvShape is the shape of a convolution: N images of Height by Width pixels,
// from In channels to Out.
type ConvShape struct{ N, Height, Width, In, Out int }

// Conv is a 3x3 convolution with the borders padded by zeros, so that images
// keep their size, compiled for an engine. Images lie in memory as [N, Height,
// Width, In] (NHWC), kernels as [3, 3, In, Out]. Not safe for concurrent use.
type Conv struct {
	eng           *Engine
	shape         ConvShape
	x, w          *tensors.Tensor
	forward, grad *Exec
}

// NewConv returns a convolution of that shape, with images and kernel zero.
// Programs are compiled at first use.
func NewConv(eng *Engine, s ConvShape) (c *Conv, err error) {
	defer rescue(&err, "building a convolution")
	if min(s.N, s.Height, s.Width, s.In, s.Out) < 1 {
		return nil, fmt.Errorf("nn: convolution of shape %+v; each size must be at least 1", s)
	}
	c = &Conv{eng: eng, shape: s}
	if c.forward, err = eng.compile("convolution", convGraph); err != nil {
		return nil, err
	}
	if c.grad, err = eng.compile("gradient of a convolution", convGradGraph); err != nil {
		return nil, err
	}
	return c, c.Load(make([]float32, s.images()), make([]float32, s.kernel()))
}

// images and kernel are the lengths of the inputs.
func (s ConvShape) images() int { return s.N * s.Height * s.Width * s.In }
func (s ConvShape) kernel() int { return convKernel * convKernel * s.In * s.Out }

// Load copies images and kernel to the engine, where they stay.
func (c *Conv) Load(x, w []float32) (err error) {
	defer rescue(&err, "loading a convolution")
	s := c.shape
	if len(x) != s.images() || len(w) != s.kernel() {
		return fmt.Errorf("nn: %d values of images and %d of the kernel; a convolution of shape %+v takes %d and %d", len(x), len(w), s, s.images(), s.kernel())
	}
	release(c.x, c.w)
	c.x = tensors.FromFlatDataAndDimensions(x, s.N, s.Height, s.Width, s.In)
	c.w = tensors.FromFlatDataAndDimensions(w, convKernel, convKernel, s.In, s.Out)
	return nil
}

// Forward computes the convolution y [N, Height, Width, Out] and shows it to
// use. y may be the engine's own memory: it is valid until use returns, and must
// not be changed.
func (c *Conv) Forward(use func(y []float32)) (err error) {
	defer rescue(&err, "convolution")
	out, err := c.forward.Call(c.x, c.w)
	if err != nil {
		return fmt.Errorf("nn: convolution: %w", err)
	}
	defer release(out...)
	return tensors.ConstFlatData(out[0], use)
}

// ForwardBackward computes Σ y², the sum of the squares of the convolution, and
// shows use its gradients with respect to the images and the kernel, under the
// conditions of Forward.
func (c *Conv) ForwardBackward(use func(gx, gw []float32)) (sum float64, err error) {
	defer rescue(&err, "gradient of a convolution")
	out, err := c.grad.Call(c.x, c.w)
	if err != nil {
		return 0, fmt.Errorf("nn: gradient of a convolution: %w", err)
	}
	defer release(out...)
	if sum, err = scalar(out[0]); err != nil {
		return 0, err
	}
	var inner error
	err = tensors.ConstFlatData(out[1], func(gx []float32) {
		inner = tensors.ConstFlatData(out[2], func(gw []float32) { use(gx, gw) })
	})
	if err == nil {
		err = inner
	}
	return sum, err
}

// convolve: x [N, Height, Width, In], w [3, 3, In, Out].
func convolve(x, w *Node) *Node { return Convolve(x, w).PadSame().Done() }

func convGraph(in []*Node) []*Node { return []*Node{convolve(in[0], in[1])} }

func convGradGraph(in []*Node) []*Node {
	sum := ReduceAllSum(Square(convolve(in[0], in[1])))
	return append([]*Node{sum}, Gradient(sum, in[0], in[1])...)
}
