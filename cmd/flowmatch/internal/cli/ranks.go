package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/cluster"
	"flowmatch/experiment"
	"flowmatch/internal/choice"
	"flowmatch/run"
	"flowmatch/train"
)

// inRanks are the commands whose work ranks share.
var inRanks = []string{"train", "experiment", "sample", "logp", "eval", "impute"}

// checkRanks reports a command that is one process's, and was started as several.
func (a *app) checkRanks(cmd *cobra.Command) error {
	if n := a.ranks.Size(); n > 1 && !slices.Contains(inRanks, cmd.Name()) {
		return usagef("%s is for one process, and mpirun (or srun) started %d; start it alone. "+
			"Ranks share the work of %s", cmd.CommandPath(), n, strings.Join(inRanks, ", "))
	}
	return a.sameCommand(cmd)
}

// sameCommand reports a rank that does other work than rank 0, which would wait for it. Where data are may be
// another place for a rank that trains; training compares all else.
func (a *app) sameCommand(cmd *cobra.Command) error {
	own := cmd.Name()
	if own != "train" {
		own = strings.Join(a.args, " ")
	}
	all, err := a.ranks.Gather([]byte(own))
	for rank, is := range all {
		if err == nil && !bytes.Equal(is, all[0]) {
			err = usagef("rank %d was started with %s, rank 0 with %s; start all with the same", rank,
				choice.Quote(string(is)), choice.Quote(string(all[0])))
		}
	}
	return err
}

// follows says whether another rank does the talking and the writing.
func (a *app) follows() bool { return a.ranks.Rank() > 0 }

// join makes the app that of a rank: rank 0 alone says what is done and what came out.
func (a *app) join(ranks *cluster.Comm) {
	if a.ranks = ranks; a.follows() {
		a.stdout = io.Discard
	}
}

// patience is how long a rank with an error waits for rank 0 to end the job by the same one.
const patience = time.Second

// failing words an error of one of several ranks. What all ranks know, rank 0 says; what may
// be that of all, too.
func (a *app) failing(ctx context.Context, err error) error {
	if a.ranks.Size() == 1 {
		return err
	}
	if errors.Is(err, train.ErrInterrupted) {
		a.endTogether.Store(true)
		if a.follows() {
			return nil
		}
	}
	if a.follows() {
		select {
		case <-time.After(patience):
		case <-ctx.Done(): // another rank has ended the job
			return nil
		}
	}
	if of := (*cluster.RankError)(nil); errors.As(err, &of) { // which names the rank
		return err
	}
	return fmt.Errorf("rank %d of %d: %w", a.ranks.Rank(), a.ranks.Size(), err)
}

// leaveRanks ends this rank with the exit code of its command. The others are ended with it, unless
// they end by themselves: by this call, or by the launcher, where a signal ended this one.
func (a *app) leaveRanks(ctx context.Context, code int) int {
	if code != 0 && !a.endTogether.Load() {
		if ctx.Err() != nil {
			return code
		}
		a.ranks.Abort(code)
	}
	if err := a.ranks.Close(); err != nil {
		fmt.Fprintf(a.stderr, "flowmatch: %v\n", err)
		return max(code, exitFailure)
	}
	return code
}

// followHooks are those of a training on another rank than 0.
func (a *app) followHooks(resume bool) run.TrainOptions {
	return run.TrainOptions{
		Resume: resume, Ranks: a.ranks,
		Step:     func(int, float64) { a.leave.unsaved.Store(true) },
		FellBack: func(train.FellBack) {},
	}
}

// sharedExperiment has the ranks make the runs of an experiment, each a shard, and then rank 0 the page.
func (a *app) sharedExperiment(ctx context.Context, f experimentFlags) (result, error) {
	n := a.ranks.Size()
	if n == 1 || f.check {
		return a.experiment(ctx, f)
	}
	if f.shard != "" {
		return nil, usagef("--shard is for jobs of one process; mpirun (or srun) started %d, which share the runs", n)
	}
	own := f
	own.shard, own.allowMissing = experiment.Shard{Number: a.ranks.Rank() + 1, Of: n}.String(), false
	_, err := a.experiment(ctx, own)
	if err := a.ranks.Agree(err); err != nil {
		return nil, err
	}
	if a.follows() {
		return silent{}, nil
	}
	return a.experiment(ctx, f)
}

// sums are what the sums over the ranks of a training have cost rank 0.
type sums struct {
	Number         int     `json:"number"` // of ranks
	BytesPerStep   float64 `json:"bytes_per_step"`
	SecondsPerStep float64 `json:"seconds_per_step"` // with the time spent waiting for other ranks
	HiddenPerStep  float64 `json:"hidden_per_step"`  // those of them in which the rank computed
}

// sums returns those of so many steps; nil of one process, or of none.
func (a *app) sums(steps int) *sums {
	if a.ranks.Size() == 1 || steps < 1 {
		return nil
	}
	s, n := a.ranks.Stats(), float64(steps)
	return &sums{a.ranks.Size(), float64(s.Bytes) / n, s.Seconds / n, s.Hidden / n}
}

// silent is the result of another rank than 0, which says and writes nothing.
type silent struct{}

func (silent) text(io.Writer) {}

// terminated is the exit code of a rank that ended because another one was asked to.
const terminated = 128 + int(syscall.SIGTERM)
