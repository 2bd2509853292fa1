package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"flowmatch/classify"
	"flowmatch/data/schema"
	"flowmatch/data/table"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/stat"
)

// fillColumn numbers the tables of several imputations.
const fillColumn = "imputation"

// readRows reads a file that a model has left, whose columns must be those of the table, and the impossible values
// in it.
func (d *division) readRows(file string, before ...string) (x flow.Batch, first schema.Texts, impossible int,
	err error) {
	cells, err := table.ReadCells(file, table.Options{Header: new(true)})
	if err != nil {
		return x, first, 0, err
	}
	want := append(before, d.schema.Names()...)
	if got := slices.Sorted(slices.Values(cells.Names)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		return x, first, 0, fmt.Errorf("%s has the columns %s; want %s", file, choice.List(cells.Names),
			choice.List(want))
	}
	x, faults, err := d.schema.ParseAny(cells.Cells)
	for _, f := range faults {
		impossible += f.Count
	}
	if len(before) > 0 && err == nil {
		first = cells.Columns[slices.Index(cells.Names, before[0])]
	}
	return x, first, impossible, err
}

// heldParts is how many times as many samples as held-out rows are told apart from these.
const heldParts = 4

// judgeSamples measures samples, whoever made them.
func (c Cell) judgeSamples(ctx context.Context, d division, file string, r *Result) error {
	x, _, impossible, err := d.readRows(file)
	if err != nil {
		return err
	}
	if want := d.train().N; x.N != want {
		return fmt.Errorf("%s has %d rows; want %d", file, x.N, want)
	}
	t := d.tables(x)
	r.set("impossible", float64(impossible)/float64(len(x.X)))
	m, err := t.Marginals()
	if err != nil {
		return err
	}
	r.setSome(map[string]*float64{"w1": m.W1, "tv": m.TV})
	a, err := t.Correlations(ctx)
	if err != nil {
		return err
	}
	r.setSome(map[string]*float64{"correlation": a.Error})
	near, err := t.Closest(ctx)
	if err != nil {
		return err
	}
	r.set("nearer", near.Nearer)
	r.set("copies", float64(near.Copies)/float64(near.Samples))
	if near.Ratio != nil {
		r.set("closest", *near.Ratio)
		r.set("closest_error", math.Abs(*near.Ratio-1))
	}
	if err := c.tellApart(ctx, t, r); err != nil {
		return err
	}
	e, err := t.Efficacy(ctx, d.target, c.Seed)
	if err != nil {
		return err
	}
	data, samples := e.Data.R2, e.Samples.R2
	if e.Classes > 0 {
		data, samples = e.Data.Accuracy, e.Samples.Accuracy
	}
	if data != nil && samples != nil {
		r.set("efficacy", *samples)
		r.set("efficacy_data", *data)
		r.set("efficacy_loss", *data-*samples)
	}
	return nil
}

// tellApart records C2ST: the mean over parts of the samples that are as many as the held-out rows, and of all
// samples against as many of all rows.
func (c Cell) tellApart(ctx context.Context, t eval.Tables, r *Result) error {
	o := classify.C2STOptions{Seed: c.Seed}
	x, n := t.Samples, t.Held.X.N
	var all []float64
	for k := range min(heldParts, x.X.N/n) {
		t.Samples = eval.Rows{Columns: x.Columns, X: x.X.Slice(k*n, (k+1)*n)}
		f, err := t.Forest(ctx, o)
		if err != nil {
			return err
		}
		all = append(all, f.Accuracy)
	}
	r.set("c2st", stat.Mean(all)) // NaN where there are fewer samples than held-out rows
	f, err := eval.Tables{Samples: x, Held: t.Data}.Forest(ctx, o)
	if err != nil {
		return err
	}
	r.set("c2st_all", f.Accuracy)
	return nil
}

// judgeFilled measures holes that were filled in, whoever did.
func (c Cell) judgeFilled(d division, file string, r *Result) error {
	x, numbers, _, err := d.readRows(file, fillColumn)
	if err != nil {
		return err
	}
	truth := d.train()
	fills := x.N / truth.N
	if fills < 1 || x.N != fills*truth.N {
		return fmt.Errorf("%s has %d rows; want %d or a multiple of them", file, x.N, truth.N)
	}
	for i, at := range numbers.Index {
		if want := strconv.Itoa(i/truth.N + 1); numbers.Values[at] != want {
			return fmt.Errorf("%s: row %d has %s %s; want %s", file, i+1, fillColumn, choice.Quote(numbers.Values[at]),
				want)
		}
	}
	var sum fillErrors
	for k, col := range d.schema.Columns {
		scale := deviationOf(truth, k)
		for i := range truth.N {
			drawn := make([]float64, fills)
			for f := range drawn {
				drawn[f] = x.Row(f*truth.N + i)[k]
			}
			was := truth.Row(i)[k]
			if err := checkFill(col, d.holes[i][k], was, drawn); err != nil {
				return fmt.Errorf("%s: row %d, column %s: %w", file, i+1, choice.Quote(col.Name), err)
			}
			if d.holes[i][k] {
				sum.add(len(col.Levels), was, scale, drawn)
			}
		}
	}
	sum.record(r, fills)
	return nil
}

// deviationOf is the standard deviation of the values of a column that are there, 1 where that is 0.
func deviationOf(x flow.Batch, k int) float64 {
	var v []float64
	for i := range x.N {
		if a := x.Row(i)[k]; a == a {
			v = append(v, a)
		}
	}
	if _, std := meanStd(v); std > 0 {
		return std
	}
	return 1
}

// sameValue is how far a number may be from what it was: programs write some digits of it.
const sameValue = 1e-6

// checkFill reports values of which one was changed, or one is still missing.
func checkFill(c schema.Column, hole bool, was float64, drawn []float64) error {
	for _, v := range drawn {
		switch {
		case hole && math.IsNaN(v):
			return fmt.Errorf("it is filled in with nothing, or with no value of the column")
		case !hole && math.IsNaN(was):
			continue // it was missing before: nothing is known of it
		case !hole && !(math.Abs(v-was) <= sameValue*max(math.Abs(was), c.Hi-c.Lo)):
			return fmt.Errorf("it was %g, and is %g; values that are there must stay", was, v)
		}
	}
	return nil
}

// fillErrors adds up the errors of holes.
type fillErrors struct {
	square, squareDraw, numbers float64 // in standard deviations
	wrong, wrongDraw, levels    float64
}

// add counts one hole; levels 0: it is a number.
func (e *fillErrors) add(levels int, was, scale float64, drawn []float64) {
	n := float64(len(drawn))
	if levels == 0 {
		e.numbers++
		off := (stat.Mean(drawn) - was) / scale
		e.square += off * off
		for _, v := range drawn {
			e.squareDraw += (v - was) * (v - was) / (scale * scale) / n
		}
		return
	}
	e.levels++
	count := make([]int, levels)
	for _, v := range drawn {
		if count[int(v)]++; v != was {
			e.wrongDraw += 1 / n
		}
	}
	if slices.Index(count, slices.Max(count)) != int(was) {
		e.wrong++
	}
}

// record records the errors; those of a draw where there is more than one.
func (e *fillErrors) record(r *Result, fills int) {
	r.set("rmse", math.Sqrt(e.square/e.numbers)) // NaN without such
	r.set("wrong", e.wrong/e.levels)
	if fills > 1 {
		r.set("rmse_draw", math.Sqrt(e.squareDraw/e.numbers))
		r.set("wrong_draw", e.wrongDraw/e.levels)
	}
}
