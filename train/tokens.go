package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
	"flowmatch/nn"
)

// Losses of [Tokens].
const (
	// CrossEntropy is -log p(x_1) of tokens that are not at their level for sure, at times that are uniform.
	CrossEntropy = "cross_entropy"
	// GeneralisedKL is the loss whose mean is the bound of the log-probability, at the times of Path.Quantile. It is
	// for mixture paths.
	GeneralisedKL = "generalised_kl"
)

// TokenLosses are the names of the losses of tokens.
func TokenLosses() []string { return []string{CrossEntropy, GeneralisedKL} }

// TokenStream returns n sequences of data of a step, each token a level, and what they are given: a pure function of
// the step.
type TokenStream func(step, n int) (discrete.Tokens, flow.Given)

// Tokens says how a network learns the posterior of sequences of tokens.
type Tokens struct {
	Path discrete.Path
	Loss string      // default: generalised_kl of mixture paths, else cross_entropy
	Data TokenStream // batches
	Seed uint64      // of times and noise

	// Shown is the share of sequences of which a part is known: each token of such a sequence with a probability that
	// is uniform. The network can then fill in, on paths without masks. 0: none.
	Shown float64
	// Unlabelled is the share of sequences whose label is dropped, so that guidance has a posterior without one.
	Unlabelled float64

	Held      discrete.Tokens // held-out sequences to validate on, by their ELBO; none: no validation
	HeldGiven flow.Given

	Loop      Loop
	Optimizer nn.Optimizer
	Hooks     Hooks
}

// check reports what does not fit, with the loss filled in.
func (o *Tokens) check(n *nn.TokenNet) error {
	if o.Path == nil || o.Data == nil {
		return errors.New("train: Tokens needs a Path and Data")
	}
	mixture, is := o.Path.(*discrete.Mixture)
	if o.Loss == "" {
		if o.Loss = CrossEntropy; is {
			o.Loss = GeneralisedKL
		}
	}
	if err := choice.Check("loss of tokens", o.Loss, TokenLosses()); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	cfg := n.Config()
	switch masks := is && mixture.Source() == discrete.Mask; {
	case o.Loss == GeneralisedKL && !is:
		return fmt.Errorf("train: the loss %s is for mixture paths; take %s", GeneralisedKL, CrossEntropy)
	case cfg.Levels != o.Path.Levels() || cfg.Mask != masks:
		return fmt.Errorf("train: a network of %d levels (mask: %v) on a path of %d levels (mask: %v)", cfg.Levels,
			cfg.Mask, o.Path.Levels(), masks)
	case o.Shown > 0 && !cfg.Shown:
		return errors.New("train: shown needs a network that is told which tokens are known (TokenConfig.Shown); " +
			"with masks none is needed, since what is known is no mask")
	case !(o.Shown >= 0 && o.Shown <= 1) || !(o.Unlabelled >= 0 && o.Unlabelled <= 1):
		return fmt.Errorf("train: shown %g and unlabelled %g are shares, from 0 to 1", o.Shown, o.Unlabelled)
	case o.Unlabelled > 0 && cfg.Classes == 0:
		return errors.New("train: unlabelled has no effect on a network without labels; leave it out")
	}
	return nil
}

// Train trains a network and returns the trained one, that of the averaged weights; n stays as it is. When ctx ends,
// the error is [ErrInterrupted], and the network that was trained so far is returned beside it.
func (o Tokens) Train(ctx context.Context, n *nn.TokenNet) (*nn.TokenNet, error) {
	tr, err := n.NewTrainer(o.Optimizer)
	if err != nil {
		return nil, err
	}
	_, ended := o.Run(ctx, n, tr, Progress{})
	if ended != nil && !errors.Is(ended, ErrInterrupted) {
		return nil, ended
	}
	trained, err := tr.Averaged()
	if err != nil {
		return nil, err
	}
	return trained, ended
}

// Run takes the steps that are left, from the state of a trainer of n. What is learnt is in the trainer.
func (o Tokens) Run(ctx context.Context, n *nn.TokenNet, tr *nn.TokenTrainer, p Progress) (Progress, error) {
	if err := o.check(n); err != nil {
		return p, err
	}
	task := Task{Trainer: tr.Trainer, Progress: p, Hooks: o.Hooks}
	if o.Held.N > 0 {
		task.Validate = func(ctx context.Context) (float64, error) {
			net, err := tr.Averaged()
			if err != nil {
				return 0, err
			}
			return o.Bound(ctx, net)
		}
	}
	batch := o.Loop.Defaults().Batch
	task.Step = func(step int, lr float64) (nn.StepResult, error) {
		ex, err := o.Examples(step, batch)
		if err != nil {
			return nn.StepResult{}, err
		}
		return tr.Step(ex, lr)
	}
	return o.Loop.Run(ctx, task)
}

// Bound is the mean ELBO of the held-out sequences, in nats of a token that is not shown.
func (o Tokens) Bound(ctx context.Context, n *nn.TokenNet) (float64, error) {
	bound, se := make([]float64, o.Held.N), make([]float64, o.Held.N)
	err := discrete.ELBO(ctx, n.Given(o.HeldGiven), o.Path, o.Held, discrete.ELBOOptions{Draws: 4, Seed: o.Seed}, bound,
		se)
	sum, count := 0.0, len(o.Held.X)
	for _, v := range bound {
		sum += v
	}
	for _, s := range o.Held.Shown {
		if s {
			count--
		}
	}
	return sum / float64(max(1, count)), err
}

// Examples are those of a step: a pure function of it.
func (o Tokens) Examples(step, batch int) (*nn.TokenExamples, error) {
	x, given := o.Data(step, batch)
	if err := x.Check(o.Path.Levels()); err != nil {
		return nil, err
	}
	rng := seed.Rand(o.Seed, "train/tokens", uint64(step))
	ex := &nn.TokenExamples{X: x.Clone(), X1: x.X, T: make([]float64, x.N), Given: given,
		A: make([]float64, len(x.X)), B: make([]float64, len(x.X))}
	weight := make([]float64, x.N)
	for i := range x.N {
		u := (float64(i) + rng.Float64()) / float64(x.N) // stratified over the batch
		if o.Loss == CrossEntropy {
			ex.T[i], weight[i] = u, 1
		} else {
			ex.T[i], weight[i] = o.Path.Quantile(u)
		}
	}
	if o.Shown > 0 {
		ex.X.Shown = o.known(rng, x)
	}
	if o.Unlabelled > 0 {
		ex.Given.Label = slices.Clone(given.Label)
		for i := range ex.Given.Label {
			if rng.Float64() < o.Unlabelled {
				ex.Given.Label[i] = -1
			}
		}
	}
	discrete.Noise(o.Path, rng, ex.X, ex.T)
	o.weigh(ex, weight)
	return ex, nil
}

// known draws which tokens are known: a part of some sequences, beside those that are in any case.
func (o Tokens) known(rng *rand.Rand, x discrete.Tokens) []bool {
	shown := make([]bool, len(x.X))
	copy(shown, x.Shown)
	for i := range x.N {
		if rng.Float64() >= o.Shown {
			continue
		}
		share := rng.Float64()
		for k := i * x.L; k < (i+1)*x.L; k++ {
			shown[k] = shown[k] || rng.Float64() < share
		}
	}
	return shown
}

// weigh writes the factors of the loss: nothing of tokens that are known or at their level for sure.
func (o Tokens) weigh(ex *nn.TokenExamples, weight []float64) {
	mixture, _ := o.Path.(*discrete.Mixture)
	for k, z := range ex.X.X {
		if o.Path.Settled(z) || ex.X.Shown != nil && ex.X.Shown[k] {
			continue
		}
		i := k / ex.X.L
		if o.Loss == CrossEntropy {
			ex.A[k] = weight[i]
			continue
		}
		w := weight[i] * mixture.Rate(ex.T[i])
		if ex.B[k] = w; z != ex.X1[k] {
			ex.A[k] = w
		}
	}
}
