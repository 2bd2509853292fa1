package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

func TestSourcePointsAreThoseOfTheSeed(t *testing.T) {
	s, _ := serving(t, nil)
	r := s.entries[0].current.Load()
	d, err := s.drawing(t.Context(), r, client.SampleRequest{N: 4})
	if err != nil {
		t.Fatal(err)
	}
	want := flow.NewBatch(4, 2)
	r.Model.Source().Sample(want, seed.Rand(r.Config.Seed, "sample", 0))
	if !slices.Equal(d.job.from().X, want.X) || !slices.Equal(d.job.given.Label, []int32{0, 1, 0, 1}) {
		t.Errorf("%v of classes %v, want %v", d.job.from().X, d.job.given.Label, want.X)
	}
}

// TestManySamplesWithinBoundsDiffer: such a request is solved as a whole, however large it is.
func TestManySamplesWithinBoundsDiffer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "box")
	file := filepath.Join(t.TempDir(), "box.csv")
	text := "a,b\n"
	for i := range 300 {
		text += fmt.Sprintf("%g,%g\n", float64(i%17)/17, float64(i*i%23)/23)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	trained(t, dir, "data.name=", "conditional=false", "data.path="+file, "data.bounds={a: [0, 1]}", "data.n=0",
		"eval.solver=euler", "eval.steps=3")
	_, h := serving(t, func(o *Options) { o.Runs = []string{dir} })
	const n = 2 * mostRows
	got := ask[client.Samples](t, h.URL+"/v1/models/box/sample", client.SampleRequest{N: n})
	seen := map[any]bool{}
	for _, row := range got.X {
		seen[row[1]] = true
	}
	if len(seen) < n*9/10 {
		t.Errorf("%d samples are %d different ones", n, len(seen))
	}
}
