package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/plot"
)

// Pictures returns the kinds of picture that Picture draws.
func Pictures() (names []string) {
	for _, p := range pictures() {
		names = append(names, p.name)
	}
	return names
}

// PicturesOfImages returns those kinds that are of images only.
func PicturesOfImages() (names []string) {
	for _, p := range pictures() {
		if p.images {
			names = append(names, p.name)
		}
	}
	return names
}

// picture is a kind of picture, with the default of PictureOptions.N.
type picture struct {
	name   string
	n      int
	images bool // only
	draw   func(a *artist, ctx context.Context, w io.Writer) error
}

// pictures returns the kinds of picture.
func pictures() []picture {
	return []picture{
		{"samples", pointsDrawn, false, (*artist).samples},
		{"pairs", pointsDrawn, false, (*artist).allPairs},
		{"density", pointsDrawn, false, (*artist).density},
		{"field", pointsDrawn, false, (*artist).field},
		{"trajectories", 300, false, (*artist).trajectoryPicture},
		{"flow", 1500, false, (*artist).flow},
		{"globe", pointsDrawn, false, (*artist).globe},
		{"couplings", 200, false, func(a *artist, _ context.Context, w io.Writer) error { return a.couplings(w) }},
		{"pit", 1000, false, (*artist).pit},
		{"calibration", 0, false, (*artist).calibration}, // the report's own,
		{"denoising", 5, true, (*artist).strips},
		{"interpolation", 6, true, (*artist).interpolation},
		{"neighbours", 8, true, (*artist).neighbours},
		{"loss", pointsDrawn, false, func(a *artist, _ context.Context, w io.Writer) error { return a.drawLoss(w) }},
	}
}

// PictureOptions says what to draw; the zero value is usable.
type PictureOptions struct {
	// N is the number of points drawn; default 4000, of trajectories 300, of moving ones 1500,
	// of couplings 200, of held-out points of a PIT 1000 and of calibration at most 500, of
	// images 100. Of images it is the number of rows of denoising (5), interpolation (6) and
	// neighbours (8).
	N    int
	Seed uint64 // of the samples
	// Cells is the number of cells along each side of the grid that a density is
	// evaluated on; default 96, of more than 64 dimensions fewer, down to 16: each cell is a
	// solve of them all.
	Cells int
	// Columns are the two coordinates that are drawn of points of more than 2 dimensions,
	// counted from 0; the zero value is the first two, and of samples up to plot.MaxPairs
	// dimensions all pairs.
	Columns [2]int
	// Given is one context, in data units, that the picture is of; the zero Batch: held-out ones in
	// turn, of a density and a field the first of these. Told, if not nil, is called with the one
	// context that a picture is of, and the name of its class, which is empty for several or none.
	Given flow.Batch
	Label []int32 // the class of Given, one; nil: every class in turn
	Told  func(context []float64, class string)
	// Truth is a point, in data units, that is marked in pictures of samples, pairs and the density,
	// such as the parameters that the context was observed of; nil: none.
	Truth []float64
	// Title stands above the picture; empty: the context that it is of, if it is of one.
	Title string
	// Limits are what is shown of the two axes, in data units; zero: where the data are.
	Limits plot.Limits
	// DPI is the number of pixels per inch, 0 the picture's own.
	DPI int
	// Log shows log p instead of p, and losses on a logarithmic axis.
	Log bool
	// Dark draws light on dark: a PNG or a GIF.
	Dark bool
	// Format is the kind of file.
	Format plot.Format
	// Beside are runs whose points move beside those of this one, in panels that have the
	// names of their folders. Only of the kind flow.
	Beside []*Run
	// NoData, if not nil, is called where a picture would show held-out data, which
	// cannot be opened; it then shows the model alone.
	NoData func(err error)
}

// frames of the animation, and times of the field's panels.
const frames = 40

var fieldTimes = []float64{0, 0.5, 0.9}

// Points of pictures, where nothing is said of them.
const pointsDrawn, imagesDrawn = 4000, 100

// pictureTolerance is the least tolerance that pictures are solved with.
const pictureTolerance = 1e-3

// artist draws the pictures of a run.
type artist struct {
	*Run
	PictureOptions
	subject eval.Subject
	one     flow.Batch // the one context, in model units, that the picture is of; the zero Batch: none
	about   string     // what the title says of it
	pairs   bool       // all pairs of columns are asked for
}

// Picture draws a picture of one kind: PNG, or an animated GIF for flow and globe.
func (r *Run) Picture(ctx context.Context, w io.Writer, kind string, o PictureOptions) error {
	k := slices.Index(Pictures(), kind)
	switch {
	case k < 0:
		return fmt.Errorf("run: %w", choice.Check("picture", kind, Pictures()))
	case len(o.Beside) > 0 && kind != "flow":
		return fmt.Errorf("run: runs stand beside this one in a picture of kind flow only, not of kind %s", kind)
	}
	a, err := r.artist(o, kind)
	if err == nil {
		err = cmp.Or(a.checkSpace(kind), a.context(kind), a.drawable(kind))
	}
	if err != nil {
		return err
	}
	return pictures()[k].draw(a, ctx, w)
}

// artist returns who draws: an eye sees three digits, so a picture need not wait for
// more.
func (r *Run) artist(o PictureOptions, kind string) (*artist, error) {
	if o.N == 0 {
		k := max(0, slices.Index(Pictures(), kind)) // of none there is an error already
		if p := pictures()[k]; r.Model.Spec().Image() != nil && !p.images {
			o.N = imagesDrawn
		} else {
			o.N = p.n
		}
	}
	s, err := r.Subject(false)
	s.Settings.Solve.RTol = max(s.Settings.Solve.RTol, pictureTolerance)
	s.Settings.Solve.ATol = max(s.Settings.Solve.ATol, pictureTolerance)
	return &artist{Run: r, PictureOptions: o, subject: s}, err
}

// data returns the data of the run, or nil where they cannot be opened.
func (a *artist) data() *data.Set {
	if a.subject.Set == nil {
		set, err := a.Run.Data()
		if err != nil && a.NoData != nil {
			a.NoData(err)
			a.NoData = nil // once
		}
		a.subject.Set = set
	}
	return a.subject.Set
}

// options are those of every picture.
func (a *artist) options() plot.Options {
	return plot.Options{
		Title: a.titled(""), Limits: a.Limits, DPI: a.DPI, Dark: a.Dark, Format: a.Format,
		Names: a.Model.Spec().Columns,
	}
}

// titled is the title of a picture: what was asked for, or what it is of.
func (a *artist) titled(rest string) string {
	switch {
	case a.Title != "":
		return a.Title
	case a.about != "" && rest != "":
		return a.about + "; " + rest
	}
	return a.about + rest
}

// along are the options of a picture of points x along two axes; of points in the plane, or on
// the line, these are all.
func (a *artist) along(axes [2]int, x flow.Batch) plot.Options {
	o := a.options()
	if x.D < 2 {
		return o
	}
	if x.D > 2 {
		o.Columns = axes
	}
	flat := plane{axes: axes, at: make([]float64, x.D)}.coordinates(x)
	o.Stretch = stretched(plot.Around(flat, [2]float64{1, 1}))
	return o
}

// prompt returns what n points are given; the held-out images that contexts are made
// of come with the data.
func (a *artist) prompt(n int) (eval.Prompt, error) {
	if a.one.N > 0 {
		label := a.Label
		if len(label) != 1 {
			label = flow.LabelsInTurn(n, a.Model.Spec().Net.Classes)
		}
		return eval.Prompt{Given: flow.Given{Label: label, Context: a.one}}, nil
	}
	if a.Model.Spec().Net.Context > 0 {
		a.data()
	}
	return a.subject.Prompt(n)
}

// allPairs draws samples along all pairs of columns.
func (a *artist) allPairs(ctx context.Context, w io.Writer) error {
	a.pairs = true
	return a.samples(ctx, w)
}

func (a *artist) samples(ctx context.Context, w io.Writer) error {
	p, err := a.prompt(a.N)
	if err != nil {
		return err
	}
	if err := a.inProportion(&p); err != nil {
		return err
	}
	x, err := a.sample(ctx, p, a.N, a.Seed)
	if err != nil {
		return err
	}
	if p.OfImages() {
		if err := p.Keep(x); err != nil {
			return err
		}
		return a.drawPrompt(w, x, p)
	}
	return a.points(w, x, p.Given.Label, 0)
}

// inProportion gives the points of a picture, which stand beside held-out ones, the classes of
// those where they have some.
func (a *artist) inProportion(p *eval.Prompt) error {
	label := p.Given.Label
	if label == nil || a.Model.Spec().Image() != nil {
		return nil
	}
	set := a.beside()
	if set == nil || set.Test.Len() == 0 || set.Test.Classes() == 0 {
		return nil
	}
	held, err := a.subject.HeldOutPrompt(len(label))
	p.Given.Label = held.Given.Label
	return err
}

// sample draws n samples in data units.
func (a *artist) sample(ctx context.Context, p eval.Prompt, n int, seedValue uint64) (flow.Batch, error) {
	how, err := a.subject.Settings.Sampler()
	if err != nil {
		return flow.Batch{}, err
	}
	o := model.SampleOptions{N: n, Seed: seedValue, Given: p.Given, Sampler: how}
	if a.Watch != nil {
		o.Progress = a.Watch("samples", n)
	}
	s, err := a.Model.Sample(ctx, o)
	return s.X, err
}

// DrawPoints draws points in data units: images as a grid of that many columns (0: of
// labels in turn a column a class, else about a square), where a column or a row of
// one class has its name; others beside as many held-out points, where the data can be
// opened. label may be nil.
func (r *Run) DrawPoints(w io.Writer, x flow.Batch, label []int32, cols int, o PictureOptions) error {
	a, err := r.artist(o, "samples")
	if err == nil {
		err = cmp.Or(a.checkSpace("samples"), a.context("samples"))
	}
	if err != nil {
		return err
	}
	return a.points(w, x, label, cols)
}

func (a *artist) points(w io.Writer, x flow.Batch, label []int32, cols int) error {
	spec := a.Model.Spec()
	if spec.Space != nil {
		return a.spacePoints(w, x, label)
	}
	if spec.Image() != nil && a.pairs {
		return errors.New("run: a picture of pairs is of points, and these are images; draw their samples")
	}
	if spec.Image() != nil {
		o := a.grid(label, x.N, cols)
		o.Format, o.Dark = a.Format, a.Dark
		return a.imageGrid(w, x, o)
	}
	samples := plot.Panel{Title: "samples", Points: x}
	panels := []plot.Panel{samples}
	if set := a.beside(); set != nil && set.Test.Len() > 0 {
		n := min(x.N, set.Test.Len()) // as many of both: dots of more look denser
		test, _, err := a.subject.TestPoints(n)
		if err != nil {
			return err
		}
		if samples.Points = x.Slice(0, n); n < x.N {
			samples.Title = fmt.Sprintf("%d of %d samples", n, x.N)
		}
		panels = []plot.Panel{{Title: "data", Points: test}, samples}
	}
	o := a.options()
	o.Truth = a.Truth
	pairs := a.Pairs()
	switch {
	case pairs != nil && a.Columns == [2]int{}:
		only(panels, pairs, &o)
		if a.pairs {
			return plot.Pairs(w, panels, o)
		}
	case a.pairs:
		return plot.Pairs(w, panels, o)
	case x.D > 1 || a.Columns != [2]int{}:
		axes, err := a.axes("samples")
		if err != nil {
			return err
		}
		o = a.along(axes, panels[0].Points)
		o.Truth = a.Truth
	}
	return plot.Samples(w, panels, o)
}

// DrawPrompt draws images beside what they were made of: the image that the context or
// what is held shows, the sample and, where it is known, the original, side by side under
// these names.
func (r *Run) DrawPrompt(w io.Writer, x flow.Batch, p eval.Prompt) error {
	return (&artist{Run: r}).drawPrompt(w, x, p)
}

func (a *artist) drawPrompt(w io.Writer, x flow.Batch, p eval.Prompt) error {
	parts := []flow.Batch{p.Shown(), x}
	if p.Original.N > 0 {
		parts = append(parts, p.Original)
	}
	all := flow.NewBatch(x.N*len(parts), x.D)
	for i := range all.N {
		copy(all.Row(i), parts[i%len(parts)].Row(i/len(parts)))
	}
	across := int(math.Ceil(math.Sqrt(float64(all.N)) / float64(len(parts))))
	heads := []string{"given", "sample", "original"}[:len(parts)]
	return a.imageGrid(w, all, plot.ImageOptions{
		Cols: across * len(parts), Group: len(parts), ColNames: slices.Repeat(heads, across), Format: a.Format,
		Dark: a.Dark,
	})
}

// calibration draws how far the ranks of held-out points among samples, and the coverage of these,
// are from those of a model that is right.
func (a *artist) calibration(ctx context.Context, w io.Writer) error {
	if a.one.N > 0 {
		return errors.New("run: calibration is over held-out contexts, not of one")
	}
	var err error
	if a.subject.Set, err = a.Run.Data(); err != nil {
		return err
	}
	c, err := a.subject.Calibration(ctx, a.N)
	if err != nil {
		return err
	}
	var levels []plot.Levels
	for k, r := range c.Ranks {
		l := plot.Levels{Name: "rank of " + r.Name}
		for i := range c.U.N {
			l.U = append(l.U, c.U.Row(i)[k])
		}
		levels = append(levels, l)
	}
	levels = append(levels, plot.Levels{Name: "coverage (TARP)", U: c.Coverage.U})
	return plot.Calibration(w, levels, a.options())
}

func (a *artist) drawLoss(w io.Writer) error {
	events, err := a.events()
	if err != nil {
		return err
	}
	training, validation := losses(events)
	if len(training.X) == 0 {
		return fmt.Errorf("run: %s has no losses: it was trained elsewhere, or its %s is lost", a.Dir, MetricsFile)
	}
	training.Name, validation.Name = "training", "validation (EMA)"
	series := []plot.Series{training, validation}
	if len(validation.X) == 0 {
		series = series[:1]
	}
	return plot.Loss(w, series, plot.LossOptions{Options: a.options(), Log: a.Log})
}
