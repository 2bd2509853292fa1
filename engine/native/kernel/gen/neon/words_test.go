package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/engine/native/kernel/gen/arm64"
)

// TestWordsAreWhatTheySay disassembles all instructions of the kernels that are written as words, and
// compares them with their comments.
func TestWordsAreWhatTheySay(t *testing.T) {
	objdump, err := exec.LookPath("aarch64-linux-gnu-objdump")
	if err != nil {
		t.Skip("needs aarch64-linux-gnu-objdump (binutils-aarch64-linux-gnu)")
	}
	assembly, err := os.ReadFile("../../neon_arm64.s")
	if err != nil {
		t.Fatal(err)
	}
	words := arm64.Words(assembly)
	if n := bytes.Count(assembly, []byte("WORD")); len(words) != n || n == 0 {
		t.Fatalf("%d words were understood of %d", len(words), n)
	}
	var code []byte
	for _, w := range words {
		code = binary.LittleEndian.AppendUint32(code, w.Word)
	}
	file := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(file, code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(objdump, "-D", "-b", "binary", "-m", "aarch64", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		// "   0:\t4f9c1300 \tfmla\tv0.4s, v24.4s, v28.s[0]"
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) >= 3 && strings.HasSuffix(f[0], ":") {
			got = append(got, strings.Join(f[2:], " "))
		}
	}
	if len(got) != len(words) {
		t.Fatalf("%d instructions in %d words", len(got), len(words))
	}
	wrong := map[string]bool{}
	for i, w := range words {
		name, _, _ := strings.Cut(w.Text, " ")
		if got[i] != w.Text && !wrong[name] {
			wrong[name] = true // one of each is enough
			t.Errorf("%08x is %q, not %q", w.Word, got[i], w.Text)
		}
	}
}
