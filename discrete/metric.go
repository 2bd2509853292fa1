package discrete

import (
	"fmt"
	"math"
)

// Metric is the path of a distance between levels, p_t(x | x_1) ∝ exp(-β_t d(x, x_1)) with β_t = scale·t/(1-t): a
// token comes to its level over those that are near it. Rates are kinetic-optimal, p_t(y) β̇_t [d(z, x_1) - d(y,
// x_1)]₊ (Shaul et al. 2024, arXiv 2412.03487, equation 22). The source is uniform.
type Metric struct {
	levels   int
	distance []float64 // levels levels
	scale    float64
	end      float64
}

// left is the probability of the nearest other level, by that of x_1, at which an [ELBO] ends.
const left = 1e-2

// NewMetric returns the path of a distance of levels, which is 0 of a level from itself and above 0 of any two
// others; d(x, y) is taken as it is given for x on the way and y at t = 1. The scale is 1 if it is 0.
func NewMetric(levels int, distance func(x, y int32) float64, scale float64) (*Metric, error) {
	if scale == 0 {
		scale = 1
	}
	switch {
	case levels < 2:
		return nil, fmt.Errorf("discrete: %d levels; a token has at least 2", levels)
	case !(scale > 0) || math.IsInf(scale, 0):
		return nil, fmt.Errorf("discrete: the scale of a metric path is %g; it must be above 0", scale)
	}
	m := &Metric{levels: levels, distance: make([]float64, levels*levels), scale: scale}
	least := math.Inf(1)
	for x := range levels {
		for y := range levels {
			d := distance(int32(x), int32(y))
			if x == y && d != 0 || x != y && !(d > 0) || math.IsInf(d, 0) {
				return nil, fmt.Errorf("discrete: the distance of levels %d and %d is %g; it must be 0 of a level "+
					"from itself, and above 0 and finite of others", x, y, d)
			}
			m.distance[x*levels+y] = d
			if x != y {
				least = min(least, d)
			}
		}
	}
	beta := -math.Log(left) / least
	m.end = beta / (beta + scale)
	return m, nil
}

// Levels implements [Path].
func (m *Metric) Levels() int { return m.levels }

// States implements [Path]: the levels.
func (m *Metric) States() int { return m.levels }

func (m *Metric) d(x, x1 int32) float64 { return m.distance[int(x)*m.levels+int(x1)] }

// Prob implements [Path].
func (m *Metric) Prob(p []float64, t float64, x1 int32) {
	if t >= 1 {
		clear(p)
		p[x1] = 1
		return
	}
	beta, sum := m.scale*t/(1-t), 0.0
	for k := range p {
		p[k] = math.Exp(-beta * m.d(int32(k), x1))
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
}

func (m *Metric) slope(t float64) float64 { return m.scale / ((1 - t) * (1 - t)) }

// Rates implements [Path].
func (m *Metric) Rates(u []float64, t float64, z, x1 int32) {
	m.Prob(u, t, x1)
	at, slope := m.d(z, x1), m.slope(t)
	for y := range u {
		u[y] *= slope * max(0, at-m.d(int32(y), x1))
	}
}

// Mean implements [Path].
func (m *Metric) Mean(u []float64, t float64, z int32, q []float64) {
	one := make([]float64, m.levels)
	clear(u)
	for x1, v := range q {
		if v <= 0 {
			continue
		}
		m.Rates(one, t, z, int32(x1))
		for y := range u {
			u[y] += v * one[y]
		}
	}
}

// Settled implements [Path]: a token never is.
func (m *Metric) Settled(int32) bool { return false }

// Pace is the change of β by t, the rate at which the path itself jumps over a distance of 1.
func (m *Metric) Pace(t float64) float64 { return m.slope(t) }

// Quantile is uniform up to End: the share of tokens that are not at x_1 falls faster than rates grow.
func (m *Metric) Quantile(u float64) (t, weight float64) { return u * m.end, m.end }

// End implements [Path]: β is so large then that even the nearest level has a hundredth of the probability of x_1.
func (m *Metric) End() float64 { return m.end }
