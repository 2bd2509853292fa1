package serve

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"flowmatch/client"
	"flowmatch/discrete"
	"flowmatch/model"
	"flowmatch/run"
)

// filled is what a run fills a text in with, n times.
func filled(t *testing.T, r *run.TokenRun, text, mark string, extend, n int, seed uint64) (
	all []any, x discrete.Tokens,
) {
	t.Helper()
	known, err := r.Model.Marked(text, mark, extend)
	if err != nil {
		t.Fatal(err)
	}
	x, _, err = r.Model.Infill(t.Context(), discrete.Tokens{N: 1, L: len(known), X: known}, model.TokenSampling{N: n,
		Sampler: r.Config.Eval.Sampling(seed)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		all = append(all, r.Model.Spec().Vocabulary.Decode(x.Row(i)))
	}
	return all, x
}

// drafts are shorter than a window of textRun, as long as one, and of several.
var drafts = []string{"the c▁▁", "the ▁▁▁ sat ", "▁▁▁ cat sat on the m▁▁▁ and the dog a▁e", "a cat▁"}

// A service fills texts in as the folder does, whatever is filled in or drawn beside.
func TestTextsAreFilledIn(t *testing.T) {
	dir := textRun(t)
	_, h := started(t, Options{Runs: []string{dir}, Workers: 1})
	r, err := run.OpenTokens(dir, run.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := &client.Client{URL: h.URL}
	var wait sync.WaitGroup
	for seed := range uint64(16) {
		wait.Go(func() {
			text, n := drafts[seed%4], 1+int(seed)%3
			want, _ := filled(t, r, text, model.DefaultMark, int(seed/8)*5, n, seed)
			s, err := c.Sample(t.Context(), "text", client.SampleRequest{N: n, Seed: &seed, Infill: &text,
				Extend: int(seed/8) * 5})
			if err != nil {
				t.Error(err)
				return
			}
			for i, row := range s.X {
				if row[0] != want[i] {
					t.Errorf("seed %d, %q: %q, of the folder %q", seed, text, row[0], want[i])
				}
			}
		})
	}
	wait.Wait()

	seed, text := uint64(3), "the [] []"
	want, x := filled(t, r, text, "[]", 2, 2, seed)
	b := client.SampleRequest{N: 2, Seed: &seed, Infill: &text, Mark: "[]", Extend: 2}
	f, err := c.SampleFile(t.Context(), "text", b, client.NPY)
	if levels := binary.LittleEndian.AppendUint32(nil, uint32(x.X[0])); err != nil ||
		!strings.Contains(string(f.Body[:128]), "(2, 9)") || string(f.Body[128:132]) != string(levels) {
		t.Errorf("as levels: %v, %q", err, f.Body)
	}
	var states []client.State
	s, err := c.Stream(t.Context(), "text", client.StreamRequest{SampleRequest: b, Times: []float64{0, 1}},
		func(st client.State) error {
			states = append(states, st)
			return nil
		})
	switch {
	case err != nil || len(states) != 2:
		t.Fatalf("on the way: %v, %d states", err, len(states))
	case states[0].X[1][0] != "the ▁ ▁▁▁" || len(states[0].Tokens[0]) != 9:
		t.Errorf("it begins at %v", states[0])
	case s.X[1][0] != want[1] || !reflect.DeepEqual(states[1].X, s.X):
		t.Errorf("it ends at %v and %v, of the folder %v", states[1].X, s.X, want)
	}
}

// What cannot be filled in says so, before it costs anything.
func TestTextsThatAreNotFilledIn(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "moons")
	_, h := started(t, Options{Runs: []string{textRun(t), trained(t, plain)}, MaxNFE: 100})
	_, u := started(t, Options{Runs: []string{textRun(t, "path.source=uniform")}})
	for _, c := range []struct{ url, body, want string }{
		{"text/sample", `{"n": 1, "infill": "the cat"}`, "mark: the text has no ▁"},
		{"text/sample", `{"n": 1, "infill": "the cat", "mark": "c"}`, "may stand in the text itself"},
		{"text/sample", `{"n": 1, "infill": "the ▁", "mark": ""}`, "mark"},
		{"text/sample", `{"n": 1, "infill": "the Q▁"}`, "infill: line 1 has 'Q'"},
		{"text/sample", `{"n": 1, "mark": "_"}`, "mark: it is of infill"},
		{"text/sample", `{"n": 1, "extend": 3}`, "extend: it is of infill"},
		{"text/sample", `{"n": 1, "infill": "▁", "extend": 3.5}`, "extend"},
		{"text/sample", `{"n": 1, "infill": "▁", "extend": 16777216}`, "16777216 tokens more; at most 66"},
		{"text/sample", `{"n": 1, "infill": "` + strings.Repeat("a", 70) + `▁"}`, "has 71 tokens; at most 66"},
		{"text/sample", `{"n": 1, "infill": "` + strings.Repeat("a", 1000) + `▁"}`, "has 1003 bytes; at most 66"},
		{"text/sample", `{"n": 1, "infill": null}`, "infill: null"},
		{"text/sample", `{"n": 999999, "infill": "▁"}`, "at most 100000"},
		{"text/stream", `{"n": 1, "infill": "▁ cat sat on the mat"}`, "window by window"},
		{"text/bound", `{"texts": ["` + strings.Repeat("a", 50) + `"]}`, "text 1 has 50 bytes; 12 tokens (chars) have"},
		{"moons/sample", `{"n": 1, "infill": "▁"}`, "infill: it is of sequences of tokens"},
	} {
		code, text, _ := post(t, h.URL+"/v1/models/"+c.url, c.body)
		if code != http.StatusUnprocessableEntity || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s; want %s", c.url, c.body, code, text, c.want)
		}
	}
	if code, text, _ := post(t, u.URL+"/v1/models/text/sample", `{"n": 1, "infill": "▁"}`); code != 422 ||
		!strings.Contains(text, "train.shown above 0") {
		t.Errorf("a model that was not told what is known: %d %s", code, text)
	}
	for url, want := range map[string]bool{h.URL: true, u.URL: false} {
		if _, text, _ := get(t, url+"/v1/models/text"); strings.Contains(text, `"infill":true`) != want {
			t.Errorf("%s; can texts be filled in? %v", text, want)
		}
	}
}

// The Open Inference Protocol has the texts and the tokens of the other routes, in JSON and in binary.
func TestInferenceOfTokens(t *testing.T) {
	dir := textRun(t)
	_, h := started(t, Options{Runs: []string{dir}})
	r, err := run.OpenTokens(dir, run.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	url := h.URL + "/v2/models/text/infer"
	want := ask[client.Samples](t, h.URL+"/v1/models/text/sample", client.SampleRequest{N: 2, Seed: new(uint64(4)),
		How: client.How{Solver: "euler", Steps: 7}})
	code, body, _ := post(t, url, `{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [2]}],
		"parameters": {"seed": 4, "solver": "euler", "steps": 7}}`)
	var got inferAnswer
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK || len(got.Outputs) != 2 {
		t.Fatal(code, body)
	}
	for i, row := range want.X {
		ids, _ := r.Model.Spec().Vocabulary.Encode(row[0].(string))
		for k, id := range ids {
			if got.Outputs[1].Data[12*i+k] != float64(id) {
				t.Errorf("token %d of sequence %d is %v, want %d", k, i, got.Outputs[1].Data[12*i+k], id)
			}
		}
		if got.Outputs[0].Data[i] != row[0] || !slices.Equal(got.Outputs[1].Shape, []int{2, 12}) {
			t.Errorf("sequence %d is %v, want %v", i, got.Outputs[0].Data[i], row[0])
		}
	}

	texts, x := filled(t, r, drafts[2], model.DefaultMark, 3, 2, 9)
	head := fmt.Sprintf(`{"inputs":[{"name":"infill","shape":[1],"datatype":"BYTES",
		"parameters":{"binary_data_size":%d}}, {"name":"n","shape":[1],"datatype":"INT64","data":[2]},
		{"name":"seed","shape":[1],"datatype":"INT64","data":[9]}],
		"parameters":{"binary_data_output":true,"extend":3}}`, 4+len(drafts[2]))
	request := binary.LittleEndian.AppendUint32([]byte(head), uint32(len(drafts[2])))
	code, body, answered := post(t, url, string(request)+drafts[2], headLength, fmt.Sprint(len(head)))
	n, err := strconv.Atoi(answered.Get(headLength))
	if err != nil || code != http.StatusOK {
		t.Fatal(code, body)
	}
	var behind []byte
	for _, text := range texts {
		behind = append(binary.LittleEndian.AppendUint32(behind, uint32(len(text.(string)))), text.(string)...)
	}
	for _, v := range x.X {
		behind = binary.LittleEndian.AppendUint64(behind, uint64(v))
	}
	if body[n:] != string(behind) {
		t.Errorf("filled in: %q, want %q", body[n:], behind)
	}

	bound := ask[client.Bound](t, h.URL+"/v1/models/text/bound", client.BoundRequest{Seed: new(uint64(2)), Draws: 4,
		Texts: []string{want.X[0][0].(string), want.X[1][0].(string)}})
	code, body, _ = post(t, url, fmt.Sprintf(`{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [2],
		"data": [%q, %q]}], "parameters": {"seed": 2, "draws": 4}}`, want.X[0][0], want.X[1][0]))
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK ||
		got.Outputs[0].Name != "elbo" || got.Outputs[0].Data[1] != bound.ELBO[1] {
		t.Errorf("bounds: %d %s, want %v", code, body, bound.ELBO)
	}
	in := func(more string) string {
		return `{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [1]}` + more + `}`
	}
	text := `, {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["the cat sat "]}]`
	for _, c := range []struct{ body, want string }{
		{in(text), "n: it is none of bounds"},
		{`{"inputs": [` + text[1:] + `, "parameters": {"temperature": 2}}`, "temperature: it is none of bounds"},
		{`{"inputs": [` + text[1:] + `, "outputs": [{"name": "text"}]}`, "outputs: "},
		{`{"inputs": []}`, "neither n, for samples, nor text for bounds"},
		{in(`], "parameters": {"draws": 4}`), "draws: it is of bounds"},
		{in(`], "parameters": {"rtol": 0.1}`), "rtol: the model is of sequences of tokens"},
		{in(`], "parameters": {"Top_P": 0.1}`), `did you mean \"top_p\"`},
		{in(`], "parameters": {"top_q": 0.1}`), "top_p, corrector, mark, extend, draws"},
		{in(`, {"name": "infill", "datatype": "INT64", "shape": [1], "data": [1]}]`), "it is of BYTES"},
		{in(`, {"name": "infill", "datatype": "BYTES", "shape": [2], "data": ["▁", "▁"]}]`), "want one text"},
		{in(`, {"name": "x", "datatype": "FP64", "shape": [1], "data": [1]}]`), "n, seed, infill, text"},
		{in(`], "outputs": [{"name": "elbo"}]`), "outputs: "},
	} {
		if code, text, _ := post(t, url, c.body); code < 400 || code >= 500 || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s; want %q", c.body, code, text, c.want)
		}
	}
}
