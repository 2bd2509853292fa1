package synth

import (
	"math"

	"flowmatch/data"
)

// newMoons is two half circles of one radius: the upper around (-1/2, -1/4), the
// lower around (1/2, 1/4), in radii. This is scikit-learn's figure, centred; it
// spans [-1.5, 1.5] x [-0.75, 0.75] radii.
func newMoons(p Params) (data.Distribution, error) {
	r := or(p.Scale, 2.0)
	upper := func(s float64) (x, y float64) {
		sin, cos := math.Sincos(s)
		return r * (cos - 0.5), r * (sin - 0.25)
	}
	lower := func(s float64) (x, y float64) {
		x, y = upper(s)
		return -x, -y
	}
	return newCurve([]arc{{lo: 0, hi: math.Pi, at: upper}, {lo: 0, hi: math.Pi, at: lower}}, or(p.Noise, 0.2), r)
}

// newCircles is a circle of radius scale and one of half of it, equally likely.
func newCircles(p Params) (data.Distribution, error) {
	r := or(p.Scale, 3.0)
	return newCurve([]arc{circle(r), circle(r / 2)}, or(p.Noise, 0.15), r)
}

func circle(r float64) arc {
	return arc{lo: 0, hi: 2 * math.Pi, at: func(s float64) (x, y float64) {
		sin, cos := math.Sincos(s)
		return r * cos, r * sin
	}}
}

// newSpirals is two spirals r = s, s in [0, 3 pi] scaled to end at radius scale,
// one the other turned by half a turn, with s^2 uniform, so that points are
// about equally dense along the line. It is FFJORD's "2spirals" without the
// uniform jitter that set adds besides the Gaussian one.
func newSpirals(p Params) (data.Distribution, error) {
	const end = 3 * math.Pi
	r := or(p.Scale, math.Pi)
	one := arc{
		lo: 0, hi: end,
		at: func(s float64) (x, y float64) {
			sin, cos := math.Sincos(s)
			return -r * s / end * cos, r * s / end * sin
		},
		density:  func(s float64) float64 { return 2 * s / (end * end) },
		quantile: func(u float64) float64 { return end * math.Sqrt(u) },
	}
	two := one
	two.at = func(s float64) (x, y float64) {
		x, y = one.at(s)
		return -x, -y
	}
	return newCurve([]arc{one, two}, or(p.Noise, 0.1), r)
}

// newSwissRoll is the spiral r = s, s uniform in [3/2 pi, 9/2 pi], scaled to end
// at radius scale: scikit-learn's roll seen from its side.
func newSwissRoll(p Params) (data.Distribution, error) {
	const end = 4.5 * math.Pi
	r := or(p.Scale, 4.0)
	roll := arc{lo: 1.5 * math.Pi, hi: end, at: func(s float64) (x, y float64) {
		sin, cos := math.Sincos(s)
		return r * s / end * cos, r * s / end * sin
	}}
	return newCurve([]arc{roll}, or(p.Noise, 0.15), r)
}

// newSCurve is (sin s, sign(s)(cos s - 1)), s uniform in [-3/2 pi, 3/2 pi], times
// scale: scikit-learn's S seen from its side, [-1, 1] x [-2, 2] radii.
func newSCurve(p Params) (data.Distribution, error) {
	r := or(p.Scale, 1.5)
	// Two arcs of one smooth piece each would be two classes; the joint at s = 0
	// is a node boundary of the quadrature, so its kink costs no accuracy.
	s := arc{lo: -1.5 * math.Pi, hi: 1.5 * math.Pi, at: func(s float64) (x, y float64) {
		sin, cos := math.Sincos(s)
		return r * sin, r * math.Copysign(cos-1, -s)
	}}
	return newCurve([]arc{s}, or(p.Noise, 0.15), r)
}
