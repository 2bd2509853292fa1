package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"flowmatch/cluster"
	"flowmatch/data"
	"flowmatch/data/table"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/internal/filelock"
	"flowmatch/internal/memory"
	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// TrainOptions is what a training session takes beside its Config.
type TrainOptions struct {
	// Resume goes on from the folder's checkpoint, if there is one. Without it
	// a folder that holds a run already is an error.
	Resume bool
	// Step and Event are the hooks of [train.Hooks].
	Step  func(step int, loss float64)
	Event func(train.Event)
	// Saved is called with the step of a state that is on disk now, to be resumed.
	Saved func(step int)
	// Resumed is called with the step that a resumed run goes on from, and with the
	// settings that have changed since; see [Change].
	Resumed  func(step int, changes []Change)
	FellBack func(train.FellBack)
	// Opened is called before training with the data, and with the settings that they
	// complete.
	Opened func(*data.Set, Config)
	// Estimated is called before a training of a gigabyte and more with what it takes.
	Estimated func(Estimate)
	// Shared is called before a training of several ranks with how they share the examples.
	Shared func(train.Sharing)
	// Warned is called before training with what is wrong with the data, a sentence each:
	// a scale at which they train badly.
	Warned func(warning string)
	// Unsealed is called before training where the folder cannot be marked as made here, with
	// the settings that will not be followed in it then unless they are given, and why.
	Unsealed func(keys []string, why error)
	// Undrawn is called where the samples of a step cannot be solved for or drawn, so
	// that there is no picture of them; training goes on.
	Undrawn func(step int, err error)
	// Ranks are the processes that share the steps; nil: this one makes them all. Rank 0 alone writes,
	// opens the folder and has the hooks called, but for Step. With a teacher all must see the folder.
	Ranks *cluster.Comm
}

// ErrExists is returned by Train when the folder already holds a run.
var ErrExists = errors.New("run: the folder already holds a run")

// ErrInTheWay is returned by Train for a folder of no run that has files of the names of those
// that a training makes, which would be lost.
var ErrInTheWay = errors.New("run: the folder is that of no run")

// Train trains in dir until it is done or ctx ends, and returns the run opened; on other
// ranks than 0 nil. When ctx ends, the state is saved and the error is train.ErrInterrupted. While it
// trains, nobody else can in the same folder: see [ErrBusy].
func Train(ctx context.Context, cfg Config, dir string, o TrainOptions) (*Run, error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	if o.Ranks.Rank() > 0 {
		return nil, follow(ctx, cfg, dir, o)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, o.Ranks.Agree(err)
	}
	defer lock.Unlock()
	s, err := prepare(ctx, cfg, dir, o)
	if err := s.gather(o.Ranks, err); err != nil {
		return nil, err
	}
	if err := o.Ranks.Agree(s.begin()); err != nil {
		return nil, err
	}
	if err := s.run(ctx, o); err != nil {
		return nil, err
	}
	return s.opened()
}

// session is everything that one call of Train works with.
type session struct {
	cfg       Config
	dir       string
	set       *data.Set
	objective train.Objective
	model     *model.Model // without weights: the trainer has them
	trainer   *nn.NetTrainer
	progress  train.Progress
	begun     bool // it goes on from a checkpoint
	from      int
	warnings  []string                    // of the data
	made      string                      // the fingerprint of the pairs of the teacher; empty without one
	decoder   func() (*nn.Decoder, error) // of latents; nil: the points are none
}

// heldFolder is a folder whose lock is held.
type heldFolder struct {
	*filelock.Folder
	made string // the folder, if it was not there before
}

// Unlock gives the lock back. A folder that was made for nothing goes with it: one that is empty.
func (h heldFolder) Unlock() {
	h.Folder.Unlock()
	if h.made != "" {
		os.Remove(h.made) // fails if anything is in it
	}
}

// lockFolder makes a folder, takes its lock and clears it of what killed processes left.
func lockFolder(dir string) (h heldFolder, err error) {
	if !exists(dir) {
		h.made = dir
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return h, fmt.Errorf("run: %w", err)
	}
	h.Folder, err = filelock.LockFolder(dir)
	switch {
	case errors.Is(err, ErrBusy):
		return h, fmt.Errorf("run: %w; wait until it ends, stop it, or take another folder", err)
	case err != nil:
		return h, fmt.Errorf("run: %w", err)
	}
	atomicfile.Sweep(dir)
	return h, nil
}

func prepare(ctx context.Context, cfg Config, dir string, o TrainOptions) (*session, error) {
	if exists(filepath.Join(dir, ConfigFile)) && !o.Resume {
		return nil, fmt.Errorf("%w: %s; train into another folder, or resume it", ErrExists, dir)
	}
	if err := cmp.Or(nothingInTheWay(dir), besideData(dir, cfg)); err != nil {
		return nil, err
	}
	s, eng, err := openData(cfg, dir)
	if err != nil {
		return nil, err
	}
	set := s.set
	begun := o.Resume && Begun(dir)
	var was Config // when the run began
	if begun {
		if was, err = readRunConfig(dir); err != nil {
			return nil, err
		}
		if err := s.sameClasses(was); err != nil {
			return nil, err
		}
	}
	if s.cfg.Net, err = netFor(s.cfg, set); err != nil {
		return nil, err
	}
	if o.Opened != nil {
		o.Opened(set, s.cfg)
	}
	if err := s.affordable(); err != nil {
		return nil, err
	}
	var changes []Change
	if begun {
		if changes, err = changed(was, s.cfg); err != nil {
			return nil, err
		}
	}
	if err := s.build(ctx, eng, o, begun); err != nil {
		return nil, err
	}
	if s.begun = begun; !begun {
		return s, nil
	}
	if err := s.restore(filepath.Join(dir, CheckpointFile)); err != nil {
		return nil, err
	}
	if o.Resumed != nil {
		o.Resumed(s.from, changes)
	}
	return s, nil
}

// openData returns a session with its data.
func openData(cfg Config, dir string) (*session, *nn.Engine, error) {
	eng, err := nn.Open(cfg.Backend)
	if err != nil {
		return nil, nil, err
	}
	set, err := cfg.Open()
	if err != nil {
		return nil, nil, err
	}
	cfg = cfg.sized(set)
	if err := cfg.Train.Validate(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	return &session{cfg: cfg, dir: dir, set: set}, eng, nil
}

// nothingInTheWay reports files in a folder of no run that a training or an import would replace
// or remove.
func nothingInTheWay(dir string) error {
	names := made(dir)
	if len(names) == 0 || exists(filepath.Join(dir, ConfigFile)) {
		return nil
	}
	return fmt.Errorf("%w: %s has no %s, but %s, which would be replaced or removed; take another folder, or move "+
		"them away", ErrInTheWay, dir, ConfigFile, choice.List(names))
}

// foretell says before a training what it takes, and what is wrong though it can be trained.
func (s *session) foretell(o TrainOptions) error {
	s.warnHalf()
	err := s.estimate(o)
	s.warn(o)
	return err
}

// warn tells what is wrong, though it can be trained.
func (s *session) warn(o TrainOptions) {
	for _, w := range s.warnings {
		if o.Warned != nil {
			o.Warned(w)
		}
	}
	if keys, why := s.unsealed(); why != nil && o.Unsealed != nil {
		o.Unsealed(keys, why)
	}
}

// affordable reports a training, or an evaluation after it, that is too large.
func (s *session) affordable() error {
	batch := s.cfg.Train.Batch
	if err := memory.Check(fmt.Sprintf("train.batch %d of %s", batch, s.cfg.Net.Sizes()),
		s.cfg.Net.StepBytes(batch, s.cfg.Train.StepOptions)); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if err := s.tape(); err != nil {
		return err
	}
	if err := s.cfg.Eval.Divergence.CheckDim(s.set.Dim, likelihood.ExactUpTo); err != nil {
		return fmt.Errorf("%w: eval.%w", ErrSettings, err)
	}
	return nil
}

// tape reports equal steps of a solve to learn through that are too many to keep: each has a
// state of the points solved together, with log p.
func (s *session) tape() error {
	c := s.cfg.Train.ML
	if c.Solve.GivenSteps() == 0 { // or another objective
		return nil
	}
	n := cmp.Or(c.BatchSize, s.cfg.Train.Batch)
	bytes := 8 * float64(c.Solve.GivenSteps()) * float64(n) * float64(s.set.Dim+1)
	if err := memory.Check(fmt.Sprintf("train.ml.steps %d of %d points", c.Solve.GivenSteps(), n), bytes); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// Check reports what keeps a training on a set of data, as [Config.Open] returns them, from
// beginning: settings that do not go with them, or a size that there is no memory for.
func (c Config) Check(set *data.Set) (err error) {
	c = c.Defaults()
	if err := c.Validate(); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	s := &session{cfg: c.sized(set), set: set}
	if s.cfg.Net, err = netFor(s.cfg, set); err != nil {
		return err
	}
	return s.affordable()
}

// build makes the model, and the objective that the data and the Config ask for, and foretells what
// training takes.
func (s *session) build(ctx context.Context, eng *nn.Engine, o TrainOptions, begun bool) (err error) {
	cfg := &s.cfg
	spec, err := s.spec()
	if err != nil {
		return err
	}
	net, err := nn.New(eng, spec.Net, cfg.Seed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSettings, err)
	}
	cfg.Net = net.Config()
	if s.objective, err = s.newObjective(ctx, eng, spec, begun); err != nil {
		return err
	}
	if s.model, err = model.New(spec, net); err != nil {
		return err
	}
	optimizer := cfg.Train.Optimizer
	optimizer.Seed = cfg.Seed
	if s.trainer, err = net.IntoTrainer(optimizer, cfg.Train.StepOptions); err != nil {
		return err
	}
	if err := s.drawable(); err != nil {
		return err
	}
	return s.foretell(o)
}

// netFor returns the network's configuration for the data.
func netFor(cfg Config, set *data.Set) (nn.Config, error) {
	net := cfg.Net
	net.Dim, net.Classes, net.Context, net.Shown = set.Dim, 0, set.Context, cfg.Train.Shown > 0
	if cfg.Conditional {
		if set.Classes == 0 {
			return net, fmt.Errorf("%w: conditional is set, but the data (%s) have no labels", ErrSettings, set.Name)
		}
		if err := checkLabels(set); err != nil {
			return net, err
		}
		net.Classes = set.Classes
	}
	if aware := cfg.Coupling.LabelAware; aware != nil && *aware && set.Classes == 0 {
		return net, fmt.Errorf("%w: coupling.label_aware is true, but the data (%s) have no labels", ErrSettings,
			set.Name)
	}
	if r := net.Residual; r != nil && r.Embed.Axes() > 0 && len(r.Embed.Shape) == 0 {
		of := *r
		of.Embed.Shape, net.Residual = set.ContextShape, &of
	}
	if !net.OfImages() {
		return net, sameNet(cfg.Net, net, set)
	}
	image := set.Image()
	if image == nil {
		return net, fmt.Errorf("%w: net.unet and net.dit are for images; the data (%s) are of kind %s", ErrSettings,
			set.Name, set.Kind)
	}
	net = net.OnImages(image).Defaults()
	return net, sameNet(cfg.Net, net, set)
}

// From so many classes on, each must have so many rows: else the column of labels is one of
// numbers, such as a price.
const manyClasses, rowsOfClass = 50, 10

// checkLabels reports a column of numbers in the place of labels.
func checkLabels(set *data.Set) error {
	if set.Kind != data.KindTable || set.Classes <= manyClasses || set.TrainSet.Len() >= rowsOfClass*set.Classes {
		return nil
	}
	return fmt.Errorf("%w: data.label %s has %d values in %d rows to train on: a column of numbers is none of "+
		"classes; leave data.label and conditional out to learn it with the other columns", ErrSettings,
		choice.Quote(set.LabelName), set.Classes, set.TrainSet.Len())
}

// sameNet reports keys that the data determine and that were given as something else.
func sameNet(given, is nn.Config, set *data.Set) error {
	image := "net.unet.image"
	if given.DiT != nil {
		image = "net.dit.image"
	}
	for _, f := range []struct {
		key       string
		given, is any
		set       bool
	}{
		{"net.dim", given.Dim, is.Dim, given.Dim != 0},
		{"net.classes", given.Classes, is.Classes, given.Classes != 0},
		{"net.condition", given.Context, is.Context, given.Context != 0},
		{"net.shown", given.Shown, is.Shown, given.Shown},
		{image, imageOf(given), imageOf(is), len(imageOf(given)) > 0},
	} {
		if f.set && !reflect.DeepEqual(f.given, f.is) {
			return fmt.Errorf("%w: %s is %v, but the data (%s) make it %v; leave it out", ErrSettings, f.key, f.given,
				set.Name, f.is)
		}
	}
	return nil
}

// spec returns the Spec that the settings and the data make.
func (s *session) spec() (model.Spec, error) {
	spec := specOf(s.cfg, s.set)
	kind, err := train.KindOf(s.cfg.Train.Objective)
	if err != nil {
		return spec, err
	}
	spec.NoDensity, spec.NoScore = kind.Limits(s.cfg.Coupling.Name)
	if s.warnings, err = s.cfg.scale(&spec, s.set); err != nil {
		return spec, err
	}
	if levels := s.cfg.PreconditionLevels; levels != nil && *levels {
		spec.Net.Levels = spec.Levels()
	}
	return spec, nil
}

// newObjective makes what the network is trained to do.
func (s *session) newObjective(ctx context.Context, eng *nn.Engine, spec model.Spec,
	begun bool) (train.Objective, error) {
	kind, err := train.KindOf(s.cfg.Train.Objective)
	if err != nil {
		return nil, err
	}
	in := train.Inputs{Set: s.set, Seed: s.cfg.Seed}
	if in.Coupling, err = couplingOf(s.cfg.Coupling, s.set.Space); err != nil {
		return nil, err
	}
	if kind.Teacher {
		if in.Pairs, err = s.pairs(ctx, eng, spec, begun); err != nil {
			return nil, err
		}
		s.made = table.Table{X: in.Pairs.X}.Fingerprint()
	}
	return s.cfg.Train.New(in)
}

// run trains.
func (s *session) run(ctx context.Context, o TrainOptions) error {
	p := &records{session: s, ctx: ctx, undrawn: o.Undrawn}
	defer p.Close()
	if s.from > 0 && !exists(filepath.Join(s.dir, MetricsFile)) && o.Warned != nil {
		o.Warned(fmt.Sprintf("%s is gone: what was measured up to step %d is lost, and the log begins behind it",
			filepath.Join(s.dir, MetricsFile), s.from))
	}
	if err := p.begin(s.from); err != nil {
		return err
	}
	if err := p.resume(); err != nil {
		return err
	}
	if how := train.SharingOf(s.model, s.objective, o.Ranks, s.cfg.Train.Batch); how != nil && o.Shared != nil {
		o.Shared(*how)
	}
	training := train.Session{Model: s.model, Objective: s.objective, Trainer: s.trainer, Held: s.set.Val,
		Progress: s.progress, Hooks: p.hooks(o), Ranks: o.Ranks}
	if _, err := training.Run(ctx, s.cfg.Train.Loop); err != nil {
		return err
	}
	if p.left { // that of the last step
		return fmt.Errorf("%w; all steps are taken and saved, resume for the last picture (%w)", train.ErrInterrupted,
			context.Cause(ctx))
	}
	return p.Close()
}

// hooks are those of the training, which reports to o, too.
func (p *records) hooks(o TrainOptions) train.Hooks {
	h := train.Hooks{
		Step: o.Step,
		Event: func(e train.Event) error {
			if o.Event != nil {
				o.Event(e)
			}
			return p.event(e)
		},
		Sample: p.draw,
		Save: func(state nn.State, progress train.Progress, best bool) error {
			err := p.save(state, progress, best)
			if err == nil && o.Saved != nil {
				o.Saved(int(state.Step))
			}
			return err
		},
		Snapshot: p.snapshot,
	}
	if o.FellBack != nil {
		h.FellBack = func(f train.FellBack) error {
			o.FellBack(f)
			// The logs and the states of what diverged are not those of what begins now.
			if err := errors.Join(p.Close(), p.forget()); err != nil {
				return err
			}
			return p.begin(0)
		}
	}
	return h
}
