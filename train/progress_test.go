package train

import (
	"math"
	"testing"
)

// What a damaged checkpoint says of its training is refused: a training that fell back 2⁶²
// times would count for ever.
func TestProgressOfADamagedCheckpoint(t *testing.T) {
	good := Progress{BestLoss: -3, BestStep: 7, Misses: 2, Seconds: 1, Slower: slowerTimes, Count: 7,
		Due: &Event{Step: 9}}
	if err := good.Validate(9); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Progress){
		"slower": func(p *Progress) { p.Slower = 1 << 62 }, "no slower": func(p *Progress) { p.Slower = -1 },
		"best": func(p *Progress) { p.BestStep = 10 }, "misses": func(p *Progress) { p.Misses = -2 },
		"count": func(p *Progress) { p.Count = -1 }, "seconds": func(p *Progress) { p.Seconds = -1 },
		"sum": func(p *Progress) { p.Sum = math.Inf(1) }, "loss": func(p *Progress) { p.BestLoss = math.NaN() },
		"due": func(p *Progress) { p.Due = &Event{Step: 8} },
	} {
		p := good
		change(&p)
		if err := p.Validate(9); err == nil {
			t.Errorf("%s: %+v passes", name, p)
		}
		if _, err := cfmSession(t).run(t.Context(), short, p, Hooks{}); err == nil {
			t.Errorf("%s: a training goes on from %+v", name, p)
		}
	}
}
