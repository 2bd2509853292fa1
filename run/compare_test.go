package run

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Runs that share data.split_seed are evaluated on the same points, whatever their seeds.
func TestRunsOfOneSplitAreEvaluatedOnTheSamePoints(t *testing.T) {
	table := filepath.Join(t.TempDir(), "a.csv")
	csvText(t, table, 200, 0)
	of := func(set ...string) (*Run, []float64) {
		c := parseText(t, fmt.Sprintf("data: {path: %q, test: 60}\nnet: {hidden: [4]}\ntrain: {steps: 2, batch: 8}",
			table), set...)
		r, err := Train(t.Context(), c, t.TempDir(), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Subject(true)
		if err != nil {
			t.Fatal(err)
		}
		x, _, err := s.TestPoints(10)
		if err != nil {
			t.Fatal(err)
		}
		return r, x.X
	}
	one, a := of("seed=1", "data.split_seed=7")
	two, b := of("seed=2", "data.split_seed=7")
	if !slices.Equal(a, b) {
		t.Errorf("seeds 1 and 2 are evaluated on %v and %v", a, b)
	}
	if notes := notesOf(t, one, two); strings.Contains(notes, "held-out points") {
		t.Errorf("notes %q of one split", notes)
	}
	one, a = of("seed=1")
	two, b = of("seed=2")
	if slices.Equal(a, b) {
		t.Error("without split_seed two seeds hold out the same points")
	}
	if notes := notesOf(t, one, two); !strings.Contains(notes, "different held-out points (seed)") {
		t.Errorf("notes %q of two splits", notes)
	}
}

func notesOf(t *testing.T, runs ...*Run) string {
	t.Helper()
	var configs []Config
	for _, r := range runs {
		configs = append(configs, r.Config)
	}
	settings, err := Settings(configs)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(Incomparable(runs, settings), "; ")
}

// What makes a figure another one has a note.
func TestWhatDoesNotCompareHasANote(t *testing.T) {
	const lossNote = "losses cannot be compared: the tasks differ ("
	first := trained(t, text)
	for change, want := range map[string]string{
		"data.standardize":      lossNote + "data.standardize)",
		"train.label_dropout":   lossNote + "train.label_dropout)",
		"train.intervals.ratio": lossNote + "train.intervals.ratio)",
		"train.ml.kinetic":      lossNote + "train.ml.kinetic)",
		"eval.samples":          "distances use different numbers of points (eval.samples)",
		"eval.test":             "likelihoods use different numbers of held-out points (eval.test)",
		"eval.dequantizations":  "of noise (eval.dequantizations)",
		"train.lr":              "",
	} {
		notes := strings.Join(Incomparable([]*Run{first, first}, []Setting{{Key: change}}), "; ")
		if !strings.Contains(notes, want) || want == "" && notes != "" {
			t.Errorf("%s: notes %q, want %q", change, notes, want)
		}
	}
}
