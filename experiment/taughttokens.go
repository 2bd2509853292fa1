package experiment

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"flowmatch/data/table"
	texts "flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// tokenExponents are the schedules κ = t^n that peers have, too.
var tokenExponents = map[string]float64{"linear": 1, "quadratic": 2, "cubic": 3}

// Sequences whose bound a peer estimates, too, draws of each, and steps that it takes compiled.
const (
	checkSequences = 100
	checkDraws     = 16
	compiledSteps  = 30
)

// tokenLesson is what a peer is asked for of tokens, in one line; peers/tokens.py has the other end.
type tokenLesson struct {
	Seed     uint64     `json:"seed"`
	Levels   int        `json:"levels"`
	Length   int        `json:"length"`
	Mask     bool       `json:"mask"`
	Exponent float64    `json:"exponent"` // of the schedule
	Width    int        `json:"width"`
	Depth    int        `json:"depth"`
	Heads    int        `json:"heads"`
	Hidden   int        `json:"hidden"`
	Tied     bool       `json:"tied"`
	Loss     string     `json:"loss"`
	Batch    int        `json:"batch"`
	Rates    []float64  `json:"rates"` // learning rate of each step
	Betas    [2]float64 `json:"betas"`
	Eps      float64    `json:"eps"`
	ClipNorm float64    `json:"clip_norm"`
	Threads  int        `json:"threads"` // at most
	LogEvery int        `json:"log_every"`
	Train    string     `json:"train"`   // file of the tokens to train on
	Weights  string     `json:"weights"` // file to write
	Check    string     `json:"check"`   // file of the sequences whose bound is asked for
	Draws    int        `json:"draws"`
	Samples  int        `json:"samples"` // 0: none
	Steps    int        `json:"steps"`   // of the solver
	Compiled int        `json:"compiled"`
}

// toldOfTokens is what a peer said of a cell of kind tokens.
type toldOfTokens struct {
	Versions map[string]string `json:"versions"`
	Steps    int               `json:"steps"`
	Seconds  float64           `json:"seconds"`
	told
}

// ofTokens says whether a peer takes cells of kind tokens.
func ofTokens(name string) bool { return name == "flow-matching" }

// checkTokenPeer reports settings of a cell that its peer does not train or sample with.
func (c Cell) checkTokenPeer() error {
	var f faults
	t := c.Tokens
	if !ofTokens(c.Peer) {
		return fmt.Errorf("the peer %s has no tokens; flow-matching has", c.Peer)
	}
	if _, ok := tokenExponents[t.Path.String()]; !ok {
		f.add("the path is %s, and the peer %s has linear, quadratic and cubic", t.Path, c.Peer)
	}
	for _, is := range []struct {
		key    string
		v, has float64
	}{
		{"net.dropout", t.Net.Dropout, 0}, {"train.shown", t.Train.Shown, 0},
		{"train.optimizer.ema_decay", *t.Train.Optimizer.EMADecay, 0},
		{"train.optimizer.weight_decay", t.Train.Optimizer.WeightDecay, 0},
		{"train.val_every", float64(*t.Train.ValEvery), 0}, {"eval.corrector", t.Eval.Corrector, 0},
		{"train.patience", float64(t.Train.Patience), 0},
		{"eval.temperature", t.Eval.Temperature, 1}, {"eval.top_p", t.Eval.TopP, 1},
	} {
		if is.v != is.has {
			f.add("%s is %g, and the peer %s has %g", is.key, is.v, c.Peer, is.has)
		}
	}
	if t.Eval.Solver != discrete.Euler && slices.Contains(c.measures, measureSampling) {
		f.add("eval.solver is %s, and the peer %s samples with %s", t.Eval.Solver, c.Peer, discrete.Euler)
	}
	return errors.Join(f...)
}

// taughtTokens has a peer train a cell, unless it has already, and returns the model.
func (c Cell) taughtTokens(ctx context.Context, corpus *texts.Corpus, o RunOptions, r *Result) (*model.TokenModel,
	error) {
	spec := c.Tokens.Spec(corpus)
	weights, file := filepath.Join(c.Dir, weightsFile), filepath.Join(c.Dir, peerFile)
	var s toldOfTokens
	if ok, err := readJSON(file, &s); err != nil {
		return nil, err
	} else if !ok {
		if s, err = c.learnTokens(ctx, spec, corpus, weights, o); err != nil {
			return nil, err
		}
		if err := writeJSON(file, s); err != nil {
			return nil, err
		}
	}
	eng, err := nn.Open(c.Tokens.Backend)
	if err != nil {
		return nil, err
	}
	m, err := model.ReadTokenWeights(weights, eng, spec)
	if err != nil {
		return nil, err
	}
	r.Libraries = s.Versions
	r.set("threads", float64(s.Threads))
	r.took(s.Steps, s.Seconds)
	r.set("train_rate", c.rate(speed{s.Steps - 1, s.TrainCPU}))
	r.set("compiled_rate", c.rate(speed{compiledSteps, s.CompiledCPU}))
	if slices.Contains(c.measures, measureSampling) {
		r.set("sample_rate", float64(samplesTimed*c.Tokens.Data.Length)/s.SampleCPU)
		r.set("sample_nfe", float64(c.Tokens.Eval.Steps))
	}
	b, _, err := m.Bound(ctx, c.heldTokens(corpus, checkSequences),
		nil, discrete.ELBOOptions{Draws: checkDraws, Seed: c.Seed}, nil)
	if err != nil {
		return nil, err
	}
	r.set("elbo_check", b.Bits)
	r.set("elbo_check_se", b.BitsSE)
	r.set("elbo_check_peer", s.ELBO)
	r.set("elbo_check_peer_se", s.ELBOSE)
	return m, nil
}

// learnTokens writes the tokens into files, and has the peer train.
func (c Cell) learnTokens(ctx context.Context, spec model.TokenSpec, corpus *texts.Corpus, weights string,
	o RunOptions) (s toldOfTokens, err error) {
	of, err := peerByName(c.Peer)
	if err != nil {
		return s, err
	}
	if o.Peers == nil {
		return s, fmt.Errorf("%w: %s trains this method, and there is no Python interpreter", ErrPeers, c.Peer)
	}
	q, err := c.tokenLesson(spec, corpus, weights)
	if err != nil {
		return s, err
	}
	t, err := o.Peers.start(ctx, of)
	var lines []told
	if err == nil {
		lines, err = t.ask(q, o.Step)
	}
	if ctx.Err() != nil {
		return s, fmt.Errorf("%w; what %s had learnt is lost (%w)", train.ErrInterrupted, c.Peer, ctx.Err())
	}
	if err != nil {
		return s, err
	}
	n := len(lines)
	if n < 2 || lines[n-2].Step != len(q.Rates) || !(lines[n-2].Seconds > 0) || !(lines[n-1].TrainCPU > 0) {
		return s, fmt.Errorf("%s does not say what its %d steps took", c.Peer, len(q.Rates))
	}
	return toldOfTokens{t.versions, lines[n-2].Step, lines[n-2].Seconds, lines[n-1]}, nil
}

// tokenLesson returns what the peer is asked for, and writes the files that it reads.
func (c Cell) tokenLesson(spec model.TokenSpec, corpus *texts.Corpus, weights string) (q tokenLesson, err error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return q, fmt.Errorf("experiment: %w", err)
	}
	if weights, err = filepath.Abs(weights); err != nil {
		return q, fmt.Errorf("experiment: %w", err)
	}
	t, net := c.Tokens, spec.Net
	opt := t.Train.Optimizer
	q = tokenLesson{Seed: c.Seed, Levels: net.Levels, Length: net.Length, Mask: net.Mask,
		Exponent: tokenExponents[t.Path.Name], Width: net.Width, Depth: net.Depth, Heads: net.Heads,
		Hidden: int(net.MLPRatio * float64(net.Width)), Tied: net.Tied, Loss: t.Train.Loss, Batch: t.Train.Batch,
		Betas: [2]float64{*opt.Beta1, *opt.Beta2}, Eps: *opt.Eps, ClipNorm: opt.ClipNorm, Threads: threads(),
		LogEvery: *t.Train.LogEvery, Weights: weights, Draws: checkDraws, Steps: t.Eval.Steps,
		Train: filepath.Join(dir, pointsFile), Check: filepath.Join(dir, checkFile)}
	if slices.Contains(c.measures, measureSampling) {
		q.Samples = samplesTimed
	}
	if slices.Contains(c.measures, measureCompiled) {
		q.Compiled = compiledSteps
	}
	for k := range t.Train.Steps {
		q.Rates = append(q.Rates, t.Train.LearningRate(k))
	}
	check := c.heldTokens(corpus, checkSequences)
	if err := table.WriteIntNPY(q.Train, 1, len(corpus.Train), corpus.Train); err != nil {
		return q, err
	}
	return q, table.WriteIntNPY(q.Check, check.N, check.L, check.X)
}
