package arch_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// modulePath is the path of our module; imports under it are rooms.
const modulePath = "flowmatch"

// file is one Go file of the house.
type file struct {
	name string // from the root, with slashes
	room string // its folder; "." for the root
	test bool
	ast  *ast.File
	text string
}

// tree is the source of the house.
type tree struct {
	fset  *token.FileSet
	files []file            // Go files, by name
	texts map[string]string // all text files, Go and others
	paths map[string]bool   // all files and folders
}

// textKinds are the endings of files that the rules for words read.
var textKinds = []string{".go", ".md", ".yaml", ".yml", ".sh", ".json", ".txt", ".py", ".s", ".mod"}

// load reads the tree below fsys. Hidden folders, testdata, vendor and folders
// with a go.mod of their own are not part of the house.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), texts: map[string]string{}, paths: map[string]bool{}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		t.paths[name] = true
		if d.IsDir() {
			_, modErr := fs.Stat(fsys, path.Join(name, "go.mod"))
			if name != "." &&
				(strings.HasPrefix(base, ".") || base == "testdata" || base == "vendor" || modErr == nil) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !slices.Contains(textKinds, path.Ext(name)) {
			return nil
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		t.texts[name] = string(b)
		if path.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(t.fset, name, b, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		t.files = append(t.files, file{
			name: name, room: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), ast: parsed, text: string(b),
		})
		return nil
	})
	if err == nil && len(t.files) == 0 {
		err = fmt.Errorf("no Go files")
	}
	return t, err
}

// house loads, once, the real tree: the module that this package lies in.
// Folders that git ignores at the root (builds, runs) are left out.
var house = sync.OnceValues(func() (*tree, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			return nil, errors.New("no go.mod above this package")
		}
		dir = filepath.Dir(dir)
	}
	t, err := load(os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	ignored, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return t.without(strings.Fields(string(ignored))), nil
})

// without drops the files in root folders that patterns of the form /name/ ignore.
func (t *tree) without(patterns []string) *tree {
	out := func(name string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			return strings.HasPrefix(p, "/") && strings.HasSuffix(p, "/") && strings.HasPrefix("/"+name, p)
		})
	}
	t.files = slices.DeleteFunc(t.files, func(f file) bool { return out(f.name) })
	for name := range t.texts {
		if out(name) {
			delete(t.texts, name)
		}
	}
	return t
}

// at names a place in a file.
func (t *tree) at(p token.Pos) string {
	pos := t.fset.Position(p)
	return fmt.Sprintf("%s:%d", pos.Filename, pos.Line)
}

// imported is one import of a file.
type imported struct {
	path string
	pos  token.Pos
}

func (f file) imports() []imported {
	var out []imported
	for _, s := range f.ast.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			panic(err) // the parser has accepted it
		}
		out = append(out, imported{p, s.Pos()})
	}
	return out
}

// ownRoom returns the room of an import path of our module.
func ownRoom(importPath string) (room string, ok bool) {
	if importPath == modulePath {
		return ".", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}

// row returns the name of the row of rooms that governs a folder: its own, or
// that of the nearest folder above. The root has no rooms below it.
func row(room string) (string, bool) {
	for r := room; ; r = path.Dir(r) {
		if r == "." && room != "." {
			return "", false
		}
		if _, ok := rooms[r]; ok {
			return r, true
		}
	}
}

// within says whether room is one of the listed ones or governed by their row.
func within(room string, list []string) bool {
	r, ok := row(room)
	return ok && slices.Contains(list, r) || slices.Contains(list, room)
}

// rule finds violations; each is one line that begins with its place.
type rule func(t *tree) []string

// check runs a rule over the house and reports everything it finds at once.
func check(t *testing.T, r rule) {
	t.Helper()
	tr, err := house()
	if err != nil {
		t.Fatal(err)
	}
	if found := r(tr); len(found) > 0 {
		slices.Sort(found)
		t.Errorf("%d violations:\n%s", len(found), strings.Join(slices.Compact(found), "\n"))
	}
}
