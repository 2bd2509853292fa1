package train

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
	"flowmatch/path"
)

// Weighting is how the squared error of each example is weighted.
type Weighting string

// The weightings. The losses of the diffusion baselines are among them: Noise with
// Unit is the simple loss of DDPM (arXiv 2006.11239, equation 14, in continuous
// time), Score with SigmaSquared is weighted denoising score matching (Vincent
// 2011; arXiv 1907.05600, equation 6), which is the same number for ε = −σ s, and
// any prediction with Likelihood is ScoreFlow.
const (
	// Unit weighs every example alike: equation 9 for the velocity.
	Unit Weighting = "unit"
	// MatchVelocity weighs an error of any prediction as the error of the
	// velocity that it implies: b(t)² where v = a x_t + b f.
	MatchVelocity Weighting = "velocity"
	// SigmaSquared weighs by σ_t²: the usual weight of denoising score matching.
	SigmaSquared Weighting = "sigma2"
	// Likelihood weighs an error of any prediction as g_t² times the error of the
	// score that it implies, g the path's own diffusion ([path.Coef.Diffusion]):
	// half its mean over uniform t, summed over coordinates, bounds the negative
	// log-likelihood of the path's diffusion model up to a constant (Song, Durkan,
	// Murray and Ermon, arXiv 2101.09258, theorem 1). As v = α̇/α x + ½ g² s, it is 4/g² for the
	// velocity. Times are drawn from where the score is finite too, so that the
	// weight is bounded. On VP, which ends at 1−1e-5, it is β, 0.1 to 20, for the
	// score, 4/β, 0.2 to 40, for the velocity, and β/σ², up to 1e5 at the end, for
	// the noise; on OT it is 2t/(1−t), up to 2000, for the velocity. Where it grows
	// like that, few times near the end make up most of the loss, and uniform times
	// train badly; ScoreFlow draws t in proportion to the weight instead and divides
	// by it. With uniform times, as here, predict the score on VP.
	Likelihood Weighting = "likelihood"
)

// Weightings returns the names of the weightings.
func Weightings() []string {
	return []string{string(Unit), string(MatchVelocity), string(SigmaSquared), string(Likelihood)}
}

// Validate reports an unknown weighting.
func (w Weighting) Validate() error {
	switch w {
	case "", Unit, MatchVelocity, SigmaSquared, Likelihood:
		return nil
	}
	return fmt.Errorf("train: unknown weighting %q; it must be one of %s", string(w), strings.Join(Weightings(), ", "))
}

func (w Weighting) at(c path.Coef, p path.Prediction) float64 {
	switch w {
	case MatchVelocity:
		_, b := c.Convert(p, path.Velocity)
		return b * b
	case SigmaSquared:
		return c.Sigma * c.Sigma
	case Likelihood:
		_, b := c.Convert(p, path.Score)
		return c.Diffusion() * b * b
	}
	return 1
}

// span returns the times to train at: those where a network of kind p has a
// velocity and, if the weight is that of its score, a finite score.
func (w Weighting) span(s path.Scheduler, p path.Prediction) (lo, hi float64) {
	lo, hi = path.Span(s, p)
	if w == Likelihood {
		first, last := path.Span(s, path.Score)
		lo, hi = max(lo, first), min(hi, last)
	}
	return lo, hi
}

// CFM is conditional flow matching, equation 9: x_0 from the source paired with
// x_1 from the data, the point x_t = α x_1 + σ x_0 and the target that the
// prediction asks for, in general form for every path.
type CFM struct {
	Data       data.Stream
	Scheduler  path.Scheduler
	Coupling   coupling.Coupling // nil: independent
	Prediction path.Prediction
	Times      Times
	Weighting  Weighting
	Source     flow.Source // of x_0 before σ scales it; nil: N(0, I)
	Labels     bool        // ask the data for labels
	// Condition makes what the network is told of each image; nil: nothing. It knows
	// x_1 alone, so the pairs must not depend on x_1: no Coupling goes with it.
	Condition *data.Condition
	// LabelDropout is the share of labels that are taken away (-1), so that one
	// network learns the conditional field and the unconditional one, which guidance
	// needs (Ho and Salimans 2022).
	LabelDropout float64
	Seed         uint64
}

// Steps implements [Objective].
func (o CFM) Steps(ctx context.Context, tr *nn.Trainer, cfg Config, from int) StepFunc {
	return regress(ctx, o, tr, cfg, from)
}

// Examples fills ex with the examples of a step, which is a pure function of o
// and step. Safe for concurrent use.
func (o CFM) Examples(ex *nn.Examples, step uint64) error {
	if o.Labels && ex.Label == nil {
		ex.Label = make([]int32, ex.X1.N)
	}
	if err := o.Data.Fill(ex.X1, ex.Label, step); err != nil {
		return fmt.Errorf("train: data of step %d: %w", step, err)
	}
	if err := o.fill(ex, step); err != nil {
		return err
	}
	if o.LabelDropout > 0 {
		rng := seed.Rand(o.Seed, "train/dropout", step)
		for i := range ex.Label {
			if rng.Float64() < o.LabelDropout {
				ex.Label[i] = -1
			}
		}
	}
	return nil
}

// fill completes examples whose x_1 and labels are there.
func (o CFM) fill(ex *nn.Examples, step uint64) error {
	if o.Condition != nil {
		if o.Coupling != nil {
			return ErrConditionCoupled
		}
		if ex.Cond.N == 0 {
			ex.Cond = flow.NewBatch(ex.X1.N, o.Condition.Dim())
		}
		o.Condition.Fill(ex.Cond, ex.X1, seed.Rand(o.Seed, "train/condition", step))
	}
	if o.Source != nil {
		o.Source.Sample(ex.X0, seed.Rand(o.Seed, "train/noise", step))
	} else if err := nn.Normal(ex.X0.X, seed.Key(o.Seed, "train/noise"), step); err != nil {
		return err
	}
	if o.Coupling != nil {
		if err := o.couple(ex, step); err != nil {
			return err
		}
	}
	lo, hi := o.Weighting.span(o.Scheduler, o.Prediction)
	o.Times.Sample(ex.T, lo, hi, seed.Rand(o.Seed, "train/time", step))
	o.place(ex)
	if noisy, ok := o.Scheduler.(path.Noisy); ok {
		return o.addNoise(ex, noisy, step)
	}
	return nil
}

// place writes the coefficients of the path at the times of the examples.
func (o CFM) place(ex *nn.Examples) {
	for i, t := range ex.T {
		c := o.Scheduler.At(t)
		ex.Alpha[i], ex.Sigma[i] = c.Alpha, c.Sigma
		ex.G1[i], ex.G0[i] = c.Weights(o.Prediction)
		ex.Weight[i] = o.Weighting.at(c, o.Prediction)
	}
}

// addNoise turns the examples of a path into those of one with noise around it:
// a regression on given points, see [nn.Examples].
func (o CFM) addNoise(ex *nn.Examples, s path.Noisy, step uint64) error {
	z := make([]float64, len(ex.X0.X))
	if err := nn.Normal(z, seed.Key(o.Seed, "train/bridge"), step); err != nil {
		return err
	}
	for i, t := range ex.T {
		c := s.At(t)
		gamma, dgamma := s.Noise(t)
		x, target := ex.X1.Row(i), ex.X0.Row(i)
		for d, zd := range z[i*ex.X1.D : (i+1)*ex.X1.D] {
			x1, x0 := x[d], target[d]
			x[d] = c.Alpha*x1 + c.Sigma*x0 + gamma*zd
			target[d] = c.DAlpha*x1 + c.DSigma*x0 + dgamma*zd
		}
		ex.Alpha[i], ex.Sigma[i], ex.G1[i], ex.G0[i] = 1, 0, 0, 1
	}
	return nil
}

// couple reorders x_0 so that row j goes with row j of x_1.
func (o CFM) couple(ex *nn.Examples, step uint64) error {
	src := make([]int, ex.X1.N)
	rng := seed.Rand(o.Seed, "train/coupling", step)
	if err := o.Coupling.Match(src, ex.X0, ex.X1, ex.Label, rng); err != nil {
		return fmt.Errorf("train: coupling of step %d: %w", step, err)
	}
	old := ex.X0.Clone()
	for j, i := range src {
		copy(ex.X0.Row(j), old.Row(i))
	}
	return nil
}

// ErrConditionCoupled is returned when a condition meets a coupling: the noise that
// went with an image would tell of its condition in training, and not when sampling.
var ErrConditionCoupled = errors.New("train: a condition needs noise that is independent of the images: the independent coupling")

// FM is the exact flow matching objective, equation 5, for a finite data set:
// x_t from the marginal path p_t, and the marginal velocity u_t(x_t) of
// equation 8 (turned into what the prediction asks for) as the target. It costs
// a pass over the whole data set for every example; its gradient equals, in
// expectation, that of [CFM], with less variance.
type FM struct {
	CFM
	Marginal *field.Marginal
}

// ErrCoupled is returned when the exact objective is given a coupling: its
// marginal is that of independent pairs.
var ErrCoupled = errors.New("train: the exact objective (fm) is for the independent coupling; use cfm with a coupling")

// Steps implements [Objective].
func (o FM) Steps(ctx context.Context, tr *nn.Trainer, cfg Config, from int) StepFunc {
	return regress(ctx, o, tr, cfg, from)
}

// Examples is [CFM.Examples] with the marginal velocity for the target.
func (o FM) Examples(ex *nn.Examples, step uint64) error {
	if o.Coupling != nil {
		return ErrCoupled
	}
	if o.Condition != nil {
		return errors.New("train: the exact objective (fm) is of all images alike; use cfm with a condition")
	}
	if err := o.CFM.Examples(ex, step); err != nil {
		return err
	}
	xt, u := ex.X1, ex.X0
	for i, t := range ex.T {
		c := o.Scheduler.At(t)
		x, target := xt.Row(i), u.Row(i)
		for d := range x {
			x[d] = c.Alpha*x[d] + c.Sigma*target[d]
		}
		if err := o.Marginal.Velocity(target, t, x); err != nil {
			return fmt.Errorf("train: marginal velocity at step %d, t=%g: %w", step, t, err)
		}
		a, b := c.Convert(path.Velocity, o.Prediction)
		for d := range x {
			target[d] = a*x[d] + b*target[d]
		}
		// A regression on given points: see nn.Examples.
		ex.Alpha[i], ex.Sigma[i], ex.G1[i], ex.G0[i] = 1, 0, 0, 1
	}
	return nil
}

// Validation returns a fixed set of examples of held-out points: every point
// once, in batches of the size trained with (for a coupling of other batches
// would be another objective), with noise, pairing and time drawn from purposes
// of their own. nil when there are no points.
func (o CFM) Validation(points data.Finite, batch int, labels bool) (*nn.Examples, error) {
	n := points.Len()
	if n == 0 {
		return nil, nil
	}
	rng := seed.Rand(o.Seed, "train/validation", 0)
	x1, label := data.Rows(points, 0, n, rng)
	ex := nn.NewExamples(n, x1.D)
	ex.X1 = x1
	if o.Condition != nil {
		ex.Cond = flow.NewBatch(n, o.Condition.Dim())
	}
	if labels {
		ex.Label = label
	}
	o.Seed = rng.Uint64() // apart from every training step
	for from := 0; from < n; from += batch {
		part := ex.Slice(from, min(from+batch, n))
		if err := o.fill(part, uint64(from)); err != nil {
			return nil, err
		}
	}
	return ex, nil
}
