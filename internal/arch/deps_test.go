package arch_test

import (
	"cmp"
	"fmt"
	"go/build/constraint"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestRoomsImportOnlyWhatThePolicyAllows(t *testing.T) { check(t, roomImports) }

func TestMathematicsDoesNotReachTheEngine(t *testing.T) { check(t, engineReach) }

func TestLibrariesStayInTheirRooms(t *testing.T) { check(t, libraries) }

func TestStandardLibraryIsUsedAsThePolicySays(t *testing.T) { check(t, standardLibrary) }

func TestCgoIsBehindItsBuildTag(t *testing.T) { check(t, cgo) }

func TestThePolicyHasNoCycle(t *testing.T) {
	var visit func(r string, trail []string)
	visit = func(r string, trail []string) {
		if slices.Contains(trail, r) {
			t.Errorf("the rows of rooms form a cycle: %s", strings.Join(append(trail, r), " imports "))
			return
		}
		for _, to := range rooms[r] {
			if to == anyRoom {
				continue
			}
			if _, ok := rooms[to]; !ok {
				t.Errorf("row %q allows %q, which has no row", r, to)
				continue
			}
			visit(to, append(slices.Clone(trail), r))
		}
	}
	for r := range rooms {
		visit(r, nil)
	}
}

// roomImports checks imports between rooms in code that is not a test.
func roomImports(t *tree) (found []string) {
	for _, f := range t.files {
		from, ok := row(f.room)
		if !ok {
			found = append(found,
				fmt.Sprintf("%s: room %q has no row in the policy; add one that says what it may import",
					f.name, f.room))
			continue
		}
		for _, i := range f.imports() {
			to, ours := ownRoom(i.path)
			if !ours || f.test {
				continue
			}
			if why, ok := testsOnly[to]; ok {
				found = append(found, fmt.Sprintf("%s: imports %s: %s", t.at(i.pos), to, why))
				continue
			}
			target, ok := row(to)
			if !ok {
				target = to
			}
			allowed := rooms[from]
			if target == from || strings.HasPrefix(target, from+"/") || slices.Contains(allowed, anyRoom) ||
				slices.Contains(allowed, target) {
				continue
			}
			found = append(found,
				fmt.Sprintf("%s: %s imports %s; it may import %s", t.at(i.pos), from, to, listed(allowed)))
		}
	}
	return found
}

func listed(rooms []string) string {
	if len(rooms) == 0 {
		return "no room of ours"
	}
	return strings.Join(rooms, ", ")
}

// engineReach checks that only the rooms of reachEngine depend on nn, following
// imports through other rooms; tests count as part of their room here.
func engineReach(t *tree) (found []string) {
	next := map[string][]string{} // what a room's code imports
	for _, f := range t.files {
		for _, i := range f.imports() {
			if to, ours := ownRoom(i.path); ours && !f.test {
				next[f.room] = append(next[f.room], to)
			}
		}
	}
	var trail func(room string, seen map[string]bool) []string
	trail = func(room string, seen map[string]bool) []string {
		if within(room, []string{"nn", "engine/native"}) {
			return []string{room}
		}
		if seen[room] {
			return nil
		}
		seen[room] = true
		for _, to := range next[room] {
			if rest := trail(to, seen); rest != nil {
				return append([]string{room}, rest...)
			}
		}
		return nil
	}
	for _, f := range t.files {
		if within(f.room, reachEngine) || within(f.room, []string{"engine/native"}) {
			continue
		}
		for _, i := range f.imports() {
			if to, ours := ownRoom(i.path); ours {
				if way := trail(to, map[string]bool{}); way != nil {
					found = append(found,
						fmt.Sprintf("%s: %s reaches the engine by %s", t.at(i.pos), f.room, strings.Join(way, " -> ")))
				}
			}
		}
	}
	return found
}

// moduleOf returns the listed module that an import path belongs to.
func moduleOf(importPath string) (string, bool) {
	for m := importPath; m != "." && m != "/"; m = path.Dir(m) {
		if _, ok := modules[m]; ok {
			return m, true
		}
	}
	return "", false
}

// external says whether an import path is neither ours nor of the standard
// library: its first element then has a dot.
func external(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return strings.Contains(first, ".")
}

// libraries checks that each library is used in its rooms only.
func libraries(t *tree) (found []string) {
	for _, f := range t.files {
		for _, i := range f.imports() {
			if !external(i.path) {
				continue
			}
			name, ok := moduleOf(i.path)
			if !ok {
				found = append(found,
					fmt.Sprintf("%s: %s is not in the policy; do without it, or list it with its rooms and the reason",
						t.at(i.pos), i.path))
				continue
			}
			m := modules[name]
			if within(f.room, m.rooms) || f.test && within(f.room, m.testRooms) {
				continue
			}
			found = append(found,
				fmt.Sprintf("%s: %s imports %s, which is for %s (%s)", t.at(i.pos), f.room, i.path,
					listed(m.rooms), m.why))
		}
	}
	return found
}

// standardLibrary checks the packages of the standard library that are not for every room.
func standardLibrary(t *tree) (found []string) {
	for _, f := range t.files {
		for _, i := range f.imports() {
			ban, ok := bannedStd[i.path]
			if !ok || f.test && i.path != "math/rand" || within(f.room, ban.except) {
				continue
			}
			found = append(found, fmt.Sprintf("%s: %s imports %s: %s", t.at(i.pos), f.room, i.path, ban.why))
		}
	}
	return found
}

// cgo checks that files that need cgo are not built without the tag of their room.
func cgo(t *tree) (found []string) {
	for _, f := range t.files {
		for _, i := range f.imports() {
			m, _ := moduleOf(i.path)
			if i.path != "C" && !slices.Contains(cgoModules, m) {
				continue
			}
			if tag := cmp.Or(cgoTags[f.room], cgoTag); !needsTag(f, tag) {
				found = append(found,
					fmt.Sprintf("%s: imports %q without //go:build %s: the default binary has no cgo", t.at(i.pos),
						i.path, tag))
			}
		}
	}
	return found
}

// needsTag says whether the build constraint of f keeps it out of every build
// without tag.
func needsTag(f file, tag string) bool {
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			if c.Pos() > f.ast.Package || !constraint.IsGoBuild(c.Text) {
				continue
			}
			expr, err := constraint.Parse(c.Text)
			return err == nil && !satisfiable(expr, tag)
		}
	}
	return false
}

// satisfiable says whether some choice of all other tags builds a file though
// without is not set. Constraints have few tags, so all choices are tried.
func satisfiable(expr constraint.Expr, without string) bool {
	var tags []string
	var collect func(e constraint.Expr)
	collect = func(e constraint.Expr) {
		switch e := e.(type) {
		case *constraint.TagExpr:
			tags = append(tags, e.Tag)
		case *constraint.NotExpr:
			collect(e.X)
		case *constraint.AndExpr:
			collect(e.X)
			collect(e.Y)
		case *constraint.OrExpr:
			collect(e.X)
			collect(e.Y)
		}
	}
	collect(expr)
	for choice := range 1 << len(tags) {
		ok := expr.Eval(func(tag string) bool {
			return tag != without && choice>>slices.Index(tags, tag)&1 == 1
		})
		if ok {
			return true
		}
	}
	return false
}
