package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// A setting that has no effect together with another is an error that names line, key,
// value and reason. Each row is a setting, and one that takes its effect away.
func TestNoSettingIsWithoutEffect(t *testing.T) {
	const moons = "data: {name: moons}\n"
	const images = "data: {path: x-idx}\n"
	for _, c := range []struct{ text, want string }{
		{moons + "net: {classes: 2}", "line 2: net.classes is 2, but has no effect: the network is not " +
			"conditional on labels; leave it out, or set conditional: true"},
		{moons + "net: {interval: true}", "line 2: net.interval is set by the objectives meanflow and shortcut"},
		{moons + "coupling: {name: ot, context_weight: 3}", "line 2: coupling.context_weight is 3, but has no " +
			"effect: the data have no context; leave it out"},
		{images + "net: {unet: {}, hidden: [8]}", "line 2: net.hidden is [8], but has no effect: it is " +
			"for perceptrons, and the network is net.unet; leave it out, or leave net.unet and net.dit out"},
		{images + "net: {dit: {}, activation: relu}", "net.activation is relu, but has no effect"},
		{images + "net: {unet: {}, time_frequencies: 2}", "net.time_frequencies is 2, but has no effect"},
		{images + "net: {dit: {}, space_frequencies: 2}", "net.space_frequencies is 2, but has no effect"},
		{images + "net: {unet: {}, space_scale: 2}", "net.space_scale is 2, but has no effect: it is for " +
			"perceptrons"},
		{moons + "train: {times: {name: proportional}}", "line 2: train.times.name is proportional, but has no " +
			"effect: the weighting unit is the same at all times; leave it out, or set train.weighting to " +
			"likelihood, for instance"},
		{moons + "precondition: true\ntrain: {times: {name: proportional}}", "line 3: train.times.name is " +
			"proportional"},
		{moons + "precondition: false\ntrain: {times: {name: proportional}, weighting: velocity}",
			"the weighting velocity of the prediction velocity is the same at all times of path condot"},
		{moons + "path: {name: ve}\nprecondition: false\n" +
			"train: {times: {name: proportional}, weighting: likelihood, prediction: noise}",
			"line 4: train.times.name is proportional, but has no effect: the weighting likelihood of the " +
				"prediction noise is the same at all times of path ve; leave it out, or set another " +
				"train.weighting or train.prediction"},
		{moons + "net: {space_scale: 0.2}", "net.space_scale is 0.2, but has no effect: it is the scale of " +
			"net.space_frequencies, which is 0; leave it out, or set net.space_frequencies"},
		{images + "net: {unet: {heads: 2, head_channels: 8}}", "net.unet.heads is 2, but has no effect: " +
			"net.unet.head_channels says how many heads there are"},

		{moons + "train: {schedule: constant, lr_min: 1e-5}", "line 2: train.lr_min is 1e-05, but has no " +
			"effect: the " +
			"learning rate is constant, without a warm-up; leave it out, or set train.warmup, or another " +
			"train.schedule"},
		{"data: {name: moons, val: 0}\ntrain:\n  val_every: 100", "line 3: train.val_every is 100, but " +
			"has no effect: " +
			"data.val is 0, so that there are no points to validate on; leave it out, or set data.val to " +
			"a number of points"},
		{"data: {name: moons, val: 0}\ntrain: {patience: 3}", "train.patience is 3, but has no effect"},
		{"data: {path: t.csv, val: 0}\ntrain: {val_every: 7}", "train.val_every is 7, but has no effect"},
		{"data: {name: moons, val: 0}\ntrain: {objective: ml, ml: {val: 7}}", "train.ml.val is 7, but " +
			"has no effect"},
		{moons + "train: {objective: ml, val_every: 0, ml: {val: 7}}", "train.ml.val is 7, but has no effect: " +
			"train.val_every is 0"},
		{moons + "train: {val_every: 0, patience: 3}", "patience is 3, but val_every is 0"},
		{moons + "train: {objective: ml, ml: {solver: rk4, rtol: 1e-3}}", "train.ml.rtol is 0.001, but " +
			"has no effect: " +
			"rk4 takes equal steps, which have no tolerance; leave it out, or set train.ml.solver to a " +
			"method with an error estimate, such as dopri5, without train.ml.steps"},
		{moons + "train: {objective: ml, ml: {steps: 9, atol: 1e-3}}", "train.ml.atol is 0.001, but has " +
			"no effect: 9 equal steps are asked for"},
		{moons + "train: {objective: ml, prediction: noise}", "line 2: train: prediction is set"},
		{moons + "train: {objective: ml, times: {iid: true}}", "line 2: train: times is set"},
		{moons + "train: {objective: ml, label_dropout: 0.1}", "line 2: train: label_dropout is set"},
		{moons + "train: {objective: ml, precision: bf16}", "line 2: train: precision is set"},
		{moons + "train: {objective: ml, accumulate: 2}", "line 2: train: accumulate is set"},
		{moons + "train: {objective: ml, devices: 2}", "line 2: train: devices is set"},
		{moons + "train: {objective: ml, recompute: true}", "line 2: train: recompute is set"},
		{moons + "train: {objective: ml, weighting: sigma2}", "line 2: train: weighting is set"},
		{moons + "train: {objective: ml}\npath: {name: vp}", "line 3: path.name is set to vp"},
		{moons + "train: {objective: ml}\ncoupling: {name: ot}", "line 3: coupling.name is set to ot"},
		{moons + "train: {objective: ml}\nsource: {name: moons}", "line 3: source.name is set to moons"},
		{moons + "train: {objective: distill, teacher: x, times: {name: power}}", "line 2: train: times is set"},
		{moons + "train: {objective: reflow, teacher: x, label_dropout: 0.1}", "line 2: train: " +
			"label_dropout is set"},
		{moons + "train: {teacher: x}", "line 2: train: teacher is set"},
		{moons + "train: {pairs: 1000}", "line 2: train: pairs is set"},
		{moons + "train: {objective: reflow, teacher: x, distill_steps: 2}", "line 2: train: " +
			"distill_steps is set"},
		{moons + "train: {intervals: {ratio: 0.5}}", "line 2: train: intervals.ratio is set"},
		{moons + "train: {objective: meanflow, intervals: {finest: 2}}", "line 2: train: " +
			"intervals.finest is set"},
		{moons + "train: {objective: meanflow, intervals: {power: 0, offset: 0.1}}", "intervals.offset is 0.1, but"},
		{moons + "train: {objective: shortcut, intervals: {finest: 1, falloff: 1}}",
			"line 2: train.intervals.falloff is 1, but has no effect: train.intervals.finest is 1"},
		{moons + "train: {objective: shortcut, intervals: {power: 1}}", "line 2: train: intervals.power is set"},
		{moons + "train: {times: {name: uniform, mean: 1}}", "times.mean and times.std belong to logit_normal"},
		{moons + "train: {times: {power: 1}}", "power belongs to the time distribution power"},
		{moons + "train: {label_dropout: 0.1}", "line 2: train.label_dropout is for conditional networks"},
		{moons + "train: {ml: {kinetic: 1}}", "line 2: train: ml is set"},

		{moons + "eval: {solver: euler, rtol: 1e-3}", "line 2: eval.rtol is 0.001, but has no effect: " +
			"euler takes equal " +
			"steps, which have no tolerance; leave it out, or set eval.solver to a method with an error " +
			"estimate, such as dopri5, without eval.steps"},
		{moons + "eval: {steps: 30, atol: 1e-3}", "eval.atol is 0.001, but has no effect: 30 equal steps " +
			"are asked for"},
		{moons + "eval: {divergence: exact, probes: 3}", "probes is 3, but the divergence is exact"},
		{moons + "eval: {dequantizations: 5}", "eval.dequantizations is 5, but has no effect: it is for images"},
		{"data: {path: x-idx, dequantize: false}\neval: {dequantizations: 5}", "data.dequantize is false"},
		{"data: {name: moons, test: 0}\neval: {samples: 9}", "eval.samples is 9, but has no effect: " +
			"data.test is 0"},
		{"data: {name: moons, test: 0}\neval: {test: 9}", "eval.test is 9, but has no effect: data.test is 0"},
		{moons + "train: {objective: distill, teacher: x}\neval: {divergence: hutchinson}",
			"line 3: eval.divergence is hutchinson, but has no effect: a run of the objective distill " +
				"has no density"},
		{moons + "train: {objective: distill, teacher: x}\neval: {rtol: 0.01}", "eval.rtol is 0.01, but " +
			"has no effect"},
		{moons + "eval: {solver: average}", "eval.solver average is for the objectives"},
		{moons + "eval: {solver: interval}", "eval.solver interval is for the objectives"},

		{moons + "path: {beta_min: 1}", "line 2: path: beta_min = 1"},
		{moons + "path: {name: vp, sigma: 1}", "line 2: path: sigma = 1"},
		{moons + "path: {params: {a: 1}}", "params: schedule condot does not use them"},
		{moons + "coupling: {reg: 0.1}", "line 2: coupling: reg = 0.1"},
		{moons + "coupling: {name: ot, tol: 0.1}", "line 2: coupling: tol = 0.1"},
		{moons + "coupling: {batch: 8}", "line 2: coupling: batch = 8"},
		{moons + "coupling: {label_aware: true}", "coupling independent does not use it"},
		{moons + "source: {noise: 0.1}", "without a name"},
		{moons + "condition: {kind: superres, factor: 2}", "condition is for images"},
		{images + "condition: {factor: 2}", "without condition.kind"},
		{images + "condition: {kind: superres, factor: 2, mask: left}", "condition.mask is for inpaint"},

		{"data: {path: t.csv, n: 10}", "line 1: data: n is set"},
		{"data: {path: t.csv, noise: 0.1}", "line 1: data: noise is set"},
		{"data: {path: t.csv, flip: true}", "line 1: data: flip is set"},
		{"data: {path: t.csv, labels_path: x}", "line 1: data: labels_path is set"},
		{"data: {path: t.csv, dequantize: true}", "line 1: data: dequantize is set"},
		{"data: {path: t.npy, header: true}", "line 1: data: header is set"},
		{"data: {path: t.parquet, delimiter: tab}", "line 1: data: delimiter is set"},
		{"data: {path: x-idx, label: a}", "line 1: data: label is set"},
		{"data: {path: x-idx, size: 8}", "line 1: data: size is set"},
		{"data: {path: x-idx, coarse: true}", "line 1: data: coarse is set"},
		{"data: {name: moons, components: 3}", "moons does not take components"},
		{"data: {name: mixture, means: [[0, 1]], dim: 2}", "means are given, so components, dim"},
		{"data: {uci: power, path: p, val: 0.1}", "line 1: data: val is set"},
		{"data: {path: t.csv, test_path: u.csv, test: 0.1}", "test and test_path are both set"},
	} {
		_, err := ParseConfig([]byte(c.text), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got error\n%v\nwant one with\n%s", c.text, err, c.want)
		}
	}
}

// What has an effect after all, or is what it would be when left out, is no error.
func TestSettingsWithAnEffectAreTaken(t *testing.T) {
	const moons = "data: {name: moons}\n"
	for _, text := range []string{
		moons + "eval: {solver: euler, rtol: 1e-5, atol: 1e-5}",
		moons + "eval: {steps: 0, rtol: 1e-3}",
		moons + "train: {objective: meanflow}\neval: {solver: average, steps: 2, rtol: 1e-3, test: 9}",
		moons + "train: {objective: meanflow}\neval: {solver: interval}",
		moons + "train: {schedule: constant, warmup: 10, lr_min: 1e-5}",
		moons + "train: {schedule: constant, lr_min: 1e-8}",
		moons + "train: {steps: 100, snapshot_every: 100, sample_every: 50, checkpoint_every: 500}",
		moons + "train: {objective: reflow, teacher: x, val_every: 10, patience: 2}",
		"data: {name: moons, val: 0}\ntrain: {objective: reflow, teacher: x, val_every: 10}",
		"data: {name: moons, val: 0}\ntrain: {val_every: 0}",
		"data: {path: x-idx}\nnet: {unet: {heads: 2}, hidden: [64, 64, 64], activation: gelu}\neval: " +
			"{dequantizations: 5}",
		"data: {name: moons}\nconditional: true\nnet: {classes: 2, dim: 2}",
		moons + "net: {space_frequencies: 3, space_scale: 0.2}",
		moons + "train: {times: {name: proportional}, weighting: likelihood}",
		moons + "precondition: true\ntrain: {times: {name: proportional}, weighting: velocity}",
		"data: {path: t.csv, test_path: u.npy, header: true}",
	} {
		if _, err := ParseConfig([]byte(text), nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := ParseConfig([]byte(moons+"eval: {solver: euler}\n"), []string{"eval.rtol=1e-3"})
	if want := `setting "eval.rtol=1e-3": eval.rtol is 0.001, but has no effect`; err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What only the data show to be without effect, or to be wrong, is an error of Train.
func TestTheDataDecideOnSettings(t *testing.T) {
	const small = "net: {hidden: [4]}\ntrain: {steps: 2, batch: 8, val_every: 0, "
	for _, c := range []struct{ text, setting, want string }{
		{"", "net.dim=3", "net.dim is 3, but the data (moons) make it 2; leave it out"},
		{"", "net.condition=4", "net.condition is 4, but the data (moons) make it 0; leave it out"},
		{"conditional: true\n", "net.classes=3", "net.classes is 3, but the data (moons) make it 2; " +
			"leave it out"},
		{"", "eval.probes=3", "eval.probes is 3, but up to 64 dimensions the divergence is exact, which " +
			"has none, and the data have 2: leave it out, or set divergence to hutchinson"},
	} {
		text := "data: {name: moons, val: 10, test: 10}\n" + c.text + small + "}\n"
		cfg := parseText(t, text, c.setting)
		_, err := Train(t.Context(), cfg, t.TempDir(), TrainOptions{})
		if err == nil || !strings.Contains(err.Error(), ErrSettings.Error()+": "+c.want) {
			t.Errorf("%s: got error %v, want %s", c.setting, err, c.want)
		}
	}
}

func parseText(t *testing.T, text string, set ...string) Config {
	t.Helper()
	c, err := ParseConfig([]byte(text), set)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return c
}

// run.yaml holds every setting, and is a run file too: nothing in it is without effect. One
// of an earlier version, which may have kept what has no effect, opens all the same.
func TestARunsOwnSettingsReadAgain(t *testing.T) {
	const small = "net: {hidden: [4]}\ntrain: {steps: 4, batch: 8, log_every: 2, "
	for _, text := range []string{
		"data: {name: moons, val: 0, test: 10}\n" + small + "}\neval: {solver: euler}\n",
		"data: {name: moons, val: 10, test: 0}\nconditional: true\n" + small + "schedule: constant}\n",
		"data: {name: moons, val: 10, test: 10}\n" + small + "objective: meanflow}\n",
		"data: {name: moons, val: 10, test: 10}\n" + small + "objective: ml, ml: {solver: rk4, steps: 3}}\n",
		"data: {name: gaussian, dim: 70, val: 10, test: 10}\n" + small + "}\neval: {probes: 3, rtol: 1e-2}\n",
	} {
		dir := filepath.Join(t.TempDir(), "run")
		if _, err := Train(t.Context(), parseText(t, text), dir, TrainOptions{}); err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		file := filepath.Join(dir, ConfigFile)
		cfg, err := ReadConfig(file, []string{"train.steps=6"})
		if err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		var changes []Change
		r, err := Train(t.Context(), cfg, dir, TrainOptions{
			Resume: true, Resumed: func(_ int, c []Change) { changes = c },
		})
		if err != nil || r.Step != 6 || len(changes) != 1 {
			t.Errorf("%s: resumed with the changes %v: %v", text, changes, err)
		}
	}
}

func TestRunsOfEarlierVersionsOpen(t *testing.T) {
	dir := t.TempDir()
	cfg := parseText(t, "data: {name: moons, val: 0, test: 10}\nnet: {hidden: [4]}\n"+
		"train: {objective: ml, steps: 2, batch: 8}\neval: {solver: euler}\n")
	if _, err := Train(t.Context(), cfg, dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, ConfigFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	train := tree["train"].(map[string]any)
	train["val_every"] = 100
	train["ml"].(map[string]any)["probes"] = 0
	tree["eval"].(map[string]any)["rtol"] = 0.01
	if text, err = yaml.Marshal(tree); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, ""); err != nil {
		t.Errorf("the run does not open: %v", err)
	}
	if _, err := ReadConfig(file, nil); err == nil || !strings.Contains(err.Error(), `unknown key "train.ml.probes"`) {
		t.Errorf("as a run file it reads: %v", err)
	}
}

// A training that is too short for a setting says so, and goes on: a run file is tried with
// few steps before it is used with many.
func TestAShortTrainingWarns(t *testing.T) {
	for _, c := range []struct{ train, want string }{
		{"steps: 100, val_every: 100, patience: 3", "train.patience is 3, but has no effect in a training " +
			"of 100 steps: train.val_every is 100"},
		{"steps: 100, val_every: 99, patience: 3", ""},
		{"steps: 100, snapshot_every: 101", "train.snapshot_every is 101, but has no effect in a training " +
			"of 100 steps: no snapshot is kept"},
		{"steps: 100, sample_every: 200", "train.sample_every is 200, but has no effect in a training " +
			"of 100 steps: no samples are drawn"},
		{"steps: 100, sample_every: 100, snapshot_every: 100", ""},
		{"steps: 100", ""},
		{"steps: 100, batch: 64}\ncoupling: {name: ot, batch: 100", "coupling.batch is 100, but has no effect: " +
			"train.batch is 64, and all its rows are coupled among themselves"},
		{"steps: 100, batch: 64}\ncoupling: {name: ot, batch: 64", ""},
	} {
		cfg, err := ParseConfig([]byte("data: {name: moons}\ntrain: {"+c.train+"}"), nil)
		if err != nil {
			t.Fatalf("%s: %v", c.train, err)
		}
		if got := strings.Join(cfg.Defaults().Warnings(), "; "); got != c.want {
			t.Errorf("%s: %q, want %q", c.train, got, c.want)
		}
	}
}
