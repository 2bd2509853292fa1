package nn

import (
	"errors"
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
)

// showing are networks that may be shown coordinates.
var showing = map[string]Config{
	"plain":    {Dim: 3, Hidden: []int{9, 7}, Shown: true},
	"features": {Dim: 3, Hidden: []int{9, 7}, Shown: true, TimeFrequencies: 2, SpaceFrequencies: 2},
	"residual": {Dim: 3, Residual: &Residual{Width: 8, Blocks: 2}, Shown: true},
	"context": {Dim: 3, Shown: true, Context: 2, Residual: &Residual{Width: 8, Blocks: 2,
		Embed: Embed{Kind: EmbedMLP, Hidden: []int{5}, Width: 4}}},
}

// seen gives points with the second coordinate of each, of the first two points alone.
func seen(cfg Config, n int) flow.Given {
	g := flow.Given{Shown: flow.NewBatch(n, cfg.Dim)}
	for i := range g.Shown.X {
		g.Shown.X[i] = math.NaN()
	}
	g.Shown.Row(0)[1], g.Shown.Row(1)[1] = 0.7, -1.2
	if cfg.Context > 0 {
		g.Context = contexts(cfg, n)
	}
	return g
}

// evaluated returns velocity, divergence and VJP with e at n points.
func evaluated(t *testing.T, f Velocity, x, e []float64) (v, div, g []float64) {
	t.Helper()
	n := len(x) / f.Dim()
	v, div, g = make([]float64, len(x)), make([]float64, n), make([]float64, len(x))
	if err := divergence(f, v, div, 0.4, x); err != nil {
		t.Fatal(err)
	}
	again := make([]float64, len(x))
	if err := f.VJP(again, g, 0.4, x, e); err != nil {
		t.Fatal(err)
	}
	near(t, "the velocity of VJP", again, v)
	return v, div, g
}

func TestShownCoordinatesAreSeenAndDoNotMove(t *testing.T) {
	for name, cfg := range showing {
		t.Run(name, func(t *testing.T) {
			const n = 3
			net, given := newNet(t, cfg), seen(cfg, n)
			f := bindGiven(t, net, given)
			x, e := randomPoints(n, 3, 1), randomPoints(n, 3, 2)
			v, div, g := evaluated(t, f, x, e)
			if v[1] != 0 || v[4] != 0 || v[7] == 0 || g[1] != 0 || g[4] != 0 || g[7] == 0 {
				t.Errorf("velocity %v and gradient %v; want zeros at the second coordinates of two points", v, g)
			}
			// The coordinate of the point itself does not matter, the one shown does.
			other := slices.Clone(x)
			other[1], other[4] = 100, -100
			v2, div2, g2 := evaluated(t, f, other, e)
			near(t, "velocity", v2, v)
			near(t, "divergence", div2, div)
			near(t, "gradient", g2, g)
			changed := seen(cfg, n)
			changed.Shown.Row(0)[1] = 3
			v3, _, _ := evaluated(t, bindGiven(t, net, changed), x, e)
			if v3[0] == v[0] {
				t.Error("another value is shown, and the velocity is the same")
			}
			near(t, "the velocity of other points", v3[3:], v[3:])
			slopes(t, f, x, div)
		})
	}
}

// slopes compares divergences with those of finite differences.
func slopes(t *testing.T, f Velocity, x, div []float64) {
	t.Helper()
	const h = 1e-2
	want := make([]float64, len(div))
	for k := range f.Dim() {
		var ends [2][]float64
		for side := range ends {
			y := slices.Clone(x)
			for i := range div {
				y[i*f.Dim()+k] += h * float64(2*side-1)
			}
			ends[side] = make([]float64, len(x))
			if err := f.Velocity(ends[side], 0.4, y); err != nil {
				t.Fatal(err)
			}
		}
		for i := range want {
			want[i] += (ends[1][i*f.Dim()+k] - ends[0][i*f.Dim()+k]) / (2 * h)
		}
	}
	for i := range want {
		if math.Abs(div[i]-want[i]) > 2e-3*(1+math.Abs(want[i])) {
			t.Errorf("divergence of point %d is %g, by finite differences %g", i, div[i], want[i])
		}
	}
}

func TestNothingShownIsTheZeroGiven(t *testing.T) {
	for name, cfg := range showing {
		net, x, e := newNet(t, cfg), randomPoints(2, 3, 1), randomPoints(2, 3, 2)
		none := seen(cfg, 2)
		for i := range none.Shown.X {
			none.Shown.X[i] = math.NaN()
		}
		one := none
		one.Shown = none.Shown.Slice(0, 1)
		v, div, g := evaluated(t, bindGiven(t, net, flow.Given{Context: none.Context}), x, e)
		for _, given := range []flow.Given{none, one} {
			v2, div2, g2 := evaluated(t, bindGiven(t, net, given), x, e)
			if !slices.Equal(v, v2) || !slices.Equal(div, div2) || !slices.Equal(g, g2) {
				t.Errorf("%s: points of which nothing is known are not those without", name)
			}
		}
	}
}

func TestTheLossIsThatOfTheHiddenCoordinates(t *testing.T) {
	for name, cfg := range showing {
		const n = 3
		net, ex := newNet(t, cfg), givenExamples(n, cfg)
		ex.Given = seen(cfg, n)
		got, err := net.Loss(ex)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			x, v, sum := make([]float64, 3), make([]float64, 3), 0.0
			for d := range x {
				x[d] = ex.Alpha[i]*ex.X1.Row(i)[d] + ex.Sigma[i]*ex.X0.Row(i)[d]
			}
			if err := bindGiven(t, net, ex.Given.Slice(i, i+1)).Velocity(v, ex.T[i], x); err != nil {
				t.Fatal(err)
			}
			for d := range v {
				if math.IsNaN(ex.Given.Shown.Row(i)[d]) {
					diff := v[d] - (ex.X1.Row(i)[d] - ex.X0.Row(i)[d])
					sum += diff * diff / 3
				}
			}
			near(t, name+": the loss of an example", got[i:i+1], []float64{sum})
		}
	}
}

func TestONNXFilesAreShownNothing(t *testing.T) {
	cfg := showing["plain"]
	net, x := newNet(t, cfg), randomPoints(4, 3, 1)
	file, err := net.ONNX(ONNXOptions{Result: "v"})
	if err != nil {
		t.Fatal(err)
	}
	single := make([]float32, len(x))
	for i, v := range x {
		single[i] = float32(v)
	}
	wide := make([]float64, len(x))
	for i, v := range ReadBack(t, file, 4, map[string]any{"x": single, "t": []float32{0.4, 0.4, 0.4, 0.4}}) {
		wide[i] = float64(v)
	}
	want := make([]float64, len(x))
	if err := bindGiven(t, net, flow.Given{}).Velocity(want, 0.4, x); err != nil {
		t.Fatal(err)
	}
	near(t, "the velocity of the file", wide, want)
}

func TestWhatCannotBeShown(t *testing.T) {
	plain := newNet(t, Config{Dim: 3, Hidden: []int{4}})
	if _, err := plain.Bind(seen(plain.Config(), 2)); !errors.Is(err, flow.ErrShown) {
		t.Errorf("to a network that does not look: got error %v", err)
	}
	net := newNet(t, showing["plain"])
	f := bindGiven(t, net, seen(net.Config(), 2))
	if err := f.Velocity(make([]float64, 9), 0.4, make([]float64, 9)); !errors.Is(err, flow.ErrShown) {
		t.Errorf("coordinates of two points, of three: got error %v", err)
	}
	unet := Config{Dim: 16, UNet: &UNet{Image: []int{4, 4, 1}}, Shown: true}
	if err := unet.Defaults().Validate(); err == nil {
		t.Error("a network of images may be shown coordinates")
	}
}
