package synth_test

import (
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

func TestASetIsASource(t *testing.T) {
	s, err := synth.SourceConfig{Name: "8gaussians"}.New()
	if err != nil {
		t.Fatal(err)
	}
	set, err := synth.ByName("8gaussians", synth.Params{})
	if err != nil {
		t.Fatal(err)
	}
	x, y := flow.NewBatch(50, 2), flow.NewBatch(50, 2)
	s.Sample(x, seed.Rand(1, "source", 0))
	set.Sample(y, seed.Rand(1, "source", 0))
	got, want := make([]float64, 50), make([]float64, 50)
	s.LogProb(got, x)
	set.(data.LogProber).LogProb(want, y)
	for i := range got {
		if x.X[2*i] != y.X[2*i] || got[i] != want[i] {
			t.Fatalf("point %d: %v with log p %g, want %v with %g", i, x.Row(i), got[i], y.Row(i), want[i])
		}
	}
}

func TestBadSourcesAreNamed(t *testing.T) {
	zero := 0.0
	for want, c := range map[string]synth.SourceConfig{
		`unknown synthetic set "moon"`:   {Name: "moon"},
		"scale is set without a name":    {Params: synth.Params{Scale: new(2.0)}},
		"has no density; give it a nois": {Name: "moons", Params: synth.Params{Noise: &zero}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", c, err, want)
		}
	}
	if s, err := (synth.SourceConfig{}).New(); s != nil || err != nil {
		t.Errorf("no source: got %v, %v", s, err)
	}
}
