package coupling

import (
	"fmt"
	"math/rand/v2"

	"flowmatch/flow"
)

// Groups couples a batch in groups of Rows consecutive rows, each by itself, so
// that the size of the transport problem can differ from that of the batch: the
// smaller it is, the cheaper, and the farther from transport between p_0 and p_1.
type Groups struct {
	Coupling Coupling
	Rows     int // of a group, at least 1; the last one may have fewer
}

// Match implements [Coupling].
func (g Groups) Match(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand) error {
	if err := check(src, x0, x1, label); err != nil {
		return err
	}
	if g.Rows < 1 {
		return fmt.Errorf("coupling: groups of %d rows: want at least 1", g.Rows)
	}
	for lo := 0; lo < x1.N; lo += g.Rows {
		hi := min(lo+g.Rows, x1.N)
		part := label
		if label != nil {
			part = label[lo:hi]
		}
		if err := g.Coupling.Match(src[lo:hi], x0.Slice(lo, hi), x1.Slice(lo, hi), part, rng); err != nil {
			return err
		}
		for j := lo; j < hi; j++ {
			src[j] += lo
		}
	}
	return nil
}
