package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/run"
)

// This file and those named token*.go are what commands do with runs of tokens (space: tokens).

// tokenFlags are the flags that runs of tokens alone take, by command.
var tokenFlags = []string{"infill", "mark", "extend", "temperature", "top-p", "corrector", "draws"}

// addsTokens groups the flags of sequences of tokens that sample has beside its own.
type addsTokens struct {
	infill, mark                 string
	extend                       int
	temperature, topP, corrector float64
}

// add adds the flags.
func (f *addsTokens) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.infill, "infill", "", "of a run of tokens: a text of which what is marked is filled in, "+
		"or rows with gaps")
	fl.StringVar(&f.mark, "mark", model.DefaultMark, "what marks one token to fill in")
	fl.IntVar(&f.extend, "extend", 0, "tokens to draw behind the end of --infill")
	fl.Float64Var(&f.temperature, "temperature", 0,
		"of a run of tokens: temperature of the posterior, below 1 sharper (default: that of the run file)")
	fl.Float64Var(&f.topP, "top-p", 0, "of a run of tokens: keep the most probable levels of a token that have this "+
		"probability together (default: that of the run file)")
	fl.Float64Var(&f.corrector, "corrector", 0, "of a run of tokens and --solver euler: jumps forth and back beside "+
		"those of the path (default: that of the run file)")
}

// drawsUsage describes --draws.
const drawsUsage = "of a run of tokens: times and states that its bound draws of each sequence (default: that of the " +
	"run file)"

// pointsOnly reports flags that a run of points, in a folder or of a service, has no use for.
func pointsOnly(cmd *cobra.Command, dir string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(tokenFlags, f.Name) || err != nil {
			return
		}
		err = usagef("--%s is for runs of tokens (space: tokens), and %s is one of points", f.Name, dir)
		if _, none := run.FolderConfig(dir); errors.Is(none, run.ErrNoRun) && !isURL(dir) {
			err = usageError{none}
		}
	})
	return err
}

// tokensOnly reports flags that a command has no use for on a run of tokens, which are all but some.
func tokensOnly(cmd *cobra.Command, dir string, with ...string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(append(with, "json", "quiet", "help"), f.Name) && err == nil {
			err = usagef("--%s has no effect on a run of tokens, which %s is", f.Name, dir)
		}
	})
	return err
}

// openTokens opens the folder of a run of tokens, without its text.
func (a *app) openTokens(dir, backend string, set []string) (*run.TokenRun, error) {
	if n := a.ranks.Size(); n > 1 {
		return nil, usagef("runs of tokens are for one process, and mpirun (or srun) started %d; start it alone", n)
	}
	if backend != "" {
		if err := checkBackend(backend); err != nil {
			return nil, err
		}
	}
	r, err := run.OpenTokens(dir, run.OpenOptions{Backend: backend, Set: set})
	if errors.Is(err, run.ErrNoCheckpoint) {
		file := quote(filepath.Join(dir, run.ConfigFile))
		return nil, fmt.Errorf("%w\ncontinue with: flowmatch train %s --out %s --resume", err, file, quote(dir))
	}
	if errors.Is(err, nn.ErrNoBackend) && backend == "" {
		err = fmt.Errorf("%w\nor use another engine than in training: --backend native", err)
	}
	return r, asUsage(err, run.ErrNoRun, run.ErrForeign, run.ErrPath)
}

// sparesText reports a file of --out that would change what a run is trained on.
func sparesText(file string, r *run.TokenRun) error {
	for _, data := range []string{r.Config.Data.Path, r.Config.Data.Tokenizer, r.Config.Data.LabelsPath} {
		if data != "" && sameFile(file, data) {
			return usagef("--out %q would change what %s is trained on; give another name", file, r.Dir)
		}
	}
	return nil
}
