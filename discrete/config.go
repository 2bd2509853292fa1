package discrete

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"flowmatch/internal/choice"
)

// Config is the `path:` section of a run file of tokens: a mixture path, or a metric one, before the number of levels
// is known. The zero value is usable.
type Config struct {
	// Name is the schedule κ_t, the probability that a token has come from noise to data at t: linear (default),
	// quadratic, cubic (t, t², t³), cosine (1 − cos πt/2), or sin2 (sin² πt/2), which is kinetic-optimal for masks.
	Name string `yaml:"name" json:"name"`
	// Source is the noise of a token: mask (default), a state of its own, or uniform, any level by chance.
	Source Source `yaml:"source" json:"source"`
	// Metric is the kinetic-optimal path over a distance of levels, in the place of name and source: a token comes to
	// its level over those that are near it, from noise that is uniform. It is for levels that have an order, such as
	// whole numbers.
	Metric *MetricConfig `yaml:"metric,omitempty" json:"metric,omitempty"`
}

// MetricConfig is the `path.metric:` section. The zero value is usable.
type MetricConfig struct {
	// Distance of two levels: levels (default), by how many they are apart in their order, in units in which two random
	// levels are 1 apart, or squared, its square.
	Distance string `yaml:"distance" json:"distance"`
	// Scale c of β_t = c t/(1-t), by which p_t(x | x_1) ∝ exp(-β_t d(x, x_1)): the larger, the earlier tokens are near
	// their level. Default 1.
	Scale float64 `yaml:"scale" json:"scale"`
}

// The distances of levels that a run file can name.
const (
	LevelsApart   = "levels"
	LevelsSquared = "squared"
)

// Distances returns them.
func Distances() []string { return []string{LevelsApart, LevelsSquared} }

// Defaults returns c with every unset field filled in. A metric path has neither name nor source.
func (c Config) Defaults() Config {
	if c.Metric != nil {
		c.Metric = &MetricConfig{cmp.Or(c.Metric.Distance, LevelsApart), cmp.Or(c.Metric.Scale, 1)}
		return c
	}
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
	if c.Metric != nil {
		return c.validateMetric()
	}
	if err := choice.Check("path of tokens", c.Name, Schedules()); err != nil {
		return fmt.Errorf("discrete: path.name: %w", err)
	}
	if err := choice.Check("source of tokens", string(c.Source), Sources()); err != nil {
		return fmt.Errorf("discrete: path.source: %w", err)
	}
	return nil
}

func (c Config) validateMetric() error {
	m := c.Metric
	if err := choice.Check("distance of levels", m.Distance, Distances()); err != nil {
		return fmt.Errorf("discrete: path.metric.distance: %w", err)
	}
	switch {
	case c.Name != "":
		return errors.New("discrete: path.name is set, but path.metric has a schedule of its own; leave one of them " +
			"out")
	case c.Source != "" && c.Source != Uniform:
		return fmt.Errorf("discrete: path.source is %s, but path.metric starts from uniform noise; leave it out",
			c.Source)
	case c.Source != "":
		return errors.New("discrete: path.source is set, but has no effect beside path.metric, which starts from " +
			"uniform noise; leave it out")
	case !(m.Scale > 0) || math.IsInf(m.Scale, 0):
		return fmt.Errorf("discrete: path.metric.scale is %g; it must be above 0", m.Scale)
	}
	return nil
}

// Noise returns the source that c has: of a metric path it is [Uniform].
func (c Config) Noise() Source {
	if c.Metric != nil {
		return Uniform
	}
	return c.Defaults().Source
}

// Same says whether two configs, with their defaults filled in, are of one path.
func (c Config) Same(o Config) bool {
	c, o = c.Defaults(), o.Defaults()
	if (c.Metric == nil) != (o.Metric == nil) || c.Metric != nil && *c.Metric != *o.Metric {
		return false
	}
	return c.Name == o.Name && c.Source == o.Source
}

// MetricName is what a path over a distance is called where others have the name of their schedule.
const MetricName = "metric"

// String returns the name of the schedule, or [MetricName].
func (c Config) String() string {
	if c.Metric != nil {
		return MetricName
	}
	return c.Defaults().Name
}

// New returns the path of tokens of so many levels: a [Mixture], or a [Metric].
func (c Config) New(levels int) (Path, error) {
	c = c.Defaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Metric != nil {
		return NewMetric(levels, c.Metric.between(levels), c.Metric.Scale)
	}
	s, err := ScheduleByName(c.Name)
	if err != nil {
		return nil, err
	}
	return NewMixture(levels, c.Source, s)
}

// between is the distance of levels.
func (m MetricConfig) between(levels int) func(x, y int32) float64 {
	k := float64(levels)
	unit := (k*k - 1) / (3 * k) // the mean of two random levels
	return func(x, y int32) float64 {
		d := math.Abs(float64(x)-float64(y)) / unit
		if m.Distance == LevelsSquared {
			d *= d
		}
		return d
	}
}
