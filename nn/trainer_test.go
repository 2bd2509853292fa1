package nn

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

func newTrainer(t testing.TB, cfg Config, o Optimizer) *NetTrainer {
	t.Helper()
	tr, err := newNet(t, cfg).NewTrainer(o, StepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// One step of AdamW with clipping and EMA, written plainly in float64.
func TestStepIsAdamWWithClippingAndEMA(t *testing.T) {
	cfg := Config{Dim: 2, Hidden: []int{8}}
	for _, o := range []Optimizer{
		{WeightDecay: 0.1, ClipNorm: 0.05, EMADecay: new(0.9)},
		{Beta1: new(0.), EMADecay: new(0.)},
		{Beta1: new(0.5), Beta2: new(0.), Eps: new(1e-3), ClipNorm: 0.05},
	} {
		testStep(t, cfg, o)
	}
}

func testStep(t *testing.T, cfg Config, o Optimizer) {
	tr := newTrainer(t, cfg, o)
	o = o.Defaults()
	b1, b2 := *o.Beta1, *o.Beta2
	rng := rand.New(rand.NewPCG(4, 4))
	s, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	w, ema := widen(s.Weights), widen(s.EMA)
	m, v := make([]float64, len(w)), make([]float64, len(w))
	for k := range 5 {
		ex := randomExamples(64, 2, rng)
		net, err := tr.Raw()
		if err != nil {
			t.Fatal(err)
		}
		loss, g, err := net.LossGradient(ex)
		if err != nil {
			t.Fatal(err)
		}
		lr := 0.01 * float64(k+1)
		r, err := tr.Step(ex, lr)
		if err != nil {
			t.Fatal(err)
		}
		norm := 0.0
		for _, gi := range g {
			norm += gi * gi
		}
		norm = math.Sqrt(norm)
		if math.Abs(r.Loss-loss) > 1e-6 || math.Abs(r.GradNorm-norm) > 1e-5*norm {
			t.Errorf("step %d: loss %g and norm %g, want %g and %g", k, r.Loss, r.GradNorm, loss, norm)
		}
		decay := min(*o.EMADecay, (1+float64(k))/(10+float64(k)))
		clip := 1.0
		if o.ClipNorm > 0 {
			clip = min(1, o.ClipNorm/norm)
		}
		for i := range w {
			gi := g[i] * clip
			m[i] = b1*m[i] + (1-b1)*gi
			v[i] = b2*v[i] + (1-b2)*gi*gi
			mh, vh := m[i]/(1-math.Pow(b1, float64(k+1))), v[i]/(1-math.Pow(b2, float64(k+1)))
			w[i] -= lr * (mh/(math.Sqrt(vh)+*o.Eps) + o.WeightDecay*w[i])
			ema[i] = decay*ema[i] + (1-decay)*w[i]
		}
		if s, err = tr.State(); err != nil {
			t.Fatal(err)
		}
		for i := range w {
			if math.Abs(w[i]-float64(s.Weights[i])) > 2e-4 || math.Abs(ema[i]-float64(s.EMA[i])) > 2e-4 {
				t.Fatalf("step %d, weight %d: got %g (EMA %g), want %g (%g)", k, i, s.Weights[i],
					s.EMA[i], w[i], ema[i])
			}
		}
		w, ema = widen(s.Weights), widen(s.EMA) // rounding must not add up
	}
}

// Apply of the gradient of the loss is Step, whatever the options: the same
// arithmetic in two graphs, so only the rounding of sums may differ.
func TestApplyOfTheLossGradientIsStep(t *testing.T) {
	cfg := Config{Dim: 2, Hidden: []int{16, 16}}
	for _, o := range []Optimizer{
		{}, {WeightDecay: 0.1, ClipNorm: 0.05, EMADecay: new(0.9)}, {Beta1: new(0.), EMADecay: new(0.)},
	} {
		fused, apart := newTrainer(t, cfg, o), newTrainer(t, cfg, o)
		rng := rand.New(rand.NewPCG(4, 4))
		for k := range 20 {
			ex, lr := randomExamples(64, 2, rng), 0.01/float64(k+1)
			s, err := fused.State()
			if err != nil {
				t.Fatal(err)
			}
			if err := apart.Restore(s); err != nil { // rounding must not add up
				t.Fatal(err)
			}
			net, err := apart.Raw()
			if err != nil {
				t.Fatal(err)
			}
			loss, g, err := net.LossGradient(ex)
			if err != nil {
				t.Fatal(err)
			}
			got, err := apart.Apply(g, loss, lr)
			if err != nil {
				t.Fatal(err)
			}
			want, err := fused.Step(ex, lr)
			if err != nil {
				t.Fatal(err)
			}
			if got.Loss != loss || math.Abs(got.GradNorm-want.GradNorm) > 1e-6*want.GradNorm {
				t.Errorf("step %d: got loss %g and norm %g, want %g and %g", k, got.Loss, got.GradNorm, loss,
					want.GradNorm)
			}
			a, _ := apart.State()
			b, _ := fused.State()
			if a.Step != b.Step {
				t.Fatalf("step %d of the one, %d of the other", a.Step, b.Step)
			}
			for i := range a.Weights {
				// 1e-3 of a step: where g is near 0, Adam makes a step of its rounding too.
				dw, de := float64(a.Weights[i]-b.Weights[i]), float64(a.EMA[i]-b.EMA[i])
				if math.Abs(dw) > 1e-3*lr || math.Abs(de) > 1e-3*lr {
					t.Fatalf("step %d, weight %d: weights differ by %g, averages by %g", k, i, dw, de)
				}
			}
		}
	}
}

// Without an average the averaged weights are the raw ones, to the bit, on every engine
// and for every kind of step.
func TestWithoutAnAverageTheAveragedWeightsAreTheRawOnes(t *testing.T) {
	cfg := averages["plain"]
	for _, backend := range []string{"", "go"} {
		for _, how := range []StepOptions{{}, {Accumulate: 2}} {
			eng, err := Open(backend)
			if err != nil {
				t.Fatal(err)
			}
			net, err := New(eng, cfg, 7)
			if err != nil {
				t.Fatal(err)
			}
			tr, err := net.NewTrainer(Optimizer{EMADecay: new(0.), Beta1: new(0.)}, how)
			if err != nil {
				t.Fatal(err)
			}
			grad := randomPoints(1, net.NumWeights(), 3)
			ex := averageExamples(cfg, 32, 1)
			ex.Loss = Loss{Average: ByParts, Parts: 2, Rows: 8}
			before, err := tr.RawWeights()
			if err != nil {
				t.Fatal(err)
			}
			for k := range 6 {
				if k%2 == 0 {
					_, err = tr.Step(ex, 1e-2)
				} else {
					_, err = tr.Apply(grad, 1, 1e-2)
				}
				if err != nil {
					t.Fatal(err)
				}
				s, err := tr.State()
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(s.Weights, s.EMA) || slices.Equal(s.Weights, before) {
					t.Fatalf("backend %q, %+v, step %d: the averaged weights are not the raw ones, or nothing moved",
						backend, how, k)
				}
			}
			raw, _ := tr.RawWeights()
			averaged, err := tr.AveragedWeights()
			if err != nil || !slices.Equal(raw, averaged) {
				t.Errorf("backend %q, %+v: raw and averaged weights differ, error %v", backend, how, err)
			}
			if tr.Steps() != 6 {
				t.Errorf("%d steps, want 6", tr.Steps())
			}
		}
	}
}

// A trainer of any module takes the steps of any other.
func TestAnyModuleIsTrainedByItsGradients(t *testing.T) {
	c := newClassifier(t)
	x, label := flow.Batch{N: 12, D: 30, X: randomPoints(12, 30, 1)}, make([]int32, 12)
	for i := range label {
		label[i] = int32(i % 3)
	}
	tr, err := c.NewTrainer(Optimizer{})
	if err != nil {
		t.Fatal(err)
	}
	var first, last float64
	for k := range 60 {
		w, err := tr.RawWeights()
		if err != nil {
			t.Fatal(err)
		}
		if c, err = c.WithWeights(w); err != nil {
			t.Fatal(err)
		}
		loss, grad, err := c.Gradient(x, label)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Apply(grad, loss, 1e-2); err != nil {
			t.Fatal(err)
		}
		if last = loss; k == 0 {
			first = loss
		}
	}
	if last > 0.1*first {
		t.Errorf("cross-entropy %g after 60 steps on 12 images, from %g", last, first)
	}
}

func TestDefaultsOfTheOptimizerKeepWhatIsSet(t *testing.T) {
	o := Optimizer{Beta1: new(0.), EMADecay: new(0.)}
	d := o.Defaults()
	if *d.Beta1 != 0 || *d.Beta2 != 0.999 || *d.Eps != 1e-8 || *d.EMADecay != 0 {
		t.Errorf("beta1 %g, beta2 %g, eps %g, ema_decay %g", *d.Beta1, *d.Beta2, *d.Eps, *d.EMADecay)
	}
	if o.Beta2 != nil || o.Eps != nil {
		t.Error("Defaults changed the optimizer that it was called on")
	}
}

func TestApplyNamesABadGradient(t *testing.T) {
	tr := newTrainer(t, Config{Dim: 1}, Optimizer{})
	p := tr.net.NumWeights()
	if _, err := tr.Apply(make([]float64, p-1), 0, 1e-3); err == nil ||
		!strings.Contains(err.Error(), "the network has") {
		t.Errorf("a short gradient: got %v", err)
	}
	if _, err := tr.Apply(make([]float64, p), math.NaN(), 1e-3); !errors.Is(err, ErrDiverged) {
		t.Errorf("a NaN loss: got %v", err)
	}
	g := make([]float64, p)
	g[p-1] = math.Inf(1)
	if _, err := tr.Apply(g, 0, 1e-3); !errors.Is(err, ErrDiverged) {
		t.Errorf("an infinite gradient: got %v", err)
	}
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func TestRestoredTrainerContinuesBitByBit(t *testing.T) {
	cfg, o := Config{Dim: 2, Hidden: []int{32, 32}}, Optimizer{ClipNorm: 1}
	run := func(tr *NetTrainer, from, to int) {
		for k := from; k < to; k++ {
			if _, err := tr.Step(randomExamples(256, 2, rand.New(rand.NewPCG(1, uint64(k)))), 1e-2); err != nil {
				t.Fatal(err)
			}
		}
	}
	whole := newTrainer(t, cfg, o)
	run(whole, 0, 30)
	half := newTrainer(t, cfg, o)
	run(half, 0, 13)
	s, err := half.State()
	if err != nil {
		t.Fatal(err)
	}
	resumed := newTrainer(t, cfg, o)
	if err := resumed.Restore(s); err != nil {
		t.Fatal(err)
	}
	run(resumed, 13, 30)
	want, _ := whole.State()
	got, _ := resumed.State()
	if got.Step != 30 || !slices.Equal(got.Weights, want.Weights) || !slices.Equal(got.EMA, want.EMA) ||
		!slices.Equal(got.Moment1, want.Moment1) || !slices.Equal(got.Var2, want.Var2) {
		t.Error("the state after a restore differs from that of the run that went on")
	}
}

func TestTrainingLearnsAConstantShift(t *testing.T) {
	// x1 = x0 + 3 exactly, so the velocity is 3 everywhere and the loss can vanish.
	tr := newTrainer(t, Config{Dim: 1, Hidden: []int{16}}, Optimizer{})
	rng := rand.New(rand.NewPCG(3, 3))
	var last StepResult
	for range 400 {
		ex := randomExamples(128, 1, rng)
		for i := range ex.X0.X {
			ex.X1.X[i] = ex.X0.X[i] + 3
		}
		var err error
		if last, err = tr.Step(ex, 1e-2); err != nil {
			t.Fatal(err)
		}
	}
	if last.Loss > 0.02 {
		t.Errorf("loss is %g after 400 steps, want below 0.02", last.Loss)
	}
}

func TestDivergenceOfTrainingIsAnError(t *testing.T) {
	tr := newTrainer(t, Config{Dim: 1}, Optimizer{})
	ex := randomExamples(8, 1, rand.New(rand.NewPCG(3, 3)))
	ex.X1.X[3] = math.NaN()
	if _, err := tr.Step(ex, 1e-3); !errors.Is(err, ErrDiverged) {
		t.Errorf("got %v, want ErrDiverged", err)
	}
}

func TestBadOptimizersAndExamplesAreNamed(t *testing.T) {
	net := newNet(t, Config{Dim: 2})
	for want, o := range map[string]Optimizer{
		"beta1 is 1.5": {Beta1: new(1.5)}, "beta2 is 1;": {Beta2: new(1.)}, "ema_decay is -1": {EMADecay: new(-1.)},
		"eps is 0; it must be positive": {Eps: new(0.)}, "weight_decay -1": {WeightDecay: -1},
	} {
		if _, err := net.NewTrainer(o, StepOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	ex := NewExamples(4, 3)
	if _, err := net.Loss(ex); err == nil || !strings.Contains(err.Error(), "dimension 2") {
		t.Errorf("points of the wrong dimension: got %v", err)
	}
	ex = NewExamples(4, 2)
	ex.T = ex.T[:3]
	if _, err := net.Loss(ex); err == nil || !strings.Contains(err.Error(), "3 values for 4 points") {
		t.Errorf("a short column: got %v", err)
	}
	ex = NewExamples(4, 2)
	ex.X0 = flow.NewBatch(3, 2)
	if _, err := net.Loss(ex); err == nil {
		t.Error("x0 shorter than x1 went through")
	}
}
