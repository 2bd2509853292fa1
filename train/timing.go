package train

import (
	"cmp"
	"math/rand/v2"

	"flowmatch/model"
	"flowmatch/path"
)

// timing is how an objective draws the times of a model, and what makes up for it in the
// weight of an example.
type timing struct {
	times  Times
	lo, hi float64
	clock  *path.Clock // nil: evenly over [lo, hi]
	makeUp bool        // for the clock, so that the loss is a mean over even times
}

// newTiming returns the timing of a model. Times of a preconditioned model are spread over
// the share of the data τ. The loss of Unit is then a mean over τ; that of any other
// weighting is one over t for every model, and the same number whether times are spread over
// t, over τ or in proportion to the weighting.
func newTiming(m *model.Model, times Times, w Weighting) (timing, error) {
	d := timing{times: times.Defaults()}
	d.lo, d.hi = w.span(m)
	p := m.Spec().Precondition
	switch lo, hi := m.Span(); {
	case d.times.Name == Proportional:
		return d.inProportion(m, w)
	case p == nil:
		return d, nil
	case lo == d.lo && hi == d.hi:
		d.clock = m.Clock()
	default:
		d.clock = p.Clock(m.Scheduler(), d.lo, d.hi)
	}
	d.makeUp = w != Unit && w != ""
	return d, nil
}

// inProportion returns d with times whose density is in proportion to the factor of the
// weighting, which leaves the mean of the factor as the weight of each of them.
func (d timing) inProportion(m *model.Model, w Weighting) (timing, error) {
	s, y, w := m.Scheduler(), m.Spec().Prediction, cmp.Or(w, Unit)
	if w == Unit || m.Spec().Precondition == nil && w.Even(s, y) {
		return d, misfit("times are %s, but the weighting %s of the prediction %v is the same at all times of this "+
			"path: leave times out", Proportional, w, y)
	}
	clock, err := path.NewClock(d.lo, d.hi, func(t float64) float64 { return w.factor(m, s.At(t)) })
	if err != nil {
		return d, misfit("times in proportion to the weighting %s: %w", w, err)
	}
	d.clock, d.makeUp = clock, true
	return d, nil
}

// draw fills t with times, and weight with what makes up for how they are drawn.
func (d timing) draw(t, weight []float64, rng *rand.Rand) {
	d.times.Sample(t, 0, 1, rng)
	for i, u := range t {
		weight[i] = 1
		if d.clock == nil {
			t[i] = d.lo + (d.hi-d.lo)*u
			continue
		}
		t[i] = min(max(d.clock.At(u), d.lo), d.hi)
		if d.makeUp {
			weight[i] = d.clock.Slope(u) / (d.hi - d.lo)
		}
	}
}

// pairs fills t and s with two times each, t <= s, both of the distribution of the times.
// Times in proportion to the weighting are t alone, for the weighting is at t: the weight is
// then that of the lesser of two even times.
func (d timing) pairs(t, s, weight []float64, rng *rand.Rand) {
	d.draw(t, weight, rng)
	d.times.Sample(s, 0, 1, rng)
	// Stratified times ascend; in this order the two are independent.
	rng.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
	for i, u := range s {
		if d.clock != nil {
			s[i] = t[i] + (d.hi-t[i])*u
			weight[i] *= 2 * (d.hi - t[i]) / (d.hi - d.lo)
			continue
		}
		s[i] = d.lo + (d.hi-d.lo)*u
		t[i], s[i] = min(t[i], s[i]), max(t[i], s[i])
	}
}
