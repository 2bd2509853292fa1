package flow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

func contexts(n, d int) flow.Batch {
	b := flow.NewBatch(n, d)
	for i := range b.X {
		b.X[i] = float64(i)
	}
	return b
}

func TestCheckSaysWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		name            string
		given           flow.Given
		n, classes, dim int
		sentinel        error // nil: it fits
		want            string
	}{
		{"nothing, unconditional", flow.Given{}, 3, 0, 0, nil, ""},
		{"labels and contexts of all", flow.Given{Label: []int32{0, -1, 4}, Context: contexts(3, 2)}, 3, 5, 2, nil, ""},
		{"one entry for all", flow.Given{Label: []int32{2}, Context: contexts(1, 2)}, 3, 5, 2, nil, ""},
		{"no points", flow.NewGiven(0, true, 2), 0, 5, 2, nil, ""},
		{"no points, one entry", flow.Given{Label: []int32{2}, Context: contexts(1, 2)}, 0, 5, 2, nil, ""},

		{"labels without classes", flow.Given{Label: []int32{0}}, 1, 0, 0, flow.ErrLabels,
			"1 labels given, but the flow has no classes"},
		{"classes without labels", flow.Given{}, 1, 3, 0, flow.ErrLabels, "none given, the flow has 3 classes"},
		{"too few labels", flow.Given{Label: []int32{0, 1}}, 3, 3, 0, flow.ErrLabels, "2 labels for 3 points"},
		{"a class too many", flow.Given{Label: []int32{0, 3}}, 2, 3, 0, flow.ErrLabels,
			"label 3 of point 1; it must be in 0..2, or -1 for none"},
		{"below no label", flow.Given{Label: []int32{-2}}, 2, 3, 0, flow.ErrLabels, "label -2 of point 0"},

		{"contexts not asked for", flow.Given{Context: contexts(2, 1)}, 2, 0, 0, flow.ErrContext,
			"2 contexts given, but the flow has none"},
		{"no contexts", flow.Given{}, 2, 0, 4, flow.ErrContext, "none given, the flow takes 4 numbers for each point"},
		{"contexts of another dimension", flow.Given{Context: contexts(2, 3)}, 2, 0, 4, flow.ErrContext,
			"they hold 3 numbers for each point, the flow takes 4"},
		{"too few contexts", flow.Given{Context: contexts(2, 4)}, 3, 0, 4, flow.ErrContext, "2 contexts for 3 points"},
		{"a context cut off", flow.Given{Context: flow.Batch{N: 2, D: 4, X: make([]float64, 7)}}, 2, 0, 4,
			flow.ErrContext, "shape [2, 4] has 7 numbers"},
	} {
		err := c.given.Check(c.n, c.classes, c.dim, 0)
		if !errors.Is(err, c.sentinel) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %v with %q", c.name, err, c.sentinel, c.want)
		}
	}
}

func TestCheckSaysWhatIsShownInVain(t *testing.T) {
	for _, c := range []struct {
		name   string
		shown  flow.Batch
		n, dim int
		want   string // empty: it fits
	}{
		{"nothing", flow.Batch{}, 3, 2, ""},
		{"each point", contexts(3, 2), 3, 2, ""},
		{"one for all", contexts(1, 2), 3, 2, ""},
		{"a flow that does not look", contexts(3, 2), 3, 0, "the flow was not trained to look at any"},
		{"another dimension", contexts(3, 1), 3, 2, "[3, 1] with 3 numbers for points of dimension 2"},
		{"cut off", flow.Batch{N: 2, D: 2, X: make([]float64, 3)}, 2, 2, "with 3 numbers"},
		{"other points", contexts(2, 2), 3, 2, "of 2 points are shown, of 3 that there are"},
	} {
		err := flow.Given{Shown: c.shown}.Check(c.n, 0, 0, c.dim)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, flow.ErrShown) ||
			!strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
		}
	}
	if (flow.Given{Shown: contexts(1, 2)}).Empty() {
		t.Error("what is shown is something")
	}
}

func TestSliceSharesMemoryAndKeepsSingleEntries(t *testing.T) {
	g := flow.Given{Label: []int32{5, 6, 7}, Context: contexts(3, 2), Shown: contexts(3, 1)}
	part := g.Slice(1, 3)
	if !slices.Equal(part.Label, []int32{6, 7}) || part.Context.N != 2 ||
		!slices.Equal(part.Shown.X, []float64{1, 2}) ||
		!slices.Equal(part.Context.X, []float64{2, 3, 4, 5}) {
		t.Errorf("points 1 and 2 of three: %+v", part)
	}
	part.Label[0], part.Context.X[0] = 9, 9
	if g.Label[1] != 9 || g.Context.X[2] != 9 {
		t.Error("a slice does not share memory")
	}
	if part.Label = append(part.Label, 1); g.Label[2] != 7 || cap(part.Context.X) != 4 {
		t.Error("a slice reaches beyond its end")
	}
	all := flow.Given{Label: []int32{5}, Context: contexts(1, 2)}
	if part := all.Slice(4, 9); len(part.Label) != 1 || part.Context.N != 1 || part.Check(5, 6, 2, 0) != nil {
		t.Errorf("an entry that holds for all points: %+v", part)
	}
	if part := (flow.Given{}).Slice(4, 9); !part.Empty() {
		t.Errorf("nothing has become %+v", part)
	}
}

func TestRowsAreCopiesInTheOrderAskedFor(t *testing.T) {
	g := flow.Given{Label: []int32{5, 6, 7}, Context: contexts(3, 2), Shown: contexts(3, 1)}
	rows := g.Rows([]int{2, 0})
	if !slices.Equal(rows.Label, []int32{7, 5}) || rows.Context.N != 2 ||
		!slices.Equal(rows.Shown.X, []float64{2, 0}) ||
		!slices.Equal(rows.Context.X, []float64{4, 5, 0, 1}) {
		t.Errorf("points 2 and 0 of three: %+v", rows)
	}
	if rows.Label[0], rows.Context.X[0] = 9, 9; g.Label[2] != 7 || g.Context.X[4] != 4 {
		t.Error("rows share memory")
	}
	all := flow.Given{Label: []int32{5}, Context: contexts(1, 2)}
	if rows := all.Rows([]int{8, 4, 9}); len(rows.Label) != 1 || rows.Context.N != 1 || rows.Check(3, 6, 2, 0) != nil {
		t.Errorf("an entry that holds for all points: %+v", rows)
	}
	if rows := (flow.Given{}).Rows([]int{1}); !rows.Empty() {
		t.Errorf("nothing has become %+v", rows)
	}
}

func TestNewGivenHasRoomForWhatIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		labels bool
		dim    int
		empty  bool
	}{{false, 0, true}, {true, 0, false}, {false, 3, false}, {true, 3, false}} {
		g := flow.NewGiven(4, c.labels, c.dim)
		if g.Empty() != c.empty || (g.Label != nil) != c.labels || g.Context.D != c.dim {
			t.Errorf("labels %v, contexts of %d numbers: %+v", c.labels, c.dim, g)
		}
		classes := 0
		if c.labels {
			classes = 2
		}
		if err := g.Check(4, classes, c.dim, 0); err != nil {
			t.Error(err)
		}
	}
}

func ExampleGiven() {
	// Three points of a flow with ten classes: two of class 7, and one without a label.
	g := flow.Given{Label: []int32{7, 7, -1}}
	fmt.Println(g.Check(3, 10, 0, 0))
	fmt.Println(g.Slice(1, 3).Label)
	fmt.Println(g.Check(4, 10, 0, 0))
	// Output:
	// <nil>
	// [7 -1]
	// labels do not fit: 3 labels for 4 points
}

func TestLabelsInTurn(t *testing.T) {
	for _, c := range []struct {
		n, classes int
		want       []int32
	}{{5, 3, []int32{0, 1, 2, 0, 1}}, {2, 3, []int32{0, 1}}, {3, 0, nil}, {3, -1, nil}, {0, 2, nil}, {-1, 2, nil}} {
		if got := flow.LabelsInTurn(c.n, c.classes); !slices.Equal(got, c.want) {
			t.Errorf("%d of %d classes: got %v, want %v", c.n, c.classes, got, c.want)
		}
	}
}
