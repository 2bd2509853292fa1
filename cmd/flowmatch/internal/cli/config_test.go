package cli

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"flowmatch/run"
	"flowmatch/train"
)

func TestConfigDescribesKeys(t *testing.T) {
	for name, args := range map[string][]string{
		"key":     {"config", "train.objective"},
		"section": {"config", "path"},
		"list":    {"config", "net.hidden"},
		"tokens":  {"config", "--space", "tokens", "data"},
	} {
		golden(t, filepath.Join("testdata", "config", name+".txt"), succeed(t, args...))
	}
	keys := succeedJSON(t, "config")["keys"].([]any)
	if len(keys) != len(run.Keys()) || len(keys) < 50 {
		t.Errorf("%d keys in JSON, want all %d", len(keys), len(run.Keys()))
	}
	all := succeed(t, "config")
	for _, k := range run.Keys() {
		if !strings.Contains(all, k.Name) {
			t.Errorf("flowmatch config lacks %s", k.Name)
		}
	}
	objective := succeedJSON(t, "config", "train.objective")["keys"].([]any)[0].(map[string]any)
	choices := objective["choices"].([]any)
	first := choices[0].(map[string]any)
	if len(choices) != len(train.Kinds()) || first["name"] != "cfm" || first["doc"] == "" ||
		!slices.Contains(first["properties"].([]any), any("takes a coupling")) {
		t.Errorf("the objectives are described as %v", choices)
	}
	got := succeedJSON(t, "config", "path.name")["keys"].([]any)
	if len(got) != 1 || got[0].(map[string]any)["default"] != "condot" {
		t.Errorf("path.name is %v", got)
	}
}

func TestConfigNamesTheNearestKey(t *testing.T) {
	for args, want := range map[string]string{
		"config trian":         `unknown key "trian"; did you mean "train"?`,
		"config train.lrr":     `did you mean "train.lr"?`,
		"config train.lr x":    `unexpected argument "x"`,
		"config --template x":  "leave out KEY and --json",
		"config path.nme":      `did you mean "path.name"?`,
		"config optimizer.lrx": "unknown key",
	} {
		code, stdout, stderr := invoke(t, strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(stderr, want) || stdout != "" {
			t.Errorf("flowmatch %s: exit code %d, standard output %q, standard error %q; want 2, none and %q", args,
				code, stdout, stderr, want)
		}
	}
	if code, stdout, _ := invoke(t, "config", "--template", "--json"); code != exitUsage ||
		oneObject(t, stdout)["error"] == nil {
		t.Errorf("--template with --json: exit code %d", code)
	}
}

// The template is a run file, and says what a run file that says nothing does.
func TestTheTemplateIsARunFileOfDefaults(t *testing.T) {
	file := writeText(t, "run.yaml", succeed(t, "config", "--template"))
	got, err := run.ReadConfig(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := run.ParseConfig([]byte("data: {name: "+got.Data.Name+"}"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the template is read as\n%+v\nwant the defaults\n%+v", got, want)
	}
}

// So is that of tokens, once the text that it names is there.
func TestTheTemplateOfTokensIsARunFileOfDefaults(t *testing.T) {
	file := writeText(t, "run.yaml", succeed(t, "config", "--space", "tokens", "--template"))
	got, err := run.ReadTokenConfig(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := run.ParseTokenConfig([]byte("space: tokens\ndata: {path: text.txt}"), nil)
	if want.Data.Path = got.Data.Path; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the template is read as\n%+v\nwant the defaults\n%+v (%v)", got, want, err)
	}
	if code, _, stderr := invoke(t, "config", "--space", "sphere"); code != exitUsage ||
		!strings.Contains(stderr, "it must be tokens") {
		t.Errorf("--space sphere: exit code %d, %q", code, stderr)
	}
}

// completed returns what a shell is offered.
func completed(t *testing.T, args ...string) []string {
	t.Helper()
	out := strings.Split(strings.TrimSpace(succeed(t, append([]string{"__complete"}, args...)...)), "\n")
	return out[:len(out)-1] // the last line says what else the shell may do
}

func TestCompletion(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"tr", "train"},
		{"comp", "completion"},
		{"sample dir --solver ", "euler heun_sde ddim average dopri5"},
		{"logp dir --solver ", "euler average"},
		{"plot dir --kind ",
			"samples density field trajectories couplings pit denoising interpolation neighbours loss"},
		{"logp dir --dataset ", "moons checkerboard"},
		{"logp dir --divergence ", "exact hutchinson"},
		{"sample dir --mask ", "left"},
		{"sample dir --diffusion ", "own sigma"},
		{"sample dir --condition ", "test"},
		{"sample dir --out ", "csv npy png"},
		{"train ", "yaml"},
		{"train run.yaml --set ", "train.lr= path.name= net.unet.channels="},
		{"train run.yaml --set path.name=", "path.name=condot path.name=vp"},
		{"train run.yaml --backend ", "native go xla"},
		{"classifier run.yaml --set ", "data.path="},
		{"eval dir --only ", "likelihood samples features"},
		{"eval dir --features-range ", "0..1"},
		{"config ", "seed train.lr"},
		{"bench ", "train all"},
		{"experiment ", "couplings"},
	} {
		got := completed(t, strings.Split(c.args, " ")...)
		for _, w := range strings.Fields(c.want) {
			if !slices.ContainsFunc(got,
				func(line string) bool { name, _, _ := strings.Cut(line, "\t"); return name == w }) {
				t.Errorf("flowmatch %s: the shell is offered %q; want %s among it", c.args, got, w)
			}
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := succeed(t, "completion", shell); !strings.Contains(out, "flowmatch") {
			t.Errorf("the script of %s is %q", shell, out)
		}
	}
}
