package bench

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flowmatch/nn"
)

// fake returns peers that are one shell script, which a test writes.
func fake(t *testing.T, script string) *Peers {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	file := filepath.Join(t.TempDir(), "peer.sh")
	if err := os.WriteFile(file, []byte(script), 0o666); err != nil {
		t.Fatal(err)
	}
	p := &Peers{dir: t.TempDir(), launch: func(ctx context.Context, program string) (*peer, error) {
		return startPeer(ctx, program, shell, file)
	}}
	one, err := p.launch(t.Context(), "with_torch.py")
	if err != nil {
		t.Fatal(err)
	}
	p.all = []*peer{one}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

const fakeHello = `echo '{"versions": {"torch": "9.1"}, "cases": ["train nap", "nap"]}'
`

// nap is a case of a millisecond.
func nap(group, name string) Case {
	return Case{Name: name, Group: group, Unit: "nap", Most: 1, host: true, prepare: func(*nn.Engine) (work, error) {
		return func(context.Context, int) (int, error) { time.Sleep(time.Millisecond); return 0, nil }, nil
	}}
}

func TestPeersAreTimedInTurnsAndTheLeastCounts(t *testing.T) {
	p := fake(t, fakeHello+`for s in 0.004 0.002 0.003; do
  read request
  echo "$request" >&2
  echo '{"case": "nap", "seconds": {"torch": '$s', "a fast way": 0.0001, "jax": 1}, "start": 7, "peak": 9}'
done
`)
	r, err := nap("sample", "nap").run(t.Context(), nil, Options{Rounds: 3, Peers: p, Budget: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Time{{"torch", 0.002}, {"a fast way", 0.0001}, {"jax", 1}}; !slices.Equal(r.Peers, want) {
		t.Errorf("times %v, want %v", r.Peers, want)
	}
	best, ok := r.best()
	if !ok || best.Variant != "a fast way" || len(r.Pairs) != 3 || r.Ratio != r.Pairs[1].Ratio.Median ||
		r.Target != target(r.Case) {
		t.Errorf("best %v, ratio %g, target %g", best, r.Ratio, r.Target)
	}
	// Of each round the time of that round, and not the least, is in the ratio.
	if q := r.Pairs[2]; q.Variant != "jax" || q.Rounds != 3 || q.Ratio.Low < r.Seconds || q.Ratio.High < q.Ratio.Low {
		t.Errorf("pairs %+v beside %g s", r.Pairs, r.Seconds)
	}
	if p.Versions()["torch"] != "9.1" {
		t.Errorf("versions %v", p.Versions())
	}
	unknown, err := nap("sample", "another").run(t.Context(), nil, Options{Peers: p})
	if err != nil || len(unknown.Peers)+len(unknown.Notes) > 0 || unknown.Ratio != 0 {
		t.Errorf("a case that no peer knows gives %+v (%v)", unknown, err)
	}
}

func TestMemoryIsThatOfFreshProcesses(t *testing.T) {
	p := fake(t, fakeHello+`while read request; do
  echo '{"case": "train nap", "seconds": {"torch fused": 1}, "start": 7000000, "peak": 9000000}'
done
`)
	alone := func(context.Context, string, int, time.Duration) (Report, error) {
		return Report{Memory: Memory{Start: 1, Peak: 2}}, nil
	}
	r, err := nap("train", "train nap").run(t.Context(), nil, Options{Peers: p, Alone: alone})
	want := []Memory{{"flowmatch", 1, 2}, {"torch fused", 7000000, 9000000}}
	if err != nil || !slices.Equal(r.Memory, want) {
		t.Errorf("memory %v (%v), want %v", r.Memory, err, want)
	}
}

func TestAPeerThatFailsLeavesANote(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"an error": {
			`while read r; do echo '{"case": "nap", "error": "CompileError: no compiler"}'; done`, "no compiler"},
		"it dies": {
			`read r; echo "trace" >&2; echo "Killed: out of memory" >&2; exit 3`,
			"with_torch.py: Killed: out of memory"},
		"no JSON": {`while read r; do echo hm; done`, "does not answer as it should"},
		"no times": {
			`while read r; do echo '{"case": "nap", "seconds": [1]}'; done`, "does not answer as it should"},
		"no time":        {`while read r; do echo '{"case": "nap", "seconds": {"torch": 0}}'; done`, "answered"},
		"another's time": {`while read r; do echo '{"case": "pan", "seconds": {"torch": 1}}'; done`, "answered"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := nap("sample", "nap").run(t.Context(), nil, Options{Peers: fake(t, fakeHello+c.script)})
			if err != nil || len(r.Peers) > 0 || len(r.Notes) == 0 || !strings.Contains(r.Notes[0], c.want) {
				t.Errorf("result %+v (%v), want a note with %q", r, err, c.want)
			}
		})
	}
}

func TestAnEndedContextStopsThePeers(t *testing.T) {
	p := fake(t, fakeHello+"read r; exec sleep 60")
	ctx, cancel := context.WithCancel(t.Context())
	p.all[0].stop()
	one, err := p.launch(ctx, "with_torch.py")
	if err != nil {
		t.Fatal(err)
	}
	p.all = []*peer{one}
	time.AfterFunc(20*time.Millisecond, cancel)
	r, err := nap("sample", "nap").run(ctx, nil, Options{Peers: p})
	if !errors.Is(err, context.Canceled) || len(r.Notes) > 0 {
		t.Errorf("error %v, notes %q; want context.Canceled and none", err, r.Notes)
	}
}

func TestPeersThatCannotStartSayHowToInstallThem(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "python")
	silent := missing + "-silent"
	if err := os.WriteFile(silent, []byte("#!/bin/sh\necho 'No module named torch' >&2\nexit 1\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	for python, want := range map[string]string{missing: "no such file", silent: "No module named torch"} {
		_, err := StartPeers(t.Context(), python)
		if !errors.Is(err, ErrPeers) || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "scripts/setup-peers.sh") {
			t.Errorf("error %v, want ErrPeers with %q and the script that installs them", err, want)
		}
	}
}

// The conversation of the real peers, with a case made up.
func TestTheirEndOfTheConversation(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no Python")
	}
	program := `import sys, time
sys.path.insert(0, "peers")
import peer
def broken(): raise ValueError("no")
peer.serve({"x": "1"}, {"nap": lambda: {"a": lambda: time.sleep(1e-3), "b": lambda: None}, "broken": broken})`
	p, err := startPeer(t.Context(), "nap", python, "-B", "-c", program)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	a, err := p.ask(request{Case: "nap", Seconds: 0.01})
	if err != nil || len(a.Seconds) != 2 || a.Seconds[0].Variant != "a" || a.Seconds[0].Seconds < 1e-3 ||
		a.Seconds[1].Seconds > 1e-3 || a.Start <= 0 || a.Peak < a.Start {
		t.Errorf("answer %+v (%v)", a, err)
	}
	if a, err = p.ask(request{Case: "nap", Seconds: 0.01, Only: "b"}); err != nil || len(a.Seconds) != 1 {
		t.Errorf("answer %+v (%v), want variant b only", a, err)
	}
	_, err = p.ask(request{Case: "broken", Seconds: 0.01})
	if err == nil || !strings.Contains(err.Error(), "ValueError: no") {
		t.Errorf("error %v, want the peer's", err)
	}
	if _, err := p.ask(request{Case: "nap", Seconds: 0.01}); err != nil {
		t.Errorf("after an error: %v", err)
	}
}

// The cases that the peers' programs build are named as ours are.
func TestPeersKnowOurCases(t *testing.T) {
	python := os.Getenv("FLOWMATCH_PEERS")
	if python == "" {
		t.Skip("set FLOWMATCH_PEERS to a Python interpreter with the peers' libraries")
	}
	p, err := StartPeers(t.Context(), python)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, c := range cases() {
		known := slices.ContainsFunc(p.all, func(one *peer) bool { return slices.Contains(one.hello.Cases, c.Name) })
		if known != (c.Group != "scaling") {
			t.Errorf("%s: known to a peer: %v", c.Name, known)
		}
	}
}

func TestTimesKeepTheOrderOfTheText(t *testing.T) {
	var got times
	if err := json.Unmarshal([]byte(`{"z": 1, "a": 2.5, "m": 3}`), &got); err != nil {
		t.Fatal(err)
	}
	if want := (times{{"z", 1}, {"a", 2.5}, {"m", 3}}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, bad := range []string{`3`, `{"a": "fast"}`, `["a"]`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("no error for %s", bad)
		}
	}
}
