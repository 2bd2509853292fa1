package serve

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"flowmatch/internal/choice"
	"flowmatch/serve/lecture"
)

// meters are the figures of a server, for Prometheus.
type meters struct {
	registry        *prometheus.Registry
	requests        *prometheus.CounterVec
	seconds         *prometheus.HistogramVec
	jobs, rows, nfe prometheus.Histogram
}

func newMeters() *meters {
	m := &meters{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowmatch_requests_total", Help: "Requests, by operation and status.",
		}, []string{"operation", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flowmatch_request_seconds", Help: "Seconds of a request, by operation.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}, []string{"operation"}),
		jobs: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "flowmatch_solve_requests", Help: "Requests that share a solve.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
		rows: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "flowmatch_solve_points", Help: "Points of a solve.", Buckets: prometheus.ExponentialBuckets(1, 4, 8),
		}),
		nfe: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "flowmatch_solve_nfe", Help: "Evaluations of the network in a solve.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 15),
		}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.jobs, m.rows, m.nfe, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch reads how many requests have a place when it is asked for.
func (m *meters) watch(p *places) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "flowmatch_queue_requests", Help: "Requests that wait or are under way.",
	}, func() float64 { return float64(p.length()) }))
}

func (m *meters) solved(jobs, points, nfe int) {
	m.jobs.Observe(float64(jobs))
	m.rows.Observe(float64(points))
	m.nfe.Observe(float64(nfe))
}

func (m *meters) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// operation is the name by which a path is counted: one of a few, whatever a request says.
func operation(of string) string {
	model, last := path.Split(of)
	switch {
	case strings.HasPrefix(of, lecture.Root):
		return "lecture"
	case last == "stream" && path.Base(model) == "metrics" && strings.HasPrefix(of, "/v1/models/") &&
		strings.Count(of, "/") == 5:
		return "watch" // it lasts as long as there is something to see
	}
	for _, op := range []string{"sample", "stream", "logp", "field", "bound", "impute", "complete", "run", "metrics",
		"infer"} {
		if last == op && (strings.HasPrefix(model, "/v1/models/") || strings.HasPrefix(model, "/v2/models/")) {
			return op
		}
	}
	return "other"
}

// ofPage says whether a path is that of a part of a page.
func ofPage(of string) bool {
	return strings.HasPrefix(of, "/static/") || strings.HasPrefix(of, lecture.Root) || of == "/page.json"
}

// statusGone is logged and counted for a request whose client went away before its answer: as nginx
// does, for HTTP has no such status. Nobody gets it.
const statusGone = 499

// status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code   int
	wrote  bool
	extend func(http.ResponseWriter) // before something is written
}

// statusOf returns the status of an answer that w writes; nil: it is not remembered.
func statusOf(w http.ResponseWriter) *status {
	for {
		switch is := w.(type) {
		case *status:
			return is
		case interface{ Unwrap() http.ResponseWriter }:
			w = is.Unwrap()
		default:
			return nil
		}
	}
}

// WriteHeader is called a second time where the body of an answer cannot be written.
func (s *status) WriteHeader(code int) {
	s.code = code
	if !s.wrote {
		s.wrote = true
		s.extend(s.ResponseWriter)
		s.ResponseWriter.WriteHeader(code)
	}
}

// Write implements http.ResponseWriter.
func (s *status) Write(b []byte) (int, error) {
	s.wrote = true
	s.extend(s.ResponseWriter)
	return s.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// logged counts a request, and logs it with an id, which the answer has too.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := rand.Text()
		w.Header().Set("X-Request-Id", id)
		to := &status{ResponseWriter: w, code: http.StatusOK, extend: s.extend}
		next.ServeHTTP(to, r)
		if to.code >= http.StatusInternalServerError && r.Context().Err() != nil {
			to.code = statusGone // what failed is the request, as of sliders that move on
		}
		took := time.Since(start)
		op := operation(r.URL.Path)
		s.meters.requests.WithLabelValues(op, strconv.Itoa(to.code)).Inc()
		s.meters.seconds.WithLabelValues(op).Observe(took.Seconds())
		level := slog.LevelInfo
		switch {
		case to.code >= http.StatusInternalServerError:
			level = slog.LevelError
		case to.code < http.StatusBadRequest && ofPage(r.URL.Path):
			level = slog.LevelDebug // a slider that is moved asks many times
		}
		s.o.Log.Log(context.WithoutCancel(r.Context()), level, "request", "id", id, "method", r.Method,
			"path", choice.Cut(r.URL.Path), "status", to.code, "seconds", took.Seconds())
	})
}
