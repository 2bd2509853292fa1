package ode

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestConfigMakesTheSolverThatItNames(t *testing.T) {
	for _, c := range []struct {
		c      Config
		want   string
		maxNFE int
	}{
		{Config{}, "dopri5 rtol=1e-05 atol=1e-05", 20000},
		{Config{RTol: 1e-3}, "dopri5 rtol=0.001 atol=1e-05", 20000},
		{Config{Solver: "bosh3", ATol: 1e-7, MaxNFE: 50}, "bosh3 rtol=1e-05 atol=1e-07", 50},
		{Config{Steps: 7}, "dopri5 7 steps", 20000},
		{Config{Solver: "euler"}, "euler 100 steps", 20000},
		{Config{Solver: "rk4", Steps: 1}, "rk4 1 steps", 20000},
		{Config{Control: "batch"}, "dopri5 rtol=1e-05 atol=1e-05", 20000},
		{Config{Control: "point"}, "dopri5 rtol=1e-05 atol=1e-05 control=point", 20000},
	} {
		s, err := c.c.New()
		if err != nil || s.String() != c.want || s.MaxNFE != c.maxNFE {
			t.Errorf("%+v: got %v with MaxNFE %d, %v; want %s with %d", c.c, s, s.MaxNFE, err, c.want, c.maxNFE)
		}
		// What is written with all defaults filled in is the same solver.
		again, err := c.c.Defaults().New()
		if err != nil || again.String() != c.want || again.MaxNFE != c.maxNFE {
			t.Errorf("%+v with its defaults: got %v, %v", c.c, again, err)
		}
	}
	if got := (Solver{}).String(); got != "no solver" {
		t.Errorf("a solver without a method is %q", got)
	}
	if got := (Solver{Method: RK4, Control: Grid{0, 1}}).String(); got != "rk4" {
		t.Errorf("a solver with a grid is %q", got)
	}
}

func TestConfigNamesTheFieldThatCannotBeUsed(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Solver: "dopri"}, `unknown solver "dopri"; did you mean "dopri5"? it must be one of euler, midpoint`},
		{Config{Steps: -1}, "steps is -1; it must be at least 1"},
		{Config{RTol: -1e-5}, "rtol is -1e-05; it must be a number above 0"},
		{Config{RTol: math.NaN()}, "rtol is NaN;"},
		{Config{ATol: math.Inf(1)}, "atol is +Inf;"},
		{Config{RTol: 1e9}, "rtol is 1e+09; it must be at most 1"},
		{Config{Steps: math.MaxInt}, "steps is 9223372036854775807; dopri5 makes 6 evaluations in each, and max_nfe"},
		{Config{Steps: 6, Solver: "rk4", MaxNFE: 20}, "steps is 6; rk4 makes 4 evaluations in each, and max_nfe is 20"},
		{Config{Control: "points"}, `unknown control "points"; did you mean "point"? it must be one of batch, point`},
		{Config{MaxNFE: -3}, "max_nfe is -3; it must be at least 1"},
	} {
		err := c.c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got error %v, want %q", c.c, err, c.want)
		}
		if _, again := c.c.New(); fmt.Sprint(again) != fmt.Sprint(err) {
			t.Errorf("%+v: New says %v, Validate %v", c.c, again, err)
		}
	}
}

func TestTolerancesHaveAnEffectWhereStepsAreControlled(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{}, ""},
		{Config{Solver: "bosh3"}, ""},
		{Config{Steps: 3}, "3 equal steps are asked for, which have no tolerance"},
		{Config{Solver: "euler"}, "euler takes equal steps, which have no tolerance"},
		{Config{Solver: "rk4", Steps: 3}, "rk4 takes equal steps, which have no tolerance"},
	} {
		if got := c.c.Defaults().WithoutTolerance(); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.c, got, c.want)
		}
		if s, err := c.c.New(); err != nil {
			t.Error(err)
		} else if _, controlled := s.Control.(Adaptive); controlled != (c.want == "") {
			t.Errorf("%+v is solved with the control %v, but %q is reported", c.c, s.Control, c.want)
		}
	}
}

func TestConfigHasTheKeysOfRunFiles(t *testing.T) {
	want := Config{Solver: "tsit5", Steps: 3, RTol: 1e-3, ATol: 1e-4, MaxNFE: 9}
	var y, j Config
	text := "solver: tsit5\nsteps: 3\nrtol: 1e-3\natol: 1e-4\nmax_nfe: 9\n"
	if err := yaml.UnmarshalWithOptions([]byte(text), &y, yaml.DisallowUnknownField()); err != nil || y != want {
		t.Errorf("from YAML: %+v, %v", y, err)
	}
	b, err := json.Marshal(want)
	if err != nil || string(b) != `{"solver":"tsit5","steps":3,"rtol":0.001,"atol":0.0001,"max_nfe":9}` {
		t.Errorf("as JSON: %s, %v", b, err)
	}
	if err := json.Unmarshal(b, &j); err != nil || j != want {
		t.Errorf("from JSON: %+v, %v", j, err)
	}
}

func TestStatsOfBatchesAreThoseOfTheMostExpensive(t *testing.T) {
	cheap, dear := Stats{NFE: 12, Accepted: 2, LastT: 1, LastH: 0.5}, Stats{NFE: 18, Accepted: 3, LastT: 1, LastH: 0.3}
	gradient := Stats{NFE: 10, VJPs: 10}
	twin := Stats{NFE: 18, Accepted: 1}
	for _, c := range []struct{ a, b, want Stats }{
		{cheap, dear, dear}, {dear, cheap, dear}, {Stats{}, cheap, cheap}, {dear, gradient, gradient},
		{dear, twin, dear},
	} {
		if got := c.a.Max(c.b); got != c.want {
			t.Errorf("%+v and %+v: got %+v, want %+v", c.a, c.b, got, c.want)
		}
	}
	if got, want := cheap.Add(dear), (Stats{NFE: 30, Accepted: 5, LastT: 1, LastH: 0.3}); got != want {
		t.Errorf("one after the other: got %+v, want %+v", got, want)
	}
}
