package path

import (
	"encoding/json"
	"fmt"
	"math"

	"flowmatch/flow"
)

// Precondition makes every path and prediction the same problem for a network: it sees an
// input of unit variance and learns a target of unit variance, as EDM does for one path
// (Karras et al. 2022, arXiv:2206.00364, table 1). Data and Source are the root mean
// squares of the coordinates of x_1 and of x_0 before σ scales it; 0 means 1.
//
// With s_1 and s_0 for them, R² = α² s_1² + σ² s_0² is the variance of x_t. In
//
//	z = x_t/R = cos θ x_1/s_1 + sin θ x_0/s_0,   tan θ = σ s_0/(α s_1)
//
// the network F(z, τ) learns the direction orthogonal to it,
//
//	w = sin θ x_1/s_1 − cos θ x_0/s_0,
//
// which x_t says nothing of where x_1 and x_0 are Gaussian. Both have unit variance, at
// every time of every path, and what any prediction asks for is a linear combination of
// them, y = Skip·x_t + Out·F: see [Precondition.At]. So neither the schedule nor the
// prediction matters to the network, and no conversion is singular where the velocity
// is finite.
//
// Its clock is the share of the data in x_t,
//
//	τ = α s_1/(α s_1 + σ s_0),
//
// which is t for [CondOT] and bounded for [VE], whose σ spans decades: it is the logistic
// function of half the logarithm of the signal to noise ratio. The time input is 4τ − 2, in
// [-2, 2]: about 0, and spread as the input is.
type Precondition struct {
	Data   float64 `yaml:"data,omitempty" json:"data,omitempty"`
	Source float64 `yaml:"source,omitempty" json:"source,omitempty"`
}

// UnmarshalJSON reads what is in a checkpoint. There a scale of 0, which would mean 1, is left out: one that is
// written is a fault of the file.
func (p *Precondition) UnmarshalJSON(text []byte) error {
	var in struct{ Data, Source *float64 }
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*p = Precondition{}
	for _, f := range []struct {
		name string
		v    *float64
		into *float64
	}{{"data", in.Data, &p.Data}, {"source", in.Source, &p.Source}} {
		if f.v == nil {
			continue
		}
		if *f.into = *f.v; *f.v == 0 {
			return fmt.Errorf("path: the scale of the %s is 0; it must be positive", f.name)
		}
	}
	return nil
}

// Scaling is a Precondition at one time, for one prediction y:
//
//	y = Skip x + Out F(In x, Time),   Time = 4 Share − 2
type Scaling struct {
	In, Skip, Out float64
	Share         float64 // τ, of the data in x, in [0, 1]
	Time          float64 // in [-2, 2]
}

func (p Precondition) scales() (data, source float64) {
	data, source = p.Data, p.Source
	if data == 0 {
		data = 1
	}
	if source == 0 {
		source = 1
	}
	return data, source
}

// leastScale and mostScale bound scales: numbers of a network, in float32, cannot be of others.
const leastScale, mostScale = 1e-30, 1e30

// Validate reports scales that no numbers of a network have.
func (p Precondition) Validate() error {
	data, source := p.scales()
	for name, v := range map[string]float64{"data": data, "source": source} {
		if !(v >= leastScale && v <= mostScale) {
			return fmt.Errorf("path: the scale of the %s is %g; it must be between %g and %g", name, v, leastScale,
				mostScale)
		}
	}
	return nil
}

// At returns the scaling of prediction y = g1 x_1 + g0 x_0 (its [Coef.Weights]) where the
// path is c. With R² = α² s_1² + σ² s_0²,
//
//	In = 1/R,   Skip = (g1 α s_1² + g0 σ s_0²)/R²,   Out = s_1 s_0 (g1 σ − g0 α)/R
//
// Skip x_t is the best linear prediction of y, and Out the deviation of what it leaves.
func (p Precondition) At(c Coef, y Prediction) Scaling {
	s1, s0 := p.scales()
	g1, g0 := c.Weights(y)
	signal, noise := c.Alpha*s1, c.Sigma*s0
	r := math.Hypot(signal, noise)
	share := signal / (signal + noise)
	return Scaling{
		In:    1 / r,
		Skip:  (g1*signal*s1 + g0*noise*s0) / (r * r),
		Out:   s1 * s0 * (g1*c.Sigma - g0*c.Alpha) / r,
		Share: share,
		Time:  4*share - 2,
	}
}

// Target returns the weights of x_1 and x_0 in what F learns, w = g1 x_1 + g0 x_0.
func (p Precondition) Target(c Coef) (g1, g0 float64) {
	s1, s0 := p.scales()
	signal, noise := c.Alpha*s1, c.Sigma*s0
	r := math.Hypot(signal, noise)
	return noise / (r * s1), -signal / (r * s0)
}

// Field turns a network F, as a field in its input z and its time 4τ − 2, into the field of
// prediction y along the path s. It is Differentiable or a Diverger when F is.
func (p Precondition) Field(f flow.Field, s Scheduler, y Prediction) flow.Field {
	return wrap(&affine{f: f, at: func(t float64) (affineCoef, error) {
		c := s.At(t)
		k := p.At(c, y)
		if !finite(k.In) || !finite(k.Skip) || !finite(k.Out) {
			return affineCoef{}, fmt.Errorf("%w of a preconditioned network to %v at t = %g (alpha %g, sigma %g)",
				ErrSingular, y, t, c.Alpha, c.Sigma)
		}
		return affineCoef{t: k.Time, scale: 1 / k.In, a: k.Skip, b: k.Out}, nil
	}})
}

// Gaussian returns the exact field of prediction y along the path s for Gaussian data about 0, as
// wide as p says, in dim dimensions: that of a network F = 0.
func (p Precondition) Gaussian(s Scheduler, y Prediction, dim int) flow.Field {
	return p.Field(still(dim), s, y)
}

// still is the field 0, of so many dimensions.
type still int

func (d still) Dim() int { return int(d) }

func (still) Velocity(v []float64, _ float64, _ []float64) error {
	clear(v)
	return nil
}
