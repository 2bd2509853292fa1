package nn

import (
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
)

// leveled are networks of five coordinates: a number, three levels, and one of two levels.
var leveled = map[string]Config{
	"plain":    {Dim: 5, Hidden: []int{9, 7}, Levels: someLevels()},
	"residual": {Dim: 5, Residual: &Residual{Width: 8, Blocks: 2}, Levels: someLevels()},
	"shown":    {Dim: 5, Hidden: []int{9, 7}, Levels: someLevels(), Shown: true},
}

func someLevels() []Levels {
	return []Levels{
		{At: 1, Off: []float64{-0.5, -0.3, -0.1}, On: []float64{1.5, 1.7, 1.9}, Noise: 0.4,
			Shares: []float64{0.5, 0.3, 0.2}},
		{At: 4, Off: []float64{-0.4}, On: []float64{1.9}, Noise: 0.3, Shares: []float64{0.8, 0.2}},
	}
}

// posterior returns E[w | z] of one group, of a mixture of normal laws, one for each level: of a level the mean
// of w is linear in z, by the regression of one normal number on another.
func posterior(g Levels, z []float64, c, s float64) []float64 {
	w, total, out := len(z), 0.0, make([]float64, len(z))
	for level := range g.Shares {
		mean, log := make([]float64, w), math.Log(g.Shares[level])
		for k := range w {
			on := k == level
			if w == 1 {
				on = level == 1
			}
			if mean[k] = g.Off[k]; on {
				mean[k] = g.On[k]
			}
			v := c*c*g.Noise*g.Noise + s*s
			log -= math.Pow(z[k]-c*mean[k], 2) / (2 * v)
		}
		p := math.Exp(log)
		total += p
		for k, m := range mean {
			variance, covariance := c*c*g.Noise*g.Noise+s*s, s*c*g.Noise*g.Noise-c*s
			out[k] += p * (s*m + covariance/variance*(z[k]-c*m))
		}
	}
	for k := range out {
		out[k] /= total
	}
	return out
}

func TestANetworkThatKnowsNothingHasThePosteriorOfIndependentLevels(t *testing.T) {
	cfg := leveled["plain"]
	net := newNet(t, cfg)
	blank, err := net.WithWeights(make([]float32, net.NumWeights()))
	if err != nil {
		t.Fatal(err)
	}
	const n = 7
	for _, share := range []float64{0, 0.3, 0.5, 0.9, 0.99, 1} {
		x, v := randomPoints(n, 5, 1), make([]float64, 5*n)
		if err := bindGiven(t, blank, flow.Given{}).Velocity(v, 4*share-2, x); err != nil {
			t.Fatal(err)
		}
		norm := math.Hypot(share, 1-share)
		c, s := share/norm, (1-share)/norm
		for i := range n {
			want := []float64{0}
			for _, g := range cfg.Levels {
				want = append(want, posterior(g, x[5*i+g.At:5*i+g.At+len(g.On)], c, s)...)
			}
			for k, w := range want {
				if got := v[5*i+k]; math.Abs(got-w) > 2e-5*(1+math.Abs(w)) {
					t.Errorf("share %g, point %d, coordinate %d: %g, want %g", share, i, k, got, w)
				}
			}
		}
	}
}

func TestDerivativesGoThroughLevels(t *testing.T) {
	for name, cfg := range leveled {
		t.Run(name, func(t *testing.T) {
			const n = 3
			net := newNet(t, cfg)
			var given flow.Given
			if cfg.Shown {
				given = seen(cfg, n)
			}
			f := bindGiven(t, net, given)
			x, e := randomPoints(n, 5, 1), randomPoints(n, 5, 2)
			_, div, g := evaluated(t, f, x, e)
			slopes(t, f, x, div)
			const h = 1e-2
			for k := range x {
				var at [2]float64
				for side := range at {
					y, v := append([]float64(nil), x...), make([]float64, len(x))
					y[k] += h * float64(2*side-1)
					if err := f.Velocity(v, 0.4, y); err != nil {
						t.Fatal(err)
					}
					for i := range v {
						at[side] += v[i] * e[i]
					}
				}
				if want := (at[1] - at[0]) / (2 * h); math.Abs(g[k]-want) > 3e-3*(1+math.Abs(want)) {
					t.Errorf("the gradient by coordinate %d is %g, by finite differences %g", k, g[k], want)
				}
			}
		})
	}
}

func TestOddsFarApartAreFinite(t *testing.T) {
	cfg := leveled["plain"]
	f := bindGiven(t, newNet(t, cfg), flow.Given{})
	x := []float64{0, 1e4, -1e4, 0, 1e4, 0, -30, -30, 30, -1e5}
	v, div, g := make([]float64, 10), make([]float64, 2), make([]float64, 10)
	if err := divergence(f, v, div, 2, x); err != nil {
		t.Fatal(err)
	}
	if err := f.VJP(v, g, 2, x, x); err != nil {
		t.Fatal(err)
	}
	for _, all := range [][]float64{v, div, g} {
		for _, y := range all {
			if math.IsNaN(y) || math.IsInf(y, 0) {
				t.Fatalf("velocity %v, divergence %v, gradient %v", v, div, g)
			}
		}
	}
}

func TestBadLevelsAreRefused(t *testing.T) {
	for _, c := range []struct {
		change func(c *Config)
		want   string
	}{
		{func(c *Config) { c.Average = true }, "for networks of one time"},
		{func(c *Config) { c.Levels[0].At = 2 }, "levels[1]: coordinates 4 to 4; they must follow"},
		{func(c *Config) { c.Levels[1].At = 5 }, "lie within 5"},
		{func(c *Config) { c.Levels[0].At = -1 }, "levels[0]: coordinates -1 to 1"},
		{func(c *Config) { c.Levels[0].Noise = 0 }, "noise of 0"},
		{func(c *Config) { c.Levels[0].On[1] = -1 }, "on must be above off"},
		{func(c *Config) { c.Levels[0].Off = c.Levels[0].Off[:2] }, "3 on, 2 off"},
		{func(c *Config) { c.Levels[1].Shares = []float64{1} }, "a single coordinate has two shares"},
		{func(c *Config) { c.Levels[1].Shares[0] = 0.5 }, "shares with the sum 0.7"},
		{func(c *Config) { c.Levels[1].Shares = []float64{1, 0} }, "a share of 0"},
		{func(c *Config) { c.Levels[1].Shares[0] = math.NaN() }, "a share of NaN"},
		{func(c *Config) { c.Levels[0].On = nil }, "0 on"},
	} {
		cfg := Config{Dim: 5, Hidden: []int{3}, Levels: someLevels()}
		c.change(&cfg)
		if err := cfg.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
