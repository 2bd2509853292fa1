package serve

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bodies are requests that are right, or nearly, of which others are made.
var bodies = map[string][]string{
	"v1/models/moons/sample": {`{"n": 3, "seed": 1, "label": 1, "logp": true}`,
		`{"n": 2, "solver": "euler", "steps": 3}`, `{"n": 1, "rtol": 1e-3, "atol": 1e-3, "label": ["0"]}`,
		`{"n": 2, "noise": [[0.1, 0.2], [1, 2]], "with": ["noise", "nfe"]}`,
		`{"n": 2, "solver": "ddim", "eta": 0.5, "steps": 3}`,
		`{"n": 1, "solver": "heun_sde", "diffusion": "sigma:0.5"}`},
	"v1/models/moons/stream": {`{"n": 2, "times": [0, 0.5, 1], "steps": 2, "solver": "euler"}`},
	"v1/models/moons/logp":   {`{"x": [[0.1, 0.2], {"c0": 1, "c1": 2}], "label": [0, 1], "t": 0.5}`},
	"v1/models/moons/field":  {`{"x": [[0.1, 0.2], {"c0": 1, "c1": 2}], "t": 0.5, "label": [0, 1]}`},
	"v1/models/moons/complete": {`{"x": [[0.1, null], [null, null]], "n": 2, "label": [0, 1], "steps": 2,
		"solver": "euler"}`},
	"v1/models/people/sample": {`{"n": 2, "given": [{"age": 30, "city": "Rome"}, {"height": null}], "complete": true}`},
	"v1/models/people/logp": {`{"x": [[30, "Rome", 1.7, "DE"], {"age": null, "city": "Oslo", "height": 1.6}],
		"seed": 3}`},
	"v1/models/people/impute": {`{"rows": [{"age": null, "city": "Rome", "note": "x"}, {"height": 1.5}], "n": 2}`},
	"v2/models/moons/infer": {`{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [2]},
		{"name": "label", "datatype": "BYTES", "shape": [1], "data": ["1"]}],
		"outputs": [{"name": "x", "parameters": {"binary_data": true}}]}`,
		`{"parameters": {"seed": 1}, "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2],
			"data": [[1, 2]]}]}`},
	"v1/models/text/sample": {`{"n": 2, "temperature": 0.8, "top_p": 0.9, "solver": "euler", "corrector": 1}`,
		`{"n": 2, "infill": "the c▁▁ sat", "extend": 3, "steps": 4}`, `{"n": 1, "infill": "a []t", "mark": "[]"}`},
	"v1/models/text/stream": {`{"n": 1, "infill": "the ▁▁", "times": [0, 0.5, 1]}`},
	"v1/models/text/bound":  {`{"texts": ["the cat sat "], "draws": 2, "seed": 1}`},
	"v2/models/text/infer": {`{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1],
		"data": ["the cat sat "]}], "parameters": {"draws": 2}}`,
		`{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [2]},
		{"name": "infill", "datatype": "BYTES", "shape": [1], "data": ["the ▁"]}], "parameters": {"extend": 2}}`},
	"v1/models/places/sample": {`{"n": 2, "noise": [[0, 0, 1], [1, 0, 0]]}`, `{"n": 1, "solver": "euler", "steps": 2}`},
	"v1/models/places/logp":   {`{"x": [[10, 20], {"longitude": 0, "latitude": 90}], "t": 0.5}`},
	"v2/models/people/infer":  {`{"inputs": [{"name": "x.age", "datatype": "INT8", "shape": [1], "data": [30]}]}`},
}

// accepts are what a mutated request accepts, in turn.
var accepts = []string{"", "text/csv", "application/x-npy", "application/x-npz", "image/png", "*/*;q=2", "\x00,;;q="}

// fuzzed returns a server for mutated requests: small limits keep those that are right short.
func fuzzed(t testing.TB) http.Handler {
	t.Helper()
	dirs := []string{trained(t, filepath.Join(t.TempDir(), "moons")), tableOf(t), textRun(t), placesRun(t)}
	s, err := New(Options{Runs: dirs, MaxPoints: 50, MaxNFE: 200, MaxBody: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.Handler()
}

// statusOfBody posts a body and returns how it is answered.
func statusOfBody(h http.Handler, path, accept, head, body string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, "/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	if head != "" {
		r.Header.Set(headLength, head)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text := w.Body.String()
	if strings.Contains(text, `event: error`) && strings.Contains(text, `"status":500`) {
		return http.StatusInternalServerError, text
	}
	return w.Code, text
}

// mutated returns a body with a few of its parts changed.
func mutated(rng *rand.Rand, body string) string {
	words := []string{`"`, "{", "}", "[", "]", ",", ":", "null", "true", "-1", "0", "1e308", "1e-320", "NaN", `""`,
		"18446744073709551616", `"\u0000"`, "[]", "{}", "[[]]", "\xff", `"x"`, "9007199254740993",
		`{"a": {"b": []}}`, "3.5"}
	for range 1 + rng.IntN(3) {
		at := rng.IntN(len(body) + 1)
		end := min(len(body), at+rng.IntN(8))
		body = body[:at] + words[rng.IntN(len(words))] + body[end:]
	}
	return body
}

// TestMalformedRequestsAreRefused: with 4xx, and whatever is malformed.
func TestMalformedRequestsAreRefused(t *testing.T) {
	h, rng, counts := fuzzed(t), rand.New(rand.NewPCG(1, 2)), map[int]int{}
	paths := slices.Sorted(maps.Keys(bodies))
	for k := range 1500 {
		path := paths[k%len(paths)]
		body := mutated(rng, bodies[path][rng.IntN(len(bodies[path]))])
		head := ""
		if k%5 == 0 {
			head = []string{"7", "-1", fmt.Sprint(len(body))}[rng.IntN(3)]
		}
		code, text := statusOfBody(h, path, accepts[rng.IntN(len(accepts))], head, body)
		if counts[code]++; code >= 500 && code != http.StatusGatewayTimeout {
			t.Errorf("%s %q: %d %s", path, body, code, text)
		}
	}
	if counts[200] == 0 || counts[400]+counts[422] < 100 {
		t.Errorf("answers by status: %v; want some of all kinds", counts)
	}
}

// FuzzBodies: no body is answered with 500, nor ends the program.
func FuzzBodies(f *testing.F) {
	h := fuzzed(f)
	var paths []string
	for path, some := range bodies {
		paths = append(paths, path)
		for _, body := range some {
			f.Add(path, "application/json", "", body)
		}
	}
	f.Fuzz(func(t *testing.T, path, accept, head, body string) {
		if !slices.Contains(paths, path) {
			t.Skip("another path")
		}
		if code, text := statusOfBody(h, path, accept, head, body); code >= 500 && code != http.StatusGatewayTimeout {
			t.Errorf("%s %q: %d %s", path, body, code, text)
		}
	})
}
