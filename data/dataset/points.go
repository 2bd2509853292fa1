package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/files"
	"flowmatch/data/schema"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/manifold"
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
	// Space is the manifold that the points are on; nil: R^D. Then Columns do not matter.
	Space *manifold.Space
	// Schema is that of a table whose columns are learnt as what they hold; nil: of numbers. Then the
	// rest does not matter.
	Schema *schema.Schema
}

// dim is how many numbers a point has.
func (l Like) dim() int {
	n := 1
	for _, d := range l.Shape {
		n *= d
	}
	return n
}

// Points are those of a file, in original units (images in [-1, 1]).
type Points struct {
	X           flow.Batch
	Given       flow.Given
	Dequantized bool                   // they are levels of pixels, with uniform noise
	Notes       []string               // as those of a [data.Set]
	Where       func(point int) string // where a point is in the file: "line 7", "row 3"
}

// Points reads all points of the file or folder path, in their order, with their labels where
// the model takes some. c describes the training data; of what kind path is, it says itself: a
// table, images, or numbers, as samples of a model are written, of points of any shape: an NPY
// array [N, D] or [N, shape...], or D columns of a table. labels is the file of the labels of
// IDX and NPY, or empty. rng drives the noise of dequantisation.
//
// The columns of a table are those of the model, by name; where the file or the model
// has no names for them, by their order. Classes are the model's, by name; labels that are
// numbers where the names are none are those of its classes.
func (c Config) Points(path, labels string, like Like, rng *rand.Rand) (Points, error) {
	if like.Schema != nil {
		if labels != "" {
			return Points{}, labelsOfTable(labels)
		}
		return c.typedPoints(path, like.Schema, rng)
	}
	kind, err := c.kindOf(path)
	if err != nil {
		return Points{}, err
	}
	if kind == data.KindTable {
		return c.tablePoints(path, labels, like)
	}
	set, err := c.like(kind, path, labels, like).Open("", 0)
	if err != nil {
		return Points{}, err
	}
	if !slices.Equal(colours(set.Shape), colours(like.Shape)) {
		return Points{}, files.Malformed(path, "points of shape %v; the model was trained on points of %v", set.Shape,
			like.Shape)
	}
	p := Points{Dequantized: set.Dequantized, Notes: set.Notes,
		Where: func(i int) string { return fmt.Sprintf("image %d", i+1) }}
	if set.Skipped > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d images cannot be decoded, and are left out", set.Skipped))
	}
	if p.X, p.Given, err = data.Rows(set.TrainSet, 0, set.TrainSet.Len(), rng); err != nil || like.Classes == 0 {
		p.Given = flow.Given{}
		return p, err
	}
	if labels != "" {
		p.Given.Label, err = like.numbered(p.Given.Label, set.ClassNames, labels)
		return p, err
	}
	p.Given.Label, err = like.named(p.Given.Label, set.ClassNames, path)
	return p, err
}

// colours is the shape of images with their channels.
func colours(shape []int) []int {
	if len(shape) == 2 {
		return []int{shape[0], shape[1], 1}
	}
	return shape
}

// kindOf returns the kind of a file or folder of points: what it is by itself, else that of
// the training data.
func (c Config) kindOf(path string) (string, error) {
	if !c.Images() {
		return data.KindTable, nil
	}
	known := Config{Path: path}.ResolvedKind()
	found, err := inferKind(path, known)
	return cmp.Or(found, known, c.ResolvedKind()), err
}

// like returns the section of images of a kind that are read as those of a model.
func (c Config) like(kind, path, labels string, like Like) Config {
	as := Config{Path: path, Kind: kind, LabelsPath: labels, Dequantize: c.Dequantize, Standardize: StandardizeNone,
		Val: new(0.0), Test: new(0.0)}
	switch kind {
	case data.KindFolder, data.KindShards:
		shape := colours(like.Shape)
		as.Size, as.Channels, as.Corrupt = cmp.Or(c.Size, shape[0]), cmp.Or(c.Channels, shape[len(shape)-1]), c.Corrupt
	case data.KindCIFAR100:
		as.Coarse = c.Coarse
	case data.KindImages:
		as.Layout = c.Layout
	}
	return as
}

// labelsOfTable is the error of a file of labels beside a table.
func labelsOfTable(labels string) error {
	return files.Malformed(labels, "a file of labels is for images and NPY; a table has them in a column")
}

// tablePoints reads points that are numbers.
func (c Config) tablePoints(path, labels string, like Like) (p Points, err error) {
	array := files.Extension(path) == ".npy"
	if labels != "" && !array {
		return p, labelsOfTable(labels)
	}
	if like.Space != nil {
		like.Columns, like.Shape = like.Space.Columns, []int{len(like.Space.Columns)}
	}
	opts := table.Options{Header: c.Header, Comments: like.Space != nil}
	if opts.Delimiter, err = c.delimiter(); err != nil {
		return p, err
	}
	if strings.ContainsRune(table.Delimiters, opts.Delimiter) {
		opts.Delimiter = 0 // the file says it, which may be another
	}
	if len(like.Shape) > 1 {
		opts.Shape = like.Shape
	}
	if like.Classes > 0 && labels == "" {
		opts.Label = cmp.Or(like.LabelName, LabelColumn)
	}
	t, err := readColumns(path, opts, like)
	// The points of a law may have no labels; labels with a fault are an error.
	if data.IsMissing(err, opts.Label) && opts.Label != "" && like.LabelName == "" {
		opts.Label = ""
		t, err = readColumns(path, opts, like)
	}
	if err != nil {
		return p, err
	}
	if like.Space != nil {
		if err := toPoints(like.Space, &t, path); err != nil {
			return p, err
		}
	}
	p = Points{X: t.X, Notes: t.Notes, Where: t.Where}
	if c.Images() {
		if err := p.asImages(path); err != nil {
			return p, err
		}
	}
	if labels != "" && like.Classes > 0 {
		label, names, err := image.ReadLabels(labels, t.X.N)
		if err != nil {
			return p, err
		}
		p.Given.Label, err = like.numbered(label, names, labels)
		return p, err
	}
	p.Given.Label, err = like.numbered(t.Label, t.ClassNames, path)
	return p, err
}

// asImages looks at whether numbers are those of images, from -1 to 1.
func (p *Points) asImages(path string) error {
	lo, hi, whole := math.Inf(1), math.Inf(-1), true
	for _, v := range p.X.X {
		lo, hi, whole = min(lo, v), max(hi, v), whole && v == math.Trunc(v)
	}
	switch {
	case whole && hi > 1:
		return files.Malformed(path, "whole numbers from %g to %g, as the levels of pixels are; numbers of images "+
			"span -1 to 1: give levels as an NPY array of unsigned bytes", lo, hi)
	case lo >= 0:
		p.Notes = append(p.Notes, fmt.Sprintf("the numbers are from %g to %g, and those of images span -1 to 1: if "+
			"0 is black in them, bring v to 2v-1", lo, hi))
	}
	return nil
}

// named returns labels of classes from as those of the model, by name.
func (l Like) named(label []int32, from []string, file string) ([]int32, error) {
	out, err := data.Renumber(label, from, l.ClassNames, l.Classes)
	if err != nil {
		return nil, files.Malformed(file, "%v, the classes of the model", err)
	}
	return out, nil
}

// numbered is named of labels that may be numbers: those of the classes where their names are
// not.
func (l Like) numbered(label []int32, from []string, file string) ([]int32, error) {
	_, inFile := data.ClassNumbers(from)
	if _, numbers := data.ClassNumbers(l.ClassNames); inFile && !numbers {
		l.ClassNames = nil
	}
	return l.named(label, from, file)
}

// readColumns reads a table with the columns of the model: those of their names or, where
// these are not found and the file or the model has no names, all of them.
func readColumns(path string, opts table.Options, like Like) (table.Table, error) {
	names := like.Columns
	if names == nil {
		names = files.Numbered(like.dim())
	}
	opts.Columns = names
	byName, failure := table.Read(path, opts)
	if failure == nil && like.Columns != nil || errors.Is(failure, fs.ErrNotExist) {
		return byName, failure
	}
	opts.Columns = nil
	t, err := table.Read(path, opts)
	if err != nil {
		return t, err
	}
	if failure == nil && !slices.Equal(t.Columns, files.Numbered(len(t.Columns))) {
		return byName, nil
	}
	if len(t.Columns) != len(names) {
		return t, files.Malformed(path, "%d columns (%s); the model was trained on %d (%s)", len(t.Columns),
			choice.List(t.Columns), len(names), choice.List(names))
	}
	if like.Columns == nil || t.Columns[0] == "c0" || files.Extension(path) == ".npy" {
		return t, nil
	}
	return t, failure
}
