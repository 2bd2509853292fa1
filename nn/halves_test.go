package nn

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"

	"flowmatch/flow"
)

// heldIn returns a network with weights that are nowhere zero, and the same one with these in bfloat16.
func heldIn(t *testing.T, backend string, cfg Config) (full, half *Net) {
	t.Helper()
	eng, err := Open(backend)
	if err != nil {
		t.Fatal(err)
	}
	full, err = New(eng, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	w, err := full.Weights()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range w {
		w[i] += float32(0.1 * rng.NormFloat64())
	}
	if full, err = full.WithWeights(w); err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for _, x := range full.Tensors() {
		at[x.Name] = x.Offset
	}
	holding, err := eng.Holding(BFloat16)
	if err != nil {
		t.Fatal(err)
	}
	half, err = Restore(holding, cfg, func(name string, shape []int) ([]float32, error) {
		return w[at[name] : at[name]+Tensor{Shape: shape}.Size()], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return full, half
}

// The weights are those of the network rounded to bfloat16, and so are, within 8 bits, what it outputs and the
// products of its Jacobian.
func TestWeightsAreHeldInHalfOfTheMemory(t *testing.T) {
	for name, cfg := range map[string]Config{
		"perceptron": {Dim: 3, Classes: 2, Hidden: []int{32, 32}},
		"residual":   {Dim: 3, Context: 4, Residual: &Residual{Width: 32, Blocks: 2}},
		"UNet":       {Dim: 192, Classes: 2, UNet: &UNet{Image: []int{8, 8, 3}, Channels: 16, Mult: []int{1, 2}}},
		"DiT":        {Dim: 192, Classes: 2, DiT: &DiT{Image: []int{8, 8, 3}, Patch: 2, Width: 32, Depth: 2, Heads: 2}},
	} {
		for _, backend := range []string{"native", "go:ops_sequential"} {
			t.Run(name+" on "+backend, func(t *testing.T) {
				full, half := heldIn(t, backend, cfg)
				w, err := full.Weights()
				if err != nil {
					t.Fatal(err)
				}
				got, err := half.Weights()
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range w {
					if want := bfloat16.FromFloat32(v).Float32(); got[i] != want {
						t.Fatalf("weight %d is %g, want %g rounded: %g", i, got[i], v, want)
					}
				}
				if sh, err := half.theta.Shape(); err != nil || int(sh.ByteSize()) != 2*len(w) {
					t.Errorf("%d weights take %d bytes (%v)", len(w), sh.ByteSize(), err)
				}
				outputs := func(n *Net) (v, g []float64) {
					given := flow.Given{}
					if cfg.Classes > 0 {
						given.Label = []int32{0, 1}
					}
					if cfg.Context > 0 {
						given.Context = flow.Batch{N: 1, D: 4, X: []float64{1, -1, 0.5, 2}}
					}
					f, err := n.Bind(given)
					if err != nil {
						t.Fatal(err)
					}
					rng := rand.New(rand.NewPCG(3, 4))
					x, e := make([]float64, 2*cfg.Dim), make([]float64, 2*cfg.Dim)
					for i := range x {
						x[i], e[i] = rng.NormFloat64(), rng.NormFloat64()
					}
					v, g = make([]float64, len(x)), make([]float64, len(x))
					if err := f.VJP(v, g, 0.3, x, e); err != nil {
						t.Fatal(err)
					}
					again := make([]float64, len(x))
					if err := f.Velocity(again, 0.3, x); err != nil {
						t.Fatal(err)
					}
					if d := relative(again, v); d > 1e-2 {
						t.Errorf("the velocity is off by %.2g of that beside its VJP", d)
					}
					return v, g
				}
				v, g := outputs(half)
				vFull, gFull := outputs(full)
				dv, dg := relative(v, vFull), relative(g, gFull)
				t.Logf("velocities off by %.2g, VJPs by %.2g", dv, dg)
				if dv > 3e-2 || dg > 5e-2 {
					t.Errorf("velocities off by %.2g, want at most 0.03; VJPs by %.2g, want at most 0.05", dv, dg)
				}
				if dv == 0 {
					t.Error("velocities are those of float32: nothing was rounded")
				}
			})
		}
	}
}

// relative is the root mean square of a difference by that of b.
func relative(a, b []float64) float64 {
	diff, size := 0.0, 0.0
	for i := range b {
		diff, size = diff+(a[i]-b[i])*(a[i]-b[i]), size+b[i]*b[i]
	}
	return math.Sqrt(diff / size)
}

func TestWeightsInHalvesAreForEvaluationAlone(t *testing.T) {
	full, half := heldIn(t, "native", Config{Dim: 3, Hidden: []int{32, 32}})
	w, err := full.Weights()
	if err != nil {
		t.Fatal(err)
	}
	f, err := half.Bind(flow.Given{})
	if err != nil {
		t.Fatal(err)
	}
	x, theta := make([]float64, 3), make([]float64, half.NumWeights())
	for name, err := range map[string]error{
		"WithWeights": second(half.WithWeights(w)),
		"NewTrainer":  second(half.NewTrainer(Optimizer{}, StepOptions{})),
		"New":         second(New(half.Engine(), half.Config(), 1)),
		"VJPParams":   f.VJPParams(nil, make([]float64, 3), theta, 0.5, x, x),
		"VJPAug":      f.VJPAug(make([]float64, 3), theta, 0.5, x, flow.Adjoint{Velocity: x, Div: x[:1]}),
	} {
		if !errors.Is(err, errHalves) {
			t.Errorf("%s: got %v, want what it says of bfloat16", name, err)
		}
	}
	if _, err := full.Engine().Holding("fp8"); err == nil {
		t.Error("an engine holds weights in fp8")
	}
}

// A slab in bfloat16 is never there as floats: what the program of a velocity takes beside it is less than that of
// float32 takes, and the widened slab would be more.
func TestASlabInHalvesIsNotWidened(t *testing.T) {
	full, half := heldIn(t, "native", Config{Dim: 192, DiT: &DiT{Image: []int{8, 8, 3}, Patch: 2, Width: 128, Depth: 2,
		Heads: 2}})
	memory := func(n *Net) int {
		f, err := n.progs.solve.velocity.frame(1, 0)
		if err != nil {
			t.Fatal(err)
		}
		m, known := f.c.exec.(interface{ Memory() int })
		if !known {
			t.Fatal("the native engine does not say its memory")
		}
		return m.Memory()
	}
	slab := 4 * full.NumWeights()
	a, b := memory(full), memory(half)
	t.Logf("a slab of %d bytes as floats; beside it %d bytes, in bfloat16 %d", slab, a, b)
	if b > a+slab/4 {
		t.Errorf("the program takes %d bytes in bfloat16, and %d in float32: a slab of %d was widened", b, a, slab)
	}
}
