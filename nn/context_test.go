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

// contexts returns n contexts for a network.
func contexts(cfg Config, n int) flow.Batch {
	return flow.Batch{N: n, D: cfg.Context, X: randomPoints(n, cfg.Context, 77)}
}

// bindContext binds contexts, and a label where the network has classes.
func bindContext(t testing.TB, net *Net, context flow.Batch) Velocity {
	t.Helper()
	g := flow.Given{Context: context}
	if net.Config().Classes > 0 {
		g.Label = []int32{1}
	}
	return bindGiven(t, net, g)
}

// folded returns the perceptron without a context that net is when given c: the
// columns of the context, times c, become part of the first bias.
func folded(t *testing.T, net *Net, c []float64) *Net {
	t.Helper()
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	cfg := net.Config()
	cfg.Context = 0
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

func TestAContextOfAPerceptronIsABias(t *testing.T) {
	for name, cfg := range map[string]Config{
		"plain":    {Dim: 2, Hidden: []int{9, 7}, Context: 3},
		"features": {Dim: 2, Hidden: []int{9, 7}, Context: 1, TimeFrequencies: 2, SpaceFrequencies: 2, Classes: 2},
		"average":  {Dim: 2, Hidden: []int{9, 7}, Context: 4, Average: true, Classes: 2},
	} {
		t.Run(name, func(t *testing.T) {
			net, n, at := newNet(t, cfg), 5, 0.4
			context := contexts(cfg, 1)
			bound, plain := bindContext(t, net, context), bindContext(t, folded(t, net, context.X), flow.Batch{})
			x, e := randomPoints(n, 2, 1), randomPoints(n, 2, 2)
			for what, call := range map[string]func(f Velocity) ([]float64, error){
				"velocity": func(f Velocity) ([]float64, error) {
					v := make([]float64, 2*n)
					return v, f.Velocity(v, at, x)
				},
				"VJP": func(f Velocity) ([]float64, error) {
					v, g := make([]float64, 2*n), make([]float64, 2*n)
					return g, f.VJP(v, g, at, x, e)
				},
				"divergence": func(f Velocity) ([]float64, error) {
					v, div := make([]float64, 2*n), make([]float64, n)
					return div, divergence(f, v, div, at, x)
				},
				"VJPAug": func(f Velocity) ([]float64, error) {
					g, theta := make([]float64, 2*n), make([]float64, f.NumParams())
					return g, f.VJPAug(g, theta, at, x, flow.Adjoint{Velocity: e, Div: e[:n]})
				},
			} {
				want, err := call(plain)
				if err != nil {
					t.Fatal(err)
				}
				got, err := call(bound)
				if err != nil {
					t.Fatal(err)
				}
				near(t, what, got, want)
			}
		})
	}
}

// contextUNet is smallUNet, given an image of three channels.
func contextUNet() Config {
	cfg := smallUNet
	cfg.Context = 6 * 5 * 3
	return cfg
}

func TestAContextOfAUNetIsChannels(t *testing.T) {
	cfg, n := contextUNet(), 3
	net := scrambled(t, cfg)
	first := net.Tensors()[slices.IndexFunc(net.Tensors(), func(a Tensor) bool {
		return a.Name == "input_blocks.0.0.weight"
	})]
	if want := []int{4, 2 + 3, 3, 3}; !slices.Equal(first.Shape, want) {
		t.Fatalf("the first convolution is %v, want %v", first.Shape, want)
	}
	context := contexts(cfg, n)
	x := randomPoints(n, cfg.Dim, 1)
	velocity := func(net *Net, context flow.Batch, x []float64) []float64 {
		v := make([]float64, len(x))
		if err := bindContext(t, net, context).Velocity(v, 0.3, x); err != nil {
			t.Fatal(err)
		}
		return v
	}
	all := velocity(net, context, x)
	for i := range n { // each point has its own context, whatever the other points are
		alone := velocity(net, context.Slice(i, i+1), x[i*cfg.Dim:(i+1)*cfg.Dim])
		near(t, "a point alone", alone, all[i*cfg.Dim:(i+1)*cfg.Dim])
	}
	// Every number of the context reaches the velocity.
	for k := range cfg.Context {
		other := context.Clone()
		other.X[k] += 1
		v := velocity(net, other, x)
		if slices.Equal(v[:cfg.Dim], all[:cfg.Dim]) {
			t.Fatalf("number %d of the context of point 0 changes nothing", k)
		}
		if !slices.Equal(v[cfg.Dim:], all[cfg.Dim:]) {
			t.Fatalf("number %d of the context of point 0 changes another point", k)
		}
	}
	// Without the weights of those channels it is the network without a context.
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
	near(t, "without a context", velocity(deaf, context, x), velocity(plain, flow.Batch{}, x))
}

func TestEnginesAgreeOnAUNetWithAContext(t *testing.T) {
	cfg, n := contextUNet(), 3
	net := scrambled(t, cfg)
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	eng, err := Open(inTurn)
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
	ex := givenExamples(n, cfg)
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

// givenExamples returns examples with labels and contexts.
func givenExamples(n int, cfg Config) *Examples {
	ex := NewExamples(n, cfg.Dim)
	copy(ex.X0.X, randomPoints(n, cfg.Dim, 3))
	copy(ex.X1.X, randomPoints(n, cfg.Dim, 4))
	ex.Given = flow.Given{Label: make([]int32, n), Context: contexts(cfg, n)}
	for i := range n {
		t := (float64(i) + 0.5) / float64(n)
		ex.T[i], ex.Alpha[i], ex.Sigma[i], ex.G1[i], ex.G0[i], ex.Weight[i] = t, t, 1-t, 1, -1, 1
	}
	return ex
}

func TestTheLossOfExamplesIsThatOfTheirContexts(t *testing.T) {
	cfg, n := contextUNet(), 4
	net := scrambled(t, cfg)
	ex := givenExamples(n, cfg)
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
		f := bindGiven(t, net, ex.Given.Slice(i, i+1))
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

func TestContextsThatDoNotFit(t *testing.T) {
	net, plain := newNet(t, Config{Dim: 2, Hidden: []int{4}, Context: 3}), newNet(t, Config{Dim: 2, Hidden: []int{4}})
	bind := func(net *Net, context flow.Batch) func() error {
		return func() error { _, err := net.Bind(flow.Given{Context: context}); return err }
	}
	loss := func(net *Net, context flow.Batch) func() error {
		return func() error {
			ex := NewExamples(4, 2)
			ex.Given.Context = context
			_, err := net.Loss(ex)
			return err
		}
	}
	for name, call := range map[string]func() error{
		"missing":  bind(net, flow.Batch{}),
		"too wide": bind(net, flow.NewBatch(1, 4)),
		"no use":   bind(plain, flow.NewBatch(1, 3)),
		"too few": func() error {
			return bindContext(t, net, flow.NewBatch(2, 3)).Velocity(make([]float64, 6), 0, make([]float64, 6))
		},
		"examples without":  loss(net, flow.Batch{}),
		"examples with":     loss(plain, flow.NewBatch(4, 3)),
		"too few examples":  loss(net, flow.NewBatch(3, 3)),
		"examples too wide": loss(net, flow.NewBatch(4, 4)),
	} {
		if err := call(); !errors.Is(err, flow.ErrContext) {
			t.Errorf("%s: %v, want flow.ErrContext", name, err)
		}
	}
	cfg := contextUNet()
	cfg.Context = 31
	if err := cfg.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), "must be a multiple of 30") {
		t.Errorf("a context of no whole channels: %v", err)
	}
}

// perceptrons take labels and contexts, alone and together.
var perceptrons = map[string]Config{
	"labels":  {Dim: 2, Hidden: []int{16, 12}, Classes: 3},
	"context": {Dim: 2, Hidden: []int{16, 12}, Context: 5},
	"both":    {Dim: 2, Hidden: []int{16, 12}, Classes: 3, Context: 5, TimeFrequencies: 2},
}

// givenTo is what a network takes at n points.
func givenTo(cfg Config, n int) (g flow.Given) {
	if cfg.Classes > 0 {
		for i := range n {
			g.Label = append(g.Label, int32(i%cfg.Classes))
		}
	}
	if cfg.Context > 0 {
		g.Context = contexts(cfg, n)
	}
	return g
}

// Each point of many, in several blocks, has its own label and context.
func TestAPerceptronTakesLabelsAndContexts(t *testing.T) {
	for name, cfg := range perceptrons {
		net := newNet(t, cfg)
		size := net.blocks().rows
		n := size + 21
		g, x, v := givenTo(cfg, n), randomPoints(n, 2, 1), make([]float64, 2*n)
		if err := bindGiven(t, net, g).Velocity(v, 0.6, x); err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{0, 1, size - 1, size, n - 1} {
			alone, other := make([]float64, 2), make([]float64, 2)
			if err := bindGiven(t, net, g.Slice(i, i+1)).Velocity(alone, 0.6, x[2*i:2*i+2]); err != nil {
				t.Fatal(err)
			}
			near(t, name, alone, v[2*i:2*i+2])
			if err := bindGiven(t, net, g.Slice((i+1)%n, (i+1)%n+1)).Velocity(other, 0.6, x[2*i:2*i+2]); err != nil {
				t.Fatal(err)
			}
			if slices.Equal(alone, other) {
				t.Errorf("%s: point %d has the same velocity with what its neighbour is given", name, i)
			}
		}
	}
}

// One entry for all examples is as many equal ones.
func TestOneGivenHoldsForAllExamples(t *testing.T) {
	const n = 6
	for name, cfg := range perceptrons {
		net := newNet(t, cfg)
		one, many := givenExamples(n, cfg), givenExamples(n, cfg)
		one.Given, many.Given = givenTo(cfg, 1), flow.Given{}
		if cfg.Classes > 0 {
			many.Given.Label = slices.Repeat(one.Given.Label, n)
		}
		if cfg.Context > 0 {
			many.Given.Context = flow.Batch{N: n, D: cfg.Context, X: slices.Repeat(one.Given.Context.X, n)}
		}
		got, err := net.Loss(one)
		if err != nil {
			t.Fatal(err)
		}
		want, err := net.Loss(many)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: losses %v, want %v", name, got, want)
		}
		for i := range 2 {
			// A batch of another size may be cut into other tiles, whose sums round otherwise.
			close := func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Abs(b) }
			part, err := net.Loss(one.Slice(3*i, 3*i+3))
			if err != nil || !slices.EqualFunc(part, want[3*i:3*i+3], close) {
				t.Errorf("%s: losses of a part %v, want %v; error %v", name, part, want[3*i:3*i+3], err)
			}
		}
	}
}

// What a perceptron is given decides what it learns: x1 is a sum of label and context.
func TestAPerceptronLearnsFromItsContext(t *testing.T) {
	const n = 128
	cfg := Config{Dim: 1, Hidden: []int{32}, Classes: 2, Context: 1}
	tr := newTrainer(t, cfg, Optimizer{})
	rng := rand.New(rand.NewPCG(3, 3))
	var last StepResult
	for range 600 {
		ex := randomExamples(n, 1, rng)
		ex.Given = flow.NewGiven(n, true, 1)
		for i := range n {
			label, c := int32(rng.IntN(2)), rng.Float64()
			ex.Given.Label[i], ex.Given.Context.X[i] = label, c
			ex.X1.X[i] = ex.X0.X[i] + float64(label) + 2*c
		}
		var err error
		if last, err = tr.Step(ex, 1e-2); err != nil {
			t.Fatal(err)
		}
	}
	if last.Loss > 0.02 { // without them it is the variance, 7/12
		t.Errorf("loss is %g after 600 steps, want below 0.02", last.Loss)
	}
}
