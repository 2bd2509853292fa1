package train

import (
	"math"
	"testing"

	"flowmatch/data"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

func TestMatchVelocityWeightsAnyPredictionAsTheVelocityItImplies(t *testing.T) {
	set := points(40, 2)
	s := path.Cosine{}
	for _, p := range path.Predictions()[1:] {
		m := newModel(t, model.Spec{Scheduler: s, Prediction: p}, nn.Config{})
		ex := examples(t, m, CFM{Data: data.Shuffle(set, 1), Weighting: MatchVelocity, Seed: 5}, 16, 0)
		for i, at := range ex.T {
			c := s.At(at)
			const err = 0.25 // of the prediction, in one coordinate
			a, b := c.Convert(p, path.Velocity)
			xt := c.Alpha*ex.X1.X[2*i] + c.Sigma*ex.X0.X[2*i]
			target := ex.G1[i]*ex.X1.X[2*i] + ex.G0[i]*ex.X0.X[2*i]
			dv := (a*xt + b*(target+err)) - (a*xt + b*target)
			if got := ex.Weight[i] * err * err; math.Abs(got-dv*dv) > 1e-9*(1+got) {
				t.Errorf("%v at t=%g: weighted error %g, velocity's %g", p, at, got, dv*dv)
			}
		}
	}
}

func TestLikelihoodWeightsAnyPredictionAsTheScoreItImplies(t *testing.T) {
	set := points(40, 2)
	for _, s := range []path.Scheduler{path.VP{}, path.CondOT{}, path.Cosine{}} {
		for _, p := range path.Predictions() {
			m := newModel(t, model.Spec{Scheduler: s, Prediction: p}, nn.Config{})
			ex := examples(t, m, CFM{Data: data.Shuffle(set, 1), Weighting: Likelihood, Seed: 5}, 16, 0)
			for i, at := range ex.T {
				c := s.At(at)
				g2 := 2 * (c.DAlpha/c.Alpha*c.Sigma*c.Sigma - c.DSigma*c.Sigma)
				const err = 0.25 // of the prediction, in one coordinate
				a, b := c.Convert(p, path.Score)
				xt := c.Alpha*ex.X1.X[2*i] + c.Sigma*ex.X0.X[2*i]
				target := ex.G1[i]*ex.X1.X[2*i] + ex.G0[i]*ex.X0.X[2*i]
				ds := (a*xt + b*(target+err)) - (a*xt + b*target)
				if got := ex.Weight[i] * err * err; math.Abs(got-g2*ds*ds) > 1e-8*(1+got) {
					t.Errorf("%T, %v at t=%g: weighted error %g, g² times the score's %g", s, p, at, got, g2*ds*ds)
				}
			}
		}
	}
}

// What bounds the likelihood weight: its closed forms at the ends of the times.
func TestLikelihoodWeightAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		s            path.Scheduler
		p            path.Prediction
		lo, hi       float64 // the times
		first, final float64 // the weights
	}{
		{path.VP{}, path.Velocity, 0, 1 - 1e-5, 4 / 20., 4 / (0.1 + 19.9e-5)},
		{path.VP{}, path.Noise, 0, 1 - 1e-5,
			20 / -math.Expm1(-10.05), (0.1 + 19.9e-5) / -math.Expm1(-1e-6-0.5*19.9e-10)},
		{path.CondOT{}, path.Velocity, 1e-3, 0.999, 2e-3 / 0.999, 1998},
	} {
		lo, hi := Likelihood.span(newModel(t, model.Spec{Scheduler: c.s, Prediction: c.p}, nn.Config{}))
		if lo != c.lo || hi != c.hi {
			t.Errorf("%T, %v: times [%g, %g], want [%g, %g]", c.s, c.p, lo, hi, c.lo, c.hi)
		}
		first, final := Likelihood.at(c.s.At(lo), c.p), Likelihood.at(c.s.At(hi), c.p)
		if math.Abs(first-c.first) > 1e-8*c.first || math.Abs(final-c.final) > 1e-8*c.final {
			t.Errorf("%T, %v: weights %g and %g at the ends, want %g and %g", c.s, c.p, first, final, c.first, c.final)
		}
	}
}

// The simple loss of DDPM and weighted denoising score matching are one number for
// a network ε = −σ s, example by example.
func TestNoiseWithUnitIsScoreWithSigmaSquared(t *testing.T) {
	ddpm := CFM{Data: data.Shuffle(points(40, 2), 1), Weighting: Unit, Seed: 5}
	dsm := ddpm
	dsm.Weighting = SigmaSquared
	a := examples(t, newModel(t, model.Spec{Scheduler: path.VP{}, Prediction: path.Noise}, nn.Config{}), ddpm, 16, 0)
	b := examples(t, newModel(t, model.Spec{Scheduler: path.VP{}, Prediction: path.Score}, nn.Config{}), dsm, 16, 0)
	for i, at := range a.T {
		x1, x0 := a.X1.X[2*i], a.X0.X[2*i]
		epsilon := 0.3 // what a network says
		score := -epsilon / path.VP{}.At(at).Sigma
		simple := a.Weight[i] * math.Pow(epsilon-(a.G1[i]*x1+a.G0[i]*x0), 2)
		matching := b.Weight[i] * math.Pow(score-(b.G1[i]*x1+b.G0[i]*x0), 2)
		if want := math.Pow(epsilon-x0, 2); math.Abs(simple-want) > 1e-12 || math.Abs(matching-want) > 1e-9 {
			t.Errorf("t=%g: DDPM %g, score matching %g, want %g", at, simple, matching, want)
		}
	}
}
