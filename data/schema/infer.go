package schema

import (
	"fmt"
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
func Infer(cells Cells, o Options) (*Schema, []Fault, error) {
	scan, err := NewScan(o, cells.Names, cells.Index, cells.Delimiter)
	if err != nil {
		return nil, nil, err
	}
	scan.Add(cells)
	s, faults := scan.Schema()
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

// column finds out what one column holds.
func (e *evidence) column() (c Column, faults []Fault) {
	markers, rows := 0, 0
	for _, t := range e.kept {
		if !IsMissing(t.text) {
			rows += t.count
			e.distinct = append(e.distinct, t.text)
		} else if c.Missing += t.count; t.count > markers {
			c.Marker, markers = t.text, t.count
		}
	}
	if e.rows = rows; e.wide != nil {
		e.rows = e.wide.rows
	}
	switch given := e.given; {
	case e.out != "":
		c.Kind, c.Note = Identifier, "left out: "+e.out
		return c, nil
	case e.rows == 0:
		c.Kind, c.Value, c.Note = Constant, c.Marker, "it has no value"
		return c, e.faultOfEmpty()
	case len(e.distinct) == 1 && c.Missing == 0:
		c.Kind, c.Value = Constant, e.distinct[0]
		return c, e.faultOfConstant()
	case given == Constant:
		c.Kind = Constant
		first, second := e.kept[0].text, e.kept[1]
		return c, []Fault{e.fault(second, fmt.Sprintf("%s is a second value, beside %s, of a column that kinds has "+
			"as constant; take it out of kinds, or give it another kind", choice.Quote(second.text),
			choice.Quote(first)))}
	case given == Identifier:
		c.Kind, c.Note = Identifier, "left out: kinds says so"
		return c, nil
	case given != "":
		return e.ask(c)
	case e.isIndex && !e.asked:
		c.Kind, c.Note = Identifier, "left out: the file says that it is the index of the rows"
		return c, nil
	}
	return e.found(c)
}

// faultOfEmpty reports a kind that was asked for of a column without values.
func (e *evidence) faultOfEmpty() []Fault {
	given := e.given
	if given == "" || given == Constant || given == Identifier {
		return nil
	}
	return []Fault{{Column: e.name, Count: e.all,
		Problem: fmt.Sprintf("no row has a value; leave the column out of kinds (%s)", given)}}
}

// faultOfConstant reports a kind that was asked for of a column of one value.
func (e *evidence) faultOfConstant() []Fault {
	given := e.given
	if given == "" || given == Constant || given == Identifier {
		return nil
	}
	return []Fault{{Column: e.name, Count: e.all, Problem: fmt.Sprintf(
		"%s in all rows, so that there is nothing to learn; leave the column out of kinds (%s)",
		choice.Quote(e.distinct[0]), given)}}
}

// fault is one of a text.
func (e *evidence) fault(t text, problem string) Fault {
	return Fault{Row: t.row, Column: e.name, Problem: problem, Count: t.count}
}

// faultOf is one of a text that is kept.
func (e *evidence) faultOf(value, problem string) Fault { return e.fault(e.kept[e.at[value]], problem) }

// found returns a column as what its values look like.
func (e *evidence) found(c Column) (Column, []Fault) {
	n := e.numbers()
	if e.codes() {
		if d := e.dates(saysDate(e.name)); d.share >= readShare {
			return e.numeric(c, Date, d)
		}
		c, faults := e.text(c)
		c.Note = join(c.Note, "some begin with 0, as codes do; if they are numbers, kinds can say integer")
		return c, faults
	}
	if n.share < readShare && n.share > 0 && n.share+e.infinite() >= readShare {
		return e.numeric(c, Real, n)
	}
	if n.share < readShare {
		if d := e.dates(saysDate(e.name)); d.share >= readShare {
			return e.numeric(c, Date, d)
		}
		c, faults := e.text(c)
		c.Note = join(c.Note, mixedDates(e.distinct))
		return c, faults
	}
	if (saysDate(e.name) || e.compact()) && n.format.Decimals == 0 {
		if d := e.dates(true); d.share >= n.share {
			return e.numeric(c, Date, d)
		}
	}
	if n.share == 1 && len(e.distinct) == 2 {
		c.Kind, c.Levels = Binary, levelsOf(e.distinct)
		return c, nil
	}
	kind := Real
	if !n.broken {
		kind = Integer
	}
	if why := e.index(n, kind); why != "" && !e.asked {
		c.Kind, c.Note = Identifier, "left out: "+why+"; name it in columns or kinds to learn it"
		return c, nil
	}
	return e.numeric(c, kind, n)
}

// compactDates is how many different numbers of eight digits that are all dates are no accident: one in thirty is.
const compactDates = 5

// compact says whether the values may be dates as 20240131, whatever the name of their column.
func (e *evidence) compact() bool {
	return len(e.distinct) >= compactDates && !slices.ContainsFunc(e.distinct, func(text string) bool {
		return len(text) != len("20060102") || text < "1900" || text >= "2100"
	})
}

// saysDate says whether the name of a column speaks of a date.
func saysDate(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "date") || strings.Contains(name, "day") || strings.Contains(name, "time")
}

// countedRows is from how many rows on values that never repeat are no accident.
const countedRows = 20

// codes says whether some of the values are codes that begin with a zero.
func (e *evidence) codes() bool {
	if e.wide != nil {
		return e.wide.codes
	}
	return len(e.distinct) > 2 && slices.ContainsFunc(e.distinct, isCode)
}

// index says why whole numbers are those of the rows; empty: they are not.
func (e *evidence) index(n numbers, kind Kind) string {
	if kind != Integer || !e.unique() || e.all < countedRows {
		return ""
	}
	switch {
	case e.rises && n.hi-n.lo < 2*float64(e.all):
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
func (e *evidence) numeric(c Column, kind Kind, n numbers) (Column, []Fault) {
	c.Kind, c.Format, c.Note = kind, n.format, n.note
	var faults []Fault
	for _, t := range n.bad.all {
		faults = append(faults, e.fault(t, e.unread(t.text, kind, n.share)))
	}
	even := n.format.Decimals >= 0
	if kind == Date {
		even = n.format.Layout == n.format.base()
	}
	if c.Lo, c.Hi, c.Step = n.grid(even); kind == Integer && c.Step == 0 && c.Lo < c.Hi {
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
func (e *evidence) unread(value string, kind Kind, share float64) string {
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
func (e *evidence) infinite() float64 {
	if e.wide != nil {
		return float64(e.wide.infinite) / float64(e.rows)
	}
	n := 0
	for _, t := range e.kept {
		if isInfinite(t.text) {
			n += t.count
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
func (e *evidence) text(c Column) (Column, []Fault) {
	switch n := len(e.distinct); {
	case e.asked && n <= maxLevels:
	case n > maxLevels:
		c.Kind, c.Note = Identifier, fmt.Sprintf("left out: %s different texts; at most %d are levels", e.number(),
			maxLevels)
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

// ask returns a column as the kind that the options say.
func (e *evidence) ask(c Column) (Column, []Fault) {
	kind := e.given
	switch kind {
	case Real, Integer:
		n := e.orFaults(e.numbers())
		c, faults := e.numeric(c, kind, n)
		for _, t := range n.parts.all {
			if kind == Integer {
				faults = append(faults, e.fault(t, choice.Quote(t.text)+" is no whole number, as kinds says"))
			}
		}
		return c, faults
	case Date:
		return e.numeric(c, kind, e.orFaults(e.dates(true)))
	}
	if c.Kind, c.Levels = kind, e.levels; e.levels == nil {
		c.Levels = levelsOf(e.distinct)
		if scale := scaleOf(c.Levels); scale != nil && kind == Ordered {
			c.Levels = scale
		}
	}
	var faults []Fault
	for _, v := range e.distinct {
		if !slices.Contains(c.Levels, v) {
			faults = append(faults, e.faultOf(v, choice.Quote(v)+" is none of the levels, "+choice.List(c.Levels)))
		}
	}
	many := fmt.Sprint(len(c.Levels))
	if e.wide != nil {
		many = e.number()
	}
	switch n := len(c.Levels); {
	case kind == Binary && n != 2:
		last := e.distinct[len(e.distinct)-1]
		faults = append(faults, e.faultOf(last, fmt.Sprintf("%s values of a binary column (%s); want 2", many,
			choice.List(c.Levels))))
	case n > maxLevels:
		faults = append(faults, e.faultOf(e.distinct[maxLevels], fmt.Sprintf("%s levels; want at most %d", many,
			maxLevels)))
	}
	if kind == Ordered {
		c.Hi, c.Step = float64(len(c.Levels)-1), 1
	}
	return c, faults
}

// orFaults returns numbers of which, where none was read, every value is a fault.
func (e *evidence) orFaults(n numbers) numbers {
	if !n.any && n.bad.all == nil {
		for _, t := range e.kept {
			if !IsMissing(t.text) {
				n.bad.add(t)
			}
		}
	}
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
