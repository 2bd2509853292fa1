package nn

import (
	"errors"
	"math"
	"testing"

	"flowmatch/flow"
)

func newClassifier(t *testing.T) *Classifier {
	t.Helper()
	eng, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClassifier(eng, ClassifierConfig{Image: []int{6, 5, 1}, Classes: 3, Channels: 4, Features: 8}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGradientOfAClassifierIsThatOfItsCrossEntropy(t *testing.T) {
	c := newClassifier(t)
	x := flow.Batch{N: 4, D: 30, X: randomPoints(4, 30, 1)}
	label := []int32{0, 2, 1, 2}
	entropy := func(c *Classifier) float64 {
		_, probs, err := c.Classify(x)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i, l := range label {
			row, total := probs.Row(i), 0.0
			for _, p := range row {
				total += p
			}
			if math.Abs(total-1) > 1e-5 {
				t.Fatalf("probabilities of image %d sum to %g", i, total)
			}
			sum -= math.Log(row[l]) / float64(len(label))
		}
		return sum
	}
	loss, grad, err := c.Gradient(x, label)
	if err != nil {
		t.Fatal(err)
	}
	if want := entropy(c); math.Abs(loss-want) > 1e-5 {
		t.Errorf("loss %g, cross-entropy of the probabilities %g", loss, want)
	}
	theta, err := c.Weights()
	if err != nil {
		t.Fatal(err)
	}
	step, got := randomPoints(1, len(theta), 2), 0.0
	for i, g := range grad {
		got += g * step[i]
	}
	want := slope(func(s float64) float64 {
		w := make([]float32, len(theta))
		for i := range w {
			w[i] = theta[i] + float32(s*step[i])
		}
		moved, err := c.WithWeights(w)
		if err != nil {
			t.Fatal(err)
		}
		return entropy(moved)
	}, 3e-3)
	if math.Abs(got-want) > 1e-2*(1e-2+math.Abs(want)) {
		t.Errorf("slope %g, by differences %g", got, want)
	}
	if _, _, err := c.Gradient(x, []int32{0, 1, 2, 3}); !errors.Is(err, flow.ErrLabels) {
		t.Errorf("label 3 of 3 classes: got %v", err)
	}
}

func TestImagesAreClassifiedInPartsAsAlone(t *testing.T) {
	c := newClassifier(t)
	x := flow.Batch{N: 300, D: 30, X: randomPoints(300, 30, 1)}
	features, probs, err := c.Classify(x)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 255, 256, 299} {
		f, p, err := c.Classify(x.Slice(i, i+1))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range append(f.X, p.X...) {
			want := append(append([]float64(nil), features.Row(i)...), probs.Row(i)...)[k]
			if math.Abs(v-want) > 1e-5*(1+math.Abs(want)) {
				t.Fatalf("image %d, number %d: %g alone, %g among others", i, k, v, want)
			}
		}
	}
}
