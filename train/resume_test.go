package train

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/model"
	"flowmatch/nn"
)

// recorded collects the events of a training, without the clock.
func recorded(events *[]Event, h Hooks) Hooks {
	h.Event = func(e Event) error {
		e.Seconds, e.Rate, e.PeakMiB = 0, 0, 0
		*events = append(*events, e)
		return nil
	}
	return h
}

func TestAResumedTrainingEqualsOneThatNeverStopped(t *testing.T) {
	for name, start := range map[string]func(t testing.TB) session{"cfm": cfmSession, "ml": mlSession} {
		t.Run(name, func(t *testing.T) { resumes(t, start) })
	}
}

func resumes(t *testing.T, start func(t testing.TB) session) {
	s := start(t)
	var want []Event
	if _, err := s.run(t.Context(), short, Progress{}, recorded(&want, Hooks{})); err != nil {
		t.Fatal(err)
	}
	final := s.state(t)
	for _, at := range []int{1, 15, 20, 33, 59, 60} {
		ctx, cancel := context.WithCancel(t.Context())
		var got []Event
		var saved nn.State
		var progress Progress
		h := Hooks{
			Step: func(step int, _ float64) {
				if step == at {
					cancel()
				}
			},
			Save: func(s nn.State, p Progress, _ bool) error {
				saved, progress = s, p
				return nil
			},
		}
		_, err := start(t).run(ctx, short, Progress{}, recorded(&got, h))
		if !errors.Is(err, ErrInterrupted) || !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted at %d: got %v", at, err)
		}
		if saved.Step != int64(at) {
			t.Fatalf("interrupted at %d, but step %d was saved", at, saved.Step)
		}
		again := start(t)
		if err := again.tr.Restore(saved); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(progress)
		if err != nil {
			t.Fatal(err)
		}
		progress = Progress{}
		if err := json.Unmarshal(text, &progress); err != nil {
			t.Fatal(err)
		}
		if _, err := again.run(t.Context(), short, progress, recorded(&got, Hooks{})); err != nil {
			t.Fatal(err)
		}
		s := again.state(t)
		if !slices.Equal(s.Weights, final.Weights) || !slices.Equal(s.EMA, final.EMA) ||
			!slices.Equal(s.Var2, final.Var2) {
			t.Errorf("resumed at %d: the weights differ from those of the training that never stopped", at)
		}
		if !slices.EqualFunc(got, want, sameEvent) {
			t.Errorf("resumed at %d: events\n%+v\nwant\n%+v", at, got, want)
		}
	}
}

func sameEvent(a, b Event) bool {
	if (a.ValLoss == nil) != (b.ValLoss == nil) || a.ValLoss != nil && *a.ValLoss != *b.ValLoss {
		return false
	}
	a.ValLoss, b.ValLoss = nil, nil
	return a == b
}

func TestTrainingsOfEveryObjectiveResumeBitByBit(t *testing.T) {
	cfm := CFM{Data: data.Shuffle(points(100, 2), 1), Seed: 2}
	pairs := Pairs{X: points(90, 4).X}
	for name, o := range map[string]Objective{
		"fm":       FM{CFM: cfm, X1: points(100, 2).X},
		"meanflow": MeanFlow{CFM: cfm, Averages: AverageConfig{Power: new(0.5)}},
		"shortcut": Shortcut{CFM: cfm},
		"reflow":   Reflow{Pairs: pairs, Seed: 2},
		"distill":  Reflow{Pairs: pairs, Distill: 2, Seed: 2},
	} {
		kind, err := KindOf(name)
		if err != nil {
			t.Fatal(err)
		}
		m := newModel(t, model.Spec{}, nn.Config{Average: kind.Averages})
		run := func(from nn.State, until int) nn.State {
			s := newSession(t, m, o, nil)
			if from.Step > 0 {
				if err := s.tr.Restore(from); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h := Hooks{Step: func(step int, _ float64) {
				if step == until {
					cancel()
				}
			}}
			if _, err := s.run(ctx, short, Progress{}, h); err != nil && !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			return s.state(t)
		}
		whole, half := run(nn.State{}, 0), run(nn.State{}, 17)
		if half.Step != 17 {
			t.Fatalf("%s: stopped at %d", name, half.Step)
		}
		if again := run(half, 0); !slices.Equal(again.Weights, whole.Weights) || !slices.Equal(again.EMA, whole.EMA) {
			t.Errorf("%s: a resumed training differs from one that never stopped", name)
		}
	}
}
