package nn

import (
	"context"
	"errors"
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// TokenNet is the transformer of a [TokenConfig] with its weights. It is read-only and safe for concurrent use.
type TokenNet struct {
	Module
	cfg  TokenConfig
	body *tokenBody
	post *program // posterior
	grad *program // loss and gradient
}

// NewTokenNet returns a network with weights drawn from seed. It begins with every level alike.
func NewTokenNet(eng *Engine, cfg TokenConfig, seedValue uint64) (*TokenNet, error) {
	return planTokens(eng, cfg, func(l *layout) func([]float32) error {
		return l.initial(seed.Rand(seedValue, "nn/tokens", 0))
	})
}

// RestoreTokenNet returns a network with the tensors given; see [Restore].
func RestoreTokenNet(eng *Engine, cfg TokenConfig,
	read func(name string, shape []int) ([]float32, error)) (*TokenNet, error) {
	return planTokens(eng, cfg, func(l *layout) func([]float32) error { return l.restore(read) })
}

func planTokens(eng *Engine, cfg TokenConfig, weights func(*layout) func([]float32) error) (*TokenNet, error) {
	if err := eng.check(); err != nil {
		return nil, err
	}
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l, body := cfg.layout()
	if err := l.check("the transformer of tokens"); err != nil {
		return nil, err
	}
	m, err := fillModule(eng, l, weights(l))
	if err != nil {
		return nil, err
	}
	n := &TokenNet{Module: m, cfg: cfg, body: body}
	n.post = &program{eng: eng, name: "posterior of tokens", build: n.posteriorGraph,
		inputs: func(rows, _ int) []shapes.Shape {
			return append([]shapes.Shape{floats(l.size)}, cfg.stateShapes(rows)...)
		}}
	n.grad = &program{eng: eng, name: "gradient of tokens", build: n.gradGraph,
		inputs: func(rows, _ int) []shapes.Shape {
			return append([]shapes.Shape{floats(l.size)}, cfg.exampleShapes(rows)...)
		}}
	return n, nil
}

// Config returns the description, complete; the zero one of an empty TokenNet.
func (n *TokenNet) Config() TokenConfig {
	if n == nil {
		return TokenConfig{}
	}
	return n.cfg
}

// WithWeights returns a network like n with the weights of the slab given, of length P.
func (n *TokenNet) WithWeights(theta []float32) (*TokenNet, error) {
	if err := n.made(); err != nil {
		return nil, err
	}
	m, err := newModule(n.eng, n.layout, theta)
	if err != nil {
		return nil, err
	}
	other := *n
	other.Module = m
	return &other, nil
}

func (n *TokenNet) made() error {
	if n == nil || n.post == nil {
		return errors.New("nn: the network of tokens is nil or empty; make one by NewTokenNet")
	}
	return nil
}

// Levels is the number of levels of a token.
func (n *TokenNet) Levels() int { return n.Config().Levels }

// Posterior implements [discrete.Posterior] with nothing given: no label, and a context of zeros.
func (n *TokenNet) Posterior(ctx context.Context, p, t []float64, x discrete.Tokens) error {
	return n.Given(flow.Given{}).Posterior(ctx, p, t, x)
}

// Given returns the posterior of the network with labels and contexts, one for each sequence or one for all of them.
func (n *TokenNet) Given(g flow.Given) discrete.Posterior { return &givenTokens{n, g} }

// givenTokens is a network that something is given.
type givenTokens struct {
	*TokenNet
	given flow.Given
}

// tokensAtOnce is about how many tokens go through the network in one call.
const tokensAtOnce = 4096

func (g *givenTokens) Posterior(ctx context.Context, p, t []float64, x discrete.Tokens) (err error) {
	defer rescue(&err, "posterior of tokens")
	n := g.TokenNet
	if err := n.check(x, t, g.given); err != nil {
		return err
	}
	size := n.cfg.Length * n.cfg.Levels
	if len(p) != x.N*size {
		return fmt.Errorf("nn: room for %d probabilities; %d sequences have %d", len(p), x.N, x.N*size)
	}
	rows := max(1, tokensAtOnce/n.cfg.Length)
	for from := 0; from < x.N; from += rows { // one call of the program each, so that ctx is looked at between
		if err := ctx.Err(); err != nil {
			return err
		}
		err := blocks{rows: rows}.run(n.post, min(rows, x.N-from), 0, func(f *frame, i, j int) {
			f.give(0, n.theta)
			n.fill(f, 1, x, t, g.given, from+i, from+j)
		}, func(f *frame, i, j int) {
			f.read(p[(from+i)*size:(from+j)*size], 0)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// check reports a state that is none of the network's.
func (n *TokenNet) check(x discrete.Tokens, t []float64, g flow.Given) error {
	if err := n.made(); err != nil {
		return err
	}
	if err := x.Check(n.cfg.states()); err != nil {
		return fmt.Errorf("nn: %w", err)
	}
	if x.L != n.cfg.Length || len(t) != x.N {
		return fmt.Errorf("nn: %d sequences of %d tokens at %d times; the network takes sequences of %d, and a time "+
			"for each", x.N, x.L, len(t), n.cfg.Length)
	}
	if g.Shown.N > 0 {
		return fmt.Errorf("nn: %w: tokens that are known are in Tokens.Shown", flow.ErrShown)
	}
	return n.cfg.completed(g).Check(x.N, n.cfg.Classes, n.cfg.Context, 0)
}

// fill makes sequences i to j of a state the inputs of a frame from number at on, and returns the number behind them.
func (n *TokenNet) fill(f *frame, at int, x discrete.Tokens, t []float64, g flow.Given, i, j int) int {
	l := n.cfg.Length
	clear(f.ints(at)[copy(f.ints(at), x.X[i*l:j*l]):])
	f.set(at+1, t[i:j])
	at = n.cfg.beside().setGiven(f, at+2, n.cfg.completed(g).Slice(i, j))
	if n.cfg.Shown {
		dst := f.floats(at)
		clear(dst)
		for k := range (j - i) * l {
			if x.Shown != nil && x.Shown[i*l+k] {
				dst[k] = 1
			}
		}
		at++
	}
	return at
}

func (n *TokenNet) posteriorGraph(in []*Node) []*Node {
	at, _ := n.body.split(in[1:])
	p := Softmax(n.body.logits(n.layout.params(in[0]), at), -1)
	rows := at.t.Shape().Dimensions[0]
	return []*Node{Reshape(p, rows, n.cfg.Length*n.cfg.Levels)}
}
