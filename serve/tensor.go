package serve

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"flowmatch/internal/choice"
)

// tensor is one of the Open Inference Protocol: numbers or texts, in row-major order.
type tensor struct {
	name    string
	kind    string // FP64, INT32, BYTES ...
	shape   []int
	numbers []float64
	texts   []string // of BYTES
	whole   []int64  // the numbers of integer types, of UINT64 their bits
}

// widths are the types of numbers that are read, and their bytes.
var widths = map[string]int{"BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2,
	"INT32": 4, "INT64": 8, "FP32": 4, "FP64": 8}

// kinds are the names of all types that are read.
func kinds() []string {
	return []string{"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64",
		"BYTES"}
}

// count returns how many values a shape has.
func (t *tensor) count() (int, error) {
	n := 1
	for _, side := range t.shape {
		if side < 0 || side > mostNumbers {
			return 0, invalid("input %s: shape %v has a side of %d; it must be from 0 to %d", choice.Quote(t.name),
				t.shape, side, mostNumbers)
		}
		if n *= side; n > mostNumbers {
			return 0, invalid("input %s: shape %v has more than %d values", choice.Quote(t.name), t.shape, mostNumbers)
		}
	}
	return n, nil
}

// fromBytes reads the values of the binary data extension.
func (t *tensor) fromBytes(b []byte, n int) error {
	if t.kind == "BYTES" {
		for len(t.texts) < n {
			if len(b) < 4 || uint64(len(b)-4) < uint64(binary.LittleEndian.Uint32(b)) {
				return invalid("input %s: its bytes end in text %d of %d", choice.Quote(t.name), len(t.texts)+1, n)
			}
			length := int(binary.LittleEndian.Uint32(b))
			t.texts, b = append(t.texts, string(b[4:4+length])), b[4+length:]
		}
		if len(b) > 0 {
			return invalid("input %s: %d bytes are left after its %d texts", choice.Quote(t.name), len(b), n)
		}
		return nil
	}
	width := widths[t.kind]
	if len(b) != n*width {
		return invalid("input %s: %d bytes for %d values of %s; want %d", choice.Quote(t.name), len(b), n, t.kind,
			n*width)
	}
	for ; len(b) > 0; b = b[width:] {
		t.add(b)
	}
	return nil
}

// add reads one number.
func (t *tensor) add(b []byte) {
	var word uint64
	switch widths[t.kind] {
	case 1:
		word = uint64(b[0])
	case 2:
		word = uint64(binary.LittleEndian.Uint16(b))
	case 4:
		word = uint64(binary.LittleEndian.Uint32(b))
	default:
		word = binary.LittleEndian.Uint64(b)
	}
	v, whole := 0.0, int64(word)
	switch t.kind {
	case "FP32":
		t.numbers = append(t.numbers, float64(math.Float32frombits(uint32(word))))
		return
	case "FP64":
		t.numbers = append(t.numbers, math.Float64frombits(word))
		return
	case "INT8":
		whole = int64(int8(word))
	case "INT16":
		whole = int64(int16(word))
	case "INT32":
		whole = int64(int32(word))
	}
	if v = float64(whole); t.kind == "UINT64" {
		v = float64(word)
	}
	t.numbers, t.whole = append(t.numbers, v), append(t.whole, whole)
}

// fromJSON reads the values of JSON, flat or nested.
func (t *tensor) fromJSON(data json.RawMessage, n int) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var all any
	if err := d.Decode(&all); err != nil {
		return invalid("input %s: data is no list of values", choice.Quote(t.name))
	}
	if _, is := all.([]any); !is {
		return invalid("input %s: data is no list of values", choice.Quote(t.name))
	}
	if err := t.flatten(all); err != nil {
		return err
	}
	if got := max(len(t.numbers), len(t.texts)); got != n {
		return invalid("input %s: %d values for shape %v; want %d", choice.Quote(t.name), got, t.shape, n)
	}
	return nil
}

func (t *tensor) flatten(v any) error {
	bad := func() error {
		return invalid("input %s: %s is no value of %s", choice.Quote(t.name), choice.Quote(fmt.Sprint(v)), t.kind)
	}
	switch is := v.(type) {
	case []any:
		for _, one := range is {
			if err := t.flatten(one); err != nil {
				return err
			}
		}
		return nil
	case string:
		if t.kind != "BYTES" {
			return bad()
		}
		t.texts = append(t.texts, is)
		return nil
	case bool:
		if t.kind != "BOOL" {
			return bad()
		}
		t.add([]byte{map[bool]byte{true: 1}[is]})
		return nil
	case json.Number:
		return t.parse(is.String(), bad)
	}
	return bad()
}

// parse reads a number of JSON.
func (t *tensor) parse(text string, bad func() error) error {
	switch t.kind {
	case "BYTES", "BOOL":
		return bad()
	case "FP32", "FP64":
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return bad()
		}
		t.numbers = append(t.numbers, v)
		return nil
	case "UINT8", "UINT16", "UINT32", "UINT64":
		if is, ok := whole(text); ok {
			text = is
		}
		v, err := strconv.ParseUint(text, 10, 8*widths[t.kind])
		if err != nil {
			return bad()
		}
		t.numbers, t.whole = append(t.numbers, float64(v)), append(t.whole, int64(v))
		return nil
	}
	if is, ok := whole(text); ok {
		text = is
	}
	v, err := strconv.ParseInt(text, 10, 8*widths[t.kind])
	if err != nil {
		return bad()
	}
	t.numbers, t.whole = append(t.numbers, float64(v)), append(t.whole, v)
	return nil
}

// size is how many values there are.
func (t *tensor) size() int { return max(len(t.numbers), len(t.texts), len(t.whole)) }

// values returns the values as rows of JSON have them, with nil for a number that is not finite.
func (t *tensor) values() []any {
	out := make([]any, 0, t.size())
	if t.kind == "INT64" && t.numbers == nil { // of an answer
		for _, v := range t.whole {
			out = append(out, v)
		}
	}
	for _, text := range t.texts {
		out = append(out, text)
	}
	for _, v := range t.numbers {
		if v-v != 0 {
			out = append(out, nil)
			continue
		}
		out = append(out, v)
	}
	return out
}

// bytes writes the values as the binary data extension has them.
func (t *tensor) bytes() (b []byte) {
	for _, v := range t.numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	if t.kind == "INT64" {
		for _, v := range t.whole {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
	}
	for _, text := range t.texts {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	return b
}
