package cli

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunsAreComparedSideBySide(t *testing.T) {
	first, dir := trained(t), t.TempDir()
	second, picture := filepath.Join(dir, "vp"), filepath.Join(dir, "losses.png")
	file := writeText(t, "run.yaml", tinyRun)
	succeed(t, "train", file, "--out", second, "--set", "path.name=vp", "--set", "train.steps=40", "-q")

	text := succeed(t, "compare", first, second, "--out", picture)
	for _, want := range []string{"run                    run", "vp\n", "path.name", "condot", "train.steps",
		"20 of 20", "40 of 40", "least validation loss", "NLL (nats)", "W2", "NFE of samples", "straightness",
		"losses cannot be compared: the tasks differ (path.name)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, not := range []string{"net.hidden", "held-out points (", "the data differ"} {
		if strings.Contains(text, not) {
			t.Errorf("%q in\n%s", not, text)
		}
	}
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}

	got := succeedJSON(t, "compare", first, second, first, "--no-eval")
	if runs := got["runs"].([]any); len(runs) != 3 || runs[0].(map[string]any)["report"] != nil {
		t.Errorf("compared %v, want three runs without a report", got["runs"])
	}
	other := filepath.Join(dir, "moons")
	succeed(t, "train", file, "--out", other, "--set", "data.name=moons", "-q")
	if text := succeed(t, "compare", first, other, "--only", "likelihood"); !strings.Contains(text,
		"likelihoods and distances cannot be compared: the data differ") || strings.Contains(text, "W2") {
		t.Errorf("two sets:\n%s", text)
	}
	seeded := filepath.Join(dir, "seeded")
	succeed(t, "train", file, "--out", seeded, "--set", "seed=4", "-q")
	if text := succeed(t, "compare", first, seeded, "--no-eval"); !strings.Contains(text,
		"different held-out points (seed)") {
		t.Errorf("two seeds:\n%s", text)
	}
}

func TestWhatCannotBeComparedIsSaid(t *testing.T) {
	dir := trained(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{dir}, 2, "1 runs are given; it needs the folders of two or more"},
		{[]string{dir, t.TempDir()}, 2, "has no run.yaml"},
		{[]string{dir, dir, "--only", "features"}, 2, `unknown part "features"`},
		{[]string{dir, dir, "--only", "samples", "--no-eval"}, 2, "none of the others can be"},
	} {
		code, _, stderr := invoke(t, append([]string{"compare"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("compare %v: exit code %d, %q; want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
}
