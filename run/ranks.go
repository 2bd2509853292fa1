package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"flowmatch/cluster"
	"flowmatch/internal/choice"
	"flowmatch/internal/digest"
	"flowmatch/train"
)

// follow trains on another rank than 0: it has the data, the network and the state, and writes
// nothing.
func follow(ctx context.Context, cfg Config, dir string, o TrainOptions) error {
	if taught(cfg) { // by the pairs that rank 0 writes
		if err := o.Ranks.Agree(nil); err != nil {
			return err
		}
	}
	s, err := prepareToFollow(ctx, cfg, dir)
	if err := s.gather(o.Ranks, err); err != nil {
		return err
	}
	if err := o.Ranks.Agree(nil); err != nil { // rank 0 describes the run
		return err
	}
	p := &records{session: s, ctx: ctx}
	training := train.Session{Model: s.model, Objective: s.objective, Trainer: s.trainer, Held: s.set.Val,
		Progress: s.progress, Hooks: p.hooks(o), Ranks: o.Ranks}
	_, err = training.Run(ctx, s.cfg.Train.Loop)
	return err
}

// prepareToFollow is prepare on another rank than 0.
func prepareToFollow(ctx context.Context, cfg Config, dir string) (*session, error) {
	s, eng, err := openData(cfg, dir)
	if err != nil {
		return nil, err
	}
	if s.cfg.Net, err = netFor(s.cfg, s.set); err != nil {
		return s, err
	}
	if err := s.affordable(); err != nil {
		return s, err
	}
	return s, s.build(ctx, eng, TrainOptions{}, true)
}

// taught says whether a teacher makes pairs.
func taught(cfg Config) bool {
	kind, err := train.KindOf(cfg.Train.Objective)
	return err == nil && kind.Teacher
}

// gather brings the ranks together once each is prepared, or has failed to be, and
// gives all the state of rank 0. s is nil only with an error.
func (s *session) gather(ranks *cluster.Comm, failed error) error {
	if ranks.Size() == 1 {
		return failed
	}
	if ranks.Rank() == 0 && failed == nil && taught(s.cfg) {
		if err := ranks.Agree(nil); err != nil { // the pairs are there
			return err
		}
	}
	var own likeness
	if failed == nil {
		own, failed = s.likeness()
	}
	if err := ranks.Agree(failed); err != nil {
		return err
	}
	if err := own.alike(ranks); err != nil {
		return err
	}
	return s.share(ranks)
}

// likeness is what must be the same on all ranks: with other shares of the gradient they would learn what
// no process by itself does.
type likeness struct {
	Program, Bits, Engine, Cores, Data, Pairs string
	Settings                                  map[string]string // but for where files are, and of evaluations
}

// likeness returns that of this rank.
func (s *session) likeness() (l likeness, err error) {
	l = likeness{
		Program: Version() + " " + runtime.Version() + " " + runtime.GOARCH,
		Engine:  s.model.Net().Engine().Description(), Cores: fmt.Sprint(runtime.GOMAXPROCS(0)),
		Data: s.set.Fingerprint, Pairs: s.made,
	}
	if l.Bits, err = programBits(); err != nil {
		return l, err
	}
	files := s.cfg.paths()
	l.Settings, err = flat(s.cfg)
	maps.DeleteFunc(l.Settings, func(key, _ string) bool {
		_, file := files[key]
		return file || key == "data.memory" || strings.HasPrefix(key, "eval.")
	})
	return l, err
}

// programBits returns the digest of the file of this program. Builds that are not of a release have one
// version, and an error of one of them would go into the weights of all ranks.
func programBits() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("run: the file of this program: %w", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("run: the file of this program: %w", err)
	}
	defer f.Close()
	d := digest.New()
	if _, err := io.Copy(d, f); err != nil {
		return "", fmt.Errorf("run: the file of this program: %w", err)
	}
	return d.String(), nil
}

// alike reports a rank that is not like rank 0, and what of it.
func (l likeness) alike(ranks *cluster.Comm) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	all, err := ranks.Gather(text)
	if err != nil {
		return err
	}
	of := make([]likeness, len(all))
	for rank := range all {
		if err := json.Unmarshal(all[rank], &of[rank]); err != nil {
			return fmt.Errorf("run: what rank %d is: %w", rank, err)
		}
		if err := of[rank].differs(of[0], rank); err != nil {
			return err
		}
	}
	return nil
}

// errUnlike is that of ranks that are not alike.
var errUnlike = errors.New("run: the ranks are not alike")

// differs reports what of a rank is not as of rank 0.
func (l likeness) differs(first likeness, rank int) error {
	type part struct{ what, is, was string }
	parts := []part{
		{"program", l.Program, first.Program}, {"fingerprint of the program", l.Bits, first.Bits},
		{"engine", l.Engine, first.Engine},
		{"number of cores (GOMAXPROCS)", l.Cores, first.Cores}, {"fingerprint of the data", l.Data, first.Data},
		{"fingerprint of the teacher's pairs", l.Pairs, first.Pairs},
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(first.Settings)), maps.Keys(l.Settings))
	for _, key := range slices.Compact(slices.Sorted(slices.Values(keys))) {
		parts = append(parts, part{"setting " + key, orUnset(l.Settings[key]), orUnset(first.Settings[key])})
	}
	for _, p := range parts {
		if p.is != p.was {
			return fmt.Errorf("%w: the %s of rank %d is %s, of rank 0 %s", errUnlike, p.what, rank, choice.Cut(p.is),
				choice.Cut(p.was))
		}
	}
	return nil
}

// share gives all ranks the state that rank 0 begins with.
func (s *session) share(ranks *cluster.Comm) error {
	at := []float64{float64(s.from)}
	if err := cluster.Broadcast(ranks, at, 0); err != nil || at[0] == 0 {
		return err
	}
	state, err := s.trainer.State()
	if err != nil {
		return err
	}
	state.Step = int64(at[0])
	for _, slab := range [][]float32{state.Weights, state.EMA, state.Moment1, state.Var2} {
		if err := cluster.Broadcast(ranks, slab, 0); err != nil {
			return err
		}
	}
	text, err := json.Marshal(s.progress)
	if err != nil {
		return fmt.Errorf("run: encoding the progress: %w", err)
	}
	if text, err = ranks.BroadcastBytes(text, 0); err != nil || ranks.Rank() == 0 {
		return err
	}
	s.from = int(at[0])
	if err := json.Unmarshal(text, &s.progress); err != nil {
		return fmt.Errorf("run: the progress of rank 0: %w", err)
	}
	return s.trainer.Restore(state)
}
