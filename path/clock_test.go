package path

import (
	"math"
	"strings"
	"testing"
)

// densities are some on [0, 0.999], with the inverse of their distribution functions.
func densities() map[string]struct{ density, inverse func(float64) float64 } {
	const hi = 0.999
	return map[string]struct{ density, inverse func(float64) float64 }{
		"even":   {func(float64) float64 { return 7 }, func(u float64) float64 { return hi * u }},
		"linear": {func(t float64) float64 { return t }, func(u float64) float64 { return hi * math.Sqrt(u) }},
		"steep at the end": {func(t float64) float64 { return 1 / (1 - t) },
			func(u float64) float64 { return 1 - math.Pow(1-hi, u) }},
	}
}

func TestTheTimesOfAClockHaveItsDensity(t *testing.T) {
	for name, c := range densities() {
		clock, err := NewClock(0, 0.999, c.density)
		if err != nil {
			t.Fatal(err)
		}
		mean := 0.0 // of the density, in times that have it: the integral of its square over its own
		for i := range 1000 {
			u := (float64(i) + 0.5) / 1000
			at := clock.At(u)
			if want := c.inverse(u); math.Abs(at-want) > 1e-6 {
				t.Errorf("%s: the share %g is at %g, want %g", name, u, at, want)
			}
			mean += c.density(at) * clock.Slope(u) / 1000
		}
		for i := range 1000 {
			u := (float64(i) + 0.5) / 1000
			if got := c.density(clock.At(u)) * clock.Slope(u); math.Abs(got-mean) > 1e-2*mean {
				t.Errorf("%s: density times slope is %g at %g, want %g everywhere", name, got, u, mean)
			}
		}
		if lo, hi := clock.At(0), clock.At(1); lo != 0 || math.Abs(hi-0.999) > 1e-15 {
			t.Errorf("%s: times from %g to %g, want 0 to 0.999", name, lo, hi)
		}
	}
}

// Whatever the clock, a mean over its times with its slope for a weight is an integral over
// even times.
func TestTheSlopeOfAClockMakesUpForItsDensity(t *testing.T) {
	clocks := map[string]*Clock{}
	for name, c := range densities() {
		clocks[name], _ = NewClock(0, 0.999, c.density)
	}
	for _, s := range []string{"condot", "vp", "ve", "poly"} {
		schedule, err := ByName(s)
		if err != nil {
			t.Fatal(err)
		}
		clocks[s] = Precondition{Data: 2}.Clock(schedule, 0, 0.999)
	}
	for name, clock := range clocks {
		const n = 1 << 17
		sum := 0.0
		for i := range n {
			u := (float64(i) + 0.5) / n
			sum += math.Exp(clock.At(u)) * clock.Slope(u) / n
		}
		if want := math.Expm1(0.999); math.Abs(sum-want) > 1e-3*want {
			t.Errorf("%s: the integral of exp is %.8f, want %.8f", name, sum, want)
		}
	}
}

// Times are even in the share of the data whatever the scale: half of them are where data
// and noise are alike.
func TestAClockOfDataOfAnyScaleIsEvenInTheirShare(t *testing.T) {
	for _, scale := range []float64{1e-9, 1e-3, 1, 100, 1e6, 1e9} {
		for _, s := range []Scheduler{CondOT{}, Cosine{}, Poly{N: 2}} {
			p := Precondition{Data: scale}
			clock := p.Clock(s, 0, 1)
			for i := range 100 {
				u := (float64(i) + 0.5) / 100
				if got := p.At(s.At(clock.At(u)), Velocity).Share; math.Abs(got-u) > 1e-3 {
					t.Errorf("%T, scale %g: at %g the share of the data is %g", s, scale, u, got)
				}
			}
		}
	}
}

func TestWhatIsNoDensityIsAnError(t *testing.T) {
	for want, c := range map[string]struct {
		lo, hi  float64
		density float64
	}{
		"an interval from 1 to 0":              {1, 0, 1},
		"the density at t = 1.1":               {0, 1, -1},
		"is NaN; it must be finite":            {0, 1, math.NaN()},
		"is +Inf; it must be finite":           {0, 1, math.Inf(1)},
		"has the integral 0":                   {0, 1, 0},
		"has the integral +Inf":                {0, 4, math.MaxFloat64},
		"an interval from 0 to +Inf; it must ": {0, math.Inf(1), 1},
	} {
		_, err := NewClock(c.lo, c.hi, func(float64) float64 { return c.density })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Where the density is 0 there are no times, and the ends of the interval are not asked for.
func TestAClockSkipsWhatHasNoDensity(t *testing.T) {
	clock, err := NewClock(0, 1, func(t float64) float64 {
		if t == 0 || t == 1 {
			return math.NaN()
		}
		if t < 0.25 || t > 0.5 {
			return 0
		}
		return 1
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 101 {
		u := float64(i) / 100
		at, slope := clock.At(u), clock.Slope(u)
		if math.Abs(at-(0.25+u/4)) > 1e-3 || math.Abs(slope-0.25) > 1e-3 {
			t.Errorf("the share %g is at %g with the slope %g, want %g and 0.25", u, at, slope, 0.25+u/4)
		}
	}
}
