package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/model"
	"flowmatch/nn"
)

// A checkpoint knows its settings: those of the folder's run.yaml must not become others
// behind its back, and one of another run is none of this.
func TestACheckpointKnowsItsSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := Train(t.Context(), parse(t), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, ConfigFile)
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	resume := func(settings ...string) error {
		cfg, err := ReadResumed(dir, append(settings, "train.steps=50"))
		if err == nil {
			_, err = Train(t.Context(), cfg, dir, TrainOptions{Resume: true})
		}
		return err
	}
	edited := strings.Replace(string(written), "beta1: 0.9\n", "beta1: 0.5\n", 1)
	if edited == string(written) {
		t.Fatalf("no beta1 in\n%s", written)
	}
	if err := os.WriteFile(file, []byte(edited), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := resume(); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(),
		"train.optimizer.beta1 was 0.9, and is 0.5 now") {
		t.Errorf("edited: got %v", err)
	}
	if err := os.WriteFile(file, written, 0o666); err != nil {
		t.Fatal(err)
	}

	other := filepath.Join(t.TempDir(), "other")
	if _, err := Train(t.Context(), parse(t, "seed=9"), other, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	swap := func() {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(other, CheckpointFile))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, CheckpointFile), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	swap()
	if err := resume(); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "seed was 9, and is") {
		t.Errorf("a checkpoint of another seed: got %v", err)
	}
	if _, err := Open(dir, ""); !errors.Is(err, ErrOtherModel) || !strings.Contains(err.Error(), "seed was 9, and is") {
		t.Errorf("a checkpoint of another seed, opened: got %v", err)
	}
	other = filepath.Join(t.TempDir(), "vp")
	if _, err := Train(t.Context(), parse(t, "path.name=vp"), other, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	swap()
	if _, err := Open(dir, ""); !errors.Is(err, ErrOtherModel) || !strings.Contains(err.Error(),
		"path.name is vp in it, and condot in run.yaml") {
		t.Errorf("a checkpoint of another path: got %v", err)
	}
	if err := resume(); !errors.Is(err, ErrChanged) {
		t.Errorf("a checkpoint of another path, resumed: got %v", err)
	}

	// One whose settings are those of the run, and whose model is not.
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	ckpt, err := model.Load(filepath.Join(other, CheckpointFile), eng)
	if err != nil {
		t.Fatal(err)
	}
	delete(ckpt.Extra, keySettings) // as of an earlier version
	if err := ckpt.Save(filepath.Join(dir, CheckpointFile)); err != nil {
		t.Fatal(err)
	}
	if err := resume(); !errors.Is(err, ErrOtherModel) || !strings.Contains(err.Error(),
		"path.name is vp in it, and condot in run.yaml") {
		t.Errorf("a checkpoint of another model, resumed: got %v", err)
	}
}

// A run is used with its best state: without that it is not used with another in silence.
func TestABestStateThatIsGoneIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	cfg := parse(t, "train.steps=60", "train.val_every=10", "train.patience=3")
	if _, err := Train(t.Context(), cfg, dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, BestFile)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, "")
	if !errors.Is(err, ErrNoBest) || !strings.Contains(err.Error(), "set train.patience to 0") {
		t.Errorf("got %v, want ErrNoBest", err)
	}
	file := filepath.Join(dir, ConfigFile)
	written := read(t, file)
	last := strings.Replace(string(written), "patience: 3", "patience: 0", 1)
	if err := os.WriteFile(file, []byte(last), 0o666); err != nil {
		t.Fatal(err)
	}
	if r, err := Open(dir, ""); err != nil || r.Best {
		t.Errorf("as the error says: %v", err)
	}
	// A run that kept no best state has lost none, also where a session that would have kept one
	// was killed before it saved.
	dir = filepath.Join(t.TempDir(), "other")
	if _, err := Train(t.Context(), parse(t, "train.steps=20", "train.val_every=10"), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, ConfigFile)
	now := strings.Replace(string(read(t, file)), "patience: 0", "patience: 3", 1)
	if err := os.WriteFile(file, []byte(now), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, ""); err != nil || !strings.Contains(now, "patience: 3") {
		t.Errorf("%v of a run that kept no best state", err)
	}
}

// The numbers of a table are the same under other names, and the samples are not.
func TestColumnsKeepTheirNamesOnResume(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.csv")
	write := func(head string) {
		t.Helper()
		text := head + "\n"
		for i := range 40 {
			text += strings.Repeat("1.5,", i%2) + strings.Repeat("-2,", 1-i%2) + string(rune('0'+i%7)) + "\n"
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	train := func(steps string, resume bool) error {
		cfg := parseText(t, "data: {val: 5, test: 5}\nnet: {hidden: [4]}\ntrain: {batch: 8}", "data.path="+file,
			"train.steps="+steps)
		_, err := Train(t.Context(), cfg, filepath.Join(dir, "run"), TrainOptions{Resume: resume})
		return err
	}
	write("a,b")
	if err := train("2", false); err != nil {
		t.Fatal(err)
	}
	write("b,a")
	if err := train("4", true); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(),
		"the columns of the data") {
		t.Errorf("swapped names: got %v", err)
	}
}

// What a checkpoint says of its training is checked when it is opened, and not only when it is resumed.
func TestProgressIsCheckedWhenARunIsOpened(t *testing.T) {
	good := map[string]string{keyProgress: `{"best_loss": 0.5, "best_step": 7}`, keyBest: "7"}
	if p, err := progressOf("f", 9, good); err != nil || p.BestStep != 7 {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := progressOf("f", 9, nil); err != nil { // a snapshot
		t.Error(err)
	}
	for what, extra := range map[string]map[string]string{
		"a best step below 0":    {keyProgress: `{"best_step": -3}`},
		"a best step to come":    {keyProgress: `{"best_step": 10}`},
		"no progress":            {keyProgress: "x"},
		"a best state below 0":   {keyBest: "-3"},
		"a best state of step 0": {keyBest: "0"},
		"a best state to come":   {keyBest: "10"},
		"no number":              {keyBest: "x"},
		"nothing":                {keyBest: ""},
	} {
		if err := ownFile("f", 9, extra, Config{}, 0); err == nil || !strings.Contains(err.Error(), "f: ") {
			t.Errorf("%s: got %v, want an error that names the file", what, err)
		}
	}
}
