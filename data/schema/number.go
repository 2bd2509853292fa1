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

// numbers are the distinct values of a column as numbers.
type numbers struct {
	format Format
	value  []float64 // NaN: it is missing, or none
	ok     []bool    // it is a number
	share  float64   // of the rows whose values are not missing, those whose values are numbers
	note   string
}

// asNumbers reads values, which come so often, as numbers in the format that most are in.
// semicolons says that the file has them between its fields, as where decimals have commas.
func asNumbers(values []string, counts []int, semicolons bool) numbers {
	first := slices.IndexFunc(values, func(v string) bool { return !IsMissing(v) })
	if first < 0 {
		return numbers{}
	}
	var best numbers
	var second []Format // which read as many
	for _, f := range formats(values[first]) {
		n := read(values, counts, f)
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
		if semicolons {
			best = read(values, counts, other)
		}
		best.note = "a comma is taken for " + map[bool]string{true: "the decimal point", false: "thousands"}[semicolons]
	}
	return best
}

// read reads values in one format.
func read(values []string, counts []int, f Format) numbers {
	n := numbers{format: f, value: make([]float64, len(values)), ok: make([]bool, len(values))}
	rows, good, most, same, free := 0, 0, 0, true, false
	decimals := -2 // none was seen
	for k, text := range values {
		n.value[k] = math.NaN()
		if IsMissing(text) {
			continue
		}
		rows += counts[k]
		v, d, ok := f.parse(text)
		if !ok {
			continue
		}
		good += counts[k]
		n.value[k], n.ok[k] = v, true
		same = same && (decimals == -2 || d == decimals)
		decimals, most, free = d, max(most, d), free || d < 0
	}
	if rows > 0 {
		n.share = float64(good) / float64(rows)
	}
	n.format.Decimals, n.format.Fixed = most, same
	if free || most > maxDecimals {
		n.format.Decimals, n.format.Fixed = -1, false
	}
	return n
}

// maxGrid is how many steps of a grid there may be between the smallest and the largest of numbers
// with decimals: beyond it values are as good as real. Whole numbers have a grid in any case that a
// float64 holds.
const maxGrid = 10_000_000

// gridOf returns the smallest value, the largest, and the step of the grid of values of so many
// decimals (-1: any); 0: they are on none.
func gridOf(values []float64, decimals int) (lo, hi, step float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v == v {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	unit := math.Pow(10, float64(max(0, decimals)))
	if lo >= hi || decimals < 0 || (hi-lo)*unit > 1<<52 || math.Abs(lo)*unit > 1<<52 {
		return lo, hi, 0
	}
	base, common := math.Round(lo*unit), int64(0)
	for _, v := range values {
		if v == v {
			common = gcd(common, int64(math.Round(v*unit)-base))
		}
	}
	step = float64(common) / unit
	if decimals > 0 && (hi-lo)/step > maxGrid {
		step = 0
	}
	return lo, hi, step
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, -a)
}
