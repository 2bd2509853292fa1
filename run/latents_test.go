package run

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/internal/diskcache"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
)

// autoencoderFile writes an autoencoder of grey images, whose latents have half their size and 2 channels, and returns
// its folder.
func autoencoderFile(t *testing.T, seed uint64) string {
	t.Helper()
	a := nn.Autoencoder{Image: []int{8, 8, 1}, Latent: 2, Widths: []int{4, 4}, Blocks: 1, Groups: 2, Scale: 0.5,
		Shift: 0.1}
	encoder, decoder, err := a.Tensors()
	if err != nil {
		t.Fatal(err)
	}
	rng, of := rand.New(rand.NewPCG(seed, 1)), map[string][]float32{}
	for _, tensor := range slices.Concat(encoder, decoder) {
		numbers := make([]float32, tensor.Size())
		for i := range numbers {
			numbers[i] = float32(0.3 * rng.NormFloat64())
		}
		of[tensor.Name] = numbers
	}
	dir := t.TempDir()
	err = model.SaveAutoencoder(filepath.Join(dir, model.AutoencoderFile), a, func(name string) []float32 {
		return of[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// latentRun is the run file of a training on latents of 2 by 4 in 2 channels.
func latentRun(t *testing.T, images, encoder string, set ...string) Config {
	t.Helper()
	cfg, err := ParseConfig(fmt.Appendf(nil, "data: {path: %q, encoder: %q, val: 10, test: 10, flip: true}\n"+
		"net: {dit: {width: 8, depth: 1, heads: 2, patch: 1}}\n"+
		"train: {steps: 8, batch: 8, val_every: 8, checkpoint_every: 2, sample_every: 4}\n", images, encoder), set)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// A run learns the latents of images, resumes as if it had not stopped, from latents that were kept or made anew, and
// its folder makes images of samples without the encoder.
func TestARunLearnsLatentsOfImages(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	images, encoder, ctx := imagesFile(t), autoencoderFile(t, 1), t.Context()
	for _, posterior := range []string{"sample", "mean"} {
		cfg := latentRun(t, images, encoder, "data.posterior="+posterior)
		dir := t.TempDir()
		whole, err := Train(ctx, cfg, filepath.Join(dir, "whole"), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := whole.Model.Spec().Shape; !slices.Equal(got, []int{2, 4, 2}) || !whole.OfLatents() {
			t.Fatalf("points of shape %v, of latents: %v", got, whole.OfLatents())
		}
		if whole.Model.Spec().BinWidth != 0 {
			t.Error("latents have the grey levels of images")
		}
		half := filepath.Join(dir, "half")
		stopAt(t, cfg, half, 3)
		t.Setenv(diskcache.DirVar, t.TempDir()) // where nothing is kept yet
		if _, err := Train(ctx, cfg, half, TrainOptions{Resume: true}); err != nil {
			t.Fatal(err)
		}
		resumed, err := Open(half, "")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(weights(t, whole), weights(t, resumed)) {
			t.Errorf("%s: a resumed run differs from one that never stopped", posterior)
		}
		if !exists(samplesFile(half, 8)) {
			t.Error("no picture of samples was drawn")
		}
		solver := ode.Solver{Method: ode.Euler, Control: ode.Fixed(5)}
		x, err := resumed.Model.Sample(ctx, model.SampleOptions{N: 3, Sampler: model.ODE{Solver: solver}})
		if err != nil {
			t.Fatal(err)
		}
		if of, shape, err := resumed.Images(x.X); err != nil || of.D != 32 || !slices.Equal(shape, []int{4, 8, 1}) {
			t.Errorf("images of samples: [%d, %d], %v, %v", of.N, of.D, shape, err)
		}
	}
}

// The encoder may move, but not become another.
func TestARunResumesWithItsEncoder(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	images, dir := imagesFile(t), t.TempDir()
	if _, err := Train(t.Context(), latentRun(t, images, autoencoderFile(t, 1)), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	o := TrainOptions{Resume: true}
	_, err := Train(t.Context(), latentRun(t, images, autoencoderFile(t, 2), "train.steps=9"), dir, o)
	if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "fingerprint") {
		t.Errorf("another encoder: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, model.AutoencoderFile)); err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), latentRun(t, images, autoencoderFile(t, 1), "train.steps=9"), dir, o)
	if err != nil || r.Step != 9 {
		t.Fatalf("the encoder elsewhere: %v", err)
	}
	if d, err := r.Decoder(); err != nil || !slices.Equal(d.Image(), []int{4, 8, 1}) {
		t.Errorf("the decoder that was put back makes %v, %v", d.Image(), err)
	}
}

func TestWhatDoesNotGoWithLatentsIsNamed(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	images, encoder := imagesFile(t), autoencoderFile(t, 1)
	for _, c := range []struct {
		set  []string
		want string
	}{
		{[]string{"data.encoder=/nowhere/vae"}, "/nowhere/vae"},
		{[]string{"data.encoder=" + t.TempDir()}, "config.json"},
		{[]string{"condition.kind=inpaint", "condition.mask=left"}, "the points are latents"},
	} {
		_, err := Train(t.Context(), latentRun(t, images, encoder, c.set...), filepath.Join(t.TempDir(), "run"),
			TrainOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.set, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"path: x-idx, encoder: y, posterior: median": "one of sample, mean",
		"path: x-idx, encoder: y, dequantize: true":  "dequantize is set",
		"path: x-idx, posterior: mean":               "without an encoder",
		"name: moons, encoder: y":                    "encoder is set, but the data are synthetic",
	} {
		if _, err := ParseConfig([]byte("data: {"+text+"}"), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// Images whose sizes the encoder cannot halve are an error that says which it can.
func TestImagesOfOddSizesForAnEncoderAreErrors(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	raw := append([]byte{0, 0, 8, 3, 0, 0, 0, 30, 0, 0, 0, 3, 0, 0, 0, 4}, make([]byte, 30*3*4)...)
	file := filepath.Join(t.TempDir(), "odd-idx3-ubyte")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Train(t.Context(), latentRun(t, file, autoencoderFile(t, 1)), filepath.Join(t.TempDir(), "run"),
		TrainOptions{})
	if err == nil || !strings.Contains(err.Error(), "needs multiples of 2") {
		t.Errorf("got %v, want the sizes that go", err)
	}
}
