package layout

import (
	"encoding/json"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"

	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/model/weights"
	"flowmatch/nn"
)

// network is a case of layouts.json: see scripts/fixture-layouts.py.
type network struct {
	Name, Layout string
	Settings     map[string]any
	Shape        []int // channels, height, width; or one number
	Tensors      [][2]any
	Numbers      map[string][]float32
	Times        []float64
	Labels       []int32
	Outputs      [][]float64
}

func networks(t *testing.T) []network {
	t.Helper()
	text, err := os.ReadFile("testdata/layouts.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Cases []network }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all.Cases
}

// uniform are the numbers of the script: splitmix64 behind the FNV hash of a name, less a half.
func uniform(seed string, n int) []float64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(seed) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	out := make([]float64, n)
	for i := range out {
		z := h + uint64(i+1)*0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		out[i] = float64((z^z>>31)>>40)/(1<<24) - 0.5
	}
	return out
}

var perBlock = regexp.MustCompile(`transformer_blocks\.\d+\.norm1\.emb`)

// made are the tensors of cases, which are made once.
var made = map[string]map[string]weights.Array{}

// arrays are the tensors of a case, in a map of the caller's own.
func (c network) arrays() map[string]weights.Array {
	if made[c.Name] == nil {
		made[c.Name] = c.makeArrays()
	}
	return maps.Clone(made[c.Name])
}

func (c network) makeArrays() map[string]weights.Array {
	all := map[string]weights.Array{}
	for _, t := range c.Tensors {
		name, a, n, in := t[0].(string), weights.Array{}, 1, 1
		for i, d := range t[1].([]any) {
			a.Dims = append(a.Dims, int(d.(float64)))
			if n *= a.Dims[i]; i > 0 {
				in *= a.Dims[i]
			}
		}
		if a.Numbers = c.Numbers[name]; a.Numbers == nil {
			for _, u := range uniform(perBlock.ReplaceAllString(name, "transformer_blocks.0.norm1.emb"), n) {
				switch {
				case len(a.Dims) > 1:
					u *= 3 / math.Sqrt(float64(in))
				case strings.HasSuffix(name, "weight"):
					u++
				default:
					u *= 0.5
				}
				a.Numbers = append(a.Numbers, float32(u))
			}
		}
		all[name] = a
	}
	return all
}

func write(t testing.TB, file string, tensors map[string]weights.Array) string {
	t.Helper()
	if err := atomicfile.WriteFile(file, func(w io.Writer) error {
		return safetensors.SerializeToWriter(tensors, nil, w)
	}); err != nil {
		t.Fatal(err)
	}
	return file
}

// source writes a case as its program would, with the settings in a config.json.
func (c network) source(t *testing.T, tensors map[string]weights.Array) Source {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(c.Settings)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config.json")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if c.Layout == "diffusers" {
		write(t, filepath.Join(dir, "diffusion_pytorch_model.safetensors"), tensors)
		return Source{Files: []string{dir}, Layout: c.Layout}
	}
	return Source{Files: []string{write(t, filepath.Join(dir, "model.safetensors"), tensors)}, Layout: c.Layout,
		Config: config}
}

// points are the inputs of a case, [2, D], with the channels of images behind.
func (c network) points() []float64 {
	d := 1
	for _, n := range c.Shape {
		d *= n
	}
	x := uniform("x", 2*d)
	for i, v := range x {
		x[i] = float64(float32(3 * v))
	}
	return c.channelsLast(x)
}

// channelsLast turns images [N, C, H, W] into [N, H, W, C].
func (c network) channelsLast(x []float64) []float64 {
	if len(c.Shape) == 1 {
		return x
	}
	channels, pixels := c.Shape[0], c.Shape[1]*c.Shape[2]
	out := make([]float64, len(x))
	for i := range x {
		image, rest := i/(channels*pixels), i%(channels*pixels)
		out[image*channels*pixels+rest%pixels*channels+rest/pixels] = x[i]
	}
	return out
}

// A network that was trained without labels, too, can be guided by them.
func TestLabelsThatWereTakenAwayInTrainingAreTold(t *testing.T) {
	eng := engine(t)
	for _, x := range []struct {
		of   string
		set  []string
		want float64
	}{
		{"DiT", nil, 0.1},
		{"DiT", []string{"class_dropout_prob=0.25"}, 0.25},
		{"SiT, learn_sigma True", nil, 0.1},
		{"DiTTransformer2DModel", nil, 0.1},
		{"flow_matching's UNet as for ImageNet", nil, 0.2},
		{"flow_matching's UNet as for ImageNet", []string{"class_drop_prob=0"}, 0},
		{"flow_matching's UNet as for CIFAR-10", nil, 0},
		{"ADM, attention in new order", nil, 0}, // which has no row for none
		{"UNet2DModel with classes", nil, 0},
	} {
		c := named(t, x.of)
		src := c.source(t, c.arrays())
		src.Set = append(src.Set, x.set...)
		if got := c.imported(t, eng, src).LabelDropout; got != x.want {
			t.Errorf("%s with %v: %g, want %g", x.of, x.set, got, x.want)
		}
	}
}

func engine(t testing.TB) *nn.Engine {
	t.Helper()
	eng, err := nn.Open("native")
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

// outputs evaluates the network of a model at the times and labels of a case.
func (c network) outputs(t *testing.T, net *nn.Net) [][]float64 {
	t.Helper()
	x := c.points()
	var out [][]float64
	for i, at := range c.Times {
		var given flow.Given
		if c.Labels != nil {
			given.Label = []int32{c.Labels[i]}
		}
		f, err := net.Bind(given)
		if err != nil {
			t.Fatal(err)
		}
		v := make([]float64, len(x))
		if err := f.Velocity(v, at, x); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// off is the largest difference of outputs, by the largest of them.
func off(got, want []float64) float64 {
	diff, size := 0.0, 0.0
	for i, w := range want {
		diff, size = max(diff, math.Abs(got[i]-w)), max(size, math.Abs(w))
	}
	if len(got) != len(want) || math.IsNaN(diff) {
		return math.Inf(1)
	}
	return diff / size
}

func TestImportedNetworksOutputWhatTheyDidBefore(t *testing.T) {
	eng := engine(t)
	for _, c := range networks(t) {
		t.Run(c.Name, func(t *testing.T) {
			im, err := Import(eng, c.source(t, c.arrays()))
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range c.outputs(t, im.Model.Net()) {
				d := off(got, c.channelsLast(c.Outputs[i]))
				t.Logf("time %g: off by %.2g", c.Times[i], d)
				if d > 1e-5 {
					t.Errorf("at time %g the output is off by %.2g of its size, want at most 1e-5", c.Times[i], d)
				}
			}
			if testing.Verbose() {
				for _, f := range im.Facts {
					t.Logf("%-12s %s", f.About, f.Text)
				}
			}
		})
	}
}
