package schema

import (
	"fmt"
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Fit returns a copy of s with a code for each column that is learnt, chosen by the rows x [N, C] in
// data units, those to train on. transforms names those of columns where they are not to be
// chosen.
func (s *Schema) Fit(x flow.Batch, transforms map[string]string) (*Schema, error) {
	learnt := s.Learnt()
	if x.D != len(learnt) || x.N == 0 {
		return nil, fmt.Errorf("schema: rows [%d, %d] to fit %d columns", x.N, x.D, len(learnt))
	}
	for _, name := range sorted(transforms) {
		if err := choice.Check("transform", transforms[name], Transforms()); err != nil {
			return nil, fmt.Errorf("schema: transforms: %s: %w", choice.Quote(name), err)
		}
		at := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Name == name })
		switch {
		case at < 0:
			return nil, fmt.Errorf("schema: transforms: %w", choice.Check("column", name, s.Names()))
		case !s.Columns[at].Learnt() || !s.Columns[at].Kind.number():
			return nil, fmt.Errorf("schema: transforms has %s, which is of kind %s: a transform is for numbers; "+
				"leave it out", choice.Quote(name), s.Columns[at].Kind)
		}
	}
	out := *s
	out.Columns = slices.Clone(s.Columns)
	for k, i := range learnt {
		c := &out.Columns[i]
		column := make([]float64, x.N)
		missing := 0
		for row := range column {
			if column[row] = x.Row(row)[k]; math.IsNaN(column[row]) {
				missing++
			}
		}
		var err error
		if c.Kind.number() {
			if c.Code, err = c.fitNumber(column, transforms[c.Name]); err != nil {
				return nil, fmt.Errorf("schema: transforms: %s: %w", choice.Quote(c.Name), err)
			}
		} else {
			c.Code = c.fitLevels(column)
		}
		if c.Missing > 0 { // where none of the rows to train on lacks it, one of the others does
			c.Code.Missing = max(float64(missing), 0.5) / float64(x.N+1)
		}
		if c.Missing > 0 || !c.Kind.number() {
			c.Code.Noise = levelNoise
			if c.Kind.number() || c.width() == 1 {
				c.Code.Noise /= math.Sqrt2 // 0 and 1 of one coordinate are nearer than two levels of their own
			}
		}
	}
	return &out, out.Validate()
}

// mostUnit bounds how far levels are apart: of one that is rare, the deviation of the coordinate
// is small. They are 2 apart at least, where all shares are equal, and from a file half of that.
const mostUnit, leastUnit = 4, 1

// fitLevels returns the code of levels: coordinates of mean 0, and of variance 1 on average.
func (c Column) fitLevels(values []float64) *Code {
	n := len(c.Levels)
	if c.Missing > 0 {
		n++
	}
	k := &Code{Shares: make([]float64, n)}
	for _, v := range values {
		if math.IsNaN(v) {
			v = float64(len(c.Levels))
		}
		k.Shares[int(v)] += 1 / float64(len(values))
	}
	variance := 0.0
	for _, p := range k.Shares {
		variance += p * (1 - p) / float64(n)
	}
	k.Unit = mostUnit
	if variance > 0 {
		k.Unit = min(mostUnit, 1/math.Sqrt(variance))
	}
	return k
}
