package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Given is the set of keys that have a value, and where each was written. A section
// is a key, too.
type Given struct {
	keys []given
}

// given is one key.
type given struct {
	path []string
	at   where
	text string // of a scalar, as written
	zero string // how a value was written that stands for a default; empty: none does
}

func (g Given) find(key string) (given, bool) {
	if i := slices.IndexFunc(g.keys, func(k given) bool { return dotted(k.path) == key }); i >= 0 {
		return g.keys[i], true
	}
	return given{}, false
}

// Where says where a key was given, as errors begin: line 7, or setting "train.lr=3".
// It is empty where nothing gave it.
func (g Given) Where(key string) string {
	if k, ok := g.find(key); ok {
		return k.at.String()
	}
	return ""
}

// checkZeros reports keys that were given as zero (0, "", false, an empty list) and are
// something else in filled, the value with its defaults filled in: a zero that
// would silently become a default.
func (g Given) checkZeros(filled any) error {
	var errs []error
	for _, k := range g.keys {
		if k.zero == "" {
			continue
		}
		v, ok := lookUp(reflect.ValueOf(filled), k.path)
		if !ok || v.Kind() == reflect.Pointer || unset(v) {
			continue
		}
		name := shownKey(k.path)
		if v.Kind() == reflect.Bool {
			errs = append(errs, fmt.Errorf("%v: %s is false, but the other settings make it true; leave the key out",
				k.at, name))
			continue
		}
		want := "give another value"
		switch {
		case v.CanInt(), v.CanUint(), v.CanFloat():
			want = "give a value above 0"
		case v.Kind() == reflect.Slice:
			want = "give a list with values"
		}
		errs = append(errs, fmt.Errorf("%v: %s is %s; leave the key out for the default %s, or %s",
			k.at, name, k.zero, flowYAML(v), want))
	}
	return errors.Join(errs...)
}

// lookUp returns the value at a path of keys.
func lookUp(v reflect.Value, path []string) (reflect.Value, bool) {
	for _, step := range path {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		switch v.Kind() {
		case reflect.Struct:
			f, ok := fieldOf(v.Type(), step)
			if !ok {
				return v, false
			}
			v = v.FieldByIndex(f.index)
		case reflect.Map:
			if v = v.MapIndex(reflect.ValueOf(step).Convert(v.Type().Key())); !v.IsValid() {
				return v, false
			}
		case reflect.Slice:
			i, err := strconv.Atoi(strings.Trim(step, "[]"))
			if err != nil || i >= v.Len() {
				return v, false
			}
			v = v.Index(i)
		default:
			return v, false
		}
	}
	return v, true
}
