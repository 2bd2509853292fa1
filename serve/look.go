package serve

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
	"flowmatch/data/schema"
	"flowmatch/data/text"
	"flowmatch/model"
	"flowmatch/run"
	"flowmatch/train"
)

// This file says what a page shows of the training behind a model.

// ofModel is a request for something of a model that has no body.
type ofModel struct {
	Name string `path:"name" maxLength:"255" doc:"of the model"`
}

// ofMetrics asks for metrics.
type ofMetrics struct {
	Name   string `path:"name" maxLength:"255" doc:"of the model"`
	After  int    `query:"after" minimum:"0" doc:"only those of later steps"`
	Points int    `query:"points" minimum:"2" maximum:"5000" default:"1000" doc:"how many at most"`
}

// runOf says what the training behind a model is.
func (s *Server) runOf(_ context.Context, in *ofModel) (*struct{ Body *client.Run }, error) {
	e, err := s.entry(in.Name)
	if err != nil {
		return nil, err
	}
	how, err := e.settings()
	if err != nil {
		return nil, s.unread(e, err)
	}
	file, err := how.public()
	if err != nil {
		return nil, s.unread(e, err)
	}
	out := &client.Run{Name: e.name, Training: run.IsTraining(e.dir), Steps: how.steps, Data: how.data, Kind: how.kind,
		Settings: string(file)}
	if _, step, ok := e.state(); ok {
		out.Step = step
	}
	if r := e.current.Load(); r != nil {
		describe(out, r.Model.Spec())
	}
	if r := e.tokens.Load(); r != nil {
		out.Vocabulary = r.Model.Spec().Vocabulary.Spelt()
	}
	events, err := e.journal.Events()
	if err != nil { // all else can be said
		s.o.Log.Warn("the metrics of the run cannot be read", "model", e.name, "error", err)
	}
	if n := len(events); err == nil && n > 0 {
		last := events[n-1]
		out.Logged, out.Seconds = last.Step, last.Seconds
		if left := out.Steps - last.Step; out.Training && left >= 0 && last.Step > 0 {
			out.Left = new(last.Seconds / float64(last.Step) * float64(left))
		}
	}
	return &struct{ Body *client.Run }{out}, nil
}

// settings are what the service says of a run file.
type settings struct {
	steps      int
	data, kind string
	public     func() ([]byte, error) // the file itself, without what is nobody's concern
}

// settings reads how a run is trained.
func (e *entry) settings() (settings, error) {
	if run.IsTokens(e.dir) {
		cfg, err := run.FolderTokenConfig(e.dir)
		kind := "text"
		if (text.Vocabulary{Kind: cfg.Data.Tokens}).Rows() {
			kind = "table"
		}
		return settings{cfg.Train.Steps, filepath.Base(filepath.ToSlash(cfg.Data.Path)), kind, cfg.Public}, err
	}
	cfg, err := run.FolderConfig(e.dir)
	if err != nil { // its kind is not known
		return settings{}, err
	}
	return settings{cfg.Train.Steps, dataOf(cfg), cfg.Data.ResolvedKind(), cfg.Public}, nil
}

// dataOf names the data of a run.
func dataOf(cfg run.Config) string {
	d := cfg.Data
	if d.Path != "" {
		return filepath.Base(filepath.ToSlash(d.Path))
	}
	return cmp.Or(d.Name, d.Simulator, d.UCI, d.ResolvedKind())
}

// unread logs why a folder cannot be read, which is said to none, for it names files.
func (s *Server) unread(e *entry, err error) error {
	s.o.Log.Warn("the folder of the run cannot be read", "model", e.name, "error", err)
	return huma.Error503ServiceUnavailable("the folder of the run cannot be read now; the log of the service says why")
}

// mostLevels is how many levels of a column are listed.
const mostLevels = 200

// describe says what the data of a model are.
func describe(out *client.Run, spec model.Spec) {
	if s := spec.Standardizer; s != nil && spec.Image() == nil {
		out.Center, out.Scale = s.Mean, s.Std
	}
	if s := spec.ContextStandardizer; s != nil && spec.ContextColumns != nil {
		out.ContextCenter, out.ContextScale = s.Mean, s.Std
	}
	if spec.Schema == nil {
		return
	}
	for _, c := range spec.Schema.Columns {
		to := client.Column{Name: c.Name, Kind: string(c.Kind), Step: c.Step, Value: c.Value, Missing: c.Missing > 0}
		switch {
		case c.Kind == schema.Identifier:
			continue
		case len(c.Levels) > 0:
			to.Levels, to.Of = c.Levels[:min(len(c.Levels), mostLevels)], len(c.Levels)
		case c.Kind != schema.Constant && finite(c.Lo) && finite(c.Hi):
			to.Low, to.High = new(c.Lo), new(c.Hi)
		}
		out.Columns = append(out.Columns, to)
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// metrics answers a request for the metrics of a training.
func (s *Server) metrics(_ context.Context, in *ofMetrics) (*struct{ Body *client.Metrics }, error) {
	e, err := s.entry(in.Name)
	if err != nil {
		return nil, err
	}
	out, err := s.metricsOf(e, in.After, in.Points)
	return &struct{ Body *client.Metrics }{out}, err
}

// metricsOf returns the metrics of steps after one, at most so many.
func (s *Server) metricsOf(e *entry, after, most int) (*client.Metrics, error) {
	out := &client.Metrics{Name: e.name, Training: run.IsTraining(e.dir), Metrics: []client.Metric{}}
	how, err := e.settings()
	if err != nil {
		return nil, s.unread(e, err)
	}
	out.Steps = how.steps
	events, err := e.journal.Events()
	if err != nil {
		return nil, s.unread(e, err)
	}
	if n := len(events); n > 0 && events[n-1].Step < after {
		after = 0 // the training began again
	}
	first, _ := slices.BinarySearchFunc(events, after+1, func(v train.Event, step int) int { return v.Step - step })
	out.Lines = len(events) - first
	out.Metrics = append(out.Metrics, thinned(events[first:], most)...)
	return out, nil
}

// thinned returns the first and the last of events, and as many between as there may be: one of each group of
// them, the last with a validation if there is one, and its loss is the mean of the group.
func thinned(all []train.Event, most int) []client.Metric {
	if len(all) <= most {
		most = len(all)
	}
	kept := make([]client.Metric, 0, most)
	for k := range most {
		// Between the first and the last, each a group of its own, the rest in equal parts.
		lo, hi := 0, 1
		switch rest := len(all) - 2; {
		case k == most-1:
			lo, hi = len(all)-1, len(all)
		case k > 0:
			lo, hi = 1+(k-1)*rest/(most-2), 1+k*rest/(most-2)
		}
		group := all[lo:hi]
		of := group[len(group)-1]
		for _, v := range slices.Backward(group) {
			if v.ValLoss != nil {
				of = v
				break
			}
		}
		loss := 0.0
		for _, v := range group {
			loss += v.Loss / float64(len(group))
		}
		kept = append(kept, client.Metric{Step: of.Step, Loss: loss, ValLoss: of.ValLoss, LR: of.LR,
			GradNorm: of.GradNorm, Rate: of.Rate, Seconds: of.Seconds})
	}
	return kept
}

// mostWatched bounds the streams of metrics at a time; each looks at files every so often.
const mostWatched = 64

// watchers counts the streams of metrics.
type watchers struct{ n atomic.Int64 }

// enter says whether there is room for one more.
func (w *watchers) enter() bool {
	if w.n.Add(1) > mostWatched {
		w.n.Add(-1)
		return false
	}
	return true
}

func (w *watchers) leave() { w.n.Add(-1) }

// watchMetrics answers by events: the metrics that there are, and what is written from then on, until the
// training or the time of the request is over.
func (s *Server) watchMetrics(_ context.Context, in *ofMetrics) (*huma.StreamResponse, error) {
	e, err := s.entry(in.Name)
	if err != nil {
		return nil, err
	}
	if !s.watchers.enter() {
		return nil, answer(errBusy)
	}
	first, err := s.metricsOf(e, in.After, in.Points)
	if err != nil {
		s.watchers.leave()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer s.watchers.leave()
		c.SetHeader("Content-Type", client.Events)
		events := newEvents(c)
		if !events.send("metrics", first) {
			return
		}
		s.follow(c.Context(), e, in, events, first)
	}}, nil
}

// follow sends what is written after the first metrics.
func (s *Server) follow(ctx context.Context, e *entry, in *ofMetrics, events *events, last *client.Metrics) {
	after := lastStep(last, in.After)
	for last.Training {
		select {
		case <-ctx.Done():
			events.send("end", map[string]bool{"training": true})
			return
		case <-s.ready.Done(): // the service ends
			events.send("end", map[string]bool{"training": true})
			return
		case <-time.After(s.o.Watch):
		}
		now, err := s.metricsOf(e, after, in.Points)
		if err != nil {
			events.fail(err)
			return
		}
		if len(now.Metrics) > 0 || !now.Training {
			if !events.send("metrics", now) {
				return
			}
		}
		after, last = lastStep(now, after), now
	}
	events.send("end", map[string]bool{"training": false})
}

func lastStep(m *client.Metrics, otherwise int) int {
	if n := len(m.Metrics); n > 0 {
		return m.Metrics[n-1].Step
	}
	return otherwise
}

// registerLook adds what a page asks for.
func (s *Server) registerLook() {
	huma.Register(s.api, huma.Operation{
		OperationID: "run", Method: http.MethodGet, Path: "/v1/models/{name}/run",
		Summary: "The training behind a model",
		Errors:  append([]int{http.StatusNotFound, http.StatusServiceUnavailable}, notLetIn...),
	}, s.runOf)
	huma.Register(s.api, huma.Operation{
		OperationID: "metrics", Method: http.MethodGet, Path: "/v1/models/{name}/metrics",
		Summary: "The metrics of a training",
		Description: "Thinned to so many points: the first, the last, and between them one of each group of lines, " +
			"with the mean of its losses.",
		Errors: append([]int{http.StatusNotFound, http.StatusServiceUnavailable}, notLetIn...),
	}, s.metrics)
	data := s.schemaOf(reflect.TypeFor[client.Metrics]())
	huma.Register(s.api, huma.Operation{
		OperationID: "watch-metrics", Method: http.MethodGet, Path: "/v1/models/{name}/metrics/stream",
		Summary: "The metrics of a training as they are written",
		Description: "Server-sent events: metrics, first those that there are and then those that are written, and " +
			"end, when the training is over (training: false), or the time of the request or of the service is " +
			"(training: true).",
		Responses: answers("Metrics", map[string]*huma.Schema{client.Events: data}),
		Errors: append([]int{http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable},
			notLetIn...),
	}, s.watchMetrics)
}
