package model

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/path"
)

// A network that knows nothing but what levels say of themselves is the flow of independent columns:
// the probability of a row is the product of the shares of its levels and of normal densities.
func TestAnUntrainedFlowOfLevelsHasTheirShares(t *testing.T) {
	s := &schema.Schema{N: 1000, Columns: []schema.Column{
		{Name: "group", Kind: schema.Category, Levels: []string{"a", "b", "c"},
			Code: &schema.Code{Shares: []float64{0.5, 0.4, 0.1}, Unit: 2.1, Noise: 0.15}},
		{Name: "size", Kind: schema.Real, Lo: -9, Hi: 9, Missing: 250, Format: schema.Format{Decimals: -1},
			Code: &schema.Code{Transform: schema.Standard, Scale: 1, Noise: 0.15, Missing: 0.25}},
		{Name: "sex", Kind: schema.Binary, Levels: []string{"f", "m"},
			Code: &schema.Code{Shares: []float64{0.7, 0.3}, Unit: 2, Noise: 0.15}},
	}}
	for name, p := range map[string]path.Config{"condot": {Name: "condot"}, "vp": {Name: "vp"}, "ve": {Name: "ve"}} {
		t.Run(name, func(t *testing.T) {
			spec := Spec{Path: p, Schema: s, Precondition: &path.Precondition{Data: 1}}
			net := newNet(t, nn.Config{Dim: s.Dim(), Hidden: []int{4}, Levels: spec.Levels()})
			net, err := net.WithWeights(make([]float32, net.NumWeights()))
			if err != nil {
				t.Fatal(err)
			}
			m, err := New(spec, net)
			if err != nil {
				t.Fatal(err)
			}
			rows := flow.Batch{N: 4, D: 3, X: []float64{0, 1, 0, 2, 0.5, 1, 1, math.NaN(), 0, 2, -1, 0}}
			x := flow.NewBatch(rows.N, s.Dim())
			s.Points(x, rows, func(row int) *rand.Rand { return rand.New(rand.NewPCG(7, uint64(row))) })
			logp, _, err := m.LogProb(t.Context(), x, LikelihoodOptions{Solver: byPoint(1e-7)})
			if err != nil {
				t.Fatal(err)
			}
			shares := s.Levels()
			for i, got := range logp {
				r := rows.Row(i)
				want, missing := math.Log(shares[0].Shares[int(r[0])]*shares[2].Shares[int(r[2])]), 0
				if math.IsNaN(r[1]) {
					missing = 1
				} else {
					want -= r[1]*r[1]/2 + math.Log(2*math.Pi)/2
				}
				want += math.Log(shares[1].Shares[missing])
				if math.Abs(got-want) > 4e-3 {
					t.Errorf("log p of row %v is %g, want %g", r, got, want)
				}
			}
		})
	}
}

func TestLevelsOfAnotherTableAreRefused(t *testing.T) {
	spec := Spec{Path: path.Config{Name: "condot"}, Schema: rowsSchema(), Precondition: &path.Precondition{Data: 1}}
	net := newNet(t, nn.Config{Dim: 4, Hidden: []int{8}, Levels: spec.Levels()})
	if _, err := New(spec, net); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(s *Spec){
		"no precondition": func(s *Spec) { s.Precondition = nil },
		"another scale":   func(s *Spec) { s.Precondition = &path.Precondition{Data: 2} },
		"no schema":       func(s *Spec) { s.Schema = nil },
	} {
		bad := spec
		change(&bad)
		if _, err := New(bad, net); !errors.Is(err, ErrSpec) {
			t.Errorf("%s: got %v, want %v", name, err, ErrSpec)
		}
	}
}
