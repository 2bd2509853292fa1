package train

import (
	"errors"
	"strings"
	"testing"

	"flowmatch/nn"
)

// A state that is not finite takes the place of none that was saved, and is no result.
func TestAStateThatIsNotFiniteIsNotSaved(t *testing.T) {
	wild := Loop{Steps: 3, Batch: 20, LR: 1e300, Schedule: "constant", ValEvery: new(0), CheckpointEvery: new(1)}
	never := func(nn.State) error { t.Error("a state was handed on"); return nil }
	hooks := Hooks{Snapshot: never, Save: func(s nn.State, _ Progress, _ bool) error { return never(s) }}
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, nn.ErrDiverged) || !strings.Contains(err.Error(), "weights hold") ||
			!strings.Contains(err.Error(), "lower the learning rate") {
			t.Errorf("%s: %v, want ErrDiverged, what is not finite and what to try", what, err)
		}
	}
	_, err := cfmSession(t).run(t.Context(), wild, Progress{}, hooks)
	check("a checkpoint", err)
	wild.CheckpointEvery, wild.SnapshotEvery = new(0), 1
	_, err = cfmSession(t).run(t.Context(), wild, Progress{}, hooks)
	check("a snapshot", err)
	wild.Steps, wild.SnapshotEvery = 1, 0
	_, err = cfmSession(t).run(t.Context(), wild, Progress{}, Hooks{})
	check("the end, where nobody saves", err)

	// Where it may, the training begins again at a rate that is lower.
	wild.Steps, wild.CheckpointEvery = 3, new(1)
	falls := 0
	hooks.FellBack = func(FellBack) error { falls++; return nil }
	if _, err := cfmSession(t).run(t.Context(), wild, Progress{}, hooks); falls != slowerTimes {
		t.Errorf("it fell back %d times, and ended with %v", falls, err)
	}
}

// A training that ended early goes on where early stopping is no more asked for.
func TestWhatEndedEarlyGoesOnWithoutPatience(t *testing.T) {
	stopped := Progress{Stopped: true, Misses: 2, BestStep: 1}
	l := Loop{Steps: 4, Batch: 20, ValEvery: new(0), CheckpointEvery: new(0)}
	s := cfmSession(t)
	if _, err := s.run(t.Context(), l, Progress{}, Hooks{}); err != nil {
		t.Fatal(err)
	}
	l.Steps, l.Patience, l.ValEvery = 8, 2, new(2)
	if p, err := s.run(t.Context(), l, stopped, Hooks{}); err != nil || !p.Stopped || s.tr.Steps() != 4 {
		t.Errorf("%d steps, %+v, %v; want 4", s.tr.Steps(), p, err)
	}
	l.Patience, l.ValEvery = 0, new(0)
	if p, err := s.run(t.Context(), l, stopped, Hooks{}); err != nil || p.Stopped || s.tr.Steps() != 8 {
		t.Errorf("%d steps, %+v, %v; want 8", s.tr.Steps(), p, err)
	}
}
