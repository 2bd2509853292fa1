package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"flowmatch/internal/choice"
)

// ErrGlobal is returned for a pickle that names what is no part of saved weights: a class or
// function of Python, which is never looked up or run.
var ErrGlobal = errors.New("its pickle asks for what is no part of weights")

// What the machine makes beside nil, bool, int, float64 and string.
type (
	list  struct{ items []any }
	tuple []any
	dict  struct{ keys, values []any }
	// inert is an object that is of no interest: its class is known to hold none.
	inert struct{ class string }
	// global is a name that is known, and what it makes of arguments.
	global struct {
		name string
		call func(args tuple) (any, error)
	}
	mark struct{} // the machine's own
)

// machine runs the program of a pickle as far as weights need it.
type machine struct {
	code       []byte // what is left of the program
	stack      []any
	memo       map[int]any
	global     func(name string) (*global, error)
	persistent func(id tuple) (any, error)
}

var errShort = errors.New("the pickle ends too early")

// take returns the next n bytes.
func (m *machine) take(n int) ([]byte, error) {
	if n < 0 || n > len(m.code) {
		return nil, errShort
	}
	b := m.code[:n]
	m.code = m.code[n:]
	return b, nil
}

// count reads an unsigned number of so many bytes.
func (m *machine) count(width int) (int, error) {
	b, err := m.take(width)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	n := binary.LittleEndian.Uint64(wide[:])
	if n > math.MaxInt32 && width == 8 {
		return 0, fmt.Errorf("the pickle has a part of %d bytes", n)
	}
	return int(n), nil
}

// text takes a text with its length before it, in so many bytes.
func (m *machine) text(width int) error {
	n, err := m.count(width)
	if err != nil {
		return err
	}
	b, err := m.take(n)
	m.push(string(b))
	return err
}

func (m *machine) line() (string, error) {
	n := bytes.IndexByte(m.code, '\n')
	if n < 0 {
		return "", errShort
	}
	b, err := m.take(n + 1)
	return strings.TrimSuffix(string(b[:n]), "\r"), err
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

func (m *machine) pop() (any, error) {
	if len(m.stack) == 0 {
		return nil, errors.New("the pickle takes from an empty stack")
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// marked takes what lies above the last mark.
func (m *machine) marked() (tuple, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			items := append(tuple{}, m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return items, nil
		}
	}
	return nil, errors.New("the pickle takes up to a mark that is not there")
}

// run runs the program to its end, and returns what it made.
func (m *machine) run() (any, error) {
	m.memo = map[int]any{}
	for {
		op, err := m.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' {
			return m.pop()
		}
		if err := m.step(op[0]); err != nil {
			return nil, err
		}
	}
}

// step runs one operation. Protocols 0 to 5 are those of Python's pickletools.
func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		_, err := m.take(1)
		return err
	case 0x95: // FRAME
		_, err := m.take(8)
		return err
	case '(':
		m.push(mark{})
	case '0':
		_, err := m.pop()
		return err
	case '1':
		_, err := m.marked()
		return err
	case 'N':
		m.push(nil)
	case 0x88, 0x89:
		m.push(op == 0x88)
	case 'X', 'T', 'B':
		return m.text(4)
	case 0x8c, 'U', 'C':
		return m.text(1)
	case 0x8d, 0x8e, 0x96:
		return m.text(8)
	case 'S', 'V':
		s, err := m.line()
		m.push(strings.Trim(s, `'"`))
		return err
	case ']', 0x8f:
		m.push(&list{})
	case '}':
		m.push(&dict{})
	case ')':
		m.push(tuple{})
	case 't', 'l', 'd', 0x85, 0x86, 0x87, 0x91:
		return m.collect(op)
	case 'a', 'e', 's', 'u', 0x90:
		return m.extend(op)
	case 'q', 'r', 'p', 0x94, 'h', 'j', 'g':
		return m.remember(op)
	case 'c', 0x93, 'R', 0x81, 'b', 'Q':
		return m.object(op)
	default:
		return m.number(op)
	}
	return nil
}

// number pushes a number.
func (m *machine) number(op byte) error {
	widths := map[byte]int{'K': 1, 'M': 2, 'J': 4, 0x8a: 1, 0x8b: 4}
	switch op {
	case 'K', 'M', 'J':
		n, err := m.count(widths[op])
		if op == 'J' {
			n = int(int32(uint32(n)))
		}
		m.push(n)
		return err
	case 0x8a, 0x8b: // LONG1, LONG4: two's complement
		n, err := m.count(widths[op])
		if err != nil {
			return err
		}
		b, err := m.take(n)
		if err != nil {
			return err
		}
		m.push(long(b))
		return nil
	case 'G':
		b, err := m.take(8)
		if err != nil {
			return err
		}
		m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		return nil
	case 'I', 'L', 'F':
		s, err := m.line()
		if err != nil {
			return err
		}
		return m.written(op, strings.TrimSuffix(s, "L"))
	}
	return fmt.Errorf("the pickle has an operation %#x that saved weights have not", op)
}

// written pushes a number that is written in digits.
func (m *machine) written(op byte, s string) error {
	if op == 'I' && (s == "00" || s == "01") {
		m.push(s == "01")
		return nil
	}
	if op == 'F' {
		v, err := strconv.ParseFloat(s, 64)
		m.push(v)
		return err
	}
	v, err := strconv.Atoi(s)
	m.push(v)
	return err
}

// long returns the number of two's complement in b, the low byte first; one that is no int is
// kept as a text of its hexadecimal digits.
func long(b []byte) any {
	if len(b) > 8 {
		var s strings.Builder
		for i := len(b) - 1; i >= 0; i-- {
			fmt.Fprintf(&s, "%02x", b[i])
		}
		return s.String()
	}
	var wide [8]byte
	copy(wide[:], b)
	if n := len(b); n > 0 && b[n-1]&0x80 != 0 {
		for i := n; i < 8; i++ {
			wide[i] = 0xff
		}
	}
	return int(int64(binary.LittleEndian.Uint64(wide[:])))
}

// collect makes a tuple, list or dictionary of what is on the stack.
func (m *machine) collect(op byte) error {
	if n := int(op) - 0x84; n >= 1 && n <= 3 { // TUPLE1 to TUPLE3
		if len(m.stack) < n {
			return errors.New("the pickle takes from an empty stack")
		}
		at := len(m.stack) - n
		items := append(tuple{}, m.stack[at:]...)
		m.stack = m.stack[:at]
		m.push(items)
		return nil
	}
	items, err := m.marked()
	if err != nil {
		return err
	}
	switch op {
	case 't':
		m.push(items)
	case 'l', 0x91:
		m.push(&list{items})
	case 'd':
		d := &dict{}
		m.push(d)
		return d.set(items)
	}
	return nil
}

// set adds keys with their values, which take turns.
func (d *dict) set(items tuple) error {
	if len(items)%2 != 0 {
		return errors.New("the pickle has a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.keys, d.values = append(d.keys, items[i]), append(d.values, items[i+1])
	}
	return nil
}

// extend adds what is on the stack to the list or dictionary below it.
func (m *machine) extend(op byte) (err error) {
	var items tuple
	switch op {
	case 'a', 's':
		n := map[byte]int{'a': 1, 's': 2}[op]
		if len(m.stack) < n {
			return errors.New("the pickle takes from an empty stack")
		}
		at := len(m.stack) - n
		items = append(items, m.stack[at:]...)
		m.stack = m.stack[:at]
	default:
		if items, err = m.marked(); err != nil {
			return err
		}
	}
	if len(m.stack) == 0 {
		return errors.New("the pickle adds to nothing")
	}
	switch on := m.stack[len(m.stack)-1].(type) {
	case *list:
		on.items = append(on.items, items...)
	case *dict:
		return on.set(items)
	case inert:
	default:
		return errors.New("the pickle adds to what is no list or dictionary")
	}
	return nil
}

// remember puts what is on the stack into the memo, or takes it from there.
func (m *machine) remember(op byte) (err error) {
	at := len(m.memo)
	switch op {
	case 'q', 'h':
		at, err = m.count(1)
	case 'r', 'j':
		at, err = m.count(4)
	case 'p', 'g':
		var s string
		if s, err = m.line(); err == nil {
			at, err = strconv.Atoi(s)
		}
	}
	if err != nil {
		return err
	}
	if op == 'h' || op == 'j' || op == 'g' {
		v, ok := m.memo[at]
		if !ok {
			return fmt.Errorf("the pickle takes number %d of its memo, which is not there", at)
		}
		m.push(v)
		return nil
	}
	v, err := m.pop()
	if err != nil {
		return err
	}
	m.memo[at] = v
	m.push(v)
	return nil
}

// object makes objects of the few classes that are known.
func (m *machine) object(op byte) error {
	if op == 'c' || op == 0x93 {
		return m.named(op)
	}
	v, err := m.pop()
	if err != nil {
		return err
	}
	if op == 'Q' { // BINPERSID
		id, ok := v.(tuple)
		if !ok || m.persistent == nil {
			return errors.New("the pickle refers to what is not in the file")
		}
		v, err = m.persistent(id)
		m.push(v)
		return err
	}
	on, err := m.pop()
	if err != nil {
		return err
	}
	if op == 'b' { // BUILD: the state of an object, which of those that are known says nothing
		m.push(on)
		return nil
	}
	class, ok := on.(*global)
	args, isTuple := v.(tuple)
	if !ok || !isTuple {
		return errors.New("the pickle calls what cannot be called")
	}
	made, err := class.call(args)
	if err != nil {
		return fmt.Errorf("%s: %w", class.name, err)
	}
	m.push(made)
	return nil
}

// named pushes what a name stands for.
func (m *machine) named(op byte) error {
	var parts [2]string
	for i := range parts {
		if op == 'c' {
			s, err := m.line()
			if err != nil {
				return err
			}
			parts[i] = s
			continue
		}
		v, err := m.pop()
		if err != nil {
			return err
		}
		s, ok := v.(string)
		if !ok {
			return errors.New("the pickle has a name that is no text")
		}
		parts[1-i] = s
	}
	g, err := m.global(parts[0] + "." + parts[1])
	if err != nil {
		return fmt.Errorf("%w: %s", err, choice.Cut(parts[0]+"."+parts[1]))
	}
	m.push(g)
	return nil
}
