package nn

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/native"
	"flowmatch/flow"
)

// averages are networks of average velocities, in every kind of input.
var averages = map[string]Config{
	"plain": {Dim: 2, Hidden: []int{16, 12}, Average: true},
	"all": {Dim: 3, Hidden: []int{20}, Activation: "gelu", TimeFrequencies: 3, SpaceFrequencies: 2, Classes: 4,
		Average: true},
	"residual": {Dim: 2, Residual: &Residual{Width: 12, Blocks: 2}, TimeFrequencies: 2, Average: true},
}

// averageExamples draws examples with a time span each.
func averageExamples(cfg Config, n int, seed uint64) *Examples {
	rng := rand.New(rand.NewPCG(seed, 8))
	ex := randomExamples(n, cfg.Dim, rng)
	ex.S = make([]float64, n)
	for i, t := range ex.T {
		ex.S[i] = t + (1-t)*rng.Float64()
		ex.Weight[i] = 0.5 + rng.Float64()
		if cfg.Classes > 0 {
			ex.Given.Label = append(ex.Given.Label, int32(i%cfg.Classes))
		}
	}
	return ex
}

// at returns the point and the velocity of example i.
func (ex *Examples) at(i int) (x, v []float64, label int32) {
	x, v, label = make([]float64, ex.X1.D), make([]float64, ex.X1.D), -1
	for d := range x {
		x[d] = ex.Alpha[i]*ex.X1.Row(i)[d] + ex.Sigma[i]*ex.X0.Row(i)[d]
		v[d] = ex.G1[i]*ex.X1.Row(i)[d] + ex.G0[i]*ex.X0.Row(i)[d]
	}
	if ex.Given.Label != nil {
		label = ex.Given.Label[i]
	}
	return x, v, label
}

// total is du/dt along the path, (v·∂_x + ∂_t) u, by central differences in float64.
func total(net *Net, x, v []float64, t, s float64, label int32) []float64 {
	const h = 1e-5
	shifted := func(h float64) []float64 {
		y := make([]float64, len(x))
		for d := range x {
			y[d] = x[d] + h*v[d]
		}
		return reference(net, y, t+h, label, s)
	}
	a, b := shifted(h), shifted(-h)
	for d := range a {
		a[d] = (a[d] - b[d]) / (2 * h)
	}
	return a
}

// target is what the network must be regressed on, in float64; ahead looks ahead.
func (ex *Examples) target(net, ahead *Net, i int) []float64 {
	x, v, label := ex.at(i)
	t, s := ex.T[i], ex.S[i]
	if i >= ex.Loss.Rows {
		return v
	}
	if by := ex.Loss.Average; by == ByIdentity || by == ByExample {
		if by == ByExample {
			ahead = net
		}
		along := reference(ahead, x, t, label, t) // the network's own velocity
		if by == ByIdentity {
			copy(v, along)
		}
		for d, du := range total(net, x, along, t, s, label) {
			v[d] += (s - t) * du
		}
		return v
	}
	mean, y, length := make([]float64, len(x)), append([]float64{}, x...), (s-t)/float64(ex.Loss.Parts)
	for k := range ex.Loss.Parts {
		from := t + float64(k)*length
		for d, u := range reference(ahead, y, from, label, from+length) {
			mean[d] += u / float64(ex.Loss.Parts)
			y[d] += length * u
		}
	}
	return mean
}

// regression is ex as a regression on its targets, made by hand: no gradient can
// flow through them.
func (ex *Examples) regression(net, ahead *Net) *Examples {
	n := ex.X1.N
	hand := NewExamples(n, ex.X1.D)
	hand.T, hand.S, hand.Given, hand.Weight = ex.T, ex.S, ex.Given, append([]float64{}, ex.Weight...)
	for i := range n {
		x, _, label := ex.at(i)
		y := ex.target(net, ahead, i)
		copy(hand.X1.Row(i), x)
		copy(hand.X0.Row(i), y)
		hand.Alpha[i], hand.Sigma[i], hand.G1[i], hand.G0[i] = 1, 0, 0, 1
		if p := ex.Loss.Power; p > 0 {
			square := 0.0
			for d, u := range reference(net, x, ex.T[i], label, ex.S[i]) {
				square += (u - y[d]) * (u - y[d])
			}
			hand.Weight[i] *= math.Pow(square+ex.Loss.Offset, -p)
		}
	}
	return hand
}

func TestAverageEqualsTheFormulaInFloat64(t *testing.T) {
	for name, cfg := range averages {
		net := newNet(t, cfg)
		_, label := bind(t, net, 19)
		f, err := net.BindAverage(flow.Given{Label: label})
		if err != nil {
			t.Fatal(err)
		}
		x := randomPoints(19, cfg.Dim, 1)
		u := make([]float64, len(x))
		if err := f.Average(u, 0.3, 0.8, x); err != nil {
			t.Fatal(err)
		}
		for i := range 19 {
			l := int32(-1)
			if label != nil {
				l = label[i]
			}
			for d, want := range reference(net, x[i*cfg.Dim:(i+1)*cfg.Dim], 0.3, l, 0.8) {
				if got := u[i*cfg.Dim+d]; math.Abs(got-want) > 2e-6*(1+math.Abs(want)) {
					t.Errorf("%s, point %d: got %g, want %g", name, i, got, want)
				}
			}
		}
	}
}

func TestTangentsOfAMovingTimeAreDerivativesAlongThePath(t *testing.T) {
	for name, cfg := range averages {
		for _, average := range []bool{true, false} {
			cfg.Average = average
			net, n := newNet(t, cfg), 9
			ex := averageExamples(cfg, n, 3)
			p := &program{eng: net.eng, name: "tangents", inputs: func(n, _ int) []shapes.Shape {
				return []shapes.Shape{floats(net.arch.size), floats(n, cfg.Dim), floats(n), floats(n),
					floats(n, cfg.Dim), shapes.Make(dtypes.Int32, n)}
			}, build: func(in []*Node) []*Node {
				at := input{x: in[1], t: in[2], s: in[3], given: given{label: in[5]}}
				along := direction{e: InsertAxes(in[4], 1), moving: true}
				_, df := net.arch.tangents(net.arch.params(in[0]), at, along)
				return []*Node{df}
			}}
			f, err := p.frame(n, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.give(0, net.theta)
			var xs, vs []float64
			for i := range n {
				x, v, label := ex.at(i)
				xs, vs = append(xs, x...), append(vs, v...)
				f.ints(5)[i] = label
			}
			f.set(1, xs)
			f.set(2, ex.T)
			f.set(3, ex.S)
			f.set(4, vs)
			if err := f.run(); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				x, v, label := ex.at(i)
				for d, want := range total(net, x, v, ex.T[i], ex.S[i], label) {
					if got := float64(f.result(0)[i*cfg.Dim+d]); math.Abs(got-want) > 2e-5*(1+math.Abs(want)) {
						t.Errorf("%s, average %t, example %d: derivative %g, want %g", name, average, i, got, want)
					}
				}
			}
		}
	}
}

// The loss, its gradient and hence the absence of a gradient through the target.
func TestMadeTargetsAreARegressionOnThem(t *testing.T) {
	for name, cfg := range averages {
		for _, l := range []Loss{
			{Average: ByIdentity, Rows: 12}, {Average: ByIdentity, Rows: 5},
			{Average: ByExample, Rows: 12}, {Average: ByExample, Rows: 5, Power: 0.5, Offset: 0.1},
			{Average: ByParts, Rows: 12, Parts: 2}, {Average: ByParts, Rows: 4, Parts: 5},
			{Average: ByIdentity, Rows: 6, Power: 0.5, Offset: 0.1}, {Power: 1, Offset: 0.2},
		} {
			t.Run(fmt.Sprint(name, l), func(t *testing.T) {
				net, ex := newNet(t, cfg), averageExamples(cfg, 12, 4)
				ex.Loss = l
				hand := ex.regression(net, net)
				got, g, err := net.LossGradient(ex)
				if err != nil {
					t.Fatal(err)
				}
				want, h, err := net.LossGradient(hand)
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(got-want) > 1e-5*want {
					t.Errorf("loss %g, want %g", got, want)
				}
				size := 0.0
				for _, v := range h {
					size = max(size, math.Abs(v))
				}
				for i := range g {
					if math.Abs(g[i]-h[i]) > 2e-5*size {
						t.Fatalf("gradient of weight %d is %g, of the regression %g", i, g[i], h[i])
					}
				}
				each, err := net.Loss(ex)
				if err != nil {
					t.Fatal(err)
				}
				eachHand, err := net.Loss(hand)
				if err != nil {
					t.Fatal(err)
				}
				for i := range each {
					if math.Abs(each[i]-eachHand[i]) > 1e-5*(1+eachHand[i]) {
						t.Errorf("loss of example %d is %g, want %g", i, each[i], eachHand[i])
					}
				}
			})
		}
	}
}

func TestAStepLooksAheadWithTheAveragedWeights(t *testing.T) {
	cfg := averages["plain"]
	for _, l := range []Loss{{Average: ByParts, Rows: 12, Parts: 2}, {Average: ByIdentity, Rows: 12}} {
		tr, ex := newTrainer(t, cfg, Optimizer{}), averageExamples(cfg, 12, 5)
		for range 30 { // until the averaged weights lag behind
			if _, err := tr.Step(ex, 1e-2); err != nil {
				t.Fatal(err)
			}
		}
		ex.Loss = l
		net, _ := tr.Raw()
		ema, _ := tr.Averaged()
		mean := func(ahead *Net) (sum float64) {
			each, err := net.Loss(ex.regression(net, ahead))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range each {
				sum += v / float64(len(each))
			}
			return sum
		}
		r, err := tr.Step(ex, 1e-2)
		if err != nil {
			t.Fatal(err)
		}
		want, raw := mean(ema), mean(net)
		if math.Abs(r.Loss-want) > 1e-4*want || math.Abs(raw-want) < 1e-2*want {
			t.Errorf("%s: loss %g; looking ahead with the averaged weights it is %g, with the raw ones %g", l.Average,
				r.Loss, want, raw)
		}
	}
}

// The engine for comparison cuts a batch into shards; the sums are the same.
func TestShardsOfAveragesAddUp(t *testing.T) {
	cfg := averages["plain"]
	eng, err := Open("go")
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(eng, cfg, 7)
	if err != nil {
		t.Fatal(err)
	}
	net, ex := newNet(t, cfg), averageExamples(cfg, 12, 4)
	for _, rows := range []int{3, 4} {
		ex.Loss = Loss{Average: ByIdentity, Rows: rows}
		a, _, err := net.LossGradient(ex)
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := other.LossGradient(ex)
		if err != nil || math.Abs(a-b) > 1e-5*a {
			t.Errorf("%d rows: losses %g and %g, %v", rows, a, b, err)
		}
	}
}

func TestAveragesAskedOfANetworkWithoutAreAnError(t *testing.T) {
	cfg := Config{Dim: 2, Hidden: []int{8}}
	net := newNet(t, cfg)
	if _, err := net.BindAverage(flow.Given{}); !errors.Is(err, ErrNoAverage) {
		t.Errorf("got %v", err)
	}
	ex := averageExamples(cfg, 4, 1)
	if _, err := net.Loss(ex); !errors.Is(err, ErrNoAverage) {
		t.Errorf("examples with ends: got %v", err)
	}
	cfg.Average = true
	net = newNet(t, cfg)
	for want, l := range map[string]Loss{
		`unknown average "thirds"`: {Average: "thirds"},
		"5 of 4 examples":          {Average: ByParts, Rows: 5, Parts: 2},
		`"parts" of 1 parts`:       {Average: ByParts, Rows: 2, Parts: 1},
		`"parts" of 65 parts`:      {Average: ByParts, Rows: 2, Parts: 65},
		`"identity" of 2 parts`:    {Average: ByIdentity, Rows: 2, Parts: 2},
		`"" of 2 parts`:            {Parts: 2},
		`2 of 4 examples`:          {Rows: 2},
		"power 1 and offset 0":     {Power: 1},
	} {
		ex.Loss = l
		if _, err := net.Loss(ex); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", l, err, want)
		}
	}
	ex.Loss, ex.S = Loss{}, ex.S[:3]
	if _, err := net.Loss(ex); err == nil || !strings.Contains(err.Error(), "3 values for 4 points") {
		t.Errorf("a short column: got %v", err)
	}
}

// A step stays one program of our engine, whatever makes its targets.
func TestTargetsAreMadeByOurEngine(t *testing.T) {
	for name, cfg := range averages {
		cfg.Classes = 0 // labels are integers, which our engine leaves to another
		tr, ex := newTrainer(t, cfg, Optimizer{ClipNorm: 1}), averageExamples(cfg, 16, 5)
		for _, l := range []Loss{
			{}, {Average: ByIdentity, Rows: 4, Power: 0.75, Offset: 1e-3}, {Average: ByParts, Rows: 4, Parts: 3},
		} {
			ex.Loss = l
			if _, err := tr.Step(ex, 1e-3); err != nil {
				t.Fatal(err)
			}
			for _, c := range tr.progs.of(l).compiled {
				if f := c.exec.(*native.Program).Fallbacks(); len(f) > 0 {
					t.Errorf("%s, %+v: %q fall back", name, l, f)
				}
			}
		}
	}
}
