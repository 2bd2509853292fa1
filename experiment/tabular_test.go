package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// rowsGrid is a grid of a table whose methods need no other program, but for those that a test replaces.
const rowsGrid = `
title: Rows
kind: tables
seeds: [3]
base: {file: t.csv, target: kind}
tasks: [{name: t}]
methods:
  - {name: rows, set: {model: data}}
  - {name: mean, set: {model: mean}}
measure: [samples, imputation]
`

// peerRows is rowsGrid with a method of a peer.
var peerRows = strings.Replace(rowsGrid, "methods:\n",
	"methods:\n  - {name: theirs, peer: ctgan, set: {model: tvae}}\n", 1)

// aTable writes a table of numbers, whole numbers and levels, some of them missing, into a folder, and returns it.
func aTable(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var b strings.Builder
	b.WriteString("size,count,kind,note\n")
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		k := rng.IntN(3)
		note := []string{"no", "yes", ""}[rng.IntN(3)]
		fmt.Fprintf(&b, "%.2f,%d,%s,%s\n", float64(k)+0.2*rng.NormFloat64(), 10*k+rng.IntN(9),
			[]string{"a", "b", "c"}[k], note)
	}
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rowsOf plans and checks a grid of kind tables whose table is in a folder.
func rowsOf(t *testing.T, text, data, runs string) (Grid, []Cell) {
	t.Helper()
	g, cells := planned(t, text, runs)
	found, err := DataIn(data, cells)
	if err != nil || !found {
		t.Fatalf("data found: %v (%v)", found, err)
	}
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := Check(g, cells); err != nil {
		t.Fatal(err)
	}
	return g, cells
}

// Rows of the law are as far from held-out rows as chance has it, and holes that are filled in by means are as wrong as
// the table is wide.
func TestTheRowsThemselvesGiveTheFloors(t *testing.T) {
	g, cells := rowsOf(t, rowsGrid, aTable(t, 600), t.TempDir())
	results, err := Run(t.Context(), g, cells, RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]float64{
		"c2st": {0.42, 0.58}, "w1": {0, 0.06}, "tv": {0, 0.02}, "correlation": {0, 0.02}, "efficacy": {0.9, 1},
		"efficacy_loss": {0, 0}, "closest": {0, 0}, "closest_error": {1, 1}, "copies": {1, 1}, "impossible": {0, 0},
		"nearer": {0.5, 1},
	} {
		if v, ok := results[0].Values[name]; !ok || v < want[0] || v > want[1] {
			t.Errorf("rows: %s is %g (%v), want %g to %g", name, v, ok, want[0], want[1])
		}
	}
	for name, want := range map[string][2]float64{"rmse": {0.9, 1.1}, "wrong": {0.5, 0.7}} {
		if v, ok := results[1].Values[name]; !ok || v < want[0] || v > want[1] {
			t.Errorf("mean: %s is %g (%v), want %g to %g", name, v, ok, want[0], want[1])
		}
	}
	if _, ok := results[1].Values["c2st"]; ok || len(results[0].Missing)+len(results[1].Missing) > 0 {
		t.Errorf("the mean has samples, or something is missing: %v", Missing(results))
	}
	if _, ok := results[0].Values["seconds"]; ok {
		t.Error("rows that nobody made took seconds")
	}
}

// The rows of a task and seed are divided once, for all methods; another seed divides them otherwise, and a table
// that has changed is told of.
func TestAllMethodsHaveTheSameRows(t *testing.T) {
	data, runs := aTable(t, 200), t.TempDir()
	g, cells := rowsOf(t, strings.Replace(rowsGrid, "[3]", "[3, 4]", 1), data, runs)
	read := func(seed, name string) string {
		text, err := os.ReadFile(filepath.Join(runs, "t", "rows-seed-"+seed, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if _, err := Run(t.Context(), g, cells[:1], RunOptions{}); err != nil {
		t.Fatal(err)
	}
	before := read("3", learntFile) + read("3", holesFile)
	if _, err := Run(t.Context(), g, cells, RunOptions{}); err != nil {
		t.Fatal(err)
	}
	if read("3", learntFile)+read("3", holesFile) != before || read("4", learntFile) == read("3", learntFile) {
		t.Error("the rows of a seed differ by method, or those of two seeds are the same")
	}
	lines := func(text string) []string { return strings.Split(strings.TrimSpace(text), "\n")[1:] }
	train, held, holes := lines(read("3", learntFile)), lines(read("3", heldFile)), lines(read("3", holesFile))
	all := slices.Sorted(slices.Values(append(slices.Clone(train), held...)))
	original, _ := os.ReadFile(filepath.Join(data, "t.csv"))
	if len(held) != 40 || !slices.Equal(all, slices.Sorted(slices.Values(lines(string(original))))) {
		t.Errorf("%d rows held out, %d in all: not those of the table", len(held), len(all))
	}
	dug := 0
	for i, line := range holes {
		was := strings.Split(train[i], ",")
		for k, field := range strings.Split(line, ",") {
			if field == "" && was[k] != "" {
				dug++
			} else if field != was[k] {
				t.Errorf("row %d: %q, and without holes %q", i, line, train[i])
			}
		}
	}
	if there := 160 * (4 - 1.0/3); math.Abs(float64(dug)/there-0.2) > 0.05 {
		t.Errorf("%d holes in about %.0f values, want a fifth", dug, there)
	}
	other := aTable(t, 201)
	g, cells = rowsOf(t, strings.Replace(rowsGrid, "[3]", "[3, 4]", 1), other, runs)
	for _, c := range cells {
		os.Remove(filepath.Join(c.Dir, resultFile))
	}
	if _, err := Run(t.Context(), g, cells, RunOptions{}); !errors.Is(err, ErrStale) ||
		!strings.Contains(err.Error(), learntFile) {
		t.Errorf("another table in the same folder: %v", err)
	}
}

// fakeOrder is the beginning of a peer that knows the files of an order.
const fakeOrder = fakeHello + `
field() { rest=${request#*\"$1\":\"}; echo "${rest%%\"*}"; }
table=$(field table); out=$(field out)
`

func TestAPeerMakesTables(t *testing.T) {
	g, cells := rowsOf(t, peerRows, aTable(t, 200), t.TempDir())
	if names, err := UndonePeers(g, cells); err != nil || !slices.Equal(names, []string{"ctgan"}) {
		t.Errorf("peers %v (%v), want ctgan", names, err)
	}
	log := filepath.Join(t.TempDir(), "asked")
	script := fakeOrder + "echo \"$request\" >" + log + "\ncp \"$table\" \"$out\"; sleep 0.3; echo '{\"threads\": 2}'"
	results, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, script)})
	if err != nil {
		t.Fatal(err)
	}
	theirs, rows := results[0], results[1]
	for _, name := range []string{"c2st", "w1", "tv", "correlation", "efficacy", "impossible", "closest"} {
		if theirs.Values[name] != rows.Values[name] {
			t.Errorf("%s is %g of the same rows, and %g", name, theirs.Values[name], rows.Values[name])
		}
	}
	if v := theirs.Values; v["seconds"] < 0.3 || v["seconds"] > 60 || theirs.Libraries["ctgan"] != "0.12.1" {
		t.Errorf("values %v, libraries %v", v, theirs.Libraries)
	}
	asked, err := os.ReadFile(log)
	for _, want := range []string{`"model":"tvae","task":"samples"`, `"n":160,"target":"kind"`,
		`{"name":"size","kind":"real"},{"name":"count","kind":"integer"},` +
			`{"name":"kind","kind":"category","levels":["a","b","c"]},` +
			`{"name":"note","kind":"binary","levels":["no","yes"]}`} {
		if err != nil || !strings.Contains(string(asked), want) {
			t.Errorf("asked %s (%v), want %s", asked, err, want)
		}
	}
	// What it left is measured again without it.
	if err := os.Remove(filepath.Join(cells[0].Dir, resultFile)); err != nil {
		t.Fatal(err)
	}
	again, err := Run(t.Context(), g, cells, RunOptions{})
	if err != nil || again[0].Values["c2st"] != theirs.Values["c2st"] ||
		again[0].Values["seconds"] != theirs.Values["seconds"] {
		t.Errorf("measured again: %v (%v), want %v", again, err, theirs)
	}
}

// What a model leaves that is no table like the one it had is told, and the grid goes on.
func TestTablesThatAreWrongAreTold(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"dies": {"echo out of memory >&2; exit 3", "ctgan ends with exit status 3: out of memory"},
		"other columns": {`sed 's/note/notes/' "$table" >"$out"; echo '{"threads": 2}'`,
			`has the columns "size", "count", "kind", "notes"; want`},
		"too few rows":   {`head -50 "$table" >"$out"; echo '{"threads": 2}'`, "has 49 rows; want 160"},
		"other levels":   {`sed 's/,a,/,x,/' "$table" >"$out"; echo '{"threads": 2}'`, ""},
		"takes too long": {"sleep 60", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := peerRows
			if name == "takes too long" {
				text = strings.Replace(text, "{file: t.csv", "{minutes: 0.02, file: t.csv", 1)
			}
			g, cells := rowsOf(t, text, aTable(t, 200), t.TempDir())
			start := time.Now()
			results, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, fakeOrder+c.script)})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(Missing(results), "\n")
			if !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
				t.Errorf("missing %q, want %q", got, c.want)
			}
			switch v := results[0].Values["impossible"]; {
			case name == "other levels" && !(v > 0.05 && v < 0.12): // a third of a quarter
				t.Errorf("%g of the values are impossible", v)
			case name == "takes too long":
				var b strings.Builder
				Table{Title: "T", Value: "c2st"}.write(&b, g, results)
				took := time.Since(start)
				if !strings.Contains(b.String(), "| theirs | > 0.02 min |") || took > 40*time.Second {
					t.Errorf("after %v, over %v:\n%s", took, results[0].Over, b.String())
				}
			}
		})
	}
}

// This program runs as a program of its own, by the commands that it is told.
func TestThisProgramMakesTables(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "flowmatch")
	script := "#!" + shell + "\necho \"$@\" >>" + dir + `/log
case $1 in
train) cp "$2" ` + dir + `/table ;;
sample) cp ` + dir + `/table "$4" ;;
impute) echo it cannot >&2; exit 4 ;;
esac`
	if err := os.WriteFile(program, []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(rowsGrid, "methods:\n", "methods:\n  - {name: ours, set: {options: [data.test=0]}}\n", 1)
	g, cells := rowsOf(t, text, aTable(t, 200), filepath.Join(dir, "runs"))
	results, err := Run(t.Context(), g, cells, RunOptions{Commands: func(j TableJob) ([][]string, error) {
		first := []string{program, "train", j.Table, "seed", fmt.Sprint(j.Seed), strings.Join(j.Options, " ")}
		second := []string{program, "sample", fmt.Sprint(j.N), "to", j.Out}
		if j.Impute {
			second[1] = "impute"
		}
		return [][]string{first, second}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Values["c2st"] != results[1].Values["c2st"] || !(results[0].Values["seconds"] > 0) {
		t.Errorf("ours %v, rows %v", results[0].Values, results[1].Values)
	}
	why := results[0].Missing["imputation"]
	if !strings.Contains(why, "flowmatch impute ends with exit status 4: it cannot") {
		t.Errorf("imputation: %q", why)
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	for _, want := range []string{learntFile + " seed 3 data.test=0", "sample 160 to ", holesFile + " seed 3",
		"impute 5 to "} {
		if err != nil || !strings.Contains(string(log), want) {
			t.Errorf("ran\n%s(%v)\nwant %s", log, err, want)
		}
	}
}

// A file of holes that were filled in must keep what was there, and fill all holes.
func TestFillsThatAreWrongAreTold(t *testing.T) {
	_, cells := rowsOf(t, rowsGrid, aTable(t, 200), t.TempDir())
	c := cells[1]
	d, err := c.divide()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "filled.csv")
	filled := func(change func(fields []string, row int, holes []bool)) error {
		rows := make([][]string, 0, 2*d.train().N)
		for _, number := range []string{"1", "2"} {
			for i, row := range d.texts[d.held:] {
				fields := slices.Clone(row)
				for k := range fields {
					if d.holes[i][k] && k < 2 && number == "2" { // a second draw, off by one
						fields[k] = fmt.Sprint(d.train().Row(i)[k] + 1)
					}
				}
				change(fields, i, d.holes[i])
				rows = append(rows, append([]string{number}, fields...))
			}
		}
		text, err := csvText(append([]string{fillColumn}, d.schema.Names()...), rows)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o666); err != nil {
			t.Fatal(err)
		}
		r := &Result{Values: map[string]float64{}}
		if err := c.judgeFilled(d, file, r); err != nil {
			return err
		}
		// The mean of the truth and of the truth and one is off by a half, and a draw by √½, in two scales.
		if q := r.Values["rmse_draw"] / r.Values["rmse"]; math.Abs(q-math.Sqrt2) > 1e-6 || r.Values["wrong"] != 0 {
			t.Errorf("values %v", r.Values)
		}
		return nil
	}
	if err := filled(func([]string, int, []bool) {}); err != nil {
		t.Error(err)
	}
	at := slices.IndexFunc(d.holes, func(h []bool) bool { return h[0] && !h[1] })
	for want, change := range map[string]func(fields []string, row int, holes []bool){
		"column \"count\": it was": func(fields []string, row int, holes []bool) {
			if row == at {
				fields[1] = "7777"
			}
		},
		"column \"size\": it is filled in with nothing": func(fields []string, row int, holes []bool) {
			if row == at {
				fields[0] = ""
			}
		},
	} {
		if err := filled(change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestGridsOfTablesThatCannotBe(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"model: tvae", "model: flow", `model is flow, and the peer ctgan has "ctgan", "tvae"`},
		{"{name: rows, set: {model: data}}", "{name: rows, set: {model: tvae}}",
			"this program without a peer has"},
		{"peer: ctgan", "peer: sbi", "the peer sbi has no models of tables"},
		{"measure: [samples, imputation]", "measure: [samples]", "model mean does nothing of what is measured"},
		{"{model: mean}", "{model: mean, options: [seed=1]}", "options are settings of flowmatch"},
		{"{model: mean}", "{options: [train.lrr=1]}", `did you mean "train.lr"?`},
		{"{model: mean}", "{model: men}", `did you mean "mean"?`},
		{"target: kind}", "target: kind, held: 1}", "held is 1; it must be between 0 and 1"},
		{"target: kind}", "target: kind, minutes: -1}", "minutes is -1; it must be positive"},
		{"file: t.csv, ", "", "file is missing"},
		{"kind: tables", "kind: tables\nsearch: {key: seed, values: [1, 2], by: c2st}",
			"its methods have their own defaults"},
		{"kind: tables", "kind: table", `did you mean "tables"?`},
		{"measure: [", "pictures: [{kind: rows, file: x}]\nmeasure: [", "which has one or two"},
		{"measure: [", "tables: [{title: R, ranks: [{value: c2stt}]}]\nmeasure: [", `did you mean "c2st"?`},
	} {
		Refused(t, peerRows, c.old, c.new, c.want)
	}
	Refused(t, taughtGrid, "peer: torchcfm", "peer: ctgan", "set kind: tables")
	data := aTable(t, 200)
	for _, c := range []struct{ old, new, want string }{
		{"target: kind", "target: kinds", `did you mean "kind"?`},
		{"file: t.csv", "file: none.csv", "none.csv: no such file"},
		{"measure: [", "pictures: [{kind: rows, file: x, columns: [sizes]}]\nmeasure: [", `did you mean "size"?`},
		{"target: kind", "target: kind, held: 0.01", "5 of them held out"},
	} {
		g, cells := planned(t, strings.Replace(rowsGrid, c.old, c.new, 1), t.TempDir())
		if _, err := DataIn(data, cells); err != nil {
			t.Fatal(err)
		}
		if err := Check(g, cells); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.new, err, c.want)
		}
	}
}

func TestRanksCountTablesAndTies(t *testing.T) {
	result := func(task, method string, values map[string]float64) Result {
		return Result{Task: task, Method: method, Values: values}
	}
	results := []Result{
		result("a", "x", map[string]float64{"c2st": 0.45, "w1": 2}), result("b", "x", map[string]float64{"c2st": 0.7}),
		result("a", "y", map[string]float64{"c2st": 0.48, "w1": 1}), result("b", "y", map[string]float64{"c2st": 0.6}),
		{Task: "a", Method: "z", Over: map[string]string{"samples": "> 60 min"}},
		result("b", "z", map[string]float64{"c2st": 0.9}),
	}
	var b strings.Builder
	Table{Tasks: []string{"a", "b"}, Methods: []string{"x", "y", "z"},
		Ranks: []RankColumn{{Value: "c2st", Title: "C2ST", Least: new(0.5)}, {Value: "w1"}}}.rankRows(&b, results)
	want := `| method | C2ST | w1 | all |
| --- | ---: | ---: | ---: |
| x | 1.75 | 2.00 | 1.83 |
| y | 1.25 | 1.00 | 1.17 |
| z | 3.00 | 3.00 | 3.00 |
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// What is interrupted is made again, and nothing of it is taken for a result.
func TestInterruptedTablesAreMadeAgain(t *testing.T) {
	g, cells := rowsOf(t, peerRows, aTable(t, 200), t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, g, cells, RunOptions{Peers: started(t, fakeOrder+"sleep 60"),
		Measuring: func(Cell, string) { time.AfterFunc(300*time.Millisecond, cancel) }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	script := fakeOrder + `cp "$table" "$out"; echo '{"threads": 2}'`
	results, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, script)})
	if err != nil || len(Missing(results)) > 0 || len(results) != 3 {
		t.Errorf("%d results (%v), missing %v", len(results), err, Missing(results))
	}
}

// A page shows the rows of each method beside the data, and says on how many threads all of them ran.
func TestAPageOfTables(t *testing.T) {
	text := peerRows + `
tables: [{title: Ranks, ranks: [{value: c2st, least: 0.5}]}, {title: Seconds, value: seconds}]
pictures:
  - {kind: rows, file: two, columns: [size, count], caption: "Two columns."}
  - {kind: rows, file: one, columns: [size], caption: "One column."}
  - {kind: dots, file: dots, curves: [w1], caption: "W1."}
`
	dir := t.TempDir()
	g, cells := rowsOf(t, text, aTable(t, 200), filepath.Join(dir, "runs"))
	script := fakeOrder + `cp "$table" "$out"; echo '{"threads": 2}'`
	results, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, script)})
	if err != nil {
		t.Fatal(err)
	}
	AllKnown(t, g, results)
	drawn, err := Draw(t.Context(), g, cells, results, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two", "dots"} {
		if d := drawn[name]; d.File == "" || len(d.Missing) > 0 {
			t.Errorf("picture %s: %+v", name, d)
		}
	}
	var b strings.Builder
	if err := (Page{Name: "rows", Pictures: drawn}).Write(&b, g, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| method | c2st | all |", "| theirs | 1.50 | 1.50 |", "ctgan 0.12.1",
		fmt.Sprintf("threads: %d.\n", threads())} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, b.String())
		}
	}
	// Samples that are gone are missing in pictures.
	if err := os.Remove(filepath.Join(cells[0].Dir, tableSamplesFile)); err != nil {
		t.Fatal(err)
	}
	d, err := g.Pictures[0].filled(g).draw(t.Context(), g, cells, results, filepath.Join(dir, "x.png"))
	if d.File != "" || err == nil && len(d.Missing) == 0 {
		t.Errorf("without samples: %+v, %v", d, err)
	}
}
