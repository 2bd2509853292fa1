package report

import (
	"fmt"
	"math"

	"flowmatch/eval"
	"flowmatch/internal/choice"
)

// This file says the parts of tables.

func marginals(m *eval.Marginals) (l lines) {
	l.head("marginals", "%d rows of the data, with those trained on, against as many samples, NFE %d", m.Rows, m.NFE)
	add := func(name string, v, chance *float64, what string) {
		if v != nil {
			l.add(name, "%s %s (by chance %s)", Decimals(*v), what, known(chance))
		}
	}
	add("W1 of numbers", m.W1, m.Chance.W1, "standard deviations, mean of the columns")
	add("shares of levels", m.TV, m.Chance.TV, "of total variation, mean of the columns")
	add("missing values", m.PatternsTV, m.Chance.PatternsTV, "of total variation between their patterns")
	for _, by := range []struct {
		what   string
		figure func(eval.Marginal) *float64
	}{
		{"W1", func(c eval.Marginal) *float64 { return c.W1 }},
		{"total variation", func(c eval.Marginal) *float64 { return c.TV }},
	} {
		worst, at := math.Inf(-1), ""
		for _, c := range m.Columns {
			if v := by.figure(c); v != nil && *v > worst {
				worst, at = *v, c.Name
			}
		}
		if at != "" {
			l.add("farthest", "%s, with a %s of %s", choice.Quote(at), by.what, Decimals(worst))
		}
	}
	l.doubts(untrusted, m.Doubts)
	return l
}

func correlations(c *eval.Correlations) (l lines) {
	l.head("correlations", "of ranks; of levels Cramér's V, of both the correlation ratio; %d rows and as many samples",
		c.Rows)
	l.add("error", "%s, mean of the pairs of columns (by chance %s)", known(c.Error), known(c.Chance))
	if w := c.Worst; w != nil {
		l.add("farthest", "%s and %s: %.3f in the data, %.3f in samples", choice.Quote(w.Columns[0]),
			choice.Quote(w.Columns[1]), w.Data, w.Samples)
	}
	l.doubts(untrusted, c.Doubts)
	return l
}

func closest(c *eval.Closest) (l lines) {
	l.head("closest record", "of %d samples and %d held-out rows among %d that were trained on", c.Samples, c.HeldOut,
		c.Training)
	ratio := ""
	if c.Ratio != nil {
		ratio = fmt.Sprintf(" (ratio %.3f)", *c.Ratio)
	}
	l.add("median distance", "%s, of held-out rows %s%s", Decimals(c.Median), Decimals(c.HeldOutMedian), ratio)
	l.add("nearer than held-out rows", "%.3f ± %.3f (0.5: as near as new rows, 1: all are copies)", c.Nearer,
		c.NearerStdErr)
	l.add("copies", "%d of %d samples, %d of %d held-out rows", c.Copies, c.Samples, c.HeldOutCopies, c.HeldOut)
	l.doubts(untrusted, c.Doubts)
	return l
}

func efficacy(e *eval.Efficacy) (l lines) {
	l.head("efficacy", "random forests of %d rows predict %s of %d held-out rows from the other columns", e.Training,
		choice.Quote(e.Target), e.HeldOut)
	l.add("trained on data", "%s", Score(e.Data))
	l.add("trained on samples", "%s", Score(e.Samples))
	if e.Guess != nil {
		l.add("most frequent class", "%s", Score(*e.Guess))
	}
	l.doubts(untrusted, e.Doubts)
	return l
}

// Score says how good predictions are.
func Score(s eval.Score) string {
	if s.Accuracy != nil {
		return fmt.Sprintf("accuracy %.4f ± %.4f, macro F1 %.4f", *s.Accuracy, *s.StdErr, *s.F1)
	}
	return fmt.Sprintf("R2 %s, mean error %.4g", known(s.R2), *s.MAE)
}
