package native

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"

	"flowmatch/engine/native/machine"
)

// buffer is a tensor in memory. It wraps one of the shadow backend's, so that an
// operation that falls back gets it without a copy; one of a megabyte and more does not.
type buffer struct {
	backend *Backend
	shape   shapes.Shape
	shadow  compute.Buffer // nil: see behind
	flat    any
	ptr     unsafe.Pointer // of flat
	// exposed is set once a caller may have kept the memory and write to it at any
	// time; what was derived from its contents must then not be kept.
	exposed atomic.Bool
	age     atomic.Uint64 // how often programs have written to it
	dead    bool
}

var errFinalized = errors.New("native: the backend is finalized")

// large is the number of bytes from which on a buffer has memory of exactly its size, which the
// collector takes back. The shadow backend rounds sizes up, by a third at most, and pools them.
const large = 1 << 20

// newBuffer allocates; the contents are zero or left over.
func (b *Backend) newBuffer(shape shapes.Shape) (*buffer, error) {
	if b.finalized.Load() {
		return nil, errFinalized
	}
	if native(shape) && shape.Size()*shape.DType.Size() >= large {
		buf := b.wrap(nil, dtypes.MakeAnySlice(shape.DType, shape.Size()), shape)
		machine.InHugePages(buf.ptr, shape.Size()*shape.DType.Size())
		return buf, nil
	}
	shadow, flat, err := b.shadow.NewSharedBuffer(0, shape)
	if err != nil {
		return nil, err
	}
	return b.wrap(shadow, flat, shape), nil
}

func (b *Backend) wrap(shadow compute.Buffer, flat any, shape shapes.Shape) *buffer {
	buf := &buffer{backend: b, shape: shape, shadow: shadow, flat: flat}
	switch f := flat.(type) {
	case []float32:
		buf.ptr = unsafe.Pointer(unsafe.SliceData(f))
	case []bfloat16.BFloat16:
		buf.ptr = unsafe.Pointer(unsafe.SliceData(f))
	case []bool:
		buf.ptr = unsafe.Pointer(unsafe.SliceData(f))
	}
	return buf
}

// adopt wraps a result of the shadow backend.
func (b *Backend) adopt(shadow compute.Buffer) (*buffer, error) {
	shape, err := shadow.Shape()
	if err != nil {
		return nil, err
	}
	flat, err := shadow.Data()
	if err != nil {
		return nil, err
	}
	return b.wrap(shadow, flat, shape), nil
}

func (b *buffer) Backend() compute.Backend { return b.backend }

func (b *buffer) Finalize() error {
	if b.dead { // or donated
		return nil
	}
	b.dead = true
	b.flat, b.ptr = nil, nil
	if b.shadow == nil {
		return nil
	}
	return b.shadow.Finalize()
}

// behind returns the buffer as the shadow backend takes it: itself, or a copy.
func (b *buffer) behind() (compute.Buffer, error) {
	if b.shadow != nil {
		return b.shadow, nil
	}
	return b.backend.shadow.BufferFromFlatData(0, b.flat, b.shape)
}

func (b *buffer) Shape() (shapes.Shape, error)          { return b.shape, nil }
func (b *buffer) DeviceNum() (compute.DeviceNum, error) { return 0, nil }
func (b *buffer) CopyToDevice(compute.DeviceNum) (compute.Buffer, error) {
	return nil, errors.New("native: there is one device only")
}

func (b *buffer) ToFlatData(flat any) error {
	if b.dead {
		return errors.New("native: the buffer is finalized")
	}
	if b.shadow != nil {
		return b.shadow.ToFlatData(flat)
	}
	dst, src := reflect.ValueOf(flat), reflect.ValueOf(b.flat)
	if dst.Kind() != reflect.Slice || dst.Type() != src.Type() || dst.Len() != src.Len() {
		return fmt.Errorf("native: %T of length %d for a buffer of shape %s", flat, dst.Len(), b.shape)
	}
	reflect.Copy(dst, src)
	return nil
}

// View returns the memory of the buffer, a slice of its type, to be read only. It is valid
// until a program writes to the buffer or takes it over.
func (b *buffer) View() any { return b.flat }

// Fill has fill write the memory of the buffer, a slice of its type, which must not be kept. No
// program may run on it meanwhile.
func (b *buffer) Fill(fill func(flat any) error) error {
	b.age.Add(1)
	return fill(b.flat)
}

func (b *buffer) Data() (any, error) {
	if b.backend.finalized.Load() {
		return nil, errFinalized
	}
	b.exposed.Store(true)
	return b.flat, nil
}

// BufferFromFlatData copies data into a new buffer.
func (b *Backend) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	if b.finalized.Load() {
		return nil, errFinalized
	}
	if f, ok := flat.([]float32); ok && device == 0 && shape.DType == dtypes.Float32 {
		if len(f) != shape.Size() {
			return nil, fmt.Errorf("native: %d values for a buffer of shape %s", len(f), shape)
		}
		buf, err := b.newBuffer(shape)
		if err != nil {
			return nil, err
		}
		copy(buf.flat.([]float32), f)
		return buf, nil
	}
	shadow, err := b.shadow.BufferFromFlatData(device, flat, shape)
	if err != nil {
		return nil, err
	}
	return b.adopt(shadow)
}

// NewBuffer returns a buffer of zeros, which has View and Fill. Unlike that of NewSharedBuffer its
// memory is not known to the caller, so that what is made of its contents need not be made again.
func (b *Backend) NewBuffer(shape shapes.Shape) (compute.Buffer, error) {
	buf, err := b.newBuffer(shape)
	if err != nil {
		return nil, err
	}
	if buf.shadow != nil { // from a pool
		reflect.ValueOf(buf.flat).Clear()
	}
	return buf, nil
}

// HasSharedBuffers is true: buffers are memory of this process.
func (b *Backend) HasSharedBuffers() bool { return true }

// NewSharedBuffer returns a buffer and its memory.
func (b *Backend) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	if device != 0 {
		return nil, nil, fmt.Errorf("native: no device %d; there is only device 0", device)
	}
	buf, err := b.newBuffer(shape)
	if err != nil {
		return nil, nil, err
	}
	buf.exposed.Store(true)
	return buf, buf.flat, nil
}
