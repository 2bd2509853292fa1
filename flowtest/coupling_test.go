package flowtest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/flow"
)

// pairs is a coupling made of one function.
type pairs func(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand) error

func (f pairs) Match(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand) error {
	return f(src, x0, x1, label, rng)
}

func TestTheCouplingSuiteAcceptsACouplingThatIsRight(t *testing.T) {
	TestCoupling(t, pairs(func(src []int, _, _ flow.Batch, _ []int32, rng *rand.Rand) error {
		copy(src, rng.Perm(len(src)))
		return nil
	}))
}

func TestTheCouplingSuiteFindsEveryKindOfFault(t *testing.T) {
	right := coupling.OT{}
	for _, c := range []struct {
		name string
		f    pairs
		want string
	}{
		{"an error", func([]int, flow.Batch, flow.Batch, []int32, *rand.Rand) error { return errors.New("no") },
			"no pairs: no"},
		{"rows that are not written", func([]int, flow.Batch, flow.Batch, []int32, *rand.Rand) error { return nil },
			"src[0] = -1"},
		{"points of x0 put in order", func(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand) error {
			err := right.Match(src, x0, x1, label, rng)
			for k := range x0.X {
				x0.X[k]++
			}
			return err
		}, "have been changed"},
		{"randomness of its own", func(src []int, _, _ flow.Batch, _ []int32, _ *rand.Rand) error {
			copy(src, rand.Perm(len(src)))
			return nil
		}, "equal seeds"},
		{"each x1 with the nearest x0", func(src []int, x0, x1 flow.Batch, _ []int32, _ *rand.Rand) error {
			for j := range src {
				src[j] = 0
				for i := range x0.N {
					if square(x0.Row(i), x1.Row(j)) < square(x0.Row(src[j]), x1.Row(j)) {
						src[j] = i
					}
				}
			}
			return nil
		}, "marginal of x0"},
		{"the most expensive pairs", func(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand) error {
			mirror := x1.Clone()
			for k := range mirror.X {
				mirror.X[k] = -mirror.X[k]
			}
			return right.Match(src, x0, mirror, label, rng)
		}, "cost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := checkCoupling(c.f); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that says %q", err, c.want)
			}
		})
	}
}
