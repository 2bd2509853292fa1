package experiment

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/plot"
)

// kindRows is the kind of a picture of columns of rows.
const kindRows = "rows"

// drawRows draws one or two columns of the data and of the samples of each method, and says which it cannot.
func (p Picture) drawRows(w io.Writer, g Grid, cells []Cell, results []Result) (missing []string, err error) {
	shown, missing := p.cells(g, cells, results)
	var panels []plot.Panel
	for _, c := range shown {
		if !c.Tabular.does(taskSamples) || c.Tabular.Model == modelData {
			continue
		}
		d, err := c.divide()
		if err != nil {
			return missing, err
		}
		if panels == nil {
			panels = append(panels, plot.Panel{Title: "data", Points: d.points(d.rows, p.Columns)})
		}
		x, _, _, err := d.readRows(filepath.Join(c.Dir, tableSamplesFile))
		if err != nil {
			missing = append(missing, fmt.Sprintf("method %s: %s", c.Method, choice.Spoken(err)))
			continue
		}
		panels = append(panels, plot.Panel{Title: c.Method, Points: d.points(x, p.Columns)})
	}
	if len(panels) < 2 {
		return missing, errEmpty
	}
	return missing, plot.Samples(w, panels, plot.Options{Names: p.Columns, DPI: galleryDPI})
}

// points are columns of the rows in which all of them are there.
func (d *division) points(x flow.Batch, columns []string) flow.Batch {
	names, places := d.schema.Names(), make([]int, len(columns))
	for k, name := range columns {
		places[k] = slices.Index(names, name)
	}
	out := flow.Batch{D: len(columns)}
	for i := range x.N {
		var row []float64
		for _, k := range places {
			if v := x.Row(i)[k]; !math.IsNaN(v) {
				row = append(row, v)
			}
		}
		if len(row) == out.D {
			out.N, out.X = out.N+1, append(out.X, row...)
		}
	}
	return out
}
