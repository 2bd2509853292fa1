package run

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
)

// Classes that the data have not are reported before the training.
func TestTransportWithinClassesNeedsClasses(t *testing.T) {
	cfg := parseText(t, "coupling: {name: ot, label_aware: true}\ntrain: {steps: 5}", "data.name=gaussian")
	_, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), TrainOptions{})
	if want := "coupling.label_aware is true, but the data (gaussian) have no labels"; !errors.Is(err, ErrSettings) ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// Two classes at ±2 of deviation 0.3 come out as they are with a coupling too: by default
// each class is paired with all of the noise.
func TestAConditionalRunWithTransportSamplesItsClasses(t *testing.T) {
	rng := seed.Rand(1, "run label aware test", 0)
	var text strings.Builder
	text.WriteString("x,y,class\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "%g,%g,%d\n", float64(4*(i%2)-2)+0.3*rng.NormFloat64(), 0.3*rng.NormFloat64(), i%2)
	}
	file := filepath.Join(t.TempDir(), "two.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	const settings = "data: {label: class, val: 20, test: 20, standardize: none}\nconditional: true\n" +
		"coupling: {name: ot}\nnet: {hidden: [32, 32]}\ntrain: {steps: 800, batch: 128}\neval: {rtol: 1e-3, atol: 1e-3}"
	deviation := func(cfg Config) float64 {
		r, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		how, err := r.Config.Eval.Sampler()
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Model.Sample(t.Context(), model.SampleOptions{N: 500, Sampler: how,
			Given: flow.Given{Label: flow.LabelsInTurn(500, 2)}})
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i := range s.X.N {
			e := s.X.Row(i)[0] - float64(4*(i%2)-2)
			sum += e * e
		}
		return math.Sqrt(sum / 500)
	}
	cfg := parseText(t, settings, "data.path="+file)
	if d := deviation(cfg); d > 0.4 {
		t.Errorf("samples deviate by %.3f from their class, want about 0.3", d)
	}
	// All classes together can be asked for, and is warned of.
	cfg = parseText(t, settings, "data.path="+file, "coupling.label_aware=false")
	warnings := strings.Join(cfg.Defaults().Warnings(), "\n")
	if d := deviation(cfg); d < 0.5 || !strings.Contains(warnings, "coupling.label_aware is false") {
		t.Errorf("over all classes samples deviate by %.3f, warnings %q", d, warnings)
	}
}
