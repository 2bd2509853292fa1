package settings

import (
	"reflect"
	"slices"
	"strings"
)

// Key describes one key of a file.
type Key struct {
	Name string `json:"name"` // dotted; keys of the items of a list have the form tables[].title
	Type string `json:"type"` // as "whole number", "list of numbers" or "section"
	// Default is the default in YAML; empty where the key has none, or is unset.
	Default string   `json:"default,omitempty"`
	Doc     string   `json:"doc,omitempty"`     // what it means
	Allowed []string `json:"allowed,omitempty"` // the names that it may be
	// Choices describes the names of Allowed; empty: their names say enough.
	Choices []Choice `json:"choices,omitempty"`
	// Optional marks a section that is not there unless it is written.
	Optional bool `json:"optional,omitempty"`
}

// Choice is a name that a key may be.
type Choice struct {
	Name       string   `json:"name"`
	Doc        string   `json:"doc"`                  // one line
	Properties []string `json:"properties,omitempty"` // "takes a coupling"
}

// String writes a choice as one line.
func (c Choice) String() string {
	line := c.Name + ": " + c.Doc + "."
	if len(c.Properties) > 0 {
		line += " It " + strings.Join(c.Properties, "; ") + "."
	}
	return line
}

// Section says whether the key holds keys.
func (k Key) Section() bool { return k.Type == "section" }

// Describe returns the keys of root, a struct whose fields are their defaults, in the
// order of its fields, each section before its keys. Meanings come from docs, and the
// names that a key may be from allowed, both by dotted key. The defaults in a section that
// root does not have are those that its type's Defaults method fills in, if it has one.
func Describe(root any, docs map[string]string, allowed map[string][]string) []Key {
	d := describer{docs: docs, allowed: allowed}
	d.structure(reflect.Indirect(reflect.ValueOf(root)), "", nil)
	return d.keys
}

type describer struct {
	docs    map[string]string
	allowed map[string][]string
	keys    []Key
}

// structure adds the keys of v, whose name ends before theirs begins; within holds the
// types around it, none of which is described again.
func (d *describer) structure(v reflect.Value, prefix string, within []reflect.Type) {
	within = append(slices.Clip(within), v.Type())
	for _, f := range fieldsOf(v.Type()) {
		d.field(f, v.FieldByIndex(f.index), prefix+f.name, within)
	}
}

func (d *describer) field(f field, v reflect.Value, name string, within []reflect.Type) {
	typ := pointee(f.typ)
	k := Key{Name: name, Type: typeName(typ, false), Doc: d.docs[name], Allowed: d.allowed[name]}
	if shapeOf(typ) == shapeStruct {
		if unsetSection := v.IsZero() && (f.omitEmpty || v.Kind() == reflect.Pointer); unsetSection {
			k.Optional, v = true, withDefaults(typ)
		}
		d.keys = append(d.keys, k)
		if v = reflect.Indirect(v); !slices.Contains(within, typ) {
			d.structure(v, name+".", within)
		}
		return
	}
	if v = reflect.Indirect(v); v.IsValid() && !(unset(v) && meansUnset(f)) {
		k.Default = flowYAML(v)
	}
	d.keys = append(d.keys, k)
	if shapeOf(typ) == shapeList {
		item := pointee(typ.Elem())
		if shapeOf(item) == shapeStruct && !slices.Contains(within, item) {
			d.structure(withDefaults(item), name+"[].", within)
		}
	}
}

// meansUnset says whether the zero of a field is the same as nothing.
func meansUnset(f field) bool {
	switch f.typ.Kind() {
	case reflect.Pointer:
		return false
	case reflect.Slice, reflect.Map, reflect.String:
		return true
	}
	return f.omitEmpty
}

// withDefaults returns a value of a struct type, with its defaults filled in where the
// type can say them.
func withDefaults(typ reflect.Type) reflect.Value {
	v := reflect.New(typ).Elem()
	m := v.MethodByName("Defaults")
	if m.IsValid() && m.Type().NumIn() == 0 && m.Type().NumOut() == 1 && m.Type().Out(0) == typ {
		return m.Call(nil)[0]
	}
	return v
}

// Select returns the key of a name, and all that are in it; with the name "" all keys.
// An error names the nearest key.
func Select(keys []Key, name string) ([]Key, error) {
	if name == "" {
		return keys, nil
	}
	var out []Key
	for _, k := range keys {
		rest, ok := strings.CutPrefix(k.Name, name)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			out = append(out, k)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	path := strings.Split(name, ".")
	var siblings []string
	for len(siblings) == 0 {
		parent := strings.Join(path[:len(path)-1], ".")
		for _, k := range keys {
			if above, last := split(k.Name); above == parent {
				siblings = append(siblings, last)
			}
		}
		if len(siblings) == 0 && parent == "" {
			break // there are no keys at all
		}
		if len(siblings) == 0 {
			path = path[:len(path)-1] // the section is unknown, too
		}
	}
	return nil, unknown(path, siblings)
}

// split returns the section of a dotted key, and its last part.
func split(name string) (section, last string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}
