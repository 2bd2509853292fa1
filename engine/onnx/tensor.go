package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// attribute reads the name and the value of an attribute.
func (r *reader) attribute(buf []byte) (name string, v any, err error) {
	var kind int64
	var f float32
	var i int64
	var s string
	var t Tensor
	var g Graph
	floats, ints := []float32{}, []int64{}
	err = items(buf, func(it item) (err error) {
		switch it.field {
		case attrName:
			name = string(it.bytes)
		case attrType:
			kind = int64(it.num)
		case attrF:
			f = math.Float32frombits(uint32(it.num))
		case attrI:
			i = int64(it.num)
		case attrS:
			s = string(it.bytes)
		case attrT:
			t, err = r.tensor(it.bytes)
		case attrG:
			g, err = r.body(it.bytes)
		case attrFloats:
			for _, u := range it.fixed32s() {
				floats = append(floats, math.Float32frombits(u))
			}
		case attrInts:
			for _, u := range it.varints() {
				ints = append(ints, int64(u))
			}
		}
		return err
	})
	switch kind {
	case kindFloat:
		v = f
	case kindInt:
		v = i
	case kindString:
		v = s
	case kindTensor:
		v = &t
	case kindGraph:
		v = &g
	case kindFloats:
		v = floats
	case kindInts:
		v = ints
	default:
		v = Foreign(kind)
	}
	return name, v, err
}

// varints are the numbers of a repeated field, packed or single.
func (it item) varints() (out []uint64) {
	if it.bytes == nil {
		return []uint64{it.num}
	}
	for b := it.bytes; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			break
		}
		out, b = append(out, v), b[n:]
	}
	return out
}

// fixed32s are the numbers of a repeated field of 32 bits, packed or single.
func (it item) fixed32s() (out []uint32) {
	if it.bytes == nil {
		return []uint32{uint32(it.num)}
	}
	for b := it.bytes; len(b) >= 4; b = b[4:] {
		out = append(out, binary.LittleEndian.Uint32(b))
	}
	return out
}

// tensor reads a tensor, wherever its elements are.
func (r *reader) tensor(buf []byte) (t Tensor, err error) {
	var raw []byte
	where, outside := map[string]string{}, false
	err = items(buf, func(it item) error {
		switch it.field {
		case tensorDims:
			for _, d := range it.varints() {
				t.Dims = append(t.Dims, int64(d))
			}
		case tensorType:
			t.Type = DataType(it.num)
		case tensorName:
			t.Name = string(it.bytes)
		case tensorRaw:
			raw = it.bytes
		case tensorFloats:
			for _, u := range it.fixed32s() {
				t.Floats = append(t.Floats, math.Float32frombits(u))
			}
		case tensorInt32s, tensorInt64s:
			for _, u := range it.varints() {
				t.Ints = append(t.Ints, int64(u))
			}
		case tensorDoubles:
			for b := it.bytes; len(b) >= 8; b = b[8:] {
				t.Floats = append(t.Floats, float32(math.Float64frombits(binary.LittleEndian.Uint64(b))))
			}
		case tensorExternal:
			k, v, err := pair(it.bytes)
			where[k] = v
			return err
		case tensorLocation:
			outside = it.num == 1
		}
		return nil
	})
	if err == nil && outside {
		raw, err = r.part(where)
	}
	if err == nil && raw != nil {
		err = t.decode(raw)
	}
	if err == nil {
		err = t.check()
	}
	if err != nil {
		err = fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	return t, err
}

// check reports a tensor whose elements are not as many as its shape says.
func (t *Tensor) check() error {
	size := 1
	for _, d := range t.Dims {
		if d < 0 || d > 0 && size > math.MaxInt32/int(d) {
			return fmt.Errorf("its shape is %v", t.Dims)
		}
		size *= int(d)
	}
	if !t.Type.floats() && t.Type.width() == 0 {
		return fmt.Errorf("its elements are of %v, which is not read", t.Type)
	}
	if t.Type == Float16 || t.Type == BFloat16 { // kept as int32, when not raw
		for _, i := range t.Ints {
			t.Floats = append(t.Floats, t.Type.small(uint16(i)))
		}
		t.Ints = nil
	}
	if have := len(t.Floats) + len(t.Ints); have != size {
		return fmt.Errorf("it has %d elements of %v for a shape of %v", have, t.Type, t.Dims)
	}
	return nil
}

// width is the number of bytes of an element; 0 for a type that is not read.
func (t DataType) width() int {
	switch t {
	case Bool, Uint8, Int8:
		return 1
	case Uint16, Int16, Float16, BFloat16:
		return 2
	case Int32, Float:
		return 4
	case Int64, Double:
		return 8
	}
	return 0
}

// decode reads the elements from bytes, little-endian.
func (t *Tensor) decode(raw []byte) error {
	w := t.Type.width()
	if w == 0 || len(raw)%w != 0 {
		return fmt.Errorf("%d bytes of %v", len(raw), t.Type)
	}
	for ; len(raw) > 0; raw = raw[w:] {
		switch t.Type {
		case Float:
			t.Floats = append(t.Floats, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
		case Double:
			t.Floats = append(t.Floats, float32(math.Float64frombits(binary.LittleEndian.Uint64(raw))))
		case Float16, BFloat16:
			t.Floats = append(t.Floats, t.Type.small(binary.LittleEndian.Uint16(raw)))
		case Int64:
			t.Ints = append(t.Ints, int64(binary.LittleEndian.Uint64(raw)))
		case Int32:
			t.Ints = append(t.Ints, int64(int32(binary.LittleEndian.Uint32(raw))))
		case Int16:
			t.Ints = append(t.Ints, int64(int16(binary.LittleEndian.Uint16(raw))))
		case Uint16:
			t.Ints = append(t.Ints, int64(binary.LittleEndian.Uint16(raw)))
		case Int8:
			t.Ints = append(t.Ints, int64(int8(raw[0])))
		default: // Bool, Uint8
			t.Ints = append(t.Ints, int64(raw[0]))
		}
	}
	return nil
}

// small is the number that 16 bits stand for, of Float16 or BFloat16.
func (t DataType) small(bits uint16) float32 {
	if t == BFloat16 {
		return math.Float32frombits(uint32(bits) << 16)
	}
	sign, exp, frac := uint32(bits>>15)<<31, uint32(bits>>10&31), uint32(bits&1023)
	switch exp {
	case 0: // subnormal: frac · 2⁻²⁴
		f := float32(frac) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
