package experiment_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flowmatch/experiment"
	"flowmatch/train"
)

// small is a grid that takes a moment; every measure and kind of picture is in it.
const small = `
title: Small
question: Does it run?
seeds: [1, 2]
base:
  data: {val: 50, test: 60}
  net: {hidden: [8]}
  train: {steps: 30, batch: 16, log_every: 5, val_every: 10, snapshot_every: 10}
  eval: {solver: dopri5, rtol: 1e-2, atol: 1e-2, samples: 40, test: 40}
tasks:
  - {name: moons, set: {data.name: moons}}
  - {name: to rings, set: {data.name: 8gaussians, source.name: moons}}
methods:
  - {name: FM, set: {path.name: condot}}
  - {name: OT-CFM, set: {path.name: icfm, coupling.name: ot}}
skip:
  - {task: to rings, method: FM, why: it starts from a Gaussian}
measure: [samples, likelihood, solvers, few_steps, stages]
tables:
  - title: Distances
    value: w2
    less: true
    published:
      - {name: Somebody, source: a paper, rows: {OT-CFM: {moons: "0.42"}}}
  - title: Few steps
    tasks: [moons]
    values: [{value: w2_1, title: 1 NFE}, {value: w2_100, title: 100 NFE}]
pictures:
  - {kind: samples, file: samples, caption: Samples.}
  - {kind: times, file: times, caption: Paths.}
  - {kind: stages, file: stages, caption: Stages.}
  - {kind: nfe, file: nfe, caption: NFE.}
  - {kind: dots, file: w2, lead: true, tasks: [moons], caption: Dots., curves: [w2_1, w2_100], x: W2}
  - {kind: curves, file: error, caption: Errors., curves: [error/euler, error/midpoint], x: NFE, y: error}
finding: 'From {{v "moons" "FM" "w2_1"}} to {{v "moons" "FM" "w2_100"}}.'
notes: The end.
`

// only returns a grid with one measure, and without tables and pictures.
func only(text, measure string) string {
	text, _, _ = strings.Cut(text, "measure: [")
	return text + "measure: [" + measure + "]\n"
}

func plan(t *testing.T, text, dir string) (experiment.Grid, []experiment.Cell) {
	t.Helper()
	g, err := experiment.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := g.Plan(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, cells
}

func TestAGridIsMeasuredAndWritten(t *testing.T) {
	dir := t.TempDir()
	g, cells := plan(t, small, dir)
	if len(cells) != 6 {
		t.Fatalf("got %d cells, want two tasks, two methods and two seeds, less the one that is skipped: 6", len(cells))
	}
	results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	experiment.AllKnown(t, g, results)
	for _, r := range results {
		for _, name := range []string{
			"w2", "npe", "nll", "seconds", "steps", "w2_1", "w2_2", "w2_4", "w2_100", "nfe_last",
		} {
			if _, ok := r.Values[name]; !ok {
				t.Errorf("%s, %s: no %s", r.Task, r.Method, name)
			}
		}
		for _, name := range []string{
			"error/euler", "error/midpoint", "error/rk4", "error/dopri5", "w2/euler", "nfe_by_step", "nll_by_step",
		} {
			c := r.Curves[name]
			if len(c.X) < 2 || len(c.X) != len(c.Y) {
				t.Errorf("%s, %s: curve %s has %d points for %d places", r.Task, r.Method, name, len(c.Y), len(c.X))
			}
		}
		// A second-order method at ten times the evaluations is a hundred times as
		// exact; half of that is left to the roundings of the network.
		if c := r.Curves["error/midpoint"]; !(c.Y[0] > 50*c.Y[len(c.Y)-1]) {
			t.Errorf("%s, %s: errors of the midpoint rule %v at NFE %v do not fall", r.Task, r.Method, c.Y, c.X)
		}
	}
	files, err := experiment.Draw(t.Context(), g, cells, results, filepath.Join(dir, "pictures"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Pictures {
		head := make([]byte, 8)
		if f, err := os.Open(files[p.File].File); err != nil {
			t.Error(err)
		} else if _, err := f.Read(head); err != nil || string(head[1:4]) != "PNG" {
			t.Errorf("%s begins with %q (%v), want a PNG", p.File, head, err)
		}
	}
	var page bytes.Buffer
	if err := (experiment.Page{Name: "small", Pictures: files}).Write(&page, g, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Small", "Does it run?", "flowmatch experiment small", "| method | moons | to rings |", "| FM |",
		" – |", " ± ", "**", "| OT-CFM (Somebody) | 0.42 | – |", "Somebody: a paper", "| method | 1 NFE | 100 NFE |",
		"![Paths.](", "**From ", "[How it was measured](#how-it-was-measured)", "## How it was measured",
		"FM on to rings: it starts from a Gaussian", "The end.",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.String())
		}
	}
	if i, j := strings.Index(page.String(), "![Dots.]("), strings.Index(page.String(), "## Distances"); i < 0 || i > j {
		t.Error("the picture that leads does not stand above the tables")
	}
	file := filepath.Join(dir, "all.json")
	if err := experiment.WriteResults(file, results); err != nil {
		t.Fatal(err)
	}
	if again, err := experiment.ReadResults(file); err != nil || !reflect.DeepEqual(again, results) {
		t.Errorf("results read again differ (%v)", err)
	}
}

// A run that has lost a snapshot is not measured as if it had none of that step.
func TestAGridThatLacksAStageSaysSo(t *testing.T) {
	text := only(small, "stages")
	g, cells := plan(t, text, t.TempDir())
	_, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{
		Measuring: func(c experiment.Cell, _ string) {
			if err := os.Remove(filepath.Join(c.Dir, "snapshot-20.safetensors")); err != nil {
				t.Error(err)
			}
		},
	})
	if err == nil || !strings.Contains(err.Error(), "none of the steps [20]") {
		t.Errorf("got %v, want an error that names the step", err)
	}
}

func TestAnInterruptedGridGoesOnAtTheFirstRunThatIsNotDone(t *testing.T) {
	text := only(small, "samples")
	dir, other := t.TempDir(), t.TempDir()
	g, cells := plan(t, text, dir)
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	h := experiment.RunOptions{Step: func(int, float64) {
		if steps++; steps == 30+15 { // half-way through the second cell
			cancel()
		}
	}}
	done, err := experiment.Run(ctx, g, cells, h)
	if !errors.Is(err, train.ErrInterrupted) || len(done) != 1 {
		t.Fatalf("got %d results and error %v, want one and an interruption", len(done), err)
	}
	var made, found, resumed []int
	h = experiment.RunOptions{
		Cell: func(k, _ int, _ experiment.Cell, done bool) {
			if done {
				found = append(found, k)
			} else {
				made = append(made, k)
			}
		},
		Resumed: func(step int) { resumed = append(resumed, step) },
	}
	got, err := experiment.Run(t.Context(), g, cells, h)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(found, []int{0}) || len(made) != 5 || !reflect.DeepEqual(resumed, []int{15}) {
		t.Errorf(
			"found done %v, made %v, resumed at steps %v; want the first found, five made, the second from step 15",
			found, made, resumed)
	}
	_, cells = plan(t, text, other)
	want, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		for _, r := range []experiment.Result{got[i], want[i]} {
			for _, name := range []string{"seconds", "ms_per_step", "measure_seconds"} {
				delete(r.Values, name)
			}
		}
		if !reflect.DeepEqual(got[i].Values, want[i].Values) {
			t.Errorf("cell %d: values %v after an interruption, %v without", i, got[i].Values, want[i].Values)
		}
	}
}

func TestAResultOfOtherSettingsIsNotTakenForThis(t *testing.T) {
	text := only(small, "samples")
	dir := t.TempDir()
	g, cells := plan(t, text, dir)
	if _, err := experiment.Run(t.Context(), g, cells[:1], experiment.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	cells, err := g.Plan(dir, []string{"train.lr=1e-4"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = experiment.Run(t.Context(), g, cells[:1], experiment.RunOptions{})
	if !errors.Is(err, experiment.ErrStale) {
		t.Errorf("got %v, want that the folder holds a run of other settings", err)
	}
}

func TestBadGridsAreRefusedBeforeAnythingRuns(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"title: Small", "", "title is missing"},
		{"title: Small", "titel: Small", "titel"},
		{"seeds: [1, 2]", "seeds: []", "at least one of each"},
		{"seeds: [1, 2]", "seeds: [1, 1]", "1 is there twice"},
		{"coupling.name: ot", "coupling.name: optimal",
			`method OT-CFM: line 15: coupling: unknown coupling "optimal"`},
		{"coupling.name: ot", "coupling.nam: ot", `did you mean "coupling.name"?`},
		{"coupling.name: ot", "train.objective: fm", "set data.n"},
		{"data.name: moons}", "data.name: moon}", `unknown synthetic set "moon"`},
		{"name: OT-CFM, set", "name: FM, set", "would share a folder"},
		{"name: OT-CFM, set", "name: OT-CFM, teacher: reflow, set", `unknown earlier method "reflow"`},
		{"task: to rings, method: FM", "task: to ring, method: FM",
			`skip: unknown task "to ring"; did you mean "to rings"?`},
		{"why: it starts from a Gaussian", `why: ""`, "say why"},
		{"measure: [samples", "measure: [sample", `unknown measure "sample"; did you mean "samples"?`},
		{"value: w2\n", "\n", "either value or values"},
		{"kind: nfe", "kind: nfes", `unknown kind "nfes"; did you mean "nfe"?`},
		{", snapshot_every: 10", "", "keeps no snapshots"},
		{", snapshot_every: 10", ", snapshot_every: 31", "keeps no snapshots"},
		{"{name: Somebody, source", "{source", "need a name and a source"},
		{"file: nfe", "file: N F E", "small letters"},
		{"curves: [error/euler, error/midpoint], ", "", "curves belong to the kinds curves, values and dots"},
	} {
		experiment.Refused(t, small, c.old, c.new, c.want)
	}
}

func TestTheExperimentsOfTheProgramArePlanned(t *testing.T) {
	for _, name := range experiment.Known() {
		text, err := experiment.KnownText(name)
		if err != nil {
			t.Fatal(err)
		}
		g, err := experiment.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		cells, err := g.Plan(t.TempDir(), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := 5
		switch name {
		case "digits", "checkerboard", "diffusion", "few-steps", "tables", "tabular": // hours
			want = 3
		case "sbi", "sbi-peers": // hours, and ten observations of each posterior
			want = 1
		}
		if len(g.Seeds) != want || len(cells) == 0 {
			t.Errorf("%s: %d seeds and %d cells, want %d seeds", name, len(g.Seeds), len(cells), want)
		}
	}
}

func TestAnUnknownExperimentListsThem(t *testing.T) {
	_, err := experiment.KnownText("coupling")
	if err == nil || !strings.Contains(err.Error(), `unknown experiment "coupling"; did you mean "couplings"?`) {
		t.Errorf("got %v, want the nearest name", err)
	}
}

func TestClaimsAreAnsweredWithTheFiguresThatAreThere(t *testing.T) {
	dir := t.TempDir()
	results := []experiment.Result{
		{Task: "moons", Method: "a", Seed: 1, Values: map[string]float64{"x": 2}},
		{Task: "moons", Method: "a", Seed: 2, Values: map[string]float64{"x": 4}},
		{Task: "moons", Method: "b", Seed: 1, Values: map[string]float64{"x": 6}},
	}
	if err := experiment.WriteResults(filepath.Join(dir, "one.json"), results); err != nil {
		t.Fatal(err)
	}
	text :=
		`{{v "one" "moons" "a" "x"}}, {{ratio "one" "moons" "b" "a" "x"}}, {{percent "one" "moons" "a" "b" "x"}}, ` +
			`{{v "two" "moons" "a" "x"}}, {{ratio "one" "moons" "b" "c" "x"}}`
	var got bytes.Buffer
	if err := experiment.WriteClaims(&got, text, dir); err != nil {
		t.Fatal(err)
	}
	if want := "3.00 ± 1.41, 2, 50 %, –, –"; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}

// The page of claims names figures that the experiments measure: a typing error is no dash.
func TestTheClaimsNameWhatIsMeasured(t *testing.T) {
	text, err := experiment.Claims()
	if err != nil {
		t.Fatal(err)
	}
	if err := experiment.WriteClaims(io.Discard, text, t.TempDir()); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ text, want string }{
		{`{{v "cnf" "moon" "FM-OT" "gap"}}`, `unknown task "moon"; did you mean "moons"?`},
		{`{{less "cnf" "moons" "FM-OT" "FM" "gap"}}`, `unknown method "FM"`},
		{`{{best "cnf" "moons" "gapp"}}`, `unknown value "gapp"; did you mean "gap"?`},
		{`{{table "cnf" (methods "FM-OT") (column "moons" "fid" "FID")}}`, `nothing measures the value "fid"`},
		{`{{reach "cnf" "moons" "FM-OT" "seconds"}}`, "asks what it takes to reach anything in seconds"},
		{`{{reach "mine" "moons" "FM-OT" "seconds"}}`, "there is no grid of mine"},
	} {
		err := experiment.WriteClaims(io.Discard, c.text, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.text, err, c.want)
		}
	}
}
