package run

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/ode"
	"flowmatch/train"
)

const shown = `
data: {name: 8gaussians, val: 50, test: 60}
net: {hidden: [8]}
train: {steps: 30, batch: 16, log_every: 10, val_every: 20, sample_every: 10, tensorboard: true}
`

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// boards returns the event files of a run, in order.
func boards(t *testing.T, dir string) (files [][]byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, boardDir, "events.out.tfevents.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		files = append(files, read(t, n))
	}
	return files
}

func TestShowingSamplesLeavesTrainingAlone(t *testing.T) {
	r := trained(t, shown)
	plain := trained(t, strings.Replace(shown, ", sample_every: 10, tensorboard: true", "", 1))
	got, err := r.Model.Net().Weights()
	if err != nil {
		t.Fatal(err)
	}
	want, err := plain.Model.Net().Weights()
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the weights are others when samples are shown (%v)", err)
	}
	var before []byte
	for _, step := range []int{10, 20, 30} {
		b := read(t, samplesFile(r.Dir, step))
		if _, err := png.Decode(bytes.NewReader(b)); err != nil || bytes.Equal(b, before) {
			t.Errorf("step %d: %v; want a picture, and not that of the step before", step, err)
		}
		before = b
	}
	for _, dir := range []string{filepath.Join(plain.Dir, boardDir), samplesFile(plain.Dir, 10)} {
		if exists(dir) {
			t.Errorf("%s is there, and was not asked for", dir)
		}
	}
	files := boards(t, r.Dir)
	if len(files) != 1 {
		t.Fatalf("%d event files, want one", len(files))
	}
	for tag, want := range map[string]int{"loss": 3, "lr": 3, "grad_norm": 3, "seconds": 3, "val_loss": 2,
		"samples": 3, "step": 0} {
		field := append([]byte{0x0a, byte(len(tag))}, tag...) // Value.tag
		if got := bytes.Count(files[0], field); got != want {
			t.Errorf("the event file has %q %d times, want %d", tag, got, want)
		}
	}
}

// A run that is interrupted as a picture is due goes on to the same pictures, and takes
// back what its first event file may say of later steps.
func TestAnInterruptedRunShowsTheSameSamples(t *testing.T) {
	whole := trained(t, shown)
	c, err := ParseConfig([]byte(shown), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = Train(ctx, c, dir, TrainOptions{Step: func(step int, _ float64) {
		if step == 20 {
			cancel()
		}
	}})
	if !errors.Is(err, train.ErrInterrupted) || !exists(samplesFile(dir, 10)) || exists(samplesFile(dir, 20)) {
		t.Fatalf("interrupted at step 20: %v; pictures of step 10 %v, of 20 %v, want the first alone", err,
			exists(samplesFile(dir, 10)), exists(samplesFile(dir, 20)))
	}
	if _, err := Train(t.Context(), c, dir, TrainOptions{Resume: true}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []int{10, 20, 30} {
		if !bytes.Equal(read(t, samplesFile(dir, step)), read(t, samplesFile(whole.Dir, step))) {
			t.Errorf("the picture of step %d is another after an interrupt", step)
		}
	}
	files := boards(t, dir)
	start := []byte{0x10, 21, 0x3a, 2, 0x08, 1} // step 21: SessionLog.START
	if len(files) != 2 || bytes.Contains(files[0], start) || !bytes.Contains(files[1], start) {
		t.Errorf("%d event files; want two, of which the second begins at step 21", len(files))
	}
}

// Samples that cannot be solved for are no reason to lose a training run.
func TestSamplesThatFailAreReported(t *testing.T) {
	c, err := ParseConfig([]byte(shown+"eval: {max_nfe: 3}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var steps []int
	_, err = Train(t.Context(), c, t.TempDir(), TrainOptions{Undrawn: func(step int, err error) {
		if !errors.Is(err, ode.ErrMaxNFE) {
			t.Errorf("step %d: %v", step, err)
		}
		steps = append(steps, step)
	}})
	if err != nil || !slices.Equal(steps, []int{10, 20, 30}) {
		t.Errorf("got %v, and no pictures of steps %v; want 10, 20 and 30", err, steps)
	}
	c, err = ParseConfig([]byte("data: {name: gaussian, dim: 9}\nnet: {hidden: [8]}\ntrain: {sample_every: 5}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Train(t.Context(), c, t.TempDir(), TrainOptions{}); err == nil ||
		!strings.Contains(err.Error(), "sample_every") {
		t.Errorf("points of 9 dimensions: %v", err)
	}
}

// The event files of a training that fell back say that what was written before is no more.
func TestTheBoardOfATrainingThatFellBack(t *testing.T) {
	dir := t.TempDir()
	falls := 0
	cfg := parse(t, "train.lr=1e30", "train.schedule=constant", "train.val_every=0", "train.tensorboard=true",
		"train.log_every=1", "train.snapshot_every=1")
	_, err := Train(t.Context(), cfg, dir, TrainOptions{FellBack: func(train.FellBack) { falls++ }})
	if files := boards(t, dir); falls == 0 || len(files) != 1+falls {
		t.Fatalf("%d event files after %d fallbacks (%v), want one more", len(files), falls, err)
	}
	begins := []byte{7<<3 | 2, 2, 1 << 3, 1} // Event.session_log, of 2 bytes: its status is START
	for _, b := range boards(t, dir) {
		if !bytes.Contains(b, begins) {
			t.Errorf("a file does not say that a session begins:\n%q", b)
		}
	}
	if steps, err := Snapshots(dir); err != nil || len(steps) > 1 {
		t.Errorf("snapshots %v, %v of what diverged", steps, err)
	}
}

// A training that is interrupted at its last picture is not done: the picture is drawn when it
// is resumed.
func TestTheLastPictureIsNotLost(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := parse(t, "train.sample_every=10")
	_, err := Train(ctx, cfg, dir, TrainOptions{Event: func(e train.Event) {
		if e.Step == 30 {
			cancel()
		}
	}})
	last := samplesFile(dir, 30)
	if !errors.Is(err, train.ErrInterrupted) || exists(last) || !exists(samplesFile(dir, 20)) {
		t.Fatalf("interrupted at the last picture: %v", err)
	}
	if r, err := Train(t.Context(), cfg, dir, TrainOptions{Resume: true}); err != nil || r.Step != 30 || !exists(last) {
		t.Errorf("resumed: %v; the last picture is there: %v", err, exists(last))
	}
}
