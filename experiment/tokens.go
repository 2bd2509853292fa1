package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	texts "flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/internal/memory"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/run"
)

// kindTokens is the kind of a grid of runs of tokens, whose settings are those of [run.TokenConfig].
const kindTokens = "tokens"

// The measures of a grid of kind tokens.
const (
	measureBound    = "bound"
	measureSampling = "sampling"
	measureCompiled = "compiled"
)

// tokenMeasures are the measures of a grid of kind tokens, of the part of a text that tests:
//
//	bound     elbo, the bound of -log p in bits of a character, of eval.test sequences by eval.draws draws, elbo_se,
//	          its standard error, and elbo_token, in bits of a token
//	sampling  sample_rate, tokens that are drawn in a second of the processor by eval.solver and eval.steps, of 64
//	          sequences together, and sample_nfe
//	compiled  compiled_rate, train_rate of a peer with torch.compile
func tokenMeasures() []measure {
	return []measure{
		{name: measureBound, recorded: recorded{values: []string{"elbo", "elbo_se", "elbo_token"}}},
		{name: measureSampling, recorded: recorded{values: []string{"sample_rate", "sample_nfe"}}},
		{name: measureCompiled, recorded: recorded{values: []string{"compiled_rate"}}},
	}
}

// recordedOfTokens is what is recorded of every cell of kind tokens: train_rate is tokens that are trained on in a
// second of the processor, from the end of the first step on; elbo_check and elbo_check_peer, of peers, are bounds of
// the first 100 sequences by this program and by the loss of the peer, which with masks counts tokens that have come
// and that it lets jump again, too.
var recordedOfTokens = recorded{values: []string{
	"threads", "measure_seconds", "steps", "seconds", "ms_per_step", "weights", "train_rate", "elbo_check",
	"elbo_check_se", "elbo_check_peer", "elbo_check_peer_se",
}}

// samplesTimed is how many sequences are drawn together to time it.
const samplesTimed = 64

// speedFile keeps the processor seconds of a training of tokens: what is trained is not trained again to time it.
const speedFile = "speed.json"

// speed is a number of steps, and the seconds of the processor that they took.
type speed struct {
	Steps int     `json:"steps"`
	CPU   float64 `json:"cpu_seconds"`
}

// processor returns the processor seconds of this process so far; where the system does not say, those of the clock.
func processor() func() float64 {
	begun := time.Now()
	return func() float64 {
		if cpu, ok := memory.Processor(); ok {
			return cpu.Seconds()
		}
		return time.Since(begun).Seconds()
	}
}

// makeTokens trains and measures a cell of kind tokens.
func (c Cell) makeTokens(ctx context.Context, _ Grid, o RunOptions, r *Result) error {
	corpus, err := c.Tokens.Open()
	if err != nil {
		return err
	}
	var m *model.TokenModel
	if c.Peer != "" {
		m, err = c.taughtTokens(ctx, corpus, o, r)
	} else {
		m, err = c.trainTokens(ctx, o, r)
	}
	if err != nil {
		return err
	}
	r.set("weights", float64(m.Net().NumWeights()))
	done, err := c.resumeMeasures(r)
	if err != nil {
		return err
	}
	for _, name := range c.measures {
		if slices.Contains(done, name) {
			continue
		}
		if o.Measuring != nil {
			o.Measuring(c, name)
		}
		start := time.Now()
		if err := c.measureTokens(ctx, name, m, corpus, r); ends(ctx, err) {
			return fmt.Errorf("measure %s: %w", name, err)
		} else if err != nil {
			r.lack(name, err)
		}
		r.set("measure_seconds", r.Values["measure_seconds"]+time.Since(start).Seconds())
		done = append(done, name)
		if err := writeJSON(filepath.Join(c.Dir, measuredFile), measured{done, *r}); err != nil {
			return err
		}
	}
	return nil
}

// trainTokens trains a cell here, and records what it took.
func (c Cell) trainTokens(ctx context.Context, o RunOptions, r *Result) (*model.TokenModel, error) {
	clock, first, begun := processor(), 0, 0.0
	var s speed
	how := run.TokenOptions{Resume: true, Saved: o.Saved, Step: func(step int, loss float64) {
		if now := clock(); first == 0 {
			first, begun = step, now // with what is compiled in the first step
		} else {
			s = speed{step - first, now - begun}
		}
		if o.Step != nil {
			o.Step(step, loss)
		}
	}}
	if o.Resumed != nil {
		how.Resumed = func(step int, _ []run.Change) { o.Resumed(step) }
	}
	made, err := run.TrainTokens(ctx, *c.Tokens, c.Dir, how)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(c.Dir, speedFile)
	if s.Steps > 0 {
		if err := writeJSON(file, s); err != nil {
			return nil, err
		}
	} else if _, err := readJSON(file, &s); err != nil {
		return nil, err
	}
	events, err := run.ReadMetrics(metricsFile(c.Dir))
	if err != nil {
		return nil, err
	}
	if len(events) > 0 {
		last := events[len(events)-1]
		r.took(last.Step, last.Seconds)
	}
	r.set("train_rate", c.rate(s))
	return made.Model, nil
}

// took records the steps of a training, and its seconds by the clock.
func (r *Result) took(steps int, seconds float64) {
	r.set("steps", float64(steps))
	r.set("seconds", seconds)
	r.set("ms_per_step", 1e3*seconds/float64(steps))
}

// rate is how many tokens are trained on in a second of the processor; NaN where it is not known.
func (c Cell) rate(s speed) float64 {
	if s.Steps == 0 || !(s.CPU > 0) {
		return math.NaN()
	}
	return float64(s.Steps*c.Tokens.Train.Batch*c.Tokens.Data.Length) / s.CPU
}

// heldTokens are the sequences that a cell is measured on, n at most.
func (c Cell) heldTokens(corpus *texts.Corpus, n int) discrete.Tokens {
	return texts.Windows(corpus.Test, c.Tokens.Data.Length, n)
}

// measureTokens takes one measure.
func (c Cell) measureTokens(ctx context.Context, name string, m *model.TokenModel, corpus *texts.Corpus,
	r *Result) error {
	e := c.Tokens.Eval
	switch name {
	case measureBound:
		b, _, err := m.Bound(ctx, c.heldTokens(corpus, e.Test), nil,
			discrete.ELBOOptions{Draws: e.Draws, Seed: c.Seed}, nil)
		if err != nil {
			return err
		}
		r.set("elbo", b.BitsOfChar)
		r.set("elbo_se", b.BitsOfCharSE)
		r.set("elbo_token", b.Bits)
	case measureSampling:
		if c.Peer != "" { // which has drawn with what it trained
			return nil
		}
		warm := e
		warm.Steps = 2 // what is compiled for so many sequences
		clock, begun := processor(), 0.0
		for _, how := range []run.TokenEval{warm, e} {
			begun = clock()
			_, stats, err := m.Sample(ctx, model.TokenSampling{N: samplesTimed, Sampler: how.Sampling(c.Seed)})
			if err != nil {
				return err
			}
			r.set("sample_nfe", float64(stats.NFE))
		}
		r.set("sample_rate", float64(samplesTimed*c.Tokens.Data.Length)/(clock()-begun))
	}
	return nil
}

// checkTokens reports a cell of a grid of kind tokens that cannot be.
func (c Cell) checkTokens() error {
	switch t := c.Tokens; {
	case t.Seed != c.Seed:
		return errSeed
	case t.Data.Tokens == texts.Categories || t.Data.Tokens == texts.Integers:
		return fmt.Errorf("a grid of kind tokens is of texts so far; data.tokens is %s", t.Data.Tokens)
	case c.Trial:
		return errors.New("a grid of kind tokens has no search so far; leave it out")
	case c.Peer != "":
		return c.checkTokenPeer()
	case slices.Contains(c.measures, measureCompiled) && len(c.measures) == 1:
		return errors.New("the measure compiled is of peers; name another")
	}
	return nil
}

// ofTokens opens the text of a cell, as the cells before have opened theirs.
func (o *opened) ofTokens(c Cell) error {
	if _, err := nn.Open(c.Tokens.Backend); err != nil {
		return err
	}
	d := c.Tokens.Data
	key := fmt.Sprintf("tokens %s %s %s %d %d", d.Path, d.Tokens, d.Tokenizer, d.Vocabulary, d.Length)
	if o.seen[key] {
		return nil
	}
	if _, err := c.Tokens.Open(); err != nil {
		return err
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	o.seen[key] = true
	return nil
}
