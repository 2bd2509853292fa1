package schema

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"flowmatch/internal/choice"
)

// Options say what is known of the columns of a file.
type Options struct {
	// Columns are the names of those to learn; nil: all that can be.
	Columns []string
	// Exclude are the names of those to leave out.
	Exclude []string
	// Kinds are the kinds of columns, by name, where they are not to be found.
	Kinds map[string]string
	// Levels are the levels of columns in their order, by name. Such a column is ordered, unless
	// Kinds has it as another kind.
	Levels map[string][]string
}

// readShare is which share of the values of a column must be numbers, or dates, for those that
// are none to be faults, and not the column to be of text.
const readShare = 0.9

// Infer finds out what the columns of a table hold. Faults are the cells that are not what their
// columns are; with any, the schema is not to be used. An error is one of the options.
func Infer(cells Cells, o Options) (s *Schema, faults []Fault, err error) {
	if err := o.check(cells.Names); err != nil {
		return nil, nil, err
	}
	s = &Schema{N: cells.Rows, Delimiter: cells.Delimiter}
	for i, name := range cells.Names {
		c, bad := o.column(cells, i)
		c.Name = name
		s.Columns = append(s.Columns, c)
		faults = append(faults, bad...)
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Row - b.Row })
	return s, faults, nil
}

// check reports options for columns that are not there, or that contradict one another.
func (o Options) check(names []string) error {
	if name := twice(o.Columns); name != "" {
		return fmt.Errorf("columns has %s twice", choice.Quote(name))
	}
	known := func(key, name string) error {
		if err := choice.Check("column", name, names); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	}
	for _, name := range o.Columns {
		if err := known("columns", name); err != nil {
			return err
		}
	}
	for _, name := range o.Exclude {
		if err := known("exclude", name); err != nil {
			return err
		}
		if slices.Contains(o.Columns, name) {
			return fmt.Errorf("exclude leaves out %s, which columns asks for", choice.Quote(name))
		}
	}
	for _, name := range sorted(o.Kinds) {
		if err := known("kinds", name); err != nil {
			return err
		}
		if err := choice.Check("kind", o.Kinds[name], Kinds()); err != nil {
			return fmt.Errorf("kinds: %s: %w", choice.Quote(name), err)
		}
		if why := o.out(name); why != "" {
			return fmt.Errorf("kinds has %s, which is %s: leave it out of kinds", choice.Quote(name), why)
		}
	}
	return o.checkLevels(known)
}

func (o Options) checkLevels(known func(key, name string) error) error {
	for _, name := range sorted(o.Levels) {
		if err := known("levels", name); err != nil {
			return err
		}
		kind := Kind(o.Kinds[name])
		switch levels := o.Levels[name]; {
		case o.out(name) != "":
			return fmt.Errorf("levels has %s, which is %s: leave it out of levels", choice.Quote(name), o.out(name))
		case kind != "" && !kind.levels():
			return fmt.Errorf("levels has %s, which kinds has as %s: a column of levels is binary, category or ordered",
				choice.Quote(name), kind)
		case len(levels) < 2 || len(levels) > maxLevels:
			return fmt.Errorf("levels: %s has %d levels; want 2 to %d", choice.Quote(name), len(levels), maxLevels)
		case twice(levels) != "":
			return fmt.Errorf("levels: %s has %s twice", choice.Quote(name), choice.Quote(twice(levels)))
		}
	}
	return nil
}

// out says why a column is left out by the options; empty: it is not.
func (o Options) out(name string) string {
	switch {
	case slices.Contains(o.Exclude, name):
		return "in exclude"
	case o.Columns != nil && !slices.Contains(o.Columns, name):
		return "not in columns"
	}
	return ""
}

// evidence is what a column is judged by.
type evidence struct {
	name     string
	given    Kind // that the options say
	texts    Texts
	counts   []int
	rows     int // with a value
	distinct []string
	cells    Cells
}

// column finds out what one column holds.
func (o Options) column(cells Cells, i int) (c Column, faults []Fault) {
	e := evidence{name: cells.Names[i], texts: cells.Columns[i], counts: cells.Columns[i].counts(), cells: cells}
	markers := 0
	for k, v := range e.texts.Values {
		switch {
		case !IsMissing(v):
			e.rows += e.counts[k]
			e.distinct = append(e.distinct, v)
		default:
			if c.Missing += e.counts[k]; e.counts[k] > markers {
				c.Marker, markers = v, e.counts[k]
			}
		}
	}
	given, asked := Kind(o.Kinds[e.name]), slices.Contains(o.Columns, e.name)
	if given == "" && o.Levels[e.name] != nil {
		given = Ordered
	}
	e.given = given
	switch why := o.out(e.name); {
	case why != "":
		c.Kind, c.Note = Identifier, "left out: "+why
		return c, nil
	case e.rows == 0:
		c.Kind, c.Value, c.Note = Constant, c.Marker, "it has no value"
		return c, faultOfEmpty(given, e)
	case len(e.distinct) == 1 && c.Missing == 0:
		c.Kind, c.Value = Constant, e.distinct[0]
		return c, faultOfConstant(given, e)
	case given == Constant:
		c.Kind = Constant
		first, second := e.texts.Values[0], e.texts.Values[1]
		return c, []Fault{e.fault(second, fmt.Sprintf("%s is a second value, beside %s, of a column that kinds has "+
			"as constant; take it out of kinds, or give it another kind", choice.Quote(second), choice.Quote(first)))}
	case given == Identifier:
		c.Kind, c.Note = Identifier, "left out: kinds says so"
		return c, nil
	case given != "":
		return e.asked(c, given, o.Levels[e.name])
	case slices.Contains(cells.Index, e.name) && !asked:
		c.Kind, c.Note = Identifier, "left out: the file says that it is the index of the rows"
		return c, nil
	}
	return e.found(c, asked)
}

// faultOfEmpty reports a kind that was asked for of a column without values.
func faultOfEmpty(given Kind, e evidence) []Fault {
	if given == "" || given == Constant || given == Identifier {
		return nil
	}
	return []Fault{{Column: e.name, Count: e.cells.Rows,
		Problem: fmt.Sprintf("no row has a value; leave the column out of kinds (%s)", given)}}
}

// faultOfConstant reports a kind that was asked for of a column of one value.
func faultOfConstant(given Kind, e evidence) []Fault {
	if given == "" || given == Constant || given == Identifier {
		return nil
	}
	return []Fault{{Column: e.name, Count: e.cells.Rows, Problem: fmt.Sprintf(
		"%s in all rows, so that there is nothing to learn; leave the column out of kinds (%s)",
		choice.Quote(e.distinct[0]), given)}}
}

// fault is one of a value in the first of its rows.
func (e evidence) fault(value, problem string) Fault {
	k := slices.Index(e.texts.Values, value)
	return Fault{Row: slices.Index(e.texts.Index, int32(k)), Column: e.name, Problem: problem, Count: e.counts[k]}
}

// found returns a column as what its values look like. asked says that it is to be learnt.
func (e evidence) found(c Column, asked bool) (Column, []Fault) {
	n := asNumbers(e.texts.Values, e.counts, e.cells.Delimiter == ";")
	if len(e.distinct) > 2 && slices.ContainsFunc(e.distinct, isCode) {
		if d := asDates(e.texts.Values, e.counts, saysDate(e.name)); d.share >= readShare {
			return e.numeric(c, Date, d)
		}
		c, faults := e.text(c, asked)
		c.Note = join(c.Note, "some begin with 0, as codes do; if they are numbers, kinds can say integer")
		return c, faults
	}
	if n.share < readShare && n.share > 0 && n.share+e.infinite() >= readShare {
		return e.numeric(c, Real, n)
	}
	if n.share < readShare {
		if d := asDates(e.texts.Values, e.counts, saysDate(e.name)); d.share >= readShare {
			return e.numeric(c, Date, d)
		}
		c, faults := e.text(c, asked)
		c.Note = join(c.Note, mixedDates(e.distinct))
		return c, faults
	}
	if saysDate(e.name) && n.format.Decimals == 0 {
		if d := asDates(e.texts.Values, e.counts, true); d.share >= n.share {
			return e.numeric(c, Date, d)
		}
	}
	if n.share == 1 && len(e.distinct) == 2 {
		c.Kind, c.Levels = Binary, levelsOf(e.distinct)
		return c, nil
	}
	kind := Real
	if !slices.ContainsFunc(n.value, func(v float64) bool { return v == v && v != math.Trunc(v) }) {
		kind = Integer
	}
	if why := e.index(n, kind); why != "" && !asked {
		c.Kind, c.Note = Identifier, "left out: "+why+"; name it in columns or kinds to learn it"
		return c, nil
	}
	return e.numeric(c, kind, n)
}

// saysDate says whether the name of a column speaks of a date.
func saysDate(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "date") || strings.Contains(name, "day") || strings.Contains(name, "time")
}

// countedRows is from how many rows on values that never repeat are no accident.
const countedRows = 20

// index says why whole numbers are those of the rows; empty: they are not.
func (e evidence) index(n numbers, kind Kind) string {
	if kind != Integer || len(e.distinct) != e.cells.Rows || e.cells.Rows < countedRows {
		return ""
	}
	lo, hi, _ := gridOf(n.value, 0)
	rises := true
	for i := 1; i < len(e.texts.Index); i++ {
		rises = rises && n.value[e.texts.Index[i]] > n.value[e.texts.Index[i-1]]
	}
	switch {
	case rises && hi-lo < 2*float64(e.cells.Rows):
		return "it counts the rows"
	case saysIdentifier(e.name):
		return "its name is that of an identifier, and no value comes twice"
	}
	return ""
}

// saysIdentifier says whether the name of a column is one of identifiers.
func saysIdentifier(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"id", "index", "key", "uuid", "guid", "nr", "no", "number", "unnamed: 0", ""} {
		if name == word {
			return true
		}
	}
	return strings.HasSuffix(name, "_id") || strings.HasSuffix(name, " id") || strings.HasSuffix(name, "_no")
}

// numeric returns a column of numbers or dates. Values that are none are faults.
func (e evidence) numeric(c Column, kind Kind, n numbers) (Column, []Fault) {
	c.Kind, c.Format, c.Note = kind, n.format, n.note
	var faults []Fault
	for k, v := range e.texts.Values {
		if n.ok[k] || IsMissing(v) {
			continue
		}
		faults = append(faults, e.fault(v, e.unread(v, kind, n.share)))
	}
	decimals := n.format.Decimals
	if kind == Date {
		decimals = 0
		if n.format.Layout != n.format.base() {
			decimals = -1
		}
	}
	if c.Lo, c.Hi, c.Step = gridOf(n.value, decimals); kind == Integer && c.Step == 0 && c.Lo < c.Hi {
		c.Note = join(c.Note, "the numbers are so large that they are learnt as real ones, and rounded")
	}
	if c.Lo == c.Hi { // beside missing ones
		c.Step = 0
	}
	if kind == Real || kind == Integer {
		if c.Values = c.valuesOf(n.value, e.rows); c.Values != nil {
			c.Step = 0
		}
	}
	return c, faults
}

// unread says what is wrong with a value that is no number, or no date, of a column where a share of them
// are, or which is to be of that kind.
func (e evidence) unread(value string, kind Kind, share float64) string {
	what := "no " + map[bool]string{true: "date", false: "number"}[kind == Date]
	if isInfinite(value) {
		what = "not finite"
	}
	if e.given != "" {
		return fmt.Sprintf("%s is %s, and kinds has the column as %s; mend it, empty it, or give the column another "+
			"kind", choice.Quote(value), what, kind)
	}
	return fmt.Sprintf("%s is %s, as %.4g %% of the values of the column are; mend it, empty it, or say that the "+
		"column is a category (kinds)", choice.Quote(value), what, 100*share)
}

// infinite returns which share of the values are infinite.
func (e evidence) infinite() float64 {
	n := 0
	for k, v := range e.texts.Values {
		if isInfinite(v) {
			n += e.counts[k]
		}
	}
	return float64(n) / float64(e.rows)
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// text returns a column of texts.
func (e evidence) text(c Column, asked bool) (Column, []Fault) {
	switch n := len(e.distinct); {
	case asked && n <= maxLevels:
	case n > maxLevels:
		c.Kind, c.Note = Identifier, fmt.Sprintf("left out: %d different texts; at most %d are levels", n, maxLevels)
		return c, nil
	case e.rows >= countedRows && 2*n > e.rows, e.rows >= countedRows && n == e.rows:
		c.Kind, c.Note = Identifier, fmt.Sprintf("left out: %d different texts in %d rows; name it in columns or "+
			"kinds to learn it", n, e.rows)
		return c, nil
	}
	c.Kind, c.Levels = Category, levelsOf(e.distinct)
	if scale := scaleOf(c.Levels); scale != nil {
		c.Kind, c.Levels, c.Note = Ordered, scale, "the order of its levels is known by their names"
		c.Hi, c.Step = float64(len(scale)-1), 1
	}
	if len(c.Levels) == 2 {
		c.Kind, c.Note, c.Hi, c.Step = Binary, "", 0, 0
	}
	return c, nil
}

// asked returns a column as the kind that the options say. levels are those that they say, or nil.
func (e evidence) asked(c Column, kind Kind, levels []string) (Column, []Fault) {
	switch kind {
	case Real, Integer:
		n := asNumbers(e.texts.Values, e.counts, e.cells.Delimiter == ";")
		c, faults := e.numeric(c, kind, withFormat(n, e))
		for k, v := range n.value {
			if kind == Integer && v == v && v != math.Trunc(v) {
				text := e.texts.Values[k]
				faults = append(faults, e.fault(text, choice.Quote(text)+" is no whole number, as kinds says"))
			}
		}
		return c, faults
	case Date:
		d := asDates(e.texts.Values, e.counts, true)
		return e.numeric(c, kind, withFormat(d, e))
	}
	c.Kind, c.Levels = kind, levels
	if levels == nil {
		c.Levels = levelsOf(e.distinct)
		if scale := scaleOf(c.Levels); scale != nil && kind == Ordered {
			c.Levels = scale
		}
	}
	var faults []Fault
	for _, v := range e.distinct {
		if !slices.Contains(c.Levels, v) {
			faults = append(faults, e.fault(v, choice.Quote(v)+" is none of the levels, "+choice.List(c.Levels)))
		}
	}
	switch n := len(c.Levels); {
	case kind == Binary && n != 2:
		faults = append(faults, e.fault(e.distinct[n-1], fmt.Sprintf("%d values of a binary column (%s); want 2", n,
			choice.List(c.Levels))))
	case n > maxLevels:
		faults = append(faults, e.fault(e.distinct[maxLevels], fmt.Sprintf("%d levels; want at most %d", n, maxLevels)))
	}
	if kind == Ordered {
		c.Hi, c.Step = float64(len(c.Levels)-1), 1
	}
	return c, faults
}

// withFormat returns numbers that may be none: then every value is a fault.
func withFormat(n numbers, e evidence) numbers {
	if n.value != nil {
		return n
	}
	n.value, n.ok = slices.Repeat([]float64{math.NaN()}, len(e.counts)), make([]bool, len(e.counts))
	return n
}

// levelsOf returns levels in an order that does not depend on the rows: numbers by their value,
// then texts.
func levelsOf(values []string) []string {
	levels := slices.Clone(values)
	slices.SortFunc(levels, func(a, b string) int {
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		switch {
		case errX == nil && errY == nil && x != y:
			if x < y {
				return -1
			}
			return 1
		case (errX == nil) != (errY == nil):
			if errX == nil {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return levels
}
