package run

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/internal/settings"
	"flowmatch/nn"
	"flowmatch/train"
)

// ReadConfig reads a run file and applies the settings, each "key=value" with a
// dotted key such as train.lr=3e-4. Paths in the file are relative to it, paths in
// settings to the working directory. What the section data leaves out and the files say,
// kind, size and channels, is taken from them; see [dataset.Config.Infer].
func ReadConfig(file string, set []string) (Config, error) {
	set, err := absoluteSettings(set)
	if err != nil {
		return Config{}, err
	}
	c, err := readFile(file, func(text []byte) (Config, error) {
		if ofTokens(text, set) {
			return Config{}, ErrTokens
		}
		inferred, err := infer(text, set, file)
		if err != nil {
			return Config{}, fmt.Errorf("run: %w", err)
		}
		return ParseConfig(text, slices.Concat(set, inferred))
	})
	if err != nil {
		return c, err
	}
	if !written(file) {
		return c, nil
	}
	return c, c.ofRun(filepath.Dir(file), set)
}

// ofRun reports paths that are not followed in the run.yaml of a run's folder.
func (c Config) ofRun(dir string, set []string) error {
	given := keysOf(set)
	if err := checkForeign(&c, dir, given, true); err != nil {
		return err
	}
	return checkForeign(&c, dir, given, false)
}

// written says whether a file is what a run keeps of its settings: a state, a log or the
// versions of a run lie beside it. A stranger may leave out any of them.
func written(file string) bool {
	shown := func(name string) bool { return filepath.Ext(name) == ".npy" || filepath.Ext(name) == ".png" }
	return filepath.Base(file) == ConfigFile && len(slices.DeleteFunc(made(filepath.Dir(file)), shown)) > 0
}

// keysOf returns the keys of settings.
func keysOf(set []string) []string {
	keys := make([]string, len(set))
	for i, s := range set {
		keys[i], _, _ = strings.Cut(s, "=")
	}
	return keys
}

// ErrPath is returned by OpenWith for a setting that is no path of the data.
var ErrPath = errors.New("run: only the paths of the data can be set when a run is opened, such as data.path=FILE")

// relocate applies settings that say where the data of a run are, and returns their keys.
func relocate(c located, set []string) ([]string, error) {
	set, err := absoluteSettings(set)
	if err != nil {
		return nil, err
	}
	paths := c.paths()
	for i, key := range keysOf(set) {
		_, value, _ := strings.Cut(set[i], "=")
		if at, ok := paths[key]; !ok || value == "" || !strings.HasPrefix(key, "data.") {
			return nil, fmt.Errorf("%w, and not %s", ErrPath, choice.Quote(set[i]))
		} else if *at, err = strconv.Unquote(value); err != nil {
			*at = value
		}
	}
	return keysOf(set), nil
}

// ReadResumed is ReadConfig of the run.yaml that a folder keeps of its run, to resume it. One
// of an earlier version means what it meant there: a key that it lacks is not the default of
// now, but what the run was trained with.
func ReadResumed(dir string, set []string) (Config, error) {
	set, err := absoluteSettings(set)
	if err != nil {
		return Config{}, err
	}
	file := filepath.Join(dir, ConfigFile)
	c, err := readFile(file, func(text []byte) (Config, error) { return parseWritten(text, set) })
	if err != nil {
		return c, err
	}
	return c, c.ofRun(dir, set)
}

// infer returns the settings of the data that a run file leaves to the files themselves. What a
// run keeps of its settings is complete, and may name files that are not to be opened.
func infer(text []byte, set []string, file string) ([]string, error) {
	if written(file) {
		return nil, nil
	}
	var given Config
	layers := append([]settings.Layer{settings.File(text)}, settings.Settings(set)...)
	if _, err := settings.Read(&given, layers...); err != nil {
		return nil, nil // which loading reports, with all that is wrong
	}
	was := given.Data
	is, err := was.Infer(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	var out []string
	if is.Kind != was.Kind {
		out = append(out, "data.kind="+is.Kind)
	}
	if is.Size != was.Size {
		out = append(out, "data.size="+strconv.Itoa(is.Size))
	}
	if is.Channels != was.Channels {
		out = append(out, "data.channels="+strconv.Itoa(is.Channels))
	}
	return out, nil
}

// readFile reads a run file that parse knows. Paths in it are relative to it.
func readFile(file string, parse func(text []byte) (Config, error)) (Config, error) {
	b, err := settings.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("run: %w", err)
	}
	c, err := parse(b)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", file, err)
	}
	return c, besideFile(&c, file)
}

// besideFile makes the paths of a run file those beside it.
func besideFile(c located, file string) (err error) {
	for _, p := range c.paths() {
		if *p == "" || filepath.IsAbs(*p) {
			continue
		}
		if *p, err = filepath.Abs(filepath.Join(filepath.Dir(file), *p)); err != nil {
			return fmt.Errorf("run: %w", err)
		}
	}
	return nil
}

// ParseConfig is ReadConfig on the content of a run file, paths left as they are. Errors
// name the line or the setting, the key and what would be right; see package settings.
func ParseConfig(yamlText []byte, set []string) (Config, error) {
	c, _, err := settings.Load[Config](append([]settings.Layer{settings.File(yamlText)}, settings.Settings(set)...)...)
	if err != nil {
		return c, fmt.Errorf("run: %w", err)
	}
	return c, nil
}

// retired are keys that earlier versions wrote into run.yaml: train.ml.probes could be 1
// alone.
var retired = []string{"train.ml.probes"}

// before are the settings of versions that did not write them, or only where they were others.
var before = []string{"precondition=false", "train.optimizer.name=" + nn.AdamW, "net.unet.group_channels=1",
	"coupling.label_aware=false"}

// beforeOf are those of one objective.
var beforeOf = map[string][]string{
	"meanflow": {"train.intervals.target=" + train.TargetExample, "train.intervals.power=0"},
	"shortcut": {"train.intervals.parts=2", "train.intervals.falloff=1", "train.intervals.weight=1",
		"train.intervals.warmup=0"},
}

// parseWritten reads what a run keeps of its settings, maybe one of an earlier version: a
// key without effect is no error there. set changes it.
func parseWritten(text []byte, set []string) (Config, error) {
	was := before
	var given Config
	if _, err := settings.Read(&given, settings.File(text)); err == nil { // else loading reports it
		was = slices.Concat(was, beforeOf[given.Train.Objective])
		if given.Data.Typed() {
			was = append(was, "precondition_levels=false")
		}
	}
	w := settings.Written{Text: text, Before: settings.Settings(was), Retired: retired}
	c, _, err := settings.LoadWritten[Config](w, settings.Settings(set)...)
	if err != nil {
		return c, fmt.Errorf("run: %w", err)
	}
	return c, nil
}

// paths are the settings that name files and folders.
func (c *Config) paths() map[string]*string {
	return map[string]*string{
		"train.teacher": &c.Train.Teacher, "data.path": &c.Data.Path, "data.labels_path": &c.Data.LabelsPath,
		"data.context_path": &c.Data.ContextPath, "data.test_context_path": &c.Data.TestContextPath,
		"data.test_path": &c.Data.TestPath, "data.test_labels_path": &c.Data.TestLabelsPath,
		"data.encoder": &c.Data.Encoder,
	}
}

// absoluteSettings makes the paths in settings absolute.
func absoluteSettings(set []string) ([]string, error) {
	out := slices.Clone(set)
	for i, s := range out {
		key, value, _ := strings.Cut(s, "=")
		_, ofPoints := new(Config).paths()[key]
		_, ofTokens := new(TokenConfig).paths()[key]
		if !ofPoints && !ofTokens || value == "" || filepath.IsAbs(value) {
			continue
		}
		abs, err := filepath.Abs(value)
		if err != nil {
			return nil, fmt.Errorf("run: setting %s: %w", choice.Quote(s), err)
		}
		out[i] = key + "=" + strconv.Quote(abs)
	}
	return out, nil
}
