package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/nn"
)

// TokenSpec says what a network of tokens was trained for: all of a [TokenModel] but its weights.
type TokenSpec struct {
	Net         nn.TokenConfig  `json:"net"`
	Path        discrete.Config `json:"path"`
	Vocabulary  text.Vocabulary `json:"vocabulary"`
	Classes     []string        `json:"classes,omitempty"`     // names of the labels that it is told
	Fingerprint string          `json:"fingerprint,omitempty"` // of the data
}

// Class is [Spec.Class] of a model of tokens.
func (s TokenSpec) Class(name string) (int32, error) { return classOf(name, s.Classes, false) }

// TokenModel is a network of tokens with the path that it was trained on and the vocabulary of its data. It is
// read-only and safe for concurrent use.
type TokenModel struct {
	spec TokenSpec
	net  *nn.TokenNet
	path discrete.Path
}

// ErrTokens is of a file that holds a model of tokens where one of points is needed.
var ErrTokens = errors.New("it holds a model of tokens, and what is asked for is of points")

// NewTokens returns a model. The error is of a network, a path and a vocabulary that do not fit each other.
func NewTokens(spec TokenSpec, net *nn.TokenNet) (*TokenModel, error) {
	if net == nil || net.NumWeights() == 0 {
		return nil, errors.New("model: the network of tokens is nil or empty; make one by nn.NewTokenNet")
	}
	if err := spec.Vocabulary.Validate(); err != nil {
		return nil, err
	}
	path, err := spec.Path.New(spec.Vocabulary.Levels())
	if err != nil {
		return nil, err
	}
	spec.Path, spec.Net = spec.Path.Defaults(), net.Config()
	if n := len(spec.Classes); n > 0 && n != spec.Net.Classes {
		return nil, fmt.Errorf("model: %d names of classes for a network of %d", n, spec.Net.Classes)
	}
	if n := len(spec.Vocabulary.Columns); n > 0 && n != spec.Net.Length {
		return nil, fmt.Errorf("model: %d columns for a network of %d tokens", n, spec.Net.Length)
	}
	if masks := spec.Path.Noise() == discrete.Mask; spec.Net.Levels != path.Levels() || spec.Net.Mask != masks {
		return nil, fmt.Errorf("model: a network of %d levels (mask: %v) with a path of %d levels (mask: %v)",
			spec.Net.Levels, spec.Net.Mask, path.Levels(), masks)
	}
	return &TokenModel{spec, net, path}, nil
}

// Spec returns what the model is but for its weights.
func (m *TokenModel) Spec() TokenSpec { return m.spec }

// Net returns the network.
func (m *TokenModel) Net() *nn.TokenNet { return m.net }

// Path returns the path.
func (m *TokenModel) Path() discrete.Path { return m.path }

// Levels implements [discrete.Posterior].
func (m *TokenModel) Levels() int { return m.net.Levels() }

// Posterior implements [discrete.Posterior] with nothing given.
func (m *TokenModel) Posterior(ctx context.Context, p, t []float64, x discrete.Tokens) error {
	return m.Given(flow.Given{}).Posterior(ctx, p, t, x)
}

// Given returns the posterior with labels, one for each sequence or one for all of them. A token of a column has the
// levels of its column alone.
func (m *TokenModel) Given(g flow.Given) discrete.Posterior {
	if m.spec.Vocabulary.Kind != text.Categories {
		return m.net.Given(g)
	}
	return &ofColumns{m.net.Given(g), m.spec.Vocabulary}
}

// ofColumns is a posterior whose tokens have as many levels as their column.
type ofColumns struct {
	of discrete.Posterior
	v  text.Vocabulary
}

func (o *ofColumns) Levels() int { return o.of.Levels() }

func (o *ofColumns) Posterior(ctx context.Context, p, t []float64, x discrete.Tokens) error {
	if err := o.of.Posterior(ctx, p, t, x); err != nil {
		return err
	}
	k := o.Levels()
	for i := range x.X {
		levels, sum := o.v.LevelsOf(i%x.L), 0.0
		of := p[i*k : (i+1)*k]
		clear(of[levels:])
		for _, v := range of[:levels] {
			sum += v
		}
		for j := range of[:levels] {
			if of[j] /= sum; sum == 0 { // of float32, where the levels of others have all
				of[j] = 1 / float64(levels)
			}
		}
	}
	return nil
}

// keyTokens is the metadata with the spec of a model of tokens.
const keyTokens = "flowmatch.tokens"

// TokenCheckpoint is a model of tokens with all that its training must remember; see [Checkpoint].
type TokenCheckpoint struct {
	Spec  TokenSpec
	Net   *nn.TokenNet
	State nn.State
	Extra map[string]string
}

// Save writes the checkpoint to path as one safetensors file, whole or not at all.
func (c TokenCheckpoint) Save(path string) error {
	if c.Net == nil || c.Net.NumWeights() == 0 {
		return errors.New("model: TokenCheckpoint.Net is nil or empty; set it to the network that was trained")
	}
	if err := checkState("TokenCheckpoint", c.State, c.Net.NumWeights()); err != nil {
		return err
	}
	spec, err := json.Marshal(c.Spec)
	if err != nil {
		return fmt.Errorf("model: encoding the spec: %w", err)
	}
	meta := map[string]string{keyTokens: string(spec)}
	return saveSlabs(path, c.Net.Tensors(), meta, c.State.Step, c.Extra, stateSlabs(c.State))
}

// tokenSpec returns the spec and the number of steps of a file of tokens.
func (f *tensorFile) tokenSpec() (s TokenSpec, step int64, err error) {
	if _, points := f.metadata[keySpec]; points {
		return s, 0, errors.New("it holds a model of points, and what is asked for is one of tokens")
	}
	if err := f.describe(keyTokens, "it was not written by flowmatch", &s); err != nil {
		return s, 0, err
	}
	if step, err = f.step(); err != nil {
		return s, 0, err
	}
	for _, size := range []struct {
		key string
		n   int
	}{
		{"levels", s.Net.Levels}, {"length", s.Net.Length}, {"width", s.Net.Width}, {"depth", s.Net.Depth},
		{"classes", s.Net.Classes}, {"context", s.Net.Context},
	} {
		if size.n > f.numbers {
			return s, 0, fmt.Errorf("metadata %q: net.%s is %d; the file holds %d numbers in all", keyTokens, size.key,
				size.n, f.numbers)
		}
	}
	if s.Net.MLPRatio > float64(f.numbers) {
		return s, 0, fmt.Errorf("metadata %q: net.mlp_ratio is %g; the file holds %d numbers in all", keyTokens,
			s.Net.MLPRatio, f.numbers)
	}
	return s, step, s.Vocabulary.Validate()
}

// step returns the number of steps behind a file.
func (f *tensorFile) step() (int64, error) {
	step, err := strconv.ParseInt(f.metadata[keyStep], 10, 64)
	if err != nil || step < 0 || step > mostSteps {
		return 0, fmt.Errorf("metadata %q is %s; it must be a number of steps, from 0 to %d", keyStep,
			choice.Quote(f.metadata[keyStep]), mostSteps)
	}
	return step, nil
}

// OpenTokens reads the model of a checkpoint of tokens for the engine: the averaged weights. It also returns the
// number of optimizer steps behind them, and [TokenCheckpoint.Extra].
func OpenTokens(path string, eng *nn.Engine) (m *TokenModel, step int, extra map[string]string, err error) {
	err = readFile(path, "checkpoint", func(f *tensorFile) error {
		spec, n, err := f.tokenSpec()
		if err != nil {
			return err
		}
		net, err := nn.RestoreTokenNet(eng, spec.Net, f.read)
		if err != nil {
			return err
		}
		step, extra = int(n), f.extra()
		m, err = NewTokens(spec, net)
		return err
	})
	return m, step, extra, err
}

// ResumeTokens reads the state of a checkpoint into a trainer. Before that fits is called with the checkpoint, of
// which Net and the slabs of State are nil, and may refuse it: it must see that Spec.Net is the network of the
// trainer.
func ResumeTokens(path string, tr *nn.TokenTrainer, fits func(*TokenCheckpoint) error) error {
	return readFile(path, "checkpoint", func(f *tensorFile) (err error) {
		c := &TokenCheckpoint{Extra: f.extra()}
		if c.Spec, c.State.Step, err = f.tokenSpec(); err != nil {
			return err
		}
		if !f.resumable() {
			return ErrNoState
		}
		if err := fits(c); err != nil {
			return err
		}
		return tr.Read(c.State.Step, func(slab int, name string, shape []int) ([]float32, error) {
			return f.state([...]string{prefixRaw, "", prefixM, prefixV}[slab], name, shape)
		})
	})
}

// resumable says whether a file has the state of a training.
func (f *tensorFile) resumable() bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(f.tensors)), func(name string) bool {
		return strings.HasPrefix(name, prefixRaw)
	})
}
