package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/run"
)

type logpResult struct {
	Run     string  `json:"run"`
	Data    string  `json:"data"`
	Solver  string  `json:"solver"`
	Seed    uint64  `json:"seed"` // of points drawn, of noise on images and of probes
	Backend string  `json:"backend"`
	Seconds float64 `json:"seconds"`
	*run.Likelihood
	File string `json:"file,omitempty"`
}

func (l logpResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s\n", l.Run)
	fmt.Fprintf(w, "data\t%s\n", l.Data)
	fmt.Fprintf(w, "solver\t%s, %.2f s on backend %s\n", l.Solver, l.Seconds, l.Backend)
	fmt.Fprintf(w, "seed\t%d\n", l.Seed)
	likelihoodText(w, l.Likelihood)
	if l.File != "" {
		fmt.Fprintf(w, "values\t%s\n", l.File)
	}
}

type logpFlags struct {
	runFlags
	data, labels, dataset, divergence, out string
	n, probes, label                       int
	seed                                   uint64
}

func (a *app) logpCommand() *cobra.Command {
	var f logpFlags
	cmd := &cobra.Command{
		Use:   "logp DIR (--data FILE | --dataset NAME --n N)",
		Short: "Evaluate the log-density of points under a trained run",
		Long: `Evaluate log p(x) of points, in nats, by solving the ODE from the data back to the
noise with the divergence of the velocity.

The points come from a file like those that the run can be trained on (its columns
are found by their names, when both have names), or are drawn from a synthetic
data set. Images get new noise within a grey level, and bits per dimension.`,
		Example: `  flowmatch logp runs/first --data points.csv --out logp.csv
  flowmatch logp runs/first --dataset checkerboard --n 10000
  flowmatch logp runs/first --data points.npy --divergence hutchinson --probes 4 --json
  flowmatch logp runs/digits --data t10k-images-idx3-ubyte.gz --labels t10k-labels-idx1-ubyte.gz`,
		Args: arguments("DIR"),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.logp(cmd, args[0], f)
		}),
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.data, "data", "", "file of points: CSV, NPY, Parquet, or IDX for images")
	fl.StringVar(&f.labels, "labels", "", "file of the labels of images in --data, for a conditional model")
	fl.StringVar(&f.dataset, "dataset", "", "synthetic set to draw from (see flowmatch data list)")
	fl.IntVar(&f.n, "n", 0, "number of points to draw from --dataset")
	fl.IntVar(&f.label, "label", 0, "class of all points, for a conditional model (default: their own labels)")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of points drawn, of noise on images and of probes (default: that of the run)")
	fl.StringVar(&f.divergence, "divergence", "", "exact or hutchinson (default: that of the run file)")
	fl.IntVar(&f.probes, "probes", 1, "number of probes of hutchinson")
	fl.StringVar(&f.out, "out", "", "file to write one value a point to: .csv or .npy")
	cmd.MarkFlagsOneRequired("data", "dataset")
	cmd.MarkFlagsMutuallyExclusive("data", "dataset")
	cmd.MarkFlagsRequiredTogether("dataset", "n")
	return cmd
}

func (a *app) logp(cmd *cobra.Command, dir string, f logpFlags) (result, error) {
	ext := ""
	if f.out != "" {
		var err error
		if ext, err = extension("--out", f.out, ".csv", ".npy"); err != nil {
			return nil, err
		}
	}
	r, err := f.open(cmd, dir)
	if err != nil {
		return nil, err
	}
	if err := f.applyDivergence(cmd, r); err != nil {
		return nil, err
	}
	if cmd.Flags().Changed("seed") {
		r.Config.Seed = f.seed
	}
	pts, err := f.points(r)
	if err != nil {
		return nil, err
	}
	if pts.label, err = labels(cmd, r, f.label, pts.x.N, pts.label); err != nil {
		return nil, err
	}
	if r.Config.Conditional && pts.label == nil {
		return nil, usagef("%s is a conditional model and %s has no labels; give --label or --labels", r.Dir, pts.name)
	}
	solver, err := r.Config.Eval.ODESolver()
	if err != nil {
		return nil, err
	}
	a.status("evaluating %d points of %s", pts.x.N, pts.name)
	r.Watch = a.watch
	start := time.Now()
	l, logp, err := r.Likelihood(cmd.Context(), pts.x, pts.label)
	if err != nil {
		return nil, err
	}
	if !pts.own {
		l.Optimum, l.Gap = nil, nil // they are those of the data that the run was trained on
	}
	res := logpResult{
		Run: r.Dir, Data: pts.name, Solver: run.SolverName(solver), Seed: r.Config.Seed,
		Backend: r.Model.Net.Engine().Name(), Seconds: time.Since(start).Seconds(), Likelihood: l, File: f.out,
	}
	values := flow.Batch{N: len(logp), D: 1, X: logp}
	switch ext {
	case ".csv":
		err = data.WriteCSV(f.out, []string{"logp"}, values)
	case ".npy":
		err = data.WriteNPY(f.out, values)
	}
	return res, err
}

func (f *logpFlags) applyDivergence(cmd *cobra.Command, r *run.Run) error {
	e := &r.Config.Eval
	if cmd.Flags().Changed("divergence") {
		e.Divergence = f.divergence
	}
	if cmd.Flags().Changed("probes") {
		e.Probes = f.probes
	}
	if err := e.Validate(); err != nil {
		return usageError{err}
	}
	d, err := e.DivergenceFor(r.Data.Dim, 0)
	if cmd.Flags().Changed("probes") && err == nil && run.DivergenceName(d) == "exact" {
		return usagef("--probes are for --divergence hutchinson; the exact one has none")
	}
	return err
}
