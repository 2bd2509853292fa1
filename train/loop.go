package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
	"flowmatch/model"
	"flowmatch/nn"
)

// Loop says how long and how fast to train, and how often to report, to validate and
// to save. It is the same for flows, classifiers and neural ODEs. The zero value of every
// field is usable; Defaults fills it in. Where 0 is a value of its own, nil is the
// default: new(100) sets such a field.
type Loop struct {
	Steps int `yaml:"steps" json:"steps"` // optimizer steps; default 10,000
	Batch int `yaml:"batch" json:"batch"` // examples a step; default 256

	LR    float64  `yaml:"lr" json:"lr"`         // peak learning rate; default 1e-3, of a flow see [Config.DefaultsFor]
	LRMin *float64 `yaml:"lr_min" json:"lr_min"` // where decay ends and warm-up begins; default 1e-8
	// Schedule is constant, cosine (default) or poly: linear decay, as the paper's.
	Schedule string `yaml:"schedule" json:"schedule"`
	Warmup   int    `yaml:"warmup" json:"warmup"` // steps of linear warm-up; default 0

	// LogEvery is the number of steps between log lines; 0: only at validations,
	// snapshots and the last step; default 50.
	LogEvery *int `yaml:"log_every" json:"log_every"`
	// ValEvery is the number of steps between validations, the last step being one more;
	// 0: never; default 500.
	ValEvery *int `yaml:"val_every" json:"val_every"`
	// Patience is the number of validations without improvement before stopping early;
	// 0 (default): never.
	Patience int `yaml:"patience" json:"patience"`
	// CheckpointEvery is the number of steps between checkpoints; 0: only at the end;
	// default 1000.
	CheckpointEvery *int `yaml:"checkpoint_every" json:"checkpoint_every"`
	// SnapshotEvery is the number of steps between states that are kept for good, to
	// look back at; 0 (default): never.
	SnapshotEvery int `yaml:"snapshot_every,omitempty" json:"snapshot_every,omitempty"`
	// SampleEvery is the number of steps between pictures of samples; 0 (default): never.
	SampleEvery int `yaml:"sample_every,omitempty" json:"sample_every,omitempty"`
}

// Schedules returns the names of the learning rate schedules.
func Schedules() []string { return []string{"constant", "cosine", "poly"} }

// Defaults returns l with every unset field filled in.
func (l Loop) Defaults() Loop {
	setDefault(&l.Steps, 10000)
	setDefault(&l.Batch, 256)
	setDefault(&l.LR, 1e-3)
	setDefault(&l.Schedule, "cosine")
	setPointer(&l.LRMin, 1e-8)
	setPointer(&l.LogEvery, 50)
	setPointer(&l.ValEvery, 500)
	setPointer(&l.CheckpointEvery, 1000)
	return l
}

// setDefault replaces the zero value.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// setPointer replaces nil; another zero is a value of its own.
func setPointer[T any](p **T, def T) {
	if *p == nil {
		*p = &def
	}
}

// Validate reports the first field that cannot be used, and what would be right.
func (l Loop) Validate() error {
	l = l.Defaults()
	if err := choice.Check("schedule", l.Schedule, Schedules()); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	for _, f := range []struct {
		name string
		v    int
		min  int
	}{
		{"steps", l.Steps, 1}, {"batch", l.Batch, 1}, {"warmup", l.Warmup, 0}, {"patience", l.Patience, 0},
		{"snapshot_every", l.SnapshotEvery, 0}, {"sample_every", l.SampleEvery, 0},
		{"log_every", *l.LogEvery, 0}, {"val_every", *l.ValEvery, 0}, {"checkpoint_every", *l.CheckpointEvery, 0},
	} {
		if f.v < f.min {
			return fmt.Errorf("train: %s is %d; it must be at least %d", f.name, f.v, f.min)
		}
	}
	switch {
	case !(l.LR > 0) || math.IsInf(l.LR, 0):
		return fmt.Errorf("train: lr is %g; it must be positive", l.LR)
	case !(*l.LRMin >= 0 && *l.LRMin <= l.LR):
		return fmt.Errorf("train: lr_min is %g; it must not be negative, and at most lr = %g", *l.LRMin, l.LR)
	case l.Warmup >= l.Steps:
		return fmt.Errorf("train: warmup of %d steps leaves none of %d steps to train at the full rate", l.Warmup,
			l.Steps)
	case l.Patience > 0 && *l.ValEvery == 0:
		return fmt.Errorf("train: patience is %d, but val_every is 0: without validations nothing ends early; "+
			"set val_every, or leave patience out", l.Patience)
	}
	return nil
}

// LearningRate returns the learning rate of a step, counted from 0: a linear
// warm-up from LRMin to LR, then the schedule down to LRMin.
func (l Loop) LearningRate(step int) float64 {
	l = l.Defaults()
	low := *l.LRMin
	if step < l.Warmup {
		return low + (l.LR-low)*float64(step+1)/float64(l.Warmup)
	}
	progress := float64(step-l.Warmup) / float64(max(1, l.Steps-l.Warmup))
	switch l.Schedule {
	case "cosine":
		return low + (l.LR-low)*(1+math.Cos(math.Pi*progress))/2
	case "poly":
		return l.LR + (low-l.LR)*progress
	}
	return l.LR
}

// StepFunc takes optimizer step number step, counted from 0, at learning rate lr.
type StepFunc func(step int, lr float64) (nn.StepResult, error)

// Task is what a Loop runs: steps of any network.
type Task struct {
	// Trainer holds the state, which says how many steps were taken already.
	Trainer *nn.Trainer
	Step    StepFunc
	// Validate measures the averaged weights on held-out data: less is better. It may end,
	// with its error, when ctx does. nil: never.
	Validate func(ctx context.Context) (float64, error)
	// Model returns the model of the averaged weights, for Hooks.Sample; nil for networks
	// that are no flow.
	Model func() (*model.Model, error)
	// Progress is what a checkpoint of the state had kept; the zero Progress at the start.
	Progress Progress
	Hooks    Hooks

	squares bool // the loss is a mean of squares, which diverges where it grows thirtyfold

	best *[]float32 // where the averaged weights of the best validation go; nil: nowhere
}

// ErrInterrupted is returned when the context ended the training. Where there is a
// Hooks.Save, it has saved the state, and the training can be resumed.
var ErrInterrupted = errors.New("train: interrupted")

// check reports a task that lacks something, and settings that would have no effect on it:
// it lacks what they are for.
func (l Loop) check(t Task) error {
	if t.Trainer == nil {
		return errors.New("train: Task.Trainer is nil; make one by NewTrainer of a network")
	}
	for _, f := range []struct {
		name  string
		value int
		lacks bool
		what  string
	}{
		{"patience", l.Patience, t.Validate == nil, "there is no validation, which needs held-out data"},
		{"snapshot_every", l.SnapshotEvery, t.Hooks.Snapshot == nil, "there is no Hooks.Snapshot"},
		{"sample_every", l.SampleEvery, t.Hooks.Sample == nil, "there is no Hooks.Sample"},
		{"sample_every", l.SampleEvery, t.Model == nil, "there is no Task.Model to sample: the network is no flow"},
	} {
		if f.value > 0 && f.lacks {
			return fmt.Errorf("train: %s is %d, but %s: leave it out", f.name, f.value, f.what)
		}
	}
	return nil
}

// Run takes steps until l.Steps or early stopping, from the state of the task's
// trainer. When ctx ends, the error is [ErrInterrupted]; when the loss is not finite,
// [nn.ErrDiverged], with the last step whose state was saved.
func (l Loop) Run(ctx context.Context, t Task) (Progress, error) {
	l = l.Defaults()
	if err := cmp.Or(l.Validate(), l.check(t)); err != nil {
		return t.Progress, err
	}
	if t.Step == nil {
		return t.Progress, errors.New("train: Task.Step is nil; set it to the function that takes a step")
	}
	r := &running{Loop: l, t: t, p: t.Progress, start: time.Now(), reported: time.Now(), before: t.Progress.Seconds}
	if t.Hooks.Save != nil {
		r.saved = t.Trainer.Steps() // that of the checkpoint, if there is one
	}
	// What ended early goes on where there is no early stopping any more, or more of it.
	r.p.Stopped = r.p.Stopped && l.Patience > 0 && r.p.Misses >= l.Patience
	if due := r.p.Due; due != nil {
		r.p.Due = nil
		if err := r.finish(ctx, *due); err != nil {
			return r.failed(ctx, err)
		}
	}
	for step := int(t.Trainer.Steps()); step < l.Steps && !r.p.Stopped; step++ {
		if ctx.Err() != nil {
			return r.interrupt(ctx.Err())
		}
		lr := l.LearningRate(step)
		res, err := t.Step(step, lr)
		if err != nil && ctx.Err() != nil {
			return r.interrupt(ctx.Err())
		}
		if err == nil {
			err = r.after(ctx, step, lr, res)
		}
		if err != nil {
			return r.failed(ctx, err)
		}
	}
	if err := r.save(false); err != nil {
		return r.failed(ctx, err)
	}
	return r.p, nil
}

// failed ends a loop with an error, which is that of ctx where it ended a validation.
func (r *running) failed(ctx context.Context, err error) (Progress, error) {
	switch {
	case r.p.Due != nil:
		return r.interrupt(ctx.Err())
	case errors.Is(err, nn.ErrDiverged) && r.saved > 0:
		return r.p, fmt.Errorf("%w; the state of step %d is saved, and can be used, but resumed it comes here again: "+
			"train anew with what is lower or clipped", err, r.saved)
	}
	return r.p, err
}

// running is a Loop under way.
type running struct {
	Loop
	t        Task
	p        Progress
	start    time.Time
	before   float64   // seconds of earlier sessions
	reported time.Time // of the last log line
	steps    int       // since then
	saved    int64     // the last step whose state was saved; 0: none
}

// due reports whether something that is done every so many steps (0: never) is due.
func due(step, every int) bool { return every > 0 && step%every == 0 }

// after does what is due after step number step (from 0).
func (r *running) after(ctx context.Context, step int, lr float64, res nn.StepResult) error {
	if err := r.watch(step, res.Loss); err != nil {
		return err
	}
	r.p.Sum += res.Loss
	r.p.NFE += res.NFE
	r.p.Count++
	r.steps++
	r.p.Seconds = r.before + time.Since(r.start).Seconds()
	if r.t.Hooks.Step != nil {
		r.t.Hooks.Step(step+1, res.Loss)
	}
	return r.finish(ctx, Event{Step: step + 1, GradNorm: res.GradNorm, LR: lr,
		Seconds: r.p.Seconds, Slower: r.p.Slower})
}

// finish does what is due after the step of a line: all but what counts it.
func (r *running) finish(ctx context.Context, e Event) error {
	done, h := e.Step, r.t.Hooks
	last, best := done == r.Steps, false
	if r.t.Validate != nil && *r.ValEvery > 0 && (due(done, *r.ValEvery) || last) {
		v, err := r.t.Validate(ctx)
		if err != nil {
			if ctx.Err() != nil {
				r.p.Due = &e
			}
			return err
		}
		if v-v != 0 { // infinite, too: no log line holds it
			return fmt.Errorf("%w: the validation loss after step %d is %g; lower the learning rate, clip gradients "+
				"or check the scale of the data", nn.ErrDiverged, done, v)
		}
		e.ValLoss = &v
		if best, err = r.improved(v, done); err != nil {
			return err
		}
	}
	if due(done, *r.LogEvery) || last || e.ValLoss != nil || due(done, r.SnapshotEvery) {
		if err := r.report(e); err != nil {
			return err
		}
	}
	if h.Sample != nil && due(done, r.SampleEvery) {
		m, err := r.t.Model()
		if err == nil {
			err = h.Sample(done, m)
		}
		if err != nil {
			return err
		}
	}
	if h.Snapshot != nil && due(done, r.SnapshotEvery) {
		s, err := r.state()
		if err == nil {
			err = h.Snapshot(s)
		}
		if err != nil {
			return err
		}
	}
	if best || due(done, *r.CheckpointEvery) && !last {
		return r.save(best)
	}
	return nil
}

// report completes a log line and hands it on.
func (r *running) report(e Event) error {
	n := float64(r.p.Count)
	e.Loss, e.NFE = r.p.Sum/n, r.p.NFE/n
	r.p.Sum, r.p.NFE, r.p.Count = 0, 0, 0
	now := time.Now()
	e.Rate = math.Round(float64(r.steps*r.Batch) / max(now.Sub(r.reported).Seconds(), 1e-9))
	_, peak := memory.Process()
	e.PeakMiB = math.Round(float64(peak) / (1 << 20))
	r.reported, r.steps = now, 0
	if r.t.Hooks.Event == nil {
		return nil
	}
	return r.t.Hooks.Event(e)
}

// improved records a validation loss and reports whether the state should be kept
// as the best; that matters only when stopping early is possible.
func (r *running) improved(v float64, step int) (best bool, err error) {
	if r.p.BestStep == 0 || v < r.p.BestLoss {
		r.p.BestLoss, r.p.BestStep, r.p.Misses = v, step, 0
		if r.t.best != nil {
			*r.t.best, err = r.t.Trainer.AveragedWeights()
		}
		return r.Patience > 0, err
	}
	r.p.Misses++
	r.p.Stopped = r.Patience > 0 && r.p.Misses >= r.Patience
	return false, nil
}

// state returns that of the trainer, to be read before the next step, which is finite: one that is
// not is [nn.ErrDiverged], and takes the place of none that was saved.
func (r *running) state() (nn.State, error) {
	s, err := r.t.Trainer.View()
	if err != nil {
		return s, err
	}
	for _, slab := range []struct {
		name string
		data []float32
	}{{"weights", s.Weights}, {"averaged weights", s.EMA}, {"means of gradients", s.Moment1},
		{"means of squared gradients", s.Var2}} {
		for _, v := range slab.data {
			if v-v != 0 {
				return s, fmt.Errorf("%w at step %d: the %s hold %g; lower the learning rate, clip gradients or check "+
					"the scale of the data", nn.ErrDiverged, s.Step, slab.name, v)
			}
		}
	}
	return s, nil
}

// save hands on the state of the trainer, which must be finite also where nobody saves it.
func (r *running) save(best bool) error {
	s, err := r.state()
	if err != nil || r.t.Hooks.Save == nil {
		return err
	}
	if err := r.t.Hooks.Save(s, r.p, best); err != nil {
		return err
	}
	r.saved = s.Step
	return nil
}

func (r *running) interrupt(cause error) (Progress, error) {
	if err := r.save(false); err != nil {
		return r.p, fmt.Errorf("train: interrupted, and the state could not be saved: %w", err)
	}
	if r.t.Hooks.Save == nil {
		return r.p, fmt.Errorf("%w (%w)", ErrInterrupted, cause)
	}
	return r.p, fmt.Errorf("%w; the state is saved, resume to go on (%w)", ErrInterrupted, cause)
}
