package manifold_test

import (
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/manifold"
)

func TestRowsBecomePointsAndBack(t *testing.T) {
	for _, c := range []struct {
		cfg     manifold.Config
		columns []string
		row, x  []float64
	}{
		{manifold.Config{Name: "sphere"}, []string{"latitude", "longitude"}, []float64{30, 90},
			[]float64{0, math.Sqrt(3) / 2, 0.5}},
		{manifold.Config{Name: "sphere"}, []string{"LON", "LAT"}, []float64{90, 30},
			[]float64{0, math.Sqrt(3) / 2, 0.5}},
		{manifold.Config{Name: "sphere", Units: "radians"}, []string{"c0", "c1"}, []float64{-math.Pi / 6, 0},
			[]float64{math.Sqrt(3) / 2, 0, -0.5}},
		{manifold.Config{Name: "sphere"}, []string{"a", "b", "c", "d"}, []float64{0.5, 0.5, -0.5, 0.5},
			[]float64{0.5, 0.5, -0.5, 0.5}},
		{manifold.Config{Name: "torus"}, []string{"phi", "psi"}, []float64{-60, 180},
			[]float64{0.5, -math.Sqrt(3) / 2, -1, 0}},
		{manifold.Config{Name: "so3"}, []string{"qw", "qx", "qy", "qz"},
			[]float64{math.Sqrt2 / 2, 0, 0, math.Sqrt2 / 2}, []float64{0, -1, 0, 1, 0, 0, 0, 0, 1}},
		{manifold.Config{Name: "so3"}, []string{"x", "y", "z", "w"}, []float64{0, 0, math.Sqrt2 / 2, math.Sqrt2 / 2},
			[]float64{0, -1, 0, 1, 0, 0, 0, 0, 1}},
		{manifold.Config{Name: "poincare"}, []string{"x", "y"}, []float64{0.3, -0.2}, []float64{0.3, -0.2}},
		{manifold.Config{Name: "spd"}, []string{"xx", "xy", "yy"}, []float64{2, 0.5, 1}, []float64{2, 0.5, 0.5, 1}},
		{manifold.Config{Name: "spd"}, []string{"a", "b", "c", "d"}, []float64{2, 0.5, 0.5, 1},
			[]float64{2, 0.5, 0.5, 1}},
		{manifold.Config{Product: []manifold.Config{{Name: "sphere"}, {Name: "torus"}, {Name: "euclidean", Dim: 2}}},
			[]string{"lat", "lon", "hour", "a", "b"}, []float64{90, 0, 90, 7, -3}, []float64{0, 0, 1, 0, 1, 7, -3}},
	} {
		s, err := c.cfg.Resolve(c.columns)
		if err != nil {
			t.Errorf("%v: %v", c.cfg, err)
			continue
		}
		if err := s.Validate(); err != nil {
			t.Errorf("%v: %v", c.cfg, err)
		}
		if got := len(s.Coordinates()); got != s.Manifold().Ambient() {
			t.Errorf("%v: %d names of coordinates", c.cfg, got)
		}
		x, err := s.Points(flow.Batch{N: 1, D: len(c.row), X: c.row}, nil)
		if err != nil || gap(x.X, c.x) > 1e-15 {
			t.Errorf("%v: point %v, %v; want %v", c.cfg, x.X, err, c.x)
		}
		if back := s.Rows(x); gap(back.X, c.row) > 1e-13 {
			t.Errorf("%v: row %v, want %v", c.cfg, back.X, c.row)
		}
		// The source has points, and a density at them.
		logp, draws := make([]float64, 9), flow.NewBatch(9, x.D)
		src := manifold.Source{Law: s.Law()}
		src.Sample(draws, seed.Rand(1, "manifold/source", 0))
		src.LogProb(logp, draws)
		for i := range draws.N {
			if err := s.Manifold().Check(draws.Row(i)); err != nil || logp[i]-logp[i] != 0 {
				t.Errorf("%v: draw %v with log-density %g: %v", c.cfg, draws.Row(i), logp[i], err)
			}
		}
	}
}

func TestWhatIsNoPointOfAFileIsNamed(t *testing.T) {
	for _, c := range []struct {
		cfg     manifold.Config
		columns []string
		row     []float64
		want    string
	}{
		{manifold.Config{Name: "sphere"}, []string{"lat", "lon"}, []float64{91, 0},
			`row 1: space: "lat" is 91 degrees; a latitude is within 90`},
		{manifold.Config{Name: "sphere"}, []string{"lat", "lon"}, []float64{0, 400}, `"lon" is 400 degrees`},
		{manifold.Config{Name: "sphere"}, []string{"lat", "lon"}, []float64{math.NaN(), 0}, "is not finite"},
		{manifold.Config{Name: "sphere"}, []string{"x", "y", "z"}, []float64{1, 1, 0}, "a vector of length 1.41421"},
		{manifold.Config{Name: "so3"}, []string{"a", "b", "c", "d"}, []float64{1, 1, 0, 0},
			"a quaternion of length 1.41421"},
		{manifold.Config{Name: "poincare"}, []string{"x", "y"}, []float64{1, 0}, "must be less than 1"},
		{manifold.Config{Name: "spd"}, []string{"a", "b", "c"}, []float64{1, 2, 1}, "eigenvalues"},
	} {
		s, err := c.cfg.Resolve(c.columns)
		if err == nil {
			_, err = s.Points(flow.Batch{N: 1, D: len(c.row), X: c.row}, nil)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.cfg, err, c.want)
		}
	}
}

func TestSettingsOfASpaceThatCannotBeAreRefused(t *testing.T) {
	type C = manifold.Config
	for _, c := range []struct {
		cfg     C
		columns int
		want    string
	}{
		{C{Name: "spehre"}, 2, `did you mean "sphere"?`},
		{C{Dim: 2}, 2, "there is no name"},
		{C{Name: "sphere", Dim: 1}, 2, "use torus"},
		{C{Name: "torus", Dim: -1}, 2, "at least 1"},
		{C{Name: "so3", Dim: 3}, 4, "has one dimension, 3"},
		{C{Name: "sphere", Form: "angles"}, 2, "form"},
		{C{Name: "sphere", Form: "latlon", Dim: 3}, 2, "for dimension 2"},
		{C{Name: "poincare", Units: "degrees"}, 2, "no angles"},
		{C{Name: "sphere", Units: "grad"}, 2, "units"},
		{C{Name: "sphere", Units: "degrees"}, 3, "no angles"},
		{C{Name: "poincare", Source: "uniform"}, 2, "is not finite"},
		{C{Name: "sphere", Source: "cauchy"}, 2, "source"},
		{C{Name: "sphere", Std: 1}, 2, "the source is uniform"},
		{C{Name: "poincare", Std: -1}, 2, "above 0"},
		{C{Name: "sphere"}, 1, "as 2 (latlon) or 3 (vector), and there are 1"},
		{C{Name: "so3"}, 5, "as 4 (quaternion) or 9 (matrix)"},
		{C{Name: "torus", Dim: 2}, 3, "as 2 (angles), and there are 3"},
		{C{Product: []C{}}, 2, "product is empty"},
		{C{Product: []C{{Name: "sphere"}}}, 2, "of one factor"},
		{C{Product: []C{{Name: "sphere"}, {}}}, 2, "product[1] is empty"},
		{C{Product: []C{{Name: "sphere"}, {Name: "x"}}}, 2, "product[1]: space: "},
		{C{Product: []C{{Name: "sphere"}, {Name: "torus"}}, Dim: 3}, 3, "dim is set beside product"},
		{C{Product: []C{{Name: "sphere"}, {Product: []C{{Name: "torus"}, {Name: "torus"}}}}}, 3, "a product again"},
		{C{Product: []C{{Name: "sphere"}, {Name: "torus"}}}, 5, "has 3: 2 of sphere, 1 of torus"},
		{C{}, 2, "it is flat"},
	} {
		columns := []string{"a", "b", "c", "d", "e"}[:c.columns]
		if _, err := c.cfg.Resolve(columns); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.cfg, err, c.want)
		}
	}
}
