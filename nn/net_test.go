package nn

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func open(t testing.TB) *Engine {
	t.Helper()
	eng, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

func newNet(t testing.TB, cfg Config) *Net {
	t.Helper()
	net, err := New(open(t), cfg, 7)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// reference evaluates the network in plain float64, layer by layer: what the
// graph must compute, written without it.
// s is the end of the interval of a network that has one; without it, t.
func reference(n *Net, x []float64, t float64, label int32, s ...float64) []float64 {
	cfg := n.Config()
	theta, _ := n.Weights()
	h := slices.Clone(x)
	var sin, cos []float64
	for k := range cfg.SpaceFrequencies {
		for _, xd := range x {
			phase := 2 * math.Pi * cfg.SpaceScale * float64(k+1) * xd
			sin, cos = append(sin, math.Sin(phase)), append(cos, math.Cos(phase))
		}
	}
	h = append(append(h, sin...), cos...)
	clocks := []float64{t}
	if cfg.Interval {
		length := 0.0
		for _, end := range s {
			length = end - t
		}
		clocks = append(clocks, length)
	}
	for _, c := range clocks {
		h = append(h, c)
		for _, f := range []func(float64) float64{math.Sin, math.Cos} {
			for k := range cfg.TimeFrequencies {
				h = append(h, f(math.Pi*float64(k+1)*c))
			}
		}
	}
	for c := range cfg.Classes {
		v := 0.0
		if int32(c) == label {
			v = 1
		}
		h = append(h, v)
	}
	ts := n.Tensors()
	for l := 0; l < len(ts); l += 2 {
		out, in := ts[l].Shape[0], ts[l].Shape[1]
		z := make([]float64, out)
		for o := range out {
			z[o] = float64(theta[ts[l+1].Offset+o])
			for i := range in {
				z[o] += float64(theta[ts[l].Offset+o*in+i]) * h[i]
			}
			if l+2 < len(ts) {
				z[o] = referenceActivation(cfg.Activation, z[o])
			}
		}
		h = z
	}
	return h
}

func referenceActivation(name string, z float64) float64 {
	switch name {
	case "silu":
		return z / (1 + math.Exp(-z))
	case "gelu":
		return z * 0.5 * math.Erfc(-z/math.Sqrt2)
	case "relu":
		return max(z, 0)
	case "tanh":
		return math.Tanh(z)
	case "softplus":
		return math.Log1p(math.Exp(z))
	case "elu":
		if z > 0 {
			return z
		}
		return math.Expm1(z)
	case "selu":
		if z > 0 {
			return seluScale * z
		}
		return seluScale * seluAlpha * math.Expm1(z)
	}
	panic(name)
}

var configs = map[string]Config{
	"plain":       {Dim: 2, Hidden: []int{16, 12}},
	"all inputs":  {Dim: 3, Hidden: []int{20}, TimeFrequencies: 3, SpaceFrequencies: 5, Classes: 4},
	"linear-ish":  {Dim: 1, Hidden: []int{8, 8, 8}, Activation: "tanh"},
	"high":        {Dim: 37, Hidden: []int{24, 24}, Activation: "gelu"},
	"softplus":    {Dim: 2, Hidden: []int{9}, Activation: "softplus"},
	"elu":         {Dim: 2, Hidden: []int{9, 7}, Activation: "elu"},
	"selu":        {Dim: 2, Hidden: []int{9, 7}, Activation: "selu", TimeFrequencies: 2},
	"interval":    {Dim: 2, Hidden: []int{14, 9}, TimeFrequencies: 2, SpaceFrequencies: 3, Interval: true, Classes: 2},
	"relu inputs": {Dim: 2, Hidden: []int{9, 7}, Activation: "relu", SpaceFrequencies: 2},
}

// field binds the labels that a configuration needs, one for each of n points.
func bind(t testing.TB, net *Net, n int) (*Field, []int32) {
	t.Helper()
	var label []int32
	if c := net.Config().Classes; c > 0 {
		for i := range n {
			label = append(label, int32(i%(c+1))-1)
		}
	}
	f, err := net.Bind(label)
	if err != nil {
		t.Fatal(err)
	}
	return f, label
}

func randomPoints(n, d int, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 5))
	x := make([]float64, n*d)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}

func TestVelocityEqualsTheFormulaInFloat64(t *testing.T) {
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			net := newNet(t, cfg)
			d, n, at := cfg.Dim, 19, 0.37
			f, label := bind(t, net, n)
			x, v := randomPoints(n, d, 1), make([]float64, n*d)
			if err := f.Velocity(v, at, x); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				l := int32(-1)
				if label != nil {
					l = label[i]
				}
				want := reference(net, x[i*d:(i+1)*d], at, l)
				for k, w := range want {
					// float32 arithmetic over a few dozen terms: a few ulp of numbers near 1.
					if got := v[i*d+k]; math.Abs(got-w) > 2e-5*(1+math.Abs(w)) {
						t.Fatalf("point %d, coordinate %d: got %g, want %g", i, k, got, w)
					}
				}
			}
		})
	}
}

func TestDerivativesAgreeWithFiniteDifferencesOfTheFormula(t *testing.T) {
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			net := newNet(t, cfg)
			d, n, at := cfg.Dim, 5, 0.61
			f, label := bind(t, net, n)
			x, e := randomPoints(n, d, 2), randomPoints(n, d, 3)
			v, g, div := make([]float64, n*d), make([]float64, n*d), make([]float64, n)
			if err := f.VJP(v, g, at, x, e); err != nil {
				t.Fatal(err)
			}
			if err := f.VelocityDiv(v, div, at, x); err != nil {
				t.Fatal(err)
			}
			const h = 1e-5
			for i := range n {
				l := int32(-1)
				if label != nil {
					l = label[i]
				}
				trace := 0.0
				for k := range d {
					up, down := slices.Clone(x[i*d:(i+1)*d]), slices.Clone(x[i*d:(i+1)*d])
					up[k] += h
					down[k] -= h
					fu, fd := reference(net, up, at, l), reference(net, down, at, l)
					want := 0.0
					for j := range d {
						want += e[i*d+j] * (fu[j] - fd[j]) / (2 * h)
					}
					trace += (fu[k] - fd[k]) / (2 * h)
					if got := g[i*d+k]; math.Abs(got-want) > 1e-4*(1+math.Abs(want)) {
						t.Errorf("VJP at point %d, coordinate %d: got %g, want %g", i, k, got, want)
					}
				}
				if math.Abs(div[i]-trace) > 1e-4*(1+math.Abs(trace)) {
					t.Errorf("divergence at point %d: got %g, want %g", i, div[i], trace)
				}
			}
		})
	}
}

// The gradient of Σ a·f + l·δ + k|f|² + j·φ with respect to x and θ, exact and by
// a probe, each regulariser alone and none, against finite differences of the
// room's own velocity and derivatives.
func TestAugmentedGradientAgreesWithFiniteDifferences(t *testing.T) {
	for name, cfg := range configs {
		if cfg.Activation == "relu" || cfg.Activation == "selu" || cfg.Dim > 3 {
			continue // a derivative that jumps at 0 has no differences across it; too wide for differences in float32
		}
		for _, probe := range []bool{false, true} {
			for _, reg := range []struct {
				name string
				k, j []float64
			}{
				{name: "none"},
				{name: "kinetic", k: randomPoints(4, 1, 16)},
				{name: "jacobian", j: randomPoints(4, 1, 17)},
				{name: "both", k: randomPoints(4, 1, 18), j: randomPoints(4, 1, 19)},
			} {
				t.Run(fmt.Sprintf("%s/probe=%v/%s", name, probe, reg.name), func(t *testing.T) {
					testAugmented(t, cfg, probe, reg.k, reg.j)
				})
			}
		}
	}
}

func testAugmented(t *testing.T, cfg Config, probe bool, k, j []float64) {
	net := newNet(t, cfg)
	d, n, at := cfg.Dim, 4, 0.45
	_, label := bind(t, net, n)
	x, a, l := randomPoints(n, d, 4), randomPoints(n, d, 5), randomPoints(n, 1, 6)
	var e []float64
	if probe {
		e = randomPoints(n, d, 7)
	}
	value := func(net *Net, x []float64) float64 {
		f, err := net.Bind(label)
		if err != nil {
			t.Fatal(err)
		}
		v, delta, g := make([]float64, n*d), make([]float64, n), make([]float64, n*d)
		if probe {
			err = f.VJP(v, g, at, x, e)
			for i := range g {
				delta[i/d] += g[i] * e[i]
			}
		} else {
			err = f.VelocityDiv(v, delta, at, x)
		}
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i, vi := range v {
			sum += a[i] * vi
			if k != nil {
				sum += k[i/d] * vi * vi
			}
		}
		for i, di := range delta {
			sum += l[i] * di
		}
		if j != nil {
			rows := [][]float64{e}
			if !probe {
				rows = standardBasis(n, d)
			}
			for _, row := range rows {
				if err := f.VJP(v, g, at, x, row); err != nil {
					t.Fatal(err)
				}
				for i, gi := range g {
					sum += j[i/d] * gi * gi
				}
			}
		}
		return sum
	}
	f, err := net.Bind(label)
	if err != nil {
		t.Fatal(err)
	}
	gx, gtheta := make([]float64, n*d), make([]float64, net.NumWeights())
	if err := f.VJPAug(gx, gtheta, at, x, a, l, e, k, j); err != nil {
		t.Fatal(err)
	}
	// float32 functions: a wide step, and a tolerance of their rounding over it.
	const h, tol = 1e-2, 6e-3
	for i := range gx {
		up, down := slices.Clone(x), slices.Clone(x)
		up[i] += h
		down[i] -= h
		want := (value(net, up) - value(net, down)) / (2 * h)
		if math.Abs(gx[i]-want) > tol*(1+math.Abs(want)) {
			t.Errorf("∂x[%d]: got %g, want %g", i, gx[i], want)
		}
	}
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	shifted := func(k int, by float32) *Net {
		c := slices.Clone(w)
		c[k] += by
		m, err := net.WithWeights(c)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	rng := rand.New(rand.NewPCG(8, 8))
	for range 25 {
		k := rng.IntN(len(w))
		want := (value(shifted(k, h), x) - value(shifted(k, -h), x)) / (2 * h)
		if math.Abs(gtheta[k]-want) > tol*(1+math.Abs(want)) {
			t.Errorf("∂θ[%d]: got %g, want %g", k, gtheta[k], want)
		}
	}
}

// Many points in many dimensions take the basis in blocks: nothing is counted twice.
func TestBlocksOfTheBasisDoNotChangeTheAugmentedGradient(t *testing.T) {
	const n, copies = 5, 210
	net := newNet(t, configs["high"])
	d := net.Config().Dim
	f, err := net.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	gradient := func(copies int) (gx, gtheta []float64) {
		tile := func(width int, seed uint64) []float64 { return slices.Repeat(randomPoints(n, width, seed), copies) }
		gx, gtheta = make([]float64, copies*n*d), make([]float64, net.NumWeights())
		if err := f.VJPAug(gx, gtheta, 0.3, tile(d, 1), tile(d, 2), tile(1, 3), nil, tile(1, 4), tile(1, 5)); err != nil {
			t.Fatal(err)
		}
		return gx, gtheta
	}
	gx, gtheta := gradient(copies)
	wantX, wantTheta := gradient(1)
	for i, want := range wantX {
		if got := gx[len(gx)-len(wantX)+i]; math.Abs(got-want) > 1e-4*(1+math.Abs(want)) {
			t.Errorf("∂x[%d]: got %g, want %g", i, got, want)
		}
	}
	for k, want := range wantTheta {
		if got := gtheta[k] / copies; math.Abs(got-want) > 1e-4*(1+math.Abs(want)) {
			t.Errorf("∂θ[%d]: got %g, want %g", k, got, want)
		}
	}
}

// standardBasis returns, for each of d directions, that basis vector for n points.
func standardBasis(n, d int) [][]float64 {
	rows := make([][]float64, d)
	for k := range rows {
		rows[k] = make([]float64, n*d)
		for i := range n {
			rows[k][i*d+k] = 1
		}
	}
	return rows
}

func TestPointsDoNotDependOnTheirCompany(t *testing.T) {
	net := newNet(t, configs["all inputs"])
	d := net.Config().Dim
	f, err := net.Bind([]int32{2})
	if err != nil {
		t.Fatal(err)
	}
	// More than one block, with a ragged tail.
	size := net.blockRows()
	n := size + 37
	x, v := randomPoints(n, d, 9), make([]float64, n*d)
	if err := f.Velocity(v, 0.2, x); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1, size - 1, size, n - 1} {
		one := make([]float64, d)
		if err := f.Velocity(one, 0.2, x[i*d:(i+1)*d]); err != nil {
			t.Fatal(err)
		}
		for k := range one {
			if math.Abs(one[k]-v[i*d+k]) > 1e-5*(1+math.Abs(one[k])) {
				t.Errorf("point %d alone: got %g, in company %g", i, one[k], v[i*d+k])
			}
		}
	}
}

func TestLossGradientAgreesWithFiniteDifferences(t *testing.T) {
	net := newNet(t, Config{Dim: 2, Hidden: []int{8, 8}, TimeFrequencies: 1})
	ex := randomExamples(32, 2, rand.New(rand.NewPCG(1, 1)))
	loss, grad, err := net.LossGradient(ex)
	if err != nil {
		t.Fatal(err)
	}
	each, err := net.Loss(ex)
	if err != nil {
		t.Fatal(err)
	}
	mean := 0.0
	for _, l := range each {
		mean += l / float64(len(each))
	}
	if math.Abs(mean-loss) > 1e-5*loss {
		t.Errorf("mean of the losses is %g, the loss of the batch %g", mean, loss)
	}
	w, _ := net.Weights()
	const h = 1e-2
	for k := 0; k < len(w); k += 7 {
		var l [2]float64
		for s, by := range []float32{h, -h} {
			c := slices.Clone(w)
			c[k] += by
			m, err := net.WithWeights(c)
			if err != nil {
				t.Fatal(err)
			}
			if l[s], _, err = m.LossGradient(ex); err != nil {
				t.Fatal(err)
			}
		}
		if want := (l[0] - l[1]) / (2 * h); math.Abs(grad[k]-want) > 2e-3*(1+math.Abs(want)) {
			t.Errorf("∂θ[%d]: got %g, want %g", k, grad[k], want)
		}
	}
}

func TestBadConfigsAreNamed(t *testing.T) {
	for want, cfg := range map[string]Config{
		"dim is 0":                   {},
		"hidden[1] is 0":             {Dim: 2, Hidden: []int{3, 0}},
		`unknown activation "sillu"`: {Dim: 2, Activation: "sillu"},
		"time_frequencies -1":        {Dim: 2, TimeFrequencies: -1},
		"classes is -2":              {Dim: 2, Classes: -2},
	} {
		if _, err := New(open(t), cfg, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestLabelsMustFitTheNetwork(t *testing.T) {
	plain, classy := newNet(t, Config{Dim: 2}), newNet(t, Config{Dim: 2, Classes: 3})
	if _, err := plain.Bind([]int32{1}); !errors.Is(err, ErrLabels) {
		t.Errorf("labels for an unconditional network: got %v", err)
	}
	if _, err := classy.Bind(nil); !errors.Is(err, ErrLabels) {
		t.Errorf("no labels for a conditional network: got %v", err)
	}
	f, err := classy.Bind([]int32{3})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Velocity(make([]float64, 2), 0, make([]float64, 2)); !errors.Is(err, ErrLabels) {
		t.Errorf("label 3 of 3 classes: got %v", err)
	}
}

func TestUnknownBackendIsNamed(t *testing.T) {
	if _, err := Open("tpu9"); err == nil || !strings.Contains(err.Error(), `"tpu9"`) {
		t.Errorf("got %v", err)
	}
	found := false
	for _, b := range Backends() {
		found = found || b.Name == "go" && b.Available
		if !b.Available && b.Detail == "" {
			t.Errorf("backend %s is not there and does not say why", b.Name)
		}
	}
	if !found {
		t.Error("the go backend is not there")
	}
}
