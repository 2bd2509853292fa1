package model

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

// trained returns a checkpoint after a few steps, so that all its slabs differ.
func trained(t testing.TB, spec Spec) *Checkpoint {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, spec.Net, 3)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := net.NewTrainer(nn.Optimizer{})
	if err != nil {
		t.Fatal(err)
	}
	ex := nn.NewExamples(16, net.Config().Dim)
	for i := range ex.X1.X {
		ex.X1.X[i] = math.Sin(float64(i))
	}
	for i := range ex.T {
		ex.T[i], ex.Alpha[i], ex.G1[i], ex.Weight[i] = 0.5, 1, 1, 1
	}
	for range 3 {
		if _, err := tr.Step(ex, 0.01); err != nil {
			t.Fatal(err)
		}
	}
	s, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	return &Checkpoint{Spec: spec, Net: net, State: s, Extra: map[string]string{"note": "kept"}}
}

var planar = Spec{
	Net: nn.Config{Dim: 2, Hidden: []int{6, 5}}, Path: path.Config{Name: "condot"}, Shape: []int{2},
	Standardizer: &data.Standardizer{Mean: []float64{1, -2}, Std: []float64{2, 0.5}},
}

func save(t testing.TB, c *Checkpoint) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "m.safetensors")
	if err := c.Save(file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoadReturnsWhatSaveWrote(t *testing.T) {
	c := trained(t, planar)
	got, err := Load(save(t, c), c.Net.Engine())
	if err != nil {
		t.Fatal(err)
	}
	if got.State.Step != 3 || got.Extra["note"] != "kept" || len(got.Extra) != 1 {
		t.Errorf("step %d and extra %v, want 3 and the note", got.State.Step, got.Extra)
	}
	for name, pair := range map[string][2][]float32{
		"weights": {got.State.Weights, c.State.Weights}, "EMA": {got.State.EMA, c.State.EMA},
		"first moment": {got.State.Moment1, c.State.Moment1}, "second moment": {got.State.Var2, c.State.Var2},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s differ after a round trip", name)
		}
	}
	was, _ := json.Marshal(c.Spec)
	is, _ := json.Marshal(got.Spec)
	if !bytes.Contains(is, []byte(`"hidden":[6,5]`)) || !bytes.Contains(was, []byte(`"std":[2,0.5]`)) || got.Spec.Standardizer.Std[1] != 0.5 {
		t.Errorf("spec is %s, was %s", is, was)
	}
}

func TestSavingTwiceGivesTheSameBytes(t *testing.T) {
	c := trained(t, planar)
	a, _ := os.ReadFile(save(t, c))
	b, _ := os.ReadFile(save(t, c))
	if !bytes.Equal(a, b) {
		t.Error("two saves of one checkpoint differ")
	}
}

// The file's bytes, read here without the library, hold what PyTorch expects of
//
//	net = nn.Sequential(nn.Linear(3, 6), nn.SiLU(), nn.Linear(6, 5), nn.SiLU(), nn.Linear(5, 2))
//
// named net: weights [out, in] and biases of layers 0, 2 and 4, float32, little
// endian, and they are the averaged weights.
func TestFileIsWhatPyTorchLoads(t *testing.T) {
	c := trained(t, planar)
	raw, err := os.ReadFile(save(t, c))
	if err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.Uint64(raw)
	var header map[string]struct {
		DType   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets []uint64 `json:"data_offsets"`
	}
	text := raw[8 : 8+size]
	var meta struct {
		Metadata map[string]string `json:"__metadata__"`
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		t.Fatal(err)
	}
	if meta.Metadata["format"] != "pt" {
		t.Errorf("metadata format is %q, want pt", meta.Metadata["format"])
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "__metadata__")
	rest, _ := json.Marshal(all)
	if err := json.Unmarshal(rest, &header); err != nil {
		t.Fatal(err)
	}
	want := map[string][]int{
		"net.0.weight": {6, 3}, "net.0.bias": {6}, "net.2.weight": {5, 6}, "net.2.bias": {5}, "net.4.weight": {2, 5}, "net.4.bias": {2},
	}
	offset := 0
	for _, name := range []string{"net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias", "net.4.weight", "net.4.bias"} {
		h, ok := header[name]
		if !ok || h.DType != "F32" || !slices.Equal(h.Shape, want[name]) {
			t.Fatalf("%s: got %v %v, want F32 %v", name, h.DType, h.Shape, want[name])
		}
		body := raw[8+size+h.Offsets[0] : 8+size+h.Offsets[1]]
		for k := 0; k < len(body); k += 4 {
			got := math.Float32frombits(binary.LittleEndian.Uint32(body[k:]))
			if got != c.State.EMA[offset] {
				t.Fatalf("%s[%d] is %g, the averaged weight is %g", name, k/4, got, c.State.EMA[offset])
			}
			offset++
		}
		for _, prefix := range []string{prefixRaw, prefixM, prefixV} {
			if _, ok := header[prefix+name]; !ok {
				t.Errorf("%s%s is missing", prefix, name)
			}
		}
	}
}

func TestBadFilesAreNamedWithTheirFault(t *testing.T) {
	c := trained(t, planar)
	good, _ := os.ReadFile(save(t, c))
	broken := func(change func(b []byte) []byte) string {
		file := filepath.Join(t.TempDir(), "bad.safetensors")
		if err := os.WriteFile(file, change(slices.Clone(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for want, change := range map[string]func([]byte) []byte{
		"not a whole safetensors file":  func(b []byte) []byte { return b[:len(b)-5] },
		"not a whole safetensors file ": func(b []byte) []byte { return b[:4] },
		`"net.2.weight" is missing`:     func(b []byte) []byte { return bytes.Replace(b, []byte(`"net.2.weight"`), []byte(`"net.9.weight"`), 1) },
		"not written by flowmatch":      func(b []byte) []byte { return bytes.Replace(b, []byte(`"flowmatch":`), []byte(`"flowmatcx":`), 1) },
		"it must be a number of steps":  func(b []byte) []byte { return bytes.Replace(b, []byte(`"step":"3"`), []byte(`"step":"x"`), 1) },
		"holds NaN": func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[len(b)-4:], math.Float32bits(float32(math.NaN())))
			return b
		},
	} {
		file := broken(change)
		_, err := Load(file, c.Net.Engine())
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) || !strings.Contains(err.Error(), file) {
			t.Errorf("got error %v, want one that names the file and says %q", err, want)
		}
	}
}

func TestModelWorksInDataUnits(t *testing.T) {
	c := trained(t, planar)
	m, err := c.Model()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-7, ATol: 1e-7}}
	with, err := m.Sample(ctx, SampleOptions{N: 50, Seed: 4, Solver: solver, LogProb: true})
	if err != nil {
		t.Fatal(err)
	}
	without, err := m.Sample(ctx, SampleOptions{N: 50, Seed: 4, Solver: solver})
	if err != nil {
		t.Fatal(err)
	}
	for i := range with.X.X {
		if math.Abs(with.X.X[i]-without.X.X[i]) > 1e-4 {
			t.Fatalf("coordinate %d: %g with the log-density, %g without", i, with.X.X[i], without.X.X[i])
		}
	}
	logp, _, err := m.LogProb(ctx, with.X, LikelihoodOptions{Solver: solver})
	if err != nil {
		t.Fatal(err)
	}
	for i := range logp {
		if math.Abs(logp[i]-with.LogP[i]) > 1e-3 {
			t.Errorf("point %d: log p is %g by its own solve, %g with the sample", i, logp[i], with.LogP[i])
		}
	}
}

// Without noise an SDE's samples are those of the ODE, whatever the network
// predicts, in data units; with noise they depend on the seed alone.
func TestSampleSDEIsSampleWithNoise(t *testing.T) {
	ctx := context.Background()
	for _, p := range []path.Prediction{path.Velocity, path.Noise} {
		spec := planar
		spec.Prediction, spec.Path = p, path.Config{Name: "vp"}
		m, err := trained(t, spec).Model()
		if err != nil {
			t.Fatal(err)
		}
		draw := func(s sde.Sampler) Samples {
			got, err := m.SampleSDE(ctx, SDEOptions{N: 20, Sampler: s})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		want, err := m.Sample(ctx, SampleOptions{N: 20, Seed: 4, Solver: ode.Solver{Method: ode.Euler, Control: ode.Fixed(8)}})
		if err != nil {
			t.Fatal(err)
		}
		got := draw(sde.Sampler{Diffusion: sde.Constant{}, Steps: 8, Seed: 4})
		for i := range got.X.X {
			if math.Abs(got.X.X[i]-want.X.X[i]) > 1e-5*(1+math.Abs(want.X.X[i])) {
				t.Fatalf("%v, coordinate %d: %g without noise, %g by Euler's method", p, i, got.X.X[i], want.X.X[i])
			}
		}
		if got.Stats.NFE != 8 || got.LogP != nil || !slices.Equal(got.X0.X, want.X0.X) {
			t.Errorf("%v: %+v, and the source points must be those of Sample", p, got.Stats)
		}
		noisy, again, other := draw(sde.Sampler{Steps: 8, Seed: 4}), draw(sde.Sampler{Steps: 8, Seed: 4}), draw(sde.Sampler{Steps: 8, Seed: 5})
		if !slices.Equal(noisy.X.X, again.X.X) || slices.Equal(noisy.X.X, got.X.X) || slices.Equal(noisy.X.X, other.X.X) {
			t.Errorf("%v: samples with noise are not a function of the seed", p)
		}
		for name, o := range map[string]SDEOptions{
			"at least 1": {Sampler: sde.Sampler{Steps: 3}}, "0 steps": {N: 2}, "Grid[1] is 1": {N: 2, Sampler: sde.Sampler{Grid: []float64{0, 1}}},
		} {
			if _, err := m.SampleSDE(ctx, o); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want an error with %q", err, name)
			}
		}
	}
}

// The learnt density integrates to 1 in data units, whatever the weights,
// whatever the net predicts, on every path: the standardisation and every
// Jacobian are accounted for.
func TestLearntDensityIntegratesToOne(t *testing.T) {
	for _, spec := range []Spec{
		planar,
		{Net: nn.Config{Dim: 2, Hidden: []int{16}, SpaceFrequencies: 2, TimeFrequencies: 1}, Path: path.Config{Name: "cosine"}, Shape: []int{2}},
		{Net: nn.Config{Dim: 1, Hidden: []int{16}, Activation: "tanh"}, Path: path.Config{Name: "vp"}, Shape: []int{1}},
		{Net: nn.Config{Dim: 1, Hidden: []int{16}, Activation: "tanh"}, Path: path.Config{Name: "condot"}, Shape: []int{1}, Standardizer: &data.Standardizer{Mean: []float64{3}, Std: []float64{0.2}}},
	} {
		c := trained(t, spec)
		m, err := c.Model()
		if err != nil {
			t.Fatal(err)
		}
		const half, n = 8.0, 90 // in model units: the flow of small weights stays near its source
		d := m.Dim()
		grid := flow.NewBatch(int(math.Pow(n, float64(d))), d)
		cell := 1.0
		for i := range grid.N {
			at := i
			for k := range d {
				grid.X[i*d+k] = -half + 2*half*(float64(at%n)+0.5)/n
				at /= n
			}
		}
		for range d {
			cell *= 2 * half / n
		}
		if s := m.Standardizer; s != nil {
			s.Invert(grid)
			cell *= math.Exp(s.LogDet(d))
		}
		logp, _, err := m.LogProb(context.Background(), grid, LikelihoodOptions{Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(20)}})
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, l := range logp {
			sum += math.Exp(l) * cell
		}
		if math.Abs(sum-1) > 1e-3 {
			t.Errorf("path %s, dimension %d: the density integrates to %.6f", spec.Path.Name, d, sum)
		}
	}
}

func TestBitsPerDimOfPixels(t *testing.T) {
	spec := Spec{Net: nn.Config{Dim: 4}, Shape: []int{2, 2}, BinWidth: 2.0 / 256}
	m, err := trained(t, spec).Model()
	if err != nil {
		t.Fatal(err)
	}
	// Uniform on [-1, 1]^4 has log p = -4 ln 2 and needs 8 bits a pixel.
	bpd, err := m.BitsPerDim(-4 * math.Ln2)
	if err != nil || math.Abs(bpd-8) > 1e-12 {
		t.Errorf("got %g (%v), want 8", bpd, err)
	}
	flat, err := trained(t, planar).Model()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flat.BitsPerDim(1); err == nil {
		t.Error("continuous data got bits per dimension")
	}
}

func TestShapeMustFitTheNetwork(t *testing.T) {
	c := trained(t, planar)
	if _, err := New(Spec{Shape: []int{3}}, c.Net); err == nil || !strings.Contains(err.Error(), "[3]") {
		t.Errorf("got %v", err)
	}
}

func TestStepsOfTheAverageVelocity(t *testing.T) {
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	for _, interval := range []bool{true, false} {
		net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{8}, Interval: interval}, 1)
		if err != nil {
			t.Fatal(err)
		}
		m, err := New(Spec{Shape: []int{2}, Standardizer: &data.Standardizer{Mean: []float64{1, 2}, Std: []float64{3, 4}}}, net)
		if err != nil {
			t.Fatal(err)
		}
		o := SampleOptions{N: 5, Seed: 3, Intervals: 2}
		s, err := m.Sample(context.Background(), o)
		if !interval {
			if !errors.Is(err, nn.ErrNoInterval) {
				t.Errorf("without intervals: got %v", err)
			}
			continue
		}
		if err != nil || s.Stats.NFE != 2 {
			t.Fatalf("%d evaluations, %v", s.Stats.NFE, err)
		}
		f, _ := net.Bind(nil)
		x, u := s.X0.Clone(), make([]float64, 10)
		for _, at := range []float64{0, 0.5} {
			if err := f.Average(u, at, at+0.5, x.X); err != nil {
				t.Fatal(err)
			}
			for i := range u {
				x.X[i] += u[i] / 2
			}
		}
		for i, z := range x.X {
			if want := []float64{1, 2}[i%2] + []float64{3, 4}[i%2]*z; math.Abs(s.X.X[i]-want) > 1e-12*(1+math.Abs(want)) {
				t.Errorf("coordinate %d is %g, want %g", i, s.X.X[i], want)
			}
		}
		o.LogProb = true
		if _, err := m.Sample(context.Background(), o); !errors.Is(err, ErrNoDensity) {
			t.Errorf("densities of steps: got %v", err)
		}
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		o.LogProb = false
		if _, err := m.Sample(gone, o); !errors.Is(err, context.Canceled) {
			t.Errorf("after the context's end: got %v", err)
		}
	}
}
