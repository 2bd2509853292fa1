package discrete

import (
	"context"
	"math"
	"testing"
)

// guidance is a pair of laws of two tokens that come from masks, with formulas of their own for what their guided
// rates lead to.
type guidance struct {
	c, u  []float64 // probabilities of the K² sequences, with the label and without
	k     int
	gamma float64
}

// conditional has p(x_i = · | x_j = other) of a law; other -1: token j is a mask.
func (g guidance) conditional(p []float64, i, other int) []float64 {
	out, sum := make([]float64, g.k), 0.0
	for n, v := range p {
		x := [2]int{n / g.k, n % g.k}
		if other < 0 || x[1-i] == other {
			out[x[i]] += v
			sum += v
		}
	}
	for k := range out {
		out[k] /= sum
	}
	return out
}

// guided has the guided posterior of token i, which is not normalised, and its sum: the share of the rate at which
// the token jumps.
func (g guidance) guided(i, other int) (p []float64, z float64) {
	c, u := g.conditional(g.c, i, other), g.conditional(g.u, i, other)
	p = make([]float64, g.k)
	for k := range p {
		p[k] = math.Pow(c[k], g.gamma) * math.Pow(u[k], 1-g.gamma)
		z += p[k]
	}
	return p, z
}

// oneStep is the law after a single step: both tokens are drawn given masks.
func (g guidance) oneStep() []float64 {
	a, za := g.guided(0, -1)
	b, zb := g.guided(1, -1)
	out := make([]float64, g.k*g.k)
	for n := range out {
		out[n] = a[n/g.k] / za * b[n%g.k] / zb
	}
	return out
}

// limit is the law of steps without number. Each mask jumps at the same rate times its sum, and so the token i is the
// first of the two with the probability Z_i/(Z_0+Z_1); the other is drawn given it.
func (g guidance) limit() []float64 {
	a, za := g.guided(0, -1)
	b, zb := g.guided(1, -1)
	out := make([]float64, g.k*g.k)
	for n := range out {
		x, y := n/g.k, n%g.k
		yx, zyx := g.guided(1, x)
		xy, zxy := g.guided(0, y)
		out[n] = (a[x]*yx[y]/zyx + b[y]*xy[x]/zxy) / (za + zb)
	}
	return out
}

// steps is the law after n steps, equal in t, of the schedule: each state is followed with its probability. By the
// method exact a mask jumps in a step with the probability 1-((1-κ_s)/(1-κ_t))^Z, by euler with 1-exp(-hZκ̇/(1-κ)).
func (g guidance) steps(n int, s Schedule, method string) []float64 {
	k := g.k
	law := map[[2]int]float64{{-1, -1}: 1}
	for step := range n {
		t, to := float64(step)/float64(n), float64(step+1)/float64(n)
		at, slope := s.At(t)
		end, _ := s.At(to)
		jump := func(i, other int) []float64 { // of a mask; the last entry is to stay
			p, z := g.guided(i, other)
			leave := 1 - math.Pow((1-end)/(1-at), z)
			if method == Euler {
				leave = 1 - math.Exp(-(to-t)*z*slope/(1-at))
			}
			if to == 1 {
				leave = 1
			}
			out := make([]float64, k+1)
			for x := range p {
				out[x] = leave * p[x] / z
			}
			out[k] = 1 - leave
			return out
		}
		next := map[[2]int]float64{}
		for state, mass := range law {
			var to [2][]float64
			for i := range to {
				if to[i] = make([]float64, k+1); state[i] >= 0 {
					to[i][state[i]] = 1
				} else {
					to[i] = jump(i, state[1-i])
				}
			}
			for x, v := range to[0] {
				for y, w := range to[1] {
					at := [2]int{x, y}
					for i := range at {
						if at[i] == k {
							at[i] = -1
						}
					}
					next[at] += mass * v * w
				}
			}
		}
		law = next
	}
	out := make([]float64, k*k)
	for state, mass := range law {
		if state[0] >= 0 && state[1] >= 0 {
			out[state[0]*k+state[1]] += mass
		}
	}
	return out
}

// Guided rates of masks lead to the law that their formula says: after one step, after some, and, by the order in which
// tokens come, in the limit. It is not that of guiding the law of whole sequences.
func TestGuidedLawsOfTwoTokens(t *testing.T) {
	const k, draws = 3, 5000
	for _, name := range []string{"linear", "sin2"} {
		schedule, err := ScheduleByName(name)
		if err != nil {
			t.Fatal(err)
		}
		path, err := NewMixture(k, Mask, schedule)
		if err != nil {
			t.Fatal(err)
		}
		with, c := toy(t, path, 2)
		all, other := sequences(2, k), make([]float64, k*k)
		for i, v := range weights(k * k) {
			other[(i*4+1)%(k*k)] = v + 0.2
		}
		free, err := NewLaw(path, all, other)
		if err != nil {
			t.Fatal(err)
		}
		u := make([]float64, k*k)
		for i, v := range free.logw {
			u[i] = math.Exp(v)
		}
		for _, gamma := range []float64{0.5, 3} {
			g := guidance{c, u, k, gamma}
			last := math.Inf(1)
			for _, n := range []int{25, 50, 100, 200} { // of first order
				d := variation(g.steps(n, schedule, Exact), g.limit())
				if d > 0.75*last && d > 1e-3 {
					t.Errorf("%s, %g: %d steps are %.5f from the limit, half as many %.5f", name, gamma, n, d, last)
				}
				last = d
			}
			if last > 0.01 || variation(g.limit(), g.oneStep()) < 0.004 || variation(g.limit(), c) < 0.02 {
				t.Errorf("%s, %g: 200 steps are %.4f from the limit, which is %.4f from one step and %.4f from the "+
					"law with the label", name, gamma, last, variation(g.limit(), g.oneStep()), variation(g.limit(), c))
			}
			for _, how := range []struct {
				steps  int
				method string
				want   []float64
			}{{1, Exact, g.oneStep()}, {1, Euler, g.oneStep()}, {6, Exact, g.steps(6, schedule, Exact)},
				{6, Euler, g.steps(6, schedule, Euler)}, {40, Exact, g.limit()}} {
				s := Sampler{Path: path, Steps: how.steps, Method: how.method, Guidance: gamma, Free: free, Seed: 5}
				x := s.Start(draws, 2)
				stats, err := s.Sample(context.Background(), with, x, nil)
				if err != nil || stats.NFE != 2*how.steps {
					t.Fatal(stats, err)
				}
				got := make([]float64, k*k)
				for i := range x.N {
					got[number(x.Row(i), k)] += 1.0 / draws
				}
				allowed := 0.0
				if how.steps == 40 {
					allowed = 5 * last // of 200 steps
				}
				for i, w := range how.want {
					if math.Abs(got[i]-w) > allowed+4.5*math.Sqrt(w/draws) {
						t.Errorf("%s, %g, %d steps, %s: sequence %d has %.4f, want %.4f", name, gamma, how.steps,
							how.method, i, got[i], w)
					}
				}
			}
		}
		same := guidance{c, c, k, 3}
		if d := variation(same.limit(), c); d > 1e-12 {
			t.Errorf("two laws that are one are %g off in the limit", d)
		}
	}
}
