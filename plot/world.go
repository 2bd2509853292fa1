package plot

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"flowmatch/flow"
	"flowmatch/internal/coast"
)

// Sphere is a lattice of Rows x 2 Rows cells over a sphere, of equal steps of latitude and longitude.
// The zero value has 90 rows.
type Sphere struct{ Rows int }

func (s Sphere) rows() int {
	if s.Rows == 0 {
		return 90
	}
	return s.Rows
}

// Points returns the longitudes and latitudes of the centres of the cells in degrees, [2·Rows², 2]: row by row
// from the south, each from -180 to 180.
func (s Sphere) Points() (flow.Batch, error) {
	n := s.rows()
	if n < 2 || n > 2000 {
		return flow.Batch{}, fmt.Errorf("plot: %w: a sphere of %d rows of cells; want 2 to 2000", ErrOptions, n)
	}
	b := flow.NewBatch(2*n*n, 2)
	for k := range b.N {
		b.Row(k)[0] = -180 + (float64(k%(2*n))+0.5)*180/float64(n)
		b.Row(k)[1] = -90 + (float64(k/(2*n))+0.5)*180/float64(n)
	}
	return b, nil
}

// at returns where a value between those of the cells is on a scale, from 0 to 1.
func (s Sphere) at(v []float64, b *bar, lon, lat float64) float64 {
	n := s.rows()
	i, j := (lon+180)/180*float64(n)-0.5, (lat+90)/180*float64(n)-0.5
	i0, j0 := math.Floor(i), math.Floor(j)
	cell := func(i, j float64) float64 {
		row, col := min(max(int(j), 0), n-1), (int(i)+2*n)%(2*n)
		return (min(max(v[row*2*n+col], b.lo), b.hi) - b.lo) / (b.hi - b.lo)
	}
	fi, fj := i-i0, j-j0
	return (1-fj)*((1-fi)*cell(i0, j0)+fi*cell(i0+1, j0)) + fj*((1-fi)*cell(i0, j0+1)+fi*cell(i0+1, j0+1))
}

// WorldPanel is one map of a picture of the sphere.
type WorldPanel struct {
	Title string
	// Points are longitudes and latitudes in degrees, [N, 2]; the zero Batch: none.
	Points flow.Batch
	Labels []int32 // that colour the points by class; nil, or one a point
	// LogP is a log-density, in nats, at the Points of the Sphere; nil: none.
	LogP []float64
}

// WorldOptions are the options of World.
type WorldOptions struct {
	Options
	Sphere Sphere
	// Log colours by log p, as of Density.
	Log bool
	// Bare leaves the coastlines out: the sphere is not the Earth.
	Bare bool
}

// World writes maps of the sphere one below the other, in the projection of Mollweide, which keeps
// areas, so that dots and densities can be compared: points as dots, densities by colours of one
// scale, with coastlines and every thirtieth meridian and parallel. Options.Size is the width of a map; 0
// means 5.6 inches. Options.Limits, Columns, Names, Style, Stretch and Truth are not used.
func World(w io.Writer, panels []WorldPanel, o WorldOptions) error {
	opt, err := o.resolve(5.6, 160)
	if err != nil {
		return err
	}
	maps, err := o.check(panels)
	if err != nil {
		return err
	}
	titled := false
	for _, p := range panels {
		titled = titled || p.Title != ""
	}
	l := layout{
		rows: len(panels), cols: 1, w: opt.side(), h: opt.side() / 2, gap: 20, title: opt.Title, panelTitle: titled,
		labels: []string{""}, lim: func(int, int) Limits { return Limits{-2, 2, -1, 1} },
	}
	var values [][]float64
	if len(maps) > 0 {
		var lo, hi float64
		lo, hi, values = colourRange(maps, o.Log)
		name := "p(x)"
		if o.Log {
			name = "log p(x)"
		}
		l.bar = &bar{viridis, lo, hi, name}
	}
	f := newFigure(opt, l)
	for k, p := range panels {
		a := f.panels[k][0]
		var v []float64
		if p.LogP != nil {
			v, values = values[0], values[1:]
		}
		f.globe(a, o, v)
		if p.Points.N > 0 {
			f.dotsOnMap(a, p)
		}
		if p.Title != "" {
			f.text(float64(a.rect.Min.X+a.rect.Max.X)/2, float64(a.rect.Min.Y)-f.px(5), p.Title,
				textStyle{size: sizePanel, align: 0.5, color: inkText})
		}
	}
	return f.encode(w)
}

// check reports panels that make no map, and returns their densities.
func (o WorldOptions) check(panels []WorldPanel) (maps []Map, err error) {
	n := o.Sphere.rows()
	if _, err := o.Sphere.Points(); err != nil {
		return nil, err
	}
	if len(panels) == 0 {
		return nil, fmt.Errorf("plot: map of the sphere: %w: no panels", ErrEmpty)
	}
	for k, p := range panels {
		what := fmt.Sprintf("panel %d %q", k, p.Title)
		switch {
		case p.Points.N == 0 && p.LogP == nil:
			return nil, fmt.Errorf("plot: %s: %w: neither points nor a density", what, ErrEmpty)
		case p.Points.N > 0 && p.Points.D != 2:
			return nil, fmt.Errorf("plot: %s: %w: D=%d; want 2, longitudes and latitudes", what, ErrShape, p.Points.D)
		case p.Labels != nil && len(p.Labels) != p.Points.N:
			return nil, fmt.Errorf("plot: %s: %w: %d labels for %d points", what, ErrShape, len(p.Labels), p.Points.N)
		}
		if p.Points.N > 0 {
			if err := checkBatch(what, p.Points); err != nil {
				return nil, err
			}
		}
		if p.LogP != nil {
			m := Map{p.Title, p.LogP}
			if err := m.check(what, Grid{NX: 2 * n, NY: n}); err != nil {
				return nil, err
			}
			maps = append(maps, m)
		}
	}
	return maps, nil
}

// mollweide returns where a longitude and a latitude in degrees are on the map, x in [-2, 2] and y in
// [-1, 1].
func mollweide(lon, lat float64) (x, y float64) {
	// 2θ + sin 2θ = π sin φ, by Newton's method.
	want := math.Pi * math.Sin(lat*math.Pi/180)
	th := lat * math.Pi / 180
	for range 50 {
		slope := 2 + 2*math.Cos(2*th)
		if slope < 1e-12 {
			break
		}
		by := (2*th + math.Sin(2*th) - want) / slope
		if th -= by; math.Abs(by) < 1e-12 {
			break
		}
	}
	th = math.Min(math.Max(th, -math.Pi/2), math.Pi/2)
	return lon / 90 * math.Cos(th), math.Sin(th)
}

// unmollweide is its inverse; not ok beyond the map.
func unmollweide(x, y float64) (lon, lat float64, ok bool) {
	if x*x/4+y*y > 1 {
		return 0, 0, false
	}
	th := math.Asin(y)
	lat = math.Asin(math.Min(math.Max((2*th+math.Sin(2*th))/math.Pi, -1), 1)) * 180 / math.Pi
	cos := math.Cos(th)
	if cos < 1e-9 {
		return 0, lat, true
	}
	lon = 90 * x / cos
	return lon, lat, math.Abs(lon) <= 180
}

// ocean is the ground of a map without a density.
var ocean = rgb(0xf3f6f9)

// globe draws the ground of a map, by the values of a density unless v is nil, with its lines.
func (f *figure) globe(a axes, o WorldOptions, v []float64) {
	w, h := a.rect.Dx(), a.rect.Dy()
	for py := range h {
		for px := range w {
			lon, lat, ok := unmollweide((float64(px)+0.5)/float64(w)*4-2, 1-(float64(py)+0.5)/float64(h)*2)
			if !ok {
				continue
			}
			c := ocean
			if v != nil {
				c = f.bar.colors.at(o.Sphere.at(v, f.bar, lon, lat))
			}
			f.img.SetRGBA(a.rect.Min.X+px, a.rect.Min.Y+py, c)
		}
	}
	f.touched(a.rect)
	grid, shore := inkGrid, rgb(0x8a949e)
	if v != nil {
		grid, shore = rgb(0x6b7480), rgb(0xe8e8e8)
	}
	graticule(func(line [][2]float64) { f.onMap(a, grid, 0.4, line) })
	if !o.Bare {
		for _, line := range coast.Lines() {
			f.onMap(a, shore, 0.6, line)
		}
	}
	var edge [][2]float64
	for k := range 181 {
		s, c := math.Sincos(float64(k) * math.Pi / 90)
		edge = append(edge, [2]float64{float64(a.rect.Min.X) + a.x(2*c), float64(a.rect.Min.Y) + a.y(s)})
	}
	f.polyline(inkAxis, lineWidth, nil, edge)
}

// graticule draws every thirtieth meridian and parallel, as lines of longitudes and latitudes.
func graticule(draw func(line [][2]float64)) {
	for d := -150.0; d <= 180; d += 30 {
		var meridian, parallel [][2]float64
		for k := range 61 {
			meridian = append(meridian, [2]float64{d, -90 + 3*float64(k)})
			parallel = append(parallel, [2]float64{-180 + 6*float64(k), d})
		}
		draw(meridian)
		if math.Abs(d) < 90 {
			draw(parallel)
		}
	}
}

// onMap draws a line of longitudes and latitudes, cut where it goes around the back.
func (f *figure) onMap(a axes, c color.RGBA, width float64, line [][2]float64) {
	var xy [][2]float64
	for k, p := range line {
		if k > 0 && math.Abs(p[0]-line[k-1][0]) > 180 {
			f.polyline(c, width, nil, xy)
			xy = nil
		}
		x, y := mollweide(p[0], p[1])
		xy = append(xy, [2]float64{float64(a.rect.Min.X) + a.x(x), float64(a.rect.Min.Y) + a.y(y)})
	}
	f.polyline(c, width, nil, xy)
}

// dotsOnMap draws the points of a panel.
func (f *figure) dotsOnMap(a axes, p WorldPanel) {
	xy := flow.NewBatch(p.Points.N, 2)
	for i := range xy.N {
		lon := math.Mod(p.Points.Row(i)[0]+540, 360) - 180
		xy.Row(i)[0], xy.Row(i)[1] = mollweide(lon, p.Points.Row(i)[1])
	}
	c := category(0)
	if p.LogP != nil {
		c = rgb(0xff5c5c)
	}
	sets, colors := classes(xy, p.Labels, c)
	f.dots(a, sets, colors)
}
