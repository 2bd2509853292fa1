package serve

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/model"
)

// fromImages trains runs on the images of imageRun without classes: one makes them larger, one fills them in.
func fromImages(t *testing.T) (larger, painted string) {
	t.Helper()
	plain := []string{"conditional=false", "train.label_dropout=0", "net.unet=null", "net.hidden=[8]"}
	of := func(name string, set ...string) string {
		dir := imageRun(t, append(plain, set...)...)
		if err := os.Rename(dir, filepath.Join(filepath.Dir(dir), name)); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(filepath.Dir(dir), name)
	}
	return of("larger", "condition.kind=superres", "condition.factor=2"),
		of("painted", "condition.kind=inpaint", "condition.mask=random")
}

// Images are made from images as the model does, small ones or whole.
func TestImagesAreMadeFromImages(t *testing.T) {
	larger, painted := fromImages(t)
	s, h := started(t, Options{Runs: []string{larger, painted}})
	image := func(n, size int) (all [][]float64) {
		for i := range n {
			all = append(all, make([]float64, size))
			for k := range size {
				all[i][k] = float64((k*k+3*i)%7)/4 - 0.75
			}
		}
		return all
	}
	flat := func(rows [][]float64) flow.Batch {
		return flow.Batch{N: len(rows), D: len(rows[0]), X: slices.Concat(rows...)}
	}
	seed := uint64(3)
	for k, name := range []string{"larger", "painted"} {
		r := s.entries[k].current.Load()
		how, err := r.Config.Eval.Sampler()
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{8, 32} {
			if size == 8 && name == "painted" {
				continue
			}
			rows := image(2, size)
			context := flow.NewBatch(2, r.Model.Conditioner().Dim())
			if size == 8 {
				err = r.Model.Conditioner().Enlarge(context, flat(rows))
			} else {
				context, err = r.Model.ContextOf(flat(rows), r.Config.Seed)
			}
			if err != nil {
				t.Fatal(err)
			}
			of := []int{0, 0, 0, 1, 1, 1} // three of each
			drawn, err := r.Model.Sample(t.Context(), model.SampleOptions{N: 6, Seed: seed, Sampler: how,
				Given: flow.Given{Context: context.Rows(of)}})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Model.Conditioner().Keep(drawn.X, context.Rows(of)); err != nil {
				t.Fatal(err)
			}
			got := ask[client.Samples](t, h.URL+"/v1/models/"+name+"/sample", client.SampleRequest{N: 3, Seed: &seed,
				Condition: rows})
			x, err := got.Numbers()
			if err != nil || !slices.Equal(slices.Concat(x...), drawn.X.X) {
				t.Errorf("%s of %d values: %v, other samples than those of the model", name, size, err)
			}
			body, _ := json.Marshal(map[string]any{"parameters": map[string]any{"n": 3, "seed": seed}, "inputs": []any{
				map[string]any{"name": "condition", "datatype": "FP64", "shape": []int{2, size}, "data": rows}}})
			code, text, _ := post(t, h.URL+"/v2/models/"+name+"/infer", string(body))
			var infer inferAnswer
			if json.Unmarshal([]byte(text), &infer) != nil || code != http.StatusOK ||
				infer.Outputs[0].Data[191] != x[5][31] || !slices.Equal(infer.Outputs[0].Shape, []int{6, 4, 8}) {
				t.Errorf("%s: by the protocol %d %.200s", name, code, text)
			}
		}
		// The density of an image is that given what itself shows, unless a condition is named.
		points := flat(image(2, 32))
		context, err := r.Model.ContextOf(points, r.Config.Seed)
		if err != nil {
			t.Fatal(err)
		}
		solver, _ := r.Config.Eval.DensitySolver()
		div, _ := r.Config.Eval.DivergenceFor(32, r.Config.Seed)
		want, _, err := r.Model.LogProb(t.Context(), points, model.LikelihoodOptions{Solver: solver, Divergence: div,
			Given: flow.Given{Context: context}})
		if err != nil {
			t.Fatal(err)
		}
		b := client.LogPRequest{}
		for _, row := range image(2, 32) {
			var p client.Point
			for _, v := range row {
				p.Values = append(p.Values, v)
			}
			b.X = append(b.X, p)
		}
		for range 2 {
			if got := ask[client.LogP](t, h.URL+"/v1/models/"+name+"/logp", b); *got.LogP[0] != want[0] ||
				*got.LogP[1] != want[1] {
				t.Errorf("%s: log p %v and %v, of the model %v", name, *got.LogP[0], *got.LogP[1], want)
			}
			b.Condition = image(2, 32)
		}
	}
	const url = "/v1/models/larger/"
	for _, c := range []struct{ path, body, want string }{
		{"sample", `{"n": 1}`,
			"condition: the model makes images from images (superres, factor 2); give some, small or whole"},
		{"sample", `{"n": 1, "condition": [[1, 2]]}`, "image 1 has 2 values; a whole one has 32, and a small one 8"},
		{"sample", `{"n": 1, "condition": [[0,0,0,0,0,0,0,3]]}`, "value 8 of image 1 is 3; pixels are from -1 to 1"},
		{"sample", `{"n": 1, "condition": [[0,0,0,0,0,0,0,0], [0]]}`, "image 2 has 1 values"},
		{"sample", `{"n": 1, "condition": [[0,0,0,0,0,0,0,0]], "given": {"a": 1}}`, "leave one of them out"},
		{"sample", `{"n": 1, "given": {"a": 1}}`, "given: the model takes no context"},
		{"field", `{"t": 1, "x": [[0]]}`, "x: point 1 has 1 values"},
		{"complete", `{"x": [[0]]}`, "no pixels to fill in"},
	} {
		if code, text, _ := post(t, h.URL+url+c.path, c.body); code != 422 || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s; want %s", c.path, c.body, code, text, c.want)
		}
	}
	if _, text, _ := get(t, h.URL+"/v2/models/larger"); !strings.Contains(text,
		`{"name":"condition","datatype":"FP64","shape":[-1,2,4]}`) {
		t.Errorf("the protocol: %s", text)
	}
	_, h = serving(t, nil)
	if code, text, _ := post(t, h.URL+"/v1/models/moons/sample", `{"n": 1, "condition": [[1, 2]]}`); code != 422 ||
		!strings.Contains(text, "makes no images from images") {
		t.Errorf("points from images: %d %s", code, text)
	}
}
