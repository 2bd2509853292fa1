package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data/dataset"
	"flowmatch/eval"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/plot"
	"flowmatch/run"
)

type plotResult struct {
	Run    string   `json:"run"`
	Beside []string `json:"beside,omitempty"`
	Kind   string   `json:"kind"`
	File   string   `json:"file"`
	// Given is the one context that the picture is of, in data units; absent: it is of several, or
	// of none.
	Given    map[string]float64 `json:"given,omitempty"`
	Label    string             `json:"label,omitempty"` // its class; absent: several, or none
	Truth    []float64          `json:"truth,omitempty"` // the point that is marked
	Warnings []string           `json:"warnings,omitempty"`

	names []string // of Given, in order
}

func (p plotResult) text(w io.Writer) {
	fmt.Fprintf(w, "%s\t%s of %s\n", p.File, p.Kind, strings.Join(append([]string{p.Run}, p.Beside...), ", "))
	if p.Given != nil {
		var parts []string
		for _, name := range p.names {
			parts = append(parts, fmt.Sprintf("%s=%.6g", name, p.Given[name]))
		}
		fmt.Fprintf(w, "given\t%s\n", choice.Cut(strings.Join(parts, ",")))
	}
	if p.Label != "" {
		fmt.Fprintf(w, "label\t%s\n", p.Label)
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
}

// plotKinds are the kinds of picture, with the flags that have no effect on them, and whether
// they are of images only.
var plotKinds = []struct {
	name    string
	use     use
	without []string
	images  bool
}{
	{"samples", useSamples, []string{"log", "beside"}, false},
	{"pairs", useSamples, []string{"log", "columns", "limits", "beside"}, false},
	{"density", useODE, []string{"n", "seed", "beside"}, false},
	{"field", useODE, []string{"control", "log", "beside", "truth"}, false},
	{"trajectories", useODE, []string{"control", "log", "truth"}, false},
	{"couplings", useODE, append(withoutSolve, "log", "beside", "given", "truth"), false},
	{"pit", useSamples, []string{"log", "columns", "beside", "given", "truth"}, false},
	{"calibration", useSamples, []string{"log", "columns", "beside", "given", "truth"}, false},
	{"denoising", useODE, append(withoutLook, "control"), true},
	{"interpolation", useSamples, withoutLook, true},
	{"neighbours", useSamples, withoutLook, true},
	{"loss", useODE, append(withoutSolve, "n", "seed", "columns", "beside", "given", "truth"), false},
}

// Flags that have no effect where nothing is solved, and on a grid of images.
var (
	withoutSolve = []string{"solver", "steps", "rtol", "atol", "control", "backend", "shift", "spacing", "time-grid"}
	withoutLook  = []string{"log", "beside", "title", "dpi", "limits", "columns", "truth"}
)

// plotNames are the names of the kinds of picture.
func plotNames() (names []string) {
	for _, k := range plotKinds {
		names = append(names, k.name)
	}
	return names
}

type plotFlags struct {
	runFlags
	kind, out string
	columns   []string
	beside    []string
	given     string // the context of a run that takes some
	truth     string // the point that is marked
	limits    []float64
	o         run.PictureOptions
}

// chosen returns the coordinates that --columns names, of which there are two.
func (f *plotFlags) chosen(r *run.Run) (axes [2]int, err error) {
	names := r.Model.Spec().ColumnNames()
	if len(f.columns) != 2 || f.columns[0] == f.columns[1] {
		return axes, usagef("--columns %s; it needs two different columns of %s", strings.Join(f.columns, ","),
			choice.Cut(strings.Join(names, ", ")))
	}
	for k, name := range f.columns {
		if axes[k] = slices.Index(names, name); axes[k] < 0 {
			return axes, usagef("--columns: %w", cmp.Or(ofLevels(r, name, names), choice.Check("column", name, names)))
		}
	}
	return axes, nil
}

// ofLevels reports a column of a table that has no axis of its own, but one for each level.
func ofLevels(r *run.Run, name string, axes []string) error {
	schema := r.Model.Spec().Schema
	if schema == nil || !slices.Contains(schema.Names(), name) {
		return nil
	}
	var own []string
	for _, axis := range axes {
		if strings.HasPrefix(axis, name+"=") {
			own = append(own, axis)
		}
	}
	return fmt.Errorf("%s has an axis for each of its levels: %s; without columns samples are drawn along all "+
		"pairs of columns as they are", choice.Quote(name), choice.List(own))
}

// check reports what is wrong with the flags whatever the run is. It returns the name that
// room run has for the picture, and what is solved for.
func (f *plotFlags) check(cmd *cobra.Command) (name string, u use, err error) {
	if err := choice.Check("kind", f.kind, plotNames()); err != nil {
		return "", 0, usagef("--kind: %w", err)
	}
	for _, k := range plotKinds {
		if k.name == f.kind {
			u, err = k.use, exclude(cmd, "on a picture of kind "+k.name, k.without...)
		}
	}
	if err != nil {
		return "", 0, err
	}
	endings := []string{".png", ".svg", ".pdf"}
	if moving[f.kind] != "" {
		endings = append(endings, ".gif")
	}
	ext, err := extension("--out", f.out, endings...)
	if err != nil {
		return "", 0, usagef("%w for a picture of kind %s", err, f.kind)
	}
	f.o.Format = pictureFormat(ext)
	if f.o.Dark && f.o.Format != plot.PNG {
		return "", 0, usagef("--dark is for .png and .gif, and --out ends in %s", ext)
	}
	if cmd.Flags().Changed("n") && f.o.N < 1 {
		return "", 0, usagef("--n is %d; it must be at least 1", f.o.N)
	}
	if err := f.checkLook(cmd, ext); err != nil {
		return "", 0, err
	}
	if len(f.beside) > 0 && (ext != ".gif" || f.kind != "trajectories") {
		return "", 0, usagef("--beside is for moving trajectories; give --out a file that ends in .gif")
	}
	if ext == ".gif" {
		return moving[f.kind], u, nil
	}
	return f.kind, u, nil
}

// moving are the names that room run has for the kinds of picture that move in a .gif.
var moving = map[string]string{"trajectories": "flow", "density": "globe"}

// pictureFormat is the format of a file with the ending.
func pictureFormat(ext string) plot.Format {
	switch ext {
	case ".svg":
		return plot.SVG
	case ".pdf":
		return plot.PDF
	}
	return plot.PNG
}

// checkLook reads the flags of how a picture looks.
func (f *plotFlags) checkLook(cmd *cobra.Command, ext string) error {
	most := plot.MostDPI
	if ext == ".gif" {
		most = plot.MostGIFDPI
	}
	if cmd.Flags().Changed("dpi") && (f.o.DPI < plot.LeastDPI || f.o.DPI > most) {
		return usagef("--dpi is %d; it must be %d to %d for a %s", f.o.DPI, plot.LeastDPI, most, ext)
	}
	if !cmd.Flags().Changed("limits") {
		return nil
	}
	if len(f.limits) != 4 {
		return usagef("--limits has %d numbers; it wants four: XMIN,XMAX,YMIN,YMAX", len(f.limits))
	}
	l := plot.Limits{XMin: f.limits[0], XMax: f.limits[1], YMin: f.limits[2], YMax: f.limits[3]}
	for _, v := range f.limits {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return usagef("--limits has %v; it wants finite numbers", v)
		}
	}
	switch {
	case l.XMin >= l.XMax || l.YMin >= l.YMax:
		return usagef("--limits %v,%v,%v,%v; it wants XMIN < XMAX and YMIN < YMAX", l.XMin, l.XMax, l.YMin, l.YMax)
	case f.kind == "loss" && f.o.Log && l.YMin <= 0:
		return usagef("--limits has YMIN %v, and --log an axis of numbers above 0", l.YMin)
	}
	f.o.Limits = l
	return nil
}

// fits reports flags that have no effect on a picture of this run.
func (f *plotFlags) fits(cmd *cobra.Command, r *run.Run) error {
	spec := r.Model.Spec()
	switch {
	case f.kind == "loss":
		return nil
	case slices.Contains(run.PicturesOfImages(), f.kind) && spec.Image() == nil:
		return usagef("--kind %s is for runs of images, and the points of %s are none", f.kind, r.Dir)
	case (f.kind == "pit" || f.kind == "couplings") && spec.Image() != nil:
		return usagef("--kind %s is for tables and other points, and %s is a run of images", f.kind, r.Dir)
	case spec.Image() != nil:
		return exclude(cmd, "on a grid of images", "title", "dpi", "limits", "truth")
	case f.kind == "samples" && r.Pairs() != nil && !cmd.Flags().Changed("columns"):
		return exclude(cmd, "on a picture of all pairs of columns; choose two with --columns", "limits")
	}
	return nil
}

// plotLong is what the help says of the command.
const plotLong = `Draw a trained run:

  samples        samples beside held-out data
  pairs          all pairs of columns; a corner plot where samples stand alone
  density        the learnt density, the exact one where it is known, and their difference; of a
                 sphere a map, or in a .gif a globe that turns
  field          the velocity field at three times
  trajectories   paths from noise to data; in a .gif the points move
  couplings      pairs of noise and data as lines: independent, and by optimal transport
  pit            calibration of each column: where held-out values lie among samples
  calibration    of a run with data.context: whether its posteriors are as wide as they should be
  denoising      images on their way from noise, with the network's guess of the end
  interpolation  images between two samples
  neighbours     samples beside the most similar training images
  loss           the training losses

If the data can no longer be opened, the picture shows only the model; couplings, pit,
calibration and neighbours need the data. In a picture of kind pit, lines leave the grey band where the
model is wrong: above it held-out values are lower than samples, below it higher.

--beside DIR shows the moving points of other runs in the same .gif.

Points with more than 2 dimensions are drawn along two of their columns, which --columns
selects. A density or a field is then drawn on the plane where all other columns have
their means. For points with 1 dimension the field is the density over time, with paths.

A run with data.context is drawn for the context of --given; samples then stand alone, and
--kind pairs is a corner plot, in which --truth marks the true values. Without --given,
samples and trajectories are of held-out contexts in turn, and a density or a field is of
the first held-out one. The title and --json name the context. Of a run with labels, the
file of --given may have their column, which tells the class.

--kind calibration shows whether a posterior is as wide as it should be, on average over
held-out points: how far their ranks among samples, and the coverage of these, are from
those of a right one, which stay within the dashed lines in 99 of 100 cases. A curve that
rises before the middle and falls behind it is of posteriors that are too narrow.

A run of tokens has the kinds loss and trajectories: tokens appearing over time, in a .gif
of --n sequences (default 4), masks as blocks.

The extension of --out selects the format. In .svg and .pdf, lines and text stay sharp at
any size.`

func (a *app) plotCommand() *cobra.Command {
	var f plotFlags
	cmd := &cobra.Command{
		Use:   "plot DIR --kind KIND --out FILE",
		Short: "Draw a trained run",
		Long:  plotLong,
		Example: `  flowmatch plot runs/first --kind samples --out samples.png
  flowmatch plot runs/first --kind density --out density.png
  flowmatch plot runs/first --kind trajectories --out flow.gif
  flowmatch plot runs/vp --kind trajectories --beside runs/ot,runs/ot-cfm --out flows.gif
  flowmatch plot runs/first --kind couplings --out couplings.png
  flowmatch plot runs/iris --kind pit --out calibration.png
  flowmatch plot runs/digits --kind denoising --out strips.png
  flowmatch plot runs/iris --kind density --columns sepal_length,petal_length --out density.png
  flowmatch plot runs/posterior --kind pairs --given observed.csv --truth "a=0.3,b=-1" --out corner.pdf
  flowmatch plot runs/first --kind samples --limits -4,4,-4,4 --title "30 000 steps" --out samples.pdf
  flowmatch plot runs/first --kind trajectories --dark --out flow-dark.gif
  flowmatch plot runs/first --kind loss --log --out loss.svg`,
		Args:              arguments("DIR"),
		ValidArgsFunction: folderArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.plot(cmd, args[0], f)
		}),
	}
	f.addAll(cmd)
	return cmd
}

// addAll adds the flags.
func (f *plotFlags) addAll(cmd *cobra.Command) {
	f.add(cmd, eval.Solvers())
	fl := cmd.Flags()
	fl.StringVar(&f.kind, "kind", "samples", strings.Join(plotNames(), ", "))
	fl.StringVar(&f.out, "out", "", "file to write: .png, .svg or .pdf, or .gif for moving trajectories")
	fl.IntVar(&f.o.N, "n", 0,
		"number of points of samples, trajectories, field and couplings, of held-out points of pit and calibration, "+
			"or of rows of images (default 4000, followed 300, couplings 200, held out 1000 and 500, of images 100)")
	fl.Uint64Var(&f.o.Seed, "seed", 0, "seed of these points (default: that of the run)")
	fl.StringSliceVar(&f.columns, "columns", nil,
		"two columns of points of more than 2 dimensions, as age,income, or c0,c1 where they have no names "+
			"(default the first two, of a table with levels the first two numbers; of samples all pairs of up "+
			"to 8 columns)")
	fl.StringVar(&f.given, "given", "", givenUsage+"(one)")
	fl.StringVar(&f.truth, "truth", "",
		"true values to mark in samples, pairs and density: as theta1=0.3,theta2=1, or a file with one row")
	fl.StringSliceVar(&f.beside, "beside", nil, "folders of other runs whose points move beside these, in a .gif")
	fl.StringVar(&f.o.Title, "title", "", "title above the picture")
	fl.Float64SliceVar(&f.limits, "limits", nil, "what is shown, as XMIN,XMAX,YMIN,YMAX (default: where the data are)")
	fl.IntVar(&f.o.DPI, "dpi", 0, fmt.Sprintf(
		"pixels per inch, %d to %d, of a .gif up to %d (default 160, of a .gif 100)",
		plot.LeastDPI, plot.MostDPI, plot.MostGIFDPI))
	fl.BoolVar(&f.o.Dark, "dark", false, "light on dark, for pages with a dark ground: .png or .gif")
	fl.BoolVar(&f.o.Log, "log", false, "the logarithm of a density, or of a loss")
	require(cmd, "out")
	complete(cmd, "kind", plotNames()...)
	completeFiles(cmd, "out", "png", "svg", "pdf", "gif")
}

func (a *app) plot(cmd *cobra.Command, dir string, f plotFlags) (result, error) {
	if run.IsTokens(dir) {
		return a.plotTokens(cmd, dir, f)
	}
	name, u, err := f.check(cmd)
	if err == nil {
		err = inFolder(f.out)
	}
	if err != nil {
		return nil, err
	}
	if f.kind == "loss" || f.kind == "couplings" {
		f.backend = "native" // which is everywhere: nothing is solved
	}
	r, err := f.open(cmd, dir, u)
	if err == nil {
		err = sparesData(f.out, r.Config)
	}
	if err != nil {
		return nil, err
	}
	if !cmd.Flags().Changed("seed") {
		f.o.Seed = r.Config.Seed
	}
	if err := errors.Join(fitsN(r, f.o.N), f.fits(cmd, r)); err != nil {
		return nil, err
	}
	if cmd.Flags().Changed("columns") {
		if f.o.Columns, err = f.chosen(r); err != nil {
			return nil, err
		}
	}
	warnings, err := f.ofContext(cmd, r)
	if err != nil {
		return nil, err
	}
	res := plotResult{Run: r.Dir, Beside: f.beside, Kind: f.kind, File: f.out, Truth: f.o.Truth, Warnings: warnings,
		names: r.Model.Spec().ContextColumns}
	f.o.Told = res.told
	for _, other := range f.beside {
		b, err := f.open(cmd, other, u)
		if err != nil {
			return nil, err
		}
		b.Watch, b.Reading = a.watch, a.reading()
		f.o.Beside = append(f.o.Beside, b)
	}
	f.o.NoData = a.noData
	a.status("drawing %s", f.out)
	r.Watch, r.Reading = a.watch, a.reading()
	err = atomicfile.WriteFile(f.out, func(w io.Writer) error { return r.Picture(cmd.Context(), w, name, f.o) })
	return &res, asUsage(err, run.ErrPicture)
}

// told takes down the context that the picture is of, and its class.
func (p *plotResult) told(context []float64, class string) {
	p.Given, p.Label = map[string]float64{}, class
	for k, v := range context[:min(len(context), len(p.names))] {
		p.Given[p.names[k]] = v
	}
}

// ofContext reads the context that the picture is of, and the point that it marks.
func (f *plotFlags) ofContext(cmd *cobra.Command, r *run.Run) (warnings []string, err error) {
	g, err := contexts(cmd, r, f.given)
	if err != nil {
		return nil, err
	}
	f.o.Given, f.o.Label, warnings = g.x, g.label, g.warnings
	if n := f.o.Given.N; n > 1 {
		return nil, usagef("--given has %d contexts, and a picture is of one: give one", n)
	}
	if !cmd.Flags().Changed("truth") {
		return warnings, nil
	}
	truth, err := readPoints("--truth", "point", f.truth, r.Model.Spec().ColumnNames(), dataset.Grid{})
	if err != nil {
		return nil, err
	}
	if truth.N != 1 {
		return nil, usagef("--truth has %d rows; give one", truth.N)
	}
	f.o.Truth = truth.X
	return warnings, nil
}
