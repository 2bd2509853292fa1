package arch_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// source makes a tree of files given as name, content, name, content ...
func source(t *testing.T, pairs ...string) *tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for k := 0; k < len(pairs); k += 2 {
		fsys[pairs[k]] = &fstest.MapFile{Data: []byte(pairs[k+1])}
	}
	tr, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestRulesFindWhatTheyForbid runs each rule on small trees with a known
// violation, and on their harmless neighbours.
func TestRulesFindWhatTheyForbid(t *testing.T) {
	long := "package flow\n" + strings.Repeat("\n", maxFile)
	body := strings.Repeat("\n", maxFunc)
	marker := "// Code gener" + "ated by gen. DO NOT EDIT.\n\n"
	for _, c := range []struct {
		name  string
		rule  rule
		files []string
		want  string // in the only violation; empty: there is none
	}{
		{"a ground room imports another", roomImports,
			[]string{"ode/a.go", "package ode\nimport _ \"flowmatch/flow\"\n"},
			"ode/a.go:2: ode imports flow; it may import internal/choice"},
		{"an allowed import", roomImports, []string{"path/a.go", "package path\nimport _ \"flowmatch/flow\"\n"}, ""},
		{"an upward import", roomImports, []string{"path/a.go", "package path\nimport _ \"flowmatch/field\"\n"},
			"path imports field"},
		{"a test may import sideways", roomImports,
			[]string{"path/a_test.go", "package path\nimport _ \"flowmatch/field\"\n"}, ""},
		{"a room imports below itself", roomImports,
			[]string{"nn/a.go", "package nn\nimport _ \"flowmatch/engine/native/x\"\n"}, ""},
		{"a folder obeys the row above", roomImports,
			[]string{"ode/b/a.go", "package b\nimport _ \"flowmatch/flow\"\n"}, "ode imports flow"},
		{"the program may import all", roomImports,
			[]string{"cmd/flowmatch/a.go", "package main\nimport _ \"flowmatch/plot\"\n"}, ""},
		{"even the program leaves flowtest to tests", roomImports,
			[]string{"cmd/flowmatch/a.go", "package main\nimport _ \"flowmatch/flowtest\"\n"}, "belong to tests"},
		{"a room without a row", roomImports, []string{"attic/a.go", "package attic\n"}, `room "attic" has no row`},

		{"the engine through another room", engineReach, []string{
			"path/a.go", "package path\nimport _ \"flowmatch/model\"\n",
			"model/a.go", "package model\nimport _ \"flowmatch/nn\"\n",
			"nn/a.go", "package nn\n",
		}, "path reaches the engine by model -> nn"},
		{"the engine in a test of mathematics", engineReach, []string{
			"ode/a_test.go", "package ode\nimport _ \"flowmatch/nn\"\n", "nn/a.go", "package nn\n",
		}, "ode reaches the engine by nn"},
		{"the engine in a test of train", engineReach, []string{
			"train/a_test.go", "package train\nimport _ \"flowmatch/nn\"\n", "nn/a.go", "package nn\n",
		}, ""},
		{"a circle of tests is no endless walk", engineReach, []string{
			"path/a.go", "package path\nimport _ \"flowmatch/field\"\n", "field/a.go",
			"package field\nimport _ \"flowmatch/path\"\n",
		}, ""},

		{"gomlx outside of nn", libraries,
			[]string{"model/a.go", "package model\nimport _ \"github.com/gomlx/gomlx/core/graph\"\n"},
			"which is for nn"},
		{"gomlx in a test outside of nn", libraries,
			[]string{"model/a_test.go", "package model\nimport _ \"github.com/gomlx/compute\"\n"}, "which is for nn"},
		{"gomlx in nn", libraries,
			[]string{"nn/a.go", "package nn\nimport _ \"github.com/gomlx/gomlx/core/graph\"\n"}, ""},
		{"a library nobody listed", libraries,
			[]string{"data/a.go", "package data\nimport _ \"example.com/left/pad\"\n"}, "not in the policy"},
		{"a library for tests in code", libraries,
			[]string{"ode/a.go", "package ode\nimport _ \"gonum.org/v1/gonum/mat\"\n"}, "ode imports gonum.org"},
		{"a library for tests in a test", libraries,
			[]string{"ode/a_test.go", "package ode\nimport _ \"gonum.org/v1/gonum/mat\"\n"}, ""},
		{"the standard library", libraries, []string{"ode/a.go", "package ode\nimport _ \"net/http\"\n"}, ""},

		{"logging in a library room", standardLibrary, []string{"train/a.go", "package train\nimport _ \"log/slog\"\n"},
			"do not log"},
		{"logging in the program", standardLibrary,
			[]string{"cmd/flowmatch/a.go", "package main\nimport _ \"log/slog\"\n"}, ""},
		{"the old math/rand, even in a test", standardLibrary,
			[]string{"ode/a_test.go", "package ode\nimport _ \"math/rand\"\n"}, "math/rand/v2"},
		{"reflect in a test", standardLibrary, []string{"ode/a_test.go", "package ode\nimport _ \"reflect\"\n"}, ""},

		{"cgo", cgo, []string{"nn/a.go", "package nn\nimport \"C\"\n"}, "without //go:build xla"},
		{"cgo behind its tag", cgo, []string{"nn/a.go", "//go:build xla && linux\n\npackage nn\nimport \"C\"\n"}, ""},
		{"cgo behind one of two tags", cgo,
			[]string{"nn/a.go", "//go:build xla || linux\n\npackage nn\nimport \"C\"\n"}, "without //go:build xla"},
		{"cgo where the tag is not", cgo, []string{"nn/a.go", "//go:build !xla\n\npackage nn\nimport \"C\"\n"},
			"without //go:build xla"},
		{"cgo behind the tag of its room", cgo,
			[]string{"cluster/a.go", "//go:build mpi\n\npackage cluster\nimport \"C\"\n"}, ""},
		{"cgo behind the tag of another room", cgo,
			[]string{"cluster/a.go", "//go:build xla\n\npackage cluster\nimport \"C\"\n"}, "without //go:build mpi"},
		{"a library that needs cgo", cgo,
			[]string{"nn/a.go", "package nn\nimport _ \"github.com/gomlx/go-xla/compute/xla\"\n"}, "go-xla"},

		{"a package without a doc", packageDocs, []string{"flow/a.go", "package flow\n"},
			"flow: the package has no doc comment"},
		{"a package with a doc", packageDocs,
			[]string{"flow/a.go", "// Package flow flows.\npackage flow\n", "flow/b.go", "package flow\n"}, ""},
		{"a package with two docs", packageDocs,
			[]string{"flow/a.go", "// Package flow flows.\npackage flow\n", "flow/b.go",
				"// Package flow too.\npackage flow\n"}, "spread over flow/a.go, flow/b.go"},
		{"a doc of another name", packageDocs, []string{"flow/a.go", "// Package glow glows.\npackage flow\n"},
			"does not begin"},

		{"a function without a doc", symbolDocs, []string{"flow/a.go", "package flow\nfunc F() {}\n"},
			"flow/a.go:2: exported function F"},
		{"a method without a doc", symbolDocs,
			[]string{"flow/a.go", "package flow\n// T is.\ntype T[P any] int\nfunc (t *T[P]) F() {}\n"},
			"exported function F"},
		{"methods of error and of hidden types", symbolDocs,
			[]string{"flow/a.go", "package flow\ntype t int\nfunc (t) F() {}\n" +
				"// T is.\ntype T int\nfunc (T) Error() string { return \"\" }\n"}, ""},
		{"a type without a doc", symbolDocs, []string{"flow/a.go", "package flow\ntype T int\n"}, "exported type T"},
		{"a constant without a doc", symbolDocs,
			[]string{"flow/a.go", "package flow\nconst (\n\tA = 1 // is one\n\tB = 2\n)\n"}, "exported const B"},
		{"a group with a doc", symbolDocs,
			[]string{"flow/a.go", "package flow\n// The numbers.\nvar (\n\tA = 1\n\tB = 2\n)\n"}, ""},

		{"a long file", sizes, []string{"flow/a_test.go", long + "\n"}, "at most 500"},
		{"a file of the full length", sizes, []string{"flow/a.go", long[:len(long)-1]}, ""},
		{"a long function", sizes, []string{"flow/a.go", "package flow\nfunc f() {" + body + "}\n"},
			"function f has 61 lines"},
		{"a long line", sizes, []string{"flow/a.go", "package flow // " + strings.Repeat("é", maxColumns-15) + "\n"},
			"flow/a.go:1: 121 columns; at most 120"},
		{"a line of the full width", sizes,
			[]string{"flow/a.go", "package flow // " + strings.Repeat("é", maxColumns-16) + "\n"}, ""},
		{"a long line of a test, with tabs", sizes,
			[]string{"flow/a_test.go", "package flow\n\t\t// " + strings.Repeat("x", maxColumns-10) + "\n"},
			"flow/a_test.go:2: 121 columns"},
		{"a long test", sizes, []string{"flow/a_test.go", "package flow\nfunc f() {" + body + "}\n"}, ""},
		{"a generated file nobody listed", sizes, []string{"flow/a.go", marker + "package flow\n"},
			"not listed in the policy"},

		{"a flag in a library's error", flags,
			[]string{"run/a.go", "package run\nconst e = \"train again, or pass --resume\"\n"},
			`run/a.go:2: "train again, or pass --resume" names a flag`},
		{"a flag in the command line", flags,
			[]string{"cmd/flowmatch/internal/cli/a.go", "package cli\nconst e = \"pass --resume\"\n"}, ""},
		{"a flag in a comment, and a rule", flags,
			[]string{"run/a.go", "package run // --resume\nconst e = \"|---|\"\n"}, ""},

		{"a println left over", prints,
			[]string{"flow/a.go", "package flow\nfunc f() { println(1) }\n"}, "println: return"},
		{"a method of that name", prints, []string{"flow/a.go", "package flow\nfunc f(t T) { t.print(1) }\n"}, ""},
		{"an init function", inits, []string{"flow/a.go", "package flow\nfunc init() {}\n"}, "func init"},
		{"a method called init", inits, []string{"flow/a.go", "package flow\ntype t int\nfunc (t) init() {}\n"}, ""},

		{"a machine's path", words, []string{"flow/a.go", "package flow // see /ho" + "me/me/notes\n"},
			"flow/a.go:1: the path of a machine"},
		{"a machine's path in a script", words,
			[]string{"flow/a.go", "package flow\n", "run.sh", "cd \"/tm" + "p/x\"\n"}, "run.sh:1"},
		{"a path inside a URL or a variable", words,
			[]string{"flow/a.go", "package flow // https://a.org/work/1, ~/work/, ${X}/tmp/\n"}, ""},
		{"work left over", words, []string{"flow/a.go", "package flow // TO" + "DO: all\n"}, "do it"},
		{"folders of others", words,
			[]string{"flow/a.go", "package flow\n", ".x/a.md", "TO" + "DO", "flow/testdata/a.md", "TO" + "DO",
				"sub/go.mod", "", "sub/a.md", "TO" + "DO"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.rule(source(t, c.files...))
			got = slices.DeleteFunc(got, func(s string) bool { return strings.Contains(s, "listed as generated") })
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("got %q, want nothing", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("got %q, want one violation with %q", got, c.want)
			}
		})
	}
}

func TestIgnoredFoldersAreLeftOut(t *testing.T) {
	tr := source(t, "flow/a.go", "package flow\n", "out/a.go", "package out\n", "out/a.md",
		"TO"+"DO").without([]string{"/out/", "*.test"})
	if len(tr.files) != 1 || tr.files[0].name != "flow/a.go" || len(words(tr)) != 0 {
		t.Errorf("got %d files and %q, want flow/a.go alone", len(tr.files), words(tr))
	}
}
