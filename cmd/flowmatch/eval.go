package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"flowmatch/model"
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
	if r.Judgement != nil {
		judgementText(w, r.Judgement)
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

func judgementText(w io.Writer, j *run.Judgement) {
	fmt.Fprintf(w, "classifier\t%.2f %% right on held-out images; samples at guidance %g, NFE %d\n", 100*j.Accuracy, j.Guidance, j.NFE)
	if j.Agreement != nil {
		fmt.Fprintf(w, "  agreement\t%.2f %% of %d samples are of the class asked for\n", 100**j.Agreement, j.Samples)
	}
	fmt.Fprintf(w, "  FID\t%.3f over its features (training images: %.3f)\n", j.FID, j.FIDData)
	fmt.Fprintf(w, "  KID\t%.5f ± %.5f\n", j.KID, j.KIDStd)
	fmt.Fprintf(w, "  inception score\t%.3f\n", j.InceptionScore)
	fmt.Fprintf(w, "  precision, recall\t%.3f, %.3f\n", j.Precision, j.Recall)
}

func (a *app) evalCommand() *cobra.Command {
	var f runFlags
	var classifier string
	guidance := 1.0
	cmd := &cobra.Command{
		Use:   "eval DIR",
		Short: "Measure a trained run: likelihood, distances to the data, paths",
		Long: `Measure everything that applies on the held-out points of a trained run, and
tell the solver, the number of evaluations (NFE), the seed and the data with it.`,
		Example: `  flowmatch eval runs/first
  flowmatch eval runs/first --json
  flowmatch eval runs/first --solver dopri5 --rtol 1e-7 --atol 1e-7
  flowmatch eval runs/digits --classifier runs/classifier.safetensors --guidance 1.5`,
		Args: arguments("DIR"),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			r, err := f.open(cmd, args[0])
			if err != nil {
				return nil, err
			}
			if cmd.Flags().Changed("guidance") && (classifier == "" || r.Config.Train.LabelDropout == 0) {
				return nil, usagef("--guidance goes with --classifier, and with a run that was trained with train.label_dropout")
			}
			a.status("evaluating %s", r.Dir)
			r.Watch = a.watch
			rep, err := r.Evaluate(cmd.Context())
			if err == nil && classifier != "" {
				rep.Judgement, err = judge(cmd.Context(), r, classifier, guidance)
			}
			return evalResult{rep}, err
		}),
	}
	f.add(cmd)
	cmd.Flags().StringVar(&classifier, "classifier", "", "file of flowmatch classifier, to judge samples of images with")
	cmd.Flags().Float64Var(&guidance, "guidance", 1, "scale of guidance of the samples judged (1: none)")
	return cmd
}

// judge has the classifier in a file judge samples of a run.
func judge(ctx context.Context, r *run.Run, file string, guidance float64) (*run.Judgement, error) {
	c, err := model.LoadClassifier(file, r.Model.Net.Engine())
	if err != nil {
		return nil, err
	}
	return r.Judge(ctx, c, guidance)
}
