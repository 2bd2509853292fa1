package cli

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/serve"
)

// called returns a link of a name to the folder of a run, which a service calls by it.
func called(t *testing.T, name, dir string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// labelledImages trains a run on images of two classes, with guidance.
func labelledImages(t *testing.T) string {
	t.Helper()
	const n, side = 40, 6
	dir := t.TempDir()
	pix, labels := make([]byte, n*side*side), make([]byte, n)
	for i := range pix {
		pix[i] = byte(i * i)
	}
	for i := range labels {
		labels[i] = byte(i % 2)
	}
	writeIDX(t, filepath.Join(dir, "x-images-idx3-ubyte"), pix, n, side, side)
	writeIDX(t, filepath.Join(dir, "x-labels-idx1-ubyte"), labels, n)
	file := filepath.Join(dir, "run.yaml")
	text := "data: {path: x-images-idx3-ubyte, labels_path: x-labels-idx1-ubyte, val: 5, test: 5}\n" +
		"conditional: true\nnet: {hidden: [8]}\ntrain: {steps: 5, batch: 8, label_dropout: 0.2}\n" +
		"eval: {solver: euler, steps: 3}\n"
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	succeed(t, "train", file, "--out", filepath.Join(dir, "images"), "-q")
	return filepath.Join(dir, "images")
}

// servingRuns returns the URL of a service of runs.
func servingRuns(t *testing.T, tokens []string, dirs ...string) string {
	t.Helper()
	s, err := serve.New(serve.Options{Runs: dirs, Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	return h.URL
}

// TestSamplesOfAServiceAreThoseOfTheFolder: the same files, for the same flags.
func TestSamplesOfAServiceAreThoseOfTheFolder(t *testing.T) {
	law, images, seen := called(t, "law", lawRun(t)), labelledImages(t), t.TempDir()
	simulated, _ := posterior(t)
	posterior := called(t, "posterior", simulated)
	large, painted := imagesFromImages(t)
	rows := called(t, "rows", trainedRows(t))
	service := servingRuns(t, nil, trained(t), law, posterior, images, large, painted, trainedTokens(t),
		rows)
	obs, some := filepath.Join(seen, "obs.csv"), filepath.Join(seen, "some.csv")
	draft, marked := filepath.Join(seen, "draft.txt"), filepath.Join(seen, "marked.txt")
	small, whole := filepath.Join(seen, "small.npy"), filepath.Join(seen, "whole.npy")
	if err := os.WriteFile(small, bytesNPY([]int{3, 3, 3}), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(whole, bytesNPY([]int{2, 6, 6}), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{obs: "y,x\n100.5,0.25\n99,-1\n", some: "x;a\n0,5;p\n;q\n",
		draft: "the old ▁▁▁ sees a tree. the ▁▁▁ d", marked: "the [?][?][?] sees"} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ dir, flags, ext string }{
		{trained(t), "--n 20 --seed 7", ".csv"},
		{trained(t), "--n 20 --solver dopri5 --rtol 1e-4 --control point --logp", ".csv"},
		{trained(t), "--n 20 --solver euler --steps 3 --logp", ".npy"},
		{trained(t), "--n 20 --solver euler --steps 4 --shift 3 --spacing karras", ".csv"},
		{images, "--n 4 --solver euler --steps 5 --guidance 2 --guidance-interval 0.1,0.5 --guidance-rescale 0.7",
			".npy"},
		{law, "--n 9 --complete --given a=p,x=0,5", ".csv"},
		{law, "--n 3 --given " + some, ".csv"},
		{posterior, "--n 3 --given " + obs + " --logp", ".csv"},
		{posterior, "--n 3 --given " + obs, ".npy"},
		{posterior, "--n 3 --given x=0.25,y=99", ".npy"},
		{images, "--n 5 --seed 2", ".png"},
		{images, "--grid 2 --guidance 1.5", ".png"},
		{images, "--grid 2x3 --label 1", ".png"},
		{images, "--n 3 --label 0", ".npy"},
		{trained(t), "--n 20 --solver ddim --eta 0.5 --steps 7 --seed 3", ".csv"},
		{trained(t), "--n 20 --solver heun_sde --diffusion sigma:0.5 --steps 9", ".npy"},
		{images, "--n 4 --solver ddpm --steps 5 --guidance 2", ".npy"},
		{large, "--n 5 --condition " + small + " --steps 3", ".npy"},
		{large, "--n 5 --condition " + whole + " --steps 3", ".png"},
		{large, "--n 2 --condition " + small + " --solver ddpm --steps 3", ".png"},
		{painted, "--n 4 --condition " + whole + " --seed 4 --steps 3", ".npy"},
		{painted, "--n 2 --condition " + whole + " --logp --solver euler --steps 3", ".npy"},
		{trainedTokens(t), "--n 3 --seed 5", ".txt"},
		{trainedTokens(t), "--n 3 --temperature 0.5 --top-p 0.9 --solver euler --corrector 0.5 --steps 4", ".npy"},
		{trainedTokens(t), "--n 2 --extend 5 --infill " + draft, ".txt"},
		{trainedTokens(t), "--mark [?] --infill " + marked, ".npy"},
		{rows, "--n 5 --seed 2", ".csv"},
		{rows, "--n 4 --label car --guidance 2 --temperature 0.7", ".csv"},
		{rows, "--n 3 --solver euler --steps 4", ".npy"},
	} {
		flags := strings.Fields(c.flags)
		if c.ext != ".png" && c.dir != trainedTokens(t) && c.dir != rows && !slices.Contains(flags, "--steps") &&
			!slices.Contains(flags, "--control") {
			flags = append(flags, "--solver", "dopri5", "--control", "point")
		}
		tmp := t.TempDir()
		own, remote := filepath.Join(tmp, "own"), filepath.Join(tmp, "remote")
		want := succeedJSON(t, append([]string{"sample", c.dir, "--out", own + c.ext, "-q"}, flags...)...)
		url := service + "/" + filepath.Base(c.dir)
		got := succeedJSON(t, append([]string{"sample", url, "--out", remote + c.ext, "-q"}, flags...)...)
		files, ok := want["files"].([]any)
		if !ok || len(files) != len(got["files"].([]any)) || got["n"] != want["n"] || got["seed"] != want["seed"] {
			t.Errorf("%s %s: %v, of the folder %v", url, c.flags, got, want)
		}
		for k, file := range files {
			a, err := os.ReadFile(file.(string))
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(got["files"].([]any)[k].(string))
			if err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s %s: %s differs from that of the folder (%v)", url, c.flags, got["files"].([]any)[k], err)
			}
		}
		goldenJSON(t, "sample-service", got)
	}
}

// imagesFromImages trains runs on images of 6x6 that are made larger, and that are filled in, and calls them by that.
func imagesFromImages(t *testing.T) (large, painted string) {
	t.Helper()
	dir := t.TempDir()
	pix := make([]byte, 40*36)
	for i := range pix {
		pix[i] = byte(i * i)
	}
	writeIDX(t, filepath.Join(dir, "x-images-idx3-ubyte"), pix, 40, 6, 6)
	for name, condition := range map[string]string{"large": "{kind: superres, factor: 2}",
		"painted": "{kind: inpaint, mask: random}"} {
		file := writeText(t, name+".yaml", "data: {path: "+filepath.Join(dir, "x-images-idx3-ubyte")+
			", val: 5, test: 5}\ncondition: "+condition+"\nnet: {hidden: [8]}\ntrain: {steps: 5, batch: 8}\n"+
			"eval: {solver: euler, steps: 3}\n")
		succeed(t, "train", file, "--out", filepath.Join(dir, name), "-q")
	}
	return filepath.Join(dir, "large"), filepath.Join(dir, "painted")
}

// bytesNPY is an array of bytes as NumPy writes it.
func bytesNPY(shape []int) []byte {
	head := fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (%d, %d, %d), }", shape[0], shape[1],
		shape[2])
	head += strings.Repeat(" ", 117-len(head)) + "\n"
	out := append([]byte("\x93NUMPY\x01\x00\x76\x00"), head...)
	for i := range shape[0] * shape[1] * shape[2] {
		out = append(out, byte(i*37))
	}
	return out
}

func TestWhatAServiceCannotDo(t *testing.T) {
	run, law := trained(t), called(t, "law", lawRun(t))
	t.Chdir(t.TempDir()) // where a file that is refused would be
	service, out := servingRuns(t, []string{"secret"}, run, law, trainedTokens(t)), filepath.Join(t.TempDir(), "s.csv")
	token := writeText(t, "token", "# of the service\nsecret\n")
	url, table, words := service+"/run", service+"/law", service+"/tokens"
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{url + " --n 2", exitUsage, "give --token-file"},
		{run + " --n 2 --token-file " + token, exitUsage, "--token-file is for samples from a service"},
		{url + " --n 2 --backend go --token-file " + token, exitUsage, "--backend is for folders: a service keeps"},
		{url + " --map --token-file " + token, exitUsage, "--map is for folders: no request"},
		{url + " --n 2 --set eval.steps=3 --token-file " + token, exitUsage, "--set is for folders"},
		{url + " --n 2 --mask left --token-file " + token, exitUsage, "--mask is for folders: a service"},
		{url + " --n 2 --solver ddpm --logp --token-file " + token, exitUsage, "--logp needs an ODE solver"},
		{url + " --n 2 --infill " + token + " --token-file " + token, exitUsage, "--infill is for runs of tokens"},
		{url + " --n 2 --condition " + token + " --token-file " + token, exitUsage, "make images from images"},
		{url + " --n 2 --condition test --token-file " + token, exitUsage, "--condition test is for folders"},
		{words + " --n 2 --rtol 1 --token-file " + token, exitUsage, "--rtol has no effect on a run of tokens"},
		{words + " --n 2 --token-file " + token, exitUsage, "must end in .txt, .npy"},
		{words + " --steps 0 --n 1 --out a.txt --token-file " + token, exitUsage, "--steps is 0"},
		{words + " --infill " + token + " --out a.txt --token-file " + token, exitUsage, "has no ▁"},
		{words + " --infill " + token + " --mark= --out a.txt --token-file " + token, exitUsage, "--mark is empty"},
		{words + " --n 1 --temperature 0 --out a.txt --token-file " + token, exitUsage, "temperature is 0"},
		{words + " --n 1 --solver rk4 --out a.txt --token-file " + token, exitUsage, "must be one of exact, euler"},
		{url + " --n 2 --solver dopri5 --control batch --token-file " + token, exitUsage, "--control batch is for"},
		{url + " --n 2 --given x=3 --token-file " + token, exitUsage, "--given is for models that take a context"},
		{url + " --n 2 --label 3 --token-file " + token, exitUsage, "the model has no classes"},
		{url + " --grid 2 --token-file " + token, exitUsage, "is a file of numbers"},
		{url + " --n 9999999 --token-file " + token, exitUsage, "at most 100000"},
		{url + "s --n 2 --token-file " + token, exitUsage, `there is no model "runs"`},
		{service + " --n 2 --token-file " + token, exitUsage, "names no model"},
		{service + "/v1/models --n 2 --token-file " + token, exitUsage, "names no model"},
		{url + "?a=b --n 2 --token-file " + token, exitUsage, "is not the URL of a model"},
		{table + " --n 2 --given z=3 --token-file " + token, exitUsage, "unknown column"},
		{table + " --n 2 --given a= --token-file " + token, exitUsage, "has no value"},
		{table + " --n 2 --given test --token-file " + token, exitUsage, "--given test is for folders"},
		{"http://127.0.0.1:1/run --n 2 --token-file " + token, exitFailure, "refused"},
	} {
		code, _, stderr := invoke(t, append([]string{"sample", "--out", out}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("sample %s: exit code %d, %q; want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
	got := succeedJSON(t, "sample", service+"/v1/models/run", "--n", "2", "--out", out, "--token-file", token, "-q")
	if got["service"] != service || got["model"] != "run" {
		t.Errorf("the long URL: %v", got)
	}
}
