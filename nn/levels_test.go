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

// chance returns the probabilities of the levels of one group given z, by Bayes' rule.
func chance(g Levels, z []float64, c, s float64) []float64 {
	p, total := make([]float64, len(g.Shares)), 0.0
	for level := range p {
		log := math.Log(g.Shares[level])
		for k, m := range g.means(level) {
			log -= math.Pow(z[k]-c*m, 2) / (2 * (c*c*g.Noise*g.Noise + s*s))
		}
		p[level] = math.Exp(log)
		total += p[level]
	}
	for level := range p {
		p[level] /= total
	}
	return p
}

// means are the coordinates of a level without noise.
func (g Levels) means(level int) []float64 {
	m := append([]float64(nil), g.Off...)
	switch {
	case len(m) > 1:
		m[level] = g.On[level]
	case level == 1:
		m[0] = g.On[0]
	}
	return m
}

// posterior returns E[w | z] of one group, of a mixture of normal laws, one for each level: of a level the mean
// of w is linear in z, by the regression of one normal number on another.
func posterior(g Levels, z []float64, c, s float64) []float64 {
	out := make([]float64, len(z))
	for level, p := range chance(g, z, c, s) {
		variance, covariance := c*c*g.Noise*g.Noise+s*s, s*c*g.Noise*g.Noise-c*s
		for k, m := range g.means(level) {
			out[k] += p * (s*m + covariance/variance*(z[k]-c*m))
		}
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

// Of a network that knows nothing the loss is −log of the posterior of the level that a value has, and
// elsewhere the squared error; of what is shown there is none.
func TestTheCrossEntropyOfLevels(t *testing.T) {
	cfg := leveled["shown"]
	net := newNet(t, cfg)
	net, err := net.WithWeights(make([]float32, net.NumWeights()))
	if err != nil {
		t.Fatal(err)
	}
	const n = 3
	ex := NewExamples(n, 5)
	ex.Loss.CrossEntropy = true
	has := [n][]int{{0, 1}, {2, 0}, {1, 1}} // the levels of each
	x0 := randomPoints(n, 5, 3)
	for i := range n {
		ex.X1.Row(i)[0] = 0.7
		for j, g := range cfg.Levels {
			for k := range g.On {
				v := g.Off[k]
				if has[i][j] == k && len(g.On) > 1 || has[i][j] == 1 && len(g.On) == 1 {
					v = g.On[k]
				}
				ex.X1.Row(i)[g.At+k] = v + 0.1*float64(k-1)
			}
		}
		copy(ex.X0.Row(i), x0[5*i:])
		share := []float64{0.2, 0.6, 0.95}[i]
		norm := math.Hypot(share, 1-share)
		ex.T[i], ex.Weight[i] = 4*share-2, 1+float64(i)
		ex.Alpha[i], ex.Sigma[i] = share/norm, (1-share)/norm
		ex.G1[i], ex.G0[i] = ex.Sigma[i], -ex.Alpha[i]
	}
	ex.Given.Shown = flow.NewBatch(n, 5)
	for i := range ex.Given.Shown.X {
		ex.Given.Shown.X[i] = math.NaN()
	}
	ex.Given.Shown.Row(1)[4] = ex.X1.Row(1)[4]
	plain := newNet(t, Config{Dim: 5, Hidden: []int{9, 7}, Shown: true})
	if _, err := plain.Loss(ex); err == nil || !strings.Contains(err.Error(), "no Levels") {
		t.Errorf("of a network without levels: %v", err)
	}
	got, err := net.Loss(ex)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		c, s := ex.Alpha[i], ex.Sigma[i]
		want := math.Pow(s*ex.X1.Row(i)[0]-c*ex.X0.Row(i)[0], 2)
		for j, g := range cfg.Levels {
			z := make([]float64, len(g.On))
			for k := range z {
				z[k] = c*ex.X1.Row(i)[g.At+k] + s*ex.X0.Row(i)[g.At+k]
			}
			if i != 1 || j != 1 {
				want -= math.Log(chance(g, z, c, s)[has[i][j]])
			}
		}
		if want *= ex.Weight[i] / 5; math.Abs(got[i]-want) > 1e-5*(1+want) {
			t.Errorf("the loss of example %d is %g, want %g", i, got[i], want)
		}
	}
}

// A number that is shown to be missing has no loss; one of which that is hidden has.
func TestAMissingNumberHasNoLossWhereItIsShown(t *testing.T) {
	cfg := Config{Dim: 3, Hidden: []int{5}, Shown: true, Levels: []Levels{{At: 2, Off: []float64{-0.5},
		On: []float64{1.5}, Noise: 0.3, Shares: []float64{0.75, 0.25}, Missing: true}}}
	net := newNet(t, cfg)
	net, err := net.WithWeights(make([]float32, net.NumWeights()))
	if err != nil {
		t.Fatal(err)
	}
	const n = 4 // missing or not, shown or not
	ex := NewExamples(n, 3)
	ex.Loss.CrossEntropy = true
	ex.Given.Shown = flow.NewBatch(n, 3)
	for i := range n {
		ex.T[i], ex.Alpha[i], ex.Sigma[i], ex.Weight[i] = 0, math.Sqrt(0.5), math.Sqrt(0.5), 1
		ex.G1[i], ex.G0[i] = ex.Sigma[i], -ex.Alpha[i]
		copy(ex.X1.Row(i), []float64{0.3, 0.8, []float64{-0.5, 1.5}[i%2]})
		copy(ex.X0.Row(i), []float64{-1, 1.7, 0.2})
		for k := range 3 {
			ex.Given.Shown.Row(i)[k] = math.NaN()
		}
		if i >= 2 {
			ex.Given.Shown.Row(i)[2] = ex.X1.Row(i)[2]
		}
	}
	loss, err := net.Loss(ex)
	if err != nil {
		t.Fatal(err)
	}
	first, number := math.Pow(0.3+1, 2)/2, math.Pow(0.8-1.7, 2)/2
	for i, entropy := range []float64{loss[0]*3 - first - number, loss[1]*3 - first - number} {
		if !(entropy > 0) {
			t.Errorf("example %d: a cross-entropy of %g beside the squares", i, entropy)
		}
	}
	for i, want := range map[int]float64{2: first + number, 3: first} {
		if math.Abs(3*loss[i]-want) > 1e-5 {
			t.Errorf("the loss of example %d is %g/3, want %g/3", i, 3*loss[i], want)
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
		{func(c *Config) { c.Levels[0].Missing = true }, "3 coordinates at 1 say that a number is missing"},
		{func(c *Config) { c.Levels[1].Missing = true }, "1 coordinates at 4 say that a number is missing"},
	} {
		cfg := Config{Dim: 5, Hidden: []int{3}, Levels: someLevels()}
		c.change(&cfg)
		if err := cfg.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
