package plot

import (
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
)

// Row is one row of a Gallery: a name and its panels.
type Row struct {
	Name   string
	Panels []Panel
}

// Gallery writes a picture of sets of points of the plane, a panel each, in rows: say a
// row for each method and a column for each moment. All panels have the same limits; only one
// that would leave more than a fiftieth of its points outside is wider, and says how much.
// All rows have as many panels. The titles of the first row head the columns.
// Each row has the colour of its name, which is that of the method in other pictures too.
// Size 0 means 1.5.
func Gallery(w io.Writer, rows []Row, o Options) error {
	o, err := o.resolve(1.5, 160)
	if err != nil {
		return err
	}
	if len(rows) == 0 || len(rows[0].Panels) == 0 {
		return fmt.Errorf("plot: gallery: %w: no panels", ErrEmpty)
	}
	var all []flow.Batch
	flat, names, titled, most := make([][]flow.Batch, len(rows)), make([]string, len(rows)), false, 0
	for r, row := range rows {
		names[r] = row.Name
		if len(row.Panels) != len(rows[0].Panels) {
			return fmt.Errorf("plot: gallery: %w: row %d %q has %d panels, the first has %d", ErrShape, r, row.Name,
				len(row.Panels), len(rows[0].Panels))
		}
		for k, p := range row.Panels {
			xy, err := o.plane(fmt.Sprintf("row %d %q, panel %d %q", r, row.Name, k, p.Title), p.Points)
			if err != nil {
				return err
			}
			flat[r], all = append(flat[r], xy), append(all, xy)
			titled, most = titled || r == 0 && p.Title != "", max(most, p.Points.N)
		}
	}
	wide, high, lim := o.panel(o.fit(all...))
	i, j := o.columns(rows[0].Panels[0].Points.D)
	looks := looks(names)
	f := newFigure(o, layout{
		rows: len(rows), cols: len(rows[0].Panels), w: wide, h: high, gap: 5,
		title: o.Title, panelTitle: titled, rowNames: names,
		xNames: slices.Repeat([]string{o.name(i)}, len(rows[0].Panels)),
		yNames: slices.Repeat([]string{o.name(j)}, len(rows)),
		lim:    func(int, int) Limits { return lim },
	})
	for r, row := range rows {
		f.galleryRow(r, row, flat[r], looks[r], o.heat(most))
	}
	return f.encode(w)
}

// galleryRow draws the points of row r.
func (f *figure) galleryRow(r int, row Row, flat []flow.Batch, l look, heat bool) {
	wider := make([]string, len(row.Panels))
	for k := range row.Panels {
		a := &f.panels[r][k]
		a.lim, wider[k] = a.lim.widen(flat[k])
	}
	if heat {
		f.heatRow(r, flat)
	}
	for k, p := range row.Panels {
		a := f.panels[r][k]
		if !heat {
			sets, colors := classes(flat[k], p.Labels, l.color)
			f.dots(a, sets, colors)
		}
		title := ""
		if r == 0 {
			title = p.Title
		}
		f.frame(r, k, title, edge{left: k == 0, bottom: r == len(f.panels)-1})
		if wider[k] != "" {
			f.note(a, wider[k], noteColor(heat))
		} else {
			f.outside(a, flat[k], heat)
		}
	}
}

// mostOutside is the share of points beyond which a panel gets limits of its own.
const mostOutside = 0.02

// widen returns limits around the same middle that hold nearly all points, and how many times
// wider they are; "" where they need not be.
func (l Limits) widen(xy flow.Batch) (Limits, string) {
	cx, cy := (l.XMin+l.XMax)/2, (l.YMin+l.YMax)/2
	hx, hy := (l.XMax-l.XMin)/2, (l.YMax-l.YMin)/2
	far := make([]float64, xy.N) // how many times too wide the point is
	for i := range far {
		far[i] = max(math.Abs(xy.X[2*i]-cx)/hx, math.Abs(xy.X[2*i+1]-cy)/hy)
	}
	slices.Sort(far)
	if quantile(far, 1-mostOutside) <= 1 {
		return l, ""
	}
	times := math.Ceil(1.05 * quantile(far, 0.998))
	l = Limits{cx - times*hx, cx + times*hx, cy - times*hy, cy + times*hy}
	return l, fmt.Sprintf("axes %.0f times wider", times)
}
