package memory

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// What the process takes, it is seen to hold.
func TestProcess(t *testing.T) {
	_, before := Process()
	if before == 0 {
		t.Skip("this system does not report it")
	}
	const size = 256 << 20
	x := make([]byte, size)
	for i := 0; i < size; i += 512 {
		x[i] = 1
	}
	now, peak := Process()
	runtime.KeepAlive(x)
	if peak < size || peak < now || peak < before {
		t.Errorf("holds %d bytes, at most %d, before %d; want at least the %d taken", now, peak, before, size)
	}
}

func TestWhatDoesNotFitNamesTheSettingAndTheSize(t *testing.T) {
	known := slices.Contains([]string{"linux", "darwin", "windows", "freebsd", "netbsd", "openbsd", "dragonfly"},
		runtime.GOOS)
	if left, ok := Available(); ok != known || ok && (left < 1<<20 || left > 1<<50) {
		t.Fatalf("%d bytes left, %v; want some of a machine's, known: %v", left, ok, known)
	}
	if err := Check("data.n 5", 1<<10); err != nil {
		t.Error(err)
	}
	err := Check("data.n 1000000000000", 8e12*1000)
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "data.n 1000000000000 needs more memory than "+
		"there is: at least 8 PB, and ") {
		t.Errorf("%v", err)
	}
	if Check("x", math.Inf(1)) == nil || Check("x", math.NaN()) == nil {
		t.Error("no size is a size that fits")
	}
	for bytes, want := range map[float64]string{0: "0 bytes", 999: "999 bytes", 1500: "1.5 kB", 999_600: "1 MB",
		2.5e9: "2.5 GB", 1e30: "1e+12 EB"} {
		if got := Size(bytes); got != want {
			t.Errorf("%g bytes are %q, want %q", bytes, got, want)
		}
	}
}
