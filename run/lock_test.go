package run

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/internal/filelock"
)

// Of two trainings in one folder the second is refused, whatever it asks for, and nothing of
// the first is touched.
func TestTwoTrainingsInOneFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := Train(t.Context(), parse(t), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	var inner []error
	cfg := parse(t, "train.steps=40")
	_, err := Train(t.Context(), cfg, dir, TrainOptions{Resume: true, Step: func(step int, _ float64) {
		if step != 35 {
			return
		}
		for _, resume := range []bool{false, true} {
			_, err := Train(t.Context(), parse(t, "train.steps=50"), dir, TrainOptions{Resume: resume})
			inner = append(inner, err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range inner {
		if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "process ") {
			t.Errorf("while the first trains: %v, want ErrBusy and the process", err)
		}
	}
	if len(inner) != 2 {
		t.Fatalf("%d attempts, want 2", len(inner))
	}
	if after := contents(t, dir); !slices.Equal(before, after) {
		t.Errorf("the folder holds %v, and held %v", after, before)
	}
}

// contents returns the names of a folder's files.
func contents(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What a killed process left, temporary files and a lock, is gone after the next command.
func TestWhatAKilledProcessLeftIsSwept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[a]*") // no pattern
	if _, err := Train(t.Context(), parse(t, "train.snapshot_every=10"), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	stray := filepath.Join(dir, ".checkpoint.safetensors.tmp-0123456789abcdef")
	leave := func() {
		for _, file := range []string{stray, filepath.Join(dir, ".lock")} {
			if err := os.WriteFile(file, []byte("process 1 on nowhere"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	leave()
	if _, err := Open(dir, ""); err != nil {
		t.Error(err)
	}
	if after := contents(t, dir); !slices.Equal(before, after) {
		t.Errorf("once it was opened the folder holds %v, and held %v", after, before)
	}
	leave()
	if _, err := Train(t.Context(), parse(t, "train.snapshot_every=10"), dir, TrainOptions{Resume: true}); err != nil {
		t.Error(err)
	}
	if after := contents(t, dir); !slices.Equal(before, after) {
		t.Errorf("the folder holds %v, and held %v", after, before)
	}
	if steps, err := Snapshots(dir); err != nil || !slices.Equal(steps, []int{10, 20, 30}) {
		t.Errorf("snapshots %v, %v of a folder whose name is a pattern", steps, err)
	}
	if _, err := filelock.LockFolder(dir); err != nil {
		t.Errorf("the lock of the training is not given back: %v", err)
	}
}

// A training that could not begin takes the folder back that it made, and no other.
func TestATrainingThatCannotBeginLeavesNoFolder(t *testing.T) {
	cfg := parse(t, "data.name=", "data.path="+filepath.Join(t.TempDir(), "absent.csv"))
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := Train(t.Context(), cfg, dir, TrainOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v, want that the file of the data is not there", err)
	}
	if exists(dir) {
		t.Errorf("%s is left", dir)
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), cfg, dir, TrainOptions{}); err == nil || !exists(dir) {
		t.Errorf("got %v, want an error and the folder that was there", err)
	}
}
