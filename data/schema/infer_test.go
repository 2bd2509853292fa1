package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// cellsOf returns the cells of columns, each of a name and its texts.
func cellsOf(columns ...[]string) Cells {
	c := Cells{Rows: len(columns[0]) - 1, Delimiter: ","}
	for _, texts := range columns {
		var t Texts
		for _, text := range texts[1:] {
			t.Add(text)
		}
		c.Names, c.Columns = append(c.Names, texts[0]), append(c.Columns, t)
	}
	return c
}

// repeat returns a column of n texts, those given in turn.
func repeat(name string, n int, texts ...string) []string {
	out := []string{name}
	for i := range n {
		out = append(out, texts[i%len(texts)])
	}
	return out
}

// count returns a column of the texts of 0 to n-1 in a format.
func count(name, format string, n int) []string {
	out := []string{name}
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

func TestKindsOfColumnsAreFound(t *testing.T) {
	shuffled := []string{"customer_id"}
	for i := range 40 {
		shuffled = append(shuffled, fmt.Sprint(1000+i*17%40))
	}
	for _, c := range []struct {
		column []string
		want   Column // of what is compared: Kind, Levels, Lo, Hi, Step, Values, Missing, Marker, Value
	}{
		{repeat("x", 40, "1.5", "-2.25", "3"), Column{Kind: Real, Lo: -2.25, Hi: 3, Step: 0.75}},
		{repeat("x", 40, "1e3", "2.5", "7"), Column{Kind: Real, Lo: 2.5, Hi: 1000, Values: []float64{2.5, 7, 1000}}},
		{repeat("n", 40, "3", "7", "13", "NA"),
			Column{Kind: Integer, Lo: 3, Hi: 13, Step: 2, Missing: 10, Marker: "NA"}},
		{repeat("mass", 40, "2700.0", "3750.0", "3775.0"), Column{Kind: Integer, Lo: 2700, Hi: 3775, Step: 25}},
		{repeat("price", 40, "1,234", "12,345,678", "99"), Column{Kind: Integer, Lo: 99, Hi: 12345678,
			Values: []float64{99, 1234, 12345678}}},
		{repeat("price", 40, "1.234,50", "12,25", "7"), Column{Kind: Real, Lo: 7, Hi: 1234.5,
			Values: []float64{7, 12.25, 1234.5}}},
		{repeat("price", 40, "$1,200", "-$5", "$70"), Column{Kind: Integer, Lo: -5, Hi: 1200,
			Values: []float64{-5, 70, 1200}}},
		{repeat("share", 40, "45%", "7.5%", "100%"), Column{Kind: Real, Lo: 7.5, Hi: 100, Step: 2.5}},
		{repeat("b", 40, "0", "1"), Column{Kind: Binary, Levels: []string{"0", "1"}}},
		{repeat("b", 40, "True", "False"), Column{Kind: Binary, Levels: []string{"False", "True"}}},
		{repeat("b", 39, "0", "1", "NA"),
			Column{Kind: Binary, Levels: []string{"0", "1"}, Missing: 13, Marker: "NA"}},
		{repeat("b", 40, "yes", "no", ""), Column{Kind: Binary, Levels: []string{"no", "yes"}, Missing: 13}},
		{repeat("g", 40, "b", "a", "rare", "a"), Column{Kind: Category, Levels: []string{"a", "b", "rare"}}},
		{repeat("g", 40, "X", "null"), Column{Kind: Category, Levels: []string{"X"}, Missing: 20, Marker: "null"}},
		{repeat("o", 40, "high", "Low", "medium"),
			Column{Kind: Ordered, Levels: []string{"Low", "medium", "high"}, Hi: 2, Step: 1}},
		{repeat("d", 40, "2024-01-02", "2024-01-09"),
			Column{Kind: Date, Lo: 1704153600, Hi: 1704758400, Step: 604800}},
		{repeat("d", 40, "31.12.1999", "01.01.2000"), Column{Kind: Date, Lo: 946598400, Hi: 946684800, Step: 86400}},
		{repeat("d", 40, "2024-01", "2023-11"), Column{Kind: Date, Lo: 646, Hi: 648, Step: 2}},
		{repeat("t", 40, "2024-01-02T03:04:05Z", "2024-01-02T04:04:05+01:00"), Column{Kind: Date, Lo: 1704164645,
			Hi: 1704164645}},
		{count("row", "%d", 40), Column{Kind: Identifier}},
		{shuffled, Column{Kind: Identifier}},
		{repeat("zip", 40, "01234", "90210", "345"), Column{Kind: Category, Levels: []string{"345", "01234", "90210"}}},
		{repeat("date", 40, "01.02.2020", "03.02.2020", "05.02.2020"),
			Column{Kind: Date, Lo: 1580515200, Hi: 1580860800, Step: 172800}},
		{repeat("ymd", 40, "20240131", "20240206", "20240207", "20240213", "20240227"),
			Column{Kind: Date, Lo: 1706659200, Hi: 1708992000, Step: 86400}},
		{repeat("part", 40, "20240131", "20240206", "20240207", "20240213", "20240232"),
			Column{Kind: Integer, Lo: 20240131, Hi: 20240232, Step: 1}},
		{count("name", "person %d", 40), Column{Kind: Identifier}},
		{repeat("c", 40, "same"), Column{Kind: Constant, Value: "same"}},
		{repeat("c", 40, "", "NA", ""), Column{Kind: Constant, Value: "", Missing: 40}},
	} {
		s, faults, err := Infer(cellsOf(c.column), Options{})
		if err != nil || len(faults) > 0 {
			t.Errorf("%s: %v, %v", c.column[:4], faults, err)
			continue
		}
		got := s.Columns[0]
		got.Name, got.Format, got.Note = "", Format{}, ""
		if c.want.Missing > 0 && c.want.Marker == "" {
			got.Marker = ""
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v; want %+v", c.column[:4], got, c.want)
		}
	}
}

func TestDatesWrittenInSeveralWaysAreTold(t *testing.T) {
	for _, c := range []struct {
		texts []string
		want  bool
	}{
		{[]string{"2024-01-02", "03/04/2024", "2024-05-06"}, true},
		{[]string{"2 Jan 2006", "2006-01-02", ""}, true},
		{[]string{"31/12/1999", "12/31/1999"}, true}, // days and months change places
		{[]string{"2024-01-02", "03/04/2024", "never"}, false},
		{[]string{"Adelie", "Gentoo", "Chinstrap"}, false},
	} {
		s, faults, err := Infer(cellsOf(repeat("when", 40, c.texts...)), Options{})
		if err != nil || len(faults) > 0 {
			t.Errorf("%q: %v, %v", c.texts, faults, err)
			continue
		}
		if got := strings.Contains(s.Columns[0].Note, "dates written in several ways"); got != c.want {
			t.Errorf("%q: note %q; want one of dates: %t", c.texts, s.Columns[0].Note, c.want)
		}
	}
}

// Every value that is read is written as it was.
func TestValuesAreWrittenAsTheyWereRead(t *testing.T) {
	for _, texts := range [][]string{
		{"39.1", "18.7", "40.0"}, {"1,234", "12,345,678", "-99"}, {"1.234,50", "12,25", "-7,00"},
		{"$1,200", "-$5", "$70"},
		{"45%", "7.5%", "100%"}, {"0.0001", "12", "1.5"}, {"1e-07", "2.5", "1e+30"}, {"1.25e+300", "-2.5e-10"},
		{"12 345", "7", "1 000"},
		{"2024-01-31", "1969-12-31"}, {"31/12/1999", "01/02/2000"}, {"1/31/1999", "12/2/2000"}, {"2024-01", "1950-12"},
		{"2024-01-02 03:04:05.250", "2024-01-02 03:04:05.000"}, {"23:59", "00:00"}, {"5 Mar 2020", "12 Dec 2021"},
	} {
		s, faults, err := Infer(cellsOf(append([]string{"x"}, texts...)), Options{Kinds: kindFor(texts)})
		if err != nil || len(faults) > 0 {
			t.Errorf("%q: %v, %v", texts, faults, err)
			continue
		}
		c := s.Columns[0]
		for _, text := range texts {
			v, problem := c.value(text)
			if got := c.write(v); got != text || problem != "" {
				t.Errorf("%q (%+v): %q is written as %q (%s)", texts, c.Format, text, got, problem)
			}
		}
	}
}

// kindFor says that two texts are not two levels.
func kindFor(texts []string) map[string]string {
	first := texts[0]
	if strings.ContainsAny(first, "-/:") && !strings.ContainsAny(first, "e%$") || strings.Contains(first, "Mar") {
		return map[string]string{"x": string(Date)}
	}
	return map[string]string{"x": string(Real)}
}

// Cells that are not what their column is are all told.
func TestFaultsAreAllFound(t *testing.T) {
	numbers := count("x", "%d.5", 97)
	numbers = append(numbers, "1.2.3", "ten", "ten")
	dates := repeat("when", 99, "2024-01-02", "2024-02-03")
	dates = append(dates, "2024-13-01")
	_, faults, err := Infer(cellsOf(numbers, dates), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		row, count int
		column     string
	}{{97, 1, "x"}, {98, 2, "x"}, {99, 1, "when"}}
	if len(faults) != len(want) {
		t.Fatalf("faults %+v", faults)
	}
	for i, w := range want {
		if f := faults[i]; f.Row != w.row || f.Count != w.count || f.Column != w.column {
			t.Errorf("fault %+v; want %+v", f, w)
		}
	}
}

// Infinite values are no levels: a column of them and numbers is one of numbers with faults.
func TestInfiniteValuesAreFaults(t *testing.T) {
	for _, text := range []string{"inf", "-Infinity", "1e400"} {
		s, faults, err := Infer(cellsOf(repeat("x", 40, "1.5", "2.25", text, "3")), Options{})
		if err != nil || len(faults) != 1 || faults[0].Row != 2 || faults[0].Count != 10 ||
			!strings.Contains(faults[0].Problem, "is not finite") {
			t.Errorf("%s: %+v, %+v, %v", text, s, faults, err)
		}
	}
}

func TestWhatIsSaidOfColumnsHolds(t *testing.T) {
	cells := cellsOf(repeat("zip", 40, "10115", "20095", "80331"), repeat("size", 40, "b", "a", "c"),
		count("row", "%d", 40), repeat("name", 40, "x", "y"))
	s, faults, err := Infer(cells, Options{
		Kinds: map[string]string{"zip": "category"}, Levels: map[string][]string{"size": {"c", "b", "a", "z"}},
		Exclude: []string{"name"},
	})
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	if got, want := s.Names(), []string{"zip", "size"}; !slices.Equal(got, want) {
		t.Errorf("learnt %q; want %q", got, want)
	}
	if c := s.Columns[1]; c.Kind != Ordered || c.Hi != 3 {
		t.Errorf("size is %+v", c)
	}
	s, _, err = Infer(cells, Options{Columns: []string{"row", "zip"}})
	if err != nil || !slices.Equal(s.Names(), []string{"zip", "row"}) {
		t.Errorf("columns that are asked for: %q, %v", s.Names(), err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Kinds: map[string]string{"zipp": "category"}}, `did you mean "zip"`},
		{Options{Kinds: map[string]string{"zip": "text"}}, "category"},
		{Options{Exclude: []string{"q"}}, "exclude"},
		{Options{Exclude: []string{"zip"}, Columns: []string{"zip"}}, "which columns asks for"},
		{Options{Exclude: []string{"zip"}, Kinds: map[string]string{"zip": "real"}}, "in exclude"},
		{Options{Levels: map[string][]string{"size": {"a"}}}, "want 2 to"},
		{Options{Levels: map[string][]string{"size": {"a", "a"}}}, "twice"},
		{Options{Levels: map[string][]string{"zip": {"a", "b"}}, Kinds: map[string]string{"zip": "real"}}, "as real"},
	} {
		if _, _, err := Infer(cells, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.o, err, c.want)
		}
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Kinds: map[string]string{"size": "real"}}, "is no number, and kinds has the column as real"},
		{Options{Kinds: map[string]string{"size": "binary"}}, "want 2"},
		{Options{Kinds: map[string]string{"zip": "constant"}}, `"20095" is a second value, beside "10115"`},
		{Options{Kinds: map[string]string{"zip": "date"}}, "is no date"},
		{Options{Levels: map[string][]string{"size": {"a", "b"}}}, `"c" is none of the levels`},
	} {
		_, faults, err := Infer(cells, c.o)
		if err != nil || len(faults) == 0 || !strings.Contains(faults[0].Problem, c.want) {
			t.Errorf("%+v: %v, %v; want %q", c.o, faults, err, c.want)
		}
	}
}

// A schema comes back from JSON, and what it cannot be is refused.
func TestSchemasFromFilesAreChecked(t *testing.T) {
	good := func() *Schema {
		values := draws(300)["lognormal"]
		c := columnOf(values)
		c.Name = "x"
		var err error
		if c.Code, err = c.fitNumber(values, Quantile); err != nil {
			t.Fatal(err)
		}
		return &Schema{N: 300, Columns: []Column{c, {Name: "g", Kind: Category, Levels: []string{"a", "b", "c"},
			Code: &Code{Shares: []float64{0.5, 0.25, 0.25}, Unit: 2, Noise: 0.1}},
			{Name: "k", Kind: Constant, Value: "v"}}}
	}
	text, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	var back Schema
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, good()) {
		t.Fatalf("%+v comes back as %+v: %v", good(), back, err)
	}
	if err := back.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(s *Schema){
		"no columns":        func(s *Schema) { s.Columns = nil },
		"none learnt":       func(s *Schema) { s.Columns = s.Columns[2:] },
		"a kind":            func(s *Schema) { s.Columns[0].Kind = "complex" },
		"names twice":       func(s *Schema) { s.Columns[1].Name = "x" },
		"no code":           func(s *Schema) { s.Columns[1].Code = nil },
		"a share too few":   func(s *Schema) { s.Columns[1].Code.Shares = []float64{1} },
		"a share of NaN":    func(s *Schema) { s.Columns[1].Code.Shares[0] = math.NaN() },
		"no unit":           func(s *Schema) { s.Columns[1].Code.Unit = 0 },
		"a level twice":     func(s *Schema) { s.Columns[1].Levels[1] = "a" },
		"too many levels":   func(s *Schema) { s.Columns[1].Levels = make([]string, 1001) },
		"knots that fall":   func(s *Schema) { s.Columns[0].Code.Y[1] = s.Columns[0].Code.Y[0] },
		"knots of one side": func(s *Schema) { s.Columns[0].Code.Z = s.Columns[0].Code.Z[1:] },
		"no knots":          func(s *Schema) { s.Columns[0].Code.Y, s.Columns[0].Code.Z = nil, nil },
		"a transform":       func(s *Schema) { s.Columns[0].Code.Transform = "root" },
		"no scale":          func(s *Schema) { s.Columns[0].Code.Transform, s.Columns[0].Code.Scale = Standard, 0 },
		"log below 0":       func(s *Schema) { s.Columns[0].Code.Transform, s.Columns[0].Lo = Log, -1 },
		"a range":           func(s *Schema) { s.Columns[0].Lo = math.Inf(-1) },
		"a step":            func(s *Schema) { s.Columns[0].Step = -1 },
		"decimals":          func(s *Schema) { s.Columns[0].Format.Decimals = 400 },
		"a layout":          func(s *Schema) { s.Columns[0].Kind, s.Columns[0].Format.Layout = Date, "yyyy" },
		"no noise":          func(s *Schema) { s.Columns[1].Code.Noise = 0 },
		"much noise":        func(s *Schema) { s.Columns[1].Code.Noise = 0.3 },
		"noise of numbers":  func(s *Schema) { s.Columns[0].Code.Noise = 0.1 },
		"a missing share":   func(s *Schema) { s.Columns[0].Code.Missing = 1.5 },
		"missing of none":   func(s *Schema) { s.Columns[0].Code.Missing = 0.5 },
		"a delimiter":       func(s *Schema) { s.Delimiter = `"` },
		"a sign":            func(s *Schema) { s.Columns[0].Format.Prefix = "EUR" },
		"one level": func(s *Schema) {
			s.Columns[1].Levels, s.Columns[1].Code.Shares = []string{"a"}, []float64{1}
		},
		"binary of 3":                func(s *Schema) { s.Columns[1].Kind = Binary },
		"a level that is missing":    func(s *Schema) { s.Columns[1].Levels[2] = "" },
		"a level that reads as such": func(s *Schema) { s.Columns[1].Levels[0] = "NA" },
		"a name that is empty":       func(s *Schema) { s.Columns[1].Name = "" },
		"missing below 0":            func(s *Schema) { s.Columns[0].Missing = -1 },
		"a marker that is a value":   func(s *Schema) { s.Columns[0].Marker = "7" },
		"rows below 0":               func(s *Schema) { s.N = -1 },
		"more missing than rows":     func(s *Schema) { s.Columns[2].Missing, s.Columns[2].Kind = 301, Category },
		"a share below 0":            func(s *Schema) { s.Columns[1].Code.Shares = []float64{1.5, -0.25, -0.25} },
		"shares of more than 1":      func(s *Schema) { s.Columns[1].Code.Shares[0] = 0.9 },
		"levels far apart":           func(s *Schema) { s.Columns[1].Code.Unit = 1e308 },
		"levels that are not apart":  func(s *Schema) { s.Columns[1].Code.Unit = 1e-300 },
		"almost no noise":            func(s *Schema) { s.Columns[1].Code.Noise = 1e-300 },
		"a bound beyond all numbers": func(s *Schema) { s.Columns[0].Hi = 1e308 },
		"bounds beyond all numbers":  func(s *Schema) { s.Columns[0].Lo, s.Columns[0].Hi = -1e308, 1e308 },
		"a bound beyond its grid": func(s *Schema) {
			c := &s.Columns[0]
			c.Code = &Code{Transform: Log, Shift: 8, Scale: 0.2}
			c.Lo, c.Hi, c.Step = 3000, 1e308, 1
		},
		"a grid beyond its bounds": func(s *Schema) {
			c := &s.Columns[0]
			c.Code = &Code{Transform: Standard, Shift: 8, Scale: 2}
			c.Lo, c.Hi, c.Step = 3, 13, 1e9
		},
		"half of a whole number": func(s *Schema) { s.Columns[0].Kind, s.Columns[0].Lo = Integer, 0.5 },
		"a grid between whole numbers": func(s *Schema) {
			c := &s.Columns[0]
			c.Kind, c.Lo, c.Hi, c.Step = Integer, 1, 9, 0.5
		},
		"dates of no calendar": func(s *Schema) {
			c := &s.Columns[0]
			c.Kind, c.Format.Layout, c.Lo, c.Hi = Date, "2006-01-02", 0, 1e15
		},
	} {
		s := good()
		spoil(s)
		if err := s.Validate(); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
}
