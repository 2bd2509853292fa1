package train

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"flowmatch/cluster"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// ML is maximum likelihood: a continuous normalizing flow as it was trained before
// flow matching (Chen et al. 2018; FFJORD, Grathwohl et al. 2019). The network is
// the velocity between N(0, I) at t = 0 and the data at t = 1, and each step solves
// its ODE for a batch of data, backward, and differentiates through the solve:
//
//	loss = mean of −log p_1(x_1) + the terms of the Regularizer, in nats and model units.
//
// There are no x_0, no drawn times and no target, so no coupling, times, weighting
// or schedule either: the model's path must be the default one, condot, and its
// prediction the velocity.
type ML struct {
	Data   data.Stream
	Solver ode.Solver
	// Hutchinson estimates the divergence by one Rademacher probe, drawn for each
	// point and step and held fixed through its solve; false: exact.
	Hutchinson  bool
	Regularizer likelihood.Regularizer
	// BatchSize is the number of points solved together; 0: all of the batch. It
	// bounds memory. Adaptive steps are chosen for each part by itself.
	BatchSize int
	// Held is the most held-out points that a validation looks at; 0: all.
	Held int
	Seed uint64
}

// errML is that of a model that maximum likelihood cannot train.
func errML() error {
	return misfit("maximum likelihood is for a model that predicts the velocity between N(0, I) and the data, " +
		"path condot")
}

// Limits implements [Limited].
func (ML) Limits() (noDensity, noScore string) { return mlKind().Limits("") }

// Check implements [Objective].
func (o ML) Check(m *model.Model) error {
	if err := usable(m); err != nil {
		return err
	}
	lo, hi := m.Span()
	at := m.Scheduler().At(0)
	misfits := mlKind().takes(m)
	switch spec := m.Spec(); {
	case spec.Prediction != path.Velocity || spec.Source != nil || isNoisy(m):
		return errML()
	case misfits != nil:
		return misfits
	case lo != 0 || hi != 1 || at.Sigma != 1 || at.Alpha != 0:
		return errML()
	case o.BatchSize < 0 || o.Held < 0:
		return misfit("ML.BatchSize is %d and ML.Held %d; they must not be negative", o.BatchSize, o.Held)
	}
	return checkData(m, o.Data)
}

// Steps implements [Stepper].
func (o ML) Steps(ctx context.Context, t Training) (StepFunc, error) {
	if err := o.Check(t.Model); err != nil {
		return nil, err
	}
	if t.Trainer == nil || t.Batch < 1 {
		return nil, fmt.Errorf("train: Training.Batch is %d, and must be at least 1, with a Trainer", t.Batch)
	}
	if parts := o.numParts(t.Batch); parts < t.Ranks.Size() {
		return nil, misfit("ranks of a training by maximum likelihood share the parts that are solved together, "+
			"and %d points in parts of %d are %d for %d ranks: set ml.batch_size to %d or less", t.Batch,
			o.size(t.Batch), parts, t.Ranks.Size(), max(1, t.Batch/t.Ranks.Size()))
	}
	net := t.Model.Net().Config()
	x1, given := flow.NewBatch(t.Batch, net.Dim), flow.NewGiven(t.Batch, net.Classes > 0, net.Context)
	return func(step int, lr float64) (r nn.StepResult, err error) {
		if err := o.Data.Fill(x1, given, uint64(step)); err != nil {
			return r, fmt.Errorf("train: data of step %d: %w", step, err)
		}
		net, err := t.Trainer.Raw()
		if err != nil {
			return r, err
		}
		theta, loss, nfe, err := o.gradient(ctx, net, x1, given, uint64(step), t.Ranks)
		if err != nil {
			return r, fmt.Errorf("train: likelihood at step %d: %w", step, err)
		}
		r, err = t.Trainer.Apply(theta, loss, lr)
		r.NFE = nfe
		return r, err
	}, nil
}

// gradient returns the gradient of the loss of x1, the loss, and how often the
// solves evaluated the field on their way to the source, a mean over the parts. Ranks take the
// parts in turn, and sum what they come to.
func (o ML) gradient(
	ctx context.Context, net *nn.Net, x1 flow.Batch, given flow.Given, step uint64, ranks *cluster.Comm,
) (theta []float64, loss, nfe float64, err error) {
	theta = make([]float64, net.NumWeights())
	w := make([]float64, x1.N)
	for i := range w {
		w[i] = -1 / float64(x1.N)
	}
	rng := seed.Rand(o.Seed, "train/probe", step)
	turn := -1
	err = o.parts(net, x1, given, func(p likelihood.Problem, from, to int) error {
		p.Divergence, p.Regularizer = divergence(o.Hutchinson, rng.Uint64()), o.Regularizer
		if turn++; turn%ranks.Size() != ranks.Rank() {
			return nil
		}
		g, err := p.Gradient(ctx, x1.Slice(from, to), w[from:to])
		if err != nil {
			return err
		}
		for i, v := range g.Theta {
			theta[i] += v
		}
		share := float64(to-from) / float64(x1.N)
		reg := o.Regularizer
		loss += share * (-stat.Mean(g.LogP) + reg.Kinetic*stat.Mean(g.Kinetic) + reg.Jacobian*stat.Mean(g.Jacobian))
		nfe += share * float64(g.Solve.NFE)
		return nil
	})
	if err != nil {
		return theta, loss, nfe, err
	}
	sums := []float64{loss, nfe}
	err = cmp.Or(cluster.Sum(ranks, theta), cluster.Sum(ranks, sums))
	return theta, sums[0], sums[1], err
}

// Validation implements [Validator] by the mean −log p of Held random points, in nats
// and model units, without regularisers: by the exact divergence up to dimension
// [likelihood.ExactUpTo], else by a probe for each point that is the same at every
// validation.
func (o ML) Validation(m *model.Model, held data.Finite, batch int) (Validate, error) {
	x1, given, rng, err := heldPoints(m, held, batch, o.Held, o.Seed)
	if err != nil || x1.N == 0 {
		return nil, err
	}
	given = taken(m, given)
	probes := rng.Uint64()
	return func(ctx context.Context, net *nn.Net) (float64, error) {
		sum := 0.0
		err := o.parts(net, x1, given, func(p likelihood.Problem, from, to int) error {
			p.Divergence = divergence(x1.D > likelihood.ExactUpTo, probes+uint64(from))
			logp, _, _, err := p.LogProb(ctx, x1.Slice(from, to))
			for _, v := range logp {
				sum += v
			}
			return err
		})
		if err != nil {
			return math.NaN(), fmt.Errorf("train: likelihood of held-out points: %w", err)
		}
		return -sum / float64(x1.N), nil
	}, nil
}

// size is how many of n points are solved together.
func (o ML) size(n int) int {
	if o.BatchSize < 1 {
		return n
	}
	return min(o.BatchSize, n)
}

// numParts is how many parts n points are solved in.
func (o ML) numParts(n int) int { return (n + o.size(n) - 1) / o.size(n) }

// parts calls each with the problem of every BatchSize points.
func (o ML) parts(
	net *nn.Net, x1 flow.Batch, given flow.Given, each func(p likelihood.Problem, from, to int) error,
) error {
	size := o.size(x1.N)
	for from := 0; from < x1.N; from += size {
		to := min(from+size, x1.N)
		f, err := net.Bind(given.Slice(from, to))
		if err != nil {
			return err
		}
		if err := each(likelihood.Problem{Field: f, Source: flow.Gaussian{}, Solver: o.Solver}, from, to); err != nil {
			return err
		}
	}
	return nil
}

func divergence(hutchinson bool, seedValue uint64) likelihood.Divergence {
	if hutchinson {
		return likelihood.Hutchinson{Seed: seedValue}
	}
	return likelihood.Exact{}
}

// MLConfig is what a run file says of maximum likelihood.
type MLConfig struct {
	Solve ode.Config `yaml:",inline" json:"solve"` // of a step
	// Divergence is that of a step: exact (default up to 4 dimensions) or hutchinson, by
	// one probe for each point.
	Divergence string `yaml:"divergence" json:"divergence"`
	// Kinetic is the coefficient of the kinetic energy of the paths; default 0.
	Kinetic float64 `yaml:"kinetic" json:"kinetic"`
	// Jacobian is the coefficient of the squared norm of the Jacobian; default 0.
	Jacobian float64 `yaml:"jacobian" json:"jacobian"`
	// BatchSize is the number of points solved together; 0 (default): the whole batch.
	BatchSize int `yaml:"batch_size" json:"batch_size"`
	// Val is the most held-out points of a validation; default 1000.
	Val int `yaml:"val" json:"val"`
}

// Defaults returns c with every unset field filled in, except the divergence, which
// only the data determine.
func (c MLConfig) Defaults() MLConfig {
	setDefault(&c.Solve.MaxNFE, 5000)
	c.Solve = c.Solve.Defaults()
	setDefault(&c.Val, 1000)
	return c
}

// Validate reports the first field that cannot be used.
func (c MLConfig) Validate() error {
	for _, v := range []interface{ Validate() error }{c.Solve, likelihood.Config{Divergence: c.Divergence}} {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("train: ml: %w", err)
		}
	}
	if c.Solve.Control == ode.ByPoint {
		return fmt.Errorf("train: ml: control is %s, but a gradient goes back through steps that all points share; "+
			"it must be %s, or be left out", ode.ByPoint, ode.ByBatch)
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"kinetic", c.Kinetic}, {"jacobian", c.Jacobian}, {"batch_size", float64(c.BatchSize)}, {"val", float64(c.Val)}} {
		if !(f.v >= 0) || math.IsInf(f.v, 0) {
			return fmt.Errorf("train: ml.%s is %g; it must be 0 or more", f.name, f.v)
		}
	}
	return nil
}

func mlKind() Kind {
	return Kind{
		Name: "ml", Doc: "maximum likelihood through the solver, the method before flow matching",
		Solves: true, Context: true, Velocity: true,
		keys: []string{"ml"},
		unused: []unused{
			{"prediction", "the network is the velocity"},
			{"times", "a solve sees all times"},
			{"weighting", "no time has a loss of its own"},
			{"label_dropout", "the likelihood is of the labels that there are"},
			{"precision", "a solve needs float32"},
			{"accumulate", "ml.batch_size sets how many points are solved together"},
			{"devices", "a solve is of one"},
			{"recompute", "a solve keeps the states between its steps only"},
		},
		defaults: func(c *Config) { c.ML = c.ML.Defaults() },
		validate: func(c Config) error { return c.ML.Validate() },
		build:    buildML,
	}
}

// exactGradientUpTo is the dimension up to which the exact divergence is the default of a
// step, whose gradient solves again.
const exactGradientUpTo = 4

func buildML(c Config, in Inputs) (Objective, error) {
	solver, err := c.ML.Solve.New()
	if err != nil {
		return nil, fmt.Errorf("train: ml: %w", err)
	}
	div, err := likelihood.Config{Divergence: c.ML.Divergence}.New(in.Set.Dim, exactGradientUpTo, 0)
	if err != nil {
		return nil, fmt.Errorf("train: ml: %w", err)
	}
	_, hutchinson := div.(likelihood.Hutchinson)
	return ML{
		Data: in.Set.Train, Solver: solver, Hutchinson: hutchinson,
		Regularizer: likelihood.Regularizer{Kinetic: c.ML.Kinetic, Jacobian: c.ML.Jacobian},
		BatchSize:   c.ML.BatchSize, Held: c.ML.Val, Seed: in.Seed,
	}, nil
}
