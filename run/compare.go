package run

import (
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/plot"
	"flowmatch/train"
)

// Setting is a setting of several runs.
type Setting struct {
	Key    string   `json:"key"`
	Values []string `json:"values"` // of each run, as in run.yaml; "not set" where it has none
}

// Settings returns the settings in which runs differ, by their keys.
func Settings(configs []Config) ([]Setting, error) {
	files := make([]any, len(configs))
	for i, c := range configs {
		files[i] = c
	}
	return settingsOf(files)
}

// settingsOf is Settings of run files of any kind.
func settingsOf(configs []any) ([]Setting, error) {
	all, keys := make([]map[string]string, len(configs)), map[string]string{}
	for i, c := range configs {
		var err error
		if all[i], err = flat(c); err != nil {
			return nil, err
		}
		maps.Copy(keys, all[i])
	}
	var out []Setting
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		s := Setting{Key: key}
		for _, of := range all {
			s.Values = append(s.Values, orUnset(of[key]))
		}
		if len(slices.Compact(slices.Clone(s.Values))) > 1 {
			out = append(out, s)
		}
	}
	return out, nil
}

// Training is what the log of a run says.
type Training struct {
	Step    int      `json:"step"` // steps taken
	Steps   int      `json:"steps"`
	Seconds float64  `json:"seconds"`
	Loss    float64  `json:"loss"`     // mean over the last interval of the log
	ValLoss *float64 `json:"val_loss"` // the least, of the averaged weights; nil: none
}

// Training reads the log of the run.
func (r *Run) Training() (Training, error) {
	events, err := r.events()
	if err != nil {
		return Training{}, err
	}
	t := Training{Steps: r.Config.Train.Steps}
	for _, e := range events {
		t.Step, t.Seconds, t.Loss = e.Step, e.Seconds, e.Loss
		if v := e.ValLoss; v != nil && (t.ValLoss == nil || *v < *t.ValLoss) {
			t.ValLoss = v
		}
	}
	return t, nil
}

func (r *Run) events() ([]train.Event, error) { return ReadMetrics(filepath.Join(r.Dir, MetricsFile)) }

// Names returns a name for each run: that of its folder, or the path where some have the same.
func Names(runs []*Run) []string {
	names := make([]string, len(runs))
	for i, r := range runs {
		names[i] = filepath.Base(filepath.Clean(r.Dir))
	}
	if len(slices.Compact(slices.Sorted(slices.Values(names)))) < len(names) {
		for i, r := range runs {
			names[i] = filepath.ToSlash(filepath.Clean(r.Dir))
		}
	}
	return names
}

// DrawLosses writes a picture of the losses of runs by step: on held-out data where all of them
// have a curve of such, else in training.
func DrawLosses(w io.Writer, runs []*Run, o plot.Options) error {
	names := Names(runs)
	training, validation := make([]plot.Series, len(runs)), make([]plot.Series, len(runs))
	held := true
	for i, r := range runs {
		events, err := r.events()
		if err != nil {
			return err
		}
		training[i], validation[i] = losses(events)
		held = held && len(validation[i].X) > 1
		training[i].Name, validation[i].Name = names[i], names[i]
	}
	if held {
		return plot.Loss(w, validation, plot.LossOptions{Options: o, YName: "loss on held-out data"})
	}
	return plot.Loss(w, training, plot.LossOptions{Options: o, YName: "loss in training"})
}

// losses returns the curves of a log, in training and on held-out data.
func losses(events []train.Event) (training, validation plot.Series) {
	for _, e := range events {
		training.X, training.Y = append(training.X, float64(e.Step)), append(training.Y, e.Loss)
		if v := e.ValLoss; v != nil && !math.IsNaN(*v) {
			validation.X, validation.Y = append(validation.X, float64(e.Step)), append(validation.Y, *v)
		}
	}
	return training, validation
}

// lossKeys are the settings that give a loss another meaning.
var lossKeys = []string{
	"path.", "precondition", "source.", "coupling.", "train.objective", "train.prediction", "train.times.",
	"train.weighting", "train.label_dropout", "train.intervals.", "train.ml.", "train.teacher", "train.pairs",
	"condition.", "conditional", "data.standardize",
}

// sizeKeys are the settings by which figures are of other numbers of points.
var sizeKeys = []struct{ key, figures string }{
	{"eval.samples", "distances use different numbers of points"},
	{"eval.test", "likelihoods use different numbers of held-out points"},
	{"eval.dequantizations", "bits per dimension use different numbers of samples of noise"},
}

// partKeys are the settings by which other points are held out.
var partKeys = []string{
	"data.split_seed", "data.test", "data.val", "data.test_path", "data.test_context_path", "data.missing",
}

// Incomparable says which figures of runs do not compare, given the settings in which they
// differ: one sentence each.
func Incomparable(runs []*Run, settings []Setting) []string {
	var notes, keys []string
	for _, s := range settings {
		if slices.ContainsFunc(lossKeys, func(k string) bool { return matches(s.Key, k) }) {
			keys = append(keys, s.Key)
		}
	}
	if len(keys) > 0 {
		notes = append(notes, fmt.Sprintf("losses cannot be compared: the tasks differ (%s)",
			strings.Join(keys, ", ")))
	}
	fingerprint := func(r *Run) string { return r.Model.Spec().Fingerprint }
	if slices.ContainsFunc(runs, func(r *Run) bool { return fingerprint(r) != fingerprint(runs[0]) }) {
		return append(notes, "likelihoods and distances cannot be compared: the data differ")
	}
	for _, size := range sizeKeys {
		if slices.ContainsFunc(settings, func(s Setting) bool { return s.Key == size.key }) {
			notes = append(notes, fmt.Sprintf("%s (%s)", size.figures, size.key))
		}
	}
	for _, s := range settings {
		if slices.Contains(partKeys, s.Key) ||
			s.Key == "seed" && runs[0].Config.Data.SplitSeed == nil {
			return append(notes, fmt.Sprintf("likelihoods and distances use different held-out points (%s)", s.Key))
		}
	}
	return notes
}

// matches says whether a key is one of a pattern, which stands for all keys below it where
// it ends in a dot.
func matches(key, pattern string) bool {
	return key == pattern || strings.HasSuffix(pattern, ".") && strings.HasPrefix(key, pattern)
}
