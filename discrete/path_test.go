package discrete

import (
	"context"
	"math"
	"strings"
	"testing"
)

// p_t is a law at every time, the source at 0 and x_1 at 1, and its change is that which the rates make. The
// corrector changes nothing.
func TestRatesHaveTheProbabilitiesOfTheirPath(t *testing.T) {
	const h = 1e-5
	for name, p := range paths(t, 4) {
		s := p.States()
		now, before, after, u := make([]float64, s), make([]float64, s), make([]float64, s), make([]float64, s)
		for x1 := range int32(4) {
			for _, at := range []float64{0.1, 0.35, 0.6, 0.9} {
				p.Prob(now, at, x1)
				p.Prob(before, at-h, x1)
				p.Prob(after, at+h, x1)
				flow, back := make([]float64, s), make([]float64, s)
				for z := range int32(s) {
					p.Rates(u, at, z, x1)
					for y, v := range u {
						flow[y] += now[z] * v
						flow[z] -= now[z] * v
						back[y] += now[z] * p.Pace(at) * now[y]
						back[z] -= now[z] * p.Pace(at) * now[y]
					}
				}
				for y := range s {
					slope := (after[y] - before[y]) / (2 * h)
					if math.Abs(slope-flow[y]) > 1e-6*(1+math.Abs(slope)) || math.Abs(back[y]) > 1e-12 {
						t.Errorf("%s at %g, x_1 = %d: state %d changes by %g, its rates make %g, the corrector %g",
							name, at, x1, y, slope, flow[y], back[y])
					}
				}
				if math.Abs(sum(now)-1) > 1e-12 {
					t.Errorf("%s at %g: probabilities sum to %g", name, at, sum(now))
				}
			}
			p.Prob(now, 1, x1)
			if now[x1] != 1 || sum(now) != 1 {
				t.Errorf("%s: at 1 the law of x_1 = %d is %v", name, x1, now)
			}
			p.Prob(now, 0, x1)
			p.Prob(after, 0, 0)
			if variation(now, after) > 0 {
				t.Errorf("%s: the source depends on x_1", name)
			}
		}
	}
}

// Marginal rates are the mean of those given x_1.
func TestMeanRates(t *testing.T) {
	q := []float64{0.1, 0.2, 0.3, 0.4}
	for name, p := range paths(t, 4) {
		mean, one, want := make([]float64, p.States()), make([]float64, p.States()), make([]float64, p.States())
		for z := range int32(p.States()) {
			if p.Settled(z) {
				continue
			}
			clear(want)
			for x1, w := range q {
				p.Rates(one, 0.4, z, int32(x1))
				for y, v := range one {
					want[y] += w * v
				}
			}
			p.Mean(mean, 0.4, z, q)
			if variation(mean, want) > 1e-12 || mean[z] != 0 {
				t.Errorf("%s from %d: %v; want %v", name, z, mean, want)
			}
		}
	}
}

// The jump of a whole step has the law that the path says, wherever the token was before.
func TestJumpsOfMixturesAreExact(t *testing.T) {
	for name, p := range paths(t, 3) {
		k, ok := p.(Kernel)
		if !ok {
			continue
		}
		// p_s = Σ_z p_t(z) P(z → ·), with the probability 1 - exp(-∫) of a jump.
		before, after := make([]float64, p.States()), make([]float64, p.States())
		p.Prob(before, 0.2, 1)
		p.Prob(after, 0.7, 1)
		leave := -math.Expm1(-k.Integral(0.2, 0.7))
		got := make([]float64, p.States())
		for z, mass := range before {
			if z == 1 {
				got[1] += mass
				continue
			}
			got[z] += mass * (1 - leave)
			got[1] += mass * leave
		}
		if variation(got, after) > 1e-12 {
			t.Errorf("%s: %v; want %v", name, got, after)
		}
	}
}

// Schedules rise from 0 to 1, have the slope that they say, and their inverse.
func TestSchedules(t *testing.T) {
	half, err := Power(0.5)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(schedules, half) {
		a, _ := s.At(0)
		b, _ := s.At(1)
		if a != 0 || math.Abs(b-1) > 1e-15 {
			t.Errorf("%s goes from %g to %g", s.Name(), a, b)
		}
		for _, at := range []float64{0.01, 0.3, 0.77, 0.99} {
			const h = 1e-6
			kappa, slope := s.At(at)
			lo, _ := s.At(at - h)
			hi, _ := s.At(at + h)
			if math.Abs((hi-lo)/(2*h)-slope) > 1e-6 || math.Abs(s.Time(kappa)-at) > 1e-9 {
				t.Errorf("%s at %g: slope %g, %g; the inverse is %g", s.Name(), at, slope, (hi-lo)/(2*h), s.Time(kappa))
			}
		}
	}
	for _, n := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := Power(n); err == nil {
			t.Errorf("a power of %g is no error", n)
		}
	}
}

// The mean of the bound is the entropy with masks, and the integral of the loss, which is above it, with others.
func TestTheBoundIsTightWithMasks(t *testing.T) {
	for name, p := range paths(t, 3) {
		law, probs := toy(t, p, 2)
		want, H := integral(t, law, probs, p), law.Entropy()
		if m, ok := p.(*Mixture); ok && m.Source() == Mask {
			if math.Abs(want-H) > 2e-3 {
				t.Errorf("%s: the bound is %.4f; the entropy is %.4f", name, want, H)
			}
		} else if want < H+1e-3 {
			t.Errorf("%s: the bound %.4f is not above the entropy %.4f", name, want, H)
		}
		if strings.HasPrefix(name, "uniform") && name != "uniform cosine" {
			continue // the integral is the same with every schedule
		}
		x := sequences(2, 3)
		bound, se := make([]float64, x.N), make([]float64, x.N)
		if err := ELBO(context.Background(), law, p, x, ELBOOptions{Draws: 8000, Seed: 1}, bound, se); err != nil {
			t.Fatal(err)
		}
		got, miss := 0.0, 0.0
		for i, w := range probs {
			got += w * bound[i]
			miss += w * w * se[i] * se[i]
		}
		if miss = math.Sqrt(miss); math.Abs(got-want) > 4*miss || miss > 0.06 {
			t.Errorf("%s: the bound is %.4f ± %.4f; the integral is %.4f", name, got, miss, want)
		}
	}
}

// integral is the mean bound by sums over all states and the midpoint rule in the quantile of times, with the draw of
// x_1 at the end of the path.
func integral(t *testing.T, law *Law, probs []float64, path Path) float64 {
	const n = 400
	states, x := sequences(2, path.States()), sequences(2, 3)
	prob, work := make([]float64, path.States()), make([]float64, 2*path.States())
	mean := func(at float64, of func(z, x1 int32, p []float64) float64) (total float64) {
		p := posteriors(t, law, states, at)
		for i, w := range probs {
			for z := range states.N {
				mass := w
				for j, v := range states.Row(z) {
					path.Prob(prob, at, x.Row(i)[j])
					mass *= prob[v]
				}
				if mass == 0 {
					continue
				}
				for j, v := range states.Row(z) {
					total += mass * of(v, x.Row(i)[j], p[(z*2+j)*3:][:3])
				}
			}
		}
		return total
	}
	total := 0.0
	for k := range n {
		at, weight := path.Quantile((float64(k) + 0.5) / n)
		total += weight / n * mean(at, func(z, x1 int32, p []float64) float64 {
			return GeneralisedKL(path, at, z, x1, p, work)
		})
	}
	if path.End() < 1 {
		total += mean(path.End(), func(_, x1 int32, p []float64) float64 { return CrossEntropy(p, x1) })
	}
	return total
}

// Of a mixture the loss is the closed form of the paper.
func TestGeneralisedKLOfMixtures(t *testing.T) {
	p := paths(t, 3)["uniform cosine"].(*Mixture)
	q, work := []float64{0.2, 0.5, 0.3}, make([]float64, 6)
	const at = 0.4
	kappa, slope := p.Schedule().At(at)
	for z := range int32(3) {
		for x1 := range int32(3) {
			delta := 0.0
			if z == x1 {
				delta = 1
			}
			want := slope / (1 - kappa) * (delta - q[z] - (1-delta)*math.Log(q[x1]))
			if got := GeneralisedKL(p, at, z, x1, q, work); math.Abs(got-want) > 1e-12 {
				t.Errorf("z = %d, x_1 = %d: %g; want %g", z, x1, got, want)
			}
		}
	}
	if got := CrossEntropy(q, 1); got != -math.Log(0.5) {
		t.Error(got)
	}
}
