// Package choice checks a name that must be one of a list, and words the error when it
// is not: one idiom, and one wording, for every name in a run file or an option.
package choice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// Check reports a name that is none of names: it says what kind of name it is, which
// one may have been meant, and all that it can be. The caller adds where it stands, such as
// the room or the key of a file. The error reads
//
//	unknown schedule "condto"; did you mean "condot"? it must be one of condot, vp, ve
func Check(what, name string, names []string) error {
	if slices.Contains(names, name) {
		return nil
	}
	hint := ""
	if near := Nearest(name, names); near != "" {
		hint = fmt.Sprintf(" did you mean %q?", near)
	}
	return fmt.Errorf("unknown %s %s;%s it must be one of %s", what, Quote(name), hint, strings.Join(names, ", "))
}

// most is the number of characters of the input that an error quotes.
const most = 80

// Cut returns the beginning of a text that an error quotes: all of it, or what leaves room
// for the dots that say that it goes on.
func Cut(text string) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-3]) + "..."
}

// Quote is Cut in quotes.
func Quote(text string) string { return strconv.Quote(Cut(text)) }

// listed is how many names of a list an error quotes.
const listed = 12

// List quotes the names of a list, of a long one the first: "a", "b" and 40 more.
func List(names []string) string {
	shown, more := names, ""
	if len(names) > listed {
		shown, more = names[:listed], fmt.Sprintf(" and %d more", len(names)-listed)
	}
	quoted := make([]string, len(shown))
	for i, name := range shown {
		quoted[i] = Quote(name)
	}
	return strings.Join(quoted, ", ") + more
}

// Nearest returns the name that is the fewest edits away from the one given, the first
// of equals; "" where more than half of the letters would have to change.
func Nearest(name string, names []string) string {
	length := utf8.RuneCountInString(name)
	best, bestDistance := "", length/2+1
	for _, n := range names {
		if gap := utf8.RuneCountInString(n) - length; max(gap, -gap) >= bestDistance {
			continue // the lengths alone take that many edits
		}
		if d := levenshtein.ComputeDistance(name, n); d < bestDistance {
			best, bestDistance = n, d
		}
	}
	return best
}
