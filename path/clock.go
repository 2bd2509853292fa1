package path

import (
	"fmt"
	"math"
	"slices"
)

// Clock turns uniform numbers into times of a path: those that are spread evenly over the
// clock of a preconditioned network ([Precondition.Clock]), or have a density of
// your own ([NewClock]). It is piecewise linear, so [Clock.Slope] is exactly one over the
// density of the times that it gives, however fine its pieces are.
type Clock struct{ tau, t []float64 }

// clockCells is how many pieces a Clock is linear in.
const clockCells = 1 << 14

// Clock returns the inverse of the share of the data: t as a function of τ, piecewise linear on
// [lo, hi]. Times that are uniform in τ are spread over a path as uniform times are over
// [CondOT], whatever its schedule: their logarithmic signal to noise ratio is logistic.
func (p Precondition) Clock(s Scheduler, lo, hi float64) *Clock {
	k := &Clock{tau: make([]float64, clockCells+1), t: make([]float64, clockCells+1)}
	share := func(t float64) float64 { return p.At(s.At(t), Velocity).Share }
	step := 0.0
	for i := range k.t {
		k.t[i] = lo + (hi-lo)*float64(i)/clockCells
		if k.tau[i] = share(k.t[i]); i > 0 {
			step = max(step, k.tau[i]-k.tau[i-1])
		}
	}
	if step > coarseStep {
		k.evenly(share)
	}
	return k
}

// coarseStep is the largest step of τ in a piece that is even in t. Where the data are much
// wider or narrower than the noise, τ goes from one end to the other in a few pieces.
const coarseStep = 1.0 / 256

// evenly makes the pieces even in τ, which share gives and which rises.
func (k *Clock) evenly(share func(t float64) float64) {
	first, last, end := k.tau[0], k.tau[clockCells], k.t[clockCells]
	from := k.t[0]
	for i := 1; i < clockCells; i++ {
		k.tau[i] = first + (last-first)*float64(i)/clockCells
		lo, hi := from, end
		for mid := lo + (hi-lo)/2; lo < mid && mid < hi; mid = lo + (hi-lo)/2 {
			if share(mid) < k.tau[i] {
				lo = mid
			} else {
				hi = mid
			}
		}
		k.t[i], from = hi, lo
	}
}

// NewClock returns the clock whose times have a density in proportion to the given one on
// [lo, hi], which need not have the integral 1: the inverse of its distribution function.
// The density is taken as constant between the points of a grid that is finer towards both
// ends, where densities of paths are steep, and is asked for in the middle of each piece,
// never at lo or hi. An interval without length, and a density that is negative, not finite
// or zero everywhere, are errors.
func NewClock(lo, hi float64, density func(t float64) float64) (*Clock, error) {
	if !(lo < hi) || math.IsInf(hi-lo, 0) {
		return nil, fmt.Errorf("path: NewClock: an interval from %g to %g; it must have a length", lo, hi)
	}
	k := &Clock{tau: make([]float64, clockCells+1), t: make([]float64, clockCells+1)}
	k.t[0] = lo
	for i := range clockCells {
		k.t[i+1] = lo + (hi-lo)*slowEnds(float64(i+1)/clockCells)
		middle := (k.t[i] + k.t[i+1]) / 2
		d := density(middle)
		if !(d >= 0) || math.IsInf(d, 0) {
			return nil, fmt.Errorf("path: NewClock: the density at t = %g is %g; it must be finite and not negative",
				middle, d)
		}
		k.tau[i+1] = k.tau[i] + d*(k.t[i+1]-k.t[i])
	}
	whole := k.tau[clockCells]
	if !(whole > 0) || math.IsInf(whole, 0) {
		return nil, fmt.Errorf("path: NewClock: the density on [%g, %g] has the integral %g; it must be positive and "+
			"finite", lo, hi, whole)
	}
	for i := range k.tau {
		k.tau[i] /= whole
	}
	return k, nil
}

// slowEnds maps [0, 1] to itself, with three digits at an end for each digit of v.
func slowEnds(v float64) float64 {
	if v > 0.5 {
		return 1 - slowEnds(1-v)
	}
	return v * v * v * (10 + v*(6*v-15))
}

// Share returns the place of a share u, in [0, 1], of the way from one end to the other: τ,
// for a preconditioned network, at the time At(u).
func (k *Clock) Share(u float64) float64 {
	last := len(k.tau) - 1
	return k.tau[0] + u*(k.tau[last]-k.tau[0])
}

// piece returns the number of the end of the piece that Share(u) is in, and the way along it.
func (k *Clock) piece(u float64) (end int, way float64) {
	tau, last := k.Share(u), len(k.tau)-1
	end, _ = slices.BinarySearch(k.tau, tau)
	end = min(max(end, 1), last)
	for end < last && k.tau[end] == k.tau[end-1] { // at the start alone
		end++
	}
	if width := k.tau[end] - k.tau[end-1]; width > 0 {
		way = min(max((tau-k.tau[end-1])/width, 0), 1)
	}
	return end, way
}

// At returns the time at which a share u, in [0, 1], of the way from one end to the other
// is covered.
func (k *Clock) At(u float64) float64 {
	i, way := k.piece(u)
	return k.t[i-1] + way*(k.t[i]-k.t[i-1])
}

// Slope returns dt/du at u: one over the density, at At(u), of the times of uniform u.
func (k *Clock) Slope(u float64) float64 {
	i, _ := k.piece(u)
	return (k.t[i] - k.t[i-1]) / (k.tau[i] - k.tau[i-1]) * (k.tau[len(k.tau)-1] - k.tau[0])
}
