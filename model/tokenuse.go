package model

import (
	"context"
	"errors"
	"fmt"
	"math"

	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/stat"
)

// TokenSampling says how sequences are drawn from a [TokenModel].
type TokenSampling struct {
	N       int              // sequences
	Sampler discrete.Sampler // Path is that of the model; First is the number of the first sequence
	Label   []int32          // the class of each sequence, -1 for none; nil: none have one
	// Guidance γ of Label: rates are those with the label to the power γ, times those without to the power 1-γ. Nil and
	// 1 are no guidance, 0 is the model without labels. A step takes two evaluations.
	Guidance *float64
	// Progress, if not nil, is told how far the work is.
	Progress Progress
	// At, if not nil, sees the state of the sequences at each time of the grid. It asks that they are drawn together.
	At func(t float64, x discrete.Tokens)
}

// probabilities is about how many numbers a posterior has that is asked for at once.
const probabilities = 1 << 23

// together is how many sequences are solved for at once.
func (m *TokenModel) together(n int) int {
	return min(n, max(1, probabilities/(m.spec.Net.Length*m.spec.Net.Levels)))
}

// Sample draws sequences. A sequence depends on the seed and its number alone. The stats are those of a sequence.
func (m *TokenModel) Sample(ctx context.Context, o TokenSampling) (discrete.Tokens, discrete.Stats, error) {
	if o.N < 1 {
		return discrete.Tokens{}, discrete.Stats{}, fmt.Errorf("model: %d sequences to draw; want 1 at least", o.N)
	}
	if of := o.Sampler.Of; of != nil && len(of) != o.N {
		return discrete.Tokens{}, discrete.Stats{}, fmt.Errorf("model: Of names %d sequences of %d", len(of), o.N)
	}
	if err := m.canGuide(o, o.N); err != nil {
		return discrete.Tokens{}, discrete.Stats{}, err
	}
	o.Sampler.Path = m.path
	x := o.Sampler.Start(o.N, m.spec.Net.Length)
	stats, err := m.solve(ctx, o, x, o.Progress)
	return x, stats, err
}

// canGuide reports labels that are none of n sequences, and guidance that has none.
func (m *TokenModel) canGuide(o TokenSampling, n int) error {
	switch guided := o.Guidance != nil && *o.Guidance != 1; {
	case o.Label != nil && len(o.Label) != n:
		return fmt.Errorf("model: %d labels for %d sequences", len(o.Label), n)
	case guided && o.Label == nil:
		return errors.New("model: guidance needs labels")
	case o.Sampler.Guidance != 0 || o.Sampler.Free != nil:
		return errors.New("model: the guidance of a model is TokenSampling.Guidance; leave it out of the Sampler")
	}
	return nil
}

// posterior is that of sequences from to to, and the one without labels that guides it; nil: none does.
func (m *TokenModel) posterior(o *TokenSampling, from, to int) discrete.Posterior {
	free := m.Given(flow.Given{})
	o.Sampler.Guidance, o.Sampler.Free = 0, nil
	if o.Label == nil || o.Guidance != nil && *o.Guidance == 0 {
		return free
	}
	if o.Guidance != nil && *o.Guidance != 1 {
		o.Sampler.Guidance, o.Sampler.Free = *o.Guidance, free
	}
	return m.Given(flow.Given{Label: o.Label[from:to]})
}

// solve makes data of sequences of noise, so many together as there is room for.
func (m *TokenModel) solve(ctx context.Context, o TokenSampling, x discrete.Tokens, progress Progress) (
	stats discrete.Stats, err error) {
	size := m.together(x.N)
	if o.At != nil {
		size = x.N
	}
	first, of := o.Sampler.First, o.Sampler.Of
	for from := 0; from < x.N; from += size {
		to := min(x.N, from+size)
		part := discrete.Tokens{N: to - from, L: x.L, X: x.X[from*x.L : to*x.L]}
		if x.Shown != nil {
			part.Shown = x.Shown[from*x.L : to*x.L]
		}
		nfe := 0
		if o.Sampler.First = first + from; of != nil {
			o.Sampler.Of = of[from:to]
		}
		post := m.posterior(&o, from, to)
		if stats, err = o.Sampler.Sample(ctx, post, part, func(t float64, s discrete.Tokens) {
			if o.At != nil {
				o.At(t, s)
			}
			if nfe++; progress != nil {
				progress((float64(from)+t*float64(part.N))/float64(x.N), nfe-1)
			}
		}); err != nil {
			return stats, err
		}
	}
	return stats, nil
}

// TokenBound is a bound of -log p of sequences: the mean over their tokens. Standard errors are over sequences, with
// the draws of times and states of each; of one sequence they are of the draws alone.
type TokenBound struct {
	Sequences  int     `json:"sequences"`
	Tokens     int     `json:"tokens"`     // of all sequences
	Characters int     `json:"characters"` // of text that they stand for
	Draws      int     `json:"draws"`      // of a time and a state for each sequence
	Nats       float64 `json:"nats_per_token"`
	Bits       float64 `json:"bits_per_token"`
	BitsSE     float64 `json:"bits_per_token_se"`
	// BitsOfChar are those of a character of text.
	BitsOfChar   float64 `json:"bits_per_character"`
	BitsOfCharSE float64 `json:"bits_per_character_se"`
}

// Bound returns the bound of -log p of sequences by [discrete.ELBO], given their labels (nil: none have one), and that
// of each in nats.
func (m *TokenModel) Bound(ctx context.Context, x discrete.Tokens, label []int32, o discrete.ELBOOptions,
	progress Progress) (b TokenBound, each []float64, err error) {
	if label != nil && len(label) != x.N {
		return b, nil, fmt.Errorf("model: %d labels for %d sequences", len(label), x.N)
	}
	if x.N < 1 || x.L != m.spec.Net.Length {
		return b, nil, fmt.Errorf("model: %d sequences of %d tokens; the model has a bound of sequences of %d", x.N,
			x.L, m.spec.Net.Length)
	}
	if o.Draws == 0 {
		o.Draws = DefaultDraws
	}
	each, se := make([]float64, x.N), make([]float64, x.N)
	size, first := min(m.together(x.N), max(1, x.N/20)), o.First
	for from := 0; from < x.N; from += size {
		to := min(x.N, from+size)
		part := discrete.Tokens{N: to - from, L: x.L, X: x.X[from*x.L : to*x.L]}
		o.First = first + from
		given := flow.Given{}
		if label != nil {
			given.Label = label[from:to]
		}
		if err := discrete.ELBO(ctx, m.Given(given), m.path, part, o, each[from:to], se[from:to]); err != nil {
			return b, nil, err
		}
		if progress != nil {
			progress(float64(to)/float64(x.N), o.Draws)
		}
	}
	return m.summary(x, o.Draws, each, se), each, nil
}

// DefaultDraws is how many draws of a time and a state a bound takes of each sequence, if nothing is said.
const DefaultDraws = 16

func (m *TokenModel) summary(x discrete.Tokens, draws int, each, se []float64) TokenBound {
	perToken := 1 / (float64(x.L) * math.Ln2)
	mean, over := stat.MeanStdErr(each)
	if x.N == 1 {
		over = se[0]
	}
	b := TokenBound{Sequences: x.N, Tokens: len(x.X), Draws: draws, Characters: m.spec.Vocabulary.Characters(x.X),
		Nats: mean / float64(x.L), Bits: mean * perToken, BitsSE: over * perToken}
	if b.Characters > 0 {
		of := float64(b.Tokens) / float64(b.Characters)
		b.BitsOfChar, b.BitsOfCharSE = b.Bits*of, b.BitsSE*of
	}
	return b
}
