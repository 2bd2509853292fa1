package cli

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestAPartThatFailsLeavesTheOthers(t *testing.T) {
	// Samples take steps of the average velocity; 10 evaluations are too few for a likelihood.
	config := strings.Replace(tinyRun, "train: {", "train: {objective: meanflow, ", 1)
	config = strings.Replace(config, "solver: euler, steps: 5,", "max_nfe: 10,", 1)
	dir := filepath.Join(t.TempDir(), "run")
	succeed(t, "train", writeText(t, "run.yaml", config), "--out", dir, "-q")

	code, stdout, stderr := invoke(t, "eval", dir, "--json", "-q")
	rep := oneObject(t, stdout)
	if code != exitFailure || !strings.Contains(stderr, "likelihood not measured") {
		t.Errorf("exit code %d, standard error %q; want 1 and the part that failed", code, stderr)
	}
	if why := rep["missing"].(map[string]any)["likelihood"]; !strings.Contains(why.(string), "max_nfe") {
		t.Errorf("the report does not say why there is no likelihood: %v", why)
	}
	if rep["samples"] == nil || rep["likelihood"] != nil || rep["error"] != nil {
		t.Errorf("the report is %v; want samples alone", rep)
	}
	if _, text, _ := invoke(t, "eval", dir, "-q"); !strings.Contains(text, "straightness") {
		t.Errorf("the text lacks what was measured:\n%s", text)
	}

	code, stdout, stderr = invoke(t, "eval", dir, "--only", "likelihood", "-q")
	if code != exitFailure || !strings.Contains(stdout, "likelihood  –\n") ||
		!strings.Contains(stderr, "eval: likelihood not measured: ") {
		t.Errorf("exit code %d, standard output %q, standard error %q; want 1, what was asked of which run, and why "+
			"there is nothing", code, stdout, stderr)
	}
}

func TestWithoutHeldOutPointsThereIsNothingToMeasure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	config := writeText(t, "run.yaml",
		strings.NewReplacer("test: 60", "test: 0", ", samples: 40, test: 40", "").Replace(tinyRun))
	succeed(t, "train", config, "--out", dir, "-q")
	if text := succeed(t, "eval", dir, "-q"); !strings.Contains(text, "no points are held out") {
		t.Errorf("the report is %s", text)
	}
	if rep := succeedJSON(t, "eval", dir, "-q"); rep["samples"] != nil || rep["run"] != dir || rep["warnings"] == nil {
		t.Errorf("the report is %v", rep)
	}
}

func TestALikelihoodThatIsNotToBeTrustedIsSaidToBe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	config := "precondition: false\n" + strings.Replace(tinyRun, "train: {", "train: {prediction: data, ", 1)
	succeed(t, "train", writeText(t, "run.yaml", config), "--out", dir, "-q")
	for _, args := range [][]string{
		{"eval", dir, "-q", "--only", "likelihood"}, {"logp", dir, "-q", "--dataset", "moons", "--n", "50"},
	} {
		text := succeed(t, append(args, "--solver", "dopri5")...)
		for _, want := range []string{
			"  check ", "points again: a finer solve differs by", ", one over shorter times differs by",
			"  not to be trusted  it depends on where the times are cut: t from 0 to 0.998, not 0 to 0.999, changes",
			"  what would help    train with precondition: true, or with prediction velocity\n",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", args[0], want, text)
			}
		}
	}
	// As JSON, of equal steps.
	rep := succeedJSON(t, "eval", dir, "-q", "--only", "likelihood", "--solver", "euler", "--steps", "5")
	check := rep["likelihood"].(map[string]any)["check"].(map[string]any)
	why, _ := check["why"].([]any)
	if check["trusted"] != false || len(why) == 0 || check["cut_difference"] == nil || check["help"] == nil {
		t.Errorf("check %v", check)
	}
}

// More points than are held out cannot be measured on, and that is said.
func TestFewerHeldOutPointsThanAskedForAreTold(t *testing.T) {
	text := succeed(t, "eval", trained(t), "--test", "61", "--samples", "1000")
	for _, want := range []string{"--test is 61, but only 60 points are held out",
		"--samples is 1000, but only 60 points"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if text := succeed(t, "eval", trained(t), "--test", "60"); strings.Contains(text, "held out;") {
		t.Errorf("as many as there are:\n%s", text)
	}
}

// How many points are evaluated may be said, in eval and in logp, or that it is all of them.
func TestNumbersOfPointsAndAll(t *testing.T) {
	dir := trained(t)
	all, held := succeedJSON(t, "eval", dir, "-q", "--only", "likelihood", "--test", "all"),
		succeedJSON(t, "eval", dir, "-q", "--only", "likelihood", "--test", "60")
	if !reflect.DeepEqual(all, held) {
		t.Errorf("all of 60: %v, and 60: %v", all, held)
	}
	file := filepath.Join(t.TempDir(), "points.csv")
	succeed(t, "sample", dir, "--n", "30", "--out", file, "-q")
	for given, want := range map[string]float64{"": 30, "all": 30, "7": 7, "31": 30} {
		args := []string{"logp", dir, "--data", file, "-q"}
		if given != "" {
			args = append(args, "--points", given)
		}
		if got := succeedJSON(t, args...); got["points"] != want || got["chosen"] != nil {
			t.Errorf("--points %s: %v points, %v; want %v", given, got["points"], got["chosen"], want)
		}
	}
	a, b := succeedJSON(t, "logp", dir, "--data", file, "-q", "--points", "7"),
		succeedJSON(t, "logp", dir, "--data", file, "-q", "--points", "7")
	if a["nll"] != b["nll"] {
		t.Error("the same number draws other points")
	}
}
