package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/timegrid"
)

func TestTimesHaveTheirDistribution(t *testing.T) {
	const n = 20000
	for _, iid := range []bool{false, true} {
		for _, c := range []struct {
			times Times
			cdf   func(t float64) float64
		}{
			{Times{}, func(t float64) float64 { return t }},
			{Times{Name: "power"}, func(t float64) float64 { return t * t }},
			{Times{Name: "power", Power: 2}, math.Sqrt},
			{Times{Name: "logit_normal", Mean: 0.5, Std: 1.5}, func(t float64) float64 {
				return 0.5 * math.Erfc(-(math.Log(t/(1-t))-0.5)/1.5/math.Sqrt2)
			}},
		} {
			c.times.IID = iid
			ts := make([]float64, n)
			c.times.Sample(ts, 0, 1, rand.New(rand.NewPCG(1, 9)))
			slices.Sort(ts)
			worst := 0.0 // Kolmogorov-Smirnov
			for i, v := range ts {
				worst = max(worst, math.Abs(c.cdf(v)-(float64(i)+0.5)/n))
			}
			limit := 1.95 / math.Sqrt(n) // exceeded with probability 0.1 %
			if !iid {
				limit = 1.0 / n // one in each cell
			}
			if worst > limit {
				t.Errorf("%+v: distance to the distribution is %g, want at most %g", c.times, worst, limit)
			}
		}
	}
}

func TestTimesStayInTheirInterval(t *testing.T) {
	ts := make([]float64, 1000)
	Times{Name: "logit_normal", Std: 9}.Sample(ts, 0.1, 0.7, rand.New(rand.NewPCG(1, 9)))
	if slices.Min(ts) < 0.1 || slices.Max(ts) > 0.7 {
		t.Errorf("times span [%g, %g], want within [0.1, 0.7]", slices.Min(ts), slices.Max(ts))
	}
}

// What is drawn is what a sampler with the same shift asks for: the quantiles of the times are its steps.
func TestShiftedTimesAreThoseOfSampling(t *testing.T) {
	const n = 4000
	for _, shift := range []float64{0.4, 1, 3} {
		steps, err := timegrid.Config{Shift: &shift}.Shares(20)
		if err != nil {
			t.Fatal(err)
		}
		ts := make([]float64, n)
		Times{Shift: &shift}.Sample(ts, 0, 1, rand.New(rand.NewPCG(1, 9)))
		slices.Sort(ts)
		for k, want := range steps[1:20] {
			// Stratified: number i of them is in its cell.
			at := (k + 1) * n / 20
			if !(ts[at-1] <= want && want <= ts[at]) {
				t.Errorf("shift %g: %d of %d times are up to %g, want %g", shift, at, n, ts[at-1], want)
			}
		}
	}
	for _, bad := range []Times{{Shift: new(0.0)}, {Shift: new(math.Inf(1))}, {Name: Proportional, Shift: new(2.0)}} {
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "times.shift") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
