package nn

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

// peers is what testdata/networks.py says of networks of images, written there in PyTorch.
type peers struct {
	Networks []struct {
		Config
		Tensors map[string][]int
		T       []float64
		Label   []int32
		Output  []float64
	}
	Sizes []struct {
		Config
		Row     string
		Weights int
	}
}

func readPeers(t *testing.T) (p peers) {
	t.Helper()
	raw, err := os.ReadFile("testdata/networks.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// onItsImage returns cfg with the dimension of its images and the norms of ADM.
func onItsImage(cfg Config) Config {
	if cfg.UNet != nil {
		cfg.UNet.GroupChannels = 1
	}
	im, _ := cfg.image()
	cfg.Dim = im[0] * im[1] * im[2]
	return cfg
}

// made is made() of testdata/networks.py.
func made(n, k int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = float64((i*7919+k*104729+i*i%10007*31*(k+1))%10007)/10007 - 0.5
	}
	return v
}

// filled is fill() of testdata/networks.py, for all tensors.
func filled(t *testing.T, cfg Config) *Net {
	t.Helper()
	net := newNet(t, cfg)
	w := make([]float32, 0, net.NumWeights())
	for _, tensor := range net.Tensors() {
		k := 0
		for i, c := range []byte(tensor.Name) {
			k += (i + 1) * int(c)
		}
		for _, v := range made(tensor.Size(), k%10007) {
			switch {
			case len(tensor.Shape) > 1:
				v *= 3 / math.Sqrt(float64(tensor.Size()/tensor.Shape[0]))
			case strings.HasSuffix(tensor.Name, "weight"):
				v = 1 + v/2
			}
			w = append(w, float32(v))
		}
	}
	net, err := net.WithWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func TestNetworksOfImagesAreThoseOfPyTorch(t *testing.T) {
	for _, c := range readPeers(t).Networks {
		cfg := onItsImage(c.Config)
		image, kind := cfg.image()
		t.Run(fmt.Sprint(kind, image), func(t *testing.T) {
			net, d := filled(t, cfg), cfg.Dim
			if got, want := len(net.Tensors()), len(c.Tensors); got != want {
				t.Errorf("%d tensors, want %d", got, want)
			}
			for _, tensor := range net.Tensors() {
				if want, ok := c.Tensors[tensor.Name]; !ok || !slices.Equal(tensor.Shape, want) {
					t.Errorf("%s has shape %v, want %v", tensor.Name, tensor.Shape, want)
				}
			}
			x := made(len(c.T)*d, 1)
			for i := range x {
				x[i] *= 4
			}
			for i, at := range c.T {
				var label []int32
				if c.Label != nil && cfg.Classes > 0 {
					label = c.Label[i : i+1]
				}
				f := bindGiven(t, net, flow.Given{Label: label})
				v := make([]float64, d)
				if err := f.Velocity(v, at, x[i*d:(i+1)*d]); err != nil {
					t.Fatal(err)
				}
				for k, want := range c.Output[i*d : (i+1)*d] {
					if math.Abs(v[k]-want) > 1e-4 {
						t.Fatalf("image %d, number %d: got %g, want %g", i, k, v[k], want)
					}
				}
			}
		})
	}
}

// The rows of the paper's table 3, in each variant that it leaves open (how the embedding
// enters, how images are resized), and two networks whose sizes are published: ADM's of
// ImageNet-64 has 296M weights, DiT-S/2 has 33M.
func TestSizesOfNetworksAreThoseOfPyTorch(t *testing.T) {
	for _, c := range readPeers(t).Sizes {
		m, err := newArch(onItsImage(c.Config), 1)
		if err != nil {
			t.Errorf("%s: %v", c.Row, err)
		} else if m.size != c.Weights {
			t.Errorf("%s: %d weights, want %d", c.Row, m.size, c.Weights)
		}
	}
}

// imageNets are small networks of images with every part, on images that are not square.
var imageNets = map[string]Config{"unet": smallUNet, "dit": smallDiT, "other unet": otherUNet}

func TestANewNetworkOfImagesIsZero(t *testing.T) {
	for name, cfg := range imageNets {
		f, _ := bind(t, newNet(t, cfg), 2)
		v := randomPoints(2, cfg.Dim, 1)
		if err := f.Velocity(v, 0.5, randomPoints(2, cfg.Dim, 2)); err != nil {
			t.Fatal(err)
		}
		if slices.Max(v) != 0 || slices.Min(v) != 0 {
			t.Errorf("%s: values from %g to %g, want 0", name, slices.Min(v), slices.Max(v))
		}
	}
}

func TestARestoredNetworkOfImagesIsTheSame(t *testing.T) {
	for name, cfg := range imageNets {
		net := scrambled(t, cfg)
		w, err := net.Weights()
		if err != nil {
			t.Fatal(err)
		}
		tensors := map[string]Tensor{}
		for _, tensor := range net.Tensors() {
			tensors[tensor.Name] = tensor
		}
		again, err := Restore(open(t), net.Config(), func(name string, shape []int) ([]float32, error) {
			tensor, ok := tensors[name]
			if !ok || !slices.Equal(shape, tensor.Shape) {
				return nil, fmt.Errorf("no tensor %s of shape %v", name, shape)
			}
			return w[tensor.Offset : tensor.Offset+tensor.Size()], nil
		})
		if err != nil {
			t.Fatal(err)
		}
		x := randomPoints(3, cfg.Dim, 1)
		var v [2][]float64
		for i, n := range []*Net{net, again} {
			f, _ := bind(t, n, 3)
			v[i] = make([]float64, len(x))
			if err := f.Velocity(v[i], 0.3, x); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(v[0], v[1]) {
			t.Errorf("%s: other values after it was restored", name)
		}
	}
}

// inTurn is the engine for comparison where there are convolutions: side by side they can wait for each other
// forever.
const inTurn = "go:ops_sequential"

// The engines agree on the loss of each example and on the gradient.
func TestEnginesAgreeOnNetworksOfImages(t *testing.T) {
	other, err := Open(inTurn)
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range imageNets {
		net := scrambled(t, cfg)
		w, err := net.Weights()
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := New(other, cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err = theirs.WithWeights(w); err != nil {
			t.Fatal(err)
		}
		ex := imageExamples(4, cfg)
		loss, grad, err := net.LossGradient(ex)
		if err != nil {
			t.Fatal(err)
		}
		wantLoss, want, err := theirs.LossGradient(ex)
		if err != nil {
			t.Fatal(err)
		}
		got, norm := make([]float32, len(grad)), 0.0
		for i, g := range grad {
			got[i], norm = float32(g), max(norm, math.Abs(want[i]))
		}
		if d := far(got, want); math.Abs(loss-wantLoss) > 1e-5*wantLoss || d > 1e-4 || norm == 0 {
			t.Errorf("%s: losses %g and %g; gradients differ by %g of the largest, %g", name, loss, wantLoss, d, norm)
		}
	}
}

// imageExamples are n examples at times between 0 and 1, labels from -1 on.
func imageExamples(n int, cfg Config) *Examples {
	ex := NewExamples(n, cfg.Dim)
	copy(ex.X0.X, randomPoints(n, cfg.Dim, 5))
	copy(ex.X1.X, randomPoints(n, cfg.Dim, 6))
	for i := range n {
		at := (float64(i) + 0.5) / float64(n)
		ex.T[i], ex.Alpha[i], ex.Sigma[i], ex.G1[i], ex.G0[i], ex.Weight[i] = at, at, 1-at, 1, -1, 1
		if cfg.Classes > 0 {
			ex.Given.Label = append(ex.Given.Label, int32(i%(cfg.Classes+1)-1))
		}
	}
	return ex
}

// What begins at zero must get a gradient, and lets it through once it has moved.
func TestNetworksOfImagesLearn(t *testing.T) {
	for name, cfg := range imageNets {
		tr, ex := newTrainer(t, cfg, Optimizer{}), imageExamples(8, cfg)
		var first, last StepResult
		for k := range 150 {
			r, err := tr.Step(ex, 5e-3)
			if err != nil {
				t.Fatal(err)
			}
			if last = r; k == 0 {
				first = r
			}
		}
		if last.Loss > 0.2*first.Loss {
			t.Errorf("%s: loss %g after 150 steps on one batch, from %g", name, last.Loss, first.Loss)
		}
	}
}

func TestOnlyOneNetworkOfImagesMayBeSet(t *testing.T) {
	cfg := smallUNet
	cfg.DiT = smallDiT.DiT
	if _, err := newArch(cfg, 1); err == nil || !strings.Contains(err.Error(), "unet and dit are both set") {
		t.Errorf("got %v", err)
	}
	for _, cfg := range imageNets {
		_, key := cfg.image()
		if _, err := newArch(cfg.OnImages(nil), 1); err == nil ||
			!strings.Contains(err.Error(), key+".image is missing") {
			t.Errorf("without a shape: %v", err)
		}
		err := cfg.Defaults().OnImages([]int{6, 5}).Validate()
		if err == nil || !strings.Contains(err.Error(), key+".image is [6 5]") {
			t.Errorf("a shape of two: %v", err)
		}
		cfg = cfg.Defaults()
		cfg.Average = true
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "a "+key+" has one time") {
			t.Errorf("average velocities: %v", err)
		}
	}
}
