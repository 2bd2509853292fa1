package schema

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"

	"flowmatch/flow"
)

// This file has rows whose density is asked for: they may be any, beside those of the data.

// OffGrid returns the numbers of rows [N, C] that are between the values of the data, where no row has a density. A
// number out of the range of the data may have one.
func (s *Schema) OffGrid(rows flow.Batch) (faults []Fault) {
	for i := range rows.N {
		for k, j := range s.Learnt() {
			c, v := &s.Columns[j], rows.Row(i)[k]
			if at := c.gridValue(v); math.Abs(at-v) > 1e-9*max(math.Abs(v), c.Hi-c.Lo) {
				text := strconv.FormatFloat(v, 'g', -1, 64)
				faults = append(faults, Fault{Row: i, Column: c.Name, Count: 1,
					Problem: quoted(text) + "is between the values of the data; the nearest is " + c.write(at)})
			}
		}
	}
	return faults
}

// gridValue is the value of the grid that is nearest to v, out of the range of the data, too; v where there is no grid.
func (c *Column) gridValue(v float64) float64 {
	switch within := c.Lo <= v && v <= c.Hi; {
	case math.IsNaN(v) || c.Kind.levels():
		return v
	case within && c.onGrid():
		return c.settle(v)
	case c.Step > 0:
		return c.Lo + c.Step*math.Round((v-c.Lo)/c.Step)
	}
	return v
}

// PointsByRow is Points with noise that is a function of the values of a row and of the next number of rng: equal
// rows are equal points, wherever they stand.
func (s *Schema) PointsByRow(points, rows flow.Batch, rng *rand.Rand) {
	base := rng.Uint64()
	s.Points(points, rows, func(i int) *rand.Rand {
		h := fnv.New64a()
		for _, v := range rows.Row(i) {
			if math.IsNaN(v) {
				v = math.NaN() // one of its many
			}
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], math.Float64bits(v))
			h.Write(b[:]) // which never fails
		}
		return rand.New(rand.NewPCG(base, h.Sum64()))
	})
}
