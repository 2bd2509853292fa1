package cli

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// lawTable is a table of a law that is known: x is N(0, 1), y is N(0.8 x, 0.6²) and missing in a tenth of the
// rows; the level b depends on a, which is p in 0.6 of them. Decimals have commas.
func lawTable() string {
	rng := rand.New(rand.NewPCG(8, 8))
	var b strings.Builder
	b.WriteString("id;x;y;a;b;unit\n")
	for i := range 1500 {
		x := rng.NormFloat64()
		y, a, level := comma(0.8*x+0.6*rng.NormFloat64()), "q", pick(rng, 0.1, 0.3)
		if rng.Float64() < 0.6 {
			a, level = "p", pick(rng, 0.7, 0.2)
		}
		if rng.Float64() < 0.1 {
			y = "NA"
		}
		fmt.Fprintf(&b, "%d;%s;%s;%s;%s;kg\n", i+1, comma(x), y, a, level)
	}
	return b.String()
}

func comma(v float64) string { return strings.Replace(strconv.FormatFloat(v, 'f', 4, 64), ".", ",", 1) }

// pick is the first of three levels with probability first, the second with second.
func pick(rng *rand.Rand, first, second float64) string {
	switch u := rng.Float64(); {
	case u < first:
		return "u"
	case u < first+second:
		return "v"
	}
	return "w"
}

var law struct {
	sync.Once
	dir string
}

// lawRun is a run on lawTable.
func lawRun(t *testing.T) string {
	t.Helper()
	law.Do(func() {
		dir, err := os.MkdirTemp("", "flowmatch-test")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "law.csv")
		if err := os.WriteFile(file, []byte(lawTable()), 0o666); err != nil {
			t.Fatal(err)
		}
		law.dir = filepath.Join(dir, "run")
		succeed(t, "train", file, "--out", law.dir, "--set", "train.steps=2000", "--set", "train.patience=0", "--set",
			"net.hidden=[64, 64]", "--set", "eval.rtol=1e-3", "--set", "eval.atol=1e-3", "-q")
	})
	return law.dir
}

// readRows reads the fields of a file with semicolons, without its header.
func readRows(t *testing.T, file string) (header string, rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for _, line := range lines[1:] {
		rows = append(rows, strings.Split(line, ";"))
	}
	return lines[0], rows
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// meanOf returns mean and deviation of a column, and the shares of its texts.
func meanOf(t *testing.T, rows [][]string, column int) (mean, deviation float64) {
	t.Helper()
	squares := 0.0
	for _, r := range rows {
		v := number(t, r[column])
		mean, squares = mean+v/float64(len(rows)), squares+v*v/float64(len(rows))
	}
	return mean, math.Sqrt(squares - mean*mean)
}

func share(rows [][]string, column int, text string) float64 {
	n := 0.0
	for _, r := range rows {
		if r[column] == text {
			n++
		}
	}
	return n / float64(len(rows))
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s is %.3f, want %.3f within %g", what, got, want, tolerance)
	}
}

// Given any columns, the others follow their conditional law, which is known here.
func TestSamplesGivenAnyColumns(t *testing.T) {
	dir, tmp := lawRun(t), t.TempDir()
	draw := func(args ...string) (string, [][]string) {
		out := filepath.Join(tmp, "s.csv")
		succeed(t, append([]string{"sample", dir, "--out", out, "-q"}, args...)...)
		return readRows(t, out)
	}
	header, rows := draw("--given", "x=1,0000", "--complete", "--n", "1000")
	if header != "x;y;a;b;unit" || len(rows) != 1000 || share(rows, 0, "1,0000") != 1 || share(rows, 4, "kg") != 1 {
		t.Errorf("header %s, %d rows such as %v", header, len(rows), rows[0])
	}
	mean, deviation := meanOf(t, rows, 1)
	within(t, "the mean of y given x = 1", mean, 0.8, 0.12)
	within(t, "its deviation", deviation, 0.6, 0.1)
	_, rows = draw("--given", "y=-1,0000", "--n", "1000")
	mean, deviation = meanOf(t, rows, 0)
	within(t, "the mean of x given y = -1", mean, -0.8, 0.12)
	within(t, "its deviation", deviation, 0.6, 0.1)
	within(t, "the share of a", share(rows, 2, "p"), 0.6, 0.08)
	_, rows = draw("--given", "a=p", "--n", "1000")
	within(t, "b = u given a = p", share(rows, 3, "u"), 0.7, 0.08)
	within(t, "b = w given a = p", share(rows, 3, "w"), 0.1, 0.06)
	within(t, "missing values of y", share(rows, 1, "NA"), 0.1, 0.05)
	_, rows = draw("--given", "b=w, x=0.5", "--n", "1000")
	within(t, "a = p given b = w", share(rows, 2, "p"), 0.06/(0.06+0.24), 0.15)
	// A row of a file each, in which columns and values may be missing.
	file := writeText(t, "given.csv", "b;x\nw;0,5000\nu;\n")
	_, rows = draw("--given", file, "--n", "500")
	if len(rows) != 1000 || share(rows[:500], 0, "0,5000") != 1 || share(rows[500:], 3, "u") != 1 {
		t.Errorf("%d rows, the first %v, the last %v", len(rows), rows[0], rows[len(rows)-1])
	}
	within(t, "a = p given b = u", share(rows[500:], 2, "p"), 0.42/(0.42+0.04), 0.08)
	_, deviation = meanOf(t, rows[500:], 0)
	within(t, "the deviation of x that is not given", deviation, 1, 0.15)
}

// Imputed values follow the conditional law, from one imputation to the next, and all else is as it was.
func TestHolesAreFilledAndNothingElse(t *testing.T) {
	dir, tmp := lawRun(t), t.TempDir()
	var b strings.Builder
	b.WriteString("note;b;y;x;a;unit;id\n")
	lines := []string{"full;u; 0.5 ;1e-1;p;kg;7", "two,commas;w;?;1,0000;;;", "far;w;null;99;q;lb;"}
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	for range 300 {
		b.WriteString(";;;1,0000;;kg;x\n;u;NA;;;kg;x\n")
	}
	holes, out := writeText(t, "holes.csv", b.String()), filepath.Join(tmp, "full.csv")
	got := succeedJSON(t, "impute", dir, "--data", holes, "--out", out, "-q")
	missing := got["missing"].(map[string]any)
	if got["rows"] != 603.0 || got["filled"] != 602.0 || missing["y"] != 602.0 || missing["x"] != 300.0 ||
		missing["unit"] != 1.0 || missing["note"] != nil {
		t.Errorf("%v", got)
	}
	warnings := fmt.Sprint(got["warnings"])
	for _, want := range []string{`line 4, column "x": "99" is out of the range of the data`, `"note" is not learnt`,
		`"id" is not learnt: its 2 missing`} {
		if !strings.Contains(warnings, want) {
			t.Errorf("warnings %s; want %q", warnings, want)
		}
	}
	header, rows := readRows(t, out)
	if header != "note;b;y;x;a;unit;id" || strings.Join(rows[0], ";") != "full;u;0.5;1e-1;p;kg;7" {
		t.Errorf("%s\n%v", header, rows[0])
	}
	if two := rows[1]; strings.Join(two[:2], ";")+two[3]+two[5]+two[6] != "two,commas;w1,0000kg" ||
		!strings.Contains("pq", two[4]) || number(t, two[2]) == 0 {
		t.Errorf("the second row is %q", two)
	}
	if far := rows[2]; far[3] != "99" || far[5] != "lb" {
		t.Errorf("the third row is %q", far)
	}
	var known [2][][]string // of the two patterns
	for i, r := range rows[3:] {
		known[i%2] = append(known[i%2], r)
	}
	mean, deviation := meanOf(t, known[0], 2)
	within(t, "the mean of y given x = 1", mean, 0.8, 0.15)
	within(t, "its deviation", deviation, 0.6, 0.12)
	within(t, "b = u, of which nothing is known", share(known[0], 1, "u"), 0.6*0.7+0.4*0.1, 0.1)
	within(t, "a = p given b = u", share(known[1], 4, "p"), 0.42/0.46, 0.08)

	// Several imputations differ as much as they should, and the first is that of before.
	header, five := readRows(t, imputeAgain(t, dir, holes, "--n", "5"))
	if header != "imputation;note;b;y;x;a;unit;id" || len(five) != 5*603 || five[603][0] != "2" {
		t.Fatalf("header %s, %d rows", header, len(five))
	}
	differ := 0.0
	for i := range rows {
		values, squares := 0.0, 0.0
		for k := range 5 {
			r := five[k*603+i]
			if k == 0 && math.Abs(number(t, r[3])-number(t, rows[i][2])) > 0.01 { // the steps of a batch are common
				t.Fatalf("the first of five is %q, the only one %q", r[1:], rows[i])
			}
			values, squares = values+number(t, r[3])/5, squares+number(t, r[3])*number(t, r[3])/5
		}
		if i >= 3 && i%2 == 1 {
			differ += (squares - values*values) * 5 / 4 / 300
		}
	}
	within(t, "the variance between imputations of y given x = 1", differ, 0.36, 0.12)
	if _, other := readRows(t, imputeAgain(t, dir, holes, "--seed", "99")); other[3][2] == rows[3][2] {
		t.Error("another seed imputes the same")
	}
	// What is full is full: it comes back as it is.
	again := imputeAgain(t, dir, out)
	was, _ := os.ReadFile(out)
	if is, err := os.ReadFile(again); err != nil || strings.Count(string(is), ";kg;\n") != strings.Count(string(was),
		";kg;\n") || string(is) != string(was) {
		t.Errorf("a table without holes has changed: %v", err)
	}
}

// imputeAgain imputes a file, and returns the one that is written.
func imputeAgain(t *testing.T, dir, file string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.csv")
	succeed(t, append([]string{"impute", dir, "--data", file, "--out", out, "-q"}, args...)...)
	return out
}

func TestWhatCannotBeGivenOrImputed(t *testing.T) {
	dir, tmp := lawRun(t), t.TempDir()
	plain := filepath.Join(tmp, "plain")
	succeed(t, "train", writeText(t, "law.csv", lawTable()), "--out", plain, "--set", "train.shown=0", "--set",
		"train.steps=5", "-q")
	s := " --n 3 --out " + tmp + "/s.csv --given "
	i := " --out " + tmp + "/i.csv --data "
	file := func(text string) string { return writeText(t, "f.csv", text) }
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"sample " + dir + s + "c=1", exitUsage, `unknown column "c"`},
		{"sample " + dir + s + "a=P", exitUsage, `"P" is none of the levels, "p", "q"`},
		{"sample " + dir + s + "b=uu", exitUsage, `did you mean "u"?`},
		{"sample " + dir + s + "x=50", exitUsage, "out of the range of the data"},
		{"sample " + dir + s + "x=0.00001", exitUsage, "the nearest is 0,0000"},
		{"sample " + dir + s + "y=NA", exitUsage, `"y" has no value`},
		{"sample " + dir + s + "id=4", exitUsage, "not learnt"},
		{"sample " + dir + s + "unit=kg", exitUsage, `is "kg" in all rows`},
		{"sample " + dir + s + "x=1,x=2", exitUsage, `"x" is given twice`},
		{"sample " + dir + s + "1,x=2", exitUsage, "no NAME=VALUE"},
		{"sample " + dir + s + "none.csv", exitUsage, "no such file"},
		{"sample " + dir + s + file("x;z\n1;2\n"), exitUsage, `unknown column "z"`},
		{"sample " + dir + s + file("x;a\n1,5;p\n50;q\n"), exitFailure, "line 3"},
		{"sample " + dir + " --map --out " + tmp + "/s.csv --given a=p", exitUsage, "--map is for tables of numbers"},
		{"sample " + dir + " --map --out " + tmp + "/s.csv", exitUsage, "--map is for tables of numbers"},
		{"sample " + plain + s + "a=p", exitUsage, "train.shown"},
		{"sample " + plain + " --n 3 --complete --out " + tmp + "/s.csv", exitUsage, "train.shown"},
		{"logp " + dir + " --given a=p --data " + file("x;y;a;b\n1;1;p;u\n"), exitUsage,
			"is for sample, which draws the other columns"},
		{"impute " + plain + i + file("x\n1\n"), exitUsage, "train.shown"},
		{"impute " + trained(t) + i + file("x\n1\n"), exitUsage, "impute is for tables"},
		{"impute " + dir + i + file("z\n1\n"), exitUsage, "it has none of the columns"},
		{"impute " + dir + i + file("a;x\nr;\n"), exitFailure, `line 2, column "a": "r" is none of the levels`},
		{"impute " + dir + i + file("imputation;x\n1;\n") + " --n 2", exitUsage, "give it another name"},
		{"impute " + dir + i + file("x\n1\n") + " --n 0", exitUsage, "--n is 0"},
		{"impute " + dir + " --out " + tmp + "/i.npy --data " + file("x\n1\n"), exitUsage, "must end in .csv"},
		{"impute " + dir + i + tmp + "/none.csv", exitUsage, "no such file"},
	} {
		code, _, stderr := invoke(t, append(strings.Fields(c.args), "-q")...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, standard error %q; want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
}
