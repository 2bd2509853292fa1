package serve

import (
	"strings"
	"testing"
)

// What JSON readers pass over, or say in words of Go, is an error of the request.
func TestRequestsAreReadStrictly(t *testing.T) {
	_, h := serving(t, nil)
	sample, infer := "/v1/models/moons/sample", "/v2/models/moons/infer"
	for _, c := range []struct {
		path, body string
		code       int
		want       string
	}{
		{sample, `{"n": 2, "n": 3}`, 400, `the key \"n\" stands there twice`},
		{sample, `{"n": 2, "\u006e": 3}`, 400, `the key \"n\" stands there twice`},
		{sample, `{"n": 2, "given": {"a":1, "a" :2}}`, 400, `the key \"a\" stands there twice`},
		{infer, `{"inputs": [], "inputs": []}`, 400, `the key \"inputs\" stands there twice`},
		{sample, `{"n": 1, "N": 2}`, 422, `unexpected property; did you mean \"n\"?`},
		{sample, `{"n": 1, "SEED": 5}`, 422, `body.SEED`},
		{infer, `{"Inputs": []}`, 422, `did you mean \"inputs\"?`},
		{infer, `{"parameters": {"n": 1, "Seed": 5}}`, 422, `did you mean \"seed\"?`},
		{sample, `{"n": 1e30}`, 422, `n is number 1e30, which is out of range`},
		{sample, `{"n": 1.5}`, 422, `expected integer`},
		{sample, `{"n": 2, "noise": [["n", "n"], 1]}`, 422, `body.noise`}, // keys of the object around
		{sample, `{"n": 1, "noise": [[1e400, 1]]}`, 400, `noise has the number 1e400, which is out of range`},
		{infer, `{"parameters": {"rtol": 1e400}}`, 400, `rtol has the number 1e400`},
		{sample, `{"n": null}`, 422, `n: null stands for`},
		{sample, `{"n": 1, "seed": null}`, 422, `seed: null stands for`},
		{sample, `{"n": 1, "rtol": null}`, 422, `rtol: null stands for`},
		{sample, `{"n": 1, "label": null}`, 422, `label: null stands for`},
		{sample, `{"n": 1, "given": null}`, 422, `given: null stands for`},
		{"/v1/models/moons/logp", `{"x": null}`, 422, `x: null stands for`},
		{infer, `{"parameters": {"n": 1, "seed": null}}`, 422, `seed: null stands for`},
		{sample, `{"n": 1,}`, 400, `invalid character`},
		{sample, `{"n": 1, "label": {"a": 1}}`, 422, `expected a class by its name or number`},
		{sample, `{"n": 1, "label": [[1]]}`, 422, `expected a class by its name or number`},
		{sample, `{"n": 1, "given": 5}`, 422, `expected an object by the names of columns`},
		{"/v1/models/moons/logp", `{"x": [1, 2]}`, 422, `expected a point: a list of its values`},
	} {
		code, text, _ := post(t, h.URL+c.path, c.body)
		if code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s; want %d, %s", c.body, code, text, c.code, c.want)
		}
	}
}

// TestWholeNumbersAreWhole: however they are written, as JSON Schema has it.
func TestWholeNumbersAreWhole(t *testing.T) {
	_, h := serving(t, nil)
	for url, same := range map[string][]string{
		"/v1/models/moons/sample": {`{"n": 20, "seed": 3, "label": 1}`, `{"n": 20.0, "seed": 3.00, "label": 1.0}`,
			`{"n": 2e1, "seed": 0.3e+1, "label": [1e0]}`, `{"n": 200E-1, "seed": 3, "label": 1}`},
		"/v2/models/moons/infer": {`{"parameters": {"n": 20, "seed": 3}, "inputs": [{"name": "label", "shape": [1],
			"datatype": "INT8", "data": [1]}]}`, `{"parameters": {"n": 2e1, "seed": 3.0}, "inputs": [{"name": "label",
			"shape": [1.0], "datatype": "INT8", "data": [1e0]}]}`},
	} {
		code, want, _ := post(t, h.URL+url, same[0])
		for _, body := range same {
			if got, text, _ := post(t, h.URL+url, body); code != 200 || got != code || text != want {
				t.Errorf("%s: %d %.200s; want %.200s", body, got, text, want)
			}
		}
	}
	for text, want := range map[string]string{
		"1.0": "1", "1e3": "1000", "0.00": "0", "-2.50e1": "-25", "18446744073709551615.0": "18446744073709551615",
		"1.5": "", "1e-1": "", "1e25": "", "10e-1": "1", "0.5e1": "5", "-0.0": "0", "1e99999999999": "", "3": "3",
	} {
		if got, ok := whole(text); got != want || ok != (want != "") {
			t.Errorf("%s is %q, %v; want %q", text, got, ok, want)
		}
	}
}

// TestScanFindsWhatIsThere: keys of objects in objects, and texts that look like keys.
func TestScanFindsWhatIsThere(t *testing.T) {
	for _, c := range []struct {
		text   string
		values int
		x      int
	}{
		{`{"a": {"b": 1}, "b": [{"b": "b:"}, {"b": "\"b\":"}], "c\\": "c\\"}`, 9, 0}, {`"a"`, 1, 0},
		{`["a", "a"]`, 3, 0}, {`{"x": [[1, [2]], {"x": [3]}, null, "]"], "y": []}`, 12, 4}, {`{"X": [1, 2]}`, 4, 0},
		{` 3 `, 1, 0}, {`{"x": [{"seed": 1}, {"SEED": null}]}`, 6, 2},
	} {
		got, err := scan([]byte(c.text), names{all: []string{"seed", "y"}}, 100)
		if err != nil || got.values != c.values || got.lists["x"] != c.x || string(got.text) != c.text {
			t.Errorf("%s: %+v, %v; want %d values, %d of x", c.text, got, err, c.values, c.x)
		}
	}
}
