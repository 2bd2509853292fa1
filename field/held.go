package field

import (
	"fmt"

	"flowmatch/flow"
	"flowmatch/path"
)

// Held is a velocity that holds the known coordinates of points to their own path
// between noise and data, and moves the others as Field does beside them:
//
//	known:   x = α x_1 + σ x_0,  v = α̇ x_1 + σ̇ x_0
//	others:  v = Field(t, x),    x with the known ones in place
//
// A solve from x_0 so completes a point of which a part is known, by a field that was
// not trained for it: inpainting by replacement (Song et al. 2021, appendix I.2). It is
// an approximation: at time t the others see the known part through its noise only, so
// they are not drawn from p(x | known), unless the two are independent. A field trained
// with the known part for its condition has no such error.
type Held struct {
	Field     flow.Field
	Scheduler path.Scheduler
	X0, X1    flow.Batch // [N, D]: noise before σ scales it, and data, of all coordinates
	Known     []bool     // [N·D]

	ts []float64 // of each point; nil: that of the evaluation
}

// AtTimes implements [flow.Timed], where Field does.
func (h Held) AtTimes(rows []int, ts []float64) (flow.Field, error) {
	f, err := flow.AtTimes(h.Field, rows, ts)
	if err != nil {
		return nil, err
	}
	h.Field, h.ts = f, ts
	h.X0, h.X1 = h.X0.Rows(rows), h.X1.Rows(rows)
	known, d := make([]bool, 0, len(rows)*h.X0.D), h.X0.D
	for _, i := range rows {
		known = append(known, h.Known[i*d:(i+1)*d]...)
	}
	h.Known = known
	return h, nil
}

// coefs returns the schedule at the time of each number of the points.
func (h Held) coefs(t float64) func(i int) path.Coef {
	if h.ts == nil {
		c := h.Scheduler.At(t)
		return func(int) path.Coef { return c }
	}
	cs := make([]path.Coef, len(h.ts))
	for k, t := range h.ts {
		cs[k] = h.Scheduler.At(t)
	}
	return func(i int) path.Coef { return cs[i/h.Dim()] }
}

// Dim returns D.
func (h Held) Dim() int { return h.Field.Dim() }

// Velocity writes the velocity of the N points of X0 into v; see [flow.Field].
func (h Held) Velocity(v []float64, t float64, x []float64) error {
	if n := len(h.Known); len(x) != n || len(v) != n || len(h.X0.X) != n || len(h.X1.X) != n {
		return fmt.Errorf("field: Held: x and v of %d and %d numbers, Known of %d, X0 and X1 of %d and %d; "+
			"they must be as long as each other", len(x), len(v), n, len(h.X0.X), len(h.X1.X))
	}
	c := h.coefs(t)
	at := append([]float64(nil), x...)
	for i, known := range h.Known {
		if known {
			at[i] = c(i).Point(h.X1.X[i], h.X0.X[i])
		}
	}
	if err := h.Field.Velocity(v, t, at); err != nil {
		return err
	}
	for i, known := range h.Known {
		if known {
			v[i] = c(i).Velocity(h.X1.X[i], h.X0.X[i])
		}
	}
	return nil
}
