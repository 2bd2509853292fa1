package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// written is the name as it stands in files of earlier versions.
func written(parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		_ = binary.Write(h, binary.LittleEndian, p)
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}

func TestDigestsAreThoseOfFiles(t *testing.T) {
	f64, f32, i32 := make([]float64, 10000), make([]float32, 4097), []int32{-1, 0, math.MaxInt32}
	for i := range f64 {
		f64[i] = math.Sin(float64(i))
	}
	for i := range f32 {
		f32[i] = float32(math.Cos(float64(i)))
	}
	for _, c := range []struct{ what, got, want string }{
		{"nothing", Of([]float64(nil)), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", Of([]byte("abc")), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"float64", Of(f64), written(f64)},
		{"float32", Of(f32), written(f32)},
		{"int32", Of(i32), written(i32)},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, c.got, c.want)
		}
	}
	d := New()
	if _, err := d.Write([]byte("a file")); err != nil {
		t.Fatal(err)
	}
	Add(d, f32)
	Add(d, i32)
	if got, want := d.String(), written([]byte("a file"), f32, i32); got != want {
		t.Errorf("in parts: got %s, want %s", got, want)
	}
}

func TestTextsDoNotRunIntoEachOther(t *testing.T) {
	of := func(texts ...string) string {
		d := New()
		for _, s := range texts {
			d.Text(s)
		}
		return d.String()
	}
	if of("ab", "c") == of("a", "bc") || of("a") == of("a", "") {
		t.Error("different lists of texts have the same digest")
	}
	if got := of("x"); !strings.HasPrefix(got, "sha256:") || len(got) != 7+64 {
		t.Errorf("digest %q", got)
	}
}

// A digest that is cloned, or restored from its state, goes on as the one it is of, which goes on alone.
func TestADigestGoesOnFromItsState(t *testing.T) {
	d, want := New(), New()
	Add(d, []float64{1, 2, 3})
	Add(want, []float64{1, 2, 3})
	clone, state := d.Clone(), d.State()
	restored, ok := Restore(state)
	if !ok || len(state) >= StateSize {
		t.Fatalf("a state of %d bytes, restored %v", len(state), ok)
	}
	Add(d, []int32{9})
	want.Text("more")
	for name, of := range map[string]*Digest{"a clone": clone, "a state": restored} {
		if of.Text("more"); of.String() != want.String() {
			t.Errorf("%s goes on otherwise", name)
		}
	}
	if _, ok := Restore(state[1:]); ok {
		t.Error("half a state is restored")
	}
}
