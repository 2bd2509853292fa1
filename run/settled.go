package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/model"
)

// ErrOtherModel is returned where the checkpoint in a run's folder is not of that run.
var ErrOtherModel = errors.New("run: the checkpoint is of another run")

// settled returns the settings that a run must go on with, by dotted keys.
func settled(c any) (map[string]string, error) {
	all, err := flat(c)
	maps.DeleteFunc(all, func(key, _ string) bool { return isFree(key) })
	return all, err
}

// isFree says whether a setting may change when a run is resumed.
func isFree(key string) bool {
	return slices.ContainsFunc(free, func(f string) bool { return matches(key, f) })
}

// sameSettings reports settings that are not those that a checkpoint was trained with: its
// run.yaml was edited, or it is of another run. One of an earlier version does not say them.
func (s *session) sameSettings(file string, ckpt *model.Checkpoint) error {
	return sameSettings(file, ckpt.Extra, s.cfg)
}

func sameSettings(file string, extra map[string]string, cfg any) error {
	faults, err := otherSettings(file, extra, cfg)
	if err != nil || len(faults) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s was trained with other settings than those in %s: %s; restore them, or train into "+
		"another folder", ErrChanged, file, ConfigFile, strings.Join(faults, "; "))
}

// otherSettings says which settings of a run are not those that a checkpoint of it says.
func otherSettings(file string, extra map[string]string, cfg any) (faults []string, err error) {
	text := extra[keySettings]
	if text == "" {
		return nil, nil
	}
	var was map[string]string
	if err := json.Unmarshal([]byte(text), &was); err != nil {
		return nil, fmt.Errorf("run: %s: the settings %s: %w", file, choice.Quote(text), err)
	}
	is, err := settled(cfg)
	for _, key := range slices.Sorted(maps.Keys(was)) {
		if v, ok := is[key]; ok && v != was[key] {
			faults = append(faults, Change{Key: key, Was: was[key], Is: v}.fault())
		}
	}
	return faults, err
}

// ErrNoBest is returned for a run whose best state, which it is used with, is gone.
var ErrNoBest = errors.New("run: the state of the best validation is gone")

// ownFile reports a checkpoint that is not that of the run in its folder, or not the one that it
// is used with: extra is what the file says of its training.
func ownFile(file string, step int, extra map[string]string, cfg any, patience int) error {
	if _, err := progressOf(file, step, extra); err != nil {
		return err
	}
	faults, err := otherSettings(file, extra, cfg)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w, or %s was edited: %s (%s); put back what belongs together", ErrOtherModel, ConfigFile,
			strings.Join(faults, "; "), file)
	}
	if best := extra[keyBest]; best != "" && filepath.Base(file) == CheckpointFile && patience > 0 {
		return fmt.Errorf("%w: %s, of step %s; put it back, resume the training, or set train.patience to 0 in %s to "+
			"use the last state, of step %d", ErrNoBest, filepath.Join(filepath.Dir(file), BestFile), choice.Cut(best),
			ConfigFile, step)
	}
	return nil
}

// ownModel reports a model that is not what the settings of its run describe.
func ownModel(spec model.Spec, cfg Config) error {
	for _, f := range []struct {
		key     string
		was, is any
	}{
		{"path.name", spec.Path.Name, cfg.Path.Name},
		{"train.prediction", spec.Prediction, cfg.Train.Prediction},
		{"space", spaceName(spec), cfg.Space.String()},
		{"precondition", spec.Precondition != nil, *cfg.Precondition},
		{"net.hidden", spec.Net.Hidden, cfg.Net.Hidden},
		{"conditional", spec.Net.Classes > 0, cfg.Conditional},
	} {
		if was, is := fmt.Sprint(f.was), fmt.Sprint(f.is); was != is {
			return fmt.Errorf("%w: %s is %s in it, and %s in %s", ErrOtherModel, f.key, was, is, ConfigFile)
		}
	}
	return nil
}

// spaceName names the space of a model; empty: R^d.
func spaceName(spec model.Spec) string {
	if spec.Space == nil {
		return ""
	}
	return spec.Space.String()
}
