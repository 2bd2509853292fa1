package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/internal/atomicfile"
	"flowmatch/model"
	"flowmatch/plot"
	"flowmatch/run"
)

// tokenPlotKinds are the kinds of picture of a run of tokens.
var tokenPlotKinds = []string{"loss", "trajectories"}

// sequencesShown is how many sequences a picture of tokens has, if nothing is said.
const sequencesShown = 4

// plotTokens draws a run of tokens.
func (a *app) plotTokens(cmd *cobra.Command, dir string, f plotFlags) (result, error) {
	if slices.Contains(plotNames(), f.kind) && !slices.Contains(tokenPlotKinds, f.kind) {
		return nil, usagef("--kind %s is for runs of points, and %s is one of tokens; it has the kinds %s", f.kind, dir,
			strings.Join(tokenPlotKinds, " and "))
	}
	if _, _, err := f.check(cmd); err != nil {
		return nil, err
	}
	with := []string{"kind", "out", "title", "dpi", "dark", "limits", "log", "set"}
	if f.kind == "trajectories" {
		if _, err := extension("--out", f.out, ".gif"); err != nil {
			return nil, usagef("%w for tokens that appear", err)
		}
		with = []string{"kind", "out", "title", "dpi", "dark", "n", "seed", "solver", "steps", "backend", "set"}
	}
	if err := tokensOnly(cmd, dir, with...); err != nil {
		return nil, err
	}
	if err := inFolder(f.out); err != nil {
		return nil, err
	}
	if f.kind == "loss" {
		f.backend = "native" // which is everywhere: nothing is solved
	}
	r, err := a.openTokens(dir, f.backend, f.set)
	if err == nil {
		err = sparesText(f.out, r)
	}
	if err != nil {
		return nil, err
	}
	if err := appears(f.kind, r.Model.Spec().Vocabulary); err != nil {
		return nil, err
	}
	o := plot.Options{Title: f.o.Title, DPI: f.o.DPI, Dark: f.o.Dark, Format: f.o.Format, Limits: f.o.Limits}
	res := &plotResult{Run: r.Dir, Kind: f.kind, File: f.out}
	a.status("drawing %s", f.out)
	if f.kind == "loss" {
		return res, atomicfile.WriteFile(f.out, func(w io.Writer) error {
			return r.DrawLoss(w, plot.LossOptions{Options: o, Log: f.o.Log})
		})
	}
	if err := applyJumps(cmd, &r.Config.Eval, f.runFlags); err != nil {
		return nil, err
	}
	seed, n := r.Config.Seed, sequencesShown
	if cmd.Flags().Changed("seed") {
		seed = f.o.Seed
	}
	if cmd.Flags().Changed("n") {
		n = f.o.N
	}
	err = atomicfile.WriteFile(f.out, func(w io.Writer) error {
		return a.drawAppearing(cmd.Context(), w, r, n, seed, plot.GIFOptions{Options: o})
	})
	return res, asUsage(err, discrete.ErrMethod)
}

// appears reports a picture of tokens that appear where a token is no character.
func appears(kind string, v text.Vocabulary) error {
	what := "pieces of words"
	switch {
	case kind != "trajectories" || v.Kind != text.BPE && !v.Rows():
		return nil
	case v.Rows():
		what = "levels of a table"
	}
	return usagef("--kind trajectories shows a token as one character, and tokens %s are %s; take a run of chars, or "+
		"--kind loss", v.Kind, what)
}

// drawAppearing writes sequences of tokens on their way from noise as a GIF.
func (a *app) drawAppearing(ctx context.Context, w io.Writer, r *run.TokenRun, n int, seed uint64,
	o plot.GIFOptions) error {
	var times []float64
	var states []discrete.Tokens
	_, _, err := r.Model.Sample(ctx, model.TokenSampling{N: n, Sampler: r.Config.Eval.Sampling(seed),
		Progress: a.watch("samples", n), At: func(t float64, x discrete.Tokens) {
			times, states = append(times, t), append(states, x.Clone())
		}})
	if err != nil {
		return err
	}
	return plot.TokenGIF(w, tokenFrames(r, states), times, o)
}

// tokenFrames are what a picture shows of states, of which the last is data.
func tokenFrames(r *run.TokenRun, states []discrete.Tokens) [][][]plot.Token {
	v, levels := r.Model.Spec().Vocabulary, int32(r.Model.Levels())
	frames, end := make([][][]plot.Token, len(states)), states[len(states)-1]
	for k, x := range states {
		frames[k] = make([][]plot.Token, x.N)
		for i := range x.N {
			for j, z := range x.Row(i) {
				token, last := plot.Token{Text: glyph(v.Decode([]int32{z}))}, end.Row(i)[j]
				switch {
				case z == levels:
					token = plot.Token{State: plot.Masked}
				case z != last:
					token.State = plot.Passing
				case k > 0 && states[k-1].Row(i)[j] != z:
					token.State = plot.Fresh
				}
				frames[k][i] = append(frames[k][i], token)
			}
		}
	}
	return frames
}

// glyph is how a token is shown: what cannot be seen has a sign.
func glyph(text string) string {
	for _, r := range text {
		switch {
		case r == '\n':
			return "¶"
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return "·"
		}
	}
	return text
}
