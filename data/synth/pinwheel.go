package synth

import (
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/data"
	"flowmatch/flow"
)

// pinwheel is Arms Gaussians around the origin, bent by a twist of the plane.
//
// Arm k starts as f ~ N((Radius, 0), diag((0.3 Radius)^2, Width^2)) and is turned
// by the angle 2 pi k / Arms + exp(|f|/Radius) / 4. The pinwheel of Johnson et
// al. (arXiv 1603.06277) turns by the first coordinate of f instead of |f|, which
// looks the same; a turn that depends on the radius alone keeps areas, so that
// here the density is closed form: undo the turn and read off the Gaussian.
type pinwheel struct {
	Arms          int
	Radius, Width float64
}

func newPinwheel(p Params) (data.Distribution, error) {
	w := pinwheel{Arms: or(p.Components, 5), Radius: or(p.Scale, 2.0), Width: or(p.Noise, 0.2)}
	if w.Arms < 1 {
		return nil, fmt.Errorf("components = %d; want at least 1", w.Arms)
	}
	if !(w.Radius > 0) || math.IsInf(w.Radius, 0) {
		return nil, fmt.Errorf("scale = %g; want a positive number", w.Radius)
	}
	if !(w.Width > 0) || math.IsInf(w.Width, 0) {
		return nil, fmt.Errorf("noise = %g; want a positive number", w.Width)
	}
	return w, nil
}

// Dim returns 2.
func (pinwheel) Dim() int { return 2 }

// Classes returns the number of arms, 0 when there is one.
func (p pinwheel) Classes() int {
	if p.Arms == 1 {
		return 0
	}
	return p.Arms
}

// angle returns how far arm k is turned at radius r.
func (p pinwheel) angle(k int, r float64) float64 {
	return 2*math.Pi*float64(k)/float64(p.Arms) + 0.25*math.Exp(r/p.Radius)
}

// Sample fills x with independent draws.
func (p pinwheel) Sample(x flow.Batch, rng *rand.Rand) { p.SampleLabelled(x, nil, rng) }

// SampleLabelled is Sample with the arm of each point in label.
func (p pinwheel) SampleLabelled(x flow.Batch, label []int32, rng *rand.Rand) {
	checkSample(2, x, label)
	for i := range x.N {
		k := rng.IntN(p.Arms)
		f0 := p.Radius * (1 + 0.3*rng.NormFloat64())
		f1 := p.Width * rng.NormFloat64()
		sin, cos := math.Sincos(p.angle(k, math.Hypot(f0, f1)))
		x.X[2*i], x.X[2*i+1] = cos*f0-sin*f1, sin*f0+cos*f1
		if label != nil {
			label[i] = int32(k)
		}
	}
}

// LogProb writes log p(x) = log 1/K sum_k N(f_k(x)), f_k being x turned back.
func (p pinwheel) LogProb(logp []float64, x flow.Batch) {
	checkLogProb(2, logp, x)
	long := 0.3 * p.Radius
	norm := -math.Log(float64(p.Arms)) - math.Log(2*math.Pi*long*p.Width)
	term := make([]float64, p.Arms)
	for i := range x.N {
		a, b := x.X[2*i], x.X[2*i+1]
		r := math.Hypot(a, b)
		for k := range term {
			sin, cos := math.Sincos(p.angle(k, r))
			f0, f1 := (cos*a+sin*b-p.Radius)/long, (cos*b-sin*a)/p.Width
			term[k] = norm - 0.5*(f0*f0+f1*f1)
		}
		logp[i] = logSumExp(term)
	}
}
