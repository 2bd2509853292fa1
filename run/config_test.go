package run

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"flowmatch/model"
	"flowmatch/sde"
)

func TestMistakesInARunFileAreNamed(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"data: {name: moons}\ntrain:\n  stps: 3\n", `line 3: unknown key "train.stps"; did you mean "train.steps"?`},
		{"data: {name: moons}\nzzzzzzzz: 3\n",
			`line 2: unknown key "zzzzzzzz"; it must be one of backend, condition, conditional`},
		{"data:\n  name: moons\n  nois: 0.1\n", `did you mean "data.noise"?`},
		{"data: {name: moons}\ntrain: {steps: many}\n", "many"},
		{"data: {name: moons}\ntrain: {steps: -4}\n", "steps is -4"},
		{"data: {name: mons}\n", `"mons"`},
		{"seed: 1\n", "nothing to learn from"},
		{"", "nothing to learn from"},
		{"data: {name: moons\n", "line 1: could not find"},
		{"data: {name: moons}\npath: {name: vp, sigma_min: 0.1}\n", "sigma_min"},
		{"data: {name: moons}\neval: {solver: rk5}\n", `"rk5"`},
		{"data: {name: moons}\neval: {divergence: excat}\n", `"excat"`},
		{"data: {name: moons}\neval: {rtol: -1}\n", "line 2: eval: rtol is -1"},
		{"data: {name: moons}\nnet: {activation: swish}\n", `"swish"`},
		{"data: {name: moons}\ntrain: {objective: fm}\n", "set data.n"},
		{"data: {name: moons, n: 10}\ntrain: {objective: fm}\ncoupling: {name: ot}\n", "independent coupling"},
		{"data: {name: moons}\ntrain: {objective: ml}\ncoupling: {name: ot}\n", "coupling.name is set to ot"},
		{"data: {name: moons}\ntrain: {objective: ml}\npath: {name: vp}\n", "path.name is set to vp"},
		{"data: {name: moons}\ntrain: {objective: ml}\npath: {sigma_min: 0.1}\n", "path.sigma_min is set"},
		{"data: {name: moons}\ntrain: {objective: ml, prediction: noise}\n", "prediction is set"},
		{"data: {name: moons}\ntrain: {objective: ml, times: {name: power}}\n", "times is set"},
		{"data: {name: moons}\ntrain: {objective: ml, weighting: sigma2}\n", "weighting is set"},
		{"data: {path: x-idx}\nnet: {unet: {channels: 4}}\ntrain: {objective: ml}\n", "ml is for perceptrons"},
		{"data: {name: moons}\ntrain: {objective: ml, ml: {solver: rk5}}\n", `"rk5"`},
		{"data: {name: moons}\ntrain: {ml: {kinetic: 1}}\n", "set objective to ml"},
		{"data: {name: moons}\ntrain: {objective: ml, ml: {kinetik: 1}}\n", `did you mean "train.ml.kinetic"?`},
		{"data: {name: moons}\nnet: {interval: true}\n", "net.interval is set by the objectives"},
		{"data: {name: moons}\neval: {solver: interval}\n", "for the objectives meanflow and shortcut, not for cfm"},
		{"data: {name: moons}\ntrain: {objective: reflow, teacher: x}\npath: {name: vp}\n", "straight paths"},
		{"data: {name: moons}\ntrain: {objective: meanflow, intervals: {rato: 1}}\n",
			`did you mean "train.intervals.ratio"?`},
		{"data: {name: moons}\n---\nseed: 1\n", "2 YAML documents"},
		{"data: {name: moons}\nsource: {name: moon}\n", `unknown synthetic set "moon"; did you mean "moons"?`},
		{"data: {name: moons}\nsource: {noise: 0.1}\n", "without a name"},
		{"data: {name: moons, n: 10}\nsource: {name: moons}\ntrain: {objective: fm}\n", "remove the source"},
		{"data: {name: moons, n: 10}\npath: {name: bridge}\ntrain: {objective: fm}\n", "for the objective cfm, not"},
		{"data: {name: moons}\npath: {name: icfm}\ntrain: {objective: meanflow}\n", "for the objective cfm, not"},
		{"data: {name: moons}\npath: {name: icfm}\ntrain: {prediction: noise}\n", "needs velocity"},
		{"data: {name: moons}\npath: {name: icfm}\ntrain: {weighting: sigma2}\n", "needs unit"},
		{"data: {name: moons}\npath: {name: icfm, sigma_min: 0.1}\n", "only sigma"},
		// Unset is not zero, and whole numbers are whole.
		{"data: {name: moons}\ntrain: {lr: 0}\n", "line 2: train.lr is 0; leave the key out for the default 0.01"},
		{"data: {name: moons}\neval: {rtol: 0}\n", "line 2: eval.rtol is 0; leave the key out for the default"},
		{"data: {name: moons}\neval:\n  samples: 0\n", "line 3: eval.samples is 0"},
		{"data: {name: moons}\ntrain: {steps: 2.5}\n", "line 2: train.steps is 2.5"},
		{"data: {name: moons}\ntrain: {steps: 0.5}\n", "line 2: train.steps is 0.5"},
		{"data: {name: moons}\nseed: 18446744073709551616\n", "line 2: seed is 18446744073709551616"},
		{"data: {name: moons}\nseed: -1\n", "line 2: seed is -1"},
		{"data: {name: moons}\ntrain: {optimizer: {beta1: 1}}\n", "beta1 is 1"},
		{"data: {name: moons}\ntrain: {patience: 3, val_every: 0}\n", "val_every is 0"},
	} {
		if _, err := ParseConfig([]byte(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got error\n%v\nwant one with %q", c.text, err, c.want)
		}
	}
}

// A zero that means something is taken as it is.
func TestZerosThatAreValues(t *testing.T) {
	c, err := ParseConfig([]byte("data: {name: moons}\ntrain: {log_every: 0, val_every: 0, checkpoint_every: 0, "+
		"lr_min: 0, optimizer: {beta1: 0, ema_decay: 0}}\n"), []string{"train.steps=1e3"})
	if err != nil {
		t.Fatal(err)
	}
	l, o := c.Train.Loop, c.Train.Optimizer
	if *l.LogEvery != 0 || *l.ValEvery != 0 || *l.CheckpointEvery != 0 || *l.LRMin != 0 || *o.Beta1 != 0 ||
		*o.EMADecay != 0 || l.Steps != 1000 {
		t.Errorf("got %+v and %+v", l, o)
	}
	c, err = ParseConfig([]byte("data: {name: moons}\ntrain:\n  lr:\n  steps: null\n"), nil)
	if err != nil || c.Train.LR != 1e-2 || c.Train.Steps != 10000 {
		t.Errorf("keys without a value: lr %g, steps %d (%v), want the defaults", c.Train.LR, c.Train.Steps, err)
	}
}

func TestSettingsOverrideTheFile(t *testing.T) {
	text := []byte("data: {name: moons}\ntrain: {steps: 10}\n")
	c, err := ParseConfig(text,
		[]string{"train.steps=20", "train.lr=3e-4", "net.hidden=[8, 9]", "path.name=vp", "path.beta_max=7",
			"data.noise=0.25"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Train.Steps != 20 || c.Train.LR != 3e-4 || !reflect.DeepEqual(c.Net.Hidden, []int{8, 9}) ||
		c.Path.Name != "vp" || *c.Path.BetaMax != 7 {
		t.Errorf("got %+v", c)
	}
	for setting, want := range map[string]string{
		"train.stps=3":    `did you mean "train.steps"?`,
		"train.steps":     "key=value",
		"train.steps.x=3": "holds a value",
		"train.steps=abc": "abc",
		"train.steps=[":   "setting",
	} {
		if _, err := ParseConfig(text, []string{setting}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("setting %q: got %v, want %q", setting, err, want)
		}
	}
}

// What is written to a run's folder, read again, is the same: no default, and
// no transformation, is applied twice.
func TestRunFileRoundTrips(t *testing.T) {
	for _, text := range []string{
		"data: {name: moons}\n",
		"\"data\": {\"name\": moons, \"n\": 10}\nsource: {name: 8gaussians, noise: 0.2}\n" +
			"path: {name: icfm, sigma: 0.2}\n",
		"data: {name: 8gaussians, standardize: scalar}\npath: {name: ve, sigma_max: 20}\n" +
			"coupling: {name: sinkhorn, reg: 0.1}\n" +
			"train: {prediction: noise, times: {name: logit_normal}}\nconditional: true\n",
		"data: {name: moons}\n" +
			"train: {objective: ml, ml: {solver: rk4, steps: 20, kinetic: 0.1, divergence: hutchinson}}\n",
		"data: {name: moons}\ntrain: {objective: meanflow, intervals: {power: 1}}\n",
		"data: {name: moons}\ntrain: {objective: shortcut}\neval: {solver: dopri5}\n",
		"data: {name: moons}\ntrain: {objective: distill, teacher: /x/y, distill_steps: 2}\n",
		"data: {path: /x/train-images-idx3-ubyte.gz, dequantize: false, val: 0.2}\neval: {steps: 30, solver: heun2}\n",
	} {
		c, err := ParseConfig([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		written, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseConfig(written, nil)
		if err != nil {
			t.Fatalf("%s\n%v", written, err)
		}
		rewritten, _ := yaml.Marshal(again)
		if string(written) != string(rewritten) {
			t.Errorf("written once:\n%s\ntwice:\n%s", written, rewritten)
		}
	}
}

func TestPathsAreRelativeToTheRunFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "r.yaml")
	text := "data: {path: sub/a.csv}\ntrain: {objective: reflow, teacher: ../t}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "sub", "a.csv"); c.Data.Path != want {
		t.Errorf("path is %s, want %s", c.Data.Path, want)
	}
	if want := filepath.Join(filepath.Dir(dir), "t"); c.Train.Teacher != want {
		t.Errorf("teacher is %s, want %s", c.Train.Teacher, want)
	}
}

func TestExampleRunFilesAreValid(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no example run files (%v)", err)
	}
	for _, f := range files {
		if _, err := ReadConfig(f, nil); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// What makes that a field does not determine its score is in the model of the run.
func TestSamplingWithNoiseNeedsTheIndependentCoupling(t *testing.T) {
	for text, want := range map[string]string{
		"coupling: {name: ot}":         "coupling ot",
		"source: {name: moons}":        "source moons",
		"path: {name: icfm}":           "path icfm",
		"train: {objective: shortcut}": "objective shortcut",
		"train: {objective: ml}":       "objective ml",
	} {
		c, err := ParseConfig([]byte("data: {name: moons, val: 10, test: 10}\nnet: {hidden: [4]}\n"+text+"\n"),
			[]string{"train.steps=2", "train.batch=8"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Train(t.Context(), c, t.TempDir(), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// A checkpoint of an earlier version does not say it: then run.yaml does.
		file := filepath.Join(r.Dir, CheckpointFile)
		old, err := model.Load(file, r.Model.Net().Engine())
		if err != nil {
			t.Fatal(err)
		}
		old.Spec.NoScore = ""
		if err := old.Save(file); err != nil {
			t.Fatal(err)
		}
		again, err := Open(r.Dir, "")
		if err != nil {
			t.Fatal(err)
		}
		draw := func(m sde.Method, eta float64) error {
			_, err := again.Model.Sample(t.Context(),
				model.SampleOptions{N: 2, Sampler: model.SDE{Sampler: sde.Sampler{Method: m, Eta: eta, Steps: 2}}})
			return err
		}
		if err := draw(sde.DDPM, 0); !errors.Is(err, model.ErrNoScore) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
		if err := draw(sde.DDIM, 0); err != nil {
			t.Errorf("%s: ddim without noise: %v", text, err)
		}
	}
}

func TestPathsAreRelativeToWhereTheyStand(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "run.yaml")
	if err := os.WriteFile(file, []byte("data: {path: a.csv, test_path: b.csv}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig(file, []string{"data.test_path=c d.csv"})
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("c d.csv")
	if err != nil {
		t.Fatal(err)
	}
	if c.Data.Path != filepath.Join(dir, "a.csv") || c.Data.TestPath != here {
		t.Errorf("got %q and %q, want a.csv beside the file and %q", c.Data.Path, c.Data.TestPath, here)
	}
}
