package schema

import (
	"slices"
	"strings"
)

// wide is what is known of a column of more different texts than are kept: what each format makes of them.
type wide struct {
	rows     int // with a value
	infinite int // of those
	codes    bool
	// Most numbers are plain: with a point, or without. The formats read those without, and those that have no comma
	// for decimals the others, too; so what is plain is read once.
	pointed, whole reading
	points, odd    texts // those with a point, and those that are not plain
	formats        []Format
	others         []reading // of what is not plain, by formats
	dates          []dated
}

// newWide returns that of a column with the texts so far.
func newWide(e *evidence) *wide {
	w := &wide{}
	first := slices.IndexFunc(e.kept, func(t text) bool { return !IsMissing(t.text) })
	w.formats = formats(e.kept[first].text)
	w.others = make([]reading, len(w.formats))
	for _, layout := range layouts {
		w.dates = append(w.dates, dated{layout: layout})
	}
	return w
}

// settle gives up the formats and layouts that read none of the texts so far, which are many.
func (w *wide) settle() {
	for i := range w.formats {
		if f := w.number(i); f.rows == 0 {
			w.formats[i].Layout = unused
		}
	}
	w.dates = slices.DeleteFunc(w.dates, func(d dated) bool { return d.rows == 0 })
}

// unused is the layout of a format that reads nothing.
const unused = "unused"

// add adds a text.
func (w *wide) add(one text) {
	w.rows += one.count
	w.codes = w.codes || isCode(one.text)
	if v, decimals, ok := (Format{}).parse(one.text); !ok {
		if w.odd.add(one); isInfinite(one.text) {
			w.infinite += one.count
		}
		for i, f := range w.formats {
			if f.Layout == unused {
				continue
			}
			if v, decimals, ok := f.parse(one.text); ok {
				w.others[i].take(one, v, decimals)
			} else {
				w.others[i].bad.add(one)
			}
		}
	} else if strings.Contains(one.text, ".") {
		w.pointed.take(one, v, decimals)
		w.points.add(one)
	} else {
		w.whole.take(one, v, decimals)
	}
	for i := range w.dates {
		w.dates[i].see(one)
	}
}

// number returns what format i makes of all texts.
func (w *wide) number(i int) (r reading) {
	r.join(w.whole)
	if w.formats[i].Point == "" {
		r.join(w.pointed)
	} else {
		for _, t := range w.points.all {
			r.bad.add(t)
		}
	}
	if w.formats[i] == (Format{}) {
		r.bad = w.odd
		return r
	}
	r.join(w.others[i])
	return r
}

// date returns what a layout makes of all texts.
func (w *wide) date(layout string) dated {
	for _, d := range w.dates {
		if d.layout == layout {
			return d
		}
	}
	return dated{layout: layout}
}
