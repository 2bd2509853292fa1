package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/data/schema"
	"flowmatch/data/synth"
	"flowmatch/data/table"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/stat"
	"flowmatch/likelihood"
	"flowmatch/report"
	"flowmatch/run"
)

type logpResult struct {
	Run     string  `json:"run"`
	Data    string  `json:"data"`
	Given   string  `json:"given,omitempty"` // what --given says
	Solver  string  `json:"solver"`
	Seed    uint64  `json:"seed"` // of points drawn, of noise on images and of probes
	Backend string  `json:"backend"`
	Seconds float64 `json:"seconds"`
	*eval.Likelihood
	// LogMass is the mean of the rows of a table with numbers on a grid, of which each has the
	// probability of its cell there; nil: there are none, and log p is all.
	LogMass *float64 `json:"log_mass,omitempty"`
	File    string   `json:"file,omitempty"`
	// OfLatents says that the points, and their log-densities, are of latents of images.
	OfLatents bool `json:"of_latents,omitempty"`
	// Unscored are the numbers, from 0, of the points without a log-density.
	Unscored []int `json:"unscored,omitempty"`
	// Warnings say what is to be known of the file of points, one sentence each.
	Warnings []string `json:"warnings,omitempty"`
}

func (l logpResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s\n", l.Run)
	fmt.Fprintf(w, "data\t%s\n", l.Data)
	if l.OfLatents {
		fmt.Fprintf(w, "points\tlatents, as sample --latents writes them: log p is theirs, and not that of images\n")
	}
	if l.Given != "" {
		fmt.Fprintf(w, "given\t%s\n", l.Given)
	}
	fmt.Fprintf(w, "solver\t%s, %.2f s on backend %s\n", l.Solver, l.Seconds, l.Backend)
	fmt.Fprintf(w, "seed\t%d\n", l.Seed)
	if l.Likelihood != nil {
		writeLines(w, report.Likelihood(l.Likelihood))
	}
	if l.LogMass != nil {
		fmt.Fprintf(w, "log-mass\t%.5g nats a row: a number on a grid has the probability of its cell\n", *l.LogMass)
	}
	if l.File != "" {
		fmt.Fprintf(w, "values\t%s\n", l.File)
	}
	for _, warning := range l.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
}

type logpFlags struct {
	runFlags
	data, labels, dataset, divergence, out string
	label, given                           string
	some                                   count
	n, probes, draws                       int
	seed                                   uint64
}

func (a *app) logpCommand() *cobra.Command {
	var f logpFlags
	cmd := &cobra.Command{
		Use:   "logp DIR (--data FILE | --dataset NAME --n N)",
		Short: "Evaluate the log-density of points under a trained run",
		Long: `Compute log p(x) of points, in nats, by solving the ODE from the data back to the noise
together with the divergence of the velocity. The mean is checked as in eval: some of
the points are solved for again, and a figure that is not to be trusted is reported. A
point so far out that the solve fails there is named and left out of the mean. Its value
in --out is NaN, and the exit code is 1. Of a table with numbers on a grid there are
log-masses, too: a density gives such a number no probability, its cell has one.

Without --out the mean is of all points, if that takes no more than a minute. Else it is of
as many as do, drawn at random, and their number is told: --points with it gives the same
figures on any machine, and --points all takes all.

The points come from a file in a format that the run can be trained on, from a file that
sample writes, or are drawn from a synthetic data set. Columns are matched by name if
both have names. Labels are in a column of a table; the labels of NAME.npy from sample
are --labels NAME.label.npy. --set data.header=true or false says whether the first line
of --data holds names, where that is not clear. Images get new noise within a grey
level, and also have bits per dimension. The training data are not opened.

Of a run with a decoder (flowmatch import --decoder) the points are latents, as sample
--latents writes them, and log p is theirs.

Of a run of tokens the points are a text, which is cut into sequences, and there is no
log p but a bound of it: the ELBO, in bits a token and a character, with its standard
error. Values in --out are those of sequences, in nats.`,
		Example: `  flowmatch logp runs/first --data points.csv --out logp.csv
  flowmatch logp runs/first --dataset checkerboard --n 10000
  flowmatch logp runs/first --data points.npy --divergence hutchinson --probes 4 --json
  flowmatch logp runs/text --data chapter.txt --draws 64
  flowmatch logp runs/digits --data t10k-images-idx3-ubyte.gz --labels t10k-labels-idx1-ubyte.gz`,
		Args:              arguments("DIR"),
		ValidArgsFunction: folderArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			if run.IsTokens(args[0]) {
				return a.logpTokens(cmd, args[0], f)
			}
			if err := pointsOnly(cmd, args[0]); err != nil {
				return nil, err
			}
			return a.logp(cmd, args[0], f)
		}),
	}
	f.add(cmd)
	return cmd
}

// add adds the flags.
func (f *logpFlags) add(cmd *cobra.Command) {
	f.runFlags.add(cmd, eval.Solvers())
	fl := cmd.Flags()
	fl.StringVar(&f.data, "data", "", "file of points: CSV, NPY or Parquet, or IDX or a folder of images")
	fl.StringVar(&f.labels, "labels", "",
		"file of the labels of images or an NPY array in --data, for a conditional model")
	fl.Var(&f.some, "points", "points of --data to evaluate, drawn at random, or all (default: all with --out,\n"+
		"else as many as take a minute)")
	fl.StringVar(&f.dataset, "dataset", "", "synthetic set to draw from (see flowmatch data list)")
	fl.IntVar(&f.n, "n", 0, "number of points to draw from --dataset")
	fl.StringVar(&f.label, "label", "",
		"class of all points, by its name or number, for a conditional model (default: their own labels)")
	fl.StringVar(&f.given, "given", "", givenUsage+
		"(one for all points, or one for each; default: the columns of --data)")
	fl.Uint64Var(&f.seed, "seed", 0,
		"seed of drawn points, of noise on images and of probes (default: that of the run)")
	fl.StringVar(&f.divergence, "divergence", "", "exact or hutchinson (default: that of the run file)")
	fl.IntVar(&f.probes, "probes", 1, "number of probes of hutchinson")
	fl.IntVar(&f.draws, "draws", 0, drawsUsage)
	fl.StringVar(&f.out, "out", "", "file to write, with one value per point: .csv or .npy")
	cmd.MarkFlagsOneRequired("data", "dataset")
	cmd.MarkFlagsMutuallyExclusive("data", "dataset")
	cmd.MarkFlagsRequiredTogether("dataset", "n")
	complete(cmd, "dataset", append(synth.Names(), synth.WrappedName)...)
	complete(cmd, "divergence", likelihood.Names()...)
	completeFiles(cmd, "out", "csv", "npy")
}

// check reports what is wrong with the flags whatever the run is, and returns the ending
// of the file to write.
func (f *logpFlags) check(cmd *cobra.Command) (ext string, err error) {
	if f.out != "" {
		if ext, err = extension("--out", f.out, ".csv", ".npy"); err != nil {
			return "", err
		}
	}
	set := cmd.Flags().Changed
	switch {
	case f.dataset != "" && f.n < 1:
		return "", usagef("--n is %d; it must be at least 1", f.n)
	case set("points") && f.dataset != "":
		return "", usagef("--points are some of --data; of --dataset there are --n")
	case set("points") && f.some < 1 && !f.some.all():
		return "", usagef("--points is %d; it must be at least 1", int(f.some))
	case set("points") && !f.some.all() && f.out != "":
		return "", usagef("--points are drawn at random for the mean, and --out is a file of all points; leave one out")
	case f.dataset != "" && f.labels != "":
		return "", usagef("--labels is for --data; --dataset has its own labels")
	case set("label") && f.labels != "":
		return "", usagef("--label is one class for all points, and --labels is a file of classes; give one of them")
	case set("probes") && f.probes < 1:
		return "", usagef("--probes is %d; it must be at least 1", f.probes)
	case set("probes") && f.divergence == "exact":
		return "", usagef("--probes are for --divergence hutchinson; the exact one has none")
	}
	if f.dataset != "" {
		if err := choice.Check("synthetic set", f.dataset, append(synth.Names(), synth.WrappedName)); err != nil {
			return "", usagef("--dataset: %w", err)
		}
	}
	if set("divergence") {
		if err := choice.Check("divergence", f.divergence, likelihood.Names()); err != nil {
			return "", usagef("--divergence: %w", err)
		}
	}
	return ext, nil
}

func (a *app) logp(cmd *cobra.Command, dir string, f logpFlags) (result, error) {
	ext, err := f.check(cmd)
	if err == nil && ext != "" {
		err = inFolder(f.out, f.data, f.labels)
	}
	if err != nil {
		return nil, err
	}
	r, err := f.open(cmd, dir)
	if err == nil && ext != "" {
		err = sparesData(f.out, r.Config)
	}
	if err != nil {
		return nil, err
	}
	pts, err := f.points(cmd, r)
	if err == nil {
		err = f.giveTo(cmd, r, &pts)
	}
	if err != nil {
		return nil, err
	}
	return a.evaluate(cmd, r, f, pts, ext)
}

// evaluate evaluates points, and writes the values into a file of that ending, if one is asked for.
func (a *app) evaluate(cmd *cobra.Command, r *run.Run, f logpFlags, pts points, ext string) (result, error) {
	solver, wrong := r.Config.Eval.DensitySolver()
	r.Watch, r.Reading = a.watch, a.reading()
	s, err := r.Subject(false)
	if err = cmp.Or(wrong, err); err != nil {
		return nil, err
	}
	a.status("evaluating %d points of %s", pts.x.N, pts.name)
	s.Set, s.Model = pts.set, s.Model.Together(a.ranks)
	start := time.Now()
	chosen, err := f.choose(cmd, a, s, &pts)
	if err != nil {
		return nil, err
	}
	l, logp, err := s.Likelihood(cmd.Context(), pts.x, pts.given)
	var unscored *eval.UnscoredError
	switch {
	case errors.As(err, &unscored):
		unscored.Where = pts.where
	case errors.Is(err, eval.ErrOutside) && f.out != "": // the mean has no value, but each point has
		pts.notes = append(pts.notes, strings.TrimPrefix(err.Error(), "eval: "))
	case err != nil:
		return nil, err
	}
	if a.follows() {
		return silent{}, nil
	}
	if l != nil {
		l.Chosen = chosen
	}
	res := logpResult{
		Run: r.Dir, Data: pts.name, Given: f.given, Solver: solver.String(), Seed: r.Config.Seed,
		Backend: r.Model.Net().Engine().Name(), Seconds: time.Since(start).Seconds(), Likelihood: l, File: f.out,
		OfLatents: r.OfLatents(), Warnings: pts.notes,
	}
	masses := logMasses(r.Model.Spec().Schema, pts.x, logp)
	if err := writeValues(f.out, ext, logp, masses); err != nil {
		return nil, err
	}
	if scored := slices.DeleteFunc(slices.Clone(masses), math.IsNaN); len(scored) > 0 {
		res.LogMass = new(stat.Mean(scored))
	}
	if unscored != nil {
		res.Unscored = pts.numbers(unscored.Points)
		return res, partial{fmt.Errorf("%w (%s)", err, pts.name)}
	}
	return res, nil
}

// choose takes some of the points where --points says how many, or all would take long and nobody asked for them.
func (f *logpFlags) choose(cmd *cobra.Command, a *app, s eval.Subject, p *points) (*eval.Chosen, error) {
	n := int(f.some)
	switch {
	case cmd.Flags().Changed("points") && !f.some.all():
		if n > p.x.N {
			p.notes = append(p.notes, fmt.Sprintf("--points is %d, and there are %d", n, p.x.N))
		} else if n < p.x.N {
			p.some(s.Some(p.x.N, n))
		}
		return nil, nil
	case f.some.all(), f.out != "", f.dataset != "":
		return nil, nil
	}
	s.Budget = eval.Budget{Likelihood: likelihoodTime, Agree: a.agreed()}
	index, chosen, err := s.Afford(cmd.Context(), p.x, p.given, "points")
	if index != nil {
		p.some(index)
	}
	return chosen, err
}

// writeValues writes one log-density a point, and in a table its log-mass where there is one, if a file is asked
// for.
func writeValues(file, ext string, logp, masses []float64) error {
	values := flow.Batch{N: len(logp), D: 1, X: logp}
	switch ext {
	case ".csv":
		names := []string{"logp"}
		if masses != nil {
			names, values = append(names, "log_mass"), flow.NewBatch(len(logp), 2)
			for i := range logp {
				values.Row(i)[0], values.Row(i)[1] = logp[i], masses[i]
			}
		}
		return table.WriteCSV(file, names, values)
	case ".npy":
		return table.WriteNPY(file, values)
	}
	return nil
}

// logMasses returns the log-masses of the rows of points x [N, D] in data units; nil where no number of the table
// lies on a grid, so that they are the log-densities.
func logMasses(s *schema.Schema, x flow.Batch, logp []float64) []float64 {
	if s == nil {
		return nil
	}
	rows := flow.NewBatch(x.N, len(s.Learnt()))
	s.Rows(rows, x)
	masses, gridded := s.LogCells(rows), false
	for i, p := range logp {
		gridded = gridded || masses[i] != 0
		masses[i] += p
	}
	if !gridded {
		return nil
	}
	return masses
}

// open opens the run, with the settings of the flags.
func (f *logpFlags) open(cmd *cobra.Command, dir string) (*run.Run, error) {
	header, err := f.header()
	if err != nil {
		return nil, err
	}
	r, err := f.runFlags.open(cmd, dir, useODE)
	if err != nil {
		return nil, err
	}
	if header != nil {
		if !isText(f.data) {
			return nil, usagef("--set data.header is for tables of text, and %s is none", f.data)
		}
		r.Config.Data.Header = header
	}
	if err := f.applyDivergence(cmd, r); err != nil {
		return nil, err
	}
	if cmd.Flags().Changed("seed") {
		r.Config.Seed = f.seed
	}
	return r, fitsN(r, f.n)
}

// header takes what --set says of the first line of --data, data.header, from the settings of
// the run; nil: nothing.
func (f *logpFlags) header() (is *bool, err error) {
	const key = "data.header="
	f.set = slices.DeleteFunc(slices.Clone(f.set), func(s string) bool {
		value, ok := strings.CutPrefix(s, key)
		if !ok {
			return false
		}
		switch {
		case f.data == "":
			err = usagef("--set data.header has no effect without --data")
		case value != "true" && value != "false":
			err = usagef("--set data.header is %s; it must be true or false", choice.Quote(value))
		}
		is = new(value == "true")
		return true
	})
	return is, err
}

// applyDivergence sets the divergence of the run from the flags.
func (f *logpFlags) applyDivergence(cmd *cobra.Command, r *run.Run) error {
	d, set := &r.Config.Eval.Divergence, cmd.Flags().Changed
	if set("divergence") {
		d.Divergence = f.divergence
	}
	if d.Divergence == "exact" {
		d.Probes = 0 // those of the run file, which are meant for another divergence
	}
	if !set("probes") {
		return nil
	}
	if made, err := d.New(r.Model.Dim(), likelihood.ExactUpTo, 0); err != nil || made.String() == "exact" {
		return usagef("--probes are for --divergence hutchinson; the exact one has none")
	}
	d.Probes = f.probes
	if err := r.Config.Eval.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}
