package run

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/memory"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/path"
	"flowmatch/plot"
)

// stripTimes are the columns of a picture of denoising, as shares of the time.
var stripTimes = []float64{0, 0.2, 0.4, 0.6, 0.8, 0.9, 1}

// between is the number of columns of a picture of interpolations.
const between = 9

// nearest is how many training images stand beside each sample, and block how many are looked
// at together.
const nearest, block = 4, 256

// Drawable reports images that no picture shows: it shows grey ones and such of three colours, and latents
// have other channels. Points are drawable.
func (r *Run) Drawable() error {
	shape, err := r.imageShape()
	if err != nil || shape == nil || shape[2] == 1 || shape[2] == 3 {
		return err
	}
	return fmt.Errorf("run: the images have %d channels, and a picture shows 1 or 3; they may be latents, of "+
		"which a decoder makes images", shape[2])
}

// drawable is [Run.Drawable], for pictures of the points.
func (a *artist) drawable(kind string) error {
	if kind == "loss" {
		return nil
	}
	return a.Drawable()
}

// imagesOnly reports a picture of images of a run that has none.
func (a *artist) imagesOnly(kind string) error {
	if a.Model.Spec().Image() == nil {
		return fmt.Errorf("%w: one of kind %s is for images, and they are none", ErrPicture, kind)
	}
	return nil
}

// fits reports a picture whose points do not fit into the memory: of each row so many.
func (a *artist) fits(kind string, each int) error {
	err := memory.Check(fmt.Sprintf("a picture of kind %s with %d rows or points", kind, a.N),
		8*float64(a.N)*float64(each)*float64(a.Model.Dim()))
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// strips draws images on their way from noise, and below each what the network takes the end of
// the way to be.
func (a *artist) strips(ctx context.Context, w io.Writer) error {
	if err := a.imagesOnly("denoising"); err != nil {
		return err
	}
	if err := a.fits("denoising", 3*len(stripTimes)); err != nil {
		return err
	}
	lo, hi := a.Model.Span()
	times := make([]float64, len(stripTimes))
	for k, u := range stripTimes {
		times[k] = lo + (hi-lo)*u
	}
	x := a.Model.SourcePoints(a.N, a.Seed)
	path, err := a.trajectories(ctx, x, times)
	if err != nil {
		return err
	}
	guesses, err := a.guesses(path, times)
	if err != nil {
		return err
	}
	all := flow.NewBatch(2*a.N*len(times), x.D)
	rows, cols := make([]string, 0, 2*a.N), make([]string, len(times))
	for i := range a.N {
		for k := range times {
			copy(all.Row(2*i*len(times)+k), path[k].Row(i))
			copy(all.Row((2*i+1)*len(times)+k), guesses[k].Row(i))
		}
		rows = append(rows, "image", "guess")
	}
	for k, u := range stripTimes {
		cols[k] = fmt.Sprintf("t = %g", u)
	}
	return a.imageRows(w, all, cols, rows)
}

// imageRows draws images in model units, a row after the other.
func (a *artist) imageRows(w io.Writer, x flow.Batch, cols, rows []string) error {
	a.toData(x)
	return a.imageGrid(w, x, plot.ImageOptions{
		Cols: len(cols), ColNames: cols, RowNames: rows, Format: a.Format, Dark: a.Dark,
	})
}

// guesses returns the conditional means of the data given the points of a path at the times.
func (a *artist) guesses(points []flow.Batch, times []float64) ([]flow.Batch, error) {
	p, err := a.prompt(a.N)
	if err != nil {
		return nil, err
	}
	f, err := a.Model.Field(p.Given)
	if err != nil {
		return nil, err
	}
	out := make([]flow.Batch, len(points))
	for k, x := range points {
		out[k] = flow.NewBatch(x.N, x.D)
		if err := f.Velocity(out[k].X, times[k], x.X); err != nil {
			return nil, err
		}
		at, by := a.Model.Scheduler().At(times[k]).Convert(path.Velocity, path.Data)
		for i, v := range out[k].X {
			out[k].X[i] = at*x.X[i] + by*v
		}
	}
	return out, nil
}

// interpolation draws the images of noises between two, a row for each pair.
func (a *artist) interpolation(ctx context.Context, w io.Writer) error {
	if err := a.imagesOnly("interpolation"); err != nil {
		return err
	}
	if source, gaussian := a.Model.Source().(flow.Gaussian); !gaussian {
		return fmt.Errorf("run: a picture of interpolations goes along arcs of Gaussian noise, and this model starts "+
			"from a %T", source)
	}
	if err := a.fits("interpolation", 3*between); err != nil {
		return err
	}
	d := a.Model.Dim()
	ends := a.Model.SourcePoints(2*a.N, a.Seed)
	p, err := a.prompt(a.N)
	if err != nil {
		return err
	}
	x0 := flow.NewBatch(a.N*between, d)
	index := make([]int, x0.N)
	for i := range x0.N {
		index[i] = i / between
		slerp(x0.Row(i), ends.Row(2*index[i]), ends.Row(2*index[i]+1), float64(i%between)/(between-1))
	}
	how, err := a.subject.Settings.Sampler()
	if err != nil {
		return err
	}
	o := model.SampleOptions{Given: p.Given.Rows(index), Sampler: how}
	if a.Watch != nil {
		o.Progress = a.Watch("samples", x0.N)
	}
	s, err := a.Model.SampleFrom(ctx, x0, o)
	if err != nil {
		return err
	}
	cols := make([]string, between)
	for k := range cols {
		cols[k] = fmt.Sprintf("%g", math.Round(100*float64(k)/(between-1))/100)
	}
	return a.imageGrid(w, s.X, plot.ImageOptions{Cols: between, ColNames: cols, Format: a.Format, Dark: a.Dark})
}

// neighbours draws samples beside the training images that are nearest to each.
func (a *artist) neighbours(ctx context.Context, w io.Writer) error {
	if err := a.imagesOnly("neighbours"); err != nil {
		return err
	}
	set, err := a.Run.Data()
	if err != nil {
		return err
	}
	if set.TrainSet == nil || set.TrainSet.Len() == 0 {
		return fmt.Errorf("run: %s has no training images that could be counted", set.Name)
	}
	a.subject.Set = set
	p, err := a.prompt(a.N)
	if err != nil {
		return err
	}
	x, err := a.sample(ctx, p, a.N, a.Seed)
	if err != nil {
		return err
	}
	near, err := a.nearest(x)
	if err != nil {
		return err
	}
	all := flow.NewBatch(a.N*(nearest+1), x.D)
	cols := []string{"sample"}
	for k := range nearest {
		cols = append(cols, fmt.Sprintf("nearest %d", k+1))
	}
	for i := range a.N {
		copy(all.Row(i*(nearest+1)), x.Row(i))
		copy(all.X[(i*(nearest+1)+1)*x.D:], near.X[i*nearest*x.D:(i+1)*nearest*x.D])
	}
	return a.imageGrid(w, all, plot.ImageOptions{Cols: nearest + 1, ColNames: cols, Format: a.Format, Dark: a.Dark})
}

// nearest returns for each of the images x, in data units, the training images that differ
// least from it by the squares of their pixels, the nearest first: [N·nearest, D]. Where there
// are fewer the last ones repeat.
func (a *artist) nearest(x flow.Batch) (flow.Batch, error) {
	train := a.subject.Set.TrainSet
	if err := a.fits("neighbours", 3*nearest); err != nil {
		return flow.Batch{}, err
	}
	best := make([][]found, x.N)
	for from := 0; from < train.Len(); from += block {
		index := make([]int, min(block, train.Len()-from))
		for k := range index {
			index[k] = from + k
		}
		images := flow.NewBatch(len(index), x.D)
		if err := train.Read(images, flow.Given{}, index, seed.Rand(a.Seed, "nearest", uint64(from))); err != nil {
			return flow.Batch{}, fmt.Errorf("run: %w", err)
		}
		a.toData(images)
		for i := range x.N {
			for k := range images.N {
				best[i] = nearer(best[i], found{squared(x.Row(i), images.Row(k)), images.Row(k)})
			}
		}
	}
	out := flow.NewBatch(x.N*nearest, x.D)
	for i := range x.N {
		for k := range nearest {
			copy(out.Row(i*nearest+k), best[i][min(k, len(best[i])-1)].image)
		}
	}
	return out, nil
}

// found is a training image, and how far it is.
type found struct {
	distance float64
	image    []float64
}

// nearer returns the nearest images with one more, in order.
func nearer(best []found, f found) []found {
	at, _ := slices.BinarySearchFunc(best, f, func(a, b found) int { return cmp.Compare(a.distance, b.distance) })
	if at >= nearest {
		return best
	}
	best = slices.Insert(best, at, f)
	return best[:min(len(best), nearest)]
}

// squared is the squared distance of two points.
func squared(a, b []float64) (sum float64) {
	for i, v := range a {
		sum += (v - b[i]) * (v - b[i])
	}
	return sum
}

// slerp writes the point at share u of the arc between noises a and b, which is as long as they
// are: a straight line would leave where the noise of many dimensions lies.
func slerp(dst, a, b []float64, u float64) {
	var aa, bb, ab float64
	for i, v := range a {
		aa, bb, ab = aa+v*v, bb+b[i]*b[i], ab+v*b[i]
	}
	angle := math.Acos(min(max(ab/cmp.Or(math.Sqrt(aa*bb), 1), -1), 1))
	p, q := 1-u, u
	if s := math.Sin(angle); s > 1e-9 {
		p, q = math.Sin((1-u)*angle)/s, math.Sin(u*angle)/s
	}
	for i, v := range a {
		dst[i] = p*v + q*b[i]
	}
}
