package settings

import (
	"encoding"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// flowYAML writes a value on one line, as YAML that reads back as the same.
func flowYAML(v reflect.Value) string {
	if v.IsValid() && v.CanInterface() {
		switch m := v.Interface().(type) {
		case yaml.InterfaceMarshaler:
			if out, err := m.MarshalYAML(); err == nil {
				return flowYAML(reflect.ValueOf(out))
			}
		case encoding.TextMarshaler:
			if out, err := m.MarshalText(); err == nil {
				return textYAML(string(out))
			}
		}
	}
	switch {
	case !v.IsValid():
		return "null"
	case v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface:
		return flowYAML(v.Elem())
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	case v.CanFloat():
		return floatYAML(v.Float(), v.Type().Bits())
	case v.Kind() == reflect.String:
		return textYAML(v.String())
	}
	var parts []string
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			parts = append(parts, flowYAML(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		values := mapOf(v)
		for _, name := range slices.Sorted(maps.Keys(values)) {
			parts = append(parts, textYAML(name)+": "+flowYAML(values[name]))
		}
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			if sub := v.FieldByIndex(f.index); !f.omitEmpty || !sub.IsZero() {
				parts = append(parts, textYAML(f.name)+": "+flowYAML(sub))
			}
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// floatYAML writes a number of that many bits with as few digits as read back the same.
func floatYAML(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

// Scalar writes text as YAML that reads back as the same, whatever characters are in it.
func Scalar(text string) string { return textYAML(text) }

// textYAML writes text, with quotes where it needs them.
func textYAML(text string) string {
	_, truth := parseBool(text)
	if truth || isNull(text) || isNumber(text) || !isWord(text) || strings.Trim(text, "-.") == "" {
		return strconv.Quote(text)
	}
	return text
}
