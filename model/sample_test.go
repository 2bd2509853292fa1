package model

import (
	"context"
	"math"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

func TestModelWorksInDataUnits(t *testing.T) {
	c := trained(t, planar)
	m, err := c.Model()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-7, ATol: 1e-7}}
	with, err := m.Sample(ctx, SampleOptions{N: 50, Seed: 4, Sampler: Density{Solver: solver}})
	if err != nil {
		t.Fatal(err)
	}
	without, err := m.Sample(ctx, SampleOptions{N: 50, Seed: 4, Sampler: ODE{Solver: solver}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range with.X.X {
		if math.Abs(with.X.X[i]-without.X.X[i]) > 1e-4 {
			t.Fatalf("coordinate %d: %g with the log-density, %g without", i, with.X.X[i], without.X.X[i])
		}
	}
	logp, _, err := m.LogProb(ctx, with.X, LikelihoodOptions{Solver: solver})
	if err != nil {
		t.Fatal(err)
	}
	for i := range logp {
		if math.Abs(logp[i]-with.LogP[i]) > 1e-3 {
			t.Errorf("point %d: log p is %g by its own solve, %g with the sample", i, logp[i], with.LogP[i])
		}
	}
}

// The learnt density integrates to 1 in data units, whatever the weights,
// whatever the net predicts, on every path: the standardisation and every
// Jacobian are accounted for.
func TestLearntDensityIntegratesToOne(t *testing.T) {
	for _, spec := range []Spec{
		planar,
		{
			Net:  nn.Config{Dim: 2, Hidden: []int{16}, SpaceFrequencies: 2, TimeFrequencies: 1},
			Path: path.Config{Name: "cosine"}, Shape: []int{2},
		},
		{Net: nn.Config{Dim: 1, Hidden: []int{16}, Activation: "tanh"}, Path: path.Config{Name: "vp"}, Shape: []int{1}},
		{Net: nn.Config{Dim: 1, Hidden: []int{16}, Activation: "tanh"}, Scheduler: own, Shape: []int{1}},
		{
			Net: nn.Config{Dim: 1, Hidden: []int{16},
				Activation: "tanh"}, Path: path.Config{Name: "condot"}, Shape: []int{1},
			Standardizer: &data.Standardizer{Mean: []float64{3}, Std: []float64{0.2}},
		},
	} {
		c := trained(t, spec)
		m, err := c.Model()
		if err != nil {
			t.Fatal(err)
		}
		const half, n = 8.0, 90 // in model units: the flow of small weights stays near its source
		d := m.Dim()
		grid := flow.NewBatch(int(math.Pow(n, float64(d))), d)
		cell := 1.0
		for i := range grid.N {
			at := i
			for k := range d {
				grid.X[i*d+k] = -half + 2*half*(float64(at%n)+0.5)/n
				at /= n
			}
		}
		for range d {
			cell *= 2 * half / n
		}
		if s := m.spec.Standardizer; s != nil {
			s.Invert(grid)
			cell *= math.Exp(s.LogDet(d))
		}
		solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(20)}
		logp, _, err := m.LogProb(context.Background(), grid, LikelihoodOptions{Solver: solver})
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, l := range logp {
			sum += math.Exp(l) * cell
		}
		if math.Abs(sum-1) > 1e-3 {
			t.Errorf("path %s, dimension %d: the density integrates to %.6f", spec.Path.Name, d, sum)
		}
	}
}

func TestBitsPerDimOfPixels(t *testing.T) {
	spec := Spec{Net: nn.Config{Dim: 4}, Shape: []int{2, 2}, BinWidth: 2.0 / 256}
	m, err := trained(t, spec).Model()
	if err != nil {
		t.Fatal(err)
	}
	// Uniform on [-1, 1]^4 has log p = -4 ln 2 and needs 8 bits a pixel.
	bpd, err := m.BitsPerDim(-4 * math.Ln2)
	if err != nil || math.Abs(bpd-8) > 1e-12 {
		t.Errorf("got %g (%v), want 8", bpd, err)
	}
	flat, err := trained(t, planar).Model()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flat.BitsPerDim(1); err == nil {
		t.Error("continuous data got bits per dimension")
	}
}
