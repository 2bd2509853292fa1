package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/run"
)

// TestRunsThatCannotBeReadDoNotStopOthers: they are served once they can be.
func TestRunsThatCannotBeReadDoNotStopOthers(t *testing.T) {
	root := t.TempDir()
	moons := trained(t, filepath.Join(root, "moons"))
	damaged, killed := filepath.Join(root, "damaged"), filepath.Join(root, "killed")
	for _, dir := range []string{damaged, killed} {
		if err := os.CopyFS(dir, os.DirFS(moons)); err != nil {
			t.Fatal(err)
		}
	}
	checkpoint := filepath.Join(damaged, run.CheckpointFile)
	whole, err := os.ReadFile(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(checkpoint, whole[:len(whole)/2], 0o600),
		os.Remove(filepath.Join(killed, run.CheckpointFile))); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, h := started(t, Options{Runs: []string{moons, damaged, killed}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for name, want := range map[string]string{"damaged": unreadable, "killed": untrained} {
		if !strings.Contains(log.String(), "level=WARN msg=\"the run is served once it can be read\" model="+name) {
			t.Errorf("nothing is said of %s: %s", name, log.String())
		}
		if code, text, _ := post(t, h.URL+"/v1/models/"+name+"/sample", `{"n": 1}`); code != http.StatusConflict ||
			!strings.Contains(text, want) {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
	if code, text, _ := post(t, h.URL+"/v1/models/moons/sample", `{"n": 1}`); code != http.StatusOK {
		t.Errorf("moons: %d %s", code, text)
	}
	if _, text, _ := get(t, h.URL+"/readyz"); text != "ok\n2 of 3 models answer no requests yet\n" {
		t.Errorf("readyz says %q", text)
	}
	models, err := (&client.Client{URL: h.URL}).Models(t.Context())
	if err != nil || models[0].Untrained != "" || models[1].Untrained != unreadable ||
		models[2].Untrained != untrained {
		t.Errorf("%+v, %v", models, err)
	}
	if err := os.WriteFile(checkpoint, append(whole, 0)[:len(whole)], 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.entries[1].refresh(); !changed || err != nil {
		t.Errorf("the run is not taken up: %v", err)
	}
	if code, text, _ := post(t, h.URL+"/v1/models/damaged/sample", `{"n": 1}`); code != http.StatusOK {
		t.Errorf("once it can be read: %d %s", code, text)
	}
	if _, err := New(Options{Runs: []string{killed}}); !errors.Is(err, run.ErrNoCheckpoint) {
		t.Errorf("a service of nothing: %v", err)
	}
	if _, err := New(Options{Runs: []string{moons, root}}); !errors.Is(err, run.ErrNoRun) {
		t.Errorf("a folder without a run: %v", err)
	}
}

// serve starts a server on an address of its own, and returns that, its end, and how it ended.
func (s *Server) started(t *testing.T, grace time.Duration) (url string, stop func(), ended <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- s.Serve(ctx, l, grace, [2]string{}) }()
	return "http://" + l.Addr().String(), cancel, end
}

// TestRequestsAreTakenWhileOthersLearnOfTheEnd: for DrainDelay, in which it is not ready.
func TestRequestsAreTakenWhileOthersLearnOfTheEnd(t *testing.T) {
	s, err := New(Options{Runs: []string{trained(t, filepath.Join(t.TempDir(), "moons"))}, DrainDelay: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	url, stop, ended := s.started(t, time.Second)
	if code, text, _ := get(t, url+"/readyz"); code != http.StatusOK {
		t.Errorf("before the end: %d %s", code, text)
	}
	stop()
	<-s.ready.Done()
	if code, text, head := get(t, url+"/readyz"); code != http.StatusServiceUnavailable ||
		head.Get("Content-Type") != "application/problem+json" || !strings.Contains(text, "draining") {
		t.Errorf("at the end: %d %s", code, text)
	}
	if code, text, _ := post(t, url+"/v1/models/moons/sample", `{"n": 1}`); code != http.StatusOK {
		t.Errorf("a request at the end: %d %s", code, text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestNobodyWaitsAfterTheGrace: not for solves either, which may look at their end late.
func TestNobodyWaitsAfterTheGrace(t *testing.T) {
	s, err := New(Options{Runs: []string{trained(t, filepath.Join(t.TempDir(), "moons"))}})
	if err != nil {
		t.Fatal(err)
	}
	begun, free := make(chan struct{}), make(chan struct{})
	defer close(free)
	s.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		stuck := func(_ context.Context, p points) (flow.Batch, []float64, int, error) {
			close(begun)
			<-free
			return p.x, nil, 0, nil
		}
		s.queue.do(&job{ctx: t.Context(), x: flow.NewBatch(1, 1), solve: stuck})
	})
	url, stop, ended := s.started(t, 10*time.Millisecond)
	go http.Get(url)
	<-begun
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "some requests were not answered") {
		t.Errorf("the end is %v", err)
	}
	closed := make(chan struct{})
	go func() {
		s.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("Close waits for a solve that does not end")
	}
}

// TestErrorsOfStreamsAreCounted: by their own status, and not by that of the answer that had begun.
func TestErrorsOfStreamsAreCounted(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	code, text, _ := post(t, h.URL+"/v1/models/moons/stream", `{"n": 20000, "solver": "euler", "steps": 19000}`)
	if code != http.StatusOK || !strings.Contains(text, `"status":504`) {
		t.Fatalf("%d %.300s", code, text[max(0, len(text)-300):])
	}
	const want = `flowmatch_requests_total{operation="stream",status="504"} 1`
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		_, text, _ = get(t, h.URL+"/metrics")
		if strings.Contains(text, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the metrics have no %s", want)
		}
	}
}

// TestErrorsOfEveryKindAreProblems: also those of net/http.
func TestErrorsOfEveryKindAreProblems(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Tokens, o.MaxBody = []string{"one"}, 100 })
	for _, c := range []struct {
		method, path string
		head         []string
		code         int
	}{
		{"GET", "/v1/models", nil, 401}, {"GET", "/v2", nil, 401},
		{"GET", "/v1/nothing", []string{"Authorization", "Bearer one"}, 404},
		{"GET", "/v2/nothing", []string{"Authorization", "Bearer one"}, 404},
		{"GET", "/static/nothing", nil, 404},
		{"PUT", "/v1/models", []string{"Authorization", "Bearer one"}, 405},
		{"POST", "/v1/models/moons/sample", []string{"Authorization", "Bearer one", "Origin", "https://a.example"},
			403},
		{"POST", "/v1/models/moons/sample", []string{"Authorization", "Bearer one", "Content-Encoding", "gzip"}, 415},
		{"POST", "/v1/models/moons/sample", []string{"Authorization", "Bearer one", "Content-Type", "text/csv"}, 415},
		{"POST", "/v1/models/moons/sample", []string{"Authorization", "Bearer one", "Content-Type", "application/json",
			"Long", "yes"}, 413},
		{"POST", "/v1/models/moons/sample", []string{"Authorization", "Bearer one", "Content-Type", "application/json",
			"Accept", "image/gif"}, 406},
	} {
		body := `{"n": 1}`
		if strings.Contains(fmt.Sprint(c.head), "Long") {
			body += strings.Repeat(" ", 100)
		}
		r, err := http.NewRequestWithContext(t.Context(), c.method, h.URL+c.path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for k := 0; k < len(c.head); k += 2 {
			r.Header.Set(c.head[k], c.head[k+1])
		}
		code, text, head := answered(t, r)
		kind, want := "application/problem+json", fmt.Sprintf(`"status":%d`, c.code)
		if strings.HasPrefix(c.path, "/v2") {
			kind, want = "application/json", `{"error":"`
		}
		if code != c.code || head.Get("Content-Type") != kind || !strings.Contains(text, want) {
			t.Errorf("%s %s: %d %v %s; want %d", c.method, c.path, code, head.Get("Content-Type"), text, c.code)
		}
	}
}
