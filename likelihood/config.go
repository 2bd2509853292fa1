package likelihood

import (
	"cmp"
	"fmt"

	"flowmatch/internal/choice"
)

// The dimensions up to which the exact divergence is the default: of log-densities, and of
// training by their gradient, which solves again for every step.
const (
	ExactUpTo         = 64
	ExactGradientUpTo = 4
)

// Config is a divergence as a configuration file names it. A zero field is not set, and
// has the default that is named beside it.
type Config struct {
	// Divergence is one of [Names]. Default: exact up to so many dimensions as the caller
	// of New says, such as [ExactUpTo]; hutchinson above.
	Divergence string `yaml:"divergence" json:"divergence"`
	Probes     int    `yaml:"probes" json:"probes"` // of hutchinson, for each point; default 1
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
