package model

import (
	"errors"
	"math"
	"testing"

	"flowmatch/data"
	"flowmatch/engine/onnx"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/timegrid"
)

// drawnBy runs the file of a sampler, through its bytes, by our own reader of such files: as a network of
// images [N, 2, 1, 1] whose number of steps is known.
func drawnBy(t *testing.T, file *onnx.Model, steps int, noise flow.Batch) flow.Batch {
	t.Helper()
	buf, err := file.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := onnx.Unmarshal(buf)
	if err != nil {
		t.Fatal(err)
	}
	g := &again.Graph
	g.Inputs = g.Inputs[:1]
	g.Initializers = append(g.Initializers, onnx.Tensor{Name: inSteps, Type: onnx.Int64, Ints: []int64{int64(steps)}})
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	run, err := nn.NewExtractor(eng, again)
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.Extract(noise)
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func TestTheFileOfASamplerDrawsWhatTheModelDraws(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{6}})
	scaled := &data.Standardizer{Mean: []float64{3, -1}, Std: []float64{0.5, 2}}
	for name, c := range map[string]struct {
		spec   Spec
		method *ode.Tableau
		steps  int
		shift  float64
	}{
		"Euler":          {Spec{}, ode.Euler, 5, 0},
		"one step":       {Spec{}, ode.Euler, 1, 3},
		"shifted":        {Spec{Standardizer: scaled}, ode.Euler, 4, 3},
		"midpoint":       {Spec{Standardizer: scaled}, ode.Midpoint, 3, 0.5},
		"of four stages": {Spec{}, ode.RK4, 2, 0},
		"the last stage": {Spec{}, ode.Dopri5, 2, 2},
		"of noise, VP":   {Spec{Path: path.Config{Name: "vp"}, Prediction: path.Noise}, ode.Euler, 3, 0},
		"a wide source":  {Spec{Path: path.Config{Name: "ve", SigmaMax: new(8.0)}}, ode.Euler, 3, 0},
	} {
		c.spec.Shape = []int{2, 1, 1}
		m, err := New(c.spec, net)
		if err != nil {
			t.Fatal(name, err)
		}
		file, err := m.ONNXSampler(SamplerOptions{Method: c.method, Shift: c.shift})
		if err != nil {
			t.Fatal(name, err)
		}
		solver, err := ode.Config{Solver: c.method.Name, Steps: c.steps}.New()
		if err == nil && c.shift != 0 && c.steps > 1 {
			solver, err = ode.Config{Solver: c.method.Name, Steps: c.steps,
				TimeGrid: &timegrid.Config{Shift: &c.shift}}.New()
		}
		if err != nil {
			t.Fatal(name, err)
		}
		noise := flow.Batch{N: 3, D: 2, X: []float64{0.5, -1, 0.25, 2, -0.75, 0}}
		x0 := noise.Clone()
		for i := range x0.X {
			x0.X[i] *= path.Source(m.Scheduler()).Std
		}
		want, err := m.SampleFrom(t.Context(), x0, SampleOptions{Sampler: ODE{Solver: solver}})
		if err != nil {
			t.Fatal(name, err)
		}
		got := drawnBy(t, file, c.steps, noise)
		for i, v := range want.X.X {
			if math.Abs(got.X[i]-v) > 1e-5*(1+math.Abs(v)) {
				t.Errorf("%s: number %d is %g by the file, %g by the model", name, i, got.X[i], v)
			}
		}
	}
}

func TestFilesOfSamplersThatAreNoneAreErrors(t *testing.T) {
	m, err := New(Spec{}, newNet(t, nn.Config{Dim: 2, Hidden: []int{4}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []SamplerOptions{{}, {Method: ode.Euler, Shift: -1}, {Method: ode.Euler, Shift: math.NaN()}} {
		if _, err := m.ONNXSampler(o); !errors.Is(err, ErrSampler) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
