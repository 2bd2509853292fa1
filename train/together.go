package train

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/cluster"
	"flowmatch/internal/digest"
	"flowmatch/model"
	"flowmatch/nn"
)

// sameEvery is the number of steps between looks at whether the weights of all ranks are the
// same.
const sameEvery = 100

// together is a training of several ranks. All take the same steps and come to the same hooks;
// rank 0 alone has them called. A rank that is asked to end does so when the others know it,
// after the same step.
type together struct {
	ranks   *cluster.Comm
	trainer *nn.Trainer
	asked   context.Context // ends when this rank is asked to end
	stop    context.CancelFunc
	asker   error // why the training ends; nil: it goes on
}

// together prepares a training of several ranks, whose context ends on all at the same step.
func (s Session) together(ctx context.Context) (context.Context, *together, error) {
	switch s.Objective.(type) {
	case Regression, ML, *ML:
	default:
		return ctx, nil, misfit("%T takes its steps itself, and does not share them among %d ranks: train it in one",
			s.Objective, s.Ranks.Size())
	}
	if err := s.Trainer.Together(s.Ranks); err != nil {
		return ctx, nil, err
	}
	of := &together{ranks: s.Ranks, trainer: s.Trainer.Trainer, asked: ctx}
	ctx, of.stop = context.WithCancel(context.WithoutCancel(ctx))
	return ctx, of, nil
}

// wrap has the ranks take the steps of a task, and validate, together.
func (g *together) wrap(t *Task) {
	t.Step = g.steps(t.Step)
	if t.Validate != nil {
		t.Validate = g.validation(t.Validate)
	}
}

// steps takes a step, and sees whether a rank was asked to end meanwhile.
func (g *together) steps(take StepFunc) StepFunc {
	return func(step int, lr float64) (nn.StepResult, error) {
		r, err := take(step, lr)
		if err != nil {
			return r, err
		}
		if due(step+1, sameEvery) {
			if err := g.same(); err != nil {
				return r, err
			}
		}
		mark := 0.
		if g.asked.Err() != nil {
			mark = 1
		}
		asked, err := g.ranks.Gathered(mark)
		if err != nil {
			return r, err
		}
		for rank, m := range asked {
			if m != 0 && g.asker == nil {
				g.end(rank)
			}
		}
		return r, nil
	}
}

// told is the error of a training, with the rank that was asked to end it.
func (g *together) told(err error) error {
	if g == nil || g.asker == nil || !errors.Is(err, ErrInterrupted) {
		return err
	}
	return fmt.Errorf("%w: %w", err, g.asker)
}

// end ends the training, which a rank was asked to end.
func (g *together) end(rank int) {
	g.asker = fmt.Errorf("rank %d of %d was asked to end", rank, g.ranks.Size())
	if cause := context.Cause(g.asked); cause != nil {
		g.asker = fmt.Errorf("%w (%w)", g.asker, cause)
	}
	g.stop()
}

// same reports a rank whose weights are not those of rank 0, to the bit.
func (g *together) same() error {
	w, err := g.trainer.RawWeights()
	if err != nil {
		return err
	}
	all, err := g.ranks.Gather([]byte(digest.Of(w)))
	if err != nil {
		return err
	}
	for rank, is := range all {
		if string(is) != string(all[0]) {
			return fmt.Errorf("train: the weights of rank %d are not those of rank 0 after step %d: all ranks must "+
				"run the same program on the same kind of processor with the same number of cores; the same "+
				"FLOWMATCH_CPU, such as avx2, makes processors alike", rank, g.trainer.Steps())
		}
	}
	return nil
}

// validation measures on rank 0, for all.
func (g *together) validation(measure func(context.Context) (float64, error)) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		const value, ended = 0, 1
		var got [2]float64
		var err error
		if g.ranks.Rank() == 0 {
			if got[value], err = measure(g.asked); err != nil && g.asked.Err() != nil {
				got[ended], err = 1, nil
			}
		}
		if err := g.ranks.Agree(err); err != nil {
			return 0, err
		}
		if err := cluster.Broadcast(g.ranks, got[:], 0); err != nil {
			return 0, err
		}
		if got[ended] != 0 {
			g.end(0)
			return 0, ctx.Err()
		}
		return got[value], nil
	}
}

// hooks are those of rank 0; an error there is one of all ranks.
func (g *together) hooks(h Hooks) Hooks {
	lead := func(call func() error) error {
		var err error
		if g.ranks.Rank() == 0 {
			err = call()
		}
		return g.ranks.Agree(err)
	}
	led := Hooks{Step: h.Step}
	if h.Event != nil {
		led.Event = func(e Event) error { return lead(func() error { return h.Event(e) }) }
	}
	if h.FellBack != nil {
		led.FellBack = func(f FellBack) error { return lead(func() error { return h.FellBack(f) }) }
	}
	if h.Save != nil {
		led.Save = func(s nn.State, p Progress, best bool) error {
			if err := g.same(); err != nil {
				return err
			}
			return lead(func() error { return h.Save(s, p, best) })
		}
	}
	if h.Snapshot != nil {
		led.Snapshot = func(s nn.State) error { return lead(func() error { return h.Snapshot(s) }) }
	}
	if h.Sample != nil {
		led.Sample = func(step int, m *model.Model) error { return lead(func() error { return h.Sample(step, m) }) }
	}
	return led
}
