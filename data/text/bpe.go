package text

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// BPE is the kind of a vocabulary of pieces of words, by byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909):
// 256 bytes, and pieces that are each a pair of pieces which often stand side by side. Any file has an encoding, and
// comes back byte for byte.
const BPE = "bpe"

// DefaultLevels is the number of levels of a vocabulary of pieces, if nothing is said.
const DefaultLevels = 1024

// mostLevels is the largest number of levels of a vocabulary of pieces.
const mostLevels = 1 << 16

// pieces cuts a text into what pairs are sought in: words with the space before them, numbers, signs, and white space.
func pieces(text string, yield func(string)) {
	for len(text) > 0 {
		at := 0
		if text[0] == ' ' && len(text) > 1 {
			at = 1
		}
		r, size := utf8.DecodeRuneInString(text[at:])
		class := classOf(r)
		if at == 1 && class == white {
			at, size = 0, 1
		}
		end := at + size
		for end < len(text) {
			r, size := utf8.DecodeRuneInString(text[end:])
			if classOf(r) != class || class == white && r == ' ' && wordBehind(text[end:]) {
				break
			}
			end += size
		}
		yield(text[:end])
		text = text[end:]
	}
}

const (
	white = iota
	letter
	digit
	sign
)

func classOf(r rune) int {
	switch {
	case unicode.IsSpace(r):
		return white
	case unicode.IsLetter(r):
		return letter
	case unicode.IsDigit(r):
		return digit
	}
	return sign
}

// wordBehind says whether a text that begins with a space has a word behind it.
func wordBehind(text string) bool {
	r, _ := utf8.DecodeRuneInString(text[1:])
	return len(text) > 1 && classOf(r) != white
}

// pair is two levels side by side.
type pair [2]int32

// counted is a pair, and how often it stood in the text when it was counted.
type counted struct {
	pair
	n int
}

// queue has the most frequent pair first; of those that are as frequent, the first in order.
type queue []counted

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[j].n, q[i].n), slices.Compare(q[i].pair[:], q[j].pair[:])) < 0
}
func (q *queue) Push(v any) { *q = append(*q, v.(counted)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// words are the different pieces of a text as tokens, how often each stands there, and where pairs are.
type words struct {
	tokens [][]int32
	times  []int
	count  map[pair]int
	in     map[pair]map[int]bool // words that had the pair once
	best   queue
}

// learnPairs returns the pairs of a vocabulary of so many levels that a text teaches: the most frequent one again and
// again, each as a level of its own.
func learnPairs(text string, levels int) ([][2]int32, error) {
	w := &words{count: map[pair]int{}, in: map[pair]map[int]bool{}}
	place := map[string]int{}
	pieces(text, func(s string) {
		k, known := place[s]
		if !known {
			k = len(w.tokens)
			place[s] = k
			w.tokens, w.times = append(w.tokens, bytesOf(s)), append(w.times, 0)
		}
		w.times[k]++
	})
	for k := range w.tokens {
		w.tally(k, w.times[k], nil)
	}
	for p, n := range w.count {
		w.best = append(w.best, counted{p, n})
	}
	heap.Init(&w.best)
	var merges [][2]int32
	for level := int32(256); int(level) < levels; level++ {
		p, ok := w.next()
		if !ok {
			return nil, fmt.Errorf("text: the text has pairs for a vocabulary of %d levels, and %d are asked for; ask "+
				"for fewer", level, levels)
		}
		merges = append(merges, p)
		w.merge(p, level)
	}
	return merges, nil
}

// next returns the most frequent pair; none is one that stands in the text once.
func (w *words) next() (pair, bool) {
	for len(w.best) > 0 {
		top := heap.Pop(&w.best).(counted)
		switch n := w.count[top.pair]; {
		case n == top.n && n > 1:
			return top.pair, true
		case n < top.n && n > 1: // counted before others took some of it
			heap.Push(&w.best, counted{top.pair, n})
		}
	}
	return pair{}, false
}

// tally adds the pairs of word k, n times, and notes those that changed.
func (w *words) tally(k, n int, changed map[pair]bool) {
	for i := range len(w.tokens[k]) - 1 {
		p := pair{w.tokens[k][i], w.tokens[k][i+1]}
		w.count[p] += n
		if n > 0 && w.in[p] == nil {
			w.in[p] = map[int]bool{}
		}
		if n > 0 {
			w.in[p][k] = true
		}
		if changed != nil {
			changed[p] = true
		}
	}
}

// merge makes a pair a level in all words.
func (w *words) merge(p pair, level int32) {
	changed := map[pair]bool{}
	for k := range w.in[p] {
		w.tally(k, -w.times[k], changed)
		w.tokens[k] = merged(w.tokens[k], p, level)
		w.tally(k, w.times[k], changed)
	}
	delete(w.in, p)
	delete(w.count, p)
	for q := range changed {
		if n := w.count[q]; n > 1 {
			heap.Push(&w.best, counted{q, n})
		}
	}
}

// merged replaces a pair in tokens, in place, by a level.
func merged(tokens []int32, p pair, level int32) []int32 {
	out := tokens[:0]
	for i := 0; i < len(tokens); i++ {
		if i+1 < len(tokens) && tokens[i] == p[0] && tokens[i+1] == p[1] {
			out = append(out, level)
			i++
		} else {
			out = append(out, tokens[i])
		}
	}
	return out
}

// bytesOf are the bytes of a text as tokens.
func bytesOf(text string) []int32 {
	out := make([]int32, len(text))
	for i := range len(text) {
		out[i] = int32(text[i])
	}
	return out
}

// encodePieces returns the tokens of a text: in each piece of it the pairs are merged in the order in which they were
// learnt.
func (v Vocabulary) encodePieces(text string) []int32 {
	rank := make(map[pair]merge, len(v.Merges))
	for k, p := range v.Merges {
		rank[p] = merge{int32(k), 256 + int32(k)}
	}
	known := map[string][]int32{}
	var out []int32
	pieces(text, func(s string) {
		tokens, ok := known[s]
		if !ok {
			tokens = mergeAll(bytesOf(s), rank)
			known[s] = tokens
		}
		out = append(out, tokens...)
	})
	return out
}

// Spelt are the bytes that each level stands for; nil: those of kind bpe alone are more than one.
func (v Vocabulary) Spelt() []string {
	if v.Kind != BPE {
		return nil
	}
	if v.Tokenizer != nil {
		if e, err := v.Tokenizer.encoder(); err == nil {
			return e.spelt
		}
		return make([]string, len(v.Tokenizer.Pieces)) // of one that Validate refuses
	}
	out := make([]string, 256, v.Levels())
	for b := range out {
		out[b] = string([]byte{byte(b)})
	}
	for _, p := range v.Merges {
		out = append(out, out[p[0]]+out[p[1]])
	}
	return out
}

// validatePairs reports pairs that no text teaches. Their texts are bounded, since a file may be damaged: a pair of a
// pair and itself, thirty times, would be a text of gigabytes.
func (v Vocabulary) validatePairs() error {
	size, seen := make([]int, 256, 256+len(v.Merges)), map[pair]bool{}
	for b := range size {
		size[b] = 1
	}
	if len(v.Merges) == 0 || v.Levels() > mostLevels {
		return fmt.Errorf("text: a vocabulary of %d pairs; there must be from 1 to %d", len(v.Merges), mostLevels-256)
	}
	for k, p := range v.Merges {
		for _, level := range p {
			if level < 0 || int(level) >= 256+k {
				return fmt.Errorf("text: pair %d of a vocabulary is of level %d; it must be from 0 to %d", k, level,
					255+k)
			}
		}
		n := size[p[0]] + size[p[1]]
		if seen[p] || n > longestPiece {
			return fmt.Errorf("text: pair %d of a vocabulary is there twice, or stands for %d bytes; at most %d", k, n,
				longestPiece)
		}
		seen[p], size = true, append(size, n)
	}
	return nil
}

// longestPiece is more bytes than a level of a text stands for.
const longestPiece = 1 << 16
