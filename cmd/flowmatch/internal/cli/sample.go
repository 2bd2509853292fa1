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

	"flowmatch/data/image"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/stat"
	"flowmatch/manifold"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/report"
	"flowmatch/run"
	"flowmatch/sde"
)

// solved is what sample says of its work, whether it draws points or looks for the most likely.
type solved struct {
	Run     string   `json:"run"`
	Files   []string `json:"files"`
	N       int      `json:"n"`
	Dim     int      `json:"dim"`
	Seed    uint64   `json:"seed"`
	Solver  string   `json:"solver"`
	NFE     int      `json:"nfe"`
	Seconds float64  `json:"seconds"`
	Backend string   `json:"backend"`
	// Space is what the points are of a curved space, and Columns are those of its file; absent: it is flat.
	Space   string   `json:"space,omitempty"`
	Columns []string `json:"columns,omitempty"`
	columns int      // of a table with a schema; 0: of another
}

// solvedBy is what is said of points [N, D] that a run drew, or looked for, since start.
func solvedBy(r *run.Run, x flow.Batch, seed uint64, solver string, nfe int, start time.Time) solved {
	s := solved{Run: r.Dir, N: x.N, Dim: x.D, Seed: seed, Solver: solver, NFE: nfe,
		Seconds: time.Since(start).Seconds(), Backend: r.Model.Net().Engine().Name()}
	if schema := r.Model.Spec().Schema; schema != nil {
		s.columns = len(schema.Header())
	}
	if space := r.Model.Spec().Space; space != nil {
		s.Space, s.Columns = manifold.Points(r.Model.Manifold()), space.Columns
	}
	return s
}

// head writes the first two lines of a result; what are its points.
func (s solved) head(w io.Writer, what string) {
	of := fmt.Sprintf("of %d dimensions", s.Dim)
	switch {
	case s.columns > 0: // the coordinates of a level are none of the reader's
		of = fmt.Sprintf("of %d columns", s.columns)
	case s.Space != "": // nor are those of the space around
		of = fmt.Sprintf("%s, in columns %s", s.Space, choice.List(s.Columns))
	}
	fmt.Fprintf(w, "%s %s, seed %d, in %s\n", what, of, s.Seed, strings.Join(s.Files, ", "))
	fmt.Fprintf(w, "solver\t%s, NFE %d, %.2f s on backend %s\n", s.Solver, s.NFE, s.Seconds, s.Backend)
}

type sampleResult struct {
	solved
	// MeanLogP is the mean log-density of the samples, in nats; with --logp.
	MeanLogP   *float64 `json:"mean_logp,omitempty"`
	Divergence string   `json:"divergence,omitempty"`
	Label      string   `json:"label,omitempty"`    // the class of all samples; absent: several, or none
	Classes    []string `json:"classes,omitempty"`  // their names, of several; absent: they have none
	Guidance   *float64 `json:"guidance,omitempty"` // scale; absent: none
	// Interval are the first and the last time of guidance; absent: it is at all times.
	Interval []float64 `json:"guidance_interval,omitempty"`
	Rescale  float64   `json:"guidance_rescale,omitempty"`
	// Condition is where the images come from that the samples are made of; absent: none.
	Condition string `json:"condition,omitempty"`
	// Given is where the contexts come from; absent: there are none.
	Given string `json:"given,omitempty"`
	// Bounds are those of the model, Acceptance counts the draws until the samples were inside, and
	// Mass is how much of the model is inside; with --logp.
	Bounds     string            `json:"bounds,omitempty"`
	Acceptance *model.Acceptance `json:"acceptance,omitempty"`
	Mass       *model.Mass       `json:"mass,omitempty"`
	// Decoder is what made images of the samples, which are latents, and LogP of these; absent: nothing.
	Decoder string `json:"decoder,omitempty"`
	// Unsolved are the numbers, from 0, of the samples that could not be drawn, which are NaN.
	Unsolved []int `json:"unsolved,omitempty"`
	// Warnings say what is to be known of the samples, one sentence each.
	Warnings []string `json:"warnings,omitempty"`
}

func (s sampleResult) text(w io.Writer) {
	s.head(w, fmt.Sprintf("samples\t%d", s.N))
	switch {
	case s.Label != "":
		fmt.Fprintf(w, "label\t%s\n", s.Label)
	case s.Classes != nil:
		fmt.Fprintf(w, "classes\t%s\n", choice.List(s.Classes))
	}
	switch g := s.Guidance; {
	case g == nil:
	case *g == 0:
		fmt.Fprintf(w, "guidance\t0, the field without a label\n")
	case s.Interval != nil:
		fmt.Fprintf(w, "guidance\t%g from t = %g to %g, where every evaluation counts twice%s\n", *g, s.Interval[0],
			s.Interval[1], rescaled(s.Rescale))
	default:
		fmt.Fprintf(w, "guidance\t%g, for which every evaluation counts twice%s\n", *g, rescaled(s.Rescale))
	}
	if s.Condition != "" {
		fmt.Fprintf(w, "condition\t%s\n", s.Condition)
	}
	if s.Given != "" {
		fmt.Fprintf(w, "given\t%s\n", s.Given)
	}
	if a := s.Acceptance; a != nil {
		fmt.Fprintf(w, "bounds\t%s\n", s.Bounds)
		fmt.Fprintf(w, "  inside\t%s\n", insideText(a))
	}
	if s.Mass != nil {
		writeLines(w, report.Mass(s.Mass))
	}
	of := ""
	if s.Decoder != "" {
		fmt.Fprintf(w, "decoder\t%s\n", s.Decoder)
		of = " of the latents"
	}
	if s.MeanLogP != nil {
		fmt.Fprintf(w, "mean log-density%s\t%s nats, divergence %s\n", of, report.Decimals(*s.MeanLogP), s.Divergence)
	}
	for _, warning := range s.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
}

// rescaled says how guidance was rescaled.
func rescaled(by float64) string {
	if by == 0 {
		return ""
	}
	return fmt.Sprintf("; rescaled by %g", by)
}

// insideText says how many draws were within the bounds.
func insideText(a *model.Acceptance) string {
	switch {
	case a.Inside == a.Drawn:
		return fmt.Sprintf("all of %d draws", a.Drawn)
	case a.Contexts > 1:
		return fmt.Sprintf("%d of %d draws (of the context with the fewest, a share of %.3g): the rest was drawn again",
			a.Inside, a.Drawn, a.Least)
	}
	return fmt.Sprintf("%d of %d draws: the rest was drawn again", a.Inside, a.Drawn)
}

type sampleFlags struct {
	runFlags
	n        int
	shared   bool   // among ranks, which hold all samples
	label    string // a class; empty: none was asked for
	grid     string
	cols     int // of the grid; 0: none was asked for
	guidance float64
	interval []float64 // of the guidance
	rescale  float64
	seed     uint64
	logp     bool
	complete bool // rows without missing values alone
	latents  bool // as they are, without the decoder
	weights  string
	decoder  *nn.Decoder
	out      string
	// Of runs with a condition, or that complete images.
	condition, mask string
	given           string // the contexts of a run that takes some
	mode            bool   // the most likely points, not samples
	addsTokens
	tokens string // a file, of samples from a service
	// Of samplers with noise.
	eta       float64
	diffusion string
}

// heldOut is the value of --condition that stands for the held-out images of the run.
const heldOut = "test"

// sampleLong describes sample.
const sampleLong = `Draw samples from a trained run by solving its ODE from noise to data. A run that
learnt average velocities (objectives meanflow and shortcut) can also use a few steps
of these: --solver average --steps 1.

The extension of the file selects the format: .csv with column names, .npy (float64,
[N, D]) or a .png picture. Values are in the units of the data; images span [-1, 1].
With --logp the same solve also computes the log-density of each sample (nats): it is
the last column, logp, of a .csv, or the file NAME.logp.npy next to NAME.npy. Samples of
a conditional model have their labels in the same form; without --label they take every
class in turn.

Of a table whose columns are learnt as what they hold, --given takes any columns, as
species=Adelie,mass=3500 or a file with a row for each condition: the others are drawn
given these. Values are missing as in the data, with --complete none is. Both need a run
that was trained with train.shown, as a table in the place of a run file is. To fill in a table use
flowmatch impute.

--grid draws images in this number of rows and columns. If the columns (or the rows) are
a multiple of the classes of a conditional model, they are titled with the classes.
--grid N means N rows with one column per class, or N rows of N without classes.

--solver also takes the samplers of diffusion models, which add noise and therefore
give no log-density: ddpm, ddim with the share --eta of its noise, and euler_maruyama
and heun_sde, which solve the SDE with the noise rate --diffusion. They use --steps (100
by default), and the last step adds no noise. --guidance works with them and with the
ODE solvers.

--shift, --spacing and --time-grid say where given steps lie (--steps, or those of the
run file): closer together near the noise with a shift above 1, in the spacings of
diffusion models, or at times of a file. Guidance can be limited to an interval of the
time, where it costs, and be rescaled (--guidance-interval, --guidance-rescale).

Samples of a run with a decoder (see flowmatch import --decoder) are images in pixels; with
--latents they are the latents that these are made of. Their log-density is that of the latents.

A run with a condition (super-resolution, inpainting) makes its samples from the images
of --condition in turn: a folder, a file (.png, .jpg, .npy of bytes, IDX), or test for
the held-out images. Images for super-resolution are small already, or are reduced. A
.png then shows the condition, the sample and, if known, the original. Other runs of
images can complete the images of --condition where --mask hides them. This is
approximate: the known pixels are held, which informs the rest less than a condition.

--map looks for the most likely point of each context (or class) instead: the maximum
a posteriori estimate, by climbing log p from the best of 200 samples. The file has its
log-density, too.

Of a run of tokens (space: tokens) samples are texts: a .txt, in which a line ===== stands
between several, or a .npy of their tokens (int32). --solver is exact or euler, with
--steps, --temperature, --top-p and --corrector. --infill FILE fills a text in: each ▁ in
it, or another --mark, is a token to draw given all others, and --extend draws more
behind its end. What is given stays as it is. A text of any length is filled in window by
window. Rows of a table of categories are a .csv with its header and levels, or a .npy; in
--infill FILE empty cells are drawn, --n times each. A run with labels takes --label and
--guidance.

In the place of a folder stands a model of a service (flowmatch serve), as
http://HOST:PORT/MODEL: the samples are drawn there, with the same flags, each by steps of
its own. They are those of the folder with the same --seed and --control point.

The training data are opened only for --condition test, and for a picture of points,
which also shows held-out points.`

func (a *app) sampleCommand() *cobra.Command {
	var f sampleFlags
	cmd := &cobra.Command{
		Use:   "sample DIR|URL (--n N | --grid ROWSxCOLS | --map | --infill FILE) --out FILE",
		Short: "Draw samples from a trained run",
		Long:  sampleLong,
		Example: `  flowmatch sample runs/first --n 1000 --out samples.csv
  flowmatch sample runs/first --n 1000 --solver euler --steps 100 --seed 7 --out samples.npy
  flowmatch sample runs/first --n 1000 --solver euler --steps 20 --shift 3 --out samples.csv
  flowmatch sample runs/first --n 1000 --solver heun2 --steps 10 --spacing karras --out samples.csv
  flowmatch sample runs/first --n 1000 --solver euler --time-grid times.csv --out samples.csv
  flowmatch sample runs/first --n 1000 --rtol 1e-6 --atol 1e-6 --logp --out samples.csv
  flowmatch sample runs/first --n 1000 --solver ddpm --steps 200 --out samples.csv
  flowmatch sample runs/first --n 1000 --solver ddim --eta 0.5 --out samples.csv
  flowmatch sample runs/first --n 1000 --solver heun_sde --diffusion sigma:0.5 --out samples.csv
  flowmatch sample runs/people --n 1000 --complete --out people.csv
  flowmatch sample runs/people --n 1000 --given "city=Rome,age=40" --out romans.csv
  flowmatch sample runs/meanflow --n 1000 --solver average --steps 2 --out samples.csv
  flowmatch sample runs/posterior --given "x1=0.3,x2=-1" --n 1000 --out posterior.csv
  flowmatch sample runs/posterior --given observed.csv --n 1000 --out posteriors.npy
  flowmatch sample runs/posterior --given observed.csv --map --out modes.csv
  flowmatch sample runs/digits --n 64 --label 3 --guidance 1.5 --out threes.png
  flowmatch sample runs/digits --n 64 --guidance 3 --guidance-interval 0.2,0.7 --out threes.png
  flowmatch sample runs/digits --grid 8x10 --out digits.png
  flowmatch sample runs/superres --condition test --n 12 --out larger.png
  flowmatch sample runs/text --n 4 --temperature 0.8 --out text.txt
  flowmatch sample runs/text --infill draft.txt --extend 200 --out full.txt
  flowmatch sample http://127.0.0.1:8080/first --n 1000 --seed 7 --out samples.csv
  flowmatch sample runs/digits --condition test --mask left --n 12 --out completed.png`,
		Args:              arguments("DIR"),
		ValidArgsFunction: folderArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			if isURL(args[0]) {
				return a.sampleRemote(cmd, args[0], f)
			}
			if run.IsTokens(args[0]) {
				return a.sampleTokens(cmd, args[0], f)
			}
			if err := pointsOnly(cmd, args[0]); err != nil {
				return nil, err
			}
			return a.sample(cmd, args[0], f)
		}),
	}
	f.add(cmd)
	require(cmd, "out")
	cmd.MarkFlagsOneRequired("n", "grid", "map", "infill")
	return cmd
}

// add adds the flags.
func (f *sampleFlags) add(cmd *cobra.Command) {
	f.runFlags.add(cmd, samplers())
	f.addsTokens.add(cmd)
	fl := cmd.Flags()
	fl.IntVar(&f.n, "n", 0, "number of samples")
	fl.StringVar(&f.grid, "grid", "", "rows and columns of a picture of images, such as 8x10 or 8")
	fl.Float64Var(&f.guidance, "guidance", 1,
		"scale of classifier-free guidance, for a run trained with train.label_dropout "+
			"(1: none, 0: the unconditional field)")
	fl.Float64SliceVar(&f.interval, "guidance-interval", nil,
		"first and last time of guidance, from 0 (noise) to 1 (data), as 0.2,0.8; outside an evaluation counts once")
	fl.Float64Var(&f.rescale, "guidance-rescale", 0,
		"how much of the deviation of a guided velocity is that without guidance, from 0 (none) to 1")
	fl.StringVar(&f.label, "label", "",
		"class of all samples, by name or number, for a conditional model (default: every class in turn)")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the noise (default: that of the run)")
	fl.BoolVar(&f.complete, "complete", false, "of a table with missing values, only rows without any")
	fl.BoolVar(&f.latents, "latents", false,
		"of a run with a decoder, the latents themselves in place of images, in a file of numbers")
	fl.StringVar(&f.weights, "weights", string(nn.Float32), "what the weights are held in: float32, or bf16 "+
		"(bfloat16), which takes half of the memory and has 8 bits of precision")
	fl.BoolVar(&f.logp, "logp", false, "also write the log-density of each sample")
	fl.StringVar(&f.condition, "condition", "",
		"images from which a run with a condition makes its samples: a file, a folder, or test for held-out ones")
	fl.StringVar(&f.mask, "mask", "",
		"missing part of the images of --condition, for a run without a condition to complete: "+
			strings.Join(image.Masks(), ", "))
	fl.StringVar(&f.given, "given", "", givenUsage+"(--n samples of each, in its order), or test for held-out rows; "+
		"of a table with data.schema: auto any of its columns, as NAME=VALUE,... or a file of rows; "+
		"names and values with commas or = stand in double quotes")
	fl.BoolVar(&f.mode, "map", false, "the most likely point of each context or class, in place of samples")
	fl.StringVar(&f.out, "out", "", "file to write: .csv, .npy or .png, of a run of tokens .txt or .npy")
	fl.StringVar(&f.tokens, "token-file", "", "file with the bearer token of a service, in its first line")
	fl.Float64Var(&f.eta, "eta", 0, "share of ancestral noise in ddim, from 0 (none) to 1 (ddpm)")
	fl.StringVar(&f.diffusion, "diffusion", "", "noise rate of euler_maruyama and heun_sde: "+
		strings.Join(sde.DiffusionNames(), ", ")+", or one with a factor, such as sigma:0.5 (default own)")
	fl.Lookup("solver").Usage = "ODE solver: " + strings.Join(ode.Names(), ", ") + "; sampler with noise: " +
		strings.Join(sde.Names(),
			", ") + "; or " + eval.Average + ", steps of the average velocity; of a run of tokens exact or euler " +
		"(default: that of the run file)"
	complete(cmd, "mask", image.Masks()...)
	complete(cmd, "weights", nn.Precisions()...)
	complete(cmd, "diffusion", sde.DiffusionNames()...)
	completeFiles(cmd, "out", "csv", "npy", "png", "txt")
	must(cmd.RegisterFlagCompletionFunc("condition",
		cobra.FixedCompletions([]string{heldOut}, cobra.ShellCompDirectiveDefault)))
}

func (a *app) sample(cmd *cobra.Command, dir string, f sampleFlags) (result, error) {
	if f.tokens != "" {
		return nil, usagef("--token-file is for samples from a service (http://HOST:PORT/MODEL): %s is a folder", dir)
	}
	r, ext, err := f.openChecked(cmd, dir)
	if err != nil {
		return nil, err
	}
	if f.mode {
		if n := a.ranks.Size(); n > 1 {
			return nil, usagef("--map is for one process, and mpirun (or srun) started %d; start it alone", n)
		}
		return a.mode(cmd, r, ext, f)
	}
	f.shared = a.ranks.Size() > 1
	p, g, err := f.forContexts(cmd, r)
	if err != nil {
		return nil, err
	}
	context, warnings := g.x, g.warnings
	how, err := f.sampler(cmd, r, p.Hold)
	if err != nil {
		return nil, err
	}
	a.status("drawing %d samples", f.n)
	start := time.Now()
	o := model.SampleOptions{N: f.n, Seed: f.seed, Given: p.Given, Sampler: how, Progress: a.watch("samples", f.n)}
	if f.inParts(r) && r.Model.CanEach(o) {
		return f.sampleInParts(cmd.Context(), r, o, start, ext)
	}
	s, err := r.Model.Together(a.ranks).Sample(cmd.Context(), o)
	if err != nil && len(warnings) > 0 {
		err = fmt.Errorf("%w (%s)", err, warnings[0])
	}
	failed, some := errors.AsType[*ode.PointsError](err)
	if err != nil && !some {
		return nil, asUsage(err, model.ErrNoScore, model.ErrCurved)
	}
	if a.follows() {
		return silent{}, nil
	}
	res := f.result(r, s, how, start, p.Given.Empty() && p.Hold == nil)
	if s.LogP == nil { // which is that of the sample as it was drawn
		if err := p.Keep(s.X); err != nil {
			return nil, err
		}
	}
	var more []string
	res.Files, more, err = a.writeSamples(&f, r, ext, run.Drawn{X: s.X, Label: p.Given.Label, LogP: s.LogP,
		Context: contextsOf(r, context, p, f.n), Complete: f.complete}, p)
	res.Warnings = slices.Concat(res.Warnings, warnings, more)
	if some && err == nil {
		res.Unsolved = slices.Sorted(slices.Values(failed.Points))
		err = unsolved(res.Unsolved, failed, f.n, g.rows())
	}
	return res, err
}

// forContexts returns what the samples are given, which are as many for each context of --given as
// --n says; f.n becomes the number of all.
func (f *sampleFlags) forContexts(cmd *cobra.Command, r *run.Run) (p eval.Prompt, g givens, err error) {
	var inTurn []int32
	if f.grid != "" {
		if inTurn, err = f.layOut(cmd, r); err != nil {
			return p, g, err
		}
	}
	if g, err = f.contexts(cmd, r); err != nil {
		return p, g, err
	}
	each := f.n
	f.n *= max(1, g.rows())
	if !f.inParts(r) {
		if err := fitsNumbers(f.n, f.dim(r)); err != nil {
			return p, g, err
		}
	}
	for _, l := range g.label {
		inTurn = append(inTurn, slices.Repeat([]int32{l}, each)...)
	}
	p, err = f.prompt(cmd, r, inTurn, g.x)
	p.Given.Shown = spread(g.shown, each)
	return p, g, err
}

// openChecked opens the run for flags that are right, and returns the ending of the file to
// write.
func (f *sampleFlags) openChecked(cmd *cobra.Command, dir string) (r *run.Run, ext string, err error) {
	if ext, err = f.check(cmd); err != nil {
		return nil, "", err
	}
	if err = inFolder(f.out, f.condition); err != nil {
		return nil, "", err
	}
	if r, err = f.open(cmd, dir); err != nil {
		return nil, "", err
	}
	if !cmd.Flags().Changed("seed") {
		f.seed = r.Config.Seed
	}
	if err := f.checkTyped(r, ext); err != nil {
		return nil, "", err
	}
	return r, ext, sparesData(f.out, r.Config)
}

// result describes samples; alike is that of [model.Model.Astray].
func (f *sampleFlags) result(r *run.Run, s model.Samples, how model.Sampler, start time.Time,
	alike bool) sampleResult {
	res := sampleResult{
		solved:    solvedBy(r, s.X, f.seed, how.String(), s.Stats.NFE, start),
		Condition: f.condition, Label: f.label, Given: f.given,
	}
	if s.Inside != nil {
		spec := r.Model.Spec()
		res.Bounds, res.Acceptance, res.Mass = spec.Bounds.Named(spec.Columns), s.Inside, s.Mass
	}
	if f.label == "" {
		res.Classes = r.Model.Spec().ClassNames
	}
	if d := f.decoder; d != nil && !f.latents {
		shape := d.Image()
		res.Dim = f.dim(r)
		res.Decoder = fmt.Sprintf("images of %d by %d in %d channels, of latents %v", shape[0], shape[1], shape[2],
			d.Latents())
	}
	if f.guidance != 1 {
		res.Guidance, res.Interval, res.Rescale = &f.guidance, f.interval, f.rescale
	}
	if why := cmp.Or(r.Model.TooFew(how), r.Model.Astray(s.X, alike)); why != "" {
		res.Warnings = append(res.Warnings, why)
	}
	if d, ok := how.(model.Density); ok {
		mean := stat.Mean(slices.DeleteFunc(slices.Clone(s.LogP), math.IsNaN))
		res.MeanLogP, res.Divergence = &mean, d.Divergence.String()
	}
	return res
}
