package nn

import (
	"math"
	"testing"
)

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
		if err := f.VJPAug(wantX, wantTheta, at, x, a, make([]float64, n), make([]float64, n*d), nil, nil); err != nil {
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
