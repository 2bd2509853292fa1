package text

import (
	"container/heap"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"golang.org/x/text/unicode/norm"

	"flowmatch/internal/choice"
)

// Tokenizer is a vocabulary of pieces of words that another program has learnt: byte-pair encoding as HuggingFace's
// tokenizer.json describes it. [ReadTokenizer] reads one. Its levels are those of the file.
type Tokenizer struct {
	Pieces []string   `json:"pieces"` // of each level, as the file writes it
	Merges [][2]int32 `json:"merges"` // pairs of levels, the one that is merged first before the others
	// ByteLevel is whether characters of pieces stand for bytes, as those of GPT-2 do: any text has an encoding.
	ByteLevel bool `json:"byte_level,omitempty"`
	// ByteFallback is whether bytes of a character without a level are the levels <0x00> to <0xFF>.
	ByteFallback bool `json:"byte_fallback,omitempty"`
	WholeWords   bool `json:"whole_words,omitempty"` // what is a piece is one, whatever is merged to it
	NFC          bool `json:"nfc,omitempty"`         // texts are normalised so
	// Space stands for a space in pieces that are not of bytes; empty: a space does.
	Space string `json:"space,omitempty"`
	Cuts  []Cut  `json:"cuts,omitempty"`  // in the order in which texts are cut
	Added []int  `json:"added,omitempty"` // levels whose piece is sought in the text before anything else

	once    sync.Once
	ready   *encoder
	damaged error
}

// Cut is one of the rules by which a text is cut into what pairs are merged in.
type Cut struct {
	Spaces  bool   `json:"spaces,omitempty"` // no cut: from here on spaces are written as Tokenizer.Space
	Pattern string `json:"pattern,omitempty"`
	// How says what becomes of matches: isolated, contiguous, merged_with_previous or merged_with_next; or matches,
	// which are then all that there may be.
	How    string `json:"how,omitempty"`
	Invert bool   `json:"invert,omitempty"` // what is between matches counts as matches
}

// The ways of a [Cut].
const (
	isolated   = "isolated"
	contiguous = "contiguous"
	toPrevious = "merged_with_previous"
	toNext     = "merged_with_next"
	matches    = "matches"
)

// mostLoaded is the largest number of levels of a vocabulary of another program.
const mostLoaded = 1 << 20

// encoder is a tokenizer that is ready to work.
type encoder struct {
	*Tokenizer
	level map[string]int32
	rank  map[pair]merge
	cuts  []*regexp2.Regexp // nil of those that only write spaces
	added *regexp.Regexp    // nil: none

	sought map[int]bool // Added
	spelt  []string     // the bytes of each level
}

// merge is what becomes of a pair.
type merge struct{ rank, level int32 }

// encoder returns the tokenizer ready to work, or says what is wrong with it.
func (t *Tokenizer) encoder() (*encoder, error) {
	t.once.Do(func() { t.ready, t.damaged = t.compile() })
	return t.ready, t.damaged
}

func (t *Tokenizer) compile() (*encoder, error) {
	e := &encoder{Tokenizer: t, level: map[string]int32{}, rank: map[pair]merge{}, sought: map[int]bool{}}
	if len(t.Pieces) < 2 || len(t.Pieces) > mostLoaded {
		return nil, fmt.Errorf("text: a tokenizer of %d levels; there must be from 2 to %d", len(t.Pieces), mostLoaded)
	}
	for k, piece := range t.Pieces {
		if other, twice := e.level[piece]; twice || piece == "" {
			return nil, fmt.Errorf("text: levels %d and %d of a tokenizer are both %s", other, k, choice.Quote(piece))
		}
		e.level[piece] = int32(k)
	}
	for k, p := range t.Merges {
		if n := int32(len(t.Pieces)); p[0] < 0 || p[0] >= n || p[1] < 0 || p[1] >= n {
			return nil, fmt.Errorf("text: pair %d of a tokenizer is of levels %d and %d; they must be from 0 to %d", k,
				p[0], p[1], n-1)
		}
		both := t.Pieces[p[0]] + t.Pieces[p[1]]
		level, ok := e.level[both]
		if !ok {
			return nil, fmt.Errorf("text: pair %d of a tokenizer makes %s, which is none of its levels", k,
				choice.Quote(both))
		}
		if _, twice := e.rank[p]; !twice {
			e.rank[p] = merge{int32(k), level}
		}
	}
	if err := e.compileCuts(); err != nil {
		return nil, err
	}
	for k := range t.Pieces {
		e.spelt = append(e.spelt, e.spell(k))
	}
	return e, nil
}

// longestMatch is how long a pattern may look for one match: a file may hold one that never ends.
const longestMatch = 10 * time.Second

func (e *encoder) compileCuts() error {
	for _, c := range e.Cuts {
		var re *regexp2.Regexp
		if !c.Spaces {
			if err := choice.Check("cut of a tokenizer", c.How,
				[]string{isolated, contiguous, toPrevious, toNext, matches}); err != nil {
				return fmt.Errorf("text: %w", err)
			}
			var err error
			if re, err = regexp2.Compile(c.Pattern); err != nil {
				return fmt.Errorf("text: the pattern %s of a tokenizer: %w", choice.Quote(c.Pattern), err)
			}
			re.MatchTimeout = longestMatch
		}
		e.cuts = append(e.cuts, re)
	}
	var added []string
	for _, level := range e.Added {
		if level < 0 || level >= len(e.Pieces) {
			return fmt.Errorf("text: a tokenizer has an added token of level %d, of %d", level, len(e.Pieces))
		}
		added, e.sought[level] = append(added, e.Pieces[level]), true
	}
	if len(added) > 0 {
		slices.SortFunc(added, func(a, b string) int { return len(b) - len(a) }) // the longest is taken
		for k := range added {
			added[k] = regexp.QuoteMeta(added[k])
		}
		e.added = regexp.MustCompile(strings.Join(added, "|"))
	}
	return nil
}

// byteChars are the characters that stand for bytes: those that can be seen for themselves, and others from U+0100 on.
var byteChars, charBytes = func() (chars [256]string, back map[rune]byte) {
	next := rune(256)
	back = map[rune]byte{}
	for b := range rune(256) {
		r := b
		if !(b >= '!' && b <= '~' || b >= '¡' && b <= '¬' || b >= '®') {
			r = next
			next++
		}
		chars[b], back[r] = string(r), byte(b)
	}
	return chars, back
}()

// fallback is the piece of a byte of a character without a level.
func fallback(b byte) string { return fmt.Sprintf("<0x%02X>", b) }

var fallbackBytes = func() map[string]byte {
	all := map[string]byte{}
	for b := range 256 {
		all[fallback(byte(b))] = byte(b)
	}
	return all
}()

// spell returns the bytes that a level stands for.
func (e *encoder) spell(level int) string {
	piece := e.Pieces[level]
	b, aByte := fallbackBytes[piece]
	switch {
	case e.sought[level]:
		return piece
	case e.ByteFallback && aByte:
		return string([]byte{b})
	case !e.ByteLevel && e.Space != "":
		return strings.ReplaceAll(piece, e.Space, " ")
	case !e.ByteLevel:
		return piece
	}
	var out []byte
	for _, r := range piece {
		if b, ok := charBytes[r]; ok {
			out = append(out, b)
		} else {
			out = append(out, string(r)...)
		}
	}
	return string(out)
}

// equal says whether two tokenizers are the same, or neither is one.
func (t *Tokenizer) equal(u *Tokenizer) bool {
	if t == nil || u == nil {
		return t == u
	}
	return slices.Equal(t.Pieces, u.Pieces) && slices.Equal(t.Merges, u.Merges) && slices.Equal(t.Cuts, u.Cuts) &&
		slices.Equal(t.Added, u.Added) && t.Space == u.Space && t.ByteLevel == u.ByteLevel &&
		t.ByteFallback == u.ByteFallback && t.WholeWords == u.WholeWords && t.NFC == u.NFC
}

// Encode returns the tokens of a text. The error names the first line with a character that has no level.
func (t *Tokenizer) Encode(text string) ([]int32, error) {
	e, err := t.encoder()
	if err != nil {
		return nil, err
	}
	out, err := e.encode(text)
	var unknown unknownError
	if errors.As(err, &unknown) {
		line := 1 + strings.Count(text[:max(0, strings.Index(text, unknown.bytes))], "\n")
		return nil, fmt.Errorf("text: line %d: %w", line, err)
	}
	return out, err
}

// encode returns the tokens of a text.
func (e *encoder) encode(text string) ([]int32, error) {
	var out []int32
	known := map[string][]int32{}
	for len(text) > 0 {
		at, end := len(text), len(text)
		if e.added != nil {
			if where := e.added.FindStringIndex(text); where != nil {
				at, end = where[0], where[1]
			}
		}
		words, err := e.words(text[:at])
		if err != nil {
			return nil, err
		}
		for _, w := range words {
			tokens, ok := known[w]
			if !ok {
				if tokens, err = e.word(w); err != nil {
					return nil, err
				}
				if len(w) <= longestKnown {
					known[w] = tokens
				}
			}
			out = append(out, tokens...)
		}
		if end > at {
			out = append(out, e.level[text[at:end]])
		}
		text = text[end:]
	}
	return out, nil
}

// longestKnown is the length of a word beyond which it is hardly there twice.
const longestKnown = 64

// words cuts a text by all rules.
func (e *encoder) words(text string) ([]string, error) {
	if e.NFC {
		text = norm.NFC.String(text)
	}
	words := []string{text}
	for k, c := range e.Cuts {
		var next []string
		for _, w := range words {
			if c.Spaces {
				next = append(next, strings.ReplaceAll(w, " ", e.Space))
				continue
			}
			parts, err := c.apply(e.cuts[k], w)
			if err != nil {
				return nil, err
			}
			next = append(next, parts...)
		}
		words = next
	}
	return words, nil
}

// apply cuts one text.
func (c Cut) apply(re *regexp2.Regexp, text string) ([]string, error) {
	found, err := re.FindAllStringIndex(text, -1)
	if err != nil {
		return nil, fmt.Errorf("text: the pattern %s of the tokenizer: %w", choice.Quote(c.Pattern), err)
	}
	type part struct {
		text  string
		match bool
	}
	var parts []part
	at := 0
	for _, f := range append(found, []int{len(text), len(text)}) {
		if f[0] > at {
			parts = append(parts, part{text[at:f[0]], c.Invert})
		}
		if f[1] > f[0] {
			parts = append(parts, part{text[f[0]:f[1]], !c.Invert})
		}
		at = f[1]
	}
	var out []string
	for k, p := range parts {
		joins := false // the part goes on with what the last one began
		if k > 0 {
			before := parts[k-1]
			switch c.How {
			case contiguous:
				joins = p.match == before.match
			case toPrevious:
				joins = p.match && !before.match
			case toNext:
				joins = !p.match && before.match
			}
		}
		switch {
		case c.How == matches && !p.match:
			return nil, fmt.Errorf("text: the tokenizer drops %s, and texts would not come back", choice.Quote(p.text))
		case joins:
			out[len(out)-1] += p.text
		default:
			out = append(out, p.text)
		}
	}
	return out, nil
}

// word returns the tokens of what pairs are merged in.
func (e *encoder) word(w string) ([]int32, error) {
	if e.ByteLevel {
		var b strings.Builder
		for i := range len(w) {
			b.WriteString(byteChars[w[i]])
		}
		w = b.String()
	}
	if level, ok := e.level[w]; ok && e.WholeWords {
		return []int32{level}, nil
	}
	var tokens []int32
	for at := 0; at < len(w); {
		r, size := utf8.DecodeRuneInString(w[at:])
		char := w[at : at+size]
		at += size
		if level, ok := e.level[char]; ok {
			tokens = append(tokens, level)
			continue
		}
		for i := range len(char) {
			level, ok := e.level[fallback(char[i])]
			if !ok || !e.ByteFallback {
				if b, is := charBytes[r]; is && e.ByteLevel {
					char = string([]byte{b})
				}
				return nil, unknownError{char}
			}
			tokens = append(tokens, level)
		}
	}
	return mergeAll(tokens, e.rank), nil
}

// unknownError is of bytes of a text without a level.
type unknownError struct{ bytes string }

func (u unknownError) Error() string {
	return fmt.Sprintf("%q is none of the levels of the tokenizer", u.bytes)
}

// candidate is a pair at a place of a text, before it is merged.
type candidate struct {
	merge
	at int
	pair
}

// candidates have the pair that is merged first before the others, and the one that stands first.
type candidates []candidate

func (c candidates) Len() int      { return len(c) }
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c candidates) Less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].at < c[j].at
}
func (c *candidates) Push(v any) { *c = append(*c, v.(candidate)) }
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// mergeAll merges the pairs of tokens, in place, as they are ranked, in n log n steps.
func mergeAll(tokens []int32, rank map[pair]merge) []int32 {
	const gone = -1
	n := len(tokens)
	before, behind := make([]int, n), make([]int, n)
	var queue candidates
	add := func(i, j int) {
		if i >= 0 && j < n {
			p := pair{tokens[i], tokens[j]}
			if m, ok := rank[p]; ok {
				heap.Push(&queue, candidate{m, i, p})
			}
		}
	}
	for i := range n {
		before[i], behind[i] = i-1, i+1
		add(i, i+1)
	}
	for len(queue) > 0 {
		c := heap.Pop(&queue).(candidate)
		i, j := c.at, behind[c.at]
		if tokens[i] != c.pair[0] || j >= n || tokens[j] != c.pair[1] {
			continue // one of the two was merged with another
		}
		tokens[i], tokens[j] = c.level, gone
		if behind[i] = behind[j]; behind[i] < n {
			before[behind[i]] = i
		}
		add(before[i], i)
		add(i, behind[i])
	}
	return slices.DeleteFunc(tokens, func(v int32) bool { return v == gone })
}
