package serve

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
	"flowmatch/run"
)

// imageRun returns the folder of a run on grey images of 4 by 8 pixels of two classes, with guidance.
func imageRun(t *testing.T, set ...string) string {
	t.Helper()
	const n = 60
	dir := t.TempDir()
	raw, labels := []byte{0, 0, 8, 3}, binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, n)
	for _, v := range []uint32{n, 4, 8} {
		raw = binary.BigEndian.AppendUint32(raw, v)
	}
	for i := range n * 4 * 8 {
		raw = append(raw, byte(i*i))
	}
	for i := range n {
		labels = append(labels, byte(i%2))
	}
	for name, b := range map[string][]byte{"x-images-idx3-ubyte": raw, "x-labels-idx1-ubyte": labels} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := run.ParseConfig(fmt.Appendf(nil, "data: {path: %q, labels_path: %q, val: 10, test: 10}\n"+
		"conditional: true\nnet: {unet: {channels: 4, mult: [1], blocks: 1}}\n"+
		"train: {steps: 3, batch: 8, label_dropout: 0.2}\neval: {solver: euler, steps: 4}\n",
		filepath.Join(dir, "x-images-idx3-ubyte"), filepath.Join(dir, "x-labels-idx1-ubyte")), set)
	if err != nil {
		t.Fatal(err)
	}
	return fitted(t, cfg, filepath.Join(dir, "pixels"))
}

func TestImagesAreAnsweredAsPictures(t *testing.T) {
	s, h := serving(t, func(o *Options) { o.Runs, o.MaxPoints = []string{imageRun(t)}, 1<<20 })
	url, r := h.URL+"/v1/models/pixels/sample", s.entries[0].current.Load()
	how, err := r.Config.Eval.Sampler()
	if err != nil {
		t.Fatal(err)
	}
	scale := 1.5
	for _, c := range []struct {
		body     string
		n, cols  int
		label    []int32
		guidance *float64
	}{
		{`{"n": 1, "label": 1}`, 1, 0, []int32{1}, nil},
		{`{"n": 6}`, 6, 0, r.GridLabels(1, 6), nil},
		{`{"n": 6, "columns": 3}`, 6, 3, r.GridLabels(2, 3), nil},
		{`{"n": 4, "label": 0, "guidance": 1.5}`, 4, 0, []int32{0, 0, 0, 0}, &scale},
	} {
		ode := how.(model.ODE)
		ode.Guidance = c.guidance
		drawn, err := r.Model.Sample(t.Context(), model.SampleOptions{N: c.n, Seed: r.Config.Seed, Sampler: ode,
			Given: flow.Given{Label: c.label}})
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := r.DrawPoints(&want, drawn.X, c.label, c.cols, run.PictureOptions{}); err != nil {
			t.Fatal(err)
		}
		code, body, head := post(t, url, c.body, "Accept", "image/png")
		if code != http.StatusOK || body != want.String() || head.Get("Content-Type") != client.PNG {
			t.Errorf("%s: %d, not the picture of the command line", c.body, code)
		}
		if _, err := png.Decode(strings.NewReader(body)); err != nil {
			t.Error(err)
		}
	}
	for body, want := range map[string]string{
		`{"n": 140000}`: "at most 131072 of this model", `{"n": 2, "logp": true}`: "logp: a picture",
	} {
		if code, text, _ := post(t, url, body, "Accept", "image/png"); code != http.StatusUnprocessableEntity ||
			!strings.Contains(text, want) {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	if m := ask[client.Samples](t, url, client.SampleRequest{N: 2}); m.Columns != nil || len(m.X[0]) != 32 {
		t.Errorf("images as JSON have columns %v and %d numbers", m.Columns, len(m.X[0]))
	}
	_, h = serving(t, nil)
	code, text, _ := post(t, h.URL+"/v1/models/moons/sample", `{"n": 2}`, "Accept", "image/png")
	if code != http.StatusNotAcceptable || !strings.Contains(text, "pictures are of images") {
		t.Errorf("a picture of points: %d %s", code, text)
	}
}

// Latents have other channels than a picture shows, which is said before they are drawn.
func TestLatentsHaveNoPicture(t *testing.T) {
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 16, Hidden: []int{4}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}, Shape: []int{2, 2, 4}}, net)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "latents")
	if _, err := run.Adopt(m, dir, run.AdoptOptions{}); err != nil {
		t.Fatal(err)
	}
	_, h := started(t, Options{Runs: []string{dir}})
	url := h.URL + "/v1/models/latents/sample"
	code, text, _ := post(t, url, `{"n": 2}`, "Accept", "image/png")
	if code != http.StatusNotAcceptable || !strings.Contains(text, "have 4 channels") {
		t.Errorf("a picture of latents: %d %s", code, text)
	}
	if got := ask[client.Samples](t, url, client.SampleRequest{N: 2}); len(got.X) != 2 || len(got.X[0]) != 16 {
		t.Errorf("latents as numbers: %d", len(got.X))
	}
}
