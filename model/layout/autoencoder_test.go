package layout

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/engine/onnx"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/model/weights"
	"flowmatch/nn"
)

// autoencoder is a case of autoencoder.json: see scripts/fixture-autoencoder.py.
type autoencoder struct {
	Name                  string
	Settings              map[string]any
	Image, Latents        []int // channels, height, width
	Tensors               [][2]any
	Mean, LogVar, Decoded []float64
}

func autoencoders(t testing.TB) []autoencoder {
	t.Helper()
	text, err := os.ReadFile("testdata/autoencoder.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Cases []autoencoder }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all.Cases
}

// folder writes the case as diffusers would.
func (c autoencoder) folder(t testing.TB, change func(tensors map[string]weights.Array)) string {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(c.Settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	tensors := network{Tensors: c.Tensors}.makeArrays()
	if change != nil {
		change(tensors)
	}
	write(t, filepath.Join(dir, "diffusion_pytorch_model.safetensors"), tensors)
	return dir
}

// last is a shape with its channels behind.
func last(shape []int) []int { return []int{shape[1], shape[2], shape[0]} }

// formed are the numbers of a script's input, as images with their channels behind.
func formed(name string, n int, shape []int) flow.Batch {
	x := uniform(name, n*shape[0]*shape[1]*shape[2])
	for i, v := range x {
		x[i] = float64(float32(3 * v))
	}
	return flow.Batch{N: n, D: len(x) / n, X: network{Shape: shape}.channelsLast(x)}
}

// kept imports a decoder and returns the folder that it was saved in.
func kept(t testing.TB, src DecoderSource, latents []int) string {
	t.Helper()
	d, err := ImportDecoder(engine(t), src, latents)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := d.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	d := off(got, want)
	t.Logf("%s: off by %.2g", what, d)
	if d > 1e-5 {
		t.Errorf("%s: off by %.2g of the largest, want at most 1e-5", what, d)
	}
}

func TestAutoencodersOutputWhatTheyDidInDiffusers(t *testing.T) {
	eng := engine(t)
	for _, c := range autoencoders(t) {
		t.Run(c.Name, func(t *testing.T) {
			dir := kept(t, DecoderSource{File: c.folder(t, nil)}, last(c.Latents))
			file := model.HasDecoder(dir)
			e, err := model.OpenEncoder(file, eng)
			if err != nil {
				t.Fatal(err)
			}
			mean, logVar, err := e.Encode(formed("images", 2, c.Image))
			if err != nil {
				t.Fatal(err)
			}
			latent := network{Shape: c.Latents}
			near(t, "mean of latents", mean.X, latent.channelsLast(c.Mean))
			for i := range logVar.X {
				logVar.X[i] -= 2 * math.Log(e.Config().Scale) // diffusers' is that of what the network outputs
			}
			near(t, "logarithm of the variance", logVar.X, latent.channelsLast(c.LogVar))
			d, err := model.OpenDecoder(file, eng)
			if err != nil {
				t.Fatal(err)
			}
			x, err := d.Decode(formed("latents", 2, c.Latents))
			if err != nil {
				t.Fatal(err)
			}
			near(t, "decoded", x.X, network{Shape: c.Image}.channelsLast(c.Decoded))
		})
	}
}

// An autoencoder is opened for images of other sizes than those that it was trained with, from the folder of
// diffusers, from that of a pipeline, and from the folder that it was saved in, and encodes the same.
func TestAutoencodersAreOpenedForImages(t *testing.T) {
	eng := engine(t)
	for _, c := range autoencoders(t) {
		dir, image := c.folder(t, nil), last(c.Image)
		pipeline := t.TempDir()
		if err := os.Rename(dir, filepath.Join(pipeline, "vae")); err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(pipeline, "vae")
		saved := t.TempDir()
		for _, path := range []string{dir, pipeline, saved, filepath.Join(saved, model.AutoencoderFile)} {
			a, err := OpenAutoencoder(path, image)
			if err != nil {
				t.Fatal(err)
			}
			if path == dir {
				if err := a.Save(saved); err != nil {
					t.Fatal(err)
				}
			}
			e, err := a.Encoder(eng)
			if err != nil {
				t.Fatal(err)
			}
			mean, _, err := e.Encode(formed("images", 2, c.Image))
			if err != nil {
				t.Fatal(err)
			}
			near(t, "mean of latents", mean.X, network{Shape: c.Latents}.channelsLast(c.Mean))
		}
		larger, err := OpenAutoencoder(saved, []int{2 * image[0], image[1], image[2]})
		if err != nil || larger.Of.Latents()[0] != 2*c.Latents[1] {
			t.Errorf("images of twice the height: %v", err)
		}
		for want, shape := range map[string][]int{"it encodes images of": {16, 16, 4}, "takes height": {16, 16},
			"each size must be": {0, 16, image[2]}} {
			for _, path := range []string{dir, saved} {
				if _, err := OpenAutoencoder(path, shape); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("images of shape %v: got %v, want %q", shape, err, want)
				}
			}
		}
	}
}

func TestADecoderFromAnONNXFileOutputsWhatItDidInPyTorch(t *testing.T) {
	var want struct {
		Latents []int
		Decoded []float64
	}
	text, err := os.ReadFile("testdata/decoder.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	one, scale, shift := 1.0, 0.5, -0.25
	for _, x := range []struct{ scale, shift *float64 }{{&one, nil}, {&scale, &shift}} {
		src := DecoderSource{File: "testdata/decoder.onnx", Scale: x.scale, Shift: x.shift}
		dir := kept(t, src, last(want.Latents))
		d, err := model.OpenDecoder(model.HasDecoder(dir), engine(t))
		if err != nil {
			t.Fatal(err)
		}
		z := formed("latents", 1, want.Latents)
		for i := range z.X {
			if x.shift != nil {
				z.X[i] = (z.X[i] - *x.shift) * *x.scale
			}
		}
		got, err := d.Decode(z)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "decoded", got.X, network{Shape: []int{3, 8, 12}}.channelsLast(want.Decoded))
	}
}

// The config.json beside an ONNX file says its scale, and what is asked for comes before it.
func TestAnONNXDecoderTakesItsScaleFromTheConfigBesideIt(t *testing.T) {
	dir := t.TempDir()
	buf, err := os.ReadFile("testdata/decoder.onnx")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(file, buf, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ImportDecoder(engine(t), DecoderSource{File: file}, []int{4, 6, 4}); !errors.Is(err, ErrNoScale) {
		t.Errorf("without a scale: got %v, want what gives one", err)
	}
	config := filepath.Join(dir, "config.json")
	if err := os.WriteFile(config, []byte(`{"scaling_factor": 0.25, "shift_factor": 2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := ImportDecoder(engine(t), DecoderSource{File: file}, []int{4, 6, 4})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Facts[1].Text; !strings.HasPrefix(got, "(z - 2) 0.25 of") {
		t.Errorf("got %q, want the scale of the config.json", got)
	}
}

func TestDecodersThatDoNotFitAreNamed(t *testing.T) {
	c := autoencoders(t)[0]
	latents := last(c.Latents)
	other := func(key string, v any) string {
		with := c
		with.Settings = map[string]any{}
		for k, v := range c.Settings {
			with.Settings[k] = v
		}
		with.Settings[key] = v
		return with.folder(t, nil)
	}
	zero := 0.0
	for _, x := range []struct {
		what    string
		src     DecoderSource
		latents []int
		want    string
	}{
		{"points that are no images", DecoderSource{File: c.folder(t, nil)}, []int{2}, "of the shape [2]"},
		{"other channels", DecoderSource{File: c.folder(t, nil)}, []int{4, 6, 3}, "latents of 4 channels"},
		{"a missing folder", DecoderSource{File: "nowhere"}, latents, "nowhere"},
		{"another class", DecoderSource{File: other("_class_name", "VQModel")}, latents, `"VQModel"`},
		{"another activation", DecoderSource{File: other("act_fn", "mish")}, latents, "act_fn"},
		{"a misspelt setting", DecoderSource{File: other("scaling_facto", 1)}, latents,
			`did you mean "scaling_factor"`},
		{"groups", DecoderSource{File: other("norm_num_groups", 32)}, latents, "multiple of the groups"},
		{"means of latents", DecoderSource{File: other("latents_mean", []any{1.0})}, latents, "latents_mean"},
		{"no scale", DecoderSource{File: c.folder(t, nil), Scale: &zero}, latents, "scale 0"},
		{"a missing tensor", DecoderSource{File: c.folder(t, func(all map[string]weights.Array) {
			delete(all, "decoder.mid_block.resnets.0.norm1.bias")
		})}, latents, "1 missing: decoder.mid_block.resnets.0.norm1.bias [32]"},
		{"an unused tensor", DecoderSource{File: c.folder(t, func(all map[string]weights.Array) {
			all["decoder.mid_block.gate"] = weights.Array{Dims: []int{1}, Numbers: []float32{1}}
		})}, latents, "1 unused: decoder.mid_block.gate"},
		{"no encoder", DecoderSource{File: c.folder(t, func(all map[string]weights.Array) {
			for name := range all {
				if strings.HasPrefix(name, "encoder.") {
					delete(all, name)
				}
			}
		})}, latents, "layers_per_block"},
		{"ONNX of other channels", DecoderSource{File: "testdata/decoder.onnx", Scale: new(1.0)}, []int{4, 6, 3},
			"the latents are 3 channels of 4 by 6"},
	} {
		_, err := ImportDecoder(engine(t), x.src, x.latents)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want %q", x.what, err, x.want)
		}
	}
}

func TestAnAutoencoderAloneIsNoModel(t *testing.T) {
	dir := autoencoders(t)[0].folder(t, nil)
	_, err := Import(engine(t), Source{Files: []string{dir}, Layout: "diffusers"})
	if !errors.Is(err, ErrDecoderAlone) {
		t.Errorf("got %v, want what an autoencoder is given with", err)
	}
}

// Bytes of files of decoders that are changed are errors or other numbers, and never a panic; nothing larger than
// the file tells is made.
func FuzzDecoders(f *testing.F) {
	c := autoencoders(f)[2]
	dir := kept(f, DecoderSource{File: c.folder(f, nil)}, last(c.Latents))
	ours, err := os.ReadFile(filepath.Join(dir, model.AutoencoderFile))
	if err != nil {
		f.Fatal(err)
	}
	graph, err := onnx.ReadFile("testdata/decoder.onnx")
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), model.DecoderFile)
	if err := model.SaveONNXDecoder(file, graph, []int{4, 6, 4}, 1, 0); err != nil {
		f.Fatal(err)
	}
	theirs, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		f.Add(true, rng.IntN(len(ours)), byte(rng.IntN(256)))
		f.Add(false, rng.IntN(len(theirs)), byte(rng.IntN(256)))
	}
	for at := range 400 { // where sizes are said
		f.Add(true, at, byte(at*7+'9'))
	}
	eng := engine(f)
	f.Fuzz(func(t *testing.T, safe bool, at int, to byte) {
		from, name := theirs, model.DecoderFile
		if safe {
			from, name = ours, model.AutoencoderFile
		}
		buf := append([]byte(nil), from...)
		if at < 0 || at >= len(buf) {
			return
		}
		buf[at] ^= to
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, buf, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := model.OpenDecoder(file, eng)
		if err != nil {
			return
		}
		z := flow.NewBatch(1, nn.Tensor{Shape: d.Latents()}.Size())
		if z.D > 1<<16 || (nn.Tensor{Shape: d.Image()}).Size() > 1<<20 {
			return // which would only take long
		}
		if _, err := d.Decode(z); err != nil {
			t.Errorf("a decoder that was opened cannot decode: %v", err)
		}
		if safe {
			if _, err := model.OpenEncoder(file, eng); err != nil {
				t.Logf("the encoder: %v", err)
			}
		}
	})
}
