package settings

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"flowmatch/internal/choice"
)

// dotted writes a path as a key of the file: train.lr, tables[2].title.
func dotted(path []string) string {
	var b strings.Builder
	for i, p := range path {
		if i > 0 && !strings.HasPrefix(p, "[") {
			b.WriteByte('.')
		}
		b.WriteString(p)
	}
	return b.String()
}

// shownKey writes a path as an error shows it, and quoteKey as one quotes it.
func shownKey(path []string) string { return choice.Cut(dotted(path)) }
func quoteKey(path []string) string { return choice.Quote(dotted(path)) }

// index is the step of a path into a list.
func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// join returns path with one more step, in memory of its own.
func join(path []string, step string) []string { return append(slices.Clip(path), step) }

// field is a field of a struct as a file sees it.
type field struct {
	name      string
	index     []int // as of reflect.Value.FieldByIndex
	typ       reflect.Type
	omitEmpty bool
}

// known holds the fields of the types that were looked at: a grid reads the same settings hundreds of times.
var known sync.Map // of reflect.Type and []field

// fieldsOf returns the fields of a struct in their order, those of inline structs
// among them. They are not to be changed.
func fieldsOf(typ reflect.Type) []field {
	if fields, ok := known.Load(typ); ok {
		return fields.([]field)
	}
	fields := lookAt(typ)
	known.Store(typ, fields)
	return fields
}

func lookAt(typ reflect.Type) []field {
	var out []field
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		opts := strings.Split(options, ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case slices.Contains(opts, "inline"):
			for _, sub := range fieldsOf(f.Type) {
				sub.index = append([]int{i}, sub.index...)
				out = append(out, sub)
			}
		case !f.IsExported():
		default:
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			out = append(out, field{name, []int{i}, f.Type, slices.Contains(opts, "omitempty")})
		}
	}
	return out
}

// fieldOf returns the field of that name.
func fieldOf(typ reflect.Type, name string) (field, bool) {
	fields := fieldsOf(typ)
	if i := slices.IndexFunc(fields, func(f field) bool { return f.name == name }); i >= 0 {
		return fields[i], true
	}
	return field{}, false
}

// unknownKey is the error for a key that a struct does not have.
func unknownKey(path []string, typ reflect.Type) error {
	var names []string
	for _, f := range fieldsOf(typ) {
		names = append(names, f.name)
	}
	return unknown(path, names)
}

// unknown is the error for a key at the end of path that is none of names: it gives the
// nearest, when one is near, else all of them.
func unknown(path, names []string) error {
	last := len(path) - 1
	if near := choice.Nearest(path[last], names); near != "" {
		return fmt.Errorf("unknown key %s; did you mean %q?", quoteKey(path), dotted(join(path[:last], near)))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return fmt.Errorf("unknown key %s; it must be one of %s", quoteKey(path), strings.Join(names, ", "))
}

// checkPath reports the path of a setting that leads to no field of the type.
func checkPath(typ reflect.Type, path []string) error {
	for i, name := range path {
		typ = pointee(typ)
		switch shapeOf(typ) {
		case shapeStruct:
			f, ok := fieldOf(typ, name)
			if !ok {
				return unknownKey(path[:i+1], typ)
			}
			typ = f.typ
		case shapeMap:
			typ = typ.Elem()
		case shapeAny, shapeCustom:
			return nil // which takes what it likes
		default:
			return fmt.Errorf("unknown key %s: %s holds a value, not keys", quoteKey(path), shownKey(path[:i]))
		}
	}
	return nil
}

func pointee(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ
}

// shape is what a type takes from a file.
type shape int

const (
	shapeNone   shape = iota // nothing: a file cannot hold it
	shapeText                // of a type that reads text itself
	shapeCustom              // of a type that reads values itself
	shapeString
	shapeBool
	shapeWhole
	shapeNumber
	shapeList
	shapeMap
	shapeStruct
	shapeAny
)

var (
	textType   = reflect.TypeFor[encoding.TextUnmarshaler]()
	customType = reflect.TypeFor[yaml.InterfaceUnmarshaler]()
)

// shapeOf returns the shape of a type that is no pointer.
func shapeOf(typ reflect.Type) shape {
	switch p := reflect.PointerTo(typ); {
	case p.Implements(customType):
		return shapeCustom
	case p.Implements(textType):
		return shapeText
	}
	switch k := typ.Kind(); k {
	case reflect.String:
		return shapeString
	case reflect.Bool:
		return shapeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return shapeWhole
	case reflect.Float32, reflect.Float64:
		return shapeNumber
	case reflect.Slice:
		return shapeList
	case reflect.Struct:
		return shapeStruct
	case reflect.Map:
		if typ.Key().Kind() == reflect.String {
			return shapeMap
		}
	case reflect.Interface:
		if typ.NumMethod() == 0 {
			return shapeAny
		}
	}
	return shapeNone
}

// typeName describes what a type takes, of one value or of many.
func typeName(typ reflect.Type, many bool) string {
	one := map[shape][2]string{
		shapeText: {"text", "texts"}, shapeString: {"text", "texts"}, shapeCustom: {"a value", "values"},
		shapeBool: {"true or false", "true or false"}, shapeWhole: {"whole number", "whole numbers"},
		shapeNumber: {"number", "numbers"}, shapeStruct: {"section", "sections"}, shapeAny: {"a value", "values"},
	}
	typ = pointee(typ)
	which := 0
	if many {
		which = 1
	}
	switch s := shapeOf(typ); s {
	case shapeList:
		return [2]string{"list of ", "lists of "}[which] + typeName(typ.Elem(), true)
	case shapeMap:
		return [2]string{"section of ", "sections of "}[which] + typeName(typ.Elem(), true)
	default:
		return one[s][which]
	}
}
