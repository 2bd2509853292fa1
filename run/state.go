package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// keyProgress is where a checkpoint keeps train.Progress.
const keyProgress = "train"

func (s *session) checkpoint(state nn.State) model.Checkpoint {
	return model.Checkpoint{Spec: s.model.Spec(), Net: s.model.Net(), State: state}
}

func (s *session) save(state nn.State, p train.Progress, best bool) error {
	progress, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("run: encoding the progress: %w", err)
	}
	c := s.checkpoint(state)
	c.Extra = map[string]string{keyProgress: string(progress)}
	if best {
		if err := c.Save(filepath.Join(s.dir, BestFile)); err != nil {
			return err
		}
	}
	return c.Save(filepath.Join(s.dir, CheckpointFile))
}

// snapshot keeps a state for good.
func (s *session) snapshot(state nn.State) error {
	return s.checkpoint(state).Save(snapshotFile(s.dir, int(state.Step)))
}

// writeDescription writes the files that say what this run is.
func (s *session) writeDescription(eng *nn.Engine) error {
	text, err := yaml.Marshal(s.cfg)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	versions, err := json.MarshalIndent(versions{
		Flowmatch: Version(), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Backend: eng.Description(),
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return errors.Join(
		atomicfile.WriteBytes(filepath.Join(s.dir, ConfigFile), text),
		atomicfile.WriteBytes(filepath.Join(s.dir, versionsFile), append(versions, '\n')))
}

// Change is a setting of which two runs have other values, such as a run when it began and now.
type Change struct{ Key, Was, Is string }

// String writes it as "train.steps: 100 -> 200".
func (c Change) String() string { return fmt.Sprintf("%s: %s -> %s", c.Key, c.Was, c.Is) }

// ErrChanged is returned when a run is resumed with settings that it must have begun with.
var ErrChanged = errors.New("run: settings have changed since the run began")

// free are the keys that may change when a run is resumed, for they leave the meaning of
// its state alone; those that end in a dot stand for all below them. Files may have
// moved: the fingerprint of the data, and the pairs that are kept, say that they are
// the same.
var free = []string{
	"backend", "eval.", "data.path", "data.labels_path", "data.test_path", "data.test_labels_path", "train.teacher",
	"train.steps", "train.log_every", "train.val_every", "train.patience", "train.checkpoint_every",
	"train.snapshot_every",
	"train.sample_every", "train.tensorboard", "train.precision", "train.accumulate", "train.recompute",
	"train.devices",
}

// changes returns the settings that have changed since the run began. Only some may: see
// free.
func (s *session) changes() ([]Change, error) {
	was, err := readRunConfig(s.dir)
	if err != nil {
		return nil, err
	}
	return changed(was, s.cfg)
}

// restore takes up the state of a checkpoint.
func (s *session) restore(file string, eng *nn.Engine) error {
	ckpt, err := model.Load(file, eng)
	if err != nil {
		return err
	}
	if err := s.sameData(ckpt); err != nil {
		return err
	}
	if taken := int(ckpt.State.Step); s.cfg.Train.Steps < taken {
		return fmt.Errorf("%w: train.steps is %d, but %d steps were taken already", ErrChanged,
			s.cfg.Train.Steps, taken)
	}
	if text := ckpt.Extra[keyProgress]; text != "" {
		if err := json.Unmarshal([]byte(text), &s.progress); err != nil {
			return fmt.Errorf("run: %s: the progress %q: %w", file, text, err)
		}
	}
	s.from = int(ckpt.State.Step)
	return s.trainer.Restore(ckpt.State)
}

// sameData reports data that are not those of the checkpoint. One of an earlier
// version has no fingerprint.
func (s *session) sameData(ckpt *model.Checkpoint) error {
	if was := ckpt.Spec.Fingerprint; was != "" && was != s.set.Fingerprint {
		return fmt.Errorf("%w: the data (%s) hold other numbers than when the run began (fingerprint %s, now %s)",
			ErrChanged, s.set.Name, was, s.set.Fingerprint)
	}
	was, is := ckpt.Spec.ClassNames, s.model.Spec().ClassNames
	if was != nil && !slices.Equal(was, is) {
		return fmt.Errorf("%w: the classes of the data (%s) were %v, and are %v", ErrChanged, s.set.Name, was, is)
	}
	return nil
}

// Differences returns the settings of which two runs have other values, by their keys.
func Differences(was, is Config) ([]Change, error) {
	a, err := flat(was)
	if err != nil {
		return nil, err
	}
	b, err := flat(is)
	if err != nil {
		return nil, err
	}
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if c := (Change{key, orUnset(a[key]), orUnset(b[key])}); c.Was != c.Is {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// changed returns the settings that differ, and an error where one of them must not.
func changed(was, is Config) ([]Change, error) {
	changes, err := Differences(was, is)
	if err != nil {
		return nil, err
	}
	var faults []string
	for _, c := range changes {
		names := func(f string) bool {
			return c.Key == f || strings.HasSuffix(f, ".") && strings.HasPrefix(c.Key, f)
		}
		if !slices.ContainsFunc(free, names) {
			faults = append(faults, fmt.Sprintf("%s was %s, and is %s now", c.Key, choice.Cut(c.Was), choice.Cut(c.Is)))
		}
	}
	if len(faults) > 0 {
		return changes, fmt.Errorf("%w: %s; resume with the settings it began with, or train into another folder",
			ErrChanged, strings.Join(faults, "; "))
	}
	return changes, nil
}

func orUnset(v string) string {
	if v == "" {
		return "not set"
	}
	return v
}

// flat returns the settings by dotted keys.
func flat(c Config) (map[string]string, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	out := map[string]string{}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		section, ok := v.(map[string]any)
		if !ok {
			out[prefix] = fmt.Sprint(v)
			return
		}
		for k, sub := range section {
			walk(strings.TrimPrefix(prefix+"."+k, "."), sub)
		}
	}
	walk("", tree)
	return out, nil
}
