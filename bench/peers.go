package bench

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"flowmatch/internal/child"
)

//go:embed peers/*.py
var peerFiles embed.FS

// ErrPeers is returned when the peers cannot be started.
var ErrPeers = errors.New("the Python peers cannot be run")

// peerPrograms are the peers, by what they compare with.
var peerPrograms = []string{"with_torch.py", "with_onnx.py", "with_jax.py", "with_pot.py"}

// Peers are the Python programs that time the same cases with other libraries.
// They run, waiting to be asked, until Close.
type Peers struct {
	dir    string // of their files
	all    []*peer
	launch func(ctx context.Context, program string) (*peer, error)
}

// StartPeers starts the peers with a Python interpreter that has their libraries.
func StartPeers(ctx context.Context, python string) (p *Peers, err error) {
	dir, err := os.MkdirTemp("", "flowmatch-peers")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	p = &Peers{dir: dir}
	p.launch = func(ctx context.Context, program string) (*peer, error) {
		return startPeer(ctx, program, python, "-B", filepath.Join(dir, "peers", program), strconv.Itoa(threads()))
	}
	if err := os.CopyFS(dir, peerFiles); err != nil {
		return nil, errors.Join(fmt.Errorf("bench: %w", err), p.Close())
	}
	for _, program := range peerPrograms {
		one, err := p.launch(ctx, program)
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), p.Close())
		}
		if err != nil {
			err = fmt.Errorf("bench: %w: %w\nscripts/setup-peers.sh DIR installs what they need; "+
				"then give DIR/bin/python",
				ErrPeers, err)
			return nil, errors.Join(err, p.Close())
		}
		p.all = append(p.all, one)
	}
	return p, nil
}

// Versions returns the versions of the peers' libraries, by name.
func (p *Peers) Versions() map[string]string {
	out := map[string]string{}
	for _, one := range p.all {
		for name, version := range one.hello.Versions {
			out[name] = version
		}
	}
	return out
}

// Close ends the peers and removes their files.
func (p *Peers) Close() error {
	for _, one := range p.all {
		one.stop()
	}
	p.all = nil
	if err := os.RemoveAll(p.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// of returns the peers that know a case.
func (p *Peers) of(name string) (out []*peer) {
	if p == nil {
		return nil
	}
	for _, one := range p.all {
		if slices.Contains(one.hello.Cases, name) {
			out = append(out, one)
		}
	}
	return out
}

// round times a round of the case of r, keeps the least time of each variant, and returns those of the
// round. A peer that fails leaves a note.
func (p *peer) round(ctx context.Context, r *Result, budget time.Duration) []Time {
	if ctx.Err() != nil {
		return nil
	}
	a, err := p.ask(request{Case: r.Case, Seconds: budget.Seconds()})
	if err != nil {
		if note := err.Error(); ctx.Err() == nil && !slices.Contains(r.Notes, note) {
			r.Notes = append(r.Notes, note)
		}
		return nil
	}
	for _, t := range a.Seconds {
		k := slices.IndexFunc(r.Peers, func(u Time) bool { return u.Variant == t.Variant })
		if k < 0 {
			r.Peers = append(r.Peers, t)
		} else {
			r.Peers[k].Seconds = min(r.Peers[k].Seconds, t.Seconds)
		}
	}
	return a.Seconds
}

// peer is a running program of another library; peers/peer.py has the other end.
type peer struct {
	name    string // of the program
	program *child.Program
	hello   hello
}

// hello, request and answer are the lines of the conversation with a peer.
type (
	hello struct {
		Versions map[string]string `json:"versions"`
		Cases    []string          `json:"cases"`
	}
	request struct {
		Case    string  `json:"case"`
		Seconds float64 `json:"seconds"`
		Only    string  `json:"only,omitempty"`
	}
	answer struct {
		Case    string `json:"case"`
		Seconds times  `json:"seconds"`
		Start   int64  `json:"start"`
		Peak    int64  `json:"peak"`
		Error   string `json:"error"`
	}
)

// startPeer runs a command that is a peer, and waits for its hello.
func startPeer(ctx context.Context, name, command string, args ...string) (*peer, error) {
	p := &peer{name: name}
	var err error
	if p.program, err = child.Start(exec.CommandContext(ctx, command, args...), &p.hello); err != nil {
		return nil, p.worded(err)
	}
	return p, nil
}

// ask has the peer time a case.
func (p *peer) ask(q request) (a answer, err error) {
	if err := p.program.Ask(q, &a); err != nil {
		return a, p.worded(err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s: %s", p.name, q.Case, a.Error)
	}
	for _, t := range a.Seconds {
		if a.Case != q.Case || !(t.Seconds > 0) {
			return a, fmt.Errorf("%s: asked for %q, it answered %+v", p.name, q.Case, a)
		}
	}
	return a, nil
}

// worded names the peer in an error of the conversation, with what it said last.
func (p *peer) worded(err error) error {
	var b *child.Broken
	switch {
	case !errors.As(err, &b):
		return err
	case len(b.Said) > 0:
		return fmt.Errorf("%s: %s", p.name, b.Said[len(b.Said)-1])
	}
	return fmt.Errorf("%s does not answer as it should: %w", p.name, b.Err)
}

// stop ends the program at once: it may be in the middle of its work.
func (p *peer) stop() { p.program.Stop(0) }

// times is a JSON object of numbers as a list in the order of the text.
type times []Time

// UnmarshalJSON reads {"variant": seconds, ...}.
func (t *times) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return fmt.Errorf("times %s are no object", b)
	}
	for dec.More() {
		variant, err := dec.Token()
		if err != nil {
			return err
		}
		var seconds float64
		if err := dec.Decode(&seconds); err != nil {
			return err
		}
		*t = append(*t, Time{variant.(string), seconds}) // a key is a string
	}
	return nil
}
