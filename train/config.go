package train

import (
	"fmt"
	"math"
	"strings"

	"flowmatch/nn"
	"flowmatch/path"
)

// Config says how to train. The zero value of every field is usable; Defaults
// fills it in.
type Config struct {
	// Objective is cfm (default); fm, the exact objective on a finite data set; ml,
	// maximum likelihood through the solver; reflow or distill, both from a Teacher;
	// meanflow or shortcut, which learn average velocities.
	Objective  string          `yaml:"objective" json:"objective"`
	Prediction path.Prediction `yaml:"prediction" json:"prediction"` // what the network outputs; default velocity
	Times      Times           `yaml:"times" json:"times"`           // distribution of t
	Weighting  Weighting       `yaml:"weighting" json:"weighting"`   // default unit
	ML         MLConfig        `yaml:"ml,omitempty" json:"ml"`       // of the objective ml alone

	// Teacher, of reflow and distill, is a trained run's folder, or a checkpoint of
	// one. Pairs is how many pairs of noise and point it makes; default 50,000. Every
	// fiftieth validates. DistillSteps is the number of steps of Euler's method that
	// distill makes a student for; default 1.
	Teacher      string `yaml:"teacher,omitempty" json:"teacher,omitempty"`
	Pairs        int    `yaml:"pairs,omitempty" json:"pairs,omitempty"`
	DistillSteps int    `yaml:"distill_steps,omitempty" json:"distill_steps,omitempty"`

	Intervals Intervals `yaml:"intervals,omitempty" json:"intervals,omitzero"` // of meanflow and shortcut

	// LabelDropout is the share of labels that a conditional network does not see, so
	// that it can be guided; default 0.
	LabelDropout float64 `yaml:"label_dropout,omitempty" json:"label_dropout,omitempty"`

	Steps int `yaml:"steps" json:"steps"` // optimizer steps; default 10,000
	Batch int `yaml:"batch" json:"batch"` // examples a step; default 256

	// How a step saves time and memory, of regressions alone: see [nn.Economy].
	Precision  nn.Precision `yaml:"precision,omitempty" json:"precision,omitempty"`   // float32 (default) or bf16
	Accumulate int          `yaml:"accumulate,omitempty" json:"accumulate,omitempty"` // parts of a batch, each by itself; must divide batch; default 1
	Recompute  bool         `yaml:"recompute,omitempty" json:"recompute,omitempty"`   // compute blocks again on the way back; default false
	Devices    int          `yaml:"devices,omitempty" json:"devices,omitempty"`       // of the engine, which share a batch; default 1

	LR        float64      `yaml:"lr" json:"lr"`               // peak learning rate; default 1e-3
	LRMin     float64      `yaml:"lr_min" json:"lr_min"`       // where decay ends and warm-up begins; default 1e-8
	Schedule  string       `yaml:"schedule" json:"schedule"`   // constant, cosine (default) or poly: linear decay, as the paper's
	Warmup    int          `yaml:"warmup" json:"warmup"`       // steps of linear warm-up; default 0
	Optimizer nn.Optimizer `yaml:"optimizer" json:"optimizer"` // AdamW, clipping, EMA

	LogEvery        int `yaml:"log_every" json:"log_every"`               // steps between lines of metrics; default 50
	ValEvery        int `yaml:"val_every" json:"val_every"`               // steps between validations; default 500
	Patience        int `yaml:"patience" json:"patience"`                 // validations without improvement before stopping early; 0 (default): never
	CheckpointEvery int `yaml:"checkpoint_every" json:"checkpoint_every"` // steps between checkpoints; default 1000
	// SnapshotEvery is the number of steps between states that are kept for good, to
	// look back at; 0 (default): none.
	SnapshotEvery int `yaml:"snapshot_every,omitempty" json:"snapshot_every,omitempty"`
	// SampleEvery is the number of steps between pictures of samples; 0 (default): none.
	SampleEvery int `yaml:"sample_every,omitempty" json:"sample_every,omitempty"`
	// TensorBoard keeps metrics and pictures in TensorBoard's event files, too.
	TensorBoard bool `yaml:"tensorboard,omitempty" json:"tensorboard,omitempty"`
}

// Objectives and Schedules return the names that the fields take.
func Objectives() []string {
	return []string{"cfm", "fm", "ml", "reflow", "distill", "meanflow", "shortcut"}
}

// Schedules returns the names of the learning rate schedules.
func Schedules() []string { return []string{"constant", "cosine", "poly"} }

// Defaults returns c with every unset field filled in.
func (c Config) Defaults() Config {
	setString(&c.Objective, "cfm")
	setString(&c.Schedule, "cosine")
	setString((*string)(&c.Weighting), string(Unit))
	for _, f := range []struct {
		v   *int
		def int
	}{{&c.Steps, 10000}, {&c.Batch, 256}, {&c.LogEvery, 50}, {&c.ValEvery, 500}, {&c.CheckpointEvery, 1000}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	if c.LR == 0 {
		c.LR = 1e-3
	}
	if c.LRMin == 0 {
		c.LRMin = 1e-8
	}
	if c.Objective == "ml" {
		c.ML = c.ML.Defaults()
	}
	if HasTeacher(c.Objective) && c.Pairs == 0 {
		c.Pairs = 50000
	}
	if c.Objective == "distill" && c.DistillSteps == 0 {
		c.DistillSteps = 1
	}
	c.Intervals = c.Intervals.Defaults(c.Objective)
	c.Times = c.Times.Defaults()
	c.Optimizer = c.Optimizer.Defaults()
	return c
}

func setString(s *string, def string) {
	if *s == "" {
		*s = def
	}
}

// Validate reports the first field that cannot be used, and what would be right.
func (c Config) Validate() error {
	if err := c.validateObjective(); err != nil {
		return err
	}
	if err := oneOf("schedule", c.Schedule, Schedules()); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		v    int
		min  int
	}{
		{"steps", c.Steps, 1}, {"batch", c.Batch, 1}, {"warmup", c.Warmup, 0}, {"patience", c.Patience, 0}, {"snapshot_every", c.SnapshotEvery, 0}, {"sample_every", c.SampleEvery, 0},
		{"log_every", c.LogEvery, 1}, {"val_every", c.ValEvery, 1}, {"checkpoint_every", c.CheckpointEvery, 1},
	} {
		if f.v < f.min {
			return fmt.Errorf("train: %s is %d; it must be at least %d", f.name, f.v, f.min)
		}
	}
	if !(c.LabelDropout >= 0 && c.LabelDropout < 1) {
		return fmt.Errorf("train: label_dropout is %g; it must be in [0, 1)", c.LabelDropout)
	}
	if !(c.LR > 0) || math.IsInf(c.LR, 0) {
		return fmt.Errorf("train: lr is %g; it must be positive", c.LR)
	}
	if !(c.LRMin > 0 && c.LRMin <= c.LR) {
		return fmt.Errorf("train: lr_min is %g; it must be positive and at most lr = %g", c.LRMin, c.LR)
	}
	if c.Warmup >= c.Steps {
		return fmt.Errorf("train: warmup of %d steps leaves none of %d steps to train at the full rate", c.Warmup, c.Steps)
	}
	if c.Accumulate > 1 && c.Batch%c.Accumulate != 0 {
		return fmt.Errorf("train: accumulate is %d; it must divide batch, %d", c.Accumulate, c.Batch)
	}
	for _, v := range []interface{ Validate() error }{c.Times, c.Weighting, c.Optimizer, c.Economy()} {
		if err := v.Validate(); err != nil {
			return err
		}
	}
	return c.validateML()
}

// Economy is how the trainer of c takes its steps.
func (c Config) Economy() nn.Economy {
	return nn.Economy{Precision: c.Precision, Accumulate: c.Accumulate, Recompute: c.Recompute, Devices: c.Devices}
}

// HasTeacher says whether an objective learns from a trained flow.
func HasTeacher(objective string) bool { return objective == "reflow" || objective == "distill" }

// validateObjective reports settings that the objective lacks or has no use for.
func (c Config) validateObjective() error {
	if err := oneOf("objective", c.Objective, Objectives()); err != nil {
		return err
	}
	if !HasTeacher(c.Objective) && (c.Teacher != "" || c.Pairs != 0) {
		return fmt.Errorf("train: teacher and pairs belong to the objectives reflow and distill, not to %s", c.Objective)
	}
	if c.Objective != "distill" && c.DistillSteps != 0 {
		return fmt.Errorf("train: distill_steps belongs to the objective distill, not to %s", c.Objective)
	}
	if HasTeacher(c.Objective) && c.Teacher == "" {
		return fmt.Errorf("train: the objective %s needs a teacher: the folder of a trained run", c.Objective)
	}
	if HasTeacher(c.Objective) && c.Pairs < 100 {
		return fmt.Errorf("train: pairs is %d; it must be at least 100", c.Pairs)
	}
	if c.DistillSteps < 0 {
		return fmt.Errorf("train: distill_steps is %d; it must be at least 1", c.DistillSteps)
	}
	if (LearnsAverages(c.Objective) || c.Objective == "distill") && c.Prediction != path.Velocity {
		return fmt.Errorf("%w, not %s", ErrAverages, c.Prediction)
	}
	return c.Intervals.validate(c.Objective)
}

func oneOf(field, name string, names []string) error {
	for _, n := range names {
		if n == name {
			return nil
		}
	}
	return fmt.Errorf("train: unknown %s %q; it must be one of %s", field, name, strings.Join(names, ", "))
}

// LearningRate returns the learning rate of a step, counted from 0: a linear
// warm-up from LRMin to LR, then the schedule down to LRMin.
func (c Config) LearningRate(step int) float64 {
	if step < c.Warmup {
		return c.LRMin + (c.LR-c.LRMin)*float64(step+1)/float64(c.Warmup)
	}
	progress := float64(step-c.Warmup) / float64(max(1, c.Steps-c.Warmup))
	switch c.Schedule {
	case "cosine":
		return c.LRMin + (c.LR-c.LRMin)*(1+math.Cos(math.Pi*progress))/2
	case "poly":
		return c.LR + (c.LRMin-c.LR)*progress
	}
	return c.LR
}
