package discrete

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
)

// Methods of a [Sampler].
const (
	// Exact draws x̂_1 of each token from its posterior, and its state at the end of the step in closed form. Its
	// error is only that tokens of one step jump independently. The path is a [Kernel], without a corrector.
	Exact = "exact"
	// Euler jumps with the probability 1 - exp(-h Σ u), where u are the rates given x̂_1 at the beginning of a step.
	// Rates of mixtures grow without bound to t = 1: with the source [Uniform] its order is below 1.
	Euler = "euler"
)

// Sampler draws sequences by the jumps of a path. The zero value of all but Path and Steps is usual.
type Sampler struct {
	Path   Path
	Steps  int       // from t = 0 to 1, equal in t
	Times  []float64 // in place of Steps: from 0 to 1, ascending
	Method string    // empty: [Exact] if the path and the corrector allow it, else [Euler]

	// Corrector is how many jumps there are forth and back beside those of the path: they leave p_t as it is, and
	// let tokens change that came too early. 0 has none.
	Corrector float64

	// Temperature is of the posterior: below 1 sharper. 0 is 1. TopP keeps the most probable levels that have this
	// probability together; 0 keeps all. Either changes the law. They are of the posterior, not of Free.
	Temperature, TopP float64

	// Guidance γ of a posterior that is given something, beside one, Free, that is not: the rates are u^γ of the
	// one times u^(1-γ) of the other (Nisonoff et al. 2024, arXiv 2406.01572). 0 and 1 have none.
	Guidance float64
	Free     Posterior

	Seed  uint64
	First int // the number of the first sequence; a sequence depends on the seed and its number alone

	// Of, if not nil, says which each sequence is, in the place of Seed and First: so those of several seeds share a
	// solve.
	Of []Sequence
}

// Sequence names a sequence of a sampler.
type Sequence struct {
	Seed   uint64
	Number int // among those of the seed, from 0
}

// sequence is the name of sequence n.
func (s *Sampler) sequence(n int) Sequence {
	if s.Of != nil {
		return s.Of[n]
	}
	return Sequence{s.Seed, s.First + n}
}

// Stats counts what a solve took.
type Stats struct {
	NFE int // evaluations of posteriors of all sequences; a guided step has two
}

// Start returns the noise of n sequences of l tokens: each is that of its seed and number. If Of says which they are,
// there are n of it.
func (s Sampler) Start(n, l int) Tokens {
	x := NewTokens(n, l)
	for i := range n {
		of := s.sequence(i)
		Noise(s.Path, seed.Rand(of.Seed, "noise of tokens", uint64(of.Number)), Tokens{N: 1, L: l, X: x.Row(i)},
			[]float64{0})
	}
	return x
}

// Sample makes x, sequences of noise (Start), sequences of data. Tokens that are shown stay. at, if it is not nil,
// sees the state at each time of the grid and may not change it. When ctx ends, its error is returned before the next
// step, and x is on its way.
func (s Sampler) Sample(ctx context.Context, m Posterior, x Tokens, at func(t float64, x Tokens)) (Stats, error) {
	times, err := s.check(m, x)
	if err != nil {
		return Stats{}, err
	}
	w := s.work(m, x)
	if at != nil {
		at(0, x)
	}
	for k, t := range times[:len(times)-1] {
		if err := w.step(ctx, t, times[k+1]); err != nil {
			return w.stats, err
		}
		if at != nil {
			at(times[k+1], x)
		}
	}
	return w.stats, nil
}

// ErrMethod is returned by a [Sampler] whose method cannot be taken on its path.
var ErrMethod = errors.New("discrete: the path has no closed form of its jumps; choose the method euler")

// check reports what does not fit, and returns the times and with them the method.
func (s *Sampler) check(m Posterior, x Tokens) ([]float64, error) {
	if s.Path == nil {
		return nil, errors.New("discrete: a sampler needs a path")
	}
	_, kernel := s.Path.(Kernel)
	if s.Method == "" {
		s.Method = Euler
		if kernel && s.Corrector == 0 {
			s.Method = Exact
		}
	}
	if err := choice.Check("method", s.Method, []string{Exact, Euler}); err != nil {
		return nil, fmt.Errorf("discrete: %w", err)
	}
	switch guided := s.guided(); {
	case s.Method == Exact && !kernel:
		return nil, ErrMethod
	case s.Method == Exact && s.Corrector != 0:
		return nil, errors.New("discrete: the method exact has no corrector; choose euler, or leave it out")
	case !(s.Corrector >= 0) || math.IsInf(s.Corrector, 0):
		return nil, fmt.Errorf("discrete: corrector is %g; it must be 0 or above", s.Corrector)
	case !(s.Temperature >= 0) || math.IsInf(s.Temperature, 0):
		return nil, fmt.Errorf("discrete: temperature is %g; it must be above 0", s.Temperature)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return nil, fmt.Errorf("discrete: top_p is %g; it must be above 0 and at most 1", s.TopP)
	case math.IsNaN(s.Guidance) || math.IsInf(s.Guidance, 0):
		return nil, fmt.Errorf("discrete: guidance is %g; it must be a number", s.Guidance)
	case guided && s.Free == nil:
		return nil, errors.New("discrete: guidance needs a posterior that is given nothing, Free")
	case !guided && s.Free != nil:
		return nil, errors.New("discrete: Free has no effect without guidance")
	case s.Of != nil && len(s.Of) != x.N:
		return nil, fmt.Errorf("discrete: Of names %d sequences of %d; name each, or leave it out", len(s.Of), x.N)
	case m.Levels() != s.Path.Levels(), guided && s.Free.Levels() != s.Path.Levels():
		return nil, fmt.Errorf("discrete: a posterior of %d levels on a path of %d", m.Levels(), s.Path.Levels())
	}
	if err := x.Check(s.Path.States()); err != nil {
		return nil, err
	}
	return s.grid()
}

// guided says whether there are two posteriors.
func (s *Sampler) guided() bool { return s.Guidance != 0 && s.Guidance != 1 }

func (s *Sampler) grid() ([]float64, error) {
	times := s.Times
	switch {
	case len(times) > 0 && s.Steps != 0:
		return nil, errors.New("discrete: Times has the steps; leave out Steps")
	case len(times) == 0 && s.Steps < 1:
		return nil, fmt.Errorf("discrete: %d steps; there must be 1 at least", s.Steps)
	case len(times) == 0:
		for k := range s.Steps + 1 {
			times = append(times, float64(k)/float64(s.Steps))
		}
	}
	rises := true
	for k := range len(times) - 1 {
		rises = rises && times[k] < times[k+1]
	}
	if len(times) < 2 || times[0] != 0 || times[len(times)-1] != 1 || !rises {
		return nil, fmt.Errorf("discrete: times %v; they must rise from 0 to 1", times)
	}
	return times, nil
}

// walk is a solve under way.
type walk struct {
	Sampler
	m              Posterior
	x              Tokens
	rng            []*rand.Rand // of each sequence
	t              []float64
	p, free        []float64 // posteriors
	stats          Stats
	u, other, mean []float64 // rates of one token
	order          []int
}

func (s Sampler) work(m Posterior, x Tokens) *walk {
	w := &walk{Sampler: s, m: m, x: x, t: make([]float64, x.N), p: make([]float64, x.N*x.L*m.Levels()),
		u: make([]float64, s.Path.States()), other: make([]float64, s.Path.States()),
		mean: make([]float64, s.Path.States())}
	if s.guided() {
		w.free = make([]float64, len(w.p))
	}
	for n := range x.N {
		of := s.sequence(n)
		w.rng = append(w.rng, seed.Rand(of.Seed, "tokens", uint64(of.Number)))
	}
	return w
}

// step takes all sequences from t to s.
func (w *walk) step(ctx context.Context, t, s float64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for n := range w.t {
		w.t[n] = t
	}
	w.stats.NFE++
	if err := w.m.Posterior(ctx, w.p, w.t, w.x); err != nil {
		return err
	}
	if w.free != nil {
		w.stats.NFE++
		if err := w.Free.Posterior(ctx, w.free, w.t, w.x); err != nil {
			return err
		}
	}
	k := w.m.Levels()
	for i := range w.x.X {
		if w.x.shown(i) {
			continue
		}
		p, free := w.p[i*k:(i+1)*k], []float64(nil)
		if w.free != nil {
			free = w.free[i*k : (i+1)*k]
		}
		w.x.X[i] = w.token(w.rng[i/w.x.L], t, s, w.x.X[i], p, free)
	}
	return nil
}

// token returns the state at s of a token that is z at t.
func (w *walk) token(rng *rand.Rand, t, s float64, z int32, p, free []float64) int32 {
	if w.Path.Settled(z) {
		clear(p)
		p[z] = 1
		copy(free, p)
	} else {
		w.sharpen(p)
	}
	switch {
	case free != nil && s < 1:
		return w.guide(rng, t, s, z, p, free)
	case free != nil:
		geometric(p, free, w.Guidance)
	}
	x1 := draw(rng, p, sum(p))
	switch {
	case s == 1:
		return x1
	case w.Method == Exact:
		return w.Path.(Kernel).Jump(rng, t, s, z, x1)
	}
	w.Path.Rates(w.u, t, z, x1)
	w.correct(w.u, t, z, x1, 1)
	return leap(rng, w.u, z, s-t)
}

// correct adds the rates of the corrector given x1, times a weight, to u.
func (w *walk) correct(u []float64, t float64, z, x1 int32, weight float64) {
	c := w.Corrector * w.Path.Pace(t) * weight
	if c == 0 {
		return
	}
	w.Path.Prob(w.mean, t, x1)
	for y, v := range w.mean {
		u[y] += c * v
	}
	u[z] = 0
}

// leap jumps from z with the rates u of a step h.
func leap(rng *rand.Rand, u []float64, z int32, h float64) int32 {
	total := sum(u)
	if rng.Float64() < -math.Expm1(-h*total) {
		return draw(rng, u, total)
	}
	return z
}

// guide jumps with the geometric mean of the marginal rates of both posteriors. A path with a closed form has
// rates in proportion to the posterior, and their integral is that of the step.
func (w *walk) guide(rng *rand.Rand, t, s float64, z int32, p, free []float64) int32 {
	u, other, h := w.u, w.other, s-t
	if w.Method == Exact {
		clear(u)
		clear(other)
		copy(u, p)
		copy(other, free)
		u[z], other[z], h = 0, 0, w.Path.(Kernel).Integral(t, s)
	} else {
		w.marginal(u, t, z, p)
		w.marginal(other, t, z, free)
	}
	geometric(u, other, w.Guidance)
	return leap(rng, u, z, h)
}

// marginal writes the rates that a posterior means.
func (w *walk) marginal(u []float64, t float64, z int32, p []float64) {
	w.Path.Mean(u, t, z, p)
	if w.Corrector != 0 {
		for x1, v := range p {
			w.correct(u, t, z, int32(x1), v)
		}
	}
}

// geometric makes u of each state u^γ v^(1-γ); a state that v has not is not reached.
func geometric(u, v []float64, gamma float64) {
	for y := range u {
		if v[y] > 0 && u[y] > 0 {
			u[y] = math.Exp(gamma*math.Log(u[y]) + (1-gamma)*math.Log(v[y]))
		} else {
			u[y] = 0
		}
	}
}

// sharpen applies temperature and top-p to a posterior.
func (w *walk) sharpen(p []float64) {
	if T := w.Temperature; T != 0 && T != 1 {
		most := slices.Max(p)
		for k, v := range p {
			p[k] = math.Pow(v/most, 1/T)
		}
	}
	if w.TopP == 0 || w.TopP == 1 {
		return
	}
	w.order = w.order[:0]
	for k := range p {
		w.order = append(w.order, k)
	}
	slices.SortStableFunc(w.order, func(a, b int) int {
		if p[a] > p[b] {
			return -1
		}
		if p[a] < p[b] {
			return 1
		}
		return 0
	})
	have, all := 0.0, sum(p)
	for _, k := range w.order {
		if have >= w.TopP*all {
			p[k] = 0
		} else {
			have += p[k]
		}
	}
}

func sum(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}
