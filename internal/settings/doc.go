// Package settings reads the values of a Go struct from YAML and from settings such as
// train.lr=3e-4, and describes them: it is the machinery behind a run file, and knows
// nothing of what the values mean.
//
// Reading is strict. A key that the struct does not have, a key given twice, a value of
// the wrong kind (2.5 for a whole number, 64 for a list) are errors, and all of them
// are reported at once, with the line or the setting, the dotted key and what would be
// right. Values are checked as they are written, before anything is converted, so
// none is rounded or wraps around.
//
// Unset is not zero. A key that is left out, or is null, is unset, and its default
// holds. A zero that is written down is a value: where Defaults would replace it by
// something else, [Load] reports it. A field whose zero means something of its own beside
// a default other than zero must be a pointer.
//
// The keys are those of the yaml tags: the name, or the field's name in small letters;
// ",inline" puts the keys of an embedded struct among those around it. Fields may be
// whole numbers, numbers, text, booleans, structs, pointers, slices and maps with
// string keys of these, any, and types that implement encoding.TextUnmarshaler or
// yaml.InterfaceUnmarshaler.
package settings
