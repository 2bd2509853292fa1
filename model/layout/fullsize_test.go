package layout

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
)

// decodes compares what a decoder makes of latents with what it made in PyTorch.
func decodes(t *testing.T, dir string) {
	read := func(name string) flow.Batch {
		got, err := table.Read(filepath.Join(dir, name), table.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return got.X
	}
	d, err := model.OpenDecoder(model.HasDecoder(kept(t, DecoderSource{File: dir}, []int{32, 32, 4})), engine(t))
	if err != nil {
		t.Fatal(err)
	}
	z, want := read("latents.npy"), read("decoded.npy")
	for range 2 { // the first time it is compiled
		began := time.Now()
		x, err := d.Decode(z)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%.2f s for an image", time.Since(began).Seconds())
		near(t, "decoded", x.X, want.X)
	}
}

// A network in full size outputs what it does in PyTorch. FLOWMATCH_FULL_SIZE is a folder of scripts/full-size.py,
// and FLOWMATCH_WEIGHTS may be bf16: this takes minutes and gigabytes, and is run by hand.
func TestFullSizeNetworksOutputWhatTheyDidBefore(t *testing.T) {
	dir := os.Getenv("FLOWMATCH_FULL_SIZE")
	if dir == "" {
		t.Skip("FLOWMATCH_FULL_SIZE is no folder of scripts/full-size.py")
	}
	if _, err := os.Stat(filepath.Join(dir, "decoded.npy")); err == nil {
		decodes(t, dir)
		return
	}
	text, err := os.ReadFile(filepath.Join(dir, "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		network
		Points []float64
	}
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	src := Source{Files: []string{filepath.Join(dir, "model.safetensors")}, Layout: c.Layout,
		Config: filepath.Join(t.TempDir(), "config.json")}
	settings, err := json.Marshal(c.Settings)
	if err == nil {
		err = os.WriteFile(src.Config, settings, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	eng, want := engine(t), 1e-5
	if p := os.Getenv("FLOWMATCH_WEIGHTS"); p != "" {
		if eng, err = eng.Holding(nn.Precision(p)); err != nil {
			t.Fatal(err)
		}
		want = 2e-2 // 8 bits of each weight
	}
	im, err := Import(eng, src)
	if err != nil {
		t.Fatal(err)
	}
	x := c.channelsLast(c.Points)
	for i, at := range c.Times {
		var given flow.Given
		if c.Labels != nil {
			given.Label = []int32{c.Labels[i]}
		}
		f, err := im.Model.Net().Bind(given)
		if err != nil {
			t.Fatal(err)
		}
		v, began := make([]float64, len(x)), time.Now()
		if err := f.Velocity(v, at, x); err != nil {
			t.Fatal(err)
		}
		d := off(v, c.channelsLast(c.Outputs[i]))
		t.Logf("%s at %g: off by %.2g, %.2f s for 2 points", c.Name, at, d, time.Since(began).Seconds())
		if d > want {
			t.Errorf("off by %.2g of the largest output, want at most %g", d, want)
		}
	}
}
