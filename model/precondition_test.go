package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

// learntNothing returns a preconditioned model whose network is 0 everywhere.
func learntNothing(t testing.TB, spec Spec) *Model {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{8}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if net, err = net.WithWeights(make([]float32, net.NumWeights())); err != nil {
		t.Fatal(err)
	}
	m, err := New(spec, net)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A preconditioned network that has learnt nothing is the exact field of Gaussian data of
// the scale given, on every path and for every prediction: so are its densities.
func TestAnUntrainedPreconditionedModelIsTheGaussianOfItsScale(t *testing.T) {
	const scale = 3.0
	solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-7, ATol: 1e-7}}
	wide := 50.0
	x := flow.Batch{N: 3, D: 2, X: []float64{0, 0, 3, -1, 5, 7}}
	for _, c := range []path.Config{{Name: "condot"}, {Name: "vp"}, {Name: "ve"}, {Name: "ve", SigmaMax: &wide}} {
		for _, y := range path.Predictions() {
			m := learntNothing(t, Spec{Path: c, Prediction: y, Precondition: &path.Precondition{Data: scale}})
			logp, _, err := m.LogProb(context.Background(), x, LikelihoodOptions{Solver: solver})
			if err != nil {
				t.Fatalf("%s, %v: %v", c.Name, y, err)
			}
			// The path ends with noise of its own around the data, and starts from N(0, σ² I)
			// though some of the data is left in x_0 on VP and VE.
			lo, hi := m.Scheduler().Domain()
			end, start := m.Scheduler().At(hi), m.Scheduler().At(lo)
			r1 := math.Hypot(end.Alpha*scale, end.Sigma)
			std := r1 * start.Sigma / math.Hypot(start.Alpha*scale, start.Sigma)
			for i, got := range logp {
				q := x.Row(i)
				want := -(q[0]*q[0]+q[1]*q[1])/(2*std*std) - 2*math.Log(std) - math.Log(2*math.Pi)
				if math.Abs(got-want) > 1e-3 {
					t.Errorf("%s, %v: log p(%v) = %.5f, want %.5f", c.Name, y, q, got, want)
				}
			}
		}
	}
}

// Samplers with noise take the velocity, whatever the prediction.
func TestAPreconditionedModelHasSamplersWithNoise(t *testing.T) {
	m := learntNothing(t, Spec{Path: path.Config{Name: "vp"}, Prediction: path.Noise,
		Precondition: &path.Precondition{Data: 2}})
	noisy := SDE{Sampler: sde.Sampler{Steps: 400}}
	x, err := m.Sample(context.Background(), SampleOptions{N: 4000, Sampler: noisy, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, v := range x.X.X {
		sum += v * v
	}
	if std := math.Sqrt(sum / float64(len(x.X.X))); math.Abs(std-2) > 0.05 {
		t.Errorf("samples of standard deviation %.3f, want 2", std)
	}
}

// Samples of wide data are as wide, though an SDE of a path from pure noise cannot begin at
// its very start.
func TestSamplersWithNoiseKeepTheScaleOfTheData(t *testing.T) {
	m := learntNothing(t, Spec{Prediction: path.Noise, Precondition: &path.Precondition{Data: 1000}})
	for _, how := range []Sampler{
		SDE{Sampler: sde.Sampler{Steps: 400, Denoise: true}}, SDE{Sampler: sde.Sampler{Steps: 400, Method: sde.DDIM}},
		ODE{Solver: ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}}},
	} {
		x, err := m.Sample(t.Context(), SampleOptions{N: 4000, Sampler: how, Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		if std := ode.RMS(x.X.X); math.Abs(std-1000) > 30 {
			t.Errorf("%v: samples of standard deviation %.4g, want 1000", how, std)
		}
	}
}

// A model keeps the scales that it was made with.
func TestAPreconditionIsTheModelsOwn(t *testing.T) {
	p := &path.Precondition{Data: 2.5}
	m := learntNothing(t, Spec{Precondition: p})
	p.Data = -1
	if got := m.Spec().Precondition.Data; got != 2.5 {
		t.Errorf("a scale of %g after the caller's was changed, want 2.5", got)
	}
}

func TestAPreconditionIsSaved(t *testing.T) {
	m := learntNothing(t, Spec{Path: path.Config{Name: "ve"}, Precondition: &path.Precondition{Data: 2.5}})
	file := filepath.Join(t.TempDir(), "m.safetensors")
	if err := m.Save(file); err != nil {
		t.Fatal(err)
	}
	got, _, err := Open(file, m.Net().Engine())
	if err != nil {
		t.Fatal(err)
	}
	if p := got.Spec().Precondition; p == nil || p.Data != 2.5 {
		t.Errorf("read back: %+v, want data 2.5", p)
	}
	field, err := m.ONNX(ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if meta := field.Metadata; meta[metaPrediction] != "velocity" || meta[metaTime] != "0 is noise, 1 is data" ||
		!strings.HasPrefix(meta[metaUnits], "x and the output are in model units") {
		t.Errorf("ONNX: %v", meta)
	}
	raw, err := m.ONNX(ExportOptions{Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	if meta := raw.Metadata; meta[metaPrediction] != "preconditioned" ||
		!strings.HasPrefix(meta[metaUnits], "x is x_t/R") || !strings.HasPrefix(meta[metaTime], "t is 4τ - 2") {
		t.Errorf("raw ONNX: %v", meta)
	}
}

// A checkpoint whose network has another time, which earlier versions did not name, is no
// model of now.
func TestAPreconditionedNetworkOfAnotherTimeIsRefused(t *testing.T) {
	m := learntNothing(t, Spec{Precondition: &path.Precondition{Data: 2.5}})
	file := filepath.Join(t.TempDir(), "m.safetensors")
	if err := m.Save(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"time":"4τ-2"`), []byte(`"tyme":"4τ-2"`), 1)
	if err := os.WriteFile(file, text, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(file, m.Net().Engine()); err == nil || !strings.Contains(err.Error(), "train it again") {
		t.Errorf("got %v, want an error that says to train it again", err)
	}
}

func TestWhatCannotBePreconditioned(t *testing.T) {
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec Spec
		net  nn.Config
		want string
	}{
		{Spec{Path: path.Config{Name: "bridge"}}, nn.Config{}, "path bridge has noise of its own"},
		{Spec{}, nn.Config{Average: true}, "average velocities"},
		{Spec{Precondition: &path.Precondition{Data: -1}}, nn.Config{}, "the scale of the data is -1"},
	} {
		c.net.Dim = 2
		if c.spec.Precondition == nil {
			c.spec.Precondition = &path.Precondition{}
		}
		net, err := nn.New(eng, c.net, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(c.spec, net); !errors.Is(err, ErrSpec) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%v, want ErrSpec with %q", err, c.want)
		}
	}
}
