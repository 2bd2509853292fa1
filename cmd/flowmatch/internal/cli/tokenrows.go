package cli

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data/rows"
	"flowmatch/data/table"
	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/run"
)

// This file is what commands do with runs of tokens whose sequences are rows, and with labels of sequences.

// tokenEndings are the endings of files of samples of a kind of tokens.
func tokenEndings(kind string) []string {
	switch kind {
	case text.Categories:
		return []string{".csv", ".npy"}
	case text.Integers:
		return []string{".npy"}
	}
	return []string{".txt", ".npy"}
}

// rowsOfRun reads rows of a file as those of a run, with what labels they have.
func rowsOfRun(r *run.TokenRun, file, mark string, gaps bool) (rows.Known, error) {
	spec := r.Model.Spec()
	return rows.Reader{Vocabulary: spec.Vocabulary, Length: spec.Net.Length, Gaps: gaps, Mark: mark,
		Label: r.Config.Data.Label, Classes: spec.Classes}.Read(file)
}

// knownRows reads the rows to fill in.
func (f *sampleFlags) knownRows(cmd *cobra.Command, r *run.TokenRun) (rows.Known, error) {
	v := r.Model.Spec().Vocabulary
	switch set := cmd.Flags().Changed; {
	case set("extend"):
		return rows.Known{}, usagef("--extend draws more of a text, and %s is a run of rows; leave it out", r.Dir)
	case set("mark") && v.Kind == text.Integers:
		return rows.Known{}, usagef("--mark has no effect on a run of integers, where -1 is a token to fill in")
	case v.Kind == text.Categories && slices.ContainsFunc(v.Columns, func(c text.Column) bool {
		return slices.Contains(c.Levels, f.mark)
	}):
		return rows.Known{}, usagef("--mark %s is a level of a column; give another", f.mark)
	}
	known, err := rowsOfRun(r, f.infill, f.mark, true)
	if err != nil {
		return known, err
	}
	if !slices.Contains(known.Tokens.X, text.Gap) {
		return known, usagef("--infill %s has no gap: leave a cell empty, or write %s in it (in an array -1)", f.infill,
			f.mark)
	}
	return known, nil
}

// tokenLabels returns the classes of n sequences: that of --label, or those of a file, or every class in turn where
// there is no file. Nil: the run has none.
func tokenLabels(cmd *cobra.Command, r *run.TokenRun, label string, n int, ofFile []int32, file string) ([]int32,
	error) {
	spec, set := r.Model.Spec(), cmd.Flags().Changed("label")
	switch {
	case len(spec.Classes) == 0 && set:
		return nil, usagef("--label needs a run with labels (data.label, data.labels_path), and %s has none", r.Dir)
	case len(spec.Classes) == 0:
		return nil, nil
	case set && ofFile != nil:
		return nil, usagef("--label is one class for all rows, and %s has a column %s; leave one of them out", file,
			r.Config.Data.Label)
	case set:
		class, err := spec.Class(label)
		if err != nil {
			return nil, usagef("--label: %w", err)
		}
		return slices.Repeat([]int32{class}, n), nil
	case ofFile == nil && file != "":
		return nil, usagef("%s is told a class for each row, and %s has none; give --label", r.Dir, file)
	case ofFile == nil:
		return flow.LabelsInTurn(n, len(spec.Classes)), nil
	}
	return ofFile, nil
}

// guidanceOf returns the guidance of --guidance; nil: none.
func (f *sampleFlags) guidanceOf(cmd *cobra.Command, r *run.TokenRun) (*float64, error) {
	switch {
	case !cmd.Flags().Changed("guidance"):
		return nil, nil
	case len(r.Model.Spec().Classes) == 0:
		return nil, usagef("--guidance needs a run with labels (data.label, data.labels_path), and %s has none", r.Dir)
	case r.Config.Train.LabelDropout == 0:
		return nil, usagef("--guidance needs a run that was trained with train.label_dropout, and %s was not", r.Dir)
	}
	return &f.guidance, checkScale(f.guidance)
}

// writeTokens writes samples, and returns the files.
func writeTokens(r *run.TokenRun, file, ext string, x discrete.Tokens, label []int32) ([]string, error) {
	switch ext {
	case ".csv":
		return []string{file}, atomicfile.WriteFile(file, func(w io.Writer) error { return r.WriteTable(w, x, label) })
	case ".npy":
		if err := table.WriteIntNPY(file, x.N, x.L, x.X); err != nil || label == nil {
			return []string{file}, err
		}
		beside := strings.TrimSuffix(file, ext) + ".label" + ext
		return []string{file, beside}, table.WriteIntNPY(beside, x.N, 1, label)
	}
	return []string{file}, atomicfile.WriteFile(file, func(w io.Writer) error { return r.WriteTexts(w, x) })
}
