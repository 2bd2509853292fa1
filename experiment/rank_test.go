package experiment

import (
	"slices"
	"strings"
	"testing"
)

// A mean leads alone only if the others are above it by more than its spread; where all are as
// good, or nothing is known of the spread, none leads.
func TestLeadersAreThoseWithinTheSpread(t *testing.T) {
	of := map[string]summary{
		"best": {mean: 1, std: 0.1, n: 3}, "near": {mean: 1.05, std: 0.01, n: 3},
		"far":     {mean: 1.2, std: 0.1, n: 3},
		"doubted": {mean: 0.1, std: 0.1, n: 3, doubts: 1}, "once": {mean: 0.5, n: 1}, "wild": {mean: 9, std: 20, n: 3},
		"same": {mean: 2, n: 2},
		"more": {mean: 3, n: 2}, "absent": {},
	}
	for _, c := range []struct {
		names, want []string
	}{
		{[]string{"far", "near", "best"}, []string{"near", "best"}},
		{[]string{"far", "best"}, []string{"best"}},
		{[]string{"near", "best"}, nil},
		{[]string{"wild", "best"}, []string{"best"}},
		{[]string{"doubted", "far", "best"}, []string{"best"}},
		{[]string{"once", "best"}, nil},
		{[]string{"same", "more"}, []string{"same"}},
		{[]string{"absent", "best"}, nil},
		{nil, nil},
	} {
		if got := leaders(c.names, func(name string) summary { return of[name] }); !slices.Equal(got, c.want) {
			t.Errorf("of %v: %v, want %v", c.names, got, c.want)
		}
	}
	for want, names := range map[string][]string{
		"": nil, "a": {"a"}, "a and b": {"a", "b"}, "a, b and c": {"a", "b", "c"}, "a, x; b and c": {"a, x", "b", "c"},
	} {
		if got := list(names); got != want {
			t.Errorf("the list of %q reads %q, want %q", names, got, want)
		}
	}
}

// With a finding the page begins with it and the picture that leads, and ends with how it was
// measured; words follow the figures.
func TestAPageBeginsWithItsFinding(t *testing.T) {
	g := Grid{
		Title: "Mine", Seeds: []uint64{1, 2}, Tasks: []Variant{{Name: "moons"}},
		Methods: []Variant{{Name: "FM"}, {Name: "CNF"}}, Measure: []string{"samples"}, Question: "Which?",
		Finding: `The lowest: {{with best "moons" "w2"}}{{.}}{{else}}none{{end}}.` +
			`{{if less "moons" "FM" "CNF" "w2"}} FM wins.{{end}}`,
		Tables: []Table{{Title: "W2", Value: "w2", Less: true}},
		Pictures: []Picture{{Kind: "samples", File: "a", Caption: "A."},
			{Kind: kindDots, File: "b", Caption: "B.", Lead: true}},
	}
	results := func(cnf float64) (all []Result) {
		for seed := range uint64(2) {
			for m, v := range map[string]float64{"FM": 1, "CNF": cnf} {
				all = append(all, Result{Task: "moons", Method: m, Seed: seed + 1, Values: map[string]float64{
					"w2": v + 0.1*float64(seed)}})
			}
		}
		return all
	}
	p := Page{Name: "mine", Pictures: map[string]Drawn{"a": {File: "a.png"}, "b": {File: "b.png"}}}
	for _, c := range []struct {
		cnf  float64
		want []string // in this order
	}{
		{2, []string{"**The lowest: FM. FM wins.**", "![B.](b.png)", "## W2", "| FM | **1.05",
			"| CNF | 2.05", "![A.](a.png)", "## How it was measured", "Which?", "Bold: the lowest mean"}},
		{1.01, []string{"**The lowest: none.**", "## W2", "| FM | 1.05", "| CNF | 1.06"}},
	} {
		var b strings.Builder
		if err := p.Write(&b, g, results(c.cnf)); err != nil {
			t.Fatal(err)
		}
		rest := b.String()
		for _, want := range c.want {
			_, after, found := strings.Cut(rest, want)
			if !found {
				t.Fatalf("%q is not there, or not in its place, of\n%s", want, b.String())
			}
			rest = after
		}
	}
}

// A row has a dot for each value, with the spread; methods without figures have no row.
func TestDotsAreTheMeansOfValues(t *testing.T) {
	results := []Result{
		{Task: "a", Method: "m", Seed: 1, Values: map[string]float64{"w2_1": 1, "w2_2": 4}},
		{Task: "a", Method: "m", Seed: 2, Values: map[string]float64{"w2_1": 3}},
	}
	p := Picture{Kind: kindDots, Tasks: []string{"a"}, Methods: []string{"m", "n"}, Curves: []string{"w2_1", "w2_2"}}
	got := p.dots(results, "a", "m")
	if len(got) != 2 || got[0].X != 2 ||
		got[0].SD < 1.41 || got[0].SD > 1.42 || got[1].X != 4 || got[0].Name != "w2 1" {
		t.Errorf("dots %+v", got)
	}
	var b strings.Builder
	if err := p.drawDots(&b, results); err != nil || !strings.HasPrefix(b.String(), "\x89PNG") {
		t.Errorf("drawn: %v", err)
	}
	if err := p.drawDots(&b, nil); err == nil {
		t.Error("nothing was drawn without an error")
	}
}
