package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/sde"
)

// Samples drawn with noise are those of their seed, as the model draws them, whatever else shares their solves.
func TestNoiseIsThatOfTheSeed(t *testing.T) {
	s, h := serving(t, func(o *Options) { o.Workers = 1 })
	r := s.entries[0].current.Load()
	shared, before := 0, s.queue.solved
	s.queue.solved = func(jobs, points, nfe int) { // one worker: no lock is needed
		shared = max(shared, jobs)
		before(jobs, points, nfe)
	}
	c := &client.Client{URL: h.URL}
	var wait sync.WaitGroup
	for seed := range uint64(24) {
		wait.Go(func() {
			n := 1 + int(seed)%7
			how := sde.Sampler{Method: sde.DDIM, Eta: 0.5, Steps: 9, Denoise: true}
			want, err := r.Model.Sample(t.Context(), model.SampleOptions{N: n, Seed: seed,
				Sampler: model.SDE{Sampler: how}, Given: flow.Given{Label: flow.LabelsInTurn(n, 2)}})
			if err != nil {
				t.Error(err)
				return
			}
			got, err := c.Sample(t.Context(), "moons", client.SampleRequest{N: n, Seed: &seed, Eta: 0.5,
				How: client.How{Solver: "ddim", Steps: 9}})
			if err != nil {
				t.Error(err)
				return
			}
			x, _ := got.Numbers()
			for i := range n {
				if !slices.Equal(x[i], want.X.Row(i)) {
					t.Errorf("seed %d: sample %d is %v, of the model %v", seed, i, x[i], want.X.Row(i))
				}
			}
		})
	}
	wait.Wait()
	if shared < 2 {
		t.Error("no requests shared a solve")
	}
	url := h.URL + "/v1/models/moons/"
	for _, c := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"sample", `{"n": 1, "solver": "ddpm"}`, 200, "ddpm, 100 steps"},
		{"sample", `{"n": 1, "solver": "heun_sde", "diffusion": "sigma:0.5", "steps": 3}`, 200, "heun_sde g=sigma:0.5"},
		{"sample", `{"n": 1, "solver": "ddpm", "steps": 3, "time_grid": {"shift": 2}}`, 200, "ddpm, 3 steps shift=2"},
		{"sample", `{"n": 1, "solver": "ddpm", "steps": 3, "noise": [[0, 1]], "seed": 5}`, 200, `"seed":5`},
		{"sample", `{"n": 1, "solver": "ddpm", "steps": 30000}`, 422, "30000"},
		{"sample", `{"n": 1, "solver": "heun_sde", "steps": 15000}`, 422, "max_nfe is 20000"},
		{"sample", `{"n": 1, "solver": "ddpm", "rtol": 0.1}`, 422, "rtol: ddpm has given steps"},
		{"sample", `{"n": 1, "solver": "ddpm", "logp": true}`, 422, "logp: ddpm adds noise"},
		{"sample", `{"n": 1, "solver": "ddpm", "eta": 0.5}`, 422, "only ddim has one"},
		{"sample", `{"n": 1, "solver": "ddim", "eta": 2}`, 422, "eta"},
		{"sample", `{"n": 1, "solver": "ddim", "diffusion": "own"}`, 422, "a diffusion is for the SDE methods"},
		{"sample", `{"n": 1, "solver": "heun_sde", "diffusion": "mine"}`, 422, "unknown diffusion"},
		{"sample", `{"n": 1, "eta": 0.5}`, 422, "eta: it is of solvers with noise"},
		{"sample", `{"n": 1, "diffusion": "own", "solver": "euler"}`, 422, "diffusion: it is of solvers with noise"},
		{"sample", `{"n": 1, "solver": "ddpm", "guidance": 2}`, 422, "was not trained for it"},
		{"stream", `{"n": 1, "solver": "ddpm"}`, 422, "a solver of the ODE"},
		{"logp", `{"x": [[0, 1]], "label": 0, "solver": "ddpm"}`, 422, "solver"},
		{"complete", `{"x": [[0, null]], "solver": "ddpm"}`, 422, "a solver of the ODE"},
	} {
		code, text, _ := post(t, url+c.path, c.body)
		if code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s; want %d %s", c.path, c.body, code, text, c.code, c.want)
		}
	}
	_, h = started(t, Options{Runs: []string{placesRun(t)}})
	if code, text, _ := post(t, h.URL+"/v1/models/places/sample", `{"n": 1, "solver": "ddpm"}`); code != 422 ||
		!strings.Contains(text, "samplers with noise are for R^d") {
		t.Errorf("noise on a sphere: %d %s", code, text)
	}
}

// The fault of one request is none of those that share its solve: neither of points that it gives, nor of others.
func TestRequestsDoNotFailForOthers(t *testing.T) {
	q := newQueue(1, nil)
	defer q.close()
	begun, free := make(chan struct{}), make(chan struct{})
	go q.do(&job{ctx: t.Context(), key: "first", x: flow.NewBatch(1, 1), solve: func(_ context.Context, p points) (
		flow.Batch, []float64, int, error) {
		close(begun)
		<-free
		return p.x, nil, 1, nil
	}})
	<-begun // what comes now waits, and is solved for together
	together := 0
	solve := func(_ context.Context, p points) (flow.Batch, []float64, int, error) {
		if together = max(together, p.x.N); slices.Max(p.x.X) > 10 {
			return flow.Batch{}, nil, 1, fmt.Errorf("%w", ode.ErrNonFinite)
		}
		return p.x, nil, 1, nil
	}
	var wait sync.WaitGroup
	for k := range 12 {
		wait.Go(func() {
			x := flow.Batch{N: 2, D: 1, X: []float64{0, float64(k)}}
			err := q.do(&job{ctx: t.Context(), key: "a", x: x, solve: solve})
			if bad := k > 10; bad != errors.Is(err, ode.ErrNonFinite) || !bad && err != nil {
				t.Errorf("job %d: %v", k, err)
			}
		})
	}
	for len(q.waiting()) < 12 {
	}
	close(free)
	wait.Wait()
	if together < 24 {
		t.Errorf("%d points were solved for together", together)
	}
	_, h := serving(t, func(o *Options) { o.Workers = 1 })
	url := h.URL + "/v1/models/moons/sample"
	_, want, _ := post(t, url, `{"n": 2, "seed": 1, "solver": "euler", "steps": 400}`)
	for k := range 24 {
		wait.Go(func() {
			if k%2 == 0 {
				code, text, _ := post(t, url, `{"n": 1, "noise": [[1e308, -1e308]], "solver": "euler", "steps": 400}`)
				if code != http.StatusUnprocessableEntity {
					t.Errorf("noise that is none: %d %s", code, text)
				}
				return
			}
			if code, text, _ := post(t, url, `{"n": 2, "seed": 1, "solver": "euler", "steps": 400}`); text != want {
				t.Errorf("beside others that fail: %d %s", code, text)
			}
		})
	}
	wait.Wait()
}

// waiting are the jobs that wait.
func (q *queue) waiting() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.jobs)
}
