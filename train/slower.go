package train

import (
	"errors"
	"fmt"

	"flowmatch/nn"
)

// A training that diverges at its start begins again at slowerBy of its learning rate, at
// the most slowerTimes times.
const (
	slowerBy    = 1. / 3
	slowerTimes = 4
)

// FellBack is a training that diverged before its state was saved, and begins again.
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

// start is what a training that diverges at its start goes back to.
type start struct {
	state nn.State
	saved bool // a state was saved since: it is no start any more
}

// begin returns the start of s, and s with hooks that tell when a state is saved; nil where
// steps were taken already.
func (s Session) begin() (Session, *start, error) {
	if s.Trainer.Steps() > 0 {
		return s, nil, nil
	}
	state, err := s.Trainer.State()
	if err != nil {
		return s, nil, err
	}
	begun := &start{state: state}
	if save := s.Hooks.Save; save != nil {
		s.Hooks.Save = func(state nn.State, p Progress, best bool) error {
			begun.saved = true
			return save(state, p, best)
		}
	}
	return s, begun, nil
}

// fellBack goes back to the start of a training that diverged, and reports whether it did.
// progress is then that of the next attempt.
func (s Session) fellBack(begun *start, l Loop, p Progress, cause error) (progress Progress, ok bool, err error) {
	if begun == nil || begun.saved || !errors.Is(cause, nn.ErrDiverged) || p.Slower >= slowerTimes {
		return p, false, nil
	}
	taken := int(s.Trainer.Steps())
	if err := s.Trainer.Restore(begun.state); err != nil {
		return p, false, err
	}
	next := Progress{Slower: p.Slower + 1, Seconds: p.Seconds}
	if s.Hooks.FellBack != nil {
		from, to := l.slower(p.Slower).LR, l.slower(next.Slower).LR
		err = s.Hooks.FellBack(FellBack{Step: taken, From: from, To: to, Cause: cause})
	}
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

// The loss of a regression has grown beyond all bounds when its mean over watched steps is
// tooLarge times that of the first step, which no update precedes. Only the start is watched.
const (
	watched      = 50
	watchedAtAll = 20 * watched
	tooLarge     = 1e3
)

// watch returns take with an [nn.ErrDiverged] for losses that grow beyond all bounds.
func watch(take StepFunc) StepFunc {
	var first, sum float64
	return func(step int, lr float64) (nn.StepResult, error) {
		r, err := take(step, lr)
		if err != nil || step >= watchedAtAll {
			return r, err
		}
		if step == 0 {
			first = r.Loss
		}
		sum += r.Loss / watched
		if (step+1)%watched > 0 {
			return r, nil
		}
		if first > 0 && sum > tooLarge*first {
			return r, fmt.Errorf("%w: the mean loss of %d steps is %.3g, that of the first step was %.3g",
				nn.ErrDiverged, watched, sum, first)
		}
		sum = 0
		return r, nil
	}
}
