package schema

import "math"

// tally is what is known of the numbers of a column, whatever their order and however often they come.
type tally struct {
	rows   int // whose values they are
	any    bool
	lo, hi float64
	first  int  // the decimals of one of them,
	most   int  // the most that one has,
	same   bool // whether all have as many,
	free   bool // and whether one has an exponent, or more decimals than are told apart
	broken bool // one is not whole
	// Of the numbers times 10^most one is base, and the others are whole multiples of common away. far says that
	// there are such as a float64 cannot tell apart.
	base   float64
	common int64
	far    bool
}

// tens are powers of ten.
var tens = func() (p [maxDecimals + 1]float64) {
	for i := range p {
		p[i] = math.Pow(10, float64(i))
	}
	return p
}()

// wholeMost bounds the whole numbers that are told apart.
const wholeMost = 1 << 53

// add adds the value of so many rows, written with decimals (-1: with an exponent).
func (t *tally) add(v float64, decimals, rows int) {
	if t.rows += rows; !t.any {
		t.any, t.lo, t.hi, t.first, t.same, t.base = true, v, v, decimals, true, v
	}
	t.lo, t.hi = min(t.lo, v), max(t.hi, v)
	t.same = t.same && decimals == t.first
	t.broken = t.broken || v != math.Trunc(v)
	if t.free = t.free || decimals < 0 || decimals > maxDecimals; t.free {
		return
	}
	t.refine(decimals)
	if t.far || t.common == 1 {
		t.far = t.far || math.Abs(v)*tens[t.most] > wholeMost
		return
	}
	t.step(v)
}

// refine counts in units of so many decimals.
func (t *tally) refine(decimals int) {
	if decimals <= t.most {
		return
	}
	by := tens[decimals-t.most]
	t.most = decimals
	if float64(t.common)*by > wholeMost {
		t.far = true
		return
	}
	t.common *= int64(by)
}

// step makes common a divisor of the distance of a value from base.
func (t *tally) step(v float64) {
	at, base := math.Round(v*tens[t.most]), math.Round(t.base*tens[t.most])
	if math.Abs(at) > wholeMost || math.Abs(base) > wholeMost {
		t.far = true
		return
	}
	t.common = gcd(t.common, int64(at-base))
}

// join adds the numbers of another tally.
func (t *tally) join(o tally) {
	if !o.any {
		return
	}
	if !t.any {
		*t = o
		return
	}
	t.rows += o.rows
	t.lo, t.hi = min(t.lo, o.lo), max(t.hi, o.hi)
	t.same = t.same && o.same && t.first == o.first
	t.broken, t.free, t.far = t.broken || o.broken, t.free || o.free, t.far || o.far
	if t.free {
		return
	}
	t.refine(o.most)
	o.refine(t.most)
	if t.far = t.far || o.far; !t.far {
		t.common = gcd(t.common, o.common)
		t.step(o.base)
	}
}

// maxGrid is how many steps of a grid there may be between the smallest and the largest of numbers
// with decimals: beyond it values are as good as real. Whole numbers have a grid in any case that a
// float64 holds.
const maxGrid = 10_000_000

// grid returns the smallest number, the largest, and the step of the grid that they are on, with even steps of
// whole numbers or, as decimals, of most; 0: they are on none.
func (t *tally) grid(even bool) (lo, hi, step float64) {
	if !t.any {
		return math.Inf(1), math.Inf(-1), 0
	}
	unit := tens[min(t.most, maxDecimals)]
	if t.lo >= t.hi || !even || t.free || t.far || (t.hi-t.lo)*unit > 1<<52 || math.Abs(t.lo)*unit > 1<<52 {
		return t.lo, t.hi, 0
	}
	if step = float64(t.common) / unit; t.most > 0 && (t.hi-t.lo)/step > maxGrid {
		step = 0
	}
	return t.lo, t.hi, step
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, -a)
}

// text is a text of some rows of a column.
type text struct {
	text       string
	row, count int // the first of them, and how many they are
}

// mostTold is how many texts that are faults are kept of a column.
const mostTold = 1000

// texts are some that differ, by which one comes first.
type texts struct {
	all []text
	at  map[string]int
}

func (t *texts) add(one text) {
	if at, ok := t.at[one.text]; ok {
		t.all[at].count += one.count
		return
	}
	if len(t.all) == mostTold {
		return
	}
	if t.at == nil {
		t.at = map[string]int{}
	}
	t.at[one.text] = len(t.all)
	t.all = append(t.all, one)
}

// reading is what a format makes of the texts of a column.
type reading struct {
	tally
	bad   texts // that it does not read
	parts texts // whose numbers are not whole
}

// take adds a text as the number that it is.
func (r *reading) take(one text, v float64, decimals int) {
	if r.add(v, decimals, one.count); v != math.Trunc(v) {
		r.parts.add(one)
	}
}

// join adds the texts of another reading.
func (r *reading) join(o reading) {
	r.tally.join(o.tally)
	for _, t := range o.bad.all {
		r.bad.add(t)
	}
	for _, t := range o.parts.all {
		r.parts.add(t)
	}
}
