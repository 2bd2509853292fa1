package nn

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/memory"
)

// Tensor is one named array of a network, which begins at Offset in the slab.
type Tensor struct {
	Name   string
	Shape  []int
	Offset int
}

// Size returns the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// layout is the order of the tensors in the slab, and how each begins.
type layout struct {
	tensors []Tensor
	starts  []start
	size    int     // length of the slab
	halves  bool    // it lies in bfloat16
	count   float64 // of the weights, which size is where it is no larger than an int
	inner   []int   // the matrices between the first layer and the last, which Muon is for
}

// start is how a tensor begins: uniform in ±bound about centre.
type start struct{ centre, bound float64 }

// spread is the start about 0 with that standard deviation.
func spread(deviation float64) start { return start{0, math.Sqrt(3) * deviation} }

func (l *layout) add(name string, s start, shape ...int) int {
	t := Tensor{Name: name, Shape: shape, Offset: l.size}
	l.tensors = append(l.tensors, t)
	l.starts = append(l.starts, s)
	l.size += t.Size()
	n := 1.0
	for _, d := range shape {
		n *= float64(d)
	}
	l.count += n
	return len(l.tensors) - 1
}

// linear adds weight and bias of a linear map, which begin as PyTorch's Linear
// does, in U(-1/√in, 1/√in). It returns the number of the weight.
func (l *layout) linear(name string, in, out int) int {
	bound := 1 / math.Sqrt(float64(in))
	return l.mapping(name, in, out, bound, bound)
}

// hidden adds weight and bias of a linear map whose outputs an activation takes. The
// weight begins in U(-√(6/in), √(6/in)), of variance 2/in (He et al. 2015), so that
// numbers are as large behind the layer as before it; the bias as in linear, so that the
// bends of the units lie apart. It returns the number of the weight.
func (l *layout) hidden(name string, in, out int) int {
	return l.mapping(name, in, out, math.Sqrt(6/float64(in)), 1/math.Sqrt(float64(in)))
}

// output adds weight and bias of a linear map that begins small, at a tenth of linear: an
// untrained network is near to 0 everywhere. It returns the number of the weight.
func (l *layout) output(name string, in, out int) int {
	bound := 0.1 / math.Sqrt(float64(in))
	return l.mapping(name, in, out, bound, bound)
}

// mapping adds weight and bias of a linear map that begin uniform within these bounds. It
// returns the number of the weight.
func (l *layout) mapping(name string, in, out int, weight, bias float64) int {
	w := l.add(name+".weight", start{0, weight}, out, in)
	l.add(name+".bias", start{0, bias}, out)
	return w
}

// affine adds a weight of that shape, outputs first, and a bias of zeros. It returns
// the number of the weight.
func (l *layout) affine(name string, s start, shape ...int) int {
	w := l.add(name+".weight", s, shape...)
	l.add(name+".bias", start{}, shape[0])
	return w
}

// initial returns what draws a slab.
func (l *layout) initial(rng *rand.Rand) func(theta []float32) error {
	return func(theta []float32) error {
		for i, t := range l.tensors {
			s := l.starts[i]
			for k := range t.Size() {
				theta[t.Offset+k] = float32(s.centre + (2*rng.Float64()-1)*s.bound)
			}
		}
		return nil
	}
}

// check reports a network that is too large for the memory that there is. settings are those that make it as large.
func (l *layout) check(settings string) error {
	if err := memory.Check(fmt.Sprintf("%s, %.3g weights,", settings, l.count), l.bytes()); err != nil {
		return fmt.Errorf("nn: %w", err)
	}
	return nil
}

// bytes is how much memory the slab takes.
func (l *layout) bytes() float64 {
	if l.halves {
		return 2 * l.count
	}
	return 4 * l.count
}

// restore returns what reads a slab, tensor by tensor. What is not read costs no memory: what
// describes a network may be wrong, and its slab larger than all of the file.
func (l *layout) restore(read func(name string, shape []int) ([]float32, error)) func(theta []float32) error {
	return func(theta []float32) error {
		return l.eachTensor(read, func(at int, numbers []float32) { copy(theta[at:], numbers) })
	}
}

// eachTensor calls use with the numbers of each tensor that read returns, and their place in the slab.
func (l *layout) eachTensor(read func(name string, shape []int) ([]float32, error),
	use func(at int, numbers []float32)) error {
	if read == nil {
		return errors.New("nn: the function that reads the tensors is nil")
	}
	for _, t := range l.tensors {
		data, err := read(t.Name, t.Shape)
		if err != nil {
			return err
		}
		if len(data) != t.Size() {
			return fmt.Errorf("nn: tensor %s has %d values; its shape %v takes %d", t.Name, len(data), t.Shape,
				t.Size())
		}
		use(t.Offset, data)
	}
	return nil
}

// params cuts the slab into the tensors of the layout.
func (l *layout) params(theta *Node) []*Node {
	out := make([]*Node, len(l.tensors))
	for i, t := range l.tensors {
		out[i] = Reshape(Slice(theta, AxisRange(t.Offset, t.Offset+t.Size())), t.Shape...)
	}
	if l.halves {
		return halved(out)
	}
	return out
}
