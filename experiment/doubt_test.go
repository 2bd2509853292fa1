package experiment_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/experiment"
)

// doubted is a grid whose likelihoods are solved for in two steps of Euler's method.
var doubted = strings.NewReplacer(
	"solver: dopri5, rtol: 1e-2, atol: 1e-2, samples: 40, test: 40", "solver: euler, steps: 2, samples: 40",
	"test: 60", "test: 1000", "steps: 30", "lr: 0.1, steps: 30",
	"seeds: [1, 2]", "seeds: [1]",
	"[samples, likelihood, solvers, few_steps, stages]", "[likelihood, stages]",
	"value: w2\n", "value: gap\n",
	"[{value: w2_1, title: 1 NFE}, {value: w2_100, title: 100 NFE}]", "[{value: steps}]",
	"{data.name: moons}", "{data.name: 8gaussians}", // of which it makes a poor density
	"  - {name: to rings, set: {data.name: 8gaussians, source.name: moons}}\n", "",
	"  - {task: to rings, method: FM, why: it starts from a Gaussian}\n", "", "skip:\n", "",
	"curves: [error/euler, error/midpoint]", "curves: [nll_by_step]",
	"curves: [w2_1, w2_100]", "curves: [gap]", `"FM" "w2_1"`, `"FM" "gap"`, `"FM" "w2_100"`, `"FM" "gap"`,
).Replace(small)

func TestWhatIsNotToBeTrustedIsMarkedOnThePage(t *testing.T) {
	g, cells := plan(t, doubted, t.TempDir())
	results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		for _, name := range []string{"nll", "nll_se", "gap", "nll_by_step", "nll_by_second"} {
			if !strings.Contains(r.Doubts[name], "a finer solve changes it by") {
				t.Errorf("%s: doubts about %s: %q", r.Method, name, r.Doubts[name])
			}
		}
		if !strings.HasPrefix(r.Doubts["nll_by_step"], "at step 10 ") || r.Values["nll_difference"] <= 0.02 ||
			r.Doubts["optimum"] != "" {
			t.Errorf("%s: %v, %v", r.Method, r.Values, r.Doubts)
		}
	}
	// The second method's are taken for right.
	results[1].Doubts = nil
	file := filepath.Join(t.TempDir(), "doubted.json")
	if err := experiment.WriteResults(file, results); err != nil {
		t.Fatal(err)
	}
	if results, err = experiment.ReadResults(file); err != nil {
		t.Fatal(err)
	}
	results[0].Values["gap"], results[1].Values["gap"] = 0.5, 1.5
	var page bytes.Buffer
	p := experiment.Page{Name: "doubted", Pictures: map[string]experiment.Drawn{"error": {File: "error.png"}}}
	if err := p.Write(&page, g, results); err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{
		"| FM | 0.500 † |": 1, "| OT-CFM | 1.50 |": 1, "**From 0.500 † to 0.500 †.**": 1,
		"\n†: not to be trusted.\n": 2,
		"- gap of FM on moons, 1 of 1 runs; the first: a finer solve changes it by":                    1,
		"- nll_by_step of FM on moons, 1 of 1 runs; the first: at step 10 a finer solve changes it by": 1,
	} {
		if got := strings.Count(page.String(), want); got != times {
			t.Errorf("the page has %q %d times, want %d:\n%s", want, got, times, page.String())
		}
	}
}

func TestClaimsMarkWhatIsNotToBeTrusted(t *testing.T) {
	dir := t.TempDir()
	values := map[string]float64{"x": 2, "y": 4}
	results := []experiment.Result{
		{Task: "moons", Method: "a", Seed: 1, Values: values, Doubts: map[string]string{"x": "it is late"}},
		{Task: "moons", Method: "b", Seed: 1, Values: values},
	}
	if err := experiment.WriteResults(filepath.Join(dir, "one.json"), results); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{{v "one" "moons" "a" "x"}}`:           "2 †",
		`{{ratio "one" "moons" "b" "a" "x"}}`:   "1 †",
		`{{percent "one" "moons" "a" "b" "x"}}`: "100 % †",
		`{{v "one" "moons" "b" "x"}}`:           "2",
		`{{ratio "one" "moons" "a" "b" "y"}}`:   "1",
	} {
		var got bytes.Buffer
		if err := experiment.WriteClaims(&got, text+"\n", dir); err != nil {
			t.Fatal(err)
		}
		if want += "\n"; strings.Contains(want, "†") {
			want += "\n†: not to be trusted; the page of the experiment says why.\n"
		}
		if got.String() != want {
			t.Errorf("%s: got %q, want %q", text, got.String(), want)
		}
	}
}
