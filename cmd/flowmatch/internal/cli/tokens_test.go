package cli

import (
	"bytes"
	"fmt"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"flowmatch/data/text"
	"flowmatch/run"
)

// tinyTokens is a run of tokens that takes a fraction of a second, on a text whose name is to come.
const tinyTokens = `
seed: 3
space: tokens
data: {path: %q, length: 12, val: 8}
net: {width: 16, depth: 1, heads: 2}
train: {steps: 20, batch: 8, log_every: 5, val_every: 10, checkpoint_every: 10}
eval: {steps: 6, test: 10, draws: 4}
`

// tokenRun is a run of tokens that many tests read.
var tokenRun struct {
	sync.Once
	dir string
}

func trainedTokens(t *testing.T) string {
	t.Helper()
	tokenRun.Do(func() {
		trained(t) // which makes the folder that is removed at the end
		data := filepath.Join(shared.dir, "language.txt")
		if err := os.WriteFile(data, []byte(text.SmallLanguage().Text(1, 80)), 0o666); err != nil {
			t.Fatal(err)
		}
		tokenRun.dir = filepath.Join(shared.dir, "tokens")
		succeed(t, "train", writeText(t, "run.yaml", fmt.Sprintf(tinyTokens, data)), "--out", tokenRun.dir, "-q")
	})
	return tokenRun.dir
}

func content(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Samples are texts, the same of a seed in text and tokens, and a text that is filled in keeps what it has.
func TestSamplesOfTokensAreTexts(t *testing.T) {
	dir, folder := trainedTokens(t), t.TempDir()
	out := func(name string) string { return filepath.Join(folder, name) }
	rep := succeedJSON(t, "sample", dir, "--n", "3", "--seed", "5", "--out", out("a.txt"))
	goldenJSON(t, "sample-tokens", rep)
	if rep["nfe"] != 6.0 || rep["seed"] != 5.0 || rep["solver"] != "exact" {
		t.Errorf("%v", rep)
	}
	succeed(t, "sample", dir, "--n", "3", "--seed", "5", "--out", out("b.txt"))
	succeed(t, "sample", dir, "--n", "1", "--seed", "5", "--out", out("one.txt"))
	parts := strings.Split(content(t, out("a.txt")), "\n"+run.SampleBreak+"\n")
	if len(parts) != 3 || content(t, out("a.txt")) != content(t, out("b.txt")) ||
		parts[0] != content(t, out("one.txt")) {
		t.Errorf("samples %q, %q, and one %q", parts, content(t, out("b.txt")), content(t, out("one.txt")))
	}
	succeed(t, "sample", dir, "--n", "2", "--temperature", "0.5", "--top-p", "0.9", "--solver", "euler", "--corrector",
		"0.5", "--steps", "4", "--out", out("c.npy"))
	if npy := content(t, out("c.npy")); len(npy) != 128+4*2*12 || !strings.Contains(npy, "'<i4'") ||
		!strings.Contains(npy, "(2, 12)") {
		t.Errorf("an array of %d bytes: %q", len(npy), npy[:80])
	}
	draft := writeText(t, "draft.txt", "the old c▁▁ sees a tree. the ▁▁▁ dog")
	rep = succeedJSON(t, "sample", dir, "--infill", draft, "--extend", "7", "--out", out("full.txt"))
	goldenJSON(t, "infill-tokens", rep)
	full, given := []rune(content(t, out("full.txt"))), []rune(content(t, draft))
	if len(full) != len(given)+7 || rep["infilled"] != 12.0 {
		t.Fatalf("%q is %q with all filled in: %v", string(given), string(full), rep)
	}
	for i, r := range given {
		if r != '▁' && full[i] != r || full[i] == '▁' {
			t.Errorf("character %d was %q, and is %q", i, r, full[i])
		}
	}
	draft = writeText(t, "draft.txt", "the [?][?]d c")
	succeed(t, "sample", dir, "--infill", draft, "--mark", "[?]", "--n", "2", "--out", out("marked.txt"))
	marked := strings.TrimSuffix(content(t, out("marked.txt")), "\n")
	for _, part := range strings.Split(marked, "\n"+run.SampleBreak+"\n") {
		if len(part) != 9 || part[:4] != "the " || part[6:] != "d c" {
			t.Errorf("filled in: %q", part)
		}
	}
}

// The bound is named as one, with its error.
func TestBoundsOfTokensAreNamedAsSuch(t *testing.T) {
	dir := trainedTokens(t)
	rep := succeedJSON(t, "eval", dir)
	goldenJSON(t, "eval-tokens", rep)
	elbo, ok := rep["elbo"].(map[string]any)
	if !ok || elbo["sequences"] != 7.0 || elbo["bits_per_token"] != elbo["bits_per_character"] ||
		!strings.Contains(fmt.Sprint(rep["note"]), "bound") || rep["logp"] != nil {
		t.Errorf("%v", rep)
	}
	if text := succeed(t, "eval", dir, "--test", "50"); !strings.Contains(text, "bits a character") ||
		!strings.Contains(text, "ELBO") || !strings.Contains(text, "have 7 sequences to test") {
		t.Errorf("%s", text)
	}
	data := writeText(t, "some.txt", text.SmallLanguage().Text(2, 2))
	values := filepath.Join(t.TempDir(), "values.csv")
	rep = succeedJSON(t, "logp", dir, "--data", data, "--draws", "8", "--seed", "1", "--out", values)
	goldenJSON(t, "logp-tokens", rep)
	lines := strings.Split(strings.TrimSpace(content(t, values)), "\n")
	if n := len(content(t, data)); rep["left_out"] != float64(n%12) || len(lines) != 1+n/12 || lines[0] != "elbo_nats" {
		t.Errorf("%v, %q", rep, lines)
	}
}

// A moving picture has a frame for each time, and the first is all masks.
func TestTokensAppearInAPicture(t *testing.T) {
	dir, folder := trainedTokens(t), t.TempDir()
	file := filepath.Join(folder, "tokens.gif")
	succeed(t, "plot", dir, "--kind", "trajectories", "--n", "2", "--steps", "5", "--title", "tokens", "--out", file)
	g, err := gif.DecodeAll(bytes.NewReader([]byte(content(t, file))))
	if err != nil || len(g.Image) != 6 {
		t.Fatalf("%v", err)
	}
	dark := filepath.Join(folder, "dark.gif")
	succeed(t, "plot", dir, "--kind", "trajectories", "--n", "2", "--steps", "5", "--dark", "--out", dark)
	if content(t, dark) == content(t, file) {
		t.Error("a dark picture is a light one")
	}
	succeed(t, "plot", dir, "--kind", "loss", "--out", filepath.Join(folder, "loss.png"))
}

// Flags and commands without an effect on runs of tokens are errors that say so, and flags of tokens on others.
func TestWhatDoesNotGoWithTokensIsAnError(t *testing.T) {
	dir, points, folder := trainedTokens(t), trained(t), t.TempDir()
	out := func(name string) string { return filepath.Join(folder, name) }
	plain, strange := writeText(t, "plain.txt", "the cat"), writeText(t, "strange.txt", "the Ω▁")
	for _, c := range []struct {
		want string
		code int
		args []string
	}{
		{"--rtol has no effect on a run of tokens", 2,
			[]string{"sample", dir, "--n", "1", "--rtol", "1", "--out", out("a.txt")}},
		{"--guidance needs a run with labels", 2,
			[]string{"sample", dir, "--n", "1", "--guidance", "2", "--out", out("a.txt")}},
		{"must end in .txt, .npy", 2, []string{"sample", dir, "--n", "1", "--out", out("a.csv")}},
		{"--n is 0", 2, []string{"sample", dir, "--n", "0", "--out", out("a.txt")}},
		{"unknown solver of tokens", 2, []string{"sample", dir, "--n", "1", "--solver", "rk4", "--out", out("a.txt")}},
		{"--corrector needs --solver euler", 2,
			[]string{"sample", dir, "--n", "1", "--corrector", "1", "--out", out("a.txt")}},
		{"eval.top_p is 2", 2, []string{"sample", dir, "--n", "1", "--top-p", "2", "--out", out("a.txt")}},
		{"eval.temperature is 0", 2, []string{"sample", dir, "--n", "1", "--temperature", "0", "--out", out("a.txt")}},
		{"--mark has no effect without --infill", 2,
			[]string{"sample", dir, "--n", "1", "--mark", "x", "--out", out("a.txt")}},
		{"has no ▁", 2, []string{"sample", dir, "--infill", plain, "--out", out("a.txt")}},
		{"may stand in the text itself", 2,
			[]string{"sample", dir, "--infill", plain, "--mark", "a", "--out", out("a.txt")}},
		{"line 1 has 'Ω'", 1, []string{"sample", dir, "--infill", strange, "--out", out("a.txt")}},
		{"no such file", 2, []string{"sample", dir, "--infill", out("nix"), "--out", out("a.txt")}},
		{"would replace", 2, []string{"sample", dir, "--infill", plain, "--extend", "1", "--out", plain}},
		{"would change what", 2, []string{"sample", dir, "--n", "1", "--out",
			filepath.Join(filepath.Dir(dir), "language.txt")}},
		{"--divergence has no effect", 2, []string{"logp", dir, "--data", plain, "--divergence", "exact"}},
		{"has 7 tokens; the run bounds sequences of 12", 1, []string{"logp", dir, "--data", plain}},
		{"--draws is 1", 2, []string{"eval", dir, "--draws", "1"}},
		{"--only has no effect", 2, []string{"eval", dir, "--only", "c2st"}},
		{"it has the kinds loss and trajectories", 2,
			[]string{"plot", dir, "--kind", "density", "--out", out("a.png")}},
		{"must end in .gif", 2, []string{"plot", dir, "--kind", "trajectories", "--out", out("a.png")}},
		{"what is asked for is of points", 2, []string{"export", dir, "--out", out("a.onnx")}},
		{"what is asked for is of points", 2, []string{"compare", dir, points}},
		{"--infill is for runs of tokens", 2, []string{"sample", points, "--infill", plain, "--out", out("a.csv")}},
		{"--draws is for runs of tokens", 2, []string{"eval", points, "--draws", "4"}},
		{"not a run's folder", 2, []string{"sample", out("nix"), "--infill", plain, "--out", out("a.csv")}},
		{"unknown kind of demo", 2, []string{"demo", "--kind", "globe"}},
	} {
		if code, _, stderr := invoke(t, c.args...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit code %d, want %d with %q:\n%s", c.args, code, c.code, c.want, stderr)
		}
	}
}

// The demo of text shows samples on the way, and its ELBO beside the truth.
func TestTheDemoOfText(t *testing.T) {
	demo := []byte(fmt.Sprintf(tinyTokens, demoTextData) + "\n")
	demo = bytes.Replace(demo, []byte("log_every: 5"), []byte("log_every: 5, snapshot_every: 10"), 1)
	dir := filepath.Join(t.TempDir(), "demo")
	var stdout, stderr bytes.Buffer
	for range 2 { // the second finds its own folder
		stdout.Reset()
		a := &app{stdout: &stdout, stderr: &stderr, demo: demoConfig, demoText: demo}
		if code := a.execute(t.Context(), []string{"demo", "--kind", "text", "--out", dir, "--json"}); code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr.String())
		}
	}
	rep := oneObject(t, stdout.String())
	goldenJSON(t, "demo-text", rep)
	stages, _ := rep["stages"].([]any)
	exact, _ := rep["exact_bits_per_token"].(float64)
	if len(stages) != 2 || exact < 0.4 || exact > 1.5 {
		t.Errorf("%d stages, the law has %g bits a token", len(stages), exact)
	}
	cfg := string(demoTextConfig)
	if !strings.Contains(cfg, demoTextData) {
		t.Errorf("the demo does not read %s:\n%s", demoTextData, cfg)
	}
}

// A run of pieces of words samples texts, fills in what is marked and has a bound by characters, which are more than
// its tokens. What it cannot do yet says so.
func TestARunOfPiecesOfWords(t *testing.T) {
	trainedTokens(t) // which writes the text
	folder, data := t.TempDir(), filepath.Join(shared.dir, "language.txt")
	dir := filepath.Join(folder, "pieces")
	succeed(t, "train", writeText(t, "run.yaml", fmt.Sprintf(tinyTokens, data)), "--out", dir, "-q", "--set",
		"data.tokens=bpe", "--set", "data.vocabulary=270")
	draft, full := filepath.Join(folder, "draft.txt"), filepath.Join(folder, "full.txt")
	if err := os.WriteFile(draft, []byte("Any text: 字 ▁▁ end"), 0o666); err != nil {
		t.Fatal(err)
	}
	succeed(t, "sample", dir, "--infill", draft, "--seed", "2", "--out", full)
	if got := content(t, full); !strings.HasPrefix(got, "Any text: 字 ") || !strings.HasSuffix(got, " end") {
		t.Errorf("filled in: %q", got)
	}
	elbo := succeedJSON(t, "eval", dir)["elbo"].(map[string]any)
	if tokens, chars := elbo["tokens"].(float64), elbo["characters"].(float64); !(chars > tokens) ||
		!(elbo["bits_per_character"].(float64) < elbo["bits_per_token"].(float64)) {
		t.Errorf("%v", elbo)
	}
	code, _, stderr := invoke(t, "plot", dir, "--kind", "trajectories", "--out", filepath.Join(folder, "a.gif"))
	if code != 2 || !strings.Contains(stderr, "tokens bpe are pieces of words") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
