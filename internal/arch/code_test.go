package arch_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEveryPackageSaysWhatItIs(t *testing.T) { check(t, packageDocs) }

func TestExportedSymbolsAreDocumented(t *testing.T) { check(t, symbolDocs) }

func TestFilesFunctionsAndLinesAreShort(t *testing.T) { check(t, sizes) }

func TestOnlyTheCommandLineSpeaksOfFlags(t *testing.T) { check(t, flags) }

func TestThereAreNoInitFunctions(t *testing.T) { check(t, inits) }

func TestNothingIsPrintedByTheWay(t *testing.T) { check(t, prints) }

func TestNoMachinePathsAndNothingLeftToDo(t *testing.T) { check(t, words) }

// packageDocs checks that each package has a doc comment, on one file only.
func packageDocs(t *tree) (found []string) {
	docs := map[string][]string{}
	for _, f := range t.files {
		if f.test {
			continue
		}
		if _, seen := docs[f.room]; !seen {
			docs[f.room] = nil // a room without any doc must be found below
		}
		if f.ast.Doc != nil && strings.TrimSpace(f.ast.Doc.Text()) != "" {
			docs[f.room] = append(docs[f.room], f.name)
			if want := "Package " + f.ast.Name.Name + " "; f.ast.Name.Name != "main" &&
				!strings.HasPrefix(f.ast.Doc.Text(), want) {
				found = append(found, fmt.Sprintf("%s: the package doc does not begin with %q", f.name, want))
			}
		}
	}
	for room, files := range docs {
		switch {
		case len(files) == 0:
			found = append(found, fmt.Sprintf("%s: the package has no doc comment", room))
		case len(files) > 1:
			found = append(found, fmt.Sprintf("%s: the package doc is spread over %s", room, strings.Join(files, ", ")))
		}
	}
	return found
}

// symbolDocs checks that exported functions, methods, types, constants and
// variables have a doc comment. A comment on a group serves its members.
func symbolDocs(t *tree) (found []string) {
	missing := func(pos token.Pos, what, name string) {
		found = append(found, fmt.Sprintf("%s: exported %s %s has no doc comment", t.at(pos), what, name))
	}
	for _, f := range t.files {
		if f.test || f.ast.Name.Name == "main" {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && receiverExported(d) && d.Doc == nil && !wellKnown(d) {
					missing(d.Pos(), "function", d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					undocumented(d, s, missing)
				}
			}
		}
	}
	return found
}

// wellKnown says whether a method is one of error or fmt.Stringer, which need no
// words of their own.
func wellKnown(d *ast.FuncDecl) bool {
	return d.Recv != nil && (d.Name.Name == "Error" || d.Name.Name == "String" || d.Name.Name == "Unwrap")
}

// undocumented reports the exported names of one type, constant or variable
// without a comment.
func undocumented(d *ast.GenDecl, s ast.Spec, missing func(pos token.Pos, what, name string)) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
			missing(s.Pos(), "type", s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				missing(n.Pos(), d.Tok.String(), n.Name)
			}
		}
	}
}

// receiverExported says whether a function has no receiver, or one of an
// exported type.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	x := d.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.IsExported()
		default:
			return false
		}
	}
}

// sizes checks the limits on lines of files and of functions that are not tests, and on
// columns of lines.
func sizes(t *tree) (found []string) {
	for _, f := range t.files {
		if ast.IsGenerated(f.ast) {
			if generated[f.name] == "" {
				found = append(found,
					fmt.Sprintf("%s: generated, but not listed in the policy with its generator", f.name))
			}
			continue
		}
		if n := strings.Count(f.text, "\n"); n > maxFile {
			found = append(found, fmt.Sprintf("%s: %d lines; at most %d", f.name, n, maxFile))
		}
		for k, line := range strings.Split(f.text, "\n") {
			n := utf8.RuneCountInString(line) + (tabColumns-1)*strings.Count(line, "\t")
			if n > maxColumns {
				found = append(found, fmt.Sprintf("%s:%d: %d columns; at most %d", f.name, k+1, n, maxColumns))
			}
		}
		if f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if n := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1; n > maxFunc {
					found = append(found,
						fmt.Sprintf("%s: function %s has %d lines; at most %d", t.at(fn.Pos()),
							fn.Name.Name, n, maxFunc))
				}
			}
		}
	}
	for name := range generated {
		if f := t.texts[name]; f == "" {
			found = append(found, fmt.Sprintf("%s: listed as generated, but not there", name))
		}
	}
	return found
}

// flagName is a flag as a user types it.
var flagName = regexp.MustCompile(`--[a-z]`)

// flags checks that no string of a room below the command line names one of its flags.
func flags(t *tree) (found []string) {
	for _, f := range t.files {
		if f.test || within(f.room, []string{commandLine}) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING && flagName.MatchString(s.Value) {
				found = append(found, fmt.Sprintf("%s: %s names a flag, which a library has not: name the "+
					"setting, and let the command line translate", t.at(s.Pos()), s.Value))
			}
			return true
		})
	}
	return found
}

// inits checks that nothing happens on import.
func inits(t *tree) (found []string) {
	for _, f := range t.files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !f.test && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found,
					fmt.Sprintf("%s: func init: no global state and no registries; use one switch from name to type",
						t.at(fn.Pos())))
			}
		}
	}
	return found
}

// prints checks that nothing is left of a search for faults: print and println of the language
// write to standard error, where nobody expects them.
func prints(t *tree) (found []string) {
	for _, f := range t.files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if fn, ok := call.Fun.(*ast.Ident); ok && (fn.Name == "print" || fn.Name == "println") {
				found = append(found, fmt.Sprintf("%s: %s: return an error, or write to the writer that is given",
					t.at(call.Pos()), fn.Name))
			}
			return true
		})
	}
	return found
}

var (
	// The patterns are put together so that they do not match themselves.
	machinePath = regexp.MustCompile(`(^|[^\w.~})])/` + `(work|tmp|root|home)/`)
	leftToDo    = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
)

// words checks all text files for paths of one machine and for work left over.
func words(t *tree) (found []string) {
	for name, text := range t.texts {
		for k, line := range strings.Split(text, "\n") {
			if m := machinePath.FindString(line); m != "" {
				found = append(found,
					fmt.Sprintf("%s:%d: the path of a machine: %q", name, k+1, strings.TrimSpace(line)))
			}
			if m := leftToDo.FindString(line); m != "" {
				found = append(found, fmt.Sprintf("%s:%d: %s: do it, or open an issue", name, k+1, m))
			}
		}
	}
	return found
}
