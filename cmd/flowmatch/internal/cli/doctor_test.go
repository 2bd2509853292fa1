package cli

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"flowmatch/engine/native/machine"
)

// ownCache has the user's folder for caches in a folder of the test.
func ownCache(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(name, dir)
	}
	t.Setenv(machine.EnvVar, "")
}

func TestDoctorSaysWhereSizesComeFrom(t *testing.T) {
	ownCache(t)
	if out := succeed(t, "doctor"); !strings.Contains(out, "chosen for these caches") {
		t.Errorf("doctor says\n%s\nwant where the sizes come from", out)
	}
	file, err := machine.File(machine.Read().CPU.Name)
	if err != nil {
		t.Fatal(err)
	}
	sizes := machine.Choose(machine.Read(), runtime.GOMAXPROCS(0))
	sizes.Rows = 1024
	kept := machine.Tuned{CPU: machine.Read().CPU.Name, Version: machine.Version(), Threads: runtime.GOMAXPROCS(0),
		Sizes: sizes}
	if _, err := kept.Save(); err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "doctor"); !strings.Contains(out, "rows=1024") || !strings.Contains(out, "in "+file) {
		t.Errorf("doctor says\n%s\nwant the measurement", out)
	}
	if err := os.WriteFile(file, []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "doctor"); !strings.Contains(out, "not used: "+file+" is damaged") {
		t.Errorf("doctor says\n%s\nwant that the file is damaged", out)
	}
	t.Setenv(machine.EnvVar, "rows=16")
	out := succeed(t, "doctor")
	if !strings.Contains(out, "rows=16") || !strings.Contains(out, "forced by FLOWMATCH_SIZES") {
		t.Errorf("doctor says\n%s\nwant what is forced", out)
	}
	t.Setenv(machine.EnvVar, "rows=17")
	if out := succeed(t, "doctor"); !strings.Contains(out, "a multiple of 16") || strings.Contains(out, "chosen") {
		t.Errorf("doctor says\n%s\nwant the error of the native engine", out)
	}
}

func TestTuningBesideForcedSizesIsAnError(t *testing.T) {
	ownCache(t)
	t.Setenv(machine.EnvVar, "rows=16")
	code, _, stderr := invoke(t, "doctor", "--tune")
	if code != exitUsage || !strings.Contains(stderr, "unset it") {
		t.Errorf("exit code %d, %s; want %d and what to do", code, stderr, exitUsage)
	}
}
