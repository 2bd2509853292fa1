package run

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
	"flowmatch/train"
)

// elsewhere trains a run of ours, whose weights are another program's for the tests: it
// returns the run, the file of its weights and an empty place for the import.
func elsewhere(t *testing.T) (ours *Run, weights, folder string) {
	t.Helper()
	dir := t.TempDir()
	ours, err := Train(t.Context(), parse(t), filepath.Join(dir, "ours"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	weights = filepath.Join(dir, "w.safetensors")
	if err := ours.Model.Save(weights); err != nil {
		t.Fatal(err)
	}
	return ours, weights, filepath.Join(dir, "theirs")
}

// What another program trained is a run like ours: here the weights of one of ours, which
// must then report the same.
func TestARunOfAnotherProgramIsARun(t *testing.T) {
	ours, weights, folder := elsewhere(t)
	events := []train.Event{{Step: 15, Loss: 2, LR: 1e-3, Seconds: 0.5}, {Step: 30, Loss: 1, LR: 1e-3, Seconds: 1}}
	theirs, err := Import(parse(t), folder, weights, events)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := report(t, ours), report(t, theirs); a.Likelihood.NLL != b.Likelihood.NLL ||
		*a.Samples.W2 != *b.Samples.W2 {
		t.Errorf("NLL %g and W2 %g, of the same weights elsewhere %g and %g", a.Likelihood.NLL, *a.Samples.W2,
			b.Likelihood.NLL, *b.Samples.W2)
	}
	if got, err := ReadMetrics(filepath.Join(folder, MetricsFile)); err != nil || !slices.Equal(got, events) {
		t.Errorf("metrics %v (%v), want %v", got, err, events)
	}
	again, err := Open(folder, "")
	if err != nil || !reflect.DeepEqual(again.Model.Spec(), ours.Model.Spec()) {
		t.Errorf("opened: %v, spec\n%+v, want\n%+v", err, again.Model.Spec(), ours.Model.Spec())
	}
	if _, err := Import(parse(t), folder, weights, nil); !errors.Is(err, ErrExists) {
		t.Errorf("into the same folder: got %v, want ErrExists", err)
	}
	if _, err := Train(t.Context(), parse(t, "train.steps=40"), folder, TrainOptions{Resume: true}); !errors.Is(err,
		model.ErrNoState) {
		t.Errorf("resumed: got %v, want that there is no state to resume from", err)
	}
}

// Labels guide only what was trained without them, too: a run of other weights says so.
func TestARunOfOthersKeepsItsShareOfLabelsTakenAway(t *testing.T) {
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{4}, Classes: 3}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}}, net)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := Adopt(m, dir, AdoptOptions{LabelDropout: 0.1}); err != nil {
		t.Fatal(err)
	}
	if r, err := Open(dir, ""); err != nil || r.Config.Train.LabelDropout != 0.1 {
		t.Errorf("opened with %v (%v), want a share of 0.1", r.Config.Train, err)
	}
	if err := Importable(dir); !errors.Is(err, ErrExists) {
		t.Errorf("a second import into it: %v", err)
	}
}

// Latents have more channels than a picture shows, which is said before they are drawn.
func TestLatentsHaveNoPicture(t *testing.T) {
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	for channels, want := range map[int]string{1: "", 3: "", 4: "have 4 channels", 2: "have 2 channels"} {
		net, err := nn.New(eng, nn.Config{Dim: 4 * channels, Hidden: []int{4}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}, Shape: []int{2, 2, channels}}, net)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Adopt(m, filepath.Join(t.TempDir(), "run"), AdoptOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{r.Drawable(), r.Picture(t.Context(), io.Discard, "samples", PictureOptions{N: 2})} {
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%d channels: got %v, want %q", channels, err, want)
			}
		}
	}
}

// What lies in a folder without a run.yaml is somebody's, a run's whose run.yaml is lost, say.
func TestAnImportReplacesNothing(t *testing.T) {
	_, weights, folder := elsewhere(t)
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{CheckpointFile, MetricsFile} {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Import(parse(t), folder, weights, nil)
		if !errors.Is(err, ErrInTheWay) || !strings.Contains(err.Error(), name) || string(read(t, file)) != "mine" {
			t.Errorf("%s: got %v, want ErrInTheWay and the file as it was", name, err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Import(parse(t), folder, weights, nil); err != nil {
		t.Errorf("into a folder of nothing: %v", err)
	}
}

// What an import that was killed left is replaced by the next.
func TestAnImportThatWasKilledIsMadeAgain(t *testing.T) {
	_, weights, folder := elsewhere(t)
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{importing, CheckpointFile, MetricsFile} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Import(parse(t), folder, weights, nil); err != nil || exists(filepath.Join(folder, importing)) {
		t.Errorf("%v, and the mark must be gone", err)
	}
	if _, err := Import(parse(t), folder, weights, nil); !errors.Is(err, ErrExists) {
		t.Errorf("into the folder of a run: %v", err)
	}
}

func TestAnImportOfTheWrongNetworkLeavesNoRun(t *testing.T) {
	_, weights, folder := elsewhere(t)
	for setting, want := range map[string]string{
		"net.hidden=[9]":    `tensor "net.0.weight" is F32`,
		"net.hidden=[8, 8]": `tensor "net.2.weight" is F32`,
		"train.lr=-1":       "lr is -1; it must be positive",
	} {
		cfg, err := ParseConfig([]byte(text), []string{setting})
		if err == nil {
			_, err = Import(cfg, folder, weights, nil)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", setting, err, want)
		}
	}
	if exists(folder) {
		t.Errorf("%s is there", folder)
	}
}
