package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/classify"
	"flowmatch/flow"
	"flowmatch/nn"
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

// classes writes the classes of strokes as IDX.
func classes(t *testing.T, n, side int) string {
	t.Helper()
	content := []byte{0, 0, 8, 1, 0, 0, 0, byte(n)}
	for i := range n {
		content = append(content, byte(i%(side/2)))
	}
	file := filepath.Join(t.TempDir(), "t-labels-idx1-ubyte")
	if err := os.WriteFile(file, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// told parses a run file of a tiny UNet with a condition.
func told(t *testing.T, condition string, side int, settings ...string) Config {
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
		cfg, dir := told(t, condition, 8), t.TempDir()
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

func TestARunWithAConditionIsMeasuredBesideItsInput(t *testing.T) {
	for _, condition := range []string{"{kind: superres, factor: 2}", "{kind: inpaint, mask: left}"} {
		r, err := Train(t.Context(), told(t, condition, 12), t.TempDir(), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rep, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, c := rep.Samples.Restoration, r.Model.Conditioner()
		if p == nil || p.Images != 4 || p.SSIM == nil || rep.Condition == nil || rep.Likelihood == nil || rep.Likelihood.BPD == nil {
			t.Fatalf("%s: the report lacks something: %+v", condition, rep)
		}
		if (p.Consistency != nil) != (c.LowShape() != nil) {
			t.Errorf("%s: consistency %v", condition, p.Consistency)
		}
		if _, err := json.Marshal(rep); err != nil {
			t.Error(err)
		}
		// The PSNR of the input by hand.
		x, _ := r.TestPoints(4)
		cond := r.ConditionOf(x)
		want := 0.0
		for i := range x.N {
			sum, n := 0.0, 0
			for d, known := range c.Known(cond.Row(i)) {
				if !known {
					diff := min(max(c.Shown(cond).Row(i)[d], -1), 1) - x.Row(i)[d]
					sum, n = sum+diff*diff, n+1
				}
			}
			want += 10 * math.Log10(4*float64(n)/sum) / 4
		}
		if math.Abs(p.InputPSNR-want) > 1e-9 {
			t.Errorf("%s: PSNR of the input %g, want %g", condition, p.InputPSNR, want)
		}
		var pic bytes.Buffer
		if err := r.Picture(t.Context(), &pic, "samples", PictureOptions{N: 3}); err != nil || pic.Len() == 0 {
			t.Errorf("%s: its picture: %v", condition, err)
		}
		// More images than are held out: they come again.
		all, err := r.Told(13)
		if err != nil || !slices.Equal(all.Original.Row(0), all.Original.Row(10)) || all.Cond.N != 13 {
			t.Errorf("%s: 13 conditions of 10 images: %v", condition, err)
		}
	}
}

// The class asked for is that of the image, whether the network knows labels or not.
func TestSamplesOfConditionsAreJudgedByTheClassesOfTheirImages(t *testing.T) {
	for _, conditional := range []string{"false", "true"} {
		cfg := told(t, "{kind: superres, factor: 2}", 8, "data.labels_path="+classes(t, 40, 8), "conditional="+conditional, "eval.samples=8")
		r, err := Train(t.Context(), cfg, t.TempDir(), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := nn.NewClassifier(r.Model.Net.Engine(), nn.ClassifierConfig{Image: []int{8, 8, 1}, Classes: 4, Channels: 2, Features: 3}, 1)
		if err != nil {
			t.Fatal(err)
		}
		j, err := r.Judge(t.Context(), c, JudgeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		given, err := r.Told(8)
		if err != nil {
			t.Fatal(err)
		}
		how, err := r.Config.Eval.Sampling()
		if err != nil {
			t.Fatal(err)
		}
		how.N, how.Seed, how.Label, how.Cond = 8, r.Config.Seed, given.Label, given.Cond
		s, err := r.Model.Sample(t.Context(), how)
		if err != nil {
			t.Fatal(err)
		}
		_, probs, err := c.Classify(clipped(s.X))
		if err != nil {
			t.Fatal(err)
		}
		_, label := r.rows(r.Data.Test, 8, "run/test", 0)
		want, err := classify.Accuracy(probs, label)
		if err != nil || j.Agreement == nil || *j.Agreement != want {
			t.Errorf("conditional %s: agreement %v, want %g (%v)", conditional, j.Agreement, want, err)
		}
	}
}

func TestSmallImagesOfAFileAreEnlarged(t *testing.T) {
	r, err := Train(t.Context(), told(t, "{kind: superres, factor: 2}", 8), t.TempDir(), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	small, err := r.ToldBy(strokes(t, 5, 4), 3)
	if err != nil || small.Cond.N != 3 || small.Cond.D != 64 || small.Original.N != 0 {
		t.Errorf("conditions [%d, %d], %d originals (%v), want [3, 64] and none", small.Cond.N, small.Cond.D, small.Original.N, err)
	}
	again, err := r.ToldBy(strokes(t, 5, 4), 6)
	if err != nil || !slices.Equal(again.Cond.Row(5), small.Cond.Row(0)) {
		t.Errorf("five images for six samples do not come again: %v", err)
	}
	large, err := r.ToldBy(strokes(t, 5, 8), 3)
	if err != nil || large.Original.N != 3 || !slices.Equal(large.Cond.X, r.ConditionOf(large.Original).X) {
		t.Errorf("conditions of images at full size: %v", err)
	}
	if _, err := r.ToldBy(strokes(t, 5, 6), 3); err == nil || !strings.Contains(err.Error(), "want images of [[4 4 1] [8 8 1]]") {
		t.Errorf("images of another size: %v", err)
	}
	plain, err := Train(t.Context(), parse(t), t.TempDir(), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.ToldBy("x", 1); !errors.Is(err, ErrNoCondition) {
		t.Errorf("a run without a condition: %v", err)
	}
	if got := plain.ConditionOf(flow.NewBatch(1, 2)); got.N != 0 {
		t.Errorf("a run without a condition makes %d", got.N)
	}
}

func TestImagesAreCompletedWithoutACondition(t *testing.T) {
	c := told(t, "{}", 8)
	r, err := Train(t.Context(), c, t.TempDir(), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"", strokes(t, 5, 8)} {
		parts, err := r.ToldParts(file, 6, "left")
		if err != nil {
			t.Fatal(err)
		}
		how, err := r.Config.Eval.Sampling()
		if err != nil {
			t.Fatal(err)
		}
		how.N, how.Hold = 6, parts.Hold
		s, err := r.Model.Sample(t.Context(), how)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range s.X.X {
			if right := i%8 >= 4; parts.Hold.Known[i] != right || right && math.Abs(v-parts.Hold.X.X[i]) > 1e-5 {
				t.Fatalf("value %d ends at %g, known %v, to be held at %g", i, v, parts.Hold.Known[i], parts.Hold.X.X[i])
			}
		}
		r.Keep(s.X, parts)
		for i, known := range parts.Hold.Known {
			if known && s.X.X[i] != parts.Hold.X.X[i] || math.Abs(parts.Original.X[i]-parts.Hold.X.X[i]) > 1./128 && known {
				t.Fatalf("value %d is %g, want %g of an original %g", i, s.X.X[i], parts.Hold.X.X[i], parts.Original.X[i])
			}
		}
		var pic bytes.Buffer
		if err := r.DrawTold(&pic, s.X, parts); err != nil || !parts.OfImages() {
			t.Error(err)
		}
	}
	if _, err := r.ToldParts("", 1, "middle"); err == nil {
		t.Error("an unknown mask")
	}
}

func TestConditionsThatDoNotGoWithARunFile(t *testing.T) {
	for text, want := range map[string]string{
		"data: {name: moons}\ncondition: {kind: superres, factor: 2}\n":                                         "condition is for images, and the data are of kind synthetic",
		"data: {path: x-idx}\ncondition: {kind: superres}\n":                                                    "condition.factor is 0",
		"data: {path: x-idx}\ncondition: {factor: 2}\n":                                                         "without condition.kind",
		"data: {path: x-idx}\ncondition: {kind: inpaint, mask: middle}\n":                                       "it must be one of [center",
		"data: {path: x-idx}\ncoupling: {name: ot}\ncondition: {kind: superres, factor: 2}\n":                   "independent coupling",
		"data: {path: x-idx}\ntrain: {objective: ml}\ncondition: {kind: superres, factor: 2}\n":                 "not with ml",
		"data: {path: x-idx}\ntrain: {objective: fm}\ncondition: {kind: superres, factor: 2}\n":                 "not with fm",
		"data: {path: x-idx}\ntrain: {objective: reflow, teacher: x}\ncondition: {kind: superres, factor: 2}\n": "not with reflow",
	} {
		if _, err := ParseConfig([]byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Train(t.Context(), told(t, "{kind: superres, factor: 3}", 8), t.TempDir(), TrainOptions{}); err == nil || !strings.Contains(err.Error(), "does not divide images of 8 by 8") {
		t.Errorf("a factor that does not divide: %v", err)
	}
}
