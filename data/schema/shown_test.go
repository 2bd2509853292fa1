package schema

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

// mixedSchema is that of a table of all kinds of coordinates: a weight, an age that may be missing, a flag,
// a city that may be missing, and an answer of one level that may be missing.
func mixedSchema(t *testing.T) (*Schema, flow.Batch) {
	t.Helper()
	s := &Schema{N: 400, Columns: []Column{
		{Name: "weight", Kind: Real, Lo: 1, Hi: 9, Format: Format{Decimals: -1}},
		{Name: "id", Kind: Identifier},
		{Name: "age", Kind: Integer, Lo: 20, Hi: 69, Step: 1, Missing: 100, Marker: "NA"},
		{Name: "flag", Kind: Binary, Levels: []string{"no", "yes"}},
		{Name: "city", Kind: Category, Levels: []string{"Bern", "Oslo", "Rome"}, Missing: 80},
		{Name: "answer", Kind: Category, Levels: []string{"yes"}, Missing: 200},
	}}
	rng := rand.New(rand.NewPCG(3, 4))
	x := flow.NewBatch(s.N, 5)
	for i := range x.N {
		row := x.Row(i)
		row[0], row[1], row[2] = 1+8*rng.Float64(), float64(20+rng.IntN(50)), float64(rng.IntN(2))
		row[3], row[4] = float64(rng.IntN(3)), 0
		for k, share := range []float64{0, 0.25, 0, 0.2, 0.5} {
			if rng.Float64() < share {
				row[k] = math.NaN()
			}
		}
	}
	s, err := s.Fit(x, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, x
}

// widths are the coordinates of the columns of mixedSchema.
var widths = []int{1, 2, 1, 4, 2}

// columns cuts a point into the coordinates of its columns.
func columns(z []float64) (parts [][]float64) {
	for _, w := range widths {
		parts = append(parts, z[:w])
		z = z[w:]
	}
	return parts
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// What is shown of a row is its point without noise: it goes back to the row, and the points that are drawn for
// the row lie around it.
func TestWhatIsShownIsTheRow(t *testing.T) {
	s, x := mixedSchema(t)
	shown := s.Shown(x, false)
	back, rows := shown.Clone(), flow.NewBatch(x.N, x.D)
	s.Invert(back)
	s.Rows(rows, back)
	for i, v := range x.X {
		if part := columns(shown.Row(i / x.D))[i%x.D]; math.IsNaN(v) != slices.ContainsFunc(part, math.IsNaN) {
			t.Fatalf("of the value %g is shown %v", v, part)
		} else if v == v && math.Abs(rows.X[i]-v) > 1e-9 {
			t.Errorf("number %d of the rows is %g, and what is shown of it %v, that of %g", i, v, part, rows.X[i])
		}
	}
	const draws = 4000
	first := slices.IndexFunc(x.X[:x.N*x.D], math.IsNaN) / x.D // a row with a missing value
	one := x.Rows(slices.Repeat([]int{first}, draws))
	z := flow.NewBatch(draws, s.Dim())
	rng := rand.New(rand.NewPCG(1, 1))
	s.Points(z, one, func(int) *rand.Rand { return rng })
	s.Apply(z)
	for d, want := range shown.Row(first) {
		sum, squares := 0.0, 0.0
		for i := range draws {
			sum, squares = sum+z.Row(i)[d], squares+z.Row(i)[d]*z.Row(i)[d]
		}
		mean := sum / draws
		if deviation := math.Sqrt(squares/draws-mean*mean) + 1e-3; want == want && math.Abs(mean-want) > 0.1*deviation {
			t.Errorf("coordinate %d is shown as %g, and drawn with mean %g and deviation %g", d, want, mean, deviation)
		}
	}
}

func TestOfAHiddenValueItMayBeShownThatItIsThere(t *testing.T) {
	s, x := mixedSchema(t)
	for i := range x.X {
		x.X[i] = math.NaN()
	}
	for _, present := range []bool{false, true} {
		for k, part := range columns(s.Shown(x.Slice(0, 1), present).X) {
			last := len(part) - 1
			if flag := part[last]; (present && []int{1, 2, 1, 4, 2}[k] > 1) != (flag == flag) ||
				slices.ContainsFunc(part[:last], func(v float64) bool { return v == v }) {
				t.Errorf("present %v: of column %d is shown %v", present, k, part)
			}
		}
	}
	// With this the points are rows without missing values, whatever the rest is.
	z, rows := s.Shown(x, true), flow.NewBatch(x.N, x.D)
	rng := rand.New(rand.NewPCG(7, 1))
	for i, v := range z.X {
		if math.IsNaN(v) {
			z.X[i] = 2 * rng.NormFloat64()
		}
	}
	s.Invert(z)
	s.Complete(rows, z)
	if slices.ContainsFunc(rows.X, math.IsNaN) {
		t.Error("a value is missing")
	}
}

// Of a share of the points whole columns are shown, as Shown has them: all numbers of them are as likely, and
// so are all columns.
func TestWhatATrainingShows(t *testing.T) {
	s, x := mixedSchema(t)
	const n, share = 20000, 0.6
	index := make([]int, n)
	for i := range index {
		index[i] = i % x.N
	}
	rows := x.Rows(index)
	z, shown := flow.NewBatch(n, s.Dim()), flow.NewBatch(n, s.Dim())
	rng := rand.New(rand.NewPCG(5, 6))
	s.Points(z, rows, func(int) *rand.Rand { return rng })
	s.Apply(z)
	s.Hide(shown, z, share, rng)
	full := s.Shown(rows, false)
	numbers, each, flagged := make([]float64, 6), make([]float64, 5), 0.0
	for i := range n {
		count, flag := 0, false
		whole := columns(full.Row(i))
		for k, part := range columns(shown.Row(i)) {
			last := len(part) - 1
			missing := math.IsNaN(rows.Row(i)[k])
			switch hidden := math.IsNaN(part[0]); {
			case !hidden && !missing:
				count++
				each[k]++
				if !slices.EqualFunc(part, whole[k], func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
					t.Fatalf("of the value %g of column %d is shown %v, want %v", rows.Row(i)[k], k, part, whole[k])
				}
			case !math.IsNaN(part[last]) && last > 0 && !missing:
				flag = true
			}
		}
		if flag {
			flagged++
		}
		numbers[count]++
	}
	// With 5 columns of which 0 to 4 are shown; those that are missing count as none here.
	if none := numbers[0] / n; math.Abs(none-(1-share)) > 0.16 || none < 1-share {
		t.Errorf("nothing is shown of a share of %g", none)
	}
	for k, want := range []float64{1, 0.75, 1, 0.8, 0.5} { // of those that are there, two of five on average
		if got := each[k] / n / (share * 0.4 * want); math.Abs(got-1) > 0.06 {
			t.Errorf("column %d is shown %g times as often as it should be", k, got)
		}
	}
	if got := flagged / n; got < 0.2 || got > share/2 {
		t.Errorf("in a share of %g it is shown that hidden values are there", got)
	}
	if numbers[5] > 0 {
		t.Error("all columns are shown, and nothing is left to learn")
	}
}

func TestATableOfWhichAnythingMayBeMissing(t *testing.T) {
	s, _ := mixedSchema(t)
	cells := func(names string, rows ...string) Cells {
		c := Cells{Names: strings.Split(names, ","), Rows: len(rows)}
		c.Columns = make([]Texts, len(c.Names))
		for _, row := range rows {
			for k, text := range strings.Split(row, ",") {
				c.Columns[k].Add(text)
			}
		}
		return c
	}
	x, faults, odd := s.ParseSome(cells("city,weight,flag,note", "Oslo,,yes,a", "NA,2.5,?,b"))
	nan := math.NaN()
	want := []float64{nan, nan, 1, 1, nan, 2.5, nan, nan, nan, nan}
	if len(faults)+len(odd) > 0 || !slices.EqualFunc(x.X, want, same) {
		t.Errorf("%v, faults %v and %v; want %v", x.X, faults, odd, want)
	}
	for _, c := range []struct{ names, row, fault, odd string }{
		{"weight", "x", "is no number", ""},
		{"city", "Olso", `"Rome"; did you mean "Oslo"?`, ""},
		{"flag", "maybe", `none of the levels, "no", "yes"`, ""},
		{"weight", "9.5", "", "out of the range of the data, from 1 to 9"},
		{"age", "19", "", "from 20 to 69"},
		{"age", "30.5", "", "between the values of the data; the nearest is 31"},
		{"age", "30.0", "", ""},
	} {
		_, faults, odd := s.ParseSome(cells(c.names, c.row))
		for _, f := range []struct {
			got  []Fault
			want string
		}{{faults, c.fault}, {odd, c.odd}} {
			if f.want == "" && len(f.got) > 0 || f.want != "" && (len(f.got) != 1 ||
				!strings.Contains(f.got[0].Problem, f.want)) {
				t.Errorf("%s of %s: %v, want %q", c.row, c.names, f.got, f.want)
			}
		}
	}
}

// Rows that another program made are read as they are, and what no row of the data could have is told.
func TestRowsThatAnythingMayHaveMade(t *testing.T) {
	s, _ := mixedSchema(t)
	cells := func(names string, row string) Cells {
		c := Cells{Names: strings.Split(names, ","), Rows: 1, Columns: make([]Texts, 5)}
		for k, text := range strings.Split(row, ",") {
			c.Columns[k].Add(text)
		}
		return c
	}
	const names = "weight,age,flag,city,answer"
	nan := math.NaN()
	for _, c := range []struct {
		row        string
		want       []float64
		impossible []string
	}{
		{"2.25,30,no,Oslo,yes", []float64{2.25, 30, 0, 1, 0}, nil},
		{"2.25,,yes,,", []float64{2.25, nan, 1, nan, nan}, nil},
		{"9.5,19,no,Oslo,yes", []float64{9.5, 19, 0, 1, 0}, []string{"from 1 to 9", "from 20 to 69"}},
		{"1,30.5,no,Oslo,yes", []float64{1, 30.5, 0, 1, 0}, []string{"the nearest is 31"}},
		{",30,,Paris,yes", []float64{nan, 30, nan, nan, 0}, []string{"one in every row", "one in every row",
			"none of the levels"}},
		{"inf,30,no,Oslo,yes", []float64{nan, 30, 0, 1, 0}, []string{"is no number"}},
	} {
		x, impossible, err := s.ParseAny(cells(names, c.row))
		if err != nil || !slices.EqualFunc(x.X, c.want, same) || len(impossible) != len(c.impossible) {
			t.Errorf("%s: %v, impossible %v (%v); want %v and %q", c.row, x.X, impossible, err, c.want, c.impossible)
			continue
		}
		for k, want := range c.impossible {
			if !strings.Contains(impossible[k].Problem, want) {
				t.Errorf("%s: %v, want %q", c.row, impossible[k], want)
			}
		}
	}
	var missing *MissingError
	if _, _, err := s.ParseAny(cells("weight,age,flag,city,note", "2.25,30,no,Oslo,yes")); !errors.As(err, &missing) {
		t.Errorf("without a column: %v", err)
	}
}
