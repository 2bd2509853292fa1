package run

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/internal/memory"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
	"flowmatch/model"
	"flowmatch/train"
)

// A run by maximum likelihood, interrupted and resumed, is a run like any other: its
// metrics have the evaluations, and its model the likelihood that validation found.
func TestMaximumLikelihoodIsARun(t *testing.T) {
	cfg, err := ParseConfig([]byte(`
data: {name: 8gaussians, standardize: scalar, val: 60, test: 60}
net: {hidden: [16, 16]}
conditional: true
train:
  {objective: ml, steps: 40, batch: 64, lr: 0.01, log_every: 10, val_every: 20,
   ml: {divergence: hutchinson, kinetic: 0.01}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, part := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "part")
	r, err := Train(context.Background(), cfg, whole, TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := func(step int, _ float64) {
		if step == 13 {
			cancel()
		}
	}
	if _, err := Train(ctx, cfg, part, TrainOptions{Step: stop}); !errors.Is(err, train.ErrInterrupted) {
		t.Fatalf("interrupted: got %v", err)
	}
	if _, err := Train(context.Background(), cfg, part, TrainOptions{Resume: true}); err != nil {
		t.Fatal(err)
	}
	var events [2][]train.Event
	for i, dir := range []string{whole, part} {
		if events[i], err = ReadMetrics(filepath.Join(dir, MetricsFile)); err != nil {
			t.Fatal(err)
		}
	}
	same := func(a, b train.Event) bool { return a.Step == b.Step && a.Loss == b.Loss && a.NFE == b.NFE }
	if !slices.EqualFunc(events[0], events[1], same) {
		t.Errorf("events of the resumed run\n%+v\nwant\n%+v", events[1], events[0])
	}
	last := events[0][len(events[0])-1]
	if last.NFE < 7 || last.ValLoss == nil || !(last.Loss < events[0][0].Loss) {
		t.Fatalf("the last event is %+v, the first %+v; want evaluations, a validation and a lower loss",
			last, events[0][0])
	}
	set, err := r.Data()
	if err != nil {
		t.Fatal(err)
	}
	x, given, err := data.Rows(set.Val, 0, set.Val.Len(), seed.Rand(1, "test", 0))
	if err != nil {
		t.Fatal(err)
	}
	set.Original(x)
	solver, err := r.Config.Eval.Solver()
	if err != nil {
		t.Fatal(err)
	}
	logp, _, err := r.Model.LogProb(context.Background(), x, model.LikelihoodOptions{Given: given, Solver: solver})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := -stat.Mean(logp)-set.LogDet(), *last.ValLoss; math.Abs(got-want) > 1e-4 {
		t.Errorf("the model's NLL of the held-out points is %.6f in model units, validation says %.6f", got, want)
	}
}

// A solve of a billion steps to learn through is no longer than there is memory for its states.
func TestTheTapeOfASolveIsEstimated(t *testing.T) {
	cfg, err := ParseConfig([]byte(`
data: {name: 8gaussians, val: 60, test: 60}
net: {hidden: [16, 16]}
train: {objective: ml, steps: 40, batch: 1000, ml: {solver: rk4, steps: 1000000000, max_nfe: 1000000000000}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), TrainOptions{})
	if !errors.Is(err, memory.ErrTooLarge) || !strings.Contains(err.Error(), "train.ml.steps 1000000000 of ") {
		t.Errorf("got %v, want that the steps need more memory than there is", err)
	}
}
