package settings

import (
	"fmt"
	"slices"

	"flowmatch/internal/choice"
)

// where is where a value was written: a line of the file, or the setting or named values
// that gave it.
type where struct {
	line int
	from string // of what has no lines
}

func (w where) String() string {
	if w.from != "" {
		return w.from
	}
	return fmt.Sprintf("line %d", w.line)
}

// kind is what a node holds.
type kind int

const (
	null    kind = iota // nothing: the key is unset
	plain               // a scalar without quotes: number, boolean or text, as the reader wants it
	quoted              // a scalar with quotes: text
	list                // items
	section             // keys
)

// node is a value as it was written. Nodes are never changed, so that aliases and
// layers may share them.
type node struct {
	kind  kind
	text  string // of a scalar
	items []*node
	keys  []entry
	at    where
}

// entry is a key of a section, in the order of writing.
type entry struct {
	name  string
	at    where
	value *node
}

// find returns the index of a key; -1 without it.
func (n *node) find(name string) int {
	return slices.IndexFunc(n.keys, func(e entry) bool { return e.name == name })
}

// shown is the value as an error shows it.
func (n *node) shown() string {
	switch {
	case n.kind == null:
		return "empty"
	case n.kind == list:
		return "a list"
	case n.kind == section:
		return "a section"
	case n.kind == quoted || !isWord(n.text) && !isNumber(n.text):
		return choice.Quote(n.text)
	}
	return choice.Cut(n.text)
}

// value returns the node as a Go value: nil, bool, int64, uint64, float64, string,
// []any or map[string]any.
func (n *node) value() any {
	switch n.kind {
	case null:
		return nil
	case list:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = item.value()
		}
		return out
	case section:
		out := make(map[string]any, len(n.keys))
		for _, e := range n.keys {
			out[e.name] = e.value.value()
		}
		return out
	case plain:
		return plainValue(n.text)
	}
	return n.text
}

// with returns a copy of n in which the value at path is v, given at at. Sections that
// are missing on the way are made. It returns the node in the way where one is no section.
func (n *node) with(path []string, v *node, at where) (changed, inTheWay *node) {
	if len(path) == 0 {
		return v, nil
	}
	out := &node{kind: section, at: at}
	if n != nil && n.kind != null {
		if n.kind != section {
			return nil, n
		}
		out.keys, out.at = slices.Clone(n.keys), n.at
	}
	i := out.find(path[0])
	if i < 0 {
		i = len(out.keys)
		out.keys = append(out.keys, entry{name: path[0]})
	}
	e := &out.keys[i]
	if e.value, inTheWay = e.value.with(path[1:], v, at); inTheWay != nil {
		return nil, inTheWay
	}
	if len(path) == 1 || e.at == (where{}) {
		e.at = at
	}
	return out, nil
}

// without returns a copy of n that does not have the key at path.
func (n *node) without(path []string) *node {
	if n == nil || n.kind != section {
		return n
	}
	i := n.find(path[0])
	if i < 0 {
		return n
	}
	out := &node{kind: section, at: n.at, keys: slices.Clone(n.keys)}
	if len(path) == 1 {
		out.keys = slices.Delete(out.keys, i, i+1)
	} else {
		out.keys[i].value = out.keys[i].value.without(path[1:])
	}
	return out
}

// has reports whether there is a value at a path of keys, which is not empty.
func (n *node) has(path []string) bool {
	if n == nil || n.kind != section {
		return false
	}
	i := n.find(path[0])
	return i >= 0 && (len(path) == 1 || n.keys[i].value.has(path[1:]))
}
