package lecture

import (
	"context"
	"math"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/path"
)

// objectiveAnswer compares the losses of FM and CFM of a linear model
//
//	v(x, θ) = θ (1, x, y, t, t x, t y)ᵀ,   θ = s D
//
// along a line through its parameters, D, over N draws of t, x_1 and x.
type objectiveAnswer struct {
	S     numbers `json:"s"`      // where on the line
	FM    numbers `json:"fm"`     // equation 5 there
	CFM   numbers `json:"cfm"`    // equation 9 there
	LossF float64 `json:"fm_at"`  // equation 5 at the s that was asked for
	LossC float64 `json:"cfm_at"` // equation 9 there
	Const float64 `json:"const"`  // E|u_t(x|x_1) − u_t(x)|²: by how much CFM is above FM, whatever θ is

	// The gradients by the 12 numbers of θ, and the standard error of their difference.
	GradFM  numbers `json:"grad_fm"`
	GradCFM numbers `json:"grad_cfm"`
	Errors  numbers `json:"errors"`

	// The length of the difference of the gradients over the first n draws, and its standard error.
	Draws      numbers `json:"draws"`
	Difference numbers `json:"difference"`
	StdError   numbers `json:"std_error"`
}

// features of the linear model, and its parameters.
const (
	features = 6
	params   = 2 * features
)

// draws are the examples that both losses are means over.
type draws struct {
	phi         []float64 // [N, features]
	fm, cfm     []float64 // targets, [N, 2]: u_t(x) and u_t(x|x_1)
	direction   []float64 // D, [2, features]
	modelled    []float64 // D φ, [N, 2]
	differences []float64 // of the gradients, [N, params]: 2 (u_t(x|x_1) − u_t(x)) φᵀ, which θ is not in
}

// objectivePane compares equations 5 and 9.
func objectivePane(_ context.Context, q *query) (any, error) {
	n := 1 << q.whole("log2n", 10, 4, 13)
	s := q.number("s", 0.5, -1, 2)
	from := q.seed()
	if err := q.ok(); err != nil {
		return nil, err
	}
	d, err := draw(n, from)
	if err != nil {
		return nil, err
	}
	a := objectiveAnswer{S: between(-1, 2, 60), GradFM: d.gradient(d.fm, s), GradCFM: d.gradient(d.cfm, s)}
	fm, cfm := d.loss(d.fm), d.loss(d.cfm)
	for _, at := range a.S {
		a.FM, a.CFM = append(a.FM, fm(at)), append(a.CFM, cfm(at))
	}
	a.LossF, a.LossC = fm(s), cfm(s)
	for k := range d.fm {
		a.Const += (d.cfm[k] - d.fm[k]) * (d.cfm[k] - d.fm[k]) / float64(n)
	}
	for m := 16; m <= n; m *= 2 {
		length, errs := d.apart(m)
		sum := 0.0
		for _, e := range errs {
			sum += e * e
		}
		a.Draws, a.Difference = append(a.Draws, float64(m)), append(a.Difference, length)
		a.StdError, a.Errors = append(a.StdError, math.Sqrt(sum)), errs
	}
	return a, nil
}

// draw makes n examples of the ring.
func draw(n int, from uint64) (*draws, error) {
	m, err := law("ring")
	if err != nil {
		return nil, err
	}
	s := path.CondOT{}
	u, err := exact(m, s)
	if err != nil {
		return nil, err
	}
	x0, x1, rng := noise(n, from), drawn(m, n, from), seed.Rand(from, "lecture/times", 0)
	ts := make([]float64, n)
	for i := range ts {
		ts[i] = rng.Float64()
	}
	xt, ut := flow.NewBatch(n, 2), flow.NewBatch(n, 2)
	if err := path.Interpolate(xt, ut, s, ts, x0, x1); err != nil {
		return nil, err
	}
	d := &draws{phi: make([]float64, 0, n*features), fm: make([]float64, 2*n), cfm: ut.X,
		direction: make([]float64, params), modelled: make([]float64, 2*n), differences: make([]float64, n*params)}
	timed, err := u.AtTimes(nil, ts)
	if err != nil {
		return nil, err
	}
	if err := timed.Velocity(d.fm, 0, xt.X); err != nil {
		return nil, err
	}
	for k := range d.direction {
		d.direction[k] = rng.NormFloat64() / 2
	}
	d.direction[1], d.direction[features+2] = 0.9, 0.9 // uphill of the loss at 0, for a valley in the picture
	for i, t := range ts {
		x, y := xt.X[2*i], xt.X[2*i+1]
		d.phi = append(d.phi, 1, x, y, t, t*x, t*y)
		for c := range 2 {
			off := 2 * (d.cfm[2*i+c] - d.fm[2*i+c])
			for k, phi := range d.phi[i*features:] {
				d.modelled[2*i+c] += d.direction[c*features+k] * phi
				d.differences[i*params+c*features+k] = off * phi
			}
		}
	}
	return d, nil
}

// loss returns mean |s Dφ − target|² as a function of s.
func (d *draws) loss(target []float64) func(s float64) float64 {
	var a, b, c float64
	for k, v := range d.modelled {
		a, b, c = a+v*v, b+v*target[k], c+target[k]*target[k]
	}
	n := float64(len(target) / 2)
	return func(s float64) float64 { return (a*s*s - 2*b*s + c) / n }
}

// gradient returns the gradient of the loss by θ, at θ = s D.
func (d *draws) gradient(target []float64, s float64) numbers {
	g := make(numbers, params)
	n := len(target) / 2
	for i := range n {
		for c := range 2 {
			r := 2 * (s*d.modelled[2*i+c] - target[2*i+c]) / float64(n)
			for k, phi := range d.phi[i*features : (i+1)*features] {
				g[c*features+k] += r * phi
			}
		}
	}
	return g
}

// apart returns the length of the difference of the gradients over the first n draws, and the standard
// error of each of its numbers.
func (d *draws) apart(n int) (length float64, errs numbers) {
	mean, errs := make([]float64, params), make(numbers, params)
	for k, v := range d.differences[:n*params] {
		mean[k%params] += v / float64(n)
	}
	for k, v := range d.differences[:n*params] {
		errs[k%params] += (v - mean[k%params]) * (v - mean[k%params])
	}
	for k, v := range mean {
		length += v * v
		errs[k] = math.Sqrt(errs[k] / float64(n-1) / float64(n))
	}
	return math.Sqrt(length), errs
}
