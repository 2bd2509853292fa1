package data

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Bound is the least and the largest value of a number, which may be infinite.
type Bound []float64

// MarshalJSON writes null for a value that is infinite.
func (b Bound) MarshalJSON() ([]byte, error) {
	out := make([]*float64, len(b))
	for i := range b {
		if !math.IsInf(b[i], 0) {
			out[i] = &b[i]
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (b *Bound) UnmarshalJSON(text []byte) error {
	var in []*float64
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	if len(in) != 2 {
		return fmt.Errorf("data: a bound of %d numbers; want 2, the least and the largest value", len(in))
	}
	*b = Bound{math.Inf(-1), math.Inf(1)}
	for i, v := range in {
		if v != nil {
			(*b)[i] = *v
		}
	}
	return nil
}

// Validate reports a bound that holds no interval.
func (b Bound) Validate() error {
	switch {
	case len(b) != 2:
		return fmt.Errorf("a bound is %v; want two numbers, the least and the largest value", []float64(b))
	case !(b[0] < b[1]):
		return fmt.Errorf("a bound is %v; the first number must be less than the second", []float64(b))
	}
	return nil
}

// Bounds is a box: a [Bound] for each coordinate of a point.
type Bounds []Bound

// NewBounds returns the box of bounds by the names of columns; a column that is not named has none.
func NewBounds(named map[string]Bound, columns []string) (Bounds, error) {
	all := slices.Repeat(Bounds{{math.Inf(-1), math.Inf(1)}}, len(columns))
	for name, b := range named {
		k := slices.Index(columns, name)
		if k < 0 {
			return nil, fmt.Errorf("bounds: no column %s is learnt; those that are: %s", choice.Quote(name),
				choice.List(columns))
		}
		if err := b.Validate(); err != nil {
			return nil, fmt.Errorf("bounds: %s: %w", choice.Quote(name), err)
		}
		all[k] = b
	}
	return all, nil
}

// Inside says whether a point [D] is in the box, its sides included.
func (b Bounds) Inside(x []float64) bool { return b.Outside(x) < 0 }

// Outside returns the first coordinate of a point that is out of its bound; -1: there is none.
func (b Bounds) Outside(x []float64) int {
	return slices.IndexFunc(upTo(min(len(b), len(x))), func(d int) bool {
		return !(x[d] >= b[d][0] && x[d] <= b[d][1])
	})
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// String writes the bounds of those coordinates that have one, by their names or, for nil, numbers.
func (b Bounds) String() string { return b.Named(nil) }

// Named is String with the names of the coordinates.
func (b Bounds) Named(columns []string) string {
	var parts []string
	for d, v := range b {
		name := fmt.Sprintf("c%d", d)
		if d < len(columns) {
			name = columns[d]
		}
		if !math.IsInf(v[0], 0) || !math.IsInf(v[1], 0) {
			parts = append(parts, fmt.Sprintf("%s in [%g, %g]", name, v[0], v[1]))
		}
	}
	return strings.Join(parts, ", ")
}

// Support says where a density is not 0: whether a point, in the units of p, has one.
func Support(p LogProber) func(x []float64) bool {
	return func(x []float64) bool {
		var logp [1]float64
		p.LogProb(logp[:], flow.Batch{N: 1, D: len(x), X: x})
		return logp[0] > math.Inf(-1)
	}
}
