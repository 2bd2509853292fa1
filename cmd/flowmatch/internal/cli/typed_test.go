package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data/schema"
	"flowmatch/data/table"
	"flowmatch/run"
	"flowmatch/train"
)

// peopleTable is a table as people have it: with an index, text, missing values, dates, a constant and an empty
// column.
func peopleTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("id;income;age;city;since;country;fax\n")
	for i := range 150 {
		age := fmt.Sprint(20 + i*7%50)
		if i%8 == 0 {
			age = "NA"
		}
		fmt.Fprintf(&b, "%d;%d,%d0;%s;%s;0%d.0%d.2024;DE;\n", i, 100+i*i%977, i%10, age,
			[]string{"Rome", "Oslo", "Bern"}[i%3], 1+i%9, 1+i%5)
	}
	return writeText(t, "people.csv", b.String())
}

// A table trains without a run file; its samples have its columns, their order, formats and levels, lie
// in their range, and go back in: to be evaluated, and to be trained on.
func TestATableOfAnyColumnsGoesInAndComesOut(t *testing.T) {
	file, tmp := peopleTable(t), t.TempDir()
	dir := filepath.Join(tmp, "run")
	tiny := []string{"--set", "train.steps=60", "--set", "net.hidden=[16]", "--set", "eval.rtol=1e-3", "--set",
		"eval.atol=1e-3", "-q"}
	res := succeedJSON(t, append([]string{"train", file, "--out", dir}, tiny...)...)
	about := fmt.Sprint(res["about"])
	for _, want := range []string{
		`1 date ("since")`, `left out: "id"`, `constant: "country"`, `"age" 19`, "transforms:",
	} {
		if !strings.Contains(about, want) {
			t.Errorf("train says %s; want %s", about, want)
		}
	}
	samples := filepath.Join(tmp, "samples.csv")
	said := succeed(t, "sample", dir, "--n", "80", "--out", samples, "-q")
	if !strings.Contains(said, "80 of 6 columns") {
		t.Errorf("%s; want 80 samples of 6 columns", said)
	}
	text, err := os.ReadFile(samples)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if lines[0] != "income;age;city;since;country;fax" || len(lines) != 81 {
		t.Fatalf("%d lines, the first %q", len(lines), lines[0])
	}
	// The schema of the data reads the samples without a fault: kinds, levels, range and grid fit.
	s, _, err := table.Infer(file, table.Options{}, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cells, err := table.ReadCells(samples, table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows, faults, err := s.Parse(cells.Cells)
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	for k, i := range s.Learnt() {
		c := s.Columns[i]
		for row := range rows.N {
			if v := rows.Row(row)[k]; c.Step > 0 && (v < c.Lo || v > c.Hi) || c.Values != nil && v == v &&
				!slices.Contains(c.Values, v) {
				t.Errorf("%s of row %d is %g, which the data cannot be", c.Name, row, v)
			}
		}
	}
	for _, line := range lines[1:] {
		f := strings.Split(line, ";")
		if !strings.HasSuffix(f[0], "0") || !strings.Contains(f[0], ",") || f[4] != "DE" {
			t.Errorf("%s is not written as the file is", line)
		}
	}
	// A column without a value has no holes.
	holes := succeedJSON(t, "impute", dir, "--data", file, "--out", filepath.Join(tmp, "holes.csv"), "-q")
	if holes["filled"] != 19.0 || fmt.Sprint(holes["missing"]) != "map[age:19]" {
		t.Errorf("imputed %v; want the 19 ages that are missing", holes)
	}
	values := filepath.Join(tmp, "logp.csv")
	got := succeedJSON(t, "logp", dir, "--data", samples, "--out", values, "-q")
	if got["points"] != 80.0 || got["unscored"] != nil {
		t.Errorf("log-densities of %v points, none of %v", got["points"], got["unscored"])
	}
	// The mass of a row has the cells of its numbers: incomes in tens, years, days.
	both, err := table.Read(values, table.Options{})
	if err != nil || both.X.D != 2 || !slices.Equal(both.Columns, []string{"logp", "log_mass"}) {
		t.Fatalf("columns %q: %v", both.Columns, err)
	}
	inCells := s.LogCells(rows)
	mean := 0.0
	for i := range rows.N {
		row := both.X.Row(i)
		if mean += row[1] / float64(rows.N); math.Abs(row[1]-row[0]-inCells[i]) > 1e-6*(1+math.Abs(inCells[i])) {
			t.Errorf("row %d: log p %g, log-mass %g, and its cells have %g", i, row[0], row[1], inCells[i])
		}
	}
	if m, ok := got["log_mass"].(float64); !ok || math.Abs(m-mean) > 1e-6*(1+math.Abs(mean)) {
		t.Errorf("the mean log-mass is %v, and that of the file %g", got["log_mass"], mean)
	}
	again := filepath.Join(tmp, "again")
	succeed(t, append([]string{"train", samples, "--out", again}, tiny...)...)
	// As asked, no value is missing.
	complete := filepath.Join(tmp, "complete.csv")
	succeed(t, "sample", dir, "--n", "40", "--complete", "--out", complete, "-q")
	full, err := table.ReadCells(complete, table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if rows, faults, err := s.Parse(full.Cells); err != nil || len(faults) > 0 || rows.N != 40 ||
		slices.ContainsFunc(rows.X, math.IsNaN) {
		t.Errorf("%d rows, faults %v, %v; want 40 without missing values", rows.N, faults, err)
	}
	// A student learns from its pairs.
	succeed(t, append([]string{"train", file, "--out", filepath.Join(tmp, "student"), "--set",
		"train.objective=reflow", "--set", "train.pairs=100", "--set", "train.teacher=" + dir}, tiny...)...)
	// The run is whole: it is resumed from its own run.yaml, evaluated and drawn.
	succeed(t, "train", filepath.Join(dir, "run.yaml"), "--out", dir, "--resume", "-q")
	succeed(t, "eval", dir, "-q")
	succeed(t, "plot", dir, "--kind", "samples", "--out", filepath.Join(tmp, "s.png"), "-q")
	r, err := run.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, k := range r.Pairs() {
		shown = append(shown, r.Model.Spec().Columns[k])
	}
	if want := []string{"income", "age", "since"}; !slices.Equal(shown, want) {
		t.Errorf("a picture shows %q; want the numbers, %q", shown, want)
	}
}

func TestWhatATableCannotBeIsSaid(t *testing.T) {
	file, tmp := peopleTable(t), t.TempDir()
	dir := filepath.Join(tmp, "run")
	succeed(t, "train", file, "--out", dir, "--set", "train.steps=5", "--set", "net.hidden=[8]", "-q")
	broken := writeText(t, "broken.csv", "x,y\n1,a\n2\n3,b,c\n")
	other := writeText(t, "other.csv", "income;age;city;since\n100,00;30;Paris;01.01.2024\n")
	whole := filepath.Join(tmp, "whole")
	succeed(t, "train", writeText(t, "whole.csv", "x,g\n"+strings.Repeat("1.5,a\n2.5,b\n4,a\n", 20)), "--out", whole,
		"--set", "train.steps=5", "--set", "net.hidden=[8]", "-q")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"sample " + whole + " --n 3 --complete --out " + tmp + "/s.csv", exitUsage, "--complete has no effect"},
		{"sample " + trained(t) + " --n 3 --complete --out " + tmp + "/s.csv", exitUsage, "--complete is for tables"},
		{"sample " + dir + " --n 3 --out " + tmp + "/s.npy", exitUsage, "holds numbers alone"},
		{"sample " + dir + " --n 3 --logp --out " + tmp + "/s.csv", exitUsage, "--logp is for tables of numbers"},
		{"logp " + dir + " --data " + other, exitFailure, `"Paris" is none of the levels`},
		{"data describe " + broken, exitFailure, "2 faults"},
		{"data describe " + tmp + "/nothing.csv", exitUsage, "no such file"},
		{"data describe " + file + " --set train.steps=3", exitUsage, "no setting of the data"},
		{"data describe " + file + " --set data.kinds.agee=real", exitUsage, `did you mean "age"`},
		{"data describe " + file + " --set data.transforms.age=logg", exitUsage, `did you mean "log"`},
		{"train " + file + " --out " + tmp + "/b --set data.kinds.agee=real", exitUsage, `did you mean "age"`},
		{"train " + broken + " --out " + tmp + "/b", exitFailure, "line 3: 1 fields; want 2"},
		{"train " + file + " --out " + tmp + "/b --set train.objective=reflow --set train.pairs=100 --set seed=1 " +
			"--set train.teacher=" + dir, exitUsage, "do not hold what those of this run do"},
	} {
		code, _, stderr := invoke(t, append(strings.Fields(c.args), "-q")...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, standard error %q; want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
}

func TestDescribeTellsWhatColumnsAre(t *testing.T) {
	out := succeed(t, "data", "describe", peopleTable(t), "--set", "data.kinds.age=category")
	for _, want := range []string{"rows     150", `separated by ";"`, "identifier: left out: it counts the rows",
		"category: 50 levels", "19 missing", "constant: \"DE\"", "date: 01.01.2024 to 09.05.2024", "Rome"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\nlacks %q", out, want)
		}
	}
	goldenJSON(t, "data-describe", succeedJSON(t, "data", "describe", peopleTable(t)))
}

func TestOverfittingIsSaid(t *testing.T) {
	for _, c := range []struct {
		name                 string
		training, validation []float64
		want                 bool
	}{
		{"rises at the end", []float64{5, 4, 3, 2, 1}, []float64{3, 2, 2.2, 2.3, 2.4}, true},
		{"falls", []float64{5, 4, 3, 2, 1}, []float64{3, 2.5, 2.2, 2.1, 2}, false},
		{"both rise", []float64{1, 1, 2, 3, 4}, []float64{3, 2, 2.2, 2.3, 2.4}, false},
		{"hardly rises", []float64{5, 4, 3, 2, 1}, []float64{3, 2, 2.01, 2.02, 2.03}, false},
		{"too few", []float64{5, 4}, []float64{2, 3}, false}, {"none", nil, nil, false},
	} {
		var events []train.Event
		for i, v := range c.validation {
			measured := train.Event{Step: 10 * i, Loss: c.training[i], ValLoss: &v}
			events = append(events, measured, train.Event{Step: 10*i + 5})
		}
		for _, best := range []bool{true, false} {
			if got := run.Overfits(events, 10, best); (got != "") != c.want ||
				c.want && strings.Contains(got, "train.patience") == best {
				t.Errorf("%s: %q", c.name, got)
			}
		}
	}
}
