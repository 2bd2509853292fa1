package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/model"
	"flowmatch/train"
)

// What a run began with stays; what leaves the meaning of its state alone may change,
// and is reported.
func TestARunIsResumedWithTheSettingsItBeganWith(t *testing.T) {
	dir := t.TempDir()
	if _, err := Train(t.Context(), parse(t), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	for setting, want := range map[string]string{
		"seed=99":                    "seed was 0, and is 99 now",
		"data.name=circles":          "data.name was moons, and is circles now",
		"data.val=60":                "data.val was 50, and is 60 now",
		"train.batch=64":             "train.batch was 32, and is 64 now",
		"coupling.name=ot":           "coupling.name was independent, and is ot now",
		"train.objective=meanflow":   "train.objective was cfm, and is meanflow now",
		"train.lr=0.1":               "train.lr was 0.01, and is 0.1 now",
		"net.hidden=[8, 8]":          "net.hidden was [8], and is [8 8] now",
		"train.optimizer.beta1=0.5":  "train.optimizer.beta1 was 0.9, and is 0.5 now",
		"train.steps=10":             "train.steps was 30, and is 10 now, but with train.schedule cosine",
		"train.label_dropout=0.1":    "set conditional: true",
		"data.standardize=none":      "data.standardize was scalar, and is none now",
		"path.name=cosine":           "path.name was condot, and is cosine now",
		"train.times.name=power":     "train.times.name was logit_normal, and is power now",
		"train.weighting=likelihood": "train.weighting was unit, and is likelihood now",
	} {
		cfg, err := ParseConfig([]byte(text), []string{setting})
		if err == nil {
			_, err = Train(t.Context(), cfg, dir, TrainOptions{Resume: true})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", setting, err, want)
		}
	}
	var reported, notes []string
	more := parse(t, "train.steps=40", "train.log_every=5", "eval.samples=20", "train.precision=float32")
	r, err := Train(t.Context(), more, dir, TrainOptions{Resume: true, Resumed: func(step int, changes []Change) {
		reported = append(reported, fmt.Sprint(step, changes))
		for _, c := range changes {
			if c.Note != "" {
				notes = append(notes, c.Key+": "+c.Note)
			}
		}
	}})
	want := "30 [eval.samples: 2000 -> 20 train.log_every: 50 -> 5 " +
		"train.precision: not set -> float32 train.steps: 30 -> 40]"
	if err != nil || r.Step != 40 || len(reported) != 1 || reported[0] != want {
		t.Errorf("%d steps, %v, reported %q, want %q", r.Step, err, reported, want)
	}
	if len(notes) != 2 || !strings.HasPrefix(notes[0], "train.precision: the steps from here on are rounded") ||
		!strings.HasPrefix(notes[1], "train.steps: train.schedule cosine spreads the learning rate over all") {
		t.Errorf("notes %q, want those of precision and steps", notes)
	}
}

// Early stopping that decides otherwise is not that of a run that never stopped.
func TestChangesOfEarlyStoppingAreNoted(t *testing.T) {
	was := parse(t, "train.patience=9", "train.val_every=5").Defaults()
	for setting, want := range map[string]string{"train.patience=2": "train.patience",
		"train.val_every=7": "train.val_every", "train.log_every=3": ""} {
		is := parse(t, "train.patience=9", "train.val_every=5", setting).Defaults()
		changes, err := changed(was, is)
		if err != nil || len(changes) != 1 || (changes[0].Note != "") != (want != "") ||
			want != "" && (changes[0].Key != want || !strings.Contains(changes[0].Note, "stops early")) {
			t.Errorf("%s: %+v, %v", setting, changes, err)
		}
	}
	a, b := parse(t, "train.val_every=5").Defaults(), parse(t, "train.val_every=7").Defaults()
	if changes, err := changed(a, b); err != nil || len(changes) != 1 || changes[0].Note != "" {
		t.Errorf("without early stopping: %+v, %v", changes, err)
	}
}

// With a constant rate any number of steps is a part of the same training.
func TestStepsOfAConstantRateMayBeFewer(t *testing.T) {
	dir := t.TempDir()
	constant := []string{"train.schedule=constant", "train.val_every=0", "train.checkpoint_every=5"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	long := parse(t, append(constant, "train.steps=1000000")...)
	_, err := Train(ctx, long, dir, TrainOptions{Step: func(step int, _ float64) {
		if step == 12 {
			cancel()
		}
	}})
	if !errors.Is(err, train.ErrInterrupted) {
		t.Fatal(err)
	}
	few := parse(t, append(constant, "train.steps=5")...)
	if _, err := Train(t.Context(), few, dir, TrainOptions{Resume: true}); !errors.Is(err, ErrChanged) ||
		!strings.Contains(err.Error(), "were taken already") {
		t.Errorf("fewer than were taken: %v", err)
	}
	var notes []Change
	r, err := Train(t.Context(), parse(t, append(constant, "train.steps=20")...), dir, TrainOptions{Resume: true,
		Resumed: func(_ int, c []Change) { notes = c }})
	if err != nil || r.Step != 20 || len(notes) != 1 || notes[0].Note != "" {
		t.Errorf("%v, changes %+v", err, notes)
	}
}

// The best state is the run's while train.patience asks for it, and no longer.
func TestTheBestStateDoesNotOutliveEarlyStopping(t *testing.T) {
	dir := t.TempDir()
	config := func(more ...string) Config {
		return parse(t, append([]string{"train.schedule=constant", "train.val_every=5", "train.lr=0.3"}, more...)...)
	}
	if _, err := Train(t.Context(), config("train.patience=1", "train.steps=400"), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir, "")
	if err != nil || r.Step >= 400 || !exists(filepath.Join(dir, BestFile)) {
		t.Fatalf("step %d, %v; want an early end, and the best state", r.Step, err)
	}
	best := r.Step
	if r, err = Train(t.Context(), config("train.steps=500"), dir, TrainOptions{Resume: true}); err != nil ||
		r.Step != 500 || exists(filepath.Join(dir, BestFile)) {
		t.Errorf("without patience: the model is of step %d, %v; the best was %d", r.Step, err, best)
	}
	// With patience again, the best is the best from here on.
	r, err = Train(t.Context(), config("train.steps=505", "train.patience=9"), dir, TrainOptions{Resume: true})
	if err != nil || r.Step != 505 || !exists(filepath.Join(dir, BestFile)) {
		t.Errorf("with patience again: the model is of step %d, %v", r.Step, err)
	}
}

// csv writes a table of n rows with a column that shifts.
func csvText(t *testing.T, file string, n int, shift float64) {
	t.Helper()
	var b strings.Builder
	b.WriteString("height,width\n")
	for i := range n {
		fmt.Fprintf(&b, "%g,%g\n", float64(i%7)+shift, float64(i*i%11))
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The data of a run are known by what they hold, not by where they lie; and a trained
// model needs them no more.
func TestTheDataOfARun(t *testing.T) {
	folder := t.TempDir()
	here, there, dir := filepath.Join(folder, "a.csv"), filepath.Join(folder, "b.csv"), filepath.Join(folder, "run")
	csvText(t, here, 100, 0)
	config := func(path string, steps int) Config {
		c, err := ParseConfig(
			fmt.Appendf(nil, "data: {path: %q}\nnet: {hidden: [4]}\ntrain: {steps: %d, batch: 8}\n", path, steps), nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, err := Train(t.Context(), config(here, 4), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(here, there); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Model.Spec(); fmt.Sprint(got.Columns, got.Kinds) != "[height width] [real real]" {
		t.Errorf("the model knows the columns %v of the kinds %v", got.Columns, got.Kinds)
	}
	how, err := r.Config.Eval.Sampler()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Model.Sample(t.Context(), model.SampleOptions{N: 3, Sampler: how}); err != nil {
		t.Errorf("samples without the data: %v", err)
	}
	for _, kind := range Pictures() {
		if kind == "globe" || slices.Contains(PicturesOfImages(), kind) {
			continue
		}
		missing := 0
		err := r.Picture(t.Context(), new(strings.Builder), kind,
			PictureOptions{N: 20, Cells: 8, NoData: func(error) { missing++ }})
		if slices.Contains([]string{"couplings", "pit", "calibration"}, kind) { // which are of the data
			if err == nil || !strings.Contains(err.Error(), "a.csv") {
				t.Errorf("a picture of the %s without the data: %v", kind, err)
			}
			continue
		}
		shows := slices.Contains([]string{"samples", "pairs", "density", "field"}, kind)
		if err != nil || (missing == 1) != shows {
			t.Errorf("a picture of the %s without the data: %v, reported %d times", kind, err, missing)
		}
	}
	if _, err := r.Data(); err == nil || !strings.Contains(err.Error(), "a.csv") {
		t.Errorf("the data that are gone: %v", err)
	}
	if _, err := Train(t.Context(), config(there, 6), dir, TrainOptions{Resume: true}); err != nil {
		t.Errorf("the same data elsewhere: %v", err)
	}
	csvText(t, there, 100, 1)
	if _, err := Train(t.Context(), config(there, 8), dir, TrainOptions{Resume: true}); !errors.Is(err, ErrChanged) ||
		!strings.Contains(err.Error(), "hold other numbers") {
		t.Errorf("other data of the same name: %v", err)
	}
}

// Columns are found by their names, and other data than those trained on are reported.
func TestARunIsEvaluatedOnItsOwnColumns(t *testing.T) {
	folder := t.TempDir()
	file, dir := filepath.Join(folder, "a.csv"), filepath.Join(folder, "run")
	csvText(t, file, 100, 0)
	text := fmt.Appendf(nil, "data: {path: %q}\nnet: {hidden: [4]}\ntrain: {steps: 4, batch: 8}\n"+
		"eval: {samples: 5}\n", file)
	c, err := ParseConfig(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), c, dir, TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := report(t, r)
	lines, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var swapped strings.Builder
	for line := range strings.Lines(string(lines)) {
		a, b, _ := strings.Cut(strings.TrimSpace(line), ",")
		swapped.WriteString(b + "," + a + "\n")
	}
	if err := os.WriteFile(file, []byte(swapped.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = Open(dir, ""); err != nil {
		t.Fatal(err)
	}
	if got := report(t, r); got.Likelihood.NLL != want.Likelihood.NLL || len(got.Warnings) > 0 {
		t.Errorf("with its columns in another order NLL is %g, was %g; warnings %q", got.Likelihood.NLL,
			want.Likelihood.NLL, got.Warnings)
	}
	csvText(t, file, 100, 1)
	if r, err = Open(dir, ""); err != nil {
		t.Fatal(err)
	}
	got := report(t, r).Warnings
	if len(got) != 1 || !strings.Contains(got[0], "not those that the model was trained on") {
		t.Errorf("on other data: warnings %q", got)
	}
}

// A folder of a version that had no preconditioning and one optimizer goes on with what it
// began with, and with nothing else.
func TestAFolderOfAnEarlierVersionKeepsItsSettings(t *testing.T) {
	const text = "data: {name: moons, n: 100, val: 20, test: 20}\nnet: {hidden: [8, 8]}\n" +
		"train: {steps: 20, batch: 32, val_every: 0}\n"
	old := []string{"precondition=false", "train.optimizer.name=adamw", "train.lr=0.001", "train.times.name=uniform"}
	cfg, err := ParseConfig([]byte(text), old)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := Train(t.Context(), cfg, dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, ConfigFile)
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	earlier := strings.Replace(string(written), "precondition: false\n", "", 1)
	earlier = strings.Replace(earlier, "    name: adamw\n", "", 1)
	if len(earlier) > len(written)-30 {
		t.Fatalf("run.yaml has not both keys:\n%s", written)
	}
	if err := os.WriteFile(file, []byte(earlier), 0o666); err != nil {
		t.Fatal(err)
	}
	more, err := ParseConfig([]byte(text), []string{"train.steps=30", "train.lr=0.001", "train.times.name=uniform"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Train(t.Context(), more, dir, TrainOptions{Resume: true})
	for _, want := range []string{"precondition was false, and is true now", "optimizer.name was adamw, and is"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with the defaults of now: %v, want %q", err, want)
		}
	}
	if more, err = ParseConfig([]byte(text), append(old, "train.steps=30")); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), more, dir, TrainOptions{Resume: true}); err != nil {
		t.Errorf("with the settings that it began with: %v", err)
	}
	// The folder's own run.yaml means what it meant, and what is set on top of it.
	if err := os.WriteFile(file, []byte(strings.Replace(earlier, "steps: 20", "steps: 30", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	if more, err = ReadResumed(dir, []string{"train.steps=40"}); err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), more, dir, TrainOptions{Resume: true})
	if err != nil || r.Step != 40 || *r.Config.Precondition || r.Config.Train.Optimizer.Name != "adamw" {
		t.Errorf("with its own run.yaml: %v", err)
	}
}

// A log that is gone is told of: the steps before are measured no more.
func TestALogThatIsGoneIsTold(t *testing.T) {
	dir := t.TempDir()
	if _, err := Train(t.Context(), parse(t), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, MetricsFile)
	for _, gone := range []bool{false, true} {
		steps := "train.steps=40"
		if gone {
			steps = "train.steps=50"
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		var warnings []string
		o := TrainOptions{Resume: true, Warned: func(w string) { warnings = append(warnings, w) }}
		if _, err := Train(t.Context(), parse(t, steps), dir, o); err != nil {
			t.Fatal(err)
		}
		told := slices.ContainsFunc(warnings, func(w string) bool { return strings.HasPrefix(w, file+" is gone: ") })
		if told != gone {
			t.Errorf("%s: warnings %q; want that the log is gone: %v", steps, warnings, gone)
		}
	}
}

// stopAt trains into a folder until a step, and then stops.
func stopAt(t *testing.T, cfg Config, dir string, step int) {
	t.Helper()
	stopped, stop := context.WithCancel(t.Context())
	defer stop()
	_, err := Train(stopped, cfg, dir, TrainOptions{Step: func(at int, _ float64) {
		if at == step {
			stop()
		}
	}})
	if !errors.Is(err, train.ErrInterrupted) {
		t.Fatalf("got %v, want that the training was interrupted", err)
	}
}
