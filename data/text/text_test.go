package text

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTextsComeBack(t *testing.T) {
	for kind, text := range map[string]string{
		Bytes: "any \xff\x00 bytes", Chars: "Wörter, 字, and\nlines\n",
	} {
		v, err := Of(kind, text)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := v.Encode(text)
		if err != nil || v.Decode(tokens) != text || v.Validate() != nil {
			t.Errorf("%s: %q, %v, %v", kind, v.Decode(tokens), err, v.Validate())
		}
		for _, k := range tokens {
			if k < 0 || int(k) >= v.Levels() {
				t.Errorf("%s: token %d of %d levels", kind, k, v.Levels())
			}
		}
	}
	v := Vocabulary{Kind: Chars, Chars: "ab"}
	if got := v.Decode([]int32{1, 2, 0}); got != "b▁a" {
		t.Errorf("a mask is shown in %q", got)
	}
}

func TestTextsSayWhatDoesNotFit(t *testing.T) {
	v := Vocabulary{Kind: Chars, Chars: "\nab"}
	_, err := v.Encode("ab\nac")
	_, missing := Read(filepath.Join(t.TempDir(), "x"), Bytes, 2)
	for want, err := range map[string]error{
		`line 2 has 'c'`:        err,
		"byte 2 is no UTF-8":    func() error { _, err := Of(Chars, "ab\xff"); return err }(),
		"1 different":           func() error { _, err := Of(Chars, "aaa"); return err }(),
		`did you mean "chars"`:  func() error { _, err := Of("char", "ab"); return err }(),
		"one sequence at least": func() error { _, err := New("abcabc", Chars, 4); return err }(),
		"not in order":          Vocabulary{Kind: Chars, Chars: "ba"}.Validate(),
		"bytes has characters":  Vocabulary{Kind: Bytes, Chars: "ba"}.Validate(),
		"of 0 characters":       Vocabulary{Kind: Chars}.Validate(),
		"no such file":          missing,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// A batch is a function of seed and step, of the training part alone.
func TestBatches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("a", 900)+strings.Repeat("b", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read(path, Chars, 20)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Train) != 900 || len(c.Val) != 50 || len(c.Test) != 50 {
		t.Errorf("parts of %d, %d and %d", len(c.Train), len(c.Val), len(c.Test))
	}
	a, b := c.Batch(1, 2, 30, 20), c.Batch(1, 2, 30, 20)
	if !slices.Equal(a.X, b.X) || slices.Contains(a.X, 1) {
		t.Error("batches of one step differ, or have tokens that are held out")
	}
	w := Windows([]int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 2, 0)
	if w.N != 5 || !slices.Equal(w.Row(4), []int32{8, 9}) {
		t.Errorf("%+v", w)
	}
	if w = Windows([]int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 2, 2); !slices.Equal(w.X, []int32{0, 1, 4, 5}) {
		t.Errorf("%+v", w)
	}
}
