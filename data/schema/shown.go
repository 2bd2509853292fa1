package schema

import (
	"math"
	"math/rand/v2"

	"flowmatch/flow"
)

// Shown returns what a network is shown of rows x [N, C] in data units: points [N, Dim()] in model
// units without noise, as [flow.Given] has them. Of a value that is NaN all coordinates are hidden,
// which is NaN again; with present it is shown that the value is there, where values of its column may
// be missing. It panics for shapes that do not fit.
func (s *Schema) Shown(x flow.Batch, present bool) flow.Batch {
	shown := flow.NewBatch(x.N, s.Dim())
	learnt := s.fits(&x, shown)
	for i := range x.N {
		to := shown.Row(i)
		for k, j := range learnt {
			c := &s.Columns[j]
			w := c.width()
			if v := x.Row(i)[k]; math.IsNaN(v) {
				c.hide(to[:w], false, present)
			} else {
				c.show(to[:w], v)
			}
			to = to[w:]
		}
	}
	return shown
}

// Hide is Shown for a training: of a share of the points z [N, Dim()] in model units some columns are
// shown, of the others nothing. How many is uniform from none to all but one, and in half of the cases
// it is shown of the hidden values, too, which are missing. What is drawn is rng's.
func (s *Schema) Hide(shown, z flow.Batch, share float64, rng *rand.Rand) {
	learnt := s.fits(nil, z)
	rows, columns := make([]float64, len(learnt)), len(learnt)
	x := flow.NewBatch(1, z.D)
	for i := range z.N {
		to := shown.Row(i)
		if rng.Float64() >= share {
			fill(to, math.NaN())
			continue
		}
		copy(x.X, z.Row(i))
		s.Invert(x)
		s.Rows(flow.Batch{N: 1, D: columns, X: rows}, x)
		order, count, flags := rng.Perm(columns), rng.IntN(columns), rng.IntN(2) == 0
		for k, j := range learnt {
			c := &s.Columns[j]
			w := c.width()
			if order[k] < count {
				c.show(to[:w], rows[k])
			} else {
				c.hide(to[:w], math.IsNaN(rows[k]), flags)
			}
			to = to[w:]
		}
	}
}

// show writes the coordinates of a value in model units without noise. Of one that is missing that is shown, and
// no number in its place.
func (c *Column) show(z []float64, v float64) {
	missing := math.IsNaN(v)
	switch {
	case c.Kind.number() && missing:
		c.hide(z, true, true)
	case c.Kind.number():
		lo, hi := c.cell(v)
		z[0], _ = c.Code.forward(lo + (hi-lo)/2) // of the smallest value v itself may be out of a transform
		if len(z) == 2 {
			z[1] = c.mark(1, false)
		}
	case len(z) == 1:
		z[0] = c.mark(0, v == 1)
	default:
		at := len(c.Levels)
		if !missing {
			at = int(v)
		}
		for k := range z {
			z[k] = c.mark(k, k == at)
		}
	}
}

// hide writes that coordinates are hidden, all but, with flag, whether the value is missing.
func (c *Column) hide(z []float64, missing, flag bool) {
	fill(z, math.NaN())
	if last := len(z) - 1; flag && c.Code.Missing > 0 {
		z[last] = c.mark(last, missing)
	}
}

// mark returns 0 or 1 in coordinate k, of a level or of what is missing, in model units.
func (c *Column) mark(k int, is bool) float64 {
	shift, unit := c.affine(k)
	if is {
		return unit * (1 - shift)
	}
	return -unit * shift
}

func fill(x []float64, v float64) {
	for i := range x {
		x[i] = v
	}
}
