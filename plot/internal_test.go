package plot

import (
	"image"
	"image/color"
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

func TestColormapsRiseInBrightness(t *testing.T) {
	for name, m := range map[string]colormap{"viridis": viridis, "magma": magma} {
		last := -1.0
		for k := range 201 {
			c := m.at(float64(k) / 200)
			// Relative luminance of linear light (IEC 61966-2-1).
			lin := func(v uint8) float64 { return math.Pow((float64(v)/255+0.055)/1.055, 2.4) }
			if y := 0.2126*lin(c.R) + 0.7152*lin(c.G) + 0.0722*lin(c.B); y < last-2e-3 {
				t.Errorf("%s at %.3f: luminance fell from %.4f to %.4f", name, float64(k)/200, last, y)
			} else {
				last = y
			}
		}
		if m.at(-1) != m.at(0) || m.at(2) != m.at(1) || m.at(0) != rgb(m[0]) || m.at(1) != rgb(m[len(m)-1]) {
			t.Errorf("%s: ends are not those of the table, or not clamped", name)
		}
	}
	// The full table at 1/2 is (33, 145, 140): between entries 127 and 128.
	if c := viridis.at(0.5); math.Abs(float64(c.R)-33) > 5 || math.Abs(float64(c.G)-145) > 5 ||
		math.Abs(float64(c.B)-140) > 5 {
		t.Errorf("middle of viridis: got %v, want (33, 145, 140) within 5", c)
	}
}

func TestTicksAreRoundNumbersInsideTheLimits(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		n      int
		want   []string
	}{
		{-4, 4, 5, []string{"−4", "−2", "0", "2", "4"}},
		{0, 1, 5, []string{"0", "0.2", "0.4", "0.6", "0.8", "1.0"}},
		{-0.05, 0.17, 5, []string{"−0.05", "0", "0.05", "0.10", "0.15"}},
		{0, 0.0012, 4, []string{"0", "0.0005", "0.0010"}},
		{0, 20000, 4, []string{"0", "5000", "10000", "15000", "20000"}},
		{0, 3e6, 3, []string{"0", "10⁶", "2·10⁶", "3·10⁶"}},
		{0, 2e-6, 2, []string{"0", "10⁻⁶", "2·10⁻⁶"}},
		{-3e-6, 0, 3, []string{"−3·10⁻⁶", "−2·10⁻⁶", "−10⁻⁶", "0"}},
		{-4.7, 4.9, 2, []string{"−4", "0", "4"}},
		{0.11, 0.39, 2, []string{"0.15", "0.20", "0.25", "0.30", "0.35"}},
	} {
		var got []string
		for _, k := range ticks(c.lo, c.hi, c.n) {
			got = append(got, k.label)
			if k.at < c.lo-1e-9*(c.hi-c.lo) || k.at > c.hi+1e-9*(c.hi-c.lo) {
				t.Errorf("[%v, %v]: a mark at %v", c.lo, c.hi, k.at)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("[%v, %v] with about %d: got %q, want %q", c.lo, c.hi, c.n, got, c.want)
		}
	}
}

func TestLogTicksLabelTheDecades(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   []string
	}{
		{0.15, 2.5, []string{"0.2", "0.5", "1", "2"}},
		{0.001, 10, []string{"0.001", "0.01", "0.1", "1", "10"}},
		{1e-12, 1, []string{"10⁻¹²", "10⁻¹⁰", "10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "1"}},
		{1.7, 230, []string{"2", "5", "10", "20", "50", "100", "200"}},
		{0.02, 2.2, []string{"0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"}},
		{5.5e-7, 1.3e-3, []string{"10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³"}},
	} {
		var got []string
		for _, k := range logTicks(c.lo, c.hi) {
			if k.label != "" {
				got = append(got, k.label)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("[%v, %v]: got %q, want %q", c.lo, c.hi, got, c.want)
		}
	}
}

func TestALogarithmicAxisGivesEveryDecadeTheSameLength(t *testing.T) {
	a := axes{rect: image.Rect(0, 0, 100, 300), lim: Limits{0, 1, 0.01, 10}, logY: true}
	for _, c := range []struct{ v, want float64 }{{10, 0}, {1, 100}, {0.1, 200}, {0.01, 300}} {
		if got := a.y(c.v); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("height of %v: got %v, want %v", c.v, got, c.want)
		}
	}
}

func TestHistogramHasMassOne(t *testing.T) {
	x := flow.NewBatch(1000, 1)
	flow.Gaussian{}.Sample(x, seed.Rand(1, "histogram", 0))
	mass := func(lo, hi float64) float64 {
		sum := 0.0
		for _, p := range density(x.X, lo, hi, 40) {
			sum += p * (hi - lo) / 40
		}
		return sum
	}
	if got := mass(-10, 10); math.Abs(got-1) > 1e-12 {
		t.Errorf("mass over everything: got %v, want 1", got)
	}
	inside := 0.0
	for _, v := range x.X {
		if v >= 0 && v <= 1 {
			inside += 0.001
		}
	}
	if got := mass(0, 1); math.Abs(got-inside) > 1e-12 {
		t.Errorf("mass over [0, 1]: got %v, want the share of points there, %v", got, inside)
	}
}

func TestBlurKeepsMassAndSpreadsByItsWidth(t *testing.T) {
	m := &heatmap{w: 81, h: 61, p: make([]float64, 81*61)}
	m.add(40.5, 30.5, 2)
	m.blur(4)
	mass, vx, vy := 0.0, 0.0, 0.0
	for k, p := range m.p {
		dx, dy := float64(k%81)-40, float64(k/81)-30
		mass, vx, vy = mass+p, vx+p*dx*dx, vy+p*dy*dy
	}
	if math.Abs(mass-2) > 1e-12 {
		t.Errorf("mass: got %v, want 2", mass)
	}
	// The kernel is cut at 3 standard deviations, which takes 2.7 % off the variance.
	for name, v := range map[string]float64{"across": vx, "upwards": vy} {
		if got := v / mass; math.Abs(got-16) > 0.6 {
			t.Errorf("variance %s: got %v, want 16 within 0.6", name, got)
		}
	}
}

func TestHeatmapAddKeepsTheMeanPosition(t *testing.T) {
	m := &heatmap{w: 20, h: 20, p: make([]float64, 400)}
	m.add(7.3, 11.9, 1)
	x, y := 0.0, 0.0
	for k, p := range m.p {
		x, y = x+p*(float64(k%20)+0.5), y+p*(float64(k/20)+0.5)
	}
	if math.Abs(x-7.3) > 1e-12 || math.Abs(y-11.9) > 1e-12 {
		t.Errorf("mean position: got (%v, %v), want (7.3, 11.9)", x, y)
	}
}

func TestSmoothKeepsAStraightLineUpToItsEnds(t *testing.T) {
	y := make([]float64, 100)
	for i := range y {
		y[i] = 3 - 0.07*float64(i)
	}
	y[40] = math.NaN()
	for i, v := range smooth(y, 5) {
		if i == 40 {
			if !math.IsNaN(v) {
				t.Errorf("a NaN became %v", v)
			}
			continue
		}
		if math.Abs(v-y[i]) > 1e-9 {
			t.Errorf("value %d of a straight line: got %v, want %v", i, v, y[i])
		}
	}
}

func TestSmoothReducesNoise(t *testing.T) {
	r := seed.Rand(7, "smooth", 0)
	y := make([]float64, 4000)
	for i := range y {
		y[i] = r.NormFloat64()
	}
	sum, n := 0.0, 0
	for _, v := range smooth(y, 10)[50:3950] { // the ends have fewer neighbours
		sum, n = sum+v*v, n+1
	}
	// White noise of variance 1 averaged by a Gaussian of sd s has variance 1/(2s√π)
	// = 0.0282; neighbours within about 2s√π = 35 values are dependent, so there are
	// about 110 independent ones and the standard error is 0.0282·√(2/110) = 0.004.
	if got, want := sum/float64(n), 1/(20*math.Sqrt(math.Pi)); math.Abs(got-want) > 4*0.004 {
		t.Errorf("variance after smoothing (seed 7): got %v, want %v within 4 standard errors of 0.004", got, want)
	}
}

func TestBucketsKeepExtremesAndMeans(t *testing.T) {
	y := []float64{1, 5, 3, 2, math.NaN(), 8, math.NaN(), math.Inf(1)}
	x := []float64{0, 1, 2, 3, 4, 5, 6, 7}
	c := bucket(x, y, 4)
	if want := []float64{1, 5, 3, 2, 8, math.NaN()}; !equalNaN(c.rawY, want) {
		t.Errorf("extremes: got %v, want %v", c.rawY, want)
	}
	if want := []float64{3, 2.5, 8, math.NaN()}; !equalNaN(c.meanY, want) {
		t.Errorf("means: got %v, want %v", c.meanY, want)
	}
}

func equalNaN(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) })
}

func TestOverlaidLayersMixWithoutOrder(t *testing.T) {
	blue, red := newLayer(3, 1), newLayer(3, 1)
	blue.dot(0.5, 0.5, 0.4, 0.5)
	blue.dot(1.5, 0.5, 0.4, 0.5)
	red.dot(1.5, 0.5, 0.4, 0.5)
	paint := func(l []*layer, c []color.RGBA) *image.RGBA {
		img := newCanvas(3, 1, 100, PNG).img
		blend(img, img.Rect, l, c)
		return img
	}
	b, r := rgb(0x0000ff), rgb(0xff0000)
	one := paint([]*layer{blue, red}, []color.RGBA{b, r})
	two := paint([]*layer{red, blue}, []color.RGBA{r, b})
	if !slices.Equal(one.Pix, two.Pix) {
		t.Errorf("the order of layers matters: %v and %v", one.Pix, two.Pix)
	}
	if c := one.RGBAAt(1, 0); c.R != c.B || c.R <= c.G {
		t.Errorf("equal ink of red and blue: got %v, want as much red as blue", c)
	}
	if c := one.RGBAAt(2, 0); c != white {
		t.Errorf("no ink: got %v, want white", c)
	}
}

func TestAStrokeHasItsWidthAndDoesNotDarkenItself(t *testing.T) {
	s := newStroke(40, 40)
	s.segment(10, 20, 30, 20, 2, 0, 1)
	s.segment(30, 20, 10, 20, 2, 1, 0) // back over itself
	ink := 0.0
	for _, c := range s.cover {
		ink += c
	}
	// A rectangle of 20 x 4 and two half discs of radius 2 at its ends.
	if want := 20*4 + math.Pi*4; math.Abs(ink-want) > 1.5 {
		t.Errorf("ink of the line: got %.1f pixels, want %.1f within 1.5", ink, want)
	}
	img := newCanvas(40, 40, 100, PNG).img
	s.blend(img, img.Rect, 0.5, func(float64) color.RGBA { return rgb(0) })
	if c := img.RGBAAt(20, 20); c.R != 128 {
		t.Errorf("black at opacity 1/2, drawn twice: got %v, want 128", c)
	}
	for _, c := range s.cover {
		if c != 0 {
			t.Fatal("the stroke remembers a line that was painted")
		}
	}
}

func TestArrowsPointAlongTheVelocity(t *testing.T) {
	for _, c := range []struct {
		name   string
		dx, dy float64 // pixels, y downwards
	}{{"right", 1, 0}, {"left", -1, 0}, {"up", 0, -1}, {"down", 0, 1}} {
		f := &figure{canvas: newCanvas(60, 60, 72, PNG)}
		f.arrow(30, 30, c.dx, c.dy, 40, 40, inkText)
		// The head is wide, so most of the ink lies on its side of the middle.
		along, n := 0.0, 0.0
		for y := range 60 {
			for x := range 60 {
				ink := 255 - float64(f.img.RGBAAt(x, y).R)
				along += ink * ((float64(x)-29.5)*c.dx + (float64(y)-29.5)*c.dy)
				n += ink
			}
		}
		if n == 0 || along/n < 1.5 {
			t.Errorf("%s: the ink is %.2f pixels ahead of the middle, want more than 1.5", c.name, along/n)
		}
	}
}

func TestSpanHoldsANormalSampleAndDropsStrays(t *testing.T) {
	x := flow.NewBatch(5000, 1)
	flow.Gaussian{}.Sample(x, seed.Rand(8, "span", 0))
	lo, hi := span(0, x)
	if slices.Min(x.X) < lo || slices.Max(x.X) > hi {
		t.Errorf("limits [%v, %v] do not hold the sample [%v, %v] (seed 8)", lo, hi, slices.Min(x.X), slices.Max(x.X))
	}
	x.X[17] = -1e6
	if lo, _ := span(0, x); lo < -5 {
		t.Errorf("with a stray at -1e6: lower limit %v, want above -5", lo)
	}
	if lo, hi := span(0, flow.Batch{N: 2, D: 1, X: []float64{7, 7}}); !(lo < 7 && 7 < hi) {
		t.Errorf("equal points: limits [%v, %v], want 7 inside", lo, hi)
	}
}

// Whatever the axis, it has enough labels to be read, and not so many that they run into one
// another.
func TestEveryAxisHasThreeLabels(t *testing.T) {
	count := func(marks []tick) (n int) {
		for _, k := range marks {
			if k.label != "" {
				n++
			}
		}
		return n
	}
	r := seed.Rand(1, "ticks", 0)
	for range 5000 {
		lo := math.Pow(10, 12*r.Float64()-8)
		hi := lo * math.Pow(10, 0.01+9*r.Float64()*r.Float64())
		if n := count(logTicks(lo, hi)); n < 3 || n > 9 {
			t.Errorf("logarithmic [%g, %g]: %d labels", lo, hi, n)
		}
		for _, parts := range []int{2, 3, 7} {
			if n := count(ticks(-lo, hi, parts)); n < 3 || n > max(parts+1, 5) {
				t.Errorf("[%g, %g] in %d parts: %d labels", -lo, hi, parts, n)
			}
		}
	}
}

func TestEndsOfLinesAreNamedApart(t *testing.T) {
	for _, c := range []struct{ want, got []float64 }{
		{[]float64{10, 50, 90}, []float64{10, 50, 90}},
		{[]float64{50, 50, 50}, []float64{40, 50, 60}},
		{[]float64{0, 1, 2, 90}, []float64{0, 10, 20, 90}},
		{[]float64{99, 100, 100}, []float64{80, 90, 100}},
	} {
		got := spread(c.want, 10, 0, 100)
		if !slices.EqualFunc(got, c.got, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("%v: got %v, want %v", c.want, got, c.got)
		}
	}
}

func TestALineUnderAnotherIsSeen(t *testing.T) {
	a := [][2]float64{{0, 0}, {10, 5}, {20, 9}, {30, 9}}
	b := [][2]float64{{0, 0}, {10, 5.5}, {20, 9}, {30, 20}}
	c := [][2]float64{{0, 9}, {10, 9}, {20, 9}, {30, 9}}
	covers, covered := under([][][2]float64{a, c, b}, 1)
	if !slices.Equal(covers, []bool{false, false, true}) || !slices.Equal(covered, []bool{true, false, false}) {
		t.Errorf("the third lies on the first: got %v over %v", covers, covered)
	}
}

func TestLinesAreCutAtTheEdges(t *testing.T) {
	r := image.Rect(0, 0, 10, 10)
	nan := math.NaN()
	got := clip(r, [][2]float64{{-5, 5}, {5, 5}, {15, 5}, {15, 50}, {2, 50}, {2, 1}, {nan, 1}, {3, 3}, {4, 4}})
	want := [][][2]float64{{{0, 5}, {5, 5}, {10, 5}}, {{2, 10}, {2, 1}}, {{3, 3}, {4, 4}}}
	if !slices.EqualFunc(got, want, func(a, b [][2]float64) bool { return slices.Equal(a, b) }) {
		t.Errorf("got %v, want %v", got, want)
	}
}
