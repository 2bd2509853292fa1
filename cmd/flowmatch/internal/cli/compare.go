package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/eval"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/plot"
	"flowmatch/report"
	"flowmatch/run"
)

// comparedRun is a run beside others.
type comparedRun struct {
	Name       string       `json:"name"`
	Run        string       `json:"run"`
	Parameters int          `json:"parameters"`
	Training   run.Training `json:"training"`
	Report     *eval.Report `json:"report,omitempty"`
	Failed     string       `json:"failed,omitempty"` // what could not be measured, and why
}

type compareResult struct {
	Runs     []comparedRun `json:"runs"`
	Settings []run.Setting `json:"settings"` // in which the runs differ
	Notes    []string      `json:"notes,omitempty"`
	Picture  string        `json:"picture,omitempty"`
}

func (c compareResult) text(w io.Writer) {
	row := func(title string, cell func(r comparedRun) string) {
		cells := make([]string, len(c.Runs))
		for i, r := range c.Runs {
			cells[i] = cell(r)
		}
		if slices.ContainsFunc(cells, func(s string) bool { return s != "" }) {
			fmt.Fprintf(w, "%s\t%s\n", title, strings.Join(cells, "\t"))
		}
	}
	row("run", func(r comparedRun) string { return r.Name })
	for _, s := range c.Settings {
		cells := make([]string, len(s.Values))
		for i, v := range s.Values {
			cells[i] = choice.Cut(v)
		}
		fmt.Fprintf(w, "%s\t%s\n", s.Key, strings.Join(cells, "\t"))
	}
	row("parameters", func(r comparedRun) string { return fmt.Sprint(r.Parameters) })
	row("steps", func(r comparedRun) string { return fmt.Sprintf("%d of %d", r.Training.Step, r.Training.Steps) })
	row("seconds of training", func(r comparedRun) string { return fmt.Sprintf("%.1f", r.Training.Seconds) })
	row("loss", func(r comparedRun) string { return fmt.Sprintf("%.5g", r.Training.Loss) })
	row("least validation loss", func(r comparedRun) string { return optional("%.5g", r.Training.ValLoss) })
	for _, m := range comparedFigures {
		row(m.title, func(r comparedRun) string {
			if r.Report == nil {
				return ""
			}
			return m.of(*r.Report)
		})
	}
	for _, note := range c.Notes {
		fmt.Fprintf(w, "note\t%s\n", note)
	}
	for _, r := range c.Runs {
		if r.Failed != "" {
			fmt.Fprintf(w, "not measured\t%s: %s\n", r.Name, r.Failed)
		}
	}
	if c.Picture != "" {
		fmt.Fprintf(w, "picture\t%s\n", c.Picture)
	}
}

// optional formats a figure, if it is there.
func optional(format string, v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf(format, *v)
}

// comparedFigures are the rows of what is measured; "" where a report has not the figure.
var comparedFigures = []struct {
	title string
	of    func(r eval.Report) string
}{
	{"NLL (nats)", ofLikelihood(func(l *eval.Likelihood) string {
		text := fmt.Sprintf("%.4f ± %.4f", l.NLL, l.StdErr)
		if l.Check != nil && !l.Check.Trusted {
			text += " (not to be trusted)"
		}
		return text
	})},
	{"gap to the optimum", ofLikelihood(func(l *eval.Likelihood) string { return optional("%.4f", l.Gap) })},
	{"bits per dimension", ofLikelihood(func(l *eval.Likelihood) string { return optional("%.4f", l.BPD) })},
	{"NFE of a likelihood", ofLikelihood(func(l *eval.Likelihood) string { return fmt.Sprint(l.NFE) })},
	{"W2", ofDistances(func(d *eval.Distances) *float64 { return d.W2 })},
	{"sliced W2", ofDistances(func(d *eval.Distances) *float64 { return d.SlicedW2 })},
	{"MMD", ofDistances(func(d *eval.Distances) *float64 { return d.MMD })},
	{"C2ST", func(r eval.Report) string {
		if r.C2ST == nil {
			return ""
		}
		return fmt.Sprintf("%.4f ± %.4f", r.C2ST.Accuracy, r.C2ST.StdErr)
	}},
	{"W1 of columns", func(r eval.Report) string {
		if r.Marginals == nil {
			return ""
		}
		return optional("%.4f", r.Marginals.W1)
	}},
	{"error of correlations", func(r eval.Report) string {
		if r.Correlations == nil {
			return ""
		}
		return optional("%.4f", r.Correlations.Error)
	}},
	{"C2ST, random forest", func(r eval.Report) string {
		if r.Forest == nil {
			return ""
		}
		return fmt.Sprintf("%.4f ± %.4f", r.Forest.Accuracy, r.Forest.StdErr)
	}},
	{"nearer than held-out rows", func(r eval.Report) string {
		if r.Closest == nil {
			return ""
		}
		return fmt.Sprintf("%.3f ± %.3f", r.Closest.Nearer, r.Closest.NearerStdErr)
	}},
	{"efficacy", func(r eval.Report) string {
		if r.Efficacy == nil {
			return ""
		}
		return report.Score(r.Efficacy.Samples)
	}},
	{"path energy", ofPaths(func(q *eval.Quality) float64 { return q.PathEnergy })},
	{"straightness", ofPaths(func(q *eval.Quality) float64 { return q.Straightness })},
	{"NFE of samples", func(r eval.Report) string {
		if r.Samples == nil || r.Samples.NFE == 0 {
			return ""
		}
		return fmt.Sprint(r.Samples.NFE)
	}},
	{"solver", func(r eval.Report) string { return r.Solver }},
}

func ofLikelihood(text func(l *eval.Likelihood) string) func(eval.Report) string {
	return func(r eval.Report) string {
		if r.Likelihood == nil {
			return ""
		}
		return text(r.Likelihood)
	}
}

func ofDistances(value func(d *eval.Distances) *float64) func(eval.Report) string {
	return func(r eval.Report) string {
		if r.Samples == nil || r.Samples.Distances == nil {
			return ""
		}
		return optional("%.4g", value(r.Samples.Distances))
	}
}

func ofPaths(value func(q *eval.Quality) float64) func(eval.Report) string {
	return func(r eval.Report) string {
		if r.Samples == nil || r.Samples.Paths == nil {
			return ""
		}
		return fmt.Sprintf("%.4g", value(r.Samples))
	}
}

type compareFlags struct {
	out, backend string
	format       plot.Format // of out
	only, set    []string
	noEval       bool
}

func (a *app) compareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare DIR DIR...",
		Short: "Show trained runs side by side",
		Long: `Show trained runs side by side: the settings in which they differ, the results of their
training, and what eval measures for each on its held-out points. A note says which
figures cannot be compared, such as losses of different paths or likelihoods of
different data.`,
		Example: `  flowmatch compare runs/first runs/second
  flowmatch compare runs/first runs/second runs/third --no-eval --out losses.png
  flowmatch compare runs/first runs/second --only likelihood --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("%d runs are given; it needs the folders of two or more to compare", len(args))
			}
			return nil
		},
		ValidArgsFunction: folderArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.compare(cmd.Context(), args, f)
		}),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "file to write: a picture of the losses, .png, .svg or .pdf")
	fl.StringVar(&f.backend, "backend", "", backendUsage+"each run)")
	fl.StringArrayVar(&f.set, "set", nil, "where the data of all runs are, as data.path=FILE (default: as in each "+
		"run; outside of its folder only if the run was made here)")
	fl.StringSliceVar(&f.only, "only", nil,
		"measure these parts: "+strings.Join(comparedParts, ", ")+" (default all that apply)")
	fl.BoolVar(&f.noEval, "no-eval", false, "measure nothing: show only settings and training")
	cmd.MarkFlagsMutuallyExclusive("only", "no-eval")
	complete(cmd, "only", comparedParts...)
	complete(cmd, "backend", backendNames()...)
	completeFiles(cmd, "out", "png", "svg", "pdf")
	return cmd
}

// comparedParts are the parts of an evaluation that need no other file.
var comparedParts = []string{eval.PartLikelihood, eval.PartSamples, eval.PartC2ST, eval.PartMarginals,
	eval.PartCorrelations, eval.PartForest, eval.PartClosest, eval.PartEfficacy}

func (a *app) compare(ctx context.Context, dirs []string, f compareFlags) (result, error) {
	for _, part := range f.only {
		if err := choice.Check("part", part, comparedParts); err != nil {
			return nil, usagef("--only: %w", err)
		}
	}
	if f.out != "" {
		ext, err := extension("--out", f.out, ".png", ".svg", ".pdf")
		if err != nil {
			return nil, err
		}
		f.format = pictureFormat(ext)
		if err := inFolder(f.out); err != nil {
			return nil, err
		}
	}
	if err := checkBackend(f.backend); err != nil {
		return nil, err
	}
	var res compareResult
	runs, configs := make([]*run.Run, len(dirs)), make([]run.Config, len(dirs))
	var err error
	for i, dir := range dirs {
		if runs[i], err = f.open(dir); err != nil {
			return nil, err
		}
		configs[i] = runs[i].Config
	}
	if res.Settings, err = run.Settings(configs); err != nil {
		return nil, err
	}
	res.Notes = run.Incomparable(runs, res.Settings)
	if f.out != "" {
		err := atomicfile.WriteFile(f.out, func(w io.Writer) error {
			return run.DrawLosses(w, runs, plot.Options{Format: f.format})
		})
		if err != nil {
			return nil, err
		}
		res.Picture = f.out
	}
	failed := false
	for i, name := range run.Names(runs) {
		one := comparedRun{Name: name, Run: dirs[i], Parameters: runs[i].Model.Net().NumWeights()}
		if one.Training, err = runs[i].Training(); err != nil {
			return nil, err
		}
		if !f.noEval {
			if err := a.measured(ctx, runs[i], &one, f.only); err != nil {
				return nil, err
			}
			failed = failed || one.Failed != ""
		}
		res.Runs = append(res.Runs, one)
	}
	if failed {
		return res, partial{errors.New("not everything could be measured")}
	}
	return res, nil
}

// open opens one of the runs, whose data the picture must spare.
func (f *compareFlags) open(dir string) (*run.Run, error) {
	r, err := openRun(dir, f.backend, f.set)
	if err == nil && f.out != "" {
		err = sparesData(f.out, r.Config)
	}
	return r, err
}

// measured evaluates one of the runs. What fails is told beside what does not; an error is
// the end of ctx.
func (a *app) measured(ctx context.Context, r *run.Run, one *comparedRun, only []string) error {
	a.status("evaluating %s", r.Dir)
	r.Watch, r.Reading = a.watch, a.reading()
	s, err := r.Subject(true)
	if err == nil {
		var rep eval.Report
		rep, err = s.Report(ctx, only...)
		one.Report = &rep
	}
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		one.Failed = strings.ReplaceAll(choice.Spoken(err), "\n", "; ")
	}
	return nil
}
