package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"flowmatch/data/table"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/run"
)

// partsFrom is how many numbers samples have that are written part by part: 32 MB of them.
const partsFrom = 4 << 20

// mostInParts is how many numbers a file is given part by part: 100 GB of text or more. What is beyond fits no usual
// disk, and is refused as if it were to be held in memory; what fits not the disk that is there, after the first part.
const mostInParts = 1e10

// inParts says whether the samples are many, and can go to the file part by part: each row of it must
// follow from one sample, whatever the others are.
func (f *sampleFlags) inParts(r *run.Run) bool {
	spec, ext := r.Model.Spec(), filepath.Ext(f.out)
	rows := ext == ".csv" || ext == ".npy" && spec.Net.Classes == 0
	numbers := float64(f.n) * float64(f.dim(r))
	return !f.shared && rows && numbers >= partsFrom && numbers <= mostInParts &&
		!f.logp && !f.mode && f.given == "" && f.condition == "" && f.grid == "" && spec.Net.Context == 0
}

// sampleInParts draws the samples of o and writes each part when it is there.
func (f *sampleFlags) sampleInParts(ctx context.Context, r *run.Run, o model.SampleOptions, start time.Time,
	ext string) (result, error) {
	var shown model.Samples // the first part, which stands for all where they are looked at
	var notes []string
	var failed *ode.PointsError
	err := atomicfile.WriteFile(f.out, func(file io.Writer) error {
		w := &counted{to: file}
		st, err := r.Model.SampleEach(ctx, o, func(first int, s model.Samples) error {
			d := run.Drawn{X: s.X, Complete: f.complete}
			if l := o.Given.Slice(first, first+s.X.N).Label; l != nil {
				if d.Label = l; len(l) == 1 {
					d.Label = slices.Repeat(l, s.X.N)
				}
			}
			rows, err := f.rowsOf(r, d)
			if err != nil {
				return err
			}
			switch {
			case first > 0 && ext == ".npy":
				return table.EncodeNPYRows(w, rows.X)
			case first > 0:
				return rows.More(w)
			}
			shown, notes = s, rows.Notes
			if ext == ".csv" {
				err = rows.CSV(w)
			} else if err = table.EncodeNPYHead(w, f.n, rows.X.D); err == nil {
				err = table.EncodeNPYRows(w, rows.X)
			}
			if err != nil {
				return err
			}
			return atomicfile.Fits(f.out, float64(w.bytes)*float64(f.n-s.X.N)/float64(s.X.N))
		})
		shown.Stats = st
		if errors.As(err, &failed) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, asUsage(err, model.ErrNoScore)
	}
	res := f.result(r, shown, o.Sampler, start, o.Given.Empty())
	res.N, res.Files = f.n, []string{f.out}
	res.Warnings = append(res.Warnings, notes...)
	if failed != nil {
		res.Unsolved = slices.Sorted(slices.Values(failed.Points))
		err = unsolved(res.Unsolved, failed, f.n, 0)
	}
	return res, err
}

// unsolved is the error of samples that could not be drawn, of n for so many contexts; the others
// are there.
func unsolved(points []int, failed *ode.PointsError, n, contexts int) error {
	if contexts == 0 {
		return partial{fmt.Errorf("%d of %d samples cannot be drawn, and are NaN: sample %d: %w", len(points), n,
			points[0]+1, failed.Errs[0])}
	}
	var of []string
	for _, i := range points {
		of = append(of, fmt.Sprint(i/(n/contexts)+1))
	}
	of = slices.Compact(of)
	return partial{fmt.Errorf("%d of %d samples cannot be drawn, and are NaN: those of context %s: %w", len(points), n,
		choice.Cut(strings.Join(of, ", ")), failed.Errs[0])}
}

// rowsOf returns samples as rows of what is asked for: images, or with --latents what these are made of.
func (f *sampleFlags) rowsOf(r *run.Run, d run.Drawn) (run.Rows, error) {
	if f.latents {
		return run.RowsOf(r.Model.Spec(), d), nil
	}
	return r.RowsOf(d)
}

// dim is how many numbers a sample has as it is written.
func (f *sampleFlags) dim(r *run.Run) int {
	if f.decoder == nil || f.latents {
		return r.Model.Dim()
	}
	n := 1
	for _, d := range f.decoder.Image() {
		n *= d
	}
	return n
}

// counted counts the bytes that are written through it.
type counted struct {
	to    io.Writer
	bytes int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes += int64(n)
	return n, err
}
