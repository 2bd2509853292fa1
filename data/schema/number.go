package schema

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"flowmatch/internal/choice"
)

// Format is how the values of a column are written.
type Format struct {
	// Point separates the decimals, and Group thousands; empty: a point, and nothing.
	Point string `json:"point,omitempty"`
	Group string `json:"group,omitempty"`
	// Decimals is how many there are, at most, or always where Fixed is set; -1: as many as
	// the number needs.
	Decimals int  `json:"decimals,omitempty"`
	Fixed    bool `json:"fixed,omitempty"`
	// Prefix and Suffix are a currency or a per cent sign around the number.
	Prefix string `json:"prefix,omitempty"`
	Suffix string `json:"suffix,omitempty"`
	// Layout is that of a date, as package time has it.
	Layout string `json:"layout,omitempty"`
}

// signs are what may stand before or behind a number.
var signs = []string{"$", "€", "£", "¥", "%"}

// maxDecimals is how many decimals are told apart; a number of more is written as it is.
const maxDecimals = 12

func (f Format) validate(k Kind) error {
	groups := []string{"", ",", ".", " ", "'", "\u00a0", "\u202f"}
	switch {
	case k == Date && f.unit() == 0:
		return fmt.Errorf("the layout of its dates is %s, which is none", choice.Quote(f.Layout))
	case k != Date && f.Layout != "":
		return fmt.Errorf("it is %s with a layout of dates", k)
	case f.Point != "" && f.Point != "," || !slices.Contains(groups, f.Group) || f.Group != "" && f.Group == f.point():
		return fmt.Errorf("its numbers have %s for decimals and %s for thousands", choice.Quote(f.point()),
			choice.Quote(f.Group))
	case f.Decimals < -1 || f.Decimals > maxDecimals:
		return fmt.Errorf("its numbers have %d decimals; want -1 to %d", f.Decimals, maxDecimals)
	}
	for _, sign := range []string{f.Prefix, f.Suffix} {
		if sign != "" && !slices.Contains(signs, sign) {
			return fmt.Errorf("its numbers have the sign %s; want one of %s", choice.Quote(sign), choice.List(signs))
		}
	}
	return nil
}

// ParseNumber returns the number of a text that is written with a point and without thousands, and its
// decimals (-1: it has an exponent), or says that it is none.
func ParseNumber(text string) (v float64, decimals int, ok bool) { return Format{}.parse(text) }

func (f Format) point() string {
	if f.Point == "" {
		return "."
	}
	return f.Point
}

// parse returns the number of a text, with its decimals (-1: it has an exponent), or says that
// it is none in this format.
func (f Format) parse(text string) (v float64, decimals int, ok bool) {
	minus := strings.HasPrefix(text, "-")
	digits := strings.TrimPrefix(text, "-")
	if f.Prefix != "" || f.Suffix != "" {
		digits = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(digits, f.Prefix), f.Suffix))
		if !minus && strings.HasPrefix(digits, "-") { // $-5
			minus, digits = true, digits[1:]
		}
	}
	whole, part, broken := strings.Cut(digits, f.point())
	if f.Group != "" && strings.Contains(whole, f.Group) {
		groups := strings.Split(whole, f.Group)
		for i, g := range groups {
			if !isDigits(g) || i > 0 && len(g) != 3 || i == 0 && len(g) > 3 {
				return 0, 0, false
			}
		}
		whole = strings.Join(groups, "")
	}
	if strings.Contains(whole, ".") { // 0.1 is none where decimals have commas
		return 0, 0, false
	}
	digits = whole
	if broken {
		digits += "." + part
	}
	if digits == "" || digits == "." || strings.Trim(digits, "0123456789.eE+-") != "" || digits[0] == '-' {
		return 0, 0, false
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, 0, false
	}
	decimals = len(part)
	if strings.ContainsAny(part+whole, "eE") {
		decimals = -1
	}
	if minus {
		v = -v
	}
	return v, decimals, true
}

// isCode says whether a text is of digits that begin with a zero, such as 01234, which a number would lose.
func isCode(text string) bool { return len(text) > 1 && text[0] == '0' && isDigits(text) }

// isInfinite says whether a text is a number that is infinite.
func isInfinite(text string) bool {
	v, err := strconv.ParseFloat(text, 64)
	return math.IsInf(v, 0) && (err == nil || errors.Is(err, strconv.ErrRange))
}

// isDigits says whether a text is one or more digits.
func isDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// write is parse backward.
func (f Format) write(v float64) string {
	text := strconv.FormatFloat(v, 'f', f.Decimals, 64)
	if f.Decimals < 0 {
		text = strconv.FormatFloat(v, 'g', -1, 64)
	}
	minus := strings.HasPrefix(text, "-")
	text = strings.TrimPrefix(text, "-")
	whole, part, broken := strings.Cut(text, ".")
	if broken && !f.Fixed && f.Decimals >= 0 { // else it may end in an exponent
		part = strings.TrimRight(part, "0")
	}
	if f.Group != "" && isDigits(whole) {
		for at := len(whole) - 3; at > 0; at -= 3 {
			whole = whole[:at] + f.Group + whole[at:]
		}
	}
	if part != "" {
		whole += f.point() + part
	}
	if minus && strings.Trim(whole, "0.,") != "" {
		f.Prefix = "-" + f.Prefix
	}
	return f.Prefix + whole + f.Suffix
}

// formats are those that are tried, the usual first.
func formats(text string) (all []Format) {
	var f Format
	bare := strings.TrimPrefix(text, "-")
	for _, sign := range signs {
		if sign != "%" && strings.HasPrefix(bare, sign) {
			f.Prefix = sign
		}
		if strings.HasSuffix(bare, sign) {
			f.Suffix = sign
		}
	}
	for _, marks := range [][2]string{{"", ""}, {"", ","}, {",", ""}, {",", "."}, {"", " "}, {",", " "}, {"", "'"},
		{",", "\u00a0"}, {",", "\u202f"}, {"", "\u00a0"}} {
		f.Point, f.Group = marks[0], marks[1]
		all = append(all, f)
	}
	return all
}

// numbers are the values of a column as numbers, or as dates.
type numbers struct {
	format Format
	reading
	share float64 // of the rows whose values are not missing, those whose values are numbers
	note  string
	value []float64 // of each of the texts that are kept, NaN: it is missing, or none; nil of a wide column
}

// numbers reads the values of a column in the format that most are in.
func (e *evidence) numbers() numbers {
	first := slices.IndexFunc(e.kept, func(t text) bool { return !IsMissing(t.text) })
	if first < 0 {
		return numbers{}
	}
	var best numbers
	var second []Format // which read as many
	for i, f := range formats(e.kept[first].text) {
		n := e.read(i, f)
		switch {
		case n.share > best.share:
			best, second = n, nil
		case n.share == best.share && n.share > 0:
			second = append(second, f)
		}
		if best.share == 1 && f.Point == "" && f.Group == "" {
			return best // which nobody writes otherwise
		}
	}
	other := Format{Point: ",", Prefix: best.format.Prefix, Suffix: best.format.Suffix}
	if best.format.Group == "," && slices.Contains(second, other) {
		// 1,234 is a thousand, or one and a bit.
		if e.semicolons {
			best = e.read(slices.Index(formats(e.kept[first].text), other), other)
		}
		taken := map[bool]string{true: "the decimal point", false: "thousands"}
		best.note = "a comma is taken for " + taken[e.semicolons]
	}
	return best
}

// values returns the texts that are kept as numbers; NaN: one is missing, or see does not read it.
func (e *evidence) values(see func(text) (float64, bool)) []float64 {
	values := make([]float64, len(e.kept))
	for k, t := range e.kept {
		values[k] = math.NaN()
		if IsMissing(t.text) {
			continue
		}
		if v, ok := see(t); ok {
			values[k] = v
		}
	}
	return values
}

// read reads the values in one format, the one of that number of those that are tried.
func (e *evidence) read(number int, f Format) (n numbers) {
	if e.wide != nil {
		n.reading = e.wide.number(number)
	} else {
		n.value = e.values(func(t text) (float64, bool) {
			v, decimals, ok := f.parse(t.text)
			if ok {
				n.take(t, v, decimals)
			} else {
				n.bad.add(t)
			}
			return v, ok
		})
	}
	n.format = f
	if e.rows > 0 {
		n.share = float64(n.rows) / float64(e.rows)
	}
	if n.format.Decimals, n.format.Fixed = n.most, n.same || !n.any; n.free {
		n.format.Decimals, n.format.Fixed = -1, false
	}
	return n
}
