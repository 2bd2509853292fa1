package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data/table"
)

// numbered is a conditional run of a table whose labels are 1, 2 and 7.
func numbered(t *testing.T) string {
	var text strings.Builder
	text.WriteString("x,y,kind\n")
	for i := range 90 {
		fmt.Fprintf(&text, "%d.5,%d.25,%d\n", i%3, i%5, []int{1, 2, 7}[i%3])
	}
	file := writeText(t, "kinds.csv", text.String())
	return once(t, "numbered", "data: {path: "+file+", label: kind}\nconditional: true\nnet: {hidden: [8]}\n"+
		"train: {steps: 4, batch: 16}\neval: {solver: euler, steps: 4}\n")
}

func TestLabelsOfATableAreWhatItSays(t *testing.T) {
	dir, file := numbered(t), filepath.Join(t.TempDir(), "s.csv")
	for _, c := range []struct {
		args string
		want []int32
	}{{"--n 6", []int32{0, 1, 2, 0, 1, 2}}, {"--n 2 --label 7", []int32{0, 0}}} {
		succeed(t, strings.Fields("sample "+dir+" -q --out "+file+" "+c.args)...)
		got, err := table.Read(file, table.Options{Label: "kind"})
		if err != nil || !slices.Equal(got.Label, c.want) {
			t.Errorf("%s: labels %v of %v (error %v), want %v", c.args, got.Label, got.ClassNames, err, c.want)
		}
		if c.want[1] == 0 && !slices.Equal(got.ClassNames, []string{"7"}) {
			t.Errorf("--label 7: labels %v", got.ClassNames)
		}
		succeed(t, "logp", dir, "--data", file, "-q")
	}
	code, _, stderr := invoke(t, "sample", dir, "--n", "2", "--label", "0", "--out", file)
	if want := `no class is called "0"; the classes are "1", "2", "7"`; code != exitUsage ||
		!strings.Contains(stderr, want) {
		t.Errorf("exit code %d, %q; want 2 and %q", code, stderr, want)
	}
}

func TestPointsWithoutLabelsAreGivenOne(t *testing.T) {
	dir, points := numbered(t), writeText(t, "points.csv", "x,y\n0.5,0.25\n1.5,0\n")
	code, _, stderr := invoke(t, "logp", dir, "--data", points, "-q")
	if want := `no column "kind"; the columns are "x", "y"; give --label`; code != exitUsage ||
		!strings.Contains(stderr, want) {
		t.Errorf("exit code %d, %q; want 2 and %q", code, stderr, want)
	}
	if got := succeedJSON(t, "logp", dir, "--data", points, "--label", "7", "-q"); got["points"] != 2.0 {
		t.Errorf("log-densities of %v points, want 2", got["points"])
	}
}

func TestALabelIsAskedForByItsNumberOrName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.csv")
	dir := classes(t) // a law, whose classes have no names
	code, _, stderr := invoke(t, "sample", dir, "--n", "2", "--label", "virginica", "--out", file)
	if want := `no class is called "virginica"; the classes are 0 to 1, without names`; code !=
		exitUsage || !strings.Contains(stderr, want) {
		t.Errorf("exit code %d, %q; want 2 and %q", code, stderr, want)
	}
	// Samples go back in with their labels, and without.
	succeed(t, "sample", dir, "--n", "4", "-q", "--out", file)
	own := succeedJSON(t, "logp", dir, "--data", file, "-q")
	points := writeText(t, "points.csv", "c0,c1\n0.5,0.25\n1.5,0\n")
	succeed(t, "logp", dir, "--data", points, "--label", "1", "-q")
	if own["points"] != 4.0 {
		t.Errorf("log-densities of %v samples, want 4", own["points"])
	}
	code, _, stderr = invoke(t, "logp", dir, "--data", points, "-q")
	if code != exitUsage || !strings.Contains(stderr, "give --label") {
		t.Errorf("without labels: exit code %d, %q", code, stderr)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

func TestTrainingSaysWhatTheDataAre(t *testing.T) {
	var text strings.Builder
	text.WriteString("id,x,kind\n")
	for i := range 50 {
		fmt.Fprintf(&text, "%d,%d.5,%d\n", i, i%7, i%2)
	}
	yaml := writeText(t, "run.yaml", "data: {path: "+writeText(t, "t.csv", text.String())+", label: kind}\n"+
		"net: {hidden: [4]}\ntrain: {steps: 2, batch: 8}\n")
	_, stdout, stderr := invoke(t, "train", yaml, "--out", filepath.Join(t.TempDir(), "run"))
	for _, want := range []string{`50 rows of 2 columns, named by the first line: "id", "x"`,
		"40 to train on, 5 to validate on, 5 held out to evaluate", `2 classes of "kind": 0 to 1`,
		`t.csv: column "id" is a whole number that rises`, `data.label is "kind", but conditional is not true`} {
		if !strings.Contains(stdout, want) || !strings.Contains(stderr, want) {
			t.Errorf("%q is not in both of\n%s\n%s", want, stdout, stderr)
		}
	}
}

func TestNamesOfFilesAndColumnsDoNotReachTheTerminalRaw(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "red\x1b[31m")
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("x\x1b]0;title\x07,.nan,\"a\tb\"\n")
	for i := range 40 {
		fmt.Fprintf(&text, "%d.5,%d.5,%d.25\n", i, i%7, i%5)
	}
	file := filepath.Join(folder, "\u009bt\u202e.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	yaml := writeText(t, "run.yaml", "net: {hidden: [4]}\ntrain: {steps: 2, batch: 8}\n")
	dir, samples := filepath.Join(folder, "run"), filepath.Join(folder, "s.csv")
	raw := func(args ...string) int {
		code, stdout, stderr := invoke(t, args...)
		if strings.ContainsAny(stdout+stderr, "\x1b\x07\u009b\u202e") {
			t.Errorf("%q printed raw: %q %q", args, stdout, stderr)
		}
		return code
	}
	for _, args := range [][]string{
		{"train", yaml, "--set", "data.path=" + file, "--out", dir}, {"eval", dir}, {"eval", dir, "--json"},
		{"sample", dir, "--n", "3", "--out", samples}, {"logp", dir, "--data", samples},
	} {
		if code := raw(args...); code != 0 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
	raw("logp", dir, "--data", filepath.Join(folder, "none.csv"))
	raw("sample", dir, "--n", "3", "--label", "\x1b[31m", "--out", samples)
	// The columns are the same, whatever is in their names.
	got, err := table.Read(samples, table.Options{})
	if want := []string{"x\x1b]0;title\x07", ".nan", "a\tb"}; err != nil || !slices.Equal(got.Columns, want) {
		t.Errorf("columns %q (error %v), want %q", got.Columns, err, want)
	}
}
