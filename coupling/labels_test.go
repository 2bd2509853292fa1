package coupling_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"flowmatch/coupling"
	"flowmatch/flow"
)

// own is a coupling of another module, which says nothing of labels.
type own struct{}

func (own) Match([]int, flow.Batch, flow.Batch, []int32, *rand.Rand) error { return nil }

func TestNeedsLabelsAndNames(t *testing.T) {
	for _, c := range []struct {
		c     coupling.Coupling
		needs bool
		name  string
	}{
		{coupling.Independent{}, false, "independent"},
		{coupling.OT{}, false, "ot"},
		{coupling.OT{LabelAware: true}, true, "ot"},
		{coupling.Sinkhorn{LabelAware: true}, true, "sinkhorn"},
		{coupling.Groups{Coupling: coupling.Sinkhorn{}, Rows: 2}, false, "sinkhorn"},
		{coupling.Groups{Coupling: coupling.OT{LabelAware: true}, Rows: 2}, true, "ot"},
		{own{}, false, ""},
	} {
		if got := coupling.NeedsLabels(c.c); got != c.needs {
			t.Errorf("%#v: needs labels: %v, want %v", c.c, got, c.needs)
		}
		if got := fmt.Sprint(c.c); c.name != "" && got != c.name {
			t.Errorf("%#v: named %q, want %q", c.c, got, c.name)
		}
	}
}
