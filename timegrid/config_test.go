package timegrid

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// fixture is what scripts/time-grids.py writes.
type fixture struct {
	Cases []struct {
		Grid   Config
		Steps  int
		Levels []float64
	}
	Defects struct {
		Twice struct {
			Once, Twice []float64
		} `json:"13243"`
		Ignored struct {
			Asked, Levels []float64
		} `json:"14461"`
		Single struct {
			NotANumber bool `json:"not_a_number"`
		} `json:"14411"`
	}
}

func read(t *testing.T) (f fixture) {
	t.Helper()
	text, err := os.ReadFile("testdata/diffusers.json")
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// levels returns those of a grid, 1 - shares.
func levels(t *testing.T, g Config, steps int) []float64 {
	t.Helper()
	shares, err := g.Shares(steps)
	if err != nil {
		t.Fatalf("%v: %v", g, err)
	}
	for i := range shares {
		shares[i] = 1 - shares[i]
	}
	return shares
}

func near(a, b []float64, within float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Abs(x-y) <= within })
}

// diffusers computes in float32, so that its levels have errors of 1e-7.
func TestLevelsAreThoseOfDiffusers(t *testing.T) {
	f := read(t)
	if len(f.Cases) < 200 {
		t.Fatalf("%d cases", len(f.Cases))
	}
	for _, c := range f.Cases {
		if got := levels(t, c.Grid, c.Steps); !near(got, c.Levels, 1e-6) {
			t.Errorf("%d steps of %v: levels %v, want %v", c.Steps, c.Grid, got, c.Levels)
		}
	}
}

// Issue 13243 of diffusers: without sigmas, its shift is applied to levels that are shifted already.
func TestAShiftIsAppliedOnce(t *testing.T) {
	d := read(t).Defects.Twice
	got := levels(t, Config{Shift: new(3.0)}, 10)
	if want := append(d.Once, 0); !near(got, want, 1e-6) {
		t.Errorf("levels %v, want %v", got, want)
	}
	if near(got, d.Twice, 1e-3) {
		t.Errorf("levels %v are shifted twice", got)
	}
}

// Issue 14461 of diffusers: times that are given are shifted all the same.
func TestTimesThatAreGivenAreTaken(t *testing.T) {
	d := read(t).Defects.Ignored
	times := []float64{0, 0.5, 0.75, 1}
	if got := levels(t, Config{Times: times}, 0); !near(got, append(d.Asked, 0), 0) || near(got, d.Levels, 1e-3) {
		t.Errorf("levels %v of times %v", got, times)
	}
	shift := Config{Times: times, Shift: new(3.0)}
	if err := shift.Validate(); err == nil || !strings.Contains(err.Error(), "shift is set beside times") {
		t.Errorf("a shift beside times: %v", err)
	}
}

// Issue 14411 of diffusers: the stretch of a single level divides 0 by 0.
func TestOneStepGoesFromNoiseToData(t *testing.T) {
	if !read(t).Defects.Single.NotANumber {
		t.Fatal("the fixture says that one step of diffusers is a number")
	}
	for _, g := range []Config{{}, {ShiftTerminal: new(0.1)}, {Shift: new(3.0), Spacing: "karras"},
		{Spacing: "beta", SigmaMin: new(0.01)}, {Spacing: "exponential", Shift: new(0.2), ShiftTerminal: new(0.5)}} {
		if got := levels(t, g, 1); !slices.Equal(got, []float64{1, 0}) {
			t.Errorf("%v: levels %v", g, got)
		}
	}
}

// A shift multiplies the noise to signal ratio, so that shifts follow each other as their product, and
// that of a level and its mirror image are each other's inverse.
func TestShiftsMultiplyTheRatioOfNoise(t *testing.T) {
	for _, s := range []float64{0.2, 1, 3, 12} {
		for _, level := range []float64{0, 0.01, 0.5, 0.9, 1} {
			got := Shifted(level, s)
			if level < 1 {
				if want := s * level / (1 - level); math.Abs(got/(1-got)-want) > 1e-12*(1+want) {
					t.Errorf("shift %g of %g is %g", s, level, got)
				}
			}
			if back := Shifted(got, 1/s); math.Abs(back-level) > 1e-14 {
				t.Errorf("shift %g of %g and back is %g", s, level, back)
			}
			if mirror := 1 - Shifted(1-level, 1/s); math.Abs(mirror-got) > 1e-14 {
				t.Errorf("shift %g of %g is %g, its mirror image %g", s, level, got, mirror)
			}
		}
	}
}

func TestGridsRiseFromNoiseToData(t *testing.T) {
	for _, name := range Spacings() {
		for _, shift := range []float64{0.1, 1, 20} {
			for steps := 1; steps < 70; steps += 3 {
				shares, err := Config{Spacing: name, Shift: &shift}.Shares(steps)
				if err != nil {
					t.Fatal(err)
				}
				if n := len(shares); n != steps+1 || shares[0] != 0 || shares[n-1] != 1 || turn(shares) > 0 {
					t.Errorf("%s, shift %g, %d steps: %v", name, shift, steps, shares)
				}
			}
		}
	}
}

func TestGridsWithoutSenseAreRefused(t *testing.T) {
	for _, c := range []struct {
		g    Config
		want string
	}{
		{Config{Spacing: "karas"}, `did you mean "karras"`},
		{Config{Shift: new(-1.0)}, "shift is -1"},
		{Config{Shift: new(math.NaN())}, "shift is NaN"},
		{Config{Shift: new(2.0), Mu: new(0.1)}, "shift, mu and tokens each"},
		{Config{Mu: new(math.Inf(1))}, "mu is +Inf"},
		{Config{Mu: new(1000.0)}, "exp(1000)"},
		{Config{BaseShift: new(0.1)}, "base_shift has no effect without tokens"},
		{Config{Tokens: new(64), BaseTokens: new(9000)}, "max_tokens is 4096"},
		{Config{Tokens: new(-1)}, "tokens is -1"},
		{Config{SigmaMin: new(1.0)}, "sigma_min is 1"},
		{Config{ShiftTerminal: new(-0.1)}, "shift_terminal is -0.1"},
		{Config{Rho: new(7.0)}, "rho has no effect on the spacing uniform"},
		{Config{Spacing: "karras", Alpha: new(1.0)}, "alpha has no effect on the spacing karras"},
		{Config{Sigmas: []float64{1, 0.5}, Spacing: "karras"}, "spacing karras is set beside sigmas"},
		{Config{Sigmas: []float64{1, 0.5}, SigmaMin: new(0.1)}, "sigma_min is set beside sigmas"},
		{Config{Sigmas: []float64{0.9, 0.5}}, "fall from 1 to 0"},
		{Config{Sigmas: []float64{1, 0.5, 0.6}}, "0.6, number 3, comes after 0.5"},
		{Config{Times: []float64{0, 0.5}}, "rise from 0 to 1"},
		{Config{Times: []float64{}}, "rise from 0 to 1"},
		{Config{Times: []float64{0, math.NaN(), 1}}, "NaN, number 2"},
		{Config{Times: []float64{0, 1}, Spacing: "beta"}, "spacing is set beside times"},
	} {
		_, err := c.g.Shares(4)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.g, err, c.want)
		}
	}
	if _, err := (Config{Sigmas: []float64{1, 0.5}}).Shares(3); err == nil {
		t.Error("two levels make three steps")
	}
	_, err := Config{Shift: new(1e18)}.Shares(4)
	if err == nil || !strings.Contains(err.Error(), "too short for float64") {
		t.Errorf("levels that are all 1: %v", err)
	}
}

// Requests that share a solve are told apart by the names of their grids.
func TestGridsOfDifferentTimesHaveDifferentNames(t *testing.T) {
	long := make([]float64, 21)
	for i := range long {
		long[i] = float64(i) / 20
	}
	other := slices.Clone(long)
	other[7] += 1e-9
	seen := map[string]bool{}
	for _, g := range []Config{{}, {Shift: new(3.0)}, {Shift: new(3.0000001)}, {Spacing: "karras"},
		{Spacing: "karras", Rho: new(5.0)}, {SigmaMin: new(0.1)}, {ShiftTerminal: new(0.1)},
		{Spacing: "beta", Alpha: new(2.0)}, {Spacing: "beta", Beta: new(2.0)}, {Times: long}, {Times: other},
		{Sigmas: []float64{1, 0.5}}, {Sigmas: []float64{1, 0.5}, Shift: new(2.0)}, {Tokens: new(300)}} {
		if seen[g.String()] {
			t.Errorf("two grids are called %v", g)
		}
		seen[g.String()] = true
	}
}
