package experiment_test

import (
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"flowmatch/experiment"
)

// least is a grid of one cell.
const least = `title: Least
seeds: [7]
base:
  data: {name: moons}
  net: {hidden: [8]}
  train:
    steps: 30
    lr: 1e-3
tasks: [{name: moons}]
methods:
  - name: FM
    set:
      train.batch: 16
      train.optimizer.ema_decay: 0.9
measure: [samples]
`

// ode is one of kind neural_ode.
const ode = `title: ODE
kind: neural_ode
seeds: [7]
base: {points: 1e2, hidden: [8], steps: 40, batch: 5, length: 5,
  lr: 1e-2, eval_every: 10, tolerances: [1e-3]}
tasks:
  - {name: spiral, set: {system: spiral}}
methods:
  - {name: adjoint, set: {gradient: adjoint}}
measure: [fit]
`

// Every value of a grid is checked as that of a run file is, with the line it is on.
func TestSettingsOfGridsAreStrict(t *testing.T) {
	for _, c := range []struct{ grid, old, new, want string }{
		{least, "steps: 30", "steps: 2.5", "line 7: base.train.steps is 2.5; it must be a whole number"},
		{least, "steps: 30", "steps: 0", "line 7: train.steps is 0; leave the key out"},
		{least, "steps: 30", "stps: 30", `line 7: unknown key "base.train.stps"; did you mean "base.train.steps"?`},
		{least, "steps: 30", "steps: many", "line 7: base.train.steps is many; it must be a whole number"},
		{least, "steps: 30", "steps: 030", "line 7: base.train.steps is 030; it must be a whole number"},
		{least, "steps: 30", "steps: 30\n    steps: 40", "line 8: base.train.steps is given twice"},
		{least, "lr: 1e-3", "lr: 0", "line 8: train.lr is 0; leave the key out"},
		{least, "lr: 1e-3", "lr: -1", "line 8: train: lr is -1; it must be positive"},
		{least, "lr: 1e-3", `lr: fast`, "line 8: base.train.lr is fast; it must be a number"},
		{least, "  train:\n", "  train.steps: 3\n  train:\n", `line 6: unknown key "base.train.steps"`},
		{least, "train.batch: 16", "train.batch: 1.5", "line 13: train.batch is 1.5; it must be a whole number"},
		{least, "train.batch: 16", "train.batch: 016", "line 13: methods[0].set.train.batch is 016; write a number"},
		{least, "train.batch: 16", "train.btch: 16", `line 13: unknown key "train.btch"; did you mean "train.batch"?`},
		{least, "ema_decay: 0.9", "ema_decay: 2", "ema_decay is 2"},
		{least, "seeds: [7]", "seeds: [-1]", "line 2: seeds[0] is -1; it must be a whole number from 0 to"},
		{least, "seeds: [7]", "seeds: [18446744073709551616]", "line 2: seeds[0] is 18446744073709551616; it must be"},
		{least, "measure:", "tables: [{title: A, value: w2, digits: 0}]\nmeasure:", "tables[0].digits is 0; leave"},
		{least, "measure:", "tables: [{title: A, value: w2, digits: -1}]\nmeasure:", "digits is -1; it must be"},
		{least, "title: Least", "title: [Least]", "line 1: title is a list; it must be text"},
		{ode, "batch: 5", "batch: 0", "line 4: batch is 0; leave the key out for the default 20"},
		{ode, "batch: 5", "btch: 5", `line 4: unknown key "base.btch"; did you mean "base.batch"?`},
		{ode, "lr: 1e-2", "lr: 0", "line 5: lr is 0; leave the key out"},
		{ode, "lr: 1e-2", "lr: -1", "line 5: lr is -1; it must be positive"},
		{ode, "length: 5", "length: 200", "line 4: length is 200; it must be at most points, 100"},
		{ode, "points: 1e2", "points: 1e-2", "line 4: base.points is 1e-2; it must be a whole number"},
		{ode, "points: 1e2", "points: 1", "line 4: points is 1; it must be at least 2"},
		{ode, "hidden: [8]", "hidden: [0]", "hidden"},
		{ode, "hidden: [8]", "hidden: 8", "line 4: base.hidden is 8; it must be a list of whole numbers"},
		{ode, "[1e-3]", "[0]", "tolerances has 0; each must be positive"},
		{ode, "steps: 40", "steps: -1", "line 4: steps is -1; it must be at least 1"},
		{ode, "eval_every: 10", "eval_every: -1", "line 5: eval_every is -1; it must be at least 0"},
		{ode, "kind: neural_ode", "kind: neural", `unknown kind "neural"; it must be one of neural_ode`},
		{ode, "system: spiral", "system: spirla", `line 7: unknown system "spirla"; did you mean "spiral"?`},
		{ode, "gradient: adjoint", "gradient: back", `line 9: unknown gradient "back"`},
	} {
		experiment.Refused(t, c.grid, c.old, c.new, c.want)
	}
}

// What a command sets is checked alike, and wins.
func TestSettingsOfACommandAreStrict(t *testing.T) {
	g, _ := plan(t, least, t.TempDir())
	for set, want := range map[string]string{
		"train.steps=2.5":           `setting "train.steps=2.5": train.steps is 2.5; it must be a whole number`,
		"train.lr=0":                `setting "train.lr=0": train.lr is 0; leave the key out`,
		"train.stps=3":              `unknown key "train.stps"; did you mean "train.steps"?`,
		"train.steps":               "it must be key=value",
		"seed=18446744073709551616": "it must be a whole number from 0 to 18446744073709551615",
		"seed=18446744073709551615": "the seed of a run is one of the grid's seeds",
	} {
		if _, err := g.Plan(t.TempDir(), []string{set}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", set, err, want)
		}
	}
	cells, err := g.Plan(t.TempDir(),
		[]string{"train.steps=1e4", "train.optimizer.ema_decay=0"})
	if err != nil {
		t.Fatal(err)
	}
	c := cells[0].Config
	if c.Train.Steps != 10000 || c.Train.Batch != 16 || c.Train.LR != 1e-3 || c.Seed != cells[0].Seed ||
		*c.Train.Optimizer.EMADecay != 0 {
		t.Errorf("settings %+v", c.Train)
	}
}

// Anchors and merges are those of YAML.
func TestGridsMayUseAnchors(t *testing.T) {
	text := strings.Replace(least, "steps: 30", "steps: &n 3e1", 1)
	text = strings.Replace(text, "train.batch: 16", "train.batch: *n", 1)
	_, cells := plan(t, text, t.TempDir())
	if c := cells[0].Config.Train; c.Steps != 30 || c.Batch != 30 || c.LR != 1e-3 {
		t.Errorf("steps %d, batch %d, lr %g; want 30, 30 and 1e-3", c.Steps, c.Batch, c.LR)
	}
	merged := strings.Replace(least, "methods:\n",
		"methods:\n  - name: first\n    set: &set {train.warmup: 2, train.batch: 8}\n", 1)
	merged = strings.Replace(merged, "      train.batch: 16\n", "      <<: *set\n      train.batch: 16\n", 1)
	_, cells = plan(t, merged, t.TempDir())
	if c := cells[1].Config.Train; c.Warmup != 2 || c.Batch != 16 {
		t.Errorf("warmup %d, batch %d; want those merged and given", c.Warmup, c.Batch)
	}
}

func TestUnsetKeysOfANeuralCellHaveDefaults(t *testing.T) {
	text := strings.Replace(ode, `base: {points: 1e2, hidden: [8], steps: 40, batch: 5, length: 5,
  lr: 1e-2, eval_every: 10, tolerances: [1e-3]}
`, "", 1)
	_, cells := plan(t, text, t.TempDir())
	want := experiment.Neural{
		System: "spiral", Gradient: "adjoint", Seed: 7, Backend: "native", Points: 1000, Hidden: []int{64, 64},
		Steps: 1000, Batch: 20, Length: 10, LR: 1e-2,
	}
	if got := *cells[0].Neural; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Settings that a program changes are those that run, and that are fingerprinted.
func TestAGridCanBeChangedByAProgram(t *testing.T) {
	dir := t.TempDir()
	g, cells := plan(t, least, dir)
	if _, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	g.Methods[0].Set["train.batch"] = 8
	cells, err := g.Plan(dir, nil)
	if err != nil || cells[0].Config.Train.Batch != 8 {
		t.Fatalf("batch %d (%v), want 8", cells[0].Config.Train.Batch, err)
	}
	if _, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{}); !errors.Is(err, experiment.ErrStale) {
		t.Errorf("got %v, want that the folder holds a run of other settings", err)
	}
}

// The runs of an experiment are few steps of tens of points here; every field of a fit is
// recorded.
func TestANeuralGridIsMeasured(t *testing.T) {
	for _, every := range []string{"eval_every: 10", "eval_every: 0"} {
		text := strings.Replace(ode, "eval_every: 10", every, 1)
		g, cells := plan(t, strings.Replace(text, "[fit]", "[fit, gradients]", 1), t.TempDir())
		results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		experiment.AllKnown(t, g, results)
		r := results[0]
		for _, name := range []string{"rmse", "rmse_start", "steps", "nfe_forward", "vjps_back", "theta_error/0.001"} {
			if _, ok := r.Values[name]; !ok {
				t.Errorf("%s: no %s", every, name)
			}
		}
		want := []float64{10, 20, 30, 40}
		if every == "eval_every: 0" { // only after the last step
			want = []float64{40}
		}
		if got := r.Curves["rmse_by_step"].X; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: errors at steps %v, want %v", every, got, want)
		}
	}
}

// What a page would show and nothing measures is told before anything is trained.
func TestGridsShowOnlyWhatIsMeasured(t *testing.T) {
	for _, c := range []struct{ add, want string }{
		{"tables: [{title: A, value: w3}]", `line 16: tables[0]: table "A": unknown value "w3"; did you mean "w2"?`},
		{"tables: [{title: A, values: [{value: sliced_W2}]}]", `unknown value "sliced_W2"; did you mean "sliced_w2"?`},
		{"tables: [{title: A, value: nll}]", `nothing measures the value "nll"; the measure likelihood does: add it`},
		{"tables: [{title: A, value: fid}]", `nothing measures the value "fid"; the measure features does`},
		{"tables: [{title: A, value: bpd_7}]", `nothing measures the value "bpd_7"; the measure bpd does`},
		{"tables: [{title: A, value: w2, floor: w2_dat}]", `unknown value "w2_dat"; did you mean "w2_data"?`},
		{"tables: [{title: A, reach: {value: {value: w2}, cost: {value: second}, name: R, runs: [FM]}}]",
			`unknown value "second"; did you mean "seconds"?`},
		{"tables: [{title: A, value: w2, published: [{name: P, source: S, rows: {FM: {mons: '1'}}}]}]",
			`table "A", published, row "FM": unknown column "mons"; did you mean "moons"?`},
		{"tables: [{title: A, value: w2, text: '{{v \"moons\" \"FM\" \"w3\"}}'}]", `unknown value "w3"`},
		{"notes: '{{least \"moons\" \"nll\"}}'", `nothing measures the value "nll"`},
		{"pictures: [{kind: curves, file: a, curves: [eror]}]", `a: unknown curve "eror"; nothing that is measured`},
		{"pictures: [{kind: curves, file: a, curves: [error/euler]}]", `the measure solvers does: add it`},
		{"pictures: [{kind: smaples, file: a}]", `unknown kind "smaples"; did you mean "samples"?`},
		{"pictures: [{file: a}]", `unknown kind ""; it must be one of samples`},
		{"pictures: [{kind: dots, file: a, curves: [w3]}]", `unknown value "w3"`},
		{"pictures: [{kind: dots, file: a, curves: [w2], task: moons}]",
			"task, y and linear_y have no effect on a dot plot"},
		{"pictures: [{kind: samples, file: a, tasks: [moons]}]", "tasks belongs to the kind dots; write task"},
		{"pictures: [{kind: samples, file: a, lead: true}, {kind: nfe, file: b, lead: true}]",
			"lead is for one picture"},
		{"finding: '{{best \"moons\" \"w3\"}}'", `unknown value "w3"`},
		{"pictures: [{kind: samples, file: a, x: NFE}]", "x, y, linear_x and linear_y belong to the kinds curves"},
		{"search: {key: train.lr, values: [1e-3, 1e-2], by: gapp, measure: [likelihood]}", `by: unknown value "gapp"`},
	} {
		experiment.Refused(t, least, "measure: [samples]\n", "measure: [samples]\n"+c.add+"\n", c.want)
	}
}

// Data that are not there, or do not go with the grid, are told before anything is trained.
func TestGridsAreCheckedWithTheirData(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"data: {name: moons}", "data: {path: none.csv}", "task moons, method FM, seed 7: "},
		{"data: {name: moons}", "data: {name: gaussian, dim: 3}\n  conditional: true", "(gaussian) have no labels"},
		{"data: {name: moons}", "data: {name: moons, test: 0}", "no points of moons are held out to measure it on"},
		{"data: {name: moons}", "data: {name: gaussian, dim: 3}", "pictures of points are for data in 2 dimensions"},
		{"train:", "backend: xlaa\n  train:", "xlaa"},
	} {
		text := strings.Replace(least, c.old, c.new, 1) + "pictures: [{kind: samples, file: a}]\n"
		g, err := experiment.Parse([]byte(text))
		var cells []experiment.Cell
		if err == nil {
			cells, err = g.Plan(t.TempDir(), nil)
		}
		if err == nil {
			err = experiment.Check(g, cells)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.new, err, c.want)
		}
	}
}

// Files that are not there are told before data of another task are made.
func TestFilesAreLookedForFirst(t *testing.T) {
	task := "tasks: [{name: made, set: {data: {name: gaussian, dim: 3, n: 1000000000000}}}, " +
		"{name: read, set: {data: {path: none.csv}}}]\n"
	text := "title: t\nmethods: [{name: FM}]\nseeds: [7]\nmeasure: [samples]\n" + task
	g, err := experiment.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := g.Plan(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := experiment.Check(g, cells); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(),
		"task read, method FM, seed 7: ") {
		t.Errorf("got %v, want that none.csv is not there", err)
	}
}
