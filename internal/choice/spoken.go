package choice

import (
	"regexp"
	"strings"
)

// rooms are the packages whose names begin the errors of Go, and mean nothing to who reads one
// on a screen or a page. Those that name a section of a run file too (data, train, path,
// coupling) stay within an error: they may be that.
var rooms = regexp.MustCompile(`(^|\n|: |; |\()((?:assign|atomicfile|bench|classify|exchange|experiment|field|` +
	`filelock|likelihood|memory|metrics|model|native|neuralode|nn|ode|onnx|plot|run|sde|settings|synth|tfevents): )+`)

// Spoken returns the text of an error for those who do not write Go: without the packages that
// it comes from.
func Spoken(err error) string {
	text := err.Error()
	for _, section := range []string{"data: ", "eval: ", "train: ", "table: ", "image: "} { // elsewhere it may be a key
		text = strings.TrimPrefix(text, section)
		text = strings.ReplaceAll(text, "\n"+section, "\n")
	}
	return rooms.ReplaceAllString(text, "$1")
}
