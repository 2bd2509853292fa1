package nn

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"flowmatch/flow"
)

func open(t testing.TB) *Engine {
	t.Helper()
	eng, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

func newNet(t testing.TB, cfg Config) *Net {
	t.Helper()
	net, err := New(open(t), cfg, 7)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Residual != nil {
		return shaken(t, net, 0.05)
	}
	return net
}

// shaken returns net with noise of that size on its weights, some of which begin at zero.
func shaken(t testing.TB, net *Net, size float64) *Net {
	t.Helper()
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	noise := randomPoints(1, len(w), 99)
	for i := range w {
		w[i] += float32(size * noise[i])
	}
	if net, err = net.WithWeights(w); err != nil {
		t.Fatal(err)
	}
	return net
}

// reference evaluates the network in plain float64, layer by layer: what the
// graph must compute, written without it.
// s is the end of the time span of a network of averages; without it, t.
func reference(n *Net, x []float64, t float64, label int32, s ...float64) []float64 {
	cfg := n.Config()
	theta, _ := n.Weights()
	space, given := referenceInputs(cfg, x, t, label, s)
	h := append(space, given...)
	ts := n.Tensors()
	if cfg.Residual != nil {
		return referenceResidual(n, theta, space, given)
	}
	for l := 0; l < len(ts); l += 2 {
		h = referenceLayer(ts[l:], theta, h)
		for o := range h {
			if l+2 < len(ts) {
				h[o] = referenceActivation(cfg.Activation, h[o])
			}
		}
	}
	return h
}

// referenceWaves adds the features of waves to h, which is x.
func referenceWaves(cfg Config, h []float64, t float64) []float64 {
	w := cfg.Waves
	if w == nil {
		return h
	}
	x := h
	for _, f := range []func(float64) float64{math.Sin, math.Cos} {
		for k, omega := range w.directions(len(x)) {
			length := w.Lowest * math.Pow(w.Highest/w.Lowest, (float64(k)+0.5)/float64(w.Count))
			phase := 0.0
			for d, v := range omega {
				phase += float64(v) * x[d]
			}
			left := *w.Fade * length * (1 - t)
			h = append(h, f(phase)*math.Exp(-left*left/2))
		}
	}
	return h
}

// referenceLayer is the linear map of the tensors weight and bias.
func referenceLayer(ts []Tensor, theta []float32, h []float64) []float64 {
	out, in := ts[0].Shape[0], ts[0].Shape[1]
	z := make([]float64, out)
	for o := range out {
		z[o] = float64(theta[ts[1].Offset+o])
		for i := range in {
			z[o] += float64(theta[ts[0].Offset+o*in+i]) * h[i]
		}
	}
	return z
}

// referenceInputs are the features of the point, and those of its times and label.
func referenceInputs(cfg Config, x []float64, t float64, label int32, s []float64) (space, given []float64) {
	h := slices.Clone(x)
	var sin, cos []float64
	for k := range cfg.SpaceFrequencies {
		for _, xd := range x {
			phase := 2 * math.Pi * cfg.SpaceScale * float64(k+1) * xd
			sin, cos = append(sin, math.Sin(phase)), append(cos, math.Cos(phase))
		}
	}
	space = append(append(referenceWaves(cfg, h, t), sin...), cos...)
	h = nil
	clocks := []float64{t}
	if cfg.Average {
		length := 0.0
		for _, end := range s {
			length = end - t
		}
		clocks = append(clocks, length)
	}
	for _, c := range clocks {
		h = append(h, c)
		for _, f := range []func(float64) float64{math.Sin, math.Cos} {
			for k := range cfg.TimeFrequencies {
				h = append(h, f(math.Pi*float64(k+1)*c))
			}
		}
		if w := cfg.Waves; w != nil {
			o := 1 / (20 * w.Highest)
			l := math.Log(1-c+o) / math.Log(o)
			h = append(h, l)
			for _, f := range []func(float64) float64{math.Sin, math.Cos} {
				for k := range 8 {
					h = append(h, f(math.Pi*float64(k+1)*l))
				}
			}
		}
	}
	for c := range cfg.Classes {
		v := 0.0
		if int32(c) == label {
			v = 1
		}
		h = append(h, v)
	}
	return space, h
}

func referenceActivation(name string, z float64) float64 {
	switch name {
	case "silu":
		return z / (1 + math.Exp(-z))
	case "gelu":
		return z * 0.5 * math.Erfc(-z/math.Sqrt2)
	case "relu":
		return max(z, 0)
	case "tanh":
		return math.Tanh(z)
	case "softplus":
		return math.Log1p(math.Exp(z))
	case "elu":
		if z > 0 {
			return z
		}
		return math.Expm1(z)
	case "selu":
		if z > 0 {
			return seluScale * z
		}
		return seluScale * seluAlpha * math.Expm1(z)
	}
	panic(name)
}

var configs = map[string]Config{
	"plain":      {Dim: 2, Hidden: []int{16, 12}},
	"all inputs": {Dim: 3, Hidden: []int{20}, TimeFrequencies: 3, SpaceFrequencies: 5, Classes: 4},
	"linear-ish": {Dim: 1, Hidden: []int{8, 8, 8}, Activation: "tanh"},
	"high":       {Dim: 37, Hidden: []int{24, 24}, Activation: "gelu"},
	"softplus":   {Dim: 2, Hidden: []int{9}, Activation: "softplus"},
	"elu":        {Dim: 2, Hidden: []int{9, 7}, Activation: "elu"},
	"selu":       {Dim: 2, Hidden: []int{9, 7}, Activation: "selu", TimeFrequencies: 2},
	"average":    {Dim: 2, Hidden: []int{14, 9}, TimeFrequencies: 2, SpaceFrequencies: 3, Average: true, Classes: 2},
	"residual": {Dim: 3, Residual: &Residual{Width: 12, Blocks: 2}, TimeFrequencies: 2, SpaceFrequencies: 2,
		Classes: 4},
	"residual with norm": {Dim: 3, Residual: &Residual{Width: 12, Blocks: 2, Norm: NormLayer}, TimeFrequencies: 2},
	"waves":              {Dim: 3, Hidden: []int{9, 7}, Waves: &Waves{Count: 5, Highest: 9}, Classes: 2},
	"residual waves": {Dim: 2, Residual: &Residual{Width: 12, Blocks: 2}, SpaceFrequencies: 2, TimeFrequencies: 1,
		Waves: &Waves{Count: 4, Highest: 6, Fade: new(float64)}},
	"relu inputs": {Dim: 2, Hidden: []int{9, 7}, Activation: "relu", SpaceFrequencies: 2},
}

// bind binds the labels that a configuration needs, one for each of n points.
func bind(t testing.TB, net *Net, n int) (Velocity, []int32) {
	t.Helper()
	var label []int32
	if c := net.Config().Classes; c > 0 {
		for i := range n {
			label = append(label, int32(i%(c+1))-1)
		}
	}
	return bindGiven(t, net, flow.Given{Label: label}), label
}

func bindGiven(t testing.TB, net *Net, g flow.Given) Velocity {
	t.Helper()
	f, err := net.Bind(g)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// divergence is the exact one, of a field that has it at hand.
func divergence(f Velocity, v, div []float64, at float64, x []float64) error {
	return f.(flow.Diverger).VelocityDiv(v, div, at, x)
}

func randomPoints(n, d int, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 5))
	x := make([]float64, n*d)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}

func TestVelocityEqualsTheFormulaInFloat64(t *testing.T) {
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			net := newNet(t, cfg)
			d, n, at := cfg.Dim, 19, 0.37
			f, label := bind(t, net, n)
			x, v := randomPoints(n, d, 1), make([]float64, n*d)
			if err := f.Velocity(v, at, x); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				l := int32(-1)
				if label != nil {
					l = label[i]
				}
				want := reference(net, x[i*d:(i+1)*d], at, l)
				for k, w := range want {
					// float32 arithmetic over a few dozen terms: a few ulp of numbers near 1.
					if got := v[i*d+k]; math.Abs(got-w) > 2e-5*(1+math.Abs(w)) {
						t.Fatalf("point %d, coordinate %d: got %g, want %g", i, k, got, w)
					}
				}
			}
		})
	}
}

func TestDerivativesAgreeWithFiniteDifferencesOfTheFormula(t *testing.T) {
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			net := newNet(t, cfg)
			d, n, at := cfg.Dim, 5, 0.61
			f, label := bind(t, net, n)
			x, e := randomPoints(n, d, 2), randomPoints(n, d, 3)
			v, g, div := make([]float64, n*d), make([]float64, n*d), make([]float64, n)
			if err := f.VJP(v, g, at, x, e); err != nil {
				t.Fatal(err)
			}
			if err := divergence(f, v, div, at, x); err != nil {
				t.Fatal(err)
			}
			const h = 1e-5
			for i := range n {
				l := int32(-1)
				if label != nil {
					l = label[i]
				}
				trace := 0.0
				for k := range d {
					up, down := slices.Clone(x[i*d:(i+1)*d]), slices.Clone(x[i*d:(i+1)*d])
					up[k] += h
					down[k] -= h
					fu, fd := reference(net, up, at, l), reference(net, down, at, l)
					want := 0.0
					for j := range d {
						want += e[i*d+j] * (fu[j] - fd[j]) / (2 * h)
					}
					trace += (fu[k] - fd[k]) / (2 * h)
					if got := g[i*d+k]; math.Abs(got-want) > 1e-4*(1+math.Abs(want)) {
						t.Errorf("VJP at point %d, coordinate %d: got %g, want %g", i, k, got, want)
					}
				}
				if math.Abs(div[i]-trace) > 1e-4*(1+math.Abs(trace)) {
					t.Errorf("divergence at point %d: got %g, want %g", i, div[i], trace)
				}
			}
		})
	}
}

func TestPointsDoNotDependOnTheirCompany(t *testing.T) {
	net := newNet(t, configs["all inputs"])
	d := net.Config().Dim
	f := bindGiven(t, net, flow.Given{Label: []int32{2}})
	// More than one block, with a ragged tail.
	size := net.blocks().rows
	n := size + 37
	x, v := randomPoints(n, d, 9), make([]float64, n*d)
	if err := f.Velocity(v, 0.2, x); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1, size - 1, size, n - 1} {
		one := make([]float64, d)
		if err := f.Velocity(one, 0.2, x[i*d:(i+1)*d]); err != nil {
			t.Fatal(err)
		}
		for k := range one {
			if math.Abs(one[k]-v[i*d+k]) > 1e-5*(1+math.Abs(one[k])) {
				t.Errorf("point %d alone: got %g, in company %g", i, one[k], v[i*d+k])
			}
		}
	}
}

// A network and its fields serve many goroutines at once; run with -race.
func TestFieldsAreSafeForConcurrentUse(t *testing.T) {
	net := newNet(t, configs["all inputs"])
	d, n := net.Config().Dim, 20
	f := bindGiven(t, net, flow.Given{Label: []int32{1}})
	x := randomPoints(n, d, 1)
	want := make([]float64, n*d)
	if err := f.Velocity(want, 0.3, x); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			v, g := make([]float64, n*d), make([]float64, n*d)
			err := f.Velocity(v, 0.3, x)
			if err == nil && k%2 == 0 {
				err = f.VJP(v, g, 0.3, x, x)
			}
			if err == nil {
				_, err = net.Bind(flow.Given{Label: []int32{int32(k % 4)}})
			}
			if err != nil {
				t.Error(err)
			}
			for i := range v {
				if math.Abs(v[i]-want[i]) > 1e-5*(1+math.Abs(want[i])) {
					t.Errorf("goroutine %d: number %d is %g, want %g", k, i, v[i], want[i])
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestLossGradientAgreesWithFiniteDifferences(t *testing.T) {
	net := newNet(t, Config{Dim: 2, Hidden: []int{8, 8}, TimeFrequencies: 1})
	ex := randomExamples(32, 2, rand.New(rand.NewPCG(1, 1)))
	loss, grad, err := net.LossGradient(ex)
	if err != nil {
		t.Fatal(err)
	}
	each, err := net.Loss(ex)
	if err != nil {
		t.Fatal(err)
	}
	mean := 0.0
	for _, l := range each {
		mean += l / float64(len(each))
	}
	if math.Abs(mean-loss) > 1e-5*loss {
		t.Errorf("mean of the losses is %g, the loss of the batch %g", mean, loss)
	}
	w, _ := net.Weights()
	const h = 1e-2
	for k := 0; k < len(w); k += 7 {
		var l [2]float64
		for s, by := range []float32{h, -h} {
			c := slices.Clone(w)
			c[k] += by
			m, err := net.WithWeights(c)
			if err != nil {
				t.Fatal(err)
			}
			if l[s], _, err = m.LossGradient(ex); err != nil {
				t.Fatal(err)
			}
		}
		if want := (l[0] - l[1]) / (2 * h); math.Abs(grad[k]-want) > 2e-3*(1+math.Abs(want)) {
			t.Errorf("∂θ[%d]: got %g, want %g", k, grad[k], want)
		}
	}
}

func TestATensorOfAnotherLengthIsNamed(t *testing.T) {
	_, err := Restore(open(t), Config{Dim: 2, Hidden: []int{3}}, func(string, []int) ([]float32, error) {
		return make([]float32, 2), nil
	})
	if err == nil || !strings.Contains(err.Error(), "tensor net.0.weight has 2 values; its shape [3 3] takes 9") {
		t.Errorf("got %v", err)
	}
}

func TestBadConfigsAreNamed(t *testing.T) {
	for want, cfg := range map[string]Config{
		"dim is 0":                   {},
		"hidden[1] is 0":             {Dim: 2, Hidden: []int{3, 0}},
		`unknown activation "sillu"`: {Dim: 2, Activation: "sillu"},
		"time_frequencies -1":        {Dim: 2, TimeFrequencies: -1},
		"classes is -2":              {Dim: 2, Classes: -2},
	} {
		if _, err := New(open(t), cfg, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestLabelsMustFitTheNetwork(t *testing.T) {
	plain, classy := newNet(t, Config{Dim: 2}), newNet(t, Config{Dim: 2, Classes: 3})
	if _, err := plain.Bind(flow.Given{Label: []int32{1}}); !errors.Is(err, flow.ErrLabels) {
		t.Errorf("labels for an unconditional network: got %v", err)
	}
	if _, err := classy.Bind(flow.Given{}); !errors.Is(err, flow.ErrLabels) {
		t.Errorf("no labels for a conditional network: got %v", err)
	}
	for _, bad := range []int32{3, -2} {
		if _, err := classy.Bind(flow.Given{Label: []int32{bad}}); !errors.Is(err, flow.ErrLabels) {
			t.Errorf("label %d of 3 classes: got %v", bad, err)
		}
	}
	f := bindGiven(t, classy, flow.Given{Label: []int32{0, 1}})
	if err := f.Velocity(make([]float64, 6), 0, make([]float64, 6)); !errors.Is(err, flow.ErrLabels) {
		t.Errorf("2 labels for 3 points: got %v", err)
	}
	ex := NewExamples(4, 2)
	for _, label := range [][]int32{nil, {0, 1}, {0, 1, 2, 3}} {
		ex.Given.Label = label
		if _, err := classy.Loss(ex); !errors.Is(err, flow.ErrLabels) {
			t.Errorf("labels %v of 4 examples: got %v", label, err)
		}
	}
}

func TestUnknownBackendIsNamed(t *testing.T) {
	if _, err := Open("tpu9"); err == nil || !strings.Contains(err.Error(), `"tpu9"`) {
		t.Errorf("got %v", err)
	}
	found := false
	for _, b := range Backends() {
		found = found || b.Name == "go" && b.Available
		if !b.Available && b.Detail == "" {
			t.Errorf("backend %s is not there and does not say why", b.Name)
		}
	}
	if !found {
		t.Error("the go backend is not there")
	}
}

func TestAConfigOfNothingHasSizes(t *testing.T) {
	if got := (Config{}).Sizes(); got != "net.hidden []" {
		t.Errorf("got %q", got)
	}
}
