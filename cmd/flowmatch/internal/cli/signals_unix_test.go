//go:build unix

package cli

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmatch/run"
)

// The first Ctrl-C ends within a second, on a machine that does nothing else, also what looks at
// no context: decoding pictures, here one of 100 million pixels after the other, and the
// assignment of a large batch.
func TestCtrlCEndsWhatTakesLong(t *testing.T) {
	yaml := writeText(t, "run.yaml", tinyRun)
	pictures := manyLargePictures(t)
	// The program gives up after half a second (grace). Other tests share the cores meanwhile, and
	// a process with the costs of 30,000 points takes its time to go: so this asks for no more than
	// that nobody waits for the assignment, or the pictures, which take minutes.
	const patience = 5 * time.Second
	for _, c := range []struct {
		what, want string
		args       []string
	}{
		{"decoding", "interrupted", []string{"--set",
			"data={path: " + pictures + ", kind: folder, size: 8, channels: 1}"}},
		{"an assignment", "continue with: flowmatch train", []string{"--set", "coupling.name=ot", "--set",
			"train.batch=30000"}},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		cmd, stderr := child(t, append([]string{"train", yaml, "--out", dir, "-q"}, c.args...)...)
		waitFor(t, "the lock of the training", func() bool { return len(glob(t, dir, ".lock")) > 0 })
		time.Sleep(time.Second / 2) // for it to come to what takes long
		begin := time.Now()
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() // its exit code is looked at below
		took := time.Since(begin)
		if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), c.want) ||
			took > patience {
			t.Errorf("%s: exit code %d after %v; standard error %q; want 130 and %q", c.what, code, took,
				stderr, c.want)
		}
	}
}

// manyLargePictures makes a folder of the same white picture under many names.
func manyLargePictures(t *testing.T) string {
	t.Helper()
	const side, names = 4000, 500
	dir := t.TempDir()
	first := filepath.Join(dir, "0.png")
	f, err := os.Create(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, image.NewGray(image.Rect(0, 0, side, side))), f.Close()); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < names; i++ {
		if err := os.Link(first, filepath.Join(dir, fmt.Sprintf("%d.png", i))); err != nil {
			t.Skip(err)
		}
	}
	return dir
}

// A pipe that nobody writes into would be waited for, for ever: it is an error, wherever a file
// may be named.
func TestAPipeIsNoFile(t *testing.T) {
	tmp, dir := t.TempDir(), filepath.Join(t.TempDir(), "run")
	succeed(t, "train", writeText(t, "run.yaml", tinyRun), "--out", dir, "-q")
	pipe := func(name string) string {
		file := filepath.Join(tmp, name)
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Skip(err)
		}
		return file
	}
	yaml, points, array := pipe("run.yaml"), pipe("x.csv"), pipe("x.npy")
	table, idx, tar := pipe("x.parquet"), pipe("x-idx3-ubyte"), pipe("x.tar")
	broken := filepath.Join(tmp, "broken")
	if err := os.CopyFS(broken, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(broken, run.CheckpointFile)); err != nil {
		t.Fatal(err)
	}
	state := pipe("broken/" + run.CheckpointFile)
	good := writeText(t, "good.yaml", strings.Replace(tinyRun, "name: checkerboard, val: 50, test: 60", "path: x", 1))
	other := func(key, file string) string {
		return "train " + good + " --out " + tmp + "/other --set data." + key + "=" + file
	}
	images := other("path", writeIDX(t, filepath.Join(tmp, "y-idx3-ubyte"), make([]byte, 8), 2, 2, 2))
	numbers := other("path", writeText(t, "y.csv", "x,y\n1,2\n2,3\n3,5\n"))
	for _, c := range []struct{ args, pipe string }{
		{"train " + yaml + " --out " + tmp + "/other", yaml}, {other("path", points), points},
		{"experiment " + yaml, yaml}, {"eval " + broken, state},
		{other("path", array), array}, {other("path", table), table},
		{other("path", idx), idx}, {other("path", tar), tar},
		{images + " --set data.labels_path=" + idx, idx},
		{numbers + " --set data.test_path=" + points, points},
		{"logp " + dir + " --data " + points, points}, {"logp " + dir + " --data " + array, array},
		{"sample " + dir + " --n 2 --condition " + idx + " --out " + tmp + "/s.csv", ""},
		{"eval " + dir + " --classifier " + state, state}, {"eval " + dir + " --features " + state, ""},
		{"eval " + dir + " --classifier " + state + " --reference " + state, state},
		{"train " + good + " --out " + tmp + "/other --set data.path= --set data.name=moons " +
			"--set train.objective=reflow --set train.teacher=" + state, state},
	} {
		began := time.Now()
		code, _, stderr := invoke(t, append(strings.Fields(c.args), "-q")...)
		if code == 0 || time.Since(began) > 20*time.Second ||
			c.pipe != "" && !strings.Contains(stderr, c.pipe+": is a pipe; want a file") {
			t.Errorf("flowmatch %s: exit code %d, %q; want a refusal of the pipe", c.args, code, stderr)
		}
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return names
}
