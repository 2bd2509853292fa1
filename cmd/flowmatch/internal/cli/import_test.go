package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/model/weights"
)

// foreign is a file of the tests of model/weights.
func foreign(name string) string {
	return filepath.Join("..", "..", "..", "..", "model", "weights", "testdata", name)
}

func TestWeightsOfOthersBecomeARunAndGoBack(t *testing.T) {
	tmp := t.TempDir()
	dir, back := filepath.Join(tmp, "run"), filepath.Join(tmp, "back.safetensors")
	out := succeed(t, "import", foreign("checkpoint.ckpt"), "--as", "sequential", "--set", "activation=silu", "--key",
		"net_model", "--out", dir)
	for _, want := range []string{"net_model.module", `are also "ema_model.module._orig_mod"`, "velocity", "condot"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output has no %q:\n%s", want, out)
		}
	}
	succeed(t, "sample", dir, "--n", "5", "--logp", "--out", filepath.Join(tmp, "s.csv"), "-q")
	if x := readTable(t, filepath.Join(tmp, "s.csv")); x.X.N != 5 || x.X.D != 3 {
		t.Errorf("samples of shape [%d, %d]", x.X.N, x.X.D)
	}
	res := succeedJSON(t, "export", dir, "--as", "sequential", "--out", back)
	if res["layout"] != "sequential" || res["file"] != back {
		t.Errorf("the result is %v", res)
	}
	was, is := open(t, foreign("float32.pt")), open(t, back)
	for _, name := range was.Names {
		a, err := was.Tensor(name).Data()
		if err != nil {
			t.Fatal(err)
		}
		b, err := is.Tensor(name).Data()
		if err != nil || !slices.Equal(a, b) {
			t.Errorf("%s is %v, want %v (%v)", name, b, a, err)
		}
	}
}

// open returns the only group of a file.
func open(t *testing.T, file string) *weights.Group {
	t.Helper()
	s, err := weights.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Groups[0]
}

func TestTheLayoutsAreListed(t *testing.T) {
	res := succeedJSON(t, "import", "--list")
	if all, ok := res["layouts"].([]any); !ok || len(all) != 7 {
		t.Errorf("the layouts are %v", res["layouts"])
	}
}

func TestImportSaysWhatIsWrong(t *testing.T) {
	tmp := t.TempDir()
	taken := filepath.Join(tmp, "taken")
	succeed(t, "import", foreign("float32.pt"), "--as", "sequential", "--set", "activation=silu", "--out", taken)
	file, out := foreign("float32.pt"), filepath.Join(tmp, "out")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"import", exitUsage, "FILE is missing"},
		{"import --list " + file, exitUsage, "takes no FILE"},
		{"import " + file + " --out " + out, exitUsage, "--as is missing"},
		{"import " + file + " --as sequential", exitUsage, "--out is missing"},
		{"import " + file + " --as sequental --out " + out, exitUsage, `did you mean "sequential"`},
		{"import " + file + " --as sequential --out " + out, exitUsage, "set activation to one of"},
		{"import " + file + " --as dit --out " + out, exitFailure, "no network of this layout"},
		{"import " + foreign("class.pt") + " --as sequential --out " + out, exitFailure, "__main__.Mine"},
		{"import none.pt --as sequential --out " + out, exitUsage, "none.pt"},
		{"import " + file + " --as sequential --config none.json --out " + out, exitUsage, "none.json"},
		{"import " + file + " --as sequential --set activation --out " + out, exitUsage, "key=value"},
		{"import " + foreign("checkpoint.ckpt") + " --as sequential --key emma --out " + out, exitUsage,
			"the key \"emma\""},
		{"import none.pt --as sequential --out " + taken, exitUsage, "already holds a run"}, // before FILE is read
		{"import " + file + " --as sequential --set activation=silu --out " + taken, exitUsage, "already holds a run"},
		{"eval " + taken, exitFailure, "trained elsewhere"},
		{"export " + taken + " --as dit --out " + out + ".safetensors", exitFailure, "no DiT"},
		{"export " + taken + " --as dot --out " + out + ".safetensors", exitUsage, `did you mean "dit"`},
		{"plot " + taken + " --kind loss --out " + out + ".png", exitFailure, "has no losses"},
		{"export " + taken + " --as dit --out " + out + ".onnx", exitUsage, ".safetensors"},
		{"export " + taken + " --as dit --raw --out " + out + ".safetensors", exitUsage, "raw"},
	} {
		code, _, stderr := invoke(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: code %d, want %d and %q, got %s", c.args, code, c.code, c.want, stderr)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a failed import left a folder")
	}
}
