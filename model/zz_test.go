package model

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"flowmatch/nn"
)

func TestZZ(t *testing.T) {
	c := trained(t, Spec{Net: nn.Config{Dim: 1, Hidden: []int{2}}, Shape: []int{1}})
	whole, _ := os.ReadFile(saved(t, c))
	t.Logf("%d bytes: %s", len(whole), whole)
	rng := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	stop := time.Now().Add(60 * time.Second)
	n := 0
	ok := 0
	for time.Now().Before(stop) {
		n++
		b := append([]byte(nil), whole...)
		for range 1 + rng.IntN(3) {
			i := rng.IntN(len(b))
			switch rng.IntN(3) {
			case 0:
				b[i] = byte(rng.IntN(256))
			case 1:
				b[i] = "0123456789-[]{}\","[rng.IntN(17)]
			case 2:
				if b[i] >= '0' && b[i] <= '9' {
					b[i] = byte('0' + rng.IntN(10))
				}
			}
		}
		file := filepath.Join(dir, "f")
		os.WriteFile(file, b, 0o600)
		start := time.Now()
		_, _, err := Open(file, c.Net.Engine())
		_, err2 := Load(file, c.Net.Engine())
		if d := time.Since(start); d > 200*time.Millisecond {
			t.Logf("%v: %v %v: %s", d, err, err2, b)
		}
		if err == nil {
			ok++
		}
	}
	t.Logf("%d tries, %d ok", n, ok)
}
