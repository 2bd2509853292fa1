package layout

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/model"
	"flowmatch/model/weights"
	"flowmatch/nn"
	"flowmatch/path"
)

// imported imports a case.
func (c network) imported(t *testing.T, eng *nn.Engine, src Source) *Imported {
	t.Helper()
	im, err := Import(eng, src)
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	return im
}

// TestWhatIsExportedIsWhatWasImported goes there and back: the numbers come back bit for bit.
func TestWhatIsExportedIsWhatWasImported(t *testing.T) {
	eng := engine(t)
	for _, c := range networks(t) {
		t.Run(c.Name, func(t *testing.T) {
			tensors := c.arrays()
			im := c.imported(t, eng, c.source(t, tensors))
			dir := t.TempDir()
			file, config := filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "config.json")
			facts, err := Export(im.Model, c.Layout, file)
			if err != nil {
				t.Fatal(err)
			}
			settings := facts[slices.IndexFunc(facts, func(f Fact) bool { return f.About == "settings" })].Text
			if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
				t.Fatal(err)
			}
			again := c.imported(t, eng, Source{Files: []string{file}, Layout: c.Layout, Config: config})
			was, err := im.Model.Net().Weights()
			if err != nil {
				t.Fatal(err)
			}
			is, err := again.Model.Net().Weights()
			if err != nil || !slices.Equal(was, is) {
				t.Errorf("the weights came back otherwise (%v)", err)
			}
			if a, b := im.Model.Spec(), again.Model.Spec(); a.Prediction != b.Prediction || a.Path.Name != b.Path.Name {
				t.Errorf("a %v of %s came back as %v of %s", a.Prediction, a.Path.Name, b.Prediction, b.Path.Name)
			}
			c.compareFile(t, file, tensors)
			content, err := os.ReadFile(file)
			for _, f := range facts[len(facts)-3:] { // what it outputs, sees, and along which path
				if err != nil || !bytes.Contains(content, fmt.Appendf(nil, "%q:%q", f.About, f.Text)) {
					t.Errorf("the metadata have no %s %q (%v)", f.About, f.Text, err)
				}
			}
		})
	}
}

// compareFile compares the tensors of an export with those of the program, where nothing was left
// out and attention has the same order.
func (c network) compareFile(t *testing.T, file string, tensors map[string]weights.Array) {
	t.Helper()
	set, err := weights.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	for name, want := range tensors {
		got := set.Groups[0].Tensor(name)
		switch {
		case strings.HasPrefix(name, "pos_embed.pos"), c.Layout == "sequential": // the numbers of layers are ours
		case name == "time_embedding.linear_1.weight" && c.Settings["flip_sin_to_cos"] == false:
		case got == nil:
			t.Errorf("tensor %s is not written", name)
		case name == "pos_embed" || !slices.Equal(got.Shape, want.Dims):
		case strings.Contains(name, ".qkv.") && c.Settings["use_new_attention_order"] == true:
		default:
			if data, err := got.Data(); err != nil || !slices.Equal(data, want.Numbers) {
				t.Errorf("tensor %s is not what it was (%v)", name, err)
			}
		}
	}
}

// own makes a model of a network here, which outputs a velocity.
func own(t *testing.T, cfg nn.Config, spec model.Spec) *model.Model {
	t.Helper()
	net, err := nn.New(engine(t), cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(spec, net)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestModelsThatNoProgramHasAreNotExported(t *testing.T) {
	image := []int{8, 8, 3}
	ofImages := model.Spec{Shape: image}
	for _, c := range []struct {
		m            *model.Model
		layout, want string
	}{
		{own(t, nn.Config{Dim: 192, UNet: &nn.UNet{Image: image}}, ofImages), "torchcfm", "fewer groups"},
		{own(t, nn.Config{Dim: 192, UNet: &nn.UNet{Image: image}}, ofImages), "sit", "no DiT"},
		{own(t, nn.Config{Dim: 192, DiT: &nn.DiT{Image: image, Width: 8, Depth: 1, Heads: 2}}, ofImages), "dit",
			"no classes"},
		{own(t, nn.Config{Dim: 192, Classes: 2, DiT: &nn.DiT{Image: image, Width: 8, Depth: 1, Heads: 2}}, ofImages),
			"diffusers", "frequency_shift"},
		{own(t, nn.Config{Dim: 2, TimeFrequencies: 2}, model.Spec{}), "sequential", "features"},
		{own(t, nn.Config{Dim: 2}, model.Spec{}), "torchcfm", "with selu"},
		{own(t, nn.Config{Dim: 2}, model.Spec{Precondition: &path.Precondition{}}), "sequential", "preconditioned"},
		{own(t, nn.Config{Dim: 2}, model.Spec{}), "keras", "unknown layout"},
	} {
		file := filepath.Join(t.TempDir(), "out.safetensors")
		if _, err := Export(c.m, c.layout, file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("as %s: got %v, want %q", c.layout, err, c.want)
		}
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("as %s: a file is there (%v)", c.layout, err)
		}
	}
}
