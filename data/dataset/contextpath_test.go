package dataset

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/table"
	"flowmatch/flow"
)

// write writes a file of text into a folder.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// beside writes 60 rows of theta = (i, -i) as CSV and their contexts x = (3i, 7) plus what they
// add to it, in files of their own; row i of a gap has words for numbers that are missing.
func beside(t *testing.T, gapTheta, gapX int) (dir string) {
	t.Helper()
	var theta, x strings.Builder
	theta.WriteString("a,b,kind\n")
	x.WriteString("u,v\n")
	for i := range 60 {
		a, u := fmt.Sprint(i), fmt.Sprint(100+3*i)
		if i == gapTheta {
			a = "NaN"
		}
		if i == gapX {
			u = "inf"
		}
		fmt.Fprintf(&theta, "%s,%d,%d\n", a, -i, i%2)
		fmt.Fprintf(&x, "%s,%d\n", u, i*i%7)
	}
	dir = t.TempDir()
	write(t, dir, "theta.csv", theta.String())
	write(t, dir, "x.csv", x.String())
	return dir
}

// sideBySide checks that rows, labels and contexts of all parts belong together, and returns how
// many there are.
func sideBySide(t *testing.T, s *data.Set) (rows int) {
	t.Helper()
	for name, part := range map[string]data.Finite{"train": s.TrainSet, "val": s.Val, "test": s.Test} {
		x, given, err := data.Rows(part, 0, part.Len(), nil)
		if err != nil {
			t.Fatal(err)
		}
		rows += x.N
		s.Original(x)
		s.ContextStandardizer.Invert(given.Context)
		for i := range x.N {
			a, u := x.Row(i)[0], given.Context.Row(i)[0]
			if math.Abs(u-100-3*a) > 1e-9 || int(math.Round(a))%2 != int(given.Label[i]) {
				t.Errorf("%s: row of a = %g is given %g and class %d", name, a, u, given.Label[i])
			}
		}
	}
	return rows
}

func TestContextsComeFromAFileOfTheirOwn(t *testing.T) {
	dir := beside(t, -1, -1)
	c := Config{Path: "theta.csv", ContextPath: "x.csv", Label: "kind"}
	s := mustOpen(t, c, dir, 3)
	if n := sideBySide(t, s); n != 60 || !slices.Equal(s.Columns, []string{"a", "b"}) ||
		!slices.Equal(s.ContextColumns, []string{"u", "v"}) {
		t.Errorf("%d rows of %v given %v", n, s.Columns, s.ContextColumns)
	}
	// The same numbers in one file are the same data.
	theta, err := os.ReadFile(filepath.Join(dir, "theta.csv"))
	if err != nil {
		t.Fatal(err)
	}
	x, err := os.ReadFile(filepath.Join(dir, "x.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var both []string
	right := strings.Split(strings.TrimSpace(string(x)), "\n")
	for i, line := range strings.Split(strings.TrimSpace(string(theta)), "\n") {
		both = append(both, line+","+right[i])
	}
	write(t, dir, "both.csv", strings.Join(both, "\n"))
	for name, one := range map[string]Config{
		"context": {Path: "both.csv", Context: []string{"u", "v"}, Label: "kind"},
		"target":  {Path: "both.csv", Target: []string{"a", "b"}, Label: "kind"},
	} {
		if is := mustOpen(t, one, dir, 3); is.Fingerprint != s.Fingerprint || sideBySide(t, is) != 60 {
			t.Errorf("%s: other data than from two files", name)
		}
	}
	c = Config{Path: "theta.csv", ContextPath: "x.csv", Context: []string{"v"}}
	if one := mustOpen(t, c, dir, 3); one.Context != 1 {
		t.Errorf("one column of two: %v", one.ContextColumns)
	}
}

func TestRowsWithMissingNumbersAreLeftOutOfBothFiles(t *testing.T) {
	dir := beside(t, 11, 40)
	c := Config{Path: "theta.csv", ContextPath: "x.csv", Label: "kind", Missing: MissingDrop}
	s := mustOpen(t, c, dir, 3)
	if n := sideBySide(t, s); n != 58 || s.Skipped != 2 {
		t.Errorf("%d rows are left, and %d left out, of 60 with two gaps", n, s.Skipped)
	}
	notes := strings.Join(s.Notes, "; ")
	for _, want := range []string{`1 of 60 rows are left out`, `line 13, column "a"`, `line 42, column "u"`,
		"x.csv: 1 of 60"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q: %s", want, notes)
		}
	}
	// What is left out of a test file is said of that file.
	c = Config{Path: "theta.csv", Columns: []string{"b"}, TestPath: "test.csv", Missing: MissingDrop}
	write(t, dir, "test.csv", "a,b,kind\n1,2,0\n1,NaN,1\n3,4,1\n")
	if s := mustOpen(t, c, dir, 3); len(s.Notes) != 1 || !strings.HasPrefix(s.Notes[0], "test.csv: 1 of 3 rows") {
		t.Errorf("notes of a test file: %q", s.Notes)
	}
	for want, c := range map[string]Config{
		`line 13, column "a": "NaN" is not finite`: {Path: "theta.csv"},
		`line 42, column "u": "inf" is not finite`: {Path: "theta.csv", Columns: []string{"b"}, ContextPath: "x.csv"},
		`(data.missing: drop)`:                     {Path: "theta.csv"},
	} {
		if _, err := c.Open(dir, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", c, err, want)
		}
	}
}

func TestContextFilesThatDoNotFitAreNamed(t *testing.T) {
	dir := beside(t, -1, -1)
	write(t, dir, "short.csv", "u\n1\n2\n")
	write(t, dir, "same.csv", "a\n"+strings.Repeat("1\n2\n", 30))
	write(t, dir, "gaps.csv", "u\n"+strings.Repeat("NA\n", 60))
	base := Config{Path: "theta.csv", ContextPath: "x.csv"}
	for want, change := range map[string]func(*Config){
		"2 rows of contexts for the 60 rows of":   func(c *Config) { c.ContextPath = "short.csv" },
		`column "a" is one of`:                    func(c *Config) { c.ContextPath = "same.csv" },
		"no such file":                            func(c *Config) { c.ContextPath = "gone.csv" },
		`no column "w"; the columns are "u", "v"`: func(c *Config) { c.Context = []string{"w"} },
		"set test_context_path":                   func(c *Config) { c.TestPath = "theta.csv" },
		"no effect without test_path":             func(c *Config) { c.TestContextPath = "x.csv" },
		"to pick some, use columns":               func(c *Config) { c.Target = []string{"a"} },
		`unknown missing "skip"`:                  func(c *Config) { c.Missing = "skip" },
		"every one of its 60 rows": func(c *Config) {
			c.ContextPath, c.Missing = "gaps.csv", MissingDrop
		},
		"both say which columns are given": func(c *Config) {
			c.ContextPath, c.Target, c.Context = "", []string{"a"}, []string{"b"}
		},
		"both say which columns are learnt": func(c *Config) {
			c.ContextPath, c.Target, c.Columns = "", []string{"a"}, []string{"b"}
		},
		"bounds is empty":              func(c *Config) { c.Bounds = map[string]data.Bound{} },
		"target is empty":              func(c *Config) { c.Target = []string{} },
		"none is left for the context": func(c *Config) { c.ContextPath, c.Target = "", []string{"a", "b", "kind"} },
		"it is for table":              func(c *Config) { *c = Config{Name: "moons", ContextPath: "x.csv"} },
	} {
		c := base
		change(&c)
		if _, err := c.Open(dir, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTestFilesMayHaveTheirColumnsInAnotherOrder(t *testing.T) {
	dir := beside(t, -1, -1)
	write(t, dir, "test.csv", "kind,b,a\n0,-2,2\n1,-5,5\n")
	write(t, dir, "testx.csv", "v,u\n4,106\n4,115\n")
	s := mustOpen(t, Config{Path: "theta.csv", ContextPath: "x.csv", Label: "kind", TestPath: "test.csv",
		TestContextPath: "testx.csv"}, dir, 3)
	if sideBySide(t, s) != 62 {
		t.Errorf("%d held-out rows", s.Test.Len())
	}
	write(t, dir, "test.csv", "a,c\n2,3\n1,2\n")
	if _, err := (Config{Path: "theta.csv", TestPath: "test.csv"}).Open(dir, 3); err == nil ||
		!strings.Contains(err.Error(), `columns "a", "c"; want those of`) {
		t.Errorf("other columns: %v", err)
	}
}

// TestObservationsShareAStandardizer: the marks of a set stay as they are, and numbers of observations
// that are not there count for nothing.
func TestObservationsShareAStandardizer(t *testing.T) {
	dir := t.TempDir()
	theta, x := flow.NewBatch(50, 1), flow.NewBatch(50, 3*2)
	for i := range 50 {
		theta.X[i] = float64(i)
		for j := range 3 {
			if j <= i%3 {
				copy(x.Row(i)[2*j:], []float64{float64(20 + i + j), 1})
			} else {
				copy(x.Row(i)[2*j:], []float64{1e6, 0})
			}
		}
	}
	for name, b := range map[string]flow.Batch{"theta.npy": theta, "x.npy": x} {
		if err := table.WriteNPY(filepath.Join(dir, name), b); err != nil {
			t.Fatal(err)
		}
	}
	c := Config{Path: "theta.npy", ContextPath: "x.npy", Grid: Grid{Axes: 2, Shape: []int{3, 2}, Marked: true}}
	s := mustOpen(t, c, dir, 1)
	z := s.ContextStandardizer
	if z.Mean[0] < 20 || z.Mean[0] > 80 || z.Mean[2] != z.Mean[0] || z.Mean[1] != 0 || z.Std[1] != 1 {
		t.Errorf("the standardizer of a set is %v, %v", z.Mean, z.Std)
	}
	if z.Lo[0] < 20 || z.Lo[2] != z.Lo[0] || z.Hi[4] > 80 || z.Lo[1] != 0 || z.Hi[5] != 1 {
		t.Errorf("the range of a set is %v to %v", z.Lo, z.Hi)
	}
	if s.ContextColumns[5] != "context5" || !slices.Equal(s.ContextShape, []int{3, 2}) {
		t.Errorf("contexts %v of shape %v", s.ContextColumns, s.ContextShape)
	}
	c.Grid.Shape = nil
	const want = "of shape [6], and the network wants 2 axes"
	if _, err := c.Open(dir, 1); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a set of unknown shape: %v", err)
	}
	x.Row(7)[1] = 2
	if err := table.WriteNPY(filepath.Join(dir, "x.npy"), x); err != nil {
		t.Fatal(err)
	}
	c.Grid.Shape = []int{3, 2}
	if _, err := c.Open(dir, 3); err == nil || !strings.Contains(err.Error(), "is 2; want 1 where there is") {
		t.Errorf("a mark of 2: %v", err)
	}
}
