package text

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"flowmatch/discrete"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
)

// Kinds of a [Vocabulary] whose sequences are rows of a table. The text of a row is a line.
const (
	Categories = "categories" // a column for each token, with levels of its own; the text is a line of CSV
	Integers   = "integers"   // whole numbers from 0 on, as their own levels; the text has spaces between them
)

// Column is one of kind categories: its name, and the text of each of its levels.
type Column struct {
	Name   string   `json:"name"`
	Levels []string `json:"levels"`
}

// Rows says whether sequences are rows of a table, each of which is one whole.
func (v Vocabulary) Rows() bool { return v.Kind == Categories || v.Kind == Integers }

// LevelsOf is the number of levels of token i of a sequence: of kind categories that of its column.
func (v Vocabulary) LevelsOf(i int) int {
	if v.Kind == Categories {
		return len(v.Columns[i].Levels)
	}
	return v.Levels()
}

// Names are the names of the columns of kind categories; nil: of another kind.
func (v Vocabulary) Names() (names []string) {
	for _, c := range v.Columns {
		names = append(names, c.Name)
	}
	return names
}

// Cells are the texts of a row of kind categories. What is no level, such as a mask, is shown as ▁.
func (v Vocabulary) Cells(row []int32) []string {
	cells := make([]string, len(row))
	for i, k := range row {
		if levels := v.Columns[i%len(v.Columns)].Levels; k >= 0 && int(k) < len(levels) {
			cells[i] = levels[k]
		} else {
			cells[i] = "▁"
		}
	}
	return cells
}

// Level returns the level of a cell of column i of kind categories, or says that it is none.
func (v Vocabulary) Level(i int, cell string) (int32, error) {
	c := v.Columns[i]
	if k := slices.Index(c.Levels, cell); k >= 0 {
		return int32(k), nil
	}
	err := fmt.Errorf("column %s: %s is none of its %d levels", choice.Quote(c.Name), choice.Quote(cell),
		len(c.Levels))
	if near := choice.Nearest(cell, c.Levels); near != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, choice.Quote(near))
	}
	return 0, err
}

// decodeRows writes rows as lines, without an end of the last.
func (v Vocabulary) decodeRows(tokens []int32) string {
	var b strings.Builder
	if v.Kind == Integers {
		for i, k := range tokens {
			if i > 0 {
				b.WriteByte(' ')
			}
			if k < 0 || int(k) >= v.Size {
				b.WriteString("▁")
			} else {
				b.WriteString(strconv.Itoa(int(k)))
			}
		}
		return b.String()
	}
	w := csv.NewWriter(&b)
	for row := range slices.Chunk(tokens, len(v.Columns)) {
		w.Write(v.Cells(row)) // to memory
	}
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// Gap is a token of [Vocabulary.EncodeGaps] that is not known.
const Gap = -1

// EncodeGaps is [Vocabulary.Encode] of rows of which a cell may be the mark of a [Gap], or of kind categories empty.
func (v Vocabulary) EncodeGaps(text, mark string) ([]int32, error) {
	return v.encodeRows(text, func(cell string) bool { return cell == mark || cell == "" })
}

// encodeRows reads what decodeRows writes; gap says of which cells the level is not known.
func (v Vocabulary) encodeRows(text string, gap func(cell string) bool) (out []int32, err error) {
	if v.Kind == Integers {
		for i, field := range strings.Fields(text) {
			if gap(field) {
				out = append(out, Gap)
				continue
			}
			k, err := strconv.Atoi(field)
			if err != nil || k < 0 || k >= v.Size {
				return nil, fmt.Errorf("text: number %d is %s; it must be a whole number from 0 to %d", i+1,
					choice.Quote(field), v.Size-1)
			}
			out = append(out, int32(k))
		}
		return out, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = len(v.Columns)
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("text: a row of %d cells (%s): %w", len(v.Columns),
				choice.Cut(strings.Join(v.Names(), ", ")), err)
		}
		for i, cell := range cells {
			if gap(cell) {
				out = append(out, Gap)
				continue
			}
			k, err := v.Level(i, cell)
			if err != nil {
				line, _ := r.FieldPos(i)
				return nil, fmt.Errorf("text: line %d, %w", line, err)
			}
			out = append(out, k)
		}
	}
}

// validateRows reports a vocabulary of rows that no table has.
func (v Vocabulary) validateRows() error {
	if v.Kind == Integers {
		if v.Size < 2 || v.Size > mostLevels || v.Columns != nil {
			return fmt.Errorf("text: a vocabulary of %d whole numbers; there must be from 2 to %d", v.Size, mostLevels)
		}
		return nil
	}
	most := 0
	for _, c := range v.Columns {
		for i, level := range c.Levels {
			if level == "" || slices.Contains(c.Levels[:i], level) {
				return fmt.Errorf("text: column %s of a vocabulary has the level %s twice, or it is empty",
					choice.Quote(c.Name), choice.Quote(level))
			}
		}
		if most = max(most, len(c.Levels)); len(c.Levels) == 0 {
			return fmt.Errorf("text: column %s of a vocabulary has no levels", choice.Quote(c.Name))
		}
	}
	if most < 2 || most > mostLevels || v.Size != 0 {
		return fmt.Errorf("text: the columns have %d levels at most; there must be from 2 to %d", most, mostLevels)
	}
	return nil
}

// Labels are the classes of sequences, for those that have one: the names of the classes, and the place of that of
// each sequence.
type Labels struct {
	Classes          []string
	Train, Val, Test []int32
}

// NewRows returns the corpus of rows of l tokens, with a class for each, or none. A twentieth of the rows tests and
// one validates; which ones these are is chance, and the same at each time.
func NewRows(v Vocabulary, tokens []int32, l int, classes []string, label []int32) (*Corpus, error) {
	if err := v.Validate(); err != nil {
		return nil, err
	}
	n := len(tokens) / max(1, l)
	part := max(1, int(held*float64(n)))
	if n < 3 || len(tokens) != n*l || label != nil && len(label) != n {
		return nil, fmt.Errorf("text: %d rows of %d tokens, with %d labels; there must be 3 rows at least, of which "+
			"one validates and one tests, and a label for each row or none", n, l, len(label))
	}
	c := &Corpus{Vocabulary: v, Length: l, Labels: Labels{Classes: classes}}
	for k, i := range seed.Rand(0, "data/text/rows", 0).Perm(n) {
		into, labels := &c.Train, &c.Labels.Train
		switch {
		case k < part:
			into, labels = &c.Test, &c.Labels.Test
		case k < 2*part:
			into, labels = &c.Val, &c.Labels.Val
		}
		*into = append(*into, tokens[i*l:(i+1)*l]...)
		if label != nil {
			*labels = append(*labels, label[i])
		}
	}
	return c, nil
}

// Validation returns sequences to validate on, most of them at most (0: all), spread over all, with their labels; nil:
// there are none.
func (c *Corpus) Validation(most int) (discrete.Tokens, []int32) {
	return Windows(c.Val, c.Length, most), spread(c.Labels.Val, most)
}

// Testing is [Corpus.Validation] of the part that tests.
func (c *Corpus) Testing(most int) (discrete.Tokens, []int32) {
	return Windows(c.Test, c.Length, most), spread(c.Labels.Test, most)
}

// spread returns the labels of the sequences that Windows takes.
func spread(label []int32, most int) []int32 {
	if most <= 0 || most >= len(label) {
		return label
	}
	out := make([]int32, most)
	for i := range out {
		out[i] = label[i*len(label)/most]
	}
	return out
}
