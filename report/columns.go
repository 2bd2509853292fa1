package report

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/plot"
)

// Columns whose marginals are drawn, levels of one that have a bar, and columns of a matrix.
const columnsShown, levelsShown, matrixShown = 60, 15, 60

// column is a column of a table with the picture of its marginals.
type column struct {
	picture
	Name  string
	Facts []string
}

// columns returns those of a table, with pictures.
func columns(ctx context.Context, m *eval.Marginals) (all []column) {
	for k, v := range m.Columns {
		c := column{Name: v.Name}
		if v.W1 != nil {
			c.Facts = append(c.Facts, "W1 "+Decimals(*v.W1)+" standard deviations")
		}
		if v.TV != nil {
			c.Facts = append(c.Facts, "total variation "+Decimals(*v.TV))
		}
		if v.Missing+v.SamplesMissing > 0 {
			c.Facts = append(c.Facts, fmt.Sprintf("missing: %s of the data, %s of samples", percent(v.Missing),
				percent(v.SamplesMissing)))
		}
		if k < columnsShown {
			c.picture = marginal(ctx, m, k)
		} else {
			c.Failed = fmt.Sprintf("no picture: those of the first %d columns are drawn", columnsShown)
		}
		all = append(all, c)
	}
	return all
}

// marginal draws the marginals of column k: bars of levels and of few numbers, else histograms.
func marginal(ctx context.Context, m *eval.Marginals, k int) picture {
	col := m.Data.Columns[k]
	sets := []plot.Panel{{Title: "data", Points: present(m.Data.X, k)},
		{Title: "samples", Points: present(m.Samples.X, k)}}
	sets = slices.DeleteFunc(sets, func(p plot.Panel) bool { return p.Points.N == 0 })
	if len(sets) == 0 {
		return picture{Failed: "every value is missing"}
	}
	values := slices.Compact(slices.Sorted(slices.Values(together(sets))))
	if len(col.Levels) > 0 || len(values) <= levelsShown && whole(values) && col.Axis == nil {
		return draw(ctx, "", "", func(w io.Writer, dark bool) error { return bars(w, col, sets, values, look(dark)) })
	}
	name := short(col.Name)
	for _, s := range sets {
		for i, v := range s.Points.X {
			if col.Axis != nil {
				s.Points.X[i], name = col.Axis(v)
			}
		}
	}
	return draw(ctx, "", "", func(w io.Writer, dark bool) error {
		o := look(dark)
		o.Size, o.Names = 2.2, []string{name}
		return plot.Samples(w, sets, o)
	})
}

// together returns the numbers of all sets.
func together(sets []plot.Panel) (v []float64) {
	for _, s := range sets {
		v = append(v, s.Points.X...)
	}
	return v
}

// whole says whether all numbers are.
func whole(v []float64) bool {
	return !slices.ContainsFunc(v, func(v float64) bool { return v != math.Trunc(v) })
}

// bars draws how often each value is: levels without an order by how often they are in the first set, the rest of
// them together.
func bars(w io.Writer, col eval.Column, sets []plot.Panel, values []float64, o plot.Options) error {
	share := func(of plot.Panel, v float64) float64 {
		n := 0
		for _, u := range of.Points.X {
			if u == v {
				n++
			}
		}
		return float64(n) / float64(of.Points.N)
	}
	values = slices.Clone(values)
	if len(col.Levels) > 0 && !col.Ordered {
		count := map[float64]int{} // of up to as many levels as there are rows
		for _, v := range sets[0].Points.X {
			count[v]++
		}
		slices.SortStableFunc(values, func(a, b float64) int { return -cmp.Compare(count[a], count[b]) })
	}
	shown := values
	if len(values) > levelsShown {
		shown = values[:levelsShown-1]
	}
	var names []string
	for _, v := range shown {
		name := fmt.Sprint(v)
		if len(col.Levels) > 0 {
			name = col.Levels[int(v)]
		}
		names = append(names, short(name))
	}
	rest := len(values) - len(shown)
	if rest > 0 {
		names = append(names, fmt.Sprintf("%d others", rest))
	}
	var all []plot.Bars
	for _, s := range sets {
		b, sum := plot.Bars{Name: s.Title}, 0.0
		for _, v := range shown {
			b.Values = append(b.Values, share(s, v))
			sum += b.Values[len(b.Values)-1]
		}
		if rest > 0 {
			b.Values = append(b.Values, max(0, 1-sum))
		}
		all = append(all, b)
	}
	o.Size = 1.8
	return plot.BarChart(w, names, all, "share of the values that are there", o)
}

// short cuts a name so that a picture has room for it.
func short(name string) string {
	const most = 22
	name = strings.Join(strings.Fields(name), " ")
	if r := []rune(name); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return name
}

// matrices draws the correlations of data and samples, and their difference.
func matrices(ctx context.Context, c *eval.Correlations) (all []picture) {
	n := min(len(c.Names), matrixShown)
	if n < 2 {
		return nil
	}
	var names []string
	for _, name := range c.Names[:n] {
		names = append(names, short(name))
	}
	data, samples := square(c.Data, n), square(c.Samples, n)
	difference := flow.NewBatch(n, n)
	top := 0.05 // less is hardly worth a colour
	for i := range difference.X {
		difference.X[i] = samples.X[i] - data.X[i]
		if d := math.Abs(difference.X[i]); d > top { // never of NaN
			top = d
		}
	}
	text := ""
	if n < len(c.Names) {
		text = fmt.Sprintf("of the first %d of %d columns", n, len(c.Names))
	}
	for _, m := range []struct {
		title string
		of    flow.Batch
		top   float64
	}{{"Data", data, 1}, {"Samples", samples, 1}, {"Samples less data", difference, top}} {
		all = append(all, draw(ctx, m.title, text, func(w io.Writer, dark bool) error {
			return plot.Matrix(w, names, m.of, m.top, look(dark))
		}))
	}
	return all
}

// square returns the first n rows and columns of associations, with NaN for those that are not defined.
func square(m [][]*float64, n int) flow.Batch {
	out := flow.NewBatch(n, n)
	for i := range n {
		for j := range n {
			if out.Row(i)[j] = math.NaN(); m[i][j] != nil {
				out.Row(i)[j] = *m[i][j]
			}
		}
	}
	return out
}
