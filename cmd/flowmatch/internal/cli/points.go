package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/run"
)

// points are what logp evaluates, in data units.
type points struct {
	x     flow.Batch
	label []int32
	name  string
	own   bool // drawn from the very distribution that the run was trained on
}

// points reads or draws what the flags name.
func (f *logpFlags) points(r *run.Run) (points, error) {
	if f.dataset != "" {
		return f.draw(r)
	}
	return f.read(r)
}

func (f *logpFlags) draw(r *run.Run) (points, error) {
	if f.n < 1 {
		return points{}, usagef("--n is %d; it must be at least 1", f.n)
	}
	if f.labels != "" {
		return points{}, usagef("--labels goes with --data; --dataset has labels of its own")
	}
	p := points{name: fmt.Sprintf("%d points of %s", f.n, f.dataset), own: f.dataset == r.Config.Data.Name}
	var params data.Params
	if p.own {
		params = r.Config.Data.Params
	}
	d, err := data.ByName(f.dataset, params)
	if err != nil {
		return points{}, usageError{err}
	}
	if d.Dim() != r.Data.Dim {
		return points{}, usagef("%s has %d dimensions, but %s was trained on %d", f.dataset, d.Dim(), r.Dir, r.Data.Dim)
	}
	p.x = flow.NewBatch(f.n, d.Dim())
	rng := seed.Rand(r.Config.Seed, "flowmatch/logp", 0)
	l, labelled := d.(data.Labelled)
	if !r.Config.Conditional || !labelled || l.Classes() == 0 {
		d.Sample(p.x, rng)
		return p, nil
	}
	p.label = make([]int32, f.n)
	l.SampleLabelled(p.x, p.label, rng)
	return p, nil
}

// read reads --data as the kind of file that the run was trained on; a run of a
// synthetic set takes tables.
func (f *logpFlags) read(r *run.Run) (points, error) {
	zero := 0.0
	was := r.Config.Data
	cfg := data.Config{Path: f.data, Standardize: data.StandardizeNone, Val: &zero, Test: &zero}
	images := r.Data.Kind == data.KindImages
	if images {
		cfg.Kind, cfg.LabelsPath, cfg.Dequantize = was.ResolvedKind(), f.labels, was.Dequantize
		cfg.Size, cfg.Channels, cfg.Corrupt, cfg.Coarse = was.Size, was.Channels, was.Corrupt, was.Coarse
	} else {
		if f.labels != "" {
			return points{}, usagef("--labels is for images; name the column of labels in the run file (data.label)")
		}
		cfg.Kind, cfg.Columns, cfg.Delimiter, cfg.Header = data.KindTable, columnNames(r), was.Delimiter, was.Header
		if r.Config.Conditional {
			cfg.Label = was.Label
		}
	}
	set, err := cfg.Open("", r.Config.Seed)
	if err != nil && !images {
		set, err = nameless(r, cfg, err)
	}
	if err != nil {
		return points{}, asUsage(err, fs.ErrNotExist)
	}
	if !slices.Equal(set.Shape, r.Data.Shape) {
		return points{}, usagef("%s holds points of shape %v, but %s was trained on %v", f.data, set.Shape, r.Dir, r.Data.Shape)
	}
	if r.Config.Conditional && !slices.Equal(set.ClassNames, r.Data.ClassNames) {
		return points{}, usagef("%s holds classes %v, but %s was trained on %v", f.data, set.ClassNames, r.Dir, r.Data.ClassNames)
	}
	p := points{name: f.data}
	p.x, p.label = data.Rows(set.TrainSet, 0, set.TrainSet.Len(), seed.Rand(r.Config.Seed, "flowmatch/logp", 0))
	if !r.Config.Conditional {
		p.label = nil
	}
	return p, nil
}

// nameless reads a table whose columns were not found by name, which failed
// with the error given, once more with all its columns: they are taken in order
// when the file or the run has no names for them, and otherwise the first error
// stands.
func nameless(r *run.Run, cfg data.Config, failure error) (*data.Set, error) {
	if errors.Is(failure, fs.ErrNotExist) {
		return nil, failure
	}
	cfg.Columns = nil
	set, err := cfg.Open("", r.Config.Seed)
	if err != nil {
		return nil, err
	}
	if len(set.Columns) != r.Data.Dim {
		return nil, usagef("%s has %d columns (%s), but %s was trained on %d (%s)", cfg.Path,
			len(set.Columns), strings.Join(set.Columns, ", "), r.Dir, r.Data.Dim, strings.Join(columnNames(r), ", "))
	}
	if r.Data.Columns == nil || set.Columns[0] == "c0" || strings.ToLower(filepath.Ext(cfg.Path)) == ".npy" {
		return set, nil
	}
	return nil, failure
}
