package schema

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestRowsOfJSONAreThoseOfTexts: numbers are numbers whatever the format of the file.
func TestRowsOfJSONAreThoseOfTexts(t *testing.T) {
	s, faults, err := Infer(cellsOf(
		repeat("price", 40, "1.234,50", "12,25", "7,00"), repeat("city", 40, "Bern", "Oslo", "Rome", "NA"),
		repeat("since", 40, "2024-01-02", "2023-05-06"), repeat("grade", 40, "1", "2", "3"),
		repeat("old", 40, "True", "False"),
	), Options{Kinds: map[string]string{"grade": "ordered"}})
	if err != nil || faults != nil {
		t.Fatal(err, faults)
	}
	rows := []map[string]any{
		{"price": 12.25, "city": "Oslo", "since": "2024-01-02", "grade": 2.0, "old": true},
		{"price": "12,25", "city": nil, "since": "2023-05-06", "grade": json.Number("3"), "old": "False", "more": 1},
		{},
	}
	x, faults, odd := s.ParseValues(rows)
	if faults != nil || odd != nil {
		t.Fatal(faults, odd)
	}
	texts, _, _ := s.ParseSome(cellsOf([]string{"price", "12,25", "12,25", ""}, []string{"city", "Oslo", "", ""},
		[]string{"since", "2024-01-02", "2023-05-06", ""}, []string{"grade", "2", "3", ""},
		[]string{"old", "True", "False", ""}))
	same := func(a, b float64) bool { return a == b || a != a && b != b }
	if !slices.EqualFunc(x.X, texts.X, same) {
		t.Errorf("%v, of texts %v", x.X, texts.X)
	}
	for _, c := range []struct {
		row  map[string]any
		want string
	}{
		{map[string]any{"price": "cheap"}, "is no number"},
		{map[string]any{"price": math.Inf(1)}, "no finite number"},
		{map[string]any{"price": []any{1.0}}, "neither a number nor a text"},
		{map[string]any{"price": true}, "neither a number nor a text"},
		{map[string]any{"since": 2024.0}, `such as "2023-05-06"`},
		{map[string]any{"city": "Rom"}, `did you mean "Rome"`},
		{map[string]any{"grade": 7.0}, "none of the levels"},
		{map[string]any{"price": json.Number("1e999")}, "no finite number"},
	} {
		if _, faults, _ := s.ParseValues([]map[string]any{c.row}); len(faults) != 1 ||
			!strings.Contains(faults[0].Problem, c.want) {
			t.Errorf("%v: %+v; want %q", c.row, faults, c.want)
		}
	}
	if x, _, odd := s.ParseValues([]map[string]any{{"price": 9999.0}}); len(odd) != 1 || x.X[0] != 1234.5 {
		t.Errorf("a price out of range: %v, %v", x.X, odd)
	}
	// Of a whole row only what the data lack may be missing.
	if _, faults := s.ParseWhole(rows[:2]); faults != nil {
		t.Error(faults)
	}
	_, faults = s.ParseWhole(rows[2:])
	if len(faults) != 4 || !strings.Contains(faults[0].Problem, "there is no value") {
		t.Errorf("an empty row: %+v", faults)
	}
}
