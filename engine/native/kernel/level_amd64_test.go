package kernel

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// A CPU with AVX-512 runs instructions of AVX-512 in functions for AVX2, too, so that their tests tell nothing of it.
// The text of the assembly does.
func TestAssemblyForAVX2NeedsNoMoreThanAVX2(t *testing.T) {
	beyond := regexp.MustCompile(`\b[XY](1[6-9]|2\d|3[01])\b|\bZ\d+\b|\bK[0-7]\b|` +
		`\b(SHLX|SHRX|SARX|PDEP|PEXT|BZHI|MULX|RORX)`)
	functions := 0
	for _, file := range []string{"double_amd64.s", "gemm_amd64.s", "vector_amd64.s"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		of := ""
		for i, line := range strings.Split(string(text), "\n") {
			if name, ok := strings.CutPrefix(line, "TEXT ·"); ok {
				of, _, _ = strings.Cut(name, "(")
				if strings.HasSuffix(of, "AVX2") || strings.HasSuffix(of, "AVX256") {
					functions++
				} else {
					of = ""
				}
			}
			if of != "" && beyond.MatchString(line) {
				t.Errorf("%s:%d: %s needs more than AVX2: %s", file, i+1, of, strings.TrimSpace(line))
			}
		}
	}
	if functions < 100 {
		t.Errorf("found %d functions for AVX2; there are more", functions)
	}
}
