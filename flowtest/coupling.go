package flowtest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"flowmatch/coupling"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// TestCoupling fails t unless c keeps what [coupling.Coupling] promises, on
// batches of 0 to 40 points of dimension 1 to 5 in three classes: it fills src
// with rows of x0 and changes nothing else; equal seeds give equal pairs, also in
// concurrent calls; every row of x0 is used once on average (to 6 standard errors
// and a tolerance of 1e-3 of the marginal); and the pairs cost on average no more
// than independent ones (to 5 standard errors).
func TestCoupling(t *testing.T, c coupling.Coupling) {
	t.Helper()
	if err := checkCoupling(c); err != nil {
		t.Error(err)
	}
}

func checkCoupling(c coupling.Coupling) error {
	var errs []error
	for _, size := range [][2]int{{0, 2}, {1, 1}, {7, 1}, {12, 5}, {40, 2}} {
		p := pairing{c: c, n: size[0], d: size[1]}
		for _, check := range []func() error{p.keepsItsArguments, p.isDeterministic, p.keepsMarginals, p.isNoDearer} {
			if err := check(); err != nil {
				errs = append(errs, fmt.Errorf("batches [%d, %d], seed %d: %w", p.n, p.d, pairingSeed, err))
				break // what follows builds on it
			}
		}
	}
	return errors.Join(errs...)
}

const pairingSeed = 1

// pairing is a size of batch at which a coupling is examined.
type pairing struct {
	c    coupling.Coupling
	n, d int
}

// batches returns noise, points off to one side, and their classes, which are
// where the points are: the case that transport without regard to labels gets wrong.
func (p pairing) batches(index uint64) (x0, x1 flow.Batch, label []int32) {
	rng := seed.Rand(pairingSeed, "flowtest pairing", index)
	x0, x1, label = flow.NewBatch(p.n, p.d), flow.NewBatch(p.n, p.d), make([]int32, p.n)
	flow.Gaussian{}.Sample(x0, rng)
	flow.Gaussian{Std: 0.5}.Sample(x1, rng)
	for j := range label {
		label[j] = int32(rng.IntN(3)) * 5
		x1.Row(j)[0] += float64(label[j]) - 3
	}
	return x0, x1, label
}

func (p pairing) match(x0, x1 flow.Batch, label []int32, draw uint64) ([]int, error) {
	src := make([]int, p.n)
	for j := range src {
		src[j] = -1 // so that an element never written shows
	}
	err := p.c.Match(src, x0, x1, label, seed.Rand(pairingSeed, "flowtest match", draw))
	if err != nil {
		return nil, fmt.Errorf("no pairs: %w", err)
	}
	for j, i := range src {
		if i < 0 || i >= p.n {
			return nil, fmt.Errorf("src[%d] = %d is no row of x0", j, i)
		}
	}
	return src, nil
}

func (p pairing) keepsItsArguments() error {
	x0, x1, label := p.batches(0)
	if _, err := p.match(x0, x1, label, 0); err != nil {
		return err
	}
	y0, y1, again := p.batches(0)
	if !slices.Equal(x0.X, y0.X) || !slices.Equal(x1.X, y1.X) || !slices.Equal(label, again) {
		return errors.New("x0, x1 or the labels have been changed")
	}
	return nil
}

func (p pairing) isDeterministic() error {
	x0, x1, label := p.batches(1)
	want, err := p.match(x0, x1, label, 3)
	if err != nil {
		return err
	}
	got, errs := make([][]int, 4), make([]error, 4)
	var wg sync.WaitGroup
	for k := range got {
		wg.Go(func() { got[k], errs[k] = p.match(x0, x1, label, 3) })
	}
	wg.Wait()
	for k := range got {
		if errs[k] != nil {
			return fmt.Errorf("concurrent calls: %w", errs[k])
		}
		if !slices.Equal(got[k], want) {
			return fmt.Errorf("equal seeds in concurrent calls: got %v, want %v", got[k], want)
		}
	}
	return nil
}

// keepsMarginals draws pairs of the same batches again and again and counts how
// often each row of x0 is used.
func (p pairing) keepsMarginals() error {
	const draws = 200
	x0, x1, label := p.batches(2)
	used := make([]float64, p.n)
	for k := range uint64(draws) {
		src, err := p.match(x0, x1, label, k)
		if err != nil {
			return err
		}
		for _, i := range src {
			used[i] += 1.0 / draws
		}
	}
	// The columns are drawn apart, so the variance of a count is at most its mean, 1.
	tol := 6/math.Sqrt(draws) + 1e-3*float64(p.n)
	for i, u := range used {
		if math.Abs(u-1) > tol {
			return fmt.Errorf("marginal of x0: row %d is used %.3g times a batch on average, want 1, tolerance %.2g", i,
				u, tol)
		}
	}
	return nil
}

// isNoDearer compares the cost of the pairs with that of all pairs, batch by batch.
func (p pairing) isNoDearer() error {
	const draws = 200
	var sum, squares float64
	for k := range uint64(draws) {
		x0, x1, label := p.batches(10 + k)
		src, err := p.match(x0, x1, label, k)
		if err != nil {
			return err
		}
		excess := 0.0
		for j, i := range src {
			excess += square(x0.Row(i), x1.Row(j))
			for i := range p.n {
				excess -= square(x0.Row(i), x1.Row(j)) / float64(p.n)
			}
		}
		sum += excess
		squares += excess * excess
	}
	mean := sum / draws
	stdErr := math.Sqrt(max(0, squares/draws-mean*mean) / draws)
	if tol := 5*stdErr + 1e-9; mean > tol {
		return fmt.Errorf(
			"cost: pairs cost %.3g more a batch than independent ones on average, want no more, tolerance %.2g",
			mean, tol)
	}
	return nil
}

func square(a, b []float64) float64 {
	sum := 0.0
	for k := range a {
		sum += (a[k] - b[k]) * (a[k] - b[k])
	}
	return sum
}
