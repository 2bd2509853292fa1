package eval

import (
	"strings"
	"testing"

	"flowmatch/likelihood"
	"flowmatch/ode"
	"flowmatch/timegrid"
)

func TestEachToleranceReachesTheSolver(t *testing.T) {
	s, err := Settings{Solve: ode.Config{Solver: "dopri5", RTol: 1e-3, ATol: 1e-7}}.Solver()
	check(t, err)
	if a, ok := s.Control.(ode.Adaptive); !ok || a.RTol != 1e-3 || a.ATol != 1e-7 {
		t.Errorf("got %+v", s.Control)
	}
	const usual = "dopri5 rtol=1e-05 atol=1e-05"
	for _, c := range []struct {
		solve        ode.Config
		ode, sampler string
	}{
		{ode.Config{}, usual, usual},
		{ode.Config{Solver: "dopri5", Steps: 12, RTol: 1, ATol: 1}, "dopri5 12 steps", "dopri5 12 steps"},
		{ode.Config{Solver: "euler"}, "euler 100 steps", "euler 100 steps"},
		{ode.Config{Solver: "average", Steps: 2, RTol: 1e-4, ATol: 1e-6}, "dopri5 rtol=0.0001 atol=1e-06",
			"average 2 steps"},
		{ode.Config{Solver: "interval"}, usual, "average 1 steps"}, // its old name
		{ode.Config{Solver: "rk4", Steps: 7}, "rk4 7 steps", "rk4 7 steps"},
		{ode.Config{Solver: "tsit5", RTol: 1e-4, ATol: 1e-6}, "tsit5 rtol=0.0001 atol=1e-06",
			"tsit5 rtol=0.0001 atol=1e-06"},
	} {
		solver, err := Settings{Solve: c.solve}.Solver()
		check(t, err)
		sampler, err := Settings{Solve: c.solve}.Sampler()
		check(t, err)
		if solver.String() != c.ode || sampler.String() != c.sampler {
			t.Errorf("%+v: got %q and %q, want %q and %q", c.solve, solver, sampler, c.ode, c.sampler)
		}
	}
}

func TestDivergencesAreExactInFewDimensions(t *testing.T) {
	for _, c := range []struct {
		cfg  likelihood.Config
		dim  int
		want string
	}{
		{likelihood.Config{}, 64, "exact"},
		{likelihood.Config{}, 65, "hutchinson, 1 rademacher probes"},
		{likelihood.Config{Divergence: "exact"}, 65, "exact"},
		{likelihood.Config{Divergence: "hutchinson", Probes: 3}, 2, "hutchinson, 3 rademacher probes"},
	} {
		d, err := Settings{Divergence: c.cfg}.DivergenceFor(c.dim, 7)
		check(t, err)
		if d.String() != c.want {
			t.Errorf("%+v in %d dimensions: %v, want %s", c.cfg, c.dim, d, c.want)
		}
	}
}

func TestSettingsThatCannotBeUsedNameTheKey(t *testing.T) {
	for _, c := range []struct {
		s    Settings
		want string
	}{
		{Settings{Solve: ode.Config{Solver: "rk5"}}, `eval: unknown solver "rk5"; did you mean "rk4"?`},
		{Settings{Solve: ode.Config{Solver: "averag"}}, `did you mean "average"?`},
		{Settings{Solve: ode.Config{RTol: -1}}, "eval: rtol is -1"},
		{Settings{Solve: ode.Config{Solver: "average", ATol: -1}}, "eval: atol is -1"},
		{Settings{Solve: ode.Config{Steps: -1}}, "eval: steps is -1"},
		{Settings{Solve: ode.Config{Solver: "average", Steps: -1}}, "eval: steps is -1"},
		{Settings{Solve: ode.Config{Solver: "average", Steps: 20001}}, "eval: steps is 20001"},
		{Settings{Solve: ode.Config{MaxNFE: -1}}, "eval: max_nfe is -1"},
		{Settings{Solve: ode.Config{TimeGrid: &timegrid.Config{Shift: new(3.0)}}}, "eval: time_grid: dopri5 chooses"},
		{Settings{Solve: ode.Config{Solver: "average", TimeGrid: &timegrid.Config{Shift: new(3.0)}}},
			"eval: time_grid: one step goes from noise to data"},
		{Settings{Divergence: likelihood.Config{Divergence: "excat"}}, `"excat"`},
		{Settings{Divergence: likelihood.Config{Probes: -1}}, "eval: probes is -1"},
		{Settings{Samples: -1}, "eval: samples is -1; it must be at least 1"},
		{Settings{Test: -1}, "eval: test is -1; it must be at least 0"},
		{Settings{Dequantizations: -1}, "eval: dequantizations is -1"},
		{Settings{Dequantizations: 1e12}, "eval: dequantizations is 1000000000000; it must be at most 10000"},
	} {
		if err := c.s.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.s, err, c.want)
		}
		if _, err := c.s.Sampler(); err == nil {
			t.Errorf("%+v: there is a sampler", c.s)
		}
	}
	if err := (Settings{}).Validate(); err != nil {
		t.Errorf("nothing set: %v", err)
	}
	c := Settings{Solve: ode.Config{Solver: "interval"}}.Defaults()
	if c.Solve.Solver != Average || c.Defaults() != c {
		t.Errorf("defaults of the old name: %+v", c)
	}
}

func TestStepsOfTheAverageVelocityTakeATimeGrid(t *testing.T) {
	for _, c := range []struct {
		s    ode.Config
		want string
	}{
		{ode.Config{Solver: Average}, "average 1 steps"},
		{ode.Config{Solver: Average, Steps: 4, TimeGrid: &timegrid.Config{Shift: new(3.0)}}, "average 4 steps shift=3"},
		{ode.Config{Solver: Average, TimeGrid: &timegrid.Config{Times: []float64{0, 0.2, 1}}},
			"average 2 steps times=0,0.2,1"},
	} {
		how, err := Settings{Solve: c.s}.Sampler()
		if err != nil || how.String() != c.want {
			t.Errorf("%v, %v; want %s", how, err, c.want)
		}
		solver, err := Settings{Solve: c.s}.Solver() // of densities, which steps of averages say nothing of
		if err != nil || solver.String() != "dopri5 rtol=1e-05 atol=1e-05" {
			t.Errorf("%v, %v", solver, err)
		}
	}
}

func TestErrorsCanNameTheSolverAsItWasGiven(t *testing.T) {
	for given, want := range map[string]string{"": "dopri5", "rk4": "rk4", Average: Average, "interval": "interval"} {
		var s Settings
		s.Solve.Solver = given
		if got := s.Defaults().Defaults().SolverAsGiven(); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
