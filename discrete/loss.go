package discrete

import (
	"context"
	"errors"
	"fmt"
	"math"

	"flowmatch/internal/seed"
)

// CrossEntropy is -log p(x_1) of a token, in nats, of its posterior p.
func CrossEntropy(p []float64, x1 int32) float64 { return -math.Log(p[x1]) }

// GeneralisedKL is the divergence of the rates of jumps from z that a posterior p means from those given x_1, in
// nats by unit of time: Σ_y u log(u/û) - u + û. Its integral over time is the loss that bounds the log-probability
// of a sequence ([ELBO]). Of a mixture it is κ̇/(1-κ) [δ - p(z) - (1-δ) log p(x_1)] with δ = [z = x_1] (arXiv
// 2407.15595, section 3.3). work has room for two numbers for each state.
func GeneralisedKL(path Path, t float64, z, x1 int32, p, work []float64) float64 {
	if path.Settled(z) {
		return 0
	}
	s := path.States()
	u, mean := work[:s], work[s:2*s]
	path.Rates(u, t, z, x1)
	path.Mean(mean, t, z, p)
	sum := 0.0
	for y := range s {
		if u[y] > 0 {
			sum += u[y] * math.Log(u[y]/mean[y]) // infinite where the model has no such jump
		}
		sum += mean[y] - u[y]
	}
	return sum
}

// ELBOOptions says how an [ELBO] is estimated.
type ELBOOptions struct {
	Draws int    // of a time and a state for each sequence; 0: 16
	Seed  uint64 // of these
	First int    // the number of the first sequence: those of one seed and number have the same draws
}

// ELBO writes a bound of -log p(x_1) of each sequence of data in nats, and its standard error over draws, into
// bound and se. The law is that of sequences at t = 1 of the process whose rates the posterior means, without
// temperature or guidance; of tokens that are shown it is that of the others, given them. Where [Path].End is below 1,
// sequences at t = 1 are drawn of the posterior there, and the bound has its -log p(x_1) besides.
//
// The mean of the bound over data is at least their entropy. With the exact posterior it is the entropy if the source
// is [Mask]. With others it is above it, since a process whose rates know x_t alone forgets which tokens have jumped.
func ELBO(ctx context.Context, m Posterior, path Path, x1 Tokens, o ELBOOptions, bound, se []float64) error {
	if err := x1.Check(path.Levels()); err != nil {
		return err
	}
	if m.Levels() != path.Levels() {
		return fmt.Errorf("discrete: a posterior of %d levels on a path of %d", m.Levels(), path.Levels())
	}
	if len(bound) != x1.N || len(se) != x1.N {
		return fmt.Errorf("discrete: room for %d bounds and %d errors of %d sequences", len(bound), len(se), x1.N)
	}
	if o.Draws < 0 || o.Draws == 1 {
		return errors.New("discrete: one draw of an ELBO has no standard error; take 2 or more")
	}
	if o.Draws == 0 {
		o.Draws = 16
	}
	sum, square := make([]float64, x1.N), make([]float64, x1.N)
	for d := range o.Draws {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := o.draw(ctx, m, path, x1, d)
		if err != nil {
			return err
		}
		for n := range v {
			sum[n] += v[n]
			square[n] += v[n] * v[n]
		}
	}
	for n, k := 0, float64(o.Draws); n < x1.N; n++ {
		bound[n] = sum[n] / k
		se[n] = math.Sqrt(max(0, square[n]/k-bound[n]*bound[n]) / (k - 1))
	}
	return nil
}

// draw returns one estimate for each sequence, draw d of them: times are stratified over the draws.
func (o ELBOOptions) draw(ctx context.Context, m Posterior, path Path, x1 Tokens, d int) ([]float64, error) {
	x, k := x1.Clone(), path.Levels()
	t, weight := make([]float64, x.N), make([]float64, x.N)
	for n := range x.N {
		rng := seed.Rand(o.Seed, "elbo", uint64(o.First+n)*uint64(o.Draws)+uint64(d))
		t[n], weight[n] = path.Quantile((float64(d) + rng.Float64()) / float64(o.Draws))
		one := Tokens{N: 1, L: x.L, X: x.Row(n)}
		if x.Shown != nil {
			one.Shown = x.Shown[n*x.L : (n+1)*x.L]
		}
		Noise(path, rng, one, t[n:n+1])
	}
	p := make([]float64, x.N*x.L*k)
	if err := m.Posterior(ctx, p, t, x); err != nil {
		return nil, err
	}
	v, err := o.ending(ctx, m, path, x1, d)
	if err != nil {
		return nil, err
	}
	work := make([]float64, 2*path.States())
	for i, z := range x.X {
		if n := i / x.L; !x.shown(i) {
			v[n] += weight[n] * GeneralisedKL(path, t[n], z, x1.X[i], p[i*k:(i+1)*k], work)
		}
	}
	return v, nil
}

// ending returns the mean of -log p(x_1) of the draw at the end of the path, where that is before 1, of each sequence.
func (o ELBOOptions) ending(ctx context.Context, m Posterior, path Path, x1 Tokens, d int) ([]float64, error) {
	v, end := make([]float64, x1.N), path.End()
	if end >= 1 {
		return v, nil
	}
	x, t := x1.Clone(), make([]float64, x1.N)
	for n := range x.N {
		t[n] = end
		one := Tokens{N: 1, L: x.L, X: x.Row(n)}
		if x.Shown != nil {
			one.Shown = x.Shown[n*x.L : (n+1)*x.L]
		}
		Noise(path, seed.Rand(o.Seed, "elbo/end", uint64(o.First+n)*uint64(o.Draws)+uint64(d)), one, t[n:n+1])
	}
	k := path.Levels()
	p := make([]float64, x.N*x.L*k)
	if err := m.Posterior(ctx, p, t, x); err != nil {
		return nil, err
	}
	for i, want := range x1.X {
		if !x.shown(i) {
			v[i/x.L] += CrossEntropy(p[i*k:(i+1)*k], want)
		}
	}
	return v, nil
}
