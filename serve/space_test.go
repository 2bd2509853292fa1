package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/run"
)

// placesRun trains a small run on the sphere, and returns its folder.
func placesRun(t testing.TB) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("latitude,longitude\n")
	for i := range 60 {
		fmt.Fprintf(&text, "%d,%d\n", i%40, 3*i-90)
	}
	file := filepath.Join(t.TempDir(), "places.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := run.ParseConfig(fmt.Appendf(nil, "space: sphere\ndata: {path: %q}\nnet: {hidden: [8]}\n"+
		"train: {steps: 5, batch: 8}\neval: {solver: rk4, steps: 4}", file), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fitted(t, cfg, filepath.Join(t.TempDir(), "places"))
}

// A model on the sphere gives and takes the columns of its file.
func TestAModelOnTheSphereSpeaksOfItsColumns(t *testing.T) {
	_, h := started(t, Options{Runs: []string{placesRun(t)}})
	code, body, _ := post(t, h.URL+"/v1/models/places/sample", `{"n": 2, "seed": 7}`, "Accept", "text/csv")
	if code != http.StatusOK || !strings.HasPrefix(body, "latitude,longitude\n") {
		t.Errorf("samples: %d, %s", code, body)
	}
	code, body, _ = post(t, h.URL+"/v1/models/places/logp", `{"x": [[10, 20], {"longitude": 0, "latitude": 90}]}`)
	if code != http.StatusOK || strings.Count(body, ",") < 1 {
		t.Errorf("densities: %d, %s", code, body)
	}
	if _, body, _ := get(t, h.URL+"/v2/models/places"); strings.Count(body,
		`{"name":"x","datatype":"FP64","shape":[-1,2]}`) != 2 {
		t.Errorf("the Open Inference Protocol takes and makes %s", body)
	}
	const two = `{"parameters": {"n": 3}, "inputs": [], "outputs": [{"name": "x"}]}`
	var answer inferAnswer
	code, body, _ = post(t, h.URL+"/v2/models/places/infer", two)
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK ||
		!slices.Equal(answer.Outputs[0].Shape, []int{3, 2}) || len(answer.Outputs[0].Data) != 6 {
		t.Errorf("by the Open Inference Protocol: %d, %s", code, body)
	}
	code, body, _ = post(t, h.URL+"/v1/models/places/logp", `{"x": [[100, 20]]}`)
	if code != http.StatusUnprocessableEntity || !strings.Contains(body, "a latitude is within 90") {
		t.Errorf("a place that is none: %d, %s", code, body)
	}
	for op, body := range map[string]string{"sample": `{"n": 1, "noise": [[0, 5, 1]]}`,
		"stream": `{"n": 1, "noise": [[0, 5, 1]]}`, "complete": `{"x": [[0.1, null, null]]}`} {
		code, text, _ := post(t, h.URL+"/v1/models/places/"+op, body)
		if code != http.StatusUnprocessableEntity || !strings.Contains(text, "sphere of dimension 2") {
			t.Errorf("%s of what is no point of the space: %d, %s", op, code, text)
		}
	}
}
