package settings

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"flowmatch/internal/choice"
)

// Limits of what is read: deeper or larger files are mistakes, or aliases of aliases.
const (
	maxDepth = 100
	maxNodes = 20_000
)

// parse reads YAML text; from names what has no lines of its own. A text without a
// value is null. Of several errors all are returned, joined.
func parse(text []byte, from string) (*node, error) {
	foreign := func(r rune) bool { return r == utf8.RuneError || r == 0 } // UTF-16 has zeros
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		before := len(text) - len(bytes.TrimLeftFunc(text, func(r rune) bool { return !foreign(r) }))
		at := where{line: 1 + bytes.Count(text[:before], []byte("\n")), from: from}
		return nil, fmt.Errorf("%v: this is no text in UTF-8; save it as that", at)
	}
	if err := scan(text); err != nil {
		if from != "" {
			err = fmt.Errorf("%s: %w", from, err)
		}
		return nil, err
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(err, from)
	}
	if len(file.Docs) > 1 {
		return nil, fmt.Errorf("%d YAML documents; there must be one", len(file.Docs))
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return &node{at: where{from: from}}, nil
	}
	p := converter{from: from, anchors: map[string]*anchor{}}
	root := p.node(file.Docs[0].Body, nil)
	return root, errors.Join(p.errs...)
}

// syntaxError words the parser's error, with the lines that it is about.
func syntaxError(err error, from string) error {
	var y yaml.Error
	if from != "" && errors.As(err, &y) {
		return fmt.Errorf("%s: %s", from, choice.Cut(y.GetMessage()))
	}
	position := regexp.MustCompile(`^\[(\d+):\d+\] `)
	lines := strings.Split(position.ReplaceAllString(yaml.FormatError(err, false, true), "line $1: "), "\n")
	for i, l := range lines {
		lines[i] = choice.Cut(l)
	}
	return errors.New(strings.Join(lines, "\n"))
}

// anchor is a node with a name, and how many nodes it stands for.
type anchor struct {
	node *node
	size int
}

// converter makes nodes of the parser's tree.
type converter struct {
	from    string
	anchors map[string]*anchor
	size    int // nodes so far, aliases written out
	errs    []error
}

func (p *converter) at(n ast.Node) where {
	w := where{from: p.from}
	if t := n.GetToken(); t != nil && t.Position != nil {
		w.line = t.Position.Line
	}
	return w
}

// fault records an error and returns a node that stands for what could not be read.
func (p *converter) fault(at where, format string, args ...any) *node {
	p.errs = append(p.errs, fmt.Errorf("%v: "+format, append([]any{at}, args...)...))
	return &node{at: at}
}

// node converts what stands at path.
func (p *converter) node(n ast.Node, path []string) *node {
	if n == nil {
		return &node{}
	}
	if p.size++; p.size > maxNodes || len(path) > maxDepth {
		if len(p.errs) > 0 {
			return &node{} // said already
		}
		return p.fault(p.at(n), "more than %d values, or %d sections in one another", maxNodes, maxDepth)
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{at: p.at(n)}
	case *ast.StringNode:
		if n.Token.Type == token.StringType {
			return &node{kind: plain, text: n.Value, at: p.at(n)}
		}
		return &node{kind: quoted, text: n.Value, at: p.at(n)}
	case *ast.LiteralNode:
		return &node{kind: quoted, text: n.Value.Value, at: p.at(n)}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return &node{kind: plain, text: n.GetToken().Value, at: p.at(n)}
	case *ast.SequenceNode:
		out := &node{kind: list, at: p.at(n)}
		for i, item := range n.Values {
			out.items = append(out.items, p.node(item, join(path, index(i))))
		}
		return out
	case ast.MapNode:
		return p.section(n, path)
	case *ast.AnchorNode:
		before := p.size
		v := p.node(n.Value, path)
		p.anchors[n.Name.GetToken().Value] = &anchor{v, p.size - before}
		return v
	case *ast.AliasNode:
		return p.alias(n)
	case *ast.TagNode:
		return p.tagged(n, path)
	}
	return p.fault(p.at(n), "a %s is not used here", n.Type().YAMLName())
}

// alias returns the node that an alias stands for.
func (p *converter) alias(n *ast.AliasNode) *node {
	name := n.Value.GetToken().Value
	a := p.anchors[name]
	if a == nil {
		return p.fault(p.at(n), "there is no anchor &%[2]s before *%[2]s", choice.Cut(name))
	}
	if p.size += a.size; p.size > maxNodes {
		return p.fault(p.at(n), "more than %d values, with *%s written out", maxNodes, choice.Cut(name))
	}
	return a.node
}

// tagged returns a node with a tag: !!str makes text of a scalar, other tags are errors.
func (p *converter) tagged(n *ast.TagNode, path []string) *node {
	v := p.node(n.Value, path)
	if tag := n.Start.Value; tag != string(token.StringTag) {
		return p.fault(p.at(n), "tag %s: tags other than !!str are not used here", choice.Cut(tag))
	}
	if v.kind == list || v.kind == section {
		return p.fault(p.at(n), "!!str is for a single value, not for %s", v.shown())
	}
	return &node{kind: quoted, text: v.text, at: v.at}
}

// section converts a mapping. Keys that <<: merges into it come behind its own, which
// win.
func (p *converter) section(n ast.MapNode, path []string) *node {
	out := &node{kind: section, at: p.at(n.(ast.Node))}
	var merged []*node
	for it := n.MapRange(); it.Next(); {
		at := p.at(it.Key())
		if it.Key().IsMergeKey() {
			v := p.node(it.Value(), path)
			if v.kind == list {
				merged = append(merged, v.items...)
			} else {
				merged = append(merged, v)
			}
			continue
		}
		name, ok := keyName(it.Key())
		if !ok {
			p.fault(at, "a key must be a word or a number")
			continue
		}
		here := join(path, name)
		v := p.node(it.Value(), here)
		if i := out.find(name); i >= 0 {
			p.fault(at, "%s is given twice, first at %v; remove one", shownKey(here), out.keys[i].at)
			continue
		}
		out.keys = append(out.keys, entry{name, at, v})
	}
	for _, m := range merged {
		if m.kind != section {
			p.fault(m.at, "<< merges %s; it must merge a section", m.shown())
			continue
		}
		for _, e := range m.keys {
			if out.find(e.name) < 0 {
				out.keys = append(out.keys, e)
			}
		}
	}
	return out
}

// keyName returns the text of a key without its quotes.
func keyName(k ast.MapKeyNode) (string, bool) {
	switch k := k.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.NanNode,
		*ast.InfinityNode:
		return k.GetToken().Value, true
	}
	return "", false
}
