package serve

import (
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flowmatch/client"
)

// Every key of a request for samples has an effect on a model of its kind, or is an error: of points, of sequences of
// tokens, or of both.
func TestKeysOfOneKindAreErrorsForTheOther(t *testing.T) {
	const both, points, tokens = "", "moons", "text"
	of := map[string]struct{ kind, value string }{
		"n": {both, "1"}, "seed": {both, "1"}, "label": {both, `"0"`}, "guidance": {both, "2"}, "steps": {both, "3"},
		"solver": {both, `"euler"`}, "given": {points, `{"a": 1}`}, "complete": {points, "true"},
		"guidance_interval": {points, "[0, 1]"}, "guidance_rescale": {points, "0.5"}, "logp": {points, "true"},
		"noise": {points, "[[0, 0]]"}, "with": {points, `["nfe"]`}, "columns": {points, "2"},
		"condition": {points, "[[1]]"}, "eta": {points, "0.5"}, "diffusion": {points, `"own"`},
		"rtol": {points, "0.1"}, "atol": {points, "0.1"}, "time_grid": {points, `{"shift": 2}`},
		"temperature": {tokens, "2"}, "top_p": {tokens, "0.5"}, "corrector": {tokens, "1"}, "infill": {tokens, `"▁"`},
		"mark": {tokens, `"?"`}, "extend": {tokens, "1"},
	}
	_, h := started(t, Options{Runs: []string{textRun(t), trained(t, filepath.Join(t.TempDir(), "moons"))}})
	for _, f := range reflect.VisibleFields(reflect.TypeFor[client.SampleRequest]()) {
		key := jsonName(f)
		if key == "" {
			continue
		}
		k, ok := of[key]
		if !ok {
			t.Errorf("%s: is it of points, of tokens or of both?", key)
		}
		if k.kind == both {
			continue
		}
		other := map[string]string{points: tokens, tokens: points}[k.kind]
		code, body, _ := post(t, h.URL+"/v1/models/"+other+"/sample", `{"n": 1, "`+key+`": `+k.value+`}`)
		if code != http.StatusUnprocessableEntity || !strings.Contains(body, `"detail":"`+key+": ") {
			t.Errorf("%s of %s: %d %s; want an error that names it", key, other, code, body)
		}
	}
	for what, body := range map[string]string{"logp": `{"x": [[0, 0]]}`, "field": `{"x": [[0, 0]], "t": 0.5}`} {
		code, text, _ := post(t, h.URL+"/v1/models/moons/"+what, body)
		if code != http.StatusUnprocessableEntity || !strings.Contains(text, "label: the model has classes; give one") {
			t.Errorf("%s without a class: %d %s", what, code, text)
		}
	}
	for _, c := range []struct{ body, want string }{
		{`{"n": 1, "solver": "zz"}`, `"detail":"unknown solver`},
		{`{"n": 1, "steps": 100000}`, "take fewer steps\""},
		{`{"n": 1, "solver": "ddpm", "steps": 100000}`, "take fewer steps\""},
	} {
		if _, body, _ := post(t, h.URL+"/v1/models/moons/sample", c.body); !strings.Contains(body, c.want) {
			t.Errorf("%s: %s; want %s", c.body, body, c.want)
		}
	}
}

// The data of a model of tokens are a text or a table.
func TestRowsOfTokensAreOfATable(t *testing.T) {
	_, h := started(t, Options{Runs: []string{textRun(t), carsRun(t).Dir}})
	c := &client.Client{URL: h.URL}
	for name, want := range map[string]string{"text": "text", "cars": "table"} {
		if r, err := c.Run(t.Context(), name); err != nil || r.Kind != want {
			t.Errorf("%s: kind %+v, %v; want %s", name, r, err, want)
		}
	}
}
