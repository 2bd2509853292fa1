package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/classify"
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
	if j.Accuracy != nil {
		fmt.Fprintf(w, "classifier\t%.2f %% right on held-out images; samples at guidance %g, NFE %d\n", 100**j.Accuracy, j.Guidance, j.NFE)
	} else {
		fmt.Fprintf(w, "features\t%s; %d samples at guidance %g, NFE %d\n", j.Extractor, j.Samples, j.Guidance, j.NFE)
	}
	if j.Agreement != nil {
		fmt.Fprintf(w, "  agreement\t%.2f %% of %d samples are of the class asked for\n", 100**j.Agreement, j.Samples)
	}
	fmt.Fprintf(w, "  FID\t%.3f over its features (training images: %.3f)\n", j.FID, j.FIDData)
	if j.FIDReference != nil {
		fmt.Fprintf(w, "  FID to the reference\t%.3f, %s\n", *j.FIDReference, j.Reference)
	}
	fmt.Fprintf(w, "  KID\t%.5f ± %.5f\n", j.KID, j.KIDStd)
	if j.InceptionScore != nil {
		fmt.Fprintf(w, "  inception score\t%.3f\n", *j.InceptionScore)
	}
	fmt.Fprintf(w, "  precision, recall\t%.3f, %.3f\n", j.Precision, j.Recall)
}

// judgeFlags say who judges samples of images.
type judgeFlags struct {
	classifier, features, reference string
	options                         classify.ExtractorOptions
	guidance                        float64
}

func (f *judgeFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.classifier, "classifier", "", "file of flowmatch classifier, to judge samples of images with")
	fl.Float64Var(&f.guidance, "guidance", 1, "scale of guidance of the samples judged (1: none)")
	fl.StringVar(&f.features, "features", "", "ONNX file of a network of images [N, C, H, W], whose features samples are compared over, as Inception's")
	fl.StringVar(&f.options.Range, "features-range", "", "pixels that it expects: "+strings.Join(classify.Ranges(), ", ")+" (default 0..1)")
	fl.StringVar(&f.options.Features, "features-output", "", "value of the file that is the features (default: its first output)")
	fl.StringVar(&f.options.Classes, "features-classes", "", "value that is logits or probabilities, for the inception score (default: its second output, if any)")
	fl.StringVar(&f.reference, "reference", "", "file of statistics of the same features to compare with as well, such as eval keeps in a run's folder (*.stats)")
	cmd.MarkFlagsMutuallyExclusive("classifier", "features")
}

// check reports flags that do not go together.
func (f *judgeFlags) check(cmd *cobra.Command, r *run.Run) error {
	set := cmd.Flags().Changed
	judged := f.classifier != "" || f.features != ""
	for _, name := range []string{"features-range", "features-output", "features-classes"} {
		if set(name) && f.features == "" {
			return usagef("--%s goes with --features", name)
		}
	}
	switch {
	case set("guidance") && (!judged || r.Config.Train.LabelDropout == 0):
		return usagef("--guidance goes with --classifier or --features, and with a run that was trained with train.label_dropout")
	case set("reference") && !judged:
		return usagef("--reference goes with --classifier or --features")
	}
	return nil
}

// judge has samples of a run judged, if that was asked for.
func (f *judgeFlags) judge(ctx context.Context, r *run.Run) (*run.Judgement, error) {
	o := run.JudgeOptions{Guidance: f.guidance}
	if f.reference != "" {
		s, err := run.ReadStatistics(f.reference)
		if err != nil {
			return nil, err
		}
		o.Reference = &s
	}
	eng := r.Model.Net.Engine()
	switch {
	case f.classifier != "":
		c, err := model.LoadClassifier(f.classifier, eng)
		if err != nil {
			return nil, err
		}
		return r.Judge(ctx, c, o)
	case f.features != "":
		e, err := classify.OpenExtractor(f.features, eng, r.Data.Image(), f.options)
		if err != nil {
			return nil, asUsage(err, classify.ErrExtractor)
		}
		return r.Compare(ctx, e, o)
	}
	return nil, nil
}

// evalFlags say what is measured, and on how much.
type evalFlags struct {
	runFlags
	judgeFlags
	only                           []string
	test, samples, dequantizations int
}

func (f *evalFlags) add(cmd *cobra.Command) {
	f.runFlags.add(cmd)
	f.judgeFlags.add(cmd)
	fl := cmd.Flags()
	fl.StringSliceVar(&f.only, "only", nil, "measure these parts: likelihood, samples, judgement (default all that apply)")
	fl.IntVar(&f.test, "test", 0, "held-out points for the likelihood (default: that of the run file)")
	fl.IntVar(&f.samples, "samples", 0, "samples to measure and to judge (default: that of the run file)")
	fl.IntVar(&f.dequantizations, "dequantizations", 0, "samples of noise of each image for bits per dimension (default: that of the run file)")
}

// open opens the run, with the sizes of the flags.
func (f *evalFlags) open(cmd *cobra.Command, dir string) (*run.Run, error) {
	r, err := f.runFlags.open(cmd, dir)
	if err != nil {
		return nil, err
	}
	e := &r.Config.Eval
	for _, size := range []struct {
		name    string
		v, into *int
	}{{"test", &f.test, &e.Test}, {"samples", &f.samples, &e.Samples}, {"dequantizations", &f.dequantizations, &e.Dequantizations}} {
		if !cmd.Flags().Changed(size.name) {
			continue
		}
		if *size.v < 1 {
			return nil, usagef("--%s is %d; it must be at least 1", size.name, *size.v)
		}
		*size.into = *size.v
	}
	if err := f.check(cmd, r); err != nil {
		return nil, err
	}
	return r, f.checkOnly(f.only)
}

func (a *app) evalCommand() *cobra.Command {
	var f evalFlags
	cmd := &cobra.Command{
		Use:   "eval DIR",
		Short: "Measure a trained run: likelihood, distances to the data, paths",
		Long: `Measure everything that applies on the held-out points of a trained run, and
tell the solver, the number of evaluations (NFE), the seed and the data with it.

Samples of images are judged by a classifier of ours (--classifier) or over the
features of any network in an ONNX file (--features), such as Inception. Statistics
of the features of held-out and training images are kept in the run's folder, with
the extractor and the split named inside, and made anew when either changes.`,
		Example: `  flowmatch eval runs/first
  flowmatch eval runs/first --json
  flowmatch eval runs/first --solver dopri5 --rtol 1e-7 --atol 1e-7
  flowmatch eval runs/digits --classifier runs/classifier.safetensors --guidance 1.5
  flowmatch eval runs/digits --classifier runs/classifier.safetensors --only judgement --solver euler --steps 10
  flowmatch eval runs/digits --only likelihood --test 100 --dequantizations 5
  flowmatch eval runs/digits --features inception.onnx --features-range -1..1`,
		Args: arguments("DIR"),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			r, err := f.open(cmd, args[0])
			if err != nil {
				return nil, err
			}
			a.status("evaluating %s", r.Dir)
			r.Watch = a.watch
			rep, err := r.Evaluate(cmd.Context(), f.only...)
			if err == nil && (f.only == nil || slices.Contains(f.only, partJudgement)) {
				rep.Judgement, err = f.judge(cmd.Context(), r)
			}
			return evalResult{rep}, err
		}),
	}
	f.add(cmd)
	return cmd
}

// partJudgement is the part of an evaluation that --classifier and --features add.
const partJudgement = "judgement"

// checkOnly reports parts that there are not, or that lack what they need.
func (f *judgeFlags) checkOnly(only []string) error {
	for _, part := range only {
		switch part {
		case run.PartLikelihood, run.PartSamples:
		case partJudgement:
			if f.classifier == "" && f.features == "" {
				return usagef("--only judgement needs --classifier FILE or --features FILE")
			}
		default:
			return usagef("--only %q; the parts are %s, %s and %s", part, run.PartLikelihood, run.PartSamples, partJudgement)
		}
	}
	return nil
}
