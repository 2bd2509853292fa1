package settings

import (
	"fmt"
	"regexp"
	"strings"

	"flowmatch/internal/choice"
)

// locate adds to an error of Validate where the value was written that it is about: the
// one whose key, or the end of it, and value the error names. An error that names no
// value of the file, or may mean several, is returned as it is, and so is one that
// begins with a place already.
func (g Given) locate(err error) error {
	if err == nil || strings.Contains(err.Error(), "\n") {
		return err
	}
	message := err.Error()
	var found where
	longest, matches := -1, 0 // as of named
	for _, k := range g.keys {
		n := named(message, k)
		switch {
		case n < 0 || n < longest:
		case n == longest:
			matches++
		default:
			found, longest, matches = k.at, n, 1
		}
	}
	if matches != 1 || strings.HasPrefix(message, found.String()) {
		return err
	}
	return fmt.Errorf("%v: %w", found, err)
}

// named says how much a message is about a key: the length of the longest end of the key
// that stands there before its value; more than that of all the message where it begins with
// the key, as a whole or before "is set"; 0 where only the value stands there, in quotes; -1
// without.
func named(message string, k given) int {
	for i := range k.path {
		if end := dotted(k.path[i:]); startsWith(message, end+" is set") || i == 0 && len(k.path) > 1 &&
			startsWith(message, end) {
			return len(message) + len(end)
		}
	}
	if k.text == "" {
		return -1
	}
	value := regexp.QuoteMeta(choice.Cut(k.text))
	if f, ok := parseFloat(k.text); ok {
		value = "(?:" + value + "|" + regexp.QuoteMeta(fmt.Sprintf("%g", f)) + ")"
	}
	for i := range k.path {
		end := dotted(k.path[i:])
		pattern := `(^|[\s(])` + regexp.QuoteMeta(end) + `(?: is| =| of|) "?` + value + `($|[\s",;:)])`
		if match, err := regexp.MatchString(pattern, message); err == nil && match {
			return len(end)
		}
	}
	if strings.Contains(message, choice.Quote(k.text)) {
		return 0
	}
	return -1
}

// room is the name of a package before what it reports.
var room = regexp.MustCompile(`^[a-z]+: `)

// startsWith says whether what a message reports begins with a key.
func startsWith(message, key string) bool {
	for room.MatchString(message) && !strings.HasPrefix(message, key) {
		message = room.ReplaceAllString(message, "")
	}
	rest, ok := strings.CutPrefix(message, key)
	return ok && (strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, ","))
}
