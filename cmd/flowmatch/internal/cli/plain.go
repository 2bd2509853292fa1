package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain writes a text that may quote a file, such as a name of a column or of a folder, so
// that a terminal shows it and obeys nothing in it: control characters and those that turn
// the direction of writing come as \u001b, but for the ends of lines and tabs.
func plain(text string) string {
	odd := func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) ||
			r == utf8.RuneError
	}
	if strings.IndexFunc(text, odd) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if odd(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
