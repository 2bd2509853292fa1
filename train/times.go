package train

import (
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/internal/choice"
	"flowmatch/timegrid"
)

// Times is the distribution that training times are drawn from, as the
// transform of a uniform u by the inverse of its distribution function:
//
//	uniform       t = u
//	logit_normal  t = 1/(1+exp(-(Mean + Std·Φ⁻¹(u))))    (Esser et al. 2024; mean and std 1.2 are EDM's skew)
//	power         t = u^Power                            (1/2 is t = √u: more weight near the data; 1/(1+α) is
//	                                                     that of FMPE with exponent α, arXiv 2305.17161)
//	proportional  the density of t is in proportion to the weighting
//
// Shift moves the times of the first three as that of a time grid moves the steps of a sampler
// ([timegrid.Config]): more of them are near the noise above 1, and a network sees in training the
// times that it is asked for (Esser et al., arXiv 2403.03206, section 5.3.2).
//
// Of a preconditioned model, uniform, logit_normal and power are distributions of the share
// of the data τ, brought to [0, 1] ([path.Precondition]).
//
// Proportional times leave the expected loss as it is with uniform times: the weight of
// every example is the mean of the weighting over uniform times. Where a weighting grows
// without bound, as Likelihood does, uniform times train badly, for few of them make up most
// of the loss (ScoreFlow, Song et al. 2021, arXiv:2101.09258, section 5). What is weighed is
// the error of the prediction. It should be of one size at all times, as that of the noise,
// of the velocity, or of a preconditioned network is; errors of the score grow like 1/σ. A
// weighting that is the same at all times, such as Unit, is an error.
//
// By default the u of a batch are stratified, one in each of N equal cells:
// still uniform, each of them, but a lower variance of the loss at no cost.
type Times struct {
	Name  string  `yaml:"name" json:"name"`                       // default uniform
	Mean  float64 `yaml:"mean,omitempty" json:"mean,omitempty"`   // logit_normal; default 0
	Std   float64 `yaml:"std,omitempty" json:"std,omitempty"`     // logit_normal; default 1
	Power float64 `yaml:"power,omitempty" json:"power,omitempty"` // power; default 0.5
	// Shift is the factor that noise to data is multiplied by at each time; default 1. That of sampling
	// is eval.time_grid.shift, or exp(mu).
	Shift *float64 `yaml:"shift,omitempty" json:"shift,omitempty"`
	IID   bool     `yaml:"iid,omitempty" json:"iid,omitempty"` // draw the u independently
}

// TimeNames returns the names that Times.Name takes.
func TimeNames() []string { return []string{"uniform", "logit_normal", "power", Proportional} }

// Proportional is the name of the times whose density is in proportion to the weighting.
const Proportional = "proportional"

// Defaults returns d with every unset field that its name uses filled in.
func (d Times) Defaults() Times {
	switch d.Name {
	case "":
		d.Name = "uniform"
	case "logit_normal":
		if d.Std == 0 {
			d.Std = 1
		}
	case "power":
		if d.Power == 0 {
			d.Power = 0.5
		}
	}
	return d
}

// Validate reports an unknown name, or a parameter that the name does not use
// or that is out of range.
func (d Times) Validate() error {
	d = d.Defaults()
	if err := choice.Check("time distribution", d.Name, TimeNames()); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if d.Name != "logit_normal" && (d.Mean != 0 || d.Std != 0) {
		return fmt.Errorf("train: times.mean and times.std belong to logit_normal, not to %s; leave them out", d.Name)
	}
	if d.Name != "power" && d.Power != 0 {
		return fmt.Errorf("train: times.power belongs to the time distribution power, not to %s; leave it out", d.Name)
	}
	if d.Name == Proportional && d.Shift != nil {
		return fmt.Errorf("train: times.shift does not go with %s times, whose density is that of the weighting; "+
			"leave it out", Proportional)
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"std", d.Std}, {"power", d.Power}} {
		if !(f.v >= 0) || math.IsInf(f.v, 0) { // 0 is unset
			return fmt.Errorf("train: times.%s is %g; it must be positive and finite", f.name, f.v)
		}
	}
	if s := d.Shift; s != nil && !(*s > 0 && *s-*s == 0) {
		return fmt.Errorf("train: times.shift is %g; it must be positive and finite", *s)
	}
	if d.Mean-d.Mean != 0 {
		return fmt.Errorf("train: times.mean is %g; it must be finite", d.Mean)
	}
	return nil
}

// Sample fills t with times in [lo, hi]. It knows of no weighting: those of proportional are
// uniform here, and objectives make times of them.
func (d Times) Sample(t []float64, lo, hi float64, rng *rand.Rand) {
	d = d.Defaults()
	for i := range t {
		u := rng.Float64()
		if !d.IID {
			u = (float64(i) + u) / float64(len(t))
		}
		switch d.Name {
		case "logit_normal":
			z := math.Sqrt2 * math.Erfinv(2*u-1)
			u = 1 / (1 + math.Exp(-(d.Mean + d.Std*z)))
		case "power":
			u = math.Pow(u, d.Power)
		}
		if d.Shift != nil && *d.Shift != 1 {
			u = 1 - timegrid.Shifted(1-u, *d.Shift)
		}
		t[i] = lo + (hi-lo)*u
	}
}
