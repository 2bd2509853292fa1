package train

import (
	"fmt"
	"math"

	"flowmatch/internal/choice"
	"flowmatch/model"
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
	// Unit weighs every example alike: equation 9 for the velocity. Of a preconditioned
	// model it is the error of what the network learns, w of [path.Precondition], at even
	// times τ, whatever the prediction. The other weightings are losses of the prediction at
	// even times t, the same number with a Precondition and without.
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
	// train badly. ScoreFlow draws t in proportion to the weight of the noise and
	// divides by it: prediction noise with [Proportional] times. With uniform times,
	// predict the score on VP.
	Likelihood Weighting = "likelihood"
)

// Weightings returns the names of the weightings.
func Weightings() []string {
	return []string{string(Unit), string(MatchVelocity), string(SigmaSquared), string(Likelihood)}
}

// Validate reports an unknown weighting; empty is Unit.
func (w Weighting) Validate() error {
	if w == "" {
		return nil
	}
	if err := choice.Check("weighting", string(w), Weightings()); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

func (w Weighting) at(c path.Coef, p path.Prediction) float64 {
	switch w {
	case MatchVelocity:
		_, b := c.Convert(p, path.Velocity)
		return b * b
	case SigmaSquared:
		return c.Sigma * c.Sigma
	case Likelihood: // g² b², of which neither is finite where α is 0
		g1, g0 := c.Weights(p)
		det := c.Alpha*g0 - c.Sigma*g1
		return 2 * c.Alpha * (c.DAlpha*c.Sigma - c.Alpha*c.DSigma) / (c.Sigma * det * det)
	}
	return 1
}

// Even reports whether the weighting of a prediction is the same at all times of a path, to
// nine digits: times in proportion to it would be uniform ones.
func (w Weighting) Even(s path.Scheduler, y path.Prediction) bool {
	const n = 64
	lo, hi := path.Span(s, y)
	least, most := math.Inf(1), 0.0
	for i := range n {
		v := w.at(s.At(lo+(hi-lo)*(float64(i)+0.5)/n), y)
		least, most = min(least, v), max(most, v)
	}
	return most-least <= 1e-9*most
}

// factor returns what the weighting multiplies the squared error of what the network learns
// by, where the path is c: that of the prediction or, preconditioned, of w. Unit of the
// latter is a factor at even τ, the others are factors at even t: see [newTiming].
func (w Weighting) factor(m *model.Model, c path.Coef) float64 {
	y, p := m.Spec().Prediction, m.Spec().Precondition
	switch {
	case p == nil:
		return w.at(c, y)
	case w == Unit || w == "":
		return 1
	}
	out := p.At(c, y).Out
	return w.at(c, y) * out * out
}

// span returns the times to train at: those where the model has a velocity and, if the
// weight is that of its score, a finite score.
func (w Weighting) span(m *model.Model) (lo, hi float64) {
	lo, hi = m.Span()
	if w == Likelihood {
		first, last := path.Span(m.Scheduler(), path.Score)
		lo, hi = max(lo, first), min(hi, last)
	}
	return lo, hi
}
