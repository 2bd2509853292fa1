package weights

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unsafe"

	"github.com/nlpodyssey/safetensors"

	"flowmatch/internal/choice"
)

// safeTypes names the types of a safetensors file as PyTorch does.
var safeTypes = map[safetensors.DType]string{
	safetensors.F32: "float32", safetensors.F16: "float16", safetensors.BF16: "bfloat16", safetensors.F64: "float64",
}

// readSafetensors reads the header of a safetensors file: one group without a key.
func readSafetensors(f io.ReaderAt, size int64) ([]*Group, error) {
	header, start, err := Header(f, size)
	if err != nil {
		return nil, err
	}
	g, data := &Group{}, uint64(size-start)
	if err := covers(header, data); err != nil {
		return nil, err
	}
	infos := header.Tensors()
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		info := infos[name]
		t := &Tensor{Name: name, Type: safeTypes[info.DType], src: f}
		if t.Type == "" {
			t.Type = info.DType.String()
		}
		from, to := info.DataOffsets[0], info.DataOffsets[1]
		for _, d := range info.Shape {
			if d > math.MaxInt32 {
				return nil, fmt.Errorf("tensor %s has an axis of %d", choice.Quote(name), d)
			}
			t.Shape = append(t.Shape, int(d))
		}
		t.offset = start + int64(from)
		if err := t.within(int((to - from) / info.DType.Size())); err != nil {
			return nil, err
		}
		if uint64(t.Size())*info.DType.Size() != to-from {
			return nil, fmt.Errorf("tensor %s of shape %v has %d bytes", choice.Quote(name), t.Shape, to-from)
		}
		if err := g.add(t); err != nil {
			return nil, err
		}
	}
	return []*Group{g}, nil
}

// covers reports data of so many bytes that are not what the tensors of a header are, one behind the
// other: a part of a file is missing, or is of another one.
func covers(header safetensors.Metadata, data uint64) error {
	type part struct {
		name     string
		from, to uint64
	}
	var parts []part
	for name, info := range header.Tensors() {
		parts = append(parts, part{name, info.DataOffsets[0], info.DataOffsets[1]})
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.name, b.name))
	})
	end := uint64(0)
	for _, p := range parts {
		if p.from != end || p.to < p.from || p.to > data {
			return fmt.Errorf("tensor %s lies from byte %d to %d of data of %d bytes, and the one before it ends at %d",
				choice.Quote(p.name), p.from, p.to, data, end)
		}
		end = p.to
	}
	if end != data {
		return fmt.Errorf("its tensors end at byte %d of data of %d bytes", end, data)
	}
	return nil
}

// Header reads the header of a safetensors file of that size, and says where its tensors begin.
func Header(file io.ReaderAt, size int64) (header safetensors.Metadata, start int64, err error) {
	const head, most = 8, 100 << 20 // the length of the header, and how large a reader takes it
	var length [head]byte
	if _, err := file.ReadAt(length[:], 0); err != nil {
		return header, 0, fmt.Errorf("not a whole safetensors file: %w", err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > uint64(min(size-head, most)) {
		return header, 0, fmt.Errorf("not a whole safetensors file: its header has %d bytes, and the file %d", n, size)
	}
	text := make([]byte, n)
	if _, err := file.ReadAt(text, head); err != nil {
		return header, 0, err
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return header, 0, fmt.Errorf("the header of the safetensors file cannot be read: %w", err)
	}
	return header, head + int64(n), nil
}

// Array is a float32 tensor as a safetensors file is written with it.
type Array struct {
	Dims    []int
	Numbers []float32
}

// DType implements [safetensors.View].
func (a Array) DType() safetensors.DType { return safetensors.F32 }

// Shape implements [safetensors.View].
func (a Array) Shape() []uint64 {
	s := make([]uint64, len(a.Dims))
	for i, n := range a.Dims {
		s[i] = uint64(n)
	}
	return s
}

// DataLen implements [safetensors.View].
func (a Array) DataLen() uint64 { return uint64(4 * len(a.Numbers)) }

// Data implements [safetensors.View]: the bytes of the numbers, in their own memory where the machine has them in
// the order of the file.
func (a Array) Data() []byte {
	if len(a.Numbers) > 0 && binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(a.Numbers))), 4*len(a.Numbers))
	}
	b := make([]byte, 0, 4*len(a.Numbers))
	for _, v := range a.Numbers {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
