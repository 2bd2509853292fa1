package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"flowmatch/model"
	"flowmatch/run"
)

type evalResult struct{ run.Report }

func (r evalResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s, step %d\n", r.Run, r.Step)
	fmt.Fprintf(w, "data\t%s\n", r.Data)
	fmt.Fprintf(w, "solver\t%s\n", r.Solver)
	if c := r.Condition; c != nil {
		fmt.Fprintf(w, "condition\t%s: densities are of images given it\n", c)
	}
	fmt.Fprintf(w, "seed\t%d\n", r.Seed)
	fmt.Fprintf(w, "backend\t%s\n", r.Backend)
	if r.Likelihood == nil && r.Samples == nil && r.Judgement == nil {
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
		if q.Restoration != nil {
			restorationText(w, q.Restoration)
		}
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

func restorationText(w io.Writer, p *run.Restoration) {
	fmt.Fprintf(w, "restoration\t%d images beside their originals\n", p.Images)
	fmt.Fprintf(w, "  PSNR\t%.2f dB (input: %.2f dB)\n", p.PSNR, p.InputPSNR)
	if p.SSIM != nil && p.InputSSIM != nil {
		fmt.Fprintf(w, "  SSIM\t%.4f (input: %.4f)\n", *p.SSIM, *p.InputSSIM)
	}
	if p.Consistency != nil {
		fmt.Fprintf(w, "  consistency\t%.2f dB, of the samples made small beside what they were made of\n", *p.Consistency)
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
	var only []string
	guidance := 1.0
	cmd := &cobra.Command{
		Use:   "eval DIR",
		Short: "Measure a trained run: likelihood, distances to the data, paths",
		Long: `Measure everything that applies on the held-out points of a trained run, and
tell the solver, the number of evaluations (NFE), the seed and the data with it.`,
		Example: `  flowmatch eval runs/first
  flowmatch eval runs/first --json
  flowmatch eval runs/first --solver dopri5 --rtol 1e-7 --atol 1e-7
  flowmatch eval runs/digits --classifier runs/classifier.safetensors --guidance 1.5
  flowmatch eval runs/digits --classifier runs/classifier.safetensors --only classifier --solver euler --steps 10`,
		Args: arguments("DIR"),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			r, err := f.open(cmd, args[0])
			if err != nil {
				return nil, err
			}
			if cmd.Flags().Changed("guidance") && (classifier == "" || r.Config.Train.LabelDropout == 0) {
				return nil, usagef("--guidance goes with --classifier, and with a run that was trained with train.label_dropout")
			}
			if err := checkOnly(only, classifier); err != nil {
				return nil, err
			}
			a.status("evaluating %s", r.Dir)
			r.Watch = a.watch
			rep, err := r.Evaluate(cmd.Context(), only...)
			if err == nil && classifier != "" && (only == nil || slices.Contains(only, partClassifier)) {
				rep.Judgement, err = judge(cmd.Context(), r, classifier, guidance)
			}
			return evalResult{rep}, err
		}),
	}
	f.add(cmd)
	cmd.Flags().StringSliceVar(&only, "only", nil, "measure these parts: likelihood, samples, classifier (default all that apply)")
	cmd.Flags().StringVar(&classifier, "classifier", "", "file of flowmatch classifier, to judge samples of images with")
	cmd.Flags().Float64Var(&guidance, "guidance", 1, "scale of guidance of the samples judged (1: none)")
	return cmd
}

// partClassifier is the part of an evaluation that --classifier adds.
const partClassifier = "classifier"

// checkOnly reports parts that there are not, or that lack what they need.
func checkOnly(only []string, classifier string) error {
	for _, part := range only {
		switch part {
		case run.PartLikelihood, run.PartSamples:
		case partClassifier:
			if classifier == "" {
				return usagef("--only classifier needs --classifier FILE")
			}
		default:
			return usagef("--only %q; the parts are %s, %s and %s", part, run.PartLikelihood, run.PartSamples, partClassifier)
		}
	}
	return nil
}

// judge has the classifier in a file judge samples of a run.
func judge(ctx context.Context, r *run.Run, file string, guidance float64) (*run.Judgement, error) {
	c, err := model.LoadClassifier(file, r.Model.Net.Engine())
	if err != nil {
		return nil, err
	}
	return r.Judge(ctx, c, guidance)
}
