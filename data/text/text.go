// Package text makes sequences of tokens of texts: by bytes, by the characters that a text has, or by pieces of words
// that are learnt of it or that another program has learnt. Rows of categories or of whole numbers are sequences, too;
// package rows reads them.
package text

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"flowmatch/discrete"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
)

// Kinds of a [Vocabulary].
const (
	Bytes = "bytes" // 256 levels, of any file
	Chars = "chars" // the characters of a text, in the order of their code points
)

// Kinds are the names of the kinds of a vocabulary.
func Kinds() []string { return []string{Bytes, Chars, BPE, Categories, Integers} }

// ofTexts are the names of those that a text is read with.
func ofTexts() []string { return []string{Bytes, Chars, BPE} }

// Vocabulary says which text each level of a token stands for.
type Vocabulary struct {
	Kind  string `json:"kind"`
	Chars string `json:"chars,omitempty"` // of kind chars: character k is level k
	// Merges, of kind bpe, are pairs of levels: pair k is level 256+k.
	Merges [][2]int32 `json:"merges,omitempty"`
	// Tokenizer, of kind bpe, is one of another program, in the place of Merges.
	Tokenizer *Tokenizer `json:"tokenizer,omitempty"`
	Columns   []Column   `json:"columns,omitempty"` // of kind categories: a sequence has a token of each
	Size      int        `json:"size,omitempty"`    // of kind integers: those below it are the levels
}

// Equal says whether two vocabularies are the same.
func (v Vocabulary) Equal(w Vocabulary) bool {
	return v.Kind == w.Kind && v.Chars == w.Chars && slices.Equal(v.Merges, w.Merges) &&
		v.Tokenizer.equal(w.Tokenizer) && v.Size == w.Size && slices.EqualFunc(v.Columns, w.Columns,
		func(a, b Column) bool { return a.Name == b.Name && slices.Equal(a.Levels, b.Levels) })
}

// Options say how a text is read as tokens.
type Options struct {
	Kind   string // of [Kinds]
	Length int    // tokens of a sequence
	Levels int    // of kind bpe: levels of the vocabulary, above 256; 0: [DefaultLevels]

	// Tokenizer, of kind bpe, is a file tokenizer.json ([ReadTokenizer]) whose vocabulary is taken; empty: one is
	// learnt.
	Tokenizer string
}

// Check reports the first option that cannot be, whatever the text is.
func (o Options) Check() error {
	if err := choice.Check("kind of tokens of a text", o.Kind, ofTexts()); err != nil {
		return err
	}
	switch {
	case o.Kind != BPE && o.Tokenizer != "":
		return fmt.Errorf("the tokenizer %s is given, and tokens of kind %s need none; take tokens of kind %s, or "+
			"leave it out", choice.Quote(o.Tokenizer), o.Kind, BPE)
	case o.Tokenizer != "" && o.Levels != 0:
		return fmt.Errorf("%d levels are asked for, and the tokenizer %s has its own; leave one of them out", o.Levels,
			choice.Quote(o.Tokenizer))
	case o.Kind != BPE && o.Levels != 0:
		return fmt.Errorf("%d levels are asked for, and tokens of kind %s have those of the text; leave it out",
			o.Levels, o.Kind)
	case o.Kind == BPE && o.Levels != 0 && (o.Levels <= 256 || o.Levels > mostLevels):
		return fmt.Errorf("%d levels are asked for; tokens of kind %s have from 257 to %d", o.Levels, BPE, mostLevels)
	}
	return nil
}

// Of returns the vocabulary of a kind that a text needs, or teaches.
func Of(text string, o Options) (Vocabulary, error) {
	if err := o.Check(); err != nil {
		return Vocabulary{}, fmt.Errorf("text: %w", err)
	}
	v := Vocabulary{Kind: o.Kind}
	switch o.Kind {
	case Bytes:
		return v, nil
	case BPE:
		var err error
		if o.Tokenizer != "" {
			v.Tokenizer, err = ReadTokenizer(o.Tokenizer)
		} else {
			v.Merges, err = learnPairs(text, cmp.Or(o.Levels, DefaultLevels))
		}
		return v, err
	}
	if !utf8.ValidString(text) {
		return v, fmt.Errorf("text: byte %d is no UTF-8; take the tokens bytes, or convert the text", invalidAt(text))
	}
	seen := map[rune]bool{}
	for _, r := range text {
		seen[r] = true
	}
	chars := make([]rune, 0, len(seen))
	for r := range seen {
		chars = append(chars, r)
	}
	slices.Sort(chars)
	if v.Chars = string(chars); len(chars) < 2 {
		return v, fmt.Errorf("text: the text has %d different characters; there must be 2 at least", len(chars))
	}
	return v, nil
}

// invalidAt is the place of the first byte that is no UTF-8.
func invalidAt(text string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return -1
}

// Validate reports a vocabulary that no text has: a file may be damaged.
func (v Vocabulary) Validate() error {
	if err := choice.Check("kind of tokens", v.Kind, Kinds()); err != nil {
		return fmt.Errorf("text: %w", err)
	}
	chars := []rune(v.Chars)
	switch {
	case v.Kind != Chars && v.Chars != "":
		return fmt.Errorf("text: a vocabulary of %s has characters", v.Kind)
	case v.Kind != BPE && (len(v.Merges) > 0 || v.Tokenizer != nil):
		return fmt.Errorf("text: a vocabulary of %s has pairs", v.Kind)
	case v.Tokenizer != nil && len(v.Merges) > 0:
		return errors.New("text: a vocabulary has pairs of its own, and a tokenizer")
	case v.Tokenizer != nil:
		_, err := v.Tokenizer.encoder()
		return err
	case !v.Rows() && (v.Columns != nil || v.Size != 0):
		return fmt.Errorf("text: a vocabulary of %s has columns", v.Kind)
	case v.Rows():
		return v.validateRows()
	case v.Kind == BPE:
		return v.validatePairs()
	case v.Kind == Chars && (len(chars) < 2 || !utf8.ValidString(v.Chars)):
		return fmt.Errorf("text: a vocabulary of %d characters; there must be 2 at least", len(chars))
	}
	for i := range max(0, len(chars)-1) {
		if chars[i] >= chars[i+1] {
			return fmt.Errorf("text: characters %q and %q of a vocabulary are not in order", chars[i], chars[i+1])
		}
	}
	return nil
}

// Levels is the number of levels of a token; of kind categories that of the column that has the most.
func (v Vocabulary) Levels() int {
	switch {
	case v.Kind == Integers:
		return v.Size
	case v.Kind == Categories:
		most := 0
		for _, c := range v.Columns {
			most = max(most, len(c.Levels))
		}
		return most
	case v.Tokenizer != nil:
		return len(v.Tokenizer.Pieces)
	case v.Kind != Chars:
		return 256 + len(v.Merges)
	}
	return utf8.RuneCountInString(v.Chars)
}

// Longest is the number of bytes of text that a level stands for at most, with what separates it from the next.
func (v Vocabulary) Longest() int {
	switch v.Kind {
	case Bytes:
		return 1
	case BPE:
		return longest(v.Spelt())
	case Categories:
		most := 0
		for _, c := range v.Columns {
			most = max(most, longest(c.Levels))
		}
		return 2*most + 3 // quotes around it and before each of its own, and a comma
	case Integers:
		return len(strconv.Itoa(v.Size)) + 1
	}
	return utf8.UTFMax
}

// longest is the number of bytes of the longest of some texts.
func longest(all []string) (most int) {
	for _, s := range all {
		most = max(most, len(s))
	}
	return most
}

// Encode returns the tokens of a text. The error names the first character that the vocabulary has not.
func (v Vocabulary) Encode(text string) ([]int32, error) {
	switch {
	case v.Rows():
		return v.encodeRows(text, func(string) bool { return false })
	case v.Kind == Bytes:
		return bytesOf(text), nil
	case v.Tokenizer != nil:
		return v.Tokenizer.Encode(text)
	case v.Kind == BPE:
		return v.encodePieces(text), nil
	}
	level := map[rune]int32{}
	for k, r := range []rune(v.Chars) {
		level[r] = int32(k)
	}
	out, line := make([]int32, 0, len(text)), 1
	for _, r := range text {
		k, ok := level[r]
		if !ok {
			return nil, fmt.Errorf("text: line %d has %q, which is not among the %d characters that were learnt", line,
				r, len(level))
		}
		if r == '\n' {
			line++
		}
		out = append(out, k)
	}
	return out, nil
}

// Decode returns the text of tokens. What is no level, such as a mask, is shown as ▁.
func (v Vocabulary) Decode(tokens []int32) string {
	if v.Rows() {
		return v.decodeRows(tokens)
	}
	var b strings.Builder
	levels, chars, spelt := v.Levels(), []rune(v.Chars), v.Spelt()
	for _, k := range tokens {
		switch {
		case k < 0 || int(k) >= levels:
			b.WriteRune('▁')
		case v.Kind == Bytes:
			b.WriteByte(byte(k))
		case v.Kind == BPE:
			b.WriteString(spelt[k])
		default:
			b.WriteRune(chars[k])
		}
	}
	return b.String()
}

// Corpus is a text as tokens: the end of it is held out, first to validate on and then to test on. Or it is rows
// ([NewRows]), one behind the other.
type Corpus struct {
	Vocabulary
	Length           int // tokens of a sequence
	Train, Val, Test []int32
	Labels           Labels // of rows
}

// held is the share of a text that validates, and of that which tests.
const held = 0.05

// Read returns the corpus of a file. Of sequences of length tokens each part must have one at least.
func Read(path string, o Options) (*Corpus, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	c, err := New(string(raw), o)
	if errors.Is(err, ErrTokenizer) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// New is Read of a text.
func New(text string, o Options) (*Corpus, error) {
	if o.Kind == BPE {
		return newPieces(text, o)
	}
	v, err := Of(text, o)
	if err != nil {
		return nil, err
	}
	all, err := v.Encode(text)
	if err != nil {
		return nil, err
	}
	n, part := len(all), int(held*float64(len(all)))
	return (&Corpus{Vocabulary: v, Train: all[:n-2*part], Val: all[n-2*part : n-part], Test: all[n-part:]}).of(o.Length)
}

// newPieces is New of kind bpe: a vocabulary is learnt of the part to train on alone, and the parts begin where a
// word does.
func newPieces(text string, o Options) (*Corpus, error) {
	n, part := len(text), int(held*float64(len(text)))
	from := func(at int) int {
		for at < n && !(text[at] == ' ' || text[at] == '\n') {
			at++
		}
		return at
	}
	val, test := from(n-2*part), from(n-part)
	v, err := Of(text[:val], o)
	if err != nil {
		return nil, err
	}
	c := &Corpus{Vocabulary: v}
	for _, p := range []struct {
		into *[]int32
		text string
	}{{&c.Train, text[:val]}, {&c.Val, text[val:test]}, {&c.Test, text[test:]}} {
		if *p.into, err = v.Encode(p.text); err != nil {
			return nil, err
		}
		if back := v.Decode(*p.into); back != p.text {
			return nil, lost(p.text, back)
		}
	}
	return c.of(o.Length)
}

// lost says what of a text does not come back of its tokens.
func lost(text, back string) error {
	at := 0
	for at < min(len(text), len(back)) && text[at] == back[at] {
		at++
	}
	for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
		at--
	}
	line := 1 + strings.Count(text[:at], "\n")
	return fmt.Errorf("text: %s of the tokenizer comes back as %s (line %d of its part): write the text so that it "+
		"comes back, in the normal form NFC if the tokenizer has it, or take another tokenizer",
		choice.Quote(text[at:]), choice.Quote(back[min(at, len(back)):]), line)
}

// of returns the corpus, or reports a part that is shorter than a sequence.
func (c *Corpus) of(length int) (*Corpus, error) {
	if length < 1 || min(len(c.Val), len(c.Test)) < length {
		return nil, fmt.Errorf("text: %d tokens in sequences of %d; %g %% at the end test, and as many validate: that "+
			"must be one sequence at least", len(c.Train)+len(c.Val)+len(c.Test), length, 100*held)
	}
	c.Length = length
	return c, nil
}

// Batch returns n windows of the training part, where they begin by chance, or n of its rows by chance, and
// their labels, if they have some: those of a seed and step.
func (c *Corpus) Batch(seedValue uint64, step, n int) (x discrete.Tokens, label []int32) {
	rng, l := seed.Rand(seedValue, "data/text", uint64(step)), c.Length
	x = discrete.NewTokens(n, l)
	for i := range n {
		if !c.Rows() {
			copy(x.Row(i), c.Train[rng.IntN(len(c.Train)-l+1):])
			continue
		}
		k := rng.IntN(len(c.Train) / l)
		if copy(x.Row(i), c.Train[k*l:]); c.Labels.Train != nil {
			label = append(label, c.Labels.Train[k])
		}
	}
	return x, label
}

// Windows cuts tokens into sequences of l, one behind the other; what is left at the end is left out. There are most
// of them at most, spread over all; 0: all.
func Windows(tokens []int32, l, most int) discrete.Tokens {
	all := len(tokens) / l
	n := all
	if most > 0 {
		n = min(n, most)
	}
	x := discrete.NewTokens(n, l)
	for i := range n {
		copy(x.Row(i), tokens[i*all/n*l:])
	}
	return x
}
