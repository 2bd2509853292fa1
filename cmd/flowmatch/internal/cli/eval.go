package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/classify"
	"flowmatch/cluster"
	"flowmatch/eval"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/report"
	"flowmatch/run"
)

// oldFeatures is the name that eval.PartFeatures had in --only, which is still read.
const oldFeatures = "judgement"

// featureFlags say what network samples of images are compared by.
type featureFlags struct {
	classifier, features, reference string
	options                         classify.ExtractorOptions
	guidance                        float64
}

func (f *featureFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.classifier, "classifier", "", "file of flowmatch classifier, which evaluates samples of images")
	fl.Float64Var(&f.guidance, "guidance", 1,
		"scale of guidance of the samples that --classifier or --features see (1: none)")
	fl.StringVar(&f.features, "features", "",
		"ONNX file of a network for images [N, C, H, W], such as Inception, whose features compare the samples")
	fl.StringVar(&f.options.Range, "features-range", "",
		"range of the pixels that it expects: "+strings.Join(classify.Ranges(), ", ")+" (default 0..1)")
	fl.StringVar(&f.options.Features, "features-output", "",
		"value of the file that is the features (default: its first output)")
	fl.StringVar(&f.options.Classes, "features-classes", "",
		"value that is logits or probabilities, for the inception score (default: its second output, if any)")
	fl.StringVar(&f.reference, "reference", "",
		"file of statistics of the same features to compare with as well, "+
			"such as eval keeps in a run's folder (*.stats)")
	cmd.MarkFlagsMutuallyExclusive("classifier", "features")
	complete(cmd, "features-range", classify.Ranges()...)
	completeFiles(cmd, "classifier", "safetensors")
	completeFiles(cmd, "features", "onnx")
	completeFiles(cmd, "reference", "stats")
}

// asked says whether samples are compared by a network.
func (f *featureFlags) asked() bool { return f.classifier != "" || f.features != "" }

// check reports flags that do not go together.
func (f *featureFlags) check(cmd *cobra.Command) error {
	set := cmd.Flags().Changed
	for _, name := range []string{"features-range", "features-output", "features-classes"} {
		if set(name) && f.features == "" {
			return usagef("--%s needs --features", name)
		}
	}
	switch {
	case set("guidance") && !f.asked():
		return usagef(
			"--guidance needs --classifier or --features, and a run trained with train.label_dropout")
	case set("reference") && !f.asked():
		return usagef("--reference needs --classifier or --features")
	}
	return checkScale(f.guidance)
}

// checkGuidance reports guidance that the run has no use for.
func (f *featureFlags) checkGuidance(cmd *cobra.Command, r *run.Run) error {
	switch {
	case !cmd.Flags().Changed("guidance"):
		return nil
	case r.Config.Train.LabelDropout == 0:
		return usagef("--guidance needs a run that was trained with train.label_dropout, and %s was not", r.Dir)
	case r.Config.Eval.Solve.Solver == eval.Average:
		return usagef("--guidance is for ODE solvers: the average velocity cannot be guided; give --solver")
	}
	return nil
}

// measure compares samples by a network.
type measure func(ctx context.Context, s eval.Subject) (*eval.FeatureReport, error)

// open reads the files that the flags name and returns what compares by them.
func (f *featureFlags) open(cmd *cobra.Command, r *run.Run) (measure, error) {
	var o eval.FeatureOptions
	if cmd.Flags().Changed("guidance") {
		o.Guidance = &f.guidance
	}
	if f.reference != "" {
		s, err := eval.ReadStatistics(f.reference)
		if err != nil {
			return nil, err
		}
		o.Reference = &s
	}
	eng := r.Model.Net().Engine()
	if f.classifier != "" {
		c, err := model.LoadClassifier(f.classifier, eng)
		return func(ctx context.Context, s eval.Subject) (*eval.FeatureReport,
			error) {
			return s.Classify(ctx, c, o)
		}, err
	}
	e, err := classify.OpenExtractor(f.features, eng, r.Model.Spec().Image(), f.options)
	return func(ctx context.Context, s eval.Subject) (*eval.FeatureReport, error) { return s.Compare(ctx, e, o) },
		asUsage(err, classify.ErrExtractor)
}

// evalFlags say what is measured, and on how much.
type evalFlags struct {
	runFlags
	featureFlags
	only                     []string
	html, target             string
	test                     count
	samples, dequantizations int
	draws                    int
}

func (f *evalFlags) add(cmd *cobra.Command) {
	f.runFlags.add(cmd, eval.Solvers())
	f.featureFlags.add(cmd)
	fl := cmd.Flags()
	fl.StringSliceVar(&f.only, "only", nil,
		"measure these parts: "+strings.Join(eval.Parts(), ", ")+" (default all that apply)")
	fl.Var(&f.test, "test", "held-out points for the likelihood, or all (default: that of the run file,\n"+
		"else as many as take a minute)")
	fl.IntVar(&f.samples, "samples", 0,
		"samples to measure and to compare by features (default: that of the run file;\n"+
			"of 2000, the default there, as many as take half a minute)")
	fl.IntVar(&f.dequantizations, "dequantizations", 0,
		"samples of noise of each image for bits per dimension (default: that of the run file)")
	fl.IntVar(&f.draws, "draws", 0, drawsUsage)
	fl.StringVar(&f.html, "html", "",
		"write a report with pictures into this .html file, which opens without a network")
	fl.StringVar(&f.target, "target", "",
		"column that the part efficacy predicts from the others (default: the label, else the last column)")
	complete(cmd, "only", eval.Parts()...)
	completeFiles(cmd, "html", "html")
}

// partFlags are the flags that have an effect on some parts only.
var partFlags = []struct {
	flags, parts []string
}{
	{[]string{"test", "dequantizations"}, []string{eval.PartLikelihood}},
	{[]string{"samples"}, []string{eval.PartSamples, eval.PartC2ST, eval.PartFeatures, eval.PartMarginals,
		eval.PartCorrelations, eval.PartForest, eval.PartClosest, eval.PartEfficacy}},
	{[]string{"target"}, []string{eval.PartEfficacy}},
	{[]string{"classifier", "features", "reference", "guidance"}, []string{eval.PartFeatures}},
}

// check reports what is wrong with the flags whatever the run is, and returns what is
// solved for.
func (f *evalFlags) check(cmd *cobra.Command) (use, error) {
	for i, part := range f.only {
		if part == oldFeatures {
			f.only[i] = eval.PartFeatures
		} else if !slices.Contains(eval.Parts(), part) {
			return 0, usagef("--only: %w", choice.Check("part", part, eval.Parts()))
		}
	}
	if err := f.featureFlags.check(cmd); err != nil {
		return 0, err
	}
	if slices.Contains(f.only, eval.PartFeatures) && !f.asked() {
		return 0, usagef("--only %s needs --classifier FILE or --features FILE", eval.PartFeatures)
	}
	for _, p := range partFlags {
		if !slices.ContainsFunc(p.parts, f.wants) {
			if err := exclude(cmd, "on --only "+strings.Join(f.only, ","), p.flags...); err != nil {
				return 0, err
			}
		}
	}
	for _, size := range f.sizes(&eval.Settings{}) {
		if cmd.Flags().Changed(size.flag) && size.v < 1 && size.v != int(allOf) {
			return 0, usagef("--%s is %d; it must be at least 1", size.flag, size.v)
		}
	}
	samples := slices.ContainsFunc(eval.Parts(), func(part string) bool {
		return part != eval.PartLikelihood && f.wants(part)
	})
	if f.html != "" {
		if _, err := extension("--html", f.html, ".html"); err != nil {
			return 0, usageError{err}
		}
		if err := writable("--html", f.html); err != nil {
			return 0, err
		}
	}
	switch {
	case samples && f.wants(eval.PartLikelihood):
		return useBoth, nil
	case samples:
		return useSamples, nil
	}
	return useODE, nil
}

// wants says whether a part is measured.
func (f *evalFlags) wants(part string) bool { return len(f.only) == 0 || slices.Contains(f.only, part) }

// size is a flag, its value and the setting that it replaces.
type size struct {
	flag string
	v    int
	into *int
}

func (f *evalFlags) sizes(s *eval.Settings) []size {
	return []size{{"test", int(f.test), &s.Test}, {"samples", f.samples, &s.Samples},
		{"dequantizations", f.dequantizations, &s.Dequantizations}}
}

// open opens the run, with the settings of the flags.
func (f *evalFlags) open(cmd *cobra.Command, dir string) (*run.Run, error) {
	u, err := f.check(cmd)
	if err != nil {
		return nil, err
	}
	r, err := f.runFlags.open(cmd, dir, u)
	if err != nil {
		return nil, err
	}
	for _, size := range f.sizes(&r.Config.Eval) {
		if cmd.Flags().Changed(size.flag) {
			*size.into = max(0, size.v)
		}
	}
	if len(f.only) == 0 && r.Model.HasDensity() != nil {
		if err := exclude(cmd, "on a run without a density", "test", "dequantizations"); err != nil {
			return nil, err
		}
	}
	if f.html != "" {
		if err := sparesData(f.html, r.Config); err != nil {
			return nil, err
		}
	}
	if cmd.Flags().Changed("dequantizations") && r.Model.Spec().BinWidth == 0 {
		return nil, usagef("--dequantizations is for images of bytes, and %s is a run of other data", dir)
	}
	return r, f.checkGuidance(cmd, r)
}

// evalLong is what the help says of the command.
const evalLong = `Measure a trained run on its held-out points, and report the solver, the number of
function evaluations (NFE), the seed and the data. Parts that do not apply are left out.

A classifier two-sample test (C2ST) compares samples of tables and planes with held-out
points. It reports how often a cross-validated perceptron tells them apart, as sbibm does:
0.5 is perfect, 1 is the worst. By default it is measured for up to 10000 samples with up to
16 numbers each, labels and contexts included. For more, ask for it by --only c2st.

Of a file of rows it reports how far columns (marginals) and their correlations are from those
of the data, whether a random forest tells samples from held-out rows (forest), whether
samples are copies of rows that were trained on (closest), and what they are worth for
learning (efficacy): forests trained on data and on samples predict one column, --target, of
held-out rows. All take up to --samples rows, drawn at random.

--html writes the figures and pictures of data and samples into one file: marginals,
correlations, missing values, densities, grids of images, the loss and the settings.

Of a table with a context (data.context), it also reports the calibration of posteriors:
the ranks of held-out points among 100 samples given the same context (SBC), and the
coverage of these samples (TARP). plot --kind calibration draws both.

Samples of images are evaluated by a classifier (--classifier) or by the features of
any network in an ONNX file (--features), such as Inception. Statistics of the features
of held-out and training images are kept in the run folder. They name the extractor
and the split, and are computed again when either changes.

The likelihood is of all held-out points, if that takes no more than a minute. Else it is of
as many as do, drawn at random, and their number is told: --test with it gives the same
figures on any machine, and --test all takes all. Samples are chosen likewise, in half a
minute, unless --samples or the run file says how many.

Every likelihood is checked. Some points are solved for again with a finer solver, and
over times that stop earlier where the velocity is singular. If this changes the figure
by more than its standard error, or if a few points decide it, the report says that the
figure is not to be trusted, why, and what would help.

Of a run of tokens the figure is the ELBO of held-out text, a bound of its log-probability,
in bits a token and a character (--test sequences, --draws).

If a part cannot be measured, the others are still reported; the exit code is then 1.`

func (a *app) evalCommand() *cobra.Command {
	var f evalFlags
	cmd := &cobra.Command{
		Use:   "eval DIR",
		Short: "Measure a trained run: likelihood, distances to the data, paths",
		Long:  evalLong,
		Example: `  flowmatch eval runs/first
  flowmatch eval runs/first --json
  flowmatch eval runs/text --test 500 --draws 32
  flowmatch eval runs/people --html report.html --target income
  flowmatch eval runs/people --only closest,efficacy --samples 5000
  flowmatch eval runs/first --solver dopri5 --rtol 1e-7 --atol 1e-7
  flowmatch eval runs/first --only c2st --samples 10000
  flowmatch eval runs/posterior --only calibration
  flowmatch eval runs/digits --classifier runs/classifier.safetensors --guidance 1.5
  flowmatch eval runs/digits --classifier runs/classifier.safetensors --only features --solver euler --steps 10
  flowmatch eval runs/digits --only likelihood --test 100 --dequantizations 5
  flowmatch eval runs/digits --features inception.onnx --features-range -1..1`,
		Args:              arguments("DIR"),
		ValidArgsFunction: folderArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			if run.IsTokens(args[0]) {
				return a.evalTokens(cmd, args[0], f)
			}
			if err := pointsOnly(cmd, args[0]); err != nil {
				return nil, err
			}
			return a.eval(cmd, args[0], f)
		}),
	}
	f.add(cmd)
	return cmd
}

func (a *app) eval(cmd *cobra.Command, dir string, f evalFlags) (result, error) {
	r, err := f.open(cmd, dir)
	if err != nil {
		return nil, err
	}
	var byFeatures measure
	if f.asked() {
		if byFeatures, err = f.featureFlags.open(cmd, r); err != nil {
			return nil, err
		}
	}
	a.status("evaluating %s", r.Dir)
	r.Watch, r.Reading = a.watch, a.reading()
	s, err := r.Subject(true)
	if err != nil {
		return nil, err
	}
	if err := f.checkTarget(cmd, &s); err != nil {
		return nil, err
	}
	if s.Model, s.Budget = s.Model.Together(a.ranks), f.budget(cmd, a, r); a.follows() {
		s.Cache = "" // rank 0 writes
	}
	rep, err := s.Report(cmd.Context(), f.only...)
	if err != nil && !errors.Is(err, eval.ErrNoPoints) && !errors.As(err, new(*eval.PartError)) {
		return nil, err
	}
	if errors.Is(err, eval.ErrNoPoints) {
		rep.Warnings = append(rep.Warnings,
			"no points are held out, so there is nothing to compare with new points; see data.test of the run file")
		if !errors.As(err, new(*eval.PartError)) {
			err = nil
		}
		byFeatures = nil
	}
	rep.Warnings = append(rep.Warnings, f.short(cmd, rep)...)
	if byFeatures != nil && cmd.Context().Err() == nil {
		var failure error
		rep.Features, failure = byFeatures(cmd.Context(), s)
		err = errors.Join(err, rep.Lacks(failure))
	}
	if len(report.Sections(rep)) == 1 && cmd.Context().Err() != nil { // nothing was measured
		return evalResult{Report: rep}, err
	}
	if a.follows() {
		return silent{}, nil
	}
	res := evalResult{Report: rep, HTML: f.html}
	if f.html != "" {
		a.status("drawing %s", f.html)
		write := func(w io.Writer) error { return report.Page{Run: r, Report: rep}.Write(cmd.Context(), w) }
		if err := atomicfile.WriteFile(f.html, write); err != nil {
			return evalResult{Report: rep}, err
		}
	}
	if err != nil {
		return res, partial{err}
	}
	return res, nil
}

// likelihoodTime and samplesTime are how long what nobody gave a number of may take.
const likelihoodTime, samplesTime = time.Minute, 30 * time.Second

// budget is for what neither the flags nor the run file say how much of is measured.
func (f *evalFlags) budget(cmd *cobra.Command, a *app, r *run.Run) eval.Budget {
	b := eval.Budget{Agree: a.agreed()}
	if !cmd.Flags().Changed("test") {
		b.Likelihood = likelihoodTime
	}
	usual := eval.Settings{}.Defaults().Samples
	if !cmd.Flags().Changed("samples") && r.Config.Eval.Samples == usual {
		b.Samples = samplesTime
	}
	return b
}

// agreed returns what makes a number that of rank 0; nil in one process.
func (a *app) agreed() func(float64) (float64, error) {
	if a.ranks.Size() == 1 {
		return nil
	}
	return func(v float64) (float64, error) {
		all := []float64{v}
		err := cluster.Broadcast(a.ranks, all, 0)
		return all[0], err
	}
}

// checkTarget sets the column of --target, or reports one that there is not.
func (f *evalFlags) checkTarget(cmd *cobra.Command, s *eval.Subject) error {
	if !cmd.Flags().Changed("target") {
		return nil
	}
	if s.Model.Spec().Image() != nil {
		return usagef("--target is for tables, and %s is a run of images", s.Name)
	}
	if err := choice.Check("column", f.target, s.RowNames()); err != nil {
		return usagef("--target: %w", err)
	}
	s.Target = f.target
	return nil
}

// short says where fewer points are held out than were asked for.
func (f *evalFlags) short(cmd *cobra.Command, rep eval.Report) (warnings []string) {
	add := func(flag string, asked, measured int) {
		if cmd.Flags().Changed(flag) && measured < asked {
			warnings = append(warnings, fmt.Sprintf("--%s is %d, but only %d points are held out; "+
				"see data.test of the run file", flag, asked, measured))
		}
	}
	if l := rep.Likelihood; l != nil {
		add("test", int(f.test), l.Points)
	}
	if q := rep.Samples; q != nil {
		add("samples", f.samples, q.Points)
	} else if c := rep.C2ST; c != nil {
		add("samples", f.samples, c.Points)
	}
	return warnings
}
