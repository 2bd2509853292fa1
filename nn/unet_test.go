package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

// smallUNet has every part: two resolutions of an odd size, attention, a shortcut, labels.
var smallUNet = Config{Dim: 6 * 5 * 2, Classes: 3, UNet: &UNet{Image: []int{6, 5, 2}, Channels: 4, Mult: []int{1, 2},
	Blocks: 1, Attention: []int{3}, Heads: 2}}

// otherUNet has the parts of smallUNet in their other variants.
var otherUNet = Config{Dim: 4 * 6, Classes: 3, UNet: &UNet{Image: []int{4, 6, 1}, Channels: 4, Mult: []int{1, 2},
	Blocks: 1, Attention: []int{4}, HeadChannels: 2, Embedding: "add", ResblockUpdown: true}}

func TestUNetTensorsAreNamedAsTheReferences(t *testing.T) {
	net := newNet(t, smallUNet)
	shapes := map[string][]int{}
	for _, tensor := range net.Tensors() {
		shapes[tensor.Name] = tensor.Shape
	}
	for name, want := range map[string]string{
		"time_embed.0.weight":                      "[16 4]",
		"label_emb.weight":                         "[3 16]",
		"input_blocks.0.0.weight":                  "[4 2 3 3]",
		"input_blocks.1.0.in_layers.0.weight":      "[4]",
		"input_blocks.1.0.in_layers.2.weight":      "[4 4 3 3]",
		"input_blocks.1.0.emb_layers.1.weight":     "[8 16]",
		"input_blocks.2.0.op.weight":               "[4 4 3 3]",
		"input_blocks.3.0.out_layers.3.weight":     "[8 8 3 3]",
		"input_blocks.3.1.qkv.weight":              "[24 8 1]",
		"middle_block.1.proj_out.bias":             "[8]",
		"output_blocks.0.0.in_layers.2.weight":     "[8 16 3 3]",
		"output_blocks.1.2.conv.weight":            "[8 8 3 3]",
		"output_blocks.3.0.skip_connection.weight": "[4 8 1 1]",
		"out.2.weight":                             "[2 4 3 3]",
	} {
		if got, ok := shapes[name]; !ok || fmt.Sprint(got) != want {
			t.Errorf("%s has shape %v, want %s", name, got, want)
		}
	}
}

// Weights at random, for a fresh UNet returns zero.
func scrambled(t *testing.T, cfg Config) *Net {
	t.Helper()
	return shaken(t, newNet(t, cfg), 0.2)
}

func TestGradientsOfNetworksOfImagesAreThoseOfDifferences(t *testing.T) {
	for name, cfg := range imageNets {
		t.Run(name, func(t *testing.T) { testGradients(t, cfg, flow.Given{Label: []int32{0, 2, -1}}) })
	}
}

// testGradients compares the gradients of a network at three points, by x and by the
// weights, with differences.
func testGradients(t *testing.T, cfg Config, g3 flow.Given) {
	net := scrambled(t, cfg)
	n, d := 3, cfg.Dim
	f := bindGiven(t, net, g3)
	x, e := randomPoints(n, d, 1), randomPoints(n, d, 2)
	v, g, gtheta := make([]float64, n*d), make([]float64, n*d), make([]float64, net.NumWeights())
	if err := f.VJPParams(v, g, gtheta, 0.3, x, e); err != nil {
		t.Fatal(err)
	}
	// Along a random direction the slope of e·f is g·direction.
	along := randomPoints(n, d, 3)
	at := func(s float64) float64 {
		y, out, sum := make([]float64, n*d), make([]float64, n*d), 0.0
		for i := range y {
			y[i] = x[i] + s*along[i]
		}
		if err := f.Velocity(out, 0.3, y); err != nil {
			t.Fatal(err)
		}
		for i := range out {
			sum += e[i] * out[i]
		}
		return sum
	}
	want, got := slope(at, 3e-3), 0.0
	for i := range g {
		got += g[i] * along[i]
	}
	if math.Abs(got-want) > 5e-3*(1+math.Abs(want)) {
		t.Errorf("slope along x: %g, by differences %g", got, want)
	}
	theta, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	step := randomPoints(1, len(theta), 4)
	moved := func(s float64) float64 {
		w := make([]float32, len(theta))
		for i := range w {
			w[i] = theta[i] + float32(s*step[i])
		}
		other, err := net.WithWeights(w)
		if err != nil {
			t.Fatal(err)
		}
		f := bindGiven(t, other, g3)
		out, sum := make([]float64, n*d), 0.0
		if err := f.Velocity(out, 0.3, x); err != nil {
			t.Fatal(err)
		}
		for i := range out {
			sum += e[i] * out[i]
		}
		return sum
	}
	want, got = slope(moved, 1e-3), 0
	for i := range gtheta {
		got += gtheta[i] * step[i]
	}
	if math.Abs(got-want) > 5e-3*(1+math.Abs(want)) {
		t.Errorf("slope along the weights: %g, by differences %g", got, want)
	}
}

// slope is the derivative at 0 by central differences of order four.
func slope(f func(float64) float64, h float64) float64 {
	return (8*(f(h)-f(-h)) - (f(2*h) - f(-2*h))) / (12 * h)
}

// A UNet offers no divergence; that of its vector-Jacobian products is exact.
func TestExactDivergenceOfAUNetIsTheTraceOfItsJacobian(t *testing.T) {
	cfg := smallUNet
	cfg.Dim, cfg.UNet = 3*2, &UNet{Image: []int{3, 2, 1}, Channels: 2, Mult: []int{1, 2}, Blocks: 1}
	net := scrambled(t, cfg)
	f := bindGiven(t, net, flow.Given{Label: []int32{1}})
	n, d := 2, cfg.Dim
	x := randomPoints(n, d, 1)
	v, g, div := make([]float64, n*d), make([]float64, n*d), make([]float64, n)
	for k, e := range standardBasis(n, d) {
		if err := f.VJP(v, g, 0.4, x, e); err != nil {
			t.Fatal(err)
		}
		for i := range div {
			div[i] += g[i*d+k]
		}
	}
	want := make([]float64, n)
	for k := range d {
		for i := range n {
			want[i] += slope(func(s float64) float64 {
				y, out := append([]float64(nil), x...), make([]float64, n*d)
				y[i*d+k] += s
				if err := f.Velocity(out, 0.4, y); err != nil {
					t.Fatal(err)
				}
				return out[i*d+k]
			}, 3e-3)
		}
	}
	for i := range want {
		if math.Abs(div[i]-want[i]) > 1e-2*(1+math.Abs(want[i])) {
			t.Errorf("point %d: divergence %g, by differences %g", i, div[i], want[i])
		}
	}
}

// A field offers a divergence only where the network has one at hand.
func TestOnlyForwardModeOffersADivergence(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want bool
	}{
		"perceptron": {Config{Dim: 2}, true}, "averages": {Config{Dim: 2, Average: true}, true},
		"unet": {smallUNet, false}, "dit": {smallDiT, false},
	} {
		f, _ := bind(t, newNet(t, c.cfg), 1)
		if _, got := f.(flow.Diverger); got != c.want {
			t.Errorf("%s: %T is a flow.Diverger: %t, want %t", name, f, got, c.want)
		}
		if c.want {
			continue
		}
		n, d := 1, c.cfg.Dim
		err := f.VJPAug(make([]float64, d), make([]float64, f.NumParams()), 0.5, make([]float64, d),
			flow.Adjoint{Velocity: make([]float64, d), Div: make([]float64, n)})
		if err == nil || !strings.Contains(err.Error(), "no exact divergence") {
			t.Errorf("%s: the gradient of its exact divergence: got %v", name, err)
		}
	}
}

func TestNormsHaveGroupsOfSeveralChannels(t *testing.T) {
	for _, c := range []struct{ channels, least, want int }{
		{2, 4, 1}, {8, 4, 2}, {10, 4, 2}, {16, 4, 4}, {20, 4, 4}, {32, 4, 8}, {64, 4, 16}, {96, 4, 16}, {128, 4, 32},
		{192, 4, 32}, {7, 4, 1}, {8, 1, 8}, {10, 1, 2}, {32, 1, 32}, {64, 1, 32}, {128, 64, 2}, {128, 1000, 1},
	} {
		if got := (norm{0, normGroups, c.least, 0}).groups(c.channels); got != c.want {
			t.Errorf("%d channels, at least %d in a group: %d groups, want %d", c.channels, c.least, got, c.want)
		}
	}
}

func TestAUNetFitsTheSizeOfItsImages(t *testing.T) {
	for _, c := range []struct {
		given           UNet
		h, w            int
		mult, attention []int
	}{
		{UNet{}, 8, 8, []int{1, 2}, []int{8, 4}},
		{UNet{}, 16, 16, []int{1, 2, 2}, []int{8, 4}},
		{UNet{}, 28, 28, []int{1, 2, 2}, []int{7}},
		{UNet{}, 32, 32, []int{1, 2, 2, 2}, []int{8, 4}},
		{UNet{}, 64, 32, []int{1, 2, 2, 2}, []int{8}},
		{UNet{}, 3, 9, []int{1}, []int{3}},
		{UNet{ResblockUpdown: true}, 28, 28, []int{1, 2, 2}, []int{7}},
		{UNet{ResblockUpdown: true}, 18, 18, []int{1, 2}, []int{}},
		{UNet{Mult: []int{1}}, 8, 8, []int{1}, []int{8}},
		{UNet{Attention: []int{}}, 8, 8, []int{1, 2}, []int{}},
	} {
		u := c.given
		u.Image = []int{c.h, c.w, 1}
		if u = u.Defaults(); !slices.Equal(u.Mult, c.mult) || !slices.Equal(u.Attention, c.attention) {
			t.Errorf("%+v on %dx%d: mult %v, attention %v; want %v and %v", c.given, c.h, c.w, u.Mult, u.Attention,
				c.mult, c.attention)
		}
		if err := u.validate(); err != nil {
			t.Errorf("%+v on %dx%d: %v", c.given, c.h, c.w, err)
		}
	}
	if u := (UNet{}).Defaults(); u.Mult != nil || u.Attention != nil {
		t.Errorf("without an image: mult %v, attention %v; want none yet", u.Mult, u.Attention)
	}
}

func TestBadUNetsAreNamed(t *testing.T) {
	for want, change := range map[string]func(*UNet){
		"unet.channels is 3":           func(u *UNet) { u.Channels = 3 },
		"unet.mult [0 1]":              func(u *UNet) { u.Mult = []int{0, 1} },
		"halves images":                func(u *UNet) { u.Mult = []int{1, 1, 1, 1} },
		`unknown embedding "shift"`:    func(u *UNet) { u.Embedding = "shift" },
		"halves even sizes only":       func(u *UNet) { u.ResblockUpdown = true },
		"unet.dropout is 1":            func(u *UNet) { u.Dropout = 1 },
		"unet.attention 4 is no":       func(u *UNet) { u.Attention = []int{4} },
		"unet.group_channels is -1":    func(u *UNet) { u.GroupChannels = -1 },
		"unet.heads 3":                 func(u *UNet) { u.Heads = 3 },
		"unet.head_channels 3 do not ": func(u *UNet) { u.HeadChannels = 3 },
	} {
		u := *smallUNet.UNet
		change(&u)
		cfg := smallUNet.Defaults()
		cfg.UNet = &u
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
