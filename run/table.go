package run

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/train"
)

// TableConfig returns the settings of a training on the table of a file, the kinds of whose columns are
// found in it, with settings as those of [ReadConfig].
func TableConfig(file string, set []string) (Config, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return Config{}, fmt.Errorf("run: %w", err)
	}
	all, err := absoluteSettings(set)
	if err != nil {
		return Config{}, err
	}
	all = append([]string{"data.path=" + strconv.Quote(path), "data.kind=" + data.KindTable}, all...)
	if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, "data.schema=") }) {
		all = append(all, "data.schema="+dataset.SchemaAuto)
	}
	return ParseConfig(nil, all)
}

// SizedTable is TableConfig with the network, the steps and the stop that suit a table of so many rows,
// of so many columns to learn and coordinates, where they are not set. Columns are shown, where that goes with
// what is set.
func SizedTable(file string, set []string, rows, columns, coordinates int) (Config, error) {
	c, err := TableConfig(file, set)
	if err != nil {
		return c, err
	}
	learn, held, err := c.Data.PartSizes(rows)
	if err != nil {
		return c, fmt.Errorf("run: %w", err)
	}
	given, asked := keysOf(set), 0
	if slices.Contains(given, "train.steps") {
		asked = c.Train.Steps
	}
	defaults := train.ForTable(learn, held, coordinates, asked)
	if c.Train.Objective == "cfm" && c.Coupling.Name == "independent" && columns > 1 && c.Data.Typed() {
		defaults = append(defaults, fmt.Sprintf("train.shown=%g", train.TableShown))
	}
	var more []string
	for _, s := range defaults {
		key, _, _ := strings.Cut(s, "=")
		if !slices.ContainsFunc(given, func(g string) bool { return g == key || strings.HasPrefix(g, key+".") }) {
			more = append(more, s)
		}
	}
	return TableConfig(file, slices.Concat(more, set))
}
