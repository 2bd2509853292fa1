package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// The expected numbers of the tests called ...OfNumPy, here and in fid_test.go, are
// those of testdata/quality.py.

// made is made() of testdata/quality.py.
func made(n, d, shift int) flow.Batch {
	x := flow.NewBatch(n, d)
	for i := range n {
		for j := range d {
			s := i + shift
			x.Row(i)[j] = float64((s*7919+j*104729+s*s*31*(j+1))%10007)/10007 - 0.5
		}
	}
	return x
}

// pair is pair() of testdata/quality.py.
func pair(n, m, d int) (a, b flow.Batch) {
	a, b = made(n, d, 0), made(m, d, 5000)
	for k, v := range b.X {
		b.X[k] = v*(1+float64(k%d)/float64(d)) + 0.1
	}
	return a, b
}

func two(t *testing.T) func(a, b float64, err error) [2]float64 {
	return func(a, b float64, err error) [2]float64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return [2]float64{a, b}
	}
}

func TestKIDIsThatOfNumPy(t *testing.T) {
	for _, c := range []struct {
		n, d int
		want float64
	}{{100, 7, 0.041008928628856633}, {250, 64, 0.034724108646519314}} {
		a, b := pair(c.n, c.n, c.d)
		got := two(t)(KID(a, b, KIDOptions{Subsets: 3, Size: c.n})) // all points, in any order
		near(t, fmt.Sprintf("N = %d, D = %d", c.n, c.d), got[0], c.want, 1e-13)
		near(t, "standard deviation of one value", got[1], 0, 1e-14)
	}
}

func TestKIDIsZeroOnAverageForOneLawAndNotForTwo(t *testing.T) {
	const subsets, size = 200, 20
	rng := seed.Rand(21, "metrics", 0)
	a, b := normals(subsets*size, 3, rng), normals(subsets*size, 3, rng)
	for _, moved := range []float64{0, 0.5} {
		for i := range b.X {
			b.X[i] += moved
		}
		values := make([]float64, subsets)
		for k := range values { // disjoint parts are independent
			part := func(x flow.Batch) flow.Batch { return x.Slice(k*size, (k+1)*size) }
			values[k] = two(t)(KID(part(a), part(b), KIDOptions{Subsets: 1, Size: size}))[0]
		}
		average, std := meanAndStd(values)
		if off := math.Abs(average) / (std / math.Sqrt(subsets)); (off < 5) != (moved == 0) {
			t.Errorf("moved by %g: mean %g is %.1f standard errors from zero (seed 21)", moved, average, off)
		}
	}
	o := KIDOptions{Subsets: 5, Size: 100}
	one, again := two(t)(KID(a, b, o)), two(t)(KID(a, b, o))
	if one != again || one[1] == 0 {
		t.Errorf("the same seed: %v and %v, want equal ones that vary over subsets", one, again)
	}
	o.Seed = 1
	if other := two(t)(KID(a, b, o)); other == one {
		t.Errorf("seeds 0 and 1: both %v", one)
	}
}

func TestInceptionScoreIsThatOfNumPy(t *testing.T) {
	for _, c := range []struct {
		n, classes, splits int
		mean, std          float64
	}{
		{200, 10, 1, 2.0675356430770804, 0},
		{203, 7, 4, 1.9635640026247012, 0.04671596530229945},
	} {
		p := made(c.n, c.classes, 0)
		for i := range p.N {
			sum := 0.0
			for k, v := range p.Row(i) {
				p.Row(i)[k] = math.Exp(6 * v)
				sum += p.Row(i)[k]
			}
			for k := range p.Row(i) {
				p.Row(i)[k] /= sum
			}
		}
		got := two(t)(InceptionScore(p, c.splits))
		near(t, "mean", got[0], c.mean, 1e-12)
		near(t, "standard deviation", got[1], c.std, 1e-12)
	}
}

func TestInceptionScoreIsOneOfNoIdeaAndKOfCertainty(t *testing.T) {
	const classes = 8
	uniform, sure, one := flow.NewBatch(80, classes), flow.NewBatch(80, classes), flow.NewBatch(80, classes)
	for i := range 80 {
		for k := range classes {
			uniform.Row(i)[k] = 1. / classes
		}
		sure.Row(i)[i%classes] = 1
		one.Row(i)[3] = 1
	}
	for _, splits := range []int{1, 10} {
		near(t, "uniform", two(t)(InceptionScore(uniform, splits))[0], 1, 1e-12)
		near(t, "always the same class", two(t)(InceptionScore(one, splits))[0], 1, 1e-12)
		one.X[0] = math.SmallestNonzeroFloat64
		near(t, "a class all but impossible", two(t)(InceptionScore(one, splits))[0], 1, 1e-12)
		near(t, "one hot, balanced", two(t)(InceptionScore(sure, splits))[0], classes, 1e-12)
	}
}

func TestPrecisionAndRecallAreThoseOfNumPy(t *testing.T) {
	for _, c := range []struct {
		n, m, d, k        int
		precision, recall float64
	}{
		{200, 150, 3, 3, 0.4666666666666667, 0.81},
		{150, 300, 4, 1, 0.17, 0.21333333333333335},
		{300, 300, 2, 5, 0.7933333333333333, 0.9733333333333334},
	} {
		a, b := pair(c.n, c.m, c.d)
		got := two(t)(PrecisionRecall(a, b, c.k))
		name := fmt.Sprintf("N = %d, M = %d, D = %d, k = %d", c.n, c.m, c.d, c.k)
		near(t, name+", precision", got[0], c.precision, 1e-14)
		near(t, name+", recall", got[1], c.recall, 1e-14)
		if got := two(t)(PrecisionRecall(a, a, c.k)); got != [2]float64{1, 1} {
			t.Errorf("%s, a set and itself: %v, want 1 and 1", name, got)
		}
	}
}

// On the line with k = 1: the data 0, 1, 3, 7 have radii 1, 1, 2, 4; the samples
// 2, 2.5, 2.5, 12 have radii 0.5, 0, 0, 9.5.
func TestPrecisionAndRecallByHand(t *testing.T) {
	data := flow.Batch{N: 4, D: 1, X: []float64{0, 1, 3, 7}}
	samples := flow.Batch{N: 4, D: 1, X: []float64{2, 2.5, 2.5, 12}}
	if got := two(t)(PrecisionRecall(data, samples, 1)); got != [2]float64{0.75, 0.5} {
		t.Errorf("got %v, want 0.75 and 0.5: 12 is of no ball of the data, 3 and 7 of the ball of 12", got)
	}
	far := samples.Clone()
	for i := range far.X {
		far.X[i] += 100
	}
	if got := two(t)(PrecisionRecall(data, far, 3)); got != [2]float64{0, 0} {
		t.Errorf("sets far apart: got %v, want 0 and 0", got)
	}
	one := flow.Batch{N: 4, D: 1, X: []float64{1, 1, 1, 1}}
	if got := two(t)(PrecisionRecall(data, one, 3)); got != [2]float64{1, 0.25} {
		t.Errorf("one picture again and again: got %v, want 1 and 0.25", got)
	}
	if got := two(t)(PrecisionRecall(one, one, 3)); got != [2]float64{1, 1} {
		t.Errorf("balls of radius zero: got %v, want 1 and 1", got)
	}
}

// pictures is images() of testdata/quality.py.
func pictures(n int, s ImageShape) (a, b flow.Batch) {
	d := s.Height * s.Width * s.Channels
	a, b = flow.NewBatch(n, d), made(n, d, 0)
	for i := range n {
		for k := range d {
			c, x, y := k%s.Channels, k/s.Channels%s.Width, k/s.Channels/s.Width
			a.Row(i)[k] = math.Sin(0.3*float64(x) + 0.2*float64(y*(i+1)) + float64(c))
			b.Row(i)[k] = max(-1, min(1, a.Row(i)[k]+b.Row(i)[k]*0.8))
		}
	}
	return a, b
}

func TestPSNRAndSSIMAreThoseOfNumPy(t *testing.T) {
	for _, c := range []struct {
		n         int
		shape     ImageShape
		dataRange float64
		psnr      float64
		ssim      float64
	}{
		{2, ImageShape{16, 23, 1}, 2, 19.703945104062413, 0.8553315709532119},
		{3, ImageShape{32, 32, 3}, 2, 19.73555115729003, 0.8607322209632852},
		{1, ImageShape{11, 11, 2}, 1, 13.663742149956466, 0.874375522236295},
	} {
		a, b := pictures(c.n, c.shape)
		near(t, "PSNR", must(t)(PSNR(a, b, c.dataRange)), c.psnr, 1e-11)
		near(t, "SSIM", must(t)(SSIM(a, b, c.shape, c.dataRange)), c.ssim, 1e-12)
		near(t, "SSIM of an image and itself", must(t)(SSIM(a, a, c.shape, c.dataRange)), 1, 1e-15)
		near(t, "PSNR of an image and itself, inverted", 1/must(t)(PSNR(a, a, c.dataRange)), 0, 0)
	}
}

func TestPSNRAndSSIMOfFlatImagesAreTheClosedForms(t *testing.T) {
	shape := ImageShape{12, 14, 1}
	a, b := flow.NewBatch(1, 12*14), flow.NewBatch(1, 12*14)
	for i := range a.X {
		a.X[i], b.X[i] = 0.5, 0.3
	}
	near(t, "PSNR", must(t)(PSNR(a, b, 2)), 20, 1e-12) // (2/0.2)²
	const c1 = 0.02 * 0.02
	near(t, "SSIM, the luminance alone", must(t)(SSIM(a, b, shape, 2)), (2*0.5*0.3+c1)/(0.25+0.09+c1), 1e-12)
}

func TestMetricsOfImagesDoNotDependOnTheNumberOfCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	a, b := pair(300, 300, 15*11)
	all := func() (r []float64) {
		r = append(r, must(t)(FID(stats(t, a), stats(t, b))))
		kid := two(t)(KID(a, b, KIDOptions{Subsets: 2, Size: 200}))
		pr := two(t)(PrecisionRecall(a, b, 3))
		return append(r, kid[0], kid[1], pr[0], pr[1], must(t)(SSIM(a, b, ImageShape{15, 11, 1}, 2)))
	}
	runtime.GOMAXPROCS(1)
	one := all()
	runtime.GOMAXPROCS(4)
	if four := all(); !slices.Equal(one, four) {
		t.Errorf("1 core %v, 4 cores %v", one, four)
	}
}

func TestFeaturesThatDoNotFitAreRefusedWithARemedy(t *testing.T) {
	x, y := pair(30, 20, 4)
	bad := y.Clone()
	bad.X[7] = math.NaN()
	s := stats(t, x)
	other := stats(t, y)
	other.Extractor = "another"
	_, errNew := NewFeatureStats("e", "s", bad)
	_, errFew := NewFeatureStats("e", "s", x.Slice(0, 1))
	fid := func(a, b FeatureStats) error { _, err := FID(a, b); return err }
	kid := func(a, b flow.Batch, o KIDOptions) error { _, _, err := KID(a, b, o); return err }
	score := func(p flow.Batch, splits int) error { _, _, err := InceptionScore(p, splits); return err }
	pr := func(a, b flow.Batch, k int) error { _, _, err := PrecisionRecall(a, b, k); return err }
	psnr := func(a, b flow.Batch, r float64) error { _, err := PSNR(a, b, r); return err }
	ssim := func(a, b flow.Batch, s ImageShape) error { _, err := SSIM(a, b, s, 2); return err }
	pixels, _ := pictures(2, ImageShape{12, 12, 1})
	for _, c := range []struct {
		err  error
		is   error
		want string
	}{
		{errNew, nil, "coordinate 3 of point 1 of the batch is NaN"},
		{errFew, ErrSize, "at least 2"},
		{fid(s, other), ErrExtractor, `"made" and "another"`},
		{fid(s, stats(t, made(9, 3, 0))), ErrSize, "dimension 4 and 3"},
		{fid(s, FeatureStats{}), ErrSize, "see NewFeatureStats"},
		{fid(s, FeatureStats{N: 5, Mean: []float64{math.Inf(1)}, Cov: []float64{1}}), nil, "mean 0 is +Inf"},
		{fid(s, FeatureStats{N: 5, Mean: []float64{0}, Cov: []float64{-1}}), nil, "features 0 and 0 is -1"},
		{fid(s, FeatureStats{N: 5, Mean: []float64{0, 0}, Cov: []float64{1, 1e300, 1e300, 1}}), nil,
			"features 0 and 1 is 1e+300, and 1e+300 the other way; with variances of 1 and 1"},
		{fid(s, FeatureStats{N: 5, Mean: []float64{0, 0}, Cov: []float64{1, 0.5, 0.25, 1}}), nil, "0 and 1 is 0.5"},
		{fid(s, FeatureStats{N: 5, Mean: []float64{0}, Cov: []float64{1e300}}), nil, "features 0 and 0 is 1e+300"},
		{kid(x, y, KIDOptions{Full: true, Size: 5}), nil, "all points has no subsets"},
		{kid(x, bad, KIDOptions{Full: true}), nil, "coordinate 3 of point 1 of the second batch is NaN"},
		{WriteFeatureStats(new(bytes.Buffer), FeatureStats{}), ErrSize, "WriteFeatureStats of statistics of 0 images"},
		{kid(x, y, KIDOptions{}), ErrSize, "subsets of 1000: sizes do not fit: set Size to 20 at most"},
		{kid(x, y, KIDOptions{Size: 1}), nil, "at least 2 points"},
		{kid(x, y, KIDOptions{Subsets: -1}), nil, "-1 subsets"},
		{kid(x, bad, KIDOptions{Size: 5}), nil, "coordinate 3 of point 1 of the second batch is NaN"},
		{kid(x, made(30, 5, 0), KIDOptions{Size: 5}), ErrSize, "must be equal"},
		{score(y, 2), nil, "is it a logit?"},
		{score(flow.Batch{N: 1, D: 2, X: []float64{0.5, 0.6}}, 1), nil, "add up to 1.1"},
		{score(flow.Batch{N: 1, D: 2, X: []float64{0.5, math.NaN()}}, 1), nil, "probability 1 of row 0 is NaN"},
		{score(flow.Batch{N: 1, D: 2, X: []float64{0.5, 0.5}}, 2), ErrSize, "at least a row a split"},
		{score(y, 0), nil, "10 are usual"},
		{score(flow.Batch{N: 2, D: 2, X: []float64{0.5, 0.5, 1}}, 1), ErrSize, "shape [2, 2] has 3 values"},
		{pr(x, y, 0), nil, "3 is usual"},
		{pr(x, y, 20), ErrSize, "at least 21 of either"},
		{pr(x, bad, 3), nil, "of the second batch is NaN"},
		{pr(x, made(30, 5, 0), 3), ErrSize, "must be equal"},
		{psnr(x, y, 2), ErrSize, "image with image"},
		{psnr(x, x, 0), nil, "data range of 0"},
		{psnr(y, bad, 2), nil, "of the second batch is NaN"},
		{ssim(pixels, pixels, ImageShape{12, 11, 1}), ErrSize,
			"as images of 12x11x1: sizes do not fit: these have 132 values"},
		{ssim(pixels, pixels, ImageShape{16, 9, 1}), ErrSize, "at least 11x11"},
		{ssim(pixels, pixels.Slice(0, 1), ImageShape{12, 12, 1}), ErrSize, "image with image"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) || c.is != nil && !errors.Is(c.err, c.is) {
			t.Errorf("got error %v, want one with %q (of kind %v)", c.err, c.want, c.is)
		}
	}
}

// A changed byte is seen, whichever number it is in.
func TestDamagedStatisticsAreAnError(t *testing.T) {
	x, _ := pair(30, 20, 4)
	var file bytes.Buffer
	if err := WriteFeatureStats(&file, stats(t, x)); err != nil {
		t.Fatal(err)
	}
	start := bytes.IndexByte(file.Bytes(), '\n') + 1
	for at := start; at < file.Len(); at += 7 {
		damaged := bytes.Clone(file.Bytes())
		damaged[at] ^= 1 << (at % 8)
		_, err := ReadFeatureStats(bytes.NewReader(damaged))
		if err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
}

// Of all points KID is that of one subset, and takes sets of unequal size.
func TestKIDOfFullSets(t *testing.T) {
	x, y := pair(60, 60, 4)
	near(t, "KID of equal sizes", two(t)(KID(x, y, KIDOptions{Full: true}))[0],
		two(t)(KID(x, y, KIDOptions{Subsets: 1, Size: 60}))[0], 1e-12)
	// The estimator has no bias: so has the mean over parts of one side.
	mean := 0.0
	for i := range 3 {
		mean += two(t)(KID(x, y.Slice(20*i, 20*i+20), KIDOptions{Full: true}))[0] / 3
	}
	k := func(a, b []float64) float64 {
		dot := 0.0
		for i, v := range a {
			dot += v * b[i]
		}
		return math.Pow(dot/4+1, 3)
	}
	want := 0.0
	for i := range 60 {
		for j := range 60 {
			want -= 2 * k(x.Row(i), y.Row(j)) / 3600
			if i != j {
				want += k(x.Row(i), x.Row(j)) / (60 * 59)
				if i/20 == j/20 {
					want += k(y.Row(i), y.Row(j)) / (20 * 19 * 3)
				}
			}
		}
	}
	near(t, "KID of 60 and 20 points", mean, want, 1e-9)
}

func ExamplePrecisionRecall() {
	data := flow.Batch{N: 5, D: 1, X: []float64{0, 1, 2, 3, 4}}
	samples := flow.Batch{N: 5, D: 1, X: []float64{0, 0.1, 0.2, 0.3, 0.4}} // real, but little of all
	precision, recall, err := PrecisionRecall(data, samples, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("precision %.1f, recall %.1f\n", precision, recall)
	// Output:
	// precision 1.0, recall 0.2
}

func BenchmarkFeatures(b *testing.B) {
	rng := seed.Rand(23, "metrics", 0)
	x, y := normals(10000, 64, rng), normals(10000, 64, rng)
	for name, metric := range map[string]func() error{
		"PrecisionRecall": func() error { _, _, err := PrecisionRecall(x, y, 3); return err },
		"KID":             func() error { _, _, err := KID(x, y, KIDOptions{}); return err },
		"NewFeatureStats": func() error { _, err := NewFeatureStats("", "", x); return err },
	} {
		b.Run(name+"/N=10000/D=64", func(b *testing.B) {
			for b.Loop() {
				if err := metric(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
