package eval

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

// As many points are chosen as fit into the time, by how long a few take; where all surely fit, all.
func TestPointsAreChosenByTime(t *testing.T) {
	const within = 60 * time.Second
	for _, c := range []struct {
		first, each time.Duration // of a measurement, and of a point in it
		all, want   int
		tried       string
	}{
		{0, time.Millisecond, 1000, 1000, "[2]"},                                  // 1 s
		{0, 10 * time.Second, 1000, 6, "[2]"},                                     // 20 s already
		{0, 100 * time.Second, 1000, 2, "[2]"},                                    // the least
		{0, 600 * time.Millisecond, 70, 70, "[2]"},                                // 42 s
		{0, 7 * time.Millisecond, 100_000, 8500, "[2 8 32 128 512]"},              // 8571 of them
		{900 * time.Millisecond, time.Millisecond, 9000, 7400, "[2 8 32 128]"},    // 7470 of them
		{900 * time.Millisecond, time.Millisecond, 100_000, 7400, "[2 8 32 128]"}, // 1.028 s
		{0, 7 * time.Millisecond, 2, 2, "[]"},                                     // there are no fewer
		{0, 7 * time.Millisecond, 0, 0, "[]"},                                     // nothing is there
	} {
		var now time.Time
		var tried []int
		s := Subject{clock: func() time.Time { return now }}
		n, err := s.affordable(c.all, within, func(n int) error {
			tried = append(tried, n)
			now = now.Add(c.first + time.Duration(n)*c.each)
			return nil
		})
		if err != nil || n != c.want || fmt.Sprint(tried) != c.tried {
			t.Errorf("%+v: %d (%v), tried %v", c, n, err, tried)
		}
	}
	failed := errors.New("of the solve")
	if _, err := (Subject{}).affordable(100, within, func(int) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	// Several processes go by the time of the first.
	s := Subject{Budget: Budget{Agree: func(float64) (float64, error) { return 20, nil }}}
	if n, err := s.affordable(100, within, func(int) error { return nil }); n != 6 || err != nil {
		t.Errorf("agreed: %d, %v", n, err)
	}
}

// A report on as many points as fit is the one that is asked for with their number, and says of how many they are.
func TestAReportOfPointsChosenByTime(t *testing.T) {
	s := moons().train(t)
	s.Seed, s.Settings = 3, quick(40)
	var now time.Time
	s.clock = func() time.Time { now = now.Add(time.Second); return now } // each measurement takes one
	asked := s
	s.Budget = Budget{Likelihood: 7 * time.Second, Samples: 5 * time.Second}
	rep, err := s.Report(t.Context(), PartLikelihood, PartSamples)
	check(t, err)
	asked.Settings.Test, asked.Settings.Samples = 14, 10
	want, err := asked.Report(t.Context(), PartLikelihood, PartSamples)
	check(t, err)
	for name, c := range map[string][2]*Chosen{"likelihood": {rep.Likelihood.Chosen, {50, 7, "test"}},
		"samples": {rep.Samples.Chosen, {40, 5, "samples"}}} {
		if c[0] == nil || *c[0] != *c[1] {
			t.Errorf("%s: %+v, want %+v", name, c[0], c[1])
		}
	}
	rep.Likelihood.Chosen, rep.Samples.Chosen = nil, nil
	if !reflect.DeepEqual(rep, want) {
		t.Errorf("%+v, want %+v", rep, want)
	}
	// Points that nobody drew from a set.
	x, given, err := s.TestPoints(0)
	check(t, err)
	index, chosen, err := s.Afford(t.Context(), x, given, "points")
	check(t, err)
	if !slices.Equal(index, s.Some(50, 50)[:14]) || *chosen != (Chosen{50, 7, "points"}) {
		t.Errorf("%v, %+v", index, chosen)
	}
	s.Budget = Budget{}
	if index, chosen, err = s.Afford(t.Context(), x, given, "points"); index != nil || chosen != nil || err != nil {
		t.Errorf("without a budget %v, %v, %v", index, chosen, err)
	}
}
