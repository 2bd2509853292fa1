package data_test

import (
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
)

func TestClassesAreRenumberedByName(t *testing.T) {
	for _, c := range []struct {
		name     string
		label    []int32
		from, to []string
		classes  int
		want     []int32
		err      string
	}{
		{"the same", []int32{0, 1}, []string{"a", "b"}, []string{"a", "b"}, 2, []int32{0, 1}, ""},
		{"another order", []int32{0, 1}, []string{"a", "b"}, []string{"b", "a"}, 2, []int32{1, 0}, ""},
		{"numbers of a file", []int32{0, 1}, []string{"1", "3"}, nil, 4, []int32{1, 3}, ""},
		{"numbers of a model", []int32{3, 1}, nil, []string{"1", "3"}, 2, []int32{1, 0}, ""},
		{"no labels", nil, []string{"a"}, nil, 0, nil, ""},
		{"a class without a label", []int32{1}, []string{"z", "a"}, []string{"a"}, 1, []int32{0}, ""},
		{"beyond the last", []int32{2}, nil, nil, 2, nil, `class "2" is not one of "0", "1"`},
		{"unknown", []int32{1}, []string{"a", "b"}, []string{"a"}, 1, nil, `class "b" is not one of "a"`},
	} {
		got, err := data.Renumber(c.label, c.from, c.to, c.classes)
		if !slices.Equal(got, c.want) || (err != nil) != (c.err != "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %v (error %v), want %v %s", c.name, got, err, c.want, c.err)
		}
	}
}

func TestASetTakesTheClassesOfAModel(t *testing.T) {
	points := data.Points{X: flow.Batch{N: 3, D: 1, X: []float64{1, 2, 3}}, Given: flow.Given{Label: []int32{0, 1, 1}}}
	set := &data.Set{Name: "pets", Classes: 2, ClassNames: []string{"cat", "dog"}, Train: data.Shuffle(points, 1),
		TrainSet: points, Val: points, Test: data.Points{}}
	got, err := set.WithClasses([]string{"dog", "ant", "cat"}, 3)
	if err != nil {
		t.Fatal(err)
	}
	_, given, err := data.Rows(got.Val, 0, 3, nil)
	if err != nil || !slices.Equal(given.Label, []int32{2, 0, 0}) || got.Val.Classes() != 3 || got.Classes != 3 {
		t.Errorf("labels %v of %d classes (error %v)", given.Label, got.Val.Classes(), err)
	}
	x, room := flow.NewBatch(30, 1), flow.NewGiven(30, true, 0)
	if err := got.Train.Fill(x, room, 0); err != nil {
		t.Fatal(err)
	}
	for i, l := range room.Label {
		if want := map[float64]int32{1: 2, 2: 0, 3: 0}[x.X[i]]; l != want {
			t.Errorf("point %g has label %d of the stream, want %d", x.X[i], l, want)
		}
	}
	_, err = set.WithClasses([]string{"cat", "eel"}, 2)
	datatest.WantError(t, "unknown", err, `the classes of "pets": class "dog" is not one of "cat", "eel"`)
	if same, err := set.WithClasses([]string{"cat", "dog"}, 2); err != nil || same != set {
		t.Errorf("its own classes: %v (error %v)", same, err)
	}
}

func TestAPartThatStandsForTheWholeIsRandom(t *testing.T) {
	sorted := data.Points{X: flow.NewBatch(1000, 1)}
	for i := range sorted.X.X {
		sorted.X.X[i] = float64(i)
	}
	few, _, err := data.RandomRows(sorted, 300, 7, "part", nil)
	if err != nil || few.N != 300 {
		t.Fatalf("%d rows (error %v)", few.N, err)
	}
	mean := 0.0
	for _, v := range few.X {
		mean += v / 300
	}
	if mean < 450 || mean > 550 {
		t.Errorf("the mean of 300 rows is %g, of all 499.5", mean)
	}
	all, _, err := data.RandomRows(sorted, 5000, 7, "part", nil)
	if err != nil || !slices.Equal(all.X[:300], few.X) {
		t.Errorf("of more rows these do not come first (error %v)", err)
	}
	if slices.Sort(all.X); !slices.Equal(all.X, sorted.X.X) {
		t.Error("all rows are not every row once")
	}
	_, _, err = data.RandomRows(sorted, -1, 7, "part", nil)
	datatest.WantError(t, "a negative number", err, "-1 rows of a set of 1000")
	_, _, err = data.RandomRows(nil, 1, 7, "part", nil)
	datatest.WantError(t, "nil", err, "the set of points is nil")
}

func TestLabelsBelowZeroAreOfNoClass(t *testing.T) {
	got, names := data.NumberClasses([]int32{7, -1, 2})
	if !slices.Equal(got, []int32{1, -1, 0}) || !slices.Equal(names, []string{"2", "7"}) {
		t.Errorf("got %v of classes %q; want 1, -1, 0 of 2 and 7", got, names)
	}
	if got, names := data.NumberClasses([]int32{-3}); !slices.Equal(got, []int32{-3}) || names != nil {
		t.Errorf("got %v of classes %q; want -3 as it is", got, names)
	}
}
