package model

import (
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/path"
)

// rowsSchema is that of a price above 0 and a group of three levels.
func rowsSchema() *schema.Schema {
	return &schema.Schema{N: 10, Columns: []schema.Column{
		{Name: "price", Kind: schema.Real, Lo: 0.5, Hi: 90, Format: schema.Format{Decimals: -1},
			Code: &schema.Code{Transform: schema.Log, Shift: 2, Scale: 1.5}},
		{Name: "group", Kind: schema.Category, Levels: []string{"a", "b", "c"},
			Code: &schema.Code{Shares: []float64{0.5, 0.25, 0.25}, Unit: 2, Noise: 0.1}},
	}}
}

// manySchema has a column of each kind: whole numbers of which some are missing, a date, levels in an order, and two.
func manySchema() *schema.Schema {
	return &schema.Schema{N: 10, Delimiter: ",", Columns: []schema.Column{
		{Name: "count", Kind: schema.Integer, Lo: 1, Hi: 9, Step: 1, Missing: 2, Marker: "NA",
			Code: &schema.Code{Transform: schema.Standard, Shift: 4, Scale: 2, Noise: 0.2, Missing: 0.2}},
		{Name: "day", Kind: schema.Date, Lo: 0, Hi: 864000, Step: 86400, Format: schema.Format{Layout: "2006-01-02"},
			Code: &schema.Code{Transform: schema.Robust, Scale: 1, A: 400000, B: 90000}},
		{Name: "size", Kind: schema.Ordered, Levels: []string{"S", "M", "L"}, Hi: 2, Step: 1,
			Code: &schema.Code{Transform: schema.Logit, Scale: 1, A: -0.5, B: 2.5}},
		{Name: "yes", Kind: schema.Binary, Levels: []string{"no", "yes"},
			Code: &schema.Code{Shares: []float64{0.5, 0.5}, Unit: 2, Noise: 0.2}},
		{Name: "share", Kind: schema.Real, Lo: 0, Hi: 1, Values: []float64{0, 0.1, 1},
			Format: schema.Format{Decimals: 1},
			Code:   &schema.Code{Transform: schema.Quantile, Y: []float64{-0.05, 0.5, 1.5}, Z: []float64{-1, 0, 1}}},
		{Name: "price", Kind: schema.Real, Lo: 0.5, Hi: 90, Format: schema.Format{Decimals: -1},
			Code: &schema.Code{Transform: schema.Log, Shift: 2, Scale: 1.5}},
		{Name: "id", Kind: schema.Identifier}, {Name: "k", Kind: schema.Constant, Value: "v"},
	}}
}

// The log-density of a row is that of its point in model units, with the Jacobian of the transforms and
// without the density of the noise; of a point that no row is, it is -Inf.
func TestLogDensitiesOfRows(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 4, Hidden: []int{8}})
	spec := Spec{Path: path.Config{Name: "condot"}, Schema: rowsSchema()}
	m, err := New(spec, net)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := New(Spec{Path: spec.Path}, net)
	if err != nil {
		t.Fatal(err)
	}
	x := flow.Batch{N: 3, D: 4, X: []float64{3, 0.9, 0.1, -0.1, -2, 1, 0, 0, 40, 0.05, 0, 1.1}}
	o := LikelihoodOptions{Solver: byPoint(1e-7)}
	got, _, err := m.LogProb(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	inside := x.Rows([]int{0, 2})
	z := inside.Clone()
	spec.Schema.Apply(z)
	base, _, err := plain.LogProb(t.Context(), z, o)
	if err != nil {
		t.Fatal(err)
	}
	for k, i := range []int{0, 2} {
		price := inside.Row(k)[0]
		want := base[k] - math.Log(1.5) - math.Log(price) + 3*math.Log(2)
		for _, v := range inside.Row(k)[1:] {
			e := (v - math.Round(v)) / 0.1
			want += e*e/2 + math.Log(0.1*math.Sqrt(2*math.Pi))
		}
		if math.Abs(got[i]-want) > 1e-5 {
			t.Errorf("row %d: log p %g; want %g", i, got[i], want)
		}
	}
	if !math.IsInf(got[1], -1) {
		t.Errorf("a price of -2 has log p %g; want -Inf", got[1])
	}
}

// A schema is part of a checkpoint, and one that does not fit is refused.
func TestASchemaIsPartOfTheModel(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 4, Hidden: []int{8}})
	m, err := New(Spec{Path: path.Config{Name: "condot"}, Schema: rowsSchema()}, net)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "m.safetensors")
	if err := m.Save(file); err != nil {
		t.Fatal(err)
	}
	again, _, err := Open(file, net.Engine())
	if err != nil || !reflect.DeepEqual(again.Spec().Schema, rowsSchema()) {
		t.Errorf("%+v, %v", again.Spec().Schema, err)
	}
	s, err := m.Sample(t.Context(), SampleOptions{N: 50, Sampler: ODE{Solver: byPoint(1e-4)}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.X.N {
		if price := s.X.Row(i)[0]; !(price > 0) {
			t.Errorf("a price of %g", price)
		}
	}
	wide, spoilt := rowsSchema(), rowsSchema()
	wide.Columns = wide.Columns[1:]
	spoilt.Columns[0].Code.Scale = 0
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"of other points": {Spec{Schema: wide}, "3 coordinates"},
		"spoilt":          {Spec{Schema: spoilt}, "none of one"},
		"beside a standardizer": {Spec{Schema: rowsSchema(), Standardizer: &data.Standardizer{Mean: []float64{0},
			Std: []float64{1}}}, "both"},
	} {
		c.spec.Path = path.Config{Name: "condot"}
		if _, err := New(c.spec, net); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("a schema %s: %v; want %q", name, err, c.want)
		}
	}
}
