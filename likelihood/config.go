package likelihood

import (
	"cmp"
	"fmt"

	"flowmatch/internal/choice"
)

// ExactUpTo is the dimension up to which the exact divergence is the default of
// log-densities.
const ExactUpTo = 64

// Config is a divergence as a configuration file names it. A zero field is not set, and
// has the default that is named beside it.
type Config struct {
	// Divergence is exact, a sum over all dimensions, or hutchinson, an estimate by random
	// probes. Default: exact up to so many dimensions as the caller of New says, such as
	// [ExactUpTo]; hutchinson above.
	Divergence string `yaml:"divergence" json:"divergence"`
	// Probes is the number of probes of hutchinson for each point; default 1.
	Probes int `yaml:"probes" json:"probes"`
}

// Names returns the names of the divergences.
func Names() []string { return []string{"exact", "hutchinson"} }

// Defaults returns c with every unset field filled in, save Divergence, whose default
// depends on the data.
func (c Config) Defaults() Config {
	c.Probes = cmp.Or(c.Probes, 1)
	return c
}

// Validate reports the first field that cannot be used, and what would be right. The
// error begins with the field: the caller knows the section that it stands in.
func (c Config) Validate() error {
	if c.Divergence != "" {
		if err := choice.Check("divergence", c.Divergence, Names()); err != nil {
			return err
		}
	}
	switch {
	case c.Probes < 0:
		return fmt.Errorf("probes is %d; it must be at least 1", c.Probes)
	case c.Probes > 1 && c.Divergence == "exact":
		return fmt.Errorf("probes is %d, but the divergence is exact, which has none: leave it out, or use hutchinson",
			c.Probes)
	}
	return nil
}

// CheckDim reports probes that have no effect for points of dimension dim, since the
// divergence is exact there by default. The error begins with the field.
func (c Config) CheckDim(dim, exactUpTo int) error {
	if c.Divergence == "" && dim <= exactUpTo && c.Probes > 1 {
		return fmt.Errorf("probes is %d, but up to %d dimensions the divergence is exact, which has none, "+
			"and the data have %d: leave it out, or set divergence to hutchinson", c.Probes, exactUpTo, dim)
	}
	return nil
}

// New makes the divergence for points of dimension dim. seed is that of the probes of
// [Hutchinson]. Its errors are those of Validate.
func (c Config) New(dim, exactUpTo int, seed uint64) (Divergence, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Divergence == "exact" || c.Divergence == "" && dim <= exactUpTo {
		return Exact{}, nil
	}
	return Hutchinson{Probes: cmp.Or(c.Probes, 1), Seed: seed}, nil
}

// String names the divergence as a report does.
func (Exact) String() string { return "exact" }

// String names the divergence as a report does: "hutchinson, 2 rademacher probes".
func (h Hutchinson) String() string {
	return fmt.Sprintf("hutchinson, %d %s probes", max(h.Probes, 1), h.Kind)
}
