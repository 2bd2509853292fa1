package path

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/internal/absent"
	"flowmatch/internal/choice"
)

// Config is a schedule as a configuration file names it. A nil field is the
// schedule's default; a field that the named schedule has no use for is an
// error, so that no setting is ever silently ignored.
type Config struct {
	// Name is one of [Names]; empty means condot.
	Name string `yaml:"name" json:"name"`
	// SigmaMin is of condot, in [0, 1), default 0; and of ve, above 0, default 0.01.
	SigmaMin *float64 `yaml:"sigma_min,omitempty" json:"sigma_min,omitempty"`
	// SigmaMax is of ve, above sigma_min, default 50.
	SigmaMax *float64 `yaml:"sigma_max,omitempty" json:"sigma_max,omitempty"`
	// BetaMin is of vp, above 0, default 0.1; and of discrete_vp, where it is the variance of the
	// noise of the first step, in (0, 1), default 0.0001.
	BetaMin *float64 `yaml:"beta_min,omitempty" json:"beta_min,omitempty"`
	// BetaMax is of vp, at least beta_min, default 20; and of discrete_vp, that of the last step,
	// below 1, default 0.02.
	BetaMax *float64 `yaml:"beta_max,omitempty" json:"beta_max,omitempty"`
	// Power is of poly, at least 1, default 2.
	Power *float64 `yaml:"power,omitempty" json:"power,omitempty"`
	// Sigma is of icfm, at least 0, default 0.1; and of bridge, above 0, default 1.
	Sigma *float64 `yaml:"sigma,omitempty" json:"sigma,omitempty"`
	// Betas is of discrete_vp: how the noise of a step grows from the first to the last, linear
	// (default), scaled_linear or cosine, which has no beta_min and beta_max.
	Betas string `yaml:"betas,omitempty" json:"betas,omitempty"`
	// Steps is of discrete_vp, a whole number, at least 3, default 1000.
	Steps *float64 `yaml:"steps,omitempty" json:"steps,omitempty"`
	// Params are the settings of a schedule of [Register], by names of its own.
	Params map[string]float64 `yaml:"params,omitempty" json:"params,omitempty"`
}

// Names returns the names that [Config] and [ByName] know: those of this package, then
// those of [Register] in alphabetical order.
func Names() []string { return append(builtin(), registeredNames()...) }

func builtin() []string {
	return []string{"condot", "vp", "ve", "cosine", "poly", "linear_vp", "discrete_vp", "icfm", "bridge"}
}

// ByName returns the named schedule with its defaults.
func ByName(name string) (Scheduler, error) { return Config{Name: name}.New() }

// Validate reports what [Config.New] would.
func (c Config) Validate() error { _, err := c.New(); return err }

// New makes the schedule. The error names the field at fault and what it may be.
func (c Config) New() (Scheduler, error) {
	switch c.Name {
	case "condot", "":
		s := CondOT{SigmaMin: value(c.SigmaMin, 0)}
		return s, c.verify([]string{"sigma_min"},
			limit{"sigma_min", s.SigmaMin, s.SigmaMin >= 0 && s.SigmaMin < 1, "in [0, 1)"})
	case "vp":
		s := VP{BetaMin: value(c.BetaMin, 0.1), BetaMax: value(c.BetaMax, 20)}
		return s, c.verify([]string{"beta_min", "beta_max"},
			limit{"beta_min", s.BetaMin, s.BetaMin > 0, "above 0"},
			limit{"beta_max", s.BetaMax, s.BetaMax >= s.BetaMin, fmt.Sprintf("at least beta_min = %g", s.BetaMin)})
	case "ve":
		s := VE{SigmaMin: value(c.SigmaMin, 0.01), SigmaMax: value(c.SigmaMax, 50)}
		return s, c.verify([]string{"sigma_min", "sigma_max"},
			limit{"sigma_min", s.SigmaMin, s.SigmaMin > 0, "above 0"},
			limit{"sigma_max", s.SigmaMax, s.SigmaMax > s.SigmaMin, fmt.Sprintf("above sigma_min = %g", s.SigmaMin)})
	case "cosine":
		return Cosine{}, c.verify(nil)
	case "poly":
		s := Poly{N: value(c.Power, 2)}
		return s, c.verify([]string{"power"}, limit{"power", s.N, s.N >= 1, "at least 1"})
	case "linear_vp":
		return LinearVP{}, c.verify(nil)
	case "discrete_vp":
		return c.discrete()
	case "icfm":
		s := Bridge{Sigma: value(c.Sigma, 0.1)}
		return s, c.verify([]string{"sigma"}, limit{"sigma", s.Sigma, s.Sigma >= 0, "at least 0"})
	case "bridge":
		s := Bridge{Sigma: value(c.Sigma, 1), Brownian: true}
		return s, c.verify([]string{"sigma"}, limit{"sigma", s.Sigma, s.Sigma > 0, "above 0"})
	}
	return c.registered()
}

// discrete makes a [DiscreteVP].
func (c Config) discrete() (Scheduler, error) {
	betas, lo, hi := cmp.Or(c.Betas, "linear"), 0.0, 0.0
	used := []string{"betas", "steps"}
	if betas != "cosine" {
		used, lo, hi = append(used, "beta_min", "beta_max"), value(c.BetaMin, 1e-4), value(c.BetaMax, 0.02)
	}
	steps := value(c.Steps, 1000)
	if err := c.verify(used, limit{"steps", steps, steps == math.Trunc(steps) && steps >= 3 && steps <= mostDiscrete,
		fmt.Sprintf("a whole number from 3 to %d", mostDiscrete)}); err != nil {
		return nil, err
	}
	d, err := NewDiscreteVP(betas, int(steps), lo, hi)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// ConfigOf returns the configuration that makes s, a schedule of this package (or a pointer
// to one) with settings that a Config can have: what a file records of it. Of others, such
// as a [Func] or one of your own type, ok is false: [Register] gives those a name.
func ConfigOf(s Scheduler) (c Config, ok bool) {
	if absent.Is(s) {
		return Config{}, false
	}
	switch s := s.(type) {
	case *CondOT:
		return ConfigOf(*s)
	case *VP:
		return ConfigOf(*s)
	case *VE:
		return ConfigOf(*s)
	case *Cosine:
		return ConfigOf(*s)
	case *Poly:
		return ConfigOf(*s)
	case *LinearVP:
		return ConfigOf(*s)
	case *Bridge:
		return ConfigOf(*s)
	case *DiscreteVP:
		c = Config{Name: "discrete_vp", Betas: s.betas, BetaMin: unlessZero(s.min), BetaMax: unlessZero(s.max),
			Steps: unlessZero(float64(s.steps))}
	case CondOT:
		c = Config{Name: "condot", SigmaMin: unlessZero(s.SigmaMin)}
	case VP:
		c = Config{Name: "vp", BetaMin: unlessZero(s.BetaMin), BetaMax: unlessZero(s.BetaMax)}
	case VE:
		c = Config{Name: "ve", SigmaMin: unlessZero(s.SigmaMin), SigmaMax: unlessZero(s.SigmaMax)}
	case Cosine:
		c = Config{Name: "cosine"}
	case Poly:
		c = Config{Name: "poly", Power: unlessZero(s.N)}
	case LinearVP:
		c = Config{Name: "linear_vp"}
	case Bridge:
		c = Config{Name: "icfm", Sigma: &s.Sigma} // 0 is a value of its own
		if s.Brownian {
			c.Name = "bridge"
		}
	}
	if c.Name == "" || c.Validate() != nil {
		return Config{}, false
	}
	return c, true
}

// unlessZero returns a setting; nil for 0, which stands for the default of a schedule as
// nil does for that of a Config.
func unlessZero(v float64) *float64 {
	if v == 0 {
		return nil
	}
	return &v
}

// limit is one field's value and whether it is allowed.
type limit struct {
	field string
	v     float64
	ok    bool
	want  string
}

// verify checks that only the used fields of a schedule of this package are set, and
// then the limits.
func (c Config) verify(used []string, limits ...limit) error {
	c.Name = cmp.Or(c.Name, "condot")
	if len(c.Params) > 0 {
		return fmt.Errorf("path: params: schedule %s does not use them, only a registered one does: remove them",
			c.Name)
	}
	if c.Betas != "" && !slices.Contains(used, "betas") {
		return fmt.Errorf("path: betas = %s: schedule %s does not use it: remove it", choice.Quote(c.Betas), c.Name)
	}
	for _, f := range c.fields() {
		if f.v == nil || slices.Contains(used, f.name) {
			continue
		}
		if len(used) == 0 {
			return fmt.Errorf("path: %s = %g: schedule %s takes no settings: remove it", f.name, *f.v, c.Name)
		}
		return fmt.Errorf("path: %s = %g: schedule %s does not use it, only %s",
			f.name, *f.v, c.Name, strings.Join(used, ", "))
	}
	for _, l := range limits {
		if !l.ok || math.IsInf(l.v, 0) {
			return fmt.Errorf("path: %s = %g: schedule %s wants it %s", l.field, l.v, c.Name, l.want)
		}
	}
	return nil
}

// field is a setting of a schedule of this package, nil where it is not set.
type field struct {
	name string
	v    *float64
}

func (c Config) fields() []field {
	return []field{{"sigma_min", c.SigmaMin}, {"sigma_max", c.SigmaMax}, {"beta_min", c.BetaMin},
		{"beta_max", c.BetaMax}, {"power", c.Power}, {"sigma", c.Sigma}, {"steps", c.Steps}}
}

func value(p *float64, otherwise float64) float64 {
	if p == nil {
		return otherwise
	}
	return *p
}
