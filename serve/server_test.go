package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/run"
)

var update = flag.Bool("update", false, "write the golden file")

// trained returns the folder of a small run with classes, below dir.
func trained(t testing.TB, dir string, set ...string) string {
	t.Helper()
	cfg, err := run.ParseConfig(nil, append([]string{
		"data.name=moons", "conditional=true", "net.hidden=[16, 16]", "train.steps=50", "train.batch=64", "data.n=500",
		"data.val=50", "data.test=50",
	}, set...))
	if err != nil {
		t.Fatal(err)
	}
	return fitted(t, cfg, dir)
}

// serving returns a server of a small run, and what answers requests.
func serving(t *testing.T, change func(*Options)) (*Server, *httptest.Server) {
	t.Helper()
	o := Options{Runs: []string{trained(t, filepath.Join(t.TempDir(), "moons"))}, Watch: 10 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	return started(t, o)
}

// started returns a server with some options, and what answers requests.
func started(t *testing.T, o Options) (*Server, *httptest.Server) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	return s, h
}

// post returns the status and the body of an answer.
func post(t *testing.T, url, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for k := 0; k < len(headers); k += 2 {
		r.Header.Set(headers[k], headers[k+1])
	}
	return answered(t, r)
}

func get(t *testing.T, url string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k := 0; k < len(headers); k += 2 {
		r.Header.Set(headers[k], headers[k+1])
	}
	return answered(t, r)
}

func answered(t *testing.T, r *http.Request) (int, string, http.Header) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestSamplesAreThoseOfTheModel(t *testing.T) {
	s, h := serving(t, nil)
	code, body, _ := post(t, h.URL+"/v1/models/moons/sample", `{"n": 40, "seed": 7, "label": 1, "logp": true}`)
	var got client.Samples
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK {
		t.Fatal(code, body, err)
	}
	r := s.entries[0].current.Load()
	settings := r.Config.Eval
	solver, err := settings.DensitySolver()
	if err != nil {
		t.Fatal(err)
	}
	want, err := r.Model.Sample(t.Context(), model.SampleOptions{N: 40, Seed: 7, Given: flow.Given{Label: []int32{1}},
		Sampler: model.Density{Solver: solver}})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range got.X {
		if row[0] != want.X.Row(i)[0] || row[1] != want.X.Row(i)[1] || got.LogP[i] != want.LogP[i] ||
			got.Labels[i] != "1" {
			t.Fatalf("sample %d is %v of log-density %v and class %s, want %v, %v", i, row, got.LogP[i], got.Labels[i],
				want.X.Row(i), want.LogP[i])
		}
	}
	if got.Step != 50 || *got.Seed != 7 || got.Model != "moons" || len(got.Columns) != 2 {
		t.Errorf("the answer says %+v", got)
	}
	points, err := json.Marshal(map[string]any{"x": got.X, "label": []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	code, body, _ = post(t, h.URL+"/v1/models/moons/logp", string(points))
	var logp client.LogP
	if err := json.Unmarshal([]byte(body), &logp); err != nil || code != http.StatusOK {
		t.Fatal(code, body, err)
	}
	for i, v := range logp.LogP {
		if math.Abs(*v-got.LogP[i]) > 1e-3 {
			t.Errorf("log p of sample %d is %v, as a sample %v", i, *v, got.LogP[i])
		}
	}
}

func TestFormatsOfSamples(t *testing.T) {
	_, h := serving(t, nil)
	url := h.URL + "/v1/models/moons/sample"
	code, body, head := post(t, url, `{"n": 3, "seed": 1}`, "Accept", "text/csv")
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if code != http.StatusOK || len(lines) != 4 || !strings.HasSuffix(lines[0], ",label") ||
		head.Get("Content-Type") != client.CSV {
		t.Errorf("CSV: %d %s", code, body)
	}
	code, body, _ = post(t, url, `{"n": 3, "seed": 1}`, "Accept", "application/x-npy, */*;q=0.1")
	if code != http.StatusOK || !strings.HasPrefix(body, "\x93NUMPY") || len(body) != 128+3*2*8 {
		t.Errorf("NPY: %d, %d bytes", code, len(body))
	}
	if code, body, _ = post(t, url, `{"n": 3}`, "Accept", "image/gif"); code != http.StatusNotAcceptable {
		t.Errorf("a picture: %d %s", code, body)
	}
}

// TestAnAnswerDependsOnItsSeedAlone: whatever else is asked for at the time.
func TestAnAnswerDependsOnItsSeedAlone(t *testing.T) {
	s, h := serving(t, func(o *Options) { o.Workers = 1 })
	ask := func(k int) string {
		body := fmt.Sprintf(`{"n": %d, "seed": %d}`, 1+k*k%97, k)
		code, text, _ := post(t, h.URL+"/v1/models/moons/sample", body)
		if code != http.StatusOK {
			t.Errorf("request %d: %d %s", k, code, text)
		}
		return text
	}
	const n = 48
	want, shared := make([]string, n), 0
	for k := range want {
		want[k] = ask(k)
	}
	before := s.queue.solved
	s.queue.solved = func(jobs, points, nfe int) { // one worker: no lock is needed
		shared = max(shared, jobs)
		before(jobs, points, nfe)
	}
	var group sync.WaitGroup
	for k := range want {
		group.Go(func() {
			if got := ask(k); got != want[k] {
				t.Errorf("request %d got another answer among others", k)
			}
		})
	}
	group.Wait()
	if shared < 2 {
		t.Error("no requests shared a solve")
	}
}

func TestBadRequestsAreToldWhatIsWrong(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.MaxPoints = 1000 })
	for _, c := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"none/sample", `{"n": 1}`, 404, `there is \"moons\"`},
		{"moons/sample", `{"n": 0}`, 422, "n"},
		{"moons/sample", `{"n": 1001}`, 422, "at most 1000"},
		{"moons/sample", `{"n": 4611686018427387904}`, 422, "at most 1000"},
		{"moons/sample", `{"n": 1, "sed": 3}`, 422, "sed"},
		{"moons/sample", `{"n": 1`, 400, ""},
		{"moons/sample", `{"n": 1, "label": "x"}`, 422, "label: no class is called"},
		{"moons/sample", `{"n": 1, "label": 2}`, 422, "the classes are 0 to 1"},
		{"moons/sample", `{"n": 1, "label": [0, 1]}`, 422, "2 classes for 1 of given"},
		{"moons/sample", `{"n": 1, "label": [[0]]}`, 422, "body.label"},
		{"moons/sample", `{"n": 1, "complete": true}`, 422, "complete: "},
		{"moons/sample", `{"n": 1, "columns": 2}`, 422, "columns: they are those of a picture"},
		{"moons/sample", `{"n": 1, "given": 3}`, 422, "body.given"},
		{"moons/impute", `{"rows": [{"a": 1}]}`, 422, "data.schema: auto"},
		{"moons/stream", `{"n": 1, "times": [0, 0.5]}`, 422, "times: they must rise from 0 to 1"},
		{"moons/stream", `{"n": 1, "logp": true}`, 422, "logp: "},
		{"moons/stream", `{"n": 1000, "times": [0, 1], "solver": "average"}`, 422, "average velocities"},
		{"moons/sample", `{"n": 1, "given": {"a": 1}}`, 422, "takes no context"},
		{"moons/sample", `{"n": 1, "solver": "oiler"}`, 422, `did you mean \"euler\"`},
		{"moons/sample", `{"n": 1, "steps": 5, "rtol": 1e-3}`, 422, "no tolerances"},
		{"moons/sample", `{"n": 1, "solver": "euler", "rtol": 1e-3}`, 422, "rtol: euler takes equal steps"},
		{"moons/stream", `{"n": 1, "solver": "rk4", "atol": 1e-3}`, 422, "atol: rk4 takes equal steps"},
		{"moons/complete", `{"x": [[1, null]], "solver": "euler", "rtol": 1e-3}`, 422, "rtol: euler takes equal steps"},
		{"moons/logp", `{"x": [[1, 1]], "label": 0, "solver": "euler", "rtol": 1e-3}`, 422, "rtol: euler takes equal"},
		{"moons/logp", `{"x": [[1, 1]], "label": 0, "solver": "average"}`, 422, "need a solver of the ODE"},
		{"moons/sample", `{"n": 1, "logp": true, "solver": "average"}`, 422, "solver: "},
		{"moons/sample", `{"n": 1, "guidance": 2}`, 422, "guidance"},
		{"moons/sample", `{"n": 1, "guidance_interval": [0, 0.5]}`, 422, "guidance_interval: there is no guidance"},
		{"moons/sample", `{"n": 1, "guidance_rescale": 0.5}`, 422, "guidance_rescale: there is no guidance"},
		{"moons/sample", `{"n": 1, "time_grid": {"shift": 3}}`, 422, "time_grid: dopri5 chooses its steps"},
		{"moons/sample", `{"n": 1, "solver": "euler", "time_grid": {"shft": 3}}`, 422, "shft"},
		{"moons/sample", `{"n": 1, "solver": "euler", "time_grid": {"times": [0, 0.5]}}`, 422, "rise from 0 to 1"},
		{"moons/sample", `{"n": 1, "time_grid": {"times": [0, 1]}, "rtol": 1e-3}`, 422, "time_grid: given steps"},
		{"moons/sample", `{"n": 1, "solver": "average"}`, 422, "average velocities"},
		{"moons/sample", `{"n": 1, "rtol": 1e-300}`, 422, "rtol"},
		{"moons/sample", `{"n": 1, "given": {"a": "b"}}`, 422, "takes no context"},
		{"moons/sample", `{"n": 1, "solver": "euler", "steps": 100000}`, 422, "max_nfe"},
		{"moons/logp", `{"x": []}`, 422, "x"},
		{"moons/logp", `{"x": [[1]], "label": [0]}`, 422, "1 values; a point of the model has 2"},
		{"moons/logp", `{"x": [[1, 2]]}`, 422, "one for all points, or one for each"},
		{"moons/logp", `{"x": [[1, 1e300]], "label": [0]}`, 422, "as a context, may be why: point 1: "},
		{"moons/logp", `{"x": [[1, "a"]], "label": [0]}`, 422, "value 2 of point 1 is no number"},
		{"moons/logp", `{"x": [{"c0": 1, "d": 2}], "label": 0}`, 422, "point 1 has no \\\"c1\\\""},
		{"moons/logp", `{"x": [{"c0": 1, "c1": 2, "d": 2}], "label": 0}`, 422, "point 1: "},
		{"moons/logp", `{"x": [3], "label": 0}`, 422, "body.x[0]"},
		{"moons/logp", `{"x": [[1, 1]], "label": 0, "seed": 3}`, 422, "seed: "},
	} {
		code, body, _ := post(t, h.URL+"/v1/models/"+c.path, c.body)
		if code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s; want %d and %q", c.path, c.body, code, body, c.code, c.want)
		}
	}
	// An error quotes the start of a request, not all of it.
	long := strings.Repeat("z", 100_000)
	for body, code := range map[string]int{
		strings.Repeat("[", 100_000): 400, `{"n": 1, "` + long + `": 1}`: 422, `{"n": 1, "seed": "` + long + `"}`: 422,
		`{"n": ` + strings.Repeat("1", 100_000) + `}`: 400,
	} {
		got, answer, _ := post(t, h.URL+"/v1/models/moons/sample", body)
		if got != code || len(answer) > 2000 {
			t.Errorf("%.20s...: %d and %d bytes; want %d and at most 2000", body, got, len(answer), code)
		}
	}
}

// codeOf is the status that an error of a solve is answered with; 0: it has none.
func codeOf(err error) int {
	if s, ok := errors.AsType[huma.StatusError](answer(err)); ok {
		return s.GetStatus()
	}
	return 0
}

// TestSmallJobsDoNotWaitForLargeOnes: they take turns.
func TestSmallJobsDoNotWaitForLargeOnes(t *testing.T) {
	q := newQueue(1, nil)
	defer q.close()
	begun := make(chan struct{}, 1000)
	step := func(_ context.Context, p points) (flow.Batch, []float64, int, error) {
		begun <- struct{}{}
		time.Sleep(time.Millisecond)
		return p.x, nil, 1, nil
	}
	large := &job{ctx: t.Context(), key: "a", solve: step, x: flow.NewBatch(100*mostRows, 1)}
	var group sync.WaitGroup
	group.Go(func() {
		if err := q.do(large); err != nil {
			t.Error(err)
		}
	})
	<-begun
	for _, key := range []string{"a", "b"} { // one that can share its solves, and one that cannot
		if err := q.do(&job{ctx: t.Context(), key: key, solve: step, x: flow.NewBatch(5, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-large.done:
		t.Error("the large job was done first")
	default:
	}
	group.Wait()
}

func TestCancelledRequestsEndTheirSolve(t *testing.T) {
	q := newQueue(1, nil)
	defer q.close()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errTimeout)
	defer cancel()
	ended := make(chan struct{})
	err := q.do(&job{ctx: ctx, x: flow.NewBatch(1, 1), solve: func(ctx context.Context, p points) (
		flow.Batch, []float64, int, error) {
		<-ctx.Done()
		close(ended)
		return p.x, nil, 0, ctx.Err()
	}})
	if code := codeOf(err); code != http.StatusGatewayTimeout {
		t.Errorf("a request out of time answers %d (%v)", code, err)
	}
	<-ended
}

func TestTokensLetIn(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Tokens = []string{"one", "two"} })
	for _, c := range []struct {
		path, token string
		code        int
	}{
		{"/v1/models", "", 401}, {"/v1/models", "Bearer three", 401}, {"/v1/models", "two", 401},
		{"/v1/models", "Bearer two", 200}, {"/v1/models", "Bearer   two", 200}, {"/v1/models", "Bearer two three", 401},
		{"/v1/models", "bearer one", 200}, {"/livez", "", 200}, {"/readyz", "", 200}, {"/metrics", "", 401},
		{"/openapi.json", "", 401}, {"/openapi.json", "Bearer one", 200},
	} {
		if code, body, head := get(t, h.URL+c.path, "Authorization", c.token); code != c.code ||
			head.Get("X-Content-Type-Options") != "nosniff" || head.Get("X-Request-Id") == "" {
			t.Errorf("%s with %q: %d %s, want %d", c.path, c.token, code, body, c.code)
		}
	}
}

func TestOtherSitesMayNotAsk(t *testing.T) {
	_, h := serving(t, nil)
	url := h.URL + "/v1/models/moons/sample"
	if code, body, _ := post(t, url, `{"n": 1}`, "Origin", "https://elsewhere.example"); code != http.StatusForbidden {
		t.Errorf("a page of another site: %d %s", code, body)
	}
	code, body, _ := post(t, url, `{"n": 1}`, "Content-Type", "application/x-www-form-urlencoded")
	if code != http.StatusOK {
		t.Errorf("curl -d: %d %s", code, body)
	}
}

func TestANewStateIsTakenUp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "moons")
	trained(t, dir)
	s, h := serving(t, func(o *Options) { o.Runs = []string{dir} })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go watch(ctx, s.entries, s.o.Watch, s.o.Log)
	step := func() int {
		code, body, _ := post(t, h.URL+"/v1/models/moons/sample", `{"n": 1}`)
		var got client.Samples
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK {
			t.Fatal(code, body, err)
		}
		return got.Step
	}
	if got := step(); got != 50 {
		t.Fatalf("step %d, want 50", got)
	}
	// A state that cannot be read leaves the one before.
	checkpoint := filepath.Join(dir, run.CheckpointFile)
	whole, err := os.ReadFile(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(checkpoint, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if got := step(); got != 50 {
		t.Errorf("step %d of a damaged checkpoint, want that before", got)
	}
	// So does another model.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	trained(t, dir, "data.name=gmm", "data.dim=3", "conditional=false")
	time.Sleep(50 * time.Millisecond)
	if _, err := s.entries[0].refresh(); err == nil || step() != 50 {
		t.Errorf("another model is taken up (%v)", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	trained(t, dir, "train.steps=60")
	for end := time.Now().Add(10 * time.Second); step() != 60; {
		if time.Now().After(end) {
			t.Fatal("the new state is not taken up")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestFiguresAndDocument(t *testing.T) {
	s, h := serving(t, nil)
	post(t, h.URL+"/v1/models/moons/sample", `{"n": 10}`)
	code, body, _ := get(t, h.URL+"/metrics")
	for _, want := range []string{
		`flowmatch_requests_total{operation="sample",status="200"} 1`, "flowmatch_solve_points_sum 10",
		"flowmatch_queue_requests 0", "process_resident_memory_bytes",
	} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("the metrics have no %q: %d", want, code)
		}
	}
	var models []client.Model
	code, body, _ = get(t, h.URL+"/v1/models")
	if code != http.StatusOK || json.Unmarshal([]byte(body), &models) != nil ||
		len(models) != 1 || !slices.Equal(models[0].Classes, []string{"0", "1"}) || models[0].Dim != 2 {
		t.Errorf("models: %d %s", code, body)
	}
	doc, err := s.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, append(doc, '\n'), "", "  "); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, pretty.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(want, pretty.Bytes()) {
		t.Errorf("the OpenAPI document is not that of %s (%v); look at it, and write it with -update", golden, err)
	}
}
