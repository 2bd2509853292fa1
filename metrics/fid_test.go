package metrics

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

func stats(t *testing.T, x flow.Batch) FeatureStats {
	t.Helper()
	s, err := NewFeatureStats("made", "all", x)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFIDIsThatOfNumPy(t *testing.T) {
	for _, c := range []struct {
		n, m, d int
		want    float64
		tol     float64
	}{
		{300, 200, 5, 0.1663944665791526, 1e-12},
		{1500, 1100, 40, 1.5471276878301459, 1e-12},
		// Singular covariances: the expected numbers are from the points themselves.
		{20, 30, 64, 11.840161656637402, 1e-9},
		{100, 12, 30, 4.974260890097181, 1e-6},
		{150, 90, 120, 12.972592929730439, 1e-9},
	} {
		x, y := pair(c.n, c.m, c.d)
		a, b := stats(t, x), stats(t, y)
		name := fmt.Sprintf("N = %d, M = %d, D = %d", c.n, c.m, c.d)
		near(t, name, must(t)(FID(a, b)), c.want, c.tol*c.want)
		near(t, name+", exchanged", must(t)(FID(b, a)), c.want, c.tol*c.want)
		near(t, name+", a set and itself", must(t)(FID(a, a)), 0, 1e-11)
	}
}

// For 2x2 matrices tr M^½ = (tr M + 2 (det M)^½)^½.
func TestFIDOfKnownGaussiansIsTheClosedForm(t *testing.T) {
	a := FeatureStats{N: 2, Mean: []float64{1, 2}, Cov: []float64{2, 1, 1, 3}}
	b := FeatureStats{N: 2, Mean: []float64{-2, 6}, Cov: []float64{5, -2, -2, 1}}
	// C_1 C_2 has trace 2·5 − 2·2 + 3·1 = 9 and determinant 5·1.
	near(t, "covariances that do not commute", must(t)(FID(a, b)), 25+5+6-2*math.Sqrt(9+2*math.Sqrt(5)), 1e-12)

	// Of a rank one and a regular covariance: C_1 = v vᵀ gives tr (C_1 C_2)^½ = (vᵀ C_2 v)^½.
	b.Cov = []float64{9, 6, 6, 4} // v = (3, 2)
	near(t, "a line and a plane", must(t)(FID(a, b)), 25+5+13-2*math.Sqrt(9*2+2*6*1+4*3), 1e-12)
	b.Cov = make([]float64, 4)
	near(t, "a point mass", must(t)(FID(a, b)), 25+5, 1e-14)

	// Of diagonal ones it is Σ (s − r)²; and so for the same eigenvectors turned.
	const d = 12
	p, q := FeatureStats{N: 2, Mean: make([]float64, d), Cov: make([]float64, d*d)},
		FeatureStats{N: 2, Mean: make([]float64, d), Cov: make([]float64, d*d)}
	want := 0.0
	mirror := func(i, j int) float64 { // I − 2vvᵀ/D, v of ones and minus ones
		v := -2 * math.Pow(-1, float64(i*i+j*j)) / d
		if i == j {
			v++
		}
		return v
	}
	for e := range d {
		s, r := float64(e), math.Sqrt(float64(d-e)) // one of s is zero
		want += (s - r) * (s - r)
		for i := range d {
			for j := range d {
				p.Cov[i*d+j] += s * s * mirror(i, e) * mirror(j, e)
				q.Cov[i*d+j] += r * r * mirror(i, e) * mirror(j, e)
			}
		}
	}
	near(t, "covariances that commute", must(t)(FID(p, q)), want, 1e-6)
}

func TestFeatureStatsAreTheMeanAndTheUnbiasedCovariance(t *testing.T) {
	x := made(2500, 3, 1) // three strips
	s := stats(t, x)
	for j := range 3 {
		for k := range 3 {
			sum := 0.0
			for i := range x.N {
				sum += (x.Row(i)[j] - s.Mean[j]) * (x.Row(i)[k] - s.Mean[k])
			}
			near(t, fmt.Sprintf("covariance %d %d", j, k), s.Cov[j*3+k], sum/2499, 1e-15)
		}
	}
	near(t, "mean 0", s.Mean[0], func() (m float64) {
		for i := range x.N {
			m += x.Row(i)[0]
		}
		return m / 2500
	}(), 1e-15)
}

func TestFeatureStatsAreReadAsTheyWereWritten(t *testing.T) {
	want := stats(t, made(10, 4, 0))
	want.Extractor, want.Split = "a \"net\"\nof two lines", "test"
	var file bytes.Buffer
	if err := WriteFeatureStats(&file, want); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	got, err := ReadFeatureStats(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	if got.Extractor != want.Extractor || got.Split != want.Split || got.N != want.N ||
		!slices.Equal(got.Mean, want.Mean) || !slices.Equal(got.Cov, want.Cov) {
		t.Errorf("read %+v, written %+v", got, want)
	}
	nan := slices.Clone(whole)
	copy(nan[len(nan)-8:], []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f})
	for name, c := range map[string]struct{ file, want string }{
		"empty":        {"", "first line"},
		"other":        {"P6 3 3\n", "first line"},
		"other format": {`{"format":"x","d":1}` + "\n", "first line"},
		"no line":      {strings.Repeat(" ", 1<<17), "first line"},
		"false d":      {`{"format":"flowmatch feature statistics 1","n":5,"d":-1}` + "\n", "d is -1"},
		"large d": {`{"format":"flowmatch feature statistics 1","n":5,"d":60000}` + "\n12345678",
			"cut off in row 0"},
		"cut off":  {string(whole[:len(whole)-1]), "cut off in row 4"},
		"too long": {string(whole) + "x", "more after"},
		"NaN":      {string(nan), "the covariance of features 3 and 3 is NaN"},
	} {
		if _, err := ReadFeatureStats(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
	}
}

func ExampleFID() {
	x := flow.Batch{N: 4, D: 2, X: []float64{0, 0, 1, 0, 0, 1, 1, 1}} // features of images
	y := x.Clone()
	for i := range y.X {
		y.X[i] += 3
	}
	reference, err := NewFeatureStats("classifier, layer 3", "train", x)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer // keep it: the reference is computed once
	if err := WriteFeatureStats(&file, reference); err != nil {
		fmt.Println(err)
		return
	}
	if reference, err = ReadFeatureStats(&file); err != nil {
		fmt.Println(err)
		return
	}
	samples, err := NewFeatureStats("classifier, layer 3", "samples", y)
	if err != nil {
		fmt.Println(err)
		return
	}
	fid, err := FID(samples, reference)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("FID %.4f against %s, features of %s\n", fid, reference.Split, reference.Extractor)
	// Output:
	// FID 18.0000 against train, features of classifier, layer 3
}

func BenchmarkFID(b *testing.B) {
	for _, d := range []int{64, 512, 2048} {
		rng := seed.Rand(22, "metrics", 0)
		x, err := NewFeatureStats("", "", normals(d+100, d, rng))
		if err != nil {
			b.Fatal(err)
		}
		y, err := NewFeatureStats("", "", normals(d+100, d, rng))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("D=%d", d), func(b *testing.B) {
			for b.Loop() {
				if _, err := FID(x, y); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
