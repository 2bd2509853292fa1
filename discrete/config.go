package discrete

import (
	"fmt"

	"flowmatch/internal/choice"
)

// Config is the `path:` section of a run file of tokens: a mixture path, before the number of levels is known. The
// zero value is usable.
type Config struct {
	// Name is the schedule κ_t, the probability that a token has come from noise to data at t: linear (default),
	// quadratic, cubic (t, t², t³), cosine (1 − cos πt/2), or sin2 (sin² πt/2), which is kinetic-optimal for masks.
	Name string `yaml:"name" json:"name"`
	// Source is the noise of a token: mask (default), a state of its own, or uniform, any level by chance.
	Source Source `yaml:"source" json:"source"`
}

// Defaults returns c with every unset field filled in.
func (c Config) Defaults() Config {
	if c.Name == "" {
		c.Name = schedules[0].name
	}
	if c.Source == "" {
		c.Source = Mask
	}
	return c
}

// Validate reports the first field that cannot be used, and what would be right.
func (c Config) Validate() error {
	c = c.Defaults()
	if err := choice.Check("path of tokens", c.Name, Schedules()); err != nil {
		return fmt.Errorf("discrete: path.name: %w", err)
	}
	if err := choice.Check("source of tokens", string(c.Source), Sources()); err != nil {
		return fmt.Errorf("discrete: path.source: %w", err)
	}
	return nil
}

// New returns the path of tokens of so many levels.
func (c Config) New(levels int) (*Mixture, error) {
	c = c.Defaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := ScheduleByName(c.Name)
	if err != nil {
		return nil, err
	}
	return NewMixture(levels, c.Source, s)
}
