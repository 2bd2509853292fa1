package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"flowmatch/flow"
)

// The gradient of Σ a·f + l·δ + k|f|² + j·φ with respect to x and θ, exact and by
// a probe, each regulariser alone and none, against finite differences of the
// package's own velocity and derivatives.
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
	x, a, l := randomPoints(n, d, 24), randomPoints(n, d, 5), randomPoints(n, 1, 6)
	var e []float64
	if probe {
		e = randomPoints(n, d, 7)
	}
	value := func(net *Net, x []float64) float64 {
		f := bindGiven(t, net, flow.Given{Label: label})
		v, delta, g := make([]float64, n*d), make([]float64, n), make([]float64, n*d)
		var err error
		if probe {
			err = f.VJP(v, g, at, x, e)
			for i := range g {
				delta[i/d] += g[i] * e[i]
			}
		} else {
			err = divergence(f, v, delta, at, x)
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
	f := bindGiven(t, net, flow.Given{Label: label})
	gx, gtheta := make([]float64, n*d), make([]float64, net.NumWeights())
	adjoint := flow.Adjoint{Velocity: a, Div: l, Probe: e, Kinetic: k, Jacobian: j}
	if err := f.VJPAug(gx, gtheta, at, x, adjoint); err != nil {
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
	f := bindGiven(t, net, flow.Given{})
	gradient := func(copies int) (gx, gtheta []float64) {
		tile := func(width int, seed uint64) []float64 { return slices.Repeat(randomPoints(n, width, seed), copies) }
		gx, gtheta = make([]float64, copies*n*d), make([]float64, net.NumWeights())
		a := flow.Adjoint{Velocity: tile(d, 2), Div: tile(1, 3), Kinetic: tile(1, 4), Jacobian: tile(1, 5)}
		if err := f.VJPAug(gx, gtheta, 0.3, tile(d, 1), a); err != nil {
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

// VJPAug is checked by finite differences; VJPParams is VJPAug without the divergence.
func TestVJPParamsIsVJPAugWithoutTheDivergence(t *testing.T) {
	for name, cfg := range configs {
		net := newNet(t, cfg)
		d, n, at := cfg.Dim, 19, 0.37
		f, _ := bind(t, net, n)
		x, a := randomPoints(n, d, 1), randomPoints(n, d, 2)
		wantV, wantX, wantTheta := make([]float64, n*d), make([]float64, n*d), make([]float64, net.NumWeights())
		if err := f.Velocity(wantV, at, x); err != nil {
			t.Fatal(err)
		}
		plain := flow.Adjoint{Velocity: a, Div: make([]float64, n), Probe: make([]float64, n*d)}
		if err := f.VJPAug(wantX, wantTheta, at, x, plain); err != nil {
			t.Fatal(err)
		}
		v, gx, gtheta := make([]float64, n*d), make([]float64, n*d), make([]float64, net.NumWeights())
		for range 2 { // it adds
			if err := f.VJPParams(v, gx, gtheta, at, x, a); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.VJPParams(nil, make([]float64, n*d), make([]float64, net.NumWeights()), at, x, a); err != nil {
			t.Errorf("%s: without v: %v", name, err)
		}
		for _, c := range []struct {
			what      string
			got, want []float64
			times     float64
		}{{"v", v, wantV, 1}, {"gx", gx, wantX, 2}, {"gtheta", gtheta, wantTheta, 2}} {
			for i, w := range c.want {
				if math.Abs(c.got[i]-c.times*w) > 1e-4*(1+math.Abs(w)) {
					t.Fatalf("%s: %s[%d] is %g, want %g", name, c.what, i, c.got[i], c.times*w)
				}
			}
		}
	}
}
