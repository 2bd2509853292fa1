package sde

import (
	"math"
	"testing"

	"flowmatch/path"
)

// The width is that of the law of the samples, for every method and path, as law follows it step by
// step; and of one step and two of Euler's on the straight path, 0 and a half: their velocities are -x and 0.
func TestTheWidthIsThatOfTheLaw(t *testing.T) {
	for _, sched := range schedules(t) {
		for _, scale := range []float64{1, 3} {
			g := gaussian{path: sched.Scheduler, pred: path.Velocity, s: scale}
			for _, s := range samplers(7) {
				for _, s.Denoise = range []bool{false, true} {
					s.Scale = scale
					_, variance := law(t, s, g, g)
					_, hi := s.Span(g.path, g.pred)
					_, want := g.marginal(hi)
					got, err := s.Width(g.path, g.pred)
					if want = math.Sqrt(variance / want); err != nil || math.Abs(got-want) > 1e-6*(1+want) {
						t.Errorf("%s, scale %g, %v, denoise %v: %.8g (%v), want %.8g", sched.name, scale, s, s.Denoise,
							got, err, want)
					}
				}
			}
		}
	}
	for steps, want := range map[int]float64{1: 0, 2: 0.5} {
		s := Sampler{Steps: steps, Diffusion: Constant{}}
		if got, err := s.Width(path.CondOT{}, path.Velocity); err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("%d steps: %g (%v), want %g", steps, got, err, want)
		}
	}
	if _, err := (Sampler{}).Width(path.CondOT{}, path.Velocity); err == nil {
		t.Error("no steps have a width")
	}
}
