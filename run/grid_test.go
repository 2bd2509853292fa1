package run

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
)

// ofClasses returns an untrained run of a conditional model; of no classes an
// unconditional one.
func ofClasses(t *testing.T, classes int, names ...string) *Run {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 4, Hidden: []int{4}, Classes: classes}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(model.Spec{Shape: []int{2, 2}, ClassNames: names}, net)
	if err != nil {
		t.Fatal(err)
	}
	return &Run{Model: m}
}

func TestGridsHaveALineForEachClass(t *testing.T) {
	digits, many, free := ofClasses(t, 3), ofClasses(t, 100), ofClasses(t, 0)
	pets := ofClasses(t, 2, "cat", "dog")
	same := []int32{1, 1, 1, 1, 1, 1}
	for _, c := range []struct {
		name             string
		r                *Run
		label            []int32
		n, cols, want    int
		colNames, rowOut string
	}{
		{"classes along the columns", digits, digits.GridLabels(2, 3), 6, 3, 3, "0 1 2", ""},
		{"twice", digits, digits.GridLabels(2, 6), 12, 6, 6, "0 1 2 0 1 2", ""},
		{"along the rows", digits, digits.GridLabels(3, 2), 6, 2, 2, "", "0 1 2"},
		{"along neither", digits, digits.GridLabels(2, 4), 8, 4, 4, "", ""},
		{"names of folders", pets, pets.GridLabels(1, 2), 2, 2, 2, "cat dog", ""},
		{"chosen", digits, flow.LabelsInTurn(7, 3), 7, 0, 3, "0 1 2", ""},
		{"chosen, fewer than classes", digits, flow.LabelsInTurn(2, 3), 2, 0, 2, "0 1", ""},
		{"chosen, of one class", digits, same, 6, 0, 3, "", ""},
		{"chosen, of many classes", many, flow.LabelsInTurn(100, 100), 100, 0, 10, "", ""},
		{"chosen, not conditional", free, free.GridLabels(2, 4), 8, 0, 3, "", ""},
	} {
		o := c.r.grid(c.label, c.n, c.cols)
		if cols, rows := strings.Join(o.ColNames, " "), strings.Join(o.RowNames, " "); o.Cols != c.want ||
			cols != c.colNames || rows != c.rowOut {
			t.Errorf("%s: %d columns called %q, rows called %q; want %d, %q and %q", c.name, o.Cols, cols, rows, c.want,
				c.colNames, c.rowOut)
		}
	}
	if got := digits.GridLabels(2, 4); !slices.Equal(got, []int32{0, 1, 2, 0, 1, 2, 0, 1}) {
		t.Errorf("labels of a grid that no class fills: %v, want every class in turn", got)
	}
	if got := fmt.Sprint(digits.ClassColumns(), many.ClassColumns(), free.ClassColumns()); got != "3 0 0" {
		t.Errorf("columns of classes: %s, want 3 0 0", got)
	}
}

// A class is asked for by its name or, where no name is a number, by its number, however that
// is written.
func TestAClassIsFoundByItsNameOrNumber(t *testing.T) {
	digits, few, pets := ofClasses(t, 3), ofClasses(t, 3, "1", "2", "7"), ofClasses(t, 2, "cat", "1.5")
	for _, c := range []struct {
		r    *Run
		name string
		want int32 // -1: there is none
	}{
		{digits, "1", 1}, {digits, "1.0", 1}, {digits, " 2 ", 2}, {digits, "2e0", 2}, {digits, "1.5", -1},
		{digits, "3", -1}, {digits, "-1", -1}, {digits, "NaN", -1}, {digits, "1e300", -1}, {digits, "", -1},
		{few, "7.0", 2}, {few, "0", -1}, {few, "2", 1}, {pets, "cat", 0}, {pets, "1.5", 1}, {pets, "1.0", 1},
		{pets, "0", 0}, {pets, "2", -1}, {pets, "dog", -1},
	} {
		k, err := c.r.Model.Spec().Class(c.name)
		if found := err == nil; found != (c.want >= 0) || found && k != c.want {
			t.Errorf("%q of %q: class %d (error %v), want %d", c.name, c.r.Model.Spec().Classes(), k, err, c.want)
		}
	}
}
