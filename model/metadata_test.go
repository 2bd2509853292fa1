package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/path"
)

// wrong are values that no key of a spec has, or not all of them.
var wrong = []string{"null", "true", `"x"`, `"NA"`, `""`, "{}", "[]", `[""]`, "-1", "0", "1", "3", "0.5", "-0.5",
	"1e-320", "1e300",
	"-1e300", "9223372036854775807", "-9223372036854775808", "4611686018427387904", "[-1,-2]", "[1,2]",
	"[2,-1]", "[0]", "[1e300]", "[null]", "[0,0]", "[-1,1]", "[4294967296,4294967296]", "[2,2,2,2,2,2,2,2,2,2,2,2]",
	`["a","a"]`, `["a","b","c"]`, `{"mean":[0],"std":[1]}`, `{"x":1}`}

// mutants returns the spec with each of its values replaced by each of the wrong ones, by
// what was done.
func mutants(t *testing.T, spec any) map[string]string {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(v any, key string, set func(any))
	walk = func(v any, key string, set func(any)) {
		for _, w := range wrong {
			set(json.RawMessage(w))
			b, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			out[key+" = "+w] = string(b)
		}
		set(v)
		switch v := v.(type) {
		case map[string]any:
			for k, sub := range v {
				walk(sub, key+"."+k, func(x any) { v[k] = x })
			}
		case []any:
			for i, sub := range v {
				walk(sub, fmt.Sprintf("%s[%d]", key, i), func(x any) { v[i] = x })
			}
		}
	}
	walk(root, "", func(x any) { root = x })
	return out
}

// A checkpoint is checked whole when it is read: whatever its metadata say, it is refused with
// an error that names the file, or it is a model that gives finite numbers.
func TestMetadataAreCheckedWhole(t *testing.T) {
	specs := map[string]Spec{
		"table": {Net: nn.Config{Dim: 2, Hidden: []int{3}, TimeFrequencies: 1, Classes: 2}, Prediction: path.Noise,
			Standardizer: &data.Standardizer{Mean: []float64{1, 2}, Std: []float64{2, 3}},
			Columns:      []string{"a", "b"}, Kinds: []string{"real", "real"}, ClassNames: []string{"x", "y"},
			LabelName: "class", BinWidth: 0.5, Fingerprint: "f", NoDensity: "none", NoScore: "none"},
		"rows": {Net: nn.Config{Dim: 7, Hidden: []int{3}}, Schema: manySchema()},
		"scaled": {Net: nn.Config{Dim: 2, Hidden: []int{3}, SpaceFrequencies: 1},
			Precondition: &path.Precondition{Data: 2}},
		"images": {Net: nn.Config{Dim: 16,
			UNet: &nn.UNet{Image: []int{4, 4, 1}, Channels: 4, Mult: []int{1}, Blocks: 1}},
			Shape: []int{4, 4, 1}, Standardizer: &data.Standardizer{Mean: []float64{0}, Std: []float64{1}}},
	}
	for name, spec := range specs {
		net := newNet(t, spec.Net)
		m, err := New(spec, net)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "m.safetensors")
		if err := m.Save(file); err != nil {
			t.Fatal(err)
		}
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		opened := 0
		for what, text := range mutants(t, m.Spec()) {
			if err := os.WriteFile(file, withMetadata(t, good, keySpec, text), 0o600); err != nil {
				t.Fatal(err)
			}
			if usable(t, name+": "+what, file, net.Engine()) {
				opened++
			}
		}
		if opened == 0 {
			t.Errorf("%s: no mutant opened", name)
		}
	}
}

// The same of a classifier.
func TestMetadataOfClassifiers(t *testing.T) {
	c, file := classifierFile(t)
	eng := c.Engine()
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	load := func(what string) {
		defer func() {
			if r := recover(); r != nil {
				t.Errorf("%s: panic: %v", what, r)
			}
		}()
		if _, err := LoadClassifier(file, eng); err != nil && !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, text := range mutants(t, c.Config()) {
		if err := os.WriteFile(file, withMetadata(t, good, keyClassifier, text), 0o600); err != nil {
			t.Fatal(err)
		}
		load(what)
	}
}

// usable reports whether a file opens, and fails where the model it then is gives numbers that
// are not finite, or the error does not name the file.
func usable(t *testing.T, what, file string, eng *nn.Engine) bool {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s: panic: %v", what, r)
		}
	}()
	m, _, err := Open(file, eng)
	if err != nil {
		if !strings.Contains(err.Error(), file) || len(err.Error()) > 600+len(file) {
			t.Errorf("%s: %v", what, err)
		}
		return false
	}
	given := flow.NewGiven(3, m.Spec().Net.Classes > 0, m.Spec().Net.Context)
	s, err := m.Sample(t.Context(), SampleOptions{N: 3, Given: given, Sampler: ODE{Solver: euler(1)}})
	if err != nil {
		return true // an error at its use is none of a panic
	}
	for _, v := range s.X.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Errorf("%s: it opens, and a sample is %v", what, v)
			break
		}
	}
	return true
}

// Steps are a number that a training can have taken.
func TestStepsAreANumberOfSteps(t *testing.T) {
	c := trained(t, planar)
	file := saved(t, c)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"-200", "9223372036854775807", "1e3", "", "9223372036854775808"} {
		if err := os.WriteFile(file, withMetadata(t, good, keyStep, step), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(file, c.Net.Engine()); err == nil || !strings.Contains(err.Error(), "number of steps") {
			t.Errorf("step %q: opened, %v", step, err)
		}
		if _, err := Load(file, c.Net.Engine()); err == nil || !strings.Contains(err.Error(), "number of steps") {
			t.Errorf("step %q: loaded, %v", step, err)
		}
	}
}

// withMetadata returns a safetensors file with another value of a key of its metadata.
func withMetadata(t *testing.T, file []byte, key, value string) []byte {
	t.Helper()
	size := binary.LittleEndian.Uint64(file)
	var header map[string]json.RawMessage
	var meta map[string]string
	if err := json.Unmarshal(file[8:8+size], &header); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(header["__metadata__"], &meta); err != nil {
		t.Fatal(err)
	}
	meta[key] = value
	header["__metadata__"], _ = json.Marshal(meta) // of text, which has no fault
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, strings.Repeat(" ", (8-len(text)%8)%8)...)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(out, text...), file[8+size:]...)
}
