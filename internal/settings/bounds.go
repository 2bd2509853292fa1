package settings

import (
	"bytes"
	"fmt"
	"io"

	"flowmatch/internal/atomicfile"
)

// maxBytes is the size of the largest text that is read, and maxKeys and maxCommas are how many
// of these it may have: a long run file has a hundredth. The YAML library takes a tenth of a
// second for so many, and minutes for ten times as many.
const maxBytes, maxKeys, maxCommas = 1 << 20, 5_000, maxNodes

// Bounded reports text that [Read] would not read as YAML, or that is too large or too deep
// for any settings, or whose aliases stand for too many values, before anything else reads it.
func Bounded(text []byte) error {
	_, err := parse(text, "")
	return err
}

// scan reports what the YAML library should not see, for its memory grows with the depth of a
// text, and its time with the square of that and of the number of keys: brackets in one
// another, marks (- ? & * !) in a row, keys and commas. It knows nothing of quotes, in which
// nobody writes so many, and passes over the comments of lines without any.
func scan(text []byte) error {
	if len(text) > maxBytes {
		return fmt.Errorf("the text has %d bytes; at most %d are read", len(text), maxBytes)
	}
	line, depth, marks, keys, commas := 1, 0, 0, 0, 0
	quotes, begun := hasQuotes(text), true // begun: a # here begins a comment, without quotes
	for at := 0; at < len(text); at++ {
		c := text[at]
		if c == '#' && begun && !quotes {
			for at+1 < len(text) && text[at+1] != '\n' && text[at+1] != '\r' {
				at++
			}
			continue
		}
		begun = bytes.IndexByte([]byte(" \t\r\n"), c) >= 0
		switch c {
		case '\n':
			line++
			quotes = hasQuotes(text[at+1:])
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		case ' ', '\t', '\r':
		default:
			end := at + 1
			for end < len(text) && bytes.IndexByte([]byte(" \t\r\n[]{}"), text[end]) < 0 {
				end++
			}
			if bytes.IndexByte([]byte("&*!"), c) >= 0 || end == at+1 && (c == '-' || c == '?') {
				marks++
			} else {
				marks = 0
			}
			commas += bytes.Count(text[at:end], []byte(","))
			if text[end-1] == ':' {
				keys++
			}
			at = end - 1
		}
		if keys > maxKeys || commas > maxCommas {
			return fmt.Errorf("line %d: more than %d keys or %d commas", line, maxKeys, maxCommas)
		}
		if depth > maxDepth || marks > maxDepth {
			return fmt.Errorf("line %d: more than %d sections in one another", line, maxDepth)
		}
	}
	return nil
}

// hasQuotes says whether the first line of text has quotes. There a # may be within them, and what
// comes behind them is no comment.
func hasQuotes(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return bytes.ContainsAny(line, `"'`)
}

// ReadFile returns the text of a file, of which Bounded reads no more than it may have: a file
// without an end has one. The mark that some editors put in front of UTF-8 is no part of it.
func ReadFile(file string) ([]byte, error) {
	f, err := atomicfile.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	return bytes.TrimPrefix(text, []byte("\ufeff")), err
}
