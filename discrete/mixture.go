package discrete

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Source is the noise of a token.
type Source string

const (
	Mask    Source = "mask"    // a state of its own, behind the levels
	Uniform Source = "uniform" // every level alike
)

// Sources are the names of all sources.
func Sources() []string { return []string{string(Mask), string(Uniform)} }

// Mixture is the path p_t(x | x_1) = (1-κ_t) p_0(x) + κ_t [x = x_1]: a token is noise until it jumps to its level,
// at the rate κ̇/(1-κ) (arXiv 2407.15595, equations 9 and 17).
type Mixture struct {
	levels   int
	source   Source
	schedule Schedule
}

// NewMixture returns the path of tokens of so many levels. The source is [Mask] if it is empty, and the schedule is
// linear if it is the zero value.
func NewMixture(levels int, source Source, schedule Schedule) (*Mixture, error) {
	if source == "" {
		source = Mask
	}
	if schedule.kappa == nil {
		schedule = schedules[0]
	}
	switch {
	case levels < 2:
		return nil, fmt.Errorf("discrete: %d levels; a token has at least 2", levels)
	case source != Mask && source != Uniform:
		return nil, fmt.Errorf("discrete: unknown source %q; it must be one of %v", source, Sources())
	}
	return &Mixture{levels, source, schedule}, nil
}

// Levels implements [Path].
func (m *Mixture) Levels() int { return m.levels }

// States implements [Path]: the levels and, for [Mask], one more.
func (m *Mixture) States() int {
	if m.source == Mask {
		return m.levels + 1
	}
	return m.levels
}

// Source returns the noise of a token.
func (m *Mixture) Source() Source { return m.source }

// Schedule returns κ.
func (m *Mixture) Schedule() Schedule { return m.schedule }

// Prob implements [Path].
func (m *Mixture) Prob(p []float64, t float64, x1 int32) {
	kappa, _ := m.schedule.At(t)
	clear(p)
	if m.source == Mask {
		p[m.levels] = 1 - kappa
	} else {
		for k := range p {
			p[k] = (1 - kappa) / float64(m.levels)
		}
	}
	p[x1] += kappa
}

// Rate is that of the jump to x_1 of a token that is not there, κ̇/(1-κ).
func (m *Mixture) Rate(t float64) float64 {
	kappa, slope := m.schedule.At(t)
	return slope / (1 - kappa)
}

// Rates implements [Path].
func (m *Mixture) Rates(u []float64, t float64, z, x1 int32) {
	clear(u)
	if z != x1 {
		u[x1] = m.Rate(t)
	}
}

// Mean implements [Path].
func (m *Mixture) Mean(u []float64, t float64, z int32, q []float64) {
	clear(u)
	w := m.Rate(t)
	for k, v := range q {
		u[k] = w * v
	}
	u[z] = 0
}

// Settled implements [Path]: what is no mask has come from it.
func (m *Mixture) Settled(z int32) bool { return m.source == Mask && int(z) < m.levels }

// Pace implements [Path].
func (m *Mixture) Pace(t float64) float64 {
	kappa, slope := m.schedule.At(t)
	if kappa <= 0 {
		return 0
	}
	return slope / (kappa * (1 - kappa))
}

// Integral implements [Kernel].
func (m *Mixture) Integral(t, s float64) float64 {
	before, _ := m.schedule.At(t)
	after, _ := m.schedule.At(s)
	return math.Log((1 - before) / (1 - after))
}

// Jump implements [Kernel].
func (m *Mixture) Jump(rng *rand.Rand, t, s float64, z, x1 int32) int32 {
	before, _ := m.schedule.At(t)
	after, _ := m.schedule.At(s)
	if z != x1 && rng.Float64()*(1-before) < after-before {
		return x1
	}
	return z
}

// End implements [Path].
func (m *Mixture) End() float64 { return 1 }

// Quantile draws κ with the density a (1-κ)^(a-1): the integrand has 1/(1-κ) of a share 1-κ of the tokens, whose
// square has no mean if κ is uniform. The a of the least variance is ½ for masks; without them there is a factor
// log(1-κ), too, and ¼ is better.
func (m *Mixture) Quantile(u float64) (t, weight float64) {
	a := 0.5
	if m.source != Mask {
		a = 0.25
	}
	rest := max(math.Pow(1-u, 1/a), 1e-9) // below, 1-κ is lost in rounding
	t = m.schedule.Time(1 - rest)
	_, slope := m.schedule.At(t)
	return t, math.Pow(rest, 1-a) / (a * slope)
}
