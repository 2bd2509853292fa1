package main

import (
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/run"
	"flowmatch/sde"
)

type sampleResult struct {
	Run     string   `json:"run"`
	Files   []string `json:"files"`
	N       int      `json:"n"`
	Dim     int      `json:"dim"`
	Seed    uint64   `json:"seed"`
	Solver  string   `json:"solver"`
	NFE     int      `json:"nfe"`
	Seconds float64  `json:"seconds"`
	Backend string   `json:"backend"`
	// MeanLogP is the mean log-density of the samples, in nats; with --logp.
	MeanLogP   *float64 `json:"mean_logp,omitempty"`
	Divergence string   `json:"divergence,omitempty"`
	Guidance   float64  `json:"guidance,omitempty"` // scale; absent: none
	// Condition is where the images come from that the model was told; absent: none.
	Condition string `json:"condition,omitempty"`
}

func (s sampleResult) text(w io.Writer) {
	fmt.Fprintf(w, "samples\t%d of %d dimensions, seed %d, in %s\n", s.N, s.Dim, s.Seed, strings.Join(s.Files, ", "))
	fmt.Fprintf(w, "solver\t%s, NFE %d, %.2f s on backend %s\n", s.Solver, s.NFE, s.Seconds, s.Backend)
	if s.Guidance != 0 {
		fmt.Fprintf(w, "guidance\t%g, for which every evaluation counts twice\n", s.Guidance)
	}
	if s.Condition != "" {
		fmt.Fprintf(w, "condition\t%s\n", s.Condition)
	}
	if s.MeanLogP != nil {
		fmt.Fprintf(w, "mean log-density\t%.4f nats, divergence %s\n", *s.MeanLogP, s.Divergence)
	}
}

type sampleFlags struct {
	runFlags
	n, label int
	grid     string
	cols     int // of the grid; 0: none was asked for
	guidance float64
	seed     uint64
	logp     bool
	out      string
	// Of runs with a condition, or that complete images.
	condition, mask string
	// Of samplers with noise.
	eta       float64
	diffusion string
}

func (a *app) sampleCommand() *cobra.Command {
	var f sampleFlags
	cmd := &cobra.Command{
		Use:   "sample DIR (--n N | --grid ROWSxCOLS) --out FILE",
		Short: "Draw samples from a trained run",
		Long: `Draw samples from a trained run by solving its ODE from noise to data or, of a run
that learnt average velocities (objectives meanflow and shortcut), in few steps of
those: --solver interval --steps 1.

The file's ending says what is written: .csv with the names of the columns, .npy
(float64, [N, D]) or a .png picture. Values are in the units of the data; images
span [-1, 1]. With --logp the log-density of each sample (nats) comes from the
same solve: a last column logp of a .csv, beside NAME.npy a file NAME.logp.npy.
Samples of a conditional model come with their labels likewise; without --label
they take every class in turn.

--grid draws images in so many rows and columns; as columns of a conditional model
(or rows) a multiple of its classes are titled with them. --grid N is N rows of a
column for each class, else N rows of N.

--solver also takes the samplers of diffusion models, which add noise on the way and
so give no log-density: euler_maruyama and heun_sde, for the SDE with the noise rate
--diffusion, ddpm, and ddim with --eta of its noise. They take --steps (100 if not
given), of which the last adds no noise.

A run with a condition (super-resolution, inpainting) makes its samples of the images of
--condition in turn: a folder or a file (.png, .jpg, .npy of bytes, IDX), or test for
the held-out ones. Images for super-resolution are small already, or are made small. A
.png then shows the condition, the sample and, where it is known, the original. Other
runs of images complete those of --condition where --mask hides them, approximately:
what they hold fast tells the rest less than a condition would.`,
		Example: `  flowmatch sample runs/first --n 1000 --out samples.csv
  flowmatch sample runs/first --n 1000 --solver euler --steps 100 --seed 7 --out samples.npy
  flowmatch sample runs/first --n 1000 --rtol 1e-6 --atol 1e-6 --logp --out samples.csv
  flowmatch sample runs/first --n 1000 --solver ddpm --steps 200 --out samples.csv
  flowmatch sample runs/first --n 1000 --solver ddim --eta 0.5 --out samples.csv
  flowmatch sample runs/first --n 1000 --solver heun_sde --diffusion sigma:0.5 --out samples.csv
  flowmatch sample runs/digits --n 64 --label 3 --guidance 1.5 --out threes.png
  flowmatch sample runs/digits --grid 8x10 --out digits.png
  flowmatch sample runs/superres --condition test --n 12 --out larger.png
  flowmatch sample runs/superres --condition small.png --n 8 --out large.png
  flowmatch sample runs/digits --condition test --mask left --n 12 --out completed.png`,
		Args: arguments("DIR"),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.sample(cmd, args[0], f)
		}),
	}
	f.add(cmd)
	require(cmd, "out")
	cmd.MarkFlagsOneRequired("n", "grid")
	return cmd
}

// add adds the flags.
func (f *sampleFlags) add(cmd *cobra.Command) {
	f.runFlags.add(cmd)
	fl := cmd.Flags()
	fl.IntVar(&f.n, "n", 0, "number of samples")
	fl.StringVar(&f.grid, "grid", "", "rows and columns of a picture of images, as 8x10 or 8")
	fl.Float64Var(&f.guidance, "guidance", 1, "scale of classifier-free guidance, of a run trained with train.label_dropout (1: none)")
	fl.IntVar(&f.label, "label", 0, "class of all samples, of a conditional model (default: every class in turn)")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the noise (default: that of the run)")
	fl.BoolVar(&f.logp, "logp", false, "write the log-density of each sample too")
	fl.StringVar(&f.condition, "condition", "", "images that a run with a condition is told: a file, a folder, or test for held-out ones")
	fl.StringVar(&f.mask, "mask", "", "what is missing of the images of --condition, which a run without a condition completes: "+strings.Join(data.Masks(), ", "))
	fl.StringVar(&f.out, "out", "", "file to write: .csv, .npy or .png")
	fl.Float64Var(&f.eta, "eta", 0, "share of ancestral noise in ddim, from 0 (none) to 1 (ddpm)")
	fl.StringVar(&f.diffusion, "diffusion", "", "noise rate of euler_maruyama and heun_sde: "+
		strings.Join(sde.DiffusionNames(), ", ")+", or one with a factor, as sigma:0.5 (default own)")
	fl.Lookup("solver").Usage = "ODE solver: " + strings.Join(ode.Names(), ", ") + "; or sampler with noise: " +
		strings.Join(sde.Names(), ", ") + " (default: that of the run file)"
}

func (a *app) sample(cmd *cobra.Command, dir string, f sampleFlags) (result, error) {
	ext, err := extension("--out", f.out, ".csv", ".npy", ".png")
	if err != nil {
		return nil, err
	}
	set := cmd.Flags().Changed
	if set("n") && f.n < 1 {
		return nil, usagef("--n is %d; it must be at least 1", f.n)
	}
	if set("grid") && ext != ".png" {
		return nil, usagef("--grid is a picture, and --out %q a file of numbers; give a .png, or --n", f.out)
	}
	if f.logp && ext == ".png" {
		return nil, usagef("--logp needs a file of numbers, .csv or .npy, and %q is a picture", f.out)
	}
	r, err := f.openRun(cmd, dir)
	if err != nil {
		return nil, err
	}
	if !cmd.Flags().Changed("seed") {
		f.seed = r.Config.Seed
	}
	var inTurn []int32
	if set("grid") {
		if inTurn, err = f.layOut(cmd, r); err != nil {
			return nil, err
		}
	}
	told, err := f.told(cmd, r, inTurn)
	if err != nil {
		return nil, err
	}
	draw := f.solve
	if f.stochastic() {
		draw = f.solveSDE
	}
	s, res, err := draw(cmd, a, r, told)
	if err != nil {
		return nil, err
	}
	res.Condition = f.condition
	if s.LogP == nil { // which is that of the sample as it was drawn
		r.Keep(s.X, told)
	}
	res.Files, err = writeSamples(r, f.out, ext, s, told, f.cols)
	return res, err
}

// told returns what the model is told of each sample; inTurn are the labels of a grid.
func (f *sampleFlags) told(cmd *cobra.Command, r *run.Run, inTurn []int32) (t run.Told, err error) {
	switch conditioned := r.Model.Conditioner() != nil; {
	case f.mask != "" && (conditioned || f.condition == ""):
		return t, usagef("--mask goes with --condition, and with a run that was trained without a condition")
	case f.mask != "" && f.stochastic():
		return t, usagef("--mask needs an ODE solver (%s), which %s is not", strings.Join(ode.Names(), ", "), f.solver)
	case f.mask != "":
		file := f.condition
		if file == "test" {
			file = "" // held-out images
		}
		t, err = r.ToldParts(file, f.n, f.mask)
		err = asUsage(err, fs.ErrNotExist)
	case !conditioned && f.condition != "":
		return t, usagef("%s was trained without a condition; give --mask too to have images completed", r.Dir)
	case conditioned && f.condition == "":
		return t, usagef("%s makes images from images (condition %s); give --condition FILE, or --condition test", r.Dir, r.Config.Condition.Kind)
	case !conditioned || f.condition == "test":
		t, err = r.Told(f.n)
	default:
		t, err = r.ToldBy(f.condition, f.n)
		err = asUsage(err, fs.ErrNotExist)
	}
	if inTurn != nil {
		t.Label = inTurn
	}
	if err == nil {
		t.Label, err = labels(cmd, r, f.label, f.n, t.Label)
	}
	if err == nil && r.Config.Conditional && t.Label == nil {
		err = usagef("%s is a conditional model, and images in files have no labels; give --label", r.Dir)
	}
	return t, err
}

// openRun opens the run, when the flags go with the solver that they name.
func (f *sampleFlags) openRun(cmd *cobra.Command, dir string) (*run.Run, error) {
	set := cmd.Flags().Changed
	switch noisy := f.stochastic(); {
	case !noisy && (set("eta") || set("diffusion")):
		return nil, usagef("--eta and --diffusion are for samplers with noise: --solver %s", strings.Join(sde.Names(), ", "))
	case !noisy:
		return f.open(cmd, dir)
	case f.logp:
		return nil, usagef("--logp needs an ODE solver (%s); samples of %s have no log-density", strings.Join(ode.Names(), ", "), f.solver)
	case set("rtol") || set("atol"):
		return nil, usagef("--rtol and --atol need an ODE solver with an error estimate, which %s is not; use --steps", f.solver)
	case set("steps") && f.steps < 1:
		return nil, usagef("--steps is %d; it must be at least 1", f.steps)
	case set("eta") && f.solver != sde.DDIM.String():
		return nil, usagef("--eta is for --solver ddim, not %s", f.solver)
	}
	return f.openOnly(dir)
}

// solve draws samples by an ODE.
func (f *sampleFlags) solve(cmd *cobra.Command, a *app, r *run.Run, told run.Told) (s model.Samples, res sampleResult, err error) {
	o, err := r.Config.Eval.Sampling()
	if err != nil {
		return s, res, err
	}
	if err := r.HasDensity(); f.logp && err != nil {
		return s, res, err
	}
	if cmd.Flags().Changed("guidance") && r.Config.Train.LabelDropout == 0 {
		return s, res, usagef("--guidance needs a conditional run that was trained with train.label_dropout, and %s was not", r.Dir)
	}
	o.N, o.Seed, o.LogProb, o.Label, o.Cond, o.Hold, o.Guidance = f.n, f.seed, f.logp, told.Label, told.Cond, told.Hold, f.guidance
	if o.Divergence, err = r.Config.Eval.DivergenceFor(r.Data.Dim, f.seed); err != nil {
		return s, res, err
	}
	a.status("drawing %d samples", f.n)
	o.Progress = a.watch("samples", f.n)
	start := time.Now()
	if s, err = r.Model.Sample(cmd.Context(), o); err != nil {
		return s, res, err
	}
	res = f.result(r, s, run.SamplingName(o), start)
	if f.guidance != 1 {
		res.Guidance = f.guidance
	}
	if f.logp {
		mean := 0.0
		for _, v := range s.LogP {
			mean += v / float64(len(s.LogP))
		}
		res.MeanLogP, res.Divergence = &mean, run.DivergenceName(o.Divergence)
	}
	return s, res, nil
}

// solveSDE draws samples with noise.
func (f *sampleFlags) solveSDE(cmd *cobra.Command, a *app, r *run.Run, told run.Told) (s model.Samples, res sampleResult, err error) {
	sampler, err := r.Config.SDESampler(run.Stochastic{
		Method: f.solver, Steps: f.steps, Eta: f.eta, Diffusion: f.diffusion, Seed: f.seed,
	})
	if err != nil {
		return s, res, usageError{err}
	}
	a.status("drawing %d samples", f.n)
	start := time.Now()
	o := model.SDEOptions{N: f.n, Label: told.Label, Cond: told.Cond, Sampler: sampler, Progress: a.watch("samples", f.n)}
	if s, err = r.Model.SampleSDE(cmd.Context(), o); err != nil {
		return s, res, err
	}
	return s, f.result(r, s, sampler.String(), start), nil
}

func (f *sampleFlags) result(r *run.Run, s model.Samples, solver string, start time.Time) sampleResult {
	return sampleResult{
		Run: r.Dir, N: s.X.N, Dim: s.X.D, Seed: f.seed, Solver: solver, NFE: s.Stats.NFE,
		Seconds: time.Since(start).Seconds(), Backend: r.Model.Net.Engine().Name(),
	}
}

// column is one number for each point, beside its coordinates.
type column struct {
	name   string
	values []float64
}

// writeSamples writes what the ending of file asks for and returns the files. cols are
// the columns of a grid, 0 for any.
func writeSamples(r *run.Run, file, ext string, s model.Samples, told run.Told, cols int) ([]string, error) {
	var extra []column
	if told.Label != nil {
		values := make([]float64, len(told.Label))
		for i, l := range told.Label {
			values[i] = float64(l)
		}
		extra = append(extra, column{"label", values})
	}
	if s.LogP != nil {
		extra = append(extra, column{"logp", s.LogP})
	}
	switch ext {
	case ".png":
		return []string{file}, atomicfile.WriteFile(file, func(w io.Writer) error {
			if told.OfImages() {
				return r.DrawTold(w, s.X, told)
			}
			return r.DrawPoints(w, s.X, told.Label, cols)
		})
	case ".npy":
		return writeNPY(file, s.X, extra)
	}
	return []string{file}, writeCSV(file, columnNames(r), s.X, extra)
}

// writeNPY writes the points, and beside them a file for each column.
func writeNPY(file string, x flow.Batch, extra []column) ([]string, error) {
	files := []string{file}
	if err := data.WriteNPY(file, x); err != nil {
		return nil, err
	}
	for _, c := range extra {
		beside := strings.TrimSuffix(file, file[len(file)-len(".npy"):]) + "." + c.name + ".npy"
		if err := data.WriteNPY(beside, flow.Batch{N: x.N, D: 1, X: c.values}); err != nil {
			return nil, err
		}
		files = append(files, beside)
	}
	return files, nil
}

func writeCSV(file string, names []string, x flow.Batch, extra []column) error {
	for _, c := range extra {
		names = append(names, c.name)
	}
	all := flow.NewBatch(x.N, len(names))
	for i := range x.N {
		row := all.Row(i)
		copy(row, x.Row(i))
		for k, c := range extra {
			row[x.D+k] = c.values[i]
		}
	}
	return data.WriteCSV(file, names, all)
}

// columnNames returns the names of the coordinates: those of the table that the
// run was trained on, else c0, c1, and so on, as nameless files are read.
func columnNames(r *run.Run) []string {
	if r.Data.Columns != nil {
		return append([]string{}, r.Data.Columns...)
	}
	names := make([]string, r.Data.Dim)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	return names
}
