package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/data/table"
	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/model"
	"flowmatch/run"
)

// tokenBoundResult is what logp and eval say of a run of tokens: not log p, but a bound of it.
type tokenBoundResult struct {
	Run      string           `json:"run"`
	Data     string           `json:"data"`
	ELBO     model.TokenBound `json:"elbo"`
	Note     string           `json:"note"`     // what the figure is, and what it is not
	LeftOut  int              `json:"left_out"` // tokens at the end of the text that fill no sequence
	Length   int              `json:"length"`   // tokens of a sequence
	Kind     string           `json:"kind"`     // of tokens
	Step     int              `json:"step"`     // optimizer steps behind the weights
	Seed     uint64           `json:"seed"`
	Backend  string           `json:"backend"`
	Seconds  float64          `json:"seconds"`
	File     string           `json:"file,omitempty"`
	Warnings []string         `json:"warnings,omitempty"`
}

func (b tokenBoundResult) text(w io.Writer) {
	e := b.ELBO
	fmt.Fprintf(w, "run\t%s, step %d\n", b.Run, b.Step)
	fmt.Fprintf(w, "data\t%s: %d sequences of %d %s\n", b.Data, e.Sequences, b.Length, b.Kind)
	fmt.Fprintf(w, "ELBO\t%.4f ± %.4f bits a token\n", e.Bits, e.BitsSE)
	if e.Characters > 0 {
		fmt.Fprintf(w, "\t%.4f ± %.4f bits a character, of %d\n", e.BitsOfChar, e.BitsOfCharSE, e.Characters)
	}
	fmt.Fprintf(w, "draws\t%d times and states of each sequence, seed %d\n", e.Draws, b.Seed)
	fmt.Fprintf(w, "note\t%s\n", b.Note)
	if b.LeftOut > 0 {
		fmt.Fprintf(w, "left out\t%d tokens at the end, which fill no sequence\n", b.LeftOut)
	}
	fmt.Fprintf(w, "solver\tnone, %.2f s on backend %s\n", b.Seconds, b.Backend)
	if b.File != "" {
		fmt.Fprintf(w, "values\t%s\n", b.File)
	}
	for _, text := range b.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", text)
	}
}

// boundNote says what the figure is.
func boundNote(p discrete.Config) string {
	note := "an estimate of a bound: -log p of the samples' law is at most this on average"
	if p.Noise() != discrete.Mask {
		note += "; with source uniform also a perfect model has more than the entropy"
	}
	return note
}

// logpTokens bounds the log-probability of a text.
func (a *app) logpTokens(cmd *cobra.Command, dir string, f logpFlags) (result, error) {
	if err := tokensOnly(cmd, dir, "data", "out", "seed", "backend", "set", "draws", "label"); err != nil {
		return nil, err
	}
	ext, err := f.check(cmd)
	if err == nil && ext != "" {
		err = inFolder(f.out, f.data)
	}
	if err != nil {
		return nil, err
	}
	r, err := a.openTokens(dir, f.backend, f.set)
	if err == nil && ext != "" {
		err = sparesText(f.out, r)
	}
	if err != nil {
		return nil, err
	}
	x, label, leftOut, err := f.sequences(cmd, r)
	if err != nil {
		return nil, err
	}
	seed := r.Config.Seed
	if cmd.Flags().Changed("seed") {
		seed = f.seed
	}
	res, each, err := a.bound(cmd, r, f.data, x, label, f.draws, seed)
	if err != nil {
		return nil, err
	}
	res.LeftOut, res.File = leftOut, f.out
	for i := range each {
		each[i] = -each[i] // of log p
	}
	values := flow.Batch{N: len(each), D: 1, X: each}
	switch ext {
	case ".csv":
		return res, table.WriteCSV(f.out, []string{"elbo_nats"}, values)
	case ".npy":
		return res, table.WriteNPY(f.out, values)
	}
	return res, nil
}

// sequences reads the sequences whose log-probability is to be bounded, with their labels, and how many tokens at the
// end of a text fill none.
func (f logpFlags) sequences(cmd *cobra.Command, r *run.TokenRun) (x discrete.Tokens, label []int32, leftOut int,
	err error) {
	if r.Model.Spec().Vocabulary.Rows() {
		known, err := rowsOfRun(r, f.data, "", false)
		if err == nil {
			label, err = tokenLabels(cmd, r, f.label, known.Tokens.N, known.Label, f.data)
		}
		return known.Tokens, label, 0, err
	}
	raw, err := atomicfile.Read(f.data)
	if err != nil {
		return x, nil, 0, usagef("--data: %w", err)
	}
	ids, err := r.Model.Spec().Vocabulary.Encode(string(raw))
	if err != nil {
		return x, nil, 0, fmt.Errorf("--data %s: %w", f.data, err)
	}
	length := r.Config.Data.Length
	if len(ids) < length {
		return x, nil, 0, fmt.Errorf("--data %s has %d tokens; the run bounds sequences of %d: give a text of one at "+
			"least", f.data, len(ids), length)
	}
	label, err = tokenLabels(cmd, r, f.label, 0, nil, "")
	return text.Windows(ids, length, 0), label, len(ids) % length, err
}

// evalTokens bounds the log-probability of the text that a run held out.
func (a *app) evalTokens(cmd *cobra.Command, dir string, f evalFlags) (result, error) {
	if err := tokensOnly(cmd, dir, "test", "backend", "set", "draws"); err != nil {
		return nil, err
	}
	if cmd.Flags().Changed("test") && f.test < 1 && !f.test.all() {
		return nil, usagef("--test is %d; it must be at least 1", f.test)
	}
	r, err := a.openTokens(dir, f.backend, f.set)
	if err != nil {
		return nil, err
	}
	corpus, err := r.Text()
	if err != nil {
		return nil, asUsage(err, run.ErrForeign)
	}
	most := r.Config.Eval.Test
	if cmd.Flags().Changed("test") {
		most = int(f.test)
	}
	if f.test.all() {
		most = len(corpus.Test)
	}
	x, label := corpus.Testing(most)
	res, _, err := a.bound(cmd, r, r.Config.Data.Path+" (held out to test)", x, label, f.draws, r.Config.Seed)
	if err == nil && x.N < most && !f.test.all() && cmd.Flags().Changed("test") {
		res.Warnings = append(res.Warnings, fmt.Sprintf("--test is %d, and the data have %d sequences to test", most,
			x.N))
	}
	return res, err
}

// bound estimates the bound of sequences, and returns that of each in nats, too.
func (a *app) bound(cmd *cobra.Command, r *run.TokenRun, name string, x discrete.Tokens, label []int32, draws int,
	seed uint64) (*tokenBoundResult, []float64, error) {
	if !cmd.Flags().Changed("draws") {
		draws = r.Config.Eval.Draws
	}
	if draws < 2 {
		return nil, nil, usagef("--draws is %d; it must be at least 2, for one draw has no standard error", draws)
	}
	a.status("estimating the ELBO of %d sequences", x.N)
	start := time.Now()
	b, each, err := r.Model.Bound(cmd.Context(), x, label, discrete.ELBOOptions{Draws: draws, Seed: seed},
		a.watch("bounds", x.N))
	if err != nil {
		return nil, nil, err
	}
	return &tokenBoundResult{Run: r.Dir, Data: name, ELBO: b, Note: boundNote(r.Model.Spec().Path), Length: x.L,
		Kind: r.Config.Data.Tokens, Step: r.Step, Seed: seed, Backend: r.Model.Net().Engine().Name(),
		Seconds: time.Since(start).Seconds()}, each, nil
}
