package ode

import (
	"context"
	"fmt"
)

// SolveAt integrates from ts[0] to ts[len-1] and calls out(i, x(ts[i])) for every i
// in order, ts[0] included. ts must be strictly monotone, forward or backward; x is
// the state at ts[0] and becomes that at the last time. The slice given to out is
// read only and valid during the call; an error from out ends the solve.
//
// The steps are those of [Solver.Solve] over the same interval: values between
// their ends come from the method's continuous extension (Tableau.Dense, DenseOrder),
// values at their ends are exact. A method that is not FSAL may need one more
// evaluation, in the last step; for the others the values are free.
//
// The interpolation error is not controlled. It is of order 4 in the step for
// dopri5 and tsit5, 5 for dopri8 and 3 for the other methods. Where that is not
// enough, use [Grid] and Observe, which land on every time.
func (s Solver) SolveAt(ctx context.Context, f Func, x []float64, ts []float64,
	out func(i int, x []float64) error) (Stats, error) {
	if st, err := s.checkTimes(f, ts); err != nil {
		return st, err
	}
	if err := out(0, x); err != nil {
		return Stats{LastT: ts[0]}, fmt.Errorf("ode: out failed at t=%g: %w", ts[0], err)
	}
	between := make([]float64, len(x))
	i := 1 // the next time to give out
	return s.solve(ctx, f, x, ts[0], ts[len(ts)-1], func(r *run, tNext float64) error {
		for ; i < len(ts) && r.dir*(tNext-ts[i]) >= 0; i++ {
			v := r.y
			if ts[i] != tNext {
				if err := r.interpolate(between, ts[i], tNext); err != nil {
					return err
				}
				v = between
			}
			if err := out(i, v); err != nil {
				return fmt.Errorf("ode: out failed at t=%g: %w", ts[i], err)
			}
		}
		return nil
	})
}

// interpolate writes the state at t, inside the step from r.t to tNext, into dst. In a space it
// interpolates the step, whose derivative at its end is that of the end pulled back.
func (r *run) interpolate(dst []float64, t, tNext float64) error {
	s := r.m.Stages()
	end := r.k[s-1]
	if !r.fsal {
		if end = r.k[s]; !r.haveEnd {
			// Not lost: it is the first stage of the next step.
			if err := r.eval(end, tNext, r.y); err != nil {
				return err
			}
			r.haveEnd = true
		}
	}
	h := tNext - r.t
	th := (t - r.t) / h
	if r.space != nil {
		return r.interpolateIn(dst, end, h, th)
	}
	for i, x := range r.x {
		dst[i] = cubic(x, r.y[i]-x, r.k[0][i], end[i], h, th)
	}
	r.dense(dst, h, th)
	return nil
}

// cubic is the one from x to x+d with the slopes k0 and k1 at both ends (HNW II.6.7).
func cubic(x, d, k0, k1, h, th float64) float64 {
	u := th * (1 - th)
	return x + th*d - u*((1-2*th)*d+(th-1)*h*k0+th*h*k1)
}

// dense adds what the method knows beyond the cubic.
func (r *run) dense(dst []float64, h, th float64) {
	u := th * (1 - th)
	weight := h * u * u
	for _, row := range r.m.Dense {
		combine(dst, dst, weight, row, r.k)
		weight *= th
	}
}

// interpolateIn interpolates the step in a space.
func (r *run) interpolateIn(dst, end []float64, h, th float64) error {
	xi := make([]float64, len(r.x))
	if r.fsal {
		combine(r.xi, nil, h, r.m.A[r.m.Stages()-1], r.k)
	} else {
		combine(r.xi, nil, h, r.m.B, r.k)
		end = append([]float64(nil), end...) // the first stage of the next step
		if !r.projected {
			r.space.Pull(end, r.x, r.xi)
		}
	}
	for i, d := range r.xi {
		xi[i] = cubic(0, d, r.k[0][i], end[i], h, th)
	}
	r.dense(xi, h, th)
	return r.moveBy(dst, xi)
}
