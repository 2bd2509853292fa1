package run

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"flowmatch/discrete"
	"flowmatch/eval"
	"flowmatch/internal/choice"
	"flowmatch/internal/settings"
	"flowmatch/path"
)

// ErrTokens is of a run of sequences of tokens where one of points is needed.
var ErrTokens = errors.New("run: it is one of tokens (space: tokens), which train, sample, logp, eval, plot and " +
	"serve take, and what is asked for is of points")

// ErrNotTokens is returned by OpenTokens for a folder of a run of points.
var ErrNotTokens = errors.New("run: it is none of tokens")

// ofTokens says whether the text of a run file, with settings, is of tokens.
func ofTokens(text []byte, set []string) bool {
	var c Config
	// Whatever is wrong, other than the space, is reported when the file is read for what it is.
	_, _ = settings.Read(&c, append([]settings.Layer{settings.File(text)}, settings.Settings(set)...)...)
	return c.Space.Name == TokenSpace
}

// IsTokens says whether a folder holds a run of tokens.
func IsTokens(dir string) bool { return IsTokenFile(filepath.Join(dir, ConfigFile), nil) }

// IsTokenFile says whether a file is a run file of tokens, with settings as those of [ReadConfig].
func IsTokenFile(file string, set []string) bool {
	text, err := settings.ReadFile(file)
	return err == nil && ofTokens(text, set)
}

// ReadTokenConfig is [ReadConfig] of a run file of tokens.
func ReadTokenConfig(file string, set []string) (TokenConfig, error) {
	set, err := absoluteSettings(set)
	if err != nil {
		return TokenConfig{}, err
	}
	c, err := readTokenFile(file, set, false)
	if err != nil || !written(file) {
		return c, err
	}
	return c, c.ofRun(filepath.Dir(file), set)
}

// ReadResumedTokens is [ReadResumed] of a run of tokens.
func ReadResumedTokens(dir string, set []string) (TokenConfig, error) {
	set, err := absoluteSettings(set)
	if err != nil {
		return TokenConfig{}, err
	}
	c, err := readTokenFile(filepath.Join(dir, ConfigFile), set, true)
	if err != nil {
		return c, err
	}
	return c, c.ofRun(dir, set)
}

// ofRun reports paths that are not followed in the run.yaml of a run's folder.
func (c TokenConfig) ofRun(dir string, set []string) error {
	given := keysOf(set)
	if err := checkForeign(&c, dir, given, true); err != nil {
		return err
	}
	return checkForeign(&c, dir, given, false)
}

func readTokenConfig(dir string) (TokenConfig, error) {
	file := filepath.Join(dir, ConfigFile)
	if !exists(file) {
		return TokenConfig{}, fmt.Errorf("%w: %s has no %s", ErrNoRun, dir, ConfigFile)
	}
	return readTokenFile(file, nil, true)
}

// readTokenFile reads a run file, or what a run keeps of its settings, with settings. Paths in it are relative to it.
func readTokenFile(file string, set []string, kept bool) (TokenConfig, error) {
	text, err := settings.ReadFile(file)
	if err != nil {
		return TokenConfig{}, fmt.Errorf("run: %w", err)
	}
	c, err := parseTokens(text, set, kept)
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, besideFile(&c, file)
}

// ParseTokenConfig is [ReadTokenConfig] on the content of a run file, paths left as they are.
func ParseTokenConfig(yamlText []byte, set []string) (TokenConfig, error) {
	return parseTokens(yamlText, set, false)
}

func parseTokens(text []byte, set []string, kept bool) (c TokenConfig, err error) {
	if !ofTokens(text, set) {
		return c, ErrNotTokens
	}
	if err := pointsKeys(text, set); err != nil {
		return c, fmt.Errorf("run: %w", err)
	}
	if kept {
		c, _, err = settings.LoadWritten[TokenConfig](settings.Written{Text: text}, settings.Settings(set)...)
	} else {
		c, _, err = settings.Load[TokenConfig](append([]settings.Layer{settings.File(text)},
			settings.Settings(set)...)...)
	}
	if err != nil {
		return c, fmt.Errorf("run: %w", err)
	}
	return c, nil
}

// pointsKeys reports settings of a run file of points that cannot go with tokens, and why.
func pointsKeys(text []byte, set []string) error {
	var points Config
	given, _ := settings.Read(&points, append([]settings.Layer{settings.File(text)}, settings.Settings(set)...)...)
	const noODE = "tokens jump, and no ODE is solved"
	for _, r := range []struct {
		keys []string
		why  string
	}{
		{[]string{"coupling"}, "noise and data of tokens are paired independently, for a mask is as far from one " +
			"level as from another"},
		{[]string{"source"}, "the noise of tokens is path.source, mask or uniform"},
		{[]string{"precondition", "precondition_levels"}, "levels have no variance to scale"},
		{[]string{"condition"}, "it is for images"},
		{[]string{"conditional"}, "a run of tokens is told the classes that data.label or data.labels_path names"},
		{[]string{"path.sigma_min", "path.sigma_max", "path.beta_min", "path.beta_max", "path.power", "path.sigma",
			"path.params"}, "it is of a path of points, which adds up multiples of data and noise"},
		{[]string{"net.hidden", "net.activation", "net.unet", "net.dit", "net.residual", "net.time_frequencies",
			"net.space_frequencies", "net.space_scale", "net.waves", "net.dim", "net.classes", "net.condition",
			"net.interval"},
			"the network of tokens is a transformer: net.width, net.depth, net.heads"},
		{[]string{"train.objective", "train.prediction", "train.times", "train.weighting", "train.ml", "train.teacher",
			"train.pairs", "train.distill_steps", "train.intervals"},
			"what is learnt is the posterior of each token, by train.loss"},
		{[]string{"train.precision", "train.accumulate", "train.devices", "train.recompute", "train.tensorboard"},
			"it is there for points alone so far"},
		{[]string{"eval.rtol", "eval.atol", "eval.control", "eval.max_nfe", "eval.time_grid",
			"eval.projected"}, noODE},
		{[]string{"eval.divergence", "eval.probes", "eval.dequantizations"}, "log p of tokens is bounded by the " +
			"ELBO, of eval.draws, since there is no ODE whose divergence gives it"},
		{[]string{"eval.samples"}, "there is no distance between texts; eval.test is how many the bound is of"},
		{[]string{"data.schema", "data.context", "data.target"}, "it is of columns of numbers; tokens are levels"},
		{[]string{"data.standardize"}, "levels are no numbers"},
		{[]string{"data.name"}, "it is a law of points; name a text in data.path"},
		{[]string{"data.kind", "data.size", "data.channels", "data.test", "data.test_path", "data.split_seed"},
			"of a text there are data.path, data.tokens, data.vocabulary, data.tokenizer, data.length and data.val; " +
				"of a table data.columns, data.exclude, data.label and data.labels_path, too"},
	} {
		for _, key := range r.keys {
			if at := given.Where(key); at != "" {
				return fmt.Errorf("%s: %s cannot go with space tokens: %s; leave it out", at, key, r.why)
			}
		}
	}
	if name := points.Eval.Solve.Solver; name != discrete.Euler && slices.Contains(eval.Solvers(), name) {
		return fmt.Errorf("%s: eval.solver %s cannot go with space tokens: %s; take exact or euler",
			given.Where("eval.solver"), name, noODE)
	}
	if name := points.Path.Name; slices.Contains(path.Names(), name) && !slices.Contains(discrete.Schedules(), name) {
		return fmt.Errorf("%s: path.name %s cannot go with space tokens: it adds up multiples of points and noise, "+
			"and levels are no numbers; take one of %s", given.Where("path.name"), name,
			choice.List(discrete.Schedules()))
	}
	return nil
}
