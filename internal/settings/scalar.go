package settings

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// The numbers of YAML 1.2, with underscores between digits and binary numbers beside
// them. A leading zero, which is octal to some readers and decimal to others, makes no
// number here.
var (
	wholeText = regexp.MustCompile(`^[-+]?(0|[1-9](_?[0-9])*|` +
		`0x[0-9a-fA-F](_?[0-9a-fA-F])*|0o[0-7](_?[0-7])*|0b[01](_?[01])*)$`)
	floatText = regexp.MustCompile(`^[-+]?(\.[0-9]+|(0|[1-9](_?[0-9])*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	noFinite  = regexp.MustCompile(`^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

func isNumber(text string) bool {
	return wholeText.MatchString(text) || floatText.MatchString(text) || noFinite.MatchString(text)
}

// isWord says whether text shows where it ends without quotes.
func isWord(text string) bool {
	foreign := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("_.-/", r)
	}
	return text != "" && strings.IndexFunc(text, foreign) < 0
}

func isNull(text string) bool {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

func parseBool(text string) (v, ok bool) {
	switch text {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	return false, false
}

// parseWhole returns the whole number that text writes, of any size; nil if it writes
// none. 1e4 and 2.0 are whole numbers.
func parseWhole(text string) *big.Int {
	if wholeText.MatchString(text) {
		v, ok := new(big.Int).SetString(text, 0)
		if !ok {
			return nil
		}
		return v
	}
	if !floatText.MatchString(text) {
		return nil
	}
	text = strings.ReplaceAll(text, "_", "")
	f, _ := strconv.ParseFloat(text, 64)
	switch {
	case math.IsInf(f, 0): // which no field can hold, and whose digits would fill the memory
		return new(big.Int).Lsh(big.NewInt(int64(math.Copysign(1, f))), 1024)
	case f != math.Trunc(f):
		return nil
	}
	if v, ok := new(big.Rat).SetString(text); ok && v.IsInt() {
		return v.Num()
	}
	return nil
}

// parseFloat returns the number that text writes, infinite where it is too large.
func parseFloat(text string) (v float64, ok bool) {
	switch {
	case wholeText.MatchString(text):
		v, _ = new(big.Float).SetInt(parseWhole(text)).Float64()
		if strings.HasPrefix(text, "-") {
			v = math.Copysign(v, -1) // -0
		}
		return v, true
	case floatText.MatchString(text):
		v, _ = strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		return v, true
	case noFinite.MatchString(text):
		v, err := strconv.ParseFloat(strings.Replace(text, ".", "", 1), 64)
		return v, err == nil
	}
	return 0, false
}

// plainValue is what a scalar without quotes is to a reader who takes any value.
func plainValue(text string) any {
	if v, ok := parseBool(text); ok {
		return v
	}
	if wholeText.MatchString(text) {
		switch v := parseWhole(text); {
		case v.IsInt64():
			return v.Int64()
		case v.IsUint64():
			return v.Uint64()
		}
	}
	if v, ok := parseFloat(text); ok {
		return v
	}
	return text
}

// setWhole sets a field of whole numbers; wrong says what the text should have been.
func setWhole(v reflect.Value, text string) (wrong string) {
	whole := parseWhole(text)
	if whole == nil {
		return "a whole number"
	}
	bits := v.Type().Bits()
	if v.CanInt() {
		if !whole.IsInt64() || v.OverflowInt(whole.Int64()) {
			most := int64(1)<<(bits-1) - 1
			return fmt.Sprintf("a whole number from %d to %d", -most-1, most)
		}
		v.SetInt(whole.Int64())
		return ""
	}
	if !whole.IsUint64() || v.OverflowUint(whole.Uint64()) {
		return fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)>>(64-bits))
	}
	v.SetUint(whole.Uint64())
	return ""
}

// setFloat sets a field of numbers; wrong says what the text should have been.
func setFloat(v reflect.Value, text string) (wrong string) {
	f, ok := parseFloat(text)
	switch {
	case !ok:
		return "a number"
	case noFinite.MatchString(text):
		return "a finite number"
	case math.IsInf(f, 0) || v.OverflowFloat(f):
		most := math.MaxFloat64
		if v.Type().Bits() == 32 {
			most = math.MaxFloat32
		}
		return fmt.Sprintf("a number from %.4g to %.4g", -most, most)
	}
	v.SetFloat(f)
	return ""
}
