package experiment

import (
	"regexp"
	"strings"
	"testing"
)

func TestFiguresAreWrittenWithTheDigitsThatMatter(t *testing.T) {
	for _, c := range []struct {
		s    summary
		want string
	}{
		{summary{}, "–"},
		{summary{mean: 0.12345, std: 0.0123, n: 5}, "0.123 ± 0.012"},
		{summary{mean: 12.345, std: 1.234, n: 5}, "12.3 ± 1.2"},
		{summary{mean: 12345, std: 123, n: 5}, "12345 ± 123"},
		{summary{mean: 0.00001234, std: 0.000001, n: 5}, "1.23e-05 ± 1.00e-06"},
		{summary{mean: 1.234e15, std: 2e15, n: 5}, "1.23e+15 ± 2.00e+15"},
		{summary{mean: 6.6e25, n: 1}, "6.60e+25"},
		{summary{mean: 4000000, n: 5}, "4000000"},
		{summary{mean: -0.001, std: 0.5, n: 5}, "-0.001 ± 0.500"},
		{summary{mean: 56, n: 5}, "56"},
		{summary{mean: 1.5, n: 1}, "1.50"},
		{summary{mean: 0, n: 5}, "0"},
	} {
		if got := (Table{}).format(c.s); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.s, got, c.want)
		}
	}
}

// A grid of one's own without tables has a page with the figures all the same.
func TestAPageWithoutTablesShowsWhatWasMeasured(t *testing.T) {
	g := Grid{Title: "Mine", Seeds: []uint64{1}, Tasks: []Variant{{Name: "moons"}}, Methods: []Variant{{Name: "FM"}}}
	for _, c := range []struct {
		values map[string]float64
		want   string
	}{
		{map[string]float64{"nll": 2.5, "w2": 0.25, "w2_data": 0.125, "seconds": 3, "threads": 2, "weights": 9},
			"# Mine\n\n```sh\nflowmatch experiment mine.yaml\n```\n\nWritten on .*\n\n## What was measured\n\n" +
				`\| method \| nll \| w2 \| seconds \|\n\| --- \| ---: \| ---: \| ---: \|\n` +
				`\| FM \| 2.50 \| 0.250 \| 3 \|\n\| data to data \| – \| 0.125 \| – \|\n$`},
		{map[string]float64{"error": 0.5, "seconds": 3},
			`\| method \| error \| seconds \|\n.*\n\| FM \| 0.500 \| 3 \|\n$`},
	} {
		var b strings.Builder
		results := []Result{{Task: "moons", Method: "FM", Seed: 1, Values: c.values},
			{Task: "moons", Method: "FM", Seed: 1, Trial: true, Values: map[string]float64{"fid": 1}}}
		if err := (Page{Name: "mine", Command: "flowmatch experiment mine.yaml"}).Write(&b, g, results); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(c.want).MatchString(b.String()) {
			t.Errorf("page\n%s\nwant\n%s", b.String(), c.want)
		}
	}
}
