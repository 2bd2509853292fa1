package text

import (
	"math"
	"strings"

	"flowmatch/internal/seed"
)

// Language is a language whose law is known: each sentence is a word of each slot, in their order, any word of a slot
// alike. A text of it is sentences one behind the other, so that the probability of any part of it can be computed.
type Language struct {
	slots [][]string // words with what is behind them
}

// SmallLanguage has sentences of five words, such as "the cat sees a tree. ": 7 bits each, 0.31 a character.
func SmallLanguage() Language {
	return Language{[][]string{
		{"the ", "a "},
		{"cat ", "dog ", "fox ", "bird "},
		{"sees ", "likes "},
		{"the ", "a "},
		{"tree. ", "moon. ", "house. ", "river. "},
	}}
}

// Text returns so many sentences, those of the seed.
func (l Language) Text(seedValue uint64, sentences int) string {
	rng := seed.Rand(seedValue, "data/text/language", 0)
	var b strings.Builder
	for range sentences {
		for _, words := range l.slots {
			b.WriteString(words[rng.IntN(len(words))])
		}
	}
	return b.String()
}

// Rate is the entropy of a character of a long text, in nats.
func (l Language) Rate() float64 {
	nats, length := 0.0, 0.0
	for _, words := range l.slots {
		nats += math.Log(float64(len(words)))
		for _, w := range words {
			length += float64(len(w)) / float64(len(words))
		}
	}
	return nats / length
}

// place is a character of a word of the language.
type place struct{ slot, word, at int }

// LogProb is the log-probability of a piece of a long text of the language that begins anywhere, in nats; -Inf where
// there is none such.
func (l Language) LogProb(piece string) float64 {
	now := map[place]float64{}
	total := 0.0
	for s, words := range l.slots {
		for w, word := range words {
			for at := range len(word) {
				p := 1 / float64(len(words))
				now[place{s, w, at}] = p
				total += p
			}
		}
	}
	logp := -math.Log(total)
	for i := range len(piece) {
		if i > 0 {
			now = l.next(now)
		}
		sum := 0.0
		for k, p := range now {
			if l.slots[k.slot][k.word][k.at] != piece[i] {
				delete(now, k)
			} else {
				sum += p
			}
		}
		if sum == 0 {
			return math.Inf(-1)
		}
		logp += math.Log(sum)
		for k := range now {
			now[k] /= sum
		}
	}
	return logp
}

// next is where a text is a character later.
func (l Language) next(now map[place]float64) map[place]float64 {
	out := make(map[place]float64, len(now))
	for k, p := range now {
		if k.at+1 < len(l.slots[k.slot][k.word]) {
			out[place{k.slot, k.word, k.at + 1}] += p
			continue
		}
		s := (k.slot + 1) % len(l.slots)
		for w := range l.slots[s] {
			out[place{s, w, 0}] += p / float64(len(l.slots[s]))
		}
	}
	return out
}
