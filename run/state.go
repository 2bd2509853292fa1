package run

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"flowmatch/data"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/internal/settings"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// Where a checkpoint keeps train.Progress, the settings that it was trained with, the
// fingerprint of the pairs of its teacher, and the step of the best state, if one was kept.
const keyProgress, keySettings, keyPairs, keyBest = "train", "settings", "pairs", "best"

func (s *session) checkpoint(state nn.State) model.Checkpoint {
	return model.Checkpoint{Spec: s.model.Spec(), Net: s.model.Net(), State: state}
}

// trainedWith is what a checkpoint says of the settings that it was trained with.
func trainedWith(cfg any) (extra map[string]string, err error) {
	kept, err := settled(cfg)
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("run: encoding the settings: %w", err)
	}
	return map[string]string{keySettings: string(settings)}, nil
}

// settledCheckpoint is a checkpoint that says what it was trained with.
func (s *session) settledCheckpoint(state nn.State) (c model.Checkpoint, err error) {
	c = s.checkpoint(state)
	c.Extra, err = trainedWith(s.cfg)
	return c, err
}

func (s *session) save(state nn.State, p train.Progress, best bool) error {
	c, err := s.settledCheckpoint(state)
	if err != nil {
		return err
	}
	if s.made != "" {
		c.Extra[keyPairs] = s.made
	}
	return saveState(s.dir, c.Save, c.Extra, s.cfg.Train.Patience, p, best)
}

// saveState saves the checkpoint of a state with its progress, which it adds to extra, and as the best one so far.
func saveState(dir string, save func(file string) error, extra map[string]string, patience int, p train.Progress,
	best bool) error {
	progress, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("run: encoding the progress: %w", err)
	}
	extra[keyProgress] = string(progress)
	if patience > 0 && p.BestStep > 0 {
		extra[keyBest] = strconv.Itoa(p.BestStep)
	}
	if best {
		if err := save(filepath.Join(dir, BestFile)); err != nil {
			return err
		}
	}
	if err := save(filepath.Join(dir, CheckpointFile)); err != nil || patience > 0 {
		return err
	}
	return remove(filepath.Join(dir, BestFile)) // of a session with early stopping
}

// forget removes the states of a training that begins again, but for its checkpoint.
func (s *session) forget() error { return forget(s.dir) }

func forget(dir string) error {
	steps, err := Snapshots(dir)
	for _, step := range steps {
		err = errors.Join(err, remove(snapshotFile(dir, step)))
	}
	return errors.Join(err, remove(filepath.Join(dir, BestFile)))
}

// remove removes a file, if it is there.
func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// snapshot keeps a state for good.
func (s *session) snapshot(state nn.State) error {
	c, err := s.settledCheckpoint(state)
	if err != nil {
		return err
	}
	return c.Save(snapshotFile(s.dir, int(state.Step)))
}

// describe writes the files that say what this run is.
func (s *session) describe() error { return writeDescription(&s.cfg, s.dir, s.model.Net().Engine()) }

func writeDescription(cfg located, dir string, eng *nn.Engine) error {
	text, err := marshal(cfg)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	v := versions{
		Flowmatch: Version(), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Backend: eng.Description(),
	}
	v.Paths, _ = sealOf(outside(cfg, dir), true) // unsealed has told what fails
	versions, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return errors.Join(
		atomicfile.WriteBytes(filepath.Join(dir, ConfigFile), text),
		atomicfile.WriteBytes(filepath.Join(dir, versionsFile), append(versions, '\n')))
}

// marshal writes a run file as YAML. The library alone would lose a tab in the name of a column,
// and read .nan as a number.
func marshal(c any) ([]byte, error) {
	return yaml.MarshalWithOptions(c, yaml.CustomMarshaler[string](func(text string) ([]byte, error) {
		return []byte(settings.Scalar(text)), nil
	}))
}

// Change is a setting of which two runs have other values, such as a run when it began and now.
type Change struct {
	Key, Was, Is string
	// Note says why a run that goes on with the change is not one that never stopped;
	// empty: it is, bit for bit.
	Note string
}

// String writes it as "train.steps: 100 -> 200".
func (c Change) String() string { return fmt.Sprintf("%s: %s -> %s", c.Key, c.Was, c.Is) }

// fault words it where it must not be.
func (c Change) fault() string {
	return fmt.Sprintf("%s was %s, and is %s now", c.Key, choice.Cut(c.Was), choice.Cut(c.Is))
}

// ErrChanged is returned when a run is resumed with settings that it must have begun with.
var ErrChanged = errors.New("run: settings have changed since the run began")

// free are the keys that may change when a run is resumed, for they leave the meaning of
// its state alone; those that end in a dot stand for all below them. Files may have
// moved: the fingerprint of the data, and the pairs that are kept, say that they are
// the same.
var free = []string{
	"backend", "eval.", "data.path", "data.tokenizer", "data.labels_path", "data.test_path", "data.test_labels_path",
	"data.context_path", "data.test_context_path", "data.encoder", "data.memory", "data.bounds.", "train.teacher",
	"train.steps", "train.log_every", "train.val_every", "train.patience", "train.checkpoint_every",
	"train.snapshot_every",
	"train.sample_every", "train.tensorboard", "train.precision", "train.accumulate", "train.recompute",
	"train.devices",
}

// ResumeKeys returns the keys that may change when a run is resumed; those that end in a dot
// stand for all below them.
func ResumeKeys() []string { return slices.Clone(free) }

// rounded are the free keys that change how a step is rounded.
var rounded = []string{"backend", "train.precision", "train.accumulate", "train.recompute", "train.devices"}

// noteOf says what a changed setting does to the promise that resuming equals not having
// stopped.
func noteOf(key string, is train.Loop) string {
	switch {
	case key == "train.steps" && is.Schedule != "constant":
		return fmt.Sprintf("train.schedule %s spreads the learning rate over all steps: from here on it is that of "+
			"%d steps, so the run equals neither the one that began nor one with %[2]d steps from the start",
			is.Schedule, is.Steps)
	case slices.Contains(rounded, key):
		return "the steps from here on are rounded differently from those before"
	case key == "train.patience", key == "train.val_every" && is.Patience > 0:
		return "when training stops early, and which state is the best, is decided differently from here on"
	}
	return ""
}

// fewer reports steps that a run does not have any more.
func fewer(was, is train.Loop) string {
	if is.Steps >= was.Steps || is.Schedule == "constant" {
		return ""
	}
	return fmt.Sprintf("train.steps was %d, and is %d now, but with train.schedule %s it can only grow: the rates of "+
		"the steps so far are those of %[1]d", was.Steps, is.Steps, is.Schedule)
}

// restore takes up the state of a checkpoint.
func (s *session) restore(file string) error {
	// The errors of these name the file already, or need not.
	var refused error
	err := model.Resume(file, s.trainer, func(ckpt *model.Checkpoint) error {
		refused = s.fits(file, ckpt)
		return refused
	})
	return cmp.Or(refused, err)
}

// fits reports a checkpoint that the session cannot go on from, and takes up its progress.
func (s *session) fits(file string, ckpt *model.Checkpoint) (err error) {
	if err := cmp.Or(s.sameSettings(file, ckpt), s.sameData(ckpt), s.samePairs(ckpt)); err != nil {
		return err
	}
	if err := ownModel(ckpt.Spec, s.cfg); err != nil {
		return fmt.Errorf("%w (%s)", err, file)
	}
	s.from = int(ckpt.State.Step)
	s.progress, err = takenUp(s.dir, file, s.cfg.Train.Loop, s.from, ckpt.Extra)
	return err
}

// takenUp returns the progress of a checkpoint of so many steps, from which a training with these settings goes on.
func takenUp(dir, file string, loop train.Loop, step int, extra map[string]string) (p train.Progress, err error) {
	if loop.Steps < step {
		return p, fmt.Errorf("%w: train.steps is %d, but %d steps were taken already; give at least as many",
			ErrChanged, loop.Steps, step)
	}
	if p, err = progressOf(file, step, extra); err != nil {
		return p, err
	}
	if p.BestStep > 0 && loop.Patience > 0 && !exists(filepath.Join(dir, BestFile)) {
		// Nobody kept the best state, for there was no early stopping: the best is yet to come.
		p.BestLoss, p.BestStep, p.Misses = 0, 0, 0
	}
	return p, nil
}

// progressOf returns what a file of so many steps says of its training in extra, or reports what no training can
// have come to.
func progressOf(file string, step int, extra map[string]string) (p train.Progress, err error) {
	if text := extra[keyProgress]; text != "" {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return p, fmt.Errorf("run: %s: the progress %s: %w", file, choice.Quote(text), err)
		}
	}
	if err := p.Validate(step); err != nil {
		return p, fmt.Errorf("run: checkpoint %s: %w", file, err)
	}
	if text, ok := extra[keyBest]; ok {
		if best, err := strconv.Atoi(text); err != nil || best < 1 || best > step {
			return p, fmt.Errorf("run: checkpoint %s: the best state is that of step %s; want a step from 1 to %d",
				file, choice.Quote(text), step)
		}
	}
	return p, nil
}

// notResumed is what remains of a run whose classes have other numbers now.
const notResumed = "it can be opened as before, but not resumed: train into another folder"

// sameClasses reports classes of the data that are not as many as the run began with, which
// was says, its run.yaml: versions before labels had names counted from 0 to the largest.
func (s *session) sameClasses(was Config) error {
	if n := was.Net.Classes; n > 0 && s.cfg.Conditional && s.set.Classes > 0 && n != s.set.Classes {
		return fmt.Errorf("%w: the run was trained with %d classes, and the data (%s) have %d, %s: they are different "+
			"data, or the older version numbered the labels differently; %s", ErrChanged, n, s.set.Name, s.set.Classes,
			choice.List(data.NameClasses(s.set.ClassNames, s.set.Classes)), notResumed)
	}
	return nil
}

// sameData reports data that are not those of the checkpoint. One of an earlier
// version has no fingerprint.
func (s *session) sameData(ckpt *model.Checkpoint) error {
	was, is := ckpt.Spec, s.model.Spec()
	classes := func(s model.Spec) []string { return data.NameClasses(s.ClassNames, s.Net.Classes) }
	switch {
	case slices.Equal(classes(was), classes(is)):
	case was.ClassNames == nil:
		return fmt.Errorf("%w: the version that began the run gave the classes of the data (%s) numbers without "+
			"names, and they are %s now; %s", ErrChanged, s.set.Name, choice.List(classes(is)), notResumed)
	default:
		return fmt.Errorf("%w: the classes of the data (%s) were %s, and are %s", ErrChanged,
			s.set.Name, choice.List(classes(was)), choice.List(classes(is)))
	}
	if was.Columns != nil && !slices.Equal(was.Columns, is.Columns) {
		return fmt.Errorf("%w: the columns of the data (%s) were %s, and are %s", ErrChanged, s.set.Name,
			choice.List(was.Columns), choice.List(is.Columns))
	}
	if was.ContextColumns != nil && !slices.Equal(was.ContextColumns, is.ContextColumns) {
		return fmt.Errorf("%w: the columns of the context (%s) were %s, and are %s", ErrChanged, s.set.Name,
			choice.List(was.ContextColumns), choice.List(is.ContextColumns))
	}
	if was.Fingerprint != "" && was.Fingerprint != s.set.Fingerprint {
		return fmt.Errorf("%w: the data (%s) hold other numbers than when the run began (fingerprint %s, now %s)",
			ErrChanged, s.set.Name, was.Fingerprint, s.set.Fingerprint)
	}
	return nil
}

// samePairs reports pairs of a teacher that are not those of the checkpoint. One of an earlier
// version has no fingerprint of them.
func (s *session) samePairs(ckpt *model.Checkpoint) error {
	if was := ckpt.Extra[keyPairs]; was != "" && was != s.made {
		return fmt.Errorf("%w: %s holds other pairs of the teacher than when the run began (fingerprint %s, now %s); "+
			"put the file back, or train into another folder", ErrChanged, filepath.Join(s.dir, pairsFile),
			choice.Cut(was), s.made)
	}
	return nil
}

// Differences returns the settings of which two runs have other values, by their keys.
func Differences(was, is Config) ([]Change, error) { return differences(was, is) }

// differences is Differences of run files of any kind.
func differences(was, is any) ([]Change, error) {
	differ, err := settingsOf([]any{was, is})
	var changes []Change
	for _, s := range differ {
		changes = append(changes, Change{Key: s.Key, Was: s.Values[0], Is: s.Values[1]})
	}
	return changes, err
}

// changed returns the settings that differ since a run began, and an error where one of them
// must not: see free.
func changed(was, is Config) ([]Change, error) {
	return changedIn(was, is, was.Train.Loop, is.Train.Loop)
}

// changedIn is changed of run files of any kind, with how long they train.
func changedIn(was, is any, wasLoop, isLoop train.Loop) ([]Change, error) {
	changes, err := differences(was, is)
	if err != nil {
		return nil, err
	}
	var faults []string
	for i, c := range changes {
		changes[i].Note = noteOf(c.Key, isLoop)
		if !isFree(c.Key) {
			faults = append(faults, c.fault())
		}
	}
	if fault := fewer(wasLoop, isLoop); fault != "" {
		faults = append(faults, fault)
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
func flat(c any) (map[string]string, error) {
	text, err := marshal(c)
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

// begin makes the folder that of the run, now that nothing keeps it from beginning.
func (s *session) begin() error {
	var err error
	if !s.begun {
		err = s.forget()
	}
	return errors.Join(err, s.describe(), s.keepDecoder())
}

// besideData reports a folder that lies in that of the pictures to train on.
func besideData(dir string, cfg Config) error {
	if in := cfg.Data.Reads(dir); in != "" {
		return fmt.Errorf("%w: the folder of the run, %s, lies in that of its data, %s, where its pictures would "+
			"become data; train into another folder", ErrSettings, dir, in)
	}
	return nil
}
