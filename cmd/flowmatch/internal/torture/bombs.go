package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"flowmatch/internal/choice"
)

// bomb is a command that asks for more than there is.
type bomb struct {
	name string
	args []string // after the name of the program; RUN, OUT, FILE and DIR stand for what is there
	file string   // written into DIR beforehand
	text func() []byte
}

// vast are numbers that no machine has room for.
var vast = []string{"1000000000", "4294967296", "1000000000000", "1152921504606846976", "9223372036854775807"}

// bombs is the table; what is added here is dropped.
func bombs() []bomb {
	var all []bomb
	command := func(args ...string) {
		all = append(all, bomb{name: strings.Join(args, " "), args: args})
	}
	set := func(setting string) { command("train", "FILE", "--out", "OUT", "-q", "--set", setting) }
	for _, n := range vast {
		for _, key := range []string{"train.batch", "data.n", "data.test", "data.val", "net.time_frequencies",
			"net.space_frequencies"} {
			set(key + "=" + n)
		}
		set("net.hidden=[" + n + "," + n + "]")
		set("net.hidden=[8," + n + "]")
		command("sample", "RUN", "--n", n, "--steps", n, "--out", "DIR/x.npy")
		command("eval", "RUN", "--solver", "euler", "--steps", n)
		command("plot", "RUN", "--kind", "samples", "--n", n, "--out", "DIR/x.png")
		command("plot", "RUN", "--kind", "trajectories", "--n", n, "--out", "DIR/x.gif")
		command("export", "RUN", "--check", n, "--out", "DIR/x.onnx")
		command("experiment", "couplings", "--check", "--seeds", n)
	}
	// Samples go to a file part by part: fewer than these take long, and no more memory than others.
	for _, n := range vast[2:] {
		command("sample", "RUN", "--n", n, "--out", "DIR/x.csv")
	}
	for _, setting := range []string{"train.batch=-1", "train.steps=1e30", "net.hidden=" + strings.Repeat("[", 1000),
		"data.n=-5", "eval.steps=9223372036854775807", "train.accumulate=1000000000", "train.ml={probes: 1000000000}"} {
		set(setting)
	}
	return append(all, fileBombs()...)
}

// fileBombs are small files that claim or hide more than there is.
func fileBombs() []bomb {
	yaml := func(name string, text func() []byte) bomb {
		return bomb{name, []string{"train", "DIR/bomb.yaml", "--out", "OUT", "-q"}, "bomb.yaml", text}
	}
	points := func(name, file string, text func() []byte) bomb {
		return bomb{name, []string{"train", "FILE", "--out", "OUT", "-q", "--set", "data={path: DIR/" + file + "}"},
			file, text}
	}
	repeat := func(head, part string, n int) func() []byte {
		return func() []byte { return []byte(head + strings.Repeat(part, n)) }
	}
	packed := func(text func() []byte) func() []byte { return func() []byte { return zip(text()) } }
	idx := func(sizes ...uint32) func() []byte {
		return func() []byte { return append(idxHead(sizes...), make([]byte, 100<<20)...) }
	}
	return []bomb{
		yaml("brackets", repeat("a: ", "[", 400000)),
		yaml("braces", repeat("a: ", "{", 400000)),
		yaml("anchors", anchors),
		yaml("lines", repeat("", "a: 1\n", 300000)),
		yaml("a long key", repeat("", "k", 1<<20)),
		yaml("an indented tower", tower),
		points("a CSV of one field", "x.csv", repeat("", "7", 50<<20)),
		points("a CSV of many columns", "x.csv", repeat("1", ",1", 5000000)),
		points("a CSV of an open quote", "x.csv", repeat("a,b\n\"", "x", 20<<20)),
		points("a zipped CSV without lines", "x.csv.gz", packed(repeat("", "1", 400<<20))),
		points("a zipped CSV of rows", "x.csv.gz", packed(repeat("a,b\n", "1,2\n", 100<<20))),
		points("a zipped IDX of 1024³", "x-images-idx3-ubyte.gz", packed(idx(1024, 1024, 1024))),
		points("an IDX of 2³²", "x-images-idx3-ubyte", idx(1<<31, 1<<31, 2)),
		points("an NPY of 2⁶²", "x.npy", npyClaims("(4611686018427387904, 2)")),
		points("an NPY of overflow", "x.npy", npyClaims("(4294967296, 4294967297)")),
		points("an NPY of nothing", "x.npy", npyClaims("(0, 1000000000)")),
		{"a file without an end", []string{"train", "FILE", "--out", "OUT", "-q", "--set",
			"data={path: /dev/zero, kind: table}"}, "", nil},
	}
}

// anchors is a YAML text each of whose lines holds the one before ten times.
func anchors() []byte {
	var b strings.Builder
	b.WriteString("a0: &a0 [1, 1]\n")
	for i := 1; i < 20; i++ {
		ten := strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10)
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(ten, ", "))
	}
	return []byte(b.String())
}

// tower is a YAML text in which each line is deeper than the one before.
func tower() []byte {
	var b strings.Builder
	for i := range 2000 {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return []byte(b.String())
}

// npyClaims is an NPY file with a shape that its few numbers do not fill.
func npyClaims(shape string) func() []byte {
	return func() []byte { return append(npyHead(shape), make([]byte, 800)...) }
}

// dropBombs runs each bomb in limited memory: it must end soon, with an error and no trace.
func dropBombs(t *torturer, r *report) {
	r.what = "bombs"
	file := t.writeText(r, "bombed.yaml", strings.Replace(runFile, "steps: 600", "steps: 5", 1))
	dir := filepath.Join(t.dir, "bombed")
	if e, err := t.start(trainArgs(file, dir, nil)...); err != nil || e.code != 0 {
		r.fault("exit code %d, %v: %.300s", e.code, err, e.stderr)
		return
	}
	slowest := time.Duration(0)
	for i, b := range bombs() {
		if b.text != nil {
			if err := os.WriteFile(filepath.Join(t.dir, b.file), b.text(), 0o600); err != nil {
				r.fault("%v", err)
				return
			}
		}
		words := strings.NewReplacer("RUN", dir, "FILE", file, "DIR", t.dir,
			"OUT", filepath.Join(t.dir, fmt.Sprint("bomb", i)))
		took, err := t.drop(b, words)
		if slowest = max(slowest, took); err != nil {
			r.fault("%s: %v", choice.Cut(b.name), err)
		}
		r.tried++
	}
	r.note("the slowest took %v", slowest.Round(time.Millisecond))
}

// drop runs a bomb, and returns how long it took and what is wrong.
func (t *torturer) drop(b bomb, words *strings.Replacer) (time.Duration, error) {
	const kib = 4 << 20 // of addresses, of which the program itself takes a part
	args := []string{"-c", fmt.Sprintf("ulimit -v %d; exec \"$0\" \"$@\"", kib), t.bin}
	for _, a := range b.args {
		args = append(args, words.Replace(a))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*longest)
	defer cancel()
	begin := time.Now()
	out, err := exec.CommandContext(ctx, "sh", args...).CombinedOutput()
	took, fault := time.Since(begin), traced(string(out))
	switch {
	case fault != nil:
		return took, fault
	case took > longest:
		return took, fmt.Errorf("it took %v", took)
	case err == nil:
		return took, errors.New("it found room")
	case len(out) == 0:
		return took, fmt.Errorf("%w, without a word", err)
	case len(out) > 4000:
		return took, fmt.Errorf("it says %d bytes: %.200q", len(out), out)
	}
	return took, nil
}
