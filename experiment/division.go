package experiment

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"flowmatch/data/schema"
	"flowmatch/data/table"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
)

// division is a table as all methods of a task and seed have it: which rows are held out, and which values of the
// others are holes.
type division struct {
	schema *schema.Schema // of all rows, of the columns that are learnt
	target string
	// rows are those held out, and then those to learn from, in a random order, as texts and as values.
	texts [][]string
	rows  flow.Batch
	held  int      // how many are held out
	holes [][]bool // of each row to learn from, which of its values are holes
}

// Files of a division, in a folder that the methods of a task share.
const (
	learntFile = "train.csv"
	heldFile   = "held.csv"
	holesFile  = "holes.csv"
)

// leastTableRows is how many rows a table must have to be divided.
const leastTableRows = 30

// divide reads the table of a cell, and divides it.
func (c Cell) divide() (d division, err error) {
	t := c.Tabular
	all, cells, err := table.Infer(t.File, table.Options{}, schema.Options{})
	if err != nil {
		return d, err
	}
	d.schema = &schema.Schema{N: all.N, Delimiter: ","}
	for _, k := range all.Learnt() {
		d.schema.Columns = append(d.schema.Columns, all.Columns[k])
	}
	names := d.schema.Names()
	if d.target = t.Target; t.Target == "" && len(names) > 0 {
		d.target = names[len(names)-1]
	}
	if err := choice.Check("column", d.target, names); err != nil {
		return d, fmt.Errorf("%s: target: %w", t.File, err)
	}
	held := int(math.Round(t.Held * float64(all.N)))
	if all.N < leastTableRows || held < 5 || all.N-held < 10 {
		return d, fmt.Errorf("%s has %d rows, of which %d would be held out (held); it needs %d at least, 5 of them "+
			"held out and 10 to learn from", t.File, all.N, held, leastTableRows)
	}
	x, odd, err := d.schema.ParseAny(cells.Cells)
	if err != nil {
		return d, fmt.Errorf("%s: %w", t.File, err)
	}
	if len(odd) > 0 {
		return d, fmt.Errorf("%s: %s, column %s: %s", t.File, cells.Where(odd[0].Row), choice.Quote(odd[0].Column),
			odd[0].Problem)
	}
	order := seed.Rand(t.Seed, "experiment/rows", 0).Perm(x.N)
	d.rows, d.held = x.Rows(order), held
	d.texts = make([][]string, x.N)
	for k, col := range d.schema.Columns {
		texts := cells.Columns[slices.Index(cells.Names, col.Name)]
		for i, from := range order {
			text := texts.Values[texts.Index[from]]
			d.texts[i] = append(d.texts[i], plainText(col, d.rows.Row(i)[k], text))
		}
	}
	d.digHoles(t.Holes, t.Seed)
	return d, nil
}

// plainText is a value as all methods can read it: nothing where it is missing, and a number as programs write it.
func plainText(c schema.Column, v float64, text string) string {
	switch {
	case math.IsNaN(v):
		return ""
	case c.Kind == schema.Real || c.Kind == schema.Integer:
		if u, err := strconv.ParseFloat(text, 64); err != nil || u != v {
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
	}
	return text
}

// digHoles takes out a share of the values to learn from, completely at random, except that one of each row and
// one of each column stays.
func (d *division) digHoles(share float64, seedValue uint64) {
	rng := seed.Rand(seedValue, "experiment/holes", 0)
	train := d.train()
	d.holes = make([][]bool, train.N)
	left := make([]int, train.D)
	for i := range d.holes {
		d.holes[i] = make([]bool, train.D)
		for k, v := range train.Row(i) {
			if v == v {
				left[k]++
			}
		}
	}
	for i := range d.holes {
		inRow := 0
		for _, v := range train.Row(i) {
			if v == v {
				inRow++
			}
		}
		for _, k := range rng.Perm(train.D) {
			if v := train.Row(i)[k]; rng.Float64() < share && v == v && inRow > 1 && left[k] > 1 {
				d.holes[i][k] = true
				inRow--
				left[k]--
			}
		}
	}
}

// train are the rows to learn from.
func (d *division) train() flow.Batch { return d.rows.Slice(d.held, d.rows.N) }

// tables are the rows as they are compared with samples.
func (d *division) tables(samples flow.Batch) eval.Tables {
	rows := func(x flow.Batch) eval.Rows { return eval.NewRows(d.schema, x) }
	return eval.Tables{Data: rows(d.rows), Samples: rows(samples), Training: rows(d.train()),
		Held: rows(d.rows.Slice(0, d.held))}
}

// write writes the files of a division into a folder. Another division there is an error: what the methods have
// learnt is of that.
func (d *division) write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	for _, part := range []struct {
		name string
		rows [][]string
	}{{learntFile, d.texts[d.held:]}, {heldFile, d.texts[:d.held]},
		{holesFile, d.filled(make([]string, len(d.schema.Columns)))}} {
		text, err := csvText(d.schema.Names(), part.rows)
		if err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
		file := filepath.Join(dir, part.name)
		switch was, err := os.ReadFile(file); {
		case errors.Is(err, fs.ErrNotExist):
			if err := atomicfile.WriteBytes(file, text); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("experiment: %w", err)
		case !bytes.Equal(was, text):
			return fmt.Errorf("%w: %s has other rows than the table has now; remove %s, or run into another folder",
				ErrStale, file, filepath.Dir(dir))
		}
	}
	return nil
}

// filled returns the rows to learn from as texts, with those of fill, one for each column, in their holes.
func (d *division) filled(fill []string) [][]string {
	rows := make([][]string, len(d.holes))
	for i := range rows {
		rows[i] = slices.Clone(d.texts[d.held+i])
		for k, hole := range d.holes[i] {
			if hole {
				rows[i][k] = fill[k]
			}
		}
	}
	return rows
}

// csvText is a table as the text of a CSV file.
func csvText(names []string, rows [][]string) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write(names) // errors stay in the writer
	w.WriteAll(rows)
	return b.Bytes(), w.Error()
}
