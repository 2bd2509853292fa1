package settings

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func toyKeys() []Key {
	docs := map[string]string{
		"seed":  "The number that all randomness comes from.",
		"train": "How to train.",
		"train.lr": "The learning rate, with | in it: a long text that goes over more than one line of a " +
			"terminal, " +
			"because it says so much.",
		"train.beta1":       "Decay of the mean.",
		"net.unet":          "A network of images.",
		"net.unet.channels": "Width at full resolution.",
		"tables":            "Tables of a page.",
		"tables[].title":    "Heads it.",
	}
	keys := Describe(toy{Label: "on"}.Defaults(), docs, map[string][]string{"name": {"cosine", "always"}})
	for i := range keys {
		if keys[i].Name == "name" {
			keys[i].Choices = []Choice{{"cosine", "down like a cosine", []string{"needs an end", "takes " +
				"a start"}},
				{Name: "always", Doc: "the same, whatever the step is, so that there is nothing else to " +
					"say of it in this line"}}
		}
	}
	return keys
}

func TestDescribe(t *testing.T) {
	byName := map[string]Key{}
	var order []string
	for _, k := range toyKeys() {
		byName[k.Name] = k
		order = append(order, k.Name)
	}
	for _, want := range []Key{
		{Name: "seed", Type: "whole number", Default: "0", Doc: "The number that all randomness comes from."},
		{Name: "label", Type: "text", Default: "on"},
		{Name: "name", Type: "text", Default: "cosine", Allowed: []string{"cosine", "always"}},
		{Name: "on", Type: "true or false", Default: "false"},
		{Name: "level", Type: "text", Default: "low"},
		{Name: "window", Type: "a value"},
		{Name: "hidden", Type: "list of whole numbers", Default: "[64, 64]"},
		{Name: "tables", Type: "list of sections", Doc: "Tables of a page."},
		{Name: "tables[].title", Type: "text", Doc: "Heads it."},
		{Name: "tables[].rows", Type: "section of whole numbers"},
		{Name: "params", Type: "section of numbers"},
		{Name: "free", Type: "section of values"},
		{Name: "small", Type: "whole number"},
		{Name: "train", Type: "section", Doc: "How to train."},
		{Name: "train.lr_min", Type: "number", Default: "0"},
		{Name: "train.beta1", Type: "number", Doc: "Decay of the mean."},
		{Name: "net.unet", Type: "section", Doc: "A network of images.", Optional: true},
		{Name: "net.unet.channels", Type: "whole number", Default: "64", Doc: "Width at full resolution."},
	} {
		if len(want.Allowed) > 0 && len(byName[want.Name].Choices) == 2 {
			want.Choices = byName[want.Name].Choices
		}
		if got := byName[want.Name]; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	want := "seed label name on level window hidden tables tables[].title tables[].rows params " +
		"free small train train.steps"
	if got := strings.Join(order, " "); !strings.HasPrefix(got, want) {
		t.Errorf("the order is %s, want %s", got, want)
	}
}

// tree is a type within itself, and nothing else.
type tree struct {
	Name string
	Sub  []tree
	Up   *tree
}

func TestDescribeEndsWhereTypesDoNot(t *testing.T) {
	if keys := Describe(tree{}, nil, nil); len(keys) != 3 || keys[2].Name != "up" {
		t.Errorf("got %+v", keys)
	}
}

func TestSelect(t *testing.T) {
	keys := toyKeys()
	for name, want := range map[string]int{
		"": len(keys), "seed": 1, "train": 7, "train.lr": 1, "tables": 3, "tables[]": 2, "net": 4,
	} {
		if got, err := Select(keys, name); err != nil || len(got) != want {
			t.Errorf("%q: got %d keys, %v, want %d", name, len(got), err, want)
		}
	}
	for name, want := range map[string]string{
		"train.stps": `did you mean "train.steps"?`, "trian.lr": `unknown key "trian"; did you mean "train"?`,
		"net.unet.chanels": `did you mean "net.unet.channels"?`, "xxxxxxxxx": "it must be one of free, hidden",
		"train.lr.x": `unknown key "train.lr`, ".": "unknown key",
	} {
		if _, err := Select(keys, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", name, err, want)
		}
	}
	if _, err := Select(nil, "a.b"); err == nil {
		t.Error("a key was found among none")
	}
}

func TestPages(t *testing.T) {
	keys := toyKeys()
	text, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"toy.txt": Text(keys), "toy.yaml": Template(keys), "toy.md": Markdown(keys), "toy.json": string(text) + "\n",
	} {
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant (write it with -update)\n%s", name, got, want)
		}
		for line := range strings.Lines(got) {
			if len([]rune(line)) > width+1 && name != "toy.md" && name != "toy.json" {
				t.Errorf("%s: a line of %d columns: %s", name, len([]rune(line)), line)
			}
		}
	}
}

func TestTheTemplateIsTheDefaults(t *testing.T) {
	text := Template(toyKeys())
	c, _, err := Load[toy](File([]byte(text)))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	if want := (toy{Label: "on"}).Defaults(); !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
	// With the first # of every line that is no text taken away it is a file, too.
	open := regexp.MustCompile(`(?m)^( *)# ([a-z0-9_" ]+:.*|  .*)$`).ReplaceAllString(text, "$1$2")
	if c, _, err = Load[toy](File([]byte(open))); err != nil {
		t.Fatalf("%s\n%v", open, err)
	}
	if c.Net.UNet == nil || c.Net.UNet.Channels != 64 {
		t.Errorf("the optional section is not there:\n%s", open)
	}
}

func TestTextsAreQuotedWhereTheyMustBe(t *testing.T) {
	for _, text := range []string{
		"", "a", "8gaussians", "3", "010", "1e4", "0x1", "true", "null", "~", "a b", "a: b", "#a", "- a",
		"-", "--", "...", ".inf", "a,b", "[", "é",
		"a\nb", "\x00", "\u2028", "\"", "'", "*a", "&a", "!a", "@", "%",
		"<<", "=", "y", "on", "2024-01-02", "1:30", "a ", "\t", "-.inf", ".5", "\U0001f600",
	} {
		n, err := parse([]byte("{"+textYAML(text)+": ["+textYAML(text)+", x]}"), "")
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := n.keys[0].value.items[0]
		if n.keys[0].name != text || got.text != text || got.kind == plain && plainValue(text) != any(text) {
			t.Errorf("%q was written as %s and read as %q, %q", text, textYAML(text), n.keys[0].name, got.text)
		}
	}
}
