package settings

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml"
)

// decoder sets Go values from nodes, and records what was given and what is wrong.
type decoder struct {
	given Given
	errs  []error
}

func (d *decoder) fault(at where, format string, args ...any) {
	d.errs = append(d.errs, fmt.Errorf("%v: "+format, append([]any{at}, args...)...))
}

// wrong records a value that must be something else.
func (d *decoder) wrong(n *node, path []string, want string) {
	name := shownKey(path)
	if name == "" {
		name = "the whole"
	}
	d.fault(n.at, "%s is %s; it must be %s", name, n.shown(), want)
}

// value sets v, which is addressable, from n. What is null stays as it is.
func (d *decoder) value(v reflect.Value, n *node, path []string) {
	if n == nil || n.kind == null {
		return
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if !v.IsNil() && shapeOf(p.Type().Elem()) == shapeStruct {
			p.Elem().Set(v.Elem()) // the keys that are not given stay
		}
		d.value(p.Elem(), n, path)
		v.Set(p)
		return
	}
	switch shapeOf(v.Type()) {
	case shapeStruct:
		d.structure(v, n, path)
	case shapeMap:
		d.mapping(v, n, path)
	case shapeList:
		d.list(v, n, path)
	case shapeAny:
		v.Set(reflect.ValueOf(n.value()))
	case shapeCustom:
		d.custom(v, n, path)
	default:
		d.scalar(v, n, path)
	}
}

func (d *decoder) structure(v reflect.Value, n *node, path []string) {
	if n.kind != section {
		d.wrong(n, path, "a section: keys with values")
		return
	}
	for _, e := range n.keys {
		here := join(path, e.name)
		f, ok := fieldOf(v.Type(), e.name)
		if !ok {
			d.fault(e.at, "%w", unknownKey(here, v.Type()))
			continue
		}
		d.entry(v.FieldByIndex(f.index), e.value, here, e.at)
	}
}

// entry sets the value of a key, and records it.
func (d *decoder) entry(v reflect.Value, n *node, path []string, at where) {
	if n.kind == null {
		return
	}
	key := given{path: path, at: at}
	if n.kind == plain || n.kind == quoted {
		key.text = n.text
	}
	i := len(d.given.keys)
	d.given.keys = append(d.given.keys, key) // before what is in it
	d.value(v, n, path)
	if v.Kind() != reflect.Pointer && n.kind != section && unset(v) {
		d.given.keys[i].zero = n.shown()
		if n.kind == list {
			d.given.keys[i].zero = "an empty list"
		}
	}
}

// unset says whether a value that is no pointer is the one that stands for a default.
func unset(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}

func (d *decoder) mapping(v reflect.Value, n *node, path []string) {
	if n.kind != section {
		d.wrong(n, path, "a "+typeName(v.Type(), false)+": names with values")
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.keys))
	for _, e := range n.keys {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.entry(elem, e.value, join(path, e.name), e.at)
		out.SetMapIndex(reflect.ValueOf(e.name).Convert(v.Type().Key()), elem)
	}
	v.Set(out)
}

func (d *decoder) list(v reflect.Value, n *node, path []string) {
	// A setting of the command line is one value where it is written without brackets.
	if elem := pointee(v.Type().Elem()).Kind(); (n.kind == plain || n.kind == quoted) && n.at.from != "" &&
		elem != reflect.Slice && elem != reflect.Struct && elem != reflect.Map {
		n = &node{kind: list, at: n.at, items: []*node{n}}
	}
	if n.kind != list {
		example := "[a, b]"
		if s := shapeOf(pointee(v.Type().Elem())); s == shapeWhole || s == shapeNumber {
			example = "[1, 2]"
		}
		d.wrong(n, path, "a "+typeName(v.Type(), false)+", such as "+example)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		here := join(path, index(i))
		if item.kind == null && v.Type().Elem().Kind() != reflect.Interface {
			d.wrong(item, here, "a value, or nothing between commas")
			continue
		}
		d.value(out.Index(i), item, here)
	}
	v.Set(out)
}

func (d *decoder) scalar(v reflect.Value, n *node, path []string) {
	if n.kind != plain && n.kind != quoted {
		want := typeName(v.Type(), false)
		switch shapeOf(v.Type()) {
		case shapeWhole, shapeNumber:
			want = "a " + want
		}
		d.wrong(n, path, want)
		return
	}
	var wrong string
	switch shapeOf(v.Type()) {
	case shapeText:
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.text)); err != nil {
			d.fault(n.at, "%s is %s: %w", shownKey(path), n.shown(), err)
		}
		return
	case shapeString:
		if _, truth := parseBool(n.text); truth && n.kind == plain {
			wrong = fmt.Sprintf("text; write %q if this is meant", n.text)
			break
		}
		v.SetString(n.text)
	case shapeBool:
		truth, ok := parseBool(n.text)
		if !ok || n.kind == quoted {
			wrong = "true or false"
		}
		v.SetBool(truth)
	case shapeWhole:
		if wrong = "a whole number"; n.kind == plain {
			wrong = setWhole(v, n.text)
		}
	case shapeNumber:
		if wrong = "a number"; n.kind == plain {
			wrong = setFloat(v, n.text)
		}
	default:
		d.fault(n.at, "%s: no file can hold the Go type %v", shownKey(path), v.Type())
	}
	if wrong != "" {
		d.wrong(n, path, wrong)
	}
}

// errRecorded is returned to a type that reads itself, when its value is wrong.
var errRecorded = errors.New("settings: the value is wrong")

// custom lets a type read itself, from any value that it asks for.
func (d *decoder) custom(v reflect.Value, n *node, path []string) {
	err := v.Addr().Interface().(yaml.InterfaceUnmarshaler).UnmarshalYAML(func(into any) error {
		p := reflect.ValueOf(into)
		if p.Kind() != reflect.Pointer || p.IsNil() {
			return fmt.Errorf("settings: UnmarshalYAML asks for %T; it must be a pointer", into)
		}
		sub := decoder{}
		sub.value(p.Elem(), n, path)
		if d.errs = append(d.errs, sub.errs...); len(sub.errs) > 0 {
			return errRecorded
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRecorded) {
		d.fault(n.at, "%s is %s: %w", shownKey(path), n.shown(), err)
	}
}
