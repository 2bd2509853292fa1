package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"flowmatch/client"
)

// answering returns a client of a service that answers as handle does.
func answering(t *testing.T, handle http.HandlerFunc) *client.Client {
	t.Helper()
	h := httptest.NewServer(handle)
	t.Cleanup(h.Close)
	return &client.Client{URL: h.URL + "/", Token: "secret"}
}

func TestBusyServicesAreAskedAgain(t *testing.T) {
	asked := 0
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != `{"n":3}` ||
			r.Header.Get("Authorization") != "Bearer secret" || r.URL.Path != "/v1/models/a b/sample" {
			t.Errorf("asked %s for %s, %v", r.URL.Path, b, r.Header)
		}
		if asked++; asked < 3 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, `{"model": "a", "x": [[1, null, "Rome"]]}`)
	})
	s, err := c.Sample(t.Context(), "a b", client.SampleRequest{N: 3})
	if err != nil || asked != 3 || !reflect.DeepEqual(s.X, [][]any{{1.0, nil, "Rome"}}) {
		t.Errorf("%+v, %v after %d tries", s, err, asked)
	}
	if _, err := s.Numbers(); err == nil || !strings.Contains(err.Error(), "value 2 of sample 1") {
		t.Errorf("rows with gaps are numbers: %v", err)
	}
	c.Tries, asked = 2, 0
	_, err = c.Sample(t.Context(), "a b", client.SampleRequest{N: 3})
	if !errors.Is(err, client.ErrBusy) || asked != 2 {
		t.Errorf("%v after %d tries, want 2", err, asked)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "50")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Models(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, client.ErrBusy) {
		t.Errorf("%v, want both the deadline and that the service is busy", err)
	}
}

func TestErrorsSayWhatTheServiceSays(t *testing.T) {
	code, body := 422, `{"detail": "validation failed", "errors": [{"message": "want more", "location": "body.n"}]}`
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "r7")
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	})
	_, err := c.LogP(t.Context(), "a", client.LogPRequest{X: []client.Point{{Values: []any{1}}}})
	want := &client.Error{Status: 422, Message: "validation failed", Details: []string{"body.n: want more"},
		RequestID: "r7"}
	if e, ok := errors.AsType[*client.Error](err); !ok || !reflect.DeepEqual(e, want) {
		t.Errorf("%+v, want %+v", err, want)
	}
	code, body = 404, "nothing here\n"
	if _, err := c.Model(t.Context(), "a"); !errors.Is(err, client.ErrNoModel) ||
		!strings.Contains(err.Error(), "nothing here") {
		t.Errorf("%v", err)
	}
	code, body = 200, "{"
	if _, err := c.Model(t.Context(), "a"); err == nil {
		t.Error("half an answer is one")
	}
	if _, err := c.SampleFile(t.Context(), "a", client.SampleRequest{N: 1}, client.CSV); err == nil ||
		!strings.Contains(err.Error(), "is it one of flowmatch") {
		t.Errorf("an answer of another service: %v", err)
	}
}

func TestStreamsThatBreakOff(t *testing.T) {
	state := "event: state\ndata: {\"t\": 0, \"x\": [[1]]}\n\n"
	for body, want := range map[string]string{
		state: "ends before its last event", "event: state\ndata: {\n\n": "a state cannot be read",
		": a remark\n\n" + state + "event: error\ndata: {\"status\": 422, \"detail\": \"too far\"}\n\n": "422: too far",
	} {
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		_, err := c.Stream(t.Context(), "a", client.StreamRequest{}, func(client.State) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
}

// TestWhatIsAskedOfMetricsIsSent: also what is wrong, for the service says so.
func TestWhatIsAskedOfMetricsIsSent(t *testing.T) {
	for want, c := range map[string][2]int{
		"": {}, "after=5": {5, 0}, "after=-1": {-1, 0}, "after=5&points=-3": {5, -3},
	} {
		service := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != want {
				t.Errorf("after %d, points %d: %q, want %q", c[0], c[1], r.URL.RawQuery, want)
			}
			io.WriteString(w, "{}")
		})
		if _, err := service.Metrics(t.Context(), "moons", c[0], c[1]); err != nil {
			t.Error(err)
		}
	}
}

func TestFormsOfJSON(t *testing.T) {
	var got struct {
		Label client.Labels
		Given client.Rows
		X     []client.Point
	}
	for text, want := range map[string]string{
		`{"label": 1, "given": {"a": 1}, "x": [[1], {"c": 2}]}`: `{["1"] [map[a:1]] [{[1] map[]} {[] map[c:2]}]}`,
		`{"label": ["x", 2.5], "given": [{}, {"a": "b"}]}`:      `{["x" "2.5"] [map[] map[a:b]] []}`,
	} {
		got.Label, got.Given, got.X = nil, nil, nil
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Error(err)
		}
		if is := fmt.Sprintf("{%q %v %v}", got.Label, got.Given, got.X); is != want {
			t.Errorf("%s is %s, want %s", text, is, want)
		}
	}
	for _, text := range []string{`{"label": {}}`, `{"label": [[]]}`, `{"given": 3}`, `{"x": [3]}`} {
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is read", text)
		}
	}
	b, err := json.Marshal([]client.Point{{Values: []any{1, "b"}}, {Named: map[string]any{"c": 2}}})
	if err != nil || string(b) != `[[1,"b"],{"c":2}]` {
		t.Errorf("%s %v", b, err)
	}
}

func TestATrainingIsWatchedUntilItsEnd(t *testing.T) {
	body := "event: metrics\ndata: {\"metrics\": [{\"step\": 7, \"loss\": 1}]}\n\nevent: end\ndata: {}\n\n"
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/v1/models/a%20b/metrics/stream?after=3" || r.Header.Get("Accept") != client.Events {
			t.Errorf("asked %s, %v", r.URL, r.Header)
		}
		fmt.Fprint(w, body)
	})
	var steps []int
	each := func(m client.Metrics) error {
		steps = append(steps, m.Metrics[0].Step)
		return nil
	}
	if err := c.Watch(t.Context(), "a b", 3, each); err != nil || !reflect.DeepEqual(steps, []int{7}) {
		t.Errorf("steps %v, %v", steps, err)
	}
	for body, want := range map[string]string{
		"event: metrics\ndata: {\"metrics\": [{\"step\": 7}]}\n\n": "ends before its last event",
		"event: metrics\ndata: no\n\n":                             "metrics cannot be read",
		"event: error\ndata: {\"detail\": \"gone\"}\n\n":           "gone",
	} {
		bad := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		if err := bad.Watch(t.Context(), "a", 0, each); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
}
