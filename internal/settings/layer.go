package settings

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"flowmatch/internal/choice"
)

// Layer is what one source gives: the text of a file, a setting, or values of a program.
// What is wrong with it is reported when it is read.
type Layer struct {
	key   string // dotted, of what value replaces; "" is everything
	value *node
	from  string
	err   error
}

// File is the content of a file: one YAML document with a section, or nothing.
func File(yamlText []byte) Layer {
	n, err := parse(yamlText, "")
	return Layer{value: n, err: err}
}

// Setting is key=value with a dotted key and a value in YAML, such as train.lr=3e-4 or
// net.unet={channels: 32}. Without a value the key is unset.
func Setting(text string) Layer {
	l := Layer{from: "setting " + choice.Quote(text)}
	key, value, ok := strings.Cut(text, "=")
	if l.key = key; !ok || slices.Contains(strings.Split(key, "."), "") || !utf8.ValidString(key) {
		l.err = fmt.Errorf("%s: it must be key=value, such as train.lr=3e-4", l.from)
		return l
	}
	l.value, l.err = parse([]byte(value), l.from)
	return l
}

// Settings is [Setting] of each text.
func Settings(texts []string) []Layer {
	out := make([]Layer, len(texts))
	for i, t := range texts {
		out[i] = Setting(t)
	}
	return out
}

// Values is a value that a program holds, at a dotted key or, with key "", the whole:
// nil, booleans, numbers, text, and slices and maps of these. Text that writes a number
// is one where a number is wanted: some YAML readers take 1e-3 for text. Errors begin
// with from, which says where the value was written.
func Values(from, key string, v any) Layer {
	l := Layer{key: key, from: from}
	l.value, l.err = nodeOf(reflect.ValueOf(v), where{from: from})
	return l
}

// nodeOf writes a Go value as a node.
func nodeOf(v reflect.Value, at where) (*node, error) {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	scalar := func(k kind, text string) (*node, error) { return &node{kind: k, text: text, at: at}, nil }
	switch {
	case !v.IsValid():
		return &node{at: at}, nil
	case v.Kind() == reflect.Bool:
		return scalar(plain, strconv.FormatBool(v.Bool()))
	case v.CanInt():
		return scalar(plain, strconv.FormatInt(v.Int(), 10))
	case v.CanUint():
		return scalar(plain, strconv.FormatUint(v.Uint(), 10))
	case v.CanFloat():
		return scalar(plain, floatYAML(v.Float(), v.Type().Bits()))
	case v.Kind() == reflect.String && isNumber(v.String()):
		return scalar(plain, v.String())
	case v.Kind() == reflect.String:
		return scalar(quoted, v.String())
	case v.Kind() == reflect.Slice:
		out := &node{kind: list, at: at}
		for i := range v.Len() {
			item, err := nodeOf(v.Index(i), at)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
		return out, nil
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		out := &node{kind: section, at: at}
		values := mapOf(v)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			item, err := nodeOf(values[key], at)
			if err != nil {
				return nil, err
			}
			out.keys = append(out.keys, entry{key, at, item})
		}
		return out, nil
	}
	return nil, fmt.Errorf("%v: a value of the Go type %v cannot be a setting", at, v.Type())
}

// mapOf returns the values of a map by their names.
func mapOf(v reflect.Value) map[string]reflect.Value {
	out := make(map[string]reflect.Value, v.Len())
	for it := v.MapRange(); it.Next(); {
		out[it.Key().String()] = it.Value()
	}
	return out
}

// merge returns what the layers give together, for a value of that type: each replaces
// what those before it gave at its key.
func merge(typ reflect.Type, layers []Layer) (*node, error) {
	var root *node
	var errs []error
	for _, l := range layers {
		if l.err != nil {
			errs = append(errs, l.err)
			continue
		}
		var path []string
		if l.key != "" {
			path = strings.Split(l.key, ".")
		}
		if err := checkPath(typ, path); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", l.from, err))
			continue
		}
		next, inTheWay := root.with(path, l.value, where{from: l.from})
		if inTheWay != nil {
			errs = append(errs,
				fmt.Errorf("%s: %v has %s where a section must be", l.from, inTheWay.at, inTheWay.shown()))
			continue
		}
		root = next
	}
	return root, errors.Join(errs...)
}
