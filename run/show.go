package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"flowmatch/data"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/tfevents"
	"flowmatch/model"
	"flowmatch/plot"
	"flowmatch/train"
)

// The points of a picture of samples while training: enough to see, soon drawn.
const (
	shownImages = 64
	shownPoints = 2000
)

// samplesName is the name of the picture of samples of a step; see train.Loop.SampleEvery.
const samplesName = "samples-%d.png"

func samplesFile(dir string, step int) string {
	return filepath.Join(dir, fmt.Sprintf(samplesName, step))
}

// drawable reports data whose samples cannot be drawn, before anything is trained.
func (s *session) drawable() error {
	if s.cfg.Train.SampleEvery > 0 && s.set.Kind != data.KindImages && s.set.Dim > plot.MaxPairs {
		return fmt.Errorf(
			"%w: train.sample_every is for images and points of up to %d dimensions; these have %d: remove it",
			ErrSettings, plot.MaxPairs, s.set.Dim)
	}
	return nil
}

// records are what a session writes as training goes on: its log, and pictures of what the
// averaged weights make.
type records struct {
	*session
	ctx     context.Context // of the training
	metrics *metricsLog
	board   *board
	undrawn func(step int, err error)
	left    bool // a picture is left to the next session
}

// begin opens the logs of the steps after from.
func (p *records) begin(from int) (err error) {
	if p.metrics, err = openMetrics(filepath.Join(p.dir, MetricsFile), from); err != nil {
		return err
	}
	p.board, err = p.openBoard(from)
	return err
}

// event writes a line of both.
func (p *records) event(e train.Event) error {
	if err := p.board.Event(e); err != nil {
		return err
	}
	return p.metrics.Append(e)
}

// Close closes them; a second call does nothing.
func (p *records) Close() error { return errors.Join(p.metrics.Close(), p.board.Close()) }

// resume draws the picture of the step that a run goes on from, where an interrupt
// came before it was drawn.
func (p *records) resume() error {
	every := p.cfg.Train.SampleEvery
	if every == 0 || p.from == 0 || p.from%every != 0 || exists(samplesFile(p.dir, p.from)) ||
		p.progress.Due != nil { // the step is taken up again, with its picture
		return nil
	}
	net, err := p.trainer.ViewAveraged()
	if err != nil {
		return err
	}
	m, err := p.model.WithNet(net)
	if err != nil {
		return err
	}
	return p.draw(p.from, m)
}

// draw draws the samples of a step, always from the same noise, so that pictures of
// different steps compare. When training is interrupted meanwhile it leaves that to the
// next session.
func (p *records) draw(step int, m *model.Model) error {
	r := p.during(m, step)
	o := PictureOptions{N: shownPoints, Seed: p.cfg.Seed}
	if p.set.Kind == data.KindImages {
		if o.N = shownImages; r.ClassColumns() > 0 {
			o.N -= shownImages % r.ClassColumns() // whole rows
		}
	}
	var png bytes.Buffer
	switch err := r.Picture(p.ctx, &png, "samples", o); {
	case p.ctx.Err() != nil:
		p.left = true
		return nil
	case err != nil:
		if p.undrawn != nil {
			p.undrawn(step, err)
		}
		return nil
	}
	if err := atomicfile.WriteBytes(samplesFile(p.dir, step), png.Bytes()); err != nil {
		return err
	}
	return p.board.write(step, tfevents.Value{Tag: "samples", PNG: png.Bytes()})
}

// board is a session's event file of TensorBoard; nil: none is asked for.
type board struct{ w *tfevents.Writer }

// openBoard begins an event file, with the steps after from, in place of what was written of
// them earlier: by a session that did not come to save them, or before the training began
// again.
func (s *session) openBoard(from int) (*board, error) {
	if !s.cfg.Train.TensorBoard {
		return nil, nil
	}
	w, err := tfevents.Create(filepath.Join(s.dir, boardDir), time.Now(), from+1)
	return &board{w}, err
}

// Event writes every number of a line of metrics as a scalar of the same name.
func (b *board) Event(e train.Event) error {
	if b == nil {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	var values []tfevents.Value
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if x, ok := fields[name].(float64); ok && name != "step" {
			values = append(values, tfevents.Value{Tag: name, Scalar: x})
		}
	}
	return b.write(e.Step, values...)
}

func (b *board) write(step int, values ...tfevents.Value) error {
	if b == nil {
		return nil
	}
	return b.w.Write(time.Now(), step, values...)
}

// Close closes the file; a second call does nothing.
func (b *board) Close() error {
	if b == nil || b.w == nil {
		return nil
	}
	w := b.w
	b.w = nil
	return w.Close()
}
