package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
	// Label is the class of all samples; absent: several, of Classes, or none.
	Label    string   `json:"label,omitempty"`
	Classes  []string `json:"classes,omitempty"`
	Guidance *float64 `json:"guidance,omitempty"` // of the label; absent: none

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
	switch {
	case s.Label != "":
		fmt.Fprintf(w, "label\t%s\n", s.Label)
	case s.Classes != nil:
		fmt.Fprintf(w, "labels\t%s\n", choice.List(s.Classes))
	}
	if g := s.Guidance; g != nil && *g == 0 {
		fmt.Fprintf(w, "guidance\t0, the model without a label\n")
	} else if g != nil {
		fmt.Fprintf(w, "guidance\t%g, for which every step has two evaluations\n", *g)
	}
	if s.Infilled > 0 {
		fmt.Fprintf(w, "filled in\t%d tokens of %d\n", s.Infilled, s.Length)
	}
	fmt.Fprintf(w, "the first\t%s\n", choice.Quote(s.first))
}

// sampleTokens draws sequences of a run of tokens.
func (a *app) sampleTokens(cmd *cobra.Command, dir string, f sampleFlags) (result, error) {
	if err := tokensOnly(cmd, dir, "n", "out", "seed", "steps", "solver", "backend", "set", "infill", "mark", "extend",
		"temperature", "top-p", "corrector", "label", "guidance"); err != nil {
		return nil, err
	}
	if err := f.checkTokens(cmd); err != nil {
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
	ext, err := extension("--out", f.out, tokenEndings(r.Model.Spec().Vocabulary.Kind)...)
	if err != nil {
		return nil, err
	}
	return a.drawTokens(cmd, r, f, ext)
}

// checkTokens reports what is wrong with the flags whatever the run is.
func (f *sampleFlags) checkTokens(cmd *cobra.Command) error {
	if _, err := extension("--out", f.out, ".txt", ".npy", ".csv"); err != nil {
		return err
	}
	set := cmd.Flags().Changed
	if !set("n") {
		f.n = 1
	}
	switch {
	case f.n < 1:
		return usagef("--n is %d; it must be at least 1", f.n)
	case f.infill == "" && (set("mark") || set("extend")):
		return exclude(cmd, "without --infill", "mark", "extend")
	case set("extend") && f.extend < 1:
		return usagef("--extend is %d; it must be at least 1", f.extend)
	}
	return nil
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

// knownTokens reads the text to fill in as tokens, of which some are model.Unknown.
func (f *sampleFlags) knownTokens(r *run.TokenRun) ([]int32, error) {
	content, err := f.draft()
	if err != nil {
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

// tokenSamples are sequences that were drawn.
type tokenSamples struct {
	x        discrete.Tokens
	label    []int32
	stats    discrete.Stats
	infilled int
}

// solveTokens draws the sequences that the flags ask for: of noise, of a text to fill in, or of rows with gaps.
func (a *app) solveTokens(cmd *cobra.Command, r *run.TokenRun, f sampleFlags, o model.TokenSampling) (
	s tokenSamples, err error) {
	unknown := func(tokens []int32) {
		for _, v := range tokens {
			if v == model.Unknown {
				s.infilled++
			}
		}
	}
	switch {
	case f.infill == "":
		if o.Label, err = tokenLabels(cmd, r, f.label, o.N, nil, ""); err != nil {
			return s, err
		}
		if err := fitsTokens(f.n, r.Config.Data.Length); err != nil {
			return s, err
		}
		s.label = o.Label
		s.x, s.stats, err = r.Model.Sample(cmd.Context(), o)
	case r.Model.Spec().Vocabulary.Rows():
		known, err := f.knownRows(cmd, r)
		if err == nil {
			o.Label, err = tokenLabels(cmd, r, f.label, known.Tokens.N, known.Label, f.infill)
		}
		if err == nil {
			err = fitsTokens(f.n, len(known.Tokens.X))
		}
		if err != nil {
			return s, err
		}
		unknown(known.Tokens.X)
		each := discrete.Tokens{N: known.Tokens.N * f.n, L: known.Tokens.L}
		for i := range known.Tokens.N {
			each.X = append(each.X, slices.Repeat(known.Tokens.Row(i), f.n)...)
			if o.Label != nil {
				s.label = append(s.label, slices.Repeat(o.Label[i:i+1], f.n)...)
			}
		}
		o.N, o.Label = each.N, s.label
		s.x, s.stats, err = r.Model.Infill(cmd.Context(), each, o)
		return s, err
	default:
		known, err := f.knownTokens(r)
		if err == nil {
			err = fitsTokens(f.n, len(known))
		}
		if err != nil {
			return s, err
		}
		unknown(known)
		s.x, s.stats, err = r.Model.Infill(cmd.Context(), discrete.Tokens{N: 1, L: len(known), X: known}, o)
		return s, err
	}
	return s, err
}

// fitsTokens reports more sequences than the memory holds.
func fitsTokens(n, length int) error {
	return memory.Check(fmt.Sprintf("--n %d", n), 8*float64(n)*float64(length))
}

func (a *app) drawTokens(cmd *cobra.Command, r *run.TokenRun, f sampleFlags, ext string) (result, error) {
	guidance, err := f.guidanceOf(cmd, r)
	if err != nil {
		return nil, err
	}
	a.status("drawing %d samples", f.n)
	start := time.Now()
	s, err := a.solveTokens(cmd, r, f, model.TokenSampling{N: f.n, Sampler: r.Config.Eval.Sampling(f.seed),
		Guidance: guidance, Progress: a.watch("samples", f.n)})
	if err != nil {
		return nil, asUsage(err, model.ErrNoInfill, discrete.ErrMethod)
	}
	e := r.Config.Eval
	res := tokenSampleResult{Run: r.Dir, N: s.x.N, Length: s.x.L, Kind: r.Config.Data.Tokens, Seed: f.seed,
		Solver: e.Solver, Steps: e.Steps, NFE: s.stats.NFE, Seconds: time.Since(start).Seconds(),
		Backend: r.Model.Net().Engine().Name(), Temperature: e.Temperature, TopP: e.TopP, Corrector: e.Corrector,
		Infilled: s.infilled, Label: f.label, Guidance: guidance, first: r.Model.Spec().Vocabulary.Decode(s.x.Row(0))}
	if f.label == "" && s.label != nil {
		res.Classes = r.Model.Spec().Classes
	}
	res.Files, err = writeTokens(r, f.out, ext, s.x, s.label)
	return res, err
}
