package experiment

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"flowmatch/internal/choice"
)

// The experiment files that the program knows by name, and the template of the page
// that sums up what they show.
//
//go:embed grids
var grids embed.FS

// Known returns the names of the experiments that come with the program, sorted.
func Known() []string {
	entries, err := grids.ReadDir("grids")
	if err != nil {
		return nil // the folder is part of the program: see its test
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
	text, err := grids.ReadFile("grids/claims.md")
	return string(text), err
}

// KnownText returns the text of the experiment file of a name.
func KnownText(name string) ([]byte, error) {
	if err := choice.Check("experiment", name, Known()); err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	return grids.ReadFile("grids/" + name + ".yaml")
}
