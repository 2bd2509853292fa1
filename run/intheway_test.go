package run

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The files of a folder that is no run's are its user's, whatever their names.
func TestFilesOfAnotherAreNotLost(t *testing.T) {
	for _, name := range []string{"best.safetensors", "snapshot-7.safetensors", "checkpoint.safetensors",
		"metrics.jsonl", "versions.json", "pairs.npy", "samples-500.png"} {
		dir := t.TempDir()
		for _, name := range []string{name, "snapshot-x.safetensors", "notes.txt"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before := contents(t, dir)
		for _, resume := range []bool{false, true} {
			_, err := Train(t.Context(), parse(t), dir, TrainOptions{Resume: resume})
			if !errors.Is(err, ErrInTheWay) || !strings.Contains(err.Error(), name) ||
				strings.Contains(err.Error(), "snapshot-x") {
				t.Errorf("%s, resume %v: %v, want ErrInTheWay and the name", name, resume, err)
			}
		}
		after, text := contents(t, dir), string(read(t, filepath.Join(dir, name)))
		if !slices.Equal(before, after) || text != "mine" {
			t.Errorf("the folder holds %v with %q, and held %v", after, text, before)
		}
	}

	// What is in nobody's way may lie there; and what a run left is the run's.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), parse(t, "train.snapshot_every=10"), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, CheckpointFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), parse(t), dir, TrainOptions{Resume: true}); err != nil {
		t.Fatal(err)
	}
	if steps, err := Snapshots(dir); err != nil || len(steps) > 0 {
		t.Errorf("snapshots %v (error %v) of the training that began again", steps, err)
	}
}
