package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// bomb is a command that asks for more than there is.
type bomb struct {
	name string
	args []string // after the name of the program; RUN, OUT and FILE stand for what is there
}

// bombs is the table; what is added here is dropped.
func bombs() []bomb {
	train := func(name, setting string) bomb {
		return bomb{name, []string{"train", "FILE", "--out", "OUT", "--quiet", "--set", setting}}
	}
	return []bomb{
		train("wide layers", "net.hidden=[1000000,1000000]"),
		train("steps", "train.snapshot_every=9223372036854775807"),
		train("a batch", "train.batch=-1"),
	}
}

// dropBombs runs each bomb in limited memory: it must end soon, with an error and no trace.
func dropBombs(t *torturer, r *report) {
	r.what = "bombs"
	const kib = 4 << 20 // of addresses, of which the program itself takes a part
	file := t.writeText(r, "bombed.yaml", strings.Replace(runFile, "steps: 600", "steps: 5", 1))
	dir := filepath.Join(t.dir, "bombed")
	if e, err := t.start(trainArgs(file, dir, nil)...); err != nil || e.code != 0 {
		r.fault("exit code %d, %v: %.300s", e.code, err, e.stderr)
		return
	}
	for i, b := range bombs() {
		words := strings.NewReplacer("RUN", dir, "FILE", file, "OUT", filepath.Join(t.dir, fmt.Sprint("bomb", i)))
		args := []string{"-c", fmt.Sprintf("ulimit -v %d; exec \"$0\" \"$@\"", kib), t.bin}
		for _, a := range b.args {
			args = append(args, words.Replace(a))
		}
		begin := time.Now()
		out, err := exec.Command("sh", args...).CombinedOutput()
		if fault := traced(string(out)); fault != nil {
			r.fault("%s: %v", b.name, fault)
		}
		if took := time.Since(begin); took > longest {
			r.fault("%s: it took %v", b.name, took)
		}
		if len(out) == 0 && err != nil {
			r.fault("%s: %v, without a word", b.name, err)
		}
		r.tried++
	}
}
