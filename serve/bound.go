package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"flowmatch/client"
	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/model"
)

// This file reads the texts of requests of models of tokens, and bounds their log-probabilities.

// bound answers a request for bounds of log-probabilities.
func (s *Server) bound(ctx context.Context, in *asked[client.BoundRequest]) (*struct{ Body *client.Bound }, error) {
	r, err := s.tokensOf(in.Name)
	if err != nil {
		return nil, err
	}
	out, err := s.bounds(ctx, r, in.Body)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *client.Bound }{out}, nil
}

// bounds bounds the log-probabilities of texts.
func (s *Server) bounds(ctx context.Context, r *servedTokens, b client.BoundRequest) (*client.Bound, error) {
	label, err := r.classed().each(b.Label, len(b.Texts), "texts")
	if err != nil {
		return nil, err
	}
	out := &client.Bound{Model: r.name, Step: r.Step, Draws: cmp.Or(b.Draws, r.Config.Eval.Draws),
		Seed: or(b.Seed, r.Config.Seed)}
	var x discrete.Tokens
	if b.Split > 0 {
		x, label, err = s.splitOf(ctx, r, b, label, out)
	} else {
		x, err = s.sequencesOf(ctx, r, b.Texts)
	}
	if err != nil {
		return nil, err
	}
	if out.Draws > s.o.MaxNFE {
		return nil, invalid("draws: %d are asked for, and %d evaluations of the network are made at most", out.Draws,
			s.o.MaxNFE)
	}
	j := &job{ctx: ctx, whole: true, x: numbers(x)}
	j.solve = func(ctx context.Context, _ points) (flow.Batch, []float64, int, error) {
		sum, each, err := r.Model.Bound(ctx, x, label, discrete.ELBOOptions{Draws: out.Draws, Seed: out.Seed}, nil)
		for _, v := range each {
			out.ELBO = append(out.ELBO, -v)
		}
		out.Bits, out.BitsSE = sum.Bits, sum.BitsSE
		return numbers(x), nil, out.Draws, err
	}
	if err := s.queue.do(j); err != nil {
		return nil, answer(err)
	}
	return out, nil
}

// sequencesOf are texts as sequences of the model.
func (s *Server) sequencesOf(ctx context.Context, r *servedTokens, texts []string) (x discrete.Tokens, err error) {
	v, length := r.Model.Spec().Vocabulary, r.Model.Spec().Net.Length
	if err := s.affords(ctx, "texts", len(texts), length); err != nil {
		return x, err
	}
	x = discrete.NewTokens(len(texts), length)
	most := length * v.Longest()
	for i, t := range texts {
		if len(t) > most {
			return x, invalid("texts: text %d has %d bytes; %d tokens (%s) have %d at most", i+1, len(t), length,
				v.Kind, most)
		}
		ids, err := r.encode(i, t)
		switch {
		case err != nil:
			return x, err
		case len(ids) != length:
			more := ""
			if !v.Rows() {
				more = "; split cuts texts into these"
			}
			return x, invalid("texts: text %d has %d tokens (%s); the model bounds sequences of %d%s", i+1, len(ids),
				v.Kind, length, more)
		}
		copy(x.Row(i), ids)
	}
	return x, nil
}

// encode returns the tokens of text i of a request.
func (r *servedTokens) encode(i int, t string) ([]int32, error) {
	ids, err := r.Model.Spec().Vocabulary.Encode(t)
	if err != nil {
		return nil, invalid("texts: text %d: %s", i+1, strings.TrimPrefix(err.Error(), "text: "))
	}
	return ids, nil
}

// splitOf are the sequences that the texts of a request are cut into, with the class of each; out is told of them.
func (s *Server) splitOf(ctx context.Context, r *servedTokens, b client.BoundRequest, classes []int32,
	out *client.Bound) (x discrete.Tokens, label []int32, err error) {
	v, length := r.Model.Spec().Vocabulary, r.Model.Spec().Net.Length
	if v.Rows() {
		return x, nil, invalid("split: it is of texts, and the model is of rows; leave it out, and give each row")
	}
	x.L = length
	for i, t := range b.Texts {
		if p, ok := ctx.Value(ofPlace{}).(*place); ok {
			if err := p.hold(int64(textBytes * len(t))); err != nil {
				return x, nil, answer(err)
			}
		}
		ids, err := r.encode(i, t)
		if err != nil {
			return x, nil, err
		}
		n := min(b.Split, len(ids)/length)
		if n == 0 {
			return x, nil, invalid("texts: text %d has %d tokens (%s); a sequence of the model has %d", i+1, len(ids),
				v.Kind, length)
		}
		out.LeftOut += len(ids) - n*length
		x.N, x.X = x.N+n, append(x.X, ids[:n*length]...)
		if classes != nil {
			label = append(label, slices.Repeat(classes[i:i+1], n)...)
		}
	}
	for i := range x.N {
		out.Pieces = append(out.Pieces, v.Decode(x.Row(i)))
	}
	return x, label, s.affords(ctx, "split", x.N, length)
}

// knownOf are the tokens of a text that a request wants filled in, of which some are model.Unknown; nil: it wants
// none. They are as many as the steps of their windows allow.
func (s *Server) knownOf(ctx context.Context, r *servedTokens, b client.SampleRequest, steps int) ([]int32, error) {
	switch {
	case b.Infill == nil && b.Mark != "":
		return nil, invalid("mark: it is of infill, a text to fill in; leave it out, or give the text")
	case b.Infill == nil && b.Extend != 0:
		return nil, invalid("extend: it is of infill, a text to fill in; leave it out, or give the text")
	case b.Infill == nil:
		return nil, nil
	}
	if err := r.Model.HasInfill(); err != nil {
		return nil, invalid("infill: %s", choice.Spoken(err))
	}
	length := r.Model.Spec().Net.Length
	windows := min(s.o.MaxNFE/steps, mostNumbers)
	most := min(mostNumbers, length+(windows-1)*max(1, length/2)) // tokens of so many windows
	long := func(what string) error {
		return invalid("infill: the text has %s; at most %d tokens are filled in by so many steps, %d evaluations of "+
			"the network; give a shorter one, or fewer steps", what, most, s.o.MaxNFE)
	}
	bytes := len(*b.Infill)
	if longest := most * max(r.Model.Spec().Vocabulary.Longest(), len(b.Mark)); bytes > longest {
		return nil, long(fmt.Sprintf("%d bytes", bytes))
	}
	if b.Extend > most {
		return nil, long(fmt.Sprintf("%d tokens more", b.Extend))
	}
	if p, ok := ctx.Value(ofPlace{}).(*place); ok {
		if err := p.hold(int64(textBytes * (bytes + b.Extend))); err != nil {
			return nil, answer(err)
		}
	}
	known, err := r.Model.Marked(*b.Infill, cmp.Or(b.Mark, model.DefaultMark), b.Extend)
	switch {
	case errors.Is(err, model.ErrMark):
		return nil, invalid("mark: %s", strings.TrimPrefix(err.Error(), model.ErrMark.Error()+": "))
	case err != nil:
		return nil, invalid("infill: %s", strings.TrimPrefix(err.Error(), "text: "))
	case len(known) > most:
		return nil, long(fmt.Sprintf("%d tokens", len(known)))
	}
	return known, nil
}

// textBytes is about how much memory a byte of a text takes while it is read as tokens.
const textBytes = 48
