package train

import (
	"context"
	"fmt"
	"math"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
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
// or schedule either.
type ML struct {
	Data   data.Stream
	Labels bool // ask the data for labels
	Solver ode.Solver
	// Hutchinson estimates the divergence by one Rademacher probe, drawn for each
	// point and step and held fixed through its solve; false: exact.
	Hutchinson  bool
	Regularizer likelihood.Regularizer
	// BatchSize is the number of points solved together; 0: all of the batch. It
	// bounds memory. Adaptive steps are chosen for each part by itself.
	BatchSize int
	Seed      uint64
}

// Steps implements [Objective].
func (o ML) Steps(ctx context.Context, tr *nn.Trainer, cfg Config, _ int) StepFunc {
	x1 := flow.NewBatch(cfg.Batch, tr.Dim())
	var label []int32
	if o.Labels {
		label = make([]int32, cfg.Batch)
	}
	return func(step int, lr float64) (r nn.StepResult, err error) {
		if err := o.Data.Fill(x1, label, uint64(step)); err != nil {
			return r, fmt.Errorf("train: data of step %d: %w", step, err)
		}
		net, err := tr.Net(false)
		if err != nil {
			return r, err
		}
		theta, loss, nfe, err := o.gradient(ctx, net, x1, label, uint64(step))
		if err != nil {
			return r, fmt.Errorf("train: likelihood at step %d: %w", step, err)
		}
		r, err = tr.Apply(theta, loss, lr)
		r.NFE = nfe
		return r, err
	}
}

// gradient returns the gradient of the loss of x1, the loss, and how often the
// solves evaluated the field on their way to the source, a mean over the parts.
func (o ML) gradient(ctx context.Context, net *nn.Net, x1 flow.Batch, label []int32, step uint64) (theta []float64, loss, nfe float64, err error) {
	theta = make([]float64, net.NumWeights())
	w := make([]float64, x1.N)
	for i := range w {
		w[i] = -1 / float64(x1.N)
	}
	rng := seed.Rand(o.Seed, "train/probe", step)
	err = o.parts(net, x1, label, func(p likelihood.Problem, from, to int) error {
		p.Divergence, p.Regularizer = divergence(o.Hutchinson, rng.Uint64()), o.Regularizer
		g, err := p.Gradient(ctx, x1.Slice(from, to), w[from:to])
		if err != nil {
			return err
		}
		for i, v := range g.Theta {
			theta[i] += v
		}
		share := float64(to-from) / float64(x1.N)
		loss += share * (-mean(g.LogP) + o.Regularizer.Kinetic*mean(g.Kinetic) + o.Regularizer.Jacobian*mean(g.Jacobian))
		nfe += share * float64(g.Solve.NFE)
		return nil
	})
	return theta, loss, nfe, err
}

// validationExact is the dimension up to which validation has the exact divergence.
const validationExact = 64

// Validation judges by the mean −log p of the first most points (0: all), in nats and
// model units, without regularisers: by the exact divergence up to dimension 64, else
// by a probe for each point that is the same at every validation. nil when there are
// no points.
func (o ML) Validation(points data.Finite, most int) Validate {
	n := points.Len()
	if most > 0 {
		n = min(n, most)
	}
	if n == 0 {
		return nil
	}
	rng := seed.Rand(o.Seed, "train/validation", 0)
	x1, label := data.Rows(points, 0, n, rng)
	if !o.Labels {
		label = nil
	}
	probes := rng.Uint64()
	return func(net *nn.Net) (float64, error) {
		sum := 0.0
		err := o.parts(net, x1, label, func(p likelihood.Problem, from, to int) error {
			p.Divergence = divergence(x1.D > validationExact, probes+uint64(from))
			logp, _, _, err := p.LogProb(context.Background(), x1.Slice(from, to))
			for _, v := range logp {
				sum += v
			}
			return err
		})
		if err != nil {
			return math.NaN(), fmt.Errorf("train: likelihood of held-out points: %w", err)
		}
		return -sum / float64(n), nil
	}
}

// parts calls each with the problem of every BatchSize points.
func (o ML) parts(net *nn.Net, x1 flow.Batch, label []int32, each func(p likelihood.Problem, from, to int) error) error {
	size := o.BatchSize
	if size == 0 {
		size = x1.N
	}
	for from := 0; from < x1.N; from += size {
		to := min(from+size, x1.N)
		part := label
		if label != nil {
			part = label[from:to]
		}
		f, err := net.Bind(part)
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

// mean returns the mean of v, 0 for an empty v.
func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(1, len(v)))
}

// MLConfig is what a run file says of maximum likelihood.
type MLConfig struct {
	Solver string `yaml:"solver" json:"solver"` // default dopri5
	// Steps is the number of equal steps of a solve; 0 (default): as many as RTol
	// and ATol ask for or, of a method without an error estimate, 100.
	Steps  int     `yaml:"steps" json:"steps"`
	RTol   float64 `yaml:"rtol" json:"rtol"`       // default 1e-5
	ATol   float64 `yaml:"atol" json:"atol"`       // default 1e-5
	MaxNFE int     `yaml:"max_nfe" json:"max_nfe"` // of one solve, beyond which training fails; default 5000
	// Divergence is exact (default up to 4 dimensions) or hutchinson.
	Divergence string `yaml:"divergence" json:"divergence"`
	// Kinetic and Jacobian are the coefficients of [likelihood.Regularizer].
	Kinetic   float64 `yaml:"kinetic" json:"kinetic"`
	Jacobian  float64 `yaml:"jacobian" json:"jacobian"`
	BatchSize int     `yaml:"batch_size" json:"batch_size"` // points solved together; 0 (default): the whole batch
	Val       int     `yaml:"val" json:"val"`               // the most held-out points that a validation looks at; default 1000
}

// exactDims is the dimension up to which an exact divergence is the default.
const exactDims = 4

// Defaults returns c with every unset field filled in, save the divergence, which
// only the data can tell.
func (c MLConfig) Defaults() MLConfig {
	setString(&c.Solver, "dopri5")
	for _, v := range []*float64{&c.RTol, &c.ATol} {
		if *v == 0 {
			*v = 1e-5
		}
	}
	if c.MaxNFE == 0 {
		c.MaxNFE = 5000
	}
	if c.Val == 0 {
		c.Val = 1000
	}
	return c
}

// Hutchinson reports whether points of dimension dim get an estimated divergence.
func (c MLConfig) Hutchinson(dim int) bool {
	return c.Divergence == "hutchinson" || c.Divergence == "" && dim > exactDims
}

// Validate reports the first field that cannot be used.
func (c MLConfig) Validate() error {
	if _, err := ode.ByName(c.Solver); err != nil {
		return fmt.Errorf("train: ml.solver: %w", err)
	}
	if c.Divergence != "" {
		if err := oneOf("ml.divergence", c.Divergence, []string{"exact", "hutchinson"}); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"steps", float64(c.Steps)}, {"kinetic", c.Kinetic}, {"jacobian", c.Jacobian}, {"batch_size", float64(c.BatchSize)}} {
		if !(f.v >= 0) || math.IsInf(f.v, 0) {
			return fmt.Errorf("train: ml.%s is %g; it must be 0 or more", f.name, f.v)
		}
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"rtol", c.RTol}, {"atol", c.ATol}, {"max_nfe", float64(c.MaxNFE)}, {"val", float64(c.Val)}} {
		if !(f.v > 0) || math.IsInf(f.v, 0) {
			return fmt.Errorf("train: ml.%s is %g; it must be positive", f.name, f.v)
		}
	}
	return nil
}

// validateML reports settings that mean nothing for the objective: those of
// maximum likelihood elsewhere, and those of regressions here.
func (c Config) validateML() error {
	if c.Objective != "ml" {
		if c.ML != (MLConfig{}) {
			return fmt.Errorf("train: ml is set, but the objective is %s: remove it, or set objective: ml", c.Objective)
		}
		return nil
	}
	for _, f := range []struct {
		name    string
		unset   bool
		because string
	}{
		{"prediction", c.Prediction == path.Velocity, "the network is the velocity"},
		{"times", c.Times == Times{}.Defaults(), "a solve sees all times"},
		{"weighting", c.Weighting == Unit, "no time has a loss of its own"},
		{"precision", c.Precision == "" || c.Precision == nn.Float32, "a solve needs float32"},
		{"accumulate", c.Accumulate <= 1, "ml.batch_size parts the solves"},
		{"devices", c.Devices <= 1, "a solve is of one"},
		{"recompute", !c.Recompute, "a solve keeps the states between its steps only"},
	} {
		if !f.unset {
			return fmt.Errorf("train: %s is set, but means nothing for the objective ml, for %s: remove it", f.name, f.because)
		}
	}
	return c.ML.Validate()
}
