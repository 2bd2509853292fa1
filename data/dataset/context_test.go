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
)

// simulations writes a table of two parameters, two observations and a class.
func simulations(t *testing.T, n int) (dir string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("a,x,kind,b,y\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%d,%d,%d,%d\n", i, 100+3*i, i%2, -i, i*i%7)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sims.csv"), []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestColumnsOfContextAreGivenAndNotLearnt(t *testing.T) {
	dir := simulations(t, 100)
	s := mustOpen(t, Config{Path: "sims.csv", Context: []string{"y", "x"}, Label: "kind"}, dir, 3)
	if !slices.Equal(s.Columns, []string{"a", "b"}) || !slices.Equal(s.ContextColumns, []string{"y", "x"}) ||
		s.Dim != 2 || s.Context != 2 || s.Classes != 2 {
		t.Fatalf("learnt %v, given %v, classes %d", s.Columns, s.ContextColumns, s.Classes)
	}
	x, given, err := data.Rows(s.TrainSet, 0, s.TrainSet.Len(), nil)
	if err != nil {
		t.Fatal(err)
	}
	// Contexts have a standardizer of their own, of the training rows.
	for d := range 2 {
		mean, square := 0.0, 0.0
		for i := range given.Context.N {
			v := given.Context.Row(i)[d]
			mean, square = mean+v/float64(x.N), square+v*v/float64(x.N)
		}
		if math.Abs(mean) > 1e-12 || math.Abs(square-1) > 1e-12 {
			t.Errorf("context %d has mean %g and mean square %g", d, mean, square)
		}
	}
	// They stay with their rows, in every part.
	for name, part := range map[string]data.Finite{"train": s.TrainSet, "val": s.Val, "test": s.Test} {
		x, given, err := data.Rows(part, 0, part.Len(), nil)
		if err != nil || x.N == 0 {
			t.Fatal(err)
		}
		s.Original(x)
		s.ContextStandardizer.Invert(given.Context)
		for i := range x.N {
			a := x.Row(i)[0]
			c := given.Context.Row(i)
			if math.Abs(c[1]-100-3*a) > 1e-9 || int(math.Round(a))%2 != int(given.Label[i]) {
				t.Errorf("%s: row of a = %g is given %v and class %d", name, a, c, given.Label[i])
			}
		}
	}
	none := mustOpen(t, Config{Path: "sims.csv", Context: []string{"x"}, Standardize: StandardizeNone}, dir, 3)
	if none.ContextStandardizer != nil || none.Dim != 4 {
		t.Errorf("standardize: none: %v, %d columns", none.ContextStandardizer, none.Dim)
	}
	other := mustOpen(t, Config{Path: "sims.csv", Context: []string{"y"}, Columns: []string{"a", "b"}}, dir, 3)
	if other.Fingerprint == s.Fingerprint || other.Context != 1 {
		t.Errorf("a context of %d numbers, with the same fingerprint: %v", other.Context,
			other.Fingerprint == s.Fingerprint)
	}
}

func TestContextsThatCannotBeReadAreNamed(t *testing.T) {
	dir := simulations(t, 100)
	for want, c := range map[string]Config{
		`no column "z"`: {Path: "sims.csv", Context: []string{"z"}},
		`column "a" is asked for twice; name it once`: {
			Path: "sims.csv", Context: []string{"a"}, Columns: []string{"a"},
		},
		`column "x" is asked for twice`:     {Path: "sims.csv", Context: []string{"x", "x"}},
		"besides the label and the context": {Path: "sims.csv", Context: []string{"a", "b", "x", "y", "kind"}},
		"it is for table":                   {Name: "moons", Context: []string{"x"}},
		"data: context is empty":            {Path: "sims.csv", Context: []string{}},
	} {
		if _, err := c.Open(dir, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", c, err, want)
		}
	}
	flat := "a,x\n" + strings.Repeat("1,5\n2,5\n", 20)
	if err := os.WriteFile(filepath.Join(dir, "flat.csv"), []byte(flat), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := Config{Path: "flat.csv", Context: []string{"x"}}.Open(dir, 1)
	if err == nil || !strings.Contains(err.Error(), `column "x" is 5 in all`) {
		t.Errorf("a context that is constant: %v", err)
	}
}
