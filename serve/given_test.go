package serve

import (
	"net/http"
	"strings"
	"testing"
)

// Every answer about a context that is far from those of the training says so, and none of others does.
func TestAnswersWarnOfFarContexts(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = []string{posteriorRun(t, t.TempDir())} })
	const infer = `"inputs": [{"name": "given", "datatype": "FP64", "shape": [1, 2], "data": [CONTEXT]}, `
	for path, body := range map[string]string{
		"v1/models/posterior/sample": `{"n": 2, "given": {GIVEN}}`,
		"v1/models/posterior/logp":   `{"x": [[0, 0], [0.1, 0]], "given": {GIVEN}}`,
		"v1/models/posterior/field":  `{"x": [[0, 0]], "t": 0.5, "given": {GIVEN}}`,
		"v1/models/posterior/stream": `{"n": 2, "times": [0, 1], "given": {GIVEN}}`,
		"v2/models/posterior/infer":  `{` + infer + `{"name": "n", "datatype": "INT64", "shape": [1], "data": [2]}]}`,
		"v2/models/posterior/versions/50/infer": `{` + infer +
			`{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [0, 0]}]}`,
	} {
		for x1, want := range map[string]string{
			"0.1": "",
			"9":   `1 of 1 contexts are far from those of the training`,
		} {
			body := strings.NewReplacer("GIVEN", `"x1": `+x1+`, "x2": 0.1`, "CONTEXT", x1+", 0.1").Replace(body)
			code, text, _ := post(t, h.URL+"/"+path, body)
			if code != http.StatusOK || !strings.Contains(text, want) ||
				want == "" && strings.Contains(text, "warnings") {
				t.Errorf("%s %s: %d %s; want %q", path, body, code, text, want)
			}
		}
	}
}
