package experiment

import "testing"

func TestFiguresAreWrittenWithTheDigitsThatMatter(t *testing.T) {
	for _, c := range []struct {
		s    stat
		want string
	}{
		{stat{}, "–"},
		{stat{mean: 0.12345, std: 0.0123, n: 5}, "0.123 ± 0.012"},
		{stat{mean: 12.345, std: 1.234, n: 5}, "12.3 ± 1.2"},
		{stat{mean: 12345, std: 123, n: 5}, "12345 ± 123"},
		{stat{mean: 0.00001234, std: 0.000001, n: 5}, "1.23e-05 ± 1.00e-06"},
		{stat{mean: -0.001, std: 0.5, n: 5}, "-0.001 ± 0.500"},
		{stat{mean: 56, n: 5}, "56"},
		{stat{mean: 1.5, n: 1}, "1.50"},
		{stat{mean: 0, n: 5}, "0"},
	} {
		if got := (Table{}).format(c.s); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.s, got, c.want)
		}
	}
}
