package serve

import (
	"cmp"
	"context"
	"unicode/utf8"

	"flowmatch/client"
	"flowmatch/discrete"
	"flowmatch/internal/choice"
)

// This file answers requests of the Open Inference Protocol for sequences of tokens.

// inputs are the tensors that a model takes: n asks for samples, with infill those of a text that is filled in, and
// text for bounds. Texts are BYTES, as gateways of language models have them; that of a row of a table is a line of
// CSV.
func (r *servedTokens) inputs() []tensorInfo {
	in := counts()
	if len(r.Model.Spec().Classes) > 0 {
		in = append(in, tensorInfo{"label", "BYTES", []int{-1}})
	}
	if r.Model.HasInfill() == nil {
		in = append(in, tensorInfo{"infill", "BYTES", []int{1}})
	}
	return append(in, tensorInfo{"text", "BYTES", []int{-1}})
}

// outputs are the tensors that a model makes: of samples, and of bounds elbo.
func (r *servedTokens) outputs() []tensorInfo {
	return append(r.ofSamples(), tensorInfo{"elbo", "FP64", []int{-1}})
}

// ofSamples are the tensors of samples: texts, or the columns of a table of categories, their tokens and their classes.
func (r *servedTokens) ofSamples() (out []tensorInfo) {
	names := r.Model.Spec().Vocabulary.Names()
	if names == nil {
		out = append(out, tensorInfo{"text", "BYTES", []int{-1}})
	}
	for _, name := range names {
		out = append(out, tensorInfo{"x." + name, "BYTES", []int{-1}})
	}
	out = append(out, tensorInfo{"tokens", "INT64", []int{-1, -1}})
	if len(r.Model.Spec().Classes) > 0 {
		out = append(out, tensorInfo{"label", "BYTES", []int{-1}})
	}
	return out
}

func (r *servedTokens) size() size { return size{r.Model.Spec().Net.Length, 1} }

// infer draws sequences, or bounds their log-probabilities.
func (r *servedTokens) infer(ctx context.Context, s *Server, body *inferBody, in []*tensor, about map[string]any) (
	[]*tensor, error) {
	q, names := new(inferQuery), namesOf(r.inputs())
	var texts []string
	for _, t := range in {
		if err := choice.Check("input", t.name, names); err != nil {
			return nil, invalid("inputs: %v", err)
		}
		is, err := q.counted(t)
		switch {
		case err != nil:
			return nil, err
		case is:
		case t.kind != "BYTES":
			return nil, invalid("input %s: it is of BYTES, and not of %s", choice.Quote(t.name), t.kind)
		case t.name == "label":
			q.label = t.labels()
		case t.name == "text":
			texts = append([]string{}, t.texts...)
		case len(t.texts) != 1:
			return nil, invalid("input infill: want one text, of BYTES with shape [1]")
		default:
			q.infill = &t.texts[0]
		}
	}
	if texts == nil {
		return s.inferSequences(ctx, r, body, q, about)
	}
	p := body.Parameters
	if q.n != nil {
		p.N = q.n
	}
	if name := p.others("seed", "draws"); name != "" || q.infill != nil {
		return nil, invalid("%s: it is none of bounds, which text asks for; leave one of them out",
			cmp.Or(name, "infill"))
	}
	b := client.BoundRequest{Texts: texts, Label: q.label, Draws: p.Draws, Seed: cmp.Or(q.seed, p.Seed)}
	if err := cmp.Or(body.asked([]string{"elbo"}), s.valid(b)); err != nil {
		return nil, err
	}
	out, err := s.bounds(ctx, r, b)
	if err != nil {
		return nil, err
	}
	about["seed"], about["step"], about["draws"] = out.Seed, out.Step, out.Draws
	return []*tensor{{name: "elbo", kind: "FP64", shape: []int{len(out.ELBO)}, numbers: out.ELBO}}, nil
}

// inferSequences draws sequences, or fills a text in.
func (s *Server) inferSequences(ctx context.Context, r *servedTokens, body *inferBody, q *inferQuery,
	about map[string]any) ([]*tensor, error) {
	b, err := s.asks(body, q, r.ofSamples(), "text for bounds")
	if err != nil {
		return nil, err
	}
	d, err := s.sequences(ctx, r, b)
	if err != nil {
		return nil, err
	}
	if err := s.queue.do(d.job); err != nil {
		return nil, answer(err)
	}
	x := d.tokens(levels(d.job.x))
	about["seed"], about["step"], about["solver"] = d.seed, d.info.Step, d.info.Solver
	tokens := &tensor{name: "tokens", kind: "INT64", shape: []int{x.N, x.L}}
	for _, v := range x.X {
		tokens.whole = append(tokens.whole, int64(v))
	}
	out := append(r.written(x), tokens)
	for i, text := range out[0].texts {
		if name := out[0].name; name == "text" && !body.binary(name) && !utf8.ValidString(text) {
			warn(about, []string{notUTF8(i, "ask for text in binary")})
			break
		}
	}
	if d.info.Labels != nil {
		out = append(out, &tensor{name: "label", kind: "BYTES", shape: []int{x.N}, texts: d.info.Labels})
	}
	return out, nil
}

// written are the texts of sequences, or the columns of a table of categories.
func (r *servedTokens) written(x discrete.Tokens) (out []*tensor) {
	v := r.Model.Spec().Vocabulary
	names := v.Names()
	for _, name := range names {
		out = append(out, &tensor{name: "x." + name, kind: "BYTES", shape: []int{x.N}})
	}
	if names == nil {
		out = []*tensor{{name: "text", kind: "BYTES", shape: []int{x.N}}}
	}
	for i := range x.N {
		cells := v.Cells
		if names == nil {
			cells = func(row []int32) []string { return []string{v.Decode(row)} }
		}
		for k, cell := range cells(x.Row(i)) {
			out[k].texts = append(out[k].texts, cell)
		}
	}
	return out
}
