package train

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"flowmatch/nn"
)

// fast is a loop that diverges at its rate: at a third of a third of it, too.
var fast = Loop{Steps: 150, Batch: 20, LR: 9, Schedule: "constant", ValEvery: new(0), CheckpointEvery: new(0)}

// A training that diverges at its start equals one at the rate that it ends up with, bit
// for bit, and says at which rates it tried; interrupted and resumed, too.
func TestADivergingStartFallsBack(t *testing.T) {
	s := cfmSession(t)
	var falls []FellBack
	p, err := s.run(t.Context(), fast, Progress{}, Hooks{FellBack: func(f FellBack) error {
		falls = append(falls, f)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(falls) == 0 || p.Slower != len(falls) {
		t.Fatalf("it fell back %d times, and the progress says %d; want some", len(falls), p.Slower)
	}
	first := falls[0]
	if first.From != 9 || first.To != 3 || first.Step == 0 || !errors.Is(first.Cause, nn.ErrDiverged) ||
		!strings.Contains(first.String(), "begins again at 3 ") {
		t.Errorf("the first time: %+v", first)
	}
	final := s.state(t)
	slow := fast
	slow.LR = falls[len(falls)-1].To
	direct := cfmSession(t)
	if _, err := direct.run(t.Context(), slow, Progress{}, Hooks{}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(direct.state(t).Weights, final.Weights) {
		t.Error("the weights differ from those of a training at the lower rate")
	}

	ctx, cancel := context.WithCancel(t.Context())
	var saved nn.State
	var progress Progress
	again := cfmSession(t)
	lastFall := falls[len(falls)-1].To
	armed := false
	_, err = again.run(ctx, fast, Progress{}, Hooks{
		FellBack: func(f FellBack) error { armed = f.To == lastFall; return nil },
		Step: func(step int, _ float64) {
			if armed && step == 40 {
				cancel()
			}
		},
		Save: func(s nn.State, p Progress, _ bool) error { saved, progress = s, p; return nil },
	})
	if !errors.Is(err, ErrInterrupted) || progress.Slower != len(falls) {
		t.Fatalf("interrupted: %v, slower %d times", err, progress.Slower)
	}
	resumed := cfmSession(t)
	if err := resumed.tr.Restore(saved); err != nil {
		t.Fatal(err)
	}
	if _, err := resumed.run(t.Context(), fast, progress, Hooks{}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(resumed.state(t).Weights, final.Weights) {
		t.Error("resumed after a fall back, the weights differ")
	}
}

// A training that diverges at every rate that is tried, or has no hook to tell, fails.
func TestATrainingThatKeepsDivergingFails(t *testing.T) {
	wild := fast
	wild.LR = 1e30
	count := 0
	hooks := Hooks{FellBack: func(FellBack) error { count++; return nil }}
	if _, err := cfmSession(t).run(t.Context(), wild, Progress{}, hooks); !errors.Is(err, nn.ErrDiverged) ||
		count != slowerTimes {
		t.Errorf("got %v after %d times, want ErrDiverged after %d", err, count, slowerTimes)
	}
	kept := cfmSession(t)
	if _, err := kept.run(t.Context(), fast, Progress{}, Hooks{}); !errors.Is(err, nn.ErrDiverged) {
		t.Errorf("without a hook: %v, want ErrDiverged at once", err)
	}
}

// A training that is interrupted in an attempt that will diverge goes on as one that never
// stopped.
func TestAFallBackAfterAResumeIsThatOfATrainingThatNeverStopped(t *testing.T) {
	told := func(FellBack) error { return nil }
	s := cfmSession(t)
	want, err := s.run(t.Context(), fast, Progress{}, Hooks{FellBack: told})
	if err != nil || want.Slower == 0 {
		t.Fatalf("slower %d times (%v), want some", want.Slower, err)
	}
	final := s.state(t)
	for _, at := range []int{1, 3, 49, 50} {
		ctx, cancel := context.WithCancel(t.Context())
		var saved nn.State
		var progress Progress
		_, err := cfmSession(t).run(ctx, fast, Progress{}, Hooks{
			FellBack: told,
			Step: func(step int, _ float64) {
				if step == at {
					cancel()
				}
			},
			Save: func(s nn.State, p Progress, _ bool) error { saved, progress = s, p; return nil },
		})
		cancel()
		if at == 50 && err == nil || at < 50 && !errors.Is(err, ErrInterrupted) {
			t.Fatalf("interrupted at %d: %v", at, err)
		}
		resumed := cfmSession(t)
		if err := resumed.tr.Restore(saved); err != nil {
			t.Fatal(err)
		}
		got, err := resumed.run(t.Context(), fast, progress, Hooks{FellBack: told})
		if err != nil || got.Slower != want.Slower || !slices.Equal(resumed.state(t).Weights, final.Weights) {
			t.Errorf("resumed at %d: slower %d times (%v), want %d, and the same weights", at, got.Slower, err,
				want.Slower)
		}
	}
}

// One batch with a huge loss, as heavy tails of targets make it, is no divergence; fifty are.
func TestOneHugeLossIsNoDivergence(t *testing.T) {
	for _, c := range []struct {
		name   string
		loss   func(step int) float64
		diverg bool
	}{
		{"one in fifty", func(step int) float64 {
			if step%50 == 20 {
				return 1e5
			}
			return 3
		}, false},
		{"all", func(step int) float64 {
			if step == 0 {
				return 3
			}
			return 200
		}, true},
		{"zeros", func(step int) float64 { return float64(1 - min(step, 1)) }, false},
	} {
		r := &running{t: Task{squares: true}, Loop: Loop{Steps: 100}}
		var err error
		for step := 0; step < 100 && err == nil; step++ {
			err = r.watch(step, c.loss(step))
		}
		if errors.Is(err, nn.ErrDiverged) != c.diverg {
			t.Errorf("%s: %v, want divergence: %v", c.name, err, c.diverg)
		}
	}
}
