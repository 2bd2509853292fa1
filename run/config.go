package run

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/image"
	"flowmatch/data/synth"
	"flowmatch/eval"
	"flowmatch/manifold"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
	"flowmatch/train"
)

//go:generate go run ../internal/settings/gen -type Config -map keyDocs -out keys_gen.go

// Config is the run file: everything that determines a run.
type Config struct {
	Seed uint64 `yaml:"seed" json:"seed"` // the seed of everything random in the run; default 0
	// the tensor engine: native (default), go, xla or xla:/path/to/plugin.so
	Backend string         `yaml:"backend" json:"backend"`
	Data    dataset.Config `yaml:"data" json:"data"` // what to learn from
	// Space is the state space of the points of a table, where that is not flat: sphere, torus, so3,
	// poincare or spd, a section with the name and the settings of one, or {product: [...]} of several.
	// Its settings are dim, form (what the columns are: latlon, vector, angles, quaternion, matrix or
	// triangle), units (degrees or radians), source (uniform or normal) and std of a normal source.
	Space manifold.Config `yaml:"space,omitempty" json:"space,omitzero"`
	Path  path.Config     `yaml:"path" json:"path"` // the schedule of the probability path
	// Source is a synthetic set from which the flow starts, in the units of the model. Without
	// it the flow starts from the Gaussian of the path.
	Source synth.SourceConfig `yaml:"source,omitempty" json:"source,omitempty"`
	// Precondition is whether inputs and targets of the network are scaled to unit variance,
	// so that every path and prediction trains equally well; default true for the objective cfm
	// on Gaussian paths, which alone can use it. Then weighting unit weighs errors of these
	// targets, and times are shares of the data in x_t, τ.
	Precondition *bool `yaml:"precondition" json:"precondition"`
	// PreconditionLevels is whether the network has what the coordinates of a level say of it
	// themselves, and learns the rest; default true for the levels of data.schema: auto with
	// precondition: true.
	PreconditionLevels *bool           `yaml:"precondition_levels,omitempty" json:"precondition_levels,omitempty"`
	Coupling           coupling.Config `yaml:"coupling" json:"coupling"` // how noise x_0 and data x_1 are paired
	// the network: a perceptron, or net.unet or net.dit for images
	Net nn.Config `yaml:"net" json:"net"`
	// Conditional is whether the network is given the labels of the data; default false.
	Conditional bool `yaml:"conditional" json:"conditional"`
	// Condition is what the network is given of each image, to make the whole image from it;
	// default nothing.
	Condition image.ConditionConfig `yaml:"condition,omitempty" json:"condition,omitzero"`
	Train     train.Config          `yaml:"train" json:"train"` // the objective, the length and the speed of training
	// how samples are drawn and likelihoods computed, unless a command sets it
	Eval eval.Settings `yaml:"eval" json:"eval"`
}

// Defaults returns c with every unset field filled in, except those that
// only the data determine.
func (c Config) Defaults() Config {
	if c.Backend == "" {
		c.Backend = nn.DefaultBackend
	}
	if c.Path.Name == "" {
		c.Path.Name = "condot"
	}
	c.Data = c.Data.Defaults()
	c.Data.Space = c.Space
	if name := c.Coupling.Name; c.Conditional && name != "" && name != "independent" && c.Coupling.LabelAware == nil {
		c.Coupling.LabelAware = new(true)
	}
	if name := c.Coupling.Name; c.Data.Given() && name != "" && name != "independent" &&
		c.Coupling.ContextWeight == nil {
		c.Coupling.ContextWeight = new(coupling.DefaultContextWeight)
	}
	c.Coupling = c.Coupling.Defaults()
	c.Net = c.Net.Defaults()
	able := c.preconditionable() == nil
	if c.Precondition == nil {
		c.Precondition = &able
	}
	if c.PreconditionLevels == nil && c.levelled() == nil {
		c.PreconditionLevels = new(true)
	}
	steps := c.Train.Steps
	c.Train = c.Train.DefaultsFor(c.Net, *c.Precondition && able)
	if c.Net.OfImages() {
		c.Train.Steps = steps // where it is 0, for the number of images; see sized
	}
	if kind, err := train.KindOf(c.Train.Objective); err == nil {
		c.Net.Average = c.Net.Average || kind.Averages
		c.Eval = samplerOf(kind, c.Train, c.Eval)
	}
	c.Eval = c.Eval.Defaults()
	return c
}

// sized returns c with the steps that the size of the data determines.
func (c Config) sized(set *data.Set) Config {
	if c.Train.Steps > 0 {
		return c
	}
	images := 0
	if set.TrainSet != nil {
		images = set.TrainSet.Len()
	}
	c.Train.Steps = train.StepsFor(images, c.Train.Batch)
	return c
}

// levelled reports settings with which no levels are learnt with a precondition. c has its defaults.
func (c Config) levelled() error {
	switch {
	case !c.Data.Typed():
		return errors.New("precondition_levels is for tables with data.schema: auto; leave it out")
	case !*c.Precondition:
		return errors.New("precondition_levels needs precondition: true; leave it out")
	case c.Net.OfImages():
		return errors.New("precondition_levels is for perceptrons; leave it out")
	}
	return nil
}

// preconditionable reports an objective or a path that preconditioning is not for.
func (c Config) preconditionable() error {
	if !c.Space.Flat() {
		return fmt.Errorf("precondition is for points of R^d, and the space is %s; leave it out", c.Space)
	}
	if c.Net.Waves != nil {
		return errors.New("precondition has a clock of its own, and net.waves fade by 1-t; leave one of them out")
	}
	kind, err := train.KindOf(cmp.Or(c.Train.Objective, train.Config{}.Defaults().Objective))
	if err != nil {
		return err
	}
	if !kind.Preconditioned {
		return fmt.Errorf("precondition is for the objective %s, not for %s; leave it out",
			objectives(func(k train.Kind) bool { return k.Preconditioned }), kind.Name)
	}
	scheduler, err := c.Path.New()
	if err != nil {
		return err
	}
	if _, noisy := scheduler.(path.Noisy); noisy {
		return fmt.Errorf("precondition is for Gaussian paths; path %s adds noise; leave precondition out", c.Path.Name)
	}
	return nil
}

// samplerOf fills in how samples of an objective are drawn.
func samplerOf(kind train.Kind, t train.Config, e eval.Settings) eval.Settings {
	switch s := &e.Solve; {
	case s.Solver != "":
	case kind.Averages:
		s.Solver = eval.Average
	case kind.EulerSteps != nil:
		s.Solver, s.Steps = "euler", kind.EulerSteps(t)
	}
	return e
}

// Validate reports everything that can be known to be wrong before the data
// are read. c is complete: see Defaults.
func (c Config) Validate() error {
	net := c.Net
	if net.Dim == 0 { // known only with the data
		net.Dim = 1
		for _, side := range imageOf(net) {
			net.Dim = max(1, net.Dim*side)
		}
	}
	for _, v := range []interface{ Validate() error }{c.Space, c.Data, c.Path, c.Source, c.Coupling, c.Condition,
		ofNet{net}, c.Train, c.Eval} {
		if err := v.Validate(); err != nil {
			return err
		}
	}
	return c.compatible()
}

// ofNet is the section net, whose errors begin with its name.
type ofNet struct{ nn.Config }

// Validate is that of the section.
func (n ofNet) Validate() error {
	err := n.Config.Validate()
	if err == nil {
		return nil
	}
	return netError{err}
}

// netError is an error of package nn about a key of the section net.
type netError struct{ error }

// Error returns the text with the name of the section in the place of that of the package.
func (e netError) Error() string { return "net: " + strings.TrimPrefix(e.error.Error(), "nn: ") }

// Unwrap returns the error of the package.
func (e netError) Unwrap() error { return e.error }

// imageOf returns the shape of the images of a network; nil where it is not known, or is
// of none.
func imageOf(c nn.Config) []int {
	switch {
	case c.UNet != nil:
		return c.UNet.Image
	case c.DiT != nil:
		return c.DiT.Image
	}
	return nil
}

// compatible reports settings that cannot go together.
func (c Config) compatible() error {
	scheduler, err := c.Path.New()
	if err != nil {
		return err
	}
	kind, err := train.KindOf(c.Train.Objective)
	if err != nil {
		return err
	}
	if err := cmp.Or(c.validateSpace(kind), c.validateCondition(kind)); err != nil {
		return err
	}
	if *c.Precondition {
		if err := c.preconditionable(); err != nil {
			return err
		}
	}
	if levels := c.PreconditionLevels; levels != nil && *levels {
		if err := c.levelled(); err != nil {
			return err
		}
	}
	if kind.Solves {
		return c.validateSolves()
	}
	_, noisy := scheduler.(path.Noisy)
	switch {
	case c.Train.LabelDropout > 0 && !c.Conditional:
		return errors.New("train.label_dropout is for conditional networks; set conditional: true")
	case c.Train.Shown > 0 && !c.Data.Typed():
		return errors.New("train.shown is for tables with data.schema: auto; leave it out")
	case c.Train.Shown > 0 && c.Coupling.Name != "independent":
		return fmt.Errorf("train.shown needs noise that is independent of what is shown: coupling independent, not %s",
			c.Coupling.Name)
	case kind.Finite && c.Coupling.Name != "independent":
		return fmt.Errorf("coupling.name %s is for the objectives %s, not for %s, which needs the independent coupling",
			c.Coupling.Name, objectives(func(k train.Kind) bool { return k.Coupled }), kind.Name)
	case kind.Finite && c.Conditional:
		return fmt.Errorf("the objective %s cannot learn classes; remove conditional, or use cfm", kind.Name)
	case kind.Finite && c.Data.ResolvedKind() == data.KindSynthetic && c.Data.N == 0:
		return fmt.Errorf("the objective %s needs a finite data set; set data.n to a number of points", kind.Name)
	case !kind.Sourced && c.Source.Name != "":
		return fmt.Errorf("the objective %s is for paths from a Gaussian; remove the source", kind.Name)
	case noisy && !kind.Noisy:
		return fmt.Errorf("path %s adds noise, which is for the objective %s, not for %s",
			c.Path.Name, objectives(func(k train.Kind) bool { return k.Noisy }), kind.Name)
	case noisy && c.Train.Prediction != path.Velocity:
		return fmt.Errorf("train.prediction is %v; path %s, which adds noise, needs velocity",
			c.Train.Prediction, c.Path.Name)
	case noisy && c.Train.Weighting != train.Unit:
		return fmt.Errorf("train.weighting is %s; path %s needs unit", c.Train.Weighting, c.Path.Name)
	case c.Source.Name != "":
		return model.CheckSource(c.Source, scheduler, c.Train.Prediction, c.knownDim())
	}
	return c.validateSampling(kind)
}

// validateSampling reports settings of few-step sampling that the objective cannot use.
func (c Config) validateSampling(kind train.Kind) error {
	switch {
	case c.Net.Average && !kind.Averages:
		return fmt.Errorf("net.interval is set by the objectives %s; remove it for %s", objectives(averages), kind.Name)
	case c.Eval.Solve.Solver == eval.Average && !kind.Averages:
		return fmt.Errorf("eval.solver %s is for the objectives %s, not for %s", c.Eval.SolverAsGiven(),
			objectives(averages), kind.Name)
	case kind.Straight && (c.Path.Name != "condot" || c.Coupling.Name != "independent"):
		return fmt.Errorf("the objective %s takes straight paths between the pairs of its teacher: path condot, "+
			"coupling independent", kind.Name)
	}
	return nil
}

// validateSolves reports settings of a path between pairs, which an objective that
// solves has not: its flow goes from N(0, I) to the data as the default path's does.
func (c Config) validateSolves() error {
	if c.Net.OfImages() {
		return fmt.Errorf("train.objective %s is for perceptrons: net.unet and net.dit have no second "+
			"derivative, which it needs; remove them", c.Train.Objective)
	}
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
			return fmt.Errorf("%s is set to %s, but has no effect with train.objective %s: remove it", f.name,
				f.value, c.Train.Objective)
		}
	}
	return nil
}

// validateCondition reports settings that contexts do not fit.
func (c Config) validateCondition(kind train.Kind) error {
	switch data := c.Data.ResolvedKind(); {
	case c.Data.Given() && !kind.Context:
		return fmt.Errorf("%s is for the objectives %s, not for %s",
			c.givenBy(), objectives(func(k train.Kind) bool { return k.Context }), kind.Name)
	case c.Net.Residual != nil && c.Net.Residual.Embed.Axes() > 0 && len(c.Net.Residual.Embed.Shape) == 0 &&
		c.Data.ContextPath == "":
		return fmt.Errorf("net.residual.embed.shape is not set: the kind %s needs the shape of a context, unless this "+
			"is that of an NPY array in data.context_path", c.Net.Residual.Embed.Kind)
	case c.Condition.Kind == "":
		return nil
	case !c.Data.Images():
		return fmt.Errorf("condition is for images, and the data are of kind %s; remove the section", data)
	case !kind.Context:
		return fmt.Errorf("a condition is for the objectives %s, not for %s",
			objectives(func(k train.Kind) bool { return k.Context }), kind.Name)
	case c.Coupling.Name != "independent":
		return errors.New("a condition needs noise that is independent of the data: the independent coupling")
	}
	return nil
}

// givenBy is the key by which the data have contexts.
func (c Config) givenBy() string {
	switch {
	case c.Data.ContextPath != "":
		return "data.context_path"
	case len(c.Data.Target) > 0:
		return "data.target"
	case c.Data.Simulator != "":
		return "data.simulator"
	}
	return "data.context"
}

func averages(k train.Kind) bool { return k.Averages }

// objectives lists those of a property, as a sentence does.
func objectives(of func(train.Kind) bool) string {
	names := train.ObjectivesWhere(of)
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// knownDim returns the dimension of synthetic data; 0 where only a file has it.
func (c Config) knownDim() int {
	if c.Data.Name == "" {
		return 0
	}
	d, err := c.Data.Law()
	if err != nil {
		return 0 // which Data.Validate reports
	}
	return d.Dim()
}
