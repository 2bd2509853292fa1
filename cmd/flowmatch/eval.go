package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"flowmatch/run"
)

type evalResult struct{ run.Report }

func (r evalResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s, step %d\n", r.Run, r.Step)
	fmt.Fprintf(w, "data\t%s\n", r.Data)
	fmt.Fprintf(w, "solver\t%s\n", r.Solver)
	fmt.Fprintf(w, "seed\t%d\n", r.Seed)
	fmt.Fprintf(w, "backend\t%s\n", r.Backend)
	if r.Likelihood == nil && r.Samples == nil {
		fmt.Fprintln(w, "no points are held out, so there is nothing to measure on; see data.test of the run file")
	}
	if r.Likelihood != nil {
		likelihoodText(w, r.Likelihood)
	}
	if q := r.Samples; q != nil {
		fmt.Fprintf(w, "samples\t%d against as many held-out points, NFE %d\n", q.Points, q.NFE)
		fmt.Fprintf(w, "  W2\t%.4f\n", q.W2)
		fmt.Fprintf(w, "  sliced W2\t%.4f\n", q.SlicedW2)
		fmt.Fprintf(w, "  MMD\t%.5f\n", q.MMD)
		fmt.Fprintf(w, "  path energy\t%.4f\n", q.PathEnergy)
		fmt.Fprintf(w, "  NPE\t%.4f\n", q.NPE)
		fmt.Fprintf(w, "  straightness\t%.4f\n", q.Straightness)
	}
}

func likelihoodText(w io.Writer, l *run.Likelihood) {
	fmt.Fprintf(w, "likelihood\t%d points, divergence %s, NFE %d\n", l.Points, l.Divergence, l.NFE)
	fmt.Fprintf(w, "  NLL\t%.4f ± %.4f nats\n", l.NLL, l.StdErr)
	if l.Optimum != nil && l.Gap != nil {
		fmt.Fprintf(w, "  optimum\t%.4f nats, of the data's own density\n", *l.Optimum)
		fmt.Fprintf(w, "  gap\t%.4f nats\n", *l.Gap)
	}
	for _, b := range l.Dequantizations {
		fmt.Fprintf(w, "  bits per dimension\t%.4f ± %.4f with K = %d samples of dequantisation\n", b.BPD, b.StdErr, b.K)
	}
	if l.BPD != nil && l.Dequantizations == nil {
		fmt.Fprintf(w, "  bits per dimension\t%.4f with K = 1 sample of dequantisation\n", *l.BPD)
	}
}

func (a *app) evalCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "eval DIR",
		Short: "Measure a trained run: likelihood, distances to the data, paths",
		Long: `Measure everything that applies on the held-out points of a trained run, and
tell the solver, the number of evaluations (NFE), the seed and the data with it.`,
		Example: `  flowmatch eval runs/first
  flowmatch eval runs/first --json
  flowmatch eval runs/first --solver dopri5 --rtol 1e-7 --atol 1e-7`,
		Args: arguments("DIR"),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			r, err := f.open(cmd, args[0])
			if err != nil {
				return nil, err
			}
			a.status("evaluating %s", r.Dir)
			rep, err := r.Evaluate(cmd.Context())
			return evalResult{rep}, err
		}),
	}
	f.add(cmd)
	return cmd
}
