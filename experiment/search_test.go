package experiment_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flowmatch/experiment"
	"flowmatch/run"
)

// searched is a grid with a search: a rate at which nothing is learnt in so few steps, and
// one that is good.
const searched = `title: Searched
seeds: [1, 2]
base:
  data: {name: moons, val: 50, test: 60}
  net: {hidden: [8]}
  train: {steps: 30, batch: 16, val_every: 10}
  eval: {solver: dopri5, rtol: 1e-2, atol: 1e-2, samples: 40, test: 40}
tasks: [{name: moons}]
methods:
  - {name: FM}
  - {name: diffusion, set: {path.name: vp}}
  - {name: fixed, set: {train.lr: 3e-3}}
search:
  key: train.lr
  values: [1e-7, 2e-2]
  share: 0.5
  set: {eval.test: 30}
  measure: [likelihood]
  by: nll
  methods: [FM, diffusion]
measure: [samples]
tables: [{title: Distances, value: w2}]
notes: |
  W2 {{v "moons" "FM" "w2"}}, {{ratio "moons" "FM" "FM" "w2"}}, {{percent "moons" "FM" "FM" "w2"}},
  {{least "moons" "steps" "fixed"}}.
`

func TestASearchGivesEachMethodItsBestValue(t *testing.T) {
	dir := t.TempDir()
	g, cells := plan(t, searched, dir)
	var order []string
	for _, c := range cells {
		name, _ := filepath.Rel(dir, c.Dir)
		order = append(order, filepath.ToSlash(name))
	}
	if want := []string{
		"moons/fm/search/1e-7/seed-1", "moons/fm/search/2e-2/seed-1", "moons/fm/seed-1",
		"moons/diffusion/search/1e-7/seed-1", "moons/diffusion/search/2e-2/seed-1", "moons/diffusion/seed-1",
		"moons/fixed/seed-1", "moons/fm/seed-2", "moons/diffusion/seed-2", "moons/fixed/seed-2",
	}; !reflect.DeepEqual(order, want) {
		t.Fatalf("the cells are %v, want %v", order, want)
	}
	results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		c := cells[i]
		made, err := run.Open(c.Dir, "")
		if err != nil {
			t.Fatal(err)
		}
		lr, value, steps := 2e-2, "2e-2", 30.0
		switch {
		case c.Trial:
			value, steps = c.Value, 15
			if value == "1e-7" {
				lr = 1e-7
			}
		case c.Method == "fixed":
			lr, value = 3e-3, ""
		}
		if r.Trial != c.Trial || r.Value != value || made.Config.Train.LR != lr || r.Values["steps"] != steps {
			t.Errorf("%s: trial %v, value %q, rate %g, %g steps; want %v, %q, %g, %g", order[i], r.Trial, r.Value,
				made.Config.Train.LR, r.Values["steps"], c.Trial, value, lr, steps)
		}
		if _, ok := r.Values["nll"]; ok != c.Trial {
			t.Errorf("%s: it has an NLL: %v; only trials are measured so", order[i], ok)
		}
	}
	var page bytes.Buffer
	if err := (experiment.Page{Name: "searched"}).Write(&page, g, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"6 runs and 4 trials, ", "## Search for train.lr", "best of 2 values of `train.lr` (bold)",
		"a trial with 0.5 of the steps and seed 1 (`eval.test: 30`). Without a search: fixed.",
		"| method | 1e-7 | 2e-2 |", "| diffusion | ", " | **",
		"so that one beyond it may be better still: FM, diffusion.",
		" ± ", ", 1, 100 %,\nfixed.",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.String())
		}
	}
}

// Whatever a method is trained for, it can be compared with itself by that.
func TestASearchByTheValidationLossNeedsNoMeasure(t *testing.T) {
	text := strings.NewReplacer("measure: [likelihood]", "measure: []", "by: nll", "by: val_loss",
		"  set: {eval.test: 30}\n", "").Replace(searched)
	g, cells := plan(t, text, t.TempDir())
	results, err := experiment.Run(t.Context(), g, cells[:3], experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bad, good := results[0].Values, results[1].Values
	if _, ok := bad["nll"]; ok || !(good["val_loss"] < bad["val_loss"]) || results[2].Value != "2e-2" {
		t.Errorf("trials %v and %v, the run took %q; want its value to be that of the less val_loss, and no NLL",
			bad, good, results[2].Value)
	}
}

// The held-out points stay unseen by the choice.
func TestTrialsAreMeasuredOnValidationPoints(t *testing.T) {
	g, cells := plan(t, searched, t.TempDir())
	results, err := experiment.Run(t.Context(), g, cells[:1], experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made, err := run.Open(cells[0].Dir, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := made.Subject(true)
	if err != nil {
		t.Fatal(err)
	}
	nll := func() float64 {
		x, given, err := s.TestPoints(30)
		if err != nil {
			t.Fatal(err)
		}
		l, _, err := s.Likelihood(t.Context(), x, given)
		if err != nil {
			t.Fatal(err)
		}
		return l.NLL
	}
	test := nll()
	set := *s.Set
	set.Test = set.Val
	s.Set = &set
	if got, want := results[0].Values["nll"], nll(); got != want || got == test {
		t.Errorf("the NLL of a trial is %g; that of the validation points %g, of the held-out ones %g", got, want, test)
	}
}

// A search that was stopped goes on, and decides as if it had not been.
func TestAnInterruptedSearchGoesOn(t *testing.T) {
	g, cells := plan(t, searched, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	done, err := experiment.Run(ctx, g, cells, experiment.RunOptions{Cell: func(k, _ int, _ experiment.Cell, _ bool) {
		if k == 2 { // the first run, which has its value by then
			cancel()
		}
	}})
	if err == nil || len(done) != 2 {
		t.Fatalf("%d results, error %v", len(done), err)
	}
	var made []int
	_, err = experiment.Run(t.Context(), g, cells[:3], experiment.RunOptions{
		Cell: func(k, _ int, c experiment.Cell, done bool) {
			if !done {
				made = append(made, k)
			}
			if k == 2 && c.Value != "2e-2" {
				t.Errorf("the run takes %q", c.Value)
			}
		},
	})
	if err != nil || !reflect.DeepEqual(made, []int{2}) {
		t.Errorf("made %v (error %v), want the run alone", made, err)
	}
	cells, err = g.Plan(filepath.Dir(filepath.Dir(filepath.Dir(cells[2].Dir))), []string{"train.batch=8"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = experiment.Run(t.Context(), g, cells[:1], experiment.RunOptions{})
	if !errors.Is(err, experiment.ErrStale) {
		t.Errorf("a trial of other settings: %v", err)
	}
}

// A rate at which the loss grows without bound is not chosen, and where all are such the
// search has failed.
func TestTrialsThatDivergeAreNotChosen(t *testing.T) {
	text := strings.Replace(searched, "values: [1e-7, 2e-2]", "values: [1e30, 2e-2]", 1)
	g, cells := plan(t, text, t.TempDir())
	results, err := experiment.Run(t.Context(), g, cells[:3], experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Failed == "" || results[2].Value != "2e-2" {
		t.Errorf("the first trial failed with %q, and the run takes %q", r.Failed, results[2].Value)
	}
	again, err := experiment.Run(t.Context(), g, cells[:1], experiment.RunOptions{})
	if err != nil || again[0].Failed != results[0].Failed {
		t.Errorf("read again: %+v, %v", again, err)
	}
	var page bytes.Buffer
	if err := (experiment.Page{}).Write(&page, g, results); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "FM on moons failed with 1e30: ") ||
		!strings.Contains(page.String(), "| FM | failed | **") {
		t.Errorf("the page does not say what failed:\n%s", page.String())
	}
	text = strings.Replace(searched, "values: [1e-7, 2e-2]", "values: [1e30, 1e31]", 1)
	g, cells = plan(t, text, t.TempDir())
	results, err = experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	why := strings.Join(experiment.Missing(results), "\n")
	if !strings.Contains(why, "found no value of train.lr with a nll for task moons, method FM: 1e30: ") {
		t.Errorf("got %q, want that no value is any good", why)
	}
	if r := results[len(results)-1]; r.Method != "fixed" || r.Failed != "" || r.Values["w2"] == 0 {
		t.Errorf("the method without a search: %+v", r)
	}
}

// A method with a teacher is searched for when the teacher's run of that seed is there.
func TestTheTrialsOfAPupilComeAfterItsTeacher(t *testing.T) {
	text := strings.Replace(searched, "{name: fixed, set: {train.lr: 3e-3}}",
		"{name: pupil, teacher: FM, set: {train.objective: reflow}}", 1)
	text = strings.Replace(text, "methods: [FM, diffusion]", "methods: [FM, pupil]", 1)
	text = strings.Replace(text, "\"fixed\"", "\"FM\"", 1)
	_, cells := plan(t, text, t.TempDir())
	at := -1
	for i, c := range cells {
		if c.Method == "FM" && !c.Trial && c.Seed == 1 {
			at = i
		}
		if c.Method == "pupil" && c.Trial {
			if at < 0 || c.Teacher != cells[at].Dir || c.Config.Train.Teacher != c.Teacher {
				t.Errorf("trial %d learns from %q, whose run is number %d", i, c.Teacher, at)
			}
		}
	}
	g, err := experiment.Parse([]byte(strings.Replace(text, "share: 0.5", "seeds: [3]", 1)))
	if err == nil {
		_, err = g.Plan(t.TempDir(), nil)
	}
	if err == nil || !strings.Contains(err.Error(), "method pupil has a teacher") {
		t.Errorf("trials of a seed without a teacher: %v", err)
	}
}

// Grids of neural ODEs search alike.
func TestANeuralGridIsSearched(t *testing.T) {
	text := strings.Replace(ode, "  lr: 1e-2, eval_every", "  eval_every", 1) +
		"search: {key: lr, values: [1e-8, 1e-2], share: 0.5, measure: [fit], by: rmse}\n"
	g, cells := plan(t, text, t.TempDir())
	results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[2]; r.Value != "1e-2" || r.Values["steps"] != 40 || results[0].Values["steps"] != 20 {
		t.Errorf("the fit takes %q after %g steps, the trials %g", r.Value, r.Values["steps"],
			results[0].Values["steps"])
	}
}

func TestASearchCanBeForSomeTasks(t *testing.T) {
	dir := t.TempDir()
	text := strings.Replace(searched, "tasks: [{name: moons}]",
		"tasks: [{name: moons}, {name: more steps, set: {train.steps: 40, train.lr: 1e-3}}]", 1)
	text = strings.Replace(text, "methods: [FM, diffusion]", "methods: [FM, diffusion]\n  tasks: [moons]", 1)
	text = strings.Replace(text, ", set: {train.lr: 3e-3}", "", 1)
	text = strings.Replace(text, "batch: 16", "batch: 16, lr: 3e-3", 1) // of the method without a search
	g, cells := plan(t, text, dir)
	if len(cells) != 4+12 {
		t.Errorf("%d cells, want 4 trials and 12 runs", len(cells))
	}
	for _, c := range cells {
		if c.Task == "more steps" && (c.Trial || c.Config.Train.LR != 1e-3) {
			t.Errorf("%s, %s: trial %v, rate %g; want no trial, and the rate of the task", c.Task, c.Method, c.Trial,
				c.Config.Train.LR)
		}
	}
	results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := (experiment.Page{Name: "searched"}).Write(&page, g, results); err != nil {
		t.Fatal(err)
	}
	if text := page.String(); !strings.Contains(text, "Without a search: fixed, more steps.") {
		t.Errorf("the page does not say which task has no search:\n%s", text)
	}
}

func TestSearchesThatCannotBeMadeAreRefused(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"key: train.lr", "key: train.lrr", `unknown key "train.lrr"; did you mean "train.lr"?`},
		{"key: train.lr", "key: ''", "search: it needs a key"},
		{"by: nll", "by: ''", "search: it needs a key"},
		{"measure: [likelihood]", "measure: []", "search: it needs a key"},
		{"measure: [likelihood]", "measure: [likelihod]", `search: unknown measure "likelihod"`},
		{"values: [1e-7, 2e-2]", "values: [1e-7]", "there are 1 values"},
		{"values: [1e-7, 2e-2]", "values: [1e-7, 1e-7]", "would share a folder"},
		{"values: [1e-7, 2e-2]", "values: [1e-7, -2]", "lr is -2; it must be positive"},
		{"values: [1e-7, 2e-2]", "values: [1e-7, fast]", `line 15: train.lr is "fast"; it must be a number`},
		{"values: [1e-7, 2e-2]", "values: [017, 2e-2]", "write a number without leading zeros"},
		{"share: 0.5", "share: 0", "search.share is 0; leave the key out"},
		{"share: 0.5", "share: 1.5", "share is 1.5; it must be above 0, and at most 1"},
		{"share: 0.5", "seeds: [3, 3]", "seed 3 is there twice"},
		{"methods: [FM, diffusion]", "methods: [FN]", `search: unknown method "FN"`},
		{"set: {eval.test: 30}", "set: {eval.tests: 30}", `did you mean "eval.test"?`},
		{"set: {eval.test: 30}", "set: {train.lr: 30}", "search: set has train.lr"},
		{"set: {eval.test: 30}", "set: {train.steps: 30}", "both share and train.steps"},
		{"methods: [FM, diffusion]", "methods: [FM, fixed]", "method fixed sets train.lr"},
		{"methods: [FM, diffusion]", "tasks: [moon]", `search: unknown task "moon"`},
		{"tasks: [{name: moons}]", "tasks: [{name: moons, set: {train.lr: 1}}]", "task moons sets train.lr"},
		{"data: {name: moons, val: 50, test: 60}", "data: {name: moons, val: 0, test: 60}", "data.val is 0"},
		{`v "moons" "FM"`, `v "moons" "FN"`, `notes: `},
		{`v "moons" "FM"`, `v "moon" "FM"`, `unknown task "moon"; did you mean "moons"?`},
		{`{{v "moons"`, `{{w "moons"`, `function "w" not defined`},
		{"measure: [samples]", "measure: [samples]\nmeasure_first: [samples]", "samples is measured of every run"},
		{"measure: [samples]", "measure: [samples]\nmeasure_first: [stage]", `unknown measure "stage"`},
	} {
		experiment.Refused(t, searched, c.old, c.new, c.want)
	}
	all := strings.Replace(searched, "  methods: [FM, diffusion]\n", "", 1)
	all = strings.Replace(all, ", set: {train.lr: 3e-3}", "", 1)
	g, cells := plan(t, all, t.TempDir())
	if len(cells) != 12 {
		t.Errorf("%d cells, want 6 runs and 6 trials", len(cells))
	}
	for _, set := range []string{"train.lr=1e-3", "train={lr: 1e-3}"} {
		if _, err := g.Plan(t.TempDir(), []string{set}); err == nil ||
			!strings.Contains(err.Error(), "searches for its own") {
			t.Errorf("%s: got %v, want that the search sets it", set, err)
		}
	}
	inBase := strings.Replace(all, "batch: 16", "batch: 16, lr: 1e-3", 1)
	if g, err := experiment.Parse([]byte(inBase)); err != nil {
		t.Error(err)
	} else if _, err := g.Plan(t.TempDir(), nil); err == nil ||
		!strings.Contains(err.Error(), "line 6: base sets train.lr") {
		t.Errorf("a rate in base: %v", err)
	}
	// What a command says of the steps holds for runs, and trials take their share of it.
	g, _ = plan(t, searched, t.TempDir())
	cells, err := g.Plan(t.TempDir(), []string{"train.steps=100", "eval.test=20"})
	if err != nil {
		t.Fatal(err)
	}
	if c := cells[0].Config; c.Train.Steps != 50 || c.Eval.Test != 20 || cells[2].Config.Train.Steps != 100 {
		t.Errorf("a trial takes %d steps and %d test points, a run %d", c.Train.Steps, c.Eval.Test,
			cells[2].Config.Train.Steps)
	}
}
