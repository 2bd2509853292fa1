package nn

import (
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// forwardOnHost is the network of layers [3, 5, 4, 1] in float64.
func forwardOnHost(theta []float64, x []float64) float64 {
	for _, out := range []int{5, 4, 1} {
		weight, bias := theta[:out*len(x)], theta[out*len(x):out*len(x)+out]
		theta = theta[out*len(x)+out:]
		h := make([]float64, out)
		for o := range h {
			h[o] = bias[o]
			for i, v := range x {
				h[o] += weight[o*len(x)+i] * v
			}
			if out > 1 {
				h[o] = max(0, h[o])
			}
		}
		x = h
	}
	return x[0]
}

// lossOnHost is the mean cross-entropy and the penalty of the matrices.
func lossOnHost(theta []float64, x flow.Batch, kinds []float64, l2 float64) (loss float64) {
	for i := range x.N {
		p := 1 / (1 + math.Exp(-forwardOnHost(theta, x.Row(i))))
		loss -= (kinds[i]*math.Log(p) + (1-kinds[i])*math.Log(1-p)) / float64(x.N)
	}
	for _, matrix := range [][2]int{{0, 15}, {20, 40}, {44, 48}} {
		for _, w := range theta[matrix[0]:matrix[1]] {
			loss += l2 / 2 / float64(x.N) * w * w
		}
	}
	return loss
}

func TestDiscriminatorIsThatOfTheFormula(t *testing.T) {
	const l2 = 0.7
	d, err := NewDiscriminator(open(t), DiscriminatorConfig{Dim: 3, Hidden: []int{5, 4}, L2: l2}, 1)
	must(t, err)
	x, kinds, rng := flow.NewBatch(7, 3), make([]float64, 7), seed.Rand(1, "nn/discriminator-test", 0)
	for i := range x.X {
		x.X[i] = rng.NormFloat64()
	}
	for i := range kinds {
		kinds[i] = float64(i % 2)
	}
	w, err := d.Weights()
	must(t, err)
	theta := make([]float64, len(w))
	for i, v := range w {
		theta[i] = float64(v)
	}
	logits, err := d.Logits(x)
	must(t, err)
	for i, z := range logits {
		if want := forwardOnHost(theta, x.Row(i)); math.Abs(z-want) > 1e-5 {
			t.Errorf("logit %d is %g, want %g", i, z, want)
		}
	}
	tr, err := d.NewTrainer(Optimizer{EMADecay: new(0.0)})
	must(t, err)
	r, err := tr.Step(x, kinds, 1e-3)
	must(t, err)
	if want := lossOnHost(theta, x, kinds, l2); math.Abs(r.Loss-want) > 1e-5 {
		t.Errorf("loss %g, want %g", r.Loss, want)
	}
	s, err := tr.State()
	must(t, err)
	for i := range theta { // the first moment is then 1 - β1 = 0.1 times the gradient
		was, h := theta[i], 1e-6
		theta[i] = was + h
		want := lossOnHost(theta, x, kinds, l2)
		theta[i] = was - h
		want = (want - lossOnHost(theta, x, kinds, l2)) / (2 * h)
		theta[i] = was
		if got := float64(s.Moment1[i]) / 0.1; math.Abs(got-want) > 1e-4 {
			t.Errorf("derivative %d is %g, want %g", i, got, want)
		}
	}
	raw, err := tr.Raw()
	must(t, err)
	after, err := raw.Weights()
	must(t, err)
	if moved := math.Abs(float64(after[0] - w[0])); math.Abs(moved-1e-3) > 1e-5 {
		t.Errorf("the first step of Adam is %g, want 0.001", moved)
	}
}

func TestDiscriminatorReportsWhatDoesNotFit(t *testing.T) {
	eng := open(t)
	for _, c := range []DiscriminatorConfig{
		{}, {Dim: 1}, {Dim: 1, Hidden: []int{0}}, {Dim: 1, Hidden: []int{1}, L2: -1},
	} {
		if _, err := NewDiscriminator(eng, c, 1); err == nil || !strings.Contains(err.Error(), "discriminator") {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	d, err := NewDiscriminator(eng, DiscriminatorConfig{Dim: 2, Hidden: []int{4}}, 1)
	must(t, err)
	if _, err := d.Logits(flow.NewBatch(3, 1)); err == nil || !strings.Contains(err.Error(), "dimension 2") {
		t.Errorf("points of another dimension: got %v", err)
	}
	tr, err := d.NewTrainer(Optimizer{})
	must(t, err)
	if _, err := tr.Step(flow.NewBatch(3, 2), nil, 1); err == nil || !strings.Contains(err.Error(), "a kind for each") {
		t.Errorf("no kinds: got %v", err)
	}
	var none *Discriminator
	var untrained *DiscriminatorTrainer
	for _, err := range []error{
		second(none.Logits(flow.NewBatch(1, 1))), second(none.NewTrainer(Optimizer{})), second(none.WithWeights(nil)),
		second(untrained.Raw()), second(untrained.Step(flow.NewBatch(1, 1), nil, 1)),
	} {
		if err == nil {
			t.Error("a nil network is no error")
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A unit that is 0 for every point is moved by the penalty alone, which brings its weights towards 0 without
// end. Sums of products with denormal numbers would take a hundred times as long.
func TestDeadUnitsOfADiscriminatorLeaveNoDenormalNumbers(t *testing.T) {
	d, err := NewDiscriminator(open(t), DiscriminatorConfig{Dim: 2, Hidden: []int{8, 4}, L2: 1e-2}, 1)
	must(t, err)
	tr, err := d.NewTrainer(Optimizer{EMADecay: new(0.0)})
	must(t, err)
	s, err := tr.State()
	must(t, err)
	into, out := d.Tensors()[2], d.Tensors()[4] // the matrices to and from the second hidden layer
	s.Weights[d.Tensors()[3].Offset] = -100     // its first unit is dead
	must(t, tr.Restore(s))
	x, kinds := flow.Batch{N: 4, D: 2, X: []float64{-1, 0.3, 0.5, 1, 0.2, -0.4, 1, -1}}, []float64{0, 1, 0, 1}
	for range 3000 {
		_, err := tr.Step(x, kinds, 1e-2)
		must(t, err)
	}
	s, err = tr.State()
	must(t, err)
	for k, slab := range [][]float32{s.Weights, s.Moment1, s.Var2} {
		for i, v := range slab {
			if v != 0 && math.Abs(float64(v)) < 0x1p-126 {
				t.Errorf("number %d of slab %d is %g, which is denormal", i, k, v)
			}
		}
	}
	for i := range 8 {
		if w := s.Weights[into.Offset+i]; w != 0 {
			t.Errorf("a weight of the dead unit is %g after all, want 0", w)
		}
	}
	if w := s.Weights[out.Offset:][:4]; w[0] != 0 || w[1] == 0 && w[2] == 0 && w[3] == 0 {
		t.Errorf("the last layer has the weights %g; want 0 for the dead unit alone", w)
	}
}
