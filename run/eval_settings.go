package run

import (
	"cmp"
	"errors"
	"fmt"

	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

// IntervalSolver names sampling by steps of the average velocity, of a run that
// learnt it (objectives meanflow and shortcut): as many as Steps says, else one.
const IntervalSolver = "interval"

// Sampling returns how samples are drawn: by the solver that the settings name, or
// by steps of the average velocity.
func (e Eval) Sampling() (model.SampleOptions, error) {
	solver, err := e.ODESolver()
	o := model.SampleOptions{Solver: solver}
	if e.Solver == IntervalSolver {
		o.Intervals = cmp.Or(e.Steps, 1)
	}
	return o, err
}

// SamplingName tells how samples are drawn as a report does.
func SamplingName(o model.SampleOptions) string {
	if o.Intervals > 0 {
		return fmt.Sprintf("%s %d steps", IntervalSolver, o.Intervals)
	}
	return SolverName(o.Solver)
}

// ODESolver returns the solver that the settings name: Steps equal steps where
// they are set, else step control by RTol and ATol where the method has it,
// else 100 steps. What needs an ODE (a likelihood, a picture of paths) of a run that
// samples by average velocities solves that of its velocity with dopri5.
func (e Eval) ODESolver() (ode.Solver, error) {
	if e.Solver == IntervalSolver {
		e.Solver, e.Steps = "dopri5", 0
	}
	m, err := ode.ByName(e.Solver)
	if err != nil {
		return ode.Solver{}, err
	}
	s := ode.Solver{Method: m, Control: ode.Fixed(cmp.Or(e.Steps, 100)), MaxNFE: e.MaxNFE}
	if e.Steps == 0 && m.BErr != nil {
		s.Control = ode.Adaptive{RTol: e.RTol, ATol: e.ATol}
	}
	return s, nil
}

// Stochastic names a sampler with noise, for a command that draws samples.
type Stochastic struct {
	Method    string  // one of sde.Names
	Steps     int     // 0: 100
	Eta       float64 // of ddim
	Diffusion string  // of the SDE methods, as sde.ParseDiffusion reads it; "" is own
	Seed      uint64
}

// ErrNoScore is returned when samples with noise are asked of a run whose field does
// not tell the score.
var ErrNoScore = errors.New("run: sampling with noise needs the score, which only a Gaussian path with the independent coupling gives; use an ODE solver, or ddim with eta 0")

// noScore says what keeps the field of the run from telling the score; "" is nothing.
func (c Config) noScore() string {
	c = c.Defaults()
	scheduler, err := c.Path.New()
	_, noisy := scheduler.(path.Noisy)
	switch {
	case c.Coupling.Name != "independent":
		return "coupling " + c.Coupling.Name
	case c.Source.Name != "":
		return "source " + c.Source.Name
	case err == nil && noisy:
		return "path " + c.Path.Name
	case c.Train.Objective != "cfm" && c.Train.Objective != "fm":
		return "objective " + c.Train.Objective
	}
	return ""
}

// SDESampler returns the sampler that o names. Its last step is without noise, as
// is usual; see sde.Sampler.Denoise.
func (c Config) SDESampler(o Stochastic) (s sde.Sampler, err error) {
	s = sde.Sampler{Steps: cmp.Or(o.Steps, 100), Eta: o.Eta, Denoise: true, Seed: o.Seed}
	if s.Method, err = sde.ByName(o.Method); err != nil {
		return s, err
	}
	if o.Diffusion != "" {
		if s.Diffusion, err = sde.ParseDiffusion(o.Diffusion); err != nil {
			return s, err
		}
	}
	if err := s.Validate(); err != nil {
		return s, err
	}
	if why := c.noScore(); s.NeedsScore() && why != "" {
		return s, fmt.Errorf("%w (this run has %s; the sampler is %v)", ErrNoScore, why, s)
	}
	return s, nil
}

// SolverName tells a solver as a report does: dopri5 with its tolerances, or a
// method with its steps.
func SolverName(s ode.Solver) string {
	switch c := s.Control.(type) {
	case ode.Adaptive:
		return fmt.Sprintf("%s rtol=%g atol=%g", s.Method.Name, c.RTol, c.ATol)
	case ode.Fixed:
		return fmt.Sprintf("%s %d steps", s.Method.Name, int(c))
	}
	return s.Method.Name
}

// DivergenceFor returns the divergence that the settings name for points of
// dimension dim.
func (e Eval) DivergenceFor(dim int, seed uint64) (likelihood.Divergence, error) {
	name := e.Divergence
	if name == "" {
		name = "exact"
		if dim > exactDims {
			name = "hutchinson"
		}
	}
	switch name {
	case "exact":
		return likelihood.Exact{}, nil
	case "hutchinson":
		return likelihood.Hutchinson{Probes: cmp.Or(e.Probes, 1), Seed: seed}, nil
	}
	return nil, fmt.Errorf("run: unknown divergence %q; it must be exact or hutchinson", name)
}

// DivergenceName tells a divergence as a report does.
func DivergenceName(d likelihood.Divergence) string {
	if h, ok := d.(likelihood.Hutchinson); ok {
		return fmt.Sprintf("hutchinson, %d %s probes", h.Probes, h.Kind)
	}
	return "exact"
}
