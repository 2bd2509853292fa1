package eval

import (
	"context"
	"fmt"
	"math"

	"flowmatch/internal/stat"
	"flowmatch/metrics"
)

// Marginals compares each column of samples of a table with that of as many rows of the data, those trained
// on included, and which values are missing together.
type Marginals struct {
	Rows int `json:"rows"` // of the data, and samples
	NFE  int `json:"nfe"`  // of the samples
	// W1 is the mean, over the columns of numbers, of the 1-Wasserstein distance in standard deviations of
	// the data, and TV, over the columns of levels, of the total variation distance. nil: there is no such column.
	W1 *float64 `json:"w1,omitempty"`
	TV *float64 `json:"tv,omitempty"`
	// Patterns are which columns are missing together, where any value is, the most frequent first, and
	// PatternsTV is the total variation distance of their shares.
	Patterns   []Pattern `json:"patterns,omitempty"`
	PatternsTV *float64  `json:"patterns_tv,omitempty"`
	// Chance are these figures of two sets of as many rows of one law: √½ of those of one half of the rows of the
	// data against the other, which have half as many.
	Chance  Distance   `json:"chance"`
	Columns []Marginal `json:"columns"`
	// Doubts say why the figures are not to be trusted; empty: they are.
	Doubts []string `json:"doubts,omitempty"`
	// Data and Samples are the rows.
	Data    Rows `json:"-"`
	Samples Rows `json:"-"`
}

// Distance is how far two sets of rows are apart, over all columns; nil: not measured.
type Distance struct {
	W1         *float64 `json:"w1,omitempty"`
	TV         *float64 `json:"tv,omitempty"`
	PatternsTV *float64 `json:"patterns_tv,omitempty"`
}

// Marginal is how far a column of samples is from that of the data: W1 of numbers, TV of levels.
type Marginal struct {
	Name           string   `json:"name"`
	W1             *float64 `json:"w1,omitempty"`
	TV             *float64 `json:"tv,omitempty"`
	Missing        float64  `json:"missing"` // share of the data
	SamplesMissing float64  `json:"samples_missing"`
}

// Pattern is columns that are missing together in a row, none in one that is whole, and the share of the rows of
// the data and of the samples.
type Pattern struct {
	Missing []string `json:"missing"`
	Data    float64  `json:"data"`
	Samples float64  `json:"samples"`
}

// fewRows is how many rows are too few for a figure of a table.
const fewRows = 50

// few returns the doubts of figures of n rows.
func few(n int, of string) []string {
	if n >= fewRows {
		return nil
	}
	return []string{fmt.Sprintf("%d %s are few: chance decides the figure", n, of)}
}

// numberOf returns a figure, nil for NaN.
func numberOf(v float64) *float64 { return finite(&v) }

// Marginals compares the columns of up to Settings.Samples rows with those of as many samples.
func (s Subject) Marginals(ctx context.Context) (*Marginals, error) {
	_, t, err := s.comparing(ctx, false)
	if err != nil {
		return nil, err
	}
	m, err := Tables{Data: t.data, Samples: t.samples}.Marginals()
	if m != nil {
		m.NFE = t.nfe
	}
	return m, err
}

// Marginals compares the columns of the samples with those of the data, and each half of these with the other.
func (t Tables) Marginals() (*Marginals, error) {
	n := t.Data.X.N
	m := &Marginals{Rows: n, Data: t.Data, Samples: t.Samples, Doubts: few(n, "rows")}
	all, columns, patterns, err := compared(t.Data, t.Samples)
	if err != nil {
		return nil, err
	}
	m.W1, m.TV, m.PatternsTV = all.W1, all.TV, all.PatternsTV
	for k, c := range columns {
		m.Columns = append(m.Columns, Marginal{Name: t.Data.Columns[k].Name, W1: numberOf(c.W1), TV: numberOf(c.TV),
			Missing: c.ReferenceMissing, SamplesMissing: c.Missing})
	}
	if len(patterns) > 1 {
		for _, p := range patterns {
			names := []string{}
			for _, k := range p.Columns {
				names = append(names, t.Data.Columns[k].Name)
			}
			m.Patterns = append(m.Patterns, Pattern{names, p.Reference, p.Other})
		}
	}
	if n > 1 {
		m.Chance, _, _, err = compared(t.Data.part(0, n/2), t.Data.part(n/2, n))
		for _, v := range []*float64{m.Chance.W1, m.Chance.TV, m.Chance.PatternsTV} {
			if v != nil {
				*v *= math.Sqrt2 / 2
			}
		}
	}
	return m, err
}

// compared returns how far rows b are from rows a: over all columns, by column, and in what is missing.
func compared(a, b Rows) (all Distance, columns []metrics.Marginal, patterns []metrics.Pattern, err error) {
	if columns, err = metrics.Marginals(a.table(), b.table()); err != nil {
		return all, nil, nil, err
	}
	patterns, tv, err := metrics.Patterns(a.table(), b.table())
	var w1s, tvs []float64
	for _, c := range columns {
		if !math.IsNaN(c.W1) {
			w1s = append(w1s, c.W1)
		}
		if !math.IsNaN(c.TV) {
			tvs = append(tvs, c.TV)
		}
	}
	if len(w1s) > 0 {
		all.W1 = numberOf(stat.Mean(w1s))
	}
	if len(tvs) > 0 {
		all.TV = numberOf(stat.Mean(tvs))
	}
	if len(patterns) > 1 {
		all.PatternsTV = &tv
	}
	return all, columns, patterns, err
}

// reportMarginals measures them.
func (s Subject) reportMarginals(ctx context.Context, rep *Report) (err error) {
	rep.Marginals, err = s.Marginals(ctx)
	return err
}

// Correlations compares how much columns have to do with each other in samples of a table and in as many rows
// of the data, those trained on included, by [metrics.Associations].
type Correlations struct {
	Rows  int      `json:"rows"`
	Names []string `json:"names"`
	// Error is the mean of |samples - data| over the pairs of columns, and Chance that of two sets of as many rows of
	// one law, as in [Marginals]; nil: there is no pair.
	Error  *float64 `json:"error,omitempty"`
	Chance *float64 `json:"chance,omitempty"`
	// Worst is the pair of the largest difference.
	Worst *Correlated `json:"worst,omitempty"`
	// Data and Samples have a row and a column for each name; null: not defined, as of a constant.
	Data    [][]*float64 `json:"data"`
	Samples [][]*float64 `json:"samples"`
	Doubts  []string     `json:"doubts,omitempty"`
}

// Correlated is a pair of columns with their association.
type Correlated struct {
	Columns [2]string `json:"columns"`
	Data    float64   `json:"data"`
	Samples float64   `json:"samples"`
}

// Correlations compares up to Settings.Samples rows with as many samples.
func (s Subject) Correlations(ctx context.Context) (*Correlations, error) {
	_, t, err := s.comparing(ctx, false)
	if err != nil {
		return nil, err
	}
	return Tables{Data: t.data, Samples: t.samples}.Correlations(ctx)
}

// Correlations compares the associations of the columns of the samples with those of the data, and each half of
// these with the other.
func (t Tables) Correlations(ctx context.Context) (*Correlations, error) {
	n := t.Data.X.N
	of := make([][][]*float64, 2)
	data, err := metrics.Associations(ctx, t.Data.table())
	if err != nil {
		return nil, err
	}
	samples, err := metrics.Associations(ctx, t.Samples.table())
	if err != nil {
		return nil, err
	}
	for i := range data.N {
		for k, m := range [2][]float64{data.Row(i), samples.Row(i)} {
			row := make([]*float64, len(m))
			for j, v := range m {
				row[j] = numberOf(v)
			}
			of[k] = append(of[k], row)
		}
	}
	c := &Correlations{Rows: n, Names: t.Data.names(), Data: of[0], Samples: of[1], Doubts: few(n, "rows")}
	mean, i, j := metrics.AssociationError(data, samples)
	if c.Error = numberOf(mean); c.Error != nil {
		c.Worst = &Correlated{[2]string{c.Names[i], c.Names[j]}, data.Row(i)[j], samples.Row(i)[j]}
	}
	if n < 2 {
		return c, nil
	}
	first, err := metrics.Associations(ctx, t.Data.part(0, n/2).table())
	if err != nil {
		return nil, err
	}
	second, err := metrics.Associations(ctx, t.Data.part(n/2, n).table())
	mean, _, _ = metrics.AssociationError(first, second)
	c.Chance = numberOf(mean * math.Sqrt2 / 2)
	return c, err
}

// reportCorrelations measures them.
func (s Subject) reportCorrelations(ctx context.Context, rep *Report) (err error) {
	rep.Correlations, err = s.Correlations(ctx)
	return err
}
