package text

import (
	"math/rand/v2"
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
		v, err := Of(text, Options{Kind: kind})
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
	_, missing := Read(filepath.Join(t.TempDir(), "x"), Options{Kind: Bytes, Length: 2})
	for want, err := range map[string]error{
		`line 2 has 'c'`:       err,
		"byte 2 is no UTF-8":   func() error { _, err := Of("ab\xff", Options{Kind: Chars}); return err }(),
		"1 different":          func() error { _, err := Of("aaa", Options{Kind: Chars}); return err }(),
		`did you mean "chars"`: func() error { _, err := Of("ab", Options{Kind: "char"}); return err }(),
		"one sequence at least": func() error {
			_, err := New("abcabc", Options{Kind: Chars, Length: 4})
			return err
		}(),
		"not in order":         Vocabulary{Kind: Chars, Chars: "ba"}.Validate(),
		"bytes has characters": Vocabulary{Kind: Bytes, Chars: "ba"}.Validate(),
		"of 0 characters":      Vocabulary{Kind: Chars}.Validate(),
		"no such file":         missing,
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
	c, err := Read(path, Options{Kind: Chars, Length: 20})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Train) != 900 || len(c.Val) != 50 || len(c.Test) != 50 {
		t.Errorf("parts of %d, %d and %d", len(c.Train), len(c.Val), len(c.Test))
	}
	a, label := c.Batch(1, 2, 30)
	b, _ := c.Batch(1, 2, 30)
	if !slices.Equal(a.X, b.X) || slices.Contains(a.X, 1) || label != nil {
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

// Pieces are learnt as they are most frequent, of the part to train on alone, and any text comes back.
func TestPiecesOfWords(t *testing.T) {
	long := strings.Repeat("low lower lowest newer newest widest \n\n 12 1234 -- ", 40)
	v, err := Of(long, Options{Kind: BPE, Levels: 280})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Validate(); err != nil || v.Levels() != 280 {
		t.Errorf("%d levels (%v), want 280", v.Levels(), err)
	}
	// "we" is in four of the words, "lo" and "st" in three, of which "lo" is first in order.
	if got := v.Decode([]int32{256}) + "|" + v.Decode([]int32{257}); got != "we|lo" {
		t.Errorf("the first pairs are %q, want we and lo", got)
	}
	again, err := Of(long, Options{Kind: BPE, Levels: 280})
	if err != nil || !slices.Equal(again.Merges, v.Merges) {
		t.Errorf("the same text teaches other pairs (%v)", err)
	}
	for _, text := range []string{long, "", " ", "any \xff\x00 bytes\n  and 字\t", "lowlow   low\n\n\nnewest"} {
		tokens, err := v.Encode(text)
		if err != nil || v.Decode(tokens) != text || len(tokens) > len(text) {
			t.Errorf("%q comes back as %q (%v), of %d tokens", text, v.Decode(tokens), err, len(tokens))
		}
		whole := 0
		pieces(text, func(s string) { whole += len(s) })
		if whole != len(text) {
			t.Errorf("the pieces of %q have %d bytes, want %d", text, whole, len(text))
		}
	}
	if tokens, _ := v.Encode(" lowest lowest"); len(tokens) > 6 || v.Characters(tokens) != 14 {
		t.Errorf("two words that were learnt are %d tokens of %d characters", len(tokens), v.Characters(tokens))
	}
	c, err := New(long+strings.Repeat("zq", 50), Options{Kind: BPE, Levels: 270, Length: 8})
	if err != nil {
		t.Fatal(err)
	}
	for k := range c.Merges {
		if strings.Contains(c.Decode([]int32{256 + int32(k)}), "z") {
			t.Errorf("pair %d is of the part that tests", k)
		}
	}
	if got := c.Decode(slices.Concat(c.Train, c.Val, c.Test)); got != long+strings.Repeat("zq", 50) {
		t.Errorf("the parts are not the text: %d bytes", len(got))
	}
}

// What is learnt pair by pair is what the definition says: each time the pairs of the whole text are counted.
func TestPairsAreThoseOfTheDefinition(t *testing.T) {
	text := strings.Repeat("abab abba aaaa bab ", 7) + strings.Repeat("aab bba ", 5)
	got, err := learnPairs(text, 256+8)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]int32
	pieces(text, func(s string) { all = append(all, bytesOf(s)) })
	for k, have := range got {
		count := map[pair]int{}
		for _, w := range all {
			for i := range len(w) - 1 {
				count[pair{w[i], w[i+1]}]++
			}
		}
		var best pair
		for p, n := range count {
			if n > count[best] || n == count[best] && slices.Compare(p[:], best[:]) < 0 {
				best = p
			}
		}
		if have != best {
			t.Fatalf("pair %d is %v (%d times), want %v (%d times)", k, have, count[have], best, count[best])
		}
		for i := range all {
			all[i] = merged(all[i], best, 256+int32(k))
		}
	}
}

// The pairs of a piece are merged as the definition says: the first that was learnt, all over the piece from the left,
// again and again.
func TestPairsAreMergedInTheirOrder(t *testing.T) {
	v, err := Of(strings.Repeat("abab abba aaaa bab aabab baab ", 9), Options{Kind: BPE, Levels: 256 + 9})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		word := make([]byte, 1+rng.IntN(60))
		for i := range word {
			word[i] = "aab"[rng.IntN(3)]
		}
		want := bytesOf(string(word))
		for k := 0; k < len(v.Merges); k++ {
			if all := merged(slices.Clone(want), v.Merges[k], 256+int32(k)); len(all) < len(want) {
				want, k = all, -1
			}
		}
		if got, err := v.Encode(string(word)); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q has the tokens %v (%v), want %v", word, got, err, want)
		}
	}
}

func TestVocabulariesOfPiecesSayWhatDoesNotFit(t *testing.T) {
	of := func(merges ...[2]int32) error { return Vocabulary{Kind: BPE, Merges: merges}.Validate() }
	var grows [][2]int32
	for k := range int32(30) {
		grows = append(grows, [2]int32{max(97, 255+k), max(97, 255+k)})
	}
	grows[0] = [2]int32{97, 97}
	pairsOfChars := Vocabulary{Kind: Chars, Chars: "ab", Merges: grows}
	_, few := Of("abab", Options{Kind: BPE, Levels: 300})
	for want, err := range map[string]error{
		"of 0 pairs": of(),
		"pair 0 of a vocabulary is of level 256; it must be from 0 to 255": of([2]int32{256, 1}),

		"pair 1 of a vocabulary is there twice":                           of([2]int32{1, 2}, [2]int32{1, 2}),
		"stands for 131072 bytes":                                         of(grows...),
		"has pairs for a vocabulary of 257 levels, and 300 are asked for": few,
		"300 levels are asked for, and tokens of kind chars":              Options{Kind: Chars, Levels: 300}.Check(),
		"256 levels are asked for; tokens of kind bpe have from 257":      Options{Kind: BPE, Levels: 256}.Check(),
		"a vocabulary of chars has pairs":                                 pairsOfChars.Validate(),

		"a vocabulary of bpe has characters": Vocabulary{Kind: BPE, Chars: "ab"}.Validate(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// Rows may have cells that are not known.
func TestRowsWithGaps(t *testing.T) {
	cars := Vocabulary{Kind: Categories, Columns: []Column{{"size", []string{"big", "small"}},
		{"colour", []string{`the "red", of cars`, "blue", "▁"}}}}
	numbers := Vocabulary{Kind: Integers, Size: 12}
	for _, c := range []struct {
		v          Vocabulary
		text, mark string
		want       []int32
	}{
		{cars, "small,", "?", []int32{1, Gap}},
		{cars, "?,▁\nbig,blue", "?", []int32{Gap, 2, 0, 1}},
		{numbers, "11 ▁ 0", "▁", []int32{11, Gap, 0}},
	} {
		if got, err := c.v.EncodeGaps(c.text, c.mark); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.want)
		}
		if got, err := c.v.Encode(c.text); err == nil {
			t.Errorf("%q has the tokens %v without a mark", c.text, got)
		}
	}
	for k, v := range []Vocabulary{cars, numbers} { // a level as the text of a row has it is no longer
		longest := [][]int32{{0, 0}, {11, 11}}[k]
		if text := v.Decode(longest); len(text) > len(longest)*v.Longest() {
			t.Errorf("%q has %d bytes, and a level at most %d", text, len(text), v.Longest())
		}
	}
}
