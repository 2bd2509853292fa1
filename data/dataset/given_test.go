package dataset

import (
	"encoding/binary"
	"fmt"
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
		c, err := ReadContexts(file, []string{"x", "y"}, Grid{})
		if err != nil || c.N != 2 || !slices.Equal(c.X, []float64{1, 2, 3, 4}) {
			t.Errorf("%s: got %v, %v", name, c, err)
		}
	}
	for want, file := range map[string]string{
		`no column "y"`:                   write("other.csv", "x,z\n1,2\n"),
		"3 columns without names; want 2": write("three.csv", "1,2,3\n"),
		"no such file":                    filepath.Join(dir, "gone.csv"),
		`line 2, column "y": "fog"`:       write("fog.csv", "x,y\n1,fog\n"),
	} {
		_, err := ReadContexts(file, []string{"x", "y"}, Grid{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", filepath.Base(file), err, want)
		}
	}
}

// writeArray writes the numbers 1, 2, 3, ... as an NPY array of a shape.
func writeArray(t *testing.T, shape ...int) (file string) {
	t.Helper()
	x := make([]float64, volume(shape))
	for i := range x {
		x[i] = float64(i + 1)
	}
	axes := strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ", "), "[]")
	header := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }\n", axes)
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	b, err := binary.Append(append(b, header...), binary.LittleEndian, x)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "x.npy")
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestArraysOfContextsHaveTheAxesOfTheTraining: an array whose axes are in another order has as many numbers,
// and would be read as other contexts.
func TestArraysOfContextsHaveTheAxesOfTheTraining(t *testing.T) {
	names := make([]string, 6)
	for k := range names {
		names[k] = fmt.Sprintf("context%d", k)
	}
	series, set := Grid{Shape: []int{3, 2}}, Grid{Shape: []int{3, 2}, Marked: true}
	image, flat := Grid{Shape: []int{3, 2, 1}}, Grid{}
	for _, c := range []struct {
		g     Grid
		shape []int
		rows  int // 0: an error
	}{
		{series, []int{4, 3, 2}, 4}, {series, []int{4, 6}, 4}, {series, []int{3, 2}, 1}, {series, []int{6}, 1},
		{series, []int{1, 3, 2}, 1}, {series, []int{4, 2, 3}, 0}, {series, []int{2, 3}, 0},
		{series, []int{1, 2, 3}, 0}, {series, []int{4, 2, 2}, 0}, {series, []int{2, 2}, 0},
		{image, []int{4, 3, 2}, 4}, {image, []int{4, 1, 3, 2}, 4}, {image, []int{4, 2, 3, 1}, 0},
		{image, []int{3, 2}, 1},
		{flat, []int{4, 6}, 4}, {flat, []int{4, 3, 2}, 4}, {flat, []int{6}, 1},
		{flat, []int{2, 3}, 0}, {flat, []int{3, 2}, 0},
		{set, []int{4, 3, 2}, 4}, {set, []int{4, 2, 2}, 4}, {set, []int{2, 2}, 1}, {set, []int{1, 2}, 1},
		{set, []int{4, 4, 2}, 0}, {set, []int{4, 2}, 0}, {set, []int{4, 2, 3}, 0},
		{set, []int{2}, 0}, {set, []int{3}, 0},
	} {
		x, err := ReadContexts(writeArray(t, c.shape...), names, c.g)
		switch {
		case c.rows == 0 && err == nil:
			t.Errorf("an array of shape %v for contexts of %v is read as %d contexts", c.shape, c.g, x.N)
		case c.rows == 0 && !strings.Contains(err.Error(), "want "):
			t.Errorf("an array of shape %v for contexts of %v: %v", c.shape, c.g, err)
		case c.rows > 0 && (err != nil || x.N != c.rows || x.D != 6 || x.X[0] != 1):
			t.Errorf("an array of shape %v for contexts of %v: %d rows, want %d (%v)", c.shape, c.g, x.N, c.rows, err)
		}
	}
	// Observations that a set has not are none.
	x, err := ReadContexts(writeArray(t, 2, 2, 2), names, set)
	if err != nil || !slices.Equal(x.X, []float64{1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0}) {
		t.Errorf("sets of two observations: %v (%v)", x.X, err)
	}
	_, err = ReadContexts(writeArray(t, 2, 5, 2), names, set)
	if want := "sets of 5 observations; want at most 3"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("sets of 5 observations: got %v, want %q", err, want)
	}
	_, err = ReadContexts(writeArray(t, 4, 2, 3), names, series)
	if want := "contexts of shape [2 3]; want [3 2], or rows of 6 numbers: transpose the array"; err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("axes in another order: got %v, want %q", err, want)
	}
}

// TestArraysToTrainOnHaveTheAxesOfTheNetwork is the same of data.context_path and data.test_context_path.
func TestArraysToTrainOnHaveTheAxesOfTheNetwork(t *testing.T) {
	points, test := writeArray(t, 60, 1), writeArray(t, 5, 1)
	open := func(g Grid, contexts, testContexts string) ([]int, error) {
		c := Config{Path: points, ContextPath: contexts, Grid: g}
		if testContexts != "" {
			c.TestPath, c.TestContextPath = test, testContexts
		}
		s, err := c.Open("", 1)
		if err != nil {
			return nil, err
		}
		return s.ContextShape, nil
	}
	array := writeArray(t, 60, 3, 2)
	for name, c := range map[string]struct {
		g             Grid
		context, test string
		shape         []int
		want          string
	}{
		"as they are":      {Grid{Axes: 2}, array, "", []int{3, 2}, ""},
		"as they are told": {Grid{Axes: 2, Shape: []int{3, 2}}, array, "", []int{3, 2}, ""},
		"without a grid":   {Grid{}, array, "", []int{3, 2}, ""},
		"flat":             {Grid{Axes: 2, Shape: []int{2, 3}}, writeArray(t, 60, 6), "", []int{2, 3}, ""},
		"flat, no grid":    {Grid{}, writeArray(t, 60, 6), "", nil, ""},
		"an axis of 1":     {Grid{Axes: 3, Shape: []int{3, 2, 1}}, array, "", []int{3, 2, 1}, ""},
		"channels first": {Grid{Axes: 2, Shape: []int{2, 3}}, array, "", nil,
			"of shape [3 2], and net.residual.embed.shape is [2 3]: transpose the array"},
		"held-out flat": {Grid{}, array, writeArray(t, 5, 6), []int{3, 2}, ""},
		"held-out channels first": {Grid{Axes: 2}, array, writeArray(t, 5, 2, 3), nil,
			"contexts of shape [2 3]; those to train on are of shape [3 2]"},
	} {
		shape, err := open(c.g, c.context, c.test)
		if c.want == "" && (err != nil || !slices.Equal(shape, c.shape)) {
			t.Errorf("%s: shape %v, want %v (%v)", name, shape, c.shape, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	// An error of contexts names their file.
	constant := filepath.Join(t.TempDir(), "constant.csv")
	if err := os.WriteFile(constant, []byte("x,y\n"+strings.Repeat("1,2\n", 60)), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := open(Grid{}, constant, ""); err == nil || !strings.Contains(err.Error(), "("+constant) {
		t.Errorf("constant contexts: %v", err)
	}
	c := Config{Path: points, ContextPath: array, Context: []string{"context1"}}
	if s, err := c.Open("", 1); err != nil || s.ContextShape != nil {
		t.Errorf("one number of an array is of shape %v (%v)", s.ContextShape, err)
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
