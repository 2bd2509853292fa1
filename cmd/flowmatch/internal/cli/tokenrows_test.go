package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/data/table"
)

// tinyTable is a run of rows that takes a fraction of a second.
const tinyTable = `
seed: 3
space: tokens
data: {path: %q, val: 4%s}
net: {width: 16, depth: 1, heads: 2}
train: {steps: 20, batch: 8, log_every: 5, val_every: 10, label_dropout: 0.2}
eval: {steps: 6, test: 10, draws: 4}
`

// cars are rows of two columns, and a class for each.
func cars() string {
	rows := "size,colour,kind\n"
	for i := range 60 {
		rows += fmt.Sprintf("%s,%s,%s\n", []string{"big", "small"}[i%2], []string{"red", "blue", "\"a, b\""}[i%3],
			[]string{"bus", "car"}[i%2])
	}
	return rows
}

// trainedRows is a run of cars.
func trainedRows(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cars")
	file := writeText(t, "cars.yaml", fmt.Sprintf(tinyTable, writeText(t, "cars.csv", cars()), ", label: kind"))
	succeed(t, "train", file, "--out", dir, "-q")
	return dir
}

// A run of a table with classes writes rows with its header, levels and classes, and fills rows in.
func TestRowsOfCategoriesOnTheCommandLine(t *testing.T) {
	folder := t.TempDir()
	out := func(name string) string { return filepath.Join(folder, name) }
	data, dir := writeText(t, "cars.csv", cars()), out("run")
	file := writeText(t, "run.yaml", fmt.Sprintf(tinyTable, data, ", label: kind"))
	if report := succeed(t, "train", file, "--out", dir, "-q"); !strings.Contains(report, "in sequences of 2\n") ||
		!strings.Contains(report, "--n 4 --out samples.csv\n") {
		t.Errorf("%s", report)
	}
	lines := func(name string) []string { return strings.Split(strings.TrimSpace(content(t, out(name))), "\n") }
	rep := succeedJSON(t, "sample", dir, "--n", "5", "--seed", "5", "--out", out("a.csv"))
	goldenJSON(t, "sample-rows", rep)
	if got := lines("a.csv"); len(got) != 6 || got[0] != "size,colour,kind" || !strings.HasSuffix(got[1], ",bus") ||
		!strings.HasSuffix(got[2], ",car") || rep["nfe"] != 6.0 || rep["length"] != 2.0 {
		t.Errorf("%q, %v", got, rep)
	}
	rep = succeedJSON(t, "sample", dir, "--n", "4", "--label", "car", "--guidance", "2", "--out", out("b.csv"))
	for _, line := range lines("b.csv")[1:] {
		if !strings.HasSuffix(line, ",car") {
			t.Errorf("a sample of a car: %q", line)
		}
	}
	if rep["nfe"] != 12.0 || rep["label"] != "car" || rep["guidance"] != 2.0 {
		t.Errorf("%v", rep)
	}
	rep = succeedJSON(t, "sample", dir, "--n", "3", "--label", "car", "--guidance", "0", "--out", out("c.npy"))
	x, err := table.Read(out("c.npy"), table.Options{})
	label, errLabel := table.Read(out("c.label.npy"), table.Options{})
	if err != nil || errLabel != nil || x.X.N != 3 || x.X.D != 2 || label.X.X[0] != 1 || rep["nfe"] != 6.0 {
		t.Errorf("%v, %v, %v, %v", x.X, label.X, err, rep)
	}
	gaps := writeText(t, "gaps.csv", "colour,kind,size\nred,bus,\n?,car,small\nblue,bus,big\n")
	rep = succeedJSON(t, "sample", dir, "--infill", gaps, "--mark", "?", "--n", "2", "--out", out("full.csv"))
	full := lines("full.csv")
	if rep["infilled"] != 2.0 || len(full) != 7 || !strings.HasSuffix(full[1], ",red,bus") ||
		!strings.HasSuffix(full[4], ",car") || !strings.HasPrefix(full[4], "small,") || full[6] != "big,blue,bus" {
		t.Errorf("%q, %v", full, rep)
	}
	rep = succeedJSON(t, "logp", dir, "--data", data, "--out", out("values.csv"))
	elbo := rep["elbo"].(map[string]any)
	if got := lines("values.csv"); len(got) != 61 || elbo["sequences"] != 60.0 || elbo["characters"] != 0.0 {
		t.Errorf("%d values, %v", len(got), elbo)
	}
	if report := succeed(t, "eval", dir); !strings.Contains(report, "bits a token") ||
		strings.Contains(report, "a character") {
		t.Errorf("%s", report)
	}
	text, some := trainedTokens(t), writeText(t, "some.csv", "size,colour\nbig,red\n")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"must end in .csv, .npy", []string{"sample", dir, "--n", "1", "--out", out("a.txt")}},
		{`--label: no class is called "van"`, []string{"sample", dir, "--n", "1", "--label", "van", "--out",
			out("a.csv")}},
		{"--extend draws more of a text", []string{"sample", dir, "--infill", gaps, "--extend", "2", "--out",
			out("a.csv")}},
		{"has no gap", []string{"sample", dir, "--infill", data, "--out", out("a.csv")}},
		{"is a level of a column", []string{"sample", dir, "--infill", gaps, "--mark", "red", "--out", out("a.csv")}},
		{"has a column kind; leave one", []string{"sample", dir, "--infill", gaps, "--mark", "?", "--label", "bus",
			"--out", out("a.csv")}},
		{"has none; give --label", []string{"logp", dir, "--data", some}},
		{"are levels of a table", []string{"plot", dir, "--kind", "trajectories", "--out", out("a.gif")}},
		{"would change what", []string{"sample", dir, "--n", "1", "--out", data}},
		{"--guidance needs a run with labels", []string{"sample", text, "--n", "1", "--guidance", "2", "--out",
			out("a.txt")}},
		{"--label needs a run with labels", []string{"sample", text, "--n", "1", "--label", "a", "--out",
			out("a.txt")}},
	} {
		if code, _, stderr := invoke(t, c.args...); code != 2 || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit code %d, want 2 with %q:\n%s", c.args, code, c.want, stderr)
		}
	}
	succeed(t, "logp", dir, "--data", some, "--label", "bus")
	bad := writeText(t, "bad.csv", "size,colour\nbig,reed\n")
	code, _, stderr := invoke(t, "logp", dir, "--data", bad, "--label", "bus")
	if code != 1 || !strings.Contains(stderr, `line 2: column "colour": "reed" is none of its 3 levels; did you mean`) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	plain := strings.Replace(fmt.Sprintf(tinyTable, data, ", label: kind"), ", label_dropout: 0.2", "", 1)
	succeed(t, "train", writeText(t, "run.yaml", plain), "--out", out("plain"), "-q")
	code, _, stderr = invoke(t, "sample", out("plain"), "--n", "1", "--guidance", "2", "--out", out("a.csv"))
	if code != 2 || !strings.Contains(stderr, "trained with train.label_dropout") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// A run of an array writes arrays, and -1 is what is filled in.
func TestRowsOfIntegersOnTheCommandLine(t *testing.T) {
	folder := t.TempDir()
	out := func(name string) string { return filepath.Join(folder, name) }
	var x []int32
	for i := range int32(60) {
		x = append(x, i%3, i%2, 3)
	}
	if err := table.WriteIntNPY(out("x.npy"), 60, 3, x); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(fmt.Sprintf(tinyTable, out("x.npy"), ""), ", label_dropout: 0.2", "", 1)
	succeed(t, "train", writeText(t, "run.yaml", text), "--out", out("run"), "-q")
	succeed(t, "sample", out("run"), "--n", "4", "--out", out("s.npy"))
	if got, err := table.Read(out("s.npy"), table.Options{}); err != nil || got.X.N != 4 || got.X.D != 3 {
		t.Errorf("%v, %v", got.X, err)
	}
	if err := table.WriteIntNPY(out("gaps.npy"), 2, 3, []int32{-1, 1, 3, 2, -1, -1}); err != nil {
		t.Fatal(err)
	}
	succeed(t, "sample", out("run"), "--infill", out("gaps.npy"), "--out", out("full.npy"))
	got, err := table.Read(out("full.npy"), table.Options{})
	if err != nil || got.X.X[1] != 1 || got.X.X[2] != 3 || got.X.X[3] != 2 || got.X.X[0] < 0 {
		t.Errorf("%v, %v", got.X, err)
	}
	succeed(t, "logp", out("run"), "--data", out("x.npy"))
	code, _, stderr := invoke(t, "sample", out("run"), "--infill", out("gaps.npy"), "--mark", "x", "--out",
		out("a.npy"))
	if code != 2 || !strings.Contains(stderr, "--mark has no effect on a run of integers") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
