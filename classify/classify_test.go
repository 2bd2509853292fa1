package classify_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"flowmatch/classify"
	"flowmatch/data"
	"flowmatch/internal/seed"
	"flowmatch/nn"
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
	set, err := data.Config{Path: "x-idx3-ubyte", LabelsPath: "y-idx1-ubyte"}.Open(dir, 1)
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
	cfg := classify.Config{Steps: 150, Batch: 32, LR: 5e-3, Channels: 8, Features: 16, Seed: 1}
	var losses [2][]float64
	var c *nn.Classifier
	for k := range losses {
		if c, err = classify.Train(t.Context(), eng, set, cfg, func(_ int, loss float64) { losses[k] = append(losses[k], loss) }); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(losses[0], losses[1]) {
		t.Error("the same seed trains differently")
	}
	x, label := data.Rows(set.Test, 0, set.Test.Len(), seed.Rand(1, "test", 0))
	_, probs, err := c.Classify(x)
	if err != nil {
		t.Fatal(err)
	}
	accuracy, err := classify.Accuracy(probs, label)
	if err != nil {
		t.Fatal(err)
	}
	if accuracy < 0.95 {
		t.Errorf("accuracy %g on %d test images, want at least 0.95", accuracy, x.N)
	}
}

func TestAClassifierNeedsLabelledImages(t *testing.T) {
	set, err := data.Config{Name: "moons"}.Open("", 1)
	if err != nil {
		t.Fatal(err)
	}
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := classify.Train(t.Context(), eng, set, classify.Config{}, nil); err == nil {
		t.Error("moons are taken for images")
	}
}
