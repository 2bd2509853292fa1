package settings

import (
	"fmt"
	"regexp"
	"strings"
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
	longest, matches := -1, 0 // length of the key that the error names
	for _, k := range g.keys {
		if k.text == "" {
			continue
		}
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

// named returns the length of the longest end of the key that stands in the message
// before the value; 0 where only the value does, in quotes; -1 without.
func named(message string, k given) int {
	value := regexp.QuoteMeta(k.text)
	if f, ok := parseFloat(k.text); ok {
		value = "(?:" + value + "|" + regexp.QuoteMeta(fmt.Sprintf("%g", f)) + ")"
	}
	for i := range k.path {
		end := dotted(k.path[i:])
		for _, between := range []string{` is "?`, ` = "?`, ` of "?`, ` "?`} {
			pattern := `(^|[\s(])` + regexp.QuoteMeta(end) + between + value + `($|[\s",;:)])`
			if match, err := regexp.MatchString(pattern, message); err == nil && match {
				return len(end)
			}
		}
	}
	if strings.Contains(message, fmt.Sprintf("%q", k.text)) {
		return 0
	}
	return -1
}
