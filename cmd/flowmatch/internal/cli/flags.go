package cli

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/eval"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/run"
	"flowmatch/sde"
	"flowmatch/train"
)

// runFlags are the flags of every command that solves with a trained run.
type runFlags struct {
	backend    string
	solver     string
	written    string // the solver, where it was given by an old name
	steps      int
	rtol, atol float64
	control    string
	set        []string // where the data are
	gridFlags
}

// use is what a command solves for, which decides on the solvers that it takes.
type use int

const (
	useODE     use = iota // densities and paths: the solver of an ODE
	useSamples            // samples: that, or steps of the average velocity
	useBoth               // samples by either, and densities by the ODE
)

// oldAverage is the name that eval.Average had, which is still read.
const oldAverage = "interval"

// backendUsage describes --backend.
const backendUsage = "engine: native, go, xla or xla:/path/to/plugin.so (default: that of "

func (f *runFlags) add(cmd *cobra.Command, solvers []string) {
	fl := cmd.Flags()
	fl.StringVar(&f.backend, "backend", "", backendUsage+"the run)")
	fl.StringVar(&f.solver, "solver", "", "ODE solver: "+strings.Join(ode.Names(), ", ")+
		"; or "+eval.Average+", steps of the average velocity (default: that of the run file)")
	fl.StringArrayVar(&f.set, "set", nil, "where the data of the run are, as data.path=FILE (default: as in the run; "+
		"outside of its folder only if the run was made here)")
	fl.IntVar(&f.steps, "steps", 0, "number of equal steps")
	fl.Float64Var(&f.rtol, "rtol", 0, "relative tolerance of step control")
	fl.Float64Var(&f.atol, "atol", 0, "absolute tolerance of step control")
	fl.StringVar(&f.control, "control", "", "whose error decides on the steps: batch, of all points that are solved "+
		"together; or point, of each by itself (default: that of the run file, else point for log-densities and "+
		"batch for samples)")
	cmd.MarkFlagsMutuallyExclusive("steps", "rtol")
	cmd.MarkFlagsMutuallyExclusive("steps", "control")
	complete(cmd, "control", ode.Controls()...)
	cmd.MarkFlagsMutuallyExclusive("steps", "atol")
	complete(cmd, "backend", backendNames()...)
	complete(cmd, "solver", solvers...)
	f.gridFlags.add(cmd)
}

// open opens the run with the flags applied to its evaluation settings.
func (f *runFlags) open(cmd *cobra.Command, dir string, u use) (*run.Run, error) {
	if err := f.check(cmd, u); err != nil {
		return nil, err
	}
	r, err := openRun(dir, f.backend, f.set)
	if err != nil {
		return nil, err
	}
	return r, f.apply(cmd, r, u)
}

// openRun opens the folder of a run, without its data.
func openRun(dir, backend string, set []string) (*run.Run, error) {
	return openRunWith(dir, run.OpenOptions{Backend: backend, Set: set})
}

// openRunWith is openRun with options.
func openRunWith(dir string, o run.OpenOptions) (*run.Run, error) {
	r, err := run.OpenWith(dir, o)
	if errors.Is(err, run.ErrNoCheckpoint) {
		file := quote(filepath.Join(dir, run.ConfigFile))
		return nil, fmt.Errorf("%w\ncontinue with: flowmatch train %s --out %s --resume", err, file, quote(dir))
	}
	if errors.Is(err, nn.ErrNoBackend) && o.Backend == "" {
		err = fmt.Errorf("%w\nor use another engine than in training: --backend native", err)
	}
	return r, asUsage(err, run.ErrNoRun, run.ErrForeign, run.ErrPath, run.ErrTokens)
}

// check reports what is wrong with the flags whatever the run is.
func (f *runFlags) check(cmd *cobra.Command, u use) error {
	if err := f.checkValues(cmd); err != nil {
		return err
	}
	switch {
	case f.solver == "":
		return nil
	case slices.Contains(sde.Names(), f.solver):
		return usagef("--solver %s adds noise, which only flowmatch sample can use; the ODE solvers are %s",
			f.solver, strings.Join(ode.Names(), ", "))
	case u == useODE && f.solver == eval.Average:
		return usagef("--solver %s has no effect here: densities and paths need an ODE solver (%s)",
			f.solverAsGiven(), strings.Join(ode.Names(), ", "))
	}
	if err := choice.Check("solver", f.solver, eval.Solvers()); err != nil {
		return usagef("--solver: %w", err)
	}
	return f.checkTolerances(cmd, f.solver, u)
}

// checkValues reports values that no solver takes, and reads the old name of
// eval.Average as that.
func (f *runFlags) checkValues(cmd *cobra.Command) error {
	set := cmd.Flags().Changed
	if f.solver == oldAverage {
		f.solver, f.written = eval.Average, oldAverage
	}
	switch {
	case set("solver") && f.solver == "":
		return usagef("--solver is empty; leave it out for that of the run file")
	case set("steps") && f.steps < 1:
		return usagef("--steps is %d; it must be at least 1", f.steps)
	case set("rtol") && !(f.rtol > 0):
		return usagef("--rtol is %g; it must be positive", f.rtol)
	case set("atol") && !(f.atol > 0):
		return usagef("--atol is %g; it must be positive", f.atol)
	}
	if set("control") {
		if err := choice.Check("control", f.control, ode.Controls()); err != nil {
			return usagef("--control: %w", err)
		}
	}
	if err := f.gridFlags.check(cmd, f.steps); err != nil {
		return err
	}
	return checkBackend(f.backend)
}

// solverAsGiven is the solver as it was given, which errors name.
func (f *runFlags) solverAsGiven() string { return cmp.Or(f.written, f.solver) }

// checkTolerances reports tolerances that a solver does not look at.
func (f *runFlags) checkTolerances(cmd *cobra.Command, solver string, u use) error {
	if solver == eval.Average {
		if u == useBoth { // they are those of the likelihood
			return nil
		}
		solver = cmp.Or(f.written, solver)
	}
	why := needsTolerance(solver)
	for _, flag := range []string{"rtol", "atol", "control"} {
		if why != "" && cmd.Flags().Changed(flag) {
			return usagef("--%s %s", flag, why)
		}
	}
	return nil
}

// checkScale reports a scale of guidance that is no number.
func checkScale(guidance float64) error {
	if math.IsInf(guidance, 0) || math.IsNaN(guidance) {
		return usagef("--guidance is %g; it must be a finite number, 1 for none", guidance)
	}
	return nil
}

// needsTolerance returns why a solver does not look at tolerances; "": it does.
func needsTolerance(solver string) string {
	switch m, err := ode.ByName(solver); {
	case err != nil:
		return "needs an ODE solver with an error estimate, which " + solver + " is not; use --steps"
	case m.BErr == nil:
		return "needs a solver with an error estimate, which " + solver + " has not; use --steps"
	}
	return ""
}

// apply sets the evaluation settings of the run from the flags, which check has found no
// fault with.
func (f *runFlags) apply(cmd *cobra.Command, r *run.Run, u use) error {
	if err := f.shift.see(r); err != nil {
		return err
	}
	s, set := &r.Config.Eval.Solve, cmd.Flags().Changed
	if u == useODE && s.Solver == eval.Average { // which densities and paths do without
		s.Solver, s.Steps, s.TimeGrid = ode.Config{}.Defaults().Solver, 0, nil
	}
	if set("solver") && f.solver != s.Solver {
		s.Solver, s.Steps, s.TimeGrid = f.solver, 0, nil // steps meant for another solver mean nothing
	}
	if f.solver == eval.Average && !r.Model.Spec().Net.Average {
		return usagef("--solver %s is for runs that learnt average velocities (train.objective %s), which %s did not",
			f.solverAsGiven(), strings.Join(averaging(), " or "), r.Dir)
	}
	if err := f.checkTolerances(cmd, s.Solver, u); err != nil {
		return err
	}
	switch {
	case set("steps") || f.gridFlags.given(cmd):
		*s = s.WithSteps(f.steps, f.gridFlags.over(cmd, s.TimeGrid))
	case (set("rtol") || set("atol") || set("control")) && s.Solver != eval.Average:
		// Those of average velocities are the likelihood's.
		s.Steps, s.TimeGrid = 0, nil
	}
	if set("control") {
		s.Control = f.control
	}
	if set("rtol") {
		s.RTol = f.rtol
	}
	if set("atol") {
		s.ATol = f.atol
	}
	if err := r.Config.Eval.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// averaging returns the objectives that learn average velocities.
func averaging() (names []string) {
	for _, name := range train.Objectives() {
		if k, err := train.KindOf(name); err == nil && k.Averages {
			names = append(names, name)
		}
	}
	return names
}

// backendNames are the kinds of engine.
func backendNames() []string { return []string{"native", "go", "xla"} }

// checkBackend reports a name that no engine has; an engine that is not on this
// machine is another matter.
func checkBackend(name string) error {
	kind, _, _ := strings.Cut(name, ":")
	if kind == "" || slices.Contains(backendNames(), kind) {
		return nil
	}
	_, err := nn.Open(name) // its error lists the names
	return usageError{cmp.Or(err, usagef("unknown backend %s", choice.Quote(name)))}
}

// extension returns the ending of a file's name, which must be one of those given.
func extension(flag, file string, endings ...string) (string, error) {
	ext := strings.ToLower(filepath.Ext(file))
	if !slices.Contains(endings, ext) {
		return "", usagef("%s %q; its name must end in %s", flag, file, strings.Join(endings, ", "))
	}
	return ext, nil
}

// labels returns n times the class that --label names, or, when it is not given, what
// otherwise says.
func labels(cmd *cobra.Command, r *run.Run, label string, n int, otherwise []int32) ([]int32, error) {
	if !cmd.Flags().Changed("label") {
		return otherwise, nil
	}
	if !r.Conditional() {
		return nil, usagef("--label is for conditional models, and %s is not one", r.Dir)
	}
	class, err := r.Model.Spec().Class(label)
	if err != nil {
		return nil, usagef("--label: %w", err)
	}
	return slices.Repeat([]int32{class}, n), nil
}

// fitsN reports a number of points, as --n gives it, that the memory does not hold: from where
// they start, where they end, and as they are written.
func fitsN(r *run.Run, n int) error { return fitsNumbers(n, r.Model.Dim()) }

// fitsNumbers is fitsN of samples that are written as so many numbers each.
func fitsNumbers(n, dim int) error {
	return memory.Check(fmt.Sprintf("--n %d", n), 4*8*float64(n)*float64(dim))
}

// exclude reports flags that are given, but have no effect for the reason given.
func exclude(cmd *cobra.Command, why string, flags ...string) error {
	for _, f := range flags {
		if cmd.Flags().Changed(f) {
			return usagef("--%s has no effect %s", f, why)
		}
	}
	return nil
}
