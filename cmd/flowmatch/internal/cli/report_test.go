package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// peopleRun trains on a table for a few steps.
func peopleRun(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	succeed(t, "train", peopleTable(t), "--out", dir, "-q", "--set", "train.steps=3", "--set", "net.hidden=[8]",
		"--set", "eval.solver=euler", "--set", "eval.steps=4", "--set", "data.test=20", "--set", "eval.samples=60")
	return dir
}

func TestEvalOfATableWritesAReport(t *testing.T) {
	dir := peopleRun(t)
	file := filepath.Join(t.TempDir(), "report.html")
	rep := succeedJSON(t, "eval", dir, "--html", file, "--target", "age", "-q")
	goldenJSON(t, "eval-table", rep)
	page, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(page), "<!doctype html>") ||
		!strings.Contains(string(page), "efficacy") {
		t.Errorf("the report is %.80s, %v", page, err)
	}
	if got := rep["efficacy"].(map[string]any)["target"]; got != "age" || rep["html"] != file {
		t.Errorf("target %v, report %v", got, rep["html"])
	}
	for _, part := range []string{"marginals", "correlations", "forest", "closest", "efficacy"} {
		one := succeedJSON(t, "eval", dir, "--only", part, "-q")
		if one[part] == nil || one["samples"] != nil || one["likelihood"] != nil {
			t.Errorf("--only %s: %v", part, one)
		}
	}
	compared := succeed(t, "compare", dir, dir, "--only", "marginals,forest,efficacy", "-q")
	for _, want := range []string{"W1 of columns", "C2ST, random forest", "efficacy"} {
		if !strings.Contains(compared, want) {
			t.Errorf("no %q in\n%s", want, compared)
		}
	}
	text := succeed(t, "eval", dir, "--only", "closest,efficacy", "-q")
	for _, want := range []string{"  copies ", " of 20 held-out rows\n", "  trained on samples ",
		"  not to be trusted "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestFlagsOfReportsAreChecked(t *testing.T) {
	dir := trained(t)
	for want, args := range map[string][]string{
		"its name must end in .html": {"--html", "report.pdf"},
		"no such folder":             {"--html", filepath.Join(t.TempDir(), "none", "r.html")},
		"has no effect on --only":    {"--only", "likelihood", "--target", "x1"},
		"must be one of":             {"--target", "weight"},
	} {
		if code, _, stderr := invoke(t, append([]string{"eval", dir, "-q"}, args...)...); code == 0 ||
			!strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %q; want %q", args, code, stderr, want)
		}
	}
}
