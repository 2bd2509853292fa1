package text

import (
	"math"
	"testing"
)

// The probabilities of all pieces of a length sum to 1, and their mean logarithm over a text grows by the rate of the
// language for each character.
func TestTheLawOfALanguage(t *testing.T) {
	small := Language{[][]string{{"a", "bb"}, {"a", "b", "ab"}}}
	sum := 0.0
	for k := range 1 << 6 {
		piece := make([]byte, 6)
		for i := range piece {
			piece[i] = 'a' + byte(k>>i&1)
		}
		sum += math.Exp(small.LogProb(string(piece)))
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("the probabilities of all pieces sum to %g", sum)
	}
	// Of the five characters of words whose weights sum to 3.5, b has 1/2 + 1/2 + 1/3 + 1/3.
	if got, want := small.LogProb("b"), math.Log(5.0/3/(1.0/2+2.0/2+1.0/3+1.0/3+2.0/3)); math.Abs(got-want) > 1e-12 {
		t.Errorf("b has the log-probability %g, want %g", got, want)
	}
	l := SmallLanguage()
	text := l.Text(1, 500)
	long, short := l.LogProb(text[7:9000]), l.LogProb(text[7:1000])
	if rate := (short - long) / 8000; math.Abs(rate/l.Rate()-1) > 0.03 {
		t.Errorf("%g nats a character, and the rate is %g", rate, l.Rate())
	}
	if again := l.Text(1, 500); again != text || l.Text(2, 500) == text {
		t.Error("a text is not that of its seed")
	}
	if !math.IsInf(l.LogProb("xyz"), -1) {
		t.Error("xyz has a probability")
	}
}
