package schema

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

// scoredRows are the schema of a table with a grid, values that are uneven, levels and missing values, and its rows.
func scoredRows(t *testing.T) (*Schema, flow.Batch) {
	t.Helper()
	cells := cellsOf(repeat("mass", 40, "190", "195", "200", "205", "NA"), repeat("city", 40, "Bern", "Oslo", "Rome"),
		repeat("uneven", 40, "1", "2", "5", "100", "1000"))
	return fitted(t, cells, Options{Kinds: map[string]string{"uneven": "real"}})
}

// fitted returns the schema of cells, with its codes, and their rows.
func fitted(t *testing.T, cells Cells, o Options) (*Schema, flow.Batch) {
	t.Helper()
	s, faults, err := Infer(cells, o)
	if err != nil || faults != nil {
		t.Fatal(err, faults)
	}
	x, faults, err := s.Parse(cells)
	if err != nil || faults != nil {
		t.Fatal(err, faults)
	}
	if s, err = s.Fit(x, nil); err != nil {
		t.Fatal(err)
	}
	return s, x
}

// TestNumbersBetweenTheValuesAreFound: and none of the data, nor those beyond them.
func TestNumbersBetweenTheValuesAreFound(t *testing.T) {
	s, x := scoredRows(t)
	if faults := s.OffGrid(x); faults != nil {
		t.Errorf("rows of the data: %+v", faults)
	}
	row := func(mass, uneven float64) flow.Batch { return flow.Batch{N: 1, D: 3, X: []float64{mass, 1, uneven}} }
	for _, c := range []struct {
		mass, uneven float64
		want         string
	}{{190, 5, ""}, {215, 5, ""}, {180, 1, ""}, {math.NaN(), 2, ""}, {192, 5, `"192" is between`},
		{217, 5, "is between"}, {190, 5000, ""}} {
		faults := s.OffGrid(row(c.mass, c.uneven))
		if (c.want == "") != (faults == nil) || faults != nil && !strings.Contains(faults[0].Problem, c.want) {
			t.Errorf("%v, %v: %+v; want %q", c.mass, c.uneven, faults, c.want)
		}
	}
}

// TestEqualRowsAreEqualPoints: in any order, and of another seed other ones.
func TestEqualRowsAreEqualPoints(t *testing.T) {
	s, x := scoredRows(t)
	of := func(rows flow.Batch, seed uint64) flow.Batch {
		p := flow.NewBatch(rows.N, s.Dim())
		s.PointsByRow(p, rows, rand.New(rand.NewPCG(seed, 0)))
		return p
	}
	back := make([]int, x.N)
	for i := range back {
		back[i] = x.N - 1 - i
	}
	one, turned := of(x, 1), of(x.Rows(back), 1)
	if !slices.Equal(one.Rows(back).X, turned.X) {
		t.Error("the points of rows depend on their order")
	}
	same := func(a, b float64) bool { return a == b || a != a && b != b }
	for i := range x.N {
		for j := range i {
			equal := slices.EqualFunc(x.Row(i), x.Row(j), same)
			if equal != slices.Equal(one.Row(i), one.Row(j)) {
				t.Fatalf("rows %v and %v: points %v and %v", x.Row(i), x.Row(j), one.Row(i), one.Row(j))
			}
		}
	}
	if slices.Equal(one.X, of(x, 2).X) {
		t.Error("two seeds give the same noise")
	}
}

// A flow knows levels with Gaussian noise that is not cut off. So it must rarely take one for another, in coordinates
// of their own, which are √2 apart, as in one coordinate, where the distance is 1: what is rare would come too often.
func TestNoiseRarelyTakesALevelForAnother(t *testing.T) {
	cells := cellsOf(repeat("two", 40, "a", "b"), repeat("three", 40, "a", "b", "c"), repeat("holes", 40, "1.5", "2.25",
		"7", "", "8.125"), repeat("both", 40, "a", "b", ""))
	s, _ := fitted(t, cells, Options{})
	for _, c := range s.Columns {
		distance := 1.0
		if !c.Kind.number() && c.width() > 1 {
			distance = math.Sqrt2
		}
		if p := math.Erfc(distance/2/(c.Code.Noise*math.Sqrt2)) / 2; !(p < 3e-4) {
			t.Errorf("%s: noise of %g takes one level for another %.2g times", c.Name, c.Code.Noise, p)
		}
	}
}
