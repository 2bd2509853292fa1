package run

import (
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/engine/native/kernel"
)

// Where bfloat16 wins nothing, a training in it says so; where it does, or in float32, it does not.
func TestPrecisionThatSavesNothingIsWarnedOf(t *testing.T) {
	level, err := kernel.Best()
	if err != nil {
		t.Fatal(err)
	}
	for precision, half := range map[string]bool{"float32": false, "bf16": true} {
		var got []string
		cfg := parseText(t, "data: {name: moons}\nnet: {hidden: [4]}\ntrain: {steps: 1, batch: 8}",
			"train.precision="+precision)
		o := TrainOptions{Warned: func(w string) { got = append(got, w) }}
		if _, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), o); err != nil {
			t.Fatal(err)
		}
		want := half && !kernel.MatrixAt(level).HasBF16()
		if has := strings.Contains(strings.Join(got, "\n"), "train.precision bf16 saves no time"); has != want {
			t.Errorf("%s at %v: warnings %q", precision, level, got)
		}
	}
}
