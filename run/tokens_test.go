package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	texts "flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/internal/stat"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// tokenText is a run file of tokens so small that a run takes no time.
const tokenText = `
space: tokens
data: {path: %q, length: 12, val: 8}
net: {width: 16, depth: 1, heads: 2}
train: {steps: 24, batch: 8, lr: 1e-2, log_every: 4, val_every: 8, checkpoint_every: 8}
eval: {steps: 8, test: 20}
`

// languageFile writes a text of the small language.
func languageFile(t *testing.T, sentences int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(file, []byte(texts.SmallLanguage().Text(1, sentences)), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

func parseTokenRun(t *testing.T, file string, settings ...string) TokenConfig {
	t.Helper()
	c, err := ParseTokenConfig(fmt.Appendf(nil, tokenText, file), settings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stateOf returns what a checkpoint holds, without the seconds that it took.
func stateOf(t *testing.T, dir string) string {
	t.Helper()
	m, step, extra, err := model.OpenTokens(filepath.Join(dir, CheckpointFile), nativeEngine(t))
	if err != nil {
		t.Fatal(err)
	}
	var p train.Progress
	if err := json.Unmarshal([]byte(extra[keyProgress]), &p); err != nil {
		t.Fatal(err)
	}
	p.Seconds = 0
	weights, err := m.Net().Weights()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(step, p, extra[keySettings], weights)
}

// A training that is interrupted and resumed has the same state, bit for bit, as one that is not, with dropout and
// where a validation was interrupted, too.
func TestARunOfTokensIsResumedBitForBit(t *testing.T) {
	file := languageFile(t, 60)
	for _, more := range [][]string{
		{"net.dropout=0.1"},
		{"path.source=uniform", "train.shown=0.5", "train.patience=50", "path.name=sin2"},
		{"path.metric={distance: squared}", "train.shown=0.5"},
	} {
		cfg := parseTokenRun(t, file, more...)
		whole, parts := t.TempDir(), t.TempDir()
		if _, err := TrainTokens(t.Context(), cfg, whole, TokenOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, stop := range []int{5, 8, 17} {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := TrainTokens(ctx, cfg, parts, TokenOptions{Resume: stop > 5, Step: func(step int, _ float64) {
				if step == stop {
					cancel()
				}
			}})
			if cancel(); !errors.Is(err, train.ErrInterrupted) {
				t.Fatalf("%v at step %d: %v", more, stop, err)
			}
		}
		from := 0
		r, err := TrainTokens(t.Context(), cfg, parts, TokenOptions{Resume: true,
			Resumed: func(step int, changes []Change) {
				if from = step; len(changes) > 0 {
					t.Errorf("changes %v", changes)
				}
			}})
		if err != nil || from != 17 {
			t.Fatalf("%v: resumed from %d: %v", more, from, err)
		}
		if r.Best != slices.Contains(more, "train.patience=50") {
			t.Errorf("%v: the best state: %v", more, r.Best)
		}
		if got, want := stateOf(t, parts), stateOf(t, whole); got != want {
			t.Errorf("%v: the resumed state differs", more)
		}
		a, errA := ReadMetrics(filepath.Join(whole, MetricsFile))
		b, errB := ReadMetrics(filepath.Join(parts, MetricsFile))
		same := func(a, b train.Event) bool {
			return a.Step == b.Step && a.Loss == b.Loss && (a.ValLoss == nil) == (b.ValLoss == nil) &&
				(a.ValLoss == nil || *a.ValLoss == *b.ValLoss)
		}
		if err := errors.Join(errA, errB); err != nil || !slices.EqualFunc(a, b, same) {
			t.Errorf("%v: the logs differ (%v):\n%v\n%v", more, err, a, b)
		}
	}
}

// Everything that is wrong with a run file of tokens is named with its line, and what cannot go with tokens with why.
func TestRunFilesOfTokensAreStrict(t *testing.T) {
	for _, c := range []struct{ setting, want string }{
		{"coupling.name=ot", "coupling cannot go with space tokens: noise and data of tokens are paired independently"},
		{"path.name=vp", "path.name vp cannot go with space tokens: it adds up multiples of points and noise"},
		{"path.name=condot", "take one of"},
		{"path.name=lineer", `did you mean "linear"?`},
		{"path.sigma_min=0.1", "path.sigma_min cannot go with space tokens"},
		{"path.source=maks", `did you mean "mask"?`},
		{"path.metric={distance: level}", `did you mean "levels"?`},
		{"path.metric={scale: -1}", "path.metric.scale is -1"},
		{"source={name: moons}", "the noise of tokens is path.source"},
		{"precondition=true", "levels have no variance"},
		{"conditional=true", "the classes that data.label or data.labels_path names"},
		{"net.hidden=[8]", "net.hidden cannot go with space tokens: the network of tokens is a transformer"},
		{"net={unet: {}}", "net.unet cannot go with space tokens"},
		{"net.levels=5", `unknown key "net.levels"`},
		{"net.width=30", "width is 30"},
		{"data.tokens=words", `unknown kind of tokens "words"; it must be one of bytes, chars, bpe`},
		{"data.vocabulary=300",
			"data: 300 levels are asked for, and tokens of kind chars have those of the text"},
		{"data.columns=[a]", "a text has no columns"},
		{"data.length=0", "data.length is 0"},
		{"data.val=-1", "data.val is -1"},
		{"train.objective=fm", "what is learnt is the posterior"},
		{"train.loss=nll", "unknown loss of tokens"},
		{"train.label_dropout=0.1", "has no effect without labels"},
		{"train.sample_every=4", "train.sample_every is for pictures of points"},
		{"train.tensorboard=true", "for points alone so far"},
		{"train.shown=0.5", "train.shown is set, but has no effect with path.source mask"},
		{"train.optimizer.name=muon", "trains with adamw"},
		{"train.stesp=4", `did you mean "train.steps"?`},
		{"train.steps=-1", "steps is -1"},
		{"eval.solver=dopri5", "no ODE is solved; take exact or euler"},
		{"eval.solver=exakt", `did you mean "exact"?`},
		{"eval.rtol=1e-3", "no ODE is solved"},
		{"eval.divergence=exact", "log p of tokens is bounded by the ELBO"},
		{"eval.corrector=-1", "eval.corrector is -1"},
		{"eval.temperature=-1", "eval.temperature is -1"},
		{"eval.top_p=2", "eval.top_p is 2"},
		{"eval.draws=1", "eval.draws is 1"},
		{"eval.test=0", "eval.test is 0"},
		{"space=sphere", "none of tokens"},
	} {
		_, err := ParseTokenConfig(fmt.Appendf(nil, tokenText, "t.txt"), []string{c.setting})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.setting, err, c.want)
		}
	}
	for _, c := range []struct {
		settings []string
		want     string
	}{
		{[]string{"eval.corrector=1", "eval.solver=exact"}, "the solver exact has none"},
		{[]string{"train.schedule=constant", "train.lr_min=1e-5"}, "train.lr_min is 1e-05, but has no effect"},
		{[]string{"path.metric={scale: 2}", "path.name=sin2"}, "path.name is set"},
		{[]string{"path.metric={scale: 2}", "train.loss=generalised_kl"}, "which is for mixtures"},
		{[]string{"path.metric={scale: 2}", "eval.solver=exact"}, "have no closed form"},
		{[]string{"data.val=0"}, "train.val_every is 8, but has no effect: data.val is 0"},
		{[]string{"train.val_every=0", "train.patience=3"}, "patience is 3"},
	} {
		_, err := ParseTokenConfig(fmt.Appendf(nil, tokenText, "t.txt"), c.settings)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.settings, err, c.want)
		}
	}
	if _, err := ParseTokenConfig([]byte("space: tokens\ndata: {length: 5}\n"), nil); err == nil ||
		!strings.Contains(err.Error(), "data.path is not set") {
		t.Errorf("no path: %v", err)
	}
	for _, k := range TokenKeys() {
		if k.Doc == "" {
			t.Errorf("%s has no meaning", k.Name)
		}
	}
}

// A bound is not below the exact -log p of a language by more than chance, for each source, and training brings it
// nearer.
func TestTheBoundOfARunIsAboveTheEntropy(t *testing.T) {
	file, language := languageFile(t, 400), texts.SmallLanguage()
	for _, source := range []discrete.Source{discrete.Mask, discrete.Uniform} {
		cfg := parseTokenRun(t, file, "train.steps=200", "train.val_every=100", "train.snapshot_every=100",
			"path.source="+string(source), "train.optimizer.ema_decay=0.9")
		dir := t.TempDir()
		r, err := TrainTokens(t.Context(), cfg, dir, TokenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		corpus, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		x := texts.Windows(corpus.Test, cfg.Data.Length, 40)
		b, each, err := r.Model.Bound(t.Context(), x, nil, discrete.ELBOOptions{Draws: 32}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range each {
			each[i] += language.LogProb(corpus.Decode(x.Row(i)))
		}
		if above, se := stat.MeanStdErr(each); above < -3*se || math.IsInf(above, 0) {
			t.Errorf("%s: the bound is %g ± %g above -log p", source, above, se)
		}
		most := math.Log2(float64(corpus.Levels()))
		if source == discrete.Uniform {
			most *= 2 // whose bound is looser
		}
		if b.Bits >= most || b.BitsOfChar != b.Bits || !(b.BitsSE > 0) {
			t.Errorf("%s: %+v; a model that knows nothing has %g bits", source, b, most)
		}
		before, err := OpenTokensAt(dir, 100, OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		was, _, err := before.Model.Bound(t.Context(), x, nil, discrete.ELBOOptions{Draws: 32}, nil)
		if err != nil || before.Step != 100 || was.Bits <= b.Bits {
			t.Errorf("%s: %g bits at step %d, and %g at the end (%v)", source, was.Bits, before.Step, b.Bits, err)
		}
	}
}

// Samples of a seed are the same however many are drawn, and what is known of a text stays, whatever its length.
func TestARunOfTokensSamplesAndFillsIn(t *testing.T) {
	file := languageFile(t, 60)
	r, err := TrainTokens(t.Context(), parseTokenRun(t, file), t.TempDir(), TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	draw := func(n int, seed uint64) discrete.Tokens {
		x, stats, err := r.Model.Sample(t.Context(), model.TokenSampling{N: n, Sampler: r.Config.Eval.Sampling(seed)})
		if err != nil || stats.NFE != 8 {
			t.Fatalf("NFE %d, %v", stats.NFE, err)
		}
		return x
	}
	few, many, others := draw(2, 1), draw(5, 1), draw(2, 2)
	if !slices.Equal(few.X, many.X[:len(few.X)]) || slices.Equal(few.X, others.X) {
		t.Error("samples are not those of their seed and number")
	}
	for _, n := range []int{5, 12, 13, 40} {
		known := make([]int32, n)
		for k := range known {
			if known[k] = model.Unknown; k%3 == 0 {
				known[k] = int32(k % 5)
			}
		}
		x, stats, err := r.Model.Infill(t.Context(), asTokens(known), model.TokenSampling{N: 3,
			Sampler: r.Config.Eval.Sampling(1)})
		if err != nil || stats.NFE < 8 || x.N != 3 || x.L != n || x.Check(r.Model.Levels()) != nil {
			t.Fatalf("%d tokens: NFE %d, %v", n, stats.NFE, err)
		}
		for i := range x.N {
			for k, v := range known {
				if v != model.Unknown && x.Row(i)[k] != v {
					t.Errorf("%d tokens: token %d of sequence %d was %d, and is %d", n, k, i, v, x.Row(i)[k])
				}
			}
		}
		if slices.Equal(x.Row(0), x.Row(1)) {
			t.Errorf("%d tokens: two sequences are one", n)
		}
		// Beside one of another seed of which other tokens are known, each is what it is alone.
		other := slices.Clone(known)
		other[0], other[n-1] = model.Unknown, 3
		both := model.TokenSampling{N: 2, Sampler: r.Config.Eval.Sampling(0)}
		both.Sampler.Of = []discrete.Sequence{{Seed: 1, Number: 2}, {Seed: 9, Number: 0}}
		mixed, _, err := r.Model.Infill(t.Context(), discrete.Tokens{N: 2, L: n, X: slices.Concat(known, other)}, both)
		alone, _, failed := r.Model.Infill(t.Context(), asTokens(other), model.TokenSampling{N: 1,
			Sampler: r.Config.Eval.Sampling(9)})
		if err != nil || failed != nil || !slices.Equal(mixed.Row(0), x.Row(2)) ||
			!slices.Equal(mixed.Row(1), alone.Row(0)) {
			t.Errorf("%d tokens: %v, %v; beside others %v, alone %v and %v", n, err, failed, mixed.X, x.Row(2), alone.X)
		}
	}
	for _, known := range [][]int32{{0, 1}, {0, 99, model.Unknown}} {
		if _, _, err := r.Model.Infill(t.Context(), asTokens(known), model.TokenSampling{N: 1,
			Sampler: r.Config.Eval.Sampling(1)}); err == nil {
			t.Errorf("%v was filled in", known)
		}
	}
	u, err := TrainTokens(t.Context(), parseTokenRun(t, file, "path.source=uniform"), t.TempDir(), TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := u.Model.Infill(t.Context(), asTokens([]int32{0, model.Unknown}), model.TokenSampling{N: 1,
		Sampler: u.Config.Eval.Sampling(1)}); !errors.Is(err, model.ErrNoInfill) {
		t.Errorf("source uniform without train.shown: %v", err)
	}
}

// A run is of tokens or of points, and goes on with its own text and settings alone.
func TestARunOfTokensIsNotMistaken(t *testing.T) {
	file, dir := languageFile(t, 60), t.TempDir()
	cfg := parseTokenRun(t, file)
	if _, err := TrainTokens(t.Context(), cfg, dir, TokenOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, ""); !errors.Is(err, ErrTokens) {
		t.Errorf("opened as one of points: %v", err)
	}
	if _, _, err := model.Open(filepath.Join(dir, CheckpointFile), nativeEngine(t)); !errors.Is(err, model.ErrTokens) {
		t.Errorf("its model opened as one of points: %v", err)
	}
	if _, err := ReadConfig(filepath.Join(dir, ConfigFile), nil); !errors.Is(err, ErrTokens) {
		t.Errorf("its run file read as one of points: %v", err)
	}
	points := t.TempDir()
	if _, err := Train(t.Context(), parse(t), points, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTokens(points, OpenOptions{}); !errors.Is(err, ErrNotTokens) {
		t.Errorf("a run of points opened as one of tokens: %v", err)
	}
	if _, err := TrainTokens(t.Context(), cfg, dir, TokenOptions{}); !errors.Is(err, ErrExists) {
		t.Errorf("trained over: %v", err)
	}
	for _, setting := range []string{"seed=4", "net.width=32", "path.name=cosine", "data.length=10", "train.steps=10"} {
		other := parseTokenRun(t, file, setting)
		if _, err := TrainTokens(t.Context(), other, dir, TokenOptions{Resume: true}); !errors.Is(err, ErrChanged) {
			t.Errorf("resumed with %s: %v", setting, err)
		}
	}
	if err := os.WriteFile(file, []byte(texts.SmallLanguage().Text(2, 60)), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := TrainTokens(t.Context(), cfg, dir, TokenOptions{Resume: true}); !errors.Is(err, ErrChanged) {
		t.Errorf("resumed on another text: %v", err)
	}
	r, err := OpenTokens(dir, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Text(); !errors.Is(err, ErrChanged) {
		t.Errorf("evaluated on another text: %v", err)
	}
	rewrite(t, filepath.Join(dir, versionsFile), `"paths"`, `"path"`)
	if _, err := r.Text(); !errors.Is(err, ErrForeign) {
		t.Errorf("the text of a foreign folder was read: %v", err)
	}
}

func nativeEngine(t *testing.T) *nn.Engine {
	t.Helper()
	eng, err := nn.Open("native")
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

// A run of pieces of words keeps its vocabulary, which is part of what the data are.
func TestARunOfPiecesOfWords(t *testing.T) {
	file, dir := languageFile(t, 60), t.TempDir()
	c := parseTokenRun(t, file, "data.tokens=bpe", "data.vocabulary=270", "train.steps=4", "train.val_every=0")
	r, err := TrainTokens(t.Context(), c, dir, TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	corpus, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Model.Spec().Vocabulary; v.Levels() != 270 || !slices.Equal(v.Merges, corpus.Merges) {
		t.Errorf("the checkpoint has %d levels, and the text %d", v.Levels(), corpus.Levels())
	}
	other := *corpus
	other.Merges = slices.Clone(corpus.Merges)
	other.Merges[13] = [2]int32{1, 2}
	if fingerprint(&other) == fingerprint(corpus) {
		t.Error("another vocabulary has the same fingerprint")
	}
	c.Data.Vocabulary, c.Train.Steps = 271, 8
	if _, err := TrainTokens(t.Context(), c, dir, TokenOptions{Resume: true}); err == nil ||
		!strings.Contains(err.Error(), "data.vocabulary") {
		t.Errorf("resumed with another vocabulary: %v", err)
	}
	if c := parseTokenRun(t, file, "data.tokens=bpe"); c.Data.Vocabulary != texts.DefaultLevels {
		t.Errorf("a vocabulary of %d by default", c.Data.Vocabulary)
	}
}

// tokenizerFile writes a tokenizer.json of another program: the characters of the small language, and pairs.
func tokenizerFile(t *testing.T, file, first string) string {
	t.Helper()
	var levels []string
	for r := range "abcdefghijklmnopqrstuvwxyz .\n" {
		levels = append(levels, fmt.Sprintf("%q: %d", "abcdefghijklmnopqrstuvwxyz .\n"[r:r+1], r))
	}
	levels = append(levels, `"th": 29`, `"the": 30`, `"at": 31`)
	text := fmt.Sprintf(`{"model": {"type": "BPE", "vocab": {%s}, "merges": [%s, "th e", "a t"]}}`,
		strings.Join(levels, ", "), first)
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// A run of a tokenizer of another program keeps it in its checkpoint, and its file is part of what the data are.
func TestARunOfATokenizerOfAnotherProgram(t *testing.T) {
	data, dir := languageFile(t, 60), t.TempDir()
	file := tokenizerFile(t, filepath.Join(t.TempDir(), "tokenizer.json"), `"t h"`)
	c := parseTokenRun(t, data, "data.tokenizer="+file, "train.steps=4", "train.val_every=0")
	if c.Data.Tokens != texts.BPE || c.Data.Vocabulary != 0 {
		t.Errorf("%+v", c.Data)
	}
	if _, err := TrainTokens(t.Context(), c, dir, TokenOptions{}); err != nil {
		t.Fatal(err)
	}
	c.Train.Steps = 6
	tokenizerFile(t, file, `["h", "e"], ["t", "h"]`)
	if _, err := TrainTokens(t.Context(), c, dir, TokenOptions{Resume: true}); err == nil ||
		!strings.Contains(err.Error(), `makes "he", which is none of its levels`) ||
		!strings.Contains(err.Error(), "data.tokenizer") {
		t.Errorf("resumed with a damaged tokenizer: %v", err)
	}
	tokenizerFile(t, file, `"t h", "a t"`)
	if _, err := TrainTokens(t.Context(), c, dir, TokenOptions{Resume: true}); !errors.Is(err, ErrChanged) {
		t.Errorf("resumed with another tokenizer: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	r, err := OpenTokens(dir, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Model.Spec().Vocabulary.Encode("the cat")
	if err != nil || !slices.Equal(got, []int32{30, 26, 2, 31}) {
		t.Errorf("%v, %v", got, err)
	}
	moved := tokenizerFile(t, filepath.Join(t.TempDir(), "moved.json"), `"t h"`)
	if r, err = OpenTokens(dir, OpenOptions{Set: []string{"data.tokenizer=" + moved}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Text(); err != nil {
		t.Errorf("the data with a tokenizer that was moved: %v", err)
	}
}

// asTokens is one sequence.
func asTokens(x []int32) discrete.Tokens { return discrete.Tokens{N: 1, L: len(x), X: x} }
