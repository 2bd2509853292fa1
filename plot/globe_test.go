package plot

import (
	"bytes"
	"errors"
	"image/color"
	"image/gif"
	"math"
	"testing"
	"time"
)

// The globe shows the side that is turned to the viewer: a hemisphere that is bright is in the middle at first, and
// behind after half a turn.
func TestAGlobeTurns(t *testing.T) {
	s := Sphere{Rows: 12}
	at, err := s.Points()
	if err != nil {
		t.Fatal(err)
	}
	logp := make([]float64, at.N)
	for k := range logp {
		logp[k] = 3 * math.Cos(at.Row(k)[0]*math.Pi/180) * math.Cos(at.Row(k)[1]*math.Pi/180)
	}
	for _, dark := range []bool{false, true} {
		var out bytes.Buffer
		o := GlobeOptions{Sphere: s, Frames: 4, Log: true, Bare: true}
		o.Size, o.DPI, o.Dark, o.Delay = 1, 80, dark, 100*time.Millisecond
		if err := Globe(&out, logp, o); err != nil {
			t.Fatal(err)
		}
		anim, err := gif.DecodeAll(&out)
		if err != nil {
			t.Fatal(err)
		}
		if len(anim.Image) != 4 || anim.Delay[0] != 10 || anim.Delay[3] != 10 {
			t.Fatalf("%d frames that stand for %v; want 4 for 10 each", len(anim.Image), anim.Delay)
		}
		green := func(k int) uint32 { // of viridis it grows with the density
			_, g, _, _ := anim.Image[k].At(46, 52).RGBA()
			return g >> 8
		}
		if front, side, back := green(0), green(1), green(2); !(front > side && side > back) {
			t.Errorf("the middle is %d, %d and %d as the globe turns; want it to fade", front, side, back)
		}
		r, _, _, _ := color.RGBAModel.Convert(anim.Image[0].At(0, 0)).RGBA()
		if ground := r >> 8; dark != (ground < 128) {
			t.Errorf("dark %v: the ground is %d", dark, ground)
		}
	}
}

func TestPlacesOfAGlobeAreWhereTheyAreSeen(t *testing.T) {
	for _, c := range []struct{ x, y, middle, lon, lat float64 }{
		{0, 0, 30, 30, globeLean},
		{0, math.Cos(globeLean * math.Pi / 180), 75, 75, 90}, // the north pole leans to the viewer
		{1, 0, 0, 90, 0},
		{-1, 0, 100, 10, 0},
		{1, 0, 170, -100, 0},
	} {
		lon, lat, ok := unglobe(c.x, c.y, c.middle)
		if !ok || math.Abs(lat-c.lat) > 1e-5 || c.lat < 89 && math.Abs(lon-c.lon) > 1e-5 {
			t.Errorf("%v is seen at %g, %g (%v)", c, lon, lat, ok)
		}
	}
	if _, _, ok := unglobe(0.8, 0.8, 0); ok {
		t.Error("a corner is on the globe")
	}
}

func TestAGlobeRefusesWhatItCannotDraw(t *testing.T) {
	logp := make([]float64, 2*12*12)
	for name, o := range map[string]GlobeOptions{
		"one frame":   {Frames: 1},
		"many frames": {Frames: 1000},
		"a delay":     {GIFOptions: GIFOptions{Delay: -1}},
		"a drawing":   {GIFOptions: GIFOptions{Options: Options{Format: SVG}}},
		"pixels":      {GIFOptions: GIFOptions{Options: Options{DPI: MostGIFDPI + 1}}},
	} {
		o.Sphere = Sphere{Rows: 12}
		if err := Globe(&bytes.Buffer{}, logp, o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Globe(&bytes.Buffer{}, logp[1:], GlobeOptions{Sphere: Sphere{Rows: 12}}); !errors.Is(err, ErrShape) {
		t.Errorf("287 cells: %v", err)
	}
}
