package coupling_test

import (
	"slices"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

func TestGroupsAreCoupledEachByItself(t *testing.T) {
	const n, rows = 23, 8
	rng := seed.Rand(3, "groups", 0)
	x0, x1 := flow.NewBatch(n, 2), flow.NewBatch(n, 2)
	flow.Gaussian{}.Sample(x0, rng)
	flow.Gaussian{}.Sample(x1, rng)
	got := make([]int, n)
	c, err := coupling.Config{Name: "ot", Batch: rows}.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Match(got, x0, x1, nil, nil); err != nil {
		t.Fatal(err)
	}
	for lo := 0; lo < n; lo += rows {
		hi := min(lo+rows, n)
		want := make([]int, hi-lo)
		if err := (coupling.OT{}).Match(want, x0.Slice(lo, hi), x1.Slice(lo, hi), nil, nil); err != nil {
			t.Fatal(err)
		}
		for j := range want {
			want[j] += lo
		}
		if !slices.Equal(got[lo:hi], want) {
			t.Errorf("rows %d to %d: got %v, want %v", lo, hi, got[lo:hi], want)
		}
	}
}

func TestBadGroupsAreNamed(t *testing.T) {
	for want, c := range map[string]coupling.Config{
		"batch = -1":                      {Name: "ot", Batch: -1},
		"batch = 8: coupling independent": {Batch: 8},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", c, err, want)
		}
	}
	if err := (coupling.Groups{Coupling: coupling.OT{}}).
		Match(nil, flow.Batch{D: 1}, flow.Batch{D: 1}, nil, nil); err == nil {
		t.Error("groups of no rows are taken")
	}
}
