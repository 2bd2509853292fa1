package settings

import (
	"errors"
	"reflect"
	"strings"
)

// Read sets the struct that into points to from layers, of which later ones win.
// Keys that no layer gives stay as they are. The error joins everything that is wrong;
// into is then not to be used.
func Read(into any, layers ...Layer) (Given, error) {
	given, _, err := readAll(into, layers)
	return given, err
}

// readAll is Read, and returns all that the layers give.
func readAll(into any, layers []Layer) (Given, *node, error) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return Given{}, nil, errors.New("settings: the value to read into must be a pointer")
	}
	root, err := merge(v.Type().Elem(), layers)
	d := decoder{}
	d.value(v.Elem(), root, nil)
	return d.given, root, errors.Join(append([]error{err}, d.errs...)...)
}

// Config is a struct that fills in its defaults, and says what is wrong with it then.
type Config[T any] interface {
	Defaults() T
	Validate() error
}

// Load reads a configuration from layers, as [Read] does, fills in its defaults and
// validates it. A key that was given as zero and is replaced by a default is an
// error, see Given.checkZeros, and so is one that has no effect, see [Idler].
func Load[T Config[T]](layers ...Layer) (T, Given, error) {
	filled, given, root, err := load[T](layers)
	if err != nil {
		return filled, given, err
	}
	return filled, given, checkIdle(given, root, filled)
}

// Written is what a program wrote, maybe an earlier version of it.
type Written struct {
	Text    []byte
	Before  []Layer  // what keys were that the text leaves out of a section that it has
	Retired []string // keys that are passed over
}

// LoadWritten is Load of what a program wrote, and of layers that change it. Keys without an
// effect are no errors.
func LoadWritten[T Config[T]](w Written, layers ...Layer) (T, Given, error) {
	l := File(w.Text)
	for _, key := range w.Retired {
		l.value = l.value.without(strings.Split(key, "."))
	}
	all := []Layer{l}
	for _, b := range w.Before {
		key := strings.Split(b.key, ".")
		if section := key[:len(key)-1]; !l.value.has(key) && (len(section) == 0 || l.value.has(section)) {
			all = append(all, b)
		}
	}
	filled, given, _, err := load[T](append(all, layers...))
	return filled, given, err
}

func load[T Config[T]](layers []Layer) (T, Given, *node, error) {
	var c T
	given, root, err := readAll(&c, layers)
	if err != nil {
		return c, given, root, err
	}
	filled := c.Defaults()
	if err := given.checkZeros(filled); err != nil {
		return filled, given, root, err
	}
	return filled, given, root, given.locate(filled.Validate())
}
