package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/synth"
	"flowmatch/internal/choice"
)

// checkFields refuses fields that belong to another kind: silence would leave
// the reader of the run file believing that they did something.
func (c Config) checkFields(kind string) error {
	for _, f := range []struct {
		name  string
		set   bool
		kinds []string
	}{
		{"n", c.N != 0, []string{data.KindSynthetic, data.KindSimulator}},
		{"simulator", c.Simulator != "", []string{data.KindSimulator}},
		{"uci", c.UCI != "", []string{data.KindUCI}},
		{"columns", c.Columns != nil, []string{data.KindTable}},
		{"exclude", c.Exclude != nil, []string{data.KindTable}},
		{"schema", c.Schema != "", []string{data.KindTable}},
		{"kinds", c.Kinds != nil, []string{data.KindTable}},
		{"levels", c.Levels != nil, []string{data.KindTable}},
		{"transforms", c.Transforms != nil, []string{data.KindTable}},
		{"context", c.Context != nil, []string{data.KindTable}},
		{"target", c.Target != nil, []string{data.KindTable}},
		{"context_path", c.ContextPath != "", []string{data.KindTable}},
		{"test_context_path", c.TestContextPath != "", []string{data.KindTable}},
		{"memory", c.Memory != "", c.memoryKinds()},
		{"missing", c.Missing != "", []string{data.KindTable}},
		{"bounds", c.Bounds != nil, []string{data.KindTable, data.KindSimulator}},
		{"squash_context", c.SquashContext, []string{data.KindTable, data.KindSimulator}},
		{"label", c.Label != "", []string{data.KindTable}},
		{"delimiter", c.Delimiter != "", []string{data.KindTable}},
		{"header", c.Header != nil, []string{data.KindTable}},
		{"labels_path", c.LabelsPath != "", []string{data.KindImages}},
		{"test_labels_path", c.TestLabelsPath != "", []string{data.KindImages}},
		{"layout", c.Layout != "", []string{data.KindImages}},
		{"dequantize", c.Dequantize != nil, imageKinds()},
		{"flip", c.Flip, imageKinds()},
		{"encoder", c.Encoder != "", imageKinds()},
		{"posterior", c.Posterior != "", imageKinds()},
		{"size", c.Size != 0, []string{data.KindFolder, data.KindShards}},
		{"channels", c.Channels != 0, []string{data.KindFolder, data.KindShards}},
		{"corrupt", c.Corrupt != "", []string{data.KindFolder, data.KindShards}},
		{"coarse", c.Coarse, []string{data.KindCIFAR100}},
		{"split_seed", c.SplitSeed != nil, append([]string{data.KindTable}, imageKinds()...)},
		{"test_path", c.TestPath != "", []string{data.KindTable, data.KindImages, data.KindFolder, data.KindShards}},
	} {
		if f.set && !slices.Contains(f.kinds, kind) {
			return fmt.Errorf("data: %s is set, but the data are %s; it is for %s", f.name, kind, list(f.kinds))
		}
	}
	if err := c.checkContext(); err != nil {
		return err
	}
	if params := synth.SetParams(c.Params); kind != data.KindSynthetic && len(params) > 0 {
		return fmt.Errorf("data: %s is set, but the data are %s; it is for synthetic sets", params[0], kind)
	}
	if err := cmp.Or(c.checkText(kind), c.checkSchema()); err != nil {
		return err
	}
	if kind == data.KindImages && c.TestPath != "" && (c.LabelsPath != "") != (c.TestLabelsPath != "") {
		return errors.New("data: labels_path and test_labels_path go together when there is a test_path")
	}
	return c.checkTestLabels()
}

// checkTestLabels refuses classes of images that are not there.
func (c Config) checkTestLabels() error {
	if c.TestLabelsPath != "" && c.TestPath == "" {
		return errors.New("data: test_labels_path is set without test_path")
	}
	return nil
}

// checkText refuses what is said of the text of tables that have none.
func (c Config) checkText(kind string) error {
	text := func(path string) bool { return slices.Contains(textTables(), files.Extension(path)) }
	if kind != data.KindTable || text(c.Path) || text(c.TestPath) || text(c.ContextPath) || text(c.TestContextPath) {
		return nil
	}
	for _, f := range []struct {
		name string
		set  bool
	}{{"delimiter", c.Delimiter != ""}, {"header", c.Header != nil}} {
		if f.set {
			return fmt.Errorf("data: %s is set, but %s is no table of text; it is for %s: leave it out", f.name,
				choice.Cut(filepath.Base(c.Path)), list(textTables()))
		}
	}
	return nil
}
