package experiment

import (
	"errors"
	"strings"
	"testing"
)

// Refused tests that a grid is refused, with these words, once new is in the place of the
// first old.
func Refused(t *testing.T, grid, old, new, want string) {
	t.Helper()
	text := strings.Replace(grid, old, new, 1)
	if text == grid {
		t.Fatalf("the grid has no %q", old)
	}
	g, err := Parse([]byte(text))
	if err == nil {
		_, err = g.Plan(t.TempDir(), nil)
	}
	if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrGrid) {
		t.Errorf("%q in place of %q: got %v, want an error with %q", new, old, err, want)
	}
}

// AllKnown tests that the names of what was measured are those that tables may show.
func AllKnown(t *testing.T, g Grid, results []Result) {
	t.Helper()
	for _, r := range results {
		for name := range r.Values {
			if err := g.values().check(name); err != nil {
				t.Errorf("%s was measured, and a table cannot show it: %v", name, err)
			}
		}
		for name := range r.Curves {
			if err := g.curves().check(name); err != nil {
				t.Errorf("%s was measured, and a picture cannot show it: %v", name, err)
			}
		}
	}
}
