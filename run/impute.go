package run

import (
	"fmt"
	"math"
	"slices"

	"flowmatch/data/dataset"
	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Holes are the missing values of rows of a table.
type Holes struct {
	Rows     []int          // in which a value is missing
	Missing  map[string]int // how many are, by column
	Warnings []string       // what is to be known of the table, one sentence each

	some   dataset.Some
	schema *schema.Schema
	fields []int // of each column of the table its place in [schema.Schema.Header], -1: it has none
	learnt []int // of each column of the table its place among those that are learnt, -1: it is not
}

// Hole is a value to fill in: the place of its column in the table, and in [schema.Schema.Header].
type Hole struct{ Column, Field int }

// HolesOf finds the missing values of a table. The error is that of one without any column that is learnt.
func HolesOf(some dataset.Some, s *schema.Schema) (Holes, error) {
	names, header := s.Names(), s.Header()
	h := Holes{Missing: map[string]int{}, Warnings: slices.Clone(some.Notes), some: some, schema: s}
	for _, name := range names {
		if !slices.Contains(some.Names, name) {
			h.Warnings = append(h.Warnings, fmt.Sprintf("there is no column %s: nothing is known of its values, and "+
				"they are not written", choice.Quote(name)))
		}
	}
	if len(h.Warnings)-len(some.Notes) == len(names) {
		return h, fmt.Errorf("it has none of the columns that were learnt, %s", choice.List(names))
	}
	lacks := make([]bool, some.X.N)
	for k, name := range some.Names {
		h.fields = append(h.fields, slices.Index(header, name))
		h.learnt = append(h.learnt, slices.Index(names, name))
		if s.Empty(name) {
			h.fields[k] = -1 // there is nothing that it could be filled with
			continue
		}
		count := 0
		for i := range some.X.N {
			if h.missing(i, k) {
				count++
				lacks[i] = lacks[i] || h.fields[k] >= 0
			}
		}
		switch {
		case count > 0 && h.fields[k] < 0:
			h.Warnings = append(h.Warnings, fmt.Sprintf("column %s is not learnt: its %d missing values stay so",
				choice.Quote(name), count))
		case count > 0:
			h.Missing[name] = count
		}
	}
	for i, lack := range lacks {
		if lack {
			h.Rows = append(h.Rows, i)
		}
	}
	if h.Rows == nil {
		h.Warnings = append(h.Warnings, "no value is missing: the rows are as they were")
	}
	for _, odd := range some.Odd {
		h.Warnings = append(h.Warnings, odd+"; it stays, and is taken for the nearest value of the data")
	}
	return h, nil
}

// missing says whether the value of a row is missing in column k of the table.
func (h Holes) missing(row, k int) bool {
	if h.learnt[k] >= 0 { // where NA may be a level
		return math.IsNaN(h.some.X.Row(row)[h.learnt[k]])
	}
	c := h.some.Columns[k]
	return schema.IsMissing(c.Values[c.Index[row]])
}

// Of returns the values of a row that are to be filled in.
func (h Holes) Of(row int) (holes []Hole) {
	for k, at := range h.fields {
		if at >= 0 && h.missing(row, k) {
			holes = append(holes, Hole{k, at})
		}
	}
	return holes
}

// Shown returns what a model is shown of the rows with holes, n times: give it to flow.Given.
func (h Holes) Shown(n int) flow.Batch {
	return h.schema.Shown(h.some.X.Rows(slices.Repeat(h.Rows, n)), true)
}

// Filled returns samples in data units, which were drawn for Shown, as rows [n len(Rows), C] without holes.
func (h Holes) Filled(x flow.Batch) flow.Batch {
	rows := flow.NewBatch(x.N, len(h.schema.Learnt()))
	h.schema.Complete(rows, x)
	return rows
}
