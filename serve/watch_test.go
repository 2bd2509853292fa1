package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"flowmatch/client"
	"flowmatch/run"
	"flowmatch/train"
)

// TestThinnedMetricsKeepMeansAndValidations: each validation at its own step, the first line and the last as they
// are, and between them means.
func TestThinnedMetricsKeepMeansAndValidations(t *testing.T) {
	for _, c := range []struct{ lines, every, most, validated int }{
		{2000, 1, 10, 10}, {2000, 200, 10, 9}, {1001, 500, 10, 2}, {1000, 0, 10, 0}, {11, 3, 10, 3}, {10, 3, 10, 3},
		{7, 1, 10, 7}, {3, 1, 2, 2}, {1, 1, 2, 1}, {0, 1, 2, 0},
	} {
		var all []train.Event
		for k := range c.lines {
			v := train.Event{Step: k + 1, Loss: float64(k % 2), Seconds: float64(k+1) / 2}
			if c.every > 0 && (k+1)%c.every == 0 {
				v.ValLoss = new(float64(k + 1))
			}
			all = append(all, v)
		}
		got, sum, validated := thinned(all, c.most), 0.0, 0
		for k, m := range got {
			if k > 0 && k < len(got)-1 {
				sum += m.Loss / float64(len(got)-2)
			}
			if m.ValLoss != nil {
				validated++
			}
			if m.ValLoss != nil && *m.ValLoss != float64(m.Step) || m.Seconds != float64(m.Step)/2 ||
				k > 0 && m.Step <= got[k-1].Step {
				t.Errorf("%+v: a point is %+v", c, m)
			}
		}
		n := len(got)
		if n != min(c.lines, c.most) || n > 0 && (got[0].Step != 1 || got[n-1].Step != c.lines) {
			t.Errorf("%+v: %+v", c, got)
		}
		if validated != c.validated || c.lines > 1000 && math.Abs(sum-0.5) > 0.01 {
			t.Errorf("%+v: %d validations, a mean of %v", c, validated, sum)
		}
	}
}

// held starts the training of a run of 40 steps, which waits behind step 15 until it is let go. Both its folder
// and its end are returned.
func held(t *testing.T) (dir string, release func(), ended <-chan error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "moons")
	release, ended = heldAt(t, dir, 15, 10)
	return dir, release, ended
}

// heldAt is held in a folder, behind a step, with a line of metrics every so many steps.
func heldAt(t *testing.T, dir string, at, every int) (release func(), ended <-chan error) {
	t.Helper()
	cfg, err := run.ParseConfig(nil, []string{"data.name=moons", "net.hidden=[16, 16]", "train.steps=40",
		fmt.Sprintf("train.log_every=%d", every), "train.checkpoint_every=0", "train.batch=64"})
	if err != nil {
		t.Fatal(err)
	}
	begun, goOn, end := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	release = sync.OnceFunc(func() { close(goOn) })
	go func() {
		defer close(end)
		hold := run.TrainOptions{Step: func(step int, _ float64) {
			if step == at {
				close(begun)
				<-goOn
			}
		}}
		_, err := run.Train(context.WithoutCancel(t.Context()), cfg, dir, hold)
		end <- err
	}()
	t.Cleanup(func() {
		release()
		for range end { // the folder is its own until then
		}
	})
	<-begun
	return release, end
}

// TestATrainingIsWatched: from its first step, when there is no checkpoint yet, to its end, and its model
// answers as soon as there is one.
func TestATrainingIsWatched(t *testing.T) {
	dir, release, ended := held(t)
	s, h := serving(t, func(o *Options) { o.Runs = []string{dir} })
	c := &client.Client{URL: h.URL}
	models, err := c.Models(t.Context())
	if err != nil || models[0].Untrained == "" || models[0].Name != "moons" {
		t.Errorf("%+v, %v", models, err)
	}
	if code, body, _ := post(t, h.URL+"/v1/models/moons/sample", `{"n": 1}`); code != http.StatusConflict ||
		!strings.Contains(body, "checkpoint") {
		t.Errorf("%d %s", code, body)
	}
	if code, body, _ := get(t, h.URL+"/v2/models/moons/ready"); code != http.StatusConflict {
		t.Errorf("%d %s", code, body)
	}
	r, err := c.Run(t.Context(), "moons")
	if err != nil || !r.Training || r.Step != 0 || r.Steps != 40 || r.Logged != 10 || r.Left == nil {
		t.Errorf("%+v, %v", r, err)
	}
	var steps []int
	if err := c.Watch(t.Context(), "moons", 0, func(m client.Metrics) error {
		release()
		for _, one := range m.Metrics {
			steps = append(steps, one.Step)
		}
		return nil
	}); err != nil || !reflect.DeepEqual(steps, []int{10, 20, 30, 40}) {
		t.Errorf("steps %v, %v", steps, err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, err := s.entries[0].refresh(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Sample(t.Context(), "moons", client.SampleRequest{N: 1}); err != nil || got.Step != 40 {
		t.Errorf("%+v, %v", got, err)
	}
	// Without a training a folder that has no checkpoint is no run to serve.
	if err := os.Remove(filepath.Join(dir, run.CheckpointFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Runs: []string{dir}}); !errors.Is(err, run.ErrNoCheckpoint) {
		t.Errorf("%v", err)
	}
}

// TestARunIsOpenedOnceForEachState: an attempt that fails is not made again and again.
func TestARunIsOpenedOnceForEachState(t *testing.T) {
	dir, release, ended := held(t)
	e, err := newEntry("moons", dir, run.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	opened, open := 0, e.open
	e.open = func() (*run.Run, error) {
		opened++
		return open()
	}
	look := func(want int, why error) {
		t.Helper()
		for range 3 {
			if _, err := e.refresh(); opened != want || !errors.Is(err, why) {
				t.Errorf("opened %d times, %v; want %d, %v", opened, err, want, why)
			}
		}
	}
	look(0, run.ErrNoCheckpoint)
	e.when = time.Now().Add(-2 * tryAgain)
	look(1, run.ErrNoCheckpoint)
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	look(2, nil)
}

// TestStreamsOfMetricsEnd: with the time of the request, so that none lasts for ever, and with the service. Whoever
// reads is told that the training goes on.
func TestStreamsOfMetricsEnd(t *testing.T) {
	dir, _, _ := held(t)
	for name, c := range map[string]struct {
		timeout time.Duration
		drain   bool
	}{"their time is over": {50 * time.Millisecond, false}, "the service ends": {time.Minute, true}} {
		s, h := serving(t, func(o *Options) { o.Runs, o.Timeout = []string{dir}, c.timeout })
		var steps []int
		if err := (&client.Client{URL: h.URL}).Watch(t.Context(), "moons", 0, func(m client.Metrics) error {
			for _, one := range m.Metrics {
				steps = append(steps, one.Step)
			}
			if c.drain {
				s.drain()
			}
			return nil
		}); err != nil || !reflect.DeepEqual(steps, []int{10}) {
			t.Errorf("%s: steps %v, %v", name, steps, err)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/models/moons/metrics/stream", nil))
		if !strings.HasSuffix(w.Body.String(), "event: end\ndata: {\"training\":true}\n\n") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestARunIsToldWithoutItsMetrics: a damaged file of them takes nothing else away.
func TestARunIsToldWithoutItsMetrics(t *testing.T) {
	s, h := serving(t, nil)
	file := filepath.Join(s.entries[0].dir, run.MetricsFile)
	if err := os.WriteFile(file, []byte("no JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &client.Client{URL: h.URL}
	if r, err := c.Run(t.Context(), "moons"); err != nil || r.Steps != 50 || r.Step != 50 || r.Settings == "" ||
		r.Logged != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for range mostWatched + 1 { // a stream that cannot begin makes room for others
		if code, body, _ := get(t, h.URL+"/v1/models/moons/metrics/stream"); code != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", code, body)
		}
	}
}

// TestStreamsOfMetricsAreBounded: no more than some are under way, and one too many reads no files.
func TestStreamsOfMetricsAreBounded(t *testing.T) {
	s, h := serving(t, nil)
	for range mostWatched {
		if !s.watchers.enter() {
			t.Fatal("too few may watch")
		}
	}
	file := filepath.Join(s.entries[0].dir, run.MetricsFile)
	if err := os.Rename(file, file+"~"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _, head := get(t, h.URL+"/v1/models/moons/metrics/stream"); code != http.StatusTooManyRequests ||
		head.Get("Retry-After") == "" {
		t.Errorf("one more than may watch: %d", code)
	}
	if err := errors.Join(os.Remove(file), os.Rename(file+"~", file)); err != nil {
		t.Fatal(err)
	}
	s.watchers.leave()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/models/moons/metrics/stream", nil))
	if !strings.HasSuffix(w.Body.String(), "event: end\ndata: {\"training\":false}\n\n") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A folder that is removed while its run is served is said once; the state before goes on answering.
func TestAFolderThatIsGoneIsSaid(t *testing.T) {
	dir := trained(t, filepath.Join(t.TempDir(), "moons"))
	e, err := newEntry("moons", dir, run.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	go watch(t.Context(), []*entry{e}, time.Millisecond, slog.New(slog.NewTextHandler(lines(said), nil)))
	if line := <-said; !strings.Contains(line, "the one before stays") || !strings.Contains(line, dir) {
		t.Errorf("the log has %q", line)
	}
	time.Sleep(50 * time.Millisecond)
	if n := len(said); n > 0 {
		t.Errorf("%d more lines", n)
	}
	if e.current.Load() == nil {
		t.Error("the run answers no more")
	}
}

// lines is written to by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
