package discrete

import (
	"math"
	"strings"
	"testing"
)

func TestConfigsMakeTheirPaths(t *testing.T) {
	for _, name := range append(Schedules(), "") {
		for _, source := range []Source{Mask, Uniform, ""} {
			path, err := (Config{Name: name, Source: source}).New(5)
			if err != nil {
				t.Fatalf("%q %q: %v", name, source, err)
			}
			m := path.(*Mixture)
			want := (Config{Name: name, Source: source}).Defaults()
			if want.String() != want.Name || want.Noise() != want.Source {
				t.Errorf("%v is called %s, of noise %s", want, want, want.Noise())
			}
			if m.Schedule().Name() != want.Name || m.Source() != want.Source || m.Levels() != 5 {
				t.Errorf("%q %q is %q %q", name, source, m.Schedule().Name(), m.Source())
			}
		}
	}
	for _, c := range []Config{{Name: "vp", Source: Mask}, {Name: "linear", Source: "noise"}} {
		if _, err := c.New(5); err == nil || c.Validate() == nil {
			t.Errorf("%v made a path", c)
		}
	}
	if _, err := (Config{}).New(1); err == nil {
		t.Error("a token of one level")
	}
}

// A path over a distance that a run file names is that of the distance in Go.
func TestAMetricPathOfARunFileIsThatOfItsDistance(t *testing.T) {
	for _, c := range []struct {
		m     MetricConfig
		power float64
	}{{MetricConfig{}, 1}, {MetricConfig{Distance: LevelsApart, Scale: 3}, 1},
		{MetricConfig{Distance: LevelsSquared}, 2}} {
		cfg := Config{Metric: &c.m}
		got, err := cfg.New(5)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for x := range 5 {
			for y := range 5 {
				sum += math.Abs(float64(x-y)) / 25
			}
		}
		want, err := NewMetric(5, func(x, y int32) float64 {
			return math.Pow(math.Abs(float64(x-y))/sum, c.power)
		}, c.m.Scale)
		if err != nil {
			t.Fatal(err)
		}
		p, q := make([]float64, 5), make([]float64, 5)
		for _, at := range []float64{0, 0.3, 0.9, 1} {
			got.Prob(p, at, 1)
			want.Prob(q, at, 1)
			for k := range p {
				if math.Abs(p[k]-q[k]) > 1e-12 {
					t.Errorf("%+v at %g: %v, want %v", c.m, at, p, q)
				}
			}
		}
		if cfg.String() != MetricName || cfg.Noise() != Uniform || got.States() != 5 {
			t.Errorf("%+v is called %s, of noise %s and %d states", c.m, cfg, cfg.Noise(), got.States())
		}
	}
	metric := func(scale float64) Config { return Config{Metric: &MetricConfig{Scale: scale}} }
	for _, c := range []struct {
		a, b Config
		same bool
	}{{metric(1), metric(0), true}, {metric(1), metric(2), false}, {metric(1), Config{}, false},
		{Config{}, Config{Name: "linear"}, true}, {Config{}, Config{Source: Uniform}, false}} {
		if c.a.Same(c.b) != c.same || c.b.Same(c.a) != c.same {
			t.Errorf("%v and %v are the same: %v, want %v", c.a, c.b, !c.same, c.same)
		}
	}
	for want, c := range map[string]Config{
		"path.name is set":       {Name: "linear", Metric: &MetricConfig{}},
		"path.source is mask":    {Source: Mask, Metric: &MetricConfig{}},
		"path.source is set":     {Source: Uniform, Metric: &MetricConfig{}},
		"path.metric.scale is -": {Metric: &MetricConfig{Scale: -1}},
		"path.metric.distance":   {Metric: &MetricConfig{Distance: "hamming"}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", c, err, want)
		}
	}
}
