package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"flowmatch/internal/memory"
	"flowmatch/nn"
)

// Event is what the loop tells at a log line.
type Event struct {
	Step     int      `json:"step"`               // steps taken
	Loss     float64  `json:"loss"`               // mean over the steps since the last line
	GradNorm float64  `json:"grad_norm"`          // of the last step, before clipping
	LR       float64  `json:"lr"`                 // of the last step
	ValLoss  *float64 `json:"val_loss,omitempty"` // of the averaged weights, when this step was validated
	NFE      float64  `json:"nfe,omitempty"`      // evaluations of the field in a step's solve, mean like Loss; 0: nothing is solved
	Seconds  float64  `json:"seconds"`            // training time, over all sessions of the run
	// Rate is the examples a second since the last line, validation and saving
	// included, and PeakMiB the most memory that the process has held; 0: not known.
	Rate    float64 `json:"examples_per_second,omitempty"`
	PeakMiB float64 `json:"peak_mib,omitempty"`
}

// Progress is what a checkpoint must carry besides the network's state.
type Progress struct {
	BestLoss float64 `json:"best_loss"` // lowest validation loss so far
	BestStep int     `json:"best_step"` // its step; 0: none yet
	Misses   int     `json:"misses"`    // validations since
	Stopped  bool    `json:"stopped"`   // ended early
	Seconds  float64 `json:"seconds"`
	// The log line in the making: sums of losses and evaluations over Count steps.
	Sum   float64 `json:"sum"`
	NFE   float64 `json:"nfe,omitempty"`
	Count int     `json:"count"`
}

// Marshal and UnmarshalProgress keep a Progress in a checkpoint's metadata.
func (p Progress) Marshal() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic("train: a progress of plain numbers failed to encode: " + err.Error())
	}
	return string(b)
}

// UnmarshalProgress is the inverse of Marshal; "" is the start.
func UnmarshalProgress(s string) (p Progress, err error) {
	if s == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(s), &p); err != nil {
		return p, fmt.Errorf("train: progress %q: %w", s, err)
	}
	return p, nil
}

// Hooks is what the loop tells and saves. Nil hooks are not called.
type Hooks struct {
	// Step is called after every step with the loss of that step.
	Step func(step int, loss float64)
	// Event is called at every log line.
	Event func(Event) error
	// Save is called when the state should reach the disk; best says that its
	// validation loss is the lowest so far.
	Save func(s nn.State, p Progress, best bool) error
	// Snapshot is called every Config.SnapshotEvery steps, with a state to keep.
	Snapshot func(s nn.State) error
	// Sample is called every Config.SampleEvery steps with the averaged weights, to
	// show what they make.
	Sample func(step int, net *nn.Net) error
}

// ErrInterrupted is returned when the context ended the run; its state has been
// saved and the run can be resumed.
var ErrInterrupted = errors.New("train: interrupted; the state is saved, resume to go on")

// Objective is what a network is trained to do, one optimizer step at a time.
type Objective interface {
	// Steps returns the function that takes the steps from number from on, in
	// order. What a step does is a pure function of the objective, its number and
	// the trainer's state, so that a run can be resumed at any step. ctx ends
	// whatever works ahead.
	Steps(ctx context.Context, tr *nn.Trainer, cfg Config, from int) StepFunc
}

// StepFunc takes optimizer step number step, counted from 0, at learning rate lr.
type StepFunc func(step int, lr float64) (nn.StepResult, error)

// Validate measures a network on held-out points: less is better.
type Validate func(net *nn.Net) (float64, error)

// Run trains until cfg.Steps or early stopping, starting from the trainer's
// state and p (the zero Progress at the start). val judges the averaged weights;
// nil: nobody does.
func Run(ctx context.Context, tr *nn.Trainer, o Objective, val Validate, cfg Config, p Progress, h Hooks) (Progress, error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return p, err
	}
	l := &loop{tr: tr, val: val, cfg: cfg, p: p, h: h, start: time.Now(), told: time.Now(), before: p.Seconds}
	state, err := tr.State()
	if err != nil {
		return p, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	take := o.Steps(ctx, tr, cfg, int(state.Step))
	for step := int(state.Step); step < cfg.Steps && !l.p.Stopped; step++ {
		if ctx.Err() != nil {
			return l.interrupt(ctx.Err())
		}
		lr := cfg.LearningRate(step)
		r, err := take(step, lr)
		if err != nil && ctx.Err() != nil {
			return l.interrupt(ctx.Err())
		}
		if err == nil {
			err = l.after(step, lr, r)
		}
		if err != nil {
			return l.p, err
		}
	}
	return l.p, l.save(false)
}

type loop struct {
	tr     *nn.Trainer
	val    Validate
	cfg    Config
	p      Progress
	h      Hooks
	start  time.Time
	before float64   // seconds of earlier sessions
	told   time.Time // of the last log line
	steps  int       // since then
}

// after does what is due after step number step (from 0).
func (l *loop) after(step int, lr float64, r nn.StepResult) error {
	l.p.Sum += r.Loss
	l.p.NFE += r.NFE
	l.p.Count++
	l.steps++
	l.p.Seconds = l.before + time.Since(l.start).Seconds()
	done := step + 1
	last := done == l.cfg.Steps
	if l.h.Step != nil {
		l.h.Step(done, r.Loss)
	}
	e := Event{Step: done, GradNorm: r.GradNorm, LR: lr, Seconds: l.p.Seconds}
	best := false
	if l.val != nil && (done%l.cfg.ValEvery == 0 || last) {
		v, err := l.validate()
		if err != nil {
			return err
		}
		e.ValLoss = &v
		best = l.judge(v, done)
	}
	if done%l.cfg.LogEvery == 0 || last || e.ValLoss != nil || l.snapshot(done) {
		n := float64(l.p.Count)
		e.Loss, e.NFE = l.p.Sum/n, l.p.NFE/n
		l.p.Sum, l.p.NFE, l.p.Count = 0, 0, 0
		l.cost(&e)
		if l.h.Event != nil {
			if err := l.h.Event(e); err != nil {
				return err
			}
		}
	}
	if err := l.sample(done); err != nil {
		return err
	}
	if best || done%l.cfg.CheckpointEvery == 0 && !last {
		if err := l.save(best); err != nil {
			return err
		}
	}
	if l.snapshot(done) && l.h.Snapshot != nil {
		s, err := l.tr.State()
		if err != nil {
			return err
		}
		return l.h.Snapshot(s)
	}
	return nil
}

// cost tells what the steps since the last line took.
func (l *loop) cost(e *Event) {
	now := time.Now()
	e.Rate = math.Round(float64(l.steps*l.cfg.Batch) / max(now.Sub(l.told).Seconds(), 1e-9))
	_, peak := memory.Process()
	e.PeakMiB = math.Round(float64(peak) / (1 << 20))
	l.told, l.steps = now, 0
}

// snapshot reports whether a step's state is kept; its log line tells the time.
func (l *loop) snapshot(step int) bool {
	return l.cfg.SnapshotEvery > 0 && step%l.cfg.SnapshotEvery == 0
}

// sample shows what the averaged weights make, at the steps at which that is due.
func (l *loop) sample(step int) error {
	if l.h.Sample == nil || l.cfg.SampleEvery == 0 || step%l.cfg.SampleEvery != 0 {
		return nil
	}
	net, err := l.tr.Net(true)
	if err != nil {
		return err
	}
	return l.h.Sample(step, net)
}

// judge records a validation loss and reports whether the state should be kept
// as the best; that matters only when stopping early is possible.
func (l *loop) judge(v float64, step int) (best bool) {
	if l.p.BestStep == 0 || v < l.p.BestLoss {
		l.p.BestLoss, l.p.BestStep, l.p.Misses = v, step, 0
		return l.cfg.Patience > 0
	}
	l.p.Misses++
	l.p.Stopped = l.cfg.Patience > 0 && l.p.Misses >= l.cfg.Patience
	return false
}

func (l *loop) validate() (float64, error) {
	net, err := l.tr.Net(true)
	if err != nil {
		return 0, err
	}
	return l.val(net)
}

func (l *loop) save(best bool) error {
	if l.h.Save == nil {
		return nil
	}
	s, err := l.tr.State()
	if err != nil {
		return err
	}
	return l.h.Save(s, l.p, best)
}

func (l *loop) interrupt(cause error) (Progress, error) {
	if err := l.save(false); err != nil {
		return l.p, fmt.Errorf("train: interrupted, and the state could not be saved: %w", err)
	}
	return l.p, fmt.Errorf("%w (%w)", ErrInterrupted, cause)
}
