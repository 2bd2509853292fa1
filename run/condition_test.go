package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/train"
)

// strokes writes n images of side x side levels, each a bar somewhere, as IDX.
func strokes(t *testing.T, n, side int) string {
	t.Helper()
	content := []byte{0, 0, 8, 3, 0, 0, 0, byte(n), 0, 0, 0, byte(side), 0, 0, 0, byte(side)}
	for i := range n {
		for p := range side * side {
			content = append(content, byte(240*b2i(p%side/2 == i%(side/2))))
		}
	}
	file := filepath.Join(t.TempDir(), "t-images-idx3-ubyte")
	if err := os.WriteFile(file, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// conditioned parses a run file of a tiny UNet with a condition.
func conditioned(t *testing.T, condition string, side int, settings ...string) Config {
	t.Helper()
	text := fmt.Sprintf(`
data: {path: %s, val: 6, test: 10}
condition: %s
net: {unet: {channels: 4, mult: [1, 1], blocks: 1}}
train: {steps: 6, batch: 8, lr: 1e-2, val_every: 3}
eval: {solver: euler, steps: 2, samples: 4, test: 2}
`, strokes(t, 40, side), condition)
	c, err := ParseConfig([]byte(text), settings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestARunWithAConditionResumesBitByBit(t *testing.T) {
	for _, condition := range []string{"{kind: superres, factor: 2}", "{kind: inpaint, mask: random}"} {
		cfg, dir := conditioned(t, condition, 8), t.TempDir()
		whole, err := Train(t.Context(), cfg, filepath.Join(dir, "whole"), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		half := filepath.Join(dir, "half")
		ctx, stop := context.WithCancel(t.Context())
		_, err = Train(ctx, cfg, half, TrainOptions{Step: func(step int, _ float64) {
			if step == 3 {
				stop()
			}
		}})
		if stop(); !errors.Is(err, train.ErrInterrupted) {
			t.Fatal(err)
		}
		resumed, err := Train(t.Context(), cfg, half, TrainOptions{Resume: true})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(weights(t, whole), weights(t, resumed)) {
			t.Errorf("%s: a resumed run differs", condition)
		}
		other := cfg
		other.Condition.Kind, other.Condition.Factor, other.Condition.Mask = "inpaint", 0, "left"
		if _, err := Train(t.Context(), other, half, TrainOptions{Resume: true}); err == nil {
			t.Errorf("%s: it goes on with another condition", condition)
		}
	}
}

// The pictures of a run with a condition show what its samples were made of.
func TestARunWithAConditionIsDrawn(t *testing.T) {
	for _, condition := range []string{"{kind: superres, factor: 2}", "{kind: inpaint, mask: left}"} {
		r, err := Train(t.Context(), conditioned(t, condition, 12), t.TempDir(), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rep := report(t, r)
		if p := rep.Samples.Restoration; p == nil || p.Images != 4 || rep.Condition == nil || rep.Likelihood == nil ||
			rep.Likelihood.BPD == nil {
			t.Fatalf("%s: the report lacks something: %+v", condition, rep)
		}
		var pic bytes.Buffer
		if err := r.Picture(t.Context(), &pic, "samples", PictureOptions{N: 3}); err != nil || pic.Len() == 0 {
			t.Errorf("%s: its picture: %v", condition, err)
		}
	}
}

func TestConditionsThatDoNotFitARunFile(t *testing.T) {
	const factor = "condition: {kind: superres, factor: 2}\n"
	for _, c := range []struct{ text, want string }{
		{"data: {name: moons}\n" + factor, "condition is for images, and the data are of kind synthetic"},
		{"data: {path: x-idx}\ncondition: {kind: superres}\n", "condition.factor is 0"},
		{"data: {path: x-idx}\ncondition: {factor: 2}\n", "without condition.kind"},
		{"data: {path: x-idx}\ncondition: {kind: inpaint, mask: middle}\n", "it must be one of center"},
		{"data: {path: x-idx}\ncoupling: {name: ot}\n" + factor, "independent coupling"},
		{"data: {path: x-idx}\ntrain: {objective: fm}\n" + factor, "not for fm"},
		{"data: {path: x-idx}\ntrain: {objective: reflow, teacher: x}\n" + factor, "not for reflow"},
	} {
		if _, err := ParseConfig([]byte(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	cfg := conditioned(t, "{kind: superres, factor: 3}", 8)
	if _, err := Train(t.Context(), cfg, t.TempDir(), TrainOptions{}); err == nil ||
		!strings.Contains(err.Error(), "does not divide images of 8 by 8") {
		t.Errorf("a factor that does not divide: %v", err)
	}
}
