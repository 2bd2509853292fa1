package plot

import (
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"math"

	"flowmatch/internal/coast"
)

// GlobeOptions are the options of [Globe].
type GlobeOptions struct {
	GIFOptions
	Sphere Sphere
	// Log colours by log p, as of Density.
	Log bool
	// Bare leaves the coastlines out: the sphere is not the Earth.
	Bare bool
	// Frames is how many there are in a turn; 0 means 48, and at most 360.
	Frames int
}

// Of a globe: how far it leans towards the viewer, in degrees, shades of the density, and how much of a pixel lines
// may fill.
const (
	globeLean   = 20.0
	globeShades = 60
	globeInks   = 4
	globeOnce   = 48
)

// Globe writes an animated GIF of a globe that turns once and again, coloured by a log-density, in nats, at the Points
// of the Sphere, with coastlines and every thirtieth meridian and parallel. Options.Size is its diameter; 0 means 4
// inches. GIFOptions.Pause, and of Options what [World] does not use, are not used.
func Globe(w io.Writer, logp []float64, o GlobeOptions) error {
	opt, err := o.resolve(4, 100)
	if err != nil {
		return err
	}
	if o.Frames == 0 {
		o.Frames = globeOnce
	}
	switch {
	case opt.DPI > MostGIFDPI:
		return fmt.Errorf("plot: globe: %w: DPI is %d; want at most %d", ErrOptions, opt.DPI, MostGIFDPI)
	case o.Format != PNG:
		return fmt.Errorf("plot: globe: %w: Format is %s; a GIF is made of pixels", ErrOptions, o.Format)
	case o.Delay < 0:
		return fmt.Errorf("plot: globe: %w: Delay %v; want 0 or more", ErrOptions, o.Delay)
	case o.Frames < 2 || o.Frames > 360:
		return fmt.Errorf("plot: globe: %w: %d frames; want 2 to 360", ErrOptions, o.Frames)
	}
	world := WorldOptions{Options: opt, Sphere: o.Sphere, Log: o.Log, Bare: o.Bare}
	maps, err := world.check([]WorldPanel{{Title: "density", LogP: logp}})
	if err != nil {
		return err
	}
	g := newGlobe(world, maps)
	o.Pause = o.Delay // a turn has no end
	anim := gif.GIF{Config: image.Config{ColorModel: g.palette, Width: g.ground.Rect.Dx(), Height: g.ground.Rect.Dy()}}
	for k := range o.Frames {
		img := g.frame(360 * float64(k) / float64(o.Frames))
		anim.Image = append(anim.Image, img)
		anim.Delay = append(anim.Delay, o.delays(o.Frames)[1])
		anim.Disposal = append(anim.Disposal, gif.DisposalNone)
	}
	if err := gif.EncodeAll(w, &anim); err != nil {
		return fmt.Errorf("plot: writing the GIF: %w", err)
	}
	return nil
}

// globe is what all frames share. The palette has a shade of the density under each share of a line, and then what is
// around the globe.
type globe struct {
	value   func(lon, lat float64) float64 // of the density, 0 to 1
	lines   []bool                         // of a map in equal steps of longitude and latitude
	palette color.Palette
	ground  *image.Paletted
	disc    image.Rectangle
}

// perDegree is how many pixels of the map of lines there are.
const perDegree = 6

func newGlobe(o WorldOptions, maps []Map) *globe {
	lo, hi, values := colourRange(maps, o.Log)
	name := "p(x)"
	if o.Log {
		name = "log p(x)"
	}
	f := newFigure(o.Options, layout{rows: 1, cols: 1, w: o.side(), h: o.side(), title: o.Title, panelTitle: true,
		labels: []string{""}, lim: func(int, int) Limits { return Limits{-1, 1, -1, 1} },
		bar: &bar{viridis, lo, hi, name}})
	g := &globe{disc: f.panels[0][0].rect, lines: make([]bool, 360*180*perDegree*perDegree)}
	g.value = func(lon, lat float64) float64 { return o.Sphere.at(values[0], f.bar, lon, lat) }
	shore := rgb(0xe8e8e8)
	for k := range globeShades {
		for ink := range globeInks {
			shade := viridis.at(float64(k) / (globeShades - 1))
			g.palette = append(g.palette, mix(shade, shore, float64(ink)/(globeInks-1)))
		}
	}
	for k := range 256 - len(g.palette) {
		g.palette = append(g.palette, mix(white, inkText, float64(k)/float64(255-globeShades*globeInks)))
	}
	g.around(f.img, o.Dark)
	graticule(func(line [][2]float64) { g.line(line) })
	if !o.Bare {
		for _, line := range coast.Lines() {
			g.line(line)
		}
	}
	return g
}

// around brings the picture around the globe, its title and its scale, to the palette.
func (g *globe) around(img *image.RGBA, dark bool) {
	index := map[color.RGBA]uint8{}
	g.ground = image.NewPaletted(img.Rect, g.palette)
	for i := 0; i < len(img.Pix); i += 4 {
		c := color.RGBA{img.Pix[i], img.Pix[i+1], img.Pix[i+2], 255}
		k, ok := index[c]
		if !ok {
			k = uint8(g.palette.Index(c))
			index[c] = k
		}
		g.ground.Pix[i/4] = k
	}
	if !dark {
		return
	}
	for k := globeShades * globeInks; k < len(g.palette); k++ {
		if light, ok := g.palette[k].(color.RGBA); ok {
			g.palette[k] = opposite(light)
		}
	}
}

// line draws longitudes and latitudes into the map of lines.
func (g *globe) line(line [][2]float64) {
	for k := 1; k < len(line); k++ {
		from, to := line[k-1], line[k]
		if math.Abs(from[0]-to[0]) > 180 { // around the back
			continue
		}
		n := int(2*perDegree*math.Hypot(to[0]-from[0], to[1]-from[1])) + 1
		for i := range n + 1 {
			s := float64(i) / float64(n)
			g.lines[lineAt(from[0]+s*(to[0]-from[0]), from[1]+s*(to[1]-from[1]))] = true
		}
	}
}

// lineAt is the place of a longitude and a latitude in the map of lines.
func lineAt(lon, lat float64) int {
	col := int(math.Floor((lon+180)*perDegree)) % (360 * perDegree)
	row := min(max(int((lat+90)*perDegree), 0), 180*perDegree-1)
	return row*360*perDegree + (col+360*perDegree)%(360*perDegree)
}

// frame draws the globe with a longitude in the middle.
func (g *globe) frame(middle float64) *image.Paletted {
	img := image.NewPaletted(g.ground.Rect, g.palette)
	copy(img.Pix, g.ground.Pix)
	const part = 3 // of a pixel, in each direction
	r := float64(g.disc.Dx()) / 2
	for py := range g.disc.Dy() {
		for px := range g.disc.Dx() {
			sum, inked, seen := 0.0, 0, 0
			for s := range part * part {
				x := (float64(px)+(float64(s%part)+0.5)/part)/r - 1
				y := 1 - (float64(py)+(float64(s/part)+0.5)/part)/r
				lon, lat, ok := unglobe(x, y, middle)
				if !ok {
					continue
				}
				seen++
				sum += g.value(lon, lat)
				if g.lines[lineAt(lon, lat)] {
					inked++
				}
			}
			if 2*seen < part*part {
				continue
			}
			shade := min(max(int(sum/float64(seen)*(globeShades-1)+0.5), 0), globeShades-1)
			ink := min((inked*(globeInks-1)+seen/2)/seen, globeInks-1)
			img.Pix[img.PixOffset(g.disc.Min.X+px, g.disc.Min.Y+py)] = uint8(shade*globeInks + ink)
		}
	}
	return img
}

// unglobe returns the longitude and latitude in degrees of a place of the globe as it is seen from afar, x and y in
// [-1, 1], where a longitude is in the middle; not ok beside the globe.
func unglobe(x, y, middle float64) (lon, lat float64, ok bool) {
	z := 1 - x*x - y*y
	if z < 0 {
		return 0, 0, false
	}
	z = math.Sqrt(z)
	sin, cos := math.Sincos(globeLean * math.Pi / 180)
	y, z = y*cos+z*sin, z*cos-y*sin
	lon = middle + math.Atan2(x, z)*180/math.Pi
	return math.Mod(lon+900, 360) - 180, math.Asin(min(max(y, -1), 1)) * 180 / math.Pi, true
}
