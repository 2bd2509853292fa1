package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// pkg is a package as its files declare it, tests left out.
type pkg struct {
	name  string
	fset  *token.FileSet
	types map[string]declared
	reads map[string]bool // names of the types with a method that reads a value itself
}

// declared is a type and the file that declares it.
type declared struct {
	spec *ast.TypeSpec
	file *ast.File
}

// parse reads the package of a folder, once.
func (m *module) parse(dir string) (*pkg, error) {
	if p := m.packages[dir]; p != nil {
		return p, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	p := &pkg{fset: token.NewFileSet(), types: map[string]declared{}, reads: map[string]bool{}}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		mode := parser.ParseComments | parser.SkipObjectResolution
		file, err := parser.ParseFile(p.fset, filepath.Join(dir, e.Name()), nil, mode)
		if err != nil {
			return nil, err
		}
		p.name = file.Name.Name
		p.add(file)
	}
	m.packages[dir] = p
	return p, nil
}

func (p *pkg) add(file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if t, ok := s.(*ast.TypeSpec); ok {
					p.types[t.Name.Name] = declared{t, file}
				}
			}
		case *ast.FuncDecl:
			if d.Recv != nil && (d.Name.Name == "UnmarshalText" || d.Name.Name == "UnmarshalYAML") {
				p.reads[typeNameOf(d.Recv.List[0].Type)] = true
			}
		}
	}
}

// typeNameOf returns the name of a type, or of what it points to.
func typeNameOf(e ast.Expr) string {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// key is a key and what it means.
type key struct{ name, doc string }

// walker gathers the keys of structs.
type walker struct {
	module *module
	keys   []key
	fields map[string]string // dotted keys by package.Type.Field
	errs   []error           // fields without a comment
}

// note keeps the dotted key of a field of the innermost struct. A struct that stands at
// several keys has those of the first.
func (w *walker) note(p *pkg, within []*ast.TypeSpec, goName, key string) {
	if len(within) == 0 {
		return
	}
	name := p.name + "." + within[len(within)-1].Name.Name + "." + goName
	if w.fields == nil {
		w.fields = map[string]string{}
	}
	if _, ok := w.fields[name]; !ok {
		w.fields[name] = key
	}
}

// keyOf returns the key of a field as a comment of a package names it, nn.Config.Dim or
// Config.Dim; the name itself where it is no key.
func (w *walker) keyOf(p *pkg, field string) string {
	full := field
	if strings.Count(field, ".") == 1 {
		full = p.name + "." + field
	}
	return cmp.Or(w.fields[full], field)
}

// named walks the type of that name, if it is a struct; within are those around it.
func (w *walker) named(p *pkg, name, prefix string, within []*ast.TypeSpec) error {
	d, ok := p.types[name]
	switch {
	case !ok && ast.IsExported(name):
		return fmt.Errorf("package %s has no type %s", p.name, name)
	case !ok || p.reads[name] || slices.Contains(within, d.spec):
		return nil
	}
	return w.expr(p, d.file, d.spec.Type, prefix, append(slices.Clip(within), d.spec))
}

// expr walks the struct that a type is, points to or is a list of.
func (w *walker) expr(p *pkg, file *ast.File, e ast.Expr, prefix string, within []*ast.TypeSpec) error {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return w.expr(p, file, e.X, prefix, within)
	case *ast.StarExpr:
		return w.expr(p, file, e.X, prefix, within)
	case *ast.ArrayType:
		if prefix != "" {
			prefix = strings.TrimSuffix(prefix, ".") + "[]."
		}
		return w.expr(p, file, e.Elt, prefix, within)
	case *ast.Ident:
		return w.named(p, e.Name, prefix, within)
	case *ast.SelectorExpr:
		other, err := w.imported(file, e.X.(*ast.Ident).Name)
		if err != nil || other == nil {
			return err
		}
		return w.named(other, e.Sel.Name, prefix, within)
	case *ast.StructType:
		return w.structure(p, file, e, prefix, within)
	}
	return nil // a value, not keys
}

// imported returns the package that a file knows by a name; nil where it is not of the
// module.
func (w *walker) imported(file *ast.File, name string) (*pkg, error) {
	for _, imp := range file.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return nil, err
		}
		dir, ours := w.module.folder(path)
		if !ours || imp.Name != nil && imp.Name.Name != name {
			continue
		}
		p, err := w.module.parse(dir)
		if err != nil {
			return nil, err
		}
		if imp.Name != nil || p.name == name {
			return p, nil
		}
	}
	return nil, nil
}

// structure walks the fields of a struct, by the same names as the reader of the file.
func (w *walker) structure(p *pkg, file *ast.File, s *ast.StructType, prefix string, within []*ast.TypeSpec) error {
	keyOf := map[string]string{} // key by the field's Go name
	for _, f := range s.Fields.List {
		for _, goName := range namesOf(f) {
			keyOf[goName], _ = keyName(f, goName)
			w.note(p, within, goName, prefix+keyOf[goName])
		}
	}
	for _, f := range s.Fields.List {
		for _, goName := range namesOf(f) {
			name, inline := keyName(f, goName)
			switch {
			case inline:
				if err := w.expr(p, file, f.Type, prefix, within); err != nil {
					return err
				}
				continue
			case name == "-" || !ast.IsExported(goName):
				continue
			}
			doc := meaning(f.Doc.Text()+"\n"+f.Comment.Text(), goName, keyOf, func(field string) string {
				return w.keyOf(p, field)
			})
			if doc == "" {
				w.errs = append(w.errs, fmt.Errorf("%v: field %s has no comment, but key %s needs a meaning",
					p.fset.Position(f.Pos()), goName, prefix+name))
			}
			w.keys = append(w.keys, key{prefix + name, doc})
			if err := w.expr(p, file, f.Type, prefix+name+".", within); err != nil {
				return err
			}
		}
	}
	return nil
}

// namesOf returns the names of the fields that a line declares.
func namesOf(f *ast.Field) []string {
	if len(f.Names) == 0 {
		return []string{typeNameOf(f.Type)}
	}
	out := make([]string, len(f.Names))
	for i, n := range f.Names {
		out[i] = n.Name
	}
	return out
}

// keyName returns the key of a field, and whether its own keys stand in its place.
func keyName(f *ast.Field, goName string) (name string, inline bool) {
	var tag reflect.StructTag
	if f.Tag != nil {
		if text, err := strconv.Unquote(f.Tag.Value); err == nil {
			tag = reflect.StructTag(text)
		}
	}
	name, options, _ := strings.Cut(tag.Get("yaml"), ",")
	if name == "" {
		name = strings.ToLower(goName)
	}
	return name, slices.Contains(strings.Split(options, ","), "inline")
}
