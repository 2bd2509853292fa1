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

	"flowmatch/eval"
	"flowmatch/model"
)

const text = "data: {name: moons, standardize: scalar, val: 50, test: 50}\n" +
	"net: {hidden: [8]}\ntrain: {steps: 30, batch: 32}\n"

// parse reads a run file of a network so small that a run takes no time.
func parse(t *testing.T, settings ...string) Config {
	t.Helper()
	c, err := ParseConfig([]byte(text), settings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// report evaluates a run.
func report(t *testing.T, r *Run) eval.Report {
	t.Helper()
	s, err := r.Subject(true)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := s.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func weights(t *testing.T, r *Run) []float32 {
	t.Helper()
	w, err := r.Model.Net().Weights()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestStudentsLearnFromATeachersFolderAndResume(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	teacher := filepath.Join(dir, "teacher")
	if _, err := Train(ctx, parse(t, "eval.solver=euler", "eval.steps=7"), teacher, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{teacher, filepath.Join(teacher, CheckpointFile)} {
		for _, objective := range []string{"reflow", "distill"} {
			cfg := parse(t, "train.objective="+objective, "train.teacher="+from, "train.pairs=200")
			whole, err := Train(ctx, cfg, filepath.Join(dir, objective, filepath.Base(from), "whole"), TrainOptions{})
			if err != nil {
				t.Fatal(err)
			}
			half := filepath.Join(dir, objective, filepath.Base(from), "half")
			stopAt(t, cfg, half, 13)
			cfg.Train.Teacher = filepath.Join(dir, "gone") // the pairs in the folder are all that a resumed run needs
			resumed, err := Train(ctx, cfg, half, TrainOptions{Resume: true})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(weights(t, whole), weights(t, resumed)) {
				t.Errorf("%s: a resumed run differs from one that never stopped", objective)
			}
			rep := report(t, whole)
			if (rep.Likelihood == nil) != (objective == "distill") {
				t.Errorf("%s: likelihood %+v", objective, rep.Likelihood)
			}
			if objective == "distill" && (rep.Samples.NFE != 1 || rep.Solver != "euler 1 steps") {
				t.Errorf("a student of one step samples by %s in %d evaluations", rep.Solver, rep.Samples.NFE)
			}
			if err := whole.Model.HasDensity(); errors.Is(err, model.ErrNoDensity) != (objective == "distill") {
				t.Errorf("%s: densities give %v", objective, err)
			}
			cfg.Train.Pairs = 300
			if _, err := Train(ctx, cfg, half, TrainOptions{Resume: true}); !errors.Is(err, ErrChanged) ||
				!strings.Contains(err.Error(), "train.pairs was 200") {
				t.Errorf("resumed with another number of pairs: got %v", err)
			}
		}
	}
}

// The pairs are what the run learns from: those of another run of as many are others.
func TestPairsOfAnotherRunAreSeen(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	teacher := filepath.Join(dir, "teacher")
	if _, err := Train(ctx, parse(t), teacher, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	for seed, name := range []string{"one", "two"} {
		cfg := parse(t, "train.objective=reflow", "train.teacher="+teacher, "train.pairs=200",
			fmt.Sprint("seed=", seed))
		if _, err := Train(ctx, cfg, filepath.Join(dir, name), TrainOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	cfg := parse(t, "train.objective=reflow", "train.teacher="+teacher, "train.pairs=200", "train.steps=35")
	mine, theirs := filepath.Join(dir, "one", pairsFile), filepath.Join(dir, "two", pairsFile)
	own := read(t, mine)
	if err := os.WriteFile(mine, read(t, theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Train(ctx, cfg, filepath.Join(dir, "one"), TrainOptions{Resume: true})
	if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), mine+" holds other pairs of the teacher") {
		t.Errorf("pairs of another run: %v", err)
	}
	if err := os.WriteFile(mine, own, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(ctx, cfg, filepath.Join(dir, "one"), TrainOptions{Resume: true}); err != nil {
		t.Errorf("its own: %v", err)
	}
}

func TestTeachersThatDoNotFitAreErrors(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	teacher := filepath.Join(dir, "teacher")
	if _, err := Train(ctx, parse(t, "data.name=gaussian", "data.dim=3"), teacher, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o777); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		teacher:                            "dimension 3 in 0 classes, but this run's are of dimension 2",
		filepath.Join(dir, "none"):         "train.teacher",
		empty:                              "has no run.yaml",
		filepath.Join(teacher, ConfigFile): "safetensors",
	} {
		cfg := parse(t, "train.objective=reflow", "train.teacher="+from)
		if _, err := Train(ctx, cfg, filepath.Join(dir, "out"), TrainOptions{}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("teacher %s: got %v, want %q", from, err, want)
		}
	}
}

func TestRunsOfAveragesSampleInTheStepsAskedFor(t *testing.T) {
	for _, objective := range []string{"meanflow", "shortcut"} {
		r, err := Train(context.Background(), parse(t, "train.objective="+objective), t.TempDir(), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for steps, want := range map[int]string{0: "average 1 steps", 4: "average 4 steps"} {
			r.Config.Eval.Solve.Steps = steps
			rep := report(t, r)
			if rep.Solver != want || rep.Samples.NFE != max(1, steps) || rep.Likelihood == nil ||
				rep.Likelihood.NFE < 10 {
				t.Errorf("%s: by %s in %d evaluations, likelihood %+v", objective, rep.Solver, rep.Samples.NFE,
					rep.Likelihood)
			}
		}
	}
}
