package run

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"flowmatch/ode"
)

func TestMistakesInARunFileAreNamed(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"data: {name: moons}\ntrain:\n  stps: 3\n", `line 3: unknown key "train.stps"; did you mean "train.steps"?`},
		{"data: {name: moons}\nzzzzzzzz: 3\n", `line 2: unknown key "zzzzzzzz"; it may be backend, condition, conditional`},
		{"data:\n  name: moons\n  nois: 0.1\n", `did you mean "data.noise"?`},
		{"data: {name: moons}\ntrain: {steps: many}\n", "many"},
		{"data: {name: moons}\ntrain: {steps: -4}\n", "steps is -4"},
		{"data: {name: mons}\n", `"mons"`},
		{"seed: 1\n", "nothing to learn from"},
		{"", "nothing to learn from"},
		{"data: {name: moons\n", "[1:"},
		{"data: {name: moons}\npath: {name: vp, sigma_min: 0.1}\n", "sigma_min"},
		{"data: {name: moons}\neval: {solver: rk5}\n", `"rk5"`},
		{"data: {name: moons}\neval: {divergence: excat}\n", `"excat"`},
		{"data: {name: moons}\neval: {rtol: -1}\n", "eval.rtol -1"},
		{"data: {name: moons}\nnet: {activation: swish}\n", `"swish"`},
		{"data: {name: moons}\ntrain: {objective: fm}\n", "set data.n"},
		{"data: {name: moons, n: 10}\ntrain: {objective: fm}\ncoupling: {name: ot}\n", "independent coupling"},
		{"data: {name: moons}\ntrain: {objective: ml}\ncoupling: {name: ot}\n", "coupling.name is set to ot"},
		{"data: {name: moons}\ntrain: {objective: ml}\npath: {name: vp}\n", "path.name is set to vp"},
		{"data: {name: moons}\ntrain: {objective: ml}\npath: {sigma_min: 0.1}\n", "path.sigma_min is set"},
		{"data: {name: moons}\ntrain: {objective: ml, prediction: noise}\n", "prediction is set"},
		{"data: {name: moons}\ntrain: {objective: ml, times: {name: power}}\n", "times is set"},
		{"data: {name: moons}\ntrain: {objective: ml, weighting: sigma2}\n", "weighting is set"},
		{"data: {name: moons}\ntrain: {objective: ml, ml: {solver: rk5}}\n", `"rk5"`},
		{"data: {name: moons}\ntrain: {ml: {kinetic: 1}}\n", "set objective: ml"},
		{"data: {name: moons}\ntrain: {objective: ml, ml: {kinetik: 1}}\n", `did you mean "train.ml.kinetic"?`},
		{"data: {name: moons}\nnet: {interval: true}\n", "net.interval is set by the objectives"},
		{"data: {name: moons}\neval: {solver: interval}\n", "for the objectives meanflow and shortcut, not for cfm"},
		{"data: {name: moons}\ntrain: {objective: reflow, teacher: x}\npath: {name: vp}\n", "straight paths"},
		{"data: {name: moons}\ntrain: {objective: meanflow, intervals: {rato: 1}}\n", `did you mean "train.intervals.ratio"?`},
		{"data: {name: moons}\n---\nseed: 1\n", "2 YAML documents"},
		{"data: {name: moons}\nsource: {name: moon}\n", `unknown set "moon"`},
		{"data: {name: moons}\nsource: {noise: 0.1}\n", "without a name"},
		{"data: {name: moons, n: 10}\nsource: {name: moons}\ntrain: {objective: fm}\n", "remove the source"},
		{"data: {name: moons, n: 10}\npath: {name: bridge}\ntrain: {objective: fm}\n", "only the objective cfm"},
		{"data: {name: moons}\npath: {name: icfm}\ntrain: {objective: meanflow}\n", "only the objective cfm"},
		{"data: {name: moons}\npath: {name: icfm}\ntrain: {prediction: noise}\n", "goes with velocity"},
		{"data: {name: moons}\npath: {name: icfm}\ntrain: {weighting: sigma2}\n", "goes with unit"},
		{"data: {name: moons}\npath: {name: icfm, sigma_min: 0.1}\n", "only sigma"},
	} {
		if _, err := ParseConfig([]byte(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got error\n%v\nwant one with %q", c.text, err, c.want)
		}
	}
}

func TestSettingsOverrideTheFile(t *testing.T) {
	text := []byte("data: {name: moons}\ntrain: {steps: 10}\n")
	c, err := ParseConfig(text, []string{"train.steps=20", "train.lr=3e-4", "net.hidden=[8, 9]", "path.name=vp", "path.beta_max=7", "data.noise=0.25"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Train.Steps != 20 || c.Train.LR != 3e-4 || !reflect.DeepEqual(c.Net.Hidden, []int{8, 9}) || c.Path.Name != "vp" || *c.Path.BetaMax != 7 {
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
		"\"data\": {\"name\": moons, \"n\": 10}\nsource: {name: 8gaussians, noise: 0.2}\npath: {name: icfm, sigma: 0.2}\n",
		"data: {name: 8gaussians, standardize: scalar}\npath: {name: ve, sigma_max: 20}\ncoupling: {name: sinkhorn, reg: 0.1}\ntrain: {prediction: noise, times: {name: logit_normal}}\nconditional: true\n",
		"data: {name: moons}\ntrain: {objective: ml, ml: {solver: rk4, steps: 20, kinetic: 0.1, divergence: hutchinson}}\n",
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
	if err := os.WriteFile(file, []byte("data: {path: sub/a.csv}\ntrain: {objective: reflow, teacher: ../t}\n"), 0o600); err != nil {
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

func TestEachToleranceReachesTheSolver(t *testing.T) {
	s, err := Eval{Solver: "dopri5", RTol: 1e-3, ATol: 1e-7}.ODESolver()
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := s.Control.(ode.Adaptive); !ok || a.RTol != 1e-3 || a.ATol != 1e-7 {
		t.Errorf("got %+v", s.Control)
	}
	for _, c := range []struct {
		e    Eval
		want string
	}{
		{Eval{Solver: "dopri5", Steps: 12, RTol: 1, ATol: 1}, "dopri5 12 steps"},
		{Eval{Solver: "euler"}, "euler 100 steps"},
		{Eval{Solver: "interval", Steps: 2, RTol: 1e-4, ATol: 1e-6}, "dopri5 rtol=0.0001 atol=1e-06"}, // the ODE
		{Eval{Solver: "rk4", Steps: 7}, "rk4 7 steps"},
		{Eval{Solver: "tsit5", RTol: 1e-4, ATol: 1e-6}, "tsit5 rtol=0.0001 atol=1e-06"},
	} {
		s, err := c.e.ODESolver()
		if err != nil {
			t.Fatal(err)
		}
		if got := SolverName(s); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
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

func TestSamplingWithNoiseNeedsTheIndependentCoupling(t *testing.T) {
	c := Config{}
	c.Coupling.Name = "ot"
	for _, o := range []Stochastic{{Method: "ddpm"}, {Method: "ddim", Eta: 0.1}, {Method: "heun_sde", Diffusion: "sigma"}} {
		if _, err := c.SDESampler(o); !errors.Is(err, ErrNoScore) || !strings.Contains(err.Error(), o.Method) {
			t.Errorf("%+v: got %v", o, err)
		}
		if s, err := (Config{}).SDESampler(o); err != nil || s.Steps != 100 {
			t.Errorf("%+v: got %+v, %v", o, s, err)
		}
	}
	for _, text := range []string{"source: {name: moons}", "path: {name: icfm}", "train: {objective: ml}", "train: {objective: shortcut}"} {
		other, err := ParseConfig([]byte("data: {name: moons}\n"+text+"\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.SDESampler(Stochastic{Method: "ddpm"}); !errors.Is(err, ErrNoScore) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	for _, o := range []Stochastic{{Method: "ddim"}, {Method: "euler_maruyama", Diffusion: "constant:0"}} {
		if _, err := c.SDESampler(o); err != nil {
			t.Errorf("%+v, which adds no noise: %v", o, err)
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
