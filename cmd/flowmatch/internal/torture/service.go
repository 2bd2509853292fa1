package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"flowmatch/client"
)

// service is a service under way, as a process of its own.
type service struct {
	cmd    *exec.Cmd
	url    string
	stderr bytes.Buffer
	log    sync.WaitGroup
}

// serve starts a service of runs, and waits until it listens.
func (t *torturer) serve(args ...string) (*service, error) {
	s := &service{cmd: exec.Command(t.bin, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)}
	out, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadBytes('\n')
	var said struct{ Address string }
	if err != nil || json.Unmarshal(first, &said) != nil || said.Address == "" {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		return nil, fmt.Errorf("the service says %.300q (%v)", first, err)
	}
	s.url = "http://" + said.Address
	s.log.Go(func() { io.Copy(&s.stderr, lines) })
	return s, nil
}

// end sends a signal to a service and waits for its end; it reports a trace of a panic.
func (s *service) end(sig os.Signal) error {
	s.cmd.Process.Signal(sig)
	s.log.Wait()
	s.cmd.Wait()
	for line := range strings.SplitSeq(s.stderr.String(), "\n") {
		if !strings.HasPrefix(line, "{") { // what is no line of the log
			if err := traced(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// memory is how many bytes the process holds.
func (s *service) memory() (bytes float64, err error) {
	resp, err := http.Get(s.url + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "process_resident_memory_bytes "); ok {
			_, err = fmt.Sscan(text, &bytes)
			return bytes, err
		}
	}
	return 0, errors.New("the metrics have no memory")
}

// serviceRun trains a small run of a name, with so many steps.
func (t *torturer) serviceRun(r *report, name string, steps int) string {
	dir := filepath.Join(t.dir, name)
	file := t.writeText(r, name+".yaml", runFile)
	e, err := t.start(trainArgs(file, dir, []string{fmt.Sprint("train.steps=", steps), "train.sample_every=0"})...)
	if err != nil || e.code != 0 {
		r.fault("training: exit code %d, %v: %.300s", e.code, err, e.stderr)
	}
	return dir
}

// same says whether two answers have the same samples.
func same(a, b *client.Samples) bool { return fmt.Sprint(a.X) == fmt.Sprint(b.X) }

// swapUnder trains on and on in the folder of a run that is served, kills the training and the service, and
// asks all the while: each answer must be of a state that was saved.
func swapUnder(t *torturer, r *report) {
	r.what = "kills in the midst of swaps under a service"
	dir := t.serviceRun(r, "swapped", 30)
	s, err := t.serve(dir)
	if err != nil {
		r.fault("%v", err)
		return
	}
	answers, last := map[int]*client.Samples{}, 0
	ask := func() {
		c := &client.Client{URL: s.url}
		seed := uint64(1)
		got, err := c.Sample(context.Background(), "swapped", client.SampleRequest{N: 2, Seed: &seed})
		switch {
		case err != nil:
			r.fault("a request under a swap: %v", err)
			return
		case got.Step%15 != 0 || got.Step < last:
			r.fault("an answer of step %d after one of %d, which was never saved", got.Step, last)
		case answers[got.Step] != nil && !same(answers[got.Step], got):
			r.fault("two answers of step %d differ", got.Step)
		}
		answers[got.Step], last = got, got.Step
	}
	file := filepath.Join(t.dir, "swapped.yaml")
	args := trainArgs(file, dir, []string{"train.steps=1000000", "train.sample_every=0"})
	for range t.often(5, 60) {
		training := exec.Command(t.bin, args...)
		if err := training.Start(); err != nil {
			r.fault("%v", err)
			break
		}
		end := time.Now().Add(time.Duration(float64(2*time.Second) * t.rng.Float64()))
		for time.Now().Before(end) {
			ask()
		}
		training.Process.Kill()
		training.Wait()
		r.tried++
		if t.rng.IntN(2) == 0 { // the service, too, which begins again with a state that is whole
			r.tried++
			if err := s.end(os.Kill); err != nil {
				r.fault("the service: %v", err)
			}
			if s, err = t.serve(dir); err != nil {
				r.fault("after kills: %v", err)
				return
			}
		}
		ask()
	}
	r.note("answers of %d states", len(answers))
	if err := s.end(os.Interrupt); err != nil {
		r.fault("the service: %v", err)
	}
}

// overload asks a service for twice what it has room for: each answer must be right, or 429.
func overload(t *torturer, r *report) {
	r.what = "requests at twice the room"
	const room, points = 8, 200
	dir := t.serviceRun(r, "overloaded", 30)
	s, err := t.serve(dir, "--max-queue", fmt.Sprint(room))
	if err != nil {
		r.fault("%v", err)
		return
	}
	c := &client.Client{URL: s.url, Tries: 1}
	request := func(seed uint64) client.SampleRequest { return client.SampleRequest{N: points, Seed: &seed} }
	want := make([]*client.Samples, 2*room)
	for k := range want {
		if want[k], err = c.Sample(context.Background(), "overloaded", request(uint64(k))); err != nil {
			r.fault("without load: %v", err)
			return
		}
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	refused := 0
	end := time.Now().Add(time.Duration(t.often(5, 300)) * time.Second)
	for k := range 2 * room {
		group.Go(func() {
			for time.Now().Before(end) {
				got, err := c.Sample(context.Background(), "overloaded", request(uint64(k)))
				mu.Lock()
				r.tried++
				switch {
				case errors.Is(err, client.ErrBusy):
					refused++
				case err != nil:
					r.fault("%v", err)
				case !same(got, want[k]):
					r.fault("seed %d has another answer under load", k)
				}
				mu.Unlock()
			}
		})
	}
	memory := t.held(s, r, end)
	group.Wait()
	r.note("%d were refused; %s", refused, memory)
	if refused == 0 {
		r.fault("no request was refused: there was room for all")
	}
	if err := s.end(os.Interrupt); err != nil {
		r.fault("the service: %v", err)
	}
}

// held watches the memory of a service until the end, and says what it was: in the second half it must be
// about what it was in the first.
func (t *torturer) held(s *service, r *report, end time.Time) string {
	var most [2]float64
	begin := time.Now()
	for time.Now().Before(end) {
		time.Sleep(200 * time.Millisecond)
		held, err := s.memory()
		if err != nil {
			r.fault("%v", err)
			break
		}
		half := 0
		if time.Since(begin) > end.Sub(begin)/2 {
			half = 1
		}
		most[half] = max(most[half], held)
	}
	if most[1] > 1.25*most[0]+16<<20 {
		r.fault("the memory grows: %.0f MiB at most in the first half, %.0f in the second", most[0]/(1<<20),
			most[1]/(1<<20))
	}
	return fmt.Sprintf("%.0f MiB at most in the first half, %.0f in the second", most[0]/(1<<20), most[1]/(1<<20))
}

// requests are those that malformed ones are made of.
var requests = []struct{ path, body string }{
	{"/v1/models/asked/sample", `{"n": 3, "seed": 1, "logp": true, "rtol": 1e-3}`},
	{"/v1/models/asked/stream", `{"n": 2, "times": [0, 0.5, 1], "steps": 2, "solver": "euler"}`},
	{"/v1/models/asked/logp", `{"x": [[0.1, 0.2], {"c0": 1, "c1": 2}]}`},
	{"/v1/models/asked/impute", `{"rows": {"a": null}}`},
	{"/v2/models/asked/infer", `{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [2]}]}`},
}

// malformed sends requests that are none: each must be refused, or taken, and none end the service.
func malformed(t *torturer, r *report) {
	r.what = "malformed requests"
	s, err := t.serve(t.serviceRun(r, "asked", 30), "--max-points", "100", "--max-nfe", "500")
	if err != nil {
		r.fault("%v", err)
		return
	}
	taken, n := 0, t.often(500, 10_000)
	for k := range n {
		q := requests[k%len(requests)]
		body := mutateBytes(t.rng, []byte(q.body))
		resp, err := http.Post(s.url+q.path, "application/json", bytes.NewReader(body))
		if err != nil {
			r.fault("%s %q: %v", q.path, body, err)
			break
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err != nil:
			r.fault("%s %q: %v", q.path, body, err)
		case resp.StatusCode >= 500, bytes.Contains(text, []byte(`"status":500`)):
			r.fault("%s %q: %d %.200s", q.path, body, resp.StatusCode, text)
		case resp.StatusCode == http.StatusOK:
			taken++
		}
		r.tried++
	}
	r.note("%d were taken", taken)
	if err := s.end(os.Interrupt); err != nil {
		r.fault("the service: %v", err)
	}
}
