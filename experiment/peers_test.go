package experiment

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flowmatch/data"
	"flowmatch/data/table"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// taughtGrid is two methods that a peer trains and one that this program does, a moment each.
const taughtGrid = `
title: Taught
seeds: [3]
base:
  data: {name: moons, n: 64, val: 20, test: 40, standardize: scalar}
  net: {hidden: [4, 4, 4]}
  train: {steps: 30, batch: 16, log_every: 10, val_every: 30}
  eval: {solver: dopri5, rtol: 1e-3, atol: 1e-3, samples: 20}
tasks: [{name: moons}]
methods:
  - name: theirs
    peer: flow-matching
    set: &theirs
      precondition: false
      net.activation: selu
      train.lr: 1e-3
      train.schedule: constant
      train.times.iid: true
      train.optimizer.name: adamw
      train.optimizer.ema_decay: 0
  - {name: torchcfm, peer: torchcfm, set: *theirs}
  - {name: ours}
measure: [likelihood]
`

// planned returns a grid and its cells.
func planned(t *testing.T, text, dir string) (Grid, []Cell) {
	t.Helper()
	g, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := g.Plan(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, cells
}

// Shell programs in place of the peers: what they say at first, and the whole of one that
// trains, whose weights are a file that is there.
const (
	fakeHello = `printf '{"versions": {"flow-matching": "1.0.10", "torchcfm": "1.0.7", "sbi": "0.27.0", "torch": "9.1"'
printf ', "ForestDiffusion": "1.0.6", "ctgan": "0.12.1", "scikit-learn": "1.9.1"}}\n'
read request || exit 0
`
	fakeTraining = fakeHello + `
echo '{"step": 10, "loss": 3, "seconds": 0.25}'
echo '{"step": 30, "loss": 2.5, "seconds": 0.75}'
echo "$request" >>WEIGHTS.log
to=${request#*\"weights\":\"}
cp WEIGHTS "${to%%\"*}"
echo '{"threads": 1, "nll": 1.5}'
`
)

// fake returns peers that are one shell script.
func fake(t *testing.T, script string) (*Peers, error) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	file := filepath.Join(t.TempDir(), "peer.sh")
	if err := os.WriteFile(file, []byte(script), 0o666); err != nil {
		t.Fatal(err)
	}
	p, err := startPeers(t.Context(), peerNames(), func(ctx context.Context, program string) *exec.Cmd {
		if _, err := os.Stat(program); err != nil {
			t.Error(err)
		}
		return exec.CommandContext(ctx, shell, file)
	})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, err
}

// started is fake of a script that says hello as it should.
func started(t *testing.T, script string) *Peers {
	t.Helper()
	p, err := fake(t, script)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// weights writes a network of the size of taughtGrid to a file, and returns its path.
func weights(t *testing.T) string {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{4, 4, 4}, Activation: "selu"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(model.Spec{}, net)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "w.safetensors")
	if err := m.Save(file); err != nil {
		t.Fatal(err)
	}
	return file
}

// withWeights is fakeTraining with the weights of a file.
func withWeights(file string) string { return strings.ReplaceAll(fakeTraining, "WEIGHTS", file) }

func TestAPeerTrainsACell(t *testing.T) {
	g, cells := planned(t, taughtGrid, t.TempDir())
	if names, err := UndonePeers(g, cells); err != nil || !slices.Equal(names, []string{"flow-matching", "torchcfm"}) {
		t.Errorf("peers %v (%v), want both", names, err)
	}
	file := weights(t)
	var steps []int
	results, err := Run(t.Context(), g, cells, RunOptions{
		Peers: started(t, withWeights(file)), Step: func(step int, _ float64) { steps = append(steps, step) },
	})
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := results[0], results[2]
	for name, want := range map[string]float64{"steps": 30, "seconds": 0.75, "threads": 1, "weights": 66} {
		if got := theirs.Values[name]; got != want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	if len(steps) != 2+2+30 || theirs.Libraries["torch"] != "9.1" || ours.Libraries != nil {
		t.Errorf("steps %v, libraries %v and %v", steps, theirs.Libraries, ours.Libraries)
	}
	// What the peer was given is what this program trains on, bit for bit.
	set, err := cells[2].Config.Data.Open("", 3)
	if err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string]data.Finite{pointsFile: set.TrainSet, checkFile: set.Test} {
		want, _, err := data.Rows(part, 0, part.Len(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := table.Read(filepath.Join(cells[0].Dir, name), table.Options{})
		if err != nil || !reflect.DeepEqual(got.X, want) {
			t.Errorf("%s differs from the points of the set (%v)", name, err)
		}
	}
	asked, err := os.ReadFile(file + ".log")
	want := `{"seed":3,"dim":2,"width":4,"steps":30,"batch":16,"lr":0.001,"threads":`
	if err != nil || !strings.HasPrefix(string(asked), want) {
		t.Errorf("asked %s (%v), want %s", asked, err, want)
	}
	// Its own likelihood comes in the units of the data, as ours does.
	if got, want := theirs.Values["nll_check_peer"], 1.5+set.LogDet(); math.Abs(got-want) > 1e-12 || set.LogDet() == 0 {
		t.Errorf("NLL of the peer %g, want %g", got, want)
	}
	if got, want := theirs.Values["nll_check"], theirs.Values["nll"]; got != want { // the 40 test points
		t.Errorf("NLL of the points of the check %g, want that of all, %g", got, want)
	}
	// The folder is a run, and so needs no peer when only its result is lost.
	if err := os.Remove(filepath.Join(cells[0].Dir, resultFile)); err != nil {
		t.Fatal(err)
	}
	again, err := Run(t.Context(), g, cells, RunOptions{})
	delete(again[0].Values, "measure_seconds")
	delete(theirs.Values, "measure_seconds")
	if err != nil || !reflect.DeepEqual(again[0].Values, theirs.Values) ||
		!reflect.DeepEqual(again[0].Libraries, theirs.Libraries) {
		t.Errorf("measured again: %v\n%v\nwant\n%v", err, again[0], theirs)
	}
	if names, err := UndonePeers(g, cells); err != nil || len(names) != 0 {
		t.Errorf("peers %v (%v), want none: all is done", names, err)
	}
}

// A search is for peers, too: they learn at each value, and at the best one.
func TestASearchIsForPeers(t *testing.T) {
	text := strings.Replace(taughtGrid, "      train.lr: 1e-3\n", "", 1) +
		"search: {key: train.lr, values: [1e-3, 1e-2], by: nll, measure: [likelihood]}\n"
	g, cells := planned(t, text, t.TempDir())
	file := weights(t)
	if names, err := UndonePeers(g, cells); err != nil || !slices.Equal(names, []string{"flow-matching", "torchcfm"}) {
		t.Errorf("peers %v (%v), want both", names, err)
	}
	results, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, withWeights(file))})
	if err != nil || len(results) != 9 {
		t.Fatalf("%d results (%v), want those of six trials and three runs", len(results), err)
	}
	asked, err := os.ReadFile(file + ".log")
	count := func(text string) int { return strings.Count(string(asked), text) }
	if err != nil || count(`"lr":0.01,`) != 2 || count(`"lr":0.001,`) != 4 {
		t.Errorf("asked %s (%v), want the first value, which is as good as the other, for the runs", asked, err)
	}
	trial := results[0] // of the 20 validation points, as its own likelihood is
	if trial.Values["nll_check"] != trial.Values["nll"] || trial.Values["nll"] == results[2].Values["nll"] {
		t.Errorf("trial %v, run %v", trial.Values, results[2].Values)
	}
	if names, err := UndonePeers(g, cells); err != nil || len(names) != 0 {
		t.Errorf("peers %v (%v), want none: all is done", names, err)
	}
}

func TestAPeerThatFailsIsAnErrorWithItsLastWords(t *testing.T) {
	file := weights(t)
	for name, c := range map[string]struct{ script, want string }{
		"crashes": {fakeHello + "for i in 1 2 3 4 5 6 7; do echo line $i >&2; done; exit 3",
			"task moons, method theirs, seed 3: flow-matching ends with exit status 3: " +
				"line 3\nline 4\nline 5\nline 6\nline 7"},
		"is killed":   {fakeHello + "kill -9 $$", "flow-matching does not answer as it should: EOF (signal: killed)"},
		"babbles":     {fakeHello + "echo hm", "flow-matching does not answer as it should"},
		"stops early": {fakeHello + `echo '{"threads": 1}'`, "does not say what its 30 steps took"},
		"wrong steps": {strings.Replace(withWeights(file), `"step": 30`, `"step": 29`, 1),
			"does not say what its 30 steps took"},
		"no weights": {withWeights(filepath.Join(t.TempDir(), "none")), "weights.safetensors: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			g, cells := planned(t, taughtGrid, t.TempDir())
			_, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, c.script)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			// Nothing of it is left in the way of another try.
			if _, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, withWeights(file))}); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

func TestAnInterruptedPeerIsTrainedAgain(t *testing.T) {
	g, cells := planned(t, taughtGrid, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	slow := fakeHello + `echo '{"step": 10, "loss": 3, "seconds": 0.25}'; exec sleep 60`
	begun := time.Now()
	done, err := Run(ctx, g, cells, RunOptions{Peers: started(t, slow), Step: func(int, float64) { cancel() }})
	if !errors.Is(err, train.ErrInterrupted) || len(done) != 0 {
		t.Errorf("%d results and %v, want an interruption", len(done), err)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	_, err = Run(t.Context(), g, cells, RunOptions{})
	if !errors.Is(err, ErrPeers) {
		t.Errorf("without peers: %v, want ErrPeers", err)
	}
	results, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, withWeights(weights(t)))})
	if err != nil || len(results) != 3 {
		t.Errorf("%d results, %v; want three", len(results), err)
	}
}

func TestPeersThatCannotStartSayHowToInstallThem(t *testing.T) {
	for script, want := range map[string]string{
		"echo 'ModuleNotFoundError: No module named torchcfm' >&2; exit 1": "exit status 1: ModuleNotFoundError",
		strings.Replace(fakeHello, "1.0.7", "1.0.5", 1): "it has torchcfm 1.0.5, and the " +
			"figures are those of 1.0.7",
		"echo hello": "does not answer as it should",
	} {
		_, err := fake(t, script)
		if !errors.Is(err, ErrPeers) || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "scripts/setup-peers.sh DIR") {
			t.Errorf("got %v, want ErrPeers with %q and the script that installs them", err, want)
		}
	}
	missing := filepath.Join(t.TempDir(), "python")
	if _, err := StartPeers(t.Context(), missing, peerNames()); !errors.Is(err, ErrPeers) ||
		!strings.Contains(err.Error(), missing) {
		t.Errorf("got %v, want ErrPeers with the name of the interpreter", err)
	}
}

func TestAPeerTrainsOnlyAsItsLibraryDoes(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"train.schedule: constant", "train.schedule: cosine",
			"train.schedule is cosine, and the peer flow-matching trains with constant"},
		{"ema_decay: 0", "ema_decay: 0.9",
			"train.optimizer.ema_decay is 0.9, and the peer flow-matching trains with 0"},
		{"iid: true", "iid: false", "train.times.iid is"},
		{"activation: selu", "activation: silu", "net.activation is silu"},
		{"[4, 4, 4]", "[4, 4]", "net.hidden is [4 4], and the peer flow-matching has 3 layers of one width"},
		{"[4, 4, 4]", "[4, 8, 4]", "net.hidden is [4 8 4]"},
		{"precondition: false", "precondition: true", "precondition is true"},
		{"name: adamw", "name: muon", "train.optimizer.name is muon, and the peer flow-matching trains with adamw"},
		{"batch: 16,", "batch: 16, warmup: 5,", "train.warmup is 5"},
		{"n: 64, ", "", "set data.n to a number of points"},
		{"tasks: [{name: moons}]", "tasks: [{name: moons, peer: torchcfm}]", "teacher and peer are for methods"},
		{"peer: flow-matching", "peer: flow_matching", `did you mean "flow-matching"?`},
		{"{name: torchcfm, peer", "{name: torchcfm, teacher: theirs, peer", "a peer learns from no teacher"},
	} {
		Refused(t, taughtGrid, c.old, c.new, c.want)
	}
	g, cells := planned(t, strings.Replace(taughtGrid, "batch: 16", "batch: 65", 1), t.TempDir())
	_, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, fakeHello)})
	if err == nil || !strings.Contains(err.Error(), "train.batch is 65, and there are 64 points") {
		t.Errorf("got %v, want that the batch is too large", err)
	}
	neural := "title: N\nkind: neural_ode\nseeds: [1]\nbase: {system: spiral, gradient: adjoint}\n" +
		"tasks: [{name: a}]\nmethods: [{name: b, peer: torchcfm}]\nmeasure: [fit]\n"
	if g, err = Parse([]byte(neural)); err == nil {
		_, err = g.Plan(t.TempDir(), nil)
	}
	if !errors.Is(err, errPeerNeural) {
		t.Errorf("got %v, want that neural ODEs have no peers", err)
	}
}

// The script installs what the figures are made with.
func TestTheScriptInstallsTheVersionsOfThePeers(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "scripts", "setup-peers.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers() {
		if pin := p.name + "==" + p.version; !strings.Contains(string(text), pin) {
			t.Errorf("scripts/setup-peers.sh has no %s", pin)
		}
		if _, err := peerFiles.Open("peers/" + p.program); err != nil {
			t.Error(err)
		}
	}
}

// The libraries themselves, where they are installed: what they learn in 1000 steps is nearly
// what this program learns with their settings, from weights that begin better (0.19 nats).
func TestThePeersLearnWhatWeLearn(t *testing.T) {
	python := os.Getenv("FLOWMATCH_PEERS")
	if python == "" {
		t.Skip("set FLOWMATCH_PEERS to a Python interpreter with the peers' libraries")
	}
	text := strings.NewReplacer("n: 64", "n: 1000", "[4, 4, 4]", "[32, 32, 32]", "steps: 30", "steps: 1000",
		"batch: 16", "batch: 128", "test: 40", "test: 1000", "{name: ours}", "{name: ours, set: *theirs}",
		"lr: 1e-3", "lr: 3e-3").Replace(taughtGrid)
	g, cells := planned(t, text, t.TempDir())
	p, err := StartPeers(t.Context(), python, peerNames())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	results, err := Run(t.Context(), g, cells, RunOptions{Peers: p})
	if err != nil {
		t.Fatal(err)
	}
	ours := results[2].Values["nll"]
	for _, r := range results[:2] {
		if math.Abs(r.Values["nll"]-ours) > 0.3 {
			t.Errorf("%s: NLL %g, ours %g", r.Method, r.Values["nll"], ours)
		}
	}
	if a, b := results[0].Values["nll_check"], results[0].Values["nll_check_peer"]; math.Abs(a-b) > 1e-3 {
		t.Errorf("NLL of the same network %g here, %g by the library", a, b)
	}
	if results[1].Libraries["torchcfm"] != "1.0.7" {
		t.Errorf("libraries %v", results[1].Libraries)
	}
}
