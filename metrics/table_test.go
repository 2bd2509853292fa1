package metrics

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

var nan = math.NaN()

// rows returns a table of columns with so many levels.
func rows(levels []int, v ...float64) Table {
	d := len(levels)
	return Table{X: flow.Batch{N: len(v) / d, D: d, X: v}, Levels: levels}
}

func close12(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-12
}

func TestMarginalsOfKnownColumns(t *testing.T) {
	for _, c := range []struct {
		name   string
		levels int
		a, b   []float64
		want   Marginal
	}{
		// Of deviation 1, moved by 3.
		{"numbers that are moved", 0, []float64{-1, 1}, []float64{2, 4}, Marginal{3, nan, 0, 0}},
		{"in deviations", 0, []float64{-10, 10}, []float64{20, 40}, Marginal{3, nan, 0, 0}},
		// The quantiles 0 to 1/2 move by 0, the others by 2.
		{"of unequal sizes", 0, []float64{-1, 1}, []float64{-1}, Marginal{1, nan, 0, 0}},
		{"one value", 0, []float64{5, 5}, []float64{5, 7}, Marginal{1, nan, 0, 0}},
		{"missing numbers", 0, []float64{-1, nan, 1, nan}, []float64{1, -1, nan, 1, -1}, Marginal{0, nan, 0.5, 0.2}},
		{"no number", 0, []float64{nan}, []float64{1}, Marginal{nan, nan, 1, 0}},
		{"levels", 3, []float64{0, 0, 1, 2}, []float64{0, 1, 1, 1}, Marginal{nan, 0.5, 0, 0}},
		{"levels of nothing in common", 2, []float64{0}, []float64{1}, Marginal{nan, 1, 0, 0}},
		{"a missing level", 2, []float64{0, nan}, []float64{0, 0}, Marginal{nan, 0.5, 0.5, 0}},
	} {
		got, err := Marginals(rows([]int{c.levels}, c.a...), rows([]int{c.levels}, c.b...))
		if err != nil || !close12(got[0].W1, c.want.W1) || !close12(got[0].TV, c.want.TV) ||
			!close12(got[0].ReferenceMissing, c.want.ReferenceMissing) || !close12(got[0].Missing, c.want.Missing) {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestPatternsOfMissingValues(t *testing.T) {
	a := rows([]int{0, 2}, 1, 1, nan, 0, nan, 1, nan, nan)
	b := rows([]int{0, 2}, 1, nan, 2, 0)
	got, tv, err := Patterns(a, b)
	want := []Pattern{{[]int{0}, 0.5, 0}, {nil, 0.25, 0.5}, {[]int{0, 1}, 0.25, 0}, {[]int{1}, 0, 0.5}}
	same := slices.EqualFunc(got, want, func(a, b Pattern) bool {
		return slices.Equal(a.Columns, b.Columns) && a.Reference == b.Reference && a.Other == b.Other
	})
	if err != nil || !same || tv != 0.75 {
		t.Errorf("got %v, %g, %v; want %v, 0.75", got, tv, err, want)
	}
}

func TestAssociationsOfKnownTables(t *testing.T) {
	// V of [[20 10] [5 25]] by hand: φ² = 60·(20·25-10·5)²/(30·30·25·35)/60, then Bergsma's correction.
	var table []float64
	for _, c := range [][3]float64{{0, 0, 20}, {0, 1, 10}, {1, 0, 5}, {1, 1, 25}} {
		for range int(c[2]) {
			table = append(table, c[0], c[1])
		}
	}
	phi := 450.0 * 450 / (30 * 30 * 25 * 35)
	v := math.Sqrt((phi - 1.0/59) / (1 - 1.0/59))
	for _, c := range []struct {
		name   string
		levels []int
		v      []float64
		want   float64
	}{
		{"rising, whatever the scale", []int{0, 0}, []float64{1, 10, 2, 100, 3, 1e9}, 1},
		{"falling", []int{0, 0}, []float64{1, 3, 2, 2, 3, -5}, -1},
		// Ranks 0 1 2 3 and 1 0 3 2: 1 - 6·4/(4·15).
		{"Spearman's by hand", []int{0, 0}, []float64{1, 20, 2, 10, 3, 40, 4, 30}, 0.6},
		// Ranks 0.5 0.5 2 and 0 1 2: their products are 1.5, their squares 1.5 and 2.
		{"with ties", []int{0, 0}, []float64{1, 1, 1, 2, 2, 3}, 1.5 / math.Sqrt(3)},
		{"a missing value", []int{0, 0}, []float64{1, 10, 5, nan, 2, 100}, 1},
		{"a constant", []int{0, 0}, []float64{1, 10, 1, 20}, nan},
		{"levels that are one", []int{3, 3}, []float64{0, 2, 1, 1, 2, 0, 0, 2, 1, 1, 2, 0}, 1},
		{"levels that are independent", []int{2, 2}, []float64{0, 0, 0, 1, 1, 0, 1, 1}, 0},
		{"V by hand", []int{2, 2}, table, v},
		{"one level alone", []int{2, 2}, []float64{0, 0, 0, 1}, nan},
		// Ranks 0 1 | 2 3: between 4, in all 5, so ε² = 1 - (1/5)(3/2).
		{"a number by levels", []int{2, 0}, []float64{0, 1, 0, 2, 1, 3, 1, 4}, math.Sqrt(0.7)},
		{"levels by a number", []int{0, 2}, []float64{1, 0, 2, 0, 3, 1, 4, 1}, math.Sqrt(0.7)},
		{"a number that levels say nothing of", []int{2, 0}, []float64{0, 1, 1, 2, 0, 4, 1, 3}, 0},
		{"a level a row", []int{2, 0}, []float64{0, 1, 1, 2}, nan},
	} {
		m, err := Associations(t.Context(), rows(c.levels, c.v...))
		if err != nil || m.X[0] != 1 || m.X[3] != 1 || !close12(m.X[1], c.want) || !close12(m.X[2], m.X[1]) {
			t.Errorf("%s: got %v, %v; want %g", c.name, m.X, err, c.want)
		}
	}
}

// Levels at random have a V near 0 whatever their number is, as the figure without its correction has not.
func TestChanceIsNoAssociation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	v := make([]float64, 2*100)
	for i := range v {
		v[i] = float64(rng.IntN(10))
	}
	m, err := Associations(t.Context(), rows([]int{10, 10}, v...))
	if err != nil || m.X[1] > 0.2 { // φ² is 0.8 of chance, and V without its correction 0.3
		t.Errorf("got %v, %v", m.X[1], err)
	}
}

func TestErrorOfAssociations(t *testing.T) {
	a := flow.Batch{N: 3, D: 3, X: []float64{1, 0.5, nan, 0.5, 1, -0.25, nan, -0.25, 1}}
	b := flow.Batch{N: 3, D: 3, X: []float64{1, 0.25, 0, 0.25, 1, 0.25, 0, 0.25, 1}}
	if mean, i, j := AssociationError(a, b); mean != 0.375 || i != 1 || j != 2 {
		t.Errorf("got %g of columns %d and %d; want 0.375, 1 and 2", mean, i, j)
	}
	if mean, _, _ := AssociationError(flow.Batch{N: 1, D: 1, X: []float64{1}}, flow.Batch{N: 1, D: 1,
		X: []float64{1}}); !math.IsNaN(mean) {
		t.Errorf("of one column: %g", mean)
	}
}

func TestClosestRecords(t *testing.T) {
	levels := []int{0, 2, 0}
	reference := rows(levels, 0, 0, nan, 10, 1, 1, 4, 0, 2)
	x := rows(levels,
		0, 0, nan, // a copy
		10, 1, 1, // another
		5, 0, 2, // 1 of a range of 10 from the third
		10, 0, nan, // a whole range from the first
		4, 0, nan, // 4 of 10 from the first
		nan, nan, 5, // the number and the level missing, and beyond the range of 1
	)
	got, err := Closest(t.Context(), reference, x)
	want := []float64{0, 0, 0.1 / 3, 1.0 / 3, 0.4 / 3, 1}
	if err != nil || !slices.EqualFunc(got, want, close12) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestNearer(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{0, 0, 0}, []float64{1, 2}, 1}, {[]float64{3}, []float64{1, 2}, 0},
		{[]float64{1, 2}, []float64{1, 2}, 0.5}, {[]float64{0, 2}, []float64{1, 2, 3}, (1 + 0.5) / 2},
	} {
		if got, _ := Nearer(c.a, c.b); !close12(got, c.want) {
			t.Errorf("of %v and %v: %g, want %g", c.a, c.b, got, c.want)
		}
	}
	// Of two samples of a law it is 0.5 within its standard error, which is about (1/12n + 1/12m)^½.
	rng := rand.New(rand.NewPCG(3, 4))
	a, b := make([]float64, 400), make([]float64, 100)
	for _, v := range [][]float64{a, b} {
		for i := range v {
			v[i] = rng.NormFloat64()
		}
	}
	share, se := Nearer(a, b)
	if want := math.Sqrt(1.0/12/400 + 1.0/12/100); math.Abs(se/want-1) > 0.1 || math.Abs(share-0.5) > 3*se {
		t.Errorf("got %g ± %g, want 0.5 ± %g", share, se, want)
	}
}

func TestTablesThatDoNotFitAreErrors(t *testing.T) {
	good := rows([]int{0, 2}, 1, 0)
	for name, bad := range map[string]Table{
		"other levels": rows([]int{0, 3}, 1, 0), "no rows": rows([]int{0, 2}),
		"no such level": rows([]int{0, 2}, 1, 2), "half a level": rows([]int{0, 2}, 1, 0.5),
		"infinite": rows([]int{0, 2}, math.Inf(1), 0),
	} {
		_, marginals := Marginals(good, bad)
		_, closest := Closest(t.Context(), good, bad)
		_, _, patterns := Patterns(good, bad)
		for _, err := range []error{marginals, closest, patterns} {
			if err == nil || !strings.HasPrefix(err.Error(), "metrics: ") {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
	if _, err := Associations(t.Context(), rows([]int{0, 2})); !errors.Is(err, ErrSize) {
		t.Errorf("associations of no rows: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	_, associations := Associations(ended, good)
	_, closest := Closest(ended, good, good)
	for _, err := range []error{associations, closest} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	}
}
