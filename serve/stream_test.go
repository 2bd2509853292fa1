package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

func TestStreamsEndInTheSamples(t *testing.T) {
	s, h := serving(t, nil)
	noise := uint64(5)
	for _, how := range []client.How{{}, {Solver: "euler", Steps: 7}} {
		b := client.StreamRequest{SampleRequest: client.SampleRequest{N: 6, Seed: &noise, How: how}}
		b.Times = []float64{0, 0.25, 1}
		c := &client.Client{URL: h.URL}
		var states []client.State
		got, err := c.Stream(t.Context(), "moons", b, func(s client.State) error {
			states = append(states, s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want, err := c.Sample(t.Context(), "moons", b.SampleRequest)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: the stream ends in %v, not %v (%v)", how, got, want, err)
		}
		if len(states) != 3 || states[1].T != 0.25 || !reflect.DeepEqual(states[2].X, want.X) ||
			reflect.DeepEqual(states[1].X, states[0].X) {
			t.Errorf("%+v: states %v", how, states)
		}
		x0 := flow.NewBatch(6, 2)
		r := s.entries[0].current.Load().Model
		r.Source().Sample(x0, seed.Rand(5, "sample", 0))
		if u := r.Spec().Units(); u != nil {
			u.Invert(x0)
		}
		if states[0].X[0][0] != x0.X[0] {
			t.Errorf("the stream begins at %v, not %v", states[0].X[0], x0.Row(0))
		}
	}
}

// TestClosingAStreamEndsItsSolve: its worker is free for others.
func TestClosingAStreamEndsItsSolve(t *testing.T) {
	s, h := serving(t, func(o *Options) { o.Workers = 1 })
	c := &client.Client{URL: h.URL}
	b := client.StreamRequest{Times: []float64{0, 0.001, 1}}
	b.N, b.How = 20_000, client.How{Solver: "euler", Steps: 19_000}
	enough := errors.New("enough")
	states := 0
	start := time.Now()
	if _, err := c.Stream(t.Context(), "moons", b, func(client.State) error {
		if states++; states == 2 {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.Sample(ctx, "moons", client.SampleRequest{N: 1}); err != nil {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	for s.places.length() > 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if n := s.places.length(); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}

func TestAStreamIsEvents(t *testing.T) {
	_, h := serving(t, nil)
	code, body, head := post(t, h.URL+"/v1/models/moons/stream", `{"n": 2, "times": [0, 1]}`)
	events := strings.Split(strings.TrimSpace(body), "\n\n")
	if code != http.StatusOK || head.Get("Content-Type") != client.Events || len(events) != 3 {
		t.Fatalf("%d %v\n%s", code, head, body)
	}
	for k, want := range []string{"state", "state", "samples"} {
		first, data, _ := strings.Cut(events[k], "\n")
		var any map[string]any
		if first != "event: "+want || json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &any) != nil {
			t.Errorf("event %d is %q", k, events[k])
		}
	}
	// An error that comes while the stream is under way is its last event.
	c := &client.Client{URL: h.URL}
	b := client.StreamRequest{}
	b.N, b.How = 5, client.How{Solver: "dopri5", RTol: new(1e-12), ATol: new(1e-12)}
	_, h = serving(t, func(o *Options) { o.MaxNFE = 20 })
	c.URL = h.URL
	_, err := c.Stream(t.Context(), "moons", b, func(client.State) error { return nil })
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != http.StatusUnprocessableEntity {
		t.Errorf("%v; want an error of status 422", err)
	} else if !strings.Contains(fmt.Sprint(e), "max_nfe") && !strings.Contains(fmt.Sprint(e), "20") {
		t.Errorf("%v does not say what is wrong", e)
	}
}
