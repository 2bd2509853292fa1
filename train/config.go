package train

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"flowmatch/nn"
	"flowmatch/path"
)

// Config is the `train:` section of a run file: the objective with its settings, the
// loop and the optimizer. The zero value of every field is usable; Defaults fills it in.
type Config struct {
	// Objective is cfm (default); fm, the exact objective on a finite data set; ml,
	// maximum likelihood through the solver; reflow or distill, both from a Teacher;
	// meanflow or shortcut, which learn average velocities.
	Objective  string          `yaml:"objective" json:"objective"`
	Prediction path.Prediction `yaml:"prediction" json:"prediction"` // what the network outputs; default velocity
	Times      Times           `yaml:"times" json:"times"`           // distribution of t
	Weighting  Weighting       `yaml:"weighting" json:"weighting"`   // of the squared errors; default unit
	ML         MLConfig        `yaml:"ml,omitempty" json:"ml"`       // of the objective ml alone

	// Teacher, of reflow and distill, is a trained run's folder, or a checkpoint of
	// one.
	Teacher string `yaml:"teacher,omitempty" json:"teacher,omitempty"`
	// Pairs, of reflow and distill, is how many pairs of noise and point the teacher makes;
	// default 50,000. Every fiftieth validates.
	Pairs int `yaml:"pairs,omitempty" json:"pairs,omitempty"`
	// DistillSteps is the number of steps of Euler's method that distill makes a student
	// for; default 1.
	DistillSteps int `yaml:"distill_steps,omitempty" json:"distill_steps,omitempty"`

	// Averages says how meanflow and shortcut learn average velocities.
	Averages AverageConfig `yaml:"intervals,omitempty" json:"intervals,omitzero"`

	// LabelDropout is the share of labels that a conditional network does not see, so
	// that it can be guided; default 0.
	LabelDropout float64 `yaml:"label_dropout,omitempty" json:"label_dropout,omitempty"`

	// Shown is the share of the rows of a batch of which the network is shown some columns while
	// it learns the others: what imputation, and sampling given any columns, need. It is for tables with
	// data.schema: auto. Default 0; of a table in the place of a run file, 0.5.
	Shown float64 `yaml:"shown,omitempty" json:"shown,omitempty"`

	Loop `yaml:",inline"`

	// StepOptions say how a step saves time and memory, of regressions alone.
	nn.StepOptions `yaml:",inline"`

	Optimizer nn.Optimizer `yaml:"optimizer" json:"optimizer"` // AdamW or Muon, clipping, EMA

	// TensorBoard keeps metrics and pictures in TensorBoard's event files, too.
	TensorBoard bool `yaml:"tensorboard,omitempty" json:"tensorboard,omitempty"`
}

// Defaults returns c with every unset field filled in.
func (c Config) Defaults() Config {
	setDefault(&c.Objective, "cfm")
	setDefault(&c.Weighting, Unit)
	if k, err := KindOf(c.Objective); err == nil && k.defaults != nil {
		k.defaults(&c)
	}
	c.Times = c.Times.Defaults()
	c.Loop = c.Loop.Defaults()
	c.Optimizer = c.Optimizer.Defaults()
	return c
}

// imageBatch is the default batch of networks of images.
const imageBatch = 64

// StepsFor is how many steps a network of images is trained by default on so many images (0:
// without end) in batches of a size: 25 passes over them, at least 2,000 steps and at most
// 10,000. A batch below 1 counts as 1.
func StepsFor(images, batch int) int {
	const passes, least, most = 25, 2000, 10000
	if images == 0 {
		return most
	}
	return min(max(least, passes*images/max(1, batch)), most)
}

// DefaultsFor is Defaults for a network of that configuration, with the learning rate, the
// optimizer and, where the model is preconditioned, the times that were measured to do best
// (docs/design/training-defaults.md).
func (c Config) DefaultsFor(net nn.Config, preconditioned bool) Config {
	if net.OfImages() {
		setDefault(&c.Batch, imageBatch)
	}
	setDefault(&c.Batch, c.Loop.Defaults().Batch)
	setDefault(&c.Optimizer.Name, nn.OptimizerFor(net, c.Batch))
	setDefault(&c.LR, nn.RateFor(net, c.Optimizer.Name))
	if t := &c.Times; preconditioned && t.Name == "" && t.Power == 0 {
		t.Name = "logit_normal"
		setDefault(&t.Mean, 1)
		setDefault(&t.Std, 1.5)
	}
	return c.Defaults()
}

// Validate reports the first field that cannot be used, and what would be right.
func (c Config) Validate() error {
	k, err := KindOf(c.Objective)
	if err != nil {
		return err
	}
	c = c.Defaults()
	if err := cmp.Or(c.ownKeys(k), c.unusedKeys(k)); err != nil {
		return err
	}
	if k.validate != nil {
		if err := k.validate(c); err != nil {
			return err
		}
	}
	switch {
	case k.Velocity && c.Prediction != path.Velocity:
		return fmt.Errorf("train: prediction is %v; the objective %s is for the prediction velocity", c.Prediction,
			k.Name)
	case !(c.LabelDropout >= 0 && c.LabelDropout < 1):
		return fmt.Errorf("train: label_dropout is %g; it must be in [0, 1)", c.LabelDropout)
	case !(c.Shown >= 0 && c.Shown <= 1):
		return fmt.Errorf("train: shown is %g; it must be in [0, 1]", c.Shown)
	case c.Accumulate > 1 && c.Batch%c.Accumulate != 0:
		return fmt.Errorf("train: accumulate is %d; it must divide batch, %d", c.Accumulate, c.Batch)
	}
	for _, v := range []interface{ Validate() error }{c.Loop, c.Times, c.Weighting, c.Optimizer, c.StepOptions} {
		if err := v.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// ownKeys reports settings that belong to other objectives.
func (c Config) ownKeys(k Kind) error {
	var set []string
	for _, f := range []struct {
		key string
		set bool
	}{
		{"ml", c.ML != (MLConfig{})}, {"shown", c.Shown != 0},
		{"teacher", c.Teacher != ""}, {"pairs", c.Pairs != 0}, {"distill_steps", c.DistillSteps != 0},
	} {
		if f.set {
			set = append(set, f.key)
		}
	}
	for _, key := range append(set, c.Averages.set()...) {
		if !slices.Contains(k.keys, key) {
			return fmt.Errorf("train: %s is set, but the objective is %s: remove it, or set objective to %s",
				key, k.Name, strings.Join(owners(key), " or "))
		}
	}
	return nil
}

// unusedKeys reports settings that the objective has no use for.
func (c Config) unusedKeys(k Kind) error {
	set := map[string]bool{
		"prediction": c.Prediction != path.Velocity, "times": c.Times != Times{}.Defaults(),
		"weighting":     c.Weighting != Unit,
		"label_dropout": c.LabelDropout != 0, "precision": c.Precision != "" && c.Precision != nn.Float32,
		"accumulate": c.Accumulate > 1, "devices": c.Devices > 1, "recompute": c.Recompute,
	}
	for _, u := range k.unused {
		if set[u.key] {
			return fmt.Errorf("train: %s is set, but means nothing for the objective %s, for %s: remove it",
				u.key, k.Name, u.because)
		}
	}
	return nil
}

// owners returns the objectives that a key belongs to.
func owners(key string) (names []string) {
	for _, k := range kinds() {
		if slices.Contains(k.keys, key) {
			names = append(names, k.Name)
		}
	}
	return names
}
