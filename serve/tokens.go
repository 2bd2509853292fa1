package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
	"flowmatch/data/table"
	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/run"
)

// This file answers requests for sequences of tokens.

// ofTokens are the operations of a model of tokens.
var ofTokens = []string{"sample", "stream", "bound"}

// jumpNumbers is about how many probabilities of tokens are asked for at a time: few enough for others not to wait
// long.
const jumpNumbers = 1 << 18

// info says what a model of tokens is.
func (r *servedTokens) info() client.Model {
	spec, v := r.Model.Spec(), r.Model.Spec().Vocabulary
	return client.Model{Name: r.name, Step: r.Step, Loaded: r.since.UTC().Format(time.RFC3339), Dim: spec.Net.Length,
		Path: spec.Path.String(), Weights: r.Model.Net().NumWeights(), Columns: columnsOf(v),
		Classes: spec.Classes, LabelName: r.Config.Data.Label, Guidance: r.Config.Train.LabelDropout > 0,
		Solver: r.Config.Eval.Solver, Density: "tokens have no exact log p; ask /bound for a bound of it",
		Tokens: &client.Tokens{Kind: v.Kind, Length: spec.Net.Length, Levels: r.Model.Levels(),
			Source: string(spec.Path.Noise()), Chars: v.Chars, Infill: r.Model.HasInfill() == nil}}
}

// columnsOf are the names of the columns of an answer: those of a table of categories, or one of texts.
func columnsOf(v text.Vocabulary) []string {
	if names := v.Names(); names != nil {
		return names
	}
	return []string{"text"}
}

// tokensOf returns the state of a run of tokens by its name; nil: the model is of points.
func (s *Server) tokensOf(name string) (*servedTokens, error) {
	e, err := s.entry(name)
	if err != nil {
		return nil, err
	}
	return e.tokens.Load(), nil
}

// sequences is a request for sequences of tokens under way.
type sequences struct {
	of      *servedTokens
	job     *job
	sampler discrete.Sampler
	info    client.Samples // without X
	seed    uint64
	length  int // of each sequence; where one window of the model fills in, the job's are as long as that
	told
}

// told is what sequences are told of their classes.
type told struct {
	classes  int      // 0: the model has none
	label    int32    // of all sequences; -1: every class in turn
	guidance *float64 // nil: none
}

// toldBy returns what a request says of classes.
func toldBy(r *servedTokens, b client.SampleRequest) (g told, err error) {
	spec := r.Model.Spec()
	g = told{len(spec.Classes), -1, b.Guidance}
	label, err := r.classed().labels(b.Label)
	switch {
	case err != nil:
		return g, err
	case len(label) > 1:
		return g, invalid("label: %d classes are given; give one, of all sequences", len(label))
	case b.Infill != nil && g.classes > 0 && len(b.Label) == 0:
		return g, invalid("label: what is filled in has a class; give it, one of %s", choice.List(spec.Classes))
	case b.Guidance != nil && r.Config.Train.LabelDropout == 0:
		return g, invalid(notGuided)
	case len(label) == 1:
		g.label = label[0]
	}
	return g, nil
}

// labels are the classes of sequences: a sequence has that of its number, if there is none of all.
func (g told) labels(of []discrete.Sequence) (label []int32) {
	for _, s := range of {
		switch {
		case g.classes == 0:
			return nil
		case g.label >= 0:
			label = append(label, g.label)
		default:
			label = append(label, int32(s.Number%g.classes))
		}
	}
	return label
}

// each are the classes of the first n sequences; nil: they have none.
func (g told) each(n int) []int32 {
	if g.classes == 0 {
		return nil
	}
	of := make([]discrete.Sequence, n)
	for i := range of {
		of[i].Number = i
	}
	return g.labels(of)
}

// String says it as a solver does; empty: there is nothing to say.
func (g told) String() (how string) {
	if g.label >= 0 {
		how = fmt.Sprintf(" label=%d", g.label)
	}
	if g.guidance != nil {
		how += fmt.Sprintf(" guidance=%g", *g.guidance)
	}
	return how
}

// sequences returns what a request for samples asks a model of tokens for.
func (s *Server) sequences(ctx context.Context, r *servedTokens, b client.SampleRequest) (*sequences, error) {
	if key := ofPoints(b); key != "" {
		return nil, invalid("%s: the model is of sequences of tokens, which take none; leave it out", key)
	}
	e, err := jumpsOf(r.Config.Eval, b, s.o.MaxNFE)
	if err != nil {
		return nil, err
	}
	window := r.Model.Spec().Net.Length
	q := &sequences{of: r, seed: or(b.Seed, r.Config.Seed), length: window}
	known, err := s.knownOf(ctx, r, b, e.Steps)
	if err != nil {
		return nil, err
	}
	wide := max(window, len(known))
	if known != nil {
		q.length = len(known)
		for len(known) < wide {
			known = append(known, model.Unknown)
		}
	}
	is, err := toldBy(r, b)
	if err != nil {
		return nil, err
	}
	if err := s.affords(ctx, "n", b.N, wide); err != nil {
		return nil, err
	}
	q.sampler = e.Sampling(q.seed)
	q.told = is
	q.info = client.Samples{Model: r.name, Step: r.Step, Seed: &q.seed, Solver: solverOf(e) + is.String(),
		Columns: columnsOf(r.Model.Spec().Vocabulary)}
	for _, class := range is.each(b.N) {
		q.info.Labels = append(q.info.Labels, r.Model.Spec().Classes[class])
	}
	q.job = &job{ctx: ctx, seed: q.seed, key: tokenKey{r, q.info.Solver, len(known)}, known: known, solve: q.draw,
		most: max(1, jumpNumbers/(window*r.Model.Levels())),
		from: func() flow.Batch { return flow.NewBatch(b.N, wide) }, x: flow.Batch{N: b.N, D: wide}}
	return q, nil
}

// tokenKey tells jobs of tokens that can share a solve.
type tokenKey struct {
	of     *servedTokens
	solver string
	known  int // tokens of sequences that are filled in; 0: nothing is known
}

// jumpsOf returns the settings of a request over those of the run.
func jumpsOf(e run.TokenEval, b client.SampleRequest, most int) (run.TokenEval, error) {
	if b.Solver != "" && b.Solver != e.Solver {
		e.Solver, e.Corrector = b.Solver, 0 // that of the run file is of its solver
	}
	e.Steps = cmp.Or(b.Steps, e.Steps)
	e.Temperature, e.TopP = or(b.Temperature, e.Temperature), or(b.TopP, e.TopP)
	e.Corrector = or(b.Corrector, e.Corrector)
	if err := e.Validate(); err != nil {
		return e, invalid("%s", strings.ReplaceAll(err.Error(), "eval.", ""))
	}
	if e.Steps > most {
		return e, invalid("steps: %d are asked for, and %d evaluations of the network are made at most", e.Steps, most)
	}
	return e, nil
}

// solverOf writes how sequences are drawn.
func solverOf(e run.TokenEval) string {
	how := fmt.Sprintf("%s steps=%d", e.Solver, e.Steps)
	for _, f := range []struct {
		name     string
		v, usual float64
	}{{"temperature", e.Temperature, 1}, {"top_p", e.TopP, 1}, {"corrector", e.Corrector, 0}} {
		if f.v != f.usual {
			how += fmt.Sprintf(" %s=%g", f.name, f.v)
		}
	}
	return how
}

// ofPoints is the first key of a request that is of points alone.
func ofPoints(b client.SampleRequest) string {
	for _, k := range []struct {
		name string
		is   bool
	}{
		{"given", b.Given != nil}, {"complete", b.Complete}, {"condition", b.Condition != nil}, {"eta", b.Eta != 0},
		{"diffusion", b.Diffusion != ""},
		{"guidance_interval", b.GuidanceInterval != nil}, {"guidance_rescale", b.GuidanceRescale != 0},
		{"noise", b.Noise != nil}, {"with", b.With != nil}, {"columns", b.Columns != 0}, {"rtol", b.RTol != nil},
		{"atol", b.ATol != nil}, {"time_grid", b.TimeGrid != nil}, {"logp", b.LogP},
	} {
		if k.is {
			return k.name
		}
	}
	return ""
}

// ofTokensAlone is the first key of a request that is of tokens alone.
func ofTokensAlone(b client.SampleRequest) string {
	switch {
	case b.Temperature != nil:
		return "temperature"
	case b.TopP != nil:
		return "top_p"
	case b.Corrector != nil:
		return "corrector"
	case b.Infill != nil:
		return "infill"
	case b.Mark != "":
		return "mark"
	case b.Extend != 0:
		return "extend"
	}
	return ""
}

// draw draws sequences of this request and of others like it.
func (q *sequences) draw(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
	x, nfe, err := q.drawn(ctx, p, nil)
	return numbers(x), nil, nfe, err
}

// drawn draws sequences, and shows their states to at, if it is not nil.
func (q *sequences) drawn(ctx context.Context, p points, at func(t float64, x discrete.Tokens)) (discrete.Tokens, int,
	error) {
	o := model.TokenSampling{N: len(p.of), Sampler: q.sampler, Guidance: q.guidance, At: at}
	for _, of := range p.of {
		o.Sampler.Of = append(o.Sampler.Of, discrete.Sequence{Seed: of.job.seed, Number: of.number})
	}
	o.Label = q.labels(o.Sampler.Of)
	if q.job.known == nil {
		x, st, err := q.of.Model.Sample(ctx, o)
		return x, st.NFE, err
	}
	known := discrete.NewTokens(len(p.of), q.job.x.D)
	for i, of := range p.of {
		copy(known.Row(i), of.job.known)
	}
	x, st, err := q.of.Model.Infill(ctx, known, o)
	return x, st.NFE, err
}

// tokens are those of the sequences that were drawn, x, as long as they were asked for.
func (q *sequences) tokens(x discrete.Tokens) discrete.Tokens {
	if x.L == q.length {
		return x
	}
	out := discrete.NewTokens(x.N, q.length)
	for i := range x.N {
		copy(out.Row(i), x.Row(i))
	}
	return out
}

// numbers are tokens as the queue keeps them.
func numbers(x discrete.Tokens) flow.Batch {
	out := flow.NewBatch(x.N, x.L)
	for i, v := range x.X {
		out.X[i] = float64(v)
	}
	return out
}

// levels are the tokens of numbers.
func levels(x flow.Batch) discrete.Tokens {
	out := discrete.NewTokens(x.N, x.D)
	for i, v := range x.X {
		out.X[i] = int32(v)
	}
	return out
}

// texts are sequences as rows of an answer.
func (r *servedTokens) texts(x discrete.Tokens) (rows [][]any, warnings []string) {
	v := r.Model.Spec().Vocabulary
	for i := range x.N {
		if v.Kind == text.Categories {
			row := make([]any, 0, x.L)
			for _, cell := range v.Cells(x.Row(i)) {
				row = append(row, cell)
			}
			rows = append(rows, row)
			continue
		}
		t := v.Decode(x.Row(i))
		if rows = append(rows, []any{t}); !utf8.ValidString(t) && warnings == nil {
			warnings = []string{notUTF8(i, "accept "+client.NPY)}
		}
	}
	return rows, warnings
}

// notUTF8 is what is to be known of text i of an answer in JSON, and what gives its bytes.
func notUTF8(i int, instead string) string {
	return fmt.Sprintf("bytes of sample %d are no UTF-8, which JSON has as �; %s for its bytes", i+1, instead)
}

// json are the samples as JSON has them.
func (q *sequences) json(x discrete.Tokens) client.Samples {
	out := q.info
	out.X, out.Warnings = q.of.texts(x)
	return out
}

// sampleTokens answers a request for samples of a model of tokens.
func (s *Server) sampleTokens(ctx context.Context, r *servedTokens, accept string, b client.SampleRequest) (
	*encoded, error) {
	as, ok := prefers(accept, mediaOfTokens)
	if !ok || as == client.CSV && r.Model.Spec().Vocabulary.Kind != text.Categories {
		return nil, huma.Error406NotAcceptable(fmt.Sprintf("sequences of tokens are %s, %s, %s or %s, and those of a "+
			"table of categories also %s", client.JSON, client.Plain, client.NPY, client.NPZ, client.CSV))
	}
	q, err := s.sequences(ctx, r, b)
	if err != nil {
		return nil, err
	}
	if err := s.queue.do(q.job); err != nil {
		return nil, answer(err)
	}
	x := q.tokens(levels(q.job.x))
	done, err := s.encoding(ctx, len(x.X))
	if err != nil {
		return nil, err
	}
	defer done()
	out := &encoded{ContentType: as, Step: r.Step, Seed: strconv.FormatUint(q.seed, 10), Solver: q.info.Solver}
	var body bytes.Buffer
	switch as {
	case client.NPY:
		err = table.EncodeIntNPY(&body, x.N, x.L, x.X)
	case client.NPZ:
		err = q.writeNPZ(&body, x)
	case client.CSV:
		err = r.WriteTable(&body, x, q.each(x.N))
	case client.Plain:
		out.ContentType += "; charset=utf-8"
		err = r.WriteTexts(&body, x)
	default:
		out.Body, err = json.Marshal(q.json(x))
		return out, err
	}
	out.Body = body.Bytes()
	return out, err
}

// writeNPZ writes the levels of sequences and, of a model with classes, those of the sequences.
func (q *sequences) writeNPZ(w io.Writer, x discrete.Tokens) error {
	all := []encodes{{"x", func(w io.Writer) error { return table.EncodeIntNPY(w, x.N, x.L, x.X) }}}
	if label := q.each(x.N); label != nil {
		all = append(all, encodes{"label", func(w io.Writer) error { return table.EncodeIntNPY(w, x.N, 1, label) }})
	}
	return writeArrays(w, all)
}

// mediaOfTokens are the types of content of sequences, by what Accept may say.
var mediaOfTokens = map[string]string{client.JSON: client.JSON, "*/*": client.JSON, "application/*": client.JSON,
	client.Plain: client.Plain, "text/*": client.Plain, client.CSV: client.CSV, client.NPZ: client.NPZ,
	"application/zip": client.NPZ, client.NPY: client.NPY, "application/octet-stream": client.NPY}

// streamTokens is stream of a model of tokens. Tokens jump at the steps of the solver: the state at a time is that
// after the last step before it.
func (s *Server) streamTokens(ctx context.Context, r *servedTokens, b client.StreamRequest) (
	*huma.StreamResponse, error) {
	q, err := s.sequences(ctx, r, b.SampleRequest)
	if err != nil {
		return nil, err
	}
	times := streamTimes(b.Times)
	switch n := q.job.x.N * q.job.x.D; {
	case !model.RisesToOne(times):
		return nil, invalid(notRising)
	case len(times) > mostStreamed/n:
		return nil, tooManyStates(q.job.x, len(times))
	case q.length > r.Model.Spec().Net.Length:
		return nil, invalid("infill: %d tokens are filled in window by window, and a stream shows one of %d; ask "+
			"/sample", q.length, r.Model.Spec().Net.Length)
	}
	if err := roomOf(ctx, q.job.x, len(times)); err != nil {
		return nil, err
	}
	states := make(chan discrete.Tokens, len(times)) // so that the solve never waits for the reader
	q.streamed(times, states)
	return telling(s.queue, q.job, times, states, func(t float64, x discrete.Tokens) client.State {
		out := client.State{T: t}
		x = q.tokens(x)
		out.X, _ = r.texts(x)
		for i := range x.N {
			out.Tokens = append(out.Tokens, x.Row(i))
		}
		return out
	}, func() (any, error) { return q.json(q.tokens(levels(q.job.x))), nil }), nil
}

// streamed makes the job one that gives out the states at the times.
func (q *sequences) streamed(times []float64, states chan<- discrete.Tokens) {
	q.job.whole = true
	q.job.solve = func(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
		next := 0
		var last discrete.Tokens
		x, nfe, err := q.drawn(ctx, p, func(t float64, x discrete.Tokens) {
			for ; next < len(times) && times[next] < t; next++ {
				states <- last
			}
			last = x.Clone()
		})
		for ; err == nil && next < len(times); next++ {
			states <- last
		}
		return numbers(x), nil, nfe, err
	}
}
