package experiment

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// A page's text may have the share, too.
func TestATextMayBeOfWhatItTakes(t *testing.T) {
	g, err := Parse([]byte(reachGrid))
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.fill(`{{reach "moons" "theirs" "seconds"}}`, reachResults())
	if err != nil || got != "0.15 (0.1 to 0.2)" {
		t.Errorf("got %q (%v)", got, err)
	}
	for _, text := range []string{`{{reach "moons" "their" "seconds"}}`, `{{reach "moons" "theirs" "hours"}}`} {
		if _, err := g.fill(text, nil); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

// reachGrid has a table of what it takes ours to come as far as theirs.
const reachGrid = `
title: Reach
seeds: [1, 2, 3]
base: {data: {name: moons}}
tasks: [{name: moons}, {name: rings}]
methods: [{name: theirs}, {name: ours}, {name: ours short}]
measure: [likelihood]
tables:
  - title: Time
    reach:
      value: {value: nll, title: NLL}
      cost: {value: seconds}
      name: flowmatch
      runs: [ours short, ours]
    methods: [theirs]
    tasks: [moons]
`

// reachResults has three seeds: the first is reached by the short run, the second by the
// long one alone, the third by both.
func reachResults() []Result {
	var out []Result
	for seed, v := range map[uint64][3][2]float64{
		1: {{2.0, 100}, {1.9, 30}, {2.0, 10}},
		2: {{1.95, 200}, {1.9, 30}, {2.0, 10}},
		3: {{2.5, 100}, {1.9, 30}, {2.0, 20}},
	} {
		for k, method := range []string{"theirs", "ours", "ours short"} {
			out = append(out, Result{Task: "moons", Method: method, Seed: seed,
				Values: map[string]float64{"nll": v[k][0], "seconds": v[k][1]}})
		}
	}
	return out
}

func TestWhatItTakesToComeAsFarIsThatOfTheCheapestRunOfEachSeed(t *testing.T) {
	g, err := Parse([]byte(reachGrid))
	if err != nil {
		t.Fatal(err)
	}
	page := func(results []Result) string {
		t.Helper()
		var b bytes.Buffer
		if err := (Page{Name: "reach"}).Write(&b, g, results); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	head := "| method | NLL | seconds | seconds of flowmatch to that NLL | share: median (least to most) |"
	results := reachResults()
	// 10/100, 30/200 and 20/100 of the time.
	want := "| theirs | 2.15 ± 0.30 | 133 ± 58 | 20.0 ± 10.0 | 0.15 (0.1 to 0.2) |"
	if got := page(results); !strings.Contains(got, head) || !strings.Contains(got, want) {
		t.Errorf("the page lacks %s or %s:\n%s", head, want, got)
	}
	for i := range results {
		if results[i].Seed == 2 && results[i].Method == "theirs" {
			results[i].Values["nll"] = 1
		}
	}
	if got, want := page(results), "| – | not reached by 1 of 3 seeds |"; !strings.Contains(got, want) {
		t.Errorf("the page lacks %s:\n%s", want, got)
	}
	// A run that is not to be trusted does not count; a goal that is not has a mark.
	results = reachResults()
	for i := range results {
		if results[i].Method != "ours" && results[i].Seed == 3 {
			results[i].Doubts = map[string]string{"nll": "it is late"}
		}
	}
	got := page(results)
	for _, want := range []string{
		"| 23.3 ± 11.5 | 0.15 (0.1 to 0.3) † |", "nll of theirs on moons, 1 of 3 runs; the first: it is late.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s:\n%s", want, got)
		}
	}
	if got, want := page(nil), "| theirs | – | – | – | – |"; !strings.Contains(got, want) {
		t.Errorf("the page lacks %s:\n%s", want, got)
	}
}

func TestTheMedianIsTheMiddle(t *testing.T) {
	for want, v := range map[float64][]float64{3: {3}, 2.5: {2, 3}, 5: {1, 5, 100}, 4: {1, 3, 5, 6}} {
		if got := median(v); got != want {
			t.Errorf("median of %v is %g, want %g", v, got, want)
		}
	}
}

func TestAReachIsComplete(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"name: flowmatch\n", "\n", "reach needs a value, a cost, runs and their name"},
		{"cost: {value: seconds}\n", "\n", "reach needs a value, a cost, runs and their name"},
		{"runs: [ours short, ours]", "runs: [our short]", `unknown method "our short"; did you mean "ours short"?`},
		{"methods: [theirs]", "value: nll", "give either value or values or reach"},
		{"methods: [theirs]", "less: true", "have no meaning beside reach"},
	} {
		text := strings.Replace(reachGrid, c.old, c.new, 1)
		if text == reachGrid {
			t.Fatalf("the grid has no %q", c.old)
		}
		g, err := Parse([]byte(text))
		if err == nil {
			err = g.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q in place of %q: got %v, want %q", c.new, c.old, err, c.want)
		}
	}
}

// A page says what trained in place of the program.
func TestAPageNamesTheLibrariesOfItsPeers(t *testing.T) {
	g, err := Parse([]byte(taughtGrid))
	if err != nil {
		t.Fatal(err)
	}
	libraries := map[string]string{"torchcfm": "1.0.7", "torch": "9.1"}
	results := []Result{
		{Method: "theirs", Version: "v1", Libraries: libraries, Values: map[string]float64{"threads": 8}},
		{Method: "torchcfm", Version: "v1", Libraries: libraries, Values: map[string]float64{"threads": 1}},
		{Method: "ours", Version: "v1", Values: map[string]float64{"threads": 4}},
	}
	var b bytes.Buffer
	if err := (Page{Name: "taught", Machine: "M"}).Write(&b, g, results); err != nil {
		t.Fatal(err)
	}
	want := "M, 4 of them used; flowmatch v1. " +
		"The peers: torch 9.1, torchcfm 1.0.7; threads: 1 or 8, the faster of one and all.\n"
	if !strings.Contains(b.String(), want) {
		t.Errorf("the page lacks %q:\n%s", want, b.String())
	}
}

func TestAClaimMayBeOfWhatItTakes(t *testing.T) {
	dir := t.TempDir()
	var results []Result
	for _, r := range reachResults() {
		r.Task, r.Method = "8gaussians", map[string]string{
			"theirs": "torchcfm", "ours": "flowmatch, defaults", "ours short": "flowmatch, defaults, 500 steps",
		}[r.Method]
		results = append(results, r)
	}
	if err := WriteResults(filepath.Join(dir, "peers.json"), results); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	text := `{{reach "peers" "8gaussians" "torchcfm" "seconds"}}, {{reach "peers" "moons" "torchcfm" "seconds"}}`
	if err := WriteClaims(&got, text, dir); err != nil || got.String() != "0.15 (0.1 to 0.2), –" {
		t.Errorf("got %q (%v)", got.String(), err)
	}
	for text, want := range map[string]string{
		`{{reach "peers" "moons" "torchcfm" "hours"}}`:    `unknown value "hours"`,
		`{{reach "batch" "moons" "FM" "seconds"}}`:        `unknown task "moons"`,
		`{{reach "peers" "moons" "torchcfm" "nll"}}`:      "no table of",
		`{{reach "couplings" "N to moons" "FM" "steps"}}`: "no table of",
	} {
		if err := WriteClaims(&got, text, dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
