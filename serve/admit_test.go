package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"flowmatch/flow"
	"flowmatch/run"
)

// TestRequestsAreRefusedBeforeTheyAreRead: whoever finds no place gets 429 at once, whatever the body is.
func TestRequestsAreRefusedBeforeTheyAreRead(t *testing.T) {
	s, h := serving(t, func(o *Options) { o.MaxQueue = 1 })
	p, err := s.places.enter()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/models/moons/sample", "/v1/models/moons/logp", "/v2/models/moons/infer"} {
		code, text, head := post(t, h.URL+path, `{"n": `)
		if code != http.StatusTooManyRequests || head.Get("Retry-After") == "" {
			t.Errorf("%s without a place: %d %s %v", path, code, text, head)
		}
	}
	p.leave()
	if code, text, _ := post(t, h.URL+"/v1/models/moons/sample", `{"n": 1}`); code != http.StatusOK {
		t.Errorf("with a place: %d %s", code, text)
	}
	if n := s.places.length(); n != 0 {
		t.Errorf("%d places are left taken", n)
	}
}

// TestPointsHaveRoomBeforeTheyAreDrawn: of requests whose points together are too many, and of those that are late.
func TestPointsHaveRoomBeforeTheyAreDrawn(t *testing.T) {
	s, h := serving(t, nil)
	p, err := s.places.enter()
	if err != nil || p.take(mostNumbers-10) != nil {
		t.Fatal(err)
	}
	drawn := 0
	for n, want := range map[int]int{6: http.StatusTooManyRequests, 5: http.StatusOK} {
		if code, text, _ := post(t, h.URL+"/v1/models/moons/sample", fmt.Sprintf(`{"n": %d}`, n)); code != want {
			t.Errorf("%d points of 2 numbers where 10 have room: %d %s", n, code, text)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTimeout)
	err = s.queue.do(&job{ctx: ctx, from: func() flow.Batch { drawn++; return flow.NewBatch(1, 1) }})
	if !errors.Is(err, errTimeout) || drawn > 0 {
		t.Errorf("points of a late request: %d, %v", drawn, err)
	}
	p.leave()
	if s.places.numbers != 0 || s.places.held != 0 {
		t.Errorf("%d numbers and %d bytes are left", s.places.numbers, s.places.held)
	}
}

// TestBodiesOfTooManyPointsAreNotDecoded: their lists are counted, and little memory is taken for that.
func TestBodiesOfTooManyPointsAreNotDecoded(t *testing.T) {
	s, h := serving(t, func(o *Options) { o.MaxPoints = 1000 })
	const n = 200_000
	many := strings.Repeat("[1],", n) + "[1]"
	for path, c := range map[string]struct{ body, want string }{
		"/v1/models/moons/logp":   {`{"x": [` + many[:8000] + `[1]]}`, "x: 2001 points are asked for; at most 1000"},
		"/v1/models/moons/field":  {`{"x": [` + many + `], "t": 0}`, "more than 9000 values"},
		"/v1/models/moons/sample": {`{"n": 1, "noise": [[` + strings.Repeat("1,", n) + `1]]}`, "more than 9000 values"},
		"/v2/models/moons/infer": {`{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [` + many +
			`]}]}`, "more than 9000 values"},
	} {
		var before, after runtime.MemStats
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		runtime.ReadMemStats(&before)
		s.Handler().ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %.300s; want %s", path, w.Code, w.Body, c.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(6*len(c.body)+1<<20) {
			t.Errorf("%s: %d bytes are taken for a body of %d that is refused", path, took, len(c.body))
		}
	}
	head := `{"inputs": [{"name": "x", "datatype": "UINT8", "shape": [200000],
		"parameters": {"binary_data_size": 200000}}]}`
	code, text, _ := post(t, h.URL+"/v2/models/moons/infer", head+strings.Repeat("a", n), headLength,
		fmt.Sprint(len(head)))
	if code != http.StatusUnprocessableEntity || !strings.Contains(text, "more than 9000 values") {
		t.Errorf("tensors in binary: %d %s", code, text)
	}
}

// TestLargeAnswersAreEncodedInTurn: those that wait too long are late, and small ones do not wait.
func TestLargeAnswersAreEncodedInTurn(t *testing.T) {
	s, _ := serving(t, func(o *Options) { o.Workers = 2 })
	done, err := s.encoding(t.Context(), largeAnswer)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTimeout)
	if _, err := s.encoding(ctx, largeAnswer); err == nil || codeOf(err) != http.StatusGatewayTimeout {
		t.Errorf("a second one: %v", err)
	}
	if _, err := s.encoding(ctx, largeAnswer-1); err != nil {
		t.Errorf("a small one: %v", err)
	}
	done()
	if _, err := s.encoding(t.Context(), largeAnswer); err != nil {
		t.Error(err)
	}
}

// TestBodiesHaveRoom: for what they take to be read and decoded, which is counted for more than it is.
func TestBodiesHaveRoom(t *testing.T) {
	s, h := serving(t, nil)
	url := h.URL + "/v1/models/moons/logp"
	points := func(n int) string { return `{"label": 0, "x": [` + strings.Repeat("[1,1],", n) + `[1,1]]}` }
	p, err := s.places.enter()
	if err != nil || p.hold(mostHeld-1<<20) != nil {
		t.Fatal(err)
	}
	if code, text, head := post(t, url, points(10_000)); code != http.StatusTooManyRequests ||
		head.Get("Retry-After") == "" {
		t.Errorf("without room: %d %s", code, text)
	}
	if code, text, _ := post(t, url, `{"label": 0, "x": [[1, 1]]}`); code != http.StatusOK {
		t.Errorf("a small body: %d %s", code, text)
	}
	p.leave()
	q, err := s.places.enter()
	if err != nil {
		t.Fatal(err)
	}
	defer q.leave()
	if err := q.hold(mostHeld + 1); err == nil || codeOf(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("more than there is: %v", err)
	}
	// What decoding takes, of a body that is refused after it.
	body := `{"label": 7, "x": [` + strings.Repeat("[1,1],", 99_999) + `[1,1]]}`
	found, err := scan([]byte(body), names{}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/models/moons/logp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	var before, after runtime.MemStats
	w := httptest.NewRecorder()
	runtime.ReadMemStats(&before)
	s.Handler().ServeHTTP(w, r)
	runtime.ReadMemStats(&after)
	took, counted := after.TotalAlloc-before.TotalAlloc, found.cost()+2*int64(len(body))
	if w.Code != http.StatusUnprocessableEntity || 2*took > 3*uint64(counted) {
		t.Errorf("%d: %d bytes are taken, of which a third may be freed, and %d counted", w.Code, took, counted)
	}
}

// TestLateAnswersAreAnswers: a solve that does not look at its time leaves no client without an answer, nor does a
// body that does not come.
func TestLateAnswersAreAnswers(t *testing.T) {
	s, err := New(Options{Runs: []string{trained(t, t.TempDir()+"/moons")}, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(3 * s.o.Timeout) // longer than the connection has by itself
		w.WriteHeader(http.StatusGatewayTimeout)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, time.Second, [2]string{}) }()
	if code, text, _ := get(t, "http://"+l.Addr().String()+"/v1/models"); code != http.StatusGatewayTimeout {
		t.Errorf("%d %s", code, text)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestContextsAndStatesTakeRoom: each point keeps its context, and a stream its states, however slow the reader is.
func TestContextsAndStatesTakeRoom(t *testing.T) {
	dir := t.TempDir()
	text := "y,a,b,c,d,e\n"
	for i := range 300 {
		text += fmt.Sprintf("%d,%d,%d,%d,%d,%d\n", i%7, i%2, i%3, i%5, i%11, i%13)
	}
	file := filepath.Join(dir, "wide.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := run.ParseConfig(nil, []string{"data.path=" + file, "data.context=[a, b, c, d, e]", "net.hidden=[8]",
		"train.steps=5", "train.batch=16"})
	if err != nil {
		t.Fatal(err)
	}
	s, h := serving(t, func(o *Options) { o.Runs = append(o.Runs, fitted(t, cfg, filepath.Join(dir, "wide"))) })
	in := func() *place {
		t.Helper()
		p, err := s.places.enter()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	other := in()
	if err := other.take(mostNumbers - 100); err != nil {
		t.Fatal(err)
	}
	stream := func(n int) string {
		return fmt.Sprintf(`{"n": %d, "times": [0, 0.2, 0.4, 0.6, 0.8, 1]}`, n) // of 2 numbers: 14 for each point
	}
	for n, want := range map[int]int{7: http.StatusOK, 8: http.StatusTooManyRequests} {
		if code, text, _ := post(t, h.URL+"/v1/models/moons/stream", stream(n)); code != want {
			t.Errorf("a stream of %d points where 100 numbers have room: %d %.300s", n, code, text)
		}
	}
	for n, want := range map[int]int{20: http.StatusOK, 21: http.StatusTooManyRequests} { // 5 numbers of a context
		body := fmt.Sprintf(`{"n": %d, "given": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}}`, n)
		if code, text, _ := post(t, h.URL+"/v1/models/wide/sample", body); code != want {
			t.Errorf("%d points given 5 numbers, where 100 have room: %d %.300s", n, code, text)
		}
	}
	other.leave()
	p := in()
	if err := p.take(mostNumbers); err != nil {
		t.Error(err)
	}
	if err := p.take(1); codeOf(err) != http.StatusUnprocessableEntity {
		t.Errorf("a request of more numbers than there is room for: %v", err)
	}
	p.leave()
	if s.places.numbers != 0 {
		t.Errorf("%d numbers are left", s.places.numbers)
	}
}
