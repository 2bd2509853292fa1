// Package experiments holds the experiment files that the program knows by name, and
// the template of the page that sums up what they show.
package experiments

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.yaml claims.md
var files embed.FS

// Names returns the names of the experiments, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("experiments: " + err.Error()) // the folder is part of the program
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".yaml"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Claims returns the template of the page that answers claims with the figures of
// the experiments.
func Claims() (string, error) {
	text, err := files.ReadFile("claims.md")
	return string(text), err
}

// Read returns the text of an experiment file.
func Read(name string) ([]byte, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("experiments: there is no experiment %q; it must be one of %s", name, strings.Join(Names(), ", "))
	}
	return files.ReadFile(name + ".yaml")
}
