package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmatch/cluster/clustertest"
	"flowmatch/run"
)

// job is a command in ranks.
type job struct {
	*exec.Cmd
	out *bytes.Buffer
}

// startJob starts a command of the program in n ranks of this machine.
func startJob(t *testing.T, n int, args ...string) job {
	t.Helper()
	cmd := clustertest.Start(t, append([]string{"-np", strconv.Itoa(n), os.Args[0]}, args...)...)
	cmd.Env = append(cmd.Env, childEnv+"=1")
	j := job{cmd, new(bytes.Buffer)}
	cmd.Stdout, cmd.Stderr = j.out, j.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return j
}

// ended waits for the end of a job, which must come soon, and returns its exit code and output.
func (j job) ended(t *testing.T) (code int, output string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- j.Wait() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		_ = j.Process.Kill()
		t.Fatalf("the job has not ended; it says\n%s", <-done)
	}
	return j.ProcessState.ExitCode(), j.out.String()
}

// signal sends a signal to a rank, whose process /proc shows, once the job has written a file.
func (j job) signal(t *testing.T, rank int, file string, s syscall.Signal) {
	t.Helper()
	begun := time.Now()
	for time.Since(begun) < time.Minute {
		time.Sleep(10 * time.Millisecond)
		if info, err := os.Stat(file); err != nil || info.ModTime().Before(begun) {
			continue
		}
		if pid := j.rank(rank); pid > 0 {
			if err := syscall.Kill(pid, s); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	_, said := j.ended(t)
	t.Fatalf("there was no process of rank %d; the job says\n%s", rank, said)
}

// rank returns the process of a rank; 0: there is none.
func (j job) rank(rank int) (pid int) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", j.Process.Pid))
	for _, file := range threads {
		children, _ := os.ReadFile(file)
		for _, child := range strings.Fields(string(children)) {
			env, _ := os.ReadFile("/proc/" + child + "/environ")
			if bytes.Contains(env, fmt.Appendf(nil, "OMPI_COMM_WORLD_RANK=%d\x00", rank)) {
				pid, _ = strconv.Atoi(child)
			}
		}
	}
	return pid
}

// same reports two runs whose weights are not the same bits.
func same(t *testing.T, a, b string) {
	t.Helper()
	var weights [2][]float32
	for i, dir := range []string{a, b} {
		r, err := run.Open(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		if weights[i], err = r.Model.Net().Weights(); err != nil {
			t.Fatal(err)
		}
	}
	for i, w := range weights[0] {
		if w != weights[1][i] {
			t.Fatalf("weight %d of %s is %g, of %s %g", i, a, w, b, weights[1][i])
		}
	}
}

func TestJobsOfRanksEndAndGoOn(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "run.yaml")
	if err := os.WriteFile(file, []byte(tinyRun), 0o666); err != nil {
		t.Fatal(err)
	}
	train := func(out string, more ...string) []string {
		return append([]string{"train", file, "--out", filepath.Join(dir, out), "--quiet",
			"--set", "train.steps=200", "--set", "train.checkpoint_every=10"}, more...)
	}
	if code, said := startJob(t, 2, train("whole")...).ended(t); code != 0 || !strings.Contains(said, "200 of 200") ||
		strings.Count(said, "steps ") != 1 || !strings.Contains(said, "ranks    ") {
		t.Fatalf("exit code %d, and the job says\n%s", code, said)
	}
	first := filepath.Join(dir, "stopped", run.CheckpointFile)

	j := startJob(t, 2, train("stopped")...)
	j.signal(t, 1, first, syscall.SIGTERM)
	code, said := j.ended(t)
	if code != terminated || !strings.Contains(said, "rank 1 of 2 was asked to end") ||
		!strings.Contains(said, "continue with: mpirun -np 2 flowmatch-mpi train") {
		t.Errorf("after SIGTERM for rank 1: exit code %d, and the job says\n%s", code, said)
	}
	j = startJob(t, 2, train("stopped", "--resume")...)
	j.signal(t, 1, first, syscall.SIGKILL)
	if code, said = j.ended(t); code == 0 || !strings.Contains(said, "rank 1 ") {
		t.Errorf("after SIGKILL for rank 1: exit code %d, and the job says\n%s", code, said)
	}
	if code, said = startJob(t, 2, train("stopped", "--resume")...).ended(t); code != 0 {
		t.Fatalf("resumed: exit code %d, and the job says\n%s", code, said)
	}
	same(t, filepath.Join(dir, "whole"), filepath.Join(dir, "stopped"))

	if code, said = startJob(t, 2, "plot", dir, "--kind", "loss", "--out", "x.png").ended(t); code != exitUsage ||
		!strings.Contains(said, "is for one process") || strings.Count(said, "is for one process") != 1 {
		t.Errorf("plot: exit code %d, and the job says\n%s", code, said)
	}
}

// Ranks fill the holes of a table as one process does, to the bit, and one of them writes.
func TestRanksImputeAsOneDoes(t *testing.T) {
	dir := t.TempDir()
	holes, path := filepath.Join(dir, "holes.csv"), filepath.Join(dir, "run")
	text := "x,y,kind\n"
	for i := range 90 {
		text += fmt.Sprintf("%d.5%s\n", i%7, []string{",,a", ",1.5,b", ",0.5,"}[i%3])
	}
	if err := os.WriteFile(holes, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	if code, said := startJob(t, 2, "train", holes, "--out", path, "--quiet", "--set", "train.steps=20", "--set",
		"data.schema=auto", "--set", "train.shown=0.5").ended(t); code != 0 {
		t.Fatalf("train: exit code %d, and the job says\n%s", code, said)
	}
	steps := []string{"--solver", "euler", "--steps", "5", "--n", "3"}
	for name, how := range map[string][]string{"steps": steps, "adaptive": nil} {
		var files [3][]byte
		for k := range files {
			out := filepath.Join(dir, fmt.Sprint(name, k, ".csv"))
			args := append([]string{"impute", path, "--data", holes, "--out", out}, how...)
			code, said := startJob(t, k+1, args...).ended(t)
			if code != 0 || strings.Count(said, "of which 60 lacked values") != 1 {
				t.Fatalf("impute in %d ranks: exit code %d, and the job says\n%s", k+1, code, said)
			}
			var err error
			if files[k], err = os.ReadFile(out); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(files[0], files[1]) || !bytes.Equal(files[0], files[2]) || len(files[0]) == 0 {
			t.Errorf("%s: two or three ranks fill in other values than one", name)
		}
	}
}
