package plot

import (
	"image/color"
	"math"
	"testing"
)

// contrastOnWhite is the ratio of WCAG 2.1.
func contrastOnWhite(c color.RGBA) float64 {
	v := linear(c)
	return 1.05 / (0.2126*v[0] + 0.7152*v[1] + 0.0722*v[2] + 0.05)
}

// visions are those of readers with all cones, and without those of long or middle waves:
// Machado, Oliveira and Fernandes (2009), severity 1, on linear light.
var visions = map[string][3][3]float64{
	"trichromacy": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia": {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216},
		{-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413},
		{-0.011820, 0.042940, 0.968881}},
}

func seen(c color.RGBA, m [3][3]float64) [3]float64 {
	v, out := linear(c), [3]float64{}
	for i := range out {
		out[i] = min(max(m[i][0]*v[0]+m[i][1]*v[1]+m[i][2]*v[2], 0), 1)
	}
	return oklab(out)
}

func TestThePaletteStandsOutOnWhite(t *testing.T) {
	for k, c := range append(palette[:len(palette):len(palette)], inkText, inkFaint) {
		if got := contrastOnWhite(c); got < 3 {
			t.Errorf("colour %d, %v: contrast %.2f on white, want 3 or more", k, c, got)
		}
	}
}

func TestThePaletteIsToldApartByEveryReader(t *testing.T) {
	const least = 0.1 // five times what is just noticeable
	for name, m := range visions {
		for i, a := range palette {
			for j, b := range palette[:i] {
				p, q := seen(a, m), seen(b, m)
				if d := math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2]); d < least {
					t.Errorf("%s: colours %d and %d differ by %.3f, want %v or more", name, i, j, d, least)
				}
			}
		}
	}
	// The two that the issue names: the measure must see that they coincide.
	p, q := seen(rgb(0xe69f00), visions["protanopia"]), seen(rgb(0xa5aa16), visions["protanopia"])
	if d := math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2]); d > least {
		t.Errorf("e69f00 and a5aa16 differ by %.3f under protanopia, and readers see one colour", d)
	}
}

func TestAMethodLooksTheSameEverywhere(t *testing.T) {
	alone := looks([]string{"FM-OT"})[0]
	for _, names := range [][]string{
		{"Score matching", "DDPM", "ScoreFlow", "FM-diffusion", "FM-OT"},
		{"FM-OT", "CNF, exact", "CNF, Hutchinson", "CNF, regularised"},
		{"VP, noise (DDPM)", "VP, score (SM)", "VP, score (ScoreFlow)", "VP, velocity (FM)", "VE, noise", "VE, score",
			"VE, velocity (FM)", "OT, velocity (FM)"},
		{"FM-OT", "OT-CFM", "2-RF", "distilled", "distilled 2-RF", "shortcut", "MeanFlow"},
		{"some run", "another run", "FM-OT", "x", "y", "z"},
	} {
		got := map[color.RGBA]string{}
		for k, l := range looks(names) {
			if other, used := got[l.color]; used {
				t.Errorf("%q and %q share a colour in one picture", names[k], other)
			}
			got[l.color] = names[k]
			if names[k] == "FM-OT" && l != alone {
				t.Errorf("FM-OT among %q is not as it is alone", names)
			}
			if slot, known := methods[names[k]]; known && l != lookOf(slot) {
				t.Errorf("%q among %q has not its own look", names[k], names)
			}
		}
	}
}

func TestAnUnknownNameKeepsItsLook(t *testing.T) {
	want := looks([]string{"a run of mine"})[0]
	if got := looks([]string{"FM-OT", "CNF", "a run of mine"})[2]; got != want {
		t.Errorf("beside known methods: %v, alone: %v", got, want)
	}
	if a := looks([]string{"x", "x"}); a[0] != a[1] {
		t.Errorf("one name, two looks: %v", a)
	}
	for n := range 30 { // more names than colours are drawn all the same
		if got := len(looks(make([]string, n))); got != n {
			t.Errorf("%d looks for %d names", got, n)
		}
	}
}
