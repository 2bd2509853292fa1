package run

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/train"
)

// TestAJournalGrowsWithItsTraining: it has each event as soon as it is written, and no lines of steps that are
// taken again.
func TestAJournalGrowsWithItsTraining(t *testing.T) {
	dir := t.TempDir()
	j, seen := NewJournal(dir), 0
	if events, err := j.Events(); events != nil || err != nil || IsTraining(dir) {
		t.Errorf("before the training: %v, %v", events, err)
	}
	o := TrainOptions{Event: func(e train.Event) {
		events, err := j.Events() // this one is written next
		if err != nil || len(events) != seen || !IsTraining(dir) {
			t.Errorf("at step %d: %d events, want %d (%v)", e.Step, len(events), seen, err)
		}
		seen++
	}}
	cfg := parse(t, "train.steps=40", "train.log_every=10", "train.checkpoint_every=10")
	if _, err := Train(t.Context(), cfg, dir, o); err != nil {
		t.Fatal(err)
	}
	whole, err := j.Events()
	if err != nil || len(whole) != seen || seen < 4 || IsTraining(dir) {
		t.Fatalf("%d events, %v; want %d", len(whole), err, seen)
	}
	file := filepath.Join(dir, MetricsFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	if err := os.WriteFile(file, []byte(lines[0]+lines[1][:9]), 0o600); err != nil {
		t.Fatal(err)
	}
	if events, err := j.Events(); len(events) != 1 || err != nil {
		t.Errorf("of a line and the start of one: %v, %v", events, err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if events, err := j.Events(); len(events) != seen || err != nil {
		t.Errorf("of a line that was finished: %d events, %v", len(events), err)
	}
	if err := os.WriteFile(file, []byte("no JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Events(); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("of a damaged file: %v", err)
	}
	if err := os.Truncate(file, mostJournal+1); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Events(); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("of a file that is too long: %v", err)
	}
}

func TestPublicSettingsSayNoPaths(t *testing.T) {
	cfg := parse(t)
	cfg.Backend = "xla:/opt/secret/plugin.so"
	for key, path := range cfg.paths() {
		*path = "/srv/secret/" + key + ".csv"
	}
	text, err := cfg.Public()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); strings.Contains(s, "secret") || !strings.Contains(s, "data.path.csv") ||
		!strings.Contains(s, "backend: xla\n") {
		t.Errorf("the settings are\n%s", s)
	}
	if cfg.Data.Path != "/srv/secret/data.path.csv" {
		t.Error("the settings were changed")
	}
	if _, err := FolderConfig(t.TempDir()); !errors.Is(err, ErrNoRun) {
		t.Errorf("of an empty folder: %v", err)
	}
}

// TestAJournalKnowsAnotherFileOfTheSameNumber: systems give the inode of a file that is gone to the next one, as
// rewriting one in place does here.
func TestAJournalKnowsAnotherFileOfTheSameNumber(t *testing.T) {
	line := func(step int, seconds float64) string {
		text, err := metricsLine(train.Event{Step: step, Loss: 1, Seconds: seconds})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	dir := t.TempDir()
	file, j := filepath.Join(dir, MetricsFile), NewJournal(dir)
	for _, c := range []struct {
		name, text string
		steps      []int
	}{
		{"two lines", line(10, 1.5) + line(20, 3.25), []int{10, 20}},
		{"longer lines", "\ufeff" + line(10, 1.512345) + line(20, 3.25341) + line(30, 5), []int{10, 20, 30}},
		{"as long", "\ufeff" + line(10, 1.612345) + line(20, 3.35341) + line(40, 5), []int{10, 20, 40}},
		{"lines that end at the same places", "\ufeff" + line(11, 1.7) + line(22, 3.5) + line(33, 6) + line(44, 8),
			[]int{11, 22, 33, 44}},
		{"more of the same", "\ufeff" + line(11, 1.7) + line(22, 3.5) + line(33, 6) + line(44, 8) + line(55, 9),
			[]int{11, 22, 33, 44, 55}},
		{"none", "", nil},
	} {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(c.text); err != nil {
			t.Fatal(err)
		}
		f.Close()
		events, err := j.Events()
		var steps []int
		for _, e := range events {
			steps = append(steps, e.Step)
		}
		if err != nil || !slices.Equal(steps, c.steps) {
			t.Errorf("%s: steps %v, want %v (%v)", c.name, steps, c.steps, err)
		}
	}
	// What is read before damage is not lost when it is mended in place.
	if err := os.WriteFile(file, []byte(line(10, 1)+"no JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Events(); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("of a damaged file: %v", err)
	}
	if err := os.WriteFile(file, []byte(line(10, 1)+line(20, 2)), 0o600); err != nil {
		t.Fatal(err)
	}
	if events, err := j.Events(); len(events) != 2 || err != nil {
		t.Errorf("of one that was mended: %v, %v", events, err)
	}
}
