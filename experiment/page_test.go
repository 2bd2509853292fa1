package experiment

import "testing"

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
