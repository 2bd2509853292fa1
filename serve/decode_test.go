package serve

import (
	"strings"
	"testing"
)

// What JSON readers pass over, or say in words of Go, is an error of the request.
func TestRequestsAreReadStrictly(t *testing.T) {
	_, h := serving(t, nil)
	for body, want := range map[string]string{
		`{"n": 2, "n": 3}`:                   `the key \"n\" stands there twice`,
		`{"n": 2, "\u006e": 3}`:              `the key \"n\" stands there twice`,
		`{"n": 2, "given": {"a":1, "a" :2}}`: `the key \"a\" stands there twice`,
		`{"n": 1e30}`:                        `n is number 1e30, which is out of range`,
		`{"n": 2, "noise": [["n", "n"], 1]}`: `body.noise`, // of a list, the keys of the object around it
	} {
		if status, text, _ := post(t, h.URL+"/v1/models/moons/sample", body); status != 422 && status != 400 ||
			!strings.Contains(text, want) {
			t.Errorf("%s: %d %s; want %s", body, status, text, want)
		}
	}
	for _, text := range []string{
		`{"a": {"b": 1}, "b": [{"b": "b:"}, {"b": "\"b\":"}], "c\\": "c\\"}`, `"a"`, `["a", "a"]`,
	} {
		if err := once([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
