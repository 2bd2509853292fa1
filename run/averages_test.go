package run

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"flowmatch/train"
)

// What runs of averages of before did not write means what it was then; in a run file it is
// what is best now.
func TestRunsOfAveragesGoOnAsTheyBegan(t *testing.T) {
	for objective, c := range map[string]struct {
		written   string // by the versions of before
		was, then train.AverageConfig
	}{
		"meanflow": {"ratio: 0.25", train.AverageConfig{Ratio: 0.25, Target: train.TargetExample, Power: new(0.0)},
			train.AverageConfig{Ratio: 0.25, Target: train.TargetOwn, Power: new(1.0), Offset: 10}},
		"shortcut": {"ratio: 0.25, finest: 64",
			train.AverageConfig{Ratio: 0.25, Finest: 64, Parts: 2, Falloff: 1, Weight: 1,
				Warmup: new(0)},
			train.AverageConfig{Ratio: 0.25, Finest: 64, Parts: 4, Falloff: 0.5, Weight: 10,
				Warmup: new(2000)}},
	} {
		text := []byte("data: {name: moons}\ntrain: {objective: " + objective + ", intervals: {" + c.written + "}}\n")
		was, err := parseWritten(text, nil)
		if err != nil || !reflect.DeepEqual(was.Train.Averages, c.was) {
			t.Errorf("%s: a folder of before has %+v, want %+v (%v)", objective, was.Train.Averages, c.was, err)
		}
		if now := parseText(t, string(text)); !reflect.DeepEqual(now.Train.Averages, c.then) {
			t.Errorf("%s: a run file has %+v, want %+v", objective, now.Train.Averages, c.then)
		}
	}
}

// A folder that was begun with the settings of before, and kept only what was written then,
// has the same weights at its end as one that never stopped.
func TestAFolderOfAveragesOfBeforeResumesBitByBit(t *testing.T) {
	for objective, set := range map[string][]string{
		"meanflow": {"train.intervals.target=example", "train.intervals.power=0"},
		"shortcut": {"train.intervals.parts=2", "train.intervals.falloff=1",
			"train.intervals.weight=1", "train.intervals.warmup=0", "train.intervals.finest=64"},
	} {
		set = append(set, "train.objective="+objective, "train.schedule=constant")
		whole, half := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "half")
		for dir, steps := range map[string]string{whole: "30", half: "20"} {
			if _, err := Train(t.Context(), parse(t, append(set, "train.steps="+steps)...), dir,
				TrainOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(half, ConfigFile)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before := regexp.MustCompile(`(?m)^    (target|power|parts|falloff|weight|warmup): .*\n`).ReplaceAll(text, nil)
		if len(before) == len(text) {
			t.Fatalf("no settings to take out in\n%s", text)
		}
		if err := os.WriteFile(file, before, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := ReadResumed(half, []string{"train.steps=30"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Train(t.Context(), cfg, half, TrainOptions{Resume: true})
		if err != nil {
			t.Fatal(err)
		}
		never, err := Open(whole, "")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(weights(t, r), weights(t, never)) {
			t.Errorf("%s: a folder of before goes on otherwise than it began", objective)
		}
	}
}
