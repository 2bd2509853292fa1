package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"flowmatch/data/rows"
	texts "flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/digest"
	"flowmatch/internal/memory"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// TokenOptions is what a training of tokens takes beside its settings; see [TrainOptions].
type TokenOptions struct {
	Resume   bool
	Step     func(step int, loss float64) // the loss of train.loss, in nats of a token
	Event    func(train.Event)            // ValLoss is the bound, in nats of a token
	Saved    func(step int)
	Resumed  func(step int, changes []Change)
	Opened   func(*texts.Corpus, TokenConfig)
	Unsealed func(keys []string, why error)
}

// TrainTokens is [Train] of a run of tokens.
func TrainTokens(ctx context.Context, cfg TokenConfig, dir string, o TokenOptions) (*TokenRun, error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	s, err := prepareTokens(cfg, dir, o)
	if err != nil {
		return nil, err
	}
	if err := s.run(ctx, o); err != nil {
		return nil, err
	}
	return OpenTokens(dir, OpenOptions{Backend: cfg.Backend})
}

// tokenSession is everything that one call of TrainTokens works with.
type tokenSession struct {
	cfg      TokenConfig
	dir      string
	corpus   *texts.Corpus
	spec     model.TokenSpec
	net      *nn.TokenNet
	trainer  *nn.TokenTrainer
	path     discrete.Path
	metrics  *metricsLog
	progress train.Progress
	from     int
}

func prepareTokens(cfg TokenConfig, dir string, o TokenOptions) (*tokenSession, error) {
	if exists(filepath.Join(dir, ConfigFile)) && !o.Resume {
		return nil, fmt.Errorf("%w: %s; train into another folder, or resume it", ErrExists, dir)
	}
	if err := nothingInTheWay(dir); err != nil {
		return nil, err
	}
	s := &tokenSession{cfg: cfg, dir: dir}
	begun := o.Resume && Begun(dir)
	var changes []Change
	if begun {
		was, err := readTokenConfig(dir)
		if err != nil {
			return nil, err
		}
		if cfg.Data.Length == 0 { // that of the table, which its fingerprint knows
			cfg.Data.Length, s.cfg.Data.Length = was.Data.Length, was.Data.Length
		}
		if changes, err = changedIn(was, cfg, was.Train.Loop, cfg.Train.Loop); err != nil {
			return nil, err
		}
	}
	if err := s.build(o); err != nil {
		return nil, err
	}
	if keys, why := unsealed(&s.cfg, dir); why != nil && o.Unsealed != nil {
		o.Unsealed(keys, why)
	}
	if !begun {
		return s, errors.Join(forget(dir), s.describe())
	}
	var refused error
	file := filepath.Join(dir, CheckpointFile)
	err := model.ResumeTokens(file, s.trainer, func(c *model.TokenCheckpoint) error {
		refused = s.fits(file, c)
		return refused
	})
	if err := cmp.Or(refused, err); err != nil {
		return nil, err
	}
	if o.Resumed != nil {
		o.Resumed(s.from, changes)
	}
	return s, s.describe()
}

// build opens the data, and makes the network for them.
func (s *tokenSession) build(o TokenOptions) error {
	eng, err := nn.Open(s.cfg.Backend)
	if err != nil {
		return err
	}
	if s.corpus, err = s.cfg.Open(); err != nil {
		return err
	}
	s.cfg.Data.Length = s.corpus.Length
	if o.Opened != nil {
		o.Opened(s.corpus, s.cfg)
	}
	s.spec = s.cfg.Spec(s.corpus)
	if s.path, err = s.cfg.Path.New(s.corpus.Levels()); err != nil {
		return err
	}
	if err := s.affordable(); err != nil {
		return err
	}
	if s.net, err = nn.NewTokenNet(eng, s.spec.Net, s.cfg.Seed); err != nil {
		return fmt.Errorf("%w: %w", ErrSettings, err)
	}
	optimizer := s.cfg.Train.Optimizer
	optimizer.Seed = s.cfg.Seed
	s.trainer, err = s.net.NewTrainer(optimizer)
	return err
}

// affordable reports a training that is too large: about what blocks and logits of a batch keep for the gradient.
func (s *tokenSession) affordable() error {
	net, tokens := s.spec.Net, float64(s.cfg.Train.Batch)*float64(s.spec.Net.Length)
	ofBlock := float64(net.Width)*(12+2*net.MLPRatio) + float64(net.Heads)*float64(net.Length)
	weights := float64(net.Depth) * float64(net.Width) * float64(net.Width) * (10 + 2*net.MLPRatio)
	bytes := 4 * (tokens*(float64(net.Depth)*ofBlock+4*float64(net.Levels)) + 5*weights)
	if err := memory.Check(fmt.Sprintf("train.batch %d of sequences of %d tokens, in a network of width %d and depth "+
		"%d", s.cfg.Train.Batch, net.Length, net.Width, net.Depth), bytes); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// Open opens the text or the table of a run, as tokens.
func (c TokenConfig) Open() (*texts.Corpus, error) {
	if c.Data.rows() {
		corpus, err := rows.Read(c.Data.Path, c.Data.table())
		if err == nil && c.Data.Length != 0 && c.Data.Length != corpus.Length {
			err = fmt.Errorf("data.length is %d, and rows of %s have %d tokens; leave it out", c.Data.Length,
				c.Data.Path, corpus.Length)
		}
		if err != nil {
			return nil, fmt.Errorf("run: %w", err)
		}
		return corpus, nil
	}
	corpus, err := texts.Read(c.Data.Path, c.Data.options())
	if errors.Is(err, texts.ErrTokenizer) {
		return nil, fmt.Errorf("run: data.tokenizer: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("run: data.path: %w", err)
	}
	return corpus, nil
}

// Spec is what a model of the run is on its data, but for its weights.
func (c TokenConfig) Spec(corpus *texts.Corpus) model.TokenSpec {
	spec := model.TokenSpec{Net: c.Net.of(c, corpus.Levels()), Path: c.Path, Vocabulary: corpus.Vocabulary,
		Classes: corpus.Labels.Classes, Fingerprint: fingerprint(corpus)}
	spec.Net.Length, spec.Net.Classes = corpus.Length, len(spec.Classes)
	return spec
}

// fingerprint is that of all tokens, of what they stand for, and of their labels.
func fingerprint(c *texts.Corpus) string {
	d := digest.New()
	d.Text(c.Kind)
	d.Text(c.Chars)
	for k, p := range c.Merges {
		digest.Add(d, []int32{int32(k), p[0], p[1]})
	}
	if t := c.Tokenizer; t != nil {
		addTexts(d, t.Pieces)
		for k, p := range t.Merges {
			digest.Add(d, []int32{int32(k), p[0], p[1]})
		}
	}
	for _, column := range c.Columns {
		d.Text(column.Name)
		addTexts(d, column.Levels)
	}
	for _, part := range [][]int32{c.Train, c.Val, c.Test} {
		digest.Add(d, part)
	}
	if l := c.Labels; l.Classes != nil {
		addTexts(d, l.Classes)
		for _, part := range [][]int32{l.Train, l.Val, l.Test} {
			digest.Add(d, part)
		}
	}
	return d.String()
}

// addTexts adds texts to what a fingerprint is of.
func addTexts(d *digest.Digest, all []string) {
	for _, text := range all {
		d.Text(text)
	}
}

// describe writes the files that say what this run is.
func (s *tokenSession) describe() error { return writeDescription(&s.cfg, s.dir, s.net.Engine()) }

// fits reports a checkpoint that the session cannot go on from, and takes up its progress.
func (s *tokenSession) fits(file string, c *model.TokenCheckpoint) (err error) {
	if err := sameSettings(file, c.Extra, s.cfg); err != nil {
		return err
	}
	switch {
	case c.Spec.Fingerprint != s.spec.Fingerprint:
		return fmt.Errorf("%w: the data %s are others than when the run began (fingerprint %s, now %s)", ErrChanged,
			s.cfg.Data.Path, choice.Cut(c.Spec.Fingerprint), s.spec.Fingerprint)
	case c.Spec.Net != s.spec.Net || !c.Spec.Path.Same(s.spec.Path):
		return fmt.Errorf("%w: %s has another network or path than %s", ErrOtherModel, file, ConfigFile)
	}
	s.from = int(c.State.Step)
	s.progress, err = takenUp(s.dir, file, s.cfg.Train.Loop, s.from, c.Extra)
	return err
}

// run trains.
func (s *tokenSession) run(ctx context.Context, o TokenOptions) (err error) {
	if s.metrics, err = openMetrics(filepath.Join(s.dir, MetricsFile), s.from); err != nil {
		return err
	}
	defer s.metrics.Close()
	training := train.Tokens{
		Path: s.path, Loss: s.cfg.Train.Loss, Seed: s.cfg.Seed, Shown: s.cfg.Train.Shown, Loop: s.cfg.Train.Loop,
		Unlabelled: s.cfg.Train.LabelDropout,
		Data: func(step, n int) (discrete.Tokens, flow.Given) {
			x, label := s.corpus.Batch(s.cfg.Seed, step, n)
			return x, flow.Given{Label: label}
		},
		Hooks: train.Hooks{
			Step: o.Step,
			Event: func(e train.Event) error {
				if o.Event != nil {
					o.Event(e)
				}
				return s.metrics.Append(e)
			},
			Save: func(state nn.State, p train.Progress, best bool) error {
				err := s.save(state, p, best)
				if err == nil && o.Saved != nil {
					o.Saved(int(state.Step))
				}
				return err
			},
			Snapshot: s.snapshot,
		},
	}
	if *s.cfg.Data.Val > 0 {
		training.Held, training.HeldGiven.Label = s.corpus.Validation(*s.cfg.Data.Val)
	} else {
		training.Loop.ValEvery = new(0)
	}
	if _, err = training.Run(ctx, s.net, s.trainer, s.progress); err != nil {
		return err
	}
	return s.metrics.Close()
}

// checkpoint is one of a state, which says what it was trained with.
func (s *tokenSession) checkpoint(state nn.State) (model.TokenCheckpoint, error) {
	extra, err := trainedWith(s.cfg)
	return model.TokenCheckpoint{Spec: s.spec, Net: s.net, State: state, Extra: extra}, err
}

func (s *tokenSession) save(state nn.State, p train.Progress, best bool) error {
	c, err := s.checkpoint(state)
	if err != nil {
		return err
	}
	return saveState(s.dir, c.Save, c.Extra, s.cfg.Train.Patience, p, best)
}

// snapshot keeps a state for good.
func (s *tokenSession) snapshot(state nn.State) error {
	c, err := s.checkpoint(state)
	if err != nil {
		return err
	}
	return c.Save(snapshotFile(s.dir, int(state.Step)))
}
