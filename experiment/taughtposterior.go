package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/data/simulator"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/train"
)

// Files in the folder of a cell whose posteriors a peer learns, beside peerFile: what it is
// given, and the samples that it leaves, those of each observation one after the other.
const (
	thetaFile        = "theta.npy"
	simulatedFile    = "x.npy"
	observationsFile = "observations.npy"
	samplesFile      = "samples.npy"
)

// task is what a peer that learns posteriors is asked for, in one line.
type task struct {
	Seed         uint64     `json:"seed"`
	Theta        string     `json:"theta"` // files
	X            string     `json:"x"`
	Observations string     `json:"observations"`
	Lo           []*float64 `json:"lo"` // of the prior's box; null: without bound
	Hi           []*float64 `json:"hi"`
	Samples      int        `json:"samples"` // of each posterior
	Threads      int        `json:"threads"` // at most
	Out          string     `json:"out"`     // file to write
}

// learnsPosterior says whether a peer trains the cell that leaves samples of posteriors, and no
// weights.
func (c Cell) learnsPosterior() bool {
	of, err := peerByName(c.Peer)
	return err == nil && of.posterior
}

// checkPosteriorPeer reports a cell that its peer cannot make. Networks and training are the
// peer's own, by its defaults: a method that sets anything but data is refused, and what tasks
// set of these is for the other methods.
func (c Cell) checkPosteriorPeer(g Grid) error {
	var f faults
	k := slices.IndexFunc(g.Methods, func(m Variant) bool { return m.Name == c.Method })
	for key := range g.Methods[k].Set {
		if !strings.HasPrefix(key, "data.") {
			f.add("it sets %s, and the peer %s has settings of its own; leave it out", key, c.Peer)
		}
	}
	if c.Config.Data.Simulator == "" {
		f.add("the peer %s learns posteriors of simulators; set data.simulator", c.Peer)
	}
	if !c.observed() {
		f.add("the peer %s is for the measure posterior alone; add it to measure", c.Peer)
	}
	if c.Trial || g.Search.of(c.Task, c.Method) {
		f.add("the peer %s has settings of its own, and a search would set %s; list search.methods without it", c.Peer,
			g.Search.Key)
	}
	return errors.Join(f...)
}

// makePosterior has the peer learn, unless it has already, and compares its samples.
func (c Cell) makePosterior(ctx context.Context, _ Grid, o RunOptions, r *Result) error {
	observations, err := c.observations()
	if err != nil {
		return err
	}
	var s said
	if ok, err := readJSON(filepath.Join(c.Dir, peerFile), &s); err != nil {
		return err
	} else if !ok {
		if s, err = c.learnPosterior(ctx, o, observations); err != nil {
			return err
		}
	}
	file := filepath.Join(c.Dir, samplesFile)
	all, err := table.Read(file, table.Options{})
	if err != nil {
		return fmt.Errorf("%w; remove %s to make it again", err, c.Dir)
	}
	var samples []flow.Batch
	from := 0
	for _, o := range observations {
		to := from + size(o)
		if to > all.X.N || all.X.D != len(o.Params) {
			return fmt.Errorf("experiment: %s has %d rows of %d numbers, too few; remove %s to make it again", file,
				all.X.N, all.X.D, c.Dir)
		}
		samples, from = append(samples, all.X.Slice(from, to)), to
	}
	r.Libraries = s.Versions
	r.set("threads", float64(s.Threads))
	r.set("seconds", s.Seconds)
	r.set("sample_seconds", s.SampleSeconds)
	eng, err := nn.Open(c.Config.Backend)
	if err != nil {
		return err
	}
	if o.Measuring != nil {
		o.Measuring(c, "posterior")
	}
	return r.compare(ctx, eng, observations, samples)
}

// learnPosterior writes what the peer reads, and has it learn and draw.
func (c Cell) learnPosterior(ctx context.Context, o RunOptions, of []simulator.Observation) (s said, err error) {
	which, err := peerByName(c.Peer)
	if err != nil {
		return s, err
	}
	if o.Peers == nil {
		return s, fmt.Errorf("%w: %s makes this method, and there is no Python interpreter", ErrPeers, c.Peer)
	}
	q, err := c.task(of)
	if err != nil {
		return s, err
	}
	t, err := o.Peers.start(ctx, which)
	var lines []told
	if err == nil {
		lines, err = t.ask(q, o.Step)
	}
	if ctx.Err() != nil {
		return s, fmt.Errorf("%w; what %s had learnt is lost (%w)", train.ErrInterrupted, c.Peer, ctx.Err())
	}
	if err != nil {
		return s, err
	}
	if len(lines) < 2 || !(lines[0].Seconds > 0) {
		return s, fmt.Errorf("%s does not say what its training took", c.Peer)
	}
	end := lines[len(lines)-1]
	s = said{Versions: t.versions, Threads: end.Threads, SampleSeconds: end.Sample}
	s.Seconds = lines[len(lines)-2].Seconds
	return s, writeJSON(filepath.Join(c.Dir, peerFile), s)
}

// task returns what the peer is asked for, and writes the files that it reads: the simulations
// that this program trains on and validates on.
func (c Cell) task(of []simulator.Observation) (q task, err error) {
	sim, err := c.simulatorOf()
	if err != nil {
		return q, err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return q, fmt.Errorf("experiment: %w", err)
	}
	n := c.Config.Data.N
	theta, x := flow.NewBatch(n, len(sim.Params)), flow.NewBatch(n, len(sim.Data))
	if err := sim.Draw(theta, x, c.Seed, 0); err != nil {
		return q, err
	}
	observed := flow.NewBatch(len(of), len(sim.Data))
	for k, o := range of {
		copy(observed.Row(k), o.X)
		if size(o) != size(of[0]) {
			return q, fmt.Errorf("experiment: references of %d and %d samples; the peer %s draws as many of each",
				size(of[0]), size(o), c.Peer)
		}
	}
	q = task{
		Seed: c.Seed, Samples: size(of[0]), Threads: threads(), Theta: filepath.Join(dir, thetaFile),
		X: filepath.Join(dir, simulatedFile), Observations: filepath.Join(dir, observationsFile),
		Out: filepath.Join(dir, samplesFile),
	}
	box := sim.Prior.Box()
	if box == nil {
		box = &simulator.Box{Lo: slices.Repeat([]float64{math.Inf(-1)}, theta.D),
			Hi: slices.Repeat([]float64{math.Inf(1)}, theta.D)}
	}
	q.Lo, q.Hi = bounds(box.Lo), bounds(box.Hi)
	for _, part := range []struct {
		file string
		x    flow.Batch
	}{{q.Theta, theta}, {q.X, x}, {q.Observations, observed}} {
		if err := table.WriteNPY(part.file, part.x); err != nil {
			return q, err
		}
	}
	return q, nil
}

// bounds are numbers of which those that are infinite are absent.
func bounds(v []float64) []*float64 {
	out := make([]*float64, len(v))
	for i, a := range v {
		if !math.IsInf(a, 0) {
			out[i] = &a
		}
	}
	return out
}
