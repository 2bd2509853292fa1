package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data/table"
	"flowmatch/flow"
)

func TestContextsAreReadByNameOrByOrder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return file
	}
	array := filepath.Join(dir, "obs.npy")
	if err := table.WriteNPY(array, flow.Batch{N: 2, D: 2, X: []float64{1, 2, 3, 4}}); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"names": write("named.csv", "y,theta,x\n2,9,1\n4,9,3\n"), "order": write("plain.csv", "1,2\n3,4\n"),
		"array": array,
	} {
		c, err := ReadContexts(file, []string{"x", "y"})
		if err != nil || c.N != 2 || !slices.Equal(c.X, []float64{1, 2, 3, 4}) {
			t.Errorf("%s: got %v, %v", name, c, err)
		}
	}
	single := filepath.Join(dir, "single.npy")
	if err := table.WriteNPY(single, flow.Batch{N: 2, D: 3, X: []float64{1, 2, 3, 4, 5, 6}}); err != nil {
		t.Fatal(err)
	}
	six := []string{"context0", "context1", "context2", "context3", "context4", "context5"}
	if c, err := ReadContexts(single, six); err != nil || c.N != 1 || c.D != 6 || c.X[5] != 6 {
		t.Errorf("one context by its axes: %v, %v", c, err)
	}
	for want, file := range map[string]string{
		`no column "y"`:                   write("other.csv", "x,z\n1,2\n"),
		"3 columns without names; want 2": write("three.csv", "1,2,3\n"),
		"no such file":                    filepath.Join(dir, "gone.csv"),
		`line 2, column "y": "fog"`:       write("fog.csv", "x,y\n1,fog\n"),
	} {
		if _, err := ReadContexts(file, []string{"x", "y"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", filepath.Base(file), err, want)
		}
	}
}

func TestAContextIsReadFromText(t *testing.T) {
	for _, text := range []string{"x=0.3,y=-1", " y = -1e0, x=.3"} {
		if c, err := ParseContext(text, []string{"x", "y"}); err != nil || !slices.Equal(c.X, []float64{0.3, -1}) {
			t.Errorf("%q: got %v, %v", text, c.X, err)
		}
	}
	for text, want := range map[string]string{
		"x=1":         `"y" is missing; the context is "x", "y"`,
		"x=1,z=2":     `unknown context "z"`,
		"x=1,x=2,y=3": `"x" is given twice`,
		"x=1,y=NaN":   `"y" is "NaN"; it must be a finite number`,
		"x=1,y=one":   `"y" is "one"; it must be a finite number`,
		"x=1,2":       `"2" is no NAME=NUMBER`,
	} {
		if _, err := ParseContext(text, []string{"x", "y"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
