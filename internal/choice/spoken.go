package choice

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rooms are the packages whose names begin the errors of Go, and mean nothing to who reads one
// on a screen or a page. Those that name a section of a run file too (data, train, path,
// coupling) stay within an error: they may be that.
var rooms = regexp.MustCompile(`(^|\n|: |; |\()((?:assign|atomicfile|bench|classify|exchange|experiment|field|` +
	`filelock|likelihood|memory|metrics|model|native|neuralode|nn|ode|onnx|plot|run|sde|settings|synth|tfevents): )+`)

// Spoken returns the text of an error for those who do not write Go: without the packages that
// it comes from, and without quotes of the input that are longer than any name is. Most errors cut what
// they quote by [Cut]; this does it for those of other libraries, such as one of a file that is not there.
func Spoken(err error) string {
	text := err.Error()
	for _, path := range paths(err) {
		if utf8.RuneCountInString(path) > long {
			text = strings.ReplaceAll(text, path, Cut(path))
		}
	}
	text = quoted.ReplaceAllStringFunc(text, func(q string) string {
		if inside, err := strconv.Unquote(q); err == nil {
			return Quote(inside)
		}
		return q
	})
	text = word.ReplaceAllStringFunc(text, Cut)
	for _, section := range []string{"data: ", "eval: ", "train: ", "table: ", "image: "} { // elsewhere it may be a key
		text = strings.TrimPrefix(text, section)
		text = strings.ReplaceAll(text, "\n"+section, "\n")
	}
	return rooms.ReplaceAllString(text, "$1")
}

// long is a length of which there may be names of files: longer texts are cut.
const long = 300

// quoted is a text in quotes, and word one without, that are longer.
var (
	quoted = regexp.MustCompile(fmt.Sprintf(`"(?:[^"\\]|\\.){%d,}"`, long))
	word   = regexp.MustCompile(fmt.Sprintf(`[^\s"]{%d,}`, long))
)

// paths returns those of files that an error and those it wraps are about.
func paths(err error) (all []string) {
	switch e := err.(type) {
	case *fs.PathError:
		all = append(all, e.Path)
	case *os.LinkError:
		all = append(all, e.Old, e.New)
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			all = append(all, paths(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, paths(inner)...)
		}
	}
	return all
}
