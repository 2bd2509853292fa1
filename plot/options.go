package plot

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Errors of this room, wrapped with the panel, point and value concerned.
var (
	// ErrEmpty is returned when there is nothing to draw.
	ErrEmpty = errors.New("nothing to draw")
	// ErrShape is returned when sizes or dimensions do not fit the picture.
	ErrShape = errors.New("wrong shape")
	// ErrNotFinite is returned for NaN or infinite values.
	ErrNotFinite = errors.New("not finite")
	// ErrOptions is returned for options that make no picture.
	ErrOptions = errors.New("bad options")
)

// Style is how a set of points is drawn.
type Style string

// The styles. Auto means Dots, or Heat above 50,000 points.
const (
	Auto Style = ""     // Dots or Heat, by the number of points
	Dots Style = "dots" // one translucent dot a point
	Heat Style = "heat" // a smoothed histogram, for very many points
)

// heatFrom is the number of points in a panel above which Auto means Heat:
// translucent dots have by then merged into a stain.
const heatFrom = 50_000

// Limits is the rectangle of the plane that is drawn, in data units.
// The zero value means: choose it from the data.
type Limits struct{ XMin, XMax, YMin, YMax float64 }

// Around returns the rectangle that points x [N, D], N at least 1 and D at least 2, fill,
// widened by 12 % on each side or, along an axis on which all are alike, by least.
func Around(x flow.Batch, least [2]float64) Limits {
	var lo, hi [2]float64
	for d := range 2 {
		lo[d], hi[d] = math.Inf(1), math.Inf(-1)
		for i := range x.N {
			lo[d], hi[d] = min(lo[d], x.X[i*x.D+d]), max(hi[d], x.X[i*x.D+d])
		}
		margin := 0.12 * (hi[d] - lo[d])
		if !(margin > 0) {
			margin = least[d]
		}
		lo[d], hi[d] = lo[d]-margin, hi[d]+margin
	}
	return Limits{XMin: lo[0], XMax: hi[0], YMin: lo[1], YMax: hi[1]}
}

func (l Limits) zero() bool { return l == Limits{} }

func (l Limits) check() error {
	for _, v := range []float64{l.XMin, l.XMax, l.YMin, l.YMax} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("plot: %w: limits %+v; give finite numbers", ErrOptions, l)
		}
	}
	if !l.zero() && (l.XMin >= l.XMax || l.YMin >= l.YMax) {
		return fmt.Errorf("plot: %w: limits %+v; want XMin < XMax and YMin < YMax", ErrOptions, l)
	}
	return nil
}

// The numbers of pixels per inch that pictures have. More than print shows would only take
// memory: a GIF holds all of its frames.
const (
	LeastDPI, MostDPI = 30, 600
	MostGIFDPI        = 200
)

// Options is what all pictures share. The zero value is usable.
type Options struct {
	// Title stands above the whole picture. Empty: none, and no room for one.
	Title string
	// Size is the longer side of one panel's data area in inches, 0.5 to 20. 0 means 3
	// (1.6 for each cell of a picture of pairs; 2.3 of a field; 5.6 for a GIF).
	Size float64
	// DPI is the number of pixels per inch, LeastDPI to MostDPI, of a GIF to MostGIFDPI. 0 means
	// 160 (100 for a GIF).
	DPI int
	// Limits is what is shown of the plane; zero means chosen from the data.
	// With equal aspect (see Stretch) it is widened on one axis if it is very flat or tall.
	Limits Limits
	// Columns are the two columns of the points to draw, counted from 0, when D > 2.
	// The zero value draws points of D=2 as they are.
	Columns [2]int
	// Names are the names of all D columns, shown at the axes. Empty: x1 ... xD.
	Names []string
	// Truth is a point [D] that is marked in pictures of samples, by lines across and upwards, such
	// as the parameters that an observation was made with; nil: none.
	Truth []float64
	// Format is the kind of file: PNG, SVG or PDF.
	Format Format
	// Dark draws light on dark, for pages with a dark ground: a PNG or a GIF only.
	Dark bool
	// Style is dots or heat; zero means by the number of points.
	Style Style
	// Stretch scales the two axes independently. The default is equal aspect:
	// one unit is as long across as upwards.
	Stretch bool
}

// resolve fills in defaults and checks what was given.
func (o Options) resolve(size float64, dpi int) (Options, error) {
	if o.Size == 0 {
		o.Size = size
	}
	if o.DPI == 0 {
		o.DPI = dpi
	}
	if !(o.Size >= 0.5 && o.Size <= 20) {
		return o, fmt.Errorf("plot: %w: Size is %v inches; want 0.5 to 20", ErrOptions, o.Size)
	}
	if o.DPI < LeastDPI || o.DPI > MostDPI {
		return o, fmt.Errorf("plot: %w: DPI is %d; want %d to %d", ErrOptions, o.DPI, LeastDPI, MostDPI)
	}
	if o.Style != Auto {
		if err := choice.Check("style", string(o.Style), []string{string(Dots), string(Heat)}); err != nil {
			return o, fmt.Errorf("plot: %w: %w", ErrOptions, err)
		}
	}
	return o, errors.Join(o.Format.check(), o.Limits.check(), checkDark(o.Dark, o.Format))
}

// heat says whether points are drawn as heat when the largest set has n.
func (o Options) heat(n int) bool { return o.Style == Heat || o.Style == Auto && n > heatFrom }

// side returns the side of a panel's data area in pixels.
func (o Options) side() int { return int(math.Round(o.Size * float64(o.DPI))) }

// name returns the name of column j.
func (o Options) name(j int) string {
	if j < len(o.Names) && o.Names[j] != "" {
		return o.Names[j]
	}
	return "x" + strconv.Itoa(j+1)
}

// columns returns which two columns are drawn of points of dimension d.
func (o Options) columns(d int) (i, j int) {
	if o.Columns == [2]int{} {
		return 0, 1
	}
	return o.Columns[0], o.Columns[1]
}

// checkBatch refuses batches that are empty, inconsistent or not finite.
func checkBatch(what string, b flow.Batch) error {
	switch {
	case b.N <= 0 || b.D <= 0:
		return fmt.Errorf("plot: %s: %w: N=%d, D=%d", what, ErrEmpty, b.N, b.D)
	case len(b.X) != b.N*b.D:
		return fmt.Errorf("plot: %s: %w: %d numbers for N=%d points of D=%d", what, ErrShape, len(b.X), b.N, b.D)
	}
	for k, v := range b.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf(
				"plot: %s: %w: point %d, column %d is %v; drop such points or find out where they diverged",
				what, ErrNotFinite, k/b.D, k%b.D, v)
		}
	}
	return nil
}

// plane checks b and returns the two columns to draw as points of R^2.
// The result may share memory with b.
func (o Options) plane(what string, b flow.Batch) (flow.Batch, error) {
	if err := checkBatch(what, b); err != nil {
		return flow.Batch{}, err
	}
	if o.Columns == [2]int{} {
		if b.D != 2 {
			return flow.Batch{}, fmt.Errorf("plot: %s: %w: points of D=%d in a picture of the plane; set "+
				"Options.Columns, for example [2]int{0, 1} for the first two columns", what, ErrShape, b.D)
		}
		return b, nil
	}
	i, j := o.columns(b.D)
	if i < 0 || j < 0 || i >= b.D || j >= b.D || i == j {
		return flow.Batch{}, fmt.Errorf(
			"plot: %s: %w: columns %d and %d of points of D=%d; want two different ones of 0 to %d",
			what, ErrOptions, i, j, b.D, b.D-1)
	}
	return pick(b, i, j), nil
}

// pick returns columns i and j of b as points of R^2.
func pick(b flow.Batch, i, j int) flow.Batch {
	p := flow.NewBatch(b.N, 2)
	for k := range b.N {
		p.X[2*k], p.X[2*k+1] = b.X[k*b.D+i], b.X[k*b.D+j]
	}
	return p
}

// quantiles returns the two quantiles of column j that leave a share outside, half on each
// side.
func quantiles(b flow.Batch, j int, share float64) (lo, hi float64) {
	v := column(b, j)
	slices.Sort(v)
	return quantile(v, share/2), quantile(v, 1-share/2)
}

// span returns the interval to show of column j: for each batch its whole range
// with a little air, but not farther beyond the 0.2 % quantiles than a fifth of
// the range between them, so that a few strays do not shrink the picture to a
// dot; of these the union. For a normal distribution that is at four standard
// deviations.
func span(j int, batches ...flow.Batch) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, b := range batches {
		v := column(b, j)
		slices.Sort(v)
		q0, q1 := quantile(v, 0.002), quantile(v, 0.998)
		lo = min(lo, max(v[0]-0.04*(q1-q0), q0-0.2*(q1-q0)))
		hi = max(hi, min(v[len(v)-1]+0.04*(q1-q0), q1+0.2*(q1-q0)))
	}
	if hi-lo <= 1e-9*max(math.Abs(lo), math.Abs(hi)) { // all points are one
		w := max(1, 0.1*math.Abs(lo))
		return lo - w, hi + w
	}
	return lo, hi
}

// column returns a copy of column j.
func column(b flow.Batch, j int) []float64 {
	v := make([]float64, b.N)
	for i := range v {
		v[i] = b.X[i*b.D+j]
	}
	return v
}

// quantile returns the q-quantile of sorted values, by linear interpolation.
func quantile(sorted []float64, q float64) float64 {
	h := q * float64(len(sorted)-1)
	i := min(int(h), len(sorted)-1)
	k := min(i+1, len(sorted)-1)
	return sorted[i] + (h-float64(i))*(sorted[k]-sorted[i])
}

// fit returns the limits for points of the plane: those asked for, or those of
// the data.
func (o Options) fit(batches ...flow.Batch) Limits {
	l := o.Limits
	if l.zero() {
		l.XMin, l.XMax = span(0, batches...)
		l.YMin, l.YMax = span(1, batches...)
	}
	return l
}

// narrowest is the least ratio of the sides of a panel.
const narrowest = 0.4

// panel returns the sides of a panel in pixels, and its limits: a square with Stretch, else of
// the data's aspect with the longer side as long as asked for; limits that are too flat or
// too tall are widened.
func (o Options) panel(l Limits) (w, h int, out Limits) {
	w, h = o.side(), o.side()
	if o.Stretch {
		return w, h, l
	}
	wide, high := l.XMax-l.XMin, l.YMax-l.YMin
	if least := narrowest * high; wide < least {
		l.XMin, l.XMax, wide = l.XMin-(least-wide)/2, l.XMax+(least-wide)/2, least
	}
	if least := narrowest * wide; high < least {
		l.YMin, l.YMax, high = l.YMin-(least-high)/2, l.YMax+(least-high)/2, least
	}
	if wide > high {
		return w, int(math.Round(float64(h) * high / wide)), l
	}
	return int(math.Round(float64(w) * wide / high)), h, l
}
