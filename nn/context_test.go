package nn

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

// conditions returns n conditions for a network.
func conditions(cfg Config, n int) flow.Batch {
	return flow.Batch{N: n, D: cfg.Condition, X: randomPoints(n, cfg.Condition, 77)}
}

// bindTo binds labels where the network has classes, and a condition.
func bindTo(t testing.TB, net *Net, cond flow.Batch) *Field {
	t.Helper()
	var label []int32
	if net.Config().Classes > 0 {
		label = []int32{1}
	}
	f, err := net.BindTo(label, cond)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// folded returns the perceptron without a condition that net is when told c: the
// columns of the condition, times c, become part of the first bias.
func folded(t *testing.T, net *Net, c []float64) *Net {
	t.Helper()
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	cfg := net.Config()
	cfg.Condition = 0
	first, bias := net.Tensors()[0], net.Tensors()[1]
	in := first.Shape[1] - len(c)
	var kept []float32
	for o := range first.Shape[0] {
		row := w[o*first.Shape[1] : (o+1)*first.Shape[1]]
		kept = append(kept, row[:in]...)
		for k, ck := range c {
			w[bias.Offset+o] += row[in+k] * float32(ck)
		}
	}
	plain, err := newNet(t, cfg).WithWeights(append(kept, w[bias.Offset:]...))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	for i := range want {
		if math.Abs(got[i]-want[i]) > 5e-5*(1+math.Abs(want[i])) {
			t.Fatalf("%s: number %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

func TestAConditionOfAPerceptronIsABias(t *testing.T) {
	for name, cfg := range map[string]Config{
		"plain":    {Dim: 2, Hidden: []int{9, 7}, Condition: 3},
		"features": {Dim: 2, Hidden: []int{9, 7}, Condition: 1, TimeFrequencies: 2, SpaceFrequencies: 2, Classes: 2},
		"interval": {Dim: 2, Hidden: []int{9, 7}, Condition: 4, Interval: true, Classes: 2},
	} {
		t.Run(name, func(t *testing.T) {
			net, n, at := newNet(t, cfg), 5, 0.4
			cond := conditions(cfg, 1)
			told, plain := bindTo(t, net, cond), bindTo(t, folded(t, net, cond.X), flow.Batch{})
			x, e := randomPoints(n, 2, 1), randomPoints(n, 2, 2)
			for what, call := range map[string]func(f *Field) ([]float64, error){
				"velocity": func(f *Field) ([]float64, error) {
					v := make([]float64, 2*n)
					return v, f.Velocity(v, at, x)
				},
				"VJP": func(f *Field) ([]float64, error) {
					v, g := make([]float64, 2*n), make([]float64, 2*n)
					return g, f.VJP(v, g, at, x, e)
				},
				"divergence": func(f *Field) ([]float64, error) {
					v, div := make([]float64, 2*n), make([]float64, n)
					return div, f.VelocityDiv(v, div, at, x)
				},
				"VJPAug": func(f *Field) ([]float64, error) {
					g, theta := make([]float64, 2*n), make([]float64, f.NumParams())
					return g, f.VJPAug(g, theta, at, x, e, e[:n], nil, nil, nil)
				},
			} {
				want, err := call(plain)
				if err != nil {
					t.Fatal(err)
				}
				got, err := call(told)
				if err != nil {
					t.Fatal(err)
				}
				near(t, what, got, want)
			}
		})
	}
}

// condUNet is smallUNet, told an image of three channels.
func condUNet() Config {
	cfg := smallUNet
	cfg.Condition = 6 * 5 * 3
	return cfg
}

func TestAConditionOfAUNetIsChannels(t *testing.T) {
	cfg, n := condUNet(), 3
	net := scrambled(t, cfg)
	first := net.Tensors()[slices.IndexFunc(net.Tensors(), func(a Tensor) bool { return a.Name == "input_blocks.0.0.weight" })]
	if want := []int{4, 2 + 3, 3, 3}; !slices.Equal(first.Shape, want) {
		t.Fatalf("the first convolution is %v, want %v", first.Shape, want)
	}
	cond := conditions(cfg, n)
	x := randomPoints(n, cfg.Dim, 1)
	velocity := func(net *Net, cond flow.Batch, x []float64) []float64 {
		v := make([]float64, len(x))
		if err := bindTo(t, net, cond).Velocity(v, 0.3, x); err != nil {
			t.Fatal(err)
		}
		return v
	}
	all := velocity(net, cond, x)
	for i := range n { // each point goes with its own condition, whoever is beside it
		alone := velocity(net, cond.Slice(i, i+1), x[i*cfg.Dim:(i+1)*cfg.Dim])
		near(t, "a point alone", alone, all[i*cfg.Dim:(i+1)*cfg.Dim])
	}
	// Every value of the condition reaches the velocity.
	for k := range cfg.Condition {
		other := cond.Clone()
		other.X[k] += 1
		v := velocity(net, other, x)
		if slices.Equal(v[:cfg.Dim], all[:cfg.Dim]) {
			t.Fatalf("value %d of the condition of point 0 changes nothing", k)
		}
		if !slices.Equal(v[cfg.Dim:], all[cfg.Dim:]) {
			t.Fatalf("value %d of the condition of point 0 changes another point", k)
		}
	}
	// Without the weights of those channels it is the network without a condition.
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	var kept []float32
	for i := range first.Size() {
		if i/9%5 < 2 {
			kept = append(kept, w[first.Offset+i])
		} else {
			w[first.Offset+i] = 0
		}
	}
	deaf, err := net.WithWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := newNet(t, smallUNet).WithWeights(slices.Concat(w[:first.Offset], kept, w[first.Offset+first.Size():]))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "without a condition", velocity(deaf, cond, x), velocity(plain, flow.Batch{}, x))
}

func TestEnginesAgreeOnAConditionedUNet(t *testing.T) {
	cfg, n := condUNet(), 3
	net := scrambled(t, cfg)
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	eng, err := Open("go")
	if err != nil {
		t.Fatal(err)
	}
	second, err := New(eng, cfg, 7)
	if err == nil {
		second, err = second.WithWeights(w)
	}
	if err != nil {
		t.Fatal(err)
	}
	ex := toldExamples(n, cfg)
	l1, g1, err := net.LossGradient(ex)
	if err != nil {
		t.Fatal(err)
	}
	l2, g2, err := second.LossGradient(ex)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "loss", []float64{l1}, []float64{l2})
	scale := 0.0
	for _, g := range g2 {
		scale = max(scale, math.Abs(g))
	}
	for i := range g2 {
		if math.Abs(g1[i]-g2[i]) > 1e-4*scale {
			t.Fatalf("gradient of weight %d: %g and %g", i, g1[i], g2[i])
		}
	}
}

// toldExamples returns examples with labels and a condition.
func toldExamples(n int, cfg Config) *Examples {
	ex := NewExamples(n, cfg.Dim)
	copy(ex.X0.X, randomPoints(n, cfg.Dim, 3))
	copy(ex.X1.X, randomPoints(n, cfg.Dim, 4))
	ex.Label, ex.Cond = make([]int32, n), conditions(cfg, n)
	for i := range n {
		t := (float64(i) + 0.5) / float64(n)
		ex.T[i], ex.Alpha[i], ex.Sigma[i], ex.G1[i], ex.G0[i], ex.Weight[i] = t, t, 1-t, 1, -1, 1
	}
	return ex
}

func TestTheLossOfExamplesIsThatOfTheirConditions(t *testing.T) {
	cfg, n := condUNet(), 4
	net := scrambled(t, cfg)
	ex := toldExamples(n, cfg)
	got, err := net.Loss(ex)
	if err != nil {
		t.Fatal(err)
	}
	part, err := net.Loss(ex.Slice(2, 4))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "the loss of a part", part, got[2:])
	for i := range n {
		f, err := net.BindTo([]int32{0}, ex.Cond.Slice(i, i+1))
		if err != nil {
			t.Fatal(err)
		}
		x, v, sum := make([]float64, cfg.Dim), make([]float64, cfg.Dim), 0.0
		for d := range x {
			x[d] = ex.Alpha[i]*ex.X1.Row(i)[d] + ex.Sigma[i]*ex.X0.Row(i)[d]
		}
		if err := f.Velocity(v, ex.T[i], x); err != nil {
			t.Fatal(err)
		}
		for d := range v {
			diff := v[d] - (ex.X1.Row(i)[d] - ex.X0.Row(i)[d])
			sum += diff * diff / float64(cfg.Dim)
		}
		near(t, "the loss of an example", got[i:i+1], []float64{sum})
	}
}

func TestConditionsThatDoNotFit(t *testing.T) {
	told, plain := newNet(t, Config{Dim: 2, Hidden: []int{4}, Condition: 3}), newNet(t, Config{Dim: 2, Hidden: []int{4}})
	for name, call := range map[string]func() error{
		"missing":  func() error { _, err := told.Bind(nil); return err },
		"too wide": func() error { _, err := told.BindTo(nil, flow.NewBatch(1, 4)); return err },
		"no use":   func() error { _, err := plain.BindTo(nil, flow.NewBatch(1, 3)); return err },
		"too few": func() error {
			f, err := told.BindTo(nil, flow.NewBatch(2, 3))
			if err != nil {
				return err
			}
			return f.Velocity(make([]float64, 6), 0, make([]float64, 6))
		},
		"examples without": func() error { _, err := told.Loss(NewExamples(2, 2)); return err },
		"examples with": func() error {
			ex := NewExamples(2, 2)
			ex.Cond = flow.NewBatch(2, 3)
			_, err := plain.Loss(ex)
			return err
		},
		"too few examples": func() error {
			ex := NewExamples(2, 2)
			ex.Cond = flow.NewBatch(1, 3)
			_, err := told.Loss(ex)
			return err
		},
	} {
		if err := call(); !errors.Is(err, ErrCondition) {
			t.Errorf("%s: %v, want ErrCondition", name, err)
		}
	}
	cfg := condUNet()
	cfg.Condition = 31
	if err := cfg.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), "must be a multiple of 30") {
		t.Errorf("a condition of no whole channels: %v", err)
	}
}
