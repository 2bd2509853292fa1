package run

import (
	"regexp"
	"strings"
	"testing"

	"flowmatch/train"
)

// goName is a name that only a reader of the Go packages knows: table.UCINames, Config.Dim,
// ExactUpTo. Names of networks and of programs are written so, too.
var goName = regexp.MustCompile(`\b([a-z]\w*\.)?[A-Z]\w*\.[A-Z]\w*|\b[a-z]\w*\.[A-Z]\w*|\b[A-Z][a-z]+[A-Z]\w*`)

func TestMeaningsArePlain(t *testing.T) {
	keys := map[string]bool{}
	for _, k := range Keys() {
		keys[k.Name] = true
		plain := strings.NewReplacer("TensorBoard", "", "AdamW", "", "BigGAN", "", "ScoreFlow", "", "MeanFlow", "",
			"U-Net", "", "UNet", "", "DiT", "", "AVX512-BF16", "").Replace(k.Doc)
		switch last := strings.TrimRight(k.Doc, "."); {
		case k.Doc == "" || !strings.HasSuffix(k.Doc, "."):
			t.Errorf("%s: %q is no sentence", k.Name, k.Doc)
		case goName.MatchString(plain):
			t.Errorf("%s: %q speaks of Go: %s", k.Name, k.Doc, goName.FindString(plain))
		case len(k.Doc) > 400:
			t.Errorf("%s: %d bytes are many: %q", k.Name, len(k.Doc), k.Doc)
		case len(strings.Fields(last)) < 3 && !k.Section():
			t.Errorf("%s: %q says little", k.Name, k.Doc)
		}
	}
	for name, doc := range plainDocs {
		if !keys[name] || keyDocs[name] == doc {
			t.Errorf("%s: the meaning stands for no other", name)
		}
	}
}

// The objectives are described from the table that decides on what they take.
func TestObjectivesAreDescribed(t *testing.T) {
	for _, k := range Keys() {
		if k.Name != "train.objective" {
			continue
		}
		for i, kind := range train.Kinds() {
			c := k.Choices[i]
			if c.Name != kind.Name || c.Doc != kind.Doc || len(c.Properties) == 0 {
				t.Errorf("got %+v of %s", c, kind.Name)
			}
			for _, p := range []struct {
				has  bool
				text string
			}{
				{kind.Teacher, "train.teacher"}, {kind.Averages, "eval.solver " +
					"average"}, {kind.Coupled, "takes a coupling"},
				{kind.Sourced, "takes a source"}, {kind.Context, "takes a " +
					"condition"}, {kind.NoDensity != "", "no density"},
				{kind.Noisy, "paths that add noise"}, {kind.Finite, "finite data " +
					"set"}, {kind.Solves, "solves the ODE"},
			} {
				if got := strings.Contains(c.String(), p.text); got != p.has {
					t.Errorf("%s: %q in %q is %v, want %v", kind.Name, p.text, c, got, p.has)
				}
			}
		}
		return
	}
	t.Error("there is no key train.objective")
}
