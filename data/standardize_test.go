package data_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/data/internal/moments"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

func randomTable(n, d int, seedValue uint64) flow.Batch {
	x := flow.NewBatch(n, d)
	rng := seed.Rand(seedValue, "test", 0)
	for i := range x.X {
		x.X[i] = 100*float64(i%d) + math.Pow(10, float64(i%d))*rng.NormFloat64()
	}
	return x
}

func TestFitGivesEveryColumnMeanZeroAndDeviationOne(t *testing.T) {
	x := randomTable(500, 4, 1)
	s, err := data.Fit(x, nil)
	if err != nil {
		t.Fatal(err)
	}
	z := x.Clone()
	s.Apply(z)
	for d := range z.D {
		mean, std, _ := moments.Of(z.X[d:], z.D, z.N)
		if math.Abs(mean) > 1e-12 || math.Abs(std-1) > 1e-12 {
			t.Errorf("column %d: mean %g, deviation %g, want 0 and 1, tolerance 1e-12", d, mean, std)
		}
	}
	s.Invert(z)
	for i, v := range z.X {
		if math.Abs(v-x.X[i]) > 1e-12*max(1, math.Abs(x.X[i])) {
			t.Errorf("number %d: round trip gives %.17g, want %.17g", i, v, x.X[i])
		}
	}
}

func TestFitScalarKeepsProportions(t *testing.T) {
	x := randomTable(200, 3, 2)
	s, err := data.FitScalar(x)
	if err != nil {
		t.Fatal(err)
	}
	z := x.Clone()
	s.Apply(z)
	mean, std, _ := moments.Of(z.X, 1, len(z.X))
	if math.Abs(mean) > 1e-12 || math.Abs(std-1) > 1e-12 {
		t.Errorf("mean %g, deviation %g, want 0 and 1, tolerance 1e-12", mean, std)
	}
	if got, want := s.LogDet(3), 3*math.Log(s.Std[0]); math.Abs(got-want) > 1e-12 {
		t.Errorf("LogDet: got %g, want %g, tolerance 1e-12", got, want)
	}
}

func TestLogDetTiesTheLikelihoodsOfBothUnits(t *testing.T) {
	// x = Mean + Std z with z ~ N(0, I) has the density of N(Mean, diag Std^2).
	s := &data.Standardizer{Mean: []float64{3, -1}, Std: []float64{0.25, 10}}
	x := flow.Batch{N: 1, D: 2, X: []float64{3.1, 7}}
	want := 0.0
	for d := range 2 {
		u := (x.X[d] - s.Mean[d]) / s.Std[d]
		want += -0.5*u*u - math.Log(s.Std[d]) - 0.5*math.Log(2*math.Pi)
	}
	z := x.Clone()
	s.Apply(z)
	var logp [1]float64
	flow.Gaussian{}.LogProb(logp[:], z)
	if got := logp[0] - s.LogDet(2); math.Abs(got-want) > 1e-12 {
		t.Errorf("log p in original units: got %.15g, want %.15g, tolerance 1e-12", got, want)
	}
}

func TestConstantColumnsAreRefusedByName(t *testing.T) {
	x := flow.Batch{N: 2, D: 2, X: []float64{1, 7, 2, 7}}
	_, err := data.Fit(x, []string{"a", "b"})
	datatest.WantError(t, "Fit", err, `column "b" is 7 in all 2 training rows: constant column`)
	_, err2 := data.FitScalar(flow.Batch{N: 2, D: 1, X: []float64{7, 7}})
	if !errors.Is(err, data.ErrConstantColumn) || !errors.Is(err2, data.ErrConstantColumn) {
		t.Errorf("got %v and %v, want ErrConstantColumn", err, err2)
	}
	_, err = data.Fit(flow.NewBatch(0, 2), nil)
	datatest.WantError(t, "Fit of nothing", err, "no points")
	// 0.1 has no exact float64: a mean computed with rounding must not hide that
	// the column is constant.
	tenths := flow.NewBatch(1000, 1)
	for i := range tenths.X {
		tenths.X[i] = 0.1
	}
	_, err = data.Fit(tenths, nil)
	datatest.WantError(t, "Fit of tenths", err, "column 0 is 0.1 in all 1000 training rows")
}

func TestAStandardizerSurvivesJSONAndYAML(t *testing.T) {
	s := data.Standardizer{Mean: []float64{0.1, -1e300}, Std: []float64{1.0 / 3, 5e-324}}
	for _, c := range []struct {
		name      string
		marshal   func(any) ([]byte, error)
		unmarshal func([]byte, any) error
	}{{"JSON", json.Marshal, json.Unmarshal}, {"YAML", yaml.Marshal,
		func(b []byte, v any) error { return yaml.Unmarshal(b, v) }}} {
		b, err := c.marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got data.Standardizer
		if err := c.unmarshal(b, &got); err != nil || !slices.Equal(got.Mean, s.Mean) || !slices.Equal(got.Std, s.Std) {
			t.Errorf("%s: got %v (error %v), want %v, text %s", c.name, got, err, s, b)
		}
	}
}

func TestValidateRefusesStandardizersThatCannotBeApplied(t *testing.T) {
	for _, c := range []struct {
		s    data.Standardizer
		want string
	}{
		{data.Standardizer{}, "0 means and 0 deviations"},
		{data.Standardizer{Mean: []float64{1}, Std: []float64{1, 2}}, "1 means and 2 deviations"},
		{data.Standardizer{Mean: []float64{math.NaN()}, Std: []float64{1}}, "mean 0 is NaN"},
		{data.Standardizer{Mean: []float64{0, 0}, Std: []float64{1, 0}}, "deviation 1 is 0"},
		{data.Standardizer{Mean: []float64{0}, Std: []float64{math.Inf(1)}}, "deviation 0 is +Inf"},
	} {
		datatest.WantError(t, "Validate", c.s.Validate(), c.want)
	}
}

// A deviation that no float64 holds is told with the column and the values that it comes of.
func TestAColumnWithoutADeviationIsNamed(t *testing.T) {
	for _, c := range []struct {
		b, c float64
		want string
	}{
		{-1e300, 1e300, `column "b" has values from -1e+300 to 1e+300, whose standard deviation (+Inf)`},
		{1e-300, 3e-300, `column "b" has values from 1e-300 to 3e-300, whose standard deviation (0)`},
	} {
		_, err := data.Fit(flow.Batch{N: 2, D: 2, X: []float64{1, c.b, 2, c.c}}, []string{"a", "b"})
		datatest.WantError(t, "Fit", err, c.want)
		_, err = data.FitScalar(flow.Batch{N: 2, D: 1, X: []float64{c.b, c.c}})
		datatest.WantError(t, "FitScalar", err, "the table"+strings.TrimPrefix(c.want, `column "b"`))
	}
}
