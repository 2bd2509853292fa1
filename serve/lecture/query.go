package lecture

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"

	"flowmatch/data/synth"
	"flowmatch/internal/choice"
)

// query reads the parameters of a request, and remembers the first that cannot be used. A pane reads all
// of its own before it computes, and asks ok.
type query struct {
	values url.Values
	known  []string
	first  error
}

func newQuery(v url.Values) *query { return &query{values: v} }

// text returns the value of a parameter.
func (q *query) text(name string) (string, bool) {
	q.known = append(q.known, name)
	vs, ok := q.values[name]
	if len(vs) > 1 {
		q.fail("%s is given %d times; give it once", name, len(vs))
	}
	if !ok {
		return "", false
	}
	return vs[0], true
}

func (q *query) fail(format string, args ...any) {
	if q.first == nil {
		q.first = fmt.Errorf(format, args...)
	}
}

// number returns a parameter between lo and hi; or is what it is where it is not given.
func (q *query) number(name string, or, lo, hi float64) float64 {
	text, ok := q.text(name)
	if !ok {
		return or
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || v < lo || v > hi {
		q.fail("%s is %s; it must be a number from %g to %g", name, choice.Quote(text), lo, hi)
		return or
	}
	return v
}

// whole is number of whole numbers.
func (q *query) whole(name string, or, lo, hi int) int {
	text, ok := q.text(name)
	if !ok {
		return or
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < lo || v > hi {
		q.fail("%s is %s; it must be a whole number from %d to %d", name, choice.Quote(text), lo, hi)
		return or
	}
	return v
}

// name returns a parameter that is one of a few names, by default the first.
func (q *query) name(name string, of ...string) string {
	text, ok := q.text(name)
	if !ok {
		return of[0]
	}
	if !slices.Contains(of, text) {
		q.fail("%w", choice.Check(name, text, of))
		return of[0]
	}
	return text
}

// seed returns the seed of what is drawn.
func (q *query) seed() uint64 { return uint64(q.whole("seed", 1, 0, 1<<30)) }

// law returns the data that are asked for.
func (q *query) law() *synth.Mixture {
	m, err := law(q.name("law", lawNames...))
	if err != nil {
		q.fail("%w", err)
	}
	return m
}

// err returns the first parameter that cannot be used, or is not known.
func (q *query) err() error {
	if q.first != nil {
		return q.first
	}
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			return fmt.Errorf("%w", choice.Check("parameter", name, q.known))
		}
	}
	return nil
}

// errQuery ends a pane whose query cannot be answered; query.err says why.
var errQuery = errors.New("lecture: the query cannot be answered")

// ok is called when all parameters are read: it returns errQuery if one cannot be used.
func (q *query) ok() error {
	if q.err() != nil {
		return errQuery
	}
	return nil
}
