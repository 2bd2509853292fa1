package experiment

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files of 40 samples as bzip2 writes them: around (0, 0), and far from all parameters that
// two_moons has.
const (
	nearby = "QlpoOTFBWSZTWX2Y7xEAANtZAAAQAAd/4DAAMADsNiKeJtGhIDTampNGQBJpQmVP1TamlFCpvIyFgZwalM/XlwZIDq3xkLFo1orV" +
		"WXGjeU2fnOGvExt5bgutX76epERBWIoiipshOsITXfeZxr9PN8P4KMoqlCiWxVjRYo0qpWK1pVRrY37JDmuV5vRJ0751vlzqQ3jG" +
		"W4dZ0TMTFSJZE4qT8dvo4wlmOQIGKjDn3NowErd/F3JFOFCQfZjvEQ=="
	faraway = "QlpoOTFBWSZTWWKbp04AAQVZAAAQAAd/4DAAMADsEJUnjSaNECmAAmgk1JT2UaSPSSTXdWlfFDtHM+faHhM+KYJo93mJGnbJMtGV" +
		"eU4Xux7M1VdZt2bff4CFhjAFAUiKoopEYqkLSc85zegkPSG/OrfBrYDWy3vT9uB1WPzmtZYb7e+/kh6ntKoKIrEiMVU68S8s2WoM" +
		"GCrEYixVUahu+cp1zlfLhX3l4ZcgqelUhFXGfHfhWkGArAX38XckU4UJBim6dOA="
)

// benchmark makes a folder of ten observations of two_moons, of which the references of the last
// five are far away.
func benchmark(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for k := 1; k <= 10; k++ {
		folder := filepath.Join(dir, "two_moons", fmt.Sprintf("num_observation_%d", k))
		reference := nearby
		if k > 5 {
			reference = faraway
		}
		packed, err := base64.StdEncoding.DecodeString(reference)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"observation.csv": "a,b\n0.1,0.2\n", "true_parameters.csv": "a,b\n0.1,0.1\n",
			"reference_posterior_samples.csv.bz2": string(packed),
		} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// simulated is a grid of a simulator, whose widths are searched on it for another, too.
const simulated = `title: Simulated
seeds: [3]
base:
  data: {n: 400, test: 0, val: 80}
  net: {residual: {width: 8, blocks: 1}}
  train: {steps: 60, batch: 64, val_every: 20}
  eval: {solver: midpoint, steps: 6}
tasks: [{name: few}]
methods:
  - {name: mixture, set: {data.simulator: gaussian_mixture}}
  - {name: moons, set: {data.simulator: two_moons}}
  - {name: moons again, set: {data.simulator: two_moons}}
search:
  key: train.lr
  values: [1e-7, 2e-2]
  measure: [likelihood]
  by: nll
  on: [moons again]
skip: [{task: few, method: mixture, why: its observations are not at hand}]
measure: [posterior, calibration]
tables:
  - title: C2ST
    value: c2st
    error: c2st_se
    published: [{name: NPE, source: a paper, beside: true, rows: {moons: {few: "0.7"}, moons again: {few: "1.01"}}}]
  - {title: Calibration, values: [{value: sbc_p}, {value: tarp_atc}, {value: outside}, {value: c2st_3}]}
pictures:
  - {kind: posterior, file: posterior, caption: A posterior., methods: [moons]}
  - {kind: curves, file: coverage, caption: Coverage., curves: [tarp], methods: [moons], linear_x: true, linear_y: true}
notes: Better than NPE {{ahead "few" "NPE"}}.
`

func TestPosteriorsAreComparedWithTheirReferences(t *testing.T) {
	g, cells := planned(t, simulated, t.TempDir())
	if found, err := DataIn(benchmark(t), cells); err != nil || !found {
		t.Fatalf("the folder of observations is of no use: %v", err)
	}
	if err := Check(g, cells); err != nil {
		t.Fatal(err)
	}
	results, err := Run(t.Context(), g, cells, RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	trials, runs := 0, []Result{}
	for _, r := range results {
		switch {
		case r.Trial && r.Method == "moons again":
			trials++
		case r.Trial:
			t.Errorf("a trial of %s, which does not decide", r.Method)
		default:
			runs = append(runs, r)
			if r.Value != "2e-2" || len(r.Missing) > 0 {
				t.Errorf("%s ran with %s, and %v is missing; want the better rate, and nothing", r.Method, r.Value,
					r.Missing)
			}
		}
	}
	if trials != 2 || len(runs) != 2 {
		t.Fatalf("%d trials and %d runs, want 2 and 2", trials, len(runs))
	}
	checkPosterior(t, runs[0].Values)
	a, b := maps.Clone(runs[0].Values), maps.Clone(runs[1].Values)
	for _, values := range []map[string]float64{a, b} {
		for name := range values {
			if strings.Contains(name, "seconds") || strings.HasPrefix(name, "ms") {
				delete(values, name)
			}
		}
	}
	if !maps.Equal(a, b) {
		t.Errorf("the same run twice: %v and %v", a, b)
	}
	if c := runs[0].Curves["tarp"]; len(c.X) != 21 || c.Y[0] != 0 || math.Abs(c.Y[20]-1) > 1e-9 {
		t.Errorf("the coverage is %v", c)
	}
	dir := t.TempDir()
	drawn, err := Draw(t.Context(), g, cells, results, dir)
	if err != nil || drawn["posterior"].File == "" || drawn["coverage"].File == "" {
		t.Errorf("pictures %v, %v", drawn, err)
	}
	var page strings.Builder
	if err := (Page{Name: "simulated", Pictures: drawn}).Write(&page, g, results); err != nil {
		t.Fatal(err)
	}
	v := runs[0].Values
	for _, want := range []string{
		"| method | few | few, NPE |\n| --- | ---: | ---: |\n", "Better than NPE 1 of 2.",
		fmt.Sprintf("| moons | %.3f ± %.3f | 0.7 |\n", v["c2st"], v["c2st_se"]),
		fmt.Sprintf("| moons again | %.3f ± %.3f | 1.01 |\n", v["c2st"], v["c2st_se"]),
		"All methods of a task have the best of 2 values of `train.lr` (bold): " +
			"that of the least sum of `nll` of moons again",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.String())
		}
	}
}

// checkPosterior checks the values of a run whose last five references are far away.
func checkPosterior(t *testing.T, v map[string]float64) {
	t.Helper()
	sum, square := 0.0, 0.0
	for k := 1; k <= 10; k++ {
		c := v[fmt.Sprintf("c2st_%d", k)]
		if sum, square = sum+c, square+c*c; k > 5 && c < 0.99 {
			t.Errorf("C2ST %.3f of observation %d, whose reference is far away; want 1", c, k)
		} else if k <= 5 && !(c > 0.3 && c < 0.95) {
			t.Errorf("C2ST %.3f of observation %d, whose reference is near", c, k)
		}
	}
	mean := sum / 10
	se := math.Sqrt((square/10 - mean*mean) / 9)
	if math.Abs(v["c2st"]-mean) > 1e-9 || math.Abs(v["c2st_se"]-se) > 1e-9 {
		t.Errorf("C2ST %.4f ± %.4f, want %.4f ± %.4f", v["c2st"], v["c2st_se"], mean, se)
	}
	if !(v["outside"] >= 0 && v["outside"] < 0.9) || !(v["sample_seconds"] > 0) || v["sample_nfe"] != 12 {
		t.Errorf("%.2f outside, %g s, NFE %g; want NFE 12", v["outside"], v["sample_seconds"], v["sample_nfe"])
	}
	for _, name := range []string{"sbc_p", "tarp_p"} {
		if p, ok := v[name]; !ok || p < 0 || p > 1 {
			t.Errorf("%s is %g", name, p)
		}
	}
	if math.Abs(v["tarp_atc"]) > 0.3 || !(v["tarp_atc_err"] > 0) || !(v["sbc_spread"] > 0.3 && v["sbc_spread"] < 2) {
		t.Errorf("ATC %g ± %g, spread %g", v["tarp_atc"], v["tarp_atc_err"], v["sbc_spread"])
	}
}

func TestGridsOfPosteriorsThatCannotBeMeasured(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ from, to, want string }{
		{"data.simulator: two_moons}}\n  - {name: moons again", "data.name: moons}}\n  - {name: moons again",
			"data.simulator"},
		{"", "", filepath.Join("two_moons", "num_observation_1", "observation.csv")}, // an empty folder
	} {
		g, cells := planned(t, strings.Replace(simulated, c.from, c.to, 1), t.TempDir())
		if _, err := DataIn(dir, cells); err != nil {
			t.Fatal(err)
		}
		if err := Check(g, cells); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	for _, c := range []struct{ from, to, want string }{
		{"methods: [moons]}\n  - {kind: curves", "methods: [moons, moons again]}\n  - {kind: curves",
			"is of one method"},
		{"on: [moons again]", "on: [moon]", `search: unknown method "moon"`},
		{"on: [moons again]", "on: [moons again]\n  methods: [moons]", "which is not one of search.methods"},
		{"error: c2st_se", "error: c2st_sd", "c2st_sd"},
		{`ahead "few"`, `ahead "fe"`, `unknown task "fe"`},
		{`ahead "few" "NPE"`, `ahead "few" "NLE"`, `figures that are published as "NLE"`},
		{"beside: true, rows: {moons:", "beside: true, rows: {moon:", `unknown method "moon"`},
	} {
		g, err := Parse([]byte(strings.Replace(simulated, c.from, c.to, 1)))
		if err == nil {
			err = g.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.to, err, c.want)
		}
	}
}
