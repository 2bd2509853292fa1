package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
	"flowmatch/train"
)

// Config is the run file: everything that determines a run.
type Config struct {
	Seed    uint64      `yaml:"seed" json:"seed"`
	Backend string      `yaml:"backend" json:"backend"` // default go
	Data    data.Config `yaml:"data" json:"data"`
	Path    path.Config `yaml:"path" json:"path"`
	// Source is a synthetic set that the flow starts from, in model units; without a
	// name it is the Gaussian of the path.
	Source   data.SourceConfig `yaml:"source,omitempty" json:"source,omitempty"`
	Coupling coupling.Config   `yaml:"coupling" json:"coupling"`
	Net      nn.Config         `yaml:"net" json:"net"` // dim, classes and condition come from the data
	// Conditional trains the network on the labels of the data.
	Conditional bool `yaml:"conditional" json:"conditional"`
	// Condition is what the network is told of each image; without a kind, nothing.
	Condition data.ConditionConfig `yaml:"condition,omitempty" json:"condition,omitzero"`
	Train     train.Config         `yaml:"train" json:"train"`
	Eval      Eval                 `yaml:"eval" json:"eval"`
}

// Eval says how samples and likelihoods are evaluated when a command does not.
type Eval struct {
	// Solver is an ODE solver, default dopri5, or interval; of meanflow and shortcut
	// the default is interval, of distill euler with its steps.
	Solver string `yaml:"solver" json:"solver"`
	// Steps is the number of equal steps; 0 (default): as many as RTol and ATol
	// ask for or, of a method without an error estimate, 100.
	Steps  int     `yaml:"steps" json:"steps"`
	RTol   float64 `yaml:"rtol" json:"rtol"` // default 1e-5
	ATol   float64 `yaml:"atol" json:"atol"` // default 1e-5
	MaxNFE int     `yaml:"max_nfe" json:"max_nfe"`
	// Samples is the number of points that distances between samples and data
	// are measured on; default 2000.
	Samples int `yaml:"samples" json:"samples"`
	// Test is the number of held-out points whose likelihood is evaluated;
	// 0: all of them.
	Test int `yaml:"test" json:"test"`
	// Divergence is exact (default up to 64 dimensions) or hutchinson.
	Divergence string `yaml:"divergence" json:"divergence"`
	Probes     int    `yaml:"probes" json:"probes"` // of hutchinson; default 1
	// Dequantizations is K, the samples of noise of each image in bits per dimension;
	// default 1.
	Dequantizations int `yaml:"dequantizations,omitempty" json:"dequantizations,omitempty"`
}

// exactDims is the dimension up to which an exact divergence is the default.
const exactDims = 64

// Defaults returns c with every unset field filled in, save those that only
// the data can tell.
func (c Config) Defaults() Config {
	if c.Backend == "" {
		c.Backend = nn.DefaultBackend
	}
	if c.Path.Name == "" {
		c.Path.Name = "condot"
	}
	if c.Coupling.Name == "" {
		c.Coupling.Name = "independent"
	}
	c.Net = c.Net.Defaults()
	c.Train = c.Train.Defaults()
	c.Net.Interval = c.Net.Interval || train.LearnsAverages(c.Train.Objective)
	e := &c.Eval
	if e.Solver == "" {
		e.Solver = "dopri5"
		switch {
		case train.LearnsAverages(c.Train.Objective):
			e.Solver = IntervalSolver
		case c.Train.Objective == "distill":
			e.Solver, e.Steps = "euler", c.Train.DistillSteps
		}
	}
	for _, f := range []struct {
		v   *int
		def int
	}{{&e.MaxNFE, 20000}, {&e.Samples, 2000}, {&e.Probes, 1}, {&e.Dequantizations, 1}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	for _, v := range []*float64{&e.RTol, &e.ATol} {
		if *v == 0 {
			*v = 1e-5
		}
	}
	return c
}

// Validate reports everything that can be known to be wrong before the data
// are read.
func (c Config) Validate() error {
	c = c.Defaults()
	net := c.Net
	net.Dim = max(1, net.Dim) // known only with the data
	for _, v := range []interface{ Validate() error }{c.Data, c.Path, c.Source, c.Coupling, c.Condition, net, c.Train, c.Eval} {
		if err := v.Validate(); err != nil {
			return err
		}
	}
	return c.compatible()
}

// compatible reports settings that cannot go together.
func (c Config) compatible() error {
	scheduler, err := c.Path.New()
	if err != nil {
		return err
	}
	if err := c.validateCondition(); err != nil {
		return err
	}
	if c.Train.Objective == "ml" {
		return c.validateML()
	}
	_, noisy := scheduler.(path.Noisy)
	exact := c.Train.Objective == "fm"
	switch {
	case c.Train.LabelDropout > 0 && !c.Conditional:
		return errors.New("run: train.label_dropout is for conditional networks; set conditional: true")
	case exact && c.Coupling.Name != "independent":
		return train.ErrCoupled
	case exact && c.Data.ResolvedKind() == data.KindSynthetic && c.Data.N == 0:
		return errors.New("run: the exact objective (fm) needs a finite data set; set data.n to a number of points")
	case exact && c.Source.Name != "":
		return errors.New("run: the exact objective (fm) is for paths from a Gaussian; remove the source")
	case noisy && c.Train.Objective != "cfm":
		return fmt.Errorf("run: path %s has noise of its own, with which only the objective cfm goes, not %s", c.Path.Name, c.Train.Objective)
	case noisy && c.Train.Prediction != path.Velocity:
		return fmt.Errorf("run: train.prediction is %v; path %s, which has noise of its own, goes with velocity", c.Train.Prediction, c.Path.Name)
	case noisy && c.Train.Weighting != train.Unit:
		return fmt.Errorf("run: train.weighting is %s; path %s goes with unit", c.Train.Weighting, c.Path.Name)
	case c.Source.Name != "":
		return model.CheckSource(c.Source, scheduler, c.Train.Prediction, c.knownDim())
	}
	return c.validateFewSteps()
}

// validateFewSteps reports settings that the objectives for few steps cannot use.
func (c Config) validateFewSteps() error {
	averages := train.LearnsAverages(c.Train.Objective)
	if c.Net.Interval && !averages {
		return fmt.Errorf("run: net.interval is set by the objectives meanflow and shortcut; remove it for %s", c.Train.Objective)
	}
	if c.Eval.Solver == IntervalSolver && !averages {
		return fmt.Errorf("run: eval.solver %s is for the objectives meanflow and shortcut, not for %s", IntervalSolver, c.Train.Objective)
	}
	if train.HasTeacher(c.Train.Objective) && (c.Path.Name != "condot" || c.Coupling.Name != "independent") {
		return fmt.Errorf("run: the objective %s takes straight paths between the pairs of its teacher: path condot, coupling independent", c.Train.Objective)
	}
	return nil
}

// validateML reports settings of a path between pairs, which maximum likelihood has
// not: its flow goes from N(0, I) to the data as the default path's does.
func (c Config) validateML() error {
	sigma := c.Path.SigmaMin
	for _, f := range []struct {
		name, value string
		unset       bool
	}{
		{"path.name", c.Path.Name, c.Path.Name == "condot"},
		{"path.sigma_min", "a width", sigma == nil || *sigma == 0},
		{"coupling.name", c.Coupling.Name, c.Coupling.Name == "independent"},
		{"source.name", c.Source.Name, c.Source.Name == ""},
	} {
		if !f.unset {
			return fmt.Errorf("run: %s is set to %s, but means nothing for train.objective ml: remove it", f.name, f.value)
		}
	}
	return nil
}

// knownDim returns the dimension of synthetic data; 0 where only a file tells it.
func (c Config) knownDim() int {
	if c.Data.Name == "" {
		return 0
	}
	d, err := data.ByName(c.Data.Name, c.Data.Params)
	if err != nil {
		return 0 // which Data.Validate reports
	}
	return d.Dim()
}

// Validate reports the first field that cannot be used.
func (e Eval) Validate() error {
	if _, err := e.ODESolver(); err != nil {
		return fmt.Errorf("run: eval.solver: %w", err)
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"max_nfe", e.MaxNFE}, {"samples", e.Samples}, {"probes", e.Probes}, {"dequantizations", e.Dequantizations}} {
		if f.v < 1 {
			return fmt.Errorf("run: eval.%s is %d; it must be at least 1", f.name, f.v)
		}
	}
	if !(e.RTol > 0 && e.ATol > 0) {
		return fmt.Errorf("run: eval.rtol %g and eval.atol %g must be positive", e.RTol, e.ATol)
	}
	if e.Steps < 0 {
		return fmt.Errorf("run: eval.steps is %d; it must be a number of steps, or 0 for step control", e.Steps)
	}
	if e.Test < 0 {
		return fmt.Errorf("run: eval.test is %d; it must be a number of points, or 0 for all", e.Test)
	}
	_, err := e.DivergenceFor(1, 0)
	return err
}

// ReadConfig reads a run file and applies the settings, each "key=value" with a
// dotted key such as train.lr=3e-4. Paths in the file are relative to it, paths in
// settings to the working directory.
func ReadConfig(file string, settings []string) (Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("run: %w", err)
	}
	if settings, err = absoluteSettings(settings); err != nil {
		return Config{}, err
	}
	c, err := ParseConfig(b, settings)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", file, err)
	}
	for _, p := range c.paths() {
		if *p == "" || filepath.IsAbs(*p) {
			continue
		}
		if *p, err = filepath.Abs(filepath.Join(filepath.Dir(file), *p)); err != nil {
			return Config{}, fmt.Errorf("run: %w", err)
		}
	}
	return c, nil
}

// paths are the settings that name files and folders.
func (c *Config) paths() map[string]*string {
	return map[string]*string{
		"train.teacher": &c.Train.Teacher, "data.path": &c.Data.Path, "data.labels_path": &c.Data.LabelsPath,
		"data.test_path": &c.Data.TestPath, "data.test_labels_path": &c.Data.TestLabelsPath,
	}
}

// absoluteSettings makes the paths in settings absolute.
func absoluteSettings(settings []string) ([]string, error) {
	out := slices.Clone(settings)
	for i, s := range out {
		key, value, _ := strings.Cut(s, "=")
		if _, ok := new(Config).paths()[key]; !ok || value == "" || filepath.IsAbs(value) {
			continue
		}
		abs, err := filepath.Abs(value)
		if err != nil {
			return nil, fmt.Errorf("run: setting %q: %w", s, err)
		}
		out[i] = key + "=" + strconv.Quote(abs)
	}
	return out, nil
}

// ParseConfig is ReadConfig on the content of a run file, paths left as they
// are. Unknown keys are errors that name the line and the nearest known key.
func ParseConfig(yamlText []byte, settings []string) (Config, error) {
	tree, err := decodeStrict(yamlText, &Config{})
	if err != nil {
		return Config{}, err
	}
	for _, s := range settings {
		if err := set(tree, s); err != nil {
			return Config{}, err
		}
	}
	merged, err := yaml.Marshal(tree)
	if err != nil {
		return Config{}, fmt.Errorf("run: %w", err)
	}
	var c Config
	if err := yaml.Unmarshal(merged, &c); err != nil {
		return Config{}, fmt.Errorf("run: with the settings given: %s", yaml.FormatError(err, false, true))
	}
	c = c.Defaults()
	return c, c.Validate()
}

// decodeStrict decodes into c and returns the same as a tree of maps.
func decodeStrict(yamlText []byte, c *Config) (map[string]any, error) {
	file, err := parser.ParseBytes(yamlText, 0)
	if err != nil {
		return nil, fmt.Errorf("run: %s", yaml.FormatError(err, false, true))
	}
	if len(file.Docs) > 1 {
		return nil, fmt.Errorf("run: %d YAML documents; a run file holds one", len(file.Docs))
	}
	tree := map[string]any{}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return tree, nil
	}
	if errs := checkKeys(file.Docs[0].Body, reflect.TypeFor[Config](), ""); len(errs) > 0 {
		return nil, fmt.Errorf("run: %w", errors.Join(errs...))
	}
	if err := yaml.Unmarshal(yamlText, c); err != nil {
		return nil, fmt.Errorf("run: %s", yaml.FormatError(err, false, true))
	}
	if err := yaml.Unmarshal(yamlText, &tree); err != nil {
		return nil, fmt.Errorf("run: %s", yaml.FormatError(err, false, true))
	}
	return tree, nil
}

// set applies one "key=value" to the tree.
func set(tree map[string]any, setting string) error {
	key, value, ok := strings.Cut(setting, "=")
	if !ok {
		return fmt.Errorf("run: setting %q; it must be key=value, such as train.lr=3e-4", setting)
	}
	if err := checkPath(reflect.TypeFor[Config](), key); err != nil {
		return fmt.Errorf("run: setting %q: %w", setting, err)
	}
	var v any
	if err := yaml.Unmarshal([]byte(value), &v); err != nil {
		return fmt.Errorf("run: setting %q: %s", setting, yaml.FormatError(err, false, true))
	}
	parts := strings.Split(key, ".")
	for _, p := range parts[:len(parts)-1] {
		sub, ok := tree[p].(map[string]any)
		if !ok {
			sub = map[string]any{}
			tree[p] = sub
		}
		tree = sub
	}
	tree[parts[len(parts)-1]] = v
	return nil
}
