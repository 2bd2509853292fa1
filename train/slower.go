package train

import (
	"errors"
	"fmt"
	"math"

	"flowmatch/nn"
)

// A training that diverges in its first startSteps begins again at slowerBy of its learning
// rate, at the most slowerTimes times.
const (
	startSteps  = 1000
	slowerBy    = 1. / 3
	slowerTimes = 4
)

// The geometric mean of the losses of a regression over watched steps is not to be more than tooLarge
// times that of the first step, which no update precedes. It is geometric because targets may have
// heavy tails, as those of a bridge at its ends: a single batch of a good training can then have a
// thousand times the loss of the others.
const (
	watched  = 50
	tooLarge = 30
)

// FellBack is a training that diverged at its start, and begins again.
type FellBack struct {
	Step     int     // steps taken
	From, To float64 // learning rates at their highest
	Cause    error   // an [nn.ErrDiverged]
}

// String says it in one sentence.
func (f FellBack) String() string {
	return fmt.Sprintf("the training diverged after step %d at the learning rate %.3g: it begins again at %.3g (%v)",
		f.Step, f.From, f.To, f.Cause)
}

// fallBack goes back to the start of a training that diverged, and reports whether it did.
// progress is then that of the next attempt. All that it depends on is in the state that is
// saved, so a resumed training falls back where one that never stopped does.
func (s Session) fallBack(l Loop, p Progress, cause error) (progress Progress, ok bool, err error) {
	taken := int(s.Trainer.Steps())
	if s.Hooks.FellBack == nil || taken > startSteps || !errors.Is(cause, nn.ErrDiverged) || p.Slower >= slowerTimes {
		return p, false, nil
	}
	if err := s.Trainer.Restart(); err != nil {
		return p, false, err
	}
	next := Progress{Slower: p.Slower + 1, Seconds: p.Seconds}
	f := FellBack{Step: taken, From: l.slower(p.Slower).LR, To: l.slower(next.Slower).LR, Cause: cause}
	err = s.Hooks.FellBack(f)
	return next, err == nil, err
}

// slower returns l with the learning rate of a training that fell back so many times.
func (l Loop) slower(times int) Loop {
	for range times {
		l.LR *= slowerBy
	}
	l.LRMin = new(min(*l.LRMin, l.LR))
	return l
}

// watch reports losses of the start that have grown beyond all bounds, after step number step
// from 0.
func (r *running) watch(step int, loss float64) error {
	if !r.t.squares || step >= startSteps {
		return nil
	}
	if step == 0 {
		r.p.First = loss
	}
	r.p.Watched += math.Log(max(loss, math.SmallestNonzeroFloat64)) / watched
	last := (step+1)%watched == 0
	if !last && step+1 < r.Steps {
		return nil
	}
	log, n := r.p.Watched, watched
	if !last {
		n = (step + 1) % watched
		log *= watched / float64(n)
	}
	r.p.Watched = 0
	mean := math.Exp(log)
	if first := r.p.First; first > 0 && mean > tooLarge*first {
		return fmt.Errorf("%w: the losses of %d steps are %.3g in the geometric mean, that of the first step was %.3g",
			nn.ErrDiverged, n, mean, first)
	}
	return nil
}
