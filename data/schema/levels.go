package schema

// Level are the coordinates of a value in model units that say which level it has, or whether a number
// is missing, from coordinate At on: On where the value has that level, else Off, with Gaussian noise of
// a deviation. Two levels have one coordinate, of the second. Shares are how often each level comes,
// of none zero: one that the rows to train on lack counts as half a row.
type Level struct {
	At      int
	Off, On []float64
	Noise   float64
	Shares  []float64
	Missing bool // it says whether the number at the coordinate before is missing
}

// Levels returns those of the columns that are learnt, in their order.
func (s *Schema) Levels() []Level {
	var all []Level
	at := 0
	for _, j := range s.Learnt() {
		c := &s.Columns[j]
		first, shares := 0, c.Code.Shares
		if c.Kind.number() {
			first, shares = 1, []float64{1 - c.Code.Missing, c.Code.Missing}
		}
		if first < c.width() {
			l := Level{At: at + first, Shares: s.smooth(shares), Missing: first > 0}
			for k := first; k < c.width(); k++ {
				shift, unit := c.affine(k)
				l.Off, l.On, l.Noise = append(l.Off, -unit*shift), append(l.On, unit*(1-shift)), unit*c.Code.Noise
			}
			all = append(all, l)
		}
		at += c.width()
	}
	return all
}

// smooth returns shares of the rows with half a row more of each level.
func (s *Schema) smooth(shares []float64) []float64 {
	const more = 0.5
	n, out := float64(max(1, s.N)), make([]float64, len(shares))
	for i, p := range shares {
		out[i] = (p*n + more) / (n + more*float64(len(shares)))
	}
	return out
}
