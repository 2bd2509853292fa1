package train

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"flowmatch/path"
)

// faults are changes of a configuration with a part of the error that each is.
var faults = map[string]func(*Config){
	`unknown objective "cfmm"`:          func(c *Config) { c.Objective = "cfmm" },
	"ml is set":                         func(c *Config) { c.ML.Kinetic = 1 },
	`ml: unknown solver "rk5"`:          ofML(func(c *MLConfig) { c.Solve.Solver = "rk5" }),
	`ml: unknown divergence "full"`:     ofML(func(c *MLConfig) { c.Divergence = "full" }),
	"ml.kinetic is -1":                  ofML(func(c *MLConfig) { c.Kinetic = -1 }),
	"ml.jacobian is -1":                 ofML(func(c *MLConfig) { c.Jacobian = -1 }),
	"ml.batch_size is -1":               ofML(func(c *MLConfig) { c.BatchSize = -1 }),
	"ml.val is -1":                      ofML(func(c *MLConfig) { c.Val = -1 }),
	"ml: rtol is -1":                    ofML(func(c *MLConfig) { c.Solve.RTol = -1 }),
	"prediction is set":                 func(c *Config) { c.Objective, c.Prediction = "ml", path.Noise },
	"times is set":                      func(c *Config) { c.Objective, c.Times.IID = "ml", true },
	"weighting is set":                  func(c *Config) { c.Objective, c.Weighting = "ml", SigmaSquared },
	"label_dropout is set":              func(c *Config) { c.Objective, c.LabelDropout = "ml", 0.1 },
	`unknown schedule "step"`:           func(c *Config) { c.Schedule = "step" },
	`unknown weighting "snr"`:           func(c *Config) { c.Weighting = "snr" },
	`unknown time distribution "gamma"`: func(c *Config) { c.Times.Name = "gamma" },
	"times.power belongs to":            func(c *Config) { c.Times.Power = 2 },
	"times.power is -1":                 func(c *Config) { c.Times.Name, c.Times.Power = "power", -1 },
	"times.std is -1":                   func(c *Config) { c.Times.Name, c.Times.Std = "logit_normal", -1 },
	"times.mean and times.std belong":   func(c *Config) { c.Times.Mean = 2 },
	"sample_every is -1":                func(c *Config) { c.SampleEvery = -1 },
	"snapshot_every is -1":              func(c *Config) { c.SnapshotEvery = -1 },
	"steps is -1":                       func(c *Config) { c.Steps = -1 },
	"lr is -1":                          func(c *Config) { c.LR = -1 },
	"lr_min is 2":                       func(c *Config) { c.LRMin = new(2.0) },
	"warmup of 20000":                   func(c *Config) { c.Warmup = 20000 },
	"label_dropout is 1;":               func(c *Config) { c.LabelDropout = 1 },
	"teacher is set":                    func(c *Config) { c.Teacher = "x" },
	"pairs is set":                      func(c *Config) { c.Pairs = 500 },
	"needs a teacher":                   func(c *Config) { c.Objective = "reflow" },
	"pairs is 5":                        func(c *Config) { c.Objective, c.Teacher, c.Pairs = "distill", "x", 5 },
	"distill_steps is set":              func(c *Config) { c.DistillSteps = 2 },
	"distill_steps is -2": func(c *Config) {
		c.Objective, c.Teacher, c.DistillSteps = "distill",
			"x", -2
	},
	"for the prediction velocity": func(c *Config) { c.Objective, c.Prediction = "meanflow", path.Noise },
	"intervals.ratio is set":      func(c *Config) { c.Averages.Ratio = 0.5 },
	"ratio is 2":                  func(c *Config) { c.Objective, c.Averages.Ratio = "meanflow", 2 },
	"intervals.power -1 and":      func(c *Config) { c.Objective, c.Averages.Power = "meanflow", new(-1.0) },
	"intervals.offset is 1, but": func(c *Config) {
		c.Objective, c.Averages.Power, c.Averages.Offset = "meanflow", new(0.0), 1
	},
	"intervals.power is set, but":  func(c *Config) { c.Objective, c.Averages.Power = "shortcut", new(1.0) },
	"intervals.finest is set, but": func(c *Config) { c.Objective, c.Averages.Finest = "meanflow", 8 },
	"finest is 12":                 func(c *Config) { c.Objective, c.Averages.Finest = "shortcut", 12 },
	"beta1 is 2":                   func(c *Config) { c.Optimizer.Beta1 = new(2.0) },
	"times is set, but means nothing for": func(c *Config) {
		c.Objective, c.Teacher, c.Times.IID = "distill", "x",
			true
	},
}

// ofML changes the section ml, of its objective.
func ofML(change func(c *MLConfig)) func(*Config) {
	return func(c *Config) { c.Objective = "ml"; change(&c.ML) }
}

func TestBadConfigsAreNamed(t *testing.T) {
	for want, change := range faults {
		c := Config{}
		change(&c)
		if err := c.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("before Defaults: got error %v, want one with %q", err, want)
		}
	}
}

// What Defaults fills in is written to the run file, and means the same when it is read.
func TestCompleteConfigsComeBack(t *testing.T) {
	for _, k := range kinds() {
		c := Config{Objective: k.Name, Loop: Loop{ValEvery: new(0), LRMin: new(0.0)}}
		c.Optimizer.EMADecay = new(0.0)
		if k.Teacher {
			c.Teacher = "folder"
		}
		c = c.Defaults()
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		text, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back Config
		if err := yaml.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		again, err := yaml.Marshal(back.Defaults())
		if err != nil || string(again) != string(text) {
			t.Errorf("%s: comes back as\n%s\n(%v), was\n%s", k.Name, again, err, text)
		}
		if *back.ValEvery != 0 || *back.LRMin != 0 || *back.Optimizer.EMADecay != 0 {
			t.Errorf("%s: a zero that was set did not come back:\n%s", k.Name, text)
		}
	}
	if c := (Config{}).Defaults(); c.Steps != 10000 || *c.LogEvery != 50 || c.Precision != "" ||
		*c.Optimizer.EMADecay != 0.999 {
		t.Errorf("the defaults are %+v", c)
	}
}

func TestStepsFollowTheNumberOfImages(t *testing.T) {
	for _, c := range []struct{ images, batch, want int }{
		{1, 64, 2000}, {5120, 64, 2000}, {8500, 64, 3320}, {8500, 32, 6640}, {60000, 64, 10000}, {0, 64, 10000},
	} {
		if got := StepsFor(c.images, c.batch); got != c.want {
			t.Errorf("%d images in batches of %d: %d steps, want %d", c.images, c.batch, got, c.want)
		}
	}
}

func TestABatchOfNoneCountsAsOne(t *testing.T) {
	for _, batch := range []int{0, -1} {
		if got, want := StepsFor(100, batch), StepsFor(100, 1); got != want {
			t.Errorf("batch %d: %d steps, want %d", batch, got, want)
		}
	}
}
