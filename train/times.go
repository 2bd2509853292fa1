package train

import (
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/internal/choice"
)

// Times is the distribution that training times are drawn from, as the
// transform of a uniform u by the inverse of its distribution function:
//
//	uniform       t = u
//	logit_normal  t = 1/(1+exp(-(Mean + Std·Φ⁻¹(u))))    (Esser et al. 2024; mean and std 1.2 are EDM's skew)
//	power         t = u^Power                            (1/2 is t = √u: more weight near the data)
//
// By default the u of a batch are stratified, one in each of N equal cells:
// still uniform, each of them, but a lower variance of the loss at no cost.
type Times struct {
	Name  string  `yaml:"name" json:"name"`                       // default uniform
	Mean  float64 `yaml:"mean,omitempty" json:"mean,omitempty"`   // logit_normal; default 0
	Std   float64 `yaml:"std,omitempty" json:"std,omitempty"`     // logit_normal; default 1
	Power float64 `yaml:"power,omitempty" json:"power,omitempty"` // power; default 0.5
	IID   bool    `yaml:"iid,omitempty" json:"iid,omitempty"`     // draw the u independently
}

// TimeNames returns the names that Times.Name takes.
func TimeNames() []string { return []string{"uniform", "logit_normal", "power"} }

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
		return fmt.Errorf("train: times: mean and std belong to logit_normal, not to %s", d.Name)
	}
	if d.Name != "power" && d.Power != 0 {
		return fmt.Errorf("train: times: power belongs to the time distribution power, not to %s", d.Name)
	}
	if !(d.Std >= 0 && d.Power >= 0) || math.IsInf(d.Std+d.Power, 0) || d.Mean-d.Mean != 0 {
		return fmt.Errorf("train: times: std %g and power %g must be positive, and mean %g finite", d.Std, d.Power,
			d.Mean)
	}
	return nil
}

// Sample fills t with times in [lo, hi].
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
		t[i] = lo + (hi-lo)*u
	}
}
