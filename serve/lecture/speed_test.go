package lecture

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// asked returns the answer to a query.
func asked(t testing.TB, query string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(Options{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, Root+query, nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

// What a request takes is the time between a slider and its picture.
func BenchmarkPanes(b *testing.B) {
	for _, query := range []string{
		"ode?steps=64&digits=8", "density?t=0.9", "marginal?points=60", "fields?points=12", "objective?log2n=13",
		"gaussian", "diffusion", "diffusion?law=ring", "cost", "pairs?coupling=ot&points=128",
	} {
		b.Run(query, func(b *testing.B) {
			for b.Loop() {
				if code, body := asked(b, query); code != http.StatusOK {
					b.Fatal(code, body)
				} else {
					b.ReportMetric(float64(len(body))/1024, "kB")
				}
			}
		})
	}
}
