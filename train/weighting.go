package train

import (
	"fmt"

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
	// model it is the error of what the network learns, w of [path.Precondition], whatever
	// the prediction; the other weightings are the losses of the prediction, as without.
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
	case Likelihood:
		_, b := c.Convert(p, path.Score)
		return c.Diffusion() * b * b
	}
	return 1
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
