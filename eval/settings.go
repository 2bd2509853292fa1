package eval

import (
	"cmp"
	"fmt"

	"flowmatch/internal/choice"
	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/ode"
)

// Average is the solver that samples by steps of the average velocity, which a network
// made with nn.Config.Average knows: as many as the settings say, else one.
const Average = "average"

// oldAverage is what run files called it before, and is still read.
const oldAverage = "interval"

// Settings is the `eval:` section of a run file: how samples are drawn and likelihoods
// evaluated when nobody says otherwise. A zero field is not set, and has the default that
// is named beside it.
type Settings struct {
	// Solve is the solver: that of an ODE, or with the name [Average] steps of the average
	// velocity. What needs an ODE all the same (a likelihood, a path) then has the default
	// solver, with the tolerances of Solve.
	Solve ode.Config `yaml:",inline" json:"solve"`
	// Divergence is that of likelihoods; default exact up to [likelihood.ExactUpTo]
	// dimensions.
	Divergence likelihood.Config `yaml:",inline" json:"divergence"`
	// Samples is the number of points that distances between samples and data are
	// measured on; default 2000, or all that are held out if those are fewer.
	Samples int `yaml:"samples" json:"samples"`
	// Test is the number of held-out points whose likelihood is evaluated; 0: all of
	// them, or, by the command eval, as many as take a minute.
	Test int `yaml:"test" json:"test"`
	// Dequantizations is the number of samples of noise that each image gets for its bits
	// per dimension, K of [BPD]; default 1.
	Dequantizations int `yaml:"dequantizations,omitempty" json:"dequantizations,omitempty"`

	written string // the solver's name as it was given, where that is an old one
}

// Defaults returns c with every unset field filled in, except those whose default is a
// choice of the solve or depends on the data.
func (c Settings) Defaults() Settings {
	if c.Solve.Solver == oldAverage {
		c.Solve.Solver, c.written = Average, oldAverage
	}
	c.Solve, c.Divergence = c.Solve.Defaults(), c.Divergence.Defaults()
	c.Samples, c.Dequantizations = cmp.Or(c.Samples, 2000), cmp.Or(c.Dequantizations, 1)
	return c
}

// SolverAsGiven returns the name of the solver as it was given, which may be an old name of
// [Average]: errors speak of it.
func (c Settings) SolverAsGiven() string {
	if c.Solve.Solver == Average {
		return cmp.Or(c.written, Average)
	}
	return c.Solve.Solver
}

// Solvers returns the names that Settings.Solve.Solver takes.
func Solvers() []string { return append(ode.Names(), Average) }

// Validate reports the first field that cannot be used, by its key in a run file, and
// what would be right.
func (c Settings) Validate() error {
	c = c.Defaults()
	if err := choice.Check("solver", c.Solve.Solver, Solvers()); err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	if err := c.ode().Validate(); err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	if c.Solve.Solver == Average {
		if _, err := c.averageGrid(); err != nil {
			return fmt.Errorf("eval: %w", err)
		}
	}
	switch steps := c.Solve.Steps; { // which are not those of an ODE for Average
	case steps < 0:
		return fmt.Errorf("eval: steps is %d; it must be at least 1, or 0 for one step", steps)
	case c.Solve.Solver == Average && steps > c.Solve.MaxNFE:
		return fmt.Errorf("eval: steps is %d, an evaluation each, and max_nfe is %d: take fewer steps, or raise "+
			"max_nfe", steps, c.Solve.MaxNFE)
	}
	if err := c.Divergence.Validate(); err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	for _, f := range []struct {
		key      string
		v, least int
	}{{"samples", c.Samples, 1}, {"test", c.Test, 0}, {"dequantizations", c.Dequantizations, 1}} {
		if f.v < f.least {
			return fmt.Errorf("eval: %s is %d; it must be at least %d", f.key, f.v, f.least)
		}
	}
	if c.Dequantizations > mostDequantizations {
		return fmt.Errorf("eval: dequantizations is %d; it must be at most %d", c.Dequantizations, mostDequantizations)
	}
	return nil
}

// mostDequantizations is far more than the 50 of the paper; each is a solve for all the points.
const mostDequantizations = 10000

// ode returns the settings of the ODE's solver.
func (c Settings) ode() ode.Config {
	if c.Solve.Solver == Average || c.Solve.Solver == oldAverage {
		c.Solve.Solver, c.Solve.Steps, c.Solve.TimeGrid = "", 0, nil
	}
	return c.Solve
}

// averageGrid returns the steps of the average velocity that are not equal; none: they are.
func (c Settings) averageGrid() (ode.Spaced, error) {
	o := ode.Config{Solver: ode.Euler.Name, Steps: c.Solve.Steps, TimeGrid: c.Solve.TimeGrid}
	if o.TimeGrid != nil && o.TimeGrid.Steps() == 0 {
		o.Steps = cmp.Or(o.Steps, 1)
	}
	if err := o.Validate(); err != nil {
		return ode.Spaced{}, err
	}
	return o.Spaced(1)
}

// Sampler returns how samples are drawn.
func (c Settings) Sampler() (model.Sampler, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Defaults().Solve.Solver == Average {
		spaced, err := c.averageGrid()
		if spaced.Shares != nil || err != nil {
			return model.Average{Spaced: spaced}, err
		}
		return model.Average{Steps: cmp.Or(c.Solve.Steps, 1)}, nil
	}
	solver, err := c.Solver()
	return model.ODE{Solver: solver}, err
}

// Solver returns the solver of the ODE: the default one, with the tolerances set, where
// samples are drawn by average velocities.
func (c Settings) Solver() (ode.Solver, error) {
	solver, err := c.ode().New()
	if err != nil {
		return solver, fmt.Errorf("eval: %w", err)
	}
	return solver, nil
}

// DensitySolver is Solver for log-densities, each of which has steps of its own unless the
// settings say otherwise, so that it does not depend on the other points.
func (c Settings) DensitySolver() (ode.Solver, error) {
	c.Solve.Control = cmp.Or(c.Solve.Control, ode.ByPoint)
	return c.Solver()
}

// PathSolver is Solver for paths, whose points are shown at the same times: Control is for
// where they end.
func (c Settings) PathSolver() (ode.Solver, error) {
	c.Solve.Control = ""
	return c.Solver()
}

// DivergenceFor returns the divergence of likelihoods for points of dimension dim; seed is
// that of Hutchinson's probes.
func (c Settings) DivergenceFor(dim int, seed uint64) (likelihood.Divergence, error) {
	d, err := c.Divergence.New(dim, likelihood.ExactUpTo, seed)
	if err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	return d, nil
}
