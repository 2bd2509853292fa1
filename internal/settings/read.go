package settings

import (
	"errors"
	"reflect"
)

// Read sets the struct that into points to from layers, of which later ones win.
// Keys that no layer gives stay as they are. The error joins everything that is wrong;
// into is then not to be used.
func Read(into any, layers ...Layer) (Given, error) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return Given{}, errors.New("settings: the value to read into must be a pointer")
	}
	root, err := merge(v.Type().Elem(), layers)
	d := decoder{}
	d.value(v.Elem(), root, nil)
	return d.given, errors.Join(append([]error{err}, d.errs...)...)
}

// Config is a struct that fills in its defaults, and says what is wrong with it then.
type Config[T any] interface {
	Defaults() T
	Validate() error
}

// Load reads a configuration from layers, as [Read] does, fills in its defaults and
// validates it. A key that was given as zero and is replaced by a default is an
// error; see Given.checkZeros.
func Load[T Config[T]](layers ...Layer) (T, Given, error) {
	var c T
	given, err := Read(&c, layers...)
	if err != nil {
		return c, given, err
	}
	filled := c.Defaults()
	if err := given.checkZeros(filled); err != nil {
		return filled, given, err
	}
	return filled, given, given.locate(filled.Validate())
}
