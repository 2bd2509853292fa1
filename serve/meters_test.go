package serve

import "testing"

// TestOperationsAreFew: a stream of samples is not one of metrics, which lasts as long as a training, whatever a
// model is called.
func TestOperationsAreFew(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/models/moons/sample": "sample", "/v1/models/moons/stream": "stream", "/v1/models/moons/metrics": "metrics",
		"/v1/models/moons/metrics/stream": "watch", "/v1/models/metrics/stream": "stream",
		"/v1/models/metrics/metrics/stream": "watch", "/v2/models/moons/versions/5/infer": "infer",
		"/lecture/api/cost": "lecture", "/lecture/api/metrics/stream": "lecture", "/lecture": "other",
		"/metrics": "other", "/metrics/stream": "other", "/a/b/c/metrics/stream": "other", "/": "other",
	} {
		if got := operation(path); got != want {
			t.Errorf("%s is counted as %s, want %s", path, got, want)
		}
	}
}
