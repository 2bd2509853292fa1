package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/internal/choice"
)

// This file looks through the JSON of a request before it is decoded: that costs little, and says what JSON
// readers pass over, and what is too much.

// names are the keys that a body has for the service. Objects within may have names of the request.
type names struct {
	all   []string
	whole []string // those of whole numbers
	deep  bool     // the objects within have these keys, too
}

// scanned is what is in a body.
type scanned struct {
	text   []byte         // with whole numbers such as 1e3 as Go reads them
	lists  map[string]int // how many elements the lists of the outermost object have
	values int
}

// scan looks through a body of at most so many values.
func scan(data []byte, known names, most int) (scanned, error) {
	if !json.Valid(data) {
		var skip struct{}
		err := json.Unmarshal(data, &skip)
		if syntax, is := errors.AsType[*json.SyntaxError](err); is {
			return scanned{}, malformed(fmt.Sprintf("%v, at byte %d", syntax, syntax.Offset))
		}
		return scanned{}, malformed("it is no JSON")
	}
	s := scanner{data: data, known: known, most: most, found: scanned{text: data, lists: map[string]int{}}}
	for s.at < len(data) {
		if err := s.step(); err != nil {
			return scanned{}, err
		}
	}
	if s.out != nil {
		s.found.text = append(s.out, data[s.copied:]...)
	}
	return s.found, nil
}

// malformed is the answer to a body that is no JSON, or none that has one meaning.
func malformed(why string) error {
	return huma.Error400BadRequest(unread, &huma.ErrorDetail{Message: why, Location: "body"})
}

const unread = "the body cannot be read"

// scanner is the state of scan.
type scanner struct {
	data   []byte
	at     int
	known  names
	most   int
	open   []frame // objects and lists that are open
	found  scanned
	out    []byte // data up to copied, if something of it is written in another way
	copied int
}

// frame is an object or a list that is open.
type frame struct {
	object bool
	seen   map[string]bool
	key    string
	isKey  bool // what comes next is a key
}

// step reads one part of the body.
func (s *scanner) step() error {
	switch c := s.data[s.at]; c {
	case ' ', '\t', '\r', '\n':
	case ':':
		s.top().isKey = false
	case ',':
		s.top().isKey = s.top().object
	case '}', ']':
		s.open = s.open[:len(s.open)-1]
	case '{', '[':
		if err := s.value(); err != nil {
			return err
		}
		s.push(c == '{')
	case '"':
		return s.text()
	default:
		return s.literal()
	}
	s.at++
	return nil
}

func (s *scanner) top() *frame { return &s.open[len(s.open)-1] }

// push opens an object or a list. Its keys are kept in what the last one of this depth had.
func (s *scanner) push(object bool) {
	n := len(s.open)
	if n < cap(s.open) {
		s.open = s.open[:n+1]
	} else {
		s.open = append(s.open, frame{})
	}
	f := s.top()
	clear(f.seen)
	if object && f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.object, f.isKey, f.key = object, object, ""
}

// value counts a value that begins.
func (s *scanner) value() error {
	if s.found.values++; s.found.values > s.most {
		return invalid("the body has more than %d values, which is more than the points that are answered at a time "+
			"have; ask for fewer of them", s.most)
	}
	if len(s.open) == 2 && !s.open[1].object && s.open[0].object {
		s.found.lists[s.open[0].key]++
	}
	return nil
}

// text reads a text, which may be a key.
func (s *scanner) text() error {
	end := s.at + 1
	for ; s.data[end] != '"'; end++ {
		if s.data[end] == '\\' {
			end++
		}
	}
	raw := s.data[s.at : end+1]
	s.at = end + 1
	if len(s.open) == 0 || !s.top().isKey {
		return s.value()
	}
	name := string(raw[1 : len(raw)-1])
	if bytes.IndexByte(raw, '\\') >= 0 {
		if err := json.Unmarshal(raw, &name); err != nil {
			return malformed(err.Error())
		}
	}
	f := s.top()
	if f.seen[name] {
		return malformed(fmt.Sprintf("the key %s stands there twice; leave one out", choice.Quote(name)))
	}
	f.seen[name], f.key = true, name
	if !s.judged() || slices.Contains(s.known.all, name) {
		return nil
	}
	for _, right := range s.known.all { // one that is like none is found by the schema
		if strings.EqualFold(right, name) {
			return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "body." + name,
				Message: fmt.Sprintf("unexpected property; did you mean %s?", choice.Quote(right))})
		}
	}
	return nil
}

// judged says whether the innermost frame is an object whose keys are those of the service.
func (s *scanner) judged() bool {
	return len(s.open) > 0 && s.top().object && (s.known.deep || len(s.open) == 1)
}

// literal reads a number, true, false or null.
func (s *scanner) literal() error {
	end := s.at
	for end < len(s.data) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(s.data[end])) {
		end++
	}
	text, from := s.data[s.at:end], s.at
	s.at = end
	if err := s.value(); err != nil {
		return err
	}
	switch {
	case text[0] == 't' || text[0] == 'f':
		return nil
	case text[0] == 'n':
		if s.judged() {
			return invalid("%s: null stands for a value of a row or a point that is not known; leave the key out",
				s.top().key)
		}
		return nil
	case len(text) < longNumber && !bytes.ContainsAny(text, ".eE"):
		return nil
	}
	if _, err := strconv.ParseFloat(string(text), 64); err != nil {
		return malformed(fmt.Sprintf("%s has the number %s, which is out of range", s.field(),
			choice.Cut(string(text))))
	}
	if !slices.Contains(s.known.whole, s.field()) {
		return nil
	}
	if is, ok := whole(string(text)); ok {
		s.out = append(append(s.out, s.data[s.copied:from]...), is...)
		s.copied = end
	}
	return nil
}

// longNumber is more digits than the largest float64 has.
const longNumber = 309

// field is the key of the service that what comes next belongs to; empty: it belongs to a name of the request.
func (s *scanner) field() string {
	name := ""
	for k := range s.open {
		if s.open[k].object {
			if k > 0 && !s.known.deep {
				break
			}
			name = s.open[k].key
		}
	}
	return name
}

// whole writes a number of JSON that is whole, such as 1.0 or 1e3, by its digits alone. A number of more than 20
// digits is none that Go holds.
func whole(text string) (string, bool) {
	sign, text := "", strings.ToLower(text)
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	mantissa, power, _ := strings.Cut(text, "e")
	by := 0
	if power != "" {
		var err error
		if by, err = strconv.Atoi(power); err != nil || by > 20 || by < -len(text) {
			return "", false
		}
	}
	before, after, _ := strings.Cut(mantissa, ".")
	digits, point := before+after, len(before)+by
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	if strings.Trim(digits[point:], "0") != "" {
		return "", false
	}
	is := strings.TrimLeft(digits[:point], "0")
	switch {
	case len(is) > 20:
		return "", false
	case is == "":
		return "0", true
	}
	return sign + is, true
}

// cost is about how much memory the values of a body take until it is answered, decoded twice: once to be
// checked, and once as what it is.
func (s scanned) cost() int64 { return int64(valueBytes * s.values) }

const valueBytes = 192

// tooLarge is the answer to a body that is never decoded.
func tooLarge(format string, args ...any) error {
	return huma.NewError(http.StatusRequestEntityTooLarge, fmt.Sprintf(format, args...))
}
