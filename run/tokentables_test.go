package run

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data/table"
	"flowmatch/discrete"
	"flowmatch/model"
)

// carLaw is a law of rows of categories, given a class: its probabilities at [class][size][colour][doors].
var carLaw = [2][2][3][2]float64{
	{{{0.3, 0}, {0.1, 0.1}, {0, 0.1}}, {{0, 0.1}, {0.2, 0}, {0.05, 0.05}}},
	{{{0, 0.1}, {0, 0.3}, {0.2, 0}}, {{0.1, 0.1}, {0, 0}, {0, 0.2}}},
}

// carNames are the levels of carLaw, and its classes.
var carNames = [][]string{{"big", "small"}, {"blue", "dark, red", "green"}, {"2", "4"}, {"new", "old"}}

// carFile writes n rows of each class.
func carFile(t *testing.T, n int) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	lines := []string{"size,age,colour,doors"}
	for class, law := range carLaw {
		for range n {
			u := rng.Float64()
			for k := range 12 {
				if u -= law[k/6][k/2%3][k%2]; u < 0 {
					lines = append(lines, fmt.Sprintf("%s,%s,%q,%s", carNames[0][k/6], carNames[3][class],
						carNames[1][k/2%3], carNames[2][k%2]))
					break
				}
			}
		}
	}
	file := filepath.Join(t.TempDir(), "cars.csv")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

const tableText = `
space: tokens
data: {path: %q, val: 40}
net: {width: 32, depth: 2, heads: 2}
train: {steps: 500, batch: 128, lr: 4e-3, val_every: 250, optimizer: {ema_decay: 0.98}}
eval: {steps: 24, test: 400}
`

func parseTable(t *testing.T, file string, settings ...string) TokenConfig {
	t.Helper()
	c, err := ParseTokenConfig(fmt.Appendf(nil, tableText, file), settings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// offLaw is the total variation of rows, of the columns size, colour and doors, from a law.
func offLaw(x discrete.Tokens, law func(a, b, c int) float64) float64 {
	d, share := 0.0, map[[3]int32]float64{}
	for i := range x.N {
		share[[3]int32(x.Row(i))] += 1 / float64(x.N)
	}
	for k := range 12 {
		d += math.Abs(share[[3]int32{int32(k / 6), int32(k / 2 % 3), int32(k % 2)}]-law(k/6, k/2%3, k%2)) / 2
	}
	return d
}

// A run of a table with classes has the law of each class, fills in rows by their conditional law, and has a bound that
// is near the entropy, for each source.
func TestARunOfRowsOfCategories(t *testing.T) {
	if testing.Short() {
		t.Skip("it trains for 20 seconds")
	}
	file := carFile(t, 3000)
	for source, more := range map[discrete.Source][]string{
		discrete.Mask: nil, discrete.Uniform: {"train.loss=cross_entropy", "train.shown=0.5", "train.steps=800"},
	} {
		cfg := parseTable(t, file, append(more, "data.label=age", "train.label_dropout=0.2",
			"path.source="+string(source))...)
		if cfg.Data.Tokens != "categories" || cfg.Data.Length != 0 {
			t.Fatalf("%+v", cfg.Data)
		}
		dir := t.TempDir()
		r, err := TrainTokens(t.Context(), cfg, dir, TokenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		spec := r.Model.Spec()
		if r.Config.Data.Length != 3 || !slices.Equal(spec.Classes, carNames[3]) ||
			!slices.Equal(spec.Vocabulary.Columns[1].Levels, carNames[1]) {
			t.Fatalf("%+v, %+v", r.Config.Data, spec)
		}
		const n = 2000
		sample := func(label []int32, guidance *float64) discrete.Tokens {
			x, _, err := r.Model.Sample(t.Context(), model.TokenSampling{N: n, Label: label, Guidance: guidance,
				Sampler: r.Config.Eval.Sampling(1)})
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range x.X {
				if int(v) >= spec.Vocabulary.LevelsOf(k%3) {
					t.Fatalf("%s: token %d is %d", source, k, v)
				}
			}
			return x
		}
		mixed := func(a, b, c int) float64 { return (carLaw[0][a][b][c] + carLaw[1][a][b][c]) / 2 }
		for class := range carLaw {
			label := slices.Repeat([]int32{int32(class)}, n)
			law := func(a, b, c int) float64 { return carLaw[class][a][b][c] }
			if d := offLaw(sample(label, nil), law); d > 0.15 || source == discrete.Mask && d > 0.09 {
				t.Errorf("%s: samples of class %d are %.3f from its law", source, class, d)
			}
			if d := offLaw(sample(label, new(0.0)), mixed); d > 0.15 {
				t.Errorf("%s: samples without the label are %.3f from the law", source, d)
			}
			if source == discrete.Uniform {
				continue // which needs five times as many steps to learn what the other tokens mean
			}
			x := discrete.Tokens{N: 1, L: 3, X: []int32{model.Unknown, 2, model.Unknown}} // green
			filled, _, err := r.Model.Infill(t.Context(), x, model.TokenSampling{N: n, Label: label,
				Sampler: r.Config.Eval.Sampling(2)})
			if err != nil {
				t.Fatal(err)
			}
			sum := law(0, 2, 0) + law(0, 2, 1) + law(1, 2, 0) + law(1, 2, 1)
			if d := offLaw(filled, func(a, b, c int) float64 {
				if b != 2 {
					return 0
				}
				return law(a, b, c) / sum
			}); d > 0.12 {
				t.Errorf("%s: rows of class %d that were filled in are %.3f from the law", source, class, d)
			}
		}
		corpus, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		x, label := corpus.Testing(r.Config.Eval.Test)
		b, each, err := r.Model.Bound(t.Context(), x, label, discrete.ELBOOptions{Draws: 32}, nil)
		if err != nil || b.Characters != 0 {
			t.Fatal(b, err)
		}
		exact := 0.0
		for i := range each {
			row := x.Row(i)
			exact -= math.Log(carLaw[label[i]][row[0]][row[1]][row[2]]) / float64(len(x.X))
		}
		if b.Nats < exact-4*b.BitsSE || source == discrete.Mask && b.Nats > exact+0.05 {
			t.Errorf("%s: a bound of %.4f nats, and the law has %.4f", source, b.Nats, exact)
		}
		var out bytes.Buffer
		err = r.WriteTable(&out, x, label)
		if err != nil || !strings.HasPrefix(out.String(), "size,colour,doors,age\n") {
			t.Errorf("%.80q, %v", out.String(), err)
		}
	}
}

// A run of a table is resumed as one of a text is, and other rows, levels or labels are others.
func TestARunOfATableIsResumed(t *testing.T) {
	file, dir := carFile(t, 60), t.TempDir()
	cfg := parseTable(t, file, "data.label=age", "train.steps=6", "train.val_every=0")
	if _, err := TrainTokens(t.Context(), cfg, dir, TokenOptions{}); err != nil {
		t.Fatal(err)
	}
	cfg.Train.Steps = 8
	if r, err := TrainTokens(t.Context(), cfg, dir, TokenOptions{Resume: true}); err != nil || r.Step != 8 {
		t.Fatalf("%v: %v", r, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{{",old,", ",ancient,"}, {"green", "lime"}, {"size", "length"}} {
		other := strings.ReplaceAll(string(text), change[0], change[1])
		if err := os.WriteFile(file, []byte(other), 0o666); err != nil {
			t.Fatal(err)
		}
		cfg.Train.Steps = 10
		if _, err := TrainTokens(t.Context(), cfg, dir, TokenOptions{Resume: true}); !errors.Is(err, ErrChanged) {
			t.Errorf("resumed with %v: %v", change, err)
		}
	}
}

// An array of whole numbers has its labels in a second file.
func TestARunOfAnArray(t *testing.T) {
	dir := t.TempDir()
	x, label := make([]int32, 0, 800), make([]int32, 200)
	for i := range label {
		label[i] = int32(3 * (i % 2))
		x = append(x, label[i], int32(i%2+1), int32(i%5), 4)
	}
	file, labels := filepath.Join(dir, "x.npy"), filepath.Join(dir, "y.npy")
	if err := errors.Join(table.WriteIntNPY(file, 200, 4, x), table.WriteIntNPY(labels, 200, 1, label)); err != nil {
		t.Fatal(err)
	}
	cfg := parseTable(t, file, "data.labels_path="+labels, "train.steps=150", "train.batch=64")
	r, err := TrainTokens(t.Context(), cfg, filepath.Join(dir, "run"), TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if spec := r.Model.Spec(); spec.Vocabulary.Kind != "integers" || spec.Vocabulary.Size != 5 ||
		!slices.Equal(spec.Classes, []string{"0", "3"}) {
		t.Errorf("%+v", spec)
	}
	class, err := r.Model.Spec().Class("3")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := r.Model.Sample(t.Context(), model.TokenSampling{N: 100, Label: slices.Repeat([]int32{class}, 100),
		Sampler: r.Config.Eval.Sampling(1)})
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i := range got.N {
		if row := got.Row(i); row[0] == 3 && row[1] == 2 && row[3] == 4 {
			right++
		}
	}
	if right < 90 {
		t.Errorf("%d of 100 samples are of their class", right)
	}
}

// What cannot go with a table, a text or their labels is named.
func TestRunFilesOfTablesAreStrict(t *testing.T) {
	for _, c := range []struct{ path, setting, want string }{
		{"a.csv", "data.vocabulary=300", "tokens categories have the levels of their table"},
		{"a.npy", "data.columns=[a]", "tokens integers have none"},
		{"a.npy", "data.label=a", "name labels by data.labels_path"},
		{"a.txt", "data.label=a", "data.label is set, but has no effect on tokens chars"},
		{"a.txt", "data.labels_path=a", "its windows no class"},
		{"a.txt", "data.columns=[a]", "a text has no columns"},
		{"a.txt", "data.exclude=[a]", "data.exclude is set, but has no effect"},
		{"a.csv", "train.label_dropout=0.1", "has no effect without labels"},
		{"a.csv", "train.label_dropout=2", "train.label_dropout is 2"},
		{"a.csv", "conditional=true", "the classes that data.label or data.labels_path names"},
	} {
		_, err := ParseTokenConfig(fmt.Appendf(nil, tableText, c.path), []string{c.setting})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v; want %q", c.path, c.setting, err, c.want)
		}
	}
	for _, two := range [][]string{{"data.columns=[a]", "data.exclude=[b]"}, {"data.label=a", "data.labels_path=b"},
		{"data.tokens=categories", "data.tokenizer=b"}} {
		_, err := ParseTokenConfig(fmt.Appendf(nil, tableText, "a.csv"), two)
		if err == nil || !strings.Contains(err.Error(), "are both set") &&
			!strings.Contains(err.Error(), "have the levels of their table") {
			t.Errorf("%v: %v", two, err)
		}
	}
	file := carFile(t, 5)
	for setting, want := range map[string]string{
		"data.length=5":      "data.length is 5, and rows of",
		"data.columns=[siz]": `did you mean "size"?`,
	} {
		_, err := TrainTokens(t.Context(), parseTable(t, file, setting), t.TempDir(), TokenOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", setting, err, want)
		}
	}
}
