package nn

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
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
	shape         ConvShape
	forward, grad *program
}

// NewConv returns a convolution of that shape, with images and kernel zero.
// Programs are compiled at first use.
func NewConv(eng *Engine, s ConvShape) (*Conv, error) {
	if min(s.N, s.Height, s.Width, s.In, s.Out) < 1 {
		return nil, fmt.Errorf("nn: convolution of shape %+v; each size must be at least 1", s)
	}
	inputs := func(n, _ int) []shapes.Shape {
		return []shapes.Shape{floats(n, s.Height, s.Width, s.In), floats(convKernel, convKernel, s.In, s.Out)}
	}
	c := &Conv{
		shape:   s,
		forward: &program{eng: eng, name: "convolution", build: convGraph, inputs: inputs},
		grad:    &program{eng: eng, name: "gradient of a convolution", build: convGradGraph, inputs: inputs},
	}
	return c, c.Load(make([]float32, s.images()), make([]float32, s.kernel()))
}

// images and kernel are the lengths of the inputs.
func (s ConvShape) images() int { return s.N * s.Height * s.Width * s.In }
func (s ConvShape) kernel() int { return convKernel * convKernel * s.In * s.Out }

// Load copies images and kernel into the programs, where they stay.
func (c *Conv) Load(x, w []float32) error {
	s := c.shape
	if len(x) != s.images() || len(w) != s.kernel() {
		return fmt.Errorf("nn: %d values of images and %d of the kernel; a convolution of shape %+v takes %d and %d",
			len(x), len(w), s, s.images(), s.kernel())
	}
	for _, p := range []*program{c.forward, c.grad} {
		f, err := p.frame(s.N, 0)
		if err != nil {
			return err
		}
		copy(f.floats(0), x)
		copy(f.floats(1), w)
		p.back(f)
	}
	return nil
}

// Forward computes the convolution y [N, Height, Width, Out] and shows it to
// use. y may be the engine's own memory: it is valid until use returns, and must
// not be changed.
func (c *Conv) Forward(use func(y []float32)) (err error) {
	defer rescue(&err, "convolution")
	f, err := c.forward.frame(c.shape.N, 0)
	if err != nil {
		return err
	}
	defer c.forward.back(f)
	if err := f.run(); err != nil {
		return fmt.Errorf("nn: convolution: %w", err)
	}
	use(f.result(0))
	return nil
}

// ForwardBackward computes Σ y², the sum of the squares of the convolution, and
// shows use its gradients with respect to the images and the kernel, under the
// conditions of Forward.
func (c *Conv) ForwardBackward(use func(gx, gw []float32)) (sum float64, err error) {
	defer rescue(&err, "gradient of a convolution")
	f, err := c.grad.frame(c.shape.N, 0)
	if err != nil {
		return 0, err
	}
	defer c.grad.back(f)
	if err := f.run(); err != nil {
		return 0, fmt.Errorf("nn: gradient of a convolution: %w", err)
	}
	use(f.result(1), f.result(2))
	return float64(f.result(0)[0]), nil
}

// convolve: x [N, Height, Width, In], w [3, 3, In, Out].
func convolve(x, w *Node) *Node { return Convolve(x, w).PadSame().Done() }

func convGraph(in []*Node) []*Node { return []*Node{convolve(in[0], in[1])} }

func convGradGraph(in []*Node) []*Node {
	sum := ReduceAllSum(Square(convolve(in[0], in[1])))
	return append([]*Node{sum}, Gradient(sum, in[0], in[1])...)
}
