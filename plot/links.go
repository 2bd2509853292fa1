package plot

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
)

// Coupled are the pairs of a coupling: row i of From goes to row i of To.
type Coupled struct {
	Title    string
	From, To flow.Batch
}

// Couplings writes a picture of pairs of points as lines, a panel for each coupling, with the
// mean squared length of the lines. All batches have the same D, of which D=2 or two
// Options.Columns are drawn; lengths are of all columns. Points of D=1 stand above one another,
// From on the left and To on the right. Options.Style is not used.
func Couplings(w io.Writer, panels []Coupled, o Options) error {
	if len(panels) == 0 {
		return fmt.Errorf("plot: couplings: %w: no panels", ErrEmpty)
	}
	opt, err := o.resolve(2.6, 160)
	if err != nil {
		return err
	}
	d := panels[0].From.D
	from, to := make([]flow.Batch, len(panels)), make([]flow.Batch, len(panels))
	for k, p := range panels {
		what := fmt.Sprintf("couplings, panel %q", p.Title)
		if p.From.N != p.To.N || p.From.D != p.To.D || p.From.D != d {
			return fmt.Errorf("plot: %s: %w: [%d, %d] and [%d, %d]; the first panel has D=%d", what, ErrShape,
				p.From.N, p.From.D, p.To.N, p.To.D, d)
		}
		if from[k], err = opt.end(what, p.From, 0); err != nil {
			return err
		}
		if to[k], err = opt.end(what, p.To, 1); err != nil {
			return err
		}
	}
	opt.Stretch = opt.Stretch || d == 1
	wide, high, lim := opt.panel(opt.fit(slices.Concat(from, to)...))
	i, j := opt.columns(d)
	xName, yName := opt.name(i), opt.name(j)
	if d == 1 {
		xName, yName = "t", opt.name(0)
	}
	ends := []entry{{name: "noise", look: look{color: category(1)}}, {name: "data", look: look{color: category(0)}}}
	f := newFigure(opt, layout{
		rows: 1, cols: len(panels), w: wide, h: high, gap: 14, title: opt.Title, panelTitle: true, beside: ends,
		xNames: slices.Repeat([]string{xName}, len(panels)), yNames: []string{yName},
		lim: func(int, int) Limits { return lim },
	})
	for k, p := range panels {
		a := f.panels[0][k]
		ink := min(1, 4/math.Sqrt(float64(p.From.N)))
		for n := range p.From.N {
			f.strokeLine(a, faded(inkAxis, ink), 0.6, nil, a.place(
				[]float64{from[k].X[2*n], to[k].X[2*n]}, []float64{from[k].X[2*n+1], to[k].X[2*n+1]}))
		}
		f.dots(a, []flow.Batch{from[k], to[k]}, []color.RGBA{ends[0].look.color, ends[1].look.color})
		f.frame(0, k, p.Title, edge{left: k == 0, bottom: true})
		f.note(a, fmt.Sprintf("mean squared length %.3g", meanSquared(p)), inkFaint)
	}
	f.dotKey([]entry{{name: "noise", marked: true}, {name: "data", marked: true}},
		map[string]look{"noise": ends[0].look, "data": ends[1].look})
	return f.encode(w)
}

// end returns one end of the pairs as points of the plane: of points of the line at a time.
func (o Options) end(what string, b flow.Batch, t float64) (flow.Batch, error) {
	if b.D != 1 {
		return o.plane(what, b)
	}
	out := flow.NewBatch(b.N, 2)
	for i, v := range b.X {
		out.X[2*i], out.X[2*i+1] = t, v
	}
	return out, checkBatch(what, b)
}

// meanSquared is the mean squared distance of the points of the pairs.
func meanSquared(p Coupled) (sum float64) {
	for i, v := range p.From.X {
		sum += (v - p.To.X[i]) * (v - p.To.X[i]) / float64(p.From.N)
	}
	return sum
}
