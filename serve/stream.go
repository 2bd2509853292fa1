package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/run"
)

// mostStreamed bounds the numbers of all states of a stream.
const mostStreamed = 1 << 21

// stream answers a request for samples by events: the states of its points at some times, then the samples,
// which are those of a request without a stream.
func (s *Server) stream(ctx context.Context, in *asked[client.StreamRequest]) (*huma.StreamResponse, error) {
	if tokens, err := s.tokensOf(in.Name); tokens != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return s.streamTokens(ctx, tokens, in.Body)
	}
	r, err := s.model(in.Name)
	if err != nil {
		return nil, err
	}
	d, err := s.drawing(ctx, r, in.Body.SampleRequest)
	if err != nil {
		return nil, err
	}
	times, err := timesOf(d, in.Body)
	if err != nil {
		return nil, err
	}
	if err := roomOf(ctx, d.job.x, len(times)); err != nil {
		return nil, err
	}
	states := make(chan run.Rows, len(times)) // so that the solve never waits for the reader
	d.streamed(times, states)
	return telling(s.queue, d.job, times, states, func(t float64, rows run.Rows) client.State {
		return client.State{T: t, X: valuesOf(rows)}
	}, func() (any, error) {
		rows, err := d.kept(d.rows(d.job.x, nil))
		return d.json(rows), err
	}), nil
}

// telling is the answer that tells the states of a job at some times, and then its samples, while it is solved.
func telling[S any](q *queue, j *job, times []float64, states <-chan S, at func(t float64, state S) client.State,
	samples func() (any, error)) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		ctx, cancel := context.WithCancel(c.Context())
		defer cancel() // a reader that is gone ends the solve
		j.ctx = ctx
		ended := make(chan error, 1)
		go func() { ended <- q.do(j) }()
		c.SetHeader("Content-Type", client.Events)
		tell(newEvents(c), times, states, ended, at, samples)
	}}
}

// timesOf returns the times of a stream, or what is wrong with the request.
func timesOf(d *drawing, b client.StreamRequest) ([]float64, error) {
	times := streamTimes(b.Times)
	_, ode := d.how.(model.ODE)
	n := d.job.x.N * d.job.x.D
	switch {
	case b.LogP:
		return nil, invalid("logp: a stream has no log-densities; leave it out")
	case b.Columns > 0:
		return nil, invalid("columns: they are those of a picture; leave it out")
	case !ode:
		return nil, invalid("solver: a stream shows the way of a solver of the ODE; choose one")
	case len(d.of.Model.Spec().Bounds) > 0:
		return nil, invalid("samples of the model are drawn again until they are within its bounds, so that there " +
			"are no single ways to show")
	case !model.RisesToOne(times):
		return nil, invalid(notRising)
	case len(times) > mostStreamed/n:
		return nil, tooManyStates(d.job.x, len(times))
	}
	return times, nil
}

const notRising = "times: they must rise from 0 to 1"

// streamTimes are the times of a stream, those of a request if it has some.
func streamTimes(of []float64) []float64 {
	if of == nil {
		return []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}
	}
	return of
}

// roomOf makes room for the states of points at some times: they are kept for a reader that is slow.
func roomOf(ctx context.Context, x flow.Batch, times int) error {
	return room(ctx, times*x.N*x.D)
}

// tooManyStates is the answer to a request for points at so many times.
func tooManyStates(x flow.Batch, times int) error {
	return invalid("n: %d points at %d times are asked for; at most %d of this model are answered at so many", x.N,
		times, mostStreamed/times/x.D)
}

// streamed makes the job of samples one that gives out their states.
func (d *drawing) streamed(times []float64, states chan<- run.Rows) {
	d.job.whole = true
	d.job.solve = func(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
		o := model.SampleOptions{Given: p.given, Sampler: d.how}
		out, err := d.of.Model.SampleStates(ctx, p.x, o, times, func(_ int, x flow.Batch) error {
			states <- d.rows(x, nil)
			return nil
		})
		return out.X, nil, out.Stats.NFE, err
	}
}

// tell writes events until the job has ended: states as JSON has them at a time, and then the samples.
func tell[S any](e *events, times []float64, states <-chan S, ended <-chan error,
	at func(t float64, state S) client.State, samples func() (any, error)) {
	told := 0
	state := func(s S) bool {
		told++
		return e.send("state", at(times[told-1], s))
	}
	for {
		select {
		case rows := <-states:
			if !state(rows) {
				return
			}
		case err := <-ended:
			for err == nil && told < len(times) { // the solve gave them out before it ended
				if !state(<-states) {
					return
				}
			}
			var last any
			if err == nil {
				last, err = samples()
			}
			if err != nil {
				e.fail(answer(err))
				return
			}
			e.send("samples", last)
			return
		}
	}
}

// events writes server-sent events.
type events struct {
	w      huma.Context
	flush  *http.ResponseController
	status *status
}

func newEvents(c huma.Context) *events {
	e := &events{w: c}
	if w, ok := c.BodyWriter().(http.ResponseWriter); ok {
		e.flush, e.status = http.NewResponseController(w), statusOf(w)
	}
	return e
}

// send writes an event, and says whether anybody reads.
func (e *events) send(name string, data any) bool {
	b, err := json.Marshal(data)
	if err != nil {
		e.fail(err)
		return false
	}
	_, err = e.w.BodyWriter().Write(slices.Concat([]byte("event: "+name+"\ndata: "), b, []byte("\n\n")))
	if err == nil && e.flush != nil {
		err = e.flush.Flush()
	}
	return err == nil
}

// fail writes the event of an error, which ends the stream.
func (e *events) fail(err error) {
	problem := huma.ErrorModel{Status: http.StatusInternalServerError, Detail: "the samples cannot be drawn"}
	if s, ok := errors.AsType[huma.StatusError](err); ok {
		problem.Status, problem.Detail = s.GetStatus(), s.Error()
	}
	if e.status != nil { // of the log: the answer has begun with another
		e.status.code = problem.Status
	}
	e.send("error", problem)
}
