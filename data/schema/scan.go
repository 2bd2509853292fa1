package schema

import (
	"maps"
	"math"
	"slices"
	"strconv"
)

// mostKept is how many different texts of a column are kept. Of more than that the column is of numbers or dates
// alone, or left out.
const mostKept = 1 << 16

// Scan finds out what the columns of a table hold whose rows come in pieces. It takes the memory of some ten
// thousand texts a column, however many rows there are.
type Scan struct {
	o         Options
	kept      int
	rows      int
	delimiter string
	columns   []*evidence
}

// NewScan returns the scan of a table of these columns, of which index are the names of those that the file itself
// says are the index of its rows. An error is one of the options.
func NewScan(o Options, names, index []string, delimiter string) (*Scan, error) {
	if err := o.check(names); err != nil {
		return nil, err
	}
	s := &Scan{o: o, kept: mostKept, delimiter: delimiter}
	for _, name := range names {
		e := &evidence{name: name, given: Kind(o.Kinds[name]), out: o.out(name), semicolons: delimiter == ";",
			levels: o.Levels[name], asked: slices.Contains(o.Columns, name), isIndex: slices.Contains(index, name),
			rises: true, last: math.Inf(-1), at: map[string]int{}}
		if e.given == "" && e.levels != nil {
			e.given = Ordered
		}
		s.columns = append(s.columns, e)
	}
	return s, nil
}

// Add adds the next rows, of the columns of the scan.
func (s *Scan) Add(cells Cells) {
	for i, e := range s.columns {
		e.add(cells.Columns[i], s.rows, s.kept)
	}
	s.rows += cells.Rows
}

// Schema returns what was found. Faults are the cells that are not what their columns are; with any, the schema is
// not to be used. Of one column a thousand different faults are told.
func (s *Scan) Schema() (*Schema, []Fault) {
	out := &Schema{N: s.rows, Delimiter: s.delimiter}
	var faults []Fault
	for _, e := range s.columns {
		e.all = s.rows
		c, bad := e.column()
		c.Name = e.name
		out.Columns, faults = append(out.Columns, c), append(faults, bad...)
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Row - b.Row })
	return out, faults
}

// evidence is what a column is judged by.
type evidence struct {
	name       string
	given      Kind     // that the options say
	levels     []string // that they say
	out        string   // why they leave it out
	asked      bool     // they ask for it
	isIndex    bool     // the file says that it is the index of the rows
	semicolons bool     // the file has them between its fields
	all        int      // rows

	kept []text         // those that differ; of a wide column the first of them, and all that say "missing"
	at   map[string]int // where each of them is
	wide *wide          // nil: kept are all

	rows     int      // with a value
	distinct []string // of kept, those that are values

	rises bool // each row has a larger number than the one before
	last  float64
	twice bool                // a value comes twice, of those that were compared
	seen  map[uint64]struct{} // the hashes that are compared, of a column with the name of an identifier:
	bits  int                 // those with so many zeros at the end
}

// add adds the texts of the next rows, the first of which is row number base.
func (e *evidence) add(t Texts, base, kept int) {
	counts, first := t.counts(), t.first()
	for k, v := range t.Values {
		if counts[k] == 0 {
			continue
		}
		one := text{v, base + first[k], counts[k]}
		e.compare(one)
		at, known := e.at[v]
		switch {
		case known:
			e.kept[at].count += one.count
		case e.wide == nil || IsMissing(v):
			e.at[v] = len(e.kept)
			e.kept = append(e.kept, one)
		}
		if e.wide != nil && !IsMissing(v) {
			e.wide.add(one)
		}
		if e.wide == nil && len(e.kept) > kept {
			e.widen()
		}
	}
	e.climb(t)
}

// widen goes over to a column of more different texts than are kept.
func (e *evidence) widen() {
	e.wide = newWide(e)
	const first = maxLevels + 2 // of which errors tell
	values := 0
	e.kept = slices.DeleteFunc(e.kept, func(t text) bool {
		if IsMissing(t.text) {
			return false
		}
		e.wide.add(t)
		values++
		return values > first
	})
	clear(e.at)
	for i, t := range e.kept {
		e.at[t.text] = i
	}
	e.wide.settle()
}

// climb looks whether the numbers of the next rows rise.
func (e *evidence) climb(t Texts) {
	if !e.rises {
		return
	}
	values := slices.Repeat([]float64{math.NaN()}, len(t.Values)) // those that were read
	for _, k := range t.Index {
		if values[k] != values[k] {
			v, ok := 0.0, false
			for _, f := range formats(t.Values[k]) {
				if v, _, ok = f.parse(t.Values[k]); ok {
					break
				}
			}
			if values[k] = v; !ok {
				e.rises = false
				return
			}
		}
		if e.rises = values[k] > e.last; !e.rises {
			return
		}
		e.last = values[k]
	}
}

// mostCompared is how many values of a wide column are compared to find one that comes twice.
const mostCompared = 1 << 20

// compare looks whether a value of a column with the name of an identifier has come. From a million on one of two
// is compared, then one of four: which they are depends on the values alone.
func (e *evidence) compare(one text) {
	if e.twice || !saysIdentifier(e.name) || IsMissing(one.text) {
		return
	}
	hash := hashOf(one.text)
	if hash&(1<<e.bits-1) != 0 {
		return
	}
	if e.seen == nil {
		e.seen = map[uint64]struct{}{}
	}
	_, came := e.seen[hash]
	if e.twice = came || one.count > 1; e.twice {
		e.seen = nil
		return
	}
	if e.seen[hash] = struct{}{}; len(e.seen) == mostCompared {
		e.bits++
		maps.DeleteFunc(e.seen, func(h uint64, _ struct{}) bool { return h&(1<<e.bits-1) != 0 })
	}
}

// hashOf is FNV-1a of a text, with its bits mixed as those of SplitMix64.
func hashOf(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// unique says whether no value comes twice, and every row has one.
func (e *evidence) unique() bool {
	if e.rows != e.all {
		return false
	}
	if e.wide != nil {
		return e.rises || saysIdentifier(e.name) && !e.twice
	}
	return len(e.distinct) == e.rows
}

// number returns how many different values there are, in words.
func (e *evidence) number() string {
	if e.wide != nil {
		return "more than " + strconv.Itoa(mostKept)
	}
	return strconv.Itoa(len(e.distinct))
}
