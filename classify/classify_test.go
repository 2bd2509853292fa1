package classify_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/classify"
	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
	"flowmatch/train"
)

// stripes writes images of two classes: bright rows, and bright columns.
func stripes(t *testing.T, n, side int) *data.Set {
	t.Helper()
	rng := seed.Rand(1, "stripes", 0)
	head := func(dims ...int) []byte {
		b := []byte{0, 0, 8, byte(len(dims))}
		for _, d := range dims {
			b = append(b, 0, 0, byte(d>>8), byte(d))
		}
		return b
	}
	pixels, labels := head(n, side, side), head(n)
	for i := range n {
		at := rng.IntN(side)
		for r := range side {
			for c := range side {
				v := byte(rng.IntN(100))
				if i%2 == 0 && r == at || i%2 == 1 && c == at {
					v = 255
				}
				pixels = append(pixels, v)
			}
		}
		labels = append(labels, byte(i%2))
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"x-idx3-ubyte": pixels, "y-idx1-ubyte": labels} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	set, err := dataset.Config{Path: "x-idx3-ubyte", LabelsPath: "y-idx1-ubyte"}.Open(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAClassifierLearnsStripes(t *testing.T) {
	set := stripes(t, 600, 8)
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	loop := train.Loop{Steps: 150, Batch: 32, LR: 5e-3}
	cfg := classify.Config{Loop: loop, Channels: 8, Features: 16, Seed: 1}
	var losses [2][]float64
	var c *nn.Classifier
	for k := range losses {
		h := train.Hooks{Step: func(_ int, loss float64) { losses[k] = append(losses[k], loss) }}
		if c, err = classify.Train(t.Context(), eng, set, cfg, h); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(losses[0], losses[1]) {
		t.Error("the same seed trains differently")
	}
	x, given, err := data.Rows(set.Test, 0, set.Test.Len(), seed.Rand(1, "test", 0))
	if err != nil {
		t.Fatal(err)
	}
	_, probs, err := c.Classify(x)
	if err != nil {
		t.Fatal(err)
	}
	accuracy, err := classify.Accuracy(probs, given.Label)
	if err != nil {
		t.Fatal(err)
	}
	if accuracy < 0.95 {
		t.Errorf("accuracy %g on %d test images, want at least 0.95", accuracy, x.N)
	}
}

func TestAClassifierNeedsLabelledImages(t *testing.T) {
	set, err := dataset.Config{Name: "moons"}.Open("", 1)
	if err != nil {
		t.Fatal(err)
	}
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := classify.Train(t.Context(), eng, set, classify.Config{}, train.Hooks{}); err == nil {
		t.Error("moons are taken for images")
	}
}

// A classifier is trained by the loop of flows: its fields have their effects, and what
// it cannot use is an error.
func TestAClassifierIsTrainedByTheLoop(t *testing.T) {
	set := stripes(t, 100, 8)
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	small := classify.Config{Channels: 2, Features: 4}
	steps := func(l train.Loop) (events []train.Event) {
		t.Helper()
		cfg := small
		cfg.Loop = l
		h := train.Hooks{Event: func(e train.Event) error { events = append(events, e); return nil }}
		if _, err := classify.Train(t.Context(), eng, set, cfg, h); err != nil {
			t.Fatal(err)
		}
		return events
	}
	// By default the rate falls from 2e-3 to 0 along half a cosine.
	got := steps(train.Loop{Steps: 4, Batch: 8, LogEvery: new(1)})
	for i, want := range []float64{1, 0.853553, 0.5, 0.146447} {
		if i >= len(got) || math.Abs(got[i].LR-2e-3*want) > 1e-8 {
			t.Fatalf("events %+v, want a rate of %g in step %d", got, 2e-3*want, i+1)
		}
	}
	if got = steps(train.Loop{Steps: 3, Batch: 8, LogEvery: new(0), Schedule: "constant"}); len(got) != 1 ||
		got[0].LR != 2e-3 {
		t.Errorf("one line at a constant rate: got %+v", got)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := classify.Train(gone, eng, set, small, train.Hooks{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: got %v", err)
	}
	for want, l := range map[string]train.Loop{
		"steps is -1": {Steps: -1}, "batch is -1": {Batch: -1}, "lr is -1": {LR: -1}, "patience is 2": {Patience: 2},
		"sample_every is 2": {SampleEvery: 2},
	} {
		cfg := small
		cfg.Loop = l
		if _, err := classify.Train(t.Context(), eng, set, cfg, train.Hooks{}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestAccuracyIsTheShareOfTheMostLikely(t *testing.T) {
	p := flow.Batch{X: []float64{0.9, 0.1, 0.2, 0.8, 0.6, 0.4}, N: 3, D: 2}
	if got, err := classify.Accuracy(p, []int32{0, 1, 1}); err != nil || math.Abs(got-2.0/3) > 1e-15 {
		t.Errorf("got %g, %v", got, err)
	}
	for _, label := range [][]int32{nil, {1}} {
		if _, err := classify.Accuracy(p, label); !errors.Is(err, classify.ErrNoImages) {
			t.Errorf("%d labels of 3: got %v", len(label), err)
		}
	}
	if _, err := classify.Accuracy(flow.Batch{}, nil); !errors.Is(err, classify.ErrNoImages) {
		t.Errorf("no images: got %v", err)
	}
}
