package weights

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
)

// Tensor is an array in a file.
type Tensor struct {
	Name  string
	Shape []int
	Type  string // of its numbers: float32, float16, bfloat16, float64 or another, as PyTorch has it

	src     io.ReaderAt
	offset  int64 // of its storage in src, in bytes
	start   int   // of the tensor in the storage, in numbers
	strides []int // in numbers; nil: the numbers lie in order
}

// kinds are the types of numbers that a network can be made of, and how many bytes each has.
var kinds = map[string]int{"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}

// Size returns the number of elements.
func (t *Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float says whether its numbers are those of a network.
func (t *Tensor) Float() bool { return kinds[t.Type] > 0 }

// Data reads the numbers, row after row, as float32: those of float16 and bfloat16 are kept as
// they are, those of float64 are rounded. A number that is not finite is an error.
func (t *Tensor) Data() ([]float32, error) {
	width := kinds[t.Type]
	if width == 0 {
		return nil, fmt.Errorf("tensor %s is of %s; a network needs float32, float16, bfloat16 or float64",
			choice.Quote(t.Name), t.Type)
	}
	out := make([]float32, t.Size())
	if len(out) == 0 {
		return out, nil
	}
	raw := make([]byte, width*(t.last()+1))
	if _, err := t.src.ReadAt(raw, t.offset+int64(width*t.start)); err != nil {
		return nil, fmt.Errorf("tensor %s: %w", choice.Quote(t.Name), err)
	}
	number := numbers[t.Type]
	for i := range out {
		at := i
		if t.strides != nil {
			at = t.place(i)
		}
		out[i] = number(raw[width*at:])
		if v := out[i]; v-v != 0 {
			return nil, fmt.Errorf("tensor %s holds %g at position %d", choice.Quote(t.Name), v, i)
		}
	}
	return out, nil
}

// last is the place of the last number, from that of the first.
func (t *Tensor) last() int {
	if t.strides == nil {
		return t.Size() - 1
	}
	n := 0
	for i, d := range t.Shape {
		n += (d - 1) * t.strides[i]
	}
	return n
}

// place is that of number i in the order of rows.
func (t *Tensor) place(i int) (at int) {
	for axis := len(t.Shape) - 1; axis >= 0; axis-- {
		at += i % t.Shape[axis] * t.strides[axis]
		i /= t.Shape[axis]
	}
	return at
}

// within reports a tensor that is not in a storage of so many numbers, or would be larger than
// it. Of one that is, sizes fit into an int.
func (t *Tensor) within(storage int) error {
	bad := fmt.Errorf("tensor %s of shape %v with the strides %v, from number %d on, is not in its storage of %d "+
		"numbers", choice.Quote(t.Name), t.Shape, t.strides, t.start, storage)
	if t.start < 0 || t.start > storage || len(t.Shape) > 16 || t.strides != nil && len(t.strides) != len(t.Shape) {
		return bad
	}
	n := 1
	for _, d := range t.Shape {
		if d < 0 || d > 0 && n > storage/d {
			return bad
		}
		n *= d
	}
	if n == 0 {
		t.strides = nil
		return nil
	}
	last := n - 1
	if t.strides != nil {
		last = 0
		for i, d := range t.Shape {
			if s := t.strides[i]; d > 1 && (s < 1 || s > storage/(d-1)) {
				return bad
			}
			if last += (d - 1) * t.strides[i]; last > storage {
				return bad
			}
		}
	}
	if last >= storage-t.start {
		return bad
	}
	if t.strides != nil && slices.Equal(t.strides, inOrder(t.Shape)) {
		t.strides = nil
	}
	return nil
}

// inOrder are the strides of numbers that lie in order.
func inOrder(shape []int) []int {
	s, n := make([]int, len(shape)), 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape[i]
	}
	return s
}

// numbers reads one number of each type.
var numbers = map[string]func(b []byte) float32{
	"float32":  func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) },
	"float64":  func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) },
	"bfloat16": func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) },
	"float16":  func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) },
}

// half returns the number of IEEE 754's binary16: a sign, 5 bits of exponent, 10 of fraction.
func half(b uint16) float32 {
	sign, exponent, fraction := float32(1), int(b>>10&31), float64(b&1023)
	if b>>15 == 1 {
		sign = -1
	}
	switch exponent {
	case 0:
		return sign * float32(math.Ldexp(fraction, -24))
	case 31:
		if fraction != 0 {
			return float32(math.NaN())
		}
		return sign * float32(math.Inf(1))
	}
	return sign * float32(math.Ldexp(1024+fraction, exponent-25))
}

func readJSON(file string, v any) error {
	text, err := atomicfile.Read(file)
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		if bad := (*json.UnmarshalTypeError)(nil); errors.As(err, &bad) {
			return fmt.Errorf("weights: %s: %s is a JSON %s, which it must not be", file,
				cmp.Or(bad.Field, "all of it"), bad.Value)
		}
		return fmt.Errorf("weights: %s: not JSON: %w", file, err)
	}
	return nil
}
