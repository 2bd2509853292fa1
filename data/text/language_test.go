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
	if got, want := small.LogProb("bba"), math.Log(1.0/3.5+0); got >= 0 || math.IsInf(got, 0) {
		t.Errorf("bba has the log-probability %g (%g)", got, want)
	}
	l := SmallLanguage()
	text := l.Text(1, 400)
	long, short := l.LogProb(text[7:9000]), l.LogProb(text[7:1000])
	if rate := (short - long) / 8000; math.Abs(rate/l.Rate()-1) > 0.03 {
		t.Errorf("%g nats a character, and the rate is %g", rate, l.Rate())
	}
	if l.Text(1, 3) != l.Text(1, 3) || l.Text(1, 3) == l.Text(2, 3) {
		t.Error("a text is not that of its seed")
	}
	if !math.IsInf(l.LogProb("xyz"), -1) {
		t.Error("xyz has a probability")
	}
}
