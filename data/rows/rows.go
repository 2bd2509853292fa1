// Package rows reads rows of tables as sequences of tokens: of categories, a column for each token, or of whole
// numbers. What it reads is a [text.Corpus] of whole rows, with a class for each if the table or a second file has one.
package rows

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"

	"flowmatch/data/internal/files"
	"flowmatch/data/table"
	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/internal/choice"
)

// Options say how a table is read.
type Options struct {
	Kind string // [text.Categories] or [text.Integers]
	// Columns are those of kind categories, by name and in this order; empty: all but Exclude and Label.
	Columns, Exclude []string
	Label            string // the column of the classes, of kind categories; empty: none
	// LabelsPath is a file with the class of each row, which has one column, instead of Label.
	LabelsPath string
}

// Kind is that of the tokens of a file by its extension; empty: it may be any text.
func Kind(path string) string {
	switch files.Extension(path) {
	case ".npy":
		return text.Integers
	case ".csv", ".tsv", ".parquet", ".xlsx":
		return text.Categories
	}
	return ""
}

// Read returns the rows of a table as a corpus: of categories from CSV, Parquet or Excel, whose first line names the
// columns, of whole numbers [N, L] from NPY.
func Read(path string, o Options) (c *text.Corpus, err error) {
	v, tokens, length, label := text.Vocabulary{Kind: o.Kind}, []int32(nil), 0, classes{}
	if o.Kind == text.Integers {
		tokens, length, err = integers(path, 0)
		if err == nil {
			v.Size = 1 + int(slices.Max(tokens))
		}
	} else {
		v, tokens, label, err = categories(path, o)
		length = len(v.Columns)
	}
	if err == nil && o.LabelsPath != "" {
		label, err = labels(o.LabelsPath, len(tokens)/length)
	}
	if err != nil {
		return nil, err
	}
	if c, err = text.NewRows(v, tokens, length, label.names, label.of); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// categories reads a table of texts.
func categories(path string, o Options) (v text.Vocabulary, tokens []int32, label classes, err error) {
	cells, err := readCells(path)
	if err != nil {
		return v, nil, label, err
	}
	names, err := chosen(path, cells, o)
	if err != nil {
		return v, nil, label, err
	}
	v.Kind = text.Categories
	tokens = make([]int32, cells.Rows*len(names))
	for j, name := range names {
		c, err := column(cells, name)
		if err != nil {
			return v, nil, label, err
		}
		v.Columns = append(v.Columns, text.Column{Name: name, Levels: c.names})
		for i, k := range c.of {
			tokens[i*len(names)+j] = k
		}
	}
	if o.Label != "" {
		label, err = column(cells, o.Label)
	}
	return v, tokens, label, err
}

// readCells reads a table whose first line names its columns.
func readCells(path string) (table.Cells, error) {
	return table.ReadCells(path, table.Options{Header: new(true)})
}

// chosen are the names of the columns that are tokens.
func chosen(path string, cells table.Cells, o Options) (names []string, err error) {
	given := slices.Concat(o.Columns, o.Exclude)
	if o.Label != "" {
		given = append(given, o.Label)
	}
	for k, name := range given {
		switch {
		case !slices.Contains(cells.Names, name):
			return nil, fmt.Errorf("%s: %w", path, choice.Check("column", name, cells.Names))
		case slices.Contains(given[:k], name):
			return nil, files.Malformed(path, "column %s is named twice", choice.Quote(name))
		}
	}
	if names = o.Columns; len(names) == 0 {
		for _, name := range cells.Names {
			if !slices.Contains(given, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return nil, files.Malformed(path, "no column is left to be a token")
	}
	return names, nil
}

// classes are different texts in order, and which of them each row has.
type classes struct {
	names []string
	of    []int32
}

// column returns the levels of a column: in the order of numbers where all are numbers, else of texts.
func column(cells table.Cells, name string) (c classes, err error) {
	for _, u := range cells.Unread {
		if u.Column == name {
			return c, files.Malformed(cells.Path, "column %s %s; leave it out", choice.Quote(name), u.Problem)
		}
	}
	texts := cells.Columns[slices.Index(cells.Names, name)]
	if k := slices.Index(texts.Values, ""); k >= 0 {
		return c, files.MalformedAt(cells.Path, cells.Where(slices.Index(texts.Index, int32(k))),
			"column %s is empty; give what is missing a level of its own, or leave the row out", choice.Quote(name))
	}
	return ordered(texts.Values, texts.Index), nil
}

// ordered puts values in order, and numbers rows by it.
func ordered(values []string, of []int32) classes {
	number, numbers := map[string]float64{}, true
	for _, v := range values {
		x, err := strconv.ParseFloat(v, 64)
		number[v], numbers = x, numbers && err == nil && !math.IsNaN(x)
	}
	names := slices.Clone(values)
	slices.SortFunc(names, func(a, b string) int {
		if numbers {
			return cmp.Or(cmp.Compare(number[a], number[b]), cmp.Compare(a, b))
		}
		return cmp.Compare(a, b)
	})
	place := map[string]int32{}
	for k, name := range names {
		place[name] = int32(k)
	}
	c := classes{names, make([]int32, len(of))}
	for i, k := range of {
		c.of[i] = place[values[k]]
	}
	return c
}

// labels reads the classes of n rows from a file of their own: one column, of CSV with a name in the first line, of
// NPY, Parquet or Excel.
func labels(path string, n int) (c classes, err error) {
	if files.Extension(path) == ".npy" {
		numbers, d, err := integers(path, 0)
		if err == nil && d != 1 {
			err = files.Malformed(path, "there are %d columns; of labels there is one", d)
		}
		if err != nil {
			return c, err
		}
		seen := map[int32]int32{}
		for _, v := range numbers {
			seen[v] = 0
		}
		var names []string
		for _, v := range slices.Sorted(maps.Keys(seen)) {
			seen[v] = int32(len(names))
			names = append(names, strconv.Itoa(int(v)))
		}
		for i, v := range numbers {
			numbers[i] = seen[v]
		}
		c = classes{names, numbers}
	} else {
		cells, err := readCells(path)
		if err != nil {
			return c, err
		}
		if len(cells.Names) != 1 {
			return c, files.Malformed(path, "there are %d columns; of labels there is one", len(cells.Names))
		}
		if c, err = column(cells, cells.Names[0]); err != nil {
			return c, err
		}
	}
	if len(c.of) != n {
		return c, files.Malformed(path, "there are %d labels for %d rows", len(c.of), n)
	}
	return c, nil
}

// integers reads an array [N, L] of whole numbers from least on.
func integers(path string, least int32) (tokens []int32, length int, err error) {
	t, err := table.Read(path, table.Options{})
	if err != nil {
		return nil, 0, err
	}
	tokens = make([]int32, len(t.X.X))
	for k, v := range t.X.X {
		if v != math.Trunc(v) || v < float64(least) || v > math.MaxInt32 {
			return nil, 0, files.MalformedAt(path, files.Row(k/t.X.D), "number %d is %g; tokens are whole numbers "+
				"from %d on", k%t.X.D+1, v, least)
		}
		tokens[k] = int32(v)
	}
	return tokens, t.X.D, nil
}

// Known are rows of which some tokens may not be known.
type Known struct {
	Tokens discrete.Tokens // what is not known is [text.Gap]
	Label  []int32         // of each row; nil: the file has none
}

// Reader reads rows of a file as tokens of a vocabulary.
type Reader struct {
	Vocabulary text.Vocabulary
	Length     int // of a row of kind integers
	// Gaps is whether there may be tokens that are not known: an empty cell or Mark, and in an array -1.
	Gaps bool
	Mark string
	// Label is a column that may be there, of kind categories, with names of Classes.
	Label   string
	Classes []string
}

// Read reads the rows of a file. Other columns may be there than those of the vocabulary.
func (r Reader) Read(path string) (k Known, err error) {
	if r.Vocabulary.Kind == text.Integers {
		k.Tokens, err = r.integers(path)
		return k, err
	}
	cells, err := readCells(path)
	if err != nil {
		return k, err
	}
	columns := r.Vocabulary.Columns
	k.Tokens = discrete.NewTokens(cells.Rows, len(columns))
	for j, c := range columns {
		at := slices.Index(cells.Names, c.Name)
		if at < 0 {
			return k, fmt.Errorf("%s: it has no column %s of the model", path, choice.Quote(c.Name))
		}
		texts := cells.Columns[at]
		levels, errs := make([]int32, len(texts.Values)), make([]error, len(texts.Values))
		for v, cell := range texts.Values {
			if levels[v] = text.Gap; !r.Gaps || cell != "" && cell != r.Mark {
				levels[v], errs[v] = r.Vocabulary.Level(j, cell)
			}
		}
		for i, v := range texts.Index {
			if errs[v] != nil {
				return k, files.MalformedAt(path, cells.Where(i), "%s", errs[v])
			}
			k.Tokens.Row(i)[j] = levels[v]
		}
	}
	k.Label, err = r.labels(cells)
	return k, err
}

// labels reads the classes of rows; nil: the file has none.
func (r Reader) labels(cells table.Cells) (label []int32, err error) {
	at := slices.Index(cells.Names, r.Label)
	if r.Label == "" || at < 0 {
		return nil, nil
	}
	for i, value := range cells.Columns[at].Index {
		name := cells.Columns[at].Values[value]
		class := slices.Index(r.Classes, name)
		if class < 0 {
			return nil, files.MalformedAt(cells.Path, cells.Where(i), "%s", choice.Check("label", name, r.Classes))
		}
		label = append(label, int32(class))
	}
	return label, nil
}

// integers reads rows of whole numbers.
func (r Reader) integers(path string) (x discrete.Tokens, err error) {
	least := int32(0)
	if r.Gaps {
		least = text.Gap
	}
	tokens, l, err := integers(path, least)
	if err == nil && l != r.Length {
		err = files.Malformed(path, "there are %d numbers in a row; the model has sequences of %d", l, r.Length)
	}
	if err != nil {
		return x, err
	}
	for i, t := range tokens {
		if int(t) >= r.Vocabulary.Size {
			return x, files.MalformedAt(path, files.Row(i/l), "number %d is %d; it must be below %d", i%l+1, t,
				r.Vocabulary.Size)
		}
	}
	return discrete.Tokens{N: len(tokens) / l, L: l, X: tokens}, nil
}

// LabelColumn is the name of the column of the classes in a table of rows.
func LabelColumn(o Options) string { return cmp.Or(o.Label, "label") }

// EncodeCSV writes rows of kind categories with their header. If label is not nil, a last column of that name has the
// class of each row.
func EncodeCSV(w io.Writer, v text.Vocabulary, x discrete.Tokens, name string, classes []string, label []int32) error {
	c := csv.NewWriter(w)
	line := v.Names()
	if label != nil {
		line = append(line, name)
	}
	c.Write(line)
	for i := range x.N {
		if line = v.Cells(x.Row(i)); label != nil {
			line = append(line, classes[label[i]])
		}
		c.Write(line)
	}
	c.Flush()
	return c.Error()
}
