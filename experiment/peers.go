package experiment

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"flowmatch/internal/child"
	"flowmatch/internal/choice"
)

//go:embed peers/*.py
var peerFiles embed.FS

// peer is a Python library that trains networks of flows, and the program that has it do so.
type peer struct {
	name    string // of the package, as a method names it
	version string // that results are made with
	program string
	// posterior says that it learns posteriors of simulators with settings of its own, and
	// leaves samples in the place of weights.
	posterior bool
}

// peers is the table of peers. scripts/setup-peers.sh installs these versions.
func peers() []peer {
	return []peer{
		{"torchcfm", "1.0.7", "with_torchcfm.py", false},
		{"flow-matching", "1.0.10", "with_flow_matching.py", false},
		{"sbi", "0.27.0", "with_sbi.py", true},
		// Those of tables; their models are in tableModels.
		{"ForestDiffusion", "1.0.6", "with_forestdiffusion.py", false},
		{"ctgan", "0.12.1", "with_ctgan.py", false},
		{"scikit-learn", "1.9.1", "with_sklearn.py", false},
	}
}

func peerNames() []string {
	var out []string
	for _, p := range peers() {
		out = append(out, p.name)
	}
	return out
}

func peerByName(name string) (peer, error) {
	for _, p := range peers() {
		if p.name == name {
			return p, nil
		}
	}
	return peer{}, choice.Check("peer", name, peerNames())
}

// ErrPeers is returned when the Python libraries that train methods of a grid cannot be run.
var ErrPeers = errors.New("experiment: the Python peers cannot be run")

// Peers train methods of a grid by other libraries, with a Python interpreter that has
// them. A peer is given the training points in a file, trains the same network with the
// same steps, batches and learning rate, and leaves the weights and the seconds that it
// took. Its folder is then a run like others, and all that is measured of it is measured
// by this program.
type Peers struct {
	dir     string // of the programs
	command func(ctx context.Context, program string) *exec.Cmd
}

// StartPeers makes ready the peers of the names given, as [UndonePeers] returns them, with a
// Python interpreter. ErrPeers is returned with the reason where one of them cannot be
// run, lacks a package or is of another version. Close it.
func StartPeers(ctx context.Context, python string, names []string) (*Peers, error) {
	return startPeers(ctx, names, func(ctx context.Context, program string) *exec.Cmd {
		return exec.CommandContext(ctx, python, "-B", program)
	})
}

func startPeers(ctx context.Context, names []string,
	command func(ctx context.Context, program string) *exec.Cmd) (*Peers, error) {
	dir, err := os.MkdirTemp("", "flowmatch-peers")
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	p := &Peers{dir: dir, command: command}
	if err := os.CopyFS(dir, peerFiles); err != nil {
		return nil, errors.Join(fmt.Errorf("experiment: %w", err), p.Close())
	}
	for _, name := range names {
		if err := p.try(ctx, name); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

// try reports a peer that does not start, or that is not of the version of the results.
func (p *Peers) try(ctx context.Context, name string) error {
	of, err := peerByName(name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPeers, err)
	}
	t, err := p.start(ctx, of)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		t.stop()
		if is := t.versions[name]; is != of.version {
			err = fmt.Errorf("it has %s %s, and the figures are those of %s", name, is, of.version)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w\nscripts/setup-peers.sh DIR installs what they need; then give DIR/bin/python",
			ErrPeers, err)
	}
	return nil
}

// Close removes the files of the peers; of nil it does nothing.
func (p *Peers) Close() error {
	if p == nil {
		return nil
	}
	if err := os.RemoveAll(p.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("experiment: %w", err)
	}
	return nil
}

// tutor is a running program of a peer; peers/talk.py has the other end.
type tutor struct {
	of       peer
	command  *exec.Cmd
	program  *child.Program
	versions map[string]string
}

// lesson is what a peer is asked for, in one line.
type lesson struct {
	Seed      uint64  `json:"seed"`
	Dim       int     `json:"dim"`
	Width     int     `json:"width"`
	Steps     int     `json:"steps"`
	Batch     int     `json:"batch"`
	LR        float64 `json:"lr"`
	Threads   int     `json:"threads"` // at most
	LogEvery  int     `json:"log_every"`
	Train     string  `json:"train"`   // file of the training points
	Weights   string  `json:"weights"` // file to write
	Check     string  `json:"check"`   // file of points whose likelihood is asked for
	Tolerance float64 `json:"tolerance"`
}

// told is a line of an answer: of a step, or with Threads the last one.
type told struct {
	Step    int      `json:"step"`
	Loss    float64  `json:"loss"`
	Seconds float64  `json:"seconds"`
	Threads int      `json:"threads"`
	NLL     *float64 `json:"nll"`
	Sample  float64  `json:"sample_seconds"` // of samples of one posterior

	// Of tokens: seconds of the processor of all steps but the first, of samples and of steps that are compiled, and
	// the bound of -log p in bits of a token, with its standard error.
	TrainCPU    float64 `json:"train_cpu"`
	SampleCPU   float64 `json:"sample_cpu"`
	CompiledCPU float64 `json:"compiled_cpu"`
	ELBO        float64 `json:"elbo"`
	ELBOSE      float64 `json:"elbo_se"`
}

// start runs the program of a peer, which says its versions.
func (p *Peers) start(ctx context.Context, of peer) (*tutor, error) {
	t := &tutor{of: of}
	var hello struct{ Versions map[string]string }
	var err error
	t.command = p.command(ctx, filepath.Join(p.dir, "peers", of.program))
	child.Group(t.command)
	if t.program, err = child.Start(t.command, &hello); err != nil {
		return nil, t.worded(err)
	}
	t.versions = hello.Versions
	return t, nil
}

// teach has the program train, and returns the lines of its answer.
func (t *tutor) teach(l lesson, step func(int, float64)) (lines []told, err error) {
	if lines, err = t.ask(l, step); err != nil {
		return nil, err
	}
	if n := len(lines); n < 2 || lines[n-2].Step != l.Steps || !(lines[n-2].Seconds > 0) {
		return nil, fmt.Errorf("%s does not say what its %d steps took", t.of.name, l.Steps)
	}
	return lines, nil
}

// ask sends a request, and returns the lines of the answer. The program then ends.
func (t *tutor) ask(request any, step func(int, float64)) (lines []told, err error) {
	defer t.stop()
	if err := t.program.Send(request); err != nil {
		return nil, t.worded(err)
	}
	for {
		var line told
		if err := t.program.Receive(&line); err != nil {
			return nil, t.worded(err)
		}
		lines = append(lines, line)
		if line.Threads > 0 {
			return lines, nil
		}
		if step != nil {
			step(line.Step, line.Loss)
		}
	}
}

// lastWords is how many lines of what a program said last are in an error.
const lastWords = 5

// worded names the peer in an error of the conversation, with what it said last.
func (t *tutor) worded(err error) error {
	var b *child.Broken
	switch {
	case !errors.As(err, &b):
		return err
	case len(b.Said) > 0:
		last := b.Said[max(0, len(b.Said)-lastWords):]
		return fmt.Errorf("%s ends with %v: %s", t.of.name, b.State, strings.Join(last, "\n"))
	}
	return fmt.Errorf("%s %w", t.of.name, err)
}

// stop ends the program, which has a moment to do so by itself.
func (t *tutor) stop() { t.program.Stop(time.Second) }

// threads is the number of threads that a peer may use.
func threads() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }

// UndonePeers returns the names of the peers that cells which are not done wait for.
func UndonePeers(g Grid, cells []Cell) ([]string, error) {
	names := map[string]bool{}
	var done []Result // of the peers not named yet, whose searches have ended therefore
	for _, c := range cells {
		if c.Peer == "" || names[c.Peer] {
			continue
		}
		c, err := c.settled(g.Search, done)
		if err != nil {
			return nil, err
		}
		plan, err := c.plan(g.Classifier)
		if err != nil {
			return nil, err
		}
		r, err := c.load(plan)
		if err != nil {
			return nil, err
		}
		if r == nil {
			names[c.Peer] = true
			continue
		}
		done = append(done, *r)
	}
	return slices.Sorted(maps.Keys(names)), nil
}
