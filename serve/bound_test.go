package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flowmatch/client"
	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/run"
)

// Texts of any length are cut into sequences as the run cuts its data, whatever a token is.
func TestTextsAreSplitForBounds(t *testing.T) {
	const long = "the cat sat on the mat, and the dog ate it. the mat"
	for _, tokens := range []string{text.Chars, text.Bytes, text.BPE} {
		set := []string{"data.tokens=" + tokens}
		if tokens == text.BPE {
			set = append(set, "data.vocabulary=264")
		}
		dir := filepath.Join(t.TempDir(), "words")
		if err := os.Rename(textRun(t, set...), dir); err != nil {
			t.Fatal(err)
		}
		_, h := started(t, Options{Runs: []string{dir}, MaxPoints: 5})
		r, err := run.OpenTokens(dir, run.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		v := r.Model.Spec().Vocabulary
		ids, err := v.Encode(long)
		if err != nil {
			t.Fatal(err)
		}
		x := text.Windows(ids, 12, 0)
		most := min(2, x.N)
		want := client.Bound{Model: "words", Step: r.Step, Draws: 4, Seed: 3, LeftOut: len(ids) - 12*most}
		x.N, x.X = most, x.X[:12*most]
		sum, each, err := r.Model.Bound(t.Context(), x, nil, discrete.ELBOOptions{Draws: 4, Seed: 3}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range each {
			want.ELBO = append(want.ELBO, -v)
			want.Pieces = append(want.Pieces, r.Model.Spec().Vocabulary.Decode(x.Row(i)))
		}
		want.Bits, want.BitsSE = sum.Bits, sum.BitsSE
		got, err := (&client.Client{URL: h.URL}).Bound(t.Context(), "words", client.BoundRequest{Texts: []string{long},
			Split: 2, Draws: 4, Seed: new(uint64(3))})
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, %v; want %+v", tokens, got, err, want)
		}
		many, _ := json.Marshal(strings.Repeat(long, 9))
		for _, c := range []struct{ body, want string }{
			{`{"texts": ["the"], "split": 1}`, fmt.Sprintf("(%s); a sequence of the model has 12", tokens)},
			{`{"texts": [` + string(many) + `], "split": 9}`, "split: 9 points are asked for; at most 5"},
			{`{"texts": ["the cat"], "split": 0}`, "split"},
		} {
			code, body, _ := post(t, h.URL+"/v1/models/words/bound", c.body)
			if code != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
				t.Errorf("%s %s: %d %s; want %q", tokens, c.body, code, body, c.want)
			}
		}
	}
	_, h := started(t, Options{Runs: []string{carsRun(t).Dir}})
	code, body, _ := post(t, h.URL+"/v1/models/cars/bound", `{"texts": ["big,red"], "label": 1, "split": 1}`)
	if code != http.StatusUnprocessableEntity || !strings.Contains(body, "split: it is of texts") {
		t.Errorf("rows that are split: %d %s", code, body)
	}
}
