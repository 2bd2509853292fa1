package experiment_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/experiment"
)

// lacking returns the results and the page of a grid of which something cannot be measured.
func lacking(t *testing.T, text string) ([]experiment.Result, string) {
	t.Helper()
	dir := t.TempDir()
	g, cells := plan(t, text, dir)
	if err := experiment.Check(g, cells); err != nil {
		t.Fatal(err)
	}
	results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := experiment.Draw(t.Context(), g, cells, results, filepath.Join(dir, "pictures"))
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := (experiment.Page{Name: "lacking", Pictures: pictures}).Write(&page, g, results); err != nil {
		t.Fatal(err)
	}
	return results, page.String()
}

// A task that holds out one row has no MMD, and everything else.
func TestATaskOfOnePointDoesNotEndTheGrid(t *testing.T) {
	text := strings.Replace(least, "{name: moons}\n  net", "{name: moons, test: 1}\n  net", 1)
	text = strings.Replace(text, "[samples]", "[samples, likelihood]", 1) +
		"tables: [{title: Figures, values: [{value: mmd}, {value: w2}, {value: nll}]}]\n"
	results, page := lacking(t, text)
	r := results[0]
	for _, name := range []string{"w2", "sliced_w2", "npe", "nll", "nfe"} {
		if _, ok := r.Values[name]; !ok {
			t.Errorf("there is no %s beside the MMD that one point has not", name)
		}
	}
	if why := r.Missing["samples"]; !strings.Contains(why, "MMD") || len(r.Missing) != 1 {
		t.Errorf("missing is %v, want the MMD of the samples", r.Missing)
	}
	for _, want := range []string{"| FM | – | ", "## What could not be measured\n\n- FM on moons, seed 7, samples: "} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// A run whose samples cannot be solved for is measured as far as it can be, and the page is
// written.
func TestARunThatCannotBeSampledDoesNotEndTheGrid(t *testing.T) {
	text := strings.Replace(least, "tasks:", "  eval: {max_nfe: 3, test: 20, samples: 20}\ntasks:", 1)
	text = strings.Replace(text, "[samples]", "[samples, likelihood, samplers]", 1) + `
pictures:
  - {kind: samples, file: samples}
  - {kind: curves, file: curves, curves: [w2/dopri5, w2/euler]}
`
	text = strings.Replace(text, "w2/dopri5, ", "", 1)
	results, page := lacking(t, text)
	r := results[0]
	if _, ok := r.Values["path_energy"]; !ok || r.Missing["likelihood"] == "" || r.Missing["samples"] == "" {
		t.Errorf("values %v, missing %v; want the paths alone", r.Values, r.Missing)
	}
	if c := r.Curves["w2/euler"]; len(c.X) == 0 || r.Missing["samplers"] != "" {
		t.Errorf("samplers of fixed steps lack %q", r.Missing["samplers"])
	}
	for _, want := range []string{"picture samples, method FM: ", "![curves]("} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "![samples](") {
		t.Error("the page shows a picture that there is not")
	}
}

// A run that diverges, and one that has it as its teacher, have no figures; the others do, and
// page and pictures say which are missing.
func TestARunThatDivergesDoesNotEndTheGrid(t *testing.T) {
	text := strings.Replace(least, "      train.optimizer.ema_decay: 0.9\n", `      train.optimizer.ema_decay: 0.9
  - {name: wild, set: {train.lr: 1e30}}
  - {name: pupil, teacher: wild, set: {train.objective: reflow}}
  - {name: OT-CFM, set: {coupling.name: ot}}
`, 1) + "pictures: [{kind: samples, file: samples, caption: Samples.}]\n"
	results, page := lacking(t, text)
	for k, failed := range []bool{false, true, true, false} {
		if r := results[k]; (r.Failed != "") != failed || (r.Values["w2"] > 0) == failed {
			t.Errorf("%s: failed %q, W2 %g", r.Method, r.Failed, r.Values["w2"])
		}
	}
	for _, want := range []string{"- wild on moons, seed 7, failed in training: ", "training diverged at step",
		"- pupil on moons, seed 7, failed in training: its teacher has failed", "samples.png)",
		"- picture samples, method wild: it failed in training: "} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
