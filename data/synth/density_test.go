package synth

import (
	"fmt"
	"math"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// planar lists every synthetic set of the plane that has a density, with the box
// that holds all of it but what the tolerance forgives.
var planar = []struct {
	name string
	p    Params
	half float64 // the box is [-half, half]^2
}{
	{"checkerboard", Params{}, 5},
	{"checkerboard", Params{Scale: new(2.0)}, 5},
	{"8gaussians", Params{}, 8},
	{"8gaussians", Params{Components: new(3), Scale: new(2.0), Noise: new(0.5)}, 6},
	{"25gaussians", Params{}, 6},
	{"moons", Params{}, 5},
	{"moons", Params{Noise: new(0.05)}, 4},
	{"circles", Params{}, 5},
	{"spirals", Params{}, 5},
	{"swissroll", Params{}, 6},
	{"scurve", Params{}, 5},
	{"pinwheel", Params{}, 8},
	{"pinwheel", Params{Components: new(1)}, 8},
	{"gaussian", Params{Scale: new(1.0)}, 8},
	{"mixture", Params{}, 10},
	{"mixture", Params{Means: [][]float64{{0, 1}, {-2, 0}}, Stds: []float64{0.2, 0.7}, Weights: []float64{3, 1}}, 6},
}

func mustSet(t testing.TB, name string, p Params) data.Distribution {
	t.Helper()
	d, err := ByName(name, p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// cells integrates the density of d over a k x k grid of cells of the box, with
// sub x sub midpoints each: exact for the checkerboard, whose edges are cell
// edges, and beyond 1e-6 for Gaussians when the spacing is below their width.
func cells(d data.LogProber, half float64, k, sub int) []float64 {
	m := k * sub
	h := 2 * half / float64(m)
	x := flow.NewBatch(m, 2)
	logp := make([]float64, m)
	sum := make([]float64, k*k)
	for j := range m {
		for i := range m {
			x.X[2*i], x.X[2*i+1] = -half+(float64(i)+0.5)*h, -half+(float64(j)+0.5)*h
		}
		d.LogProb(logp, x)
		for i, l := range logp {
			sum[j/sub*k+i/sub] += math.Exp(l) * h * h
		}
	}
	return sum
}

func TestEveryPlanarDensityIntegratesToOneAndItsSamplesAgree(t *testing.T) {
	const n, k, sub, seedValue = 20000, 20, 10, 1
	for _, c := range planar {
		t.Run(fmt.Sprintf("%s %v", c.name, SetParams(c.p)), func(t *testing.T) {
			t.Parallel()
			d := mustSet(t, c.name, c.p)
			want := cells(d.(data.LogProber), c.half, k, sub)
			total := 0.0
			for _, v := range want {
				total += v
			}
			// Midpoints are 2*half/200 apart: less than one width s of the Gaussians
			// of each set, and at spacing s the midpoint rule errs by
			// 4 exp(-2 pi^2) = 1e-8; the tails outside the box decide.
			if tol := 1e-6; math.Abs(total-1) > tol {
				t.Errorf("integral of the density: got %.9f, want 1, tolerance %g", total, tol)
			}
			x := flow.NewBatch(n, 2)
			d.Sample(x, seed.Rand(seedValue, "test", 0))
			got := make([]float64, k*k)
			for i := range n {
				cx, cy := math.Floor((x.X[2*i]+c.half)*k/(2*c.half)), math.Floor((x.X[2*i+1]+c.half)*k/(2*c.half))
				if cx < 0 || cy < 0 || cx >= k || cy >= k {
					t.Fatalf("sample %v is outside the box of half side %g", x.Row(i), c.half)
				}
				got[int(cy)*k+int(cx)]++
			}
			datatest.Chi2(t, got, want, n, seedValue)
		})
	}
}

func TestTheMeanOfMinusLogPIsTheEntropy(t *testing.T) {
	const n, seedValue = 50000, 2
	for _, c := range []struct {
		name string
		p    Params
		want float64
	}{
		{"checkerboard", Params{}, math.Log(32)},
		{"checkerboard", Params{Scale: new(1.0)}, math.Log(2)},
		{"gaussian", Params{Dim: new(5), Noise: new(0.5)}, 5 * (0.5*math.Log(2*math.Pi) + 0.5 + math.Log(0.5))},
	} {
		d := mustSet(t, c.name, c.p)
		if got := d.(data.Entropier).Entropy(); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: entropy got %.15g, want %.15g, tolerance 1e-12", c.name, got, c.want)
		}
		x := flow.NewBatch(n, d.Dim())
		d.Sample(x, seed.Rand(seedValue, "test", 0))
		logp := make([]float64, n)
		d.(data.LogProber).LogProb(logp, x)
		var sum, sum2 float64
		for _, v := range logp {
			sum, sum2 = sum-v, sum2+v*v
		}
		mean := sum / n
		tol := 5*math.Sqrt(max(0, sum2/n-mean*mean)/n) + 1e-9
		if math.Abs(mean-c.want) > tol {
			t.Errorf("%s: mean of -log p got %g, want %g, tolerance %g, seed %d", c.name, mean, c.want, tol, seedValue)
		}
	}
}

func TestTheCheckerboardIsExactlyOneIn32OnItsSquares(t *testing.T) {
	d := mustSet(t, "checkerboard", Params{}).(data.LogProber)
	for _, c := range []struct {
		x, y float64
		in   bool
	}{
		{0.5, 0.5, true}, {3.9, 3.9, true}, {-3.9, -3.9, true}, {-1, 3, true}, {-1, -1, true}, {-1, 1, false},
		{1, 3, false},
		{3, 1, false}, {-3, 1, true}, {4.1, 4.1, false}, {-4.1, -3, false}, {4, 0.5, false}, {0, 0, true},
		{-4, -4, true},
	} {
		var logp [1]float64
		d.LogProb(logp[:], flow.Batch{N: 1, D: 2, X: []float64{c.x, c.y}})
		want := math.Inf(-1)
		if c.in {
			want = -math.Log(32)
		}
		if logp[0] != want {
			t.Errorf("log p(%g, %g): got %g, want %g", c.x, c.y, logp[0], want)
		}
	}
}

// ringLogProb is the closed form for a circle of radius R blurred by s:
// p = exp(-(r^2+R^2)/2s^2) I_0(rR/s^2) / (2 pi s^2), I_0 by its power series.
func ringLogProb(r, radius, s float64) float64 {
	z := r * radius / (s * s)
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-18*sum; k++ {
		term *= z * z / (4 * k * k)
		sum += term
	}
	return math.Log(sum) - (r*r+radius*radius)/(2*s*s) - math.Log(2*math.Pi*s*s)
}

func TestTheQuadratureOfCirclesMatchesTheBesselFormula(t *testing.T) {
	const radius, noise = 2.0, 0.2 // the formula's series overflows beyond z = 700
	d := mustSet(t, "circles", Params{Scale: new(radius), Noise: new(noise)}).(data.LogProber)
	for _, r := range []float64{0, 0.3, 0.9, 1, 1.1, 1.5, 1.9, 2, 2.1, 2.5, 3, 6} {
		sin, cos := math.Sincos(0.7 + r)
		var logp [1]float64
		d.LogProb(logp[:], flow.Batch{N: 1, D: 2, X: []float64{r * cos, r * sin}})
		want := logSumExp([]float64{ringLogProb(r, radius, noise), ringLogProb(r, radius/2, noise)}) - math.Ln2
		if tol := 1e-12; math.Abs(logp[0]-want) > tol*max(1, math.Abs(want)) {
			t.Errorf("r %g: log p got %.12g, want %.12g, relative tolerance %g", r, logp[0], want, tol)
		}
	}
}

func TestTheQuadratureOfCurvesHasConverged(t *testing.T) {
	const seedValue = 3
	for _, name := range []string{"moons", "circles", "spirals", "swissroll", "scurve"} {
		c := mustSet(t, name, Params{}).(*curve)
		fine := blur(c.thin, c.noise/8)
		sum := 0.0
		for _, w := range c.weight {
			sum += w
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("%s: quadrature weights sum to %.15g, want 1, tolerance 1e-12", name, sum)
		}
		for _, at := range []struct {
			far, tol float64 // distance in noise deviations of the displacement
		}{{0, 1e-12}, {3, 1e-12}, {30, 1e-3}} {
			x := flow.NewBatch(100, 2)
			rng := seed.Rand(seedValue, name, uint64(at.far))
			c.Sample(x, rng)
			for i := range x.N {
				sin, cos := math.Sincos(2 * math.Pi * rng.Float64())
				x.X[2*i] += at.far * c.noise * cos
				x.X[2*i+1] += at.far * c.noise * sin
			}
			got, want := make([]float64, x.N), make([]float64, x.N)
			c.LogProb(got, x)
			fine.LogProb(want, x)
			worst := 0.0
			for i := range got {
				worst = max(worst, math.Abs(got[i]-want[i]))
			}
			t.Logf("%s, %d nodes: worst error %.2g nats at %g deviations", name, len(c.weight), worst, at.far)
			if worst > at.tol {
				t.Errorf("%s at %g deviations: worst error of log p %.3g nats, tolerance %g, seed %d", name, at.far,
					worst, at.tol, seedValue)
			}
		}
	}
}

func TestMixturesOfOtherDimensionsMatchTheirMoments(t *testing.T) {
	const n, seedValue = 40000, 4
	for _, c := range []struct {
		name string
		p    Params
	}{
		{"mixture", Params{Dim: new(7), Components: new(3), LayoutSeed: 5}},
		{"mixture1d", Params{}},
		{"mixture1d", Params{Scale: new(2.0), Noise: new(0.1)}},
	} {
		m := mustSet(t, c.name, c.p).(*Mixture)
		x := flow.NewBatch(n, m.Dim())
		m.Sample(x, seed.Rand(seedValue, "test", 0))
		for d := range m.Dim() {
			var mean, second, got float64
			for k, w := range m.Weight {
				mu := m.Mean.Row(k)[d]
				mean += w * mu
				second += w * (mu*mu + m.Std[k]*m.Std[k])
			}
			for i := range n {
				got += x.Row(i)[d] / n
			}
			if tol := 5 * math.Sqrt((second-mean*mean)/n); math.Abs(got-mean) > tol {
				t.Errorf("%s: mean of coordinate %d got %g, want %g, tolerance %g, seed %d", c.name, d, got, mean,
					tol, seedValue)
			}
		}
	}
}

func TestTheMixtureOnTheLineIntegratesToOne(t *testing.T) {
	d := mustSet(t, "mixture1d", Params{}).(data.LogProber)
	const n, half = 2000, 10.0
	x := flow.NewBatch(n, 1)
	for i := range n {
		x.X[i] = -half + (float64(i)+0.5)*2*half/n
	}
	logp := make([]float64, n)
	d.LogProb(logp, x)
	sum := 0.0
	for _, l := range logp {
		sum += math.Exp(l) * 2 * half / n
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("integral: got %.15g, want 1, tolerance 1e-12", sum)
	}
}

func TestLabelsNameThePartAndDoNotDisturbThePoints(t *testing.T) {
	const n, seedValue = 8000, 5
	for _, name := range Names() {
		d := mustSet(t, name, Params{})
		l, ok := d.(data.Labelled)
		if !ok {
			t.Errorf("%s does not label its parts", name)
			continue
		}
		x, y := flow.NewBatch(n, d.Dim()), flow.NewBatch(n, d.Dim())
		label := make([]int32, n)
		d.Sample(x, seed.Rand(seedValue, "test", 0))
		l.SampleLabelled(y, label, seed.Rand(seedValue, "test", 0))
		for i := range x.X {
			if x.X[i] != y.X[i] {
				t.Fatalf("%s: number %d is %g without labels and %g with them", name, i, x.X[i], y.X[i])
			}
		}
		count := make([]float64, max(1, l.Classes()))
		for _, k := range label {
			count[k]++ // a label out of range panics
		}
		prob := make([]float64, len(count))
		for k := range prob {
			prob[k] = 1 / float64(len(prob))
			switch m := d.(type) {
			case *Mixture:
				prob[k] = m.Weight[k]
			case *gmm:
				prob[k] = m.weight[k]
			}
		}
		if len(prob) > 1 {
			datatest.Chi2(t, count, prob, n, seedValue)
		}
	}
}

func TestACheckerboardLabelIsTheSquare(t *testing.T) {
	c := Checkerboard{Half: 4}
	x, label := flow.NewBatch(500, 2), make([]int32, 500)
	c.SampleLabelled(x, label, seed.Rand(6, "test", 0))
	for i, k := range label {
		row := math.Floor(x.X[2*i+1]/2) + 2
		if got := int32(2*row) + int32(math.Floor(x.X[2*i]/2)+2)/2; got != k {
			t.Fatalf("point %v: label %d, want %d", x.Row(i), k, got)
		}
	}
}

func TestCurvesWithoutNoiseLieOnTheCurveAndHaveNoDensity(t *testing.T) {
	d := mustSet(t, "circles", Params{Noise: new(0.0)})
	if _, ok := d.(data.LogProber); ok {
		t.Error("circles without noise claim a density")
	}
	x := flow.NewBatch(200, 2)
	d.Sample(x, seed.Rand(7, "test", 0))
	for i := range x.N {
		if r := math.Hypot(x.X[2*i], x.X[2*i+1]); math.Abs(r-3) > 1e-12 && math.Abs(r-1.5) > 1e-12 {
			t.Errorf("point %d has radius %g, want 3 or 1.5", i, r)
		}
	}
}

func TestEverySetStaysNearItsDocumentedScale(t *testing.T) {
	for _, name := range Names() {
		d := mustSet(t, name, Params{})
		limit := 8.0
		if name == "copula" {
			limit = 30 // tails of exponentials and powers
		}
		x := flow.NewBatch(5000, d.Dim())
		d.Sample(x, seed.Rand(8, "test", 0))
		for i, v := range x.X {
			if !(math.Abs(v) < limit) {
				t.Errorf("%s: number %d is %g, want below %g in size", name, i, v, limit)
				break
			}
		}
	}
}

func TestByNameRefusesWhatASetDoesNotTake(t *testing.T) {
	for _, c := range []struct {
		name string
		p    Params
		want string
	}{
		{"moon", Params{},
			`unknown synthetic set "moon"; did you mean "moons"? it must be one of checkerboard, 8gaussians`},
		{"moons", Params{Dim: new(3)}, "moons does not take dim; it takes scale, noise"},
		{"moons", Params{Noise: new(-0.1)}, "moons: noise = -0.1; want 0"},
		{"moons", Params{Noise: new(1e-9)}, "at least scale/1000"},
		{"moons", Params{Scale: new(-1.0)}, "scale = -1; want a positive number"},
		{"checkerboard", Params{Scale: new(math.Inf(1))}, "scale = +Inf; want a positive number"},
		{"8gaussians", Params{Components: new(-1)}, "components = -1; want at least 1"},
		{"8gaussians", Params{Noise: new(0.0)}, "std 0 is 0; want a positive number"},
		{"pinwheel", Params{Noise: new(0.0)}, "noise = 0; want a positive number"},
		{"gaussian", Params{Dim: new(-1)}, "at least one coordinate"},
		{"gmm", Params{Components: new(-1)}, "components = -1"},
		{"gmm", Params{Noise: new(0.0)}, "noise = 0; want a positive number"},
		{"gmm", Params{Scale: new(-1.0)}, "scale = -1"},
		{"copula", Params{Dim: new(-2)}, "dim = -2; want at least 1"},
		{"copula", Params{Scale: new(1.0)}, "copula does not take scale"},
		{"mixture", Params{Means: [][]float64{{0}, {1, 2}}}, "mean 1 has 2 coordinates, mean 0 has 1"},
		{"mixture", Params{Means: [][]float64{}}, "means is empty"},
		{"mixture", Params{Means: [][]float64{{0}}, Dim: new(1)}, "means are given, so"},
		{"mixture", Params{Means: [][]float64{{0}}, Stds: []float64{1}, Noise: new(0.1)}, "leave one out"},
		{"mixture", Params{Means: [][]float64{{0}}, Stds: []float64{1, 2}}, "2 stds for 1 means"},
		{"mixture", Params{Means: [][]float64{{0}}, Weights: []float64{1, 2}}, "2 weights for 1 means"},
		{"mixture", Params{Means: [][]float64{{0}}, Weights: []float64{-1}}, "weight 0 is -1"},
		{"mixture", Params{Means: [][]float64{{math.NaN()}}}, "coordinate 0 of mean 0 is NaN"},
	} {
		_, err := ByName(c.name, c.p)
		datatest.WantError(t, fmt.Sprint(c.name, c.p), err, c.want)
	}
}
