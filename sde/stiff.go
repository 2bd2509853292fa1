package sde

import (
	"fmt"
	"math"

	"flowmatch/path"
)

// Stiff returns why so few steps are not to be trusted, and what would help; empty where
// nothing speaks against them. Where a step is longer than the drift at its beginning allows,
// it throws the points far out, and the prediction is asked of points that it never saw. The
// noise among them tells: its law is known, whatever the data are.
func (s Sampler) Stiff(sched path.Scheduler, p path.Prediction) string {
	if s.Method.ancestral() || s.Validate() != nil {
		return ""
	}
	lo, hi := s.Span(sched, p)
	times := s.times(sched, lo, hi)
	worst, variance := 1.0, square(sched.At(times[0]).Sigma)
	for k, t := range times[:len(times)-1] {
		c, h := sched.At(t), times[k+1]-t
		if last := k == len(times)-2; c.Alpha > c.Sigma || last && s.Denoise {
			break
		}
		// Of x = σ x_0 the drift is σ̇ x_0 - g²/2 x_0/σ, a rate of x.
		g2 := s.diffusion().Squared(t, c)
		gain := 1 + h*(c.DSigma-g2/(2*c.Sigma))/c.Sigma
		variance = gain*gain*variance + h*g2
		// How far the next step goes astray: by its length, and how far out the points are.
		if out := math.Sqrt(variance) / max(c.Alpha, c.Sigma); out*h > 2 {
			worst = max(worst, out)
		}
	}
	if worst == 1 {
		return ""
	}
	return fmt.Sprintf("%v are too few: a step makes the noise %.3g times as large as it is, and the samples too "+
		"wide; take more steps, or %v or %v, or the diffusion %v", s, worst, DDPM, DDIM, Sigma{})
}
