package weights

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

type expected struct {
	State, Float16, BFloat16, EMA, Views map[string][]float32
	Shapes                               map[string][]int
}

func readExpected(t *testing.T) (e expected) {
	t.Helper()
	text, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func open(t *testing.T, files ...string) *Set {
	t.Helper()
	for i, file := range files {
		files[i] = filepath.Join("testdata", file)
	}
	s, err := Open(files...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestEveryFormatHoldsTheSameNumbers(t *testing.T) {
	e := readExpected(t)
	for _, c := range []struct {
		files []string
		want  map[string][]float32
	}{
		{[]string{"float32.pt"}, e.State},
		{[]string{"float64.pt"}, e.State},
		{[]string{"protocol4.pt"}, e.State},
		{[]string{"legacy.pt"}, e.State},
		{[]string{"float32.safetensors"}, e.State},
		{[]string{"model.safetensors.index.json"}, e.State},
		{[]string{"model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors"}, e.State},
		{[]string{"float16.pt"}, e.Float16},
		{[]string{"float16.safetensors"}, e.Float16},
		{[]string{"bfloat16.pt"}, e.BFloat16},
		{[]string{"bfloat16.safetensors"}, e.BFloat16},
		{[]string{"legacy-bfloat16.pth"}, e.BFloat16},
	} {
		name := c.files[0]
		s := open(t, c.files...)
		if len(s.Groups) != 1 || s.Groups[0].Key != "" {
			t.Errorf("%s: %d groups", name, len(s.Groups))
			continue
		}
		checkGroup(t, name, s.Groups[0], "", c.want, e.Shapes)
	}
}

// checkGroup compares a group with numbers under names without a prefix.
func checkGroup(t *testing.T, file string, g *Group, prefix string, want map[string][]float32,
	shapes map[string][]int) {
	t.Helper()
	if len(g.Names) != len(want) {
		t.Errorf("%s: tensors %v, want %d", file, g.Names, len(want))
	}
	for name, numbers := range want {
		tensor := g.Tensor(prefix + name)
		if tensor == nil {
			t.Errorf("%s: no tensor %s", file, prefix+name)
			continue
		}
		got, err := tensor.Data()
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !slices.Equal(got, numbers) || !slices.Equal(tensor.Shape, shapes[name]) {
			t.Errorf("%s: %s is %v %v, want %v %v", file, name, tensor.Shape, got, shapes[name], numbers)
		}
	}
}

func TestTheGroupsOfACheckpointAreFound(t *testing.T) {
	e := readExpected(t)
	for _, file := range []string{"checkpoint.ckpt", "checkpoint-legacy.ckpt"} {
		s := open(t, file)
		groups := map[string]*Group{}
		for _, g := range s.Groups {
			groups[g.Key] = g
		}
		for _, key := range []string{"net_model", "ema_model", "optim.state.0"} {
			if groups[key] == nil {
				t.Fatalf("%s: no group %s", file, key)
			}
		}
		checkGroup(t, file, groups["net_model"], "module.", e.State, e.Shapes)
		checkGroup(t, file, groups["ema_model"], "module._orig_mod.", e.EMA, e.Shapes)
		if want := []string{"module.0.weight", "module.0.bias", "module.2.weight", "module.2.bias"}; !slices.Equal(
			groups["net_model"].Names, want) {
			t.Errorf("%s: the names are %v, want the order of the file, %v", file, groups["net_model"].Names, want)
		}
	}
}

func TestViewsAreReadInTheOrderOfTheirRows(t *testing.T) {
	e := readExpected(t)
	for _, file := range []string{"views.pt", "views-legacy.pt"} {
		g := open(t, file).Groups[0]
		want := map[string][]float32{}
		for name, v := range e.Views {
			want[name] = v
		}
		g.Names = slices.DeleteFunc(g.Names, func(name string) bool { return name == "long" })
		checkGroup(t, file, g, "", want, e.Shapes)
		if _, err := g.Tensor("long").Data(); err == nil || !strings.Contains(err.Error(), "int64") {
			t.Errorf("%s: whole numbers: %v", file, err)
		}
	}
}

func TestAClassIsAnErrorThatNamesIt(t *testing.T) {
	_, err := Open("testdata/class.pt")
	if !errors.Is(err, ErrGlobal) || !strings.Contains(err.Error(), "__main__.Mine") ||
		!strings.Contains(err.Error(), "class.pt") {
		t.Errorf("got %v", err)
	}
}

// Each of these pickles would run a program in Python.
func TestNoProgramIsRun(t *testing.T) {
	for _, code := range []string{
		"cos\nsystem\n(S'touch harm'\ntR.",
		"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x01x\x85R.",
		"cbuiltins\neval\n(S'1'\ntR.",
		"ctorch.storage\n_load_from_bytes\n(S'1'\ntR.",
	} {
		if _, err := (&machine{code: []byte(code), global: known}).run(); !errors.Is(err, ErrGlobal) {
			t.Errorf("%q: got %v, want ErrGlobal", code, err)
		}
	}
}

func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float32{
		0: 0, 0x3c00: 1, 0xc000: -2, 0x3555: 0.333251953125, 0x7bff: 65504, 1: 1.0 / (1 << 24), 0x0400: 1.0 / (1 << 14),
		0x7c00: float32(math.Inf(1)),
	} {
		if got := half(bits); got != want {
			t.Errorf("%#x is %g, want %g", bits, got, want)
		}
	}
	if v := half(0x7e00); v == v {
		t.Errorf("0x7e00 is %g, want NaN", v)
	}
}

func TestFaultsAreErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	whole, err := os.ReadFile("testdata/legacy.pt")
	if err != nil {
		t.Fatal(err)
	}
	legacy := string(whole)
	header := func(text string) string { return string([]byte{byte(len(text)), 0, 0, 0, 0, 0, 0, 0}) + text }
	for _, c := range []struct{ file, want string }{
		{write("empty.pt", ""), "it is empty"},
		{write("text.pt", "not weights, but a text"), "neither a safetensors file nor"},
		{write("none.safetensors", header(`{}`)), "it holds no tensors"},
		{write("far.safetensors", header(`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`)), "0 bytes"},
		{write("big.safetensors", header(`{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}`)+"1234"),
			"not in its"},
		{write("huge.safetensors", "\xff\xff\xff\xff\x00\x00\x00\x00{}"), "its header has"},
		{write("out.index.json", `{"weight_map":{"a":"../../etc/passwd"}}`), "lie beside it"},
		{write("gone.index.json", `{"weight_map":{"a":"gone.safetensors"}}`), "is not there"},
		{write("map.index.json", `{}`), "no weight_map"},
		{write("tail.safetensors", header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`)+"12345"),
			"end at byte 4 of data of 5"},
		{write("hole.safetensors", header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`)+"12345678"),
			"the one before it ends at 0"},
		{write("f8.safetensors", header(`{"a":{"dtype":"F8_X","shape":[1],"data_offsets":[0,1]}}`)+"1"), "F8_X"},
		{write("array.index.json", `[]`), "all of it is a JSON array"},
		{write("cut.index.json", `{`), "not JSON"},
		{write("cut.pth", legacy[:len(legacy)-1]), "it ends in storage"},
		{write("pickle.pt", "\x80\x02K\x01."), "not of PyTorch"},
	} {
		if _, err := Open(c.file); err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), filepath.Base(c.file)) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// FuzzRead reads mutated files: they give an error or tensors within the file, and never need more
// memory than some times the file's size.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("\x80\x02]q\x00h\x00ah\x00a.")) // a list of itself
	f.Add([]byte("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f\x8d\xff\xff\xff\xff\xff\xff\xff\x7f."))
	f.Fuzz(func(t *testing.T, content []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		groups, err := read(bytes.NewReader(content), int64(len(content)))
		if err == nil {
			for _, g := range groups {
				for _, name := range g.Names {
					tensor := g.Tensor(name)
					if data, err := tensor.Data(); err == nil && len(data) != tensor.Size() {
						t.Errorf("tensor %s of shape %v has %d numbers", name, tensor.Shape, len(data))
					}
					if size := tensor.Size(); size > len(content) {
						t.Errorf("tensor %s has %d numbers in a file of %d bytes", name, size, len(content))
					}
				}
			}
		}
		runtime.ReadMemStats(&after)
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+4096*len(content)); used > most {
			t.Errorf("%d bytes allocated for a file of %d", used, len(content))
		}
	})
}
