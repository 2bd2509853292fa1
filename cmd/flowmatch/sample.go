package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/model"
	"flowmatch/run"
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
}

func (s sampleResult) text(w io.Writer) {
	fmt.Fprintf(w, "samples\t%d of %d dimensions, seed %d, in %s\n", s.N, s.Dim, s.Seed, strings.Join(s.Files, ", "))
	fmt.Fprintf(w, "solver\t%s, NFE %d, %.2f s on backend %s\n", s.Solver, s.NFE, s.Seconds, s.Backend)
	if s.MeanLogP != nil {
		fmt.Fprintf(w, "mean log-density\t%.4f nats, divergence %s\n", *s.MeanLogP, s.Divergence)
	}
}

type sampleFlags struct {
	runFlags
	n, label int
	seed     uint64
	logp     bool
	out      string
}

func (a *app) sampleCommand() *cobra.Command {
	var f sampleFlags
	cmd := &cobra.Command{
		Use:   "sample DIR --n N --out FILE",
		Short: "Draw samples from a trained run",
		Long: `Draw samples from a trained run by solving its ODE from noise to data or, of a run
that learnt average velocities (objectives meanflow and shortcut), in few steps of
those: --solver interval --steps 1.

The file's ending says what is written: .csv with the names of the columns, .npy
(float64, [N, D]) or a .png picture. Values are in the units of the data; images
span [-1, 1]. With --logp the log-density of each sample (nats) comes from the
same solve: a last column logp of a .csv, beside NAME.npy a file NAME.logp.npy.
Samples of a conditional model come with their labels likewise; without --label
they take every class in turn.`,
		Example: `  flowmatch sample runs/first --n 1000 --out samples.csv
  flowmatch sample runs/first --n 1000 --solver euler --steps 100 --seed 7 --out samples.npy
  flowmatch sample runs/first --n 1000 --rtol 1e-6 --atol 1e-6 --logp --out samples.csv
  flowmatch sample runs/digits --n 64 --label 3 --out threes.png`,
		Args: arguments("DIR"),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.sample(cmd, args[0], f)
		}),
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.IntVar(&f.n, "n", 0, "number of samples")
	fl.IntVar(&f.label, "label", 0, "class of all samples, of a conditional model (default: every class in turn)")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the noise (default: that of the run)")
	fl.BoolVar(&f.logp, "logp", false, "write the log-density of each sample too")
	fl.StringVar(&f.out, "out", "", "file to write: .csv, .npy or .png")
	require(cmd, "n", "out")
	return cmd
}

func (a *app) sample(cmd *cobra.Command, dir string, f sampleFlags) (result, error) {
	ext, err := extension("--out", f.out, ".csv", ".npy", ".png")
	if err != nil {
		return nil, err
	}
	if f.n < 1 {
		return nil, usagef("--n is %d; it must be at least 1", f.n)
	}
	if f.logp && ext == ".png" {
		return nil, usagef("--logp needs a file of numbers, .csv or .npy, and %q is a picture", f.out)
	}
	r, err := f.open(cmd, dir)
	if err != nil {
		return nil, err
	}
	if !cmd.Flags().Changed("seed") {
		f.seed = r.Config.Seed
	}
	o, err := r.Config.Eval.Sampling()
	if err != nil {
		return nil, err
	}
	if err := r.HasDensity(); f.logp && err != nil {
		return nil, err
	}
	o.N, o.Seed, o.LogProb = f.n, f.seed, f.logp
	if o.Label, err = labels(cmd, r, f.label, f.n, r.Labels(f.n)); err != nil {
		return nil, err
	}
	if o.Divergence, err = r.Config.Eval.DivergenceFor(r.Data.Dim, f.seed); err != nil {
		return nil, err
	}
	a.status("drawing %d samples", f.n)
	start := time.Now()
	s, err := r.Model.Sample(cmd.Context(), o)
	if err != nil {
		return nil, err
	}
	res := sampleResult{
		Run: r.Dir, N: s.X.N, Dim: s.X.D, Seed: f.seed, Solver: run.SamplingName(o), NFE: s.Stats.NFE,
		Seconds: time.Since(start).Seconds(), Backend: r.Model.Net.Engine().Name(),
	}
	if f.logp {
		mean := 0.0
		for _, v := range s.LogP {
			mean += v / float64(len(s.LogP))
		}
		res.MeanLogP, res.Divergence = &mean, run.DivergenceName(o.Divergence)
	}
	res.Files, err = writeSamples(r, f.out, ext, s, o.Label)
	return res, err
}

// column is one number for each point, beside its coordinates.
type column struct {
	name   string
	values []float64
}

// writeSamples writes what the ending of file asks for and returns the files.
func writeSamples(r *run.Run, file, ext string, s model.Samples, label []int32) ([]string, error) {
	var extra []column
	if label != nil {
		values := make([]float64, len(label))
		for i, l := range label {
			values[i] = float64(l)
		}
		extra = append(extra, column{"label", values})
	}
	if s.LogP != nil {
		extra = append(extra, column{"logp", s.LogP})
	}
	switch ext {
	case ".png":
		return []string{file}, atomicfile.WriteFile(file, func(w io.Writer) error { return r.DrawPoints(w, s.X) })
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
