package plot

import (
	"bytes"
	"errors"
	"image/color"
	"image/png"
	"io"
	"math"
	"testing"

	"flowmatch/flow"
)

// On the dark ground the palette and the inks stand out as on white, and hues stay.
func TestTheOppositeOfThePaletteStandsOutOnDark(t *testing.T) {
	ground := opposite(white)
	if ground.R > 30 || ground.R != ground.G || ground.G != ground.B {
		t.Errorf("the ground is %v", ground)
	}
	hue := func(c color.RGBA) float64 {
		v := oklab(linear(c))
		return math.Atan2(v[2], v[1])
	}
	for k, c := range append(palette[:len(palette):len(palette)], inkText, inkFaint) {
		o := opposite(c)
		if got := contrastOnWhite(ground) / contrastOnWhite(o); got < 3 {
			t.Errorf("colour %d, %v: contrast %.2f of %v on the dark ground, want 3 or more", k, c, got, o)
		}
		turn := math.Abs(math.Remainder(hue(o)-hue(c), 2*math.Pi))
		if k < len(palette) && turn > 0.1 {
			t.Errorf("colour %d, %v: %v is turned by %.2f", k, c, o, turn)
		}
	}
	for i, c := range palette {
		for j, d := range palette[:i] {
			p, q := oklab(linear(opposite(c))), oklab(linear(opposite(d)))
			if far := math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2]); far < 0.06 {
				t.Errorf("colours %d and %d differ by %.3f on dark", i, j, far)
			}
		}
		if back := fromOKLab(oklab(linear(c))); math.Abs(back[0]-linear(c)[0]) > 1e-6 {
			t.Errorf("%v goes to OKLab and back to %v", c, back)
		}
	}
}

func TestDarkPicturesAreDarkAndMapsStay(t *testing.T) {
	x := flow.Batch{N: 3, D: 2, X: []float64{0, 0, 1, 1, 2, 0}}
	draw := func(o Options) (corner, middle color.Color) {
		var b bytes.Buffer
		if err := Samples(&b, []Panel{{Points: x}}, o); err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		return img.At(2, 2), img.At(img.Bounds().Dx()/2, img.Bounds().Dy()/3)
	}
	if c, _ := draw(Options{Dark: true}); c != color.Color(opposite(white)) {
		t.Errorf("the ground is %v", c)
	}
	_, light := draw(Options{Style: Heat})
	c, dark := draw(Options{Style: Heat, Dark: true})
	if light != dark || c != color.Color(opposite(white)) {
		t.Errorf("a map has %v in a light picture and %v in a dark one, whose ground is %v", light, dark, c)
	}
	if err := Samples(io.Discard, []Panel{{Points: x}}, Options{Dark: true, Format: SVG}); !errors.Is(err, ErrOptions) {
		t.Errorf("a dark SVG: %v", err)
	}
	one := flow.Batch{N: 1, D: 4, X: []float64{1, 1, 1, 1}}
	err := ImageGrid(io.Discard, one, []int{2, 2}, ImageOptions{Dark: true, Format: PDF})
	if !errors.Is(err, ErrOptions) {
		t.Errorf("a dark PDF of images: %v", err)
	}
	var b bytes.Buffer
	if err := ImageGrid(&b, one, []int{2, 2}, ImageOptions{Dark: true}); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	mid := img.Bounds().Dx() / 2
	if r, _, _, _ := img.At(mid, mid).RGBA(); r>>8 != 255 || img.At(0, 0) != color.Color(opposite(white)) {
		t.Errorf("a white image on dark is %v on %v", img.At(mid, mid), img.At(0, 0))
	}
}
