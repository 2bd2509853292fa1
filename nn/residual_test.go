package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/flowtest"
)

// referenceResidual is the formula of residual in float64.
func referenceResidual(n *Net, theta []float32, space, given []float64) []float64 {
	cfg, ts := n.Config(), n.Tensors()
	layer := func(name string, h []float64) []float64 {
		i := slices.IndexFunc(ts, func(t Tensor) bool { return t.Name == name+".weight" })
		return referenceLayer(ts[i:], theta, h)
	}
	act := func(h []float64) []float64 {
		for i := range h {
			h[i] = referenceActivation(cfg.Activation, h[i])
		}
		return h
	}
	c := act(layer("given", given))
	h := layer("input", space)
	for b := range cfg.Residual.Blocks {
		m := layer(fmt.Sprintf("blocks.%d.adapt", b), c)
		z := slices.Clone(h)
		if cfg.Residual.Norm == NormLayer {
			mean, square := 0.0, 0.0
			for _, v := range h {
				mean, square = mean+v, square+v*v
			}
			mean, square = mean/float64(len(h)), square/float64(len(h))
			for i := range z {
				z[i] = (h[i] - mean) / math.Sqrt(square-mean*mean+1e-6)
			}
		}
		for i := range z {
			z[i] = z[i]*(1+m[i]) + m[len(h)+i]
		}
		z = act(layer(fmt.Sprintf("blocks.%d.fc1", b), act(z)))
		for i, v := range layer(fmt.Sprintf("blocks.%d.fc2", b), z) {
			h[i] += v
		}
	}
	return layer("output", act(h))
}

// embeddings are residual networks with each kind of embedding, and their contexts.
var embeddings = map[string]Config{
	EmbedIdentity: {Dim: 2, Context: 3, Classes: 3, Residual: &Residual{Width: 12, Blocks: 2}},
	EmbedMLP: {Dim: 2, Context: 5, Classes: 3, Residual: &Residual{Width: 12, Blocks: 1, Norm: NormLayer,
		Embed: Embed{Kind: EmbedMLP, Hidden: []int{8, 6}, Width: 4}}},
	EmbedSet: {Dim: 3, Context: 12, Residual: &Residual{Width: 12, Blocks: 1,
		Embed: Embed{Kind: EmbedSet, Shape: []int{4, 3}, Hidden: []int{7}, Width: 5}}},
	EmbedSeries: {Dim: 2, Context: 18, Residual: &Residual{Width: 12, Blocks: 1,
		Embed: Embed{Kind: EmbedSeries, Shape: []int{9, 2}, Hidden: []int{4, 6}, Width: 5}}},
	EmbedImage: {Dim: 2, Context: 40, Residual: &Residual{Width: 12, Blocks: 1,
		Embed: Embed{Kind: EmbedImage, Shape: []int{5, 4, 2}, Hidden: []int{4}, Width: 6}}},
}

// some returns n contexts and labels for a network; of a set, some observations are missing.
func some(cfg Config, n int) flow.Given {
	g := flow.NewGiven(n, cfg.Classes > 0, cfg.Context)
	copy(g.Context.X, contexts(cfg, n).X)
	for i := range g.Label {
		g.Label[i] = int32(i%(cfg.Classes+1)) - 1
	}
	if e := cfg.Residual.Embed; e.Kind == EmbedSet {
		for i := range n * e.Shape[0] {
			g.Context.X[i*e.Shape[1]+e.Shape[1]-1] = float64(min(1, (i*7)%3))
		}
	}
	return g
}

func TestResidualNetworksAreFields(t *testing.T) {
	for name, cfg := range embeddings {
		t.Run(name, func(t *testing.T) {
			f := bindGiven(t, newNet(t, cfg), some(cfg, 1))
			flowtest.TestField(t, f, flowtest.FieldOptions{Tol: 1e-2, Step: 1e-2})
			testGradients(t, cfg, some(cfg, 3))
		})
	}
	t.Run("through a solver", func(t *testing.T) {
		for _, probe := range []bool{false, true} {
			testAugmented(t, configs["residual"], probe, randomPoints(4, 1, 18), randomPoints(4, 1, 19))
		}
	})
}

// What a solve evaluates takes embedded contexts, what training evaluates embeds them.
func TestContextsAreEmbeddedOnceForASolve(t *testing.T) {
	for name, cfg := range embeddings {
		net, g, n := newNet(t, cfg), some(cfg, 5), 5
		f := bindGiven(t, net, g)
		x, d := randomPoints(n, cfg.Dim, 1), cfg.Dim
		v, want := make([]float64, n*d), make([]float64, n*d)
		if err := f.Velocity(v, 0.3, x); err != nil {
			t.Fatal(err)
		}
		// VJPParams evaluates the whole network.
		whole, gtheta := make([]float64, n*d), make([]float64, net.NumWeights())
		if err := f.VJPParams(want, whole, gtheta, 0.3, x, make([]float64, n*d)); err != nil {
			t.Fatal(err)
		}
		near(t, name, v, want)
		if cfg.Residual.Embed.Kind == "" {
			continue
		}
		for i := range g.Context.X {
			g.Context.X[i] = 100 // too late
		}
		again := make([]float64, n*d)
		if err := f.Velocity(again, 0.3, x); err != nil || !slices.Equal(again, v) {
			t.Errorf("%s: the contexts are embedded in every evaluation (%v)", name, err)
		}
	}
}

func TestAnEmbeddedSetHasNoOrder(t *testing.T) {
	cfg := embeddings[EmbedSet]
	net := newNet(t, cfg)
	at := func(context ...float64) []float64 {
		t.Helper()
		f := bindGiven(t, net, flow.Given{Context: flow.Batch{N: 1, D: 12, X: context}})
		v := make([]float64, 3)
		if err := f.Velocity(v, 0.4, []float64{1, -1, 0.5}); err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := at(1, 2, 1, -3, 0.5, 1, 0, 0, 0, 0, 0, 0)
	near(t, "another order", at(0, 0, 0, -3, 0.5, 1, 0, 0, 0, 1, 2, 1), v)
	near(t, "what is not there", at(1, 2, 1, -3, 0.5, 1, 99, -7, 0, 5, 5, 0), v)
	for _, other := range [][]float64{
		at(1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), at(1, 2, 1, -3, 0.5, 1, 1, 2, 1, -3, 0.5, 1),
	} {
		if slices.Equal(other, v) {
			t.Error("the number of observations does not matter")
		}
	}
	for _, number := range at(make([]float64, 12)...) { // none
		if number-number != 0 {
			t.Errorf("no observation: %v", number)
		}
	}
}

func TestBadResidualConfigsAreNamed(t *testing.T) {
	for want, r := range map[string]Residual{
		"residual.width -1":                              {Width: -1},
		"residual.dropout is 1":                          {Dropout: 1},
		`unknown norm "layers"; did you mean "layer"?`:   {Norm: "layers"},
		`unknown kind "sets"; did you mean "set"?`:       {Embed: Embed{Kind: "sets"}},
		"hidden, width or shape is set, but the kind":    {Embed: Embed{Width: 3}},
		"shape is [6], but the kind is mlp":              {Embed: Embed{Kind: EmbedMLP, Shape: []int{6}}},
		"shape is []; the kind set takes 2 numbers":      {Embed: Embed{Kind: EmbedSet}},
		"shape [2 2] is of 4 numbers, but a context has": {Embed: Embed{Kind: EmbedSet, Shape: []int{2, 2}}},
		"the mark that it is there":                      {Embed: Embed{Kind: EmbedSet, Shape: []int{6, 1}}},
		"its numbers must be at least 1":                 {Embed: Embed{Kind: EmbedImage, Shape: []int{6, 0, 1}}},
		"residual.embed.hidden[1] is 0":                  {Embed: Embed{Kind: EmbedMLP, Hidden: []int{3, 0}}},
		"residual.embed.width is -2":                     {Embed: Embed{Kind: EmbedMLP, Width: -2}},
	} {
		if _, err := New(open(t), Config{Dim: 2, Context: 6, Residual: &r}, 1); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", r, err, want)
		}
	}
	both := Config{Dim: 4, Residual: &Residual{}, UNet: &UNet{Image: []int{2, 2, 1}}}
	if _, err := New(open(t), both, 1); err == nil || !strings.Contains(err.Error(), "beside unet or dit") {
		t.Errorf("got %v", err)
	}
}
