package schema

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"

	"flowmatch/flow"
)

// draws returns n values of each of some laws, by name.
func draws(n int) map[string][]float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	laws := map[string]func() float64{
		"normal":    func() float64 { return 3 + 2*rng.NormFloat64() },
		"lognormal": func() float64 { return math.Exp(10 + rng.NormFloat64()) },
		"uniform":   rng.Float64,
		"two bumps": func() float64 { return 8*float64(rng.IntN(2)) + rng.NormFloat64() },
		"counts":    func() float64 { return math.Floor(rng.ExpFloat64() * 3) },
		"mostly 0":  func() float64 { return math.Floor(max(0, 3000*rng.NormFloat64()-1000)/100) * 100 },
		"ages":      func() float64 { return math.Round(min(90, max(18, 45+15*rng.NormFloat64()))) },
		"classes":   func() float64 { return float64(1 + rng.IntN(3)) },
		"uneven":    func() float64 { return math.Sqrt(float64(rng.IntN(40))) },
	}
	out := map[string][]float64{}
	for _, name := range sorted(laws) {
		for range n {
			out[name] = append(out[name], laws[name]())
		}
	}
	return out
}

// columnOf returns the column that values make.
func columnOf(values []float64) Column {
	decimals, kind := 0, Integer
	for _, v := range values {
		if v != math.Trunc(v) {
			decimals, kind = -1, Real
		}
	}
	c := Column{Name: "x", Kind: kind, Format: Format{Decimals: decimals}}
	var t tally
	for _, v := range values {
		t.add(v, decimals, 1)
	}
	c.Lo, c.Hi, c.Step = t.grid(true)
	if c.Values = c.valuesOf(values, len(values)); c.Values != nil {
		c.Step = 0
	}
	return c
}

// Every transform of every column that takes it is the inverse of its inverse, and its Jacobian
// is the slope.
func TestTransformsInvertAndHaveTheirJacobian(t *testing.T) {
	tried := 0
	for name, values := range draws(1000) {
		c := columnOf(values)
		for _, transform := range Transforms() {
			k, err := c.fitNumber(values, transform)
			if err != nil {
				continue // the law has values that it does not take
			}
			tried++
			y, _ := c.spread(values)
			for i := 0; i < len(y); i += 7 {
				z, logdet := k.forward(y[i])
				if back := k.inverse(z); math.Abs(back-y[i]) > 1e-9*(1+math.Abs(y[i])) {
					t.Fatalf("%s, %s: %g comes back as %g", name, transform, y[i], back)
				}
				h := 1e-6 * math.Exp(-logdet)
				up, _ := k.forward(y[i] + h)
				down, _ := k.forward(y[i] - h)
				if onKnot(k, y[i], h) {
					continue
				}
				if slope := math.Log((up - down) / (2 * h)); math.Abs(slope-logdet) > 1e-4 {
					t.Fatalf("%s, %s at %g: log slope %g, and %g by differences", name, transform, y[i], logdet, slope)
				}
			}
		}
	}
	if tried < 30 {
		t.Errorf("only %d transforms were tried", tried)
	}
}

func onKnot(k *Code, y, h float64) bool {
	for _, knot := range k.Y {
		if math.Abs(knot-y) <= 2*h {
			return true
		}
	}
	return false
}

// The density that N(0, 1) in model units is in data units integrates to 1.
func TestDensitiesIntegrateToOne(t *testing.T) {
	for name, values := range draws(1000) {
		c := columnOf(values)
		for _, transform := range append(Transforms(), "") {
			k, err := c.fitNumber(values, transform)
			if err != nil {
				continue
			}
			density := func(y float64) float64 {
				z, logdet := k.forward(y)
				return math.Exp(logdet-z*z/2) / math.Sqrt(2*math.Pi)
			}
			// Piece by piece between points that are even in z, and at the knots of quantile.
			at := slices.Clone(k.Z)
			for i := range 3601 {
				at = append(at, -9+18*float64(i)/3600)
			}
			slices.Sort(at)
			sum := 0.0
			for i := 1; i < len(at); i++ {
				if from, to := k.inverse(at[i-1]), k.inverse(at[i]); to > from {
					sum += quad.Fixed(density, from, to, 6, nil, 0)
				}
			}
			if math.Abs(sum-1) > 2e-4 {
				t.Errorf("%s, %s: the density integrates to %g", name, k.Transform, sum)
			}
		}
	}
}

// The masses of whole numbers, density times step averaged over the noise, sum to 1.
func TestMassesOfWholeNumbersSumToOne(t *testing.T) {
	for _, name := range []string{"counts", "ages", "classes"} {
		values := draws(1000)[name]
		c := columnOf(values)
		if c.Step == 0 {
			t.Fatalf("%s is on no even grid", name)
		}
		k, err := c.fitNumber(values, "")
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for v := c.Lo - 400*c.Step; v <= c.Hi+400*c.Step; v += c.Step {
			const cells = 200
			for i := range cells {
				y := v + c.Step*((float64(i)+0.5)/cells-0.5)
				z, logdet := k.forward(y)
				if z-z == 0 && logdet-logdet == 0 {
					sum += c.Step / cells * math.Exp(logdet-z*z/2) / math.Sqrt(2*math.Pi)
				}
			}
		}
		if math.Abs(sum-1) > 5e-3 {
			t.Errorf("%s (%s): the masses sum to %g", name, k.Transform, sum)
		}
	}
}

// The cells of an uneven grid lie side by side, each around its value, and what is nearest to a point in
// one is its value. log p and LogCells make a mass.
func TestCellsOfUnevenGrids(t *testing.T) {
	for _, name := range []string{"uneven"} {
		c := columnOf(draws(1000)[name])
		if c.Values == nil {
			t.Fatalf("%s has an even grid of %g", name, c.Step)
		}
		end, width := c.least(), 0.0
		for _, v := range c.Values {
			lo, hi := c.cell(v)
			if math.Abs(lo-end) > 1e-9*(1+math.Abs(lo)) || !(lo < v && v < hi) {
				t.Errorf("%s: the cell of %g is %g to %g, behind %g", name, v, lo, hi, end)
			}
			for _, y := range []float64{lo + 1e-9*(hi-lo), v, hi - 1e-9*(hi-lo)} {
				if got := c.nearest(y); got != v {
					t.Errorf("%s: %g is nearest to %g; want %g", name, y, got, v)
				}
			}
			c.Name = "x"
			s := &Schema{Columns: []Column{c}}
			if got := s.LogCells(flow.Batch{N: 1, D: 1, X: []float64{v}})[0]; math.Abs(got-math.Log(hi-lo)) > 1e-12 {
				t.Errorf("%s: log cell of %g is %g", name, v, got)
			}
			end, width = hi, width+hi-lo
		}
		if end != c.most() || math.Abs(width-(c.most()-c.least())) > 1e-9*width {
			t.Errorf("%s: the cells end at %g", name, end)
		}
	}
}

// The transform that is chosen is the one that the law is made for.
func TestTheDataChooseTheTransform(t *testing.T) {
	for name, want := range map[string]string{
		"normal": Standard, "lognormal": Log, "uniform": Logit, "two bumps": Quantile, "mostly 0": Quantile,
	} {
		values := draws(2000)[name]
		k, err := columnOf(values).fitNumber(values, "")
		if err != nil {
			t.Fatal(err)
		}
		if k.Transform != want {
			t.Errorf("%s: %s; want %s", name, k.Transform, want)
		}
	}
}

// Few values, two of them near, do not put others far off.
func TestFewValuesAreNotTheirOwnQuantiles(t *testing.T) {
	values := []float64{-0.2593, -0.2591, 1.288185, -1.444}
	for n := 2; n <= len(values); n++ {
		k, err := columnOf(values[:n]).fitNumber(values[:n], "")
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if z, _ := k.forward(v); n > 2 && math.Abs(z) > 20 || k.Transform == Quantile {
				t.Errorf("of %d values: %g is %g by %s", n, v, z, k.Transform)
			}
		}
	}
}

// Densities of numbers of any size are finite.
func TestDensitiesOfExtremeNumbers(t *testing.T) {
	for _, values := range [][]float64{{1e-301, 4e-301, 9e-301}, {-1e300, 2e299, 1e300}, {-1, 0, 1, 1e250}} {
		c := columnOf(values)
		c.Step, c.Values = 0, nil
		for _, transform := range []string{Logit, Robust} {
			k, err := c.fitNumber(values, transform)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				if z, logdet := k.forward(v); !finite(z, logdet) {
					t.Errorf("%s of %g in %v: %g, log-derivative %g", transform, v, values, z, logdet)
				}
			}
		}
	}
}

// Ten outliers in a thousand rows leave the rest as wide as it was, and come no farther out than a
// network sees.
func TestOutliersDoNotWreckAColumn(t *testing.T) {
	values := draws(1000)["normal"]
	for i := range 10 {
		values[i*100] = 1e6 * float64(1+i)
	}
	c := columnOf(values)
	k, err := c.fitNumber(values, "")
	if err != nil {
		t.Fatal(err)
	}
	lo, _ := k.forward(1)
	hi, _ := k.forward(5) // two deviations of the law apart
	if hi-lo < 1 || hi-lo > 3 {
		t.Errorf("%s: two deviations are %g apart in model units; want about 2", k.Transform, hi-lo)
	}
	if z, _ := k.forward(1e7); z > 12 {
		t.Errorf("%s: the farthest outlier is at %g", k.Transform, z)
	}
}

// What is decoded is within the range and on the grid, or a level, whatever the coordinates are; and
// what is encoded comes back.
func TestRowsComeBackAndSamplesArePossible(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	d := draws(500)
	s := &Schema{N: 500}
	names := []string{"normal", "counts", "mostly 0", "lognormal"}
	x := flow.NewBatch(500, len(names)+2)
	for k, name := range names {
		c := columnOf(d[name])
		c.Name = name
		if name == "counts" {
			c.Missing = 50
		}
		s.Columns = append(s.Columns, c)
		for i, v := range d[name] {
			if x.Row(i)[k] = v; name == "counts" && i%10 == 0 {
				x.Row(i)[k] = math.NaN()
			}
		}
	}
	s.Columns = append(s.Columns, Column{Name: "sex", Kind: Binary, Levels: []string{"f", "m"}},
		Column{Name: "island", Kind: Category, Levels: []string{"A", "B", "C"}, Missing: 20})
	for i := range x.N {
		x.Row(i)[4], x.Row(i)[5] = float64(rng.IntN(2)), float64(rng.IntN(3))
		if i%25 == 0 {
			x.Row(i)[5] = math.NaN()
		}
	}
	s, err := s.Fit(x, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Dim() != 3+2+1+4 {
		t.Fatalf("%d coordinates", s.Dim())
	}
	points, back := flow.NewBatch(x.N, s.Dim()), flow.NewBatch(x.N, x.D)
	s.Points(points, x, func(int) *rand.Rand { return rng })
	z := points.Clone()
	s.Apply(z)
	there := z.Clone()
	s.Invert(there)
	for i, v := range points.X {
		if math.Abs(there.X[i]-v) > 1e-9*(1+math.Abs(v)) || z.X[i]-z.X[i] != 0 {
			t.Fatalf("coordinate %d of point %d: %g is %g in model units, and %g back", i%z.D, i/z.D, v, z.X[i],
				there.X[i])
		}
	}
	noise := s.LogNoise(points)
	for i, d := range s.LogDet(points) {
		if d-d != 0 || noise[i]-noise[i] != 0 {
			t.Fatalf("row %d: log det %g, log-density of the noise %g", i, d, noise[i])
		}
	}
	s.Rows(back, there)
	for i, v := range x.X {
		if same := back.X[i] == v || math.IsNaN(v) && math.IsNaN(back.X[i]); !same &&
			math.Abs(back.X[i]-v) > 1e-9*math.Abs(v) {
			t.Fatalf("row %d, value %d: %g comes back as %g", i/x.D, i%x.D, v, back.X[i])
		}
	}
	for i := range z.X { // what a bad model draws
		z.X[i] = 1e3 * rng.NormFloat64()
	}
	z.X[0], z.X[1] = math.Inf(1), math.NaN()
	s.Invert(z)
	s.Rows(back, z)
	for i := range back.N {
		for k, v := range back.Row(i) {
			c := s.Columns[k]
			possible := c.Kind.number() && v >= c.Lo && v <= c.Hi && (c.Step == 0 || math.Mod(v-c.Lo, c.Step) == 0) &&
				(c.Values == nil || slices.Contains(c.Values, v)) ||
				c.Kind.levels() && v >= 0 && int(v) < len(c.Levels) || math.IsNaN(v) && c.Missing > 0
			if !possible {
				t.Fatalf("column %s: %g is impossible", c.Name, v)
			}
		}
	}
}

// The slope of a coordinate is that of its map by differences, and their logarithms sum to LogDet.
func TestSlopesOfCoordinatesSumToTheLogDet(t *testing.T) {
	s := &Schema{Columns: []Column{
		{Name: "a", Kind: Integer, Lo: 0, Hi: 9, Step: 1, Missing: 2,
			Code: &Code{Transform: Log1p, Scale: 2, Missing: 0.2, Noise: 0.1}},
		{Name: "b", Kind: Binary, Levels: []string{"n", "y"},
			Code: &Code{Shares: []float64{0.4, 0.6}, Unit: 2, Noise: 0.1}},
		{Name: "c", Kind: Category, Levels: []string{"p", "q", "r"},
			Code: &Code{Shares: []float64{0.4, 0.4, 0.2}, Unit: 3, Noise: 0.1}},
	}}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	x := flow.Batch{N: 1, D: 6, X: []float64{3.2, 0.1, 0.9, 0.1, 1.1, -0.1}}
	sum := 0.0
	for d, v := range x.X {
		up, down := x.Clone(), x.Clone()
		const h = 1e-5
		up.X[d] += h
		down.X[d] -= h
		s.Apply(up)
		s.Apply(down)
		slope := s.Slope(d, v)
		if got := 2 * h / (up.X[d] - down.X[d]); math.Abs(got/slope-1) > 1e-6 {
			t.Errorf("coordinate %d: slope %g, and %g by differences", d, slope, got)
		}
		sum -= math.Log(slope)
	}
	if got := s.LogDet(x)[0]; math.Abs(got-sum) > 1e-12 {
		t.Errorf("LogDet %g; the slopes make %g", got, sum)
	}
	names, kinds := s.Coordinates()
	want := []string{"a", "a is missing", "b=y", "c=p", "c=q", "c=r"}
	if !slices.Equal(names, want) || len(kinds) != 6 {
		t.Errorf("coordinates %q of kinds %q", names, kinds)
	}
}

// The mass of a level is the mean over its noise of the density of points over that of the noise: over
// all levels it is 1.
func TestMassesOfLevelsSumToOne(t *testing.T) {
	c := Column{Name: "island", Kind: Category, Levels: []string{"A", "B", "C"}}
	share := []float64{0.5, 0.3, 0.2}
	c.Code = &Code{Shares: share, Unit: 2, Noise: 0.1}
	rng := rand.New(rand.NewPCG(5, 6))
	// A mixture of Gaussians on the levels, a little narrower than the noise.
	const width = 0.08
	logp := func(x []float64) float64 {
		sum := 0.0
		for k, p := range share {
			e := 0.0
			for i, v := range x {
				if i == k {
					v--
				}
				e += v * v
			}
			sum += p * math.Exp(-e/(2*width*width)) / math.Pow(width*math.Sqrt(2*math.Pi), 3)
		}
		return math.Log(sum)
	}
	const n = 20000
	x := make([]float64, 3)
	for k, want := range share {
		mass := 0.0
		for range n {
			c.point(x, float64(k), rng)
			mass += math.Exp(logp(x)-c.logNoise(x)) / n
		}
		if math.Abs(mass-want) > 0.03*want {
			t.Errorf("level %d has the mass %g; want %g", k, mass, want)
		}
	}
}
