package nn

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"flowmatch/flow"
)

// TokenConfig describes a transformer over sequences of tokens: it predicts the level of each token at t = 1 from
// all tokens at t. Blocks are those of [DiT], shifted and scaled by time and by what is given, with rotary positions
// (Su et al. 2021) and an embedding of each place: of tokens that are all masks, rotary positions alone tell none
// from another. The zero value of every field but Levels and Length is usable.
type TokenConfig struct {
	Levels int  `yaml:"levels,omitempty" json:"levels"` // of a token; it comes from the data
	Length int  `yaml:"length,omitempty" json:"length"` // of a sequence; it comes from the data
	Mask   bool `yaml:"mask,omitempty" json:"mask"`     // there is one more state, the mask; it comes from the path
	// Shown adds which tokens are known, where the state does not say so itself: on paths without a mask.
	Shown bool `yaml:"shown,omitempty" json:"shown,omitempty"`

	Width    int     `yaml:"width" json:"width"`         // of a token, twice a multiple of Heads; default 128
	Depth    int     `yaml:"depth" json:"depth"`         // blocks; default 4
	Heads    int     `yaml:"heads" json:"heads"`         // of attention; default 4
	MLPRatio float64 `yaml:"mlp_ratio" json:"mlp_ratio"` // width of the hidden layer of a block, in Width; default 4
	Tied     bool    `yaml:"tied" json:"tied"`           // the output has the embedding of levels for its weights
	Dropout  float64 `yaml:"dropout" json:"dropout"`     // share of what blocks add that is left out in training

	Classes int `yaml:"classes,omitempty" json:"classes,omitempty"` // of labels; 0: none
	Context int `yaml:"context,omitempty" json:"context,omitempty"` // numbers of a context; 0: none
}

// Defaults returns c with every unset field filled in.
func (c TokenConfig) Defaults() TokenConfig {
	for _, f := range []struct {
		v   *int
		def int
	}{{&c.Width, 128}, {&c.Depth, 4}, {&c.Heads, 4}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	if c.MLPRatio == 0 {
		c.MLPRatio = 4
	}
	return c
}

// Validate reports the first field that cannot be used.
func (c TokenConfig) Validate() error {
	c = c.Defaults()
	switch {
	case c.Levels < 2 || c.Length < 1:
		return fmt.Errorf("nn: tokens of %d levels in sequences of %d; there must be 2 levels and 1 token at least",
			c.Levels, c.Length)
	case c.Depth < 1 || c.Heads < 1:
		return fmt.Errorf("nn: depth %d and heads %d must be at least 1", c.Depth, c.Heads)
	case c.Width < 2 || c.Width%(2*c.Heads) != 0:
		return fmt.Errorf("nn: width is %d; it must be a multiple of twice the %d heads", c.Width, c.Heads)
	case !(c.MLPRatio*float64(c.Width) >= 1):
		return fmt.Errorf("nn: mlp_ratio is %g; the hidden layer of a block needs at least 1 unit", c.MLPRatio)
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return fmt.Errorf("nn: dropout is %g; it must be in [0, 1)", c.Dropout)
	case c.Classes < 0 || c.Context < 0:
		return fmt.Errorf("nn: classes %d and context %d must not be negative", c.Classes, c.Context)
	}
	return nil
}

// states is the number of states of a token.
func (c TokenConfig) states() int {
	if c.Mask {
		return c.Levels + 1
	}
	return c.Levels
}

// hidden is the width of the hidden layer of a block.
func (c TokenConfig) hidden() int { return int(c.MLPRatio * float64(c.Width)) }

// beside is what is given beside the tokens, as other networks have it.
func (c TokenConfig) beside() Config { return Config{Classes: c.Classes, Context: c.Context} }

// completed is what is given with no label, and a context of zeros, where they are left out.
func (c TokenConfig) completed(g flow.Given) flow.Given {
	if c.Classes > 0 && len(g.Label) == 0 {
		g.Label = []int32{-1}
	}
	if c.Context > 0 && g.Context.N == 0 {
		g.Context = flow.NewBatch(1, c.Context)
	}
	return g
}

// stateShapes are the inputs that say where n sequences are, and what is given: tokens, times, labels, contexts, and
// which tokens are known.
func (c TokenConfig) stateShapes(n int) []shapes.Shape {
	in := append([]shapes.Shape{shapes.Make(dtypes.Int32, n*c.Length), floats(n)}, c.beside().givenShapes(n)...)
	if c.Shown {
		in = append(in, floats(n*c.Length))
	}
	return in
}

// layout returns the tensors of the network, and their numbers.
func (c TokenConfig) layout() (*layout, *tokenBody) {
	l, w := &layout{}, c.Width
	b := &tokenBody{cfg: c, label: -1, context: -1, shown: -1, last: -1}
	b.embed = l.add("embed.weight", spread(0.02), c.states(), w)
	b.place = l.add("pos_embed.weight", spread(0.02), c.Length, w)
	if c.Shown {
		b.shown = l.add("shown.weight", spread(0.02), w)
	}
	b.time[0] = l.affine("t_embedder.mlp.0", spread(0.02), w, ditFrequencies)
	b.time[1] = l.affine("t_embedder.mlp.2", spread(0.02), w, w)
	if c.Classes > 0 {
		b.label = l.add("y_embedder.embedding_table.weight", spread(0.02), c.Classes+1, w)
	}
	if c.Context > 0 {
		b.context = l.hidden("context.0", c.Context, w)
		l.linear("context.2", w, w)
	}
	for i := range c.Depth {
		b.blocks = append(b.blocks, newDiTBlock(l, fmt.Sprintf("blocks.%d.", i), w, c.hidden()))
	}
	if !c.Tied {
		b.last = l.affine("final_layer.linear", start{}, c.Levels, w)
	}
	b.adapt = l.affine("final_layer.adaLN_modulation.1", start{}, 2*w, w)
	return l, b
}
