package nn

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
)

// Muon's step is UVᵀ of the gradient's singular value decomposition, to within what five
// Newton-Schulz iterations leave: all singular values come near to 1.
func TestMuonTakesOrthogonalSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][2]int{{16, 16}, {24, 10}, {10, 24}} {
		rows, columns := shape[0], shape[1]
		g := mat.NewDense(rows, columns, nil)
		flat := make([]float32, rows*columns)
		for i := range rows {
			for j := range columns {
				// Columns of very different sizes: singular values from 0.05 to 10 or so.
				v := float32(rng.NormFloat64() * math.Exp(float64(j%5)-2))
				flat[i*columns+j] = v
				g.Set(i, j, float64(v))
			}
		}
		out := graph.MustExecOnce(open(t).backend, func(x *graph.Node) *graph.Node { return orthogonal(x) },
			reshaped(flat, rows, columns))
		u := mat.NewDense(rows, columns, nil)
		scale := muonScale * math.Sqrt(float64(max(rows, columns)))
		for i, row := range out.Value().([][]float32) {
			for j, v := range row {
				u.Set(i, j, float64(v)/scale)
			}
		}
		var svd, steps mat.SVD
		if !svd.Factorize(g, mat.SVDThin) || !steps.Factorize(u, mat.SVDNone) {
			t.Fatal("no decomposition")
		}
		for _, s := range steps.Values(nil) {
			if s < 0.5 || s > 1.3 {
				t.Errorf("%v: a singular value of %.3f, want about 1", shape, s)
			}
		}
		// The step has the singular vectors of the gradient: UᵀSV is diagonal.
		var left, right, d mat.Dense
		svd.UTo(&left)
		svd.VTo(&right)
		d.Product(left.T(), u, &right)
		n := min(rows, columns)
		for i := range n {
			for j := range n {
				if i != j && math.Abs(d.At(i, j)) > 0.02 {
					t.Errorf("%v: %.3f beside the diagonal at %d, %d, want 0", shape, d.At(i, j), i, j)
				}
			}
		}
	}
}

func reshaped(flat []float32, rows, columns int) [][]float32 {
	out := make([][]float32, rows)
	for i := range out {
		out[i] = flat[i*columns : (i+1)*columns]
	}
	return out
}

// The first layer, the last and the biases take AdamW's step, the matrices between Muon's.
func TestMuonLeavesOtherWeightsToAdamW(t *testing.T) {
	cfg := Config{Dim: 2, Hidden: []int{8, 8, 4}}
	grads := func(net *Net) []float64 {
		rng := rand.New(rand.NewPCG(3, 4))
		g := make([]float64, net.NumWeights())
		for i := range g {
			g[i] = rng.NormFloat64()
		}
		return g
	}
	after := func(name string) (*Net, []float32) {
		net := newNet(t, cfg)
		tr, err := net.NewTrainer(Optimizer{Name: name}, StepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Apply(grads(net), 1, 1e-2); err != nil {
			t.Fatal(err)
		}
		w, err := tr.RawWeights()
		if err != nil {
			t.Fatal(err)
		}
		return net, w
	}
	net, adam := after(AdamW)
	_, muon := after(Muon)
	before, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range net.Tensors() {
		differ, square := false, 0.0
		for k := at.Offset; k < at.Offset+at.Size(); k++ {
			differ = differ || adam[k] != muon[k]
			square += math.Pow(float64(muon[k]-before[k]), 2)
		}
		inner := at.Name == "net.2.weight" || at.Name == "net.4.weight"
		if differ != inner {
			t.Errorf("%s: differs from AdamW's step: %v, want %v", at.Name, differ, inner)
		}
		// All singular values near to 1: the square sum is near to the rank times the scale squared.
		if inner {
			rank := float64(min(at.Shape[0], at.Shape[1]))
			want := rank * math.Pow(1e-2*muonScale, 2) * float64(max(at.Shape[0], at.Shape[1]))
			if ratio := square / want; ratio < 0.6 || ratio > 1.4 {
				t.Errorf("%s: the squares of its step sum to %.2f of those of an orthogonal one", at.Name, ratio)
			}
		}
	}
}

func TestMuonNeedsMatricesBetweenTheLayers(t *testing.T) {
	net := newNet(t, Config{Dim: 2, Hidden: []int{8}})
	if _, err := net.NewTrainer(Optimizer{Name: Muon}, StepOptions{}); err == nil ||
		!strings.Contains(err.Error(), "two hidden layers") {
		t.Errorf("one hidden layer: %v, want an error that names what muon is for", err)
	}
	if _, err := net.NewTrainer(Optimizer{Name: "sgd"}, StepOptions{}); err == nil ||
		!strings.Contains(err.Error(), "unknown optimizer") {
		t.Errorf("sgd: %v, want an error", err)
	}
}

func TestTheOptimizerAndTheRateOfANetwork(t *testing.T) {
	for _, c := range []struct {
		net   Config
		batch int
		name  string
		rate  float64
	}{
		{Config{}, 256, Muon, 1e-2},
		{Config{Hidden: []int{8}}, 256, AdamW, 1e-2},
		{Config{}, 255, AdamW, 1e-2},
		{Config{Hidden: []int{64, 128}}, 256, AdamW, 5e-3},
		{Config{Hidden: []int{128, 128}}, 512, Muon, 1e-2},
		{Config{UNet: &UNet{Channels: 10}}, 256, AdamW, 4e-3},
		{Config{UNet: &UNet{Channels: 32}}, 256, AdamW, 4e-3},
		{Config{UNet: &UNet{Channels: 128}}, 256, AdamW, 1e-3},
		{Config{DiT: &DiT{Width: 64}}, 4096, AdamW, 4e-3},
		{Config{DiT: &DiT{Width: 512}}, 4096, AdamW, 5e-4},
	} {
		name := OptimizerFor(c.net, c.batch)
		if rate := RateFor(c.net, name); name != c.name || rate != c.rate {
			t.Errorf("%v of %d: %s at %g, want %s at %g", c.net.Hidden, c.batch, name, rate, c.name, c.rate)
		}
	}
}
