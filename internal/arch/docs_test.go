package arch_test

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

func TestThePapersEquationsAreWhereTheGuideSays(t *testing.T) { check(t, anchors) }

func TestTheProgramOfTheReadmeIsTheExample(t *testing.T) { check(t, readmeExample) }

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

// readmeExample checks that the Go of README.md stands in example_test.go.
func readmeExample(t *tree) (found []string) {
	_, block, ok := strings.Cut(t.texts["README.md"], "```go\n")
	if !ok {
		return []string{"README.md has no Go"}
	}
	block, _, _ = strings.Cut(block, "```")
	var want strings.Builder
	for _, line := range strings.Split(strings.TrimRight(block, "\n"), "\n") {
		if line != "" {
			line = "\t" + line
		}
		want.WriteString(line + "\n")
	}
	if !strings.Contains(t.texts["example_test.go"], want.String()) {
		return []string{"README.md: its Go is not that of example_test.go, line by line"}
	}
	return nil
}
