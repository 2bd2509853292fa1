package schema

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Kind says what a column holds.
type Kind string

// The kinds of columns.
const (
	Real       Kind = "real"       // numbers
	Integer    Kind = "integer"    // whole numbers
	Binary     Kind = "binary"     // two levels
	Category   Kind = "category"   // levels without an order
	Ordered    Kind = "ordered"    // levels in an order
	Date       Kind = "date"       // days, times or both
	Identifier Kind = "identifier" // names or numbers of rows: left out
	Constant   Kind = "constant"   // one value: kept aside, and put back
)

// Kinds are the names of all kinds.
func Kinds() []string {
	return []string{string(Real), string(Integer), string(Binary), string(Category), string(Ordered), string(Date),
		string(Identifier), string(Constant)}
}

// number says whether a value is a number on a line: also of a date, and of a level in an order.
func (k Kind) number() bool { return k == Real || k == Integer || k == Date || k == Ordered }

// levels says whether values are levels.
func (k Kind) levels() bool { return k == Binary || k == Category || k == Ordered }

// Column is one column of a table. The names of its fields in JSON are those of checkpoints.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Levels are the texts of the levels, in their order; a value is a place in them.
	Levels []string `json:"levels,omitempty"`
	// Lo and Hi are the smallest and the largest value, Step the distance between values on a
	// grid that Lo is on, 0 where there is none. They are those of numbers.
	Lo   float64 `json:"lo,omitempty"`
	Hi   float64 `json:"hi,omitempty"`
	Step float64 `json:"step,omitempty"`
	// Values are the only values of numbers, rising, where they are few and on no even grid; nil:
	// there may be others.
	Values []float64 `json:"values,omitempty"`
	// Missing is how many values are missing, and Marker how that is written.
	Missing int    `json:"missing,omitempty"`
	Marker  string `json:"marker,omitempty"`
	// Value is the text of a constant.
	Value string `json:"value,omitempty"`
	// Format is how values are written.
	Format Format `json:"format,omitzero"`
	// Note says why the column has its kind, where that is not plain; empty: it is.
	Note string `json:"note,omitempty"`
	// Code is how values become coordinates; nil before [Schema.Fit], and of columns that are
	// not learnt.
	Code *Code `json:"code,omitempty"`
}

// Schema is the columns of a table.
type Schema struct {
	// Columns are all of the file, in its order, those left out included.
	Columns []Column `json:"columns"`
	// N is how many rows they were found in.
	N int `json:"rows"`
	// Delimiter separates the fields of the file; empty: it is no text.
	Delimiter string `json:"delimiter,omitempty"`
}

// Learnt says whether a column is one of those that are learnt.
func (c Column) Learnt() bool { return c.Kind != Identifier && c.Kind != Constant }

// Learnt returns the places of the columns that are learnt. Their number is that of the values of a
// row in data units.
func (s *Schema) Learnt() []int {
	var places []int
	for i, c := range s.Columns {
		if c.Learnt() {
			places = append(places, i)
		}
	}
	return places
}

// Names returns the names of the columns that are learnt.
func (s *Schema) Names() (names []string) {
	for _, i := range s.Learnt() {
		names = append(names, s.Columns[i].Name)
	}
	return names
}

// Coordinates returns the names of the coordinates of a point, and the kinds of their columns. A number
// has the name of its column, a level NAME=LEVEL.
func (s *Schema) Coordinates() (names, kinds []string) {
	for _, i := range s.Learnt() {
		c := s.Columns[i]
		own := []string{c.Name}
		switch w := c.width(); {
		case c.Kind.number() && w == 2:
			own = append(own, c.Name+" is missing")
		case c.Kind.number():
		case w == 1:
			own = []string{c.Name + "=" + c.Levels[1]}
		default:
			own = nil
			for _, l := range c.Levels {
				own = append(own, c.Name+"="+l)
			}
			if w > len(c.Levels) {
				own = append(own, c.Name+" is missing")
			}
		}
		for _, name := range own {
			names, kinds = append(names, name), append(kinds, string(c.Kind))
		}
	}
	return names, kinds
}

// Numbers returns the coordinates of points that are numbers, and not levels or whether one is
// missing.
func (s *Schema) Numbers() (coordinates []int) {
	at := 0
	for _, i := range s.Learnt() {
		c := s.Columns[i]
		if c.Kind.number() {
			coordinates = append(coordinates, at)
		}
		at += c.width()
	}
	return coordinates
}

// Bare returns s without its codes: what its columns hold, whatever rows they were fitted by.
func (s *Schema) Bare() *Schema {
	bare := *s
	bare.Columns = slices.Clone(s.Columns)
	for i := range bare.Columns {
		bare.Columns[i].Code = nil
	}
	return &bare
}

// Dim returns how many coordinates a row has in model units; 0 before Fit.
func (s *Schema) Dim() int {
	dim := 0
	for _, i := range s.Learnt() {
		if c := s.Columns[i]; c.Code != nil {
			dim += c.width()
		}
	}
	return dim
}

// width is how many coordinates the values of a column have.
func (c Column) width() int {
	switch missing := c.Code.Missing > 0; {
	case c.Kind.number() && missing:
		return 2
	case c.Kind.number():
		return 1
	case missing:
		return len(c.Levels) + 1
	case len(c.Levels) == 2:
		return 1
	}
	return len(c.Levels)
}

// LogCells returns, for each row of rows [N, C], the sum of the logarithms of the cells of its
// numbers on a grid: log p of a row and this is a log-mass in these numbers. Levels have a
// mass as they are.
func (s *Schema) LogCells(rows flow.Batch) []float64 {
	sums := make([]float64, rows.N)
	for k, i := range s.Learnt() {
		c := s.Columns[i]
		if !c.Kind.number() || !c.onGrid() {
			continue
		}
		for row := range sums {
			if lo, hi := c.cell(rows.Row(row)[k]); hi > lo {
				sums[row] += math.Log(hi - lo)
			}
		}
	}
	return sums
}

// ErrSchema is returned for a schema that none of this package is.
var ErrSchema = errors.New("schema: not a schema")

// maxLevels bounds the levels of a column: each is a coordinate.
const maxLevels = 1000

// Validate reports a schema that cannot be used: one from a file may hold anything. Every column that
// is learnt must have its code.
func (s *Schema) Validate() error {
	if s == nil || len(s.Columns) == 0 {
		return fmt.Errorf("%w: it has no columns", ErrSchema)
	}
	if s.N < 0 {
		return fmt.Errorf("%w: it is of %d rows", ErrSchema, s.N)
	}
	seen := map[string]bool{}
	for i, c := range s.Columns {
		if err := c.validate(s.N); err != nil {
			return fmt.Errorf("%w: column %d, %s: %w", ErrSchema, i+1, choice.Quote(c.Name), err)
		}
		if seen[c.Name] {
			return fmt.Errorf("%w: two columns are called %s", ErrSchema, choice.Quote(c.Name))
		}
		seen[c.Name] = true
	}
	if len(s.Learnt()) == 0 {
		return fmt.Errorf("%w: none of its columns is learnt", ErrSchema)
	}
	if len([]rune(s.Delimiter)) > 1 || s.Delimiter == `"` || s.Delimiter == "\n" || s.Delimiter == "\r" {
		return fmt.Errorf("%w: the delimiter is %s; want one character", ErrSchema, choice.Quote(s.Delimiter))
	}
	return nil
}

func (c Column) validate(rows int) error {
	if err := choice.Check("kind", string(c.Kind), Kinds()); err != nil {
		return err
	}
	if c.Name == "" {
		return errors.New("it has no name")
	}
	if !c.Learnt() {
		return nil
	}
	if err := c.checkTexts(rows); err != nil {
		return err
	}
	least := 2
	if c.Missing > 0 && c.Kind != Binary { // which is a level, too
		least = 1
	}
	switch n := len(c.Levels); {
	case c.Kind.levels() && (n < least || n > maxLevels):
		return fmt.Errorf("it is %s with %d levels; want %d to %d", c.Kind, n, least, maxLevels)
	case !c.Kind.levels() && n > 0:
		return fmt.Errorf("it is %s and has levels", c.Kind)
	case c.Kind == Binary && n != 2:
		return fmt.Errorf("it is binary with %d levels", n)
	case twice(c.Levels) != "":
		return fmt.Errorf("the level %s comes twice", choice.Quote(twice(c.Levels)))
	}
	if c.Kind.number() {
		if !finite(c.Lo, c.Hi, c.Step) || c.Lo > c.Hi || c.Step < 0 {
			return fmt.Errorf("values from %g to %g on a grid of %g", c.Lo, c.Hi, c.Step)
		}
		if !c.checkValues() {
			return fmt.Errorf("%d values from %g to %g that are no grid", len(c.Values), c.Lo, c.Hi)
		}
		if c.Kind == Ordered && (c.Lo != 0 || c.Hi != float64(len(c.Levels)-1) || c.Step != 1) {
			return fmt.Errorf("places from %g to %g of %d levels", c.Lo, c.Hi, len(c.Levels))
		}
	}
	if err := c.Format.validate(c.Kind); err != nil {
		return err
	}
	if err := c.Code.validate(c); err != nil {
		return err
	}
	return c.checkBounds()
}

// twice returns a text that comes twice; empty: none does.
func twice(texts []string) string {
	seen := make(map[string]bool, len(texts))
	for _, t := range texts {
		if seen[t] {
			return t
		}
		seen[t] = true
	}
	return ""
}

func finite(v ...float64) bool {
	return !slices.ContainsFunc(v, func(v float64) bool { return v-v != 0 })
}
