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

// SizedTable is TableConfig with the network, the steps and the stop that suit so many rows to
// train on of so many coordinates, where they are not set.
func SizedTable(file string, set []string, rows, coordinates int) (Config, error) {
	defaults := train.ForTable(rows, coordinates)
	given := keysOf(set)
	var more []string
	for _, s := range defaults {
		key, _, _ := strings.Cut(s, "=")
		if !slices.ContainsFunc(given, func(g string) bool { return g == key || strings.HasPrefix(g, key+".") }) {
			more = append(more, s)
		}
	}
	return TableConfig(file, slices.Concat(more, set))
}

// TrainRows returns how many rows of n a run of the settings trains on.
func (c Config) TrainRows(n int) (int, error) {
	train, err := c.Data.TrainRows(n)
	if err != nil {
		return 0, fmt.Errorf("run: %w", err)
	}
	return train, nil
}
