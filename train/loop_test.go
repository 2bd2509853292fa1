package train

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"flowmatch/internal/memory"
	"flowmatch/model"
	"flowmatch/nn"
)

func TestLearningRateSchedules(t *testing.T) {
	base := Loop{Steps: 110, Warmup: 10, LR: 1, LRMin: new(0.1)}
	for name, want := range map[string][4]float64{ // at steps 0, 9, 60, 110
		"constant": {0.19, 1, 1, 1},
		"cosine":   {0.19, 1, 0.55, 0.1},
		"poly":     {0.19, 1, 0.55, 0.1},
	} {
		c := base
		c.Schedule = name
		for i, step := range []int{0, 9, 60, 110} {
			if got := c.LearningRate(step); math.Abs(got-want[i]) > 1e-12 {
				t.Errorf("%s at step %d: got %g, want %g", name, step, got, want[i])
			}
		}
	}
}

func TestTheNumberOfCoresDoesNotChangeTheRun(t *testing.T) {
	var states []nn.State
	for _, procs := range []int{1, 3} {
		old := runtime.GOMAXPROCS(procs)
		s := cfmSession(t)
		s.held = nil
		_, err := s.run(t.Context(), short, Progress{}, Hooks{})
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, s.state(t))
	}
	if !slices.Equal(states[0].Weights, states[1].Weights) {
		t.Error("one core and three give different weights")
	}
}

func TestEarlyStoppingKeepsTheBest(t *testing.T) {
	training := cfmSession(t)
	l := short
	// A rate so low that validation never gets better than noise allows.
	l.Steps, l.ValEvery, l.Patience, l.LR, l.LRMin = 5000, new(1), 3, 1e-1, new(1e-1)
	var bests []int
	h := Hooks{Save: func(s nn.State, p Progress, best bool) error {
		if best {
			bests = append(bests, int(s.Step))
		}
		return nil
	}}
	p, err := training.run(t.Context(), l, Progress{}, h)
	if err != nil {
		t.Fatal(err)
	}
	s := training.state(t)
	if !p.Stopped || p.Misses != 3 || int(s.Step) != p.BestStep+3 || s.Step == 5000 {
		t.Errorf("ended at step %d with %+v, want three validations after the best", s.Step, p)
	}
	if len(bests) == 0 || bests[len(bests)-1] != p.BestStep {
		t.Errorf("best states were saved at %v, the best is of step %d", bests, p.BestStep)
	}
}

func TestErrorsOfDataAndHooksEndTheTraining(t *testing.T) {
	boom := errors.New("boom")
	s := cfmSession(t)
	o := cfm()
	o.Data = failing{o.Data, boom}
	s.o = o
	if _, err := s.run(t.Context(), short, Progress{}, Hooks{}); !errors.Is(err, boom) ||
		!strings.Contains(err.Error(), "step 20") {
		t.Errorf("data that fail at step 20: got %v", err)
	}
	l := short
	l.SnapshotEvery, l.SampleEvery = 10, 10
	for name, spoil := range map[string]func(h *Hooks){
		"save":     func(h *Hooks) { h.Save = func(nn.State, Progress, bool) error { return boom } },
		"event":    func(h *Hooks) { h.Event = func(Event) error { return boom } },
		"snapshot": func(h *Hooks) { h.Snapshot = func(nn.State) error { return boom } },
		"sample":   func(h *Hooks) { h.Sample = func(int, *model.Model) error { return boom } },
	} {
		h := Hooks{Snapshot: func(nn.State) error { return nil }, Sample: func(int, *model.Model) error { return nil }}
		spoil(&h)
		if _, err := cfmSession(t).run(t.Context(), l, Progress{}, h); !errors.Is(err, boom) {
			t.Errorf("a failing %s: got %v", name, err)
		}
	}
}

// A loop whose steps only count: what it calls, and at which steps.
type calls struct {
	event, val, save, snapshot, sample []int
	lr                                 []float64
}

// record runs a loop over steps of a small network whose gradient is 0.
func record(t *testing.T, l Loop) (c calls) {
	t.Helper()
	net := newNet(t, nn.Config{Dim: 1, Hidden: []int{1}})
	tr, err := net.NewTrainer(nn.Optimizer{}, nn.StepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now := func() int { return int(tr.Steps()) }
	task := Task{
		Trainer: tr.Trainer,
		Step: func(_ int, lr float64) (nn.StepResult, error) {
			c.lr = append(c.lr, lr)
			return tr.Apply(make([]float64, net.NumWeights()), 0, lr)
		},
		Model: func() (*model.Model, error) { return nil, nil },
		Validate: func(context.Context) (float64, error) {
			c.val = append(c.val, now())
			return 1, nil
		},
		Hooks: Hooks{
			Event: func(e Event) error { c.event = append(c.event, e.Step); return nil },
			Save: func(s nn.State, _ Progress, _ bool) error {
				c.save = append(c.save, int(s.Step))
				return nil
			},
			Snapshot: func(s nn.State) error { c.snapshot = append(c.snapshot, int(s.Step)); return nil },
			Sample:   func(step int, _ *model.Model) error { c.sample = append(c.sample, step); return nil },
		},
	}
	if _, err := l.Run(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every field of a Loop has an effect, and 0 of a key that says how often is never.
func TestEveryFieldOfALoopHasItsEffect(t *testing.T) {
	never := Loop{Steps: 10, LogEvery: new(0), ValEvery: new(0), CheckpointEvery: new(0)}
	for name, c := range map[string]struct {
		set  func(l *Loop)
		of   func(c calls) []int
		want []int
	}{
		"log never": {func(*Loop) {}, func(c calls) []int { return c.event }, []int{10}},
		"log_every 4": {func(l *Loop) { l.LogEvery = new(4) }, func(c calls) []int { return c.event },
			[]int{4, 8, 10}},
		"no validation": {func(*Loop) {}, func(c calls) []int { return c.val }, nil},
		"val_every 4": {func(l *Loop) { l.ValEvery = new(4) }, func(c calls) []int { return c.val },
			[]int{4, 8, 10}},
		"val_every logs": {func(l *Loop) { l.ValEvery = new(4) }, func(c calls) []int { return c.event },
			[]int{4, 8, 10}},
		"saved at last": {func(*Loop) {}, func(c calls) []int { return c.save }, []int{10}},
		"checkpoint_every 4": {func(l *Loop) { l.CheckpointEvery = new(4) }, func(c calls) []int { return c.save },
			[]int{4, 8, 10}},
		"no snapshot": {func(*Loop) {}, func(c calls) []int { return c.snapshot }, nil},
		"snapshot_every 4": {func(l *Loop) { l.SnapshotEvery = 4 }, func(c calls) []int { return c.snapshot },
			[]int{4, 8}},
		"no sample": {func(*Loop) {}, func(c calls) []int { return c.sample }, nil},
		"sample_every 3": {func(l *Loop) { l.SampleEvery = 3 }, func(c calls) []int { return c.sample },
			[]int{3, 6, 9}},
		"steps": {func(l *Loop) { l.Steps = 3 }, func(c calls) []int { return c.event }, []int{3}},
		"patience": {func(l *Loop) { l.ValEvery, l.Patience = new(1), 2 }, // 1 is best, 2 and 3 are no better
			func(c calls) []int { return c.val }, []int{1, 2, 3}},
	} {
		l := never
		c.set(&l)
		if got := c.of(record(t, l)); !slices.Equal(got, c.want) {
			t.Errorf("%s: at steps %v, want %v", name, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		set  func(l *Loop)
		want []float64 // the learning rates of four steps
	}{
		"defaults": {func(*Loop) {}, []float64{1e-3, 8.53556e-4, 5.00005e-4, 1.46455e-4}},
		"lr":       {func(l *Loop) { l.LR = 2 }, []float64{2, 1.70711, 1, 0.292893}},
		"lr_min 0": {func(l *Loop) { l.LR, l.LRMin, l.Schedule = 1, new(0.0), "poly" }, []float64{1, 0.75, 0.5, 0.25}},
		"lr_min": {func(l *Loop) { l.LR, l.LRMin, l.Schedule = 1, new(0.5), "poly" },
			[]float64{1, 0.875, 0.75, 0.625}},
		"schedule": {func(l *Loop) { l.LR, l.Schedule = 1, "constant" }, []float64{1, 1, 1, 1}},
		"warmup": {func(l *Loop) { l.LR, l.LRMin, l.Schedule, l.Warmup = 1, new(0.0), "constant", 2 },
			[]float64{0.5, 1, 1, 1}},
	} {
		l := Loop{Steps: 4}
		c.set(&l)
		for i, lr := range record(t, l).lr {
			if math.Abs(lr-c.want[i]) > 1e-5*c.want[i] {
				t.Errorf("%s: the rate of step %d is %g, want %g", name, i, lr, c.want[i])
			}
		}
	}
}

func TestLoopsThatCannotBeRunAreErrors(t *testing.T) {
	for want, l := range map[string]Loop{
		"steps is -1":                        {Steps: -1},
		"batch is -4":                        {Batch: -4},
		"log_every is -1":                    {LogEvery: new(-1)},
		"val_every is -1":                    {ValEvery: new(-1)},
		"checkpoint_every is -1":             {CheckpointEvery: new(-1)},
		"lr is NaN":                          {LR: math.NaN()},
		"lr_min is -1":                       {LRMin: new(-1.0)},
		"patience is 2, but val_every is 0":  {Patience: 2, ValEvery: new(0)},
		"patience is 3, but there is no":     {Patience: 3},
		"snapshot_every is 3, but there is ": {SnapshotEvery: 3},
		"sample_every is 3, but there is ":   {SampleEvery: 3},
	} {
		s := cfmSession(t)
		s.held = nil
		if _, err := s.run(t.Context(), l, Progress{}, Hooks{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestAnInterruptSaysWhatIsLeft(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	saved := func(nn.State, Progress, bool) error { return nil }
	for want, h := range map[string]Hooks{"train: interrupted (context canceled)": {},
		"resume to go on": {Save: saved}} {
		_, err := cfmSession(t).run(gone, short, Progress{}, h)
		if !errors.Is(err, ErrInterrupted) || !errors.Is(err, context.Canceled) ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ErrInterrupted with %q", err, want)
		}
	}
	boom := errors.New("boom")
	h := Hooks{Save: func(nn.State, Progress, bool) error { return boom }}
	if _, err := cfmSession(t).run(gone, short, Progress{}, h); !errors.Is(err, boom) ||
		errors.Is(err, ErrInterrupted) {
		t.Errorf("a state that cannot be saved: got %v", err)
	}
}

// A log line has the examples a second since the last, and the memory.
func TestEventsHoldWhatTheStepsTook(t *testing.T) {
	var e Event
	r := &running{Loop: Loop{Batch: 32}, steps: 10, reported: time.Now().Add(-4 * time.Second)}
	r.p.Count = 1
	r.t.Hooks.Event = func(got Event) error { e = got; return nil }
	if err := r.report(Event{}); err != nil {
		t.Fatal(err)
	}
	if e.Rate > 80 || e.Rate < 10 { // 320 examples in four seconds and what the machine takes
		t.Errorf("%g examples a second; want 80, or somewhat less", e.Rate)
	}
	if _, peak := memory.Process(); e.PeakMiB > float64(peak)/(1<<20)+1 || peak > 0 && e.PeakMiB <= 0 {
		t.Errorf("%g MiB held; the process has held %d bytes", e.PeakMiB, peak)
	}
	if r.steps != 0 || time.Since(r.reported) > time.Second {
		t.Error("the next line would count these steps too")
	}
}

func TestProgressComesBack(t *testing.T) {
	p := Progress{BestLoss: 0.5, BestStep: 3, Misses: 1, Seconds: 2.5, Sum: 1, NFE: 7, Count: 2}
	text, err := json.Marshal(p)
	var got Progress
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil || got != p || strings.Contains(string(text), "due") {
		t.Errorf("%+v came back as %+v, %v", p, got, err)
	}
	p.Due = &Event{Step: 3, GradNorm: 0.1, LR: 1e-3}
	if text, err = json.Marshal(p); err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil || got.Due == nil || *got.Due != *p.Due {
		t.Errorf("the line in the making came back as %+v, %v", got.Due, err)
	}
}
