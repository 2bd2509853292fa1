package run

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/goccy/go-yaml/ast"
)

// checkKeys walks a YAML tree beside the type that it is decoded into and
// returns an error for every key that the type does not have, with the line
// and the nearest name that it has.
func checkKeys(node ast.Node, typ reflect.Type, at string) []error {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	m, ok := node.(ast.MapNode)
	if !ok || typ.Kind() != reflect.Struct {
		return nil
	}
	var errs []error
	fields := keysOf(typ)
	for it := m.MapRange(); it.Next(); {
		key := it.Key().GetToken().Value // without quotes
		sub, known := fields[key]
		if !known {
			line := it.Key().GetToken().Position.Line
			errs = append(errs, fmt.Errorf("line %d: unknown key %q%s", line, at+key, suggest(key, at, fields)))
			continue
		}
		errs = append(errs, checkKeys(it.Value(), sub, at+key+".")...)
	}
	return errs
}

// checkPath reports a dotted key that the type does not have.
func checkPath(typ reflect.Type, dotted string) error {
	at := ""
	for _, key := range strings.Split(dotted, ".") {
		for typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return fmt.Errorf("unknown key %q: %s holds a value, not keys", dotted, strings.TrimSuffix(at, "."))
		}
		fields := keysOf(typ)
		sub, known := fields[key]
		if !known {
			return fmt.Errorf("unknown key %q%s", at+key, suggest(key, at, fields))
		}
		typ, at = sub, at+key+"."
	}
	return nil
}

// keysOf returns the YAML keys of a struct with the types of their values.
func keysOf(typ reflect.Type) map[string]reflect.Type {
	keys := map[string]reflect.Type{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case strings.Contains(options, "inline"):
			for k, t := range keysOf(f.Type) {
				keys[k] = t
			}
		case name == "":
			keys[strings.ToLower(f.Name)] = f.Type
		default:
			keys[name] = f.Type
		}
	}
	return keys
}

// suggest names the nearest key, when one is near, else all of them.
func suggest(key, at string, fields map[string]reflect.Type) string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	best, bestDistance := "", len(key)/2+1
	for _, name := range names {
		if d := levenshtein.ComputeDistance(key, name); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", at+best)
	}
	return "; it may be " + strings.Join(names, ", ")
}
