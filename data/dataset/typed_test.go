package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// people is a table with columns of every kind.
func people(n int) string {
	var b strings.Builder
	b.WriteString("id,income,age,sex,city,size,since,country\n")
	for i := range n {
		age := fmt.Sprint(20 + i*7%50)
		if i%9 == 0 {
			age = "NA"
		}
		fmt.Fprintf(&b, "%d,%.2f,%s,%s,%s,%s,2024-%02d-0%d,DE\n", 1000+i, math.Exp(5+float64(i*31%97)/30), age,
			[]string{"m", "f"}[i%2], []string{"Rome", "Oslo", "Bern"}[i%3], []string{"low", "high", "medium"}[i*5%3],
			1+i%12, 1+i%9)
	}
	return b.String()
}

func TestATableOfAllKindsIsASet(t *testing.T) {
	dir := datatest.WriteFiles(t, map[string][]byte{"a.csv": []byte(people(200)), "b.csv": []byte(people(50))})
	c := Config{Path: "a.csv", Schema: SchemaAuto, TestPath: "b.csv"}
	s := mustOpen(t, c, dir, 1)
	want := strings.Fields("income age sex city size since")
	if got := s.Schema.Names(); !slices.Equal(got, want) {
		t.Fatalf("learnt %q; want %q", got, want)
	}
	kinds := []string{}
	for _, c := range s.Schema.Columns {
		kinds = append(kinds, string(c.Kind))
	}
	want = strings.Fields("identifier real integer binary category ordered date constant")
	if !slices.Equal(kinds, want) {
		t.Errorf("kinds %q; want %q", kinds, want)
	}
	if s.Dim != 1+2+1+3+1+1 || len(s.Columns) != s.Dim || s.Test.Len() != 50 || s.TrainSet.Len() != 180 {
		t.Errorf("dim %d, %d names, %d points to test, %d to train", s.Dim, len(s.Columns), s.Test.Len(),
			s.TrainSet.Len())
	}
	// A batch is a function of seed and step, in model units, with new noise at every step.
	a, b, other := flow.NewBatch(16, s.Dim), flow.NewBatch(16, s.Dim), flow.NewBatch(16, s.Dim)
	for _, f := range []struct {
		x    flow.Batch
		step uint64
	}{{a, 3}, {other, 4}, {b, 3}} {
		if err := s.Train.Fill(f.x, flow.Given{}, f.step); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(a.X, b.X) || slices.Equal(a.X, other.X) {
		t.Error("batches are not a function of the step")
	}
	x, _, err := data.Rows(s.TrainSet, 0, s.TrainSet.Len(), seed.Rand(1, "test", 0))
	if err != nil {
		t.Fatal(err)
	}
	for d := range x.D {
		mean, square := 0.0, 0.0
		for i := range x.N {
			mean += x.Row(i)[d] / float64(x.N)
			square += x.Row(i)[d] * x.Row(i)[d] / float64(x.N)
		}
		if math.Abs(mean) > 0.2 || square < 0.3 || square > 2.5 {
			t.Errorf("coordinate %s has mean %.3g and mean square %.3g in model units", s.Columns[d], mean, square)
		}
	}
	// What is opened with the schema that it has is the same set.
	again, err := c.OpenAs(dir, 1, s.Schema)
	if err != nil || again.Fingerprint != s.Fingerprint || again.Dim != s.Dim {
		t.Errorf("with its own schema: %v", err)
	}
	if numbers := mustOpen(t, Config{Path: "a.csv", Columns: []string{"income"}}, dir, 1); numbers.Schema != nil {
		t.Error("a table of numbers has a schema")
	}
}

func TestPointsOfASchemaAreReadByIt(t *testing.T) {
	bad := strings.Replace(people(30), "Rome", "Paris", 2)
	bad = strings.Replace(bad, ",low,", ",,", 1)
	dir := datatest.WriteFiles(t, map[string][]byte{"a.csv": []byte(people(200)), "bad.csv": []byte(bad),
		"few.csv": []byte("age;sex\n30;m\n")})
	c := Config{Path: "a.csv", Schema: SchemaAuto}
	s := mustOpen(t, c, dir, 1)
	like := Like{Shape: s.Shape, Columns: s.Columns, Schema: s.Schema}
	p, err := c.Points(dir+"/a.csv", "", like, seed.Rand(1, "test", 0))
	if err != nil || p.X.N != 200 || p.X.D != s.Dim || p.Where(4) != "line 6" {
		t.Fatalf("[%d, %d]: %v", p.X.N, p.X.D, err)
	}
	_, err = c.Points(dir+"/bad.csv", "", like, nil)
	for _, want := range []string{
		`"Paris" is none of the levels`, "(2 cells)", "the column has one in every row", "2 faults",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	_, err = c.Points(dir+"/few.csv", "", like, nil)
	if !data.IsMissing(err, "income") {
		t.Errorf("%v; want that of a missing column", err)
	}
	if _, err = c.Points(dir+"/a.csv", dir+"/few.csv", like, nil); err == nil {
		t.Error("a file of labels is taken")
	}
}

func TestSettingsOfASchemaAreChecked(t *testing.T) {
	dir := datatest.WriteFiles(t, map[string][]byte{"a.csv": []byte(people(60))})
	auto := func(c Config) Config {
		c.Path, c.Schema = "a.csv", SchemaAuto
		return c
	}
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Path: "a.csv", Kinds: map[string]string{"age": "integer"}}, "kinds is set, but it needs schema: auto"},
		{Config{Path: "a.csv", Schema: "automatic"}, "schema"},
		{Config{Name: "moons", Schema: SchemaAuto}, "schema is set, but the data are synthetic"},
		{auto(Config{Standardize: StandardizeColumns}), "standardize is set"},
		{auto(Config{Label: "sex"}), "label is set"},
		{auto(Config{Context: []string{"age"}}), "context is set"},
		{auto(Config{Kinds: map[string]string{"agee": "integer"}}), "kinds"},
		{auto(Config{Transforms: map[string]string{"age": "logg"}}), "did you mean"},
		{auto(Config{Transforms: map[string]string{"sex": "log"}}), "a transform is for numbers"},
		{auto(Config{Columns: []string{"country"}}), "no column is left to learn"},
		{auto(Config{Val: new(40.0), Test: new(30.0)}), "leaves none to train on"},
		{Config{Path: "a.csv", Exclude: []string{"q"}}, `no column "q" to leave out`},
	} {
		if _, err := c.c.Open(dir, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.c, err, c.want)
		}
	}
	got := mustOpen(t, Config{Path: "a.csv", Exclude: strings.Fields("sex city size since country age")}, dir, 1)
	if want := []string{"id", "income"}; !slices.Equal(got.Columns, want) {
		t.Errorf("columns %q; want %q", got.Columns, want)
	}
	d, err := auto(Config{Transforms: map[string]string{"income": "quantile"}}).Describe(dir)
	if err != nil || !d.Header || d.Schema.Columns[1].Code.Transform != "quantile" {
		t.Errorf("%+v, %v", d, err)
	}
}
