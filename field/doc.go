// Package field holds the velocity fields that are known exactly: no network,
// no training. They are the targets that a trained network approximates, and the
// ground on which solvers, likelihoods and losses are tested.
//
// There are only a few types: [Marginal] is the field of eq. 8 of the paper
// (arXiv 2210.02747) for a finite set of data points, with the density of eq. 6;
// [Mixture] is the same field for data drawn from a mixture of Gaussians, each a
// [Component]. Both are a [flow.Field], [flow.Differentiable] and [flow.Diverger],
// along any [path.Scheduler], for x_0 ~ N(0, I) drawn independently of x_1. [Guided] and
// [Held] are fields made of others.
//
// # Caveats
//
// A Marginal is the field that memorises: solved to the end it returns the data
// points themselves, and its Jacobian grows like 1/σ. It is undefined where
// σ(t) = 0 ([ErrSigma]); solve it over [path.Span](s, path.Data). A Mixture has
// no such end.
//
// Points are independent: the result for one does not depend on the others in
// the call, nor on the number of processors.
package field

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"flowmatch/flow"
	"flowmatch/path"
)

// ErrSigma is returned when a field is asked for a time at which σ is zero.
var ErrSigma = errors.New("field: sigma is zero")

var (
	_ flow.Differentiable = (*Marginal)(nil)
	_ flow.Diverger       = (*Marginal)(nil)
	_ flow.Differentiable = (*Mixture)(nil)
	_ flow.Diverger       = (*Mixture)(nil)
)

// parallel runs task(0) ... task(n−1) on all processors. Tasks write to separate
// memory, so which runs first does not show in the result.
func parallel(n int, task func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			task(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				task(i)
			}
		})
	}
	wg.Wait()
}

// points returns x as a batch of dimension d. It reports an x that is none, and another
// slice that is not as long.
func points(who string, d int, x []float64, others ...[]float64) (flow.Batch, error) {
	if len(x)%d != 0 {
		return flow.Batch{}, fmt.Errorf("field: %s: %d values are not points of dimension %d", who, len(x), d)
	}
	for _, o := range others {
		if len(o) != len(x) {
			return flow.Batch{}, fmt.Errorf("field: %s: slices of %d and %d values", who, len(o), len(x))
		}
	}
	return flow.Batch{N: len(x) / d, D: d, X: x}, nil
}

// scalars is points for a method that writes one number for each point into out.
func scalars(who string, d int, x, out []float64, others ...[]float64) (flow.Batch, error) {
	b, err := points(who, d, x, others...)
	if err == nil && len(out) != b.N {
		err = fmt.Errorf("field: %s: %d values for %d points", who, len(out), b.N)
	}
	return b, err
}

// coefAt returns the coefficients at t, or why there is no field there.
func coefAt(s path.Scheduler, t float64) (path.Coef, error) {
	c := s.At(t)
	if !(c.Sigma > 0) {
		lo, hi := path.Span(s, path.Data)
		return c, fmt.Errorf(
			"%w at t = %g: the field of single data points ends before; solve over path.Span, [%g, %g]",
			ErrSigma, t, lo, hi)
	}
	return c, nil
}
