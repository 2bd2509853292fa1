package classify

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
)

// LocalOptions says how a [LocalC2ST] is made. The zero value is usable.
type LocalOptions struct {
	Seed   uint64
	Nulls  int   // classifiers of the null hypothesis, at least 1; default 100
	Hidden []int // widths of the hidden layers; nil: two of 10 (D + C)
	Epochs int   // at most; default 1000
	// Progress, if not nil, is told which part of the classifiers is trained, in 0..1.
	Progress func(done float64)
}

// LocalC2ST is the local classifier two-sample test of posteriors (Linhart, Gramfort and
// Rodrigues 2023, arXiv 2306.03580): a classifier that tells pairs (θ, x) of the simulator from
// those with a sample of the posterior at x in the place of θ, and as many as Nulls that
// were trained where there is nothing to tell. It is safe for concurrent use.
type LocalC2ST struct {
	dim, context int
	theta, x     scale
	learnt       *nn.Discriminator
	nulls        []*nn.Discriminator
}

// Local is what a [LocalC2ST] says of one observation.
type Local struct {
	// Statistic is the mean of (d − 1/2)² over the samples: 0 for a posterior that is right,
	// at most 1/4.
	Statistic float64 `json:"statistic"`
	// P is the p-value: how often a classifier of the null hypothesis has as large a
	// Statistic, (1 + how many)/(1 + Nulls). It is exact where all posteriors are right; a
	// small one says that they are not, and where the Statistic is largest. Of an observation
	// beside those whose posteriors are wrong it may be small as well, for the classifier
	// is smooth.
	P float64 `json:"p"`
	// D [M] is d of each sample, the probability that it comes from the posterior and not from
	// the simulator: above 1/2 where the posterior has too much mass, below where too little.
	D []float64 `json:"-"`
}

// NewLocalC2ST trains the classifiers on N simulations: truth [N, D] is drawn from the prior,
// x [N, C] are the observations of it, and samples [N, D] are one sample each of the
// posteriors at these.
//
// Under the null hypothesis truth and sample of an observation can be exchanged. So a
// classifier of the null hypothesis is trained with each pair exchanged or not, at random,
// which makes the p-values exact whatever the classifier learns. The error is [ErrSample] for
// simulations that do not fit, and that of ctx when it ends.
func NewLocalC2ST(ctx context.Context, eng *nn.Engine, truth, x, samples flow.Batch, o LocalOptions) (*LocalC2ST,
	error) {
	o.Nulls, o.Epochs = cmp.Or(o.Nulls, 100), cmp.Or(o.Epochs, 1000)
	if err := checkSimulations(truth, x, samples); err != nil {
		return nil, err
	}
	if o.Nulls < 1 || o.Epochs < 1 {
		return nil, fmt.Errorf("classify: %d classifiers of the null hypothesis and %d epochs; it needs at least 1 of "+
			"either", o.Nulls, o.Epochs)
	}
	both, _ := together(truth, samples) // the scale of one of them would tell it from the other
	l := &LocalC2ST{dim: truth.D, context: x.D, theta: scaleOf(both), x: scaleOf(x)}
	tr, err := newTrainer(eng, truth.D+x.D, o.Hidden)
	if err != nil {
		return nil, err
	}
	pairs := l.pairs(truth, x, samples)
	for k := range o.Nulls + 1 {
		net, err := l.fit(ctx, tr, pairs, k, o)
		if err != nil {
			return nil, fmt.Errorf("classify: classifier %d of %d: %w", k+1, o.Nulls+1, err)
		}
		if k == 0 {
			l.learnt = net
		} else {
			l.nulls = append(l.nulls, net)
		}
		if o.Progress != nil {
			o.Progress(float64(k+1) / float64(o.Nulls+1))
		}
	}
	return l, nil
}

// pairs returns (θ, x) of the simulator, N rows, and below them (θ, x) of the posterior.
func (l *LocalC2ST) pairs(truth, x, samples flow.Batch) flow.Batch {
	n := truth.N
	all := flow.NewBatch(2*n, l.dim+l.context)
	for i := range n {
		for k, theta := range []flow.Batch{truth, samples} {
			row := all.Row(k*n + i)
			l.theta.apply(row[:l.dim], theta.Row(i))
			l.x.apply(row[l.dim:], x.Row(i))
		}
	}
	return all
}

// fit trains the classifier with number k: 0 is that of the pairs as they are.
func (l *LocalC2ST) fit(ctx context.Context, tr *nn.DiscriminatorTrainer, pairs flow.Batch, k int,
	o LocalOptions) (*nn.Discriminator, error) {
	n := pairs.N / 2
	kinds, rng := make([]float64, pairs.N), seed.Rand(o.Seed, "classify/local", uint64(k))
	for i := range n {
		if k > 0 && rng.IntN(2) == 1 {
			kinds[i] = 1
		} else {
			kinds[n+i] = 1
		}
	}
	if err := sklearnFit(ctx, tr, pairs, kinds, o.Epochs, newMersenne(o.Seed+uint64(k))); err != nil {
		return nil, err
	}
	return tr.Raw()
}

// Test asks about the posterior at the observation x [C], of which samples are [M, D]; others
// than those that the classifiers were trained on.
func (l *LocalC2ST) Test(samples flow.Batch, x []float64) (Local, error) {
	if err := checkSample("posterior", samples); err != nil {
		return Local{}, err
	}
	if err := checkSample("observed", flow.Batch{N: 1, D: len(x), X: x}); err != nil {
		return Local{}, err
	}
	if samples.D != l.dim || len(x) != l.context {
		return Local{}, fmt.Errorf("classify: samples of dimension %d at an observation of %d numbers: %w: "+
			"the classifiers were trained on %d and %d", samples.D, len(x), ErrSample, l.dim, l.context)
	}
	at := flow.NewBatch(samples.N, l.dim+l.context)
	for i := range at.N {
		l.theta.apply(at.Row(i)[:l.dim], samples.Row(i))
		l.x.apply(at.Row(i)[l.dim:], x)
	}
	var res Local
	var err error
	if res.Statistic, res.D, err = statistic(l.learnt, at); err != nil {
		return Local{}, err
	}
	above := 1
	for _, null := range l.nulls {
		t, _, err := statistic(null, at)
		if err != nil {
			return Local{}, err
		}
		if t >= res.Statistic {
			above++
		}
	}
	res.P = float64(above) / float64(len(l.nulls)+1)
	return res, nil
}

// statistic returns the mean of (d − 1/2)², and d of each point.
func statistic(net *nn.Discriminator, x flow.Batch) (t float64, d []float64, err error) {
	logits, err := net.Logits(x)
	if err != nil {
		return 0, nil, err
	}
	d = logits
	for i, z := range logits {
		d[i] = 1 / (1 + math.Exp(-z))
		t += (d[i] - 0.5) * (d[i] - 0.5) / float64(x.N)
	}
	return t, d, nil
}

// checkSimulations reports simulations that do not go together.
func checkSimulations(truth, x, samples flow.Batch) error {
	for _, s := range []struct {
		which string
		of    flow.Batch
	}{{"true", truth}, {"observed", x}, {"posterior", samples}} {
		if err := checkSample(s.which, s.of); err != nil {
			return err
		}
	}
	if truth.N < 2 || x.N != truth.N || samples.N != truth.N || samples.D != truth.D {
		return fmt.Errorf("classify: truths [%d, %d], observations [%d, %d] and samples [%d, %d]: %w: there must be "+
			"equally many, two at least, and samples of the truths' dimension",
			truth.N, truth.D, x.N, x.D, samples.N, samples.D, ErrSample)
	}
	return nil
}
