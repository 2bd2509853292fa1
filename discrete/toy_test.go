package discrete

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// sequences are all of length l over k states, in lexicographic order.
func sequences(l, k int) Tokens {
	n := 1
	for range l {
		n *= k
	}
	x := NewTokens(n, l)
	for i := range n {
		for j, v := l-1, i; j >= 0; j, v = j-1, v/k {
			x.X[i*l+j] = int32(v % k)
		}
	}
	return x
}

// number is the place of a sequence among all.
func number(row []int32, k int) int {
	n := 0
	for _, v := range row {
		n = n*k + int(v)
	}
	return n
}

// weights are those of a law far from independent tokens.
func weights(n int) []float64 {
	rng, w := rand.New(rand.NewPCG(1, 2)), make([]float64, n)
	for i := range w {
		w[i] = math.Exp(1.5 * rng.NormFloat64())
	}
	return w
}

// toy is the law of l tokens of k levels on a path, with the probabilities of all sequences.
func toy(t testing.TB, p Path, l int) (*Law, []float64) {
	t.Helper()
	all := sequences(l, p.Levels())
	law, err := NewLaw(p, all, weights(all.N))
	if err != nil {
		t.Fatal(err)
	}
	probs := make([]float64, all.N)
	for i, v := range law.logw {
		probs[i] = math.Exp(v)
	}
	return law, probs
}

// paths are one of each kind.
func paths(t testing.TB, levels int) map[string]Path {
	t.Helper()
	all := map[string]Path{}
	for _, source := range []Source{Mask, Uniform} {
		for _, name := range Schedules() {
			s, err := ScheduleByName(name)
			if err != nil {
				t.Fatal(err)
			}
			p, err := NewMixture(levels, source, s)
			if err != nil {
				t.Fatal(err)
			}
			all[fmt.Sprint(source, " ", name)] = p
		}
	}
	p, err := NewMetric(levels, func(x, y int32) float64 { return math.Abs(float64(x - y)) }, 2)
	if err != nil {
		t.Fatal(err)
	}
	all["metric"] = p
	return all
}

// posteriors are those of every state of l tokens at t, at [state number][token][level]; of states that cannot be
// they are 0.
func posteriors(t testing.TB, m Posterior, states Tokens, time float64) []float64 {
	t.Helper()
	size := states.L * m.Levels()
	p := make([]float64, states.N*size)
	for n := range states.N {
		one := Tokens{N: 1, L: states.L, X: states.Row(n)}
		if states.Shown != nil {
			one.Shown = states.Shown[n*states.L:][:states.L]
		}
		err := m.Posterior(context.Background(), p[n*size:(n+1)*size], []float64{time}, one)
		if err != nil && !errors.Is(err, ErrNoState) {
			t.Fatal(err)
		}
	}
	return p
}

// chain is the exact law of a sampler's sequences: every state is followed with its probability, and no number is
// drawn. It has formulas of its own for the probabilities of jumps.
func chain(t testing.TB, s Sampler, m Posterior, states Tokens, start []float64) []float64 {
	t.Helper()
	k, n := s.Path.States(), s.Steps
	law := start
	for step := range n {
		at, to := float64(step)/float64(n), float64(step+1)/float64(n)
		q := posteriors(t, m, states, at)
		next := make([]float64, states.N)
		for i, mass := range law {
			if mass == 0 {
				continue
			}
			jumps := make([][]float64, states.L)
			for j := range jumps {
				jumps[j] = jump(s, at, to, states.X[i*states.L+j], q[(i*states.L+j)*m.Levels():][:m.Levels()])
				if states.shown(i*states.L + j) {
					clear(jumps[j])
					jumps[j][states.X[i*states.L+j]] = 1
				}
			}
			spread(next, jumps, mass, 0, k)
		}
		law = next
	}
	return law
}

// spread adds the mass of all combinations of tokens.
func spread(next []float64, jumps [][]float64, mass float64, place, k int) {
	if len(jumps) == 0 {
		next[place] += mass
		return
	}
	for y, v := range jumps[0] {
		if v > 0 {
			spread(next, jumps[1:], mass*v, place*k+y, k)
		}
	}
}

// jump has the probabilities of states of a token after a step, the mean over x_1.
func jump(s Sampler, t, to float64, z int32, q []float64) []float64 {
	out := make([]float64, s.Path.States())
	if s.Path.Settled(z) {
		out[z] = 1
		return out
	}
	u, p := make([]float64, len(out)), make([]float64, len(out))
	for x1, w := range q {
		s.Path.Rates(u, t, z, int32(x1))
		s.Path.Prob(p, t, int32(x1))
		total := 0.0
		for y := range u {
			if y != int(z) {
				u[y] += s.Corrector * s.Path.Pace(t) * p[y]
				total += u[y]
			}
		}
		leave := -math.Expm1(-(to - t) * total)
		if s.Method == Exact {
			leave = -math.Expm1(-s.Path.(Kernel).Integral(t, min(to, 1-1e-15)))
		}
		if to == 1 {
			out[x1] += w
			continue
		}
		if int(z) == x1 && s.Corrector == 0 || total == 0 {
			out[z] += w
			continue
		}
		out[z] += w * (1 - leave)
		for y := range u {
			if y != int(z) {
				out[y] += w * leave * u[y] / total
			}
		}
	}
	return out
}

// noise has the probabilities of all states at t = 0.
func noise(p Path, states Tokens) []float64 {
	source, law := make([]float64, p.States()), make([]float64, states.N)
	p.Prob(source, 0, 0)
	for i := range law {
		law[i] = 1
		for _, v := range states.Row(i) {
			law[i] *= source[v]
		}
	}
	return law
}

// data drops states with masks of a law over states.
func data(law []float64, states Tokens, levels int) []float64 {
	all := sequences(states.L, levels)
	out := make([]float64, all.N)
	for i, v := range law {
		inside := true
		for _, x := range states.Row(i) {
			inside = inside && int(x) < levels
		}
		if inside {
			out[number(states.Row(i), levels)] += v
		}
	}
	return out
}

func variation(p, q []float64) float64 {
	d := 0.0
	for i := range p {
		d += math.Abs(p[i]-q[i]) / 2
	}
	return d
}
