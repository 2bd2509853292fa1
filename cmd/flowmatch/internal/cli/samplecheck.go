package cli

import (
	"cmp"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data/image"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/run"
	"flowmatch/sde"
)

// This file checks the flags of sample against one another and against the run. A flag
// that would have no effect is a usage error.

// noisy says whether --solver names a sampler with noise.
func (f *sampleFlags) noisy() bool { return slices.Contains(sde.Names(), f.solver) }

// samplers are the names that --solver takes.
func samplers() []string { return append(eval.Solvers(), sde.Names()...) }

// check reports what is wrong with the flags whatever the run is, and returns the ending
// of the file to write.
func (f *sampleFlags) check(cmd *cobra.Command) (ext string, err error) {
	if ext, err = extension("--out", f.out, ".csv", ".npy", ".png"); err != nil {
		return "", err
	}
	if f.mode {
		if err := f.checkMode(cmd, ext); err != nil {
			return "", err
		}
	}
	set := cmd.Flags().Changed
	switch {
	case set("n") && f.n < 1:
		return "", usagef("--n is %d; it must be at least 1", f.n)
	case f.grid != "" && ext != ".png":
		return "", usagef("--grid draws a picture, but --out %q is a file of numbers; give a .png, or --n", f.out)
	case f.grid != "" && f.condition != "":
		return "", usagef("--grid is only for samples without --condition; give --n")
	case f.latents && ext == ".png":
		return "", usagef("--latents are numbers, .csv or .npy, and %q is a picture", f.out)
	case f.logp && ext == ".png":
		return "", usagef("--logp needs a file of numbers, .csv or .npy, and %q is a picture", f.out)
	case f.logp && set("guidance"):
		return "", usagef("--logp cannot be used with --guidance: the density of the guided field was not trained")
	case f.logp && f.mask != "":
		return "", usagef("--logp cannot be used with --mask: the density of completed images was not trained")
	case f.mask != "" && f.condition == "":
		return "", usagef("--mask needs --condition, the images to complete")
	}
	if err := cmp.Or(checkScale(f.guidance), f.checkGuidance(cmd)); err != nil {
		return "", err
	}
	if f.mask != "" {
		if err := choice.Check("mask", f.mask, image.Masks()); err != nil {
			return "", usagef("--mask: %w", err)
		}
	}
	if err := f.checkValues(cmd); err != nil || f.solver == "" {
		return ext, err
	}
	if err := choice.Check("solver", f.solver, samplers()); err != nil {
		return "", usagef("--solver: %w", err)
	}
	if err := f.checkSolver(cmd, f.solverAsGiven()); err != nil || !f.noisy() {
		return ext, err
	}
	_, err = f.sde(cmd, 0)
	return ext, err
}

// checkGuidance reports an interval or a rescale of guidance that is wrong, or has no effect.
func (f *sampleFlags) checkGuidance(cmd *cobra.Command) error {
	for _, flag := range []string{"guidance-interval", "guidance-rescale"} {
		if cmd.Flags().Changed(flag) && f.guidance == 1 {
			return usagef("--%s needs --guidance, a scale other than 1", flag)
		}
	}
	switch i := f.interval; {
	case i != nil && !(len(i) == 2 && 0 <= i[0] && i[0] < i[1] && i[1] <= 1):
		return usagef("--guidance-interval is %v; it must be two times that rise, from 0 (noise) to 1 (data) at most",
			i)
	case !(f.rescale >= 0 && f.rescale <= 1):
		return usagef("--guidance-rescale is %g; it must be from 0 (none) to 1", f.rescale)
	}
	return nil
}

// solverRules says of each flag that only some solvers look at why another does not: "" is
// that it does.
var solverRules = []struct {
	flag string
	why  func(solver string) string
}{
	{"eta", func(solver string) string {
		return only("samplers with noise: ", solver, sde.DDIM)
	}},
	{"diffusion", func(solver string) string {
		return only("samplers with noise: ", solver, sde.EulerMaruyama, sde.Heun)
	}},
	{"logp", func(solver string) string {
		return needsODE(solver, "its samples have no log-density")
	}},
	{"mask", func(solver string) string {
		return needsODE(solver, "it cannot hold the known pixels")
	}},
	{"guidance", func(solver string) string {
		if solver == eval.Average || solver == oldAverage {
			return "is for ODE solvers and samplers with noise: the average velocity has no guided one"
		}
		return ""
	}},
	{"rtol", needsTolerance}, {"atol", needsTolerance}, {"control", needsTolerance},
}

func only(kind, solver string, methods ...sde.Method) string {
	var names []string
	for _, m := range methods {
		names = append(names, m.String())
	}
	switch {
	case slices.Contains(names, solver):
		return ""
	case slices.Contains(sde.Names(), solver):
		kind = ""
	}
	return "is for " + kind + "--solver " + strings.Join(names, ", ") + ", not " + solver
}

func needsODE(solver, why string) string {
	if slices.Contains(ode.Names(), solver) {
		return ""
	}
	return "needs an ODE solver (" + strings.Join(ode.Names(), ", ") + "), which " + solver + " is not: " + why
}

// checkSolver reports flags that the solver has no use for.
func (f *sampleFlags) checkSolver(cmd *cobra.Command, solver string) error {
	for _, r := range solverRules {
		if why := r.why(solver); why != "" && cmd.Flags().Changed(r.flag) {
			return usagef("--%s %s", r.flag, why)
		}
	}
	return nil
}

// open opens the run, with the flags applied to its settings, and reports flags that it
// has no use for.
func (f *sampleFlags) open(cmd *cobra.Command, dir string) (*run.Run, error) {
	if err := choice.Check("precision", f.weights, nn.Precisions()); err != nil {
		return nil, usagef("--weights: %w", err)
	}
	r, err := openRunWith(dir, run.OpenOptions{Backend: f.backend, Set: f.set, Weights: nn.Precision(f.weights)})
	if err != nil {
		return nil, err
	}
	if err := f.checkLatents(r); err != nil {
		return nil, err
	}
	if filepath.Ext(f.out) == ".png" {
		if err := r.Drawable(); err != nil {
			return nil, usagef("--out %q: %w (flowmatch import --decoder); write a .npy", f.out, err)
		}
	}
	set := cmd.Flags().Changed
	if f.solver == "" {
		if err := f.checkSolver(cmd, r.Config.Eval.Solve.Solver); err != nil {
			return nil, err
		}
	}
	if set("guidance") && r.Config.Train.LabelDropout == 0 {
		return nil, usagef(
			"--guidance needs a conditional run that was trained with train.label_dropout, and %s was not",
			dir)
	}
	if err := r.Model.HasDensity(); f.logp && err != nil {
		return nil, err
	}
	if f.noisy() {
		return r, f.shift.see(r)
	}
	if f.mode {
		return r, f.apply(cmd, r, useODE)
	}
	return r, f.apply(cmd, r, useSamples)
}

// checkLatents reports flags that a run of latents has no use for, and --latents of another; it opens the decoder.
func (f *sampleFlags) checkLatents(r *run.Run) (err error) {
	switch {
	case f.latents && !r.OfLatents():
		return usagef("--latents is for a run with a decoder, and %s has none: its samples are what it makes", r.Dir)
	case r.OfLatents() && f.condition != "":
		return usagef("--condition is for runs of pixels, and the points of %s are latents", r.Dir)
	case r.OfLatents() && f.mode && !f.latents:
		return usagef("--map looks for the most likely latents, and %s has a decoder; give --latents", r.Dir)
	case !f.latents:
		f.decoder, err = r.Decoder()
	}
	return err
}

// prompt returns what the samples are given; inTurn are the labels of a grid.
func (f *sampleFlags) prompt(cmd *cobra.Command, r *run.Run, inTurn []int32, context flow.Batch) (
	p eval.Prompt, err error,
) {
	if err := f.checkCondition(r); err != nil {
		return p, err
	}
	conditioned := r.Model.Conditioner() != nil
	s, err := r.Subject(f.condition == heldOut || f.given == heldOut)
	if err != nil {
		return p, err
	}
	switch {
	case f.mask != "" && f.condition == heldOut:
		p, err = s.MaskedPrompt("", f.n, f.mask)
	case f.mask != "":
		p, err = s.MaskedPrompt(f.condition, f.n, f.mask)
	case conditioned && f.condition != heldOut:
		p, err = s.ImagePrompt(f.condition, f.n)
	case context.N > 0:
		p.Given.Label = flow.LabelsInTurn(f.n, r.Model.Spec().Net.Classes)
		if p.Given.Context, err = r.Model.Contexts(context); err == nil {
			p.Given.Context = spread(p.Given.Context, f.n/context.N)
		}
	default:
		p, err = s.Prompt(f.n)
	}
	if f.condition != "" && f.condition != heldOut {
		err = asUsage(err, fs.ErrNotExist)
	}
	if inTurn != nil {
		p.Given.Label = inTurn
	}
	if err == nil {
		p.Given.Label, err = labels(cmd, r, f.label, f.n, p.Given.Label)
	}
	if err == nil && r.Conditional() && p.Given.Label == nil {
		err = usagef("%s is a conditional model, and images in files have no labels; give --label", r.Dir)
	}
	return p, err
}

// checkCondition reports images that the run cannot use, or that it lacks.
func (f *sampleFlags) checkCondition(r *run.Run) error {
	switch conditioned := r.Model.Conditioner() != nil; {
	case f.mask != "" && conditioned:
		return usagef("--mask is for --condition of a run that was trained without a condition, and %s has one",
			r.Dir)
	case f.mask != "" && r.Model.Spec().Image() == nil:
		return usagef("--mask is for images, and %s is a run of points", r.Dir)
	case f.mask != "":
		return nil
	case !conditioned && f.condition != "":
		return usagef("%s was trained without a condition; give --mask to complete images", r.Dir)
	case conditioned && f.condition == "":
		return usagef("%s makes images from images (condition %s); give --condition FILE, or --condition test",
			r.Dir, r.Model.Spec().Condition.Kind)
	}
	return nil
}
