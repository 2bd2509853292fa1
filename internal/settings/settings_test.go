package settings

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// level is a type that reads text itself.
type level int

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 0
	case "high":
		*l = 1
	default:
		return fmt.Errorf("unknown level %q; it must be one of low, high", text)
	}
	return nil
}

func (l level) MarshalText() ([]byte, error) { return []byte([]string{"low", "high"}[l]), nil }

// window is a type that reads values itself: a number or a pair of them.
type window struct{ lo, hi int }

func (w *window) UnmarshalYAML(read func(any) error) error {
	var pair []int
	if err := read(&pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("it must have two numbers")
	}
	*w = window{pair[0], pair[1]}
	return nil
}

func (w window) MarshalYAML() (any, error) { return []int{w.lo, w.hi}, nil }

type loop struct {
	Steps  int     `yaml:"steps"`
	LR     float64 `yaml:"lr"`
	LRMin  float32 `yaml:"lr_min"`
	Every  *int    `yaml:"every,omitempty"`
	Warmup int     `yaml:"warmup"`
}

type unet struct {
	Channels int   `yaml:"channels"`
	Mult     []int `yaml:"mult"`
}

func (u unet) Defaults() unet {
	if u.Channels == 0 {
		u.Channels = 64
	}
	return u
}

type table struct {
	Title string         `yaml:"title"`
	Rows  map[string]int `yaml:"rows"`
}

type toy struct {
	Seed   uint64             `yaml:"seed"`
	Label  string             `yaml:"label,omitempty"`
	Name   string             `yaml:"name"`
	On     bool               `yaml:"on"`
	Level  level              `yaml:"level"`
	Window window             `yaml:"window,omitempty"`
	Hidden []int              `yaml:"hidden"`
	Tables []table            `yaml:"tables,omitempty"`
	Params map[string]float64 `yaml:"params,omitempty"`
	Free   map[string]any     `yaml:"free,omitempty"`
	Small  int8               `yaml:"small,omitempty"`
	Train  struct {
		loop  `yaml:",inline"`
		Beta1 *float64 `yaml:"beta1,omitempty"`
	} `yaml:"train"`
	Net struct {
		UNet *unet `yaml:"unet,omitempty"`
	} `yaml:"net"`
	Secret int `yaml:"-"`
}

func (c toy) Defaults() toy {
	if c.Train.Steps == 0 {
		c.Train.Steps = 10000
	}
	if c.Train.LR == 0 {
		c.Train.LR = 1e-3
	}
	if c.Name == "" {
		c.Name = "cosine"
	}
	if len(c.Hidden) == 0 {
		c.Hidden = []int{64, 64}
	}
	if c.Net.UNet != nil {
		u := c.Net.UNet.Defaults()
		c.Net.UNet = &u
	}
	c.On = c.On || c.Name == "always"
	return c
}

func (c toy) Validate() error {
	if c.Train.LR < 0 {
		return fmt.Errorf("train: lr is %g; it must be positive", c.Train.LR)
	}
	if c.Name != "cosine" && c.Name != "always" {
		return fmt.Errorf("train: unknown name %q; it must be one of cosine, always", c.Name)
	}
	return nil
}

func read(text string, set ...string) (toy, Given, error) {
	var c toy
	given, err := Read(&c, append([]Layer{File([]byte(text))}, Settings(set)...)...)
	return c, given, err
}

func TestMistakesAreNamed(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"train:\n  stps: 3\n", `line 2: unknown key "train.stps"; did you mean "train.steps"?`},
		{"zzzzzzzzz: 3\n", `line 1: unknown key "zzzzzzzzz"; it must be one of free, hidden, label`},
		{"secret: 3\n", `unknown key "secret"`},
		{"train: {loop: {steps: 3}}\n", `unknown key "train.loop"`},
		{"tables:\n- {title: a}\n- {titel: b}\n",
			`line 3: unknown key "tables[1].titel"; did you mean "tables[1].title"?`},

		{"train:\n  steps: 2.5\n", "line 2: train.steps is 2.5; it must be a whole number"},
		{"train: {steps: 0.5}", "train.steps is 0.5; it must be a whole number"},
		{"train: {steps: many}", "train.steps is many; it must be a whole number"},
		{"train: {steps: \"3\"}", `train.steps is "3"; it must be a whole number`},
		{"train: {steps: 010}", "train.steps is 010; it must be a whole number"},
		{"train: {steps: true}", "train.steps is true; it must be a whole number"},
		{"train: {steps: .inf}", "train.steps is .inf; it must be a whole number"},
		{"train: {steps: 1e-400}", "train.steps is 1e-400; it must be a whole number"},
		{"train: {steps: 1.0000000000000000000001}", "it must be a whole number"},
		{"train: {steps: 1e400}", "it must be a whole number from -9223372036854775808 to 9223372036854775807"},
		{"train: {steps: [3]}", "train.steps is a list; it must be a whole number"},
		{"train: {steps: {a: 3}}", "train.steps is a section; it must be a whole number"},
		{"seed: 18446744073709551616",
			"line 1: seed is 18446744073709551616; it must be a whole number from 0 to 18446744073709551615"},
		{"seed: -1", "seed is -1; it must be a whole number from 0 to 18446744073709551615"},
		{"small: 128", "small is 128; it must be a whole number from -128 to 127"},

		{"train: {lr: high}", "train.lr is high; it must be a number"},
		{"train: {lr: '0.1'}", `train.lr is "0.1"; it must be a number`},
		{"train: {lr: .nan}", "train.lr is .nan; it must be a finite number"},
		{"train: {lr: -.inf}", "train.lr is -.inf; it must be a finite number"},
		{"train: {lr: 1e400}", "train.lr is 1e400; it must be a number from -1.798e+308 to 1.798e+308"},
		{"train: {lr_min: 1e40}", "train.lr_min is 1e40; it must be a number from -3.403e+38 to 3.403e+38"},
		{"train: {beta1: on}", "train.beta1 is on; it must be a number"},

		{"on: 1", "on is 1; it must be true or false"},
		{"on: yes", "on is yes; it must be true or false"},
		{"on: 'true'", `on is "true"; it must be true or false`},
		{"label: true", `label is true; it must be text; write "true" if this is meant`},
		{"label: [a]", "label is a list; it must be text"},
		{"hidden: 64", "hidden is 64; it must be a list of whole numbers, such as [1, 2]"},
		{"hidden: [64, 2.5]", "hidden[1] is 2.5; it must be a whole number"},
		{"hidden: [64, ~]", "hidden[1] is empty; it must be a value"},
		{"params: 3", "params is 3; it must be a section of numbers: names with values"},
		{"params: {a: x}", "params.a is x; it must be a number"},
		{"train: 3", "train is 3; it must be a section: keys with values"},
		{"train: [3]", "train is a list; it must be a section"},
		{"- 3", "the whole is a list; it must be a section"},
		{"hello world", `the whole is "hello world"; it must be a section`},

		{"level: medium\n", `line 1: level is medium: unknown level "medium"; it must be one of low, high`},
		{"level: [low]", "level is a list; it must be text"},
		{"window: [1, 2, 3]", "window is a list: it must have two numbers"},
		{"window: [1, 2.5]", "window[1] is 2.5; it must be a whole number"},

		{"seed: 1\ntrain:\n  lr: 1\n  steps: 2\n  lr: 3\n",
			"line 5: train.lr is given twice, first at line 3; remove one"},
		{"seed: 1\n---\nseed: 2\n", "2 YAML documents"},
		{"seed: {name\n", "line 1: "},
		{"seed: 1\nlabel: \xff\n", "line 2: this is no text in UTF-8"},
		{"? [a]\n: 3\n", "found an invalid key"},
		{"free: {a: &a x}\n*a : 3\n", "line 2: a key must be a word"},
		{"seed: !!int '3'", "tag !!int: tags other than !!str are not used here"},
		{"label: !!str [a]", "unexpected scalar value type"},
		{"seed: *x", "there is no anchor &x before *x"},
		{"train:\n  <<: 3\n", "<< merges 3; it must merge a section"},
		{"hidden: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "sections in one another"},
		{"hidden: [&a [0,0,0,0,0,0,0,0,0,0], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], &c " +
			"[*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]," +
			" &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d], *e]", "more than " +
			"20000 values"},
	} {
		if _, _, err := read(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80q: got error\n%v\nwant one with\n%s", c.text, err, c.want)
		}
	}
}

func TestAllMistakesAreReported(t *testing.T) {
	_, _, err := read("sead: 1\ntrain: {steps: 2.5, lr: x}\n", "on=3", "train.stps=3")
	for _, want := range []string{
		"line 1: unknown key", "line 2: train.steps", "line 2: train.lr", `setting "on=3": on is 3`,
		`setting "train.stps=3": unknown key`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error\n%v\nwant one with %s", err, want)
		}
	}
}

func TestValuesAreTakenAsTheyAre(t *testing.T) {
	for _, c := range []struct {
		text string
		want func(toy) any
		is   any
	}{
		{"seed: 18446744073709551615", func(c toy) any { return c.Seed }, uint64(1<<64 - 1)},
		{"train: {steps: 1e4}", func(c toy) any { return c.Train.Steps }, 10000},
		{"train: {steps: 1_000}", func(c toy) any { return c.Train.Steps }, 1000},
		{"train: {steps: 0x10}", func(c toy) any { return c.Train.Steps }, 16},
		{"train: {steps: -3.0}", func(c toy) any { return c.Train.Steps }, -3},
		{"train: {steps: ~}", func(c toy) any { return c.Train.Steps }, 0},
		{"train:\n  lr:\n  steps: " +
			"3\n", func(c toy) any { return []any{c.Train.LR, c.Train.Steps} }, []any{0.0, 3}},
		{"train:\n", func(c toy) any { return c.Train.Steps }, 0},
		{"train: {lr: 3e-4}", func(c toy) any { return c.Train.LR }, 3e-4},
		{"train: {lr: 3}", func(c toy) any { return c.Train.LR }, 3.0},
		{"train: {lr: .5, lr_min: 0.1}", func(c toy) any { return []any{c.Train.LR, c.Train.LRMin} },
			[]any{.5, float32(.1)}},
		{"train: {beta1: 0, every: 0}", func(c toy) any { return []any{*c.Train.Beta1, *c.Train.Every} },
			[]any{0.0, 0}},
		{"label: 3", func(c toy) any { return c.Label }, "3"},
		{"label: 007", func(c toy) any { return c.Label }, "007"},
		{"label: !!str true", func(c toy) any { return c.Label }, "true"},
		{"label: |\n  a\n  b\n", func(c toy) any { return c.Label }, "a\nb\n"},
		{"label: 2024-01-02", func(c toy) any { return c.Label }, "2024-01-02"},
		{"'on': true", func(c toy) any { return c.On }, true},
		{"level: high", func(c toy) any { return c.Level }, level(1)},
		{"window: [1, 2]", func(c toy) any { return c.Window }, window{1, 2}},
		{"hidden:\n- 1\n- 2\n", func(c toy) any { return c.Hidden }, []int{1, 2}},
		{"tables: [{title: a, rows: {x: 1}}]", func(c toy) any { return c.Tables },
			[]table{{"a", map[string]int{"x": 1}}}},
		{"params: {a: 1, b: 2.5}", func(c toy) any { return c.Params }, map[string]float64{"a": 1, "b": 2.5}},
		{"free: {a: 1, b: [1.5, x, true, ~, 1e3], c: 18446744073709551615}", func(c toy) any { return c.Free },
			map[string]any{"a": int64(1), "b": []any{1.5, "x", true, nil, 1000.0}, "c": uint64(1<<64 - 1)}},
		{"net: {unet: {}}", func(c toy) any { return *c.Net.UNet }, unet{}},
		{"net: {unet: {channels: 8}}", func(c toy) any { return c.Net.UNet.Channels }, 8},
		{"free: {x: &x {steps: 7, lr: 1}}\ntrain:\n  <<: *x\n  lr: 2\n",
			func(c toy) any { return []any{c.Train.Steps, c.Train.LR} }, []any{7, 2.0}},
		{"hidden: &h [1]\ntables: []\nfree: {a: *h}", func(c toy) any { return c.Free["a"] }, []any{int64(1)}},
		{"", func(c toy) any { return c.Seed }, uint64(0)},
		{"# only a comment\n", func(c toy) any { return c.Seed }, uint64(0)},
	} {
		got, _, err := read(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		} else if v := c.want(got); !reflect.DeepEqual(v, c.is) {
			t.Errorf("%q: got %#v, want %#v", c.text, v, c.is)
		}
	}
}

func TestSettingsWinInTheirOrder(t *testing.T) {
	text := "train: {steps: 10, lr: 1}\nnet: {unet: {channels: 3, mult: [1, 2]}}\nlabel: x\n"
	c, given, err := read(text, "train.steps=20", "train.steps=30", "hidden=[8, 9]", "label=",
		"params.a=3", "params.b=4", "net.unet={channels: 32}", "net.unet.mult=[4]", "train.beta1=0.5")
	if err != nil {
		t.Fatal(err)
	}
	if c.Train.Steps != 30 || c.Train.LR != 1 || !reflect.DeepEqual(c.Hidden, []int{8, 9}) || c.Label != "" ||
		!reflect.DeepEqual(c.Params, map[string]float64{"a": 3, "b": 4}) || *c.Train.Beta1 != 0.5 ||
		!reflect.DeepEqual(*c.Net.UNet, unet{32, []int{4}}) {
		t.Errorf("got %+v", c)
	}
	for key, want := range map[string]string{
		"train.lr": "line 1", "train.steps": `setting "train.steps=30"`,
		"net.unet.channels": `setting "net.unet={channels: 32}"`,
		"net.unet.mult":     `setting "net.unet.mult=[4]"`, "label": "", "train": "line 1",
		"net": "line 2", "seed": "",
	} {
		if got := given.Where(key); got != want {
			t.Errorf("%s was given at %q, want %q", key, got, want)
		}
	}
	var keys []string // in the order of writing
	for _, k := range given.keys {
		keys = append(keys, dotted(k.path))
	}
	want := "train train.steps train.lr net net.unet net.unet.channels net.unet.mult hidden"
	if got := strings.Join(keys, " "); !strings.HasPrefix(strings.ReplaceAll(got, " train.beta1", ""), want) {
		t.Errorf("keys are %s, want them to begin with %s", got, want)
	}
}

func TestMistakesInSettingsAreNamed(t *testing.T) {
	for setting, want := range map[string]string{
		"train.stps=3":    `setting "train.stps=3": unknown key "train.stps"; did you mean "train.steps"?`,
		"train.steps":     "it must be key=value",
		"=3":              "it must be key=value",
		"train.steps.x=3": `unknown key "train.steps.x": train.steps holds a value, not keys`,
		"train.steps=abc": "train.steps is abc; it must be a whole number",
		"train.steps=2.5": `setting "train.steps=2.5": train.steps is 2.5; it must be a whole number`,
		"train.steps=[":   `setting "train.steps=[": `,
		"train=3":         "train is 3; it must be a section",
		"label.x=3":       "label holds a value",
		"free.a.b=3":      `setting "free.a.b=3": line 2 has 5 where a section must be`,
		"hidden[0]=3":     `unknown key "hidden[0]"`,
		"free..=3":        "it must be key=value",
	} {
		_, _, err := read("train: {steps: 3}\nfree: {a: 5}\n", setting)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", setting, err, want)
		}
	}
}

func TestValuesOfProgramsAreSettings(t *testing.T) {
	base := map[string]any{
		"seed": uint64(3), "train": map[string]any{"steps": 5, "lr": "1e-3"}, "hidden": []any{uint64(4)},
	}
	var c toy
	_, err := Read(&c, Values("base", "", base), Values("task a", "train.steps", 7.0), Values("task "+
		"a", "on", true),
		Values("method b", "net.unet", map[string]any{"channels": 2}), Values("method b", "label", "x"),
		Values("method b", "name", nil))
	if err != nil {
		t.Fatal(err)
	}
	if c.Seed != 3 || c.Train.Steps != 7 || c.Train.LR != 1e-3 ||
		c.Hidden[0] != 4 || !c.On || c.Net.UNet.Channels != 2 || c.Label != "x" {
		t.Errorf("got %+v", c)
	}
	for _, l := range []struct {
		layer Layer
		want  string
	}{
		{Values("base", "", map[string]any{"train": map[string]any{"steps": 2.5}}),
			"base: train.steps is 2.5; it must be a whole number"},
		{Values("task a", "seed", -1), "task a: seed is -1; it must be a whole number from 0"},
		{Values("task a", "sead", 1), `task a: unknown key "sead"; did you mean "seed"?`},
		{Values("task a", "seed", "one"), "task a: seed is \"one\"; it must be"},
		{Values("task a", "seed", make(chan int)), "task a: a value of the Go type chan int cannot be a setting"},
	} {
		if _, err := Read(&c, l.layer); err == nil || !strings.Contains(err.Error(), l.want) {
			t.Errorf("got %v, want %s", err, l.want)
		}
	}
}

func TestZerosDoNotBecomeDefaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"seed: 1\ntrain:\n  lr: 0\n",
			"line 3: train.lr is 0; leave the key out for the default 0.001, or give a value above 0"},
		{"train: {steps: 0.0}", "line 1: train.steps is 0.0; leave the key out for the default 10000"},
		{"name: ''", `name is ""; leave the key out for the default cosine, or give another value`},
		{"hidden: []",
			"hidden is an empty list; leave the key out for the default [64, 64], or give a list with values"},
		{"net: {unet: {channels: 0}}", "net.unet.channels is 0; leave the key out for the default 64"},
		{"name: always\non: false", "line 2: on is false, but the other settings make it true; leave the " +
			"key out"},
		{"train: {lr: ~, steps: }", ""},
		{"train: {warmup: 0, beta1: 0, every: 0}\nseed: 0\non: false\nlevel: low\n", ""},
	} {
		_, _, err := Load[toy](File([]byte(c.text)))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
	_, _, err := Load[toy](Setting("train.lr=0"))
	if err == nil || !strings.HasPrefix(err.Error(), `setting "train.lr=0": train.lr is 0;`) {
		t.Errorf("got %v", err)
	}
}

// Idle implements [Idler].
func (c toy) Idle() []Idle {
	if c.Name != "always" {
		return nil
	}
	return []Idle{{Keys: []string{"train.lr", "params", "net"}, Why: "nothing changes", Fix: "set name " +
		"to cosine"},
		{Keys: []string{"hidden"}, Why: "there is none"}}
}

func TestKeysWithoutEffectAreReported(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"name: always\ntrain:\n  lr: 3", "line 3: train.lr is 3, but has no effect: nothing changes; " +
			"leave it out, or " +
			"set name to cosine"},
		{"name: always\nparams: {a: 1}", "line 2: params.a is 1, but has no effect"},
		{"name: always\nnet: {unet: {mult: [3]}}", "line 2: net.unet.mult is [3], but has no effect"},
		{"name: always\nhidden: [1, 2]", "line 2: hidden is [1, 2], but has no effect: there is none; " +
			"leave it out"},
		{"name: always\ntrain: {lr: 1e-3}\nhidden: [64, 64]", ""}, // their defaults
		{"name: always\ntrain: {lr: , steps: 3}\nparams: {a: 0}", ""},
		{"train: {lr: 3}\nhidden: [1]", ""},
	} {
		_, _, err := Load[toy](File([]byte(c.text)))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
	_, _, err := Load[toy](Setting("name=always"), Setting("train.lr=3"), Setting("hidden=[1]"))
	for _, want := range []string{`setting "train.lr=3": train.lr is 3,`, `setting "hidden=[1]": hidden is [1],`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestWhatAProgramWroteReads(t *testing.T) {
	text := []byte("name: always\ntrain: {lr: 3, lr_max: 4}\nnet: {unet: {old: 1, mult: [2]}}\nolder: {a: 1}\n")
	c, _, err := LoadWritten[toy](Written{Text: text, Before: Settings([]string{"label=was", "name=cosine"}),
		Retired: []string{"train.lr_max", "net.unet.old", "older", "not.there", "train.lr.x"}}, Setting("train.lr=5"))
	if err != nil || c.Train.LR != 5 || c.Label != "was" || c.Name != "always" || c.Net.UNet.Mult[0] != 2 {
		t.Errorf("got %+v, %v", c, err)
	}
	_, _, err = LoadWritten[toy](Written{Text: text, Retired: []string{"older"}})
	if err == nil || !strings.Contains(err.Error(), "train.lr_max") {
		t.Errorf("a key that nobody knows: %v", err)
	}
}

func TestErrorsOfValidateGetALine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"seed: 1\ntrain: {lr: -1e0}\n", "line 2: train: lr is -1; it must be positive"},
		{"seed: 1\nname: cosin\n", `line 2: train: unknown name "cosin"; it must be one of cosine, always`},
		{"label: cosin\nname: cosin\n", `line 2: train: unknown name "cosin"; it must be one of cosine, always`},
	} {
		if _, _, err := Load[toy](File([]byte(c.text))); err == nil || err.Error() != c.want {
			t.Errorf("%q: got %v, want %s", c.text, err, c.want)
		}
	}
	_, given, err := read("label: a\nname: a\n")
	if err != nil {
		t.Fatal(err)
	}
	_, sections, err := read("train: {lr: 3, steps: 4}\non: true\nparams:\n  lr: 3\n")
	if err != nil {
		t.Fatal(err)
	}
	for message, want := range map[string]string{
		"train: lr is set, but nothing":              "", // that of train or of params
		"train: steps is set, but nothing":           "line 1: train: steps is set, but nothing",
		"train.steps is for others, not for lr = 3":  "line 1: train.steps is for others, not for lr = 3",
		"toy: train is set, but on is true":          "line 1: toy: train is set, but on is true",
		"toy: on is true, but train is set to three": "line 2: toy: on is true, but train is set to three",
	} {
		if got := sections.locate(errors.New(message)).Error(); got != cmp.Or(want, message) {
			t.Errorf("%q became %q, want %q", message, got, want)
		}
	}
	for _, message := range []string{
		`what is "a"`, "name is b",
		"nothing to learn from: set name to one of a, b", "line 2: name is a",
	} {
		if err := errors.New(message); given.locate(err) != err {
			t.Errorf("%q became %q", message, given.locate(err))
		}
	}
}

func TestWhatIsReadIntoStays(t *testing.T) {
	c := toy{Seed: 3}
	c.Net.UNet = &unet{Channels: 3, Mult: []int{1}}
	if _, err := Read(&c, File([]byte("net: {unet: {mult: [2]}}"))); err != nil {
		t.Fatal(err)
	}
	if c.Seed != 3 || c.Net.UNet.Channels != 3 || c.Net.UNet.Mult[0] != 2 {
		t.Errorf("got %+v, %+v", c, c.Net.UNet)
	}
	if _, err := Read(c); err == nil {
		t.Error("a value that is no pointer was read into")
	}
	var odd struct{ C chan int }
	_, err := Read(&odd, Setting("c=3"))
	if err == nil || !strings.Contains(err.Error(), "no file can hold the Go type chan int") {
		t.Errorf("got %v", err)
	}
}
