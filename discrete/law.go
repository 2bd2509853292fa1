package discrete

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Law is a law of sequences that can be listed: its posterior is exact, by Bayes' rule over the whole list. It is
// for tokens what the marginal field of a data set is for points, and tests of models and samplers rest on it.
type Law struct {
	path Path
	x    Tokens
	logw []float64 // of each sequence; they sum to 1
}

// NewLaw returns the law of sequences x with some weights, which are 0 or above and need not sum to 1; nil is 1 each.
func NewLaw(p Path, x Tokens, weights []float64) (*Law, error) {
	if err := x.Check(p.Levels()); err != nil {
		return nil, err
	}
	if weights == nil {
		weights = slices.Repeat([]float64{1}, x.N)
	}
	if len(weights) != x.N {
		return nil, fmt.Errorf("discrete: %d weights for %d sequences", len(weights), x.N)
	}
	sum := 0.0
	for i, w := range weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return nil, fmt.Errorf("discrete: weight %d is %g; it must be 0 or above", i, w)
		}
		sum += w
	}
	if !(sum > 0) {
		return nil, fmt.Errorf("discrete: the weights of a law sum to %g", sum)
	}
	l := &Law{p, x.Clone(), make([]float64, x.N)}
	l.x.Shown = nil
	for i, w := range weights {
		l.logw[i] = math.Log(w / sum)
	}
	return l, nil
}

// Levels is the number of levels of a token.
func (l *Law) Levels() int { return l.path.Levels() }

// Entropy is that of the law, in nats of a sequence.
func (l *Law) Entropy() float64 {
	h := 0.0
	for _, w := range l.logw {
		if !math.IsInf(w, -1) {
			h -= math.Exp(w) * w
		}
	}
	return h
}

// Posterior writes p(x_1^i = k | x_t), given the tokens that are shown. The error is [ErrNoState] for a state that
// no sequence of the law can be in.
func (l *Law) Posterior(ctx context.Context, p, t []float64, x Tokens) error {
	if err := x.Check(l.path.States()); err != nil {
		return err
	}
	k := l.Levels()
	if x.L != l.x.L || len(t) != x.N || len(p) != x.N*x.L*k {
		return fmt.Errorf("discrete: a law of %d tokens was asked for %d times and %d probabilities of %d sequences "+
			"of %d", l.x.L, len(t), len(p), x.N, x.L)
	}
	logp, at := []float64(nil), math.NaN()
	logq := make([]float64, l.x.N)
	for n := range x.N {
		if err := ctx.Err(); err != nil {
			return err
		}
		if t[n] != at {
			logp, at = logProbs(l.path, t[n]), t[n]
		}
		if !l.weigh(logq, logp, x, n) {
			return fmt.Errorf("%w: sequence %d at t = %g; take smaller steps", ErrNoState, n, t[n])
		}
		l.share(p[n*x.L*k:(n+1)*x.L*k], logq)
	}
	return nil
}

// logProbs are log p_t(x | x1) at [x1 states + x].
func logProbs(path Path, t float64) []float64 {
	s := path.States()
	all := make([]float64, path.Levels()*s)
	for x1 := range path.Levels() {
		row := all[x1*s : (x1+1)*s]
		path.Prob(row, t, int32(x1))
		for k, v := range row {
			row[k] = math.Log(v)
		}
	}
	return all
}

// weigh writes the log-probability of each sequence of the law given sequence n of a state, less that of the most
// probable. It says whether there is one.
func (l *Law) weigh(logq, logp []float64, x Tokens, n int) bool {
	states, most := l.path.States(), math.Inf(-1)
	for m := range logq {
		v := l.logw[m]
		for i, x1 := range l.x.Row(m) {
			now := x.X[n*x.L+i]
			switch {
			case !x.shown(n*x.L + i):
				v += logp[int(x1)*states+int(now)]
			case now != x1:
				v = math.Inf(-1)
			}
		}
		logq[m] = v
		most = max(most, v)
	}
	for m := range logq {
		logq[m] -= most
	}
	return !math.IsInf(most, -1)
}

// share adds the probabilities of sequences up by the level of each of their tokens.
func (l *Law) share(p, logq []float64) {
	k, sum := l.Levels(), 0.0
	clear(p)
	for m, v := range logq {
		q := math.Exp(v)
		if q == 0 {
			continue
		}
		sum += q
		for i, x1 := range l.x.Row(m) {
			p[i*k+int(x1)] += q
		}
	}
	for i := range p {
		p[i] /= sum
	}
}
