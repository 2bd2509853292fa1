package experiment

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flowmatch/data/table"
	"flowmatch/discrete"
	"flowmatch/model"
	"flowmatch/nn"
)

// tokenGrid is a method of this program and one of a peer on a small text, a moment each.
const tokenGrid = `
title: Tokens
kind: tokens
seeds: [3]
base:
  data: {path: text.txt, length: 8, val: 4}
  net: {width: 8, depth: 1, heads: 1}
  train: {steps: 3, batch: 4, log_every: 1, val_every: 0, lr: 1e-2, schedule: constant, optimizer: {ema_decay: 0}}
  eval: {solver: euler, steps: 4, draws: 2, test: 5}
tasks: [{name: text}]
methods:
  - {name: ours}
  - {name: theirs, peer: flow-matching}
measure: [bound, sampling]
measure_first: [compiled]
pictures: [{kind: dots, file: elbo, curves: [elbo]}]
`

// A fake peer of tokens leaves weights that are there.
const fakeTokens = fakeHello + `
echo '{"step": 1, "loss": 3, "seconds": 0.25}'
echo '{"step": 3, "loss": 2.5, "seconds": 0.75}'
echo "$request" >>WEIGHTS.log
to=${request#*\"weights\":\"}
cp WEIGHTS "${to%%\"*}"
echo '{"threads": 1, "train_cpu": 0.5, "elbo": 1.5, "elbo_se": 0.1, "sample_cpu": 0.25, "compiled_cpu": 2}'
`

// tokenCells plans tokenGrid with a text beside it.
func tokenCells(t *testing.T) (Grid, []Cell) {
	t.Helper()
	dir := t.TempDir()
	g, cells := planned(t, tokenGrid, filepath.Join(dir, "runs"))
	text := []byte(strings.Repeat("to be or not ", 40))
	if err := os.WriteFile(filepath.Join(dir, "text.txt"), text, 0o666); err != nil {
		t.Fatal(err)
	}
	if found, err := DataIn(dir, cells); err != nil || !found {
		t.Fatalf("files of data: %v, %v", found, err)
	}
	if err := Check(g, cells); err != nil {
		t.Fatal(err)
	}
	return g, cells
}

// tokenWeights writes a network of the size of tokenGrid to a file.
func tokenWeights(t *testing.T, spec model.TokenSpec) string {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.NewTokenNet(eng, spec.Net, 1)
	if err != nil {
		t.Fatal(err)
	}
	theta, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	header, body := map[string]any{}, []byte(nil)
	for _, one := range net.Tensors() {
		from := len(body)
		for _, v := range theta[one.Offset : one.Offset+one.Size()] {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
		}
		header[one.Name] = map[string]any{"dtype": "F32", "shape": one.Shape, "data_offsets": []int{from, len(body)}}
	}
	head, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "w.safetensors")
	all := append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), append(head, body...)...)
	if err := os.WriteFile(file, all, 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAGridOfTokensMeasuresThisProgramAndAPeerAlike(t *testing.T) {
	g, cells := tokenCells(t)
	corpus, err := cells[1].Tokens.Open()
	if err != nil {
		t.Fatal(err)
	}
	file := tokenWeights(t, cells[1].Tokens.Spec(corpus))
	peers := started(t, strings.ReplaceAll(fakeTokens, "WEIGHTS", file))
	results, err := Run(t.Context(), g, cells, RunOptions{Peers: peers})
	if err != nil {
		t.Fatal(err)
	}
	AllKnown(t, g, results)
	ours, theirs := results[0].Values, results[1].Values
	for name, want := range map[string]float64{"steps": 3, "seconds": 0.75, "threads": 1, "sample_nfe": 4,
		"train_rate": 2 * 4 * 8 / 0.5, "sample_rate": samplesTimed * 8 / 0.25,
		"compiled_rate":   compiledSteps * 4 * 8 / 2,
		"elbo_check_peer": 1.5, "elbo_check_peer_se": 0.1, "weights": ours["weights"]} {
		if got := theirs[name]; got != want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	for _, name := range []string{"elbo", "elbo_se", "sample_rate", "sample_nfe", "seconds"} {
		if !(ours[name] > 0) || !(theirs[name] > 0) {
			t.Errorf("%s is %g and %g, want both above 0", name, ours[name], theirs[name])
		}
	}
	// A network that says nothing has the bound of levels that are all alike.
	if got, want := theirs["elbo_check"], 3.0; got < want-0.5 || got > want+0.5 {
		t.Errorf("the bound of a network that begins is %g bits, want about %g", got, want)
	}
	asked, err := os.ReadFile(file + ".log")
	if err != nil {
		t.Fatal(err)
	}
	var q tokenLesson
	if err := json.Unmarshal(asked, &q); err != nil {
		t.Fatal(err)
	}
	if want := []float64{1e-2, 1e-2, 1e-2}; !reflect.DeepEqual(q.Rates, want) || !q.Mask || q.Exponent != 1 ||
		q.Levels != corpus.Levels() || q.Loss != "generalised_kl" || q.Samples != samplesTimed || q.Hidden != 32 {
		t.Errorf("asked %s", asked)
	}
	got, err := table.Read(q.Train, table.Options{})
	if err != nil || got.X.D != len(corpus.Train) || int32(got.X.X[7]) != corpus.Train[7] {
		t.Errorf("%d tokens to train on (%v), want the %d of the text", got.X.D, err, len(corpus.Train))
	}
	if names, err := UndonePeers(g, cells); err != nil || len(names) != 0 {
		t.Errorf("peers %v (%v), want none: all is done", names, err)
	}
}

func TestAGridOfTokensIsRefusedWhereItCannotBe(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"peer: flow-matching", "peer: torchcfm", "the peer torchcfm has no tokens; flow-matching has"},
		{"ema_decay: 0", "ema_decay: 0.9", "train.optimizer.ema_decay is 0.9, and the peer flow-matching has 0"},
		{"solver: euler, ", "solver: exact, ", "eval.solver is exact, and the peer flow-matching samples with euler"},
		{"net: {", "path: {name: sin2}\n  net: {", "the path is sin2, and the peer flow-matching has linear"},
		{"seeds: [3]", "seeds: [3]\nsearch: {key: train.lr, values: [1, 2], by: elbo, measure: [bound]}",
			"a grid of kind tokens has none so far"},
		{"curves: [elbo]", "curves: [nll]", "unknown value"},
		{"kind: dots", "kind: samples", "kind"},
		{"width: 8, depth", "width: 9, depth", "width is 9"},
		{"draws: 2, test", "drawz: 2, test", "drawz"},
	} {
		Refused(t, tokenGrid, c.old, c.new, c.want)
	}
}

// The library itself, where it is installed: with uniform noise its loss of the network that it trained is the bound
// of the same weights here, so that these are read as what they are. With masks it is above it: tokens that have come
// may jump there.
func TestThePeerOfTokensHasOurNetwork(t *testing.T) {
	python := os.Getenv("FLOWMATCH_PEERS")
	if python == "" {
		t.Skip("set FLOWMATCH_PEERS to a Python interpreter with the peers' libraries")
	}
	g, cells := tokenCells(t)
	for i := range cells {
		cells[i].Tokens.Train.Steps, cells[i].measures = 200, []string{measureBound}
		cells[i].Tokens.Path.Source = []discrete.Source{discrete.Mask, discrete.Uniform}[i]
		cells[i].Peer = "flow-matching"
	}
	p, err := StartPeers(t.Context(), python, []string{"flow-matching"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	results, err := Run(t.Context(), g, cells, RunOptions{Peers: p})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		v := r.Values
		apart, within := v["elbo_check_peer"]-v["elbo_check"], 5*(v["elbo_check_se"]+v["elbo_check_peer_se"])
		masks := cells[i].Tokens.Path.Source == discrete.Mask
		if apart < -within || !masks && apart > within || v["elbo_check"] > 2.5 {
			t.Errorf("masks %v: bound %g here and %g there, ± %g", masks, v["elbo_check"], v["elbo_check_peer"], within)
		}
	}
}
