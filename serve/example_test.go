package serve_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"

	"flowmatch/client"
	"flowmatch/run"
	"flowmatch/serve"
)

// A run is served, and a client draws samples of it.
func Example() {
	if err := example(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// moons at step 20: 3 samples of [c0 c1]
	// the same again: true
}

func example() error {
	tmp, err := os.MkdirTemp("", "serve")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	dir := filepath.Join(tmp, "moons")
	cfg, err := run.ParseConfig(nil, []string{"data.name=moons", "net.hidden=[16]", "train.steps=20", "data.n=200"})
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := run.Train(ctx, cfg, dir, run.TrainOptions{}); err != nil {
		return err
	}
	server, err := serve.New(serve.Options{Runs: []string{dir}})
	if err != nil {
		return err
	}
	defer server.Close()
	http := httptest.NewServer(server.Handler()) // a program would call server.Serve
	defer http.Close()

	c := &client.Client{URL: http.URL}
	seed := uint64(7)
	s, err := c.Sample(ctx, "moons", client.SampleRequest{N: 3, Seed: &seed})
	if err != nil {
		return err
	}
	fmt.Printf("%s at step %d: %d samples of %v\n", s.Model, s.Step, len(s.X), s.Columns)
	again, err := c.Sample(ctx, "moons", client.SampleRequest{N: 3, Seed: &seed})
	if err != nil {
		return err
	}
	fmt.Println("the same again:", fmt.Sprint(s.X) == fmt.Sprint(again.X))
	return nil
}
