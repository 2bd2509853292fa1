package ode

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"flowmatch/internal/choice"
	"flowmatch/timegrid"
)

// Config is a solver as a configuration file names it. A zero field is not set, and has
// the default that is named beside it.
type Config struct {
	// Solver is the method, one of [Names]; default dopri5.
	Solver string `yaml:"solver" json:"solver"`
	// Steps is the number of equal steps; 0 (default): as many as RTol and ATol ask for or,
	// of a method without an error estimate, 100.
	Steps int `yaml:"steps" json:"steps"`
	// RTol is the relative tolerance of a step, where steps are not equal; default 1e-5.
	RTol float64 `yaml:"rtol" json:"rtol"`
	// ATol is the absolute tolerance of a step, where steps are not equal; default 1e-5.
	ATol float64 `yaml:"atol" json:"atol"`
	// Control says which points share their steps, where steps are not equal: batch, all that
	// are solved together; or point, none, so that what becomes of a point does not depend on
	// the others. Default: point for log-densities, batch for all else.
	Control string `yaml:"control,omitempty" json:"control,omitempty"`
	// Projected is whether steps of points on a manifold are straight, and end at the nearest point of
	// it, rather than along its geodesics; default false.
	Projected bool `yaml:"projected,omitempty" json:"projected,omitempty"`
	// MaxNFE is the number of evaluations after which a solve fails; default 20000.
	MaxNFE int `yaml:"max_nfe" json:"max_nfe"`
	// TimeGrid is where the steps lie, where they are given; default: they are equal.
	TimeGrid *timegrid.Config `yaml:"time_grid,omitempty" json:"time_grid,omitempty"`
}

// fixedSteps is the default of Config.Steps for a method without an error estimate.
const fixedSteps = 100

// ByBatch and ByPoint are the values of Config.Control.
const (
	ByBatch = "batch"
	ByPoint = "point"
)

// Controls returns them.
func Controls() []string { return []string{ByBatch, ByPoint} }

// Defaults returns c with every unset field filled in, save Steps and Control, whose
// defaults are a choice of the solve.
func (c Config) Defaults() Config {
	c.Solver = cmp.Or(c.Solver, Dopri5.Name)
	c.RTol, c.ATol = cmp.Or(c.RTol, 1e-5), cmp.Or(c.ATol, 1e-5)
	c.MaxNFE = cmp.Or(c.MaxNFE, 20000)
	return c
}

// Validate reports the first field that cannot be used, and what would be right. The
// error begins with the field: the caller knows the section that it stands in.
func (c Config) Validate() error {
	if c.Solver != "" {
		if err := choice.Check("solver", c.Solver, Names()); err != nil {
			return err
		}
	}
	if c.Control != "" {
		if err := choice.Check("control", c.Control, Controls()); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name  string
		value float64
	}{{"rtol", c.RTol}, {"atol", c.ATol}} {
		if !(f.value >= 0) || math.IsInf(f.value, 0) {
			return fmt.Errorf("%s is %g; it must be a number above 0", f.name, f.value)
		}
	}
	switch {
	case c.Steps < 0:
		return fmt.Errorf("steps is %d; it must be at least 1, or 0 for as many as the tolerances ask for", c.Steps)
	case c.RTol > 1:
		return fmt.Errorf("rtol is %g; it must be at most 1, an error as large as the points", c.RTol)
	case c.MaxNFE < 0:
		return fmt.Errorf("max_nfe is %d; it must be at least 1", c.MaxNFE)
	}
	if err := c.checkGrid(); err != nil {
		return err
	}
	if c = c.Defaults(); c.GivenSteps() > 0 {
		return c.checkSteps()
	}
	return nil
}

// GivenSteps returns the number of steps that are asked for; 0: none is.
func (c Config) GivenSteps() int {
	if c.TimeGrid == nil {
		return c.Steps
	}
	return cmp.Or(c.Steps, c.TimeGrid.Steps())
}

// WithSteps returns c with other given steps: of this number (0: as many as c has) and on this grid
// (nil: that of c, unless it is one of another number of steps, or of no effect on a single one).
func (c Config) WithSteps(steps int, g *timegrid.Config) Config {
	if old := c.TimeGrid; steps > 0 && old != nil && (steps == 1 || old.Steps() > 0 && old.Steps() != steps) {
		c.TimeGrid = nil
	}
	c.Steps = cmp.Or(steps, c.Steps)
	if g != nil {
		c.TimeGrid = g
		if g.Steps() > 0 {
			c.Steps = steps // which Validate compares
		}
	}
	return c
}

// uneven says whether there is a time grid whose steps are not equal.
func (c Config) uneven() bool { return c.TimeGrid != nil && !c.TimeGrid.Even() }

// Spaced returns the steps of TimeGrid, of which otherwise says how many where nothing else does;
// the zero value where steps are equal. Its errors begin with the setting.
func (c Config) Spaced(otherwise int) (Spaced, error) {
	if !c.uneven() {
		return Spaced{}, nil
	}
	shares, err := c.TimeGrid.Shares(cmp.Or(c.Steps, c.TimeGrid.Steps(), otherwise))
	if err != nil {
		return Spaced{}, fmt.Errorf("time_grid: %w", err)
	}
	return Spaced{Shares: shares, Name: c.TimeGrid.String()}, nil
}

// checkGrid reports a time grid that is none, or without effect.
func (c Config) checkGrid() error {
	if !c.uneven() {
		return nil
	}
	if err := c.TimeGrid.Validate(); err != nil {
		return fmt.Errorf("time_grid: %w", err)
	}
	m, err := ByName(c.Defaults().Solver)
	switch {
	case err != nil:
		return err
	case c.GivenSteps() == 0 && m.BErr != nil:
		return fmt.Errorf("time_grid: %s chooses its steps by the tolerances, so that a time grid has no effect; set "+
			"steps, or leave it out", m.Name)
	case c.Steps == 1 && c.TimeGrid.Steps() == 0:
		return errors.New("time_grid: one step goes from noise to data, whatever the time grid is; leave it out, or " +
			"take more steps")
	}
	_, err = c.Spaced(fixedSteps)
	return err
}

// checkSteps reports equal steps that would spend MaxNFE; c is complete.
func (c Config) checkSteps() error {
	m, err := ByName(c.Solver)
	if err != nil {
		return err
	}
	each := m.Stages()
	if m.fsal() {
		each--
	}
	if c.GivenSteps() > c.MaxNFE/each {
		return fmt.Errorf("steps is %d; %s makes %d evaluations in each, and max_nfe is %d: take fewer steps, or "+
			"raise max_nfe", c.GivenSteps(), c.Solver, each, c.MaxNFE)
	}
	return nil
}

// WithoutTolerance returns why RTol, ATol and Control have no effect; empty: they have. c is
// complete and valid.
func (c Config) WithoutTolerance() string {
	m, err := ByName(c.Solver)
	switch {
	case err == nil && m.BErr == nil:
		return fmt.Sprintf("%s takes equal steps, which have no tolerance", c.Solver)
	case c.uneven():
		return "a time grid is asked for, whose steps have no tolerance"
	case c.Steps > 0:
		return fmt.Sprintf("%d equal steps are asked for, which have no tolerance", c.Steps)
	}
	return ""
}

// New makes the solver: of Steps equal steps, or those of TimeGrid, if they are set, else with step
// control where the method has an error estimate. Its errors are those of Validate.
func (c Config) New() (Solver, error) {
	if err := c.Validate(); err != nil {
		return Solver{}, err
	}
	c = c.Defaults()
	m, err := ByName(c.Solver)
	if err != nil {
		return Solver{}, err
	}
	s := Solver{Method: m, Control: Fixed(cmp.Or(c.Steps, fixedSteps)), MaxNFE: c.MaxNFE, Projected: c.Projected}
	switch {
	case c.uneven():
		s.Control, err = c.Spaced(fixedSteps)
	case c.Steps == 0 && m.BErr != nil:
		s.Control = Adaptive{RTol: c.RTol, ATol: c.ATol, Each: c.Control == ByPoint}
	}
	return s, err
}

// String names the solver as a report does: "dopri5 rtol=1e-05 atol=1e-05", or
// "euler 100 steps".
func (s Solver) String() string {
	if s.Method == nil {
		return "no solver"
	}
	projected := ""
	if s.Projected {
		projected = " projected"
	}
	switch c := s.Control.(type) {
	case Adaptive:
		text := fmt.Sprintf("%s rtol=%g atol=%g", s.Method.Name, c.RTol, c.ATol)
		if c.Each {
			text += " control=" + ByPoint
		}
		return text + projected
	case Fixed:
		return fmt.Sprintf("%s %d steps", s.Method.Name, int(c)) + projected
	case Spaced:
		return fmt.Sprintf("%s %v", s.Method.Name, c) + projected
	}
	return s.Method.Name
}
