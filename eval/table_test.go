package eval

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/data/dataset"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// mixed writes a table of numbers, whole numbers, levels and missing values, in which the level tells the number.
func mixed(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("size,count,kind,note\n")
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		k := rng.IntN(3)
		size := fmt.Sprintf("%.2f", float64(k)+0.2*rng.NormFloat64())
		if rng.IntN(5) == 0 {
			size = ""
		}
		fmt.Fprintf(&b, "%s,%d,%s,%s\n", size, 10*k+rng.IntN(3), []string{"a", "b", "c"}[k],
			[]string{"no", "yes"}[rng.IntN(2)])
	}
	return written(t, "mixed.csv", []byte(b.String()))
}

// typed returns the subject of an untrained model of a table, with so many of its rows held out.
func typed(t *testing.T, file string, held float64) Subject {
	t.Helper()
	set, err := dataset.Config{Path: file, Schema: dataset.SchemaAuto, Val: new(0.0), Test: &held}.Open("", 0)
	check(t, err)
	eng, err := nn.Open("")
	check(t, err)
	net, err := nn.New(eng, nn.Config{Dim: set.Dim, Hidden: []int{8}}, 0)
	check(t, err)
	columns, kinds := set.Schema.Coordinates()
	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}, Shape: set.Shape, Schema: set.Schema,
		Columns: columns, Kinds: kinds}, net)
	check(t, err)
	return Subject{Model: m, Set: set, Settings: quick(100), Name: "table"}
}

// The rows of the parts are those of the file: levels, missing values and the grid are what they were.
func TestRowsOfTablesAreThoseOfTheFile(t *testing.T) {
	s := typed(t, mixed(t, 120), 30)
	r, _, err := s.someRows(1000, s.Set.TrainSet, s.Set.Val, s.Set.Test)
	check(t, err)
	want := s.Set.TrainSet.Len() + s.Set.Test.Len()
	if r.X.N != 120 || want != 120 || !slices.Equal(r.names(), []string{"size", "count", "kind", "note"}) ||
		!slices.Equal(r.Columns[2].Levels, []string{"a", "b", "c"}) || r.Columns[0].Levels != nil {
		t.Fatalf("%d rows of %+v", r.X.N, r.Columns)
	}
	holes := 0
	for i := range r.X.N {
		row := r.X.Row(i)
		if math.IsNaN(row[0]) {
			holes++
		} else if math.Abs(100*row[0]-math.Round(100*row[0])) > 1e-9 {
			t.Errorf("size %g has more than two decimals", row[0])
		}
		if k := math.Floor(row[1] / 10); k != row[2] || row[1] != math.Trunc(row[1]) {
			t.Errorf("count %g of kind %g: not those of one row of the file", row[1], row[2])
		}
	}
	if holes < 10 || holes > 40 {
		t.Errorf("%d values are missing", holes)
	}
	var sums [2]float64 // an order at random has all rows once
	again, _, err := s.someRows(120, s.Set.TrainSet, s.Set.Val, s.Set.Test)
	check(t, err)
	for i := range r.X.N {
		sums[0], sums[1] = sums[0]+r.X.Row(i)[1], sums[1]+again.X.Row(i)[1]
	}
	if sums[0] != sums[1] {
		t.Errorf("sums %v", sums)
	}
}

// copyist is a subject whose samples, held-out and training rows are given.
func copyist(t *testing.T, s Subject, data, samples, held, training Rows) Subject {
	t.Helper()
	s.drawn = &tables{data: data, samples: samples, fresh: samples, held: held, training: training}
	return s
}

func TestCopiesAndNewRowsAreToldApart(t *testing.T) {
	s := typed(t, mixed(t, 200), 60)
	training, _, err := s.someRows(140, s.Set.TrainSet)
	check(t, err)
	held, _, err := s.someRows(60, s.Set.Test)
	check(t, err)
	c, err := copyist(t, s, training, training, held, training).Closest(t.Context())
	check(t, err)
	nearer := 1 - float64(c.HeldOutCopies)/60/2 // where a held-out row is a copy, too, both are as near
	if c.Copies != 140 || c.Median != 0 || math.Abs(c.Nearer-nearer) > 1e-12 || c.HeldOutCopies > 20 ||
		c.Training != 140 || c.HeldOut != 60 || c.Doubts != nil {
		t.Errorf("of copies: %+v", c)
	}
	c, err = copyist(t, s, training, held, held, training).Closest(t.Context())
	check(t, err)
	if math.Abs(c.Nearer-0.5) > 1e-12 || *c.Ratio != 1 || c.Copies != c.HeldOutCopies {
		t.Errorf("of held-out rows themselves: %+v", c)
	}
}

func TestRowsOfTheLawAreWorthAsMuchAsData(t *testing.T) {
	s := typed(t, mixed(t, 300), 100)
	training, _, err := s.someRows(200, s.Set.TrainSet)
	check(t, err)
	held, _, err := s.someRows(100, s.Set.Test)
	check(t, err)
	noise := Rows{training.Columns, training.X.Clone()}
	rand.New(rand.NewPCG(1, 1)).Shuffle(noise.X.N, func(i, j int) {
		noise.X.Row(i)[2], noise.X.Row(j)[2] = noise.X.Row(j)[2], noise.X.Row(i)[2]
	})
	for _, c := range []struct {
		name, target string
		samples      Rows
		lo, hi       float64 // of the score of samples
	}{
		{"a level of rows of the law", "kind", held, 0.95, 1},
		{"a level at random", "kind", noise, 0, 0.7},
		{"a number of rows of the law", "count", held, 0.95, 1},
		{"what nothing tells", "", training, 0, 0.7}, // the last column is a coin
	} {
		s.Target = c.target
		e, err := copyist(t, s, training, c.samples, held, training).Efficacy(t.Context())
		check(t, err)
		score := e.Samples.Accuracy
		if e.Classes == 0 {
			score = e.Samples.R2
		}
		if *score < c.lo || *score > c.hi || e.HeldOut != 100 || (c.target == "") != (len(e.Doubts) > 0) {
			t.Errorf("%s: %g of %+v", c.name, *score, e)
		}
		if c.target == "" && e.Target != "note" {
			t.Errorf("without a target it is %s", e.Target)
		}
	}
	s.Target = "kinds"
	_, err = s.Efficacy(t.Context())
	fails(t, "a target that is none", err, `did you mean "kind"`)
}

func TestScores(t *testing.T) {
	s := scoreOf([]float64{0, 0, 1, 1}, []float64{0, 0, 0, 1}, 3)
	// F1 of class 0: 2·2/(2+3), of class 1: 2·1/(2+1); class 2 does not occur.
	if *s.Accuracy != 0.75 || math.Abs(*s.F1-(0.8+2.0/3)/2) > 1e-12 ||
		math.Abs(*s.StdErr-math.Sqrt(0.75*0.25/4)) > 1e-12 {
		t.Errorf("accuracy %g ± %g, F1 %g", *s.Accuracy, *s.StdErr, *s.F1)
	}
	if s = scoreOf([]float64{1, 2, 3}, []float64{1, 2, 6}, 0); math.Abs(*s.R2-(1-9.0/14)) > 1e-12 || *s.MAE != 1 {
		t.Errorf("R2 %g, MAE %g", *s.R2, *s.MAE)
	}
	if s = scoreOf([]float64{1}, []float64{2}, 0); s.R2 != nil {
		t.Errorf("R2 of one number is %g", *s.R2)
	}
}

func TestLevelsAreCoordinatesOfAForest(t *testing.T) {
	nan := math.NaN()
	r := Rows{Columns: []Column{{Name: "n"}, {Name: "l", Levels: []string{"a", "b", "c"}},
		{Name: "b", Levels: []string{"no", "yes"}}, {Name: "o", Levels: []string{"s", "m", "l"}, Ordered: true}},
		X: flow.Batch{N: 2, D: 4, X: []float64{7, 1, 1, 2, nan, nan, nan, 0}}}
	want := []float64{7, 0, 1, 0, 1, 2, nan, 0, 0, 0, nan, 0}
	got := r.coordinates()
	if !slices.EqualFunc(got.X, want, func(a, b float64) bool { return a == b || a != a && b != b }) || got.D != 6 {
		t.Errorf("got %v", got)
	}
}

// All parts of a table are measured unasked, and each alone if it is asked for; the samples are the same.
func TestPartsOfTables(t *testing.T) {
	s := typed(t, mixed(t, 120), 30)
	all, err := s.Report(t.Context())
	check(t, err)
	if all.Marginals == nil || all.Correlations == nil || all.Forest == nil || all.Closest == nil ||
		all.Efficacy == nil {
		t.Fatalf("got %+v", all)
	}
	for _, name := range []string{PartMarginals, PartCorrelations, PartForest, PartClosest, PartEfficacy} {
		one, err := s.Report(t.Context(), name)
		check(t, err)
		same := map[string]bool{
			PartMarginals:    one.Marginals != nil && *one.Marginals.W1 == *all.Marginals.W1,
			PartCorrelations: one.Correlations != nil && *one.Correlations.Error == *all.Correlations.Error,
			PartForest:       one.Forest != nil && one.Forest.Accuracy == all.Forest.Accuracy,
			PartClosest:      one.Closest != nil && one.Closest.Median == all.Closest.Median,
			PartEfficacy:     one.Efficacy != nil && *one.Efficacy.Samples.Accuracy == *all.Efficacy.Samples.Accuracy,
		}
		if !same[name] || one.Samples != nil {
			t.Errorf("%s alone: %+v", name, one)
		}
	}
	m := all.Marginals
	if m.Rows != 100 || len(m.Columns) != 4 || m.Columns[0].W1 == nil || m.Columns[2].TV == nil || m.Chance.W1 == nil ||
		len(m.Patterns) < 2 || m.PatternsTV == nil {
		t.Errorf("marginals %+v", m)
	}
	if got := all.Closest.Doubts; len(got) != 1 || !strings.Contains(got[0], "30 held-out rows are few") {
		t.Errorf("doubts %q", got)
	}
}

// Two rows, none of them held out: columns are compared all the same, and doubted.
func TestTwoRows(t *testing.T) {
	s := typed(t, written(t, "two.csv", []byte("a,b\n1.5,x\n2.5,y\n")), 0)
	rep, err := s.Report(t.Context())
	if !errors.Is(err, ErrNoPoints) || errors.As(err, new(*PartError)) {
		t.Errorf("got %v", err)
	}
	if rep.Marginals == nil || len(rep.Marginals.Doubts) != 1 || rep.Correlations == nil || rep.Closest != nil {
		t.Errorf("got %+v", rep)
	}
}

// Of points that are no rows of a file the parts are measured where they are asked for.
func TestPartsOfTablesOfPoints(t *testing.T) {
	s := moons().train(t)
	s.Settings = quick(40)
	rep, err := s.Report(t.Context())
	check(t, err)
	if rep.Marginals != nil {
		t.Errorf("unasked: %+v", rep.Marginals)
	}
	rep, err = s.Report(t.Context(), PartMarginals, PartForest)
	check(t, err)
	if rep.Marginals == nil || rep.Marginals.Columns[1].Name != "x2" || rep.Forest == nil {
		t.Errorf("asked: %+v", rep)
	}
	_, err = s.Report(t.Context(), PartClosest)
	fails(t, "copies of nothing", err, "each batch is drawn afresh")
}

func TestPlacesOfOrderedLevelsAreNumbers(t *testing.T) {
	r := Rows{Columns: []Column{{Levels: []string{"s", "m"}, Ordered: true}, {Levels: []string{"a", "b"}}, {}}}
	if got := r.table().Levels; !slices.Equal(got, []int{0, 2, 0}) {
		t.Errorf("got %v", got)
	}
}

// The class of rows is a column, and samples have the classes of the data in their proportions.
func TestClassesAreAColumn(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "%d,%d,%d\n", i%7, i%5, min(i%10, 1))
	}
	c := setup{data: dataset.Config{Path: written(t, "t.csv", []byte(b.String())), Label: "c2", Val: new(0.0),
		Test: new(20.0)}, net: nn.Config{Hidden: []int{8}}, conditional: true, settings: quick(100)}
	s := c.train(t)
	m, err := s.Marginals(t.Context())
	check(t, err)
	last := m.Columns[2]
	if last.Name != "label" || last.TV == nil || *last.TV > 1e-12 || m.Columns[0].TV != nil {
		t.Errorf("got %+v", m.Columns)
	}
	e, err := s.Efficacy(t.Context())
	check(t, err)
	if e.Target != "label" || e.Classes != 2 {
		t.Errorf("got %+v", e)
	}
}

// Distances of a table are in deviations of its columns, whatever these are measured in; without a schema the
// column that decides them is named.
func TestDistancesOfTablesHaveAUnit(t *testing.T) {
	var unit [2]*Quality
	for k, factor := range []float64{1, 1e6} {
		var b strings.Builder
		b.WriteString("a,b\n")
		rng := rand.New(rand.NewPCG(3, 4))
		for range 400 {
			u := rng.NormFloat64()
			fmt.Fprintf(&b, "%.9g,%.9g\n", factor*u, u+rng.NormFloat64())
		}
		s := typed(t, written(t, "units.csv", []byte(b.String())), 200)
		q, err := s.Quality(t.Context())
		check(t, err)
		unit[k] = q
		if q.Unit != UnitModel || len(q.Doubts) > 0 {
			t.Errorf("unit %s, doubts %q", q.Unit, q.Doubts)
		}
	}
	if a, b := *unit[0].W2, *unit[1].W2; math.Abs(a/b-1) > 1e-6 || a > 5 {
		t.Errorf("W2 is %g, and %g in another unit; want one figure, of about 1", a, b)
	}
	s := typed(t, mixed(t, 60), 30)
	s.Settings.Samples = 30
	r, err := s.Report(t.Context(), PartLikelihood, PartSamples, PartC2ST, PartForest, PartClosest)
	check(t, err)
	want := "30 held-out points are few: chance decides the figure"
	for part, doubts := range map[string][]string{PartLikelihood: r.Likelihood.Doubts, PartSamples: r.Samples.Doubts,
		PartC2ST: r.C2ST.Doubts, PartForest: r.Forest.Doubts, PartClosest: r.Closest.Doubts} {
		if len(doubts) == 0 || strings.Replace(doubts[0], "rows", "points", 1) != want {
			t.Errorf("%s: doubts %q, want %q", part, doubts, want)
		}
	}
}

func TestColumnsThatDecideDistancesAreNamed(t *testing.T) {
	s := typed(t, mixed(t, 60), 30)
	spec := s.Model.Spec()
	spec.Schema, spec.Kinds = nil, nil
	x := flow.NewBatch(50, s.Model.Dim())
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range x.X {
		x.X[i] = rng.NormFloat64()
	}
	m, err := model.New(spec, s.Model.Net())
	check(t, err)
	s.Model = m
	if doubts := s.unlikeUnits(x); doubts != nil {
		t.Errorf("columns of one scale: %q", doubts)
	}
	for i := range x.N {
		x.Row(i)[1] *= 1000
	}
	if doubts := s.unlikeUnits(x); len(doubts) != 1 || !strings.Contains(doubts[0], spec.Columns[1]) {
		t.Errorf("got %q, want one that names %s", doubts, spec.Columns[1])
	}
}
