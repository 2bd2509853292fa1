package schema

import (
	"math"
	"testing"
)

func TestDatesAreDrawnAsYearsOrHours(t *testing.T) {
	for _, c := range []struct {
		layout, text string
		at           float64
		unit         string
	}{
		{"2006-01-02", "1970-01-01", 1970, "year"}, {"2006-01-02", "2024-07-02", 2024.5, "year"},
		{"2006-01", "1999-07", 1999.5, "year"}, {"15:04", "18:30", 18.5, "hour"},
		{"15:04:05.000", "00:30:00.000", 0.5, "hour"},
	} {
		col := Column{Kind: Date, Format: Format{Layout: c.layout}}
		v, ok := col.Format.parseDate(c.text)
		if at, unit := col.Axis(v); !ok || math.Abs(at-c.at) > 0.003 || unit != c.unit {
			t.Errorf("%s: %g %s, want %g %s", c.text, at, unit, c.at, c.unit)
		}
	}
}
