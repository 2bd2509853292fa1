package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"flowmatch/client"
)

// A service on this machine is asked for samples.
func ExampleClient() {
	ctx := context.Background()
	c := &client.Client{URL: "http://127.0.0.1:8080"}
	s, err := c.Sample(ctx, "moons", client.SampleRequest{N: 10})
	if errors.Is(err, client.ErrBusy) {
		fmt.Println("try again later")
	}
	fmt.Println(s, err)
}

// Samples of two moons of a class, from a service such as `flowmatch serve runs/moons`.
func ExampleClient_Sample() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"model": "moons", "step": 2000, "seed": 7, "solver": "dopri5", "x": [[0.5, -0.25]]}`)
	}))
	defer service.Close()

	c := &client.Client{URL: service.URL}
	seed := uint64(7)
	s, err := c.Sample(context.Background(), "moons", client.SampleRequest{N: 1, Seed: &seed,
		Label: client.Labels{"upper"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	x, err := s.Numbers()
	fmt.Println(x, err)
	// Output: [[0.5 -0.25]] <nil>
}
