package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"flowmatch/client"
	"flowmatch/discrete"
	"flowmatch/internal/browser"
	"flowmatch/model"
	"flowmatch/run"
)

// textRun trains a small run of tokens, and returns its folder.
func textRun(t testing.TB, set ...string) string {
	t.Helper()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("the cat sat on the mat, and the dog ate it. ", 60)),
		0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := run.ParseTokenConfig(nil, append([]string{"space=tokens", "data.path=" + text, "data.length=12",
		"net.width=16", "net.depth=1", "net.heads=2", "train.steps=20", "train.batch=8", "data.val=4", "eval.steps=10"},
		set...))
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "text")
	if _, err := run.TrainTokens(t.Context(), cfg, out, run.TokenOptions{}); err != nil {
		t.Fatal(err)
	}
	return out
}

// A service draws the sequences of tokens that the folder gives, whatever else it is asked for meanwhile.
func TestAModelOfTokensIsSampled(t *testing.T) {
	dir := textRun(t)
	_, h := started(t, Options{Runs: []string{dir, trained(t, filepath.Join(t.TempDir(), "moons"))}, Workers: 1})
	r, err := run.OpenTokens(dir, run.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	of := func(seed uint64, n int) (all [][]any) {
		x, _, err := r.Model.Sample(t.Context(), model.TokenSampling{N: n, Sampler: r.Config.Eval.Sampling(seed)})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			all = append(all, []any{r.Model.Spec().Vocabulary.Decode(x.Row(i))})
		}
		return all
	}
	c := &client.Client{URL: h.URL}
	var wait sync.WaitGroup
	for seed := range uint64(12) {
		wait.Go(func() {
			s, err := c.Sample(t.Context(), "text", client.SampleRequest{N: 3 + int(seed), Seed: &seed})
			if err != nil || !reflect.DeepEqual(s.X, of(seed, 3+int(seed))) {
				t.Errorf("seed %d: %v, %v", seed, s.X, err)
			}
		})
	}
	wait.Wait()

	seed := uint64(7)
	b := client.SampleRequest{N: 2, Seed: &seed}
	two := of(7, 2)
	f, err := c.SampleFile(t.Context(), "text", b, client.Plain)
	if want := fmt.Sprintf("%s\n%s\n%s\n", two[0][0], run.SampleBreak, two[1][0]); err != nil ||
		string(f.Body) != want || f.Solver != "exact steps=10" {
		t.Errorf("as text: %+v, %v", f, err)
	}
	if f, err = c.SampleFile(t.Context(), "text", b, client.NPY); err != nil ||
		!strings.Contains(string(f.Body[:128]), "(2, 12)") || len(f.Body) != 128+2*12*4 {
		t.Errorf("as levels: %v", err)
	}
	var states []client.State
	s, err := c.Stream(t.Context(), "text", client.StreamRequest{SampleRequest: b, Times: []float64{0, 0.45, 0.5, 1}},
		func(st client.State) error {
			states = append(states, st)
			return nil
		})
	switch {
	case err != nil || len(states) != 4 || !reflect.DeepEqual(s.X, two):
		t.Errorf("on the way: %v, %d states, %v", s, len(states), err)
	case states[0].X[0][0] != strings.Repeat("▁", 12) || !reflect.DeepEqual(states[3].X, two):
		t.Errorf("it begins at %v and ends at %v", states[0].X, states[3].X)
	case reflect.DeepEqual(states[1].Tokens, states[2].Tokens):
		t.Error("no token has jumped in the step before 0.5")
	}
	text := two[0][0].(string)
	bound, err := c.Bound(t.Context(), "text", client.BoundRequest{Texts: []string{text, text}, Seed: &seed, Draws: 4})
	ids, _ := r.Model.Spec().Vocabulary.Encode(text + text)
	want, each, _ := r.Model.Bound(t.Context(), discrete.Tokens{N: 2, L: 12, X: ids},
		nil, discrete.ELBOOptions{Draws: 4, Seed: 7}, nil)
	if err != nil || bound.ELBO[0] != -each[0] || bound.Bits != want.Bits || bound.BitsSE != want.BitsSE {
		t.Errorf("a bound: %+v, %v; want %v", bound, err, each)
	}
}

// What does not go with tokens, or with points, is an error that says so.
func TestRequestsForTokensAndForPointsAreApart(t *testing.T) {
	_, h := started(t, Options{Runs: []string{textRun(t), trained(t, filepath.Join(t.TempDir(), "moons"))},
		MaxNFE: 5000})
	for _, c := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"text/sample", `{"n": 1, "logp": true}`, 422, "logp: the model is of sequences of tokens"},
		{"text/sample", `{"n": 1, "label": "1"}`, 422, "label: the model has no classes"},
		{"text/sample", `{"n": 1, "guidance": 2}`, 422, "guidance: the model was not trained for it"},
		{"text/sample", `{"n": 1, "rtol": 0.1}`, 422, "rtol: the model is of sequences of tokens"},
		{"text/sample", `{"n": 1, "solver": "dopri5"}`, 422, "it must be one of exact, euler"},
		{"text/sample", `{"n": 1, "corrector": 1}`, 422, "corrector is set, but the solver exact has none"},
		{"text/sample", `{"n": 1, "temperature": 0}`, 422, "temperature is 0; it must be above 0"},
		{"text/sample", `{"n": 1, "steps": 5001}`, 422, "5000 evaluations"},
		{"text/sample", `{"n": 200000}`, 422, "at most 100000"},
		{"text/sample", `{"n": 1, "solver": "euler", "corrector": 2, "top_p": 0.9, "temperature": 0.5}`, 200,
			"euler steps=10 temperature=0.5 top_p=0.9 corrector=2"},
		{"text/stream", `{"n": 1, "times": [0.5, 0.2]}`, 422, "rise from 0 to 1"},
		{"text/logp", `{"x": [[1]]}`, 422, "ask /sample, /stream or /bound"},
		{"text/impute", `{"rows": []}`, 422, "ask /sample, /stream or /bound"},
		{"text/bound", `{"texts": ["the cat"]}`, 422, "text 1 has 7 tokens (chars); the model bounds sequences of 12"},
		{"text/bound", `{"texts": ["the cat sat Q"]}`, 422, "which is not among the"},
		{"text/bound", `{"texts": []}`, 422, "array"},
		{"moons/bound", `{"texts": ["the cat sat "]}`, 422, "ask /logp"},
		{"moons/sample", `{"n": 1, "temperature": 0.5}`, 422, "temperature: it is of sequences of tokens"},
		{"moons/stream", `{"n": 1, "top_p": 0.5}`, 422, "top_p: it is of sequences of tokens"},
	} {
		code, text, _ := post(t, h.URL+"/v1/models/"+c.path, c.body)
		if code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s; want %d, %s", c.path, c.body, code, text, c.code, c.want)
		}
	}
	if code, text, _ := post(t, h.URL+"/v1/models/text/sample", `{"n": 1}`, "Accept", client.PNG); code !=
		http.StatusNotAcceptable || !strings.Contains(text, client.Plain) {
		t.Errorf("a picture: %d %s", code, text)
	}
	const tensors = `"inputs":[{"name":"n","datatype":"INT64","shape":[1]},` +
		`{"name":"seed","datatype":"UINT64","shape":[1]},{"name":"infill","datatype":"BYTES","shape":[1]},` +
		`{"name":"text","datatype":"BYTES","shape":[-1]}],` +
		`"name":"text","outputs":[{"name":"text","datatype":"BYTES","shape":[-1]},` +
		`{"name":"tokens","datatype":"INT64","shape":[-1,-1]},{"name":"elbo","datatype":"FP64","shape":[-1]}]`
	if code, text, _ := get(t, h.URL+"/v2/models/text"); code != 200 || !strings.Contains(text, tensors) {
		t.Errorf("the Open Inference Protocol: %d %s", code, text)
	}
	for path, want := range map[string]string{"": `"tokens":{"kind":"chars","length":12`,
		"/run": `"kind":"text"`, "/metrics": `"steps":20`} {
		if code, text, _ := get(t, h.URL+"/v1/models/text"+path); code != 200 || !strings.Contains(text, want) ||
			strings.Contains(text, os.TempDir()) {
			t.Errorf("%s: %d %s; want %s", path, code, text, want)
		}
	}
}

// carsRun trains a small run of rows with classes.
func carsRun(t *testing.T) *run.TokenRun {
	t.Helper()
	text := "size,colour,kind\n"
	for i := range 60 {
		text += []string{"big,red,bus\n", "small,blue,car\n", "big,blue,bus\n"}[i%3]
	}
	file := filepath.Join(t.TempDir(), "cars.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := run.ParseTokenConfig(nil, []string{"space=tokens", "data.path=" + file, "data.label=kind",
		"net.width=16", "net.depth=1", "net.heads=2", "train.steps=20", "train.batch=8", "data.val=4", "eval.steps=5",
		"train.label_dropout=0.2"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := run.TrainTokens(t.Context(), cfg, filepath.Join(t.TempDir(), "cars"), run.TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Rows of a table with classes are those of the folder, of one class, of each in turn, and guided.
func TestRowsOfATableAreServed(t *testing.T) {
	r := carsRun(t)
	_, h := started(t, Options{Runs: []string{r.Dir}, Workers: 1})
	c, seed := &client.Client{URL: h.URL}, uint64(3)
	for want, b := range map[string]client.SampleRequest{
		"turn":   {N: 5, Seed: &seed},
		"one":    {N: 5, Seed: &seed, Label: client.Labels{"car"}},
		"guided": {N: 5, Seed: &seed, Label: client.Labels{"car"}, Guidance: new(2.0)},
	} {
		o := model.TokenSampling{N: 5, Label: []int32{0, 1, 0, 1, 0}, Guidance: b.Guidance,
			Sampler: r.Config.Eval.Sampling(seed)}
		if b.Label != nil {
			o.Label = []int32{1, 1, 1, 1, 1}
		}
		x, _, err := r.Model.Sample(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Sample(t.Context(), "cars", b)
		if err != nil || len(s.X) != 5 || !reflect.DeepEqual(s.Columns, []string{"size", "colour"}) {
			t.Fatalf("%s: %+v, %v", want, s, err)
		}
		for i, row := range s.X {
			if cells := r.Model.Spec().Vocabulary.Cells(x.Row(i)); row[0] != cells[0] || row[1] != cells[1] {
				t.Errorf("%s: row %d is %v, want %v", want, i, row, cells)
			}
		}
	}
	x := discrete.Tokens{N: 1, L: 2, X: []int32{0, 1}}
	want, _, err := r.Model.Bound(t.Context(), x, []int32{0}, discrete.ELBOOptions{Draws: 4, Seed: 7}, nil)
	if err != nil {
		t.Fatal(err)
	}
	draws := uint64(7)
	b := client.BoundRequest{Texts: []string{"big,red"}, Label: client.Labels{"bus"}, Seed: &draws, Draws: 4}
	if got, err := c.Bound(t.Context(), "cars", b); err != nil || got.Bits != want.Bits {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for text, b := range map[string]client.SampleRequest{
		`no class is called "van"`: {N: 1, Label: client.Labels{"van"}},
		"2 classes are given":      {N: 1, Label: client.Labels{"bus", "car"}},
		"given: the model is of":   {N: 1, Given: client.Rows{{"size": "big"}}},
	} {
		if _, err := c.Sample(t.Context(), "cars", b); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v; want %q", err, text)
		}
	}
	rowsFilledIn(t, c, r)
	rowsInferred(t, h.URL+"/v2/models/cars", c)
	b.Label = nil
	_, err = c.Bound(t.Context(), "cars", b)
	if err == nil || !strings.Contains(err.Error(), "the model has classes; give one for all texts") {
		t.Errorf("a bound without a class: %v", err)
	}
}

// rowsFilledIn tests that a service fills rows of cars in as the run does, each with its class and guidance, though
// requests with others are solved for at the same time.
func rowsFilledIn(t *testing.T, c *client.Client, r *run.TokenRun) {
	t.Helper()
	var wait sync.WaitGroup
	for seed := range uint64(8) {
		wait.Go(func() {
			class, row := int32(seed%2), []string{"big,▁", ",red"}[seed/2%2]
			known := map[string][]int32{"big,▁": {0, model.Unknown}, ",red": {model.Unknown, 1}}[row]
			o := model.TokenSampling{N: 3, Label: []int32{class, class, class}, Sampler: r.Config.Eval.Sampling(seed)}
			if seed/4 == 1 {
				o.Guidance = new(3.0)
			}
			x, _, err := r.Model.Infill(t.Context(), discrete.Tokens{N: 1, L: 2, X: known}, o)
			if err != nil {
				t.Error(err)
				return
			}
			s, err := c.Sample(t.Context(), "cars", client.SampleRequest{N: 3, Seed: &seed, Infill: &row,
				Label: client.Labels{client.Text(r.Model.Spec().Classes[class])}, Guidance: o.Guidance})
			if err != nil || len(s.X) != 3 || s.Labels[2] != r.Model.Spec().Classes[class] {
				t.Errorf("%d: %+v, %v", seed, s, err)
				return
			}
			for i, got := range s.X {
				if cells := r.Model.Spec().Vocabulary.Cells(x.Row(i)); got[0] != cells[0] || got[1] != cells[1] {
					t.Errorf("%d: row %d is filled in as %v, want %v", seed, i, got, cells)
				}
			}
		})
	}
	wait.Wait()
	for text, of := range map[string]struct {
		x []int32
		o model.TokenSampling
	}{
		"rows of 4 tokens; the model has rows of 2":  {[]int32{0, 1, -1, 1}, model.TokenSampling{N: 1}},
		"of sequence 0 is 2; it must be from 0 to 1": {[]int32{-1, 2}, model.TokenSampling{N: 1}},
		"guidance needs labels":                      {[]int32{-1, 1}, model.TokenSampling{N: 1, Guidance: new(2.0)}},
		"2 labels for 3 sequences":                   {[]int32{-1, 1}, model.TokenSampling{N: 3, Label: []int32{0, 1}}},
	} {
		of.o.Sampler = r.Config.Eval.Sampling(1)
		x := discrete.Tokens{N: 1, L: len(of.x), X: of.x}
		if _, _, err := r.Model.Infill(t.Context(), x, of.o); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v; want %q", err, text)
		}
	}
	car := client.Labels{"car"}
	for text, b := range map[string]client.SampleRequest{
		"label: what is filled in has a class":    {N: 1, Infill: new("big,▁")},
		"extend it":                               {N: 1, Infill: new("big,▁"), Extend: 2, Label: car},
		"the row has no ▁":                        {N: 1, Infill: new("big,red"), Label: car},
		"may stand in the row itself":             {N: 1, Infill: new("big,red"), Mark: "red", Label: car},
		"there are 4 tokens; a row of the model":  {N: 1, Infill: new("big,▁\nbig,▁"), Label: car},
		`column "colour": "rde" is none of its`:   {N: 1, Infill: new("▁,rde"), Label: car},
		"infill: a row of 2 cells (size, colour)": {N: 1, Infill: new("big"), Label: car},
	} {
		if _, err := c.Sample(t.Context(), "cars", b); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v; want %q", err, text)
		}
	}
}

// rowsInferred tests that the Open Inference Protocol has the columns of cars, and their classes.
func rowsInferred(t *testing.T, url string, c *client.Client) {
	t.Helper()
	want, err := c.Sample(t.Context(), "cars", client.SampleRequest{N: 3, Seed: new(uint64(5))})
	if err != nil {
		t.Fatal(err)
	}
	code, body, _ := post(t, url+"/infer", `{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [3]}],
		"parameters": {"seed": 5}}`)
	var got inferAnswer
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK || len(got.Outputs) != 4 {
		t.Fatal(code, body)
	}
	for k, name := range []string{"x.size", "x.colour", "tokens", "label"} {
		if out := got.Outputs[k]; out.Name != name || out.Shape[0] != 3 {
			t.Errorf("output %d is %+v, want %s", k, out, name)
		}
	}
	for i, row := range want.X {
		if got.Outputs[0].Data[i] != row[0] || got.Outputs[1].Data[i] != row[1] ||
			got.Outputs[3].Data[i] != want.Labels[i] || want.Labels[i] != []string{"bus", "car"}[i%2] {
			t.Errorf("row %d is %s, want %v of %s", i, body, row, want.Labels[i])
		}
	}
	bound, err := c.Bound(t.Context(), "cars", client.BoundRequest{Texts: []string{"big,red", "small,blue"},
		Label: client.Labels{"car"}, Seed: new(uint64(2)), Draws: 4})
	if err != nil {
		t.Fatal(err)
	}
	code, body, _ = post(t, url+"/infer", `{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [2],
		"data": ["big,red", "small,blue"]}, {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["car"]}],
		"parameters": {"seed": 2, "draws": 4}}`)
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK ||
		got.Outputs[0].Data[1] != bound.ELBO[1] {
		t.Errorf("bounds: %d %s, want %v", code, body, bound.ELBO)
	}
	file, err := c.SampleFile(t.Context(), "cars", client.SampleRequest{N: 3, Seed: new(uint64(5))}, client.CSV)
	lines := "size,colour,kind\n"
	for i, row := range want.X {
		lines += fmt.Sprintf("%s,%s,%s\n", row[0], row[1], want.Labels[i])
	}
	if err != nil || string(file.Body) != lines {
		t.Errorf("%v %q, want %q", err, file.Body, lines)
	}
}

// The page shows rows as the cells of their columns.
func TestRowsOfTokensAreShownInABrowser(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = []string{carsRun(t).Dir} })
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	show(p, "cars", "tokens")
	p.Wait(`document.querySelectorAll(".sequences .sequence").length === 4`)
	p.Wait(`[...document.querySelectorAll(".sequences .sequence")].every((e) =>
		/^(big|small) (red|blue) $/.test(e.textContent))`)
	p.Eval(`((e) => { e.value = 0; e.dispatchEvent(new Event("input", { bubbles: true })); })(
		document.querySelector(".under input[type=range]"))`, nil)
	p.Wait(`[...document.querySelectorAll(".sequences .sequence")].every((e) => e.textContent === "▁ ▁ ")`)
	complaints(t, p)
}
