package arch_test

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestThePapersEquationsAreWhereTheGuideSays(t *testing.T) { check(t, anchors) }

func TestTheGoOfThePagesIsTested(t *testing.T) { check(t, goBlocks) }

func TestPathsOfThePagesAreThere(t *testing.T) { check(t, paths) }

// anchor is how a page names a place of the code: `path/path.go Coef.Point`.
var anchor = regexp.MustCompile("`((?:[\\w-]+/)*[\\w.]+\\.go) ([A-Z]\\w*(?:\\.\\w+)?)`")

// anchors checks that every place that a page of docs names is there.
func anchors(t *tree) (found []string) {
	count := 0
	for name, text := range t.texts {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		for k, line := range strings.Split(text, "\n") {
			for _, m := range anchor.FindAllStringSubmatch(line, -1) {
				count++
				if !t.declares(m[1], m[2]) {
					found = append(found, fmt.Sprintf("%s:%d: %s has no %s", name, k+1, m[1], m[2]))
				}
			}
		}
	}
	if count == 0 {
		found = append(found, "no page names a place of the code; docs/guide/paper.md should")
	}
	return found
}

// declares says whether a file declares a function, a type or the method of a type.
func (t *tree) declares(file, name string) bool {
	for _, f := range t.files {
		if f.name != file {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if methodName(d) == name {
					return true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if s, ok := s.(*ast.TypeSpec); ok && s.Name.Name == name {
						return true
					}
				}
			}
		}
	}
	return false
}

// methodName is the name of a function, of a method behind that of its type.
func methodName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name + "." + d.Name.Name
	}
	return d.Name.Name
}

// goBlocks checks that the Go of README.md and of the guides stands, line by line, in a
// test: so it compiles, and does what the pages say.
func goBlocks(t *tree) (found []string) {
	var tests []string
	for _, f := range t.files {
		if f.test {
			tests = append(tests, trimmed(f.text))
		}
	}
	for name, text := range t.texts {
		if name != "README.md" && !strings.HasPrefix(name, "docs/guide/") {
			continue
		}
		for k, part := range strings.Split(text, "```go\n")[1:] {
			block, _, _ := strings.Cut(part, "```")
			block = trimmed(block)
			if !slices.ContainsFunc(tests, func(test string) bool { return strings.Contains(test, block) }) {
				found = append(found, fmt.Sprintf("%s: block %d of Go is in no test, line by line", name, k+1))
			}
		}
	}
	return found
}

// trimmed returns the lines of a text without the space around each.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

var (
	// quotedPath is a file of the tree as pages name it, and what it holds in brackets:
	// `path/config.go` (`Names`, `New`).
	quotedPath = regexp.MustCompile("`([a-z][\\w-]*(?:/[\\w.-]+)+\\.(?:go|sh|yaml|md|py))`" +
		"(?: \\(`([A-Za-z]\\w*)`(?:, `([A-Za-z]\\w*)`)?\\))?")
	// placeholder stands for a name that is yet to be given, as in path/NAME.go.
	placeholder = regexp.MustCompile(`[A-Z]{3,}`)
)

// paths checks that the files that pages name are there, with the functions that pages
// name beside them.
func paths(t *tree) (found []string) {
	for _, page := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"} {
		for k, line := range strings.Split(t.texts[page], "\n") {
			if strings.Contains(line, "(to come)") {
				continue
			}
			for _, m := range quotedPath.FindAllStringSubmatch(line, -1) {
				text, ok := t.texts[m[1]]
				if !ok && !placeholder.MatchString(m[1]) {
					found = append(found, fmt.Sprintf("%s:%d: there is no file %s", page, k+1, m[1]))
				}
				for _, name := range m[2:] {
					if ok && name != "" && !strings.Contains(text, name) {
						found = append(found, fmt.Sprintf("%s:%d: %s has no %s", page, k+1, m[1], name))
					}
				}
			}
		}
	}
	return found
}
