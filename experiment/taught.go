package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"flowmatch/data"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
	"flowmatch/path"
	"flowmatch/run"
	"flowmatch/train"
)

// Files in the folder of a cell that a peer trains, and of the points that its own
// likelihoods are asked of.
const (
	peerFile    = "peer.json" // what it said of the training
	pointsFile  = "train.npy" // the training points, in model units
	checkFile   = "check.npy" // the first test points (of a trial, validation points), in model units
	weightsFile = "weights.safetensors"

	checkPoints    = 1000
	checkTolerance = 1e-5 // of dopri5, as that of evaluations by default
)

// layersOfPeers is how many hidden layers the networks of the peers have: those of
// torchcfm's MLP.
const layersOfPeers = 3

var errPeerNeural = errors.New("kind neural_ode has no peers; leave peer out")

// taught returns the settings of c as a peer trains with them: those of the examples that
// come with the libraries, but for what c says of data, size, steps, batch and learning
// rate. All of it is said here, for defaults of this program are not theirs.
func taught(c run.Config) run.Config {
	t := run.Config{Seed: c.Seed, Backend: c.Backend, Data: c.Data, Eval: c.Eval, Path: path.Config{Name: "condot"}}
	t.Coupling.Name, t.Precondition = "independent", new(false)
	t.Net.Hidden, t.Net.Activation = c.Net.Hidden, "selu"
	t.Train.Objective, t.Train.Prediction, t.Train.Weighting = "cfm", path.Velocity, train.Unit
	t.Train.Times = train.Times{Name: "uniform", IID: true}
	t.Train.Loop = train.Loop{
		Steps: c.Train.Steps, Batch: c.Train.Batch, LR: c.Train.LR, LRMin: c.Train.LRMin, Schedule: "constant",
		LogEvery: c.Train.LogEvery, ValEvery: c.Train.ValEvery, CheckpointEvery: c.Train.CheckpointEvery,
	}
	t.Train.Optimizer = nn.Optimizer{
		Name: nn.AdamW, Beta1: new(0.9), Beta2: new(0.999), Eps: new(1e-8), EMADecay: new(0.0),
	}
	return t.Defaults()
}

// checkPeer reports settings of a cell that its peer does not train with.
func (c Cell) checkPeer() error {
	differ, err := run.Differences(taught(c.Config), c.Config)
	if err != nil {
		return err
	}
	var f faults
	for _, d := range differ {
		f.add("%s is %s, and the peer %s trains with %s", d.Key, d.Is, c.Peer, d.Was)
	}
	hidden := c.Config.Net.Hidden
	if len(hidden) != layersOfPeers || hidden[0] != hidden[1] || hidden[0] != hidden[2] {
		f.add("net.hidden is %v, and the peer %s has %d layers of one width", hidden, c.Peer, layersOfPeers)
	}
	if d := c.Config.Data; d.ResolvedKind() == data.KindSynthetic && d.N == 0 {
		f.add("the peer %s reads its points from a file; set data.n to a number of points", c.Peer)
	}
	return errors.Join(f...)
}

// said is what a peer said of a training.
type said struct {
	Versions map[string]string `json:"versions"`
	Threads  int               `json:"threads"`
	NLL      *float64          `json:"nll,omitempty"` // of the points of checkFile, in model units
	// Seconds of training, and of samples of one posterior, of a peer that leaves samples.
	Seconds       float64 `json:"seconds,omitempty"`
	SampleSeconds float64 `json:"sample_seconds,omitempty"`
}

// trainByPeer has a peer train the cell, unless it has already, and returns the run.
func (c Cell) trainByPeer(ctx context.Context, g Grid, o RunOptions, r *Result) (*run.Run, error) {
	made, err := run.OpenWith(c.Dir, run.OpenOptions{Known: &c.Config})
	if errors.Is(err, run.ErrNoRun) {
		made, err = c.learn(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	var s said
	if ok, err := readJSON(filepath.Join(c.Dir, peerFile), &s); err != nil || !ok {
		return nil, cmp.Or(err, fmt.Errorf("experiment: %s has a run and no %s; remove it", c.Dir, peerFile))
	}
	r.Libraries = s.Versions
	r.set("threads", float64(s.Threads))
	if s.NLL == nil {
		return made, nil
	}
	t, err := c.ready(made, g, o)
	if err != nil {
		return nil, err
	}
	x, given, err := t.TestPoints(checkPoints)
	if err != nil {
		return nil, err
	}
	l, _, err := t.Likelihood(ctx, x, given)
	if err != nil {
		return nil, err
	}
	r.set("nll_check", l.NLL)
	r.doubt(l.Check, "", "nll_check")
	r.set("nll_check_peer", *s.NLL+t.Set.LogDet())
	return made, nil
}

// learn writes the points into files, has the peer train, and makes the cell's folder a run.
func (c Cell) learn(ctx context.Context, o RunOptions) (*run.Run, error) {
	of, err := peerByName(c.Peer)
	if err != nil {
		return nil, err
	}
	if o.Peers == nil {
		return nil, fmt.Errorf("%w: %s trains this method, and there is no Python interpreter", ErrPeers, c.Peer)
	}
	l, err := c.lesson()
	if err != nil {
		return nil, err
	}
	t, err := o.Peers.start(ctx, of)
	var lines []told
	if err == nil {
		lines, err = t.teach(l, o.Step)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w; what %s had learnt is lost (%w)", train.ErrInterrupted, c.Peer, ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	end := lines[len(lines)-1]
	s := said{Versions: t.versions, Threads: end.Threads, NLL: end.NLL}
	if err := writeJSON(filepath.Join(c.Dir, peerFile), s); err != nil {
		return nil, err
	}
	var events []train.Event
	for _, e := range lines[:len(lines)-1] {
		events = append(events, train.Event{Step: e.Step, Loss: e.Loss, LR: c.Config.Train.LR, Seconds: e.Seconds})
	}
	return run.Import(c.Config, c.Dir, l.Weights, events)
}

// lesson returns what the peer is asked for, and writes the files that it reads.
func (c Cell) lesson() (l lesson, err error) {
	cfg := c.Config
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return l, fmt.Errorf("experiment: %w", err)
	}
	set, err := cfg.Data.Open("", cfg.Seed)
	if err != nil {
		return l, err
	}
	check := set.Test
	if c.Trial { // which does not see the test points
		check = set.Val
	}
	if n := set.TrainSet.Len(); n < cfg.Train.Batch {
		return l, fmt.Errorf("train.batch is %d, and there are %d points to train on; make it smaller",
			cfg.Train.Batch, n)
	}
	l = lesson{
		Seed: cfg.Seed, Dim: set.Dim, Width: cfg.Net.Hidden[0],
		Steps: cfg.Train.Steps, Batch: cfg.Train.Batch, LR: cfg.Train.LR, LogEvery: *cfg.Train.LogEvery,
		Threads: threads(), Tolerance: checkTolerance,
		Train: filepath.Join(dir, pointsFile), Check: filepath.Join(dir, checkFile),
		Weights: filepath.Join(dir, weightsFile),
	}
	for _, part := range []struct {
		file string
		of   data.Finite
		n    int
	}{{l.Train, set.TrainSet, set.TrainSet.Len()}, {l.Check, check, min(checkPoints, check.Len())}} {
		var x flow.Batch
		if x, _, err = data.Rows(part.of, 0, part.n, seed.Rand(cfg.Seed, "experiment/peer", 0)); err != nil {
			return l, err
		}
		if err := table.WriteNPY(part.file, x); err != nil {
			return l, err
		}
	}
	return l, nil
}
