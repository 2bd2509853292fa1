package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/run"
	"flowmatch/train"
)

type tokenTrainResult struct {
	Run          string   `json:"run"`
	Step         int      `json:"step"`           // steps taken
	Steps        int      `json:"steps"`          // steps asked for
	ResumedFrom  int      `json:"resumed_from"`   // 0: from the start
	StoppedEarly bool     `json:"stopped_early"`  // validation did not improve any more
	ModelStep    int      `json:"model_step"`     // steps behind the weights that the run is used with
	ModelBest    bool     `json:"model_best"`     // they are those of the best validation, not the last
	LossName     string   `json:"loss_name"`      // train.loss
	Loss         float64  `json:"loss"`           // mean over the last log interval, in nats a token
	ValELBO      *float64 `json:"val_elbo"`       // bound of -log p of the last validation, bits a token; null: none
	ModelELBO    *float64 `json:"model_val_elbo"` // of the weights that the run is used with; null: not known
	Seconds      float64  `json:"seconds"`        // over all sessions
	Parameters   int      `json:"parameters"`     // of the network
	Backend      string   `json:"backend"`
	Data         string   `json:"data"`
	Tokens       int      `json:"tokens"` // of the text to train on
	Levels       int      `json:"levels"` // of a token
	Length       int      `json:"length"` // of a sequence
	Kind         string   `json:"kind"`   // of tokens
	Changes      []change `json:"changes,omitempty"`
	Warnings     []string `json:"warnings,omitempty"`
}

func (t tokenTrainResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s\n", t.Run)
	fmt.Fprintf(w, "data\t%s: %d %s to train on, %d different, in sequences of %d\n", t.Data, t.Tokens, t.Kind,
		t.Levels, t.Length)
	fmt.Fprintf(w, "network\t%d parameters, backend %s\n", t.Parameters, t.Backend)
	writeSteps(w, t.Step, t.Steps, t.ResumedFrom, t.StoppedEarly)
	measured := ""
	if t.ModelELBO != nil {
		measured = fmt.Sprintf(", ELBO %.4g bits a token", *t.ModelELBO)
	}
	writeKept(w, t.ModelStep, t.ModelBest, measured)
	fmt.Fprintf(w, "loss\t%.6g (%s)\n", t.Loss, t.LossName)
	if t.ValELBO != nil {
		fmt.Fprintf(w, "validation ELBO\t%.4g bits a token\n", *t.ValELBO)
	}
	fmt.Fprintf(w, "seconds\t%.1f\n", t.Seconds)
	for _, text := range t.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", text)
	}
	fmt.Fprintf(w, "next\tflowmatch eval %s\n", quote(t.Run))
	fmt.Fprintf(w, "\tflowmatch sample %s --n 4 --out samples%s\n", quote(t.Run), tokenEndings(t.Kind)[0])
}

// trainTokens trains with the settings of a run file of tokens.
func (a *app) trainTokens(ctx context.Context, file string, f trainFlags) (result, error) {
	read := run.ReadTokenConfig
	if f.resume && sameFile(file, filepath.Join(f.out, run.ConfigFile)) {
		read = func(_ string, set []string) (run.TokenConfig, error) { return run.ReadResumedTokens(f.out, set) }
	}
	cfg, err := read(file, withBackend(f.set, f.backend))
	if err != nil {
		return nil, usageError{err}
	}
	if err := checkBackend(cfg.Backend); err != nil {
		return nil, err
	}
	if n := a.ranks.Size(); n > 1 {
		return nil, usagef("space tokens trains in one process, and mpirun (or srun) started %d; start it alone", n)
	}
	res, _, err := a.trainTokensIn(ctx, cfg, f.out, f.resume, resumeCommand(file, f, 1))
	if err != nil {
		return nil, asUsage(advise(err, run.ErrExists, "give another --out, or --resume"), run.ErrChanged,
			run.ErrSettings, run.ErrInTheWay)
	}
	return res, nil
}

// trainTokensIn trains with progress and sums up. again is the command that goes on with what was interrupted.
func (a *app) trainTokensIn(ctx context.Context, cfg run.TokenConfig, dir string, resume bool, again string) (
	*tokenTrainResult, *run.TokenRun, error) {
	cfg = cfg.Defaults()
	res := &tokenTrainResult{Run: dir, Steps: cfg.Train.Steps, LossName: cfg.Train.Loss, Data: cfg.Data.Path,
		Length: cfg.Data.Length, Kind: cfg.Data.Tokens}
	for _, w := range cfg.Warnings() {
		a.warn(&res.Warnings, w)
	}
	if resume && !run.Begun(dir) {
		a.status("%s has no checkpoint: this training begins at step 0", dir)
	}
	r, err := run.TrainTokens(ctx, cfg, dir, a.tokenHooks(ctx, cfg, resume, res, again))
	a.leave.unsaved.Store(false)
	if errors.Is(err, train.ErrInterrupted) {
		return nil, nil, fmt.Errorf("%w\ncontinue with: %s", err, again)
	}
	if err != nil {
		return nil, nil, err
	}
	events, err := run.ReadMetrics(filepath.Join(dir, run.MetricsFile))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range events {
		res.Step, res.Loss, res.Seconds = e.Step, e.Loss, e.Seconds
		if e.ValLoss != nil {
			res.ValELBO = new(*e.ValLoss / math.Ln2)
		}
		if e.Step == r.Step {
			res.ModelELBO = nil
			if e.ValLoss != nil {
				res.ModelELBO = new(*e.ValLoss / math.Ln2)
			}
		}
	}
	res.StoppedEarly = res.Step < res.Steps
	net := r.Model.Net()
	res.ModelStep, res.ModelBest, res.Backend = r.Step, r.Best, net.Engine().Name()
	res.Parameters = net.NumWeights()
	return res, r, nil
}

// tokenHooks reports the progress of a training of tokens, and what its result is to say of it.
func (a *app) tokenHooks(ctx context.Context, cfg run.TokenConfig, resume bool, res *tokenTrainResult,
	again string) run.TokenOptions {
	var p *training
	return run.TokenOptions{
		Resume: resume,
		Resumed: func(step int, changes []run.Change) {
			res.ResumedFrom, res.Changes = step, a.resumed(&res.Warnings, changes)
		},
		Opened: func(c *text.Corpus, is run.TokenConfig) {
			res.Tokens, res.Levels, res.Length = len(c.Train), c.Levels(), c.Length
			a.status("%s: %d %s to train on, %d to validate and %d to test; %d different", is.Data.Path, len(c.Train),
				is.Data.Tokens, len(c.Val), len(c.Test), c.Levels())
			if have := len(c.Val) / is.Data.Length; have < *is.Data.Val {
				a.warn(&res.Warnings, fmt.Sprintf("data.val is %d, and the data have %d sequences to validate on, "+
					"which are taken", *is.Data.Val, have))
			}
		},
		Unsealed: func(keys []string, why error) { a.warn(&res.Warnings, unsealed(keys, why)) },
		Step: func(step int, loss float64) {
			a.leave.unsaved.Store(true)
			if p == nil {
				p = a.training(step, cfg.Train.Steps) // the clock starts now, with this step done
				if p.of = " nats/token"; cfg.Train.Loss == train.GeneralisedKL && cfg.Path.Source != discrete.Mask {
					p.of = "" // it leaves a constant out
				}
			}
			p.step(step, loss)
		},
		Event: func(e train.Event) {
			if p == nil {
				return
			}
			if p.event(e); e.ValLoss != nil {
				p.elbo = *e.ValLoss / math.Ln2
			}
		},
		Saved: func(step int) { a.saved(ctx, step, again) },
	}
}
