package experiment

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Shard is one of several shares of a grid's cells, such as the third of sixteen. Jobs that know
// nothing of each other make the shards; the page is then that of a run over all cells, which finds
// every result there.
type Shard struct{ Number, Of int } // from 1 to Of; the zero Shard is all cells

// ErrShard is returned for a shard that is none.
var ErrShard = errors.New("experiment: bad shard")

// ParseShard reads a shard as "3/16".
func ParseShard(text string) (s Shard, err error) {
	number, of, ok := strings.Cut(text, "/")
	if ok {
		s.Number, err = strconv.Atoi(number)
	}
	if ok && err == nil {
		s.Of, err = strconv.Atoi(of)
	}
	if !ok || err != nil || s.Number < 1 || s.Number > s.Of {
		return s, fmt.Errorf("%w: %q; it must be as 3/16, the third of sixteen, with a number from 1 to their count",
			ErrShard, text)
	}
	return s, nil
}

// String writes it as "3/16".
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Number, s.Of) }

// Cells returns the cells of a grid that are the shard's, in their order. Cells that need each other
// stay together: all of a task where there is a search or a classifier, those of a seed where one
// learns from another or they share a division of rows; else each is by itself. These
// groups are dealt in turn.
func (s Shard) Cells(g Grid, cells []Cell) (own []Cell) {
	if s.Of <= 1 {
		return cells
	}
	groups := map[string]int{}
	for _, c := range cells {
		name := g.group(c)
		number, ok := groups[name]
		if !ok {
			number = len(groups)
			groups[name] = number
		}
		if number%s.Of == s.Number-1 {
			own = append(own, c)
		}
	}
	return own
}

// group names the cells that a cell stays with.
func (g Grid) group(c Cell) string {
	taught := c.Tabular != nil
	for _, m := range g.Methods {
		taught = taught || m.Teacher != ""
	}
	switch {
	case g.Search.ofTask(c.Task) || g.Classifier != nil:
		return c.Task
	case taught:
		return fmt.Sprintf("%s seed %d", c.Task, c.Seed)
	}
	return c.Dir
}
