package main

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/run"
	"flowmatch/sde"
)

// runFlags are the flags of every command that uses a trained run.
type runFlags struct {
	backend    string
	solver     string
	steps      int
	rtol, atol float64
}

func (f *runFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.backend, "backend", "", "engine: native, go, xla or xla:/path/to/plugin.so (default: that of the run)")
	fl.StringVar(&f.solver, "solver", "", "ODE solver: "+strings.Join(ode.Names(), ", ")+" or "+run.IntervalSolver+" (default: that of the run file)")
	fl.IntVar(&f.steps, "steps", 0, "number of equal steps")
	fl.Float64Var(&f.rtol, "rtol", 0, "relative tolerance of step control")
	fl.Float64Var(&f.atol, "atol", 0, "absolute tolerance of step control")
	cmd.MarkFlagsMutuallyExclusive("steps", "rtol")
	cmd.MarkFlagsMutuallyExclusive("steps", "atol")
}

// open opens the run with the flags applied to its evaluation settings.
func (f *runFlags) open(cmd *cobra.Command, dir string) (*run.Run, error) {
	r, err := f.openOnly(dir)
	if err != nil {
		return nil, err
	}
	return r, f.apply(cmd, &r.Config.Eval)
}

// openOnly opens the run as it is.
func (f *runFlags) openOnly(dir string) (*run.Run, error) {
	if err := checkBackend(f.backend); err != nil {
		return nil, err
	}
	r, err := run.Open(dir, f.backend)
	if err != nil {
		return nil, asUsage(err, run.ErrNoRun)
	}
	return r, nil
}

// stochastic reports whether --solver names a sampler with noise.
func (f *runFlags) stochastic() bool { return slices.Contains(sde.Names(), f.solver) }

func (f *runFlags) apply(cmd *cobra.Command, e *run.Eval) error {
	if f.stochastic() {
		return usagef("--solver %s adds noise, which only flowmatch sample can use; the ODE solvers are %s", f.solver, strings.Join(ode.Names(), ", "))
	}
	set := cmd.Flags().Changed
	if set("solver") && f.solver != e.Solver {
		e.Solver, e.Steps = f.solver, 0 // steps meant for another solver mean nothing
	}
	tolerances := set("rtol") || set("atol")
	switch {
	case set("steps") && f.steps < 1:
		return usagef("--steps is %d; it must be at least 1", f.steps)
	case set("steps"):
		e.Steps = f.steps
	case tolerances && e.Solver != run.IntervalSolver: // whose tolerances are the likelihood's
		e.Steps = 0
	}
	if set("rtol") {
		e.RTol = f.rtol
	}
	if set("atol") {
		e.ATol = f.atol
	}
	if err := e.Validate(); err != nil {
		return usageError{err}
	}
	if m, err := ode.ByName(e.Solver); err == nil && m.BErr == nil && tolerances {
		return usagef("--rtol and --atol need a solver with an error estimate, which %s has not; use --steps", e.Solver)
	}
	return nil
}

// checkBackend reports a name that no engine has; an engine that is not on this
// machine is another matter.
func checkBackend(name string) error {
	kind, _, _ := strings.Cut(name, ":")
	if slices.Contains([]string{"", "native", "go", "xla"}, kind) {
		return nil
	}
	_, err := nn.Open(name) // its error lists the names
	return usageError{cmp.Or(err, usagef("unknown backend %q", name))}
}

// extension returns the ending of a file's name, which must be one of those given.
func extension(flag, file string, endings ...string) (string, error) {
	ext := strings.ToLower(filepath.Ext(file))
	if !slices.Contains(endings, ext) {
		return "", usagef("%s %q; its name must end in %s", flag, file, strings.Join(endings, ", "))
	}
	return ext, nil
}

// labels returns n times the label that --label gives, or, when it is not
// given, what otherwise says.
func labels(cmd *cobra.Command, r *run.Run, label, n int, otherwise []int32) ([]int32, error) {
	if !cmd.Flags().Changed("label") {
		return otherwise, nil
	}
	if !r.Config.Conditional {
		return nil, usagef("--label is for conditional models, and %s is not one", r.Dir)
	}
	if label < 0 || label >= r.Data.Classes {
		return nil, usagef("--label is %d; the classes of %s are 0 to %d", label, r.Dir, r.Data.Classes-1)
	}
	return slices.Repeat([]int32{int32(label)}, n), nil
}
