package ode

import (
	"cmp"
	"fmt"
)

// Spaced is steps that end at given shares of the interval of a solve, from its lower end to its
// upper one: a solve backward goes through the same times in reverse. The shares rise from 0 to
// 1. Package timegrid makes some; equal ones are [Fixed].
type Spaced struct {
	Shares []float64 // read during the solve
	Name   string    // what String says of them beside their number; empty: the shares
}

// Steps returns the number of steps.
func (s Spaced) Steps() int { return max(0, len(s.Shares)-1) }

// At returns the time at share k of the interval from lo to hi, exactly lo and hi at its ends.
func (s Spaced) At(k int, lo, hi float64) float64 {
	if k == s.Steps() {
		return hi
	}
	return lo + (hi-lo)*s.Shares[k]
}

// String is "20 steps shift=3".
func (s Spaced) String() string {
	return fmt.Sprintf("%d steps %s", s.Steps(), cmp.Or(s.Name, fmt.Sprint("times=", s.Shares)))
}

// Check reports shares that do not rise from 0 to 1.
func (s Spaced) Check() error {
	n := s.Steps()
	if n < 1 || s.Shares[0] != 0 || s.Shares[n] != 1 {
		return fmt.Errorf("ode: %w: Spaced shares %s; they must begin at 0 and end at 1", ErrInvalid, ends(s.Shares))
	}
	if i := notMonotone(s.Shares); i > 0 {
		return fmt.Errorf("ode: %w: shares of Spaced must rise, but Shares[%d]=%g comes after %g", ErrInvalid, i,
			s.Shares[i], s.Shares[i-1])
	}
	return nil
}

func (s Spaced) start(r *run) (stepper, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	n := s.Steps()
	return &gridStepper{n: n, at: func(i int) float64 {
		if r.dir < 0 {
			return s.At(n-i, r.t1, r.t0)
		}
		return s.At(i, r.t0, r.t1)
	}}, nil
}
