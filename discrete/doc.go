// Package discrete is flow matching of sequences of tokens (Gat et al. 2024, arXiv 2407.15595; Campbell et al.
// 2024, arXiv 2402.04997): a sequence x_1 of L tokens, each one of K levels, is made of noise by jumps of single
// tokens.
//
// Of each token a [Path] says how it is mixed with noise at time t, given x_1: tokens are independent then. The
// marginal process jumps at rates that are the mean of those of the path over the posterior p(x_1^i | x_t) of each
// token. So a model of tokens is its posterior ([Posterior]), as a model of points is its velocity: a network
// learns it by [CrossEntropy] or by the [GeneralisedKL], and a [Law] that can be enumerated has it exactly.
//
// [Sampler] draws sequences of a posterior, [ELBO] bounds their log-probability.
//
// Time runs from t = 0 (noise) to t = 1 (data).
package discrete

import (
	"context"
	"errors"
	"fmt"
)

// Tokens are N sequences of L tokens, one after the other. Those of data are from 0 to K-1, where K is the number
// of levels; on the way there may be one more state, K, which is the mask.
type Tokens struct {
	N, L int
	X    []int32 // N L

	// Shown are the tokens that are known and do not move: they have their value of the data at every time. Nil
	// if there are none, else N L.
	Shown []bool
}

// NewTokens returns n sequences of l tokens 0.
func NewTokens(n, l int) Tokens { return Tokens{N: n, L: l, X: make([]int32, n*l)} }

// Row returns sequence i. It shares memory.
func (x Tokens) Row(i int) []int32 { return x.X[i*x.L : (i+1)*x.L : (i+1)*x.L] }

// Clone returns a copy.
func (x Tokens) Clone() Tokens {
	x.X = append([]int32(nil), x.X...)
	if x.Shown != nil {
		x.Shown = append([]bool(nil), x.Shown...)
	}
	return x
}

// shown says whether token k of all is shown.
func (x Tokens) shown(k int) bool { return x.Shown != nil && x.Shown[k] }

// Check reports what is not N sequences of L tokens that are each below states.
func (x Tokens) Check(states int) error {
	switch {
	case x.N < 0 || x.L < 1 || len(x.X) != x.N*x.L:
		return fmt.Errorf("discrete: %d tokens are not %d sequences of %d", len(x.X), x.N, x.L)
	case x.Shown != nil && len(x.Shown) != len(x.X):
		return fmt.Errorf("discrete: shown has %d entries for %d tokens", len(x.Shown), len(x.X))
	}
	for k, v := range x.X {
		if v < 0 || int(v) >= states {
			return fmt.Errorf("discrete: token %d of sequence %d is %d; it must be from 0 to %d",
				k%x.L, k/x.L, v, states-1)
		}
	}
	return nil
}

// Posterior is what a model of tokens is: for each token of a state the probabilities of its level at t = 1.
//
// Implementations keep nothing of a call, and the answer for one sequence does not depend on the others.
type Posterior interface {
	// Levels is the number K of levels of a token.
	Levels() int

	// Posterior writes p(x_1^i = k | x_t) into p, which has N L K entries. t has a time for each of the N
	// sequences. Of tokens that are shown what it writes is not used.
	Posterior(ctx context.Context, p, t []float64, x Tokens) error
}

// ErrNoState is of a state that the path cannot be in.
var ErrNoState = errors.New("discrete: the state has no probability on this path")
