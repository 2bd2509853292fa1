package path_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/path"
)

// What ConfigOf says of a schedule makes the same one, bit for bit.
func TestConfigOfNamesTheSchedulesOfThisPackage(t *testing.T) {
	for _, c := range []struct {
		s    path.Scheduler
		name string
	}{
		{path.CondOT{}, "condot"}, {path.CondOT{SigmaMin: 0.1}, "condot"}, {&path.CondOT{SigmaMin: 0.1}, "condot"},
		{path.VP{}, "vp"}, {path.VP{BetaMin: 0.2}, "vp"}, {&path.VP{BetaMax: 15}, "vp"},
		{path.VE{}, "ve"}, {&path.VE{SigmaMin: 0.1, SigmaMax: 7}, "ve"},
		{path.Cosine{}, "cosine"}, {&path.Cosine{}, "cosine"},
		{path.Poly{}, "poly"}, {&path.Poly{N: 3}, "poly"},
		{path.LinearVP{}, "linear_vp"}, {&path.LinearVP{}, "linear_vp"},
		{path.Bridge{}, "icfm"}, {path.Bridge{Sigma: 0.5}, "icfm"}, {&path.Bridge{Sigma: 2, Brownian: true}, "bridge"},
	} {
		cfg, ok := path.ConfigOf(c.s)
		if !ok || cfg.Name != c.name {
			t.Errorf("%#v: got %+v, %v, want %s", c.s, cfg, ok, c.name)
			continue
		}
		again, err := cfg.New()
		if err != nil {
			t.Errorf("%#v: %v", c.s, err)
			continue
		}
		for _, at := range []float64{0, 0.3, 0.9} {
			if got, want := again.At(at), c.s.At(at); got != want {
				t.Errorf("%#v at %g: %+v, want %+v", c.s, at, got, want)
			}
		}
		if a, noisy := c.s.(path.Noisy); noisy {
			got, dgot := again.(path.Noisy).Noise(0.3)
			if want, dwant := a.Noise(0.3); got != want || dgot != dwant {
				t.Errorf("%#v: noise %g, %g, want %g, %g", c.s, got, dgot, want, dwant)
			}
		}
	}
	for _, s := range []path.Scheduler{
		nil, (*path.CondOT)(nil), path.Func{Fn: path.CondOT{}.At}, path.CondOT{SigmaMin: 2}, path.Poly{N: 0.5},
		path.Bridge{Brownian: true}, path.VP{BetaMin: -1},
	} {
		if cfg, ok := path.ConfigOf(s); ok {
			t.Errorf("%#v is named %+v", s, cfg)
		}
	}
}

// plain is a field that does nothing.
type plain struct{}

func (plain) Dim() int                                     { return 1 }
func (plain) Velocity([]float64, float64, []float64) error { return nil }

// What is not there is an error, and never a panic.
func TestWhatIsNotThereIsAnError(t *testing.T) {
	one := flow.NewBatch(1, 1)
	interpolate := func(s path.Scheduler) error {
		return path.Interpolate(one, flow.NewBatch(1, 1), s, []float64{0.5}, flow.NewBatch(1, 1), flow.NewBatch(1, 1))
	}
	reschedule := func(f flow.Field, from, to path.Scheduler) error {
		_, err := path.Reschedule(f, from, to)
		return err
	}
	velocity := func(f flow.Field, s path.Scheduler, p path.Prediction) error {
		return path.AsVelocity(f, s, p).Velocity([]float64{0}, 0.5, []float64{0})
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"Check(nil)":                {path.Check(nil), "it is nil"},
		"Check of a nil pointer":    {path.Check((*path.VP)(nil)), "it is nil"},
		"Check(Func{})":             {path.Check(path.Func{}), "Func.Fn is nil"},
		"Check(&Func{})":            {path.Check(&path.Func{}), "Func.Fn is nil"},
		"Interpolate":               {interpolate(nil), "it is nil"},
		"Interpolate with a Func{}": {interpolate(path.Func{}), "Func.Fn is nil"},
		"Reschedule of no field":    {reschedule(nil, path.VP{}, path.VP{}), "the field is nil"},
		"Reschedule from nothing":   {reschedule(plain{}, nil, path.VP{}), "it is nil"},
		"Reschedule to nothing":     {reschedule(plain{}, path.VP{}, path.Func{}), "Func.Fn is nil"},
		"AsVelocity of no field":    {velocity(nil, path.VP{}, path.Noise), "the field is nil"},
		"AsVelocity of no velocity": {velocity(nil, path.VP{}, path.Velocity), "the field is nil"},
		"AsVelocity along nothing":  {velocity(plain{}, nil, path.Noise), "it is nil"},
		"AsVelocity of nothing":     {velocity(plain{}, path.VP{}, 9), "unknown prediction"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, c.err, c.want)
		}
	}
	if err := path.Check(path.Func{}); !errors.Is(err, path.ErrSchedule) {
		t.Errorf("got %v, want ErrSchedule", err)
	}
	if c := (path.Func{}).At(0.5); !math.IsNaN(c.Alpha) {
		t.Errorf("a schedule of nothing is %+v", c)
	}
	if g1, g0 := (path.Coef{}).Weights(9); !math.IsNaN(g1) || !math.IsNaN(g0) {
		t.Errorf("the weights of no prediction are %g and %g", g1, g0)
	}
	if err := path.Register("path-test-nil", func(path.Config) (path.Scheduler, error) {
		return (*path.VP)(nil), nil
	}); err != nil {
		t.Fatal(err)
	}
	defer path.Forget("path-test-nil")
	if _, err := (path.Config{Name: "path-test-nil"}).New(); err == nil || !strings.Contains(err.Error(), "made none") {
		t.Errorf("a registered nil: %v", err)
	}
}
