package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// fillDisk trains on a small file system until it is full, makes it larger, and goes on: the
// state that was saved last is there, and the run ends as on a disk with room.
func fillDisk(t *torturer, r *report) {
	r.what = "trainings on a disk that became full"
	disk := filepath.Join(t.dir, "disk")
	if err := os.MkdirAll(disk, 0o777); err != nil {
		r.fault("%v", err)
		return
	}
	const small, large = "size=200k", "size=20m"
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", small, "tmpfs", disk).CombinedOutput(); err != nil {
		r.skipped = "a small file system cannot be mounted here: " + strings.TrimSpace(string(out))
		return
	}
	defer exec.Command("umount", disk).Run()
	file, dir, whole := t.writeText(r, "run.yaml", runFile), filepath.Join(disk, "run"), filepath.Join(t.dir, "roomy")
	set := []string{"train.snapshot_every=15", "train.steps=300"}
	if e, err := t.start(trainArgs(file, whole, set)...); err != nil || e.code != 0 {
		r.fault("on a disk with room: exit code %d, %v: %.300s", e.code, err, e.stderr)
		return
	}
	e, err := t.start(trainArgs(file, dir, set)...)
	if err != nil || e.code != 1 || !strings.Contains(e.stderr, "no space left") {
		r.fault("the disk is full: exit code %d, %v: %.300s", e.code, err, e.stderr)
	}
	for _, name := range namesIn(dir) {
		if strings.Contains(name, ".tmp-") {
			r.fault("left on the full disk: %s", name)
		}
	}
	out := filepath.Join(t.dir, "full.csv")
	if e, err := t.start("sample", dir, "--n", "10", "--out", out, "--quiet"); err != nil || e.code != 0 {
		r.fault("sample from the full disk: exit code %d, %v: %.300s", e.code, err, e.stderr)
	}
	if e, err := t.start("sample", dir, "--n", "9000", "--out", filepath.Join(disk, "s.csv"), "--quiet"); err != nil ||
		e.code != 1 || !strings.Contains(e.stderr, "no space left") {
		r.fault("sample onto the full disk: exit code %d, %v: %.300s", e.code, err, e.stderr)
	}
	if err := exec.Command("mount", "-o", "remount,"+large, disk).Run(); err != nil {
		r.fault("remount: %v", err)
	}
	if e, err := t.start(trainArgs(file, dir, set)...); err != nil || e.code != 0 {
		r.fault("with room again: exit code %d, %v: %.300s", e.code, err, e.stderr)
	}
	for _, d := range differences(whole, dir) {
		r.fault("%s", d)
	}
	r.tried = 1
}
