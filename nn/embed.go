package nn

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// embedder is the network of [Embed]: contexts [N, Dc] to embeddings [N, Width].
type embedder struct {
	Embed
	layers []int // weights of the hidden layers, then of the output
	act    activation
}

// newEmbedder adds the tensors of the embedding of contexts of so many numbers; nil of the
// identity.
func newEmbedder(e Embed, context int, act activation, l *layout) *embedder {
	if !e.learnt() || context == 0 {
		return nil
	}
	n := &embedder{Embed: e, act: act}
	in := context
	if e.Kind == EmbedSet {
		in = e.Shape[1] - 1
	}
	if e.Kind == EmbedSeries || e.Kind == EmbedImage {
		n.convolutions(l)
		return n
	}
	for k, out := range e.Hidden {
		n.layers = append(n.layers, l.hidden(fmt.Sprintf("embed.%d", 2*k), in, out))
		in = out
	}
	if e.Kind == EmbedSet {
		in++ // the share of observations that are there
	}
	n.layers = append(n.layers, l.linear(fmt.Sprintf("embed.%d", 2*len(e.Hidden)), in, e.Width))
	return n
}

// convolutions adds 3-wide kernels of stride 2 along the axes, and a linear map of all that
// is left.
func (e *embedder) convolutions(l *layout) {
	h, w, in := e.grid()
	side := 3
	if e.Kind == EmbedSeries {
		side = 1
	}
	for k, out := range e.Hidden {
		name := fmt.Sprintf("embed.%d", 2*k)
		e.layers = append(e.layers, l.affine(name, startOfConvolution(3*side*in), out, in, 3, side))
		h, w, in = (h+1)/2, (w+1)/2, out
	}
	e.layers = append(e.layers, l.linear(fmt.Sprintf("embed.%d", 2*len(e.Hidden)+1), h*w*in, e.Width))
}

// startOfConvolution is He's, of so many inputs of a number.
func startOfConvolution(in int) start { return spread(math.Sqrt(2 / float64(in))) }

// grid returns the height, width and channels of a context; a series is one column.
func (e *embedder) grid() (h, w, channels int) {
	if e.Kind == EmbedSeries {
		return e.Shape[0], 1, e.Shape[1]
	}
	return e.Shape[0], e.Shape[1], e.Shape[2]
}

// apply returns the embeddings of contexts [N, Dc].
func (e *embedder) apply(p []*Node, context *Node) *Node {
	n := context.Shape().Dimensions[0]
	last := e.layers[len(e.layers)-1]
	activated := func(z *Node) *Node { a, _ := e.act.apply(z); return a }
	switch e.Kind {
	case EmbedSet:
		return affine(e.mean(p, context, activated), p, last)
	case EmbedSeries, EmbedImage:
		h, w, channels := e.grid()
		x := Reshape(context, n, h, w, channels)
		for _, layer := range e.layers[:len(e.layers)-1] {
			x = activated(convolution(x, p, layer, 2))
		}
		return affine(Reshape(x, n, x.Shape().Size()/n), p, last)
	}
	x := context
	for _, layer := range e.layers[:len(e.layers)-1] {
		x = activated(affine(x, p, layer))
	}
	return affine(x, p, last)
}

// mean returns the mean of the hidden numbers of the observations that are there, and what
// share of all they are; zeros where there is none.
func (e *embedder) mean(p []*Node, context *Node, activated func(*Node) *Node) *Node {
	n, most, numbers := context.Shape().Dimensions[0], e.Shape[0], e.Shape[1]
	all := Reshape(context, n*most, numbers)
	x := Slice(all, AxisRange(), AxisRange(0, numbers-1))
	there := Slice(all, AxisRange(), AxisRange(numbers-1, numbers))
	for _, layer := range e.layers[:len(e.layers)-1] {
		x = activated(affine(x, p, layer))
	}
	width := x.Shape().Dimensions[1]
	sum := ReduceSum(Reshape(Mul(x, there), n, most, width), 1)
	count := ReduceSum(Reshape(there, n, most, 1), 1)
	return Concatenate([]*Node{Div(sum, MaxScalar(count, 1)), MulScalar(count, 1/float64(most))}, -1)
}
