package schema

import (
	"math"
	"slices"
	"strings"
	"time"

	"flowmatch/internal/choice"
)

// layouts are those of dates that are known, as package time has them. Where two read a column,
// the first counts.
var layouts = slices.Concat(
	timed("2006-01-02", "T15:04:05Z07:00", " 15:04:05Z07:00", " 15:04:05 Z07:00", "T15:04:05Z0700", "T15:04:05",
		" 15:04:05", "T15:04", " 15:04"),
	[]string{"20060102", "2006-01", "2006/01", "15:04:05", "15:04", "3:04 PM"},
	timed("2006/01/02", " 15:04:05", " 15:04"),
	timed("01/02/2006", " 15:04:05", " 15:04", " 3:04 PM", " 3:04:05 PM"),
	timed("02/01/2006", " 15:04:05", " 15:04"),
	timed("1/2/2006", " 15:04:05", " 15:04", " 3:04 PM", " 3:04:05 PM"),
	timed("2/1/2006", " 15:04:05", " 15:04"),
	timed("02.01.2006", " 15:04:05", " 15:04"), timed("2.1.2006", " 15:04:05", " 15:04"),
	timed("02-01-2006", " 15:04:05", " 15:04"),
	[]string{"2 Jan 2006", "2 January 2006", "Jan 2, 2006", "January 2, 2006", "2-Jan-2006", "2-Jan-06", "Jan 2006",
		"January 2006"},
)

// timed returns a layout of days without and with times of day.
func timed(day string, times ...string) []string {
	all := []string{day}
	for _, t := range times {
		all = append(all, day+t)
	}
	return all
}

// fraction is what stands behind the seconds of dates that have thousandths, or millionths.
var fraction = []string{"", ".000", ".000000"}

// The units of dates: a second, or a month where there are no days.
const perSecond, perMonth = 1, 2

// unit returns the unit of the dates of a layout; 0: it is none that is known.
func (f Format) unit() int {
	switch layout := f.base(); {
	case !slices.Contains(layouts, layout):
		return 0
	case slices.Contains([]string{"2006-01", "2006/01", "Jan 2006", "January 2006"}, layout):
		return perMonth
	}
	return perSecond
}

// base is the layout without fractions of seconds, which are read without being in it.
func (f Format) base() string {
	return strings.Replace(strings.Replace(f.Layout, ".000000", "", 1), ".000", "", 1)
}

// parseDate returns a date in its unit since the beginning of 1970.
func (f Format) parseDate(text string) (float64, bool) {
	t, err := time.Parse(f.base(), text)
	if err != nil {
		return 0, false
	}
	if f.unit() == perMonth {
		return float64(12*(t.Year()-1970) + int(t.Month()) - 1), true
	}
	if t.Year() == 0 { // a time of day
		t = t.AddDate(1970, 0, 0)
	}
	return float64(t.Unix()) + float64(t.Nanosecond())/1e9, true
}

// writeDate is parseDate backward.
func (f Format) writeDate(v float64) string {
	if f.unit() == perMonth {
		return time.Date(1970, time.Month(1+int(math.Round(v))), 1, 0, 0, 0, 0, time.UTC).Format(f.Layout)
	}
	whole := math.Floor(v)
	nano := math.Round((v-whole)*1e6) * 1e3
	return time.Unix(int64(whole), int64(nano)).UTC().Format(f.Layout)
}

// dates reads the values of a column as dates: of the layouts that read all, the first, or the one that reads
// most. named says that the name of the column speaks of a date, as eight digits alone do not.
func (e *evidence) dates(named bool) numbers {
	var best numbers
	for _, layout := range layouts {
		if layout == "20060102" && !named {
			continue
		}
		if n := e.readDates(layout); n.share > best.share {
			best = n
		}
	}
	if d := best.format.Layout; strings.HasPrefix(d, "01/02/") || strings.HasPrefix(d, "1/2/") {
		days := strings.NewReplacer("01/02/", "02/01/", "1/2/", "2/1/").Replace(d)
		if other := e.readDates(days); other.share == best.share {
			best.note = "the month is taken to come before the day"
		}
	}
	return best
}

// mixedDates says that values are dates which no layout reads alone; empty: they are not.
func mixedDates(values []string) string {
	ways := map[string]string{} // the first value of each layout
	for _, text := range values {
		at := slices.IndexFunc(layouts, func(layout string) bool {
			_, ok := Format{Layout: layout}.parseDate(text)
			return ok && layout != "20060102"
		})
		if at < 0 {
			return ""
		}
		if _, ok := ways[layouts[at]]; !ok {
			ways[layouts[at]] = text
		}
	}
	var examples []string
	for _, layout := range layouts {
		if text, ok := ways[layout]; ok {
			examples = append(examples, choice.Quote(text))
		}
	}
	if len(examples) < 2 {
		return ""
	}
	return "they look like dates written in several ways, such as " + strings.Join(examples[:2], " and ") +
		"; write all in one way to learn dates"
}

// leastDates is how many texts may be no dates of a layout before the first that is one.
const leastDates = 20

// readDates reads the values in one layout.
func (e *evidence) readDates(layout string) numbers {
	var n numbers
	d := dated{layout: layout}
	if e.wide != nil {
		d = e.wide.date(layout)
	} else {
		n.value = e.values(d.see)
	}
	if n.reading = d.reading; n.rows == 0 {
		return numbers{}
	}
	n.share = float64(n.rows) / float64(e.rows)
	if n.format.Layout = layout; d.exact > 0 {
		f := fraction[min(2, (d.exact+2)/3)]
		n.format.Layout = strings.Replace(layout, ":05", ":05"+f, 1)
	}
	if strings.Contains(layout, "Z07") {
		n.note = "times are brought to UTC"
	}
	return n
}

// dated is what a layout makes of the texts of a column.
type dated struct {
	layout string
	reading
	missed int // texts that it does not read
	exact  int // decimals of seconds
}

// see adds a text, unless the layout has read none of many, and returns its date.
func (d *dated) see(one text) (v float64, ok bool) {
	if d.rows == 0 && d.missed > leastDates {
		return 0, false
	}
	if v, ok = (Format{Layout: d.layout}).parseDate(one.text); !ok {
		d.missed++
		d.bad.add(one)
		return 0, false
	}
	d.take(one, v, 0)
	at := strings.LastIndexByte(one.text, '.')
	if strings.Contains(d.layout, ":05") && at > strings.LastIndexByte(one.text, ':') {
		d.exact = max(d.exact, len(strings.TrimRight(one.text[at+1:], "Z")))
	}
	return v, true
}

// Axis returns a date as a number to draw, and its unit: a year with decimals, or the hour of a time of day.
func (c Column) Axis(v float64) (at float64, unit string) {
	const year = 365.2425 * 24 * 3600
	switch {
	case c.Format.unit() == perMonth:
		return 1970 + v/12, "year"
	case !strings.Contains(c.Format.Layout, "06"): // no year
		return v / 3600, "hour"
	}
	return 1970 + v/year, "year"
}
