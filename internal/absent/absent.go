// Package absent tells values that are not there: a nil interface, and an interface
// that holds a nil pointer, which compares as different from nil and panics when used.
package absent

import "reflect"

// Is reports whether v is nil, or holds a nil pointer, function, map, slice or channel.
func Is(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan, reflect.UnsafePointer:
		return r.IsNil()
	}
	return false
}
