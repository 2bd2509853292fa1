package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file")

func TestGenerate(t *testing.T) {
	got, err := generate("testdata/toy/run", "Config", "keyDocs")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "keys_gen.go.golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got\n%s\nwant (write it with -update)\n%s", got, want)
	}
}

func TestGenerateReportsWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		dir, typ string
		want     []string
	}{
		{"testdata/toy/empty", "Config", []string{
			"level.go:13:2: field Unsaid has no comment, but key unsaid needs a meaning",
			"key sub.un_said needs",
		}},
		{"testdata/toy/empty", "Broken", []string{"package empty has no type Missing"}},
		{"testdata/toy/empty", "Missing", []string{"package empty has no type Missing"}},
		{"testdata/toy/none", "Config", []string{"none"}},
	} {
		_, err := generate(c.dir, c.typ, "docs")
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s.%s: got error %v, want %q", c.dir, c.typ, err, want)
			}
		}
	}
	if err := run("testdata/toy/none", "Config", "docs", "out.go"); err == nil {
		t.Error("a folder that is not there was written to")
	}
}

func TestMeaning(t *testing.T) {
	keys := map[string]string{
		"LR": "lr", "LRMin": "lr_min", "Steps": "steps",
		"Name": "name", "Params": "params", "Off": "-",
	}
	qualified := func(name string) string {
		if name == "Config.LRMin" {
			return "train.lr_min"
		}
		return name
	}
	for _, c := range []struct{ comment, field, want string }{
		{"", "LR", ""},
		{"LR is the learning rate; default 1e-3", "LR", "The learning rate; default 1e-3."},
		{"peak learning\nrate of LR. ", "LR", "Peak learning rate of lr."},
		{"LR and LRMin are rates.", "LR", "lr and lr_min are rates."},
		{"Steps between lines", "LR", "Steps between lines."},
		{"one of [Names] or [nn.Config], in [0, 1) of [N, D] or [N]", "Name",
			"One of Names or nn.Config, in [0, 1) of [N, D] or [N]."},
		{"Name is a set and Params are its knobs", "Name", "A set and params are its knobs."},
		{"Steps, of euler, is how many there are", "Steps", "Of euler: how many there are."},
		{"Steps lists what is taken", "Steps", "What is taken."},
		{"Steps says whether there are any.\n\nIn Go, Steps is a number.", "Steps", "Whether there are any."},
		{"Params are the settings of [Register]", "Params", "The settings of Register."},
		{"Name mirrors a thing of Config.LRMin and of Config.Other", "Name",
			"Mirrors a thing of train.lr_min and of Config.Other."},
		{"Name is one of [Names]; empty means none. See [Other].", "Name", "Empty means none."},
		{"Name is a set, one of [synth.Names]; left out, none", "Name", "A set; left out, none."},
		{"Steps > 0 adds as many, 0..Steps-1", "Steps", "steps > 0 adds as many, 0..steps-1."},
		{"of Steps. Steps are good. Steps. LRMin wins", "Name", "Of steps. steps are good. Steps. lr_min wins."},
		{"see nn.Steps and Off", "Name", "See nn.Steps and Off."},
		{"float32 (default) or bf16", "Name", "float32 (default) or bf16."},
		{"ot, sinkhorn: the rest", "Name", "ot, sinkhorn: the rest."},
		{"ot: above 0", "Name", "ot: above 0."},
		{"Name says all. Steps too", "Name", "All. Steps too."},
		{"p_t's width", "Name", "p_t's width."},
		{"0: none", "Name", "0: none."},
	} {
		if got := meaning(c.comment, c.field, keys, qualified); got != c.want {
			t.Errorf("%q: got %q, want %q", c.comment, got, c.want)
		}
	}
}
