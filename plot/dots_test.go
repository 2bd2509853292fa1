package plot_test

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"flowmatch/plot"
)

// A dot stands where its value is, and rows stand in the order of their names.
func TestDotsStandAtTheirValues(t *testing.T) {
	img := draw(t, func(w io.Writer) error {
		return plot.DotPlot(w, []string{"FM", "torchcfm"}, []plot.DotPanel{{Rows: [][]plot.Dot{
			{{X: 1}}, {{X: 9}}}}},
			plot.DotOptions{LinearX: true, Options: plot.Options{Limits: plot.Limits{XMax: 10, YMax: 1}}})
	})
	half := img.Bounds().Dx() / 2
	xb, yb, nb := centre(img, isBlue)
	if nb == 0 || xb > float64(half) || yb > float64(img.Bounds().Dy())/2 {
		t.Errorf("the dot of 1 in the first row is around (%.0f, %.0f)", xb, yb)
	}
}

func TestDotPlotRefuses(t *testing.T) {
	panel := func(row ...plot.Dot) []plot.DotPanel { return []plot.DotPanel{{Rows: [][]plot.Dot{row}}} }
	one := panel(plot.Dot{X: 1})
	for name, c := range map[string]struct {
		rows   []string
		panels []plot.DotPanel
		o      plot.DotOptions
		is     error
		want   string
	}{
		"no rows":     {nil, nil, plot.DotOptions{}, plot.ErrEmpty, "0 rows"},
		"no dots":     {[]string{"a"}, panel(), plot.DotOptions{}, plot.ErrEmpty, "no row has a dot"},
		"other rows":  {[]string{"a", "b"}, one, plot.DotOptions{}, plot.ErrShape, "1 rows for 2 names"},
		"not finite":  {[]string{"a"}, panel(plot.Dot{X: math.NaN()}), plot.DotOptions{}, plot.ErrOptions, `row "a"`},
		"not above 0": {[]string{"a"}, panel(plot.Dot{}), plot.DotOptions{}, plot.ErrOptions, "logarithmic"},
		"a level": {[]string{"a"}, []plot.DotPanel{{Rows: one[0].Rows, Lines: []plot.Floor{{Name: "l", Y: -1}}}},
			plot.DotOptions{}, plot.ErrOptions, `level "l"`},
		"limits": {[]string{"a"}, one, plot.DotOptions{Options: plot.Options{
			Limits: plot.Limits{XMin: -1, XMax: 1, YMin: 0, YMax: 1}}}, plot.ErrOptions, "want them above 0"},
	} {
		err := plot.DotPlot(io.Discard, c.rows, c.panels, c.o)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}
