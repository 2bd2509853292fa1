package plot

import (
	"bytes"
	"errors"
	"image/png"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
)

func TestTheMapKeepsAreasAndComesBack(t *testing.T) {
	for _, p := range [][2]float64{{0, 0}, {-179, 89.9}, {120, -45}, {33, 66}, {180, 0}} {
		x, y := mollweide(p[0], p[1])
		lon, lat, ok := unmollweide(x*(1-1e-12), y)
		if !ok || math.Abs(lon-p[0]) > 1e-6 || math.Abs(lat-p[1]) > 1e-6 {
			t.Errorf("%v comes back as %g, %g, %v", p, lon, lat, ok)
		}
		// A small cell has the same share of the map as of the sphere, 2π of 4π.
		const h = 1e-4
		ax, ay := mollweide(p[0]*0.9+h, p[1])
		bx, by := mollweide(p[0]*0.9-h, p[1])
		cx, cy := mollweide(p[0]*0.9, p[1]+h)
		dx, dy := mollweide(p[0]*0.9, p[1]-h)
		rad := math.Pi / 180
		area := math.Abs((ax-bx)*(cy-dy)-(ay-by)*(cx-dx)) / (4 * h * h * rad * rad * math.Cos(p[1]*rad))
		if math.Abs(area-0.5) > 1e-4 {
			t.Errorf("at %v the area is stretched by %g, want 2π/4π everywhere", p, area)
		}
	}
	if _, _, ok := unmollweide(1.9, 0.9); ok {
		t.Error("a corner of the picture is on the map")
	}
}

func TestWorldShowsDensitiesAndPoints(t *testing.T) {
	s := Sphere{Rows: 12}
	at, err := s.Points()
	if err != nil || at.N != 288 {
		t.Fatal(at.N, err)
	}
	logp := make([]float64, at.N)
	for k := range logp {
		logp[k] = 3 * math.Cos(at.Row(k)[0]*math.Pi/180) // bright at the middle, dark at the edges
	}
	points := flow.Batch{N: 2, D: 2, X: []float64{0, 0, -170, 10}}
	var out bytes.Buffer
	err = World(&out, []WorldPanel{{Title: "points", Points: points}, {Title: "density", LogP: logp}},
		WorldOptions{Options: Options{Size: 3, DPI: 80}, Sphere: s, Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	if w < 240 || h < 240 {
		t.Errorf("a picture of %d x %d", w, h)
	}
	for name, c := range map[string]struct {
		panels []WorldPanel
		o      WorldOptions
		want   error
	}{
		"nothing":        {nil, WorldOptions{}, ErrEmpty},
		"an empty panel": {[]WorldPanel{{}}, WorldOptions{}, ErrEmpty},
		"three columns":  {[]WorldPanel{{Points: flow.NewBatch(2, 3)}}, WorldOptions{}, ErrShape},
		"another grid":   {[]WorldPanel{{LogP: logp}}, WorldOptions{}, ErrShape},
		"no rows":        {[]WorldPanel{{LogP: logp}}, WorldOptions{Sphere: Sphere{Rows: 1}}, ErrOptions},
		"labels":         {[]WorldPanel{{Points: points, Labels: []int32{1}}}, WorldOptions{}, ErrShape},
		"no number": {[]WorldPanel{{Points: flow.Batch{N: 1, D: 2, X: []float64{math.NaN(), 0}}}}, WorldOptions{},
			ErrNotFinite},
	} {
		if err := World(&out, c.panels, c.o); !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), "plot: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
