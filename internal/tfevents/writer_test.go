package tfevents

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// castagnoli is CRC-32C a bit at a time, from its polynomial.
func castagnoli(b []byte) uint32 {
	crc := ^uint32(0)
	for _, v := range b {
		crc ^= uint32(v)
		for range 8 {
			crc = crc>>1 ^ 0x82f63b78*(crc&1)
		}
	}
	return ^crc
}

// records takes a file apart and checks both sums of every record.
func records(t *testing.T, b []byte) (out [][]byte) {
	t.Helper()
	sum := func(b []byte, want uint32) {
		crc := castagnoli(b)
		if got := (crc>>15 | crc<<17) + 0xa282ead8; got != want {
			t.Fatalf("record %d: sum %08x, want %08x", len(out), want, got)
		}
	}
	for len(b) > 0 {
		n := binary.LittleEndian.Uint64(b)
		sum(b[:8], binary.LittleEndian.Uint32(b[8:]))
		content := b[12 : 12+n]
		sum(content, binary.LittleEndian.Uint32(b[12+n:]))
		out, b = append(out, content), b[16+n:]
	}
	return out
}

// fields takes a message apart: numbers as they lie there, and bytes.
func fields(t *testing.T, b []byte) map[uint64][]any {
	t.Helper()
	out := map[uint64][]any{}
	varint := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatalf("no number at %x", b)
		}
		b = b[n:]
		return v
	}
	for len(b) > 0 {
		key := varint()
		var v any
		switch key & 7 {
		case 0:
			v = varint()
		case 1:
			v, b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			n := varint()
			v, b = b[:n], b[n:]
		case 5:
			v, b = binary.LittleEndian.Uint32(b), b[4:]
		default:
			t.Fatalf("field of type %d", key&7)
		}
		out[key>>3] = append(out[key>>3], v)
	}
	return out
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 300, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAFileHoldsWhatWasWritten(t *testing.T) {
	dir, now := filepath.Join(t.TempDir(), "board"), time.Unix(1_700_000_000, 250_000_000)
	w, err := Create(dir, now, 41)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(now, 300, Value{Tag: "loss", Scalar: 0.5}, Value{Tag: "lr", Scalar: -1e-3}); err != nil {
		t.Fatal(err)
	}
	img := picture(t)
	if err := w.Write(now, 301, Value{Tag: "samples", PNG: img}); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(now, 302, Value{Tag: "samples", PNG: img[:9]}); err == nil ||
		!strings.Contains(err.Error(), `"samples"`) {
		t.Errorf("half a picture: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "events.out.tfevents.1700000000.flowmatch"))
	if err != nil {
		t.Fatal(err)
	}
	all := records(t, b)
	if len(all) != 4 {
		t.Fatalf("%d records, want the version, the start and two events", len(all))
	}
	for k, want := range []struct{ field, step uint64 }{{3, 0}, {7, 41}, {5, 300}, {5, 301}} {
		e := fields(t, all[k])
		if got := math.Float64frombits(e[1][0].(uint64)); got != 1_700_000_000.25 {
			t.Errorf("record %d: time %v", k, got)
		}
		if e[2][0] != want.step || len(e[want.field]) != 1 || len(e) != 3 {
			t.Errorf("record %d: %v, want step %d and field %d", k, e, want.step, want.field)
		}
	}
	if v := fields(t, all[0])[3][0]; string(v.([]byte)) != "brain.Event:2" {
		t.Errorf("version %q", v)
	}
	if v := fields(t, fields(t, all[1])[7][0].([]byte)); v[1][0] != uint64(1) {
		t.Errorf("session %v, want START", v)
	}
	values := fields(t, fields(t, all[2])[5][0].([]byte))[1]
	for k, want := range []Value{{Tag: "loss", Scalar: 0.5}, {Tag: "lr", Scalar: float64(float32(-1e-3))}} {
		v := fields(t, values[k].([]byte))
		if got := float64(math.Float32frombits(v[2][0].(uint32))); string(v[1][0].([]byte)) != want.Tag ||
			got != want.Scalar {
			t.Errorf("value %d: %q is %g, want %+v", k, v[1][0], got, want)
		}
	}
	shown := fields(t, fields(t, fields(t, all[3])[5][0].([]byte))[1][0].([]byte))
	inner := fields(t, shown[4][0].([]byte))
	if string(shown[1][0].([]byte)) != "samples" || inner[1][0] != uint64(2) || inner[2][0] != uint64(300) ||
		!bytes.Equal(inner[4][0].([]byte), img) {
		t.Errorf("picture %v of height %v and width %v", shown[1], inner[1], inner[2])
	}
}

// Sessions of one second have files of their own, in the order of their names.
func TestFilesAreNeverWrittenOver(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1_700_000_000, 0)
	for range 3 {
		w, err := Create(dir, now, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 || entries[0].Name() != "events.out.tfevents.1700000000.flowmatch" ||
		entries[2].Name() != "events.out.tfevents.1700000000.flowmatch.2" {
		t.Errorf("files %v (%v)", entries, err)
	}
}
