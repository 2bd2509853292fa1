package model

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// saved writes a checkpoint to a file of the test.
func saved(t testing.TB, c *Checkpoint) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "m.safetensors")
	if err := c.Save(file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoadReturnsWhatSaveWrote(t *testing.T) {
	c := trained(t, planar)
	got, err := Load(saved(t, c), c.Net.Engine())
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
	if !bytes.Contains(is, []byte(`"hidden":[6,5]`)) || !bytes.Contains(was, []byte(`"std":[2,0.5]`)) ||
		got.Spec.Standardizer.Std[1] != 0.5 {
		t.Errorf("spec is %s, was %s", is, was)
	}
}

func TestSavingTwiceGivesTheSameBytes(t *testing.T) {
	c := trained(t, planar)
	a, _ := os.ReadFile(saved(t, c))
	b, _ := os.ReadFile(saved(t, c))
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
	raw, err := os.ReadFile(saved(t, c))
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
		"net.0.weight": {6, 3}, "net.0.bias": {6}, "net.2.weight": {5, 6}, "net.2.bias": {5}, "net.4.weight": {2,
			5}, "net.4.bias": {2},
	}
	offset := 0
	for _, name := range []string{"net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias", "net.4.weight",
		"net.4.bias"} {
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
	good, _ := os.ReadFile(saved(t, c))
	broken := func(change func(b []byte) []byte) string {
		file := filepath.Join(t.TempDir(), "bad.safetensors")
		if err := os.WriteFile(file, change(slices.Clone(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	replaced := func(old, by string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(by), 1) }
	}
	for want, change := range map[string]func([]byte) []byte{
		"not a whole safetensors file":  func(b []byte) []byte { return b[:len(b)-5] },
		"not a whole safetensors file ": func(b []byte) []byte { return b[:4] },
		`"net.2.weight" is missing`:     replaced(`"net.2.weight"`, `"net.9.weight"`),
		"not written by flowmatch":      replaced(`"flowmatch":`, `"flowmatcx":`),
		"it must be a number of steps":  replaced(`"step":"3"`, `"step":"x"`),
		"it must be a number of steps ": replaced(`"step":"3"`, `"step":"-"`),
		`unknown prediction "velocitx"`: replaced(`velocity`, `velocitx`),
		`tensor "net.0.weight" is F32`: replaced(`"net.0.weight":{"dtype":"F32","shape":[6,3]`,
			`"net.0.weight":{"dtype":"F32","shape":[3,6]`),
		"holds NaN": func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[len(b)-4:], math.Float32bits(float32(math.NaN())))
			return b
		},
		"must not be negative": func(b []byte) []byte {
			_, at, _ := bytes.Cut(b, []byte(`"opt.exp_avg_sq.net.0.bias":{"dtype":"F32","shape":[6],"data_offsets":[`))
			from, _, _ := bytes.Cut(at, []byte(","))
			offset, err := strconv.Atoi(string(from))
			if err != nil {
				t.Fatal(err)
			}
			offset += 8 + int(binary.LittleEndian.Uint64(b))
			binary.LittleEndian.PutUint32(b[offset:], math.Float32bits(-1))
			return b
		},
	} {
		file := broken(change)
		_, err := Load(file, c.Net.Engine())
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) ||
			!strings.Contains(err.Error(), file) {
			t.Errorf("got error %v, want one that names the file and says %q", err, want)
		}
	}
}

// sampled returns samples that any difference of two models shows in.
func sampled(t *testing.T, m *Model) []float64 {
	t.Helper()
	s, err := m.Sample(t.Context(), SampleOptions{N: 5, Seed: 1, Sampler: ODE{Solver: euler(3)}})
	if err != nil {
		t.Fatal(err)
	}
	return s.X.X
}

func euler(steps int) ode.Solver { return ode.Solver{Method: ode.Euler, Control: ode.Fixed(steps)} }

func TestAModelComesBackFromItsFile(t *testing.T) {
	c := trained(t, planar)
	m, err := c.Model()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "m.safetensors")
	if err := m.Save(file); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{file: 0, saved(t, c): 3} {
		got, step, err := Open(name, c.Net.Engine())
		if err != nil || step != want || !slices.Equal(sampled(t, got), sampled(t, m)) {
			t.Errorf("%s: another model came back, of step %d, %v", name, step, err)
		}
		was, _ := json.Marshal(m.Spec())
		if is, _ := json.Marshal(got.Spec()); !bytes.Equal(was, is) {
			t.Errorf("%s: spec is %s, was %s", name, is, was)
		}
	}
	if _, err := Load(file, c.Net.Engine()); !errors.Is(err, ErrNoState) || !strings.Contains(err.Error(), file) {
		t.Errorf("resuming from a model's file: got %v", err)
	}
	if err := m.Save(filepath.Join(t.TempDir(), "no", "folder")); err == nil {
		t.Error("a model was saved to a folder that does not exist")
	}
	if _, _, err := Open(filepath.Join(t.TempDir(), "gone"), c.Net.Engine()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that does not exist: got %v", err)
	}
}

// registered is what naming it says; a name can be given once a process.
var registered = path.Register("model-test", func(path.Config) (path.Scheduler, error) { return own, nil })

// A schedule of one's own is saved by the name that it is registered under.
func TestAScheduleIsSavedByItsName(t *testing.T) {
	spec := planar
	spec.Path, spec.Scheduler = path.Config{}, own
	c := trained(t, spec)
	unnamed, err := c.Model()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "m.safetensors")
	for _, err := range []error{unnamed.Save(file), c.Save(file), second(unnamed.ONNX(ExportOptions{}))} {
		if !errors.Is(err, ErrUnnamed) || !strings.Contains(err.Error(), "path.Register") {
			t.Errorf("saving a schedule without a name: got %v", err)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was written all the same")
	}
	if registered != nil {
		t.Fatal(registered)
	}
	c.Spec.Path, c.Spec.Scheduler = path.Config{Name: "model-test"}, nil
	named, err := c.Model()
	if err != nil {
		t.Fatal(err)
	}
	if err := named.Save(file); err != nil {
		t.Fatal(err)
	}
	got, _, err := Open(file, c.Net.Engine())
	if err != nil {
		t.Fatal(err)
	}
	if want := sampled(t, unnamed); !slices.Equal(sampled(t, named), want) || !slices.Equal(sampled(t, got), want) {
		t.Error("the schedule has other samples under its name, or after it was saved")
	}
}

func TestExtraHasNoNameOfTheFile(t *testing.T) {
	c := trained(t, planar)
	c.Extra["step"] = "9"
	err := c.Save(filepath.Join(t.TempDir(), "m.safetensors"))
	if err == nil || !strings.Contains(err.Error(), `"step"`) {
		t.Errorf("got %v", err)
	}
}

// No file makes the readers panic, and what is wrong with one is an error.
func FuzzOpen(f *testing.F) {
	c := trained(f, Spec{Net: nn.Config{Dim: 1, Hidden: []int{2}}, Shape: []int{1}})
	whole, err := os.ReadFile(saved(f, c))
	if err != nil {
		f.Fatal(err)
	}
	m, err := c.Model()
	if err != nil {
		f.Fatal(err)
	}
	alone := filepath.Join(f.TempDir(), "m.safetensors")
	if err := m.Save(alone); err != nil {
		f.Fatal(err)
	}
	weights, err := os.ReadFile(alone)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(weights)
	f.Add(whole[:len(whole)/2])
	f.Add(bytes.Replace(whole, []byte(`\"dim\":1`), []byte(`\"dim\":9`), 1))
	f.Add(bytes.Replace(whole, []byte(`\"hidden\":[2]`), []byte(`\"hidden\":[-]`), 1))
	f.Add(bytes.Replace(whole, []byte(`\"shape\":[1]`), []byte(`\"shape\":[0]`), 1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		file := filepath.Join(t.TempDir(), "f.safetensors")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		m, _, err := Open(file, c.Net.Engine())
		if (m == nil) != (err != nil) || err != nil && !strings.Contains(err.Error(), file) {
			t.Errorf("Open returned %v and %v", m, err)
		}
		l, err := Load(file, c.Net.Engine())
		if (l == nil) != (err != nil) || err != nil && !strings.Contains(err.Error(), file) {
			t.Errorf("Load returned %v and %v", l, err)
		}
	})
}

// classifierFile returns a small classifier, and the file that it was saved in.
func classifierFile(t *testing.T) (*nn.Classifier, string) {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	cfg := nn.ClassifierConfig{Image: []int{4, 4, 1}, Classes: 2, Channels: 2, Features: 3}
	c, err := nn.NewClassifier(eng, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "c.safetensors")
	if err := SaveClassifier(file, c); err != nil {
		t.Fatal(err)
	}
	return c, file
}

func TestAClassifierComesBackFromItsFile(t *testing.T) {
	c, file := classifierFile(t)
	eng := c.Engine()
	got, err := LoadClassifier(file, eng)
	if err != nil {
		t.Fatal(err)
	}
	x := flow.NewBatch(2, 16)
	x.X[3] = 1
	_, want, err := c.Classify(x)
	if err != nil {
		t.Fatal(err)
	}
	if _, p, err := got.Classify(x); err != nil || !slices.Equal(p.X, want.X) {
		t.Errorf("probabilities are %v, were %v (%v)", p, want, err)
	}
	if _, _, err := Open(file, eng); err == nil || !strings.Contains(err.Error(), "not written by flowmatch") {
		t.Errorf("a classifier opened as a model: got %v", err)
	}
	other := saved(t, trained(t, planar))
	if _, err := LoadClassifier(other, eng); err == nil || !strings.Contains(err.Error(), "no classifier") {
		t.Errorf("a model loaded as a classifier: got %v", err)
	}
}

// Earlier versions had ADM's norms, with groups of one channel where the width is small,
// and did not write it.
func TestTheNormsOfAnEarlierVersionStay(t *testing.T) {
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	unet := &nn.UNet{Image: []int{4, 4, 1}, Channels: 8, Mult: []int{1}, Blocks: 1}
	net, err := nn.New(eng, nn.Config{Dim: 16, UNet: unet}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Spec{Net: net.Config(), Shape: unet.Image}, net)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "m.safetensors")
	for want, key := range map[int]string{4: "group_channels", 1: "group_chunnels"} {
		if err := m.Save(file); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, bytes.Replace(text, []byte("group_channels"), []byte(key), 1), 0o666); err != nil {
			t.Fatal(err)
		}
		got, _, err := Open(file, eng)
		if err != nil || got.Spec().Net.UNet.GroupChannels != want {
			t.Errorf("with the key %s: %v, %+v; want %d", key, err, got, want)
		}
	}
}
