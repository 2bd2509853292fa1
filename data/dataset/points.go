package dataset

import (
	"cmp"
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// LabelColumn is the column of the labels in tables of samples of a model that knows no name
// for them.
const LabelColumn = "label"

// Like is what a model knows of the points that it was trained on; a file of others is
// read by it ([Config.Points]).
type Like struct {
	Shape      []int    // of one point
	Columns    []string // of a table, in the order of the coordinates; nil where they have no names
	LabelName  string   // the column of labels of a table; empty where there is none
	ClassNames []string // of classes that have names, by label; nil where labels are numbers
	Classes    int      // that the model takes labels of; 0: none, and those of the file are passed over
}

// Points reads all points of the file or folder path, in their order and in original
// units (images in [-1, 1]), with their labels where the model takes some. c describes
// the training data: path is read as a file of the same kind, a table where they were
// drawn from a law. labels is the file of the labels of IDX and NPY images, or empty.
// rng drives the noise of dequantisation.
//
// The columns of a table are those of the model, by name; where the file or the model
// has no names for them, by their order. Classes are the model's, by name.
func (c Config) Points(path, labels string, like Like, rng *rand.Rand) (flow.Batch, flow.Given, error) {
	cfg := Config{Path: path, Standardize: StandardizeNone, Val: new(0.0), Test: new(0.0)}
	var set *data.Set
	var err error
	if c.Images() {
		cfg.Kind, cfg.LabelsPath, cfg.Dequantize = c.ResolvedKind(), labels, c.Dequantize
		cfg.Size, cfg.Channels, cfg.Corrupt, cfg.Coarse = c.Size, c.Channels, c.Corrupt, c.Coarse
		cfg.Layout = c.Layout
		set, err = cfg.Open("", 0)
	} else if labels != "" {
		err = files.Malformed(labels, "a file of labels is for images; a table has them in a column")
	} else {
		cfg.Kind, cfg.Delimiter, cfg.Header = data.KindTable, c.Delimiter, c.Header
		if like.Classes > 0 {
			cfg.Label = cmp.Or(like.LabelName, LabelColumn)
		}
		set, err = cfg.openColumns(like)
		// The points of a law may have no labels; labels with a fault are an error.
		if data.IsMissing(err, cfg.Label) && like.Classes > 0 && like.LabelName == "" {
			cfg.Label = ""
			set, err = cfg.openColumns(like)
		}
	}
	if err != nil {
		return flow.Batch{}, flow.Given{}, err
	}
	if !slices.Equal(set.Shape, like.Shape) {
		return flow.Batch{}, flow.Given{}, files.Malformed(path,
			"points of shape %v; the model was trained on points of %v", set.Shape, like.Shape)
	}
	x, given, err := data.Rows(set.TrainSet, 0, set.TrainSet.Len(), rng)
	if err != nil || like.Classes == 0 {
		return x, flow.Given{}, err
	}
	if given.Label, err = data.Renumber(given.Label, set.ClassNames, like.ClassNames, like.Classes); err != nil {
		return flow.Batch{}, flow.Given{}, files.Malformed(path, "%v, the classes of the model", err)
	}
	return x, given, nil
}

// openColumns opens a table with the columns of the model: those of their names or, where
// these are not found and the file or the model has no names, all of them.
func (c Config) openColumns(like Like) (*data.Set, error) {
	c.Columns = like.Columns
	if like.Columns == nil && len(like.Shape) == 1 {
		c.Columns = files.Numbered(like.Shape[0])
	}
	names := c.Columns
	set, failure := c.Open("", 0)
	if failure == nil && like.Columns != nil || errors.Is(failure, fs.ErrNotExist) {
		return set, failure
	}
	byName := set
	c.Columns = nil
	set, err := c.Open("", 0)
	if err != nil {
		return nil, err
	}
	if byName != nil && !slices.Equal(set.Columns, files.Numbered(len(set.Columns))) {
		return byName, nil
	}
	if len(set.Columns) != len(names) {
		return nil, files.Malformed(c.Path, "%d columns (%s); the model was trained on %d (%s)",
			len(set.Columns), choice.List(set.Columns), len(names), choice.List(names))
	}
	if like.Columns == nil || set.Columns[0] == "c0" || files.Extension(c.Path) == ".npy" {
		return set, nil
	}
	return nil, failure
}
