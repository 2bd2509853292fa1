package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/data/table"
	"flowmatch/discrete"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
	"flowmatch/model"
	"flowmatch/run"
)

type tokenSampleResult struct {
	Run     string   `json:"run"`
	Files   []string `json:"files"`
	N       int      `json:"n"`
	Length  int      `json:"length"` // tokens of a sequence
	Kind    string   `json:"kind"`   // of tokens
	Seed    uint64   `json:"seed"`
	Solver  string   `json:"solver"`
	Steps   int      `json:"steps"`
	NFE     int      `json:"nfe"` // evaluations of the network for a sequence, of all windows
	Seconds float64  `json:"seconds"`
	Backend string   `json:"backend"`
	// Infilled is how many tokens of --infill were drawn; absent: it was not given.
	Infilled    int     `json:"infilled,omitempty"`
	Temperature float64 `json:"temperature"`
	TopP        float64 `json:"top_p"`
	Corrector   float64 `json:"corrector"`

	first string
}

func (s tokenSampleResult) text(w io.Writer) {
	fmt.Fprintf(w, "samples\t%d of %d %s, seed %d, in %s\n", s.N, s.Length, s.Kind, s.Seed,
		strings.Join(s.Files, ", "))
	how := fmt.Sprintf("%s, %d steps, NFE %d, %.2f s on backend %s", s.Solver, s.Steps, s.NFE, s.Seconds, s.Backend)
	for _, f := range []struct {
		name     string
		v, usual float64
	}{{"temperature", s.Temperature, 1}, {"top-p", s.TopP, 1}, {"corrector", s.Corrector, 0}} {
		if f.v != f.usual {
			how += fmt.Sprintf(", %s %g", f.name, f.v)
		}
	}
	fmt.Fprintf(w, "solver\t%s\n", how)
	if s.Infilled > 0 {
		fmt.Fprintf(w, "filled in\t%d tokens of %d\n", s.Infilled, s.Length)
	}
	fmt.Fprintf(w, "the first\t%s\n", choice.Quote(s.first))
}

// sampleTokens draws sequences of a run of tokens.
func (a *app) sampleTokens(cmd *cobra.Command, dir string, f sampleFlags) (result, error) {
	if cmd.Flags().Changed("guidance") {
		return nil, usagef("--guidance needs a run with labels, and texts have none")
	}
	if err := tokensOnly(cmd, dir, "n", "out", "seed", "steps", "solver", "backend", "set", "infill", "mark", "extend",
		"temperature", "top-p", "corrector"); err != nil {
		return nil, err
	}
	ext, err := f.checkTokens(cmd)
	if err != nil {
		return nil, err
	}
	if err := inFolder(f.out, f.infill); err != nil {
		return nil, err
	}
	r, err := a.openTokens(dir, f.backend, f.set)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(sparesText(f.out, r), f.applyTokens(cmd, r)); err != nil {
		return nil, err
	}
	given, err := f.knownTokens(r)
	if err != nil {
		return nil, err
	}
	return a.drawTokens(cmd, r, f, ext, given)
}

// checkTokens reports what is wrong with the flags whatever the run is, and returns the ending of the file to write.
func (f *sampleFlags) checkTokens(cmd *cobra.Command) (ext string, err error) {
	if ext, err = extension("--out", f.out, ".txt", ".npy"); err != nil {
		return "", err
	}
	set := cmd.Flags().Changed
	if !set("n") {
		f.n = 1
	}
	switch {
	case f.n < 1:
		return "", usagef("--n is %d; it must be at least 1", f.n)
	case f.infill == "" && (set("mark") || set("extend")):
		return "", exclude(cmd, "without --infill", "mark", "extend")
	case set("extend") && f.extend < 1:
		return "", usagef("--extend is %d; it must be at least 1", f.extend)
	}
	return ext, nil
}

// applyTokens sets the evaluation settings of the run from the flags.
func (f *sampleFlags) applyTokens(cmd *cobra.Command, r *run.TokenRun) error {
	e, set := &r.Config.Eval, cmd.Flags().Changed
	if err := applyJumps(cmd, e, f.runFlags); err != nil {
		return err
	}
	for _, v := range []struct {
		flag string
		into *float64
		v    float64
	}{{"temperature", &e.Temperature, f.temperature}, {"top-p", &e.TopP, f.topP},
		{"corrector", &e.Corrector, f.corrector}} {
		if set(v.flag) {
			*v.into = v.v
		}
	}
	if !set("seed") {
		f.seed = r.Config.Seed
	}
	if set("corrector") && e.Solver == discrete.Exact {
		return usagef("--corrector needs --solver euler; exact has none")
	}
	if err := e.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// applyJumps sets the solver and the steps from the flags.
func applyJumps(cmd *cobra.Command, e *run.TokenEval, f runFlags) error {
	set := cmd.Flags().Changed
	if set("solver") {
		if err := choice.Check("solver of tokens", f.solver, []string{discrete.Exact, discrete.Euler}); err != nil {
			return usagef("--solver: %w", err)
		}
		if e.Solver = f.solver; e.Solver == discrete.Exact {
			e.Corrector = 0 // that of the run file is for euler
		}
	}
	if set("steps") {
		e.Steps = f.steps
	}
	if err := e.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// knownTokens reads the text to fill in as tokens, of which some are model.Unknown; nil: none is asked for.
func (f *sampleFlags) knownTokens(r *run.TokenRun) ([]int32, error) {
	content, err := f.draft()
	if err != nil || content == nil {
		return nil, err
	}
	known, err := r.Model.Marked(*content, f.mark, f.extend)
	switch {
	case errors.Is(err, model.ErrMark):
		return nil, usagef("--infill %s: %w (--mark, --extend)", f.infill, err)
	case err != nil:
		return nil, fmt.Errorf("--infill %s: %w", f.infill, err)
	}
	return known, nil
}

// draft is the text of --infill; nil: there is none.
func (f *sampleFlags) draft() (*string, error) {
	if f.infill == "" {
		return nil, nil
	}
	raw, err := atomicfile.Read(f.infill)
	if err != nil {
		return nil, usagef("--infill: %w", err)
	}
	return new(string(raw)), nil
}

func (a *app) drawTokens(cmd *cobra.Command, r *run.TokenRun, f sampleFlags, ext string, given []int32) (
	result, error) {
	length := r.Config.Data.Length
	if given != nil {
		length = len(given)
	}
	if err := memory.Check(fmt.Sprintf("--n %d", f.n), 8*float64(f.n)*float64(length)); err != nil {
		return nil, err
	}
	a.status("drawing %d samples", f.n)
	start := time.Now()
	o := model.TokenSampling{N: f.n, Sampler: r.Config.Eval.Sampling(f.seed), Progress: a.watch("samples", f.n)}
	x, stats, err := discrete.Tokens{}, discrete.Stats{}, error(nil)
	if given == nil {
		x, stats, err = r.Model.Sample(cmd.Context(), o)
	} else {
		known := discrete.Tokens{N: 1, L: len(given), X: given}
		x, stats, err = r.Model.Infill(cmd.Context(), known, o)
	}
	if errors.Is(err, model.ErrNoInfill) {
		return nil, usageError{err}
	}
	if err != nil {
		return nil, err
	}
	e := r.Config.Eval
	res := tokenSampleResult{Run: r.Dir, Files: []string{f.out}, N: f.n, Length: length, Kind: r.Config.Data.Tokens,
		Seed: f.seed, Solver: e.Solver, Steps: e.Steps, NFE: stats.NFE, Seconds: time.Since(start).Seconds(),
		Backend: r.Model.Net().Engine().Name(), Temperature: e.Temperature, TopP: e.TopP, Corrector: e.Corrector,
		first: r.Model.Spec().Vocabulary.Decode(x.Row(0))}
	for _, v := range given {
		if v == model.Unknown {
			res.Infilled++
		}
	}
	if ext == ".npy" {
		return res, table.WriteIntNPY(f.out, x.N, x.L, x.X)
	}
	return res, atomicfile.WriteFile(f.out, func(w io.Writer) error { return r.WriteTexts(w, x) })
}
