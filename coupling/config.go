package coupling

import (
	"cmp"
	"fmt"
	"math"

	"flowmatch/internal/choice"
)

// Config is a coupling as a configuration file names it. A zero field is the
// default; a field that the named coupling has no use for is an error, so that no
// setting is ever silently ignored.
type Config struct {
	// Name is one of [Names]; empty means independent.
	Name string `yaml:"name" json:"name"`
	// Reg is of sinkhorn: see [Sinkhorn]; 0 means 0.05.
	Reg float64 `yaml:"reg,omitempty" json:"reg,omitempty"`
	// Epsilon is of sinkhorn: see [Sinkhorn]; not together with reg.
	Epsilon float64 `yaml:"epsilon,omitempty" json:"epsilon,omitempty"`
	// MaxIter is of sinkhorn; 0 means 10000.
	MaxIter int `yaml:"max_iter,omitempty" json:"max_iter,omitempty"`
	// Tol is of sinkhorn, in (0, 1); 0 means 0.001.
	Tol float64 `yaml:"tol,omitempty" json:"tol,omitempty"`
	// Batch, of ot and sinkhorn, is the number of rows that are coupled among themselves,
	// of which the last group may have fewer; 0 means the whole batch of training.
	Batch int `yaml:"batch,omitempty" json:"batch,omitempty"`
	// LabelAware, of ot and sinkhorn, means transport within classes, without which a
	// conditional model is wrong; nil means false.
	LabelAware *bool `yaml:"label_aware,omitempty" json:"label_aware,omitempty"`
	// ContextWeight, of ot and sinkhorn, is how much contexts count in the distance beside
	// the points; 0 makes a model of contexts wrong; nil means 10 where there are contexts.
	ContextWeight *float64 `yaml:"context_weight,omitempty" json:"context_weight,omitempty"`
}

// DefaultContextWeight leaves a tenth of the dependence of the noise on a context of one
// number, in model units, that a coupling without a weight makes.
const DefaultContextWeight = 10.0

// Names returns the names that [Config] knows.
func Names() []string { return []string{"independent", "ot", "sinkhorn"} }

// Defaults returns c with every unset field filled in that its name uses.
func (c Config) Defaults() Config {
	c.Name = cmp.Or(c.Name, "independent")
	switch {
	case c.Name != "independent" && c.LabelAware == nil:
		c.LabelAware = new(false)
	case c.Name == "independent" && !c.labelAware():
		c.LabelAware = nil // which is as true of it
	}
	if c.Name == "sinkhorn" {
		if c.Epsilon == 0 {
			c.Reg = cmp.Or(c.Reg, defaultReg)
		}
		c.MaxIter, c.Tol = cmp.Or(c.MaxIter, defaultMaxIter), cmp.Or(c.Tol, defaultTol)
	}
	return c
}

func (c Config) labelAware() bool { return c.LabelAware != nil && *c.LabelAware }

// Validate reports what [Config.New] would.
func (c Config) Validate() error { _, err := c.New(); return err }

// New makes the coupling. The error names the field at fault and what it may be.
func (c Config) New() (Coupling, error) { return c.NewBy(nil) }

// NewBy is New with a cost in the place of the squared distance.
func (c Config) NewBy(cost Cost) (Coupling, error) {
	if c.Batch < 0 {
		return nil, fmt.Errorf("coupling: batch = %d: want a number of rows, or 0 for all", c.Batch)
	}
	whole, err := c.whole(cost)
	if err != nil {
		return nil, err
	}
	if c.Batch > 0 {
		whole = Groups{Coupling: whole, Rows: c.Batch}
	}
	if w := c.ContextWeight; w != nil {
		if !(*w >= 0) || math.IsInf(*w, 0) {
			return nil, fmt.Errorf("coupling: context_weight = %g: want a number that is not negative", *w)
		}
		return Contextual{Coupling: whole, Weight: *w}, nil
	}
	return whole, nil
}

// whole makes the coupling of a whole batch.
func (c Config) whole(cost Cost) (Coupling, error) {
	switch c.Name {
	case "independent", "":
		if c.labelAware() {
			return nil, fmt.Errorf("coupling: label_aware: coupling independent does not use it " +
				"(its x_0 never depends on the label): remove it, or use ot or sinkhorn")
		}
		if c.ContextWeight != nil {
			return nil, fmt.Errorf("coupling: context_weight: coupling independent does not use it " +
				"(its x_0 never depends on the context): remove it, or use ot or sinkhorn")
		}
		if c.Batch > 0 {
			return nil, fmt.Errorf("coupling: batch = %d: coupling independent does not use it: remove it, or use ot "+
				"or sinkhorn", c.Batch)
		}
		return Independent{}, c.onlySinkhorn("independent")
	case "ot":
		return OT{LabelAware: c.labelAware(), Cost: cost}, c.onlySinkhorn("ot")
	case "sinkhorn":
		s := Sinkhorn{Reg: c.Reg, Epsilon: c.Epsilon, MaxIter: c.MaxIter, Tol: c.Tol,
			LabelAware: c.labelAware(), Cost: cost}
		return s, s.validate()
	}
	return nil, fmt.Errorf("coupling: %w", choice.Check("coupling", c.Name, Names()))
}

func (c Config) onlySinkhorn(name string) error {
	for _, f := range []struct {
		name  string
		value float64
	}{{"reg", c.Reg}, {"epsilon", c.Epsilon}, {"max_iter", float64(c.MaxIter)}, {"tol", c.Tol}} {
		if f.value != 0 {
			return fmt.Errorf("coupling: %s = %g: coupling %s does not use it, only sinkhorn does: remove it",
				f.name, f.value, name)
		}
	}
	return nil
}

// validate reports a setting out of range.
func (s Sinkhorn) validate() error {
	switch {
	case !(s.Reg >= 0) || math.IsInf(s.Reg, 0):
		return fmt.Errorf("coupling: reg = %g: sinkhorn wants it above 0, relative to the mean cost (0 means %g)",
			s.Reg, defaultReg)
	case !(s.Epsilon >= 0) || math.IsInf(s.Epsilon, 0):
		return fmt.Errorf("coupling: epsilon = %g: sinkhorn wants it above 0, in squared units of the points (0 means "+
			"that reg says it)", s.Epsilon)
	case s.Epsilon > 0 && s.Reg > 0:
		return fmt.Errorf("coupling: both reg = %g and epsilon = %g are set: leave one out", s.Reg, s.Epsilon)
	case s.MaxIter < 0:
		return fmt.Errorf("coupling: max_iter = %d: sinkhorn wants it at least 1 (0 means %d)", s.MaxIter,
			defaultMaxIter)
	case !(s.Tol >= 0 && s.Tol < 1):
		return fmt.Errorf("coupling: tol = %g: sinkhorn wants it in (0, 1) (0 means %g)", s.Tol, defaultTol)
	}
	return nil
}
