package bench

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"flowmatch/engine/native/machine"
)

// faked is a tuner on whose machine a unit of a case takes as long as a function says, by a clock of its own.
func faked(takes func(s machine.Sizes, k int) time.Duration) *tuner {
	clock := time.Duration(0)
	pause := func(d time.Duration) work {
		return func(ctx context.Context, units int) (int, error) {
			clock += time.Duration(units) * d
			return 0, ctx.Err()
		}
	}
	return &tuner{names: []string{"a", "b"}, round: 1e-3, least: tuneRounds, report: func(string) {},
		open: func(s machine.Sizes) ([]work, func(), error) {
			return []work{pause(takes(s, 0)), pause(takes(s, 1))}, func() {}, nil
		},
		timed: func(ctx context.Context, do work, units int) (float64, int, error) {
			begin := clock
			nfe, err := do(ctx, units)
			return (clock - begin).Seconds() / float64(units), nfe, err
		}}
}

func TestTuningTakesOnlyWhatWinsInEveryCase(t *testing.T) {
	begin := machine.Choose(machine.Model{}, 2)
	const usual, faster, slower = 2 * time.Millisecond, time.Millisecond, 5 * time.Millisecond
	got, err := faked(func(s machine.Sizes, k int) time.Duration {
		switch {
		case s.Tile > begin.Tile: // wins everywhere
			return faster
		case s.Rows > begin.Rows && k == 0: // wins here and loses there
			return slower
		}
		return usual
	}).tune(t.Context(), begin)
	want := begin
	want.Tile *= 2
	if err != nil || got.Sizes != want {
		t.Fatalf("%v (%v), want %v", got.Sizes, err, want)
	}
	last := got.Trials[len(got.Trials)-1]
	if !last.Taken || last.Sizes != want || len(last.Cases) != 2 || last.Cases[0].Rounds < tuneRounds {
		t.Errorf("last trial %+v, want all that was taken beside what it began with", last)
	}
}

func TestTuningStopsWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begin := machine.Choose(machine.Model{}, 2)
	if got, err := Tune(ctx, begin, nil); !errors.Is(err, context.Canceled) || got.Sizes != begin {
		t.Errorf("%v (%v), want what it began with and context.Canceled", got.Sizes, err)
	}
}

func TestWins(t *testing.T) {
	c := func(low, median, high float64) TrialCase {
		return TrialCase{Ratio: Quartiles{low, median, high}, Rounds: tuneRounds}
	}
	for _, x := range []struct {
		name  string
		cases []TrialCase
		want  bool
	}{
		{"all much faster", []TrialCase{c(0.8, 0.9, 0.95), c(0.9, 0.95, 0.97)}, true},
		{"a little faster", []TrialCase{c(0.98, 0.985, 0.99), c(0.98, 0.985, 0.99)}, false},
		{"one slower", []TrialCase{c(0.5, 0.6, 0.7), c(1, 1.03, 1.1)}, false},
		{"as fast as it is uncertain", []TrialCase{c(0.7, 0.95, 1.2), c(0.7, 0.95, 1.2)}, false},
		{"nothing", nil, false},
		{"too few rounds", []TrialCase{{Ratio: Quartiles{0.5, 0.5, 0.5}, Rounds: 1}}, false},
	} {
		if got := wins(x.cases); got != x.want {
			t.Errorf("%s: %v", x.name, got)
		}
	}
}

func TestQuartiles(t *testing.T) {
	for _, c := range []struct {
		x    []float64
		want Quartiles
	}{
		{[]float64{3}, Quartiles{3, 3, 3}}, {[]float64{5, 1, 4, 2, 3}, Quartiles{2, 3, 4}},
		{[]float64{1, 2}, Quartiles{1.25, 1.5, 1.75}},
	} {
		if got := quartilesOf(c.x); math.Abs(got.Low-c.want.Low)+math.Abs(got.Median-c.want.Median)+
			math.Abs(got.High-c.want.High) > 1e-12 {
			t.Errorf("%v: %v, want %v", c.x, got, c.want)
		}
	}
}
