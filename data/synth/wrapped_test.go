package synth

import (
	"math"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/manifold"
)

// On a space of finite volume the mean of p over uniform points times the volume is 1, and that of p² is the mean of p
// over draws of the law: so the density is one, and that of the draws.
func TestALawOnAManifoldHasTheDensityOfItsDraws(t *testing.T) {
	const n = 40_000
	for _, m := range []manifold.Compact{manifold.Sphere{D: 2}, manifold.Torus{D: 2}, manifold.SO3{}} {
		for _, p := range []Params{{}, {Components: new(2), Noise: new(0.8), LayoutSeed: 3}} {
			law, err := OnManifold(WrappedName, p, m)
			if err != nil {
				t.Fatal(err)
			}
			uniform, drawn, logp := flow.NewBatch(n, law.Dim()), flow.NewBatch(n, law.Dim()), make([]float64, n)
			manifold.Source{Law: manifold.Uniform{M: m}}.Sample(uniform, seed.Rand(1, "synth/uniform", 0))
			law.Sample(drawn, seed.Rand(1, "synth/drawn", 0))
			mean := func(x flow.Batch, power float64) (mean, se float64) {
				law.(data.LogProber).LogProb(logp, x)
				squares := 0.0
				for _, v := range logp {
					v = math.Exp(power * v)
					mean += v / n
					squares += v * v / n
				}
				return mean, math.Sqrt((squares - mean*mean) / n)
			}
			volume := math.Exp(m.LogTotal())
			if one, se := mean(uniform, 1); math.Abs(one*volume-1) > 5*se*volume {
				t.Errorf("%s: the density integrates to %g ± %g", m, one*volume, se*volume)
			}
			square, se1 := mean(uniform, 2)
			energy, se2 := mean(drawn, 1)
			if math.Abs(square*volume-energy) > 5*math.Hypot(se1*volume, se2) {
				t.Errorf("%s: ∫p² is %g ± %g by the density, and %g ± %g by draws", m, square*volume, se1*volume,
					energy, se2)
			}
		}
	}
}

func TestALawOnAManifoldIsThatOfItsLayoutSeed(t *testing.T) {
	for _, m := range []manifold.Manifold{manifold.Poincare{D: 2}, manifold.SPD{N: 2},
		manifold.Product{manifold.Sphere{D: 2}, manifold.Euclidean{D: 1}}} {
		var first [3]float64
		for k, p := range []Params{{}, {}, {LayoutSeed: 1}} {
			law, err := OnManifold(WrappedName, p, m)
			if err != nil {
				t.Fatalf("%s: %v", m, err)
			}
			x, logp := flow.NewBatch(50, law.Dim()), make([]float64, 50)
			law.Sample(x, seed.Rand(1, "synth/drawn", 0))
			law.(data.LogProber).LogProb(logp, x)
			for i := range x.N {
				if err := m.Check(x.Row(i)); err != nil || math.IsNaN(logp[i]) || math.IsInf(logp[i], 0) {
					t.Fatalf("%s: draw %v has log p %g (%v)", m, x.Row(i), logp[i], err)
				}
			}
			first[k] = x.X[0]
		}
		if first[0] != first[1] || first[0] == first[2] {
			t.Errorf("%s: first numbers %v; want two alike, and another of another seed", m, first)
		}
	}
}

func TestALawOnAManifoldRefusesWhatItDoesNotTake(t *testing.T) {
	for _, c := range []struct {
		name, want string
		p          Params
	}{
		{"moons", "unknown synthetic set on a manifold", Params{}},
		{WrappedName, "wrapped does not take dim; it takes noise, components, layout_seed", Params{Dim: new(3)}},
		{WrappedName, "components = 0", Params{Components: new(0)}},
		{WrappedName, "noise = -1", Params{Noise: new(-1.0)}},
		{WrappedName, "noise = 40", Params{Noise: new(40.0)}},
		{WrappedName, "noise = NaN", Params{Noise: new(math.NaN())}},
	} {
		if _, err := OnManifold(c.name, c.p, manifold.SO3{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: %v; want %q", c.name, SetParams(c.p), err, c.want)
		}
	}
}
