package train

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"flowmatch/data"
	"flowmatch/internal/memory"
	"flowmatch/nn"
	"flowmatch/path"
)

// In the plane a run learns the same in bfloat16, in parts and with layers computed
// again, as plainly; the plain losses of the same examples are what it is judged by.
func TestEconomicalRunsLearnTheSame(t *testing.T) {
	set, err := data.Config{Name: "moons"}.Open("", 1)
	if err != nil {
		t.Fatal(err)
	}
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	o := CFM{Data: set.Train, Scheduler: path.CondOT{}, Seed: 2}
	cfg := Config{Steps: 300, Batch: 256, ValEvery: 300, LR: 3e-3}
	learn := func(cfg Config) float64 {
		net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{64, 64}}, 3)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := net.NewTrainerWith(nn.Optimizer{EMADecay: 0.99}, cfg.Economy())
		if err != nil {
			t.Fatal(err)
		}
		val, err := o.Validation(set.Val, 256, false)
		if err != nil {
			t.Fatal(err)
		}
		var last Event
		_, err = Run(context.Background(), tr, o, MeanLoss(val), cfg, Progress{}, Hooks{Event: func(e Event) error { last = e; return nil }})
		if err != nil {
			t.Fatal(err)
		}
		return *last.ValLoss
	}
	want := learn(cfg)
	cfg.Precision, cfg.Accumulate, cfg.Recompute = nn.BFloat16, 4, true
	got := learn(cfg)
	t.Logf("validation loss %g, plainly %g", got, want)
	if math.Abs(got/want-1) > 0.02 {
		t.Errorf("validation loss %g, plainly %g; want them within 2 in a hundred", got, want)
	}
}

func TestEconomyIsOfRegressions(t *testing.T) {
	for want, c := range map[string]Config{
		"accumulate is 3; it must divide batch, 32": {Batch: 32, Accumulate: 3},
		"unknown precision":                         {Precision: "fp16"},
		"precision is set, but means nothing":       {Objective: "ml", Precision: nn.BFloat16},
		"accumulate is set, but means nothing":      {Objective: "ml", Accumulate: 2},
		"devices is -1":                             {Devices: -1},
		"devices is set, but means nothing":         {Objective: "ml", Devices: 2},
		"recompute is set, but means nothing":       {Objective: "ml", Recompute: true},
	} {
		if err := c.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q", err, want)
		}
	}
}

// A log line tells the examples a second since the last, and the memory.
func TestEventsTellWhatTheStepsTook(t *testing.T) {
	l := &loop{cfg: Config{Batch: 32}, steps: 10, told: time.Now().Add(-4 * time.Second)}
	var e Event
	l.cost(&e)
	if e.Rate > 80 || e.Rate < 10 { // 320 examples in four seconds and what the machine takes
		t.Errorf("%g examples a second; want 80, or somewhat less", e.Rate)
	}
	if _, peak := memory.Process(); e.PeakMiB > float64(peak)/(1<<20)+1 || peak > 0 && e.PeakMiB <= 0 {
		t.Errorf("%g MiB held; the process has held %d bytes", e.PeakMiB, peak)
	}
	if l.steps != 0 || time.Since(l.told) > time.Second {
		t.Error("the next line would tell of these steps too")
	}
}
