package run

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"flowmatch/data/rows"
	texts "flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/internal/choice"
	"flowmatch/internal/settings"
	"flowmatch/nn"
	"flowmatch/train"
)

//go:generate go run ../internal/settings/gen -type TokenConfig -map tokenDocs -out tokenkeys_gen.go

// TokenConfig is the run file of a flow of tokens: everything that determines its run.
type TokenConfig struct {
	Seed uint64 `yaml:"seed" json:"seed"` // the seed of everything random in the run; default 0
	// the tensor engine: native (default), go, xla or xla:/path/to/plugin.so
	Backend string          `yaml:"backend" json:"backend"`
	Space   string          `yaml:"space" json:"space"` // tokens, by which the file is one of sequences of tokens
	Data    TokenData       `yaml:"data" json:"data"`   // what to learn from
	Path    discrete.Config `yaml:"path" json:"path"`   // how tokens come from noise to data
	Net     TokenNet        `yaml:"net" json:"net"`     // the network, a transformer
	Train   TokenTrain      `yaml:"train" json:"train"` // the loss, the length and the speed of training
	// how sequences are drawn and bounds estimated, unless a command sets it
	Eval TokenEval `yaml:"eval" json:"eval"`
}

// TokenSpace is the value of `space:` by which a run file is one of tokens.
const TokenSpace = "tokens"

// TokenData is the `data:` section of a run file of tokens.
type TokenData struct {
	// Path is the file of the text, of the table or of the array, relative to the run file.
	Path string `yaml:"path" json:"path"`
	// Tokens says what the tokens of the text are: chars (default), the characters that it has, bytes, or bpe, pieces
	// of words that are learnt of the part to train on, by byte-pair encoding, or those of data.tokenizer. Of tables
	// each row is a sequence: categories (default of .csv, .tsv, .parquet and .xlsx), a column for each token, or
	// integers (default of .npy), an array [N, L] of whole numbers from 0 on.
	Tokens string `yaml:"tokens" json:"tokens"`
	// Vocabulary is the number of levels of tokens bpe, 256 of them bytes; default 1024.
	Vocabulary int `yaml:"vocabulary,omitempty" json:"vocabulary,omitempty"`
	// Tokenizer is a file tokenizer.json of another program, with byte-pair encoding, whose pieces of words are the
	// tokens bpe, instead of ones that are learnt. Relative to the run file.
	Tokenizer string `yaml:"tokenizer,omitempty" json:"tokenizer,omitempty"`
	Length    int    `yaml:"length" json:"length"` // tokens of a sequence; default 64; of tables those of a row
	// Columns of a table of categories that are tokens, in this order; default: all.
	Columns []string `yaml:"columns,omitempty" json:"columns,omitempty"`
	// Exclude are the columns that are left out, instead of columns.
	Exclude []string `yaml:"exclude,omitempty" json:"exclude,omitempty"`
	// Label is the column with the class of each row, which the network is told; none by default.
	Label string `yaml:"label,omitempty" json:"label,omitempty"`
	// LabelsPath is a file with the class of each row, of one column, instead of label. Relative to the run file.
	LabelsPath string `yaml:"labels_path,omitempty" json:"labels_path,omitempty"`
	// Val is how many sequences validate, of the twentieth of the text before the last, which tests, or of the rows
	// that are held out for it; default 64, 0: none.
	Val *int `yaml:"val" json:"val"`
}

// rows says whether sequences are rows of a table.
func (d TokenData) rows() bool { return texts.Vocabulary{Kind: d.Tokens}.Rows() }

// labelled says whether each sequence has a class.
func (d TokenData) labelled() bool { return d.Label != "" || d.LabelsPath != "" }

// TokenNet is the `net:` section of a run file of tokens; see [nn.TokenConfig].
type TokenNet struct {
	Width    int     `yaml:"width" json:"width"`         // of a token, twice a multiple of heads; default 128
	Depth    int     `yaml:"depth" json:"depth"`         // blocks; default 4
	Heads    int     `yaml:"heads" json:"heads"`         // of attention; default 4
	MLPRatio float64 `yaml:"mlp_ratio" json:"mlp_ratio"` // width of the hidden layer of a block, in width; default 4
	// Tied is whether the output has the embedding of levels for its weights; default false.
	Tied    bool    `yaml:"tied" json:"tied"`
	Dropout float64 `yaml:"dropout" json:"dropout"` // share of what blocks add that is left out in training; default 0
}

// TokenTrain is the `train:` section of a run file of tokens.
type TokenTrain struct {
	// Loss is generalised_kl (default), the bound of the log-probability itself, or cross_entropy, which weighs all
	// times alike, and is that of path.metric.
	Loss string `yaml:"loss" json:"loss"`
	// Shown is the share of sequences of which a part is known, so that the network learns to fill in; for source
	// uniform, since with masks what is known is no mask. Default 0.
	Shown float64 `yaml:"shown" json:"shown"`
	// LabelDropout is the share of labels that the network does not see, so that it can be guided; default 0.
	LabelDropout float64 `yaml:"label_dropout" json:"label_dropout"`

	train.Loop `yaml:",inline"`

	Optimizer nn.Optimizer `yaml:"optimizer" json:"optimizer"` // AdamW, clipping, EMA
}

// TokenEval is the `eval:` section of a run file of tokens.
type TokenEval struct {
	// Solver is exact (default), whose only error is that tokens of a step jump independently, or euler, which
	// takes the rates of the start of a step, and is that of path.metric.
	Solver string `yaml:"solver" json:"solver"`
	Steps  int    `yaml:"steps" json:"steps"` // of a sample, equal in t; default 64
	// Corrector is how many jumps there are forth and back beside those of the path, of the solver euler; default 0.
	Corrector   float64 `yaml:"corrector" json:"corrector"`
	Temperature float64 `yaml:"temperature" json:"temperature"` // of the posterior, below 1 sharper; default 1
	// TopP keeps the most probable levels of a token that have this probability together; default 1, all.
	TopP float64 `yaml:"top_p" json:"top_p"`
	// Draws is how many times and states a bound of the log-probability draws of each sequence; default 16.
	Draws int `yaml:"draws" json:"draws"`
	Test  int `yaml:"test" json:"test"` // sequences of the last twentieth of the text to evaluate on; default 200
}

// Defaults returns c with every unset field filled in.
func (c TokenConfig) Defaults() TokenConfig {
	c.Backend = cmp.Or(c.Backend, nn.DefaultBackend)
	c.Space = cmp.Or(c.Space, TokenSpace)
	if c.Data.Tokens == "" && c.Data.Tokenizer != "" {
		c.Data.Tokens = texts.BPE
	}
	if c.Data.Tokens = cmp.Or(c.Data.Tokens, rows.Kind(c.Data.Path), texts.Chars); !c.Data.rows() {
		c.Data.Length = cmp.Or(c.Data.Length, 64)
	}
	if c.Data.Tokens == texts.BPE && c.Data.Tokenizer == "" {
		c.Data.Vocabulary = cmp.Or(c.Data.Vocabulary, texts.DefaultLevels)
	}
	if c.Data.Val == nil {
		c.Data.Val = new(64)
	}
	c.Path = c.Path.Defaults()
	net := c.Net.of(c, 2).Defaults()
	c.Net = TokenNet{net.Width, net.Depth, net.Heads, net.MLPRatio, net.Tied, net.Dropout}
	if c.Train.Loss == "" {
		if c.Train.Loss = train.GeneralisedKL; c.Path.Metric != nil {
			c.Train.Loss = train.CrossEntropy
		}
	}
	c.Train.Steps, c.Train.Batch = cmp.Or(c.Train.Steps, 5000), cmp.Or(c.Train.Batch, 64)
	c.Train.Loop, c.Train.Optimizer = c.Train.Loop.Defaults(), c.Train.Optimizer.Defaults()
	e := &c.Eval
	e.Steps, e.Draws, e.Test = cmp.Or(e.Steps, 64), cmp.Or(e.Draws, 16), cmp.Or(e.Test, 200)
	e.Temperature, e.TopP = cmp.Or(e.Temperature, 1), cmp.Or(e.TopP, 1)
	if e.Solver == "" {
		if e.Solver = discrete.Exact; e.Corrector != 0 || c.Path.Metric != nil {
			e.Solver = discrete.Euler
		}
	}
	return c
}

// of returns the network of a run with tokens of so many levels.
func (n TokenNet) of(c TokenConfig, levels int) nn.TokenConfig {
	return nn.TokenConfig{Levels: levels, Length: max(1, c.Data.Length), Mask: c.Path.Noise() == discrete.Mask,
		Shown: c.Train.Shown > 0, Width: n.Width, Depth: n.Depth, Heads: n.Heads, MLPRatio: n.MLPRatio, Tied: n.Tied,
		Dropout: n.Dropout}
}

// Validate reports everything that can be known to be wrong before the data are read. c is complete: see Defaults.
func (c TokenConfig) Validate() error {
	if c.Space != TokenSpace {
		return fmt.Errorf("space is %s; of a run file of tokens it is %s", choice.Quote(c.Space), TokenSpace)
	}
	return cmp.Or(c.Data.validate(), c.Path.Validate(), c.Net.of(c, 2).Validate(), c.validateTrain(),
		c.Eval.Validate(), c.validateMetric())
}

// validateMetric reports what does not go with a path over a distance of levels.
func (c TokenConfig) validateMetric() error {
	switch {
	case c.Path.Metric == nil:
		return nil
	case c.Train.Loss == train.GeneralisedKL:
		return fmt.Errorf("train.loss is %s, which is for mixtures of noise and data, and path.metric is none; set it "+
			"to %s, or leave it out", c.Train.Loss, train.CrossEntropy)
	case c.Eval.Solver == discrete.Exact:
		return fmt.Errorf("eval.solver is %s, but jumps of path.metric have no closed form; set it to %s, or leave "+
			"it out", c.Eval.Solver, discrete.Euler)
	}
	return nil
}

func (d TokenData) validate() error {
	if err := choice.Check("kind of tokens", d.Tokens, texts.Kinds()); err != nil {
		return fmt.Errorf("data.tokens: %w", err)
	}
	switch {
	case d.Path == "":
		return errors.New("data.path is not set; name the file of the text, or of the table")
	case d.Length < 0 || d.Length == 0 && !d.rows():
		return fmt.Errorf("data.length is %d; it must be at least 1", d.Length)
	case *d.Val < 0:
		return fmt.Errorf("data.val is %d; it must be 0 or above", *d.Val)
	case d.rows():
		return d.validateRows()
	}
	for _, k := range []struct {
		name string
		is   bool
	}{{"columns", d.Columns != nil}, {"exclude", d.Exclude != nil}, {"label", d.Label != ""},
		{"labels_path", d.LabelsPath != ""}} {
		if k.is {
			return fmt.Errorf("data.%s is set, but has no effect on tokens %s: a text has no columns, and its windows "+
				"no class; leave it out, or set data.tokens to %s or %s", k.name, d.Tokens, texts.Categories,
				texts.Integers)
		}
	}
	if err := d.options().Check(); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

// validateRows is validate of a table.
func (d TokenData) validateRows() error {
	array := d.Tokens == texts.Integers
	switch {
	case d.Vocabulary != 0 || d.Tokenizer != "":
		return fmt.Errorf("data.vocabulary and data.tokenizer are of texts, and tokens %s have the levels of their "+
			"table; leave them out", d.Tokens)
	case array && (d.Columns != nil || d.Exclude != nil || d.Label != ""):
		return errors.New("data.columns, data.exclude and data.label name columns, and tokens integers have none; " +
			"leave them out, and name labels by data.labels_path")
	case d.Columns != nil && d.Exclude != nil:
		return errors.New("data.columns and data.exclude are both set; give one of them")
	case d.Label != "" && d.LabelsPath != "":
		return errors.New("data.label and data.labels_path are both set; give one of them")
	}
	return nil
}

// table are how a table is read.
func (d TokenData) table() rows.Options {
	return rows.Options{Kind: d.Tokens, Columns: d.Columns, Exclude: d.Exclude, Label: d.Label,
		LabelsPath: d.LabelsPath}
}

// options are how the text is read.
func (d TokenData) options() texts.Options {
	return texts.Options{Kind: d.Tokens, Length: d.Length, Levels: d.Vocabulary, Tokenizer: d.Tokenizer}
}

func (c TokenConfig) validateTrain() error {
	t := c.Train
	if err := choice.Check("loss of tokens", t.Loss, train.TokenLosses()); err != nil {
		return fmt.Errorf("train.loss: %w", err)
	}
	switch {
	case !(t.Shown >= 0 && t.Shown <= 1):
		return fmt.Errorf("train.shown is %g; it must be in [0, 1]", t.Shown)
	case t.Shown > 0 && c.Path.Noise() == discrete.Mask:
		return errors.New("train.shown is set, but has no effect with path.source mask: what is known is no mask, " +
			"and any such network can fill in; leave it out")
	case !(t.LabelDropout >= 0 && t.LabelDropout <= 1):
		return fmt.Errorf("train.label_dropout is %g; it must be in [0, 1]", t.LabelDropout)
	case t.LabelDropout > 0 && !c.Data.labelled():
		return errors.New("train.label_dropout is set, but has no effect without labels; set data.label or " +
			"data.labels_path, or leave it out")
	case t.SampleEvery > 0:
		return errors.New("train.sample_every is for pictures of points, and these are tokens; leave it out, or set " +
			"train.snapshot_every")
	case t.Optimizer.Name != nn.AdamW:
		return fmt.Errorf("train.optimizer.name is %s; a network of tokens trains with %s", t.Optimizer.Name, nn.AdamW)
	}
	return cmp.Or(t.Loop.Validate(), t.Optimizer.Validate())
}

// Validate reports the first field that cannot be used. e is complete.
func (e TokenEval) Validate() error {
	if err := choice.Check("solver of tokens", e.Solver, []string{discrete.Exact, discrete.Euler}); err != nil {
		return fmt.Errorf("eval.solver: %w", err)
	}
	switch {
	case e.Steps < 1:
		return fmt.Errorf("eval.steps is %d; it must be at least 1", e.Steps)
	case !(e.Corrector >= 0) || math.IsInf(e.Corrector, 0):
		return fmt.Errorf("eval.corrector is %g; it must be 0 or above", e.Corrector)
	case e.Corrector > 0 && e.Solver == discrete.Exact:
		return errors.New("eval.corrector is set, but the solver exact has none; set eval.solver to euler, or leave " +
			"it out")
	case !(e.Temperature > 0) || math.IsInf(e.Temperature, 0):
		return fmt.Errorf("eval.temperature is %g; it must be above 0", e.Temperature)
	case !(e.TopP > 0 && e.TopP <= 1):
		return fmt.Errorf("eval.top_p is %g; it must be above 0 and at most 1", e.TopP)
	case e.Draws < 2:
		return fmt.Errorf("eval.draws is %d; it must be at least 2, for one draw has no standard error", e.Draws)
	case e.Test < 1:
		return fmt.Errorf("eval.test is %d; it must be at least 1", e.Test)
	}
	return nil
}

// Sampling returns the sampler of the settings with a seed.
func (e TokenEval) Sampling(seed uint64) discrete.Sampler {
	return discrete.Sampler{Steps: e.Steps, Method: e.Solver, Corrector: e.Corrector, Temperature: e.Temperature,
		TopP: e.TopP, Seed: seed}
}

// Idle implements [settings.Idler].
func (c TokenConfig) Idle() (idle []settings.Idle) {
	if c.Train.Schedule == "constant" && c.Train.Warmup == 0 {
		idle = append(idle, settings.Idle{Keys: []string{"train.lr_min"},
			Why: "the learning rate is constant, without a warm-up",
			Fix: "set train.warmup, or another train.schedule"})
	}
	if *c.Data.Val == 0 {
		idle = append(idle, settings.Idle{Keys: []string{"train.val_every", "train.patience"},
			Why: "data.val is 0, so that there are no sequences to validate on", Fix: "set data.val"})
	}
	return idle
}

// Warnings says what a training of so few steps never comes to.
func (c TokenConfig) Warnings() (warnings []string) {
	t := c.Train
	if t.Patience > 0 && *t.ValEvery >= t.Steps {
		warnings = append(warnings, fmt.Sprintf("train.patience is %d, but has no effect in a training of %d steps: "+
			"train.val_every is %d", t.Patience, t.Steps, *t.ValEvery))
	}
	if t.SnapshotEvery > t.Steps {
		warnings = append(warnings, fmt.Sprintf("train.snapshot_every is %d, but has no effect in a training of %d "+
			"steps: no snapshot is kept", t.SnapshotEvery, t.Steps))
	}
	return warnings
}

func (c *TokenConfig) paths() map[string]*string {
	return map[string]*string{"data.path": &c.Data.Path, "data.tokenizer": &c.Data.Tokenizer,
		"data.labels_path": &c.Data.LabelsPath}
}
func (c *TokenConfig) engine() string { return c.Backend }

var _ settings.Idler = TokenConfig{}

// TokenKeys describes every key of a run file of tokens.
func TokenKeys() []Key {
	keys := settings.Describe(TokenConfig{}.Defaults(), tokenDocs, map[string][]string{
		"space": {TokenSpace}, "data.tokens": texts.Kinds(), "path.name": discrete.Schedules(),
		"path.source": discrete.Sources(), "path.metric.distance": discrete.Distances(),
		"train.loss": train.TokenLosses(), "train.schedule": train.Schedules(),
		"train.optimizer.name": {nn.AdamW}, "eval.solver": {discrete.Exact, discrete.Euler},
	})
	return keys
}
