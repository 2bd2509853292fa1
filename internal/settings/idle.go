package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"flowmatch/internal/choice"
)

// Idle is keys that have no effect together with the other settings.
type Idle struct {
	Keys []string // dotted; a section stands for all that is in it
	Why  string   // "euler takes equal steps, which have no tolerance"
	Fix  string   // what would give them one: "set eval.solver to dopri5"; empty: nothing
}

// Idler is the optional upgrade of a [Config] that knows which of its keys have no effect.
// It is asked of a value that is complete and valid. A key may be written all the same with
// the value that it has when it is left out, so that a file that holds every default reads,
// or with a zero, which asks for nothing.
type Idler interface{ Idle() []Idle }

// checkIdle reports keys that were given, and have no effect: those of an [Idler] whose
// value is not the one that they have when they are left out. root is all that was
// given.
func checkIdle[T Config[T]](g Given, root *node, filled T) error {
	c, ok := any(filled).(Idler)
	if !ok {
		return nil
	}
	rules := c.Idle()
	var errs []error
	for _, k := range g.keys {
		name := dotted(k.path)
		i := slices.IndexFunc(rules, func(r Idle) bool {
			return slices.ContainsFunc(r.Keys, func(key string) bool { return covers(key, name) })
		})
		v, ok := lookUp(reflect.ValueOf(filled), k.path)
		if i < 0 || !ok {
			continue
		}
		if s := shapeOf(pointee(v.Type())); s == shapeStruct || s == shapeMap {
			continue // its keys are given, too
		}
		if value := deref(v); value.IsValid() && value.IsZero() || same(v, leftOut[T](root, k.path)) {
			continue
		}
		fix := ""
		if rules[i].Fix != "" {
			fix = ", or " + rules[i].Fix
		}
		errs = append(errs, fmt.Errorf("%v: %s is %s, but has no effect: %s; leave it out%s", k.at, shownKey(k.path),
			choice.Cut(flowYAML(v)), rules[i].Why, fix))
	}
	return errors.Join(errs...)
}

// covers says whether a key is another one, or in it.
func covers(key, name string) bool {
	rest, ok := strings.CutPrefix(name, key)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// leftOut returns the value that the key at a path has when it is not given.
func leftOut[T Config[T]](root *node, path []string) reflect.Value {
	var c T
	if root, inTheWay := root.with(path, &node{}, where{}); inTheWay == nil {
		(&decoder{}).value(reflect.ValueOf(&c).Elem(), root, nil)
	}
	v, _ := lookUp(reflect.ValueOf(c.Defaults()), path)
	return v
}

// same says whether two values of a key are equal; one may not be there.
func same(a, b reflect.Value) bool {
	a, b = deref(a), deref(b)
	if !a.IsValid() || !b.IsValid() {
		return a.IsValid() == b.IsValid()
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// deref follows pointers; the result is invalid at the end of a nil one.
func deref(v reflect.Value) reflect.Value {
	for v.IsValid() && v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return v
}
